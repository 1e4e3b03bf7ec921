/* verdict_live.c -- Redis beside the store: the projection worked out anew, by SQL of its own. */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "verdict.h"

struct look {
    sqlite3 *db;
    const struct redis_data *data;
    struct verdict *verdict;
    size_t orders, queued, inboxed; /* what the store says there should be */
};

static void find(struct look *l, const char *what, const char *key, const char *field)
{
    struct verdict *v = l->verdict;
    if (v->why[0] == '\0')
        snprintf(v->why, sizeof v->why, "Redis: %s: %s %s", what, key, field);
}

static struct look open_look(struct disk *disk, const struct redis *redis, struct verdict *verdict)
{
    struct look l = {.data = &redis->data, .verdict = verdict};
    disk_use(disk);
    if (sqlite3_open_v2("paidan.db", &l.db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, "rig") != SQLITE_OK)
        find(&l, "no database", "", "");
    return l;
}

static uint64_t number(struct look *l, const char *sql)
{
    sqlite3_stmt *row = NULL;
    uint64_t found = 0;
    if (sqlite3_prepare_v2(l->db, sql, -1, &row, NULL) == SQLITE_OK && sqlite3_step(row) == SQLITE_ROW)
        found = (uint64_t)sqlite3_column_int64(row, 0);
    sqlite3_finalize(row);
    return found;
}

static uint64_t last_part(const char *name)
{
    const char *colon = strrchr(name, ':');
    return colon != NULL ? strtoull(colon + 1, NULL, 10) : 0;
}

void verdict_add_traces(struct verdict *v, struct disk *disk, const struct redis *redis)
{
    struct look l = open_look(disk, redis, v);
    uint64_t order_max = number(&l, "SELECT max(id) FROM orders");
    uint64_t event_max = number(&l, "SELECT max(seq) FROM events");
    for (size_t i = 0; i < l.data->count; i++) {
        const struct redis_key *key = &l.data->keys[i];
        if (strstr(key->name, ":order:") != NULL && last_part(key->name) > order_max)
            find(&l, "an order that is on no disk", key->name, "");
        if (key->event_max > event_max)
            find(&l, "an event that is on no disk", key->name, "");
    }
    sqlite3_close(l.db);
}

static void expect(struct look *l, const struct redis_key *key, const char *name, const char *field, const char *wanted)
{
    const char *value = redis_value(key, field);
    if (value == NULL)
        find(l, "missing", name, field);
    else if (strcmp(value, wanted) != 0)
        find(l, "differs", name, field);
}

/* The region at whose queue an order of the rig's city waits: each level is a digit. */
static uint64_t queue_of(uint64_t region, int level)
{
    while (level-- > 0)
        region /= 10;
    return region;
}

static void check_order(struct look *l, sqlite3_stmt *row)
{
    char name[96];
    char text[32];
    const char *id = (const char *)sqlite3_column_text(row, 0);
    const char *county = (const char *)sqlite3_column_text(row, 1);
    snprintf(name, sizeof name, "paidan:{%s}:order:%s", county, id);
    const struct redis_key *key = redis_find(l->data, name);
    l->orders++;
    expect(l, key, name, "state", word_name(&words_order_state, sqlite3_column_int(row, 2)));
    expect(l, key, name, "due_at", (const char *)sqlite3_column_text(row, 3));
    expect(l, key, name, "covered", (const char *)sqlite3_column_text(row, 4));
    if (sqlite3_column_int(row, 5) == 0)
        return;
    l->queued++;
    snprintf(text, sizeof text, "%llu",
             (unsigned long long)queue_of((uint64_t)sqlite3_column_int64(row, 6), sqlite3_column_int(row, 7)));
    snprintf(name, sizeof name, "paidan:{%s}:ready:%s", county, text);
    expect(l, redis_find(l->data, name), name, id, (const char *)sqlite3_column_text(row, 3));
}

static void check_offer(struct look *l, sqlite3_stmt *row)
{
    char name[96];
    snprintf(name, sizeof name, "paidan:{%s}:inbox:%s", (const char *)sqlite3_column_text(row, 1),
             (const char *)sqlite3_column_text(row, 2));
    l->inboxed++;
    expect(l, redis_find(l->data, name), name, (const char *)sqlite3_column_text(row, 0),
           (const char *)sqlite3_column_text(row, 3));
}

static void each(struct look *l, const char *sql, void (*check)(struct look *, sqlite3_stmt *))
{
    sqlite3_stmt *row = NULL;
    if (sqlite3_prepare_v2(l->db, sql, -1, &row, NULL) != SQLITE_OK)
        find(l, sqlite3_errmsg(l->db), "", "");
    while (row != NULL && sqlite3_step(row) == SQLITE_ROW)
        check(l, row);
    sqlite3_finalize(row);
}

/* No more than there should be: keys and members are counted. */
static void check_counts(struct look *l)
{
    size_t orders = 0, queued = 0, inboxed = 0;
    for (size_t i = 0; i < l->data->count; i++) {
        const struct redis_key *key = &l->data->keys[i];
        bool is_events = strlen(key->name) > 8 && strcmp(key->name + strlen(key->name) - 8, "}:events") == 0;
        if (is_events && key->kind != REDIS_STREAM)
            find(l, "is no stream", key->name, "");
        orders += strstr(key->name, ":order:") != NULL;
        queued += strstr(key->name, ":ready:") != NULL ? key->field_count : 0;
        inboxed += strstr(key->name, ":inbox:") != NULL ? key->field_count : 0;
    }
    if (orders != l->orders)
        find(l, "orders that have ended", "", "");
    if (queued != l->queued)
        find(l, "orders in a queue that wait no more", "", "");
    if (inboxed != l->inboxed)
        find(l, "offers in an inbox that are not pending", "", "");
}

/* What was answered lies in the intake no more: it may hold personal data. */
static void check_intake(struct look *l, const struct redis *redis)
{
    const struct redis_key *intake = redis_find(&redis->data, "paidan:intake");
    for (size_t i = 0; intake != NULL && i < intake->entry_count; i++)
        if (intake->entries[i].state == ENTRY_ACKNOWLEDGED)
            find(l, "acknowledged and not deleted", "paidan:intake", intake->entries[i].id);
}

struct verdict verdict_of_live(struct disk *disk, const struct redis *redis)
{
    static const char orders[] =
        "SELECT id, county, state, due_at, taken, NOT is_suspended AND (state = 3 OR (state = 4 AND mode NOT IN (1, 2) "
        "AND taken + asked < headcount)), region, level FROM (SELECT *, "
        "(SELECT coalesce(sum(people), 0) FROM offers WHERE order_id = orders.id AND offers.round = orders.round AND "
        "offers.state IN (1, 5, 6)) AS taken, "
        "(SELECT coalesce(sum(people), 0) FROM offers WHERE order_id = orders.id AND offers.state = 0) AS asked "
        "FROM orders WHERE state NOT IN (2, 8, 9, 10))";
    static const char offers[] = "SELECT offers.id, orgs.county, offers.org, expires_at FROM offers JOIN orgs ON "
                                 "orgs.id = offers.org WHERE offers.state = 0";
    _Static_assert(ORDER_READY == 3 && ORDER_OFFERED == 4 && MODE_AUTO == 1 && MODE_BROADCAST == 2 &&
                   OFFER_PENDING == 0 && OFFER_ACCEPTED == 1 && OFFER_SERVING == 5 && OFFER_COMPLETED == 6, "as the SQL says");
    struct verdict v = {.why = ""};
    struct look l = open_look(disk, redis, &v);
    each(&l, orders, check_order);
    each(&l, offers, check_offer);
    check_counts(&l);
    check_intake(&l, redis);
    sqlite3_close(l.db);
    return v;
}
