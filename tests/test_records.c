/* Records and the activity index: what counts at once, after a review, no longer; what of late counts. */
#include <string.h>

#include "world.h"

#define DAY (24 * HOUR)

/* An order of organisation 1 on a day, served until its records can be brought. */
static uint64_t serving(struct engine *e, int64_t now)
{
    struct order_request r = world_order(e, "legal_aid");
    r.starts_at = now;
    r.ends_at = now + 4 * HOUR;
    uint64_t offer = world_dispatch(e, world_place(e, &r, now), 1, now);
    world_do(e, OP_ACCEPT, offer, now);
    world_do(e, OP_START, offer, now);
    return offer;
}

static struct outcome complete(struct engine *e, uint64_t offer, uint64_t volunteer, uint32_t minutes, int64_t now)
{
    struct record record = {.volunteer = volunteer, .minutes = minutes};
    struct command c = {.op = OP_COMPLETE, .offer = offer};
    c.u.complete.records = &record;
    c.u.complete.count = 1;
    return world_step(e, c, now);
}

/* The newest record among the effects. */
static struct record_row newest(const struct engine *e)
{
    struct effects effects = engine_effects(e);
    ck_assert_uint_gt(effects.record_count, 0);
    return effects.records[effects.record_count - 1];
}

static struct outcome review(struct engine *e, uint64_t record, bool is_granted)
{
    struct command c = {.op = OP_RECORD_REVIEW, .reason = "other"};
    c.u.review.id = record;
    c.u.review.is_granted = is_granted;
    return world_step(e, c, MONDAY_9 + 4 * HOUR);
}

static struct outcome revoke(struct engine *e, const struct record_row *row)
{
    struct command c = {.op = OP_RECORD_REVOKE, .reason = "wrong_report"};
    c.u.record.stored = row;
    return world_step(e, c, MONDAY_9 + 4 * HOUR);
}

static struct engine *world_of_one_team(void)
{
    struct engine *e = world_new();
    struct org_request g = world_org(e, 1, "legal_aid");
    world_put(e, &g);
    return e;
}

START_TEST(a_day_counts_to_eight_hours_at_once_to_twelve_after_a_review_beyond_after_a_higher_one)
{
    struct engine *e = world_of_one_team();
    const struct {
        uint32_t minutes;
        enum record_state state;
    } steps[] = {{300, RECORD_CERTIFIED}, {180, RECORD_CERTIFIED}, {1, RECORD_REVIEW},
                 {239, RECORD_REVIEW},    {1, RECORD_REVIEW_HIGH}};
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        struct outcome o = complete(e, serving(e, MONDAY_9), 7, steps[i].minutes, MONDAY_9 + HOUR);
        ck_assert_int_eq(o.refusal.code, 0);
        ck_assert_int_eq(newest(e).state, steps[i].state);
        ck_assert_uint_eq(o.count, steps[i].state != RECORD_CERTIFIED); /* the caller is told */
    }
    ck_assert_uint_eq(world_event_count(e, EVENT_RECORD_HELD), 3);
    /* Another volunteer, and the same on another day, begin anew. */
    complete(e, serving(e, MONDAY_9), 8, 480, MONDAY_9 + HOUR);
    ck_assert_int_eq(newest(e).state, RECORD_CERTIFIED);
    complete(e, serving(e, MONDAY_9 + DAY), 7, 480, MONDAY_9 + DAY + HOUR);
    ck_assert_int_eq(newest(e).state, RECORD_CERTIFIED);
    engine_check(e);
    engine_free(e);
}
END_TEST

START_TEST(no_day_has_more_than_its_minutes)
{
    struct engine *e = world_of_one_team();
    complete(e, serving(e, MONDAY_9), 7, 1000, MONDAY_9 + HOUR);
    uint64_t offer = serving(e, MONDAY_9);
    struct refusal refusal = complete(e, offer, 7, 441, MONDAY_9 + HOUR).refusal;
    ck_assert_int_eq(refusal.code, REFUSAL_OUT_OF_RANGE);
    ck_assert_str_eq(refusal.field, "minutes");
    ck_assert_int_eq(refusal.high, 440);
    ck_assert_int_eq(engine_offer(e, offer)->state, OFFER_SERVING); /* nothing of it was done */
    ck_assert_int_eq(complete(e, offer, 7, 440, MONDAY_9 + HOUR).refusal.code, 0);
    engine_free(e);
}
END_TEST

START_TEST(a_review_grants_or_refuses_once)
{
    struct engine *e = world_of_one_team();
    complete(e, serving(e, MONDAY_9), 7, 500, MONDAY_9 + HOUR);
    struct record_row held = newest(e);
    ck_assert_int_eq(held.state, RECORD_REVIEW);
    ck_assert_ptr_nonnull(engine_held_record(e, held.id));
    ck_assert_int_eq(review(e, held.id, false).refusal.code, 0);
    ck_assert_int_eq(newest(e).state, RECORD_REFUSED);
    ck_assert_int_eq(review(e, held.id, true).refusal.code, REFUSAL_NOT_FOUND);
    complete(e, serving(e, MONDAY_9), 7, 480, MONDAY_9 + HOUR); /* the refused ones do not stand in its way */
    ck_assert_int_eq(newest(e).state, RECORD_CERTIFIED);
    complete(e, serving(e, MONDAY_9), 7, 60, MONDAY_9 + HOUR);
    struct record_row more = newest(e);
    ck_assert_int_eq(more.state, RECORD_REVIEW);
    ck_assert_int_eq(review(e, more.id, true).refusal.code, 0);
    ck_assert_int_eq(newest(e).state, RECORD_CERTIFIED);
    struct effects effects = engine_effects(e);
    ck_assert_uint_eq(effects.events[effects.event_count - 1].subject, more.id);
    ck_assert_uint_eq(effects.events[effects.event_count - 1].minutes, 60);
    engine_free(e);
}
END_TEST

START_TEST(what_was_certified_is_revoked_by_an_event)
{
    struct engine *e = world_of_one_team();
    complete(e, serving(e, MONDAY_9), 7, 480, MONDAY_9 + HOUR);
    struct record_row row = newest(e);
    ck_assert_int_eq(revoke(e, &row).refusal.code, 0);
    row = newest(e);
    ck_assert_int_eq(row.state, RECORD_REVOKED);
    uint32_t events = world_event_count(e, EVENT_RECORD_REVOKED);
    ck_assert_int_eq(revoke(e, &row).refusal.code, 0); /* twice is once */
    ck_assert_uint_eq(world_event_count(e, EVENT_RECORD_REVOKED), events);
    complete(e, serving(e, MONDAY_9), 7, 480, MONDAY_9 + HOUR); /* the day is free again */
    ck_assert_int_eq(newest(e).state, RECORD_CERTIFIED);
    complete(e, serving(e, MONDAY_9), 7, 1, MONDAY_9 + HOUR);
    row = newest(e);
    ck_assert_int_eq(revoke(e, &row).refusal.code, REFUSAL_BAD_STATE); /* it is not certified */
    engine_free(e);
}
END_TEST

START_TEST(a_record_that_comes_a_month_late_is_reviewed)
{
    struct engine *e = world_of_one_team();
    uint64_t offer = serving(e, MONDAY_9);
    uint64_t other = serving(e, MONDAY_9);
    complete(e, offer, 7, 60, MONDAY_9 + 31 * DAY);
    ck_assert_int_eq(newest(e).state, RECORD_CERTIFIED);
    complete(e, other, 8, 60, MONDAY_9 + 32 * DAY);
    ck_assert_int_eq(newest(e).state, RECORD_REVIEW);
    engine_free(e);
}
END_TEST

static struct outcome add(struct engine *e, uint32_t minutes, int32_t day, const struct record_row *stored)
{
    struct record_row fresh = {.volunteer = 7, .minutes = minutes, .day = day, .source = "hongkong", .external_id = "HK-1"};
    struct command c = {.op = OP_RECORD_ADD};
    c.u.record.fresh = &fresh;
    c.u.record.stored = stored;
    return world_step(e, c, MONDAY_9 + HOUR);
}

START_TEST(an_issuers_record_is_taken_once_and_its_correction_replaces_it)
{
    struct engine *e = world_of_one_team();
    int32_t monday = calendar_day(engine_calendar(e), MONDAY_9);
    uint64_t id = add(e, 100, monday, NULL).id;
    struct record_row row = newest(e);
    ck_assert_int_eq(row.state, RECORD_CERTIFIED);
    ck_assert_uint_eq(add(e, 100, monday, &row).id, id);
    ck_assert_uint_eq(world_event_count(e, EVENT_RECORD_ADDED), 1);
    uint64_t corrected = add(e, 90, monday, &row).id;
    ck_assert_uint_ne(corrected, id);
    struct effects effects = engine_effects(e);
    ck_assert_int_eq(effects.records[effects.record_count - 2].state, RECORD_REVOKED);
    ck_assert_uint_eq(effects.records[effects.record_count - 2].id, id);
    ck_assert_uint_eq(newest(e).minutes, 90);
    ck_assert_int_eq(add(e, 90, monday + 1, NULL).refusal.code, REFUSAL_BAD_VALUE); /* tomorrow's */
    ck_assert_int_eq(add(e, 90, -1, NULL).refusal.code, REFUSAL_BAD_VALUE);
    /* It counts for the day as any other: 390 more are certified, one beyond is not. */
    complete(e, serving(e, MONDAY_9), 7, 390, MONDAY_9 + HOUR);
    ck_assert_int_eq(newest(e).state, RECORD_CERTIFIED);
    complete(e, serving(e, MONDAY_9), 7, 1, MONDAY_9 + HOUR);
    ck_assert_int_eq(newest(e).state, RECORD_REVIEW);
    engine_free(e);
}
END_TEST

static uint32_t index_of(const struct engine *e, uint64_t org)
{
    ck_assert_uint_eq(engine_org(e, org)->tally.activity, org_activity(engine_org(e, org)).index);
    return engine_org(e, org)->tally.activity;
}

static void serve_well(struct engine *e, int64_t now)
{
    uint64_t offer = serving(e, now);
    complete(e, offer, 7, 60, now + HOUR);
    struct command c = {.op = OP_RATE, .order = engine_offer(e, offer)->order_id};
    c.u.rate.stars = 5;
    ck_assert_int_eq(world_step(e, c, now + HOUR).refusal.code, 0);
}

START_TEST(activity_rises_with_service_and_falls_with_time)
{
    struct engine *e = world_of_one_team();
    ck_assert_uint_eq(engine_org(e, 1)->tally.activity, 500); /* until known */
    for (int day = 0; day < 10; day++) {
        serve_well(e, MONDAY_9 + day * DAY);
        world_settle(e, MONDAY_9 + day * DAY + HOUR);
        engine_check(e);
        engine_effects_clear(e);
    }
    uint32_t busy = index_of(e, 1);
    ck_assert_uint_gt(busy, 600);
    int64_t now = MONDAY_9 + 10 * DAY;
    ck_assert_int_le(engine_deadline(e), now); /* a day has passed, so the engine asks for a tick by itself */
    uint32_t before = busy;
    for (int month = 0; month < 12; month++) {
        now += 30 * DAY;
        world_settle(e, now);
        engine_effects_clear(e);
        ck_assert_uint_le(index_of(e, 1), before);
        before = index_of(e, 1);
    }
    ck_assert_uint_lt(before, 350); /* idle for a year */
    ck_assert_uint_gt(before, 200); /* and not nothing: nobody is shut out */
    engine_check(e);
    engine_free(e);
}
END_TEST

START_TEST(thirty_days_halve_what_is_recent)
{
    struct engine *e = world_of_one_team();
    for (int i = 0; i < 8; i++)
        serve_well(e, MONDAY_9);
    uint32_t hours = org_more(engine_org(e, 1))->recent.hours;
    ck_assert_uint_eq(hours, 8000);
    world_settle(e, MONDAY_9 + 30 * DAY);
    uint32_t left = org_more(engine_org(e, 1))->recent.hours;
    ck_assert_uint_ge(left, hours * 495 / 1000);
    ck_assert_uint_le(left, hours * 505 / 1000);
    engine_free(e);
}
END_TEST

START_TEST(who_lets_offers_pass_is_less_active)
{
    struct engine *e = world_of_one_team();
    struct order_request r = world_order(e, "legal_aid");
    r.ends_at = r.starts_at + 10 * DAY;
    for (int i = 0; i < 6; i++) {
        world_dispatch(e, world_place(e, &r, MONDAY_9), 1, MONDAY_9);
        world_settle(e, MONDAY_9 + 3 * DAY);
        engine_effects_clear(e);
    }
    ck_assert_uint_gt(engine_org(e, 1)->tally.expire_count, 4);
    ck_assert_uint_lt(index_of(e, 1), 400);
    engine_free(e);
}
END_TEST

START_TEST(a_small_team_is_not_below_a_large_one_for_being_small)
{
    struct engine *e = world_new();
    struct org_request g = world_org(e, 1, "legal_aid");
    g.capacity = 2;
    world_put(e, &g);
    for (int i = 0; i < 4; i++)
        serve_well(e, MONDAY_9 + i * 4 * HOUR);
    uint32_t small = index_of(e, 1);
    g.capacity = 40; /* the same work of a team of forty */
    world_put(e, &g);
    ck_assert_uint_gt(small, index_of(e, 1));
    engine_check(e);
    engine_free(e);
}
END_TEST

/* The score takes the index up to a cap, so that fame alone does not win. */
START_TEST(the_score_takes_activity_up_to_its_cap)
{
    struct engine *e = world_of_one_team();
    for (int day = 0; day < 20; day++)
        serve_well(e, MONDAY_9 + day * DAY);
    int64_t now = MONDAY_9 + 20 * DAY;
    struct order_request r = world_order(e, "legal_aid");
    struct want want;
    struct refusal refusal;
    struct candidate found;
    r.starts_at = now;
    r.ends_at = now + 4 * HOUR;
    for (uint32_t cap = 300; cap <= 1000; cap += 700) {
        struct command c = {.op = OP_SET_RULES, .u.rules = rules_default()};
        c.u.rules.activity_cap = cap;
        world_step(e, c, now);
        ck_assert(match_want_request(e, &r, now, &want, &refusal));
        ck_assert_uint_eq(match_find(e, &want, RANK_SCORE, 1, &found), 1);
        match_score(e, &want, engine_org(e, 1), &found);
        ck_assert_uint_eq(found.part[2], cap == 300 ? 300 : index_of(e, 1));
    }
    engine_free(e);
}
END_TEST

Suite *suite_records(void);
Suite *suite_records(void)
{
    Suite *s = suite_create("records");
    TCase *t = tcase_create("records");
    tcase_add_test(t, a_day_counts_to_eight_hours_at_once_to_twelve_after_a_review_beyond_after_a_higher_one);
    tcase_add_test(t, no_day_has_more_than_its_minutes);
    tcase_add_test(t, a_review_grants_or_refuses_once);
    tcase_add_test(t, what_was_certified_is_revoked_by_an_event);
    tcase_add_test(t, a_record_that_comes_a_month_late_is_reviewed);
    tcase_add_test(t, an_issuers_record_is_taken_once_and_its_correction_replaces_it);
    tcase_add_test(t, activity_rises_with_service_and_falls_with_time);
    tcase_add_test(t, thirty_days_halve_what_is_recent);
    tcase_add_test(t, who_lets_offers_pass_is_less_active);
    tcase_add_test(t, a_small_team_is_not_below_a_large_one_for_being_small);
    tcase_add_test(t, the_score_takes_activity_up_to_its_cap);
    suite_add_tcase(s, t);
    return s;
}
