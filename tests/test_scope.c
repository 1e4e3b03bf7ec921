/* Whether what is foreign can be told from what is not there: every method that takes a number, every role
 * that may call it, in a city of two counties. Driven by the method table, so that a new one is asked too. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/pool.h"
#include "proto/json.h"
#include "proto/methods.h"
#include "rig/service.h"
#include "rig/sim.h"
#include "world.h"

#define NOW INT64_C(1795395600000)
#define ABSENT 70000001
#define OPERATOR 11 /* numbers of connections */
#define CALLER 12
#define VARIANTS 3

/* The city: county 11 is the caller's, with organisation 1; county 12 is foreign, with organisation 2. */
static struct {
    struct service service;
    struct session *operator, *caller;
    struct arena arena;
    struct pack answer;
    uint64_t order[2][2], series[2], offer[2][2], record[2][2], event[2]; /* ours and foreign, open and ended */
    int requests;
} w;

static void take_answer(void *context, uint64_t connection, const uint8_t *bytes, size_t len)
{
    (void)context;
    (void)connection;
    pack_reset(&w.answer);
    pack_raw(&w.answer, bytes, len);
}

/* [1, msgid, error, result], or NULL when there was none. */
static const struct node *ask_packed(struct session *session, const struct pack *p)
{
    pack_reset(&w.answer);
    ck_assert(turn_request(w.service.turn, session, p->bytes, p->len));
    service_settle(&w.service);
    service_settle(&w.service); /* what a question led to is done in the turn after its answer */
    w.requests++;
    if (w.answer.len == 0)
        return NULL;
    uint8_t *copy = arena_take(&w.arena, w.answer.len);
    memcpy(copy, w.answer.bytes, w.answer.len);
    return codec_decode(&w.arena, copy, w.answer.len);
}

static void begin(struct pack *p, const char *method)
{
    pack_fixed_list(p, 4);
    pack_int(p, 0);
    pack_int(p, 1);
    pack_text(p, method);
    pack_fixed_list(p, 1);
}

static const struct node *ask(struct session *session, const char *method, const char *json)
{
    struct pack p = {.bytes = NULL};
    char why[200];
    begin(&p, method);
    ck_assert_msg(json_pack_object(&p, json, strlen(json), why), "%s: %s", json, why);
    const struct node *n = ask_packed(session, &p);
    pack_fini(&p);
    ck_assert_msg(n != NULL, "%s %s", method, json);
    return n;
}

static uint64_t number_of(const struct node *n, const char *key)
{
    const struct node *value = node_get(n, key);
    ck_assert_msg(value != NULL && value->kind == NODE_INT, "%s", key);
    return (uint64_t)value->u.number;
}

/* As the operator, who may do all; the number under `key` of the answer. */
__attribute__((format(printf, 3, 4))) static uint64_t make(const char *method, const char *key, const char *format, ...)
{
    char json[400];
    va_list args;
    va_start(args, format);
    vsnprintf(json, sizeof json, format, args);
    va_end(args);
    const struct node *n = ask(w.operator, method, json);
    if (n->u.items[2].kind != NODE_NIL)
        json_print(stdout, &n->u.items[2], false);
    ck_assert_msg(n->u.items[2].kind == NODE_NIL, "%s %s", method, json);
    return key != NULL ? number_of(&n->u.items[3], key) : 0;
}

static uint64_t offer_of(uint64_t order)
{
    char json[80];
    snprintf(json, sizeof json, "{\"order\":%llu}", (unsigned long long)order);
    const struct node *offers = node_get(&ask(w.operator, "order.get", json)->u.items[3], "offers");
    ck_assert_uint_eq(offers->count, 1);
    return number_of(&offers->u.items[0], "offer");
}

static void serve(uint64_t offer, const char *records)
{
    make("offer.accept", NULL, "{\"offer\":%llu}", (unsigned long long)offer);
    make("service.start", NULL, "{\"offer\":%llu}", (unsigned long long)offer);
    make("service.complete", NULL, "{\"offer\":%llu,\"records\":[%s]}", (unsigned long long)offer, records);
}

/* A county: its organisation, an open order with an offer, an ended one that was served, with a record that
 * counts and one that waits, a recurring order. */
static void settle(int side)
{
    uint64_t village = side == 0 ? 1111 : 1211;
    int org = side + 1;
    char records[200];
    make("org.put", NULL, "{\"id\":%d,\"region\":%llu,\"lat\":23.05,\"lon\":114.4,\"skills\":[\"legal_aid\"],\"capacity\":5}", org, (unsigned long long)village);
    for (int is_ended = 1; is_ended >= 0; is_ended--) {
        uint64_t order = w.order[side][is_ended] =
            make("order.place", "order", "{\"ref\":\"%d%d\",\"region\":%llu,\"category\":\"legal_aid\",\"person\":%d,\"contact\":{\"name\":\"x\",\"phone\":\"1380000777%d\"}}",
                 side, is_ended, (unsigned long long)village, 500 + side, side);
        make("order.dispatch", NULL, "{\"order\":%llu,\"orgs\":[%d]}", (unsigned long long)order, org);
        w.offer[side][is_ended] = offer_of(order);
    }
    snprintf(records, sizeof records, "{\"volunteer\":%d,\"minutes\":60},{\"volunteer\":%d,\"minutes\":600}", 800 + side, 900 + side);
    serve(w.offer[side][1], records);
    make("order.rate", NULL, "{\"order\":%llu,\"stars\":5}", (unsigned long long)w.order[side][1]);
    w.series[side] = make("series.put", "series", "{\"ref\":\"s%d\",\"region\":%llu,\"category\":\"legal_aid\",\"repeat\":\"tue 09:00-11:00\",\"last_date\":\"2027-03-01\"}", side, (unsigned long long)village);
    const struct node *items = node_get(&ask(w.operator, "record.list", side == 0 ? "{\"org\":1}" : "{\"org\":2}")->u.items[3], "items");
    ck_assert_uint_eq(items->count, 2);
    for (int i = 0; i < 2; i++)
        w.record[side][i] = number_of(&items->u.items[i], "record");
    char json[80];
    snprintf(json, sizeof json, "{\"order\":%llu}", (unsigned long long)w.order[side][1]);
    items = node_get(&ask(w.operator, "order.history", json)->u.items[3], "items");
    w.event[side] = number_of(&items->u.items[items->count - 1], "seq");
    make("record.add", "record", "{\"source\":\"macao\",\"external_id\":\"%d\",\"volunteer\":%d,\"minutes\":60,\"date\":\"2026-11-01\",\"region\":%llu}", side, 800 + side, (unsigned long long)village);
}

static void open_city(void)
{
    struct identity operator = identity_trusted("uid:0");
    sim_prepare();
    memset(&w, 0, sizeof w);
    w.service = (struct service){.now = NOW, .disk = disk_new(1)};
    w.service.send = take_answer;
    ck_assert_int_eq(service_start(&w.service, 0), 0);
    w.operator = turn_connect(w.service.turn, OPERATOR, &operator);
    settle(0);
    settle(1);
}

static void close_city(void)
{
    turn_disconnect(w.service.turn, w.operator);
    service_kill(&w.service);
    disk_free(w.service.disk);
    pack_fini(&w.answer);
    arena_fini(&w.arena);
}

/* The numbers that a parameter may name: foreign ones, of which the last is absent, and one of ours. */
static int numbers_for(const struct method *m, enum param p, uint64_t foreign[VARIANTS], uint64_t *ours)
{
    if (p == P_ORDER || p == P_INTO)
        return foreign[0] = w.order[1][0], foreign[1] = w.order[1][1], *ours = w.order[0][0], 2;
    if (p == P_OFFER)
        return foreign[0] = w.offer[1][0], foreign[1] = w.offer[1][1], *ours = w.offer[0][0], 2;
    if (p == P_RECORD)
        return foreign[0] = w.record[1][0], foreign[1] = w.record[1][1], *ours = w.record[0][1], 2;
    if (p == P_ORG || p == P_ID)
        return foreign[0] = 2, *ours = 1, 1;
    if (p == P_SERIES)
        return foreign[0] = w.series[1], *ours = w.series[0], 1;
    if (p == P_REGION)
        return foreign[0] = 1211, foreign[1] = 12, *ours = 1111, 2;
    if (p == P_VOLUNTEER)
        return foreign[0] = 801, foreign[1] = 901, *ours = 800, 2;
    if (p == P_PERSON)
        return foreign[0] = 501, *ours = 500, 1;
    if (p == P_EVENT || (p == P_AFTER && strcmp(m->name, "order.history") == 0))
        return foreign[0] = w.event[1], *ours = w.event[0], 1;
    return 0;
}

/* What may be told apart, and why. */
static const struct {
    const char *method; /* NULL: any */
    enum param param;
    unsigned roles;
    const char *why;
} open_to_all[] = {
    {"org.get", P_ORG, ROLE_EVERY, "the registry of organisations is public"},
    {NULL, P_REGION, ROLE_ORG, "the table of regions is public: an organisation may name any, and is shown its own offers"},
    {"org.put", P_ID, ROLE_EVERY, "the registry is public; a foreign number cannot be written, an absent one is registered"},
    {"match.explain", P_ORG, ROLE_EVERY, "the registry is public, and any organisation may be asked"},
    {"record.add", P_ORG, ROLE_EVERY, "the registry is public"},
    {"record.add", P_VOLUNTEER, ROLE_EVERY, "the bound of a volunteer's day holds in the whole city: minutes beyond it wait"},
};

static bool is_open(const struct method *m, unsigned role, enum param p)
{
    for (size_t i = 0; i < ARRAY_LEN(open_to_all); i++)
        if ((open_to_all[i].method == NULL || strcmp(open_to_all[i].method, m->name) == 0) && open_to_all[i].param == p && (open_to_all[i].roles & role) != 0)
            return true;
    return false;
}

static void pack_default(struct pack *p, enum param which)
{
    static const char *const texts[KIND_COUNT] = {
        [KIND_TEXT] = "13800007771", [KIND_CODE] = "macao", [KIND_PATH] = "/nowhere/at/all", [KIND_CRS] = "wgs84",
        [KIND_SKILL] = "legal_aid", [KIND_SKILLS] = "legal_aid", [KIND_SCHEDULE] = "mon 09:00-10:00", [KIND_DATE] = "2026-11-02",
        [KIND_MONTH] = "2026-10", [KIND_ROLES] = "auditor"};
    enum param_kind kind = params[which].kind;
    uint64_t foreign[VARIANTS];
    uint64_t ours = 0;
    static const struct method nameless = {.name = ""};
    if (which == P_REPEAT)
        pack_text(p, "mon 09:00-10:00");
    else if (which == P_LAST_DATE)
        pack_text(p, "2027-03-01");
    else if (numbers_for(&nameless, which, foreign, &ours) != 0)
        pack_uint(p, ours);
    else if (texts[kind] != NULL)
        pack_text(p, texts[kind]);
    else if (kind == KIND_BOOL)
        pack_bool(p, false);
    else if (kind == KIND_TIME)
        pack_int(p, NOW + DAY_MS);
    else if (kind == KIND_DEGREES)
        pack_real(p, which == P_LAT ? 23.05 : 114.4);
    else if (kind == KIND_CONTACT)
        pack_map(p), pack_close(p);
    else if (kind == KIND_DATES || kind == KIND_RECORDS || kind == KIND_IDS)
        pack_list(p), pack_close(p);
    else
        pack_int(p, params[which].low);
}

/* The answer as text, with the number that was asked for as #. Of what was carried out only that it was: the
 * next carried out has other numbers. */
static void answer_text(const struct method *m, const struct node *n, uint64_t asked, char *text, size_t size)
{
    size_t len = 0;
    char digits[24];
    bool is_done = (m->flags & METHOD_WRITE) != 0 || strcmp(m->name, "event.subscribe") == 0; /* it is numbered too */
    if (n == NULL || (is_done && n->u.items[2].kind == NODE_NIL)) {
        snprintf(text, size, n == NULL ? "nothing" : "carried out");
        return;
    }
    FILE *out = fmemopen(text, size, "we");
    json_print(out, &n->u.items[2], false);
    json_print(out, &n->u.items[3], false);
    fclose(out);
    text[size - 1] = '\0';
    int width = snprintf(digits, sizeof digits, "%llu", (unsigned long long)asked);
    for (char *at = text; (at = strstr(at, digits)) != NULL; at++) {
        bool is_alone = (at == text || strspn(at - 1, "0123456789.") == 0) && strspn(at + width, "0123456789.") == 0;
        len = strlen(at + width);
        if (is_alone) {
            memmove(at + 1, at + width, len + 1);
            *at = '#';
        }
    }
}

static void ask_about(const struct method *m, enum param p, uint64_t number, char *text, size_t size)
{
    struct pack pack = {.bytes = NULL};
    begin(&pack, m->name);
    pack_map(&pack);
    for (int i = 0; i < method_param_count(m); i++) {
        enum param which = m->params[i];
        if (which != p && which != P_REF && which != P_DRY_RUN && i >= m->required)
            continue;
        pack_key(&pack, params[which].name);
        if (which == p) {
            pack_uint(&pack, number);
        } else if (which == P_REF) {
            char ref[32];
            snprintf(ref, sizeof ref, "r%d", w.requests);
            pack_text(&pack, ref);
        } else if (which == P_DRY_RUN) {
            pack_bool(&pack, true);
        } else {
            pack_default(&pack, which);
        }
    }
    pack_close(&pack);
    answer_text(m, ask_packed(w.caller, &pack), number, text, size);
    pack_fini(&pack);
}

static int differing; /* requests whose answer shows what is ours */

static void compare(const struct method *m, unsigned role, enum param p)
{
    static char absent[1 << 18];
    static char other[1 << 18];
    uint64_t foreign[VARIANTS];
    uint64_t ours = 0;
    int count = numbers_for(m, p, foreign, &ours);
    char roles[ROLES_BYTES];
    if (count == 0 || is_open(m, role, p))
        return;
    ask_about(m, p, ABSENT, absent, sizeof absent);
    for (int i = 0; i < count; i++) {
        ask_about(m, p, foreign[i], other, sizeof other);
        ck_assert_msg(strcmp(absent, other) == 0, "%s as %s: %s %llu is foreign, and answered\n%.600s\none that is not there\n%.600s",
                      m->name, roles_text(role, roles), params[p].name, (unsigned long long)foreign[i], other, absent);
    }
    if ((m->flags & METHOD_WRITE) != 0)
        return;
    ask_about(m, p, ours, other, sizeof other);
    differing += strcmp(absent, other) != 0;
}

START_TEST(foreign_is_answered_like_absent)
{
    static const unsigned roles[] = {ROLE_PLATFORM, ROLE_DISPATCHER, ROLE_SUPERVISOR, ROLE_AUDITOR, ROLE_ORG};
    open_city();
    differing = 0;
    for (size_t r = 0; r < ARRAY_LEN(roles); r++) {
        struct identity who = {.principal = "token:somebody", .roles = roles[r]};
        if (roles[r] == ROLE_ORG)
            who.org = 1;
        else
            who.scope = SCOPE_REGION, who.region = 11;
        w.caller = turn_connect(w.service.turn, CALLER, &who);
        for (int t = 0; t < method_table_count; t++)
            for (int i = 0; i < method_count(t); i++)
                for (int p = 0; p < method_param_count(&method_tables[t][i]); p++)
                    if ((method_tables[t][i].roles & (roles[r] | ROLE_ANYONE)) != 0 && method_tables[t][i].params[p] != P_TOKEN)
                        compare(&method_tables[t][i], roles[r], method_tables[t][i].params[p]);
        turn_disconnect(w.service.turn, w.caller);
        arena_reset(&w.arena);
    }
    ck_assert_int_gt(w.requests, 500);
    ck_assert_int_gt(differing, 30); /* what is ours does show */
    close_city();
}
END_TEST

/* Somebody of that role and county, or of organisation 1. */
static void enter(unsigned role, uint64_t region)
{
    struct identity who = {.principal = "token:somebody", .roles = role};
    if (role == ROLE_ORG)
        who.org = 1;
    else
        who.scope = SCOPE_REGION, who.region = region;
    if (w.caller != NULL)
        turn_disconnect(w.service.turn, w.caller);
    w.caller = turn_connect(w.service.turn, CALLER, &who);
}

/* The caller's answer; its error when `is_refused`. */
__attribute__((format(printf, 3, 4))) static const struct node *get(bool is_refused, const char *method, const char *format, ...)
{
    char json[300];
    va_list args;
    va_start(args, format);
    vsnprintf(json, sizeof json, format, args);
    va_end(args);
    const struct node *n = ask(w.caller, method, json);
    ck_assert_msg((n->u.items[2].kind != NODE_NIL) == is_refused, "%s %s", method, json);
    return &n->u.items[is_refused ? 2 : 3];
}

static unsigned long long ours(int is_ended)
{
    return (unsigned long long)w.order[0][is_ended];
}

START_TEST(a_history_goes_on_from_its_own_events_only)
{
    open_city();
    enter(ROLE_AUDITOR, 11);
    const struct node *all = node_get(get(false, "order.history", "{\"order\":%llu}", ours(1)), "items");
    uint32_t seen = 0;
    uint64_t next = 0;
    ck_assert_uint_gt(all->count, 4);
    do { /* page by page, back from the newest, it is the same */
        const struct node *page = next == 0 ? get(false, "order.history", "{\"order\":%llu,\"limit\":2}", ours(1))
                                            : get(false, "order.history", "{\"order\":%llu,\"limit\":2,\"after\":%llu}", ours(1), (unsigned long long)next);
        const struct node *items = node_get(page, "items");
        for (uint32_t i = items->count; i-- > 0; seen++)
            ck_assert_uint_eq(number_of(&items->u.items[i], "seq"), number_of(&all->u.items[all->count - 1 - seen], "seq"));
        next = node_get(page, "next")->kind == NODE_INT ? number_of(page, "next") : 0;
    } while (next != 0);
    ck_assert_uint_eq(seen, all->count);
    uint64_t newest = number_of(&all->u.items[all->count - 1], "seq") + 40;
    for (uint64_t seq = 1; seq < newest; seq++) {
        bool is_ours = false;
        for (uint32_t i = 0; i < all->count; i++)
            is_ours |= number_of(&all->u.items[i], "seq") == seq;
        const struct node *n = get(!is_ours, "order.history", "{\"order\":%llu,\"after\":%llu}", ours(1), (unsigned long long)seq);
        ck_assert(is_ours || node_is_text(node_get(n, "field"), "after"));
    }
    close_city();
}
END_TEST

/* A list in memory goes on from a place of its own, and not from the beginning again. */
START_TEST(a_cursor_of_no_list_is_refused)
{
    open_city();
    int asked = 0;
    w.caller = w.operator;
    for (int t = 0; t < method_table_count; t++)
        for (int i = 0; i < method_count(t); i++) {
            const struct method *m = &method_tables[t][i];
            if (!method_takes(m, P_AFTER) || (m->flags & (METHOD_READER | METHOD_WRITE)) != 0 || strcmp(m->name, "event.subscribe") == 0)
                continue;
            const struct node *n = get(true, m->name, strcmp(m->name, "queue.list") == 0 ? "{\"region\":1,\"after\":4294967296}" : "{\"after\":4294967296}");
            ck_assert_msg(node_is_text(node_get(n, "field"), "after"), "%s", m->name);
            asked++;
        }
    ck_assert_int_ge(asked, 5);
    close_city();
}
END_TEST

START_TEST(waiting_records_obey_every_filter_and_the_cursor)
{
    open_city();
    for (int i = 0; i < 5; i++)
        make("record.add", NULL, "{\"source\":\"macao\",\"external_id\":\"w%d\",\"volunteer\":%d,\"minutes\":600,\"date\":\"2026-11-02\",\"org\":1,\"region\":1112}", i, 50 + i);
    enter(ROLE_SUPERVISOR, 11);
    uint64_t after = 0;
    uint64_t last = 0;
    int pages = 0;
    int seen = 0;
    do {
        const struct node *page = get(false, "record.list", "{\"record_state\":\"review\",\"limit\":2,\"after\":%llu}", (unsigned long long)after);
        const struct node *items = node_get(page, "items");
        ck_assert_uint_eq(number_of(page, "waiting"), 6);
        for (uint32_t i = 0; i < items->count; i++, seen++) {
            ck_assert_uint_gt(number_of(&items->u.items[i], "record"), last);
            last = number_of(&items->u.items[i], "record");
        }
        after = node_get(page, "next")->kind == NODE_INT ? number_of(page, "next") : 0;
        pages++;
    } while (after != 0);
    ck_assert_int_eq(seen, 6);
    ck_assert_int_eq(pages, 3);
    static const struct {
        const char *filter;
        uint64_t count;
    } filters[] = {{"\"volunteer\":52", 1}, {"\"volunteer\":901", 0}, {"\"org\":1", 6}, {"\"since\":1795395600001", 0},
                   {"\"until\":1795395600000", 0}, {"\"since\":1795395600000,\"until\":1795395600001", 6}};
    for (size_t i = 0; i < ARRAY_LEN(filters); i++)
        ck_assert_msg(number_of(get(false, "record.list", "{\"record_state\":\"review\",%s}", filters[i].filter), "waiting") == filters[i].count, "%s", filters[i].filter);
    ck_assert_uint_eq(number_of(get(false, "record.list", "{\"record_state\":\"review\",\"order\":%llu}", ours(1)), "waiting"), 1);
    ck_assert_uint_eq(number_of(get(false, "record.list", "{\"record_state\":\"review\",\"offer\":%llu}", (unsigned long long)w.offer[1][1]), "waiting"), 0);
    close_city();
}
END_TEST

/* One volunteer serves in both counties: each sees and certifies what was served in it. */
START_TEST(a_volunteer_is_known_as_far_as_the_scope_goes)
{
    open_city();
    make("record.add", NULL, "{\"source\":\"macao\",\"external_id\":\"x1\",\"volunteer\":800,\"minutes\":70,\"date\":\"2026-11-02\",\"region\":1211}");
    make("record.add", NULL, "{\"source\":\"macao\",\"external_id\":\"x2\",\"volunteer\":800,\"minutes\":9,\"date\":\"2026-11-03\"}");
    ck_assert_uint_eq(make("volunteer.get", "minutes", "{\"volunteer\":800}"), 60 + 60 + 70 + 9);
    enter(ROLE_SUPERVISOR, 11);
    ck_assert_uint_eq(number_of(get(false, "volunteer.get", "{\"volunteer\":800}"), "minutes"), 120);
    ck_assert_uint_eq(number_of(get(false, "certificate.issue", "{\"volunteer\":800}"), "minutes"), 120);
    enter(ROLE_PLATFORM, 12);
    ck_assert_uint_eq(number_of(get(false, "volunteer.get", "{\"volunteer\":800}"), "minutes"), 70);
    get(true, "certificate.issue", "{\"volunteer\":900}");
    /* An issuer's number counts once, whoever brings it; that it is taken is all that is said. */
    const struct node *n = get(true, "record.add", "{\"source\":\"macao\",\"external_id\":\"0\",\"volunteer\":800,\"minutes\":60,\"date\":\"2026-11-01\",\"region\":1211}");
    ck_assert(node_is_text(node_get(n, "field"), "external_id"));
    get(true, "record.add", "{\"source\":\"macao\",\"external_id\":\"x2\",\"volunteer\":800,\"minutes\":9,\"date\":\"2026-11-03\",\"region\":1211,\"dry_run\":true}");
    get(false, "record.add", "{\"source\":\"macao\",\"external_id\":\"x1\",\"volunteer\":800,\"minutes\":71,\"date\":\"2026-11-02\",\"region\":1211}");
    ck_assert_uint_eq(make("volunteer.get", "minutes", "{\"volunteer\":800}"), 60 + 60 + 71 + 9);
    close_city();
}
END_TEST

START_TEST(counts_are_of_what_one_may_see)
{
    open_city();
    enter(ROLE_ORG, 0);
    ck_assert_ptr_null(node_get(get(false, "region.get", "{\"region\":1111}"), "waiting"));
    ck_assert_ptr_nonnull(node_get(get(false, "org.get", "{\"org\":1}"), "live_offers"));
    ck_assert_ptr_null(node_get(get(false, "org.get", "{\"org\":2}"), "live_offers"));
    const struct node *orgs = node_get(get(false, "org.list", "{}"), "items");
    for (uint32_t i = 0; i < orgs->count; i++)
        ck_assert((node_get(&orgs->u.items[i], "live_offers") != NULL) == (number_of(&orgs->u.items[i], "org") == 1));
    enter(ROLE_SUPERVISOR, 11);
    ck_assert_ptr_nonnull(node_get(get(false, "region.get", "{\"region\":1111}"), "waiting"));
    ck_assert_ptr_null(node_get(get(false, "org.get", "{\"org\":1}"), "live_offers"));
    enter(ROLE_AUDITOR, 11); /* the connector to the platform tells of all regions */
    get(true, "push.state", "{}");
    get(true, "push.dead", "{}");
    enter(ROLE_SUPERVISOR, 11);
    ck_assert_ptr_null(node_get(get(false, "stats.org", "{\"org\":1}"), "live_offers"));
    ck_assert_ptr_nonnull(node_get(&ask(w.operator, "org.get", "{\"org\":2}")->u.items[3], "live_offers"));
    close_city();
}
END_TEST

static void send_only(const char *method, const char *json)
{
    struct pack p = {.bytes = NULL};
    char why[200];
    begin(&p, method);
    ck_assert(json_pack_object(&p, json, strlen(json), why));
    ck_assert(turn_request(w.service.turn, w.operator, p.bytes, p.len));
    pack_fini(&p);
}

/* It was never on disk, and its number is gone all the same. */
START_TEST(an_organisation_put_and_removed_at_once_leaves_its_number)
{
    open_city();
    send_only("org.put", "{\"id\":50,\"lat\":23.0,\"lon\":114.4,\"skills\":[\"legal_aid\"]}");
    send_only("org.remove", "{\"org\":50}");
    service_settle(&w.service);
    uint64_t digest = engine_digest(w.service.engine);
    turn_disconnect(w.service.turn, w.operator);
    service_kill(&w.service);
    struct disk *after = disk_crash(w.service.disk, DAMAGE_KEEP_ALL, 1);
    disk_free(w.service.disk);
    w.service.disk = after;
    ck_assert_msg(service_start(&w.service, 0) == 0, "%s", w.service.failure.text);
    struct identity operator = identity_trusted("uid:0");
    w.operator = turn_connect(w.service.turn, OPERATOR, &operator);
    ck_assert_uint_eq(engine_digest(w.service.engine), digest);
    w.caller = w.operator;
    get(true, "org.put", "{\"id\":50,\"lat\":23.0,\"lon\":114.4,\"skills\":[\"legal_aid\"]}");
    close_city();
}
END_TEST

/* Who holds a role for nothing has nothing: not the role org without an organisation, nor a region's without one. */
START_TEST(without_a_scope_there_is_nothing)
{
    open_city();
    struct identity who = {.principal = "token:nobody", .roles = ROLE_EVERY};
    w.caller = turn_connect(w.service.turn, CALLER, &who);
    get(true, "order.list", "{}");
    get(true, "offer.list", "{}");
    get(true, "record.list", "{\"record_state\":\"review\"}");
    get(true, "event.subscribe", "{}");
    turn_disconnect(w.service.turn, w.caller);
    who.roles = ROLE_ORG;
    w.caller = turn_connect(w.service.turn, CALLER, &who);
    get(true, "offer.list", "{}");
    get(true, "record.list", "{\"record_state\":\"review\"}");
    get(true, "event.subscribe", "{}");
    close_city();
}
END_TEST

Suite *suite_scope(void);
Suite *suite_scope(void)
{
    Suite *s = suite_create("scope");
    TCase *t = tcase_create("scope");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, a_history_goes_on_from_its_own_events_only);
    tcase_add_test(t, a_cursor_of_no_list_is_refused);
    tcase_add_test(t, waiting_records_obey_every_filter_and_the_cursor);
    tcase_add_test(t, a_volunteer_is_known_as_far_as_the_scope_goes);
    tcase_add_test(t, counts_are_of_what_one_may_see);
    tcase_add_test(t, an_organisation_put_and_removed_at_once_leaves_its_number);
    tcase_add_test(t, without_a_scope_there_is_nothing);
    tcase_add_test(t, foreign_is_answered_like_absent);
    suite_add_tcase(s, t);
    return s;
}
