/* trespass.c -- generated callers times generated requests: does anybody see or change what is not
 * theirs? Every answer is searched for numbers of orders, every commit for orders that changed. */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/pool.h"
#include "proto/methods.h"
#include "sim.h"

#define START_AT INT64_C(1795395600000)
#define ORDERS_MAX 4096
#define CONNECTION 7

struct trespass {
    struct service service;
    struct crowd crowd;
    struct trespass_result result;
    uint64_t random;
    uint64_t region_of[ORDERS_MAX]; /* by order; 0: none */
    uint8_t offered[ORDERS_MAX];    /* bits by organisation, 1 to 8 */
    uint64_t order_count, offer_count;
    struct identity who;
    const struct method *method;
    struct arena arena;
    bool is_asking;
};

static uint64_t draw(struct trespass *t, uint64_t below)
{
    return disk_draw(&t->random, below);
}

static bool is_within(const struct trespass *t, uint64_t region)
{
    /* By the digits of the rig's own codes, in a way that is not the one under test. */
    for (uint64_t at = region; at != 0; at /= 10)
        if (at == t->who.region)
            return true;
    return t->who.region == 0;
}

static bool is_theirs(const struct trespass *t, uint64_t order)
{
    if (order == 0 || order >= ORDERS_MAX || t->region_of[order] == 0)
        return true; /* a new one, or none at all */
    if ((t->who.roles & ~(unsigned)ROLE_ORG) != 0 && is_within(t, t->region_of[order]))
        return true;
    return (t->who.roles & ROLE_ORG) != 0 && (t->offered[order] >> (t->who.org - 1) & 1) != 0;
}

static void leak(struct trespass *t, const char *what, uint64_t order)
{
    char roles[ROLES_BYTES];
    t->result.leaks++;
    if (t->result.why[0] == '\0')
        snprintf(t->result.why, sizeof t->result.why, "%s: %s of region %llu, org %llu, %s order %llu of region %llu",
                 t->method->name, roles_text(t->who.roles, roles), (unsigned long long)t->who.region,
                 (unsigned long long)t->who.org, what, (unsigned long long)order,
                 (unsigned long long)t->region_of[order]);
}

static void search(struct trespass *t, const struct node *n)
{
    if (n->kind == NODE_LIST)
        for (uint32_t i = 0; i < n->count; i++)
            search(t, &n->u.items[i]);
    if (n->kind != NODE_MAP)
        return;
    for (uint32_t i = 0; i < n->count; i++) {
        const struct node *value = &n->u.pairs[i].value;
        bool is_order = node_is_text(&n->u.pairs[i].key, "order") || node_is_text(&n->u.pairs[i].key, "into");
        if (is_order && value->kind == NODE_INT && !is_theirs(t, (uint64_t)value->u.number))
            leak(t, "was shown", (uint64_t)value->u.number);
        search(t, value);
    }
}

static void take_answer(void *context, uint64_t connection, const uint8_t *bytes, size_t len)
{
    struct trespass *t = context;
    if (connection != CONNECTION) {
        crowd_receive(&t->crowd, connection, bytes, len);
        return;
    }
    uint8_t *copy = arena_take(&t->arena, len);
    memcpy(copy, bytes, len);
    const struct node *n = codec_decode(&t->arena, copy, len);
    must(n != NULL && n->kind == NODE_LIST);
    if (n->count == 4 && n->u.items[2].kind == NODE_NIL) {
        t->result.allowed++;
        search(t, &n->u.items[3]);
    } else if (n->count == 3) {
        search(t, &n->u.items[2]);
    }
}

static void take_commit(void *context, const struct batch *batch)
{
    struct trespass *t = context;
    for (uint32_t i = 0; t->is_asking && i < batch->order_count; i++)
        if (!is_theirs(t, batch->orders[i].id))
            leak(t, "changed", batch->orders[i].id);
}

/* What the disk says of orders and offers. */
static void learn(struct trespass *t)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *rows = NULL;
    disk_use(t->service.disk);
    must(sqlite3_open_v2("paidan.db", &db, SQLITE_OPEN_READONLY, "rig") == SQLITE_OK);
    must(sqlite3_prepare_v2(db, "SELECT id, region FROM orders", -1, &rows, NULL) == SQLITE_OK);
    while (sqlite3_step(rows) == SQLITE_ROW && sqlite3_column_int64(rows, 0) < ORDERS_MAX) {
        t->order_count = (uint64_t)sqlite3_column_int64(rows, 0);
        t->region_of[t->order_count] = (uint64_t)sqlite3_column_int64(rows, 1);
    }
    sqlite3_finalize(rows);
    must(sqlite3_prepare_v2(db, "SELECT id, order_id, org FROM offers", -1, &rows, NULL) == SQLITE_OK);
    while (sqlite3_step(rows) == SQLITE_ROW && sqlite3_column_int64(rows, 1) < ORDERS_MAX) {
        t->offer_count = (uint64_t)sqlite3_column_int64(rows, 0);
        t->offered[sqlite3_column_int64(rows, 1)] |= (uint8_t)(1u << (sqlite3_column_int64(rows, 2) - 1));
    }
    sqlite3_finalize(rows);
    sqlite3_close(db);
}

static void any_identity(struct trespass *t)
{
    static const uint64_t regions[] = {11, 12, 111, 121, 1111, 1112, 1211};
    static const unsigned roles[] = {ROLE_PLATFORM, ROLE_DISPATCHER, ROLE_SUPERVISOR, ROLE_AUDITOR, ROLE_ORG,
                                     ROLE_DISPATCHER | ROLE_AUDITOR, 0};
    t->who = (struct identity){.roles = roles[draw(t, ARRAY_LEN(roles))]};
    if ((t->who.roles & ROLE_ORG) != 0)
        t->who.org = 1 + draw(t, CROWD_ORGS);
    else
        t->who.region = regions[draw(t, ARRAY_LEN(regions))];
    snprintf(t->who.principal, sizeof t->who.principal, "token:t%llu", (unsigned long long)draw(t, 1000000));
}

static void pack_value(struct trespass *t, struct pack *p, enum param which)
{
    static const char *const texts[KIND_COUNT] = {
        [KIND_TEXT] = "+8613800007777", [KIND_CODE] = "other", [KIND_PATH] = "/nowhere/at/all", [KIND_CRS] = "wgs84",
        [KIND_SKILL] = "legal_aid", [KIND_SKILLS] = "legal_aid", [KIND_GROUPS] = "elder", [KIND_WAIVES] = "reach",
        [KIND_SCHEDULE] = "mon 09:00-10:00", [KIND_PRIORITY] = "urgent", [KIND_MODE] = "auto",
        [KIND_ORG_TYPE] = "service", [KIND_RANK] = "score", [KIND_ORDER_STATE] = "closed",
        [KIND_OFFER_STATE] = "completed", [KIND_EVENT_KIND] = "placed", [KIND_ROLES] = "auditor"};
    static const uint64_t regions[] = {1, 11, 12, 111, 121, 1111, 1112, 1211};
    enum param_kind kind = params[which].kind;
    if (which == P_ORDER || which == P_INTO)
        pack_uint(p, 1 + draw(t, t->order_count));
    else if (which == P_OFFER)
        pack_uint(p, 1 + draw(t, t->offer_count));
    else if (which == P_ORG || which == P_ID)
        pack_uint(p, 1 + draw(t, CROWD_ORGS));
    else if (which == P_REGION)
        pack_uint(p, regions[draw(t, ARRAY_LEN(regions))]);
    else if (texts[kind] != NULL)
        pack_text(p, texts[kind]);
    else if (kind == KIND_BOOL)
        pack_bool(p, draw(t, 2) != 0);
    else if (kind == KIND_TIME)
        pack_int(p, t->service.now + (int64_t)draw(t, 3) * 3600000);
    else if (kind == KIND_DEGREES)
        pack_real(p, which == P_LAT ? 23.0 : which == P_LON ? 114.4 : 1.0);
    else if (kind == KIND_IDS)
        pack_list(p), pack_uint(p, 1 + draw(t, CROWD_ORGS)), pack_close(p);
    else if (kind == KIND_CONTACT)
        pack_map(p), pack_close(p);
    else if (kind == KIND_DATES || kind == KIND_RECORDS)
        pack_list(p), pack_close(p);
    else
        pack_int(p, which == P_AFTER ? 0 : which == P_LIMIT ? 200 : params[which].low + (int64_t)draw(t, 3));
}

static void any_request(struct trespass *t, struct session *session)
{
    struct pack p = {.bytes = NULL};
    int table = (int)draw(t, (uint64_t)method_table_count);
    t->method = &method_tables[table][draw(t, (uint64_t)method_count(table))];
    pack_fixed_list(&p, 4);
    pack_int(&p, 0);
    pack_int(&p, 1);
    pack_text(&p, t->method->name);
    pack_fixed_list(&p, 1);
    pack_map(&p);
    for (int i = 0; i < method_param_count(t->method); i++) {
        enum param which = t->method->params[i];
        if (which == P_TOKEN || (which != P_REF && i >= t->method->required && draw(t, 4) != 0))
            continue;
        pack_key(&p, params[which].name);
        if (which == P_REF) { /* never the same, so that each is carried out */
            char ref[32];
            snprintf(ref, sizeof ref, "t%llu", (unsigned long long)t->result.cases);
            pack_text(&p, ref);
        } else {
            pack_value(t, &p, which);
        }
    }
    pack_close(&p);
    must(turn_request(t->service.turn, session, p.bytes, p.len));
    pack_fini(&p);
}

static void one_caller(struct trespass *t, uint64_t requests)
{
    any_identity(t);
    struct session *session = turn_connect(t->service.turn, CONNECTION, &t->who);
    t->is_asking = true;
    for (uint64_t i = 0; i < requests && t->result.leaks == 0; i++) {
        any_request(t, session);
        service_settle(&t->service);
        t->result.cases++;
        arena_reset(&t->arena);
    }
    t->is_asking = false;
    turn_disconnect(t->service.turn, session);
    learn(t);
    disk_use(t->service.disk);
}

struct trespass_result trespass_run(uint64_t seed, uint64_t cases)
{
    struct trespass *t = must_alloc(1, sizeof *t);
    t->random = seed;
    t->service = (struct service){.now = START_AT, .disk = disk_new(seed)};
    t->service.disk->now = START_AT;
    crowd_init(&t->crowd, &t->service, seed);
    t->crowd.is_lossless = true;
    t->service.send = take_answer;
    t->service.context = t;
    t->service.committed = take_commit;
    must(service_start(&t->service, 0) == 0);
    for (int i = 0; i < 400; i++) { /* a city with a past */
        t->service.now += (int64_t)draw(t, 4 * 60000);
        crowd_tick(&t->crowd);
        service_turn(&t->service, true, true);
    }
    service_settle(&t->service);
    learn(t);
    disk_use(t->service.disk);
    t->method = &method_tables[0][0];
    while (t->result.cases < cases && t->result.leaks == 0)
        one_caller(t, 10);
    struct trespass_result result = t->result;
    result.orders = t->order_count;
    crowd_cut(&t->crowd);
    service_kill(&t->service);
    disk_free(t->service.disk);
    crowd_fini(&t->crowd);
    arena_fini(&t->arena);
    free(t);
    return result;
}
