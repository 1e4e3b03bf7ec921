/* The life of an order: the moves, the offers, the clocks, escalation, covering by several. */
#include <signal.h>
#include <string.h>

#include "engine/state.h"
#include "world.h"

/* The drawing of the design, by hand: an order is reopened and brought back by other means. */
#define M(from, to) {ORDER_##from, ORDER_##to}
static const struct {
    enum order_state from, to;
} moves[] = {
    M(PLACED, READY),    M(PLACED, REJECTED),   M(PLACED, RETURNED), M(PLACED, CANCELLED),
    M(RETURNED, PLACED), M(RETURNED, CANCELLED),
    M(READY, OFFERED),   M(READY, UNMET),       M(READY, CANCELLED),
    M(OFFERED, READY),   M(OFFERED, ACCEPTED),  M(OFFERED, UNMET),   M(OFFERED, CANCELLED),
    M(ACCEPTED, READY),  M(ACCEPTED, SERVING),  M(ACCEPTED, CANCELLED),
    M(SERVING, READY),   M(SERVING, DONE),
    M(DONE, READY),      M(DONE, CLOSED),
};
#undef M

static bool is_a_move(enum order_state from, enum order_state to)
{
    for (size_t i = 0; i < ARRAY_LEN(moves); i++)
        if (moves[i].from == from && moves[i].to == to)
            return true;
    return false;
}

/* The n-th pair of states of which a move is allowed, or is not. */
static void nth_pair(bool is_allowed, int n, enum order_state *from, enum order_state *to)
{
    for (int i = 0; i < ORDER_STATE_COUNT * ORDER_STATE_COUNT; i++) {
        *from = (enum order_state)(i / ORDER_STATE_COUNT);
        *to = (enum order_state)(i % ORDER_STATE_COUNT);
        if (is_a_move(*from, *to) == is_allowed && n-- == 0)
            return;
    }
    ck_abort_msg("there are fewer such pairs");
}

static void move_pair(bool is_allowed, int n)
{
    enum order_state from = ORDER_PLACED;
    enum order_state to = ORDER_PLACED;
    struct engine *e = world_new();
    struct order_request r = world_order(e, "legal_aid");
    struct order *o = order_at(e, map_get(&e->order_ids, world_place(e, &r, MONDAY_9)));
    nth_pair(is_allowed, n, &from, &to);
    o->state = (uint8_t)from;
    order_move(e, o, to, MONDAY_9);
    ck_assert_int_eq(o->state, to);
    engine_free(e);
}

START_TEST(an_order_moves_along_its_rules)
{
    move_pair(true, _i);
}
END_TEST

START_TEST(no_order_moves_beside_its_rules)
{
    move_pair(false, _i); /* must not come back */
}
END_TEST

START_TEST(an_order_goes_its_whole_way)
{
    struct engine *e = world_new();
    struct org_request g = world_org(e, 7, "legal_aid");
    struct order_request r = world_order(e, "legal_aid");
    r.person = 99;
    world_put(e, &g);
    uint64_t order = world_place(e, &r, MONDAY_9);
    ck_assert_str_eq(world_state(e, order), "ready");
    uint64_t offer = world_dispatch(e, order, 7, MONDAY_9);
    ck_assert_str_eq(world_state(e, order), "offered");
    ck_assert_int_eq(world_do(e, OP_ACCEPT, offer, MONDAY_9).refusal.code, 0);
    ck_assert_int_eq(world_do(e, OP_ACCEPT, offer, MONDAY_9).refusal.code, 0); /* saying it twice */
    ck_assert_str_eq(world_state(e, order), "accepted");
    ck_assert_int_eq(world_do(e, OP_COMPLETE, offer, MONDAY_9).refusal.code, REFUSAL_BAD_STATE);
    world_do(e, OP_START, offer, MONDAY_9);
    ck_assert_str_eq(world_state(e, order), "serving");
    ck_assert_int_eq(world_do(e, OP_CANCEL, order, MONDAY_9).refusal.code, REFUSAL_BAD_STATE);
    struct record records[2] = {{.volunteer = 1, .minutes = 60}, {.volunteer = 2, .minutes = 45}};
    struct command complete = {.op = OP_COMPLETE, .offer = offer};
    complete.u.complete.records = records;
    complete.u.complete.count = 2;
    ck_assert_int_eq(world_step(e, complete, MONDAY_9).refusal.code, 0);
    ck_assert_uint_eq(engine_effects(e).record_count, 2);
    ck_assert_uint_eq(engine_effects(e).served_count, 1);
    ck_assert_str_eq(world_state(e, order), "done");
    struct command rate = {.op = OP_RATE, .order = order, .u.rate.stars = 5};
    world_step(e, rate, MONDAY_9);
    ck_assert_str_eq(world_state(e, order), "closed");
    ck_assert_uint_eq(engine_org(e, 7)->tally.rating_sum, 5);
    engine_effects_clear(e);
    ck_assert_ptr_null(engine_order(e, order)); /* ended orders leave memory */
    ck_assert_ptr_null(engine_offer(e, offer));
    engine_free(e);
}
END_TEST

START_TEST(a_done_order_closes_by_itself)
{
    struct engine *e = world_new();
    struct org_request g = world_org(e, 7, "legal_aid");
    struct order_request r = world_order(e, "legal_aid");
    world_put(e, &g);
    uint64_t order = world_place(e, &r, MONDAY_9);
    uint64_t offer = world_dispatch(e, order, 7, MONDAY_9);
    world_do(e, OP_ACCEPT, offer, MONDAY_9);
    world_do(e, OP_START, offer, MONDAY_9);
    world_do(e, OP_COMPLETE, offer, MONDAY_9);
    world_settle(e, MONDAY_9 + 7 * DAY_MS - 1);
    ck_assert_str_eq(world_state(e, order), "done");
    world_settle(e, MONDAY_9 + 7 * DAY_MS);
    ck_assert_str_eq(world_state(e, order), "closed");
    engine_free(e);
}
END_TEST

START_TEST(an_auto_order_cascades_and_never_asks_twice)
{
    struct engine *e = world_new();
    struct order_request r = world_order(e, "legal_aid");
    r.mode = MODE_AUTO;
    r.priority = PRIORITY_URGENT;
    for (uint64_t id = 1; id <= 5; id++) {
        struct org_request g = world_org(e, id, "legal_aid");
        g.lat += (int32_t)id * 10000; /* so that they are ranked by number */
        world_put(e, &g);
    }
    uint64_t order = world_place(e, &r, MONDAY_9);
    bool asked[6] = {false};
    int64_t now = MONDAY_9;
    for (int i = 0; i < 5; i++) {
        const struct order *o = engine_order(e, order);
        ck_assert_str_eq(world_state(e, order), "offered");
        const struct offer *f = engine_offer_slot(e, o->first_offer);
        ck_assert(!asked[f->org]);
        asked[f->org] = true;
        if (i % 2 == 0) { /* one declines, the next lets it expire */
            world_do(e, OP_DECLINE, f->id, now);
        } else {
            now = f->expires_at;
            world_settle(e, now);
        }
    }
    ck_assert_str_eq(world_state(e, order), "unmet"); /* nobody is left at any level */
    ck_assert_uint_eq(world_event_count(e, EVENT_OFFERED), 5);
    ck_assert_uint_eq(world_event_count(e, EVENT_ESCALATED), 3);
    ck_assert_uint_eq(world_event_count(e, EVENT_UNMET), 1);
    engine_free(e);
}
END_TEST

START_TEST(declines_send_an_order_up_and_its_reach_widens)
{
    struct engine *e = world_new();
    struct order_request r = world_order(e, "legal_aid");
    r.mode = MODE_AUTO;
    for (uint64_t id = 1; id <= 3; id++) {
        struct org_request near = world_org(e, id, "legal_aid");
        world_put(e, &near);
    }
    struct org_request far = world_org(e, 9, "legal_aid");
    far.lat += 600000; /* 6.6 km: out of 5 km, within 150 % of it */
    world_put(e, &far);
    uint64_t order = world_place(e, &r, MONDAY_9);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(engine_order(e, order)->level, LEVEL_VILLAGE);
        uint64_t offer = engine_offer_slot(e, engine_order(e, order)->first_offer)->id;
        world_do(e, OP_DECLINE, offer, MONDAY_9);
    }
    ck_assert_int_eq(engine_order(e, order)->level, LEVEL_TOWN);
    ck_assert_uint_eq(engine_offer_slot(e, engine_order(e, order)->first_offer)->org, 9);
    engine_free(e);
}
END_TEST

START_TEST(a_manual_order_climbs_when_the_levels_time_is_up)
{
    struct engine *e = world_new();
    struct order_request r = world_order(e, "legal_aid");
    r.priority = PRIORITY_EMERGENCY;
    uint64_t order = world_place(e, &r, MONDAY_9);
    uint32_t village = engine_region_find(e, 1111);
    uint32_t town = engine_region_find(e, 111);
    ck_assert_uint_eq(engine_region_slot(e, village)->queue_count, 1);
    world_settle(e, MONDAY_9 + 10 * MINUTE);
    ck_assert_uint_eq(engine_region_slot(e, village)->queue_count, 0);
    ck_assert_uint_eq(engine_region_slot(e, town)->queue_count, 1);
    world_settle(e, MONDAY_9 + 15 * MINUTE);
    ck_assert_int_eq(engine_order(e, order)->level, LEVEL_COUNTY);
    world_settle(e, MONDAY_9 + 20 * MINUTE);
    ck_assert_int_eq(engine_order(e, order)->level, LEVEL_CITY);
    world_settle(e, MONDAY_9 + 25 * MINUTE);
    ck_assert_str_eq(world_state(e, order), "unmet");
    engine_free(e);
}
END_TEST

/* An order of headcount 10 whose people may come from several. */
static uint64_t wide_order(struct engine *e, uint8_t mode)
{
    struct order_request r = world_order(e, "flood");
    r.headcount = 10;
    r.people_min = 2;
    r.mode = mode;
    return world_place(e, &r, MONDAY_9);
}

START_TEST(several_organisations_cover_one_order)
{
    struct engine *e = world_new();
    for (uint64_t id = 1; id <= 3; id++) {
        struct org_request g = world_org(e, id, "flood");
        g.capacity = 4;
        world_put(e, &g);
    }
    uint64_t order = wide_order(e, MODE_AUTO);
    const struct order *o = engine_order(e, order);
    ck_assert_uint_eq(o->pending, 10); /* 4 + 4 + 2 */
    uint64_t offers[3];
    uint32_t slot = o->first_offer;
    for (int i = 0; i < 3; i++, slot = engine_offer_slot(e, slot)->next_of_order)
        offers[i] = engine_offer_slot(e, slot)->id;
    for (int i = 0; i < 3; i++) {
        ck_assert_str_eq(world_state(e, order), "offered");
        world_do(e, OP_ACCEPT, offers[i], MONDAY_9);
    }
    ck_assert_str_eq(world_state(e, order), "accepted");
    world_do(e, OP_START, offers[0], MONDAY_9);
    ck_assert_str_eq(world_state(e, order), "serving");
    /* a release leaves the others standing and reopens only its people */
    uint32_t given_up = engine_offer(e, offers[1])->people;
    world_do(e, OP_RELEASE, offers[1], MONDAY_9);
    ck_assert_uint_eq(engine_order(e, order)->covered, 10 - given_up);
    engine_free(e);
}
END_TEST

START_TEST(a_cover_may_be_closed_short)
{
    struct engine *e = world_new();
    struct org_request g = world_org(e, 1, "flood");
    g.capacity = 4;
    world_put(e, &g);
    uint64_t order = wide_order(e, MODE_MANUAL);
    struct outcome early = world_do(e, OP_CLOSE_SHORT, order, MONDAY_9);
    ck_assert_int_eq(early.refusal.code, REFUSAL_BAD_STATE);
    uint64_t offer = world_dispatch(e, order, 1, MONDAY_9);
    world_do(e, OP_ACCEPT, offer, MONDAY_9);
    ck_assert_str_eq(world_state(e, order), "ready"); /* six are missing */
    world_do(e, OP_CLOSE_SHORT, order, MONDAY_9);
    ck_assert_str_eq(world_state(e, order), "accepted");
    ck_assert_uint_eq(engine_order(e, order)->headcount, 4);
    engine_free(e);
}
END_TEST

START_TEST(those_who_accepted_go_ahead_when_every_level_is_used_up)
{
    struct engine *e = world_new();
    struct org_request g = world_org(e, 1, "flood");
    g.capacity = 4;
    world_put(e, &g);
    uint64_t order = wide_order(e, MODE_AUTO);
    world_do(e, OP_ACCEPT, engine_offer_slot(e, engine_order(e, order)->first_offer)->id, MONDAY_9);
    for (int i = 0; i < 8; i++)
        world_settle(e, MONDAY_9 + i * 2 * DAY_MS);
    ck_assert_uint_eq(engine_order(e, order)->headcount, 4);
    ck_assert_uint_eq(world_event_count(e, EVENT_CLOSED_SHORT), 1);
    ck_assert_uint_eq(world_event_count(e, EVENT_UNMET), 0);
    engine_free(e);
}
END_TEST

START_TEST(first_acceptances_win_a_broadcast)
{
    struct engine *e = world_new();
    struct command rules = {.op = OP_SET_RULES, .u.rules = rules_default()};
    rules.u.rules.broadcast_count = 200;
    world_step(e, rules, MONDAY_9);
    for (uint64_t id = 1; id <= 100; id++) {
        struct org_request g = world_org(e, id, "flood");
        g.capacity = 1;
        world_put(e, &g);
    }
    struct order_request r = world_order(e, "flood");
    r.headcount = 20;
    r.people_min = 1;
    r.mode = MODE_BROADCAST;
    uint64_t order = world_place(e, &r, MONDAY_9);
    uint64_t offers[100];
    uint32_t count = 0;
    for (uint32_t s = engine_order(e, order)->first_offer; s != SLOT_NONE;
         s = engine_offer_slot(e, s)->next_of_order)
        offers[count++] = engine_offer_slot(e, s)->id;
    ck_assert_uint_eq(count, 100);
    uint32_t accepted = 0;
    uint32_t covered = 0;
    for (uint32_t i = 0; i < count; i++) {
        enum refusal_code code = world_do(e, OP_ACCEPT, offers[i], MONDAY_9).refusal.code;
        accepted += code == REFUSAL_NONE;
        covered += code == REFUSAL_COVERED;
    }
    ck_assert_uint_eq(accepted, 20);
    ck_assert_uint_eq(covered, 80);
    engine_free(e);
}
END_TEST

START_TEST(of_several_that_were_asked_the_first_serves)
{
    struct engine *e = world_new();
    uint64_t orgs[3] = {1, 2, 3};
    for (uint64_t id = 1; id <= 3; id++) {
        struct org_request g = world_org(e, id, "legal_aid");
        world_put(e, &g);
    }
    struct order_request r = world_order(e, "legal_aid");
    uint64_t order = world_place(e, &r, MONDAY_9);
    struct command c = {.op = OP_DISPATCH, .order = order};
    c.u.dispatch.orgs = orgs;
    c.u.dispatch.count = 3;
    struct outcome o = world_step(e, c, MONDAY_9);
    ck_assert_int_eq(o.refusal.code, 0);
    ck_assert_uint_eq(world_event_count(e, EVENT_OFFERED), 3);
    ck_assert_int_eq(world_do(e, OP_ACCEPT, o.id - 1, MONDAY_9).refusal.code, 0);
    ck_assert_str_eq(world_state(e, order), "accepted");
    ck_assert_int_eq(world_do(e, OP_ACCEPT, o.id, MONDAY_9).refusal.code, REFUSAL_COVERED);
    engine_free(e);
}
END_TEST

START_TEST(offers_reserve_people_until_they_expire)
{
    struct engine *e = world_new();
    struct org_request g = world_org(e, 1, "legal_aid");
    g.capacity = 1;
    world_put(e, &g);
    struct order_request r = world_order(e, "legal_aid");
    r.ends_at = r.starts_at + HOUR; /* one start only */
    r.priority = PRIORITY_URGENT;
    uint64_t first = world_place(e, &r, MONDAY_9);
    uint64_t second = world_place(e, &r, MONDAY_9);
    uint64_t offer = world_dispatch(e, first, 1, MONDAY_9);
    struct command c = {.op = OP_DISPATCH, .order = second};
    uint64_t one = 1;
    c.u.dispatch.orgs = &one;
    c.u.dispatch.count = 1;
    ck_assert_int_eq(world_step(e, c, MONDAY_9).refusal.misfit, MISFIT_FULL);
    world_settle(e, MONDAY_9 + 30 * MINUTE); /* the offer expires */
    ck_assert_int_eq(world_do(e, OP_ACCEPT, offer, MONDAY_9 + 30 * MINUTE).refusal.code, REFUSAL_EXPIRED);
    ck_assert_int_eq(world_step(e, c, MONDAY_9 + 30 * MINUTE).refusal.code, REFUSAL_NONE);
    engine_free(e);
}
END_TEST

START_TEST(reviews_returns_merges_rests)
{
    struct engine *e = world_new();
    struct order_request r = world_order(e, "legal_aid");
    r.needs_review = true;
    uint64_t order = world_place(e, &r, MONDAY_9);
    ck_assert_str_eq(world_state(e, order), "placed");
    ck_assert_int_eq(world_do(e, OP_CLAIM, order, MONDAY_9).refusal.code, REFUSAL_BAD_STATE);
    world_settle(e, MONDAY_9 + DAY_MS);
    ck_assert_uint_eq(world_event_count(e, EVENT_OVERDUE), 1);
    world_do(e, OP_RETURN, order, MONDAY_9);
    struct command again = {.op = OP_RESUBMIT, .order = order};
    again.u.place.category = -1;
    again.u.place.headcount = 3;
    ck_assert_int_eq(world_step(e, again, MONDAY_9).refusal.code, 0);
    ck_assert_uint_eq(engine_order(e, order)->headcount, 3);
    world_do(e, OP_APPROVE, order, MONDAY_9);
    ck_assert_str_eq(world_state(e, order), "ready");
    world_do(e, OP_SUSPEND, order, MONDAY_9);
    world_settle(e, MONDAY_9 + 30 * DAY_MS);
    ck_assert_str_eq(world_state(e, order), "ready"); /* its clocks stood still */
    ck_assert_int_eq(engine_order(e, order)->level, LEVEL_VILLAGE);
    world_do(e, OP_RESUME, order, MONDAY_9 + 30 * DAY_MS);
    r.needs_review = false;
    uint64_t other = world_place(e, &r, MONDAY_9);
    struct command merge = {.op = OP_MERGE, .order = other, .u.into = order};
    ck_assert_int_eq(world_step(e, merge, MONDAY_9).refusal.code, 0);
    ck_assert_str_eq(world_state(e, other), "cancelled");
    uint64_t third = world_place(e, &(struct order_request){.region = 1111, .needs_review = true}, MONDAY_9);
    world_do(e, OP_REJECT, third, MONDAY_9);
    ck_assert_str_eq(world_state(e, third), "rejected");
    engine_free(e);
}
END_TEST

START_TEST(a_claim_keeps_others_away)
{
    struct engine *e = world_new();
    struct org_request g = world_org(e, 1, "legal_aid");
    struct order_request r = world_order(e, "legal_aid");
    world_put(e, &g);
    uint64_t order = world_place(e, &r, MONDAY_9);
    struct command mine = {.op = OP_CLAIM, .order = order, .actor = "desk-1"};
    struct command theirs = {.op = OP_CLAIM, .order = order, .actor = "desk-2"};
    ck_assert_int_eq(world_step(e, mine, MONDAY_9).refusal.code, 0);
    ck_assert_int_eq(world_step(e, theirs, MONDAY_9).refusal.code, REFUSAL_CLAIMED);
    mine.op = OP_TOUCH;
    ck_assert_int_eq(world_step(e, mine, MONDAY_9 + 14 * MINUTE).refusal.code, 0);
    ck_assert_int_eq(world_step(e, theirs, MONDAY_9 + 16 * MINUTE).refusal.code, REFUSAL_CLAIMED);
    ck_assert_int_eq(world_step(e, theirs, MONDAY_9 + 29 * MINUTE).refusal.code, 0); /* it ran out */
    engine_free(e);
}
END_TEST

START_TEST(an_instruction_needs_declines_first)
{
    struct engine *e = world_new();
    for (uint64_t id = 1; id <= 4; id++) {
        struct org_request g = world_org(e, id, "legal_aid");
        world_put(e, &g);
    }
    struct order_request r = world_order(e, "legal_aid");
    uint64_t order = world_place(e, &r, MONDAY_9);
    uint64_t fourth = 4;
    struct command c = {.op = OP_DISPATCH, .order = order};
    c.u.dispatch.orgs = &fourth;
    c.u.dispatch.count = 1;
    c.u.dispatch.is_instruction = true;
    ck_assert_int_eq(world_step(e, c, MONDAY_9).refusal.code, REFUSAL_TOO_FEW_DECLINES);
    for (uint64_t id = 1; id <= 3; id++)
        world_do(e, OP_DECLINE, world_dispatch(e, order, id, MONDAY_9), MONDAY_9);
    ck_assert_int_eq(world_step(e, c, MONDAY_9).refusal.code, 0);
    ck_assert_str_eq(world_state(e, order), "accepted");
    engine_free(e);
}
END_TEST

START_TEST(a_bad_rating_sends_it_to_others)
{
    struct engine *e = world_new();
    struct org_request g = world_org(e, 1, "legal_aid");
    struct order_request r = world_order(e, "legal_aid");
    world_put(e, &g);
    uint64_t order = world_place(e, &r, MONDAY_9);
    uint64_t offer = world_dispatch(e, order, 1, MONDAY_9);
    world_do(e, OP_ACCEPT, offer, MONDAY_9);
    world_do(e, OP_START, offer, MONDAY_9);
    world_do(e, OP_COMPLETE, offer, MONDAY_9);
    struct command rate = {.op = OP_RATE, .order = order};
    rate.u.rate.stars = 1;
    rate.u.rate.is_rework = true;
    ck_assert_int_eq(world_step(e, rate, MONDAY_9).refusal.code, 0);
    engine_check(e);
    ck_assert_str_eq(world_state(e, order), "ready");
    struct command c = {.op = OP_DISPATCH, .order = order};
    uint64_t one = 1;
    c.u.dispatch.orgs = &one;
    c.u.dispatch.count = 1;
    ck_assert_int_eq(world_step(e, c, MONDAY_9).refusal.misfit, MISFIT_DECLINED_BEFORE);
    engine_free(e);
}
END_TEST

START_TEST(a_batch_serves_the_more_urgent_first)
{
    struct engine *e = world_new();
    struct org_request g = world_org(e, 1, "legal_aid");
    g.capacity = 1;
    world_put(e, &g);
    struct order_request r = world_order(e, "legal_aid");
    r.mode = MODE_BATCH;
    r.ends_at = r.starts_at + HOUR;
    uint64_t routine = world_place(e, &r, MONDAY_9);
    r.priority = PRIORITY_EMERGENCY;
    uint64_t emergency = world_place(e, &r, MONDAY_9);
    uint64_t before = engine_digest(e);
    struct command c = {.op = OP_BATCH};
    c.u.batch.region = 1;
    c.u.batch.is_dry_run = true;
    struct outcome o = world_step(e, c, MONDAY_9);
    ck_assert_uint_eq(o.count, 1);
    ck_assert_uint_eq(o.waiting, 2);
    ck_assert_uint_eq(engine_effects(e).assignments[o.first].order, emergency);
    ck_assert_uint_eq(engine_digest(e), before); /* a preview changes nothing */
    c.u.batch.is_dry_run = false;
    world_step(e, c, MONDAY_9);
    ck_assert_str_eq(world_state(e, emergency), "offered");
    ck_assert_str_eq(world_state(e, routine), "ready");
    engine_check(e);
    engine_free(e);
}
END_TEST

Suite *suite_life(void);
Suite *suite_life(void)
{
    Suite *s = suite_create("life");
    TCase *t = tcase_create("life");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, an_order_moves_along_its_rules, 0, ARRAY_LEN(moves));
    tcase_add_loop_test_raise_signal(t, no_order_moves_beside_its_rules, SIGABRT, 0,
                                     ORDER_STATE_COUNT * ORDER_STATE_COUNT - (int)ARRAY_LEN(moves));
    tcase_add_test(t, an_order_goes_its_whole_way);
    tcase_add_test(t, a_done_order_closes_by_itself);
    tcase_add_test(t, an_auto_order_cascades_and_never_asks_twice);
    tcase_add_test(t, declines_send_an_order_up_and_its_reach_widens);
    tcase_add_test(t, a_manual_order_climbs_when_the_levels_time_is_up);
    tcase_add_test(t, several_organisations_cover_one_order);
    tcase_add_test(t, a_cover_may_be_closed_short);
    tcase_add_test(t, those_who_accepted_go_ahead_when_every_level_is_used_up);
    tcase_add_test(t, first_acceptances_win_a_broadcast);
    tcase_add_test(t, of_several_that_were_asked_the_first_serves);
    tcase_add_test(t, offers_reserve_people_until_they_expire);
    tcase_add_test(t, reviews_returns_merges_rests);
    tcase_add_test(t, a_claim_keeps_others_away);
    tcase_add_test(t, an_instruction_needs_declines_first);
    tcase_add_test(t, a_bad_rating_sends_it_to_others);
    tcase_add_test(t, a_batch_serves_the_more_urgent_first);
    suite_add_tcase(s, t);
    return s;
}
