/* sqlite_verify.c -- at start and for an audit: every row against its MAC, every table against its count. */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "sqlite.h"

enum { /* of counters */
    C_NEXT_EVENT = 4, C_HEAD = 6, C_BASE_SEQ, C_BASE_HEAD, C_PROFILE, C_KEY_CHECK, C_NEXT_RECORD, C_COMMITS,
    C_TABLES, C_BASE_LINE, C_ROW_CHECK, C_COLUMNS
};

static bool take_blob(sqlite3_stmt *row, int column, void *to, size_t size)
{
    bool is_good = (size_t)sqlite3_column_bytes(row, column) == size;
    if (is_good && size != 0)
        memcpy(to, sqlite3_column_blob(row, column), size);
    return is_good;
}

int sqlite_head(sqlite3 *db, struct guard *guard, struct state_head *head, struct failure *failure)
{
    sqlite3_stmt *row = NULL;
    *head = (struct state_head){.commits = 0};
    if (sqlite3_prepare_v2(db, "SELECT * FROM counters", -1, &row, NULL) != SQLITE_OK)
        return sqlite_fail(db, "counters", failure);
    if (sqlite3_step(row) != SQLITE_ROW || sqlite3_column_count(row) != C_COLUMNS) {
        sqlite3_finalize(row);
        return failure_set(failure, EX_DATAERR, "table counters: its row is missing: restore a backup");
    }
    head->head.seq = (uint64_t)sqlite3_column_int64(row, C_NEXT_EVENT) - 1;
    head->base.seq = (uint64_t)sqlite3_column_int64(row, C_BASE_SEQ);
    head->profile = sqlite3_column_int(row, C_PROFILE) == VAULT_STATE ? VAULT_STATE : VAULT_INTERNATIONAL;
    head->commits = (uint64_t)sqlite3_column_int64(row, C_COMMITS);
    head->row_check = sqlite3_column_int64(row, C_ROW_CHECK);
    row_text(row, C_BASE_LINE, head->base_line, sizeof head->base_line);
    head->key_check_bytes = (size_t)sqlite3_column_bytes(row, C_KEY_CHECK);
    bool is_good = take_blob(row, C_HEAD, head->head.head, DIGEST_BYTES) &&
                   take_blob(row, C_BASE_HEAD, head->base.head, DIGEST_BYTES) &&
                   take_blob(row, C_TABLES, head->tables, sizeof head->tables) &&
                   head->key_check_bytes <= sizeof head->key_check &&
                   take_blob(row, C_KEY_CHECK, head->key_check, head->key_check_bytes) &&
                   (guard == NULL || guard_is_whole(guard, TABLE_COUNTERS, row, 0, C_COLUMNS));
    int rc = is_good ? 0 : row_fail(row, "counters", failure);
    sqlite3_finalize(row);
    return rc;
}

/* Goes through a table; with `put` each row gets its MAC, else it must have it. */
static int go_through(sqlite3 *db, struct guard *guard, enum guarded table, sqlite3_stmt *put,
                      struct state_rows *rows, struct failure *failure)
{
    char sql[64];
    sqlite3_stmt *row = NULL;
    int rc = SQLITE_ROW;
    int bad = 0;
    snprintf(sql, sizeof sql, "SELECT * FROM %s NOT INDEXED", guarded_name(table));
    if (sqlite3_prepare_v2(db, sql, -1, &row, NULL) != SQLITE_OK)
        return sqlite_fail(db, guarded_name(table), failure);
    int last = sqlite3_column_count(row) - 1;
    while (bad == 0 && (rc = sqlite3_step(row)) == SQLITE_ROW) {
        int64_t check = guard_row(guard, table, row, 0, last);
        if (put == NULL && check != sqlite3_column_int64(row, last))
            bad = row_fail(row, guarded_name(table), failure);
        for (int i = 0; put != NULL && i < sqlite3_bind_parameter_count(put) - 1; i++)
            sqlite3_bind_value(put, i + 2, sqlite3_column_value(row, i));
        if (put != NULL) {
            sqlite3_bind_int64(put, 1, check);
            bad = sqlite3_step(put) == SQLITE_DONE ? 0 : sqlite_fail(db, guarded_name(table), failure);
            sqlite3_reset(put);
        }
        guard_add(guard, rows->tallies, table, check);
        if (sqlite3_column_int64(row, 0) > rows->highest[table])
            rows->highest[table] = sqlite3_column_int64(row, 0);
    }
    sqlite3_finalize(row);
    return bad != 0 || rc == SQLITE_DONE ? bad : sqlite_fail(db, guarded_name(table), failure);
}

/* The digests by which a telephone number is found are those of the rows of contacts, no more and no less;
 * that of no number at all is not there. And the events are as many as their numbers. */
static int check_derived(sqlite3 *db, const struct state_head *head, const struct vault *vault,
                         struct failure *failure)
{
    static const char phones[] =
        "SELECT (SELECT count(*) FROM contact_phone) + (SELECT count(*) FROM contact WHERE phone <> ?1) - 2 * "
        "(SELECT count(*) FROM contact c JOIN contact_phone p ON p.phone = c.phone AND p.order_id = c.order_id "
        "WHERE c.phone <> ?1)";
    static const char events[] = "SELECT count(*), coalesce(min(seq), 0), coalesce(max(seq), 0) FROM events";
    uint8_t none[DIGEST_BYTES];
    sqlite3_stmt *row = NULL;
    vault_index(vault, "", none);
    if (sqlite3_prepare_v2(db, phones, -1, &row, NULL) != SQLITE_OK)
        return sqlite_fail(db, "contact_phone", failure);
    sqlite3_bind_blob(row, 1, none, sizeof none, SQLITE_STATIC);
    bool is_good = sqlite3_step(row) == SQLITE_ROW && sqlite3_column_int64(row, 0) == 0;
    sqlite3_finalize(row);
    if (!is_good)
        return failure_set(failure, EX_DATAERR, "table contact_phone: not what belongs to the contacts: restore a backup");
    if (sqlite3_prepare_v2(db, events, -1, &row, NULL) != SQLITE_OK)
        return sqlite_fail(db, "events", failure);
    is_good = sqlite3_step(row) == SQLITE_ROW;
    uint64_t count = (uint64_t)sqlite3_column_int64(row, 0);
    is_good = is_good && count == head->head.seq - head->base.seq &&
              (count == 0 || ((uint64_t)sqlite3_column_int64(row, 1) == head->base.seq + 1 &&
                              (uint64_t)sqlite3_column_int64(row, 2) == head->head.seq));
    sqlite3_finalize(row);
    return is_good ? 0 : failure_set(failure, EX_DATAERR, "table events: %llu rows where there were %llu: restore a backup",
                                     (unsigned long long)count, (unsigned long long)(head->head.seq - head->base.seq));
}

int sqlite_verify(sqlite3 *db, const struct vault *vault, struct guard *guard, const struct state_head *head,
                  struct state_rows *rows, struct failure *failure)
{
    uint8_t tables[TALLIES_BYTES];
    *rows = (struct state_rows){.highest = {0}};
    for (int table = TABLE_ORDERS; table < TABLE_COUNTERS; table++)
        if (go_through(db, guard, (enum guarded)table, NULL, rows, failure) != 0)
            return -1;
    guard_pack(guard, rows->tallies, tables);
    for (int table = TABLE_ORDERS; table < TABLE_COUNTERS; table++) {
        size_t at = (size_t)(table - TABLE_ORDERS) * 16;
        uint64_t count = 0;
        memcpy(&count, head->tables + at, sizeof count);
        if (memcmp(tables + at, head->tables + at, 16) != 0)
            return failure_set(failure, EX_DATAERR, "table %s: %llu rows, not the %llu that were written: restore a backup",
                               guarded_name((enum guarded)table), (unsigned long long)rows->tallies[table].count,
                               (unsigned long long)count);
    }
    return check_derived(db, head, vault, failure);
}

/* UPDATE … SET row_check = ?1 WHERE the key = ?2 … */
static int prepare_put(sqlite3 *db, enum guarded table, sqlite3_stmt **put, struct failure *failure)
{
    static const char *const keys[TABLE_COUNT] = {
        [TABLE_ORDERS] = "id = ?2", [TABLE_OFFERS] = "id = ?2", [TABLE_ORGS] = "id = ?2", [TABLE_TALLIES] = "org = ?2",
        [TABLE_SERIES] = "id = ?2", [TABLE_RECORDS] = "id = ?2", [TABLE_SERVED] = "person = ?2 AND org = ?3",
        [TABLE_REFS] = "id = ?2", [TABLE_SKILLS] = "bit = ?2", [TABLE_CONTACT] = "order_id = ?2",
        [TABLE_TOKENS] = "id = ?2", [TABLE_EMERGENCIES] = "region = ?2", [TABLE_PUSH] = "one = ?2",
        [TABLE_DEAD_LETTERS] = "seq = ?2", [TABLE_COUNTERS] = "one = ?2"};
    char sql[128];
    snprintf(sql, sizeof sql, "UPDATE %s SET row_check = ?1 WHERE %s", guarded_name(table), keys[table]);
    return sqlite3_prepare_v2(db, sql, -1, put, NULL) == SQLITE_OK ? 0 : sqlite_fail(db, guarded_name(table), failure);
}

static int put_checks(sqlite3 *db, struct guard *guard, enum guarded table, struct state_rows *rows,
                      struct failure *failure)
{
    sqlite3_stmt *put = NULL;
    int rc = prepare_put(db, table, &put, failure);
    if (rc == 0)
        rc = go_through(db, guard, table, put, rows, failure);
    sqlite3_finalize(put);
    return rc;
}

/* A base that a purge left has its signature from now on. */
static int put_counters(sqlite3 *db, const struct vault *vault, const uint8_t *tables, struct failure *failure)
{
    struct signed_head base = {.mark = CHAIN_BASE, .at = (int64_t)time(NULL) * 1000};
    char line[CHAIN_LINE_BYTES] = "";
    sqlite3_stmt *row = NULL;
    if (sqlite3_prepare_v2(db, "SELECT base_seq, base_head FROM counters", -1, &row, NULL) != SQLITE_OK)
        return sqlite_fail(db, "counters", failure);
    bool is_good = sqlite3_step(row) == SQLITE_ROW && take_blob(row, 1, base.chain.head, DIGEST_BYTES);
    base.chain.seq = is_good ? (uint64_t)sqlite3_column_int64(row, 0) : 0;
    sqlite3_finalize(row);
    if (base.chain.seq != 0)
        chain_line(&base, vault, line);
    if (!is_good || sqlite3_prepare_v2(db, "UPDATE counters SET tables = ?1, base_line = ?2", -1, &row, NULL) != SQLITE_OK)
        return sqlite_fail(db, "counters", failure);
    sqlite3_bind_blob(row, 1, tables, TALLIES_BYTES, SQLITE_STATIC);
    sqlite3_bind_text(row, 2, line, -1, SQLITE_STATIC);
    is_good = sqlite3_step(row) == SQLITE_DONE;
    sqlite3_finalize(row);
    return is_good ? 0 : sqlite_fail(db, "counters", failure);
}

int sqlite_seal(sqlite3 *db, const struct vault *vault, struct failure *failure)
{
    struct guard guard;
    struct state_rows rows = {.highest = {0}};
    uint8_t tables[TALLIES_BYTES];
    guard_init(&guard, vault);
    int rc = sqlite_check_key(db, vault, failure);
    for (int table = TABLE_ORDERS; rc == 0 && table < TABLE_COUNTERS; table++)
        rc = put_checks(db, &guard, (enum guarded)table, &rows, failure);
    guard_pack(&guard, rows.tallies, tables);
    if (rc == 0)
        rc = put_counters(db, vault, tables, failure);
    if (rc == 0)
        rc = put_checks(db, &guard, TABLE_COUNTERS, &rows, failure);
    guard_fini(&guard);
    return rc;
}
