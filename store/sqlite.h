/* sqlite.h -- shared by the files that speak SQL, and by no others. */
#ifndef PAIDAN_SQLITE_H
#define PAIDAN_SQLITE_H

#include <sqlite3.h>

#include "chain.h"
#include "guard.h"
#include "store.h"

#define BUSY_MS 5000 /* how long a connection waits for another */
/* Opens a connection with the settings that all of ours have. */
int sqlite_open(const char *path, const char *vfs, bool is_writer, sqlite3 **db, struct failure *failure);
int sqlite_run(sqlite3 *db, const char *sql, struct failure *failure);
int sqlite_fail(sqlite3 *db, const char *doing, struct failure *failure);
/* One number; `fallback` when there is no row. */
int sqlite_number(sqlite3 *db, const char *sql, int64_t *number, struct failure *failure);

/* Makes or migrates the schema, in one transaction a version; then checks that the vault's key is the
 * one that personal data were sealed with. */
int sqlite_migrate(sqlite3 *db, const struct vault *vault, struct failure *failure);
/* An empty database's tables, indexes and triggers. `is_altered`: in the words of one that came from version 3. */
int sqlite_create(sqlite3 *db, bool is_altered, struct failure *failure);
/* A trigger that somebody added would change rows behind our back, one that was dropped would leave them. */
int sqlite_check_objects(sqlite3 *db, struct failure *failure);
int sqlite_check_key(sqlite3 *db, const struct vault *vault, struct failure *failure);

/* What the row of counters says: the head of the audit chain and the one before the oldest event that is
 * kept, how many commits there were, and the rows of each table. */
#define KEY_CHECK_BYTES 256
struct state_head {
    struct chain head, base;
    enum vault_profile profile;
    uint64_t commits;
    int64_t row_check;
    char base_line[CHAIN_LINE_BYTES];
    uint8_t key_check[KEY_CHECK_BYTES], tables[TALLIES_BYTES];
    size_t key_check_bytes;
};
/* `guard` NULL: without the key its MAC cannot be checked. */
int sqlite_head(sqlite3 *db, struct guard *guard, struct state_head *head, struct failure *failure);

/* What the writer must know to go on counting. */
struct state_rows {
    struct tally_of_rows tallies[TABLE_COUNT];
    int64_t highest[TABLE_COUNT]; /* first column */
};
/* Whether all rows are as they were written and all are there: a MAC each, then the counts and sums. */
int sqlite_verify(sqlite3 *db, const struct vault *vault, struct guard *guard, const struct state_head *head, struct state_rows *rows,
                  struct failure *failure);
/* Gives every row its MAC: once, when the schema becomes that of version 5. */
int sqlite_seal(sqlite3 *db, const struct vault *vault, struct failure *failure);

/* The writer's prepared statements. */
struct writer;
int writer_new(sqlite3 *db, const struct vault *vault, const struct state_head *head, const struct state_rows *rows,
               struct writer **writer, struct failure *failure);
const struct state_head *writer_head(const struct writer *writer);
void writer_free(struct writer *writer);
/* Whether the last commit deleted or replaced personal data, which the log still holds. */
bool writer_has_erased(const struct writer *writer);
struct left_over writer_left_over(const struct writer *writer); /* of the last batch's retention */
/* One transaction; on failure the outcome is unknown. */
int writer_commit(struct writer *writer, const struct batch *batch, struct failure *failure);

/* Answers one question on a read-only connection. */
void reader_answer(sqlite3 *db, const struct vault *vault, struct query *query);

/* Shared by the files that answer: NULL with the query's failure; done with, with the last result code. */
sqlite3_stmt *question_prepare(sqlite3 *db, const char *sql, struct query *query);
void question_finish(sqlite3 *db, sqlite3_stmt *statement, int rc, struct query *query);
/* Sets the failure when the `count` columns from `first` on are not a row as it was written. */
void question_check(struct query *query, enum guarded table, sqlite3_stmt *row, int first, int count);

/* sqlite_figures.c */
void answer_record(sqlite3 *db, struct query *query);
void answer_volunteer(sqlite3 *db, struct query *query);
void answer_month(sqlite3 *db, struct query *query);
void answer_push(sqlite3 *db, struct query *query);
void answer_dead(sqlite3 *db, struct query *query);

/* Until schema 4 rows ended with a plain digest: looked at when they are migrated, and only then. */
uint64_t older_check_of(sqlite3_stmt *row, int first, int count); /* over `count` columns */
bool older_is_whole(sqlite3_stmt *row, int first, int count);
int row_fail(sqlite3_stmt *row, const char *table, struct failure *failure); /* it is not as it was written */

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

/* Personal data as one sealed text; and a row of `contact`, opened: false when it does not open. */
size_t contact_seal(const struct vault *vault, const struct contact_row *row, uint8_t *sealed);
bool row_contact(sqlite3_stmt *row, const struct vault *vault, struct contact_row *contact);
#define CONTACT_TEXTS 6
#define CONTACT_SEALED_MAX (CONTACT_TEXTS * (CONTACT_TEXT_BYTES_MAX + 1) + 16 + SEAL_BYTES_MAX)

int sqlite_backup(sqlite3 *db, const char *path, struct failure *failure);

#endif
