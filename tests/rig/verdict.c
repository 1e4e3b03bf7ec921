#include "verdict.h"

#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/chain.h"

__attribute__((format(printf, 2, 3))) static void find(struct verdict *v, const char *format, ...)
{
    va_list arguments;
    if (v->why[0] != '\0')
        return;
    va_start(arguments, format);
    vsnprintf(v->why, sizeof v->why, format, arguments);
    va_end(arguments);
}

/* The first number of the first row, with up to two parameters; -1 when there is none. */
static int64_t number(sqlite3 *db, struct verdict *v, const char *sql, uint64_t one, int64_t two)
{
    sqlite3_stmt *statement = NULL;
    int64_t found = -1;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK) {
        v->is_broken = true;
        find(v, "%s: %s", sql, sqlite3_errmsg(db));
        return -1;
    }
    int wanted = sqlite3_bind_parameter_count(statement);
    if (wanted >= 1)
        sqlite3_bind_int64(statement, 1, (int64_t)one);
    if (wanted >= 2)
        sqlite3_bind_int64(statement, 2, two);
    if (sqlite3_step(statement) == SQLITE_ROW)
        found = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return found;
}

static void check_file(sqlite3 *db, struct verdict *v)
{
    sqlite3_stmt *statement = NULL;
    const char *said = "cannot be asked";
    if (sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        said = (const char *)sqlite3_column_text(statement, 0);
    v->is_broken = strcmp(said, "ok") != 0;
    if (v->is_broken)
        find(v, "integrity_check: %s", said);
    sqlite3_finalize(statement);
    int64_t gap = number(db, v, "SELECT count(*) - coalesce(max(seq), 0) FROM events", 0, 0);
    int64_t next = number(db, v, "SELECT next_event - 1 - coalesce((SELECT max(seq) FROM events), 0) "
                                 "FROM counters", 0, 0);
    if (gap != 0 || next != 0) {
        v->is_broken = true;
        find(v, "the events have gaps: %lld, %lld", (long long)gap, (long long)next);
    }
}

/* The audit chain, by the code that an operator runs. */
static void check_chain(struct verdict *v)
{
    struct audit audit;
    struct failure failure = {0};
    int rc = audit_verify("paidan.db", NULL, NULL, NULL, &audit, &failure);
    if (rc == 0 && audit.finding[0] == '\0')
        return;
    v->is_broken = true;
    find(v, "audit: %s", rc != 0 ? failure.text : audit.finding);
}

/* Each deed that was acknowledged has left its row and its event. Kinds by number: see words.def. */
static void check_deed(sqlite3 *db, struct verdict *v, const struct journal_line *line)
{
    static const char *const proofs[] = {
        [DEED_PLACE] = "SELECT count(*) FROM orders WHERE id = ?",
        [DEED_ACCEPT] = "SELECT count(*) FROM events WHERE offer = ? AND kind = ?",
        [DEED_START] = "SELECT count(*) FROM events WHERE offer = ? AND kind = ?",
        [DEED_COMPLETE] = "SELECT count(*) FROM events WHERE offer = ? AND kind = ?",
        [DEED_CANCEL] = "SELECT count(*) FROM orders WHERE id = ? AND state = ?",
        [DEED_CONTACT] = "SELECT count(*) FROM contact WHERE order_id = ?",
        [DEED_INTAKE] = "SELECT count(*) FROM orders WHERE external_id = 'a' || ?",
        [DEED_RECORD] = "SELECT count(*) FROM records WHERE source = 'macao' AND external_id = 'm' || ?",
        [DEED_SERIES] = "SELECT count(*) FROM series WHERE id = ?",
        [DEED_SEEN] = "SELECT count(*) FROM events WHERE order_id = ? AND state = ?",
        [DEED_OFFER_SEEN] = "SELECT count(*) FROM offers WHERE id = ?"};
    static const int words[] = {[DEED_ACCEPT] = EVENT_ACCEPTED, [DEED_START] = EVENT_STARTED,
                                [DEED_COMPLETE] = EVENT_COMPLETED, [DEED_CANCEL] = ORDER_CANCELLED,
                                [DEED_PLACE] = 0, [DEED_CONTACT] = 0, [DEED_INTAKE] = 0,
                                [DEED_RECORD] = 0, [DEED_SERIES] = 0, [DEED_SEEN] = 0,
                                [DEED_OFFER_SEEN] = 0};
    bool is_seen = line->deed == DEED_SEEN || line->deed == DEED_OFFER_SEEN;
    int64_t word = line->deed == DEED_SEEN ? (int64_t)line->attempt : words[line->deed];
    if (number(db, v, proofs[line->deed], line->id, word) >= 1)
        return;
    v->lost++;
    find(v, is_seen ? "looked ahead: deed %d of %llu was shown and is not there"
                    : "lost: deed %d of %llu was acknowledged and is not there",
         (int)line->deed, (unsigned long long)line->id);
}

static void check_journal(sqlite3 *db, struct verdict *v, const struct journal *journal)
{
    for (size_t i = 0; i < journal->count; i++)
        check_deed(db, v, &journal->lines[i]);
    int64_t unexpected = number(db, v, "SELECT count(*) FROM orders WHERE series NOT IN (SELECT id FROM series) AND "
                                       "CAST(substr(external_id, 2) AS INTEGER) NOT BETWEEN 1 AND ?",
                                journal->attempts, 0);
    for (size_t i = 0; i < journal->refused_count; i++) {
        char sql[120];
        snprintf(sql, sizeof sql, "SELECT count(*) FROM orders WHERE external_id = 'a%llu'",
                 (unsigned long long)journal->refused[i]);
        unexpected += number(db, v, sql, 0, 0);
    }
    v->unexpected += (uint64_t)unexpected;
    if (unexpected != 0)
        find(v, "unexpected: %lld orders that nobody placed, or that were refused", (long long)unexpected);
}

static void check_promises(sqlite3 *db, struct verdict *v)
{
    /* States of offers: accepted, serving, completed cover people of an order. */
    static const char twice[] = "SELECT (SELECT count(*) FROM (SELECT 1 FROM orders WHERE external_id <> '' GROUP BY external_id "
                                "HAVING count(*) > 1)) + (SELECT count(*) FROM (SELECT 1 FROM events "
                                "WHERE kind = %d GROUP BY offer HAVING count(*) > 1))";
    static const char covered[] = "SELECT count(*) FROM orders WHERE headcount < (SELECT "
                                  "coalesce(sum(people), 0) FROM offers WHERE order_id = orders.id AND "
                                  "offers.round = orders.round AND offers.state IN (%d, %d, %d))";
    static const char promised[] =
        "SELECT count(*) FROM offers a JOIN orgs ON orgs.id = a.org WHERE a.state IN (%d, %d) AND "
        "capacity < (SELECT sum(b.people) FROM offers b WHERE b.org = a.org AND b.state IN (%d, %d) "
        "AND b.start_at <= a.start_at AND a.start_at < b.start_at + b.minutes * 60000)";
    char sql[600];
    snprintf(sql, sizeof sql, twice, EVENT_ACCEPTED);
    v->duplicated = (uint64_t)number(db, v, sql, 0, 0);
    if (v->duplicated != 0)
        find(v, "duplicated: %llu", (unsigned long long)v->duplicated);
    snprintf(sql, sizeof sql, covered, OFFER_ACCEPTED, OFFER_SERVING, OFFER_COMPLETED);
    v->overbooked = (uint64_t)number(db, v, sql, 0, 0);
    snprintf(sql, sizeof sql, promised, OFFER_ACCEPTED, OFFER_SERVING, OFFER_ACCEPTED, OFFER_SERVING);
    v->overbooked += (uint64_t)number(db, v, sql, 0, 0);
    if (v->overbooked != 0)
        find(v, "overbooked: %llu", (unsigned long long)v->overbooked);
}

/* No window of a recurring order is placed twice. */
static void check_series(sqlite3 *db, struct verdict *v)
{
    int64_t found = number(db, v, "SELECT count(*) FROM (SELECT 1 FROM orders WHERE series <> 0 GROUP BY series, starts_at "
                                  "HAVING count(*) > 1)", 0, 0);
    v->duplicated += (uint64_t)found;
    if (found != 0)
        find(v, "series: %lld windows were placed twice", (long long)found);
}

/* Where somebody lives stands exactly in the sealed contact only. */
static void check_homes(sqlite3 *db, struct verdict *v)
{
    int64_t found = number(db, v, "SELECT count(*) FROM orders JOIN contact ON contact.order_id = orders.id "
                                  "WHERE lat % 10000 <> 0 OR lon % 10000 <> 0", 0, 0) +
                    number(db, v, "SELECT count(*) FROM series WHERE lat % 10000 <> 0 OR lon % 10000 <> 0", 0, 0);
    v->unexpected += (uint64_t)found;
    if (found != 0)
        find(v, "homes: %lld orders with personal data show their exact place", (long long)found);
}

/* No issuer's record counts twice, and no day of a volunteer has more than its minutes. */
static void check_records(sqlite3 *db, struct verdict *v)
{
    static const char twice[] = "SELECT count(*) FROM (SELECT 1 FROM records WHERE source <> '' AND state NOT IN (%d, %d) "
                                "GROUP BY source, external_id HAVING count(*) > 1)";
    static const char day[] = "SELECT count(*) FROM (SELECT 1 FROM records WHERE state NOT IN (%d, %d) "
                              "GROUP BY volunteer, day HAVING sum(minutes) > 1440)";
    char sql[300];
    snprintf(sql, sizeof sql, twice, RECORD_REFUSED, RECORD_REVOKED);
    int64_t found = number(db, v, sql, 0, 0);
    v->duplicated += (uint64_t)found;
    if (found != 0)
        find(v, "records: %lld of an issuer count more than once", (long long)found);
    snprintf(sql, sizeof sql, day, RECORD_REFUSED, RECORD_REVOKED);
    found = number(db, v, sql, 0, 0);
    v->overbooked += (uint64_t)found;
    if (found != 0)
        find(v, "records: %lld days have more than 24 hours", (long long)found);
}

struct verdict verdict_of(struct disk *disk, const struct journal *journal)
{
    struct verdict v = {.why = ""};
    sqlite3 *db = NULL;
    disk_use(disk);
    if (sqlite3_open_v2("paidan.db", &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, "rig") != SQLITE_OK) {
        v.is_broken = true;
        find(&v, "cannot be opened: %s", sqlite3_errmsg(db));
    } else {
        check_file(db, &v);
        check_chain(&v);
        check_promises(db, &v);
        check_records(db, &v);
        check_series(db, &v);
        check_homes(db, &v);
        if (journal != NULL)
            check_journal(db, &v, journal);
    }
    sqlite3_close(db);
    return v;
}

bool verdict_is_good(const struct verdict *v)
{
    return !v->is_broken && v->lost == 0 && v->unexpected == 0 && v->duplicated == 0 &&
           v->overbooked == 0 && v->why[0] == '\0';
}
