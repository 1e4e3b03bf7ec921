/* Plans for many orders: the exact ones against every possibility, the others against one by one. */
#include "engine/plan.h"
#include "engine/state.h"
#include "world.h"

#define ORDERS_MAX 6
#define ORGS_MAX 4

/* A world of rivals: few organisations, orders that most of them could serve. */
struct rivals {
    struct engine *e;
    uint32_t slots[ASSIGN_COUNT_MAX];
    uint32_t count;
};

static void add_org(struct rivals *w, struct random *r, uint64_t id, uint32_t capacity)
{
    struct org_request g = world_org(w->e, id, draw(r, 2) == 0 ? "legal_aid" : "legal_aid|flood");
    g.lat += (int32_t)draw(r, 400000) - 200000;
    g.lon += (int32_t)draw(r, 400000) - 200000;
    g.reach_m = 1500 + (uint32_t)draw(r, 3000);
    g.capacity = capacity;
    world_put(w->e, &g);
}

static void add_order(struct rivals *w, struct random *r, bool is_mixed)
{
    struct order_request o = world_order(w->e, draw(r, 3) == 0 ? "flood" : "legal_aid");
    o.has_place = true;
    o.lat = 230000000 + (int32_t)draw(r, 400000) - 200000;
    o.lon = 1144000000 + (int32_t)draw(r, 400000) - 200000;
    o.priority = (uint8_t)draw(r, PRIORITY_COUNT);
    o.mode = MODE_BATCH;
    o.ends_at = o.starts_at + HOUR;
    if (is_mixed) {
        o.starts_at += (int64_t)draw(r, 4) * 30 * MINUTE;
        o.ends_at = o.starts_at + HOUR + (draw(r, 3) == 0 ? 2 * HOUR : 0);
        o.headcount = 1 + (uint32_t)draw(r, 4);
        o.people_min = 1 + (uint32_t)draw(r, o.headcount);
    }
    uint64_t id = world_place(w->e, &o, MONDAY_9);
    w->slots[w->count++] = map_get(&w->e->order_ids, id);
}

static struct rivals rivals_new(struct random *r, uint32_t orders, uint32_t orgs, bool is_mixed)
{
    struct rivals w = {.e = world_new()};
    for (uint32_t i = 1; i <= orgs; i++)
        add_org(&w, r, i, is_mixed ? 1 + (uint32_t)draw(r, 6) : 1 + (uint32_t)draw(r, 2));
    for (uint32_t i = 0; i < orders; i++)
        add_order(&w, r, is_mixed);
    return w;
}

/* In the plan's own sequence of what counts. */
static uint64_t worth_of(const struct plan_worth *worth)
{
    return ((worth->served[2] * UINT64_C(1000) + worth->served[1]) * 1000 + worth->served[0]) * 1000000 +
           worth->score;
}

/* The best of all ways to give each order an organisation or nobody. */
static void try_all(const struct rivals *w, struct candidate lists[][ORGS_MAX], const uint32_t *listed,
                    uint32_t row, uint32_t *taken, struct plan_worth worth, uint64_t *best)
{
    if (row == w->count) {
        *best = worth_of(&worth) > *best ? worth_of(&worth) : *best;
        return;
    }
    try_all(w, lists, listed, row + 1, taken, worth, best);
    for (uint32_t i = 0; i < listed[row]; i++) {
        const struct candidate *c = &lists[row][i];
        if (taken[c->org] == engine_org(w->e, c->org)->capacity)
            continue;
        struct plan_worth with = worth;
        with.served[engine_order_slot(w->e, w->slots[row])->priority]++;
        with.score += c->score;
        taken[c->org]++;
        try_all(w, lists, listed, row + 1, taken, with, best);
        taken[c->org]--;
    }
}

START_TEST(a_plan_of_like_orders_is_the_best_there_is)
{
    struct random r = {.state = (uint64_t)_i * 7919 + 1};
    struct rivals w = rivals_new(&r, 2 + (uint32_t)draw(&r, ORDERS_MAX - 1), 1 + (uint32_t)draw(&r, ORGS_MAX), false);
    struct candidate lists[ORDERS_MAX][ORGS_MAX];
    uint32_t listed[ORDERS_MAX];
    uint32_t taken[ORGS_MAX + 1] = {0};
    uint64_t best = 0;
    for (uint32_t i = 0; i < w.count; i++) {
        struct want want = match_want(w.e, engine_order_slot(w.e, w.slots[i]), MONDAY_9);
        want.is_automatic = true;
        listed[i] = match_scan(w.e, &want, RANK_SCORE, ORGS_MAX, lists[i]);
    }
    try_all(&w, lists, listed, 0, taken, (struct plan_worth){.score = 0}, &best);
    uint64_t before = engine_digest(w.e);
    struct plan plan = plan_make(w.e, w.slots, w.count, MONDAY_9, PLAN_BOUNDED);
    ck_assert_uint_eq(worth_of(&plan.worth), best);
    ck_assert(plan.is_exact);
    ck_assert_uint_eq(worth_of(&plan.bound), best);
    ck_assert_uint_eq(engine_digest(w.e), before);
    engine_check(w.e);
    plan_fini(&plan);
    engine_free(w.e);
}
END_TEST

START_TEST(a_plan_of_unlike_orders_is_feasible_and_no_worse_than_one_by_one)
{
    struct random r = {.state = (uint64_t)_i * 104729 + 5};
    struct rivals w = rivals_new(&r, 5 + (uint32_t)draw(&r, 60), 2 + (uint32_t)draw(&r, 12), true);
    struct plan greedy = plan_make(w.e, w.slots, w.count, MONDAY_9, PLAN_ONE_BY_ONE);
    struct plan plan = plan_make(w.e, w.slots, w.count, MONDAY_9, PLAN_BOUNDED);
    ck_assert_uint_ge(worth_of(&plan.worth), worth_of(&greedy.worth));
    ck_assert_uint_ge(worth_of(&plan.bound), worth_of(&plan.worth));
    plan_fini(&greedy);
    plan_fini(&plan);
    struct command c = {.op = OP_BATCH, .u.batch.region = 1};
    struct outcome o = world_step(w.e, c, MONDAY_9); /* each offer is made by the same check as ever */
    uint32_t offered = 0;
    for (uint32_t i = 0; i < w.count; i++)
        offered += engine_order_slot(w.e, w.slots[i])->first_offer != SLOT_NONE;
    ck_assert_uint_eq(offered, o.count);
    ck_assert_uint_ge(o.bound_count + o.bound_score, o.count > 0);
    engine_check(w.e);
    engine_free(w.e);
}
END_TEST

/* As many rivals as a plan takes, each of whom everybody could serve at one start or another: 256 x 256
 * candidates, of which each may take as many as there are, which makes 16.7 million edges. */
static struct rivals rivals_at_most(void)
{
    struct random r = {.state = 4711};
    struct rivals w = {.e = world_new()};
    for (uint32_t i = 1; i <= ASSIGN_COUNT_MAX; i++) {
        struct org_request g = world_org(w.e, i, "legal_aid");
        g.lat += (int32_t)draw(&r, 400000);
        g.reach_m = 10000;
        g.capacity = 1;
        world_put(w.e, &g);
    }
    for (uint32_t i = 0; i < ASSIGN_COUNT_MAX; i++) {
        struct order_request o = world_order(w.e, "legal_aid");
        o.has_place = true;
        o.lat = 230000000 + (int32_t)draw(&r, 400000);
        o.lon = 1144000000;
        o.mode = MODE_BATCH;
        o.ends_at = o.starts_at + 90 * MINUTE;
        o.headcount = 1 + (uint32_t)draw(&r, 4);
        o.people_min = 1;
        o.priority = (uint8_t)draw(&r, PRIORITY_COUNT);
        w.slots[w.count++] = map_get(&w.e->order_ids, world_place(w.e, &o, MONDAY_9));
    }
    return w;
}

START_TEST(a_plan_too_large_for_the_loop_stops_at_its_bound_and_says_so)
{
    struct rivals w = rivals_at_most();
    struct plan greedy = plan_make(w.e, w.slots, w.count, MONDAY_9, PLAN_ONE_BY_ONE);
    uint64_t before = engine_digest(w.e);
    for (enum plan_method method = PLAN_TOGETHER; method <= PLAN_BOUNDED; method++) {
        struct plan plan = plan_make(w.e, w.slots, w.count, MONDAY_9, method);
        ck_assert_uint_le(plan.steps, 2000000); /* where without a bound it were 150 million */
        ck_assert_uint_ge(worth_of(&plan.worth), worth_of(&greedy.worth));
        ck_assert_uint_gt(worth_of(&plan.bound), worth_of(&plan.worth));
        ck_assert(!plan.is_exact);
        plan_fini(&plan);
    }
    ck_assert_uint_eq(engine_digest(w.e), before);
    engine_check(w.e);
    plan_fini(&greedy);
    engine_free(w.e);
}
END_TEST

/* One by one the first takes the only team that could have served the second. */
START_TEST(orders_that_arrive_together_are_assigned_together)
{
    struct engine *e = world_new();
    struct org_request near = world_org(e, 1, "legal_aid|flood");
    struct org_request far = world_org(e, 2, "legal_aid");
    near.capacity = far.capacity = 1;
    near.lat += 1000; /* nearer to both orders */
    far.lat += 200000;
    world_put(e, &near);
    world_put(e, &far);
    struct order_request r = world_order(e, "legal_aid");
    r.has_place = true;
    r.lat = 230000000;
    r.lon = 1144000000;
    r.ends_at = r.starts_at + HOUR;
    r.mode = MODE_AUTO;
    struct command c = {.op = OP_PLACE, .u.place = r};
    uint64_t first = world_step(e, c, MONDAY_9).id;
    c.u.place.skills = world_skills(e, "flood");
    c.u.place.category = 1;
    uint64_t second = world_step(e, c, MONDAY_9).id;
    world_settle(e, MONDAY_9);
    ck_assert_str_eq(world_state(e, first), "offered");
    ck_assert_str_eq(world_state(e, second), "offered");
    ck_assert_uint_eq(engine_offer_slot(e, engine_order(e, second)->first_offer)->org, 1);
    engine_free(e);
}
END_TEST

Suite *suite_plan(void);
Suite *suite_plan(void)
{
    Suite *s = suite_create("plan");
    TCase *t = tcase_create("plan");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, a_plan_of_like_orders_is_the_best_there_is, 0, 60);
    tcase_add_loop_test(t, a_plan_of_unlike_orders_is_feasible_and_no_worse_than_one_by_one, 0, 30);
    tcase_add_test(t, a_plan_too_large_for_the_loop_stops_at_its_bound_and_says_so);
    tcase_add_test(t, orders_that_arrive_together_are_assigned_together);
    suite_add_tcase(s, t);
    return s;
}
