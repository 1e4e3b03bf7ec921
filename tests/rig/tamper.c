/* tamper.c -- somebody who has the disk and not the key: rows edited, deleted, doubled and renumbered in every
 * table; triggers, indexes and tables that come, go or change; a log of writes that was synced and is damaged all the same; a head with a signature of their own. */
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "engine/pool.h"
#include "sim.h"
#include "store/chain.h"

enum { LANE_TAMPER = 3 };

/* Of one table: a column of one row, the row's number, one row gone, all gone, one row twice. */
enum edit { EDIT, RENUMBER, DELETE_ONE, DELETE_ALL, DOUBLE, EDITS };

static const char *const tables[] = {"orders", "offers", "orgs", "tallies", "series", "records", "served", "refs", "skills",
                                     "contact", "contact_phone", "tokens", "emergencies", "push", "dead_letters", "counters",
                                     "events"};

static sqlite3 *open_database(struct disk *disk)
{
    sqlite3 *db = NULL;
    disk_use(disk);
    must(sqlite3_open_v2("paidan.db", &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, "rig") == SQLITE_OK);
    return db;
}

/* What is not rows: each is noticed on any disk. */
static const char *const schema_edits[] = {
    "CREATE TRIGGER more AFTER INSERT ON orders BEGIN DELETE FROM contact WHERE order_id = new.id - 1; END",
    "CREATE TRIGGER more BEFORE DELETE ON refs BEGIN SELECT RAISE(IGNORE); END",
    "CREATE VIEW more AS SELECT * FROM orders",
    "CREATE TABLE more(x)",
    "CREATE UNIQUE INDEX more ON orders(id, state)",
    "DROP TRIGGER contact_gone",
    "DROP INDEX records_held",
    "DROP INDEX records_volunteer",
    "PRAGMA writable_schema = 1; UPDATE sqlite_schema SET sql = replace(sql, 'DEFAULT 0', 'DEFAULT 1') WHERE name = 'contact'",
    "PRAGMA writable_schema = 1; UPDATE sqlite_schema SET sql = replace(sql, 'IN (1, 2)', 'IN (1)') WHERE name = 'records_held'",
};

struct column {
    char name[64], type[16];
};

/* False: there is none of that number. */
static bool column_of(sqlite3 *db, const char *table, unsigned number, struct column *column)
{
    char sql[120];
    sqlite3_stmt *row = NULL;
    snprintf(sql, sizeof sql, "SELECT name, type FROM pragma_table_info('%s') WHERE cid = %u", table, number);
    must(sqlite3_prepare_v2(db, sql, -1, &row, NULL) == SQLITE_OK);
    bool is_there = sqlite3_step(row) == SQLITE_ROW;
    if (is_there) {
        snprintf(column->name, sizeof column->name, "%s", (const char *)sqlite3_column_text(row, 0));
        snprintf(column->type, sizeof column->type, "%s", (const char *)sqlite3_column_text(row, 1));
    }
    sqlite3_finalize(row);
    return is_there;
}

static void statement_of(sqlite3 *db, const char *table, enum edit edit, unsigned number, char sql[400])
{
    struct column key = {.name = ""};
    struct column column = {.name = ""};
    column_of(db, table, 0, &key);
    bool has_number = strcmp(key.type, "INTEGER") == 0;
    sql[0] = '\0';
    if (edit == EDIT && column_of(db, table, number, &column))
        snprintf(sql, 400, "UPDATE OR IGNORE %s SET %s = CAST(%s %s AS %s) WHERE %s = (SELECT max(%s) FROM %s)", table, column.name,
                 column.name, strcmp(column.type, "INTEGER") == 0 ? "+ 1" : "|| 'x'", column.type, key.name, key.name, table);
    else if (edit == RENUMBER && has_number)
        snprintf(sql, 400, "UPDATE OR IGNORE %s SET %s = %s + 1000 WHERE %s = (SELECT max(%s) FROM %s)", table, key.name, key.name,
                 key.name, key.name, table);
    else if (edit == DELETE_ONE)
        snprintf(sql, 400, "DELETE FROM %s WHERE %s = (SELECT min(%s) FROM %s)", table, key.name, key.name, table);
    else if (edit == DELETE_ALL)
        snprintf(sql, 400, "DELETE FROM %s", table);
    else if (edit == DOUBLE && has_number)
        snprintf(sql, 400, "CREATE TEMP TABLE one AS SELECT * FROM %s LIMIT 1; UPDATE one SET %s = %s + 1000000; "
                           "INSERT OR IGNORE INTO %s SELECT * FROM one", table, key.name, key.name, table);
}

/* Does it on a copy of the disk. False: it changed nothing, for there is no such row or column. */
static bool do_edit(struct disk *disk, const char *table, enum edit edit, unsigned column, char sql[400])
{
    sqlite3 *db = open_database(disk);
    statement_of(db, table, edit, column, sql);
    int before = sqlite3_total_changes(db);
    bool is_done = sql[0] != '\0' && sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK && sqlite3_total_changes(db) > before + (edit == DOUBLE);
    sqlite3_close(db);
    return is_done;
}

/* True: a start went on from it as if nothing had been, and no check finds anything. */
static bool is_silent(struct disk *disk, int64_t now)
{
    struct service s = {.disk = disk, .now = now};
    bool is_up = service_start(&s, LANE_TAMPER) == 0;
    struct verdict v = is_up ? verdict_of(disk, NULL) : (struct verdict){.is_broken = true};
    if (s.engine != NULL)
        service_kill(&s);
    return is_up && verdict_is_good(&v);
}

static bool tamper(const struct disk *disk, const char *table, enum edit edit, unsigned column, int64_t now, bool *was_done,
                   char why[300])
{
    char sql[400];
    struct disk *copy = disk_crash(disk, DAMAGE_KEEP_ALL, column);
    copy->now = now;
    *was_done = do_edit(copy, table, edit, column, sql);
    bool is_bad = *was_done && is_silent(copy, now);
    if (is_bad)
        snprintf(why, 300, "nobody noticed: %.270s", sql);
    disk_free(copy);
    return !is_bad;
}

static bool tamper_schema(const struct disk *disk, const char *sql, int64_t now, char why[300])
{
    struct disk *copy = disk_crash(disk, DAMAGE_KEEP_ALL, 0);
    copy->now = now;
    sqlite3 *db = open_database(copy);
    must(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK);
    sqlite3_close(db);
    bool is_bad = is_silent(copy, now);
    if (is_bad)
        snprintf(why, 300, "nobody noticed: %.270s", sql);
    disk_free(copy);
    return !is_bad;
}

bool tamper_one(const struct disk *disk, int64_t now, uint64_t *random, char why[300])
{
    bool was_done = false;
    if (disk_draw(random, 8) == 0)
        return tamper_schema(disk, schema_edits[disk_draw(random, ARRAY_LEN(schema_edits))], now, why);
    for (int i = 0; i < 10 && !was_done; i++) {
        const char *table = tables[disk_draw(random, ARRAY_LEN(tables))];
        enum edit edit = (enum edit)disk_draw(random, EDITS);
        if (!tamper(disk, table, edit, (unsigned)disk_draw(random, 40), now, &was_done, why))
            return false;
    }
    return true;
}

void tamper_all(const struct disk *disk, int64_t now, struct rot_result *result)
{
    for (size_t i = 0; i < ARRAY_LEN(tables); i++)
        for (int edit = 0; edit < EDITS; edit++)
            for (unsigned column = 0; column < (edit == EDIT ? 64u : 1u); column++) {
                bool was_done = false;
                bool is_good = tamper(disk, tables[i], (enum edit)edit, column, now, &was_done, result->why);
                result->edits += was_done;
                result->found += was_done && is_good;
                result->silent += !is_good;
            }
    for (size_t i = 0; i < ARRAY_LEN(schema_edits); i++) {
        bool is_good = tamper_schema(disk, schema_edits[i], now, result->why);
        result->edits++;
        result->found += is_good;
        result->silent += !is_good;
    }
}

bool tamper_log(const struct service *before, uint64_t *random, char why[300])
{
    struct disk *hurt = disk_crash(before->disk, DAMAGE_KEEP_ALL, 1);
    struct service s = {.disk = hurt, .now = before->now};
    enum log_damage kind = (enum log_damage)disk_draw(random, LOG_DAMAGES);
    bool is_good = true;
    hurt->now = before->now;
    if (disk_damage_log(hurt, kind, random)) {
        if (service_start(&s, LANE_TAMPER) == 0)
            is_good = service_is_faithful(&s, before);
        else
            is_good = s.failure.exit_code == EX_DATAERR;
        if (!is_good)
            snprintf(why, 300, "damage %d to a log that was synced: %.200s", (int)kind,
                     s.engine != NULL ? "started without what was acknowledged" : s.failure.text);
        if (s.engine != NULL)
            service_kill(&s);
    }
    disk_free(hurt);
    return is_good;
}

/* A file of one head: as it was signed, or with one digit of the signature changed. */
bool tamper_head(struct disk *disk, char why[300])
{
    char path[64];
    char line[CHAIN_LINE_BYTES];
    struct signed_head head = {.mark = CHAIN_HEAD, .at = 1};
    struct audit audit;
    struct failure failure = {0};
    bool is_good = true;
    snprintf(path, sizeof path, "/tmp/paidan-rig-%d.heads", (int)getpid());
    sqlite3 *db = open_database(disk);
    sqlite3_stmt *row = NULL;
    must(sqlite3_prepare_v2(db, "SELECT next_event - 1, head FROM counters", -1, &row, NULL) == SQLITE_OK && sqlite3_step(row) == SQLITE_ROW);
    head.chain.seq = (uint64_t)sqlite3_column_int64(row, 0);
    memcpy(head.chain.head, sqlite3_column_blob(row, 1), DIGEST_BYTES);
    sqlite3_finalize(row);
    sqlite3_close(db);
    for (int forged = 0; forged < 2 && is_good; forged++) {
        chain_line(&head, &service_vault, line);
        char *digit = &line[strlen(line) - 2];
        *digit = forged == 0 ? *digit : *digit == '0' ? '1' : '0';
        FILE *file = fopen(path, "we");
        must(file != NULL && fputs(line, file) >= 0);
        fclose(file);
        is_good = audit_verify("paidan.db", path, NULL, NULL, &audit, &failure) == 0 && (audit.finding[0] != '\0') == (forged == 1);
        if (!is_good)
            snprintf(why, 300, "a head %s: %.200s", forged == 1 ? "that nobody signed passes" : "that was signed does not pass", audit.finding);
    }
    unlink(path);
    return is_good;
}
