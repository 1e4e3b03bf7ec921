/* sqlite.h -- shared by the files that speak SQL, and by no others. */
#ifndef PAIDAN_SQLITE_H
#define PAIDAN_SQLITE_H

#include <sqlite3.h>

#include "chain.h"
#include "store.h"

/* Opens a connection with the settings that all of ours have. */
int sqlite_open(const char *path, const char *vfs, bool is_writer, sqlite3 **db, struct failure *failure);
int sqlite_run(sqlite3 *db, const char *sql, struct failure *failure);
int sqlite_fail(sqlite3 *db, const char *doing, struct failure *failure);
/* One number; `fallback` when there is no row. */
int sqlite_number(sqlite3 *db, const char *sql, int64_t *number, struct failure *failure);

/* Makes or migrates the schema, in one transaction a version; then checks that the vault's key is the
 * one that personal data were sealed with. */
int sqlite_migrate(sqlite3 *db, const struct vault *vault, struct failure *failure);
/* The head of the audit chain, and the one before the oldest event that is kept. */
int sqlite_chain(sqlite3 *db, enum vault_profile *profile, struct chain *head, struct chain *base,
                 struct failure *failure);

/* The writer's prepared statements. */
struct writer;
int writer_new(sqlite3 *db, const struct vault *vault, struct writer **writer, struct failure *failure);
const struct chain *writer_chain(const struct writer *writer);
void writer_free(struct writer *writer);
/* One transaction; on failure the outcome is unknown. */
int writer_commit(struct writer *writer, const struct batch *batch, struct failure *failure);

/* Answers one question on a read-only connection. */
void reader_answer(sqlite3 *db, const struct vault *vault, struct query *query);

/* Shared by the files that answer: NULL with the query's failure; done with, with the last result code. */
sqlite3_stmt *question_prepare(sqlite3 *db, const char *sql, struct query *query);
void question_finish(sqlite3 *db, sqlite3_stmt *statement, int rc, struct query *query);

/* sqlite_figures.c */
void answer_record(sqlite3 *db, struct query *query);
void answer_volunteer(sqlite3 *db, struct query *query);
void answer_month(sqlite3 *db, struct query *query);
void answer_push(sqlite3 *db, struct query *query);
void answer_dead(sqlite3 *db, struct query *query);

/* SQLite does not notice a bit that flips inside a row. So the rows of the state end with a digest of what
 * stands before: check_number() and check_bytes() add to it as values are bound, and row_is_whole()
 * computes it again over `count` columns from `first` on, the last of which is the digest. */
uint64_t check_number(uint64_t check, int64_t number);
uint64_t check_bytes(uint64_t check, const void *bytes, size_t len);
uint64_t row_check_of(sqlite3_stmt *row, int first, int count); /* over `count` columns */
bool row_is_whole(sqlite3_stmt *row, int first, int count);
int row_fail(sqlite3_stmt *row, const char *table, struct failure *failure); /* when it is not */

void row_text(sqlite3_stmt *row, int column, char *to, size_t size); /* cut to what there is room for */
/* Rows to structs; columns in the sequence of the tables. */
void row_order(sqlite3_stmt *row, struct order *order);
void row_offer(sqlite3_stmt *row, struct offer *offer);
/* Borrows from the row and from `more`. */
void row_org(sqlite3_stmt *row, struct org *org, struct org_more *more);
void row_event(sqlite3_stmt *row, struct event *event);
#define RECENT_BYTES_MAX 64
size_t recent_pack(const struct recent *recent, uint8_t bytes[RECENT_BYTES_MAX]); /* for the column that row_org() reads */
#define RECORD_COLUMNS 13
void row_record(sqlite3_stmt *row, struct record_row *record);
void row_series(sqlite3_stmt *row, struct series *series);

/* Personal data as one sealed text, and back; false when it does not open. */
size_t contact_seal(const struct vault *vault, const struct contact_row *row, uint8_t *sealed);
bool contact_unseal(const struct vault *vault, const uint8_t *sealed, size_t len, struct contact_row *row);
#define CONTACT_TEXTS 6
#define CONTACT_SEALED_MAX (CONTACT_TEXTS * (CONTACT_TEXT_BYTES_MAX + 1) + 16 + SEAL_BYTES_MAX)

int sqlite_backup(sqlite3 *db, const char *path, struct failure *failure);

#endif
