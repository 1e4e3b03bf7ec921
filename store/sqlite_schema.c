/* sqlite_schema.c -- the tables, and how an older database becomes a newer one.
 *
 * Rows are numbered by what made them and only ever appended near the end of their tables; there is
 * no index that the life of an order would touch at random. A migration is one transaction: it is all
 * there or not at all, and a daemon older than the schema refuses to start. */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "sqlite.h"

#define ORDER_FIELD(type, name) #name " INTEGER NOT NULL, "
static const char orders_sql[] = "CREATE TABLE orders("
#include "engine/fields.def"
                                 "skills BLOB NOT NULL, external_id TEXT NOT NULL, "
                                 "claimed_by TEXT NOT NULL, PRIMARY KEY(id)) STRICT";
#undef ORDER_FIELD

#define OFFER_FIELD(type, name) #name " INTEGER NOT NULL, "
static const char offers_sql[] = "CREATE TABLE offers("
#include "engine/fields.def"
                                 "PRIMARY KEY(id)) STRICT";
#undef OFFER_FIELD

#define ORG_FIELD(type, name) #name " INTEGER NOT NULL, "
static const char orgs_sql[] =
    "CREATE TABLE orgs("
#include "engine/fields.def"
    "skills BLOB NOT NULL, certified BLOB NOT NULL, week BLOB NOT NULL, name TEXT NOT NULL, "
    "regions BLOB NOT NULL, dates BLOB NOT NULL, PRIMARY KEY(id)) STRICT";
#undef ORG_FIELD

#define TALLY_FIELD(type, name) #name " INTEGER NOT NULL, "
static const char tallies_sql[] = "CREATE TABLE tallies(org INTEGER NOT NULL, "
#include "engine/fields.def"
                                  "PRIMARY KEY(org)) STRICT";
#undef TALLY_FIELD

static const char events_sql[] =
    "CREATE TABLE events(seq INTEGER PRIMARY KEY, prev INTEGER NOT NULL, at INTEGER NOT NULL, "
    "kind INTEGER NOT NULL, order_id INTEGER NOT NULL, offer INTEGER NOT NULL, "
    "org INTEGER NOT NULL, region INTEGER NOT NULL, county INTEGER NOT NULL, "
    "people INTEGER NOT NULL, state INTEGER NOT NULL, level INTEGER NOT NULL, "
    "actor TEXT NOT NULL, reason TEXT NOT NULL) STRICT";

static const char *const others_sql[] = {
    "CREATE TABLE records(id INTEGER PRIMARY KEY, order_id INTEGER NOT NULL, "
    "offer INTEGER NOT NULL, org INTEGER NOT NULL, volunteer INTEGER NOT NULL, "
    "at INTEGER NOT NULL, minutes INTEGER NOT NULL) STRICT",
    "CREATE TABLE served(person INTEGER NOT NULL, org INTEGER NOT NULL, "
    "PRIMARY KEY(person, org)) STRICT, WITHOUT ROWID",
    "CREATE TABLE contact(order_id INTEGER PRIMARY KEY, put_at INTEGER NOT NULL, "
    "name TEXT NOT NULL, phone TEXT NOT NULL, address TEXT NOT NULL, note TEXT NOT NULL, "
    "lat INTEGER, lon INTEGER) STRICT",
    "CREATE TABLE refs(id INTEGER PRIMARY KEY, caller TEXT NOT NULL, ref TEXT NOT NULL, "
    "digest INTEGER NOT NULL, at INTEGER NOT NULL, answer BLOB NOT NULL) STRICT",
    "CREATE TABLE skills(bit INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT",
    "CREATE TABLE counters(one INTEGER PRIMARY KEY CHECK(one = 1), next_order INTEGER NOT NULL, "
    "next_offer INTEGER NOT NULL, next_org INTEGER NOT NULL, next_event INTEGER NOT NULL, "
    "next_ref INTEGER NOT NULL) STRICT",
    "INSERT INTO counters VALUES(1, 1, 1, 1, 1, 1)",
};

static int create(sqlite3 *db, struct failure *failure)
{
    const char *const first[] = {orders_sql, offers_sql, orgs_sql, tallies_sql, events_sql};
    for (size_t i = 0; i < ARRAY_LEN(first); i++)
        if (sqlite_run(db, first[i], failure) != 0)
            return -1;
    for (size_t i = 0; i < ARRAY_LEN(others_sql); i++)
        if (sqlite_run(db, others_sql[i], failure) != 0)
            return -1;
    return 0;
}

/* Version 2: a history is followed back from event to event, where version 1 searched the log; and an
 * offer remembers that it was withdrawn because others covered the order. The new columns must stand
 * where the field lists put them, so the tables are written anew. */
static int migrate_1_to_2(sqlite3 *db, struct failure *failure)
{
    static const char *const steps[] = {
        "ALTER TABLE orders RENAME TO orders_1",
        "ALTER TABLE offers RENAME TO offers_1",
        "ALTER TABLE events RENAME TO events_1",
        orders_sql,
        offers_sql,
        events_sql,
        "INSERT INTO events SELECT seq, CASE WHEN order_id = 0 THEN 0 ELSE "
        "coalesce(lag(seq) OVER (PARTITION BY order_id ORDER BY seq), 0) END, at, kind, order_id, "
        "offer, org, region, county, people, state, level, actor, reason FROM events_1",
    };
    for (size_t i = 0; i < ARRAY_LEN(steps); i++)
        if (sqlite_run(db, steps[i], failure) != 0)
            return -1;
    char sql[4096];
    static const char columns[] =
#define ORDER_FIELD(type, name) #name ", "
#include "engine/fields.def"
#undef ORDER_FIELD
        "skills, external_id, claimed_by";
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

int sqlite_migrate(sqlite3 *db, struct failure *failure)
{
    int64_t version = 0;
    if (sqlite_number(db, "PRAGMA user_version", &version, failure) != 0)
        return -1;
    if (version > SCHEMA_VERSION)
        return failure_set(failure, EX_CONFIG,
                    "the database has schema version %lld, this paidand knows %d: install the newer one",
                    (long long)version, SCHEMA_VERSION);
    while (version < SCHEMA_VERSION) {
        char sql[64];
        int64_t next = version == 0 ? SCHEMA_VERSION : version + 1;
        snprintf(sql, sizeof sql, "PRAGMA user_version = %d", (int)next);
        if (sqlite_run(db, "BEGIN IMMEDIATE", failure) != 0)
            return -1;
        int rc = version == 0 ? create(db, failure) : migrate_1_to_2(db, failure);
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
    return 0;
}
