/* sqlite_schema.c -- the tables, and how an older database becomes a newer one.
 *
 * Rows are numbered by what made them and only ever appended near the end of their tables; there is
 * no index that the life of an order would touch at random. A migration is one transaction: it is all
 * there or not at all, and a daemon older than the schema refuses to start. */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "engine/geo.h"
#include "sqlite.h"

#define ROW_CHECK_LAST "row_check INTEGER NOT NULL"
#define ROW_CHECK ROW_CHECK_LAST ", " /* since version 3: see guard.h */
#define ORDER_FIELD(type, name) #name " INTEGER NOT NULL, "
static const char orders_sql[] = "CREATE TABLE orders("
#include "engine/fields.def"
                                 "skills BLOB NOT NULL, external_id TEXT NOT NULL, "
                                 "claimed_by TEXT NOT NULL, " ROW_CHECK "PRIMARY KEY(id)) STRICT";
#undef ORDER_FIELD

#define OFFER_FIELD(type, name) #name " INTEGER NOT NULL, "
static const char offers_sql[] = "CREATE TABLE offers("
#include "engine/fields.def"
                                 ROW_CHECK "PRIMARY KEY(id)) STRICT";
#undef OFFER_FIELD

#define ORG_FIELD(type, name) #name " INTEGER NOT NULL, "
static const char orgs_sql[] =
    "CREATE TABLE orgs("
#include "engine/fields.def"
    "skills BLOB NOT NULL, certified BLOB NOT NULL, week BLOB NOT NULL, name TEXT NOT NULL, "
    "regions BLOB NOT NULL, dates BLOB NOT NULL, " ROW_CHECK "PRIMARY KEY(id)) STRICT";
#undef ORG_FIELD

/* What is recent is one short value: the rows of organisations lie all over their table, so that each life
 * writes a page of it again, and half as many rows a page cost a seventh of the lives a second. */
#define RECENT_4 "recent BLOB NOT NULL, "
#define TALLY_FIELD(type, name) #name " INTEGER NOT NULL, "
static const char tallies_sql[] = "CREATE TABLE tallies(org INTEGER NOT NULL, "
#include "engine/fields.def"
                                  RECENT_4 ROW_CHECK "PRIMARY KEY(org)) STRICT";
#undef TALLY_FIELD

#define SERIES_FIELD(type, name) #name " INTEGER NOT NULL, "
static const char series_sql[] = "CREATE TABLE series("
#include "engine/fields.def"
                                 "skills BLOB NOT NULL, week BLOB NOT NULL, made_by TEXT NOT NULL, "
                                 ROW_CHECK "PRIMARY KEY(id)) STRICT";
#undef SERIES_FIELD

#define EVENT_4_AFTER ", subject INTEGER NOT NULL, minutes INTEGER NOT NULL"
static const char events_sql[] =
    "CREATE TABLE events(seq INTEGER PRIMARY KEY, prev INTEGER NOT NULL, at INTEGER NOT NULL, "
    "kind INTEGER NOT NULL, order_id INTEGER NOT NULL, offer INTEGER NOT NULL, "
    "org INTEGER NOT NULL, region INTEGER NOT NULL, county INTEGER NOT NULL, "
    "people INTEGER NOT NULL, state INTEGER NOT NULL, level INTEGER NOT NULL, "
    "actor TEXT NOT NULL, reason TEXT NOT NULL" EVENT_4_AFTER ") STRICT";

#define CHECK_5 ", row_check INTEGER NOT NULL DEFAULT 0" /* as ALTER TABLE adds it */
/* Personal data, sealed; the telephone's keyed digest finds an order again. */
static const char contact_sql[] =
    "CREATE TABLE contact(order_id INTEGER PRIMARY KEY, put_at INTEGER NOT NULL, "
    "sealed BLOB NOT NULL, phone BLOB NOT NULL" CHECK_5 ") STRICT";
static const char contact_phone_sql[] =
    "CREATE TABLE contact_phone(phone BLOB NOT NULL, order_id INTEGER NOT NULL, "
    "PRIMARY KEY(phone, order_id)) STRICT, WITHOUT ROWID";
static const char contact_gone_sql[] =
    "CREATE TRIGGER contact_gone AFTER DELETE ON contact BEGIN DELETE FROM contact_phone "
    "WHERE phone = old.phone AND order_id = old.order_id; END";
static const char tokens_sql[] =
    "CREATE TABLE tokens(id TEXT PRIMARY KEY, newer BLOB NOT NULL, older BLOB NOT NULL, "
    "roles INTEGER NOT NULL, region INTEGER NOT NULL, org INTEGER NOT NULL, made_at INTEGER NOT NULL, "
    "expires_at INTEGER NOT NULL, revoked_at INTEGER NOT NULL, row_check INTEGER NOT NULL) STRICT";
/* The last numbers given; the audit chain's head, and the head before the oldest event that is kept;
 * the profile of its digests; a sealed word that tells whether the master key is the right one. */
#define COUNTER_4 "next_record INTEGER NOT NULL, "
/* Since version 5: how many commits there were; of each table how many rows it has, under a MAC; and the
 * signature of the base. */
#define COUNTER_5 "commits INTEGER NOT NULL, tables BLOB NOT NULL, base_line TEXT NOT NULL, "
static const char counters_sql[] =
    "CREATE TABLE counters(one INTEGER PRIMARY KEY CHECK(one = 1), next_order INTEGER NOT NULL, "
    "next_offer INTEGER NOT NULL, next_org INTEGER NOT NULL, next_event INTEGER NOT NULL, "
    "next_ref INTEGER NOT NULL, head BLOB NOT NULL, base_seq INTEGER NOT NULL, "
    "base_head BLOB NOT NULL, profile INTEGER NOT NULL, key_check BLOB NOT NULL, "
    COUNTER_4 COUNTER_5 "row_check INTEGER NOT NULL) STRICT"; /* 0 until the first commit */

#define RECORD_4 "region INTEGER NOT NULL, day INTEGER NOT NULL, state INTEGER NOT NULL, " \
                 "source TEXT NOT NULL, external_id TEXT NOT NULL, "
static const char records_sql[] =
    "CREATE TABLE records(id INTEGER PRIMARY KEY, order_id INTEGER NOT NULL, offer INTEGER NOT NULL, "
    "org INTEGER NOT NULL, volunteer INTEGER NOT NULL, at INTEGER NOT NULL, minutes INTEGER NOT NULL, "
    RECORD_4 ROW_CHECK_LAST ") STRICT";
/* Records are few beside orders' rows: one in an order's life, so its index may be touched at random. */
static const char records_volunteer_sql[] = "CREATE INDEX records_volunteer ON records(volunteer, id)";
static const char records_held_sql[] = "CREATE INDEX records_held ON records(id) WHERE state IN (1, 2)";
static const char records_external_sql[] =
    "CREATE INDEX records_external ON records(source, external_id) WHERE source <> ''";
static const char orders_series_sql[] = "CREATE INDEX orders_series ON orders(series, id) WHERE series <> 0"; /* few */
static const char emergencies_sql[] =
    "CREATE TABLE emergencies(region INTEGER PRIMARY KEY, opened_at INTEGER NOT NULL, "
    "until INTEGER NOT NULL, " ROW_CHECK_LAST ") STRICT";
static const char push_sql[] = "CREATE TABLE push(one INTEGER PRIMARY KEY CHECK(one = 1), cursor INTEGER NOT NULL" CHECK_5 ") STRICT";
static const char push_row_sql[] = "INSERT INTO push VALUES(1, 0, 0)";
static const char dead_letters_sql[] =
    "CREATE TABLE dead_letters(seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, status INTEGER NOT NULL" CHECK_5 ") STRICT";
static const char served_sql[] =
    "CREATE TABLE served(person INTEGER NOT NULL, org INTEGER NOT NULL, " ROW_CHECK
    "PRIMARY KEY(person, org)) STRICT, WITHOUT ROWID";
static const char refs_sql[] =
    "CREATE TABLE refs(id INTEGER PRIMARY KEY, caller TEXT NOT NULL, ref TEXT NOT NULL, "
    "digest INTEGER NOT NULL, at INTEGER NOT NULL, answer BLOB NOT NULL, row_check INTEGER NOT NULL) STRICT";
static const char skills_sql[] =
    "CREATE TABLE skills(bit INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, row_check INTEGER NOT NULL) STRICT";

static const char *const others_sql[] = {
    records_sql,
    served_sql,
    contact_sql,
    contact_phone_sql,
    contact_gone_sql,
    refs_sql,
    skills_sql,
    tokens_sql,
    counters_sql,
    "INSERT INTO counters VALUES(1, 1, 1, 1, 1, 1, zeroblob(32), 0, zeroblob(32), 0, x'', 1, 0, x'', '', 0)",
    records_volunteer_sql,
    records_held_sql,
    records_external_sql,
    emergencies_sql,
    push_sql,
    push_row_sql,
    dead_letters_sql,
    series_sql,
    orders_series_sql,
};

/* What version 4 added, as it stands in the statements that create the tables. */
#define ORDER_4 "series INTEGER NOT NULL, "

/* A table as an older version made it: without some of the columns that it has now. */
static int create_without(sqlite3 *db, const char *sql, const char *const *columns, int count, struct failure *failure)
{
    char older[4096];
    snprintf(older, sizeof older, "%s", sql);
    for (int i = 0; i < count; i++) {
        char *cut = strstr(older, columns[i]);
        if (cut != NULL)
            memmove(cut, cut + strlen(columns[i]), strlen(cut + strlen(columns[i])) + 1);
    }
    return sqlite_run(db, older, failure);
}

static const char *const events_to_4[] = {
    "ALTER TABLE events ADD COLUMN subject INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE events ADD COLUMN minutes INTEGER NOT NULL DEFAULT 0",
};

static int run_all(sqlite3 *db, const char *const *sql, size_t count, struct failure *failure)
{
    for (size_t i = 0; i < count; i++)
        if (sqlite_run(db, sql[i], failure) != 0)
            return -1;
    return 0;
}

int sqlite_create(sqlite3 *db, bool is_altered, struct failure *failure)
{
    static const char *const first[] = {orders_sql, offers_sql, orgs_sql, tallies_sql};
    static const char *const later[] = {EVENT_4_AFTER};
    if (run_all(db, first, ARRAY_LEN(first), failure) != 0 ||
        create_without(db, events_sql, later, is_altered ? 1 : 0, failure) != 0 ||
        run_all(db, events_to_4, is_altered ? ARRAY_LEN(events_to_4) : 0, failure) != 0)
        return -1;
    return run_all(db, others_sql, ARRAY_LEN(others_sql), failure);
}

static const char *const added_3[] = {ROW_CHECK, ORDER_4, EVENT_4_AFTER};
static const char *const added_4[] = {ORDER_4, EVENT_4_AFTER, RECORD_4, COUNTER_4, RECENT_4, COUNTER_5, CHECK_5};
static const char *const added_5[] = {COUNTER_5, CHECK_5};

/* Version 2: a history is followed back from event to event, where version 1 searched the log; and an
 * offer remembers that it was withdrawn because others covered the order. The new columns must stand
 * where the field lists put them, so the tables are written anew. */
static int migrate_1_to_2(sqlite3 *db, struct failure *failure)
{
    static const char *const steps[] = {
        "ALTER TABLE orders RENAME TO orders_1",
        "ALTER TABLE offers RENAME TO offers_1",
        "ALTER TABLE events RENAME TO events_1",
    };
    static const char move_events[] =
        "INSERT INTO events SELECT seq, CASE WHEN order_id = 0 THEN 0 ELSE "
        "coalesce(lag(seq) OVER (PARTITION BY order_id ORDER BY seq), 0) END, at, kind, order_id, "
        "offer, org, region, county, people, state, level, actor, reason FROM events_1";
    const int cuts = (int)ARRAY_LEN(added_3);
    if (run_all(db, steps, ARRAY_LEN(steps), failure) != 0)
        return -1;
    if (create_without(db, events_sql, added_3, cuts, failure) != 0 || sqlite_run(db, move_events, failure) != 0 ||
        create_without(db, orders_sql, added_3, cuts, failure) != 0 ||
        create_without(db, offers_sql, added_3, cuts, failure) != 0)
        return -1;
    char sql[4096];
    char columns[2048] =
#define ORDER_FIELD(type, name) #name ", "
#include "engine/fields.def"
#undef ORDER_FIELD
        "skills, external_id, claimed_by";
    char *series = strstr(columns, "series, ");
    memmove(series, series + strlen("series, "), strlen(series + strlen("series, ")) + 1);
    const char *cut = strstr(columns, "last_event, ");
    snprintf(sql, sizeof sql,
             "INSERT INTO orders(%s) SELECT %.*s coalesce((SELECT max(seq) FROM events_1 WHERE "
             "events_1.order_id = orders_1.id), 0), %s FROM orders_1",
             columns, (int)(cut - columns), columns, cut + strlen("last_event, "));
    if (sqlite_run(db, sql, failure) != 0 ||
        sqlite_run(db, "INSERT INTO offers SELECT *, 0 FROM offers_1", failure) != 0)
        return -1;
    return sqlite_run(db, "DROP TABLE orders_1; DROP TABLE offers_1; DROP TABLE events_1", failure);
}

static int run_bound(sqlite3 *db, const char *sql, int64_t number, const void *first, size_t first_len,
                     const void *second, size_t second_len, struct failure *failure)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
        return sqlite_fail(db, "migrate", failure);
    sqlite3_bind_int64(statement, 1, number);
    sqlite3_bind_blob64(statement, 2, first, first_len, SQLITE_STATIC);
    sqlite3_bind_blob64(statement, 3, second, second_len, SQLITE_STATIC);
    int rc = sqlite3_step(statement);
    sqlite3_finalize(statement);
    return rc == SQLITE_DONE ? 0 : sqlite_fail(db, "migrate", failure);
}

/* One row of the old table of personal data, in plain, to the new one, sealed. */
static int seal_row(sqlite3 *db, sqlite3_stmt *row, const struct vault *vault, struct failure *failure)
{
    struct contact_row c = {.order_id = (uint64_t)sqlite3_column_int64(row, 0)};
    uint8_t sealed[CONTACT_SEALED_MAX];
    uint8_t phone[DIGEST_BYTES];
    char sql[120];
    const struct {
        char *to;
        size_t size;
    } texts[] = {{c.name, sizeof c.name}, {c.phone, sizeof c.phone}, {c.address, sizeof c.address}, {c.note, sizeof c.note}};
    for (int i = 0; i < 4; i++)
        snprintf(texts[i].to, texts[i].size, "%s", (const char *)sqlite3_column_text(row, 2 + i));
    c.has_point = sqlite3_column_type(row, 6) != SQLITE_NULL;
    c.lat = sqlite3_column_int(row, 6);
    c.lon = sqlite3_column_int(row, 7);
    size_t len = contact_seal(vault, &c, sealed);
    vault_index(vault, c.phone, phone);
    snprintf(sql, sizeof sql, "INSERT INTO contact VALUES(?1, %lld, ?2, ?3)", (long long)sqlite3_column_int64(row, 1));
    int rc = len == 0 ? failure_set(failure, EX_SOFTWARE, "personal data cannot be sealed")
                      : run_bound(db, sql, (int64_t)c.order_id, sealed, len, phone, sizeof phone, failure);
    if (rc == 0 && c.phone[0] != '\0')
        rc = run_bound(db, "INSERT INTO contact_phone VALUES(?3, ?1)", (int64_t)c.order_id, NULL, 0, phone, sizeof phone, failure);
    explicit_bzero(&c, sizeof c);
    return rc;
}

static int seal_contacts(sqlite3 *db, const struct vault *vault, struct failure *failure)
{
    sqlite3_stmt *rows = NULL;
    int rc = sqlite_run(db, "ALTER TABLE contact RENAME TO contact_2", failure);
    const char *const steps[] = {contact_sql, contact_phone_sql, contact_gone_sql};
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(steps); i++)
        rc = create_without(db, steps[i], added_5, (int)ARRAY_LEN(added_5), failure);
    if (rc != 0 || sqlite3_prepare_v2(db, "SELECT * FROM contact_2", -1, &rows, NULL) != SQLITE_OK)
        return rc != 0 ? rc : sqlite_fail(db, "migrate", failure);
    int step = SQLITE_DONE;
    while (rc == 0 && (step = sqlite3_step(rows)) == SQLITE_ROW)
        rc = seal_row(db, rows, vault, failure);
    sqlite3_finalize(rows);
    if (rc == 0 && step != SQLITE_DONE)
        rc = sqlite_fail(db, "migrate", failure);
    return rc != 0 ? rc : sqlite_run(db, "DROP TABLE contact_2", failure);
}

/* Copies rows into a table's new form, each with its digest over the columns from `first` on. */
static int copy_rows(sqlite3 *db, const char *table, const char *select, int first, struct failure *failure)
{
    char sql[3 * 128 + 64];
    sqlite3_stmt *rows = NULL;
    sqlite3_stmt *put = NULL;
    int rc = sqlite3_prepare_v2(db, select, -1, &rows, NULL);
    int columns = sqlite3_column_count(rows);
    int len = snprintf(sql, sizeof sql, "INSERT INTO %s VALUES(", table);
    for (int i = 0; i <= columns; i++)
        len += snprintf(sql + len, sizeof sql - (size_t)len, i == columns ? "?)" : "?,");
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v2(db, sql, -1, &put, NULL);
    while (rc == SQLITE_OK && (rc = sqlite3_step(rows)) == SQLITE_ROW) {
        for (int i = 0; i < columns; i++)
            sqlite3_bind_value(put, i + 1, sqlite3_column_value(rows, i));
        sqlite3_bind_int64(put, columns + 1, (int64_t)older_check_of(rows, first, columns - first));
        rc = sqlite3_step(put) == SQLITE_DONE ? SQLITE_OK : SQLITE_ERROR;
        sqlite3_reset(put);
    }
    sqlite3_finalize(rows);
    sqlite3_finalize(put);
    return rc == SQLITE_DONE ? 0 : sqlite_fail(db, "migrate", failure);
}

static int rename_older(sqlite3 *db, const char *table, struct failure *failure)
{
    char sql[100];
    snprintf(sql, sizeof sql, "ALTER TABLE %s RENAME TO older", table);
    return sqlite_run(db, sql, failure);
}

static int check_rows(sqlite3 *db, struct failure *failure)
{
    static const struct {
        const char *table, *sql;
        int first;
    } tables[] = {{"orders", orders_sql, 0}, {"offers", offers_sql, 0}, {"orgs", orgs_sql, 0},
                  {"tallies", tallies_sql, 0}, {"records", records_sql, 1}, {"served", served_sql, 0},
                  {"refs", refs_sql, 0}, {"skills", skills_sql, 0}};
    for (size_t i = 0; i < ARRAY_LEN(tables); i++)
        if (rename_older(db, tables[i].table, failure) != 0 ||
            create_without(db, tables[i].sql, added_4, (int)ARRAY_LEN(added_4), failure) != 0 ||
            copy_rows(db, tables[i].table, "SELECT * FROM older", tables[i].first, failure) != 0 ||
            sqlite_run(db, "DROP TABLE older", failure) != 0)
            return -1;
    return 0;
}

/* Version 3: rows end with a digest, personal data are sealed, the event log is a hash chain, tokens say who may call. What was
 * purged before begins the chain: its first event follows the base. */
static int migrate_2_to_3(sqlite3 *db, const struct vault *vault, struct failure *failure)
{
    struct chain chain = {.seq = 0};
    int64_t first = 0;
    if (check_rows(db, failure) != 0 || seal_contacts(db, vault, failure) != 0 || sqlite_run(db, tokens_sql, failure) != 0 ||
        sqlite_run(db, "ALTER TABLE counters RENAME TO counters_2", failure) != 0 ||
        create_without(db, counters_sql, added_4, (int)ARRAY_LEN(added_4), failure) != 0 ||
        sqlite_number(db, "SELECT coalesce(min(seq), (SELECT next_event FROM counters_2)) FROM events", &first, failure) != 0)
        return -1;
    sqlite3_stmt *rows = NULL;
    if (sqlite3_prepare_v2(db, "SELECT * FROM events ORDER BY seq", -1, &rows, NULL) != SQLITE_OK)
        return sqlite_fail(db, "migrate", failure);
    int step = SQLITE_DONE;
    while ((step = sqlite3_step(rows)) == SQLITE_ROW) {
        struct event event;
        row_event(rows, &event);
        chain_add(&chain, vault->profile, &event);
    }
    sqlite3_finalize(rows);
    static const uint8_t zeros[DIGEST_BYTES] = {0};
    if (step != SQLITE_DONE ||
        run_bound(db, "INSERT INTO counters SELECT one, next_order, next_offer, next_org, next_event, next_ref, "
                      "?2, ?1, ?3, 0, x'', 0 FROM counters_2",
                  first - 1, chain.head, DIGEST_BYTES, zeros, sizeof zeros, failure) != 0)
        return failure->exit_code != 0 ? -1 : sqlite_fail(db, "migrate", failure);
    return sqlite_run(db, "DROP TABLE counters_2", failure);
}

/* The digests of an older version are looked at before new ones take their place. */
static int check_older(sqlite3 *db, const char *where, const char *table, int first, struct failure *failure)
{
    sqlite3_stmt *rows = NULL;
    char sql[64];
    snprintf(sql, sizeof sql, "SELECT * FROM %s", where);
    if (sqlite3_prepare_v2(db, sql, -1, &rows, NULL) != SQLITE_OK)
        return sqlite_fail(db, "migrate", failure);
    int rc = SQLITE_ROW;
    int bad = 0;
    while (bad == 0 && (rc = sqlite3_step(rows)) == SQLITE_ROW)
        if (!older_is_whole(rows, first, sqlite3_column_count(rows) - first))
            bad = row_fail(rows, table, failure);
    sqlite3_finalize(rows);
    return bad != 0 || rc == SQLITE_DONE ? bad : sqlite_fail(db, "migrate", failure);
}

/* Version 4: orders know the recurring order that placed them, organisations what they did of late,
 * records their day, region and whether they count; events name a record or a series, and minutes. A
 * record's day is that of its entry in Huizhou's time, for nothing better was kept. */
static int migrate_3_to_4(sqlite3 *db, struct failure *failure)
{
    static const char order_columns[] =
#define ORDER_FIELD(type, name) #name ", "
#include "engine/fields.def"
#undef ORDER_FIELD
        "skills, external_id, claimed_by";
    char orders[2048];
    const char *cut = strstr(order_columns, "series, ");
    snprintf(orders, sizeof orders, "SELECT %.*s0, %s FROM older", (int)(cut - order_columns), order_columns,
             cut + strlen("series, "));
#define TALLY_FIELD(type, name) ", " #name
    static const char tallies[] = "SELECT org"
#include "engine/fields.def"
                                  ", x'' FROM older";
#undef TALLY_FIELD
    const struct {
        const char *table, *sql, *select;
        int first;
    } steps[] = {
        {"orders", orders_sql, orders, 0},
        {"tallies", tallies_sql, tallies, 0},
        {"records", records_sql,
         "SELECT id, order_id, offer, org, volunteer, at, minutes, coalesce((SELECT region FROM orders WHERE "
         "orders.id = older.order_id), 0), (at + 28800000) / 86400000, 0, '', '' FROM older", 1},
    };
    for (size_t i = 0; i < ARRAY_LEN(steps); i++)
        if (rename_older(db, steps[i].table, failure) != 0 ||
            check_older(db, "older", steps[i].table, steps[i].first, failure) != 0 ||
            sqlite_run(db, steps[i].sql, failure) != 0 ||
            copy_rows(db, steps[i].table, steps[i].select, steps[i].first, failure) != 0 ||
            sqlite_run(db, "DROP TABLE older", failure) != 0)
            return -1;
    static const char *const last[] = {
        "ALTER TABLE counters RENAME TO older",
        counters_sql,
        "INSERT INTO counters SELECT one, next_order, next_offer, next_org, next_event, next_ref, head, base_seq, "
        "base_head, profile, key_check, (SELECT coalesce(max(id), 0) + 1 FROM records), 0 FROM older",
        "DROP TABLE older",
        records_volunteer_sql, records_held_sql, records_external_sql, emergencies_sql, push_sql,
        "INSERT INTO push VALUES(1, 0)", dead_letters_sql, series_sql,
    };
    for (size_t i = 0; i < ARRAY_LEN(last); i++)
        if (create_without(db, last[i], added_5, (int)ARRAY_LEN(added_5), failure) != 0)
            return -1;
    return run_all(db, events_to_4, ARRAY_LEN(events_to_4), failure);
}

#define KEY_WORD "paidan"

/* A fresh database remembers the profile and a word sealed with its key; an older one must open it. */
int sqlite_check_key(sqlite3 *db, const struct vault *vault, struct failure *failure)
{
    sqlite3_stmt *statement = NULL;
    uint8_t sealed[sizeof KEY_WORD + SEAL_BYTES_MAX];
    uint8_t plain[sizeof sealed];
    int profile = 0;
    size_t len = 0;
    if (sqlite3_prepare_v2(db, "SELECT profile, key_check FROM counters", -1, &statement, NULL) != SQLITE_OK)
        return sqlite_fail(db, "master key", failure);
    if (sqlite3_step(statement) == SQLITE_ROW) {
        profile = sqlite3_column_int(statement, 0);
        len = (size_t)sqlite3_column_bytes(statement, 1);
        len = len <= sizeof sealed ? len : 0;
        if (len != 0)
            memcpy(sealed, sqlite3_column_blob(statement, 1), len);
    }
    sqlite3_finalize(statement);
    if (profile == 0) {
        len = vault_seal(vault, 0, KEY_WORD, sizeof KEY_WORD, sealed);
        return run_bound(db, "UPDATE counters SET profile = ?1, key_check = ?2", vault->profile, sealed, len,
                         NULL, 0, failure);
    }
    if (profile != (int)vault->profile)
        return failure_set(failure, EX_CONFIG, "crypto: this database was made with the %s profile, which stays",
                           profile == VAULT_STATE ? "state" : "international");
    if (vault_unseal(vault, 0, sealed, len, plain) != sizeof KEY_WORD)
        return failure_set(failure, EX_CONFIG, "master_key: not the key that this database was made with");
    return 0;
}

#define ROUNDED(column) "(" column " + CASE WHEN " column " < 0 THEN -5000 ELSE 5000 END) / 10000 * 10000"

/* Orders that showed the exact place of a home: it goes into the contact, and they show it rounded. */
static int hide_homes(sqlite3 *db, const struct vault *vault, struct failure *failure)
{
    static const char rounded[] = "UPDATE orders SET lat = " ROUNDED("lat") ", lon = " ROUNDED("lon")
                                  " WHERE id IN (SELECT order_id FROM contact)";
    sqlite3_stmt *row = NULL;
    if (sqlite3_prepare_v2(db, "SELECT contact.*, lat, lon FROM contact JOIN orders ON orders.id = contact.order_id "
                               "WHERE lat % 10000 <> 0 OR lon % 10000 <> 0", -1, &row, NULL) != SQLITE_OK)
        return sqlite_fail(db, "migrate", failure);
    int rc = SQLITE_ROW;
    int bad = 0;
    while (bad == 0 && (rc = sqlite3_step(row)) == SQLITE_ROW) {
        struct contact_row c = {.order_id = 0};
        uint8_t sealed[CONTACT_SEALED_MAX];
        int32_t lat = sqlite3_column_int(row, sqlite3_column_count(row) - 2);
        int32_t lon = sqlite3_column_int(row, sqlite3_column_count(row) - 1);
        if (!row_contact(row, vault, &c))
            bad = failure_set(failure, EX_DATAERR, "migrate: the personal data of an order do not open: restore a backup");
        bool is_known = c.has_point && geo_rounded(c.lat) == geo_rounded(lat) && geo_rounded(c.lon) == geo_rounded(lon);
        if (bad == 0 && !is_known) {
            c.has_point = true;
            c.lat = lat;
            c.lon = lon;
            size_t len = contact_seal(vault, &c, sealed);
            bad = run_bound(db, "UPDATE contact SET sealed = ?2 WHERE order_id = ?1", (int64_t)c.order_id, sealed, len, NULL, 0, failure);
        }
        explicit_bzero(&c, sizeof c);
    }
    sqlite3_finalize(row);
    if (bad == 0 && rc != SQLITE_DONE)
        return sqlite_fail(db, "migrate", failure);
    return bad != 0 ? bad : sqlite_run(db, rounded, failure);
}

/* Version 5: what had no digest gets one, the counters tell how many commits and rows there are. No order
 * shows an exact home. */
static int migrate_4_to_5(sqlite3 *db, const struct vault *vault, struct failure *failure)
{
    static const struct {
        const char *table;
        int first;
    } checked[] = {{"orders", 0}, {"offers", 0}, {"orgs", 0}, {"tallies", 0}, {"records", 1}, {"served", 0},
                   {"refs", 0}, {"skills", 0}, {"tokens", 0}, {"emergencies", 0}, {"series", 0}};
    for (size_t i = 0; i < ARRAY_LEN(checked); i++)
        if (check_older(db, checked[i].table, checked[i].table, checked[i].first, failure) != 0)
            return -1;
    static const char *const steps[] = {
        "ALTER TABLE contact ADD COLUMN row_check INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE push ADD COLUMN row_check INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE dead_letters ADD COLUMN row_check INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE counters RENAME TO older",
        counters_sql,
        "INSERT INTO counters SELECT one, next_order, next_offer, next_org, next_event, next_ref, head, base_seq, "
        "base_head, profile, key_check, next_record, 0, x'', '', 0 FROM older",
        "DROP TABLE older",
        orders_series_sql,
    };
    if (run_all(db, steps, ARRAY_LEN(steps), failure) != 0)
        return -1;
    return hide_homes(db, vault, failure) == 0 ? sqlite_seal(db, vault, failure) : -1;
}

static int migrate_one(sqlite3 *db, int64_t version, const struct vault *vault, struct failure *failure)
{
    switch (version) {
    case 0:
        return sqlite_create(db, false, failure) == 0 ? sqlite_seal(db, vault, failure) : -1;
    case 1:
        return migrate_1_to_2(db, failure);
    case 2:
        return migrate_2_to_3(db, vault, failure);
    case 3:
        return migrate_3_to_4(db, failure);
    default:
        return migrate_4_to_5(db, vault, failure);
    }
}

int sqlite_migrate(sqlite3 *db, const struct vault *vault, struct failure *failure)
{
    int64_t version = 0;
    if (sqlite_number(db, "PRAGMA user_version", &version, failure) != 0)
        return -1;
    if (version > SCHEMA_VERSION)
        return failure_set(failure, EX_CONFIG,
                    "the database has schema version %lld, this paidand knows %d: install the newer one",
                    (long long)version, SCHEMA_VERSION);
    if (version == SCHEMA_VERSION && sqlite_check_objects(db, failure) != 0)
        return -1;
    while (version < SCHEMA_VERSION) {
        char sql[64];
        int64_t next = version == 0 ? SCHEMA_VERSION : version + 1;
        snprintf(sql, sizeof sql, "PRAGMA user_version = %d", (int)next);
        if (sqlite_run(db, "BEGIN IMMEDIATE", failure) != 0)
            return -1;
        int rc = migrate_one(db, version, vault, failure);
        if (rc == 0 && next == SCHEMA_VERSION)
            rc = sqlite_check_objects(db, failure);
        if (rc == 0)
            rc = sqlite_run(db, sql, failure);
        if (rc == 0)
            rc = sqlite_run(db, "COMMIT", failure);
        if (rc != 0) {
            sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
            return -1;
        }
        version = next;
    }
    return sqlite_check_key(db, vault, failure);
}
