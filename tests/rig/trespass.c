/* trespass.c -- generated callers times generated requests: does anybody see or change what is not
 * theirs? Every answer is searched for numbers of orders, every commit for orders that changed. */
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
    uint64_t region_of[ORDERS_MAX], region_before[ORDERS_MAX]; /* by order; 0: none */
    uint32_t round_of[ORDERS_MAX];
    uint8_t offered[ORDERS_MAX]; /* bits by organisation, 1 to 8 */
    struct offer offers[ORDERS_MAX]; /* by number, as they were committed */
    uint64_t order_count, offer_count;
    struct identity who;
    const struct method *method;
    struct arena arena;
    bool is_asking, is_notified; /* notified: what is looked at was not asked for just now */
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

static bool has_accepted(const struct trespass *t, uint64_t order)
{
    for (uint64_t i = 1; i <= t->offer_count && i < ORDERS_MAX; i++) {
        const struct offer *f = &t->offers[i];
        if (f->order_id == order && f->org == t->who.org && f->round == t->round_of[order] &&
            (f->state == OFFER_ACCEPTED || f->state == OFFER_SERVING || f->state == OFFER_COMPLETED))
            return true;
    }
    return false;
}

static bool is_theirs(const struct trespass *t, uint64_t order)
{
    if (order == 0 || order >= ORDERS_MAX || t->region_of[order] == 0)
        return true; /* a new one, or none at all */
    /* An event is of where its order was then. */
    bool is_past = t->is_notified || strncmp(t->method->name, "event.", 6) == 0;
    if ((t->who.roles & ~(unsigned)ROLE_ORG) != 0)
        return is_within(t, t->region_of[order]) || (is_past && is_within(t, t->region_before[order]));
    if (!t->is_notified && strcmp(t->method->name, "contact.get") == 0)
        return has_accepted(t, order);
    return (t->offered[order] >> (t->who.org - 1) & 1) != 0;
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
        bool is_order = node_is_text(&n->u.pairs[i].key, "order");
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
        t->is_notified = true;
        search(t, &n->u.items[2]);
        t->is_notified = false;
    }
}

static void take_commit(void *context, const struct batch *batch)
{
    struct trespass *t = context;
    for (uint32_t i = 0; i < batch->order_count; i++) {
        const struct order *o = &batch->orders[i];
        if (t->is_asking && !is_theirs(t, o->id))
            leak(t, "changed", o->id);
        if (t->is_asking && strcmp(t->method->name, "order.merge") == 0 && !is_theirs(t, o->merged_into))
            leak(t, "merged into", o->merged_into);
        if (o->id >= ORDERS_MAX)
            continue;
        if (t->region_of[o->id] != o->region)
            t->region_before[o->id] = t->region_of[o->id];
        t->region_of[o->id] = o->region;
        t->round_of[o->id] = o->round;
        t->order_count = o->id > t->order_count ? o->id : t->order_count;
    }
    for (uint32_t i = 0; i < batch->offer_count; i++) {
        const struct offer *f = &batch->offers[i];
        if (f->order_id < ORDERS_MAX)
            t->offered[f->order_id] |= (uint8_t)(1u << (f->org - 1));
        if (f->id < ORDERS_MAX)
            t->offers[f->id] = *f;
        t->offer_count = f->id > t->offer_count ? f->id : t->offer_count;
    }
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
        t->who.scope = SCOPE_REGION, t->who.region = regions[draw(t, ARRAY_LEN(regions))];
    snprintf(t->who.principal, sizeof t->who.principal, "token:t%llu", (unsigned long long)draw(t, 1000000));
}

/* Mostly a recent one: those are still open. */
static uint64_t any_number(struct trespass *t, uint64_t count)
{
    uint64_t recent = count < 40 ? count : 40;
    return draw(t, 4) != 0 ? count - draw(t, recent) : 1 + draw(t, count);
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
        pack_uint(p, any_number(t, t->order_count));
    else if (which == P_OFFER)
        pack_uint(p, any_number(t, t->offer_count));
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
    unsigned roles = draw(t, 4) != 0 && t->who.roles != 0 ? t->who.roles : ROLE_EVERY; /* mostly what is for it */
    do {
        int table = (int)draw(t, (uint64_t)method_table_count);
        t->method = &method_tables[table][draw(t, (uint64_t)method_count(table))];
    } while ((t->method->roles & roles) == 0);
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
}

/* The city goes on living. */
static void live(struct trespass *t, int ticks)
{
    for (int i = 0; i < ticks; i++) {
        t->service.now += (int64_t)draw(t, 4 * 60000);
        t->service.disk->now = t->service.now;
        crowd_tick(&t->crowd);
        service_turn(&t->service, true, true);
    }
    service_settle(&t->service);
}

static void open_world(struct trespass *t)
{
    uint64_t seed = draw(t, UINT64_MAX);
    memset(t->region_of, 0, sizeof t->region_of);
    memset(t->region_before, 0, sizeof t->region_before);
    memset(t->offered, 0, sizeof t->offered);
    memset(t->offers, 0, sizeof t->offers);
    t->order_count = t->offer_count = 0;
    t->service = (struct service){.now = START_AT, .disk = disk_new(seed)};
    crowd_init(&t->crowd, &t->service, seed);
    t->crowd.is_lossless = true;
    t->service.send = take_answer;
    t->service.context = t;
    t->service.committed = take_commit;
    t->method = &method_tables[0][0];
    must(service_start(&t->service, 0) == 0);
    live(t, 300);
}

static void close_world(struct trespass *t)
{
    t->result.orders += t->order_count;
    crowd_cut(&t->crowd);
    service_kill(&t->service);
    disk_free(t->service.disk);
    crowd_fini(&t->crowd);
}

#define ORDERS_A_WORLD 400

struct trespass_result trespass_run(uint64_t seed, uint64_t cases)
{
    struct trespass *t = must_alloc(1, sizeof *t);
    t->random = seed;
    open_world(t);
    while (t->result.cases < cases && t->result.leaks == 0) {
        if (t->order_count > ORDERS_A_WORLD) {
            close_world(t);
            open_world(t);
        }
        one_caller(t, 10);
        live(t, 2);
    }
    close_world(t);
    struct trespass_result result = t->result;
    arena_fini(&t->arena);
    free(t);
    return result;
}
