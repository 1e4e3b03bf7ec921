/* What is set up for a time: the emergency mode of a region, and recurring orders. */
#include <string.h>

#include "world.h"

#define DAY (24 * HOUR)

/* Teams 1..n; the even ones are certified; all are closed at night. */
static struct engine *world_of_teams(uint64_t count)
{
    struct engine *e = world_new();
    for (uint64_t id = 1; id <= count; id++) {
        struct org_request g = world_org(e, id, "flood");
        size_t at = 0;
        ck_assert(schedule_parse("daily 08:00-20:00", 17, &g.week, &at));
        g.lat += (int32_t)id * 1000;
        if (id % 2 == 0)
            g.certified = g.skills;
        world_put(e, &g);
    }
    return e;
}

static struct refusal open_emergency(struct engine *e, uint64_t region, int64_t until, const char *reason, int64_t now)
{
    struct command c = {.op = OP_EMERGENCY_OPEN, .reason = reason};
    c.u.emergency.region = region;
    c.u.emergency.until = until;
    return world_step(e, c, now).refusal;
}

static void set_emergency_count(struct engine *e, uint32_t count)
{
    struct command c = {.op = OP_SET_RULES, .u.rules = rules_default()};
    c.u.rules.emergency_count = count;
    world_step(e, c, MONDAY_9);
}

/* Three at night: nobody's hours, and the flood is there. */
#define NIGHT (MONDAY_9 + 18 * HOUR)

static struct order_request flooded(const struct engine *e)
{
    struct order_request r = world_order(e, "flood");
    r.priority = PRIORITY_EMERGENCY;
    r.starts_at = NIGHT;
    r.ends_at = NIGHT + 4 * HOUR;
    return r;
}

static uint32_t asked(const struct engine *e, uint64_t order, bool only_certified)
{
    uint32_t count = 0;
    for (uint32_t slot = engine_order(e, order)->first_offer; slot != SLOT_NONE;) {
        const struct offer *f = engine_offer_slot(e, slot);
        slot = f->next_of_order;
        count += f->state == OFFER_PENDING && (!only_certified || f->org % 2 == 0);
    }
    return count;
}

START_TEST(in_an_emergency_certified_teams_are_asked_first_outside_their_hours)
{
    struct engine *e = world_of_teams(8);
    struct order_request r = flooded(e);
    uint64_t before = world_place(e, &r, NIGHT);
    ck_assert_str_eq(world_state(e, before), "ready"); /* by hand, and nobody is open */
    set_emergency_count(e, 6);
    ck_assert_int_eq(open_emergency(e, 11, NIGHT + 2 * HOUR, "typhoon", NIGHT).code, 0);
    ck_assert_int_le(engine_deadline(e), NIGHT);
    world_settle(e, NIGHT);
    ck_assert_str_eq(world_state(e, before), "offered"); /* what waited is taken in */
    ck_assert_int_eq(engine_order(e, before)->mode, MODE_BROADCAST);
    ck_assert_uint_eq(asked(e, before, false), 6);
    ck_assert_uint_eq(asked(e, before, true), 4); /* all the certified ones, then two of the others */
    uint64_t after = world_place(e, &r, NIGHT);
    ck_assert_uint_eq(asked(e, after, false), 6);
    ck_assert_uint_eq(asked(e, after, true), 4);
    /* The acceptance is not stopped by the hours that were waived when it was asked for. */
    uint64_t offer = engine_offer_slot(e, engine_order(e, after)->first_offer)->id;
    ck_assert_int_eq(world_do(e, OP_ACCEPT, offer, NIGHT).refusal.code, 0);
    ck_assert_str_eq(world_state(e, after), "accepted");
    engine_check(e);
    engine_free(e);
}
END_TEST

START_TEST(in_an_emergency_the_reach_is_the_citys)
{
    struct engine *e = world_of_teams(1);
    struct org_request g = world_org(e, 9, "flood");
    g.lat += 1200000; /* some 13 km away; it goes 5, and 15 in an emergency */
    world_put(e, &g);
    struct order_request r = flooded(e);
    r.mode = MODE_BROADCAST;
    r.starts_at = MONDAY_9;
    r.ends_at = MONDAY_9 + 4 * HOUR;
    ck_assert_uint_eq(asked(e, world_place(e, &r, MONDAY_9), false), 1);
    open_emergency(e, 1111, MONDAY_9 + HOUR, "flood", MONDAY_9);
    uint64_t order = world_place(e, &r, MONDAY_9);
    ck_assert_uint_eq(asked(e, order, false), 2);
    uint32_t slot = engine_order(e, order)->first_offer;
    while (engine_offer_slot(e, slot)->org != 9)
        slot = engine_offer_slot(e, slot)->next_of_order;
    struct command close = {.op = OP_EMERGENCY_CLOSE, .u.emergency.region = 1111};
    ck_assert_int_eq(world_step(e, close, MONDAY_9).refusal.code, 0);
    ck_assert_int_eq(world_do(e, OP_ACCEPT, engine_offer_slot(e, slot)->id, MONDAY_9).refusal.code, 0); /* as it was asked */
    engine_free(e);
}
END_TEST

/* In the very turn in which it opens, before the waiting orders are looked through. */
START_TEST(an_order_half_asked_leaves_the_dispatchers_queue)
{
    struct engine *e = world_of_teams(3);
    struct order_request r = flooded(e);
    r.starts_at = MONDAY_9;
    r.ends_at = MONDAY_9 + 4 * HOUR;
    r.headcount = 3;
    r.people_min = 1;
    uint64_t order = world_place(e, &r, MONDAY_9);
    uint64_t orgs[] = {1, 2};
    struct command dispatch = {.op = OP_DISPATCH, .order = order};
    dispatch.u.dispatch.orgs = orgs;
    dispatch.u.dispatch.count = 2;
    dispatch.u.dispatch.people = 1;
    ck_assert_int_eq(world_step(e, dispatch, MONDAY_9).refusal.code, 0);
    ck_assert_uint_eq(engine_counts(e).ready, 1); /* for the third */
    open_emergency(e, 11, MONDAY_9 + HOUR, "flood", MONDAY_9);
    uint64_t offer = engine_offer_slot(e, engine_order(e, order)->first_offer)->id;
    world_do(e, OP_DECLINE, offer, MONDAY_9);
    engine_check(e);
    ck_assert_int_eq(engine_order(e, order)->mode, MODE_BROADCAST);
    ck_assert_uint_eq(engine_counts(e).ready, 0);
    engine_free(e);
}
END_TEST

START_TEST(an_emergency_is_of_its_region_its_priorities_and_its_time)
{
    struct engine *e = world_of_teams(2);
    open_emergency(e, 12, NIGHT + HOUR, "flood", NIGHT); /* the other county */
    struct order_request r = flooded(e);
    ck_assert_str_eq(world_state(e, world_place(e, &r, NIGHT)), "ready");
    open_emergency(e, 11, NIGHT + HOUR, "flood", NIGHT);
    r.priority = PRIORITY_ROUTINE;
    r.ends_at = r.starts_at + 2 * DAY;
    uint64_t routine = world_place(e, &r, NIGHT);
    ck_assert_str_eq(world_state(e, routine), "ready");
    ck_assert_int_eq(engine_order(e, routine)->mode, MODE_MANUAL);
    uint32_t count = 0;
    engine_emergencies(e, &count);
    ck_assert_uint_eq(count, 2);
    world_settle(e, NIGHT + HOUR);
    engine_emergencies(e, &count);
    ck_assert_uint_eq(count, 0); /* over by itself, and said so */
    ck_assert_uint_eq(world_event_count(e, EVENT_EMERGENCY_CLOSED), 2);
    engine_free(e);
}
END_TEST

START_TEST(an_emergency_needs_a_region_a_reason_and_an_end)
{
    struct engine *e = world_new();
    ck_assert_int_eq(open_emergency(e, 99, NIGHT + HOUR, "flood", NIGHT).code, REFUSAL_NOT_FOUND);
    ck_assert_int_eq(open_emergency(e, 11, NIGHT + HOUR, NULL, NIGHT).code, REFUSAL_MISSING_FIELD);
    ck_assert_int_eq(open_emergency(e, 11, NIGHT, "flood", NIGHT).code, REFUSAL_OUT_OF_RANGE);
    ck_assert_int_eq(open_emergency(e, 11, NIGHT + 31 * DAY, "flood", NIGHT).code, REFUSAL_OUT_OF_RANGE);
    struct command close = {.op = OP_EMERGENCY_CLOSE, .u.emergency.region = 11};
    ck_assert_int_eq(world_step(e, close, NIGHT).refusal.code, REFUSAL_NOT_FOUND);
    ck_assert_uint_eq(engine_effects(e).emergency_count, 0);
    engine_free(e);
}
END_TEST

/* Recurring orders. */

static struct outcome put_series(struct engine *e, const char *repeat, int days, uint32_t every)
{
    struct command c = {.op = OP_SERIES_PUT};
    size_t at = 0;
    c.u.series.order = world_order(e, "legal_aid");
    c.u.series.order.person = 5;
    ck_assert(schedule_parse(repeat, strlen(repeat), &c.u.series.week, &at));
    c.u.series.last_day = calendar_day(engine_calendar(e), MONDAY_9) + days;
    c.u.series.every = every;
    return world_step(e, c, MONDAY_9);
}

/* Goes through the days and counts the orders that were placed; the last one's begin in *begin. */
static uint32_t live_through(struct engine *e, int days, int64_t *begin)
{
    uint32_t placed = 0;
    for (int hour = 0; hour <= days * 24; hour++) {
        world_settle(e, MONDAY_9 + hour * HOUR);
        placed += world_event_count(e, EVENT_PLACED);
        for (uint32_t i = 0; i < engine_effects(e).orders.count; i++) {
            const struct order *o = engine_order_slot(e, engine_effects(e).orders.items[i]);
            if (o != NULL && o->placed_at == MONDAY_9 + hour * HOUR)
                *begin = o->starts_at;
        }
        engine_effects_clear(e);
    }
    return placed;
}

START_TEST(every_tuesday_until_the_last_day)
{
    struct engine *e = world_new();
    int64_t begin = 0;
    struct outcome o = put_series(e, "tue 09:00-11:00", 29, 0); /* five Tuesdays, the first tomorrow */
    ck_assert_int_eq(o.refusal.code, 0);
    ck_assert_int_eq(engine_series(e, o.id)->next_at, MONDAY_9 + DAY);
    engine_effects_clear(e);
    world_settle(e, MONDAY_9);
    const struct order *first = engine_order(e, o.id + 1);
    ck_assert_ptr_nonnull(first); /* it lies within the seven days of lead, so it is placed at once */
    ck_assert_uint_eq(first->series, o.id);
    ck_assert_uint_eq(first->person, 5);
    ck_assert_int_eq(first->starts_at, MONDAY_9 + DAY);
    ck_assert_int_eq(first->ends_at, MONDAY_9 + DAY + 2 * HOUR);
    ck_assert_uint_eq(live_through(e, 30, &begin), 5);
    ck_assert_int_eq(begin, MONDAY_9 + 29 * DAY);
    ck_assert_ptr_null(engine_series(e, o.id)); /* over by itself */
    engine_check(e);
    engine_free(e);
}
END_TEST

START_TEST(several_windows_a_week_and_every_other_week)
{
    struct engine *e = world_new();
    int64_t begin = 0;
    put_series(e, "mon,thu 14:00-16:00", 13, 1);
    ck_assert_uint_eq(live_through(e, 20, &begin), 4);
    engine_free(e);
    e = world_new();
    put_series(e, "wed 14:00-16:00", 27, 2); /* this week and that after the next */
    ck_assert_uint_eq(live_through(e, 30, &begin), 2);
    ck_assert_int_eq(begin, MONDAY_9 + 16 * DAY + 5 * HOUR);
    engine_free(e);
}
END_TEST

START_TEST(a_stopped_series_places_no_more)
{
    struct engine *e = world_new();
    int64_t begin = 0;
    uint64_t id = put_series(e, "fri 09:00-11:00", 300, 1).id;
    live_through(e, 8, &begin);
    struct command stop = {.op = OP_SERIES_STOP, .u.series_id = id};
    ck_assert_int_eq(world_step(e, stop, MONDAY_9 + 8 * DAY).refusal.code, 0);
    ck_assert_int_eq(world_step(e, stop, MONDAY_9 + 8 * DAY).refusal.code, REFUSAL_NOT_FOUND);
    ck_assert_int_eq(engine_effects(e).series[0].next_at, 0);
    engine_effects_clear(e);
    ck_assert_uint_eq(live_through(e, 60, &begin), 0);
    engine_free(e);
}
END_TEST

/* The service stood still for three weeks: what is past is skipped by name, the rest goes on. */
START_TEST(missed_windows_are_skipped_by_name)
{
    struct engine *e = world_new();
    put_series(e, "tue 09:00-11:00", 60, 1);
    world_settle(e, MONDAY_9);
    engine_effects_clear(e);
    world_settle(e, MONDAY_9 + 22 * DAY + 3 * HOUR); /* after noon of the fourth Tuesday */
    ck_assert_uint_eq(world_event_count(e, EVENT_SERIES_SKIPPED), 3);
    ck_assert_uint_eq(world_event_count(e, EVENT_PLACED), 1);
    engine_free(e);
}
END_TEST

START_TEST(a_series_that_makes_no_sense_is_refused_by_field)
{
    struct engine *e = world_new();
    const struct {
        const char *repeat, *field;
        int days;
        uint32_t every;
    } cases[] = {{"never", "repeat", 30, 1},           {"always", "repeat", 30, 1},
                 {"tue 09:00-09:30", "minutes", 30, 1}, {"tue 09:00-11:00", "last_date", -1, 1},
                 {"tue 09:00-11:00", "every", 30, 53},  {"tue 09:00-11:00", "last_date", 1200, 1},
                 {"sun 09:00-11:00", "repeat", 5, 1}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct outcome o = put_series(e, cases[i].repeat, cases[i].days, cases[i].every);
        ck_assert_msg(o.refusal.code != REFUSAL_NONE, "case %zu", i);
        ck_assert_str_eq(o.refusal.field, cases[i].field);
    }
    ck_assert_uint_eq(engine_effects(e).series_count, 0);
    ck_assert_uint_eq(engine_effects(e).event_count, 0);
    engine_free(e);
}
END_TEST

Suite *suite_standing(void);
Suite *suite_standing(void)
{
    Suite *s = suite_create("standing");
    TCase *t = tcase_create("standing");
    tcase_add_test(t, in_an_emergency_certified_teams_are_asked_first_outside_their_hours);
    tcase_add_test(t, in_an_emergency_the_reach_is_the_citys);
    tcase_add_test(t, an_order_half_asked_leaves_the_dispatchers_queue);
    tcase_add_test(t, an_emergency_is_of_its_region_its_priorities_and_its_time);
    tcase_add_test(t, an_emergency_needs_a_region_a_reason_and_an_end);
    tcase_add_test(t, every_tuesday_until_the_last_day);
    tcase_add_test(t, several_windows_a_week_and_every_other_week);
    tcase_add_test(t, a_stopped_series_places_no_more);
    tcase_add_test(t, missed_windows_are_skipped_by_name);
    tcase_add_test(t, a_series_that_makes_no_sense_is_refused_by_field);
    suite_add_tcase(s, t);
    return s;
}
