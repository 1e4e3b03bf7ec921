/* trespass.c -- generated callers times generated requests: does anybody see or change what is not
 * theirs? Every answer is searched for numbers of orders, offers, records, series and events, for regions and
 * for counts; every commit for orders and records that changed. Callers come with tokens, which are rotated
 * away, revoked and mistaken while something is asked: what is answered after that is a leak too. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/pool.h"
#include "proto/methods.h"
#include "sim.h"

#define START_AT INT64_C(1795395600000)
#define ORDERS_MAX 4096
#define EVENTS_MAX 65536
#define CONNECTION 7
#define OPERATOR 8

struct trespass {
    struct service service;
    struct crowd crowd;
    struct trespass_result result;
    uint64_t random;
    uint64_t region_of[ORDERS_MAX], region_before[ORDERS_MAX]; /* by order; 0: none */
    uint32_t round_of[ORDERS_MAX];
    uint8_t offered[ORDERS_MAX]; /* bits by organisation, 1 to 8 */
    struct offer offers[ORDERS_MAX]; /* by number, as they were committed */
    struct record_row records[ORDERS_MAX];
    uint64_t series_region[ORDERS_MAX]; /* by number */
    struct seen_event {
        uint64_t region, order, org;
        bool is_known, is_for_all;
    } events[EVENTS_MAX];
    uint64_t told[1000]; /* events that the caller heard of before the rig did */
    uint32_t told_count;
    uint64_t order_count, offer_count, record_count, event_count, series_last;
    struct identity who;
    char token[TOKEN_TEXT_BYTES];
    struct token_row row;
    uint64_t asked_order, asked_volunteer;
    uint64_t fresh_org; /* the caller's own, of the operator's making; 0: the caller is of another */
    uint64_t operator_got; /* the number that the operator was answered; 0: a refusal */
    bool is_mistaken; /* nothing that it asks from now on may be answered */
    bool is_over; /* the caller's token has ended: nothing more may come */
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
    return t->who.scope == SCOPE_EVERYWHERE;
}

/* Whether figures of that region are of the caller's own: those of one above it tell no more. */
static bool is_around(const struct trespass *t, uint64_t region)
{
    for (uint64_t at = t->who.region; at != 0; at /= 10)
        if (at == region)
            return true;
    return is_within(t, region);
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
    return t->who.org <= CROWD_ORGS && (t->offered[order] >> (t->who.org - 1) & 1) != 0;
}

static void leak(struct trespass *t, const char *what, uint64_t order)
{
    char roles[ROLES_BYTES];
    t->result.leaks++;
    if (t->result.why[0] == '\0')
        snprintf(t->result.why, sizeof t->result.why, "%s: %s of region %llu, org %llu, %s %llu of region %llu",
                 t->method->name, roles_text(t->who.roles, roles), (unsigned long long)t->who.region,
                 (unsigned long long)t->who.org, what, (unsigned long long)order,
                 (unsigned long long)(order < ORDERS_MAX ? t->region_of[order] : 0));
}

static bool is_org_alone(const struct trespass *t)
{
    return (t->who.roles & ~(unsigned)ROLE_ORG) == 0;
}

static bool is_record_theirs(const struct trespass *t, uint64_t record)
{
    if (record == 0 || record >= ORDERS_MAX || t->records[record].id == 0)
        return true;
    return is_org_alone(t) ? t->records[record].org == t->who.org : is_within(t, t->records[record].region);
}

/* An event is of where its order was then; of an order's history it is that order's. */
static bool is_event_theirs(struct trespass *t, uint64_t seq)
{
    const struct seen_event *e = seq < EVENTS_MAX ? &t->events[seq] : NULL;
    if (e == NULL || e->is_for_all)
        return true;
    if (!e->is_known && t->is_notified && t->told_count < ARRAY_LEN(t->told))
        t->told[t->told_count++] = seq;
    if (!e->is_known)
        return true;
    if (!t->is_notified && strcmp(t->method->name, "order.history") == 0)
        return e->order == t->asked_order;
    return is_org_alone(t) ? e->org == t->who.org : is_within(t, e->region);
}

static uint64_t theirs_waiting(const struct trespass *t)
{
    uint64_t count = 0;
    for (uint64_t i = 1; i <= t->record_count && i < ORDERS_MAX; i++)
        count += t->records[i].state == RECORD_REVIEW && is_record_theirs(t, i);
    return count;
}

static uint64_t theirs_served(const struct trespass *t)
{
    uint64_t minutes = 0;
    for (uint64_t i = 1; i <= t->record_count && i < ORDERS_MAX; i++)
        if (t->records[i].volunteer == t->asked_volunteer && is_record_theirs(t, i))
            minutes += t->records[i].minutes;
    return minutes;
}

/* Numbers that tell how much there is of what is not theirs. */
static bool is_count_theirs(const struct trespass *t, const struct node *key, uint64_t value)
{
    const char *method = t->method->name;
    if (node_is_text(key, "waiting") && strncmp(method, "region.", 7) == 0)
        return !is_org_alone(t);
    if (node_is_text(key, "waiting") && strcmp(method, "record.list") == 0)
        return value <= theirs_waiting(t);
    if (node_is_text(key, "minutes") && (strcmp(method, "volunteer.get") == 0 || strcmp(method, "certificate.issue") == 0))
        return value <= theirs_served(t);
    if (node_is_text(key, "region") && strncmp(method, "map.", 4) == 0)
        return is_around(t, value);
    return true;
}

static void search_number(struct trespass *t, const struct node *key, uint64_t value)
{
    static const struct {
        const char *key;
        bool (*is_theirs)(const struct trespass *t, uint64_t number);
    } numbers[] = {{"order", is_theirs}, {"record", is_record_theirs}};
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        if (node_is_text(key, numbers[i].key) && !numbers[i].is_theirs(t, value))
            leak(t, numbers[i].key, value);
    if (node_is_text(key, "seq") && !is_event_theirs(t, value))
        leak(t, "event", value);
    if (node_is_text(key, "offer") && value < ORDERS_MAX && t->offers[value].id != 0 && !is_theirs(t, t->offers[value].order_id))
        leak(t, "offer", value);
    if (node_is_text(key, "series") && strncmp(t->method->name, "series.", 7) == 0 && value < ORDERS_MAX &&
        t->series_region[value] != 0 && !is_within(t, t->series_region[value]))
        leak(t, "series", value);
    if (!t->is_notified && !is_count_theirs(t, key, value))
        leak(t, "a count", value);
}

/* Only its own: how much others have to do is theirs. */
static void search_org(struct trespass *t, const struct node *n)
{
    const struct node *org = node_get(n, "org");
    if (org != NULL && org->kind == NODE_INT && node_get(n, "live_offers") != NULL &&
        (!is_org_alone(t) || (uint64_t)org->u.number != t->who.org))
        leak(t, "live_offers", (uint64_t)org->u.number);
}

static void search(struct trespass *t, const struct node *n)
{
    if (n->kind == NODE_LIST)
        for (uint32_t i = 0; i < n->count; i++)
            search(t, &n->u.items[i]);
    if (n->kind != NODE_MAP)
        return;
    search_org(t, n);
    for (uint32_t i = 0; i < n->count; i++) {
        const struct node *value = &n->u.pairs[i].value;
        if (value->kind == NODE_INT && value->u.number > 0)
            search_number(t, &n->u.pairs[i].key, (uint64_t)value->u.number);
        search(t, value);
    }
}

static void take_answer(void *context, uint64_t connection, const uint8_t *bytes, size_t len)
{
    struct trespass *t = context;
    if (connection == OPERATOR) {
        uint8_t *copy = arena_take(&t->arena, len);
        memcpy(copy, bytes, len);
        const struct node *n = codec_decode(&t->arena, copy, len);
        const struct node *org = n != NULL && n->count == 4 ? node_get(&n->u.items[3], "org") : NULL;
        t->operator_got = org != NULL ? (uint64_t)org->u.number : 0;
        return;
    }
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
        if (t->is_over && (t->method->roles & ROLE_ANYONE) == 0)
            leak(t, "answered when its token had ended", 0);
        search(t, &n->u.items[3]);
    } else if (n->count == 3) {
        if (t->is_over)
            leak(t, "told when its token had ended", 0);
        t->is_notified = true;
        search(t, &n->u.items[2]);
        t->is_notified = false;
    }
}

static void take_others(struct trespass *t, const struct batch *batch)
{
    for (uint32_t i = 0; i < batch->record_count; i++) {
        const struct record_row *r = &batch->records[i];
        if (t->is_asking && !is_record_theirs(t, r->id))
            leak(t, "changed record", r->id);
        if (r->id >= ORDERS_MAX)
            continue;
        t->records[r->id] = *r;
        t->record_count = r->id > t->record_count ? r->id : t->record_count;
    }
    for (uint32_t i = 0; i < batch->series_count; i++) {
        if (batch->series[i].id >= ORDERS_MAX)
            continue;
        t->series_region[batch->series[i].id] = batch->series[i].region;
        t->series_last = batch->series[i].id;
    }
    for (uint32_t i = 0; i < batch->event_count; i++) {
        const struct event *e = &batch->events[i];
        t->event_count = e->seq;
        if (e->seq < EVENTS_MAX)
            t->events[e->seq] = (struct seen_event){.region = e->region, .order = e->order, .org = e->org,
                                                    .is_known = true, .is_for_all = event_is_for_all(e)};
    }
    t->is_notified = true;
    for (uint32_t i = 0; i < t->told_count; i++)
        if (!is_event_theirs(t, t->told[i]))
            leak(t, "told of event", t->told[i]);
    t->is_notified = false;
    t->told_count = 0;
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
    take_others(t, batch);
    for (uint32_t i = 0; i < batch->offer_count; i++) {
        const struct offer *f = &batch->offers[i];
        if (f->order_id < ORDERS_MAX && f->org <= CROWD_ORGS)
            t->offered[f->order_id] |= (uint8_t)(1u << (f->org - 1));
        if (f->id < ORDERS_MAX)
            t->offers[f->id] = *f;
        t->offer_count = f->id > t->offer_count ? f->id : t->offer_count;
    }
}

/* Registers an organisation, far from everybody, or removes one; the number that came back, 0: refused. */
static uint64_t operate(struct trespass *t, const char *method, uint64_t org)
{
    struct identity operator = identity_trusted("uid:0");
    struct session *session = turn_connect(t->service.turn, OPERATOR, &operator);
    bool is_put = strcmp(method, "org.put") == 0;
    struct pack p = {.bytes = NULL};
    pack_fixed_list(&p, 4);
    pack_int(&p, 0);
    pack_int(&p, 1);
    pack_text(&p, method);
    pack_fixed_list(&p, 1);
    pack_map(&p);
    if (org != 0)
        pack_key_uint(&p, is_put ? "id" : "org", org);
    if (is_put) {
        pack_key_real(&p, "lat", 1.0);
        pack_key_real(&p, "lon", 1.0);
        pack_key_text(&p, "skills", "legal_aid");
    }
    pack_close(&p);
    t->operator_got = 0;
    must(turn_request(t->service.turn, session, p.bytes, p.len));
    service_settle(&t->service);
    pack_fini(&p);
    turn_disconnect(t->service.turn, session);
    return t->operator_got;
}

static void any_identity(struct trespass *t)
{
    static const uint64_t regions[] = {11, 12, 111, 121, 1111, 1112, 1211};
    static const unsigned roles[] = {ROLE_PLATFORM, ROLE_DISPATCHER, ROLE_SUPERVISOR, ROLE_AUDITOR, ROLE_ORG,
                                     ROLE_DISPATCHER | ROLE_AUDITOR, 0};
    t->who = (struct identity){.roles = roles[draw(t, ARRAY_LEN(roles))]};
    t->fresh_org = 0;
    if (draw(t, 16) == 0) {
        snprintf(t->who.principal, sizeof t->who.principal, "tcp"); /* roles that hold for nothing */
        return;
    }
    if ((t->who.roles & ROLE_ORG) != 0)
        t->who.org = t->fresh_org = draw(t, 8) == 0 ? operate(t, "org.put", 0) : 0;
    if ((t->who.roles & ROLE_ORG) != 0 && t->who.org == 0)
        t->who.org = 1 + draw(t, CROWD_ORGS);
    else if ((t->who.roles & ROLE_ORG) == 0)
        t->who.scope = SCOPE_REGION, t->who.region = regions[draw(t, ARRAY_LEN(regions))];
    t->row = (struct token_row){.roles = t->who.roles, .region = t->who.region, .org = t->who.org};
    snprintf(t->row.id, sizeof t->row.id, "t%llu", (unsigned long long)t->result.cases);
    snprintf(t->who.principal, sizeof t->who.principal, "token:%s", t->row.id);
    t->who.has_secret = true;
    token_make_secret(&t->row, t->token);
}

/* Comes as nobody, and shows its token when it has one. */
static struct session *come(struct trespass *t)
{
    struct identity nobody = {.principal = "tcp"};
    struct session *session = turn_connect(t->service.turn, CONNECTION, t->who.has_secret ? &nobody : &t->who);
    t->is_over = false;
    if (!t->who.has_secret)
        return session;
    turn_load_token(t->service.turn, &t->row);
    struct error error;
    must(turn_identify(t->service.turn, session, t->token, strlen(t->token), &error));
    return session;
}

/* Whether each answer takes the reader, or slices; some that may take it have answers at hand as well. */
static bool is_answered_later(const struct method *m)
{
    static const char *const at_hand[] = {"order.get", "offer.list", "record.list"};
    for (size_t i = 0; i < ARRAY_LEN(at_hand); i++)
        if (strcmp(m->name, at_hand[i]) == 0)
            return false;
    return (m->flags & METHOD_READER) != 0 || strncmp(m->name, "map.", 4) == 0;
}

/* Between a request and its answer the caller mistakes its token, or that is rotated away or revoked. What
 * was answered at once is on its way; what takes the reader or slices is not. */
static void end_token(struct trespass *t, struct session *session)
{
    static const char wrong[] = "nobody.0";
    char secret[TOKEN_TEXT_BYTES];
    if (!t->who.has_secret || draw(t, 20) != 0)
        return;
    if (t->fresh_org != 0) { /* its organisation is removed, and nobody gets its number */
        bool is_removed = operate(t, "org.remove", t->fresh_org) == t->fresh_org;
        if (!is_removed || operate(t, "org.put", t->fresh_org) != 0)
            leak(t, "was not removed, or its number given again: organisation", t->fresh_org);
        t->is_mistaken = true;
        return;
    }
    struct error error;
    switch (draw(t, 3)) {
    case 0: /* what was asked goes on as who asked; nothing new may be */
        turn_identify(t->service.turn, session, wrong, sizeof wrong - 1, &error);
        t->is_mistaken = true;
        return;
    case 1:
        for (int i = 0; i < 2; i++) {
            token_make_secret(&t->row, secret);
            turn_put_token(t->service.turn, &t->row);
        }
        break;
    default:
        t->row.revoked_at = t->service.now;
        turn_put_token(t->service.turn, &t->row);
    }
    t->is_over = is_answered_later(t->method);
    t->is_mistaken = true;
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
        [KIND_OFFER_STATE] = "completed", [KIND_RECORD_STATE] = "review", [KIND_LEVEL] = "village",
        [KIND_DATE] = "2026-11-20", [KIND_MONTH] = "2026-11", [KIND_EVENT_KIND] = "placed", [KIND_ROLES] = "auditor"};
    static const uint64_t regions[] = {1, 11, 12, 111, 121, 1111, 1112, 1211};
    enum param_kind kind = params[which].kind;
    if (which == P_ORDER || which == P_INTO)
        pack_uint(p, t->asked_order = any_number(t, t->order_count));
    else if (which == P_RECORD)
        pack_uint(p, any_number(t, t->record_count + 1));
    else if (which == P_SERIES)
        pack_uint(p, t->series_last != 0 ? t->series_last : any_number(t, t->order_count));
    else if (which == P_VOLUNTEER)
        pack_uint(p, t->asked_volunteer = 1 + draw(t, 5));
    else if (which == P_AFTER && strcmp(t->method->name, "order.history") == 0)
        pack_uint(p, any_number(t, t->event_count));
    else if (which == P_SOURCE)
        pack_text(p, "macao");
    else if (which == P_OFFER)
        pack_uint(p, any_number(t, t->offer_count));
    else if (which == P_ORG && strcmp(t->method->name, "org.remove") == 0)
        pack_uint(p, CROWD_ORGS + 1 + draw(t, 50)); /* the crowd's stay: their numbers would be gone */
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
    struct session *session = come(t);
    t->is_asking = true;
    t->is_mistaken = false;
    for (uint64_t i = 0; i < requests && t->result.leaks == 0; i++) {
        t->is_over = t->is_mistaken;
        any_request(t, session);
        if (!t->is_mistaken)
            end_token(t, session);
        service_settle(&t->service);
        service_settle(&t->service); /* what a question led to is done in the turn after its answer */
        t->result.cases++;
        arena_reset(&t->arena);
        if (t->is_mistaken && draw(t, 3) == 0)
            break;
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
    service_settle(&t->service);
}

static void open_world(struct trespass *t)
{
    uint64_t seed = draw(t, UINT64_MAX);
    memset(t->region_of, 0, sizeof t->region_of);
    memset(t->region_before, 0, sizeof t->region_before);
    memset(t->offered, 0, sizeof t->offered);
    memset(t->offers, 0, sizeof t->offers);
    memset(t->records, 0, sizeof t->records);
    memset(t->series_region, 0, sizeof t->series_region);
    memset(t->events, 0, sizeof t->events);
    t->order_count = t->offer_count = t->record_count = t->event_count = t->series_last = 0;
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
