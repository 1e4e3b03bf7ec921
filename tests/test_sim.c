/* A seeded simulation: random commands against the engine, with crashes that throw away what was not
 * committed, restarts from copies of the committed rows, and a simple model beside it.
 *
 * The model knows little and is sure of it: every order that was acknowledged exists until it ends,
 * no order is covered beyond its headcount, no organisation promises more people in a half-hour than it
 * has, and a restart gives the same digest. */
#include <string.h>

#include "store/batch.h"
#include "world.h"

#define ORGS 40

static char team_name[] = "team";

/* The committed rows, as a store would hold them. */
struct rows {
    struct order *orders;
    struct offer *offers;
    struct org orgs[ORGS + 1];
    struct org_more mores[ORGS + 1]; /* what they did of late */
    struct served_pair *served;
    struct record_row *records;
    struct series *series;
    struct emergency emergencies[EMERGENCY_COUNT_MAX];
    uint32_t order_count, offer_count, served_count, record_count, series_count, emergency_count;
    struct map order_places, offer_places;
    struct counters counters;
};

struct sim {
    struct engine *engine;
    struct rows rows;
    struct batch batch;
    struct random random;
    int64_t now;
    uint64_t acknowledged, ended;
};

/* What there is little of is found again by looking through all of it. */
static void commit_few(struct rows *rows, const struct batch *b)
{
    for (uint32_t i = 0; i < b->record_count; i++) {
        uint32_t at = 0;
        while (at < rows->record_count && rows->records[at].id != b->records[i].id)
            at++;
        rows->record_count += at == rows->record_count;
        rows->records = must_realloc(rows->records, rows->record_count, sizeof *rows->records);
        rows->records[at] = b->records[i];
    }
    for (uint32_t i = 0; i < b->series_count; i++) {
        uint32_t at = 0;
        while (at < rows->series_count && rows->series[at].id != b->series[i].id)
            at++;
        rows->series_count += at == rows->series_count;
        rows->series = must_realloc(rows->series, rows->series_count, sizeof *rows->series);
        rows->series[at] = b->series[i];
    }
    for (uint32_t i = 0; i < b->emergency_count; i++) {
        uint32_t at = 0;
        while (at < rows->emergency_count && rows->emergencies[at].region != b->emergencies[i].region)
            at++;
        rows->emergency_count += at == rows->emergency_count;
        rows->emergencies[at] = b->emergencies[i];
        if (b->emergencies[i].until == 0)
            rows->emergencies[at] = rows->emergencies[--rows->emergency_count];
    }
}

static void commit(struct sim *s)
{
    struct batch *b = &s->batch;
    struct rows *rows = &s->rows;
    batch_gather(b, s->engine);
    for (uint32_t i = 0; i < b->order_count; i++) {
        uint32_t at = map_get(&rows->order_places, b->orders[i].id);
        if (at == SLOT_NONE) {
            at = rows->order_count++;
            rows->orders = must_realloc(rows->orders, rows->order_count, sizeof *rows->orders);
            map_put(&rows->order_places, b->orders[i].id, at);
        }
        rows->orders[at] = b->orders[i];
    }
    for (uint32_t i = 0; i < b->offer_count; i++) {
        uint32_t at = map_get(&rows->offer_places, b->offers[i].id);
        if (at == SLOT_NONE) {
            at = rows->offer_count++;
            rows->offers = must_realloc(rows->offers, rows->offer_count, sizeof *rows->offers);
            map_put(&rows->offer_places, b->offers[i].id, at);
        }
        rows->offers[at] = b->offers[i];
    }
    for (uint32_t i = 0; i < b->org_count; i++) {
        struct tally kept = rows->orgs[b->orgs[i].id].tally;
        rows->orgs[b->orgs[i].id] = b->orgs[i];
        rows->orgs[b->orgs[i].id].tally = kept;
        rows->orgs[b->orgs[i].id].name = team_name;
        rows->orgs[b->orgs[i].id].more = &rows->mores[b->orgs[i].id];
    }
    for (uint32_t i = 0; i < b->tally_count; i++) {
        rows->orgs[b->tallies[i].org].tally = b->tallies[i].tally;
        rows->mores[b->tallies[i].org].recent = b->tallies[i].recent;
    }
    commit_few(rows, b);
    for (uint32_t i = 0; i < b->served_count; i++) {
        rows->served = must_realloc(rows->served, rows->served_count + 1, sizeof *rows->served);
        rows->served[rows->served_count++] = b->served[i];
    }
    rows->counters = b->counters;
    batch_reset(b);
}

static bool has_ended(const struct order *o)
{
    return o->state == ORDER_REJECTED || o->state == ORDER_CLOSED || o->state == ORDER_UNMET ||
           o->state == ORDER_CANCELLED;
}

static void restart(struct sim *s)
{
    engine_free(s->engine);
    s->engine = world_new();
    for (uint64_t id = 1; id <= ORGS; id++)
        if (s->rows.orgs[id].id != 0)
            ck_assert(engine_load_org(s->engine, &s->rows.orgs[id]));
    for (uint32_t i = 0; i < s->rows.order_count; i++)
        if (!has_ended(&s->rows.orders[i]))
            ck_assert(engine_load_order(s->engine, &s->rows.orders[i]));
    for (uint32_t i = 0; i < s->rows.offer_count; i++)
        if (engine_order(s->engine, s->rows.offers[i].order_id) != NULL)
            ck_assert(engine_load_offer(s->engine, &s->rows.offers[i]));
    for (uint32_t i = 0; i < s->rows.served_count; i++)
        engine_load_served(s->engine, s->rows.served[i].person, s->rows.served[i].org);
    for (uint32_t i = 0; i < s->rows.record_count; i++)
        engine_load_record(s->engine, &s->rows.records[i]);
    for (uint32_t i = 0; i < s->rows.series_count; i++)
        ck_assert(engine_load_series(s->engine, &s->rows.series[i]));
    for (uint32_t i = 0; i < s->rows.emergency_count; i++)
        ck_assert(engine_load_emergency(s->engine, &s->rows.emergencies[i]));
    engine_load_counters(s->engine, s->rows.counters);
    engine_load_done(s->engine);
}

/* No half-hour of any organisation is promised twice. */
static void check_promises(const struct sim *s)
{
    for (uint64_t id = 1; id <= ORGS; id++) {
        const struct org *org = engine_org(s->engine, id);
        for (uint32_t a = org != NULL ? org->first_offer : SLOT_NONE; a != SLOT_NONE;
             a = engine_offer_slot(s->engine, a)->next_of_org) {
            int64_t at = engine_offer_slot(s->engine, a)->start_at;
            uint32_t promised = 0;
            for (uint32_t b = org->first_offer; b != SLOT_NONE;) {
                const struct offer *f = engine_offer_slot(s->engine, b);
                b = f->next_of_org;
                bool is_hold = f->state == OFFER_ACCEPTED || f->state == OFFER_SERVING ||
                               (f->state == OFFER_PENDING && f->mode != MODE_BROADCAST);
                if (is_hold && f->start_at <= at && at < f->start_at + f->minutes * MINUTE)
                    promised += f->people;
            }
            ck_assert_uint_le(promised, org->capacity);
        }
    }
}

static void put_any_org(struct sim *s, uint64_t id)
{
    static const char *const skills[] = {"legal_aid", "flood", "legal_aid|flood"};
    struct org_request g = world_org(s->engine, id, skills[draw(&s->random, 3)]);
    g.lat += (int32_t)draw(&s->random, 800000) - 400000;
    g.capacity = 5 + (uint32_t)id % 4; /* it never shrinks: the check of promises counts on it */
    world_step(s->engine, (struct command){.op = OP_ORG_PUT, .u.put = g}, s->now);
}

static void place_any(struct sim *s)
{
    struct random *r = &s->random;
    struct order_request o = world_order(s->engine, draw(r, 2) == 0 ? "legal_aid" : "flood");
    o.starts_at = s->now + (int64_t)draw(r, 48) * 30 * MINUTE;
    o.ends_at = o.starts_at + (2 + (int64_t)draw(r, 20)) * HOUR;
    o.headcount = 1 + (uint32_t)draw(r, 8);
    o.people_min = 1 + (uint32_t)draw(r, o.headcount);
    o.mode = (uint8_t)draw(r, MODE_COUNT);
    o.priority = (uint8_t)draw(r, PRIORITY_COUNT);
    o.person = draw(r, 20);
    o.needs_review = draw(r, 5) == 0;
    s->acknowledged += world_step(s->engine, (struct command){.op = OP_PLACE, .u.place = o}, s->now)
                           .refusal.code == REFUSAL_NONE;
}

/* The next step of some offer that is under way. */
static void go_on_with_any(struct sim *s, struct command *c)
{
    static const enum op next[OFFER_STATE_COUNT] = {
        [OFFER_PENDING] = OP_ACCEPT, [OFFER_ACCEPTED] = OP_START, [OFFER_SERVING] = OP_COMPLETE};
    for (int i = 0; i < 50 && s->rows.offer_count != 0; i++) {
        const struct offer *f =
            engine_offer(s->engine, s->rows.offers[draw(&s->random, s->rows.offer_count)].id);
        if (f != NULL && next[f->state] != OP_NONE) {
            c->offer = f->id;
            c->op = next[f->state];
            return;
        }
    }
}

/* Any request about any order or offer, sensible or not. */
static void ask_any(struct sim *s)
{
    struct random *r = &s->random;
    uint64_t org = 1 + draw(r, ORGS);
    struct record record = {.volunteer = 1 + draw(r, 20), .minutes = 30 + (uint32_t)draw(r, 400)};
    struct command c = {.op = (enum op)(OP_APPROVE + draw(r, OP_NO_SHOW - OP_APPROVE + 1)),
                        .reason = "other"};
    if (s->rows.order_count != 0)
        c.order = s->rows.orders[s->rows.order_count - 1 - draw(r, s->rows.order_count < 60 ? s->rows.order_count : 60)].id;
    if (s->rows.offer_count != 0)
        c.offer = s->rows.offers[s->rows.offer_count - 1 - draw(r, s->rows.offer_count < 60 ? s->rows.offer_count : 60)].id;
    if (draw(r, 3) != 0)
        c.op = (enum op)(OP_ACCEPT + draw(r, 5));
    if (draw(r, 2) == 0) /* or hardly anything would come to its end */
        go_on_with_any(s, &c);
    if (c.op == OP_RESUBMIT)
        c.u.place.category = -1;
    else if (c.op == OP_SUPERVISE)
        c.u.until = s->now + HOUR;
    else if (c.op == OP_MERGE)
        c.u.into = c.order > 1 ? c.order - 1 : 1;
    else if (c.op == OP_RATE)
        c.u.rate.stars = (uint8_t)(1 + draw(r, 2)), c.u.rate.is_rework = draw(r, 2) == 0;
    else if (c.op == OP_DISPATCH)
        c.u.dispatch.orgs = &org, c.u.dispatch.count = 1;
    else if (c.op == OP_SET_MODE)
        c.u.mode = (uint8_t)draw(r, MODE_COUNT);
    else if (c.op == OP_BATCH)
        c.u.batch.region = 1;
    else if (c.op == OP_COMPLETE)
        c.u.complete.records = &record, c.u.complete.count = 1;
    world_step(s->engine, c, s->now);
}

/* What is asked of no order: records, recurring orders, emergencies. */
static void ask_other(struct sim *s)
{
    struct random *r = &s->random;
    struct command c = {.reason = "other"};
    const struct record_row *record = s->rows.record_count != 0 ? &s->rows.records[draw(r, s->rows.record_count)] : NULL;
    uint64_t region = draw(r, 2) == 0 ? 1111 : 11;
    switch (draw(r, 6)) {
    case 0:
        c.op = OP_RECORD_REVIEW;
        c.u.review.id = record != NULL ? record->id : 1;
        c.u.review.is_granted = draw(r, 2) == 0;
        break;
    case 1:
        if (record == NULL)
            return;
        c.op = OP_RECORD_REVOKE;
        c.u.record.stored = record; /* committed, as the store would tell it */
        break;
    case 2:
        c.op = OP_EMERGENCY_OPEN;
        c.u.emergency.region = region;
        c.u.emergency.until = s->now + (int64_t)draw(r, 6) * HOUR;
        break;
    case 3:
        c.op = OP_EMERGENCY_CLOSE;
        c.u.emergency.region = region;
        break;
    case 4:
        c.op = OP_SERIES_PUT;
        c.u.series.order = world_order(s->engine, "legal_aid");
        week_set(&c.u.series.week, (int)draw(r, WEEK_HALF_HOURS));
        c.u.series.order.minutes = 30;
        c.u.series.order.mode = (uint8_t)draw(r, MODE_COUNT);
        c.u.series.last_day = (int32_t)((s->now + (int64_t)draw(r, 20) * DAY_MS) / DAY_MS);
        break;
    default:
        c.op = OP_SERIES_STOP;
        c.u.series_id = s->rows.series_count != 0 ? s->rows.series[draw(r, s->rows.series_count)].id : 1;
        break;
    }
    world_step(s->engine, c, s->now);
}

static void turn(struct sim *s)
{
    struct random *r = &s->random;
    s->now += (int64_t)draw(r, 20) * MINUTE;
    for (uint64_t i = 0, n = 1 + draw(r, 8); i < n; i++) {
        uint64_t what = draw(r, 10);
        if (what < 2)
            place_any(s);
        else if (what == 3 && draw(r, 3) == 0)
            ask_other(s);
        else if (what == 2)
            put_any_org(s, 1 + draw(r, ORGS));
        else
            ask_any(s);
    }
    world_step(s->engine, (struct command){.op = OP_TICK}, s->now);
    world_step(s->engine, (struct command){.op = OP_ASSIGN}, s->now);
    engine_check(s->engine);
    check_promises(s);
}

START_TEST(restarts_change_nothing_and_crashes_lose_only_what_was_not_committed)
{
    struct sim s = {.engine = world_new(), .random = {.state = (uint64_t)_i}, .now = MONDAY_9};
    for (uint64_t id = 1; id <= ORGS; id++)
        put_any_org(&s, id);
    commit(&s);
    for (int i = 0; i < 400; i++) {
        uint64_t orders_before = s.rows.counters.order;
        turn(&s);
        if (draw(&s.random, 20) == 0) { /* a crash: the turn never happened */
            restart(&s);
            ck_assert_uint_eq(engine_counters(s.engine).order, orders_before);
        } else {
            commit(&s);
        }
        uint64_t digest = engine_digest(s.engine);
        if (draw(&s.random, 10) == 0)
            restart(&s);
        ck_assert_msg(engine_digest(s.engine) == digest, "seed %d turn %d: the digest differs", _i, i);
        engine_check(s.engine);
    }
    ck_assert_uint_gt(s.acknowledged, 100);
    ck_assert_uint_gt(s.rows.record_count, 20);
    ck_assert_uint_gt(s.rows.series_count, 2);
    engine_free(s.engine);
}
END_TEST

START_TEST(the_same_seed_gives_the_same_bytes)
{
    uint64_t digests[2];
    for (int run = 0; run < 2; run++) {
        struct sim s = {.engine = world_new(), .random = {.state = 4711}, .now = MONDAY_9};
        for (uint64_t id = 1; id <= ORGS; id++)
            put_any_org(&s, id);
        for (int i = 0; i < 100; i++) {
            turn(&s);
            commit(&s);
        }
        digests[run] = engine_digest(s.engine);
        engine_free(s.engine);
    }
    ck_assert_uint_eq(digests[0], digests[1]);
}
END_TEST

/* The canary: a forgotten row is seen as a different digest. */
START_TEST(a_lost_row_is_noticed)
{
    struct sim s = {.engine = world_new(), .random = {.state = 12}, .now = MONDAY_9};
    for (uint64_t id = 1; id <= ORGS; id++)
        put_any_org(&s, id);
    for (int i = 0; i < 30; i++)
        turn(&s);
    commit(&s);
    uint64_t digest = engine_digest(s.engine);
    for (uint32_t i = 0; i < s.rows.order_count; i++) {
        if (!has_ended(&s.rows.orders[i])) {
            s.rows.orders[i].declines++; /* as if its last move had not been written */
            break;
        }
    }
    restart(&s);
    ck_assert_uint_ne(engine_digest(s.engine), digest);
    engine_free(s.engine);
}
END_TEST

Suite *suite_sim(void);
Suite *suite_sim(void)
{
    Suite *s = suite_create("sim");
    TCase *t = tcase_create("sim");
    tcase_set_timeout(t, 300);
    tcase_add_loop_test(t, restarts_change_nothing_and_crashes_lose_only_what_was_not_committed, 0, 12);
    tcase_add_test(t, the_same_seed_gives_the_same_bytes);
    tcase_add_test(t, a_lost_row_is_noticed);
    suite_add_tcase(s, t);
    return s;
}
