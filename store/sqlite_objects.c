/* sqlite_objects.c -- whether the tables, indexes and triggers of a file are those of this schema, and nothing else. */
#include <sysexits.h>

#include "sqlite.h"

/* Each row of the one schema stands once in the other. `saying`: what is wrong with one that does not. */
static int compare(sqlite3 *one, sqlite3 *other, const char *saying, struct failure *failure)
{
    static const char every[] = "SELECT type, name, tbl_name, sql FROM sqlite_schema";
    static const char same[] = "SELECT count(*) FROM sqlite_schema WHERE type IS ? AND name IS ? AND tbl_name IS ? AND sql IS ?";
    sqlite3_stmt *row = NULL;
    sqlite3_stmt *find = NULL;
    int rc = SQLITE_ERROR;
    int bad = 0;
    if (sqlite3_prepare_v2(one, every, -1, &row, NULL) != SQLITE_OK)
        bad = sqlite_fail(one, "schema", failure);
    else if (sqlite3_prepare_v2(other, same, -1, &find, NULL) != SQLITE_OK)
        bad = sqlite_fail(other, "schema", failure);
    while (bad == 0 && (rc = sqlite3_step(row)) == SQLITE_ROW) {
        for (int i = 0; i < 4; i++)
            sqlite3_bind_value(find, i + 1, sqlite3_column_value(row, i));
        if (sqlite3_step(find) != SQLITE_ROW)
            bad = sqlite_fail(other, "schema", failure);
        else if (sqlite3_column_int(find, 0) != 1)
            bad = failure_set(failure, EX_DATAERR, "%.20s %.60s %s: restore a backup", (const char *)sqlite3_column_text(row, 0),
                              (const char *)sqlite3_column_text(row, 1), saying);
        sqlite3_reset(find);
    }
    if (bad == 0 && rc != SQLITE_DONE)
        bad = sqlite_fail(one, "schema", failure);
    sqlite3_finalize(row);
    sqlite3_finalize(find);
    return bad;
}

int sqlite_check_objects(sqlite3 *db, struct failure *failure)
{
    sqlite3 *expected = NULL;
    int64_t is_altered = 0;
    if (sqlite_number(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'events' AND sql LIKE '%DEFAULT%'", &is_altered, failure) != 0)
        return -1;
    int rc = sqlite3_open_v2(":memory:", &expected, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    rc = rc == SQLITE_OK ? sqlite_create(expected, is_altered != 0, failure) : sqlite_fail(expected, "schema", failure);
    if (rc == 0)
        rc = compare(db, expected, "of the database is none that paidand makes, or was changed", failure);
    if (rc == 0)
        rc = compare(expected, db, "of the database is missing", failure);
    sqlite3_close(expected);
    return rc;
}
