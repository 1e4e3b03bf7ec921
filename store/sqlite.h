/* sqlite.h -- shared by the files that speak SQL, and by no others. */
#ifndef PAIDAN_SQLITE_H
#define PAIDAN_SQLITE_H

#include <sqlite3.h>

#include "store.h"

/* Opens a connection with the settings that all of ours have. */
int sqlite_open(const char *path, const char *vfs, bool is_writer, sqlite3 **db, struct failure *failure);
int sqlite_run(sqlite3 *db, const char *sql, struct failure *failure);
int sqlite_fail(sqlite3 *db, const char *doing, struct failure *failure);
/* One number; `fallback` when there is no row. */
int sqlite_number(sqlite3 *db, const char *sql, int64_t *number, struct failure *failure);

/* Makes or migrates the schema, in one transaction a version. */
int sqlite_migrate(sqlite3 *db, struct failure *failure);

/* The writer's prepared statements. */
struct writer;
int writer_new(sqlite3 *db, struct writer **writer, struct failure *failure);
void writer_free(struct writer *writer);
/* One transaction; on failure the outcome is unknown. */
int writer_commit(struct writer *writer, const struct batch *batch, struct failure *failure);

/* Answers one question on a read-only connection. */
void reader_answer(sqlite3 *db, struct query *query);

/* Rows to structs; columns in the sequence of the tables. */
void row_order(sqlite3_stmt *row, struct order *order);
void row_offer(sqlite3_stmt *row, struct offer *offer);
/* Borrows from the row and from `more`. */
void row_org(sqlite3_stmt *row, struct org *org, struct org_more *more);
void row_event(sqlite3_stmt *row, struct event *event);

int sqlite_backup(sqlite3 *db, const char *path, struct failure *failure);

#endif
