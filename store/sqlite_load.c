/* sqlite_load.c -- what is open goes back into memory at start. All rows were looked at by sqlite_verify(). */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "sqlite.h"
#include "store_inside.h"

static int each(sqlite3 *db, const char *sql,
                int (*take)(void *context, sqlite3_stmt *row, struct failure *failure),
                void *context, struct failure *failure)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
        return sqlite_fail(db, sql, failure);
    int rc = SQLITE_ROW;
    int taken = 0;
    while (taken == 0 && (rc = sqlite3_step(statement)) == SQLITE_ROW)
        taken = take(context, statement, failure);
    if (taken == 0 && rc != SQLITE_DONE)
        taken = sqlite_fail(db, sql, failure);
    sqlite3_finalize(statement);
    return taken;
}

static int take_skill(void *context, sqlite3_stmt *row, struct failure *failure)
{
    struct command command = {.op = OP_ADD_SKILL, .actor = "store"};
    const char *name = (const char *)sqlite3_column_text(row, 1);
    for (size_t i = 0; name != NULL && name[i] != '\0' && i < WORD_BYTES_MAX; i++)
        command.u.skill.name[i] = name[i];
    if (engine_step(context, &command, 1).refusal.code == REFUSAL_NONE)
        return 0;
    return failure_set(failure, EX_DATAERR, "table skills: a row is not a skill");
}

static int take_org(void *context, sqlite3_stmt *row, struct failure *failure)
{
    struct org org;
    struct org_more more;
    row_org(row, &org, &more);
    if (org.name != NULL && engine_load_org(context, &org))
        return 0;
    return failure_set(failure, EX_CONFIG, "organisation %llu: its region %llu is not in the region table",
                (unsigned long long)org.id, (unsigned long long)org.region);
}

static int take_order(void *context, sqlite3_stmt *row, struct failure *failure)
{
    struct order order;
    row_order(row, &order);
    if (order_has_ended(&order)) /* it stays on disk */
        return 0;
    if (engine_load_order(context, &order))
        return 0;
    return failure_set(failure, EX_CONFIG, "order %llu: its region %llu is not in the region table",
                (unsigned long long)order.id, (unsigned long long)order.region);
}

static int take_offer(void *context, sqlite3_stmt *row, struct failure *failure)
{
    struct offer offer;
    row_offer(row, &offer);
    if (engine_order(context, offer.order_id) == NULL || engine_load_offer(context, &offer))
        return 0; /* offers of ended orders stay on disk */
    return failure_set(failure, EX_DATAERR, "offer %llu: its order or organisation is missing",
                (unsigned long long)offer.id);
}

static int take_served(void *context, sqlite3_stmt *row, struct failure *failure)
{
    (void)failure;
    engine_load_served(context, (uint64_t)sqlite3_column_int64(row, 0),
                       (uint64_t)sqlite3_column_int64(row, 1));
    return 0;
}

struct record_load {
    struct engine *engine;
    int64_t from; /* records that were entered before are of no day that still counts; 0: not known yet */
};

/* Backwards from the newest; 1 ends it. */
static int take_record(void *context, sqlite3_stmt *row, struct failure *failure)
{
    (void)failure;
    struct record_load *load = context;
    struct record_row r;
    row_record(row, &r);
    if (load->from == 0)
        load->from = r.at - (RECORD_DAYS + 1) * DAY_MS;
    if (r.at < load->from)
        return 1;
    if (r.state != RECORD_REVIEW && r.state != RECORD_REVIEW_HIGH)
        engine_load_record(load->engine, &r);
    return 0;
}

static int take_held(void *context, sqlite3_stmt *row, struct failure *failure)
{
    (void)failure;
    struct record_row r;
    row_record(row, &r);
    engine_load_record(context, &r);
    return 0;
}

static int take_series(void *context, sqlite3_stmt *row, struct failure *failure)
{
    struct series s;
    row_series(row, &s);
    if (engine_load_series(context, &s))
        return 0;
    return failure_set(failure, EX_DATAERR, "recurring order %llu: it stands twice", (unsigned long long)s.id);
}

static int take_emergency(void *context, sqlite3_stmt *row, struct failure *failure)
{
    struct emergency row_read = {.region = (uint64_t)sqlite3_column_int64(row, 0),
                                 .opened_at = sqlite3_column_int64(row, 1),
                                 .until = sqlite3_column_int64(row, 2)};
    if (engine_load_emergency(context, &row_read))
        return 0;
    return failure_set(failure, EX_CONFIG, "emergency: its region %llu is not in the region table",
                       (unsigned long long)row_read.region);
}

/* The tally of an organisation that was removed stays, so that its number is not given again. */
static int take_gone_org(void *context, sqlite3_stmt *row, struct failure *failure)
{
    (void)failure;
    engine_load_gone_org(context, (uint64_t)sqlite3_column_int64(row, 0));
    return 0;
}

static int take_counters(void *context, sqlite3_stmt *row, struct failure *failure)
{
    (void)failure;
    engine_load_counters(context,
                         (struct counters){.order = (uint64_t)sqlite3_column_int64(row, 0),
                                           .offer = (uint64_t)sqlite3_column_int64(row, 1),
                                           .org = (uint64_t)sqlite3_column_int64(row, 2),
                                           .event = (uint64_t)sqlite3_column_int64(row, 3),
                                           .record = (uint64_t)sqlite3_column_int64(row, 4)});
    return 0;
}

int store_load_skills(struct store *store, struct engine *engine, struct failure *failure)
{
    return each(store->writer_db, "SELECT * FROM skills ORDER BY bit", take_skill, engine,
                failure);
}

/* The first event after a restore, or after a loss that was accepted, says so. */
static void tell_given_up(const struct store *store, struct engine *engine, int64_t now)
{
    char reason[WORD_BYTES_MAX + 1];
    struct command c = {.op = OP_NOTE, .actor = "paidand", .reason = reason, .u.note = {.kind = EVENT_RESTORED}};
    if (store->given_up == GIVEN_UP_NOTHING)
        return;
    snprintf(reason, sizeof reason, "%s: %llu to %llu", store->given_up == GIVEN_UP_BY_HAND ? "loss" : "restore",
             (unsigned long long)store->lost, (unsigned long long)writer_head(store->writer)->head.seq);
    engine_step(engine, &c, now);
}

int store_newest_event_at(struct store *store, int64_t *at, struct failure *failure)
{
    return sqlite_number(store->writer_db, "SELECT coalesce((SELECT at FROM events ORDER BY seq DESC LIMIT 1), 0)", at, failure);
}

int store_load(struct store *store, struct engine *engine, int64_t now, struct failure *failure)
{
    sqlite3 *db = store->writer_db;
    static const struct {
        const char *sql;
        int (*take)(void *, sqlite3_stmt *, struct failure *);
    } steps[] = {
        {"SELECT orgs.*, tallies.* FROM orgs LEFT JOIN tallies ON tallies.org = orgs.id ORDER BY orgs.id",
         take_org},
        {"SELECT org FROM tallies WHERE org NOT IN (SELECT id FROM orgs)", take_gone_org},
        {"SELECT * FROM orders ORDER BY id", take_order},
        {"SELECT * FROM offers ORDER BY id", take_offer},
        {"SELECT * FROM served", take_served},
        {"SELECT * FROM records NOT INDEXED WHERE state IN (1, 2)", take_held},
        {"SELECT * FROM series WHERE next_at <> 0 ORDER BY id", take_series},
        {"SELECT * FROM emergencies", take_emergency},
        {"SELECT next_order, next_offer, next_org, next_event, next_record FROM counters", take_counters},
    };
    struct record_load load = {.engine = engine};
    for (size_t i = 0; i < ARRAY_LEN(steps); i++)
        if (each(db, steps[i].sql, steps[i].take, engine, failure) != 0)
            return -1;
    if (each(db, "SELECT * FROM records ORDER BY id DESC", take_record, &load, failure) < 0)
        return -1;
    engine_load_done(engine);
    tell_given_up(store, engine, now);
    return 0;
}

struct ref_visit {
    void (*visit)(void *context, const char *caller, const char *ref, uint64_t id, int64_t at);
    void *context;
};

static int take_ref(void *context, sqlite3_stmt *row, struct failure *failure)
{
    (void)failure;
    struct ref_visit *v = context;
    v->visit(v->context, (const char *)sqlite3_column_text(row, 1),
             (const char *)sqlite3_column_text(row, 2), (uint64_t)sqlite3_column_int64(row, 0),
             sqlite3_column_int64(row, 4));
    return 0;
}

int store_load_refs(struct store *store,
                    void (*visit)(void *context, const char *caller, const char *ref, uint64_t id,
                                  int64_t at),
                    void *context, uint64_t *next_ref, struct failure *failure)
{
    struct ref_visit v = {.visit = visit, .context = context};
    int64_t next = 1;
    if (each(store->writer_db, "SELECT * FROM refs ORDER BY id", take_ref, &v,
             failure) != 0 ||
        sqlite_number(store->writer_db, "SELECT next_ref FROM counters", &next, failure) != 0)
        return -1;
    *next_ref = (uint64_t)next;
    return 0;
}

struct token_visit {
    void (*visit)(void *context, const struct token_row *row);
    void *context;
};

static int take_token(void *context, sqlite3_stmt *row, struct failure *failure)
{
    (void)failure;
    struct token_visit *v = context;
    struct token_row t = {.roles = (uint32_t)sqlite3_column_int64(row, 3),
                          .region = (uint64_t)sqlite3_column_int64(row, 4),
                          .org = (uint64_t)sqlite3_column_int64(row, 5),
                          .made_at = sqlite3_column_int64(row, 6),
                          .expires_at = sqlite3_column_int64(row, 7),
                          .revoked_at = sqlite3_column_int64(row, 8)};
    const char *id = (const char *)sqlite3_column_text(row, 0);
    for (size_t i = 0; id != NULL && id[i] != '\0' && i < TOKEN_ID_BYTES_MAX; i++)
        t.id[i] = id[i];
    for (int i = 0; i < 2 && sqlite3_column_bytes(row, 1 + i) == (int)sizeof t.secrets[i]; i++)
        memcpy(t.secrets[t.secret_count++], sqlite3_column_blob(row, 1 + i), sizeof t.secrets[i]);
    v->visit(v->context, &t);
    return 0;
}

int store_load_tokens(struct store *store, void (*visit)(void *context, const struct token_row *row),
                      void *context, struct failure *failure)
{
    struct token_visit v = {.visit = visit, .context = context};
    return each(store->writer_db, "SELECT * FROM tokens ORDER BY id", take_token, &v, failure);
}

struct dead_visit {
    void (*visit)(void *context, const struct dead_letter *row, uint64_t order);
    void *context;
};

static int take_dead(void *context, sqlite3_stmt *row, struct failure *failure)
{
    const struct dead_visit *v = context;
    (void)failure;
    struct dead_letter letter = {.seq = (uint64_t)sqlite3_column_int64(row, 0), .at = sqlite3_column_int64(row, 1),
                                 .status = (uint32_t)sqlite3_column_int64(row, 2)};
    v->visit(v->context, &letter, (uint64_t)sqlite3_column_int64(row, 3));
    return 0;
}

int store_load_push(struct store *store, uint64_t *cursor,
                    void (*visit)(void *context, const struct dead_letter *row, uint64_t order), void *context,
                    struct failure *failure)
{
    int64_t at = 0;
    struct dead_visit v = {.visit = visit, .context = context};
    if (sqlite_number(store->writer_db, "SELECT cursor FROM push", &at, failure) != 0)
        return -1;
    *cursor = (uint64_t)at;
    return each(store->writer_db, "SELECT d.seq, d.at, d.status, coalesce(e.order_id, 0) FROM dead_letters d "
                                  "LEFT JOIN events e ON e.seq = d.seq ORDER BY d.seq", take_dead, &v, failure);
}
