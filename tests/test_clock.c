/* Steps of the host's clock: what is believed, when, and what is told of it. */
#include "proto/clock.h"

#include "world.h"

#define AT INT64_C(1795395600000)
#define SECOND INT64_C(1000)
#define A_MINUTE (60 * SECOND)
#define AN_HOUR (60 * A_MINUTE)
#define A_DAY (24 * AN_HOUR)

static struct clock started(void)
{
    struct clock c = {.trust_ms = AN_HOUR};
    clock_start(&c, AT, 5 * SECOND, 0);
    ck_assert_int_eq(c.news, CLOCK_NOTHING);
    return c;
}

/* `after` the start, with the host's clock set by `step`. */
static int64_t told(struct clock *c, int64_t after, int64_t step)
{
    return clock_now(c, AT + after + step, 5 * SECOND + after) - AT;
}

START_TEST(a_clock_that_goes_on_is_followed)
{
    struct clock c = started();
    for (int64_t after = 0; after < 400 * A_DAY; after += 7 * AN_HOUR)
        ck_assert_int_eq(told(&c, after, 0), after); /* hours of sleep are no steps */
    ck_assert_int_eq(told(&c, 401 * A_DAY, 59 * A_MINUTE), 401 * A_DAY + 59 * A_MINUTE);
    ck_assert_int_eq(c.news, CLOCK_NOTHING);
    ck_assert_uint_eq(c.steps, 0);
}
END_TEST

START_TEST(a_small_step_back_makes_it_wait)
{
    struct clock c = started();
    ck_assert_int_eq(told(&c, AN_HOUR, 0), AN_HOUR);
    ck_assert_int_eq(told(&c, AN_HOUR + SECOND, -30 * A_MINUTE), AN_HOUR);
    ck_assert_int_eq(told(&c, AN_HOUR + 29 * A_MINUTE, -30 * A_MINUTE), AN_HOUR);
    ck_assert_int_eq(told(&c, AN_HOUR + 31 * A_MINUTE, -30 * A_MINUTE), AN_HOUR + A_MINUTE);
    ck_assert(!c.is_doubted);
}
END_TEST

/* Many small steps back are no way to hold the time still for longer than an hour. */
START_TEST(small_steps_back_add_up_to_one_that_is_doubted)
{
    struct clock c = started();
    told(&c, AN_HOUR, 0);
    told(&c, AN_HOUR, -59 * A_MINUTE);
    ck_assert(!c.is_doubted);
    ck_assert_int_eq(told(&c, AN_HOUR, -2 * 59 * A_MINUTE), AN_HOUR);
    ck_assert(c.is_doubted);
    ck_assert_int_eq(told(&c, AN_HOUR + A_MINUTE, -2 * 59 * A_MINUTE), AN_HOUR + A_MINUTE);
}
END_TEST

static const int64_t steps[] = {AN_HOUR + SECOND, 10 * A_DAY, 200 * A_DAY, 3650 * A_DAY, -AN_HOUR - SECOND, -A_DAY, -3650 * A_DAY};

START_TEST(a_step_is_not_believed_and_may_come_back)
{
    struct clock c = started();
    for (int64_t after = A_MINUTE; after < A_MINUTE + AN_HOUR; after += SECOND) {
        ck_assert_int_eq(told(&c, after, steps[_i]), after);
        ck_assert(c.is_doubted);
        ck_assert_int_eq(c.news, after == A_MINUTE ? CLOCK_STEPPED : CLOCK_NOTHING);
    }
    ck_assert_int_eq(c.doubted_wall, AT + A_MINUTE + steps[_i]);
    ck_assert_int_eq(told(&c, AN_HOUR, 0), AN_HOUR + A_MINUTE - SECOND); /* never backwards */
    ck_assert_int_eq(told(&c, 2 * AN_HOUR, 0), 2 * AN_HOUR);
    ck_assert(!c.is_doubted);
    ck_assert_uint_eq(c.steps, 1);
}
END_TEST

START_TEST(a_step_that_has_stood_is_believed)
{
    struct clock c = started();
    told(&c, A_MINUTE, steps[_i]);
    ck_assert_int_eq(c.from, AT + A_MINUTE);
    ck_assert_int_eq(c.to, AT + A_MINUTE + steps[_i]);
    ck_assert_int_eq(told(&c, AN_HOUR + A_MINUTE, steps[_i]), AN_HOUR + A_MINUTE + steps[_i]);
    ck_assert_int_eq(c.news, CLOCK_STOOD);
    ck_assert_int_eq(c.from, AT + AN_HOUR + A_MINUTE);
    ck_assert_int_eq(told(&c, A_DAY, steps[_i]), A_DAY + steps[_i]);
    ck_assert_int_eq(c.news, CLOCK_NOTHING);
    ck_assert(!c.is_doubted);
}
END_TEST

START_TEST(each_step_stands_for_its_own_time)
{
    struct clock c = started();
    for (int i = 1; i < 20; i++) /* set anew every half an hour */
        ck_assert_int_eq(told(&c, i * 30 * A_MINUTE, i * 10 * A_DAY), i * 30 * A_MINUTE);
    ck_assert_uint_eq(c.steps, 19);
}
END_TEST

START_TEST(somebody_may_say_that_it_is_right)
{
    struct clock c = started();
    told(&c, A_MINUTE, steps[_i]);
    clock_trust(&c, AT + A_MINUTE + steps[_i], 5 * SECOND + A_MINUTE);
    ck_assert(!c.is_doubted);
    ck_assert_int_eq(told(&c, 2 * A_MINUTE, steps[_i]), 2 * A_MINUTE + steps[_i]);
    ck_assert_int_eq(c.news, CLOCK_NOTHING);
}
END_TEST

START_TEST(a_start_is_held_against_the_newest_event)
{
    static const struct {
        int64_t wall; /* after the newest event */
        bool is_believed;
        int64_t now;
    } cases[] = {{0, true, 0}, {A_DAY, true, A_DAY}, {31 * A_DAY, true, 31 * A_DAY}, {31 * A_DAY + SECOND, false, 0},
                 {3650 * A_DAY, false, 0}, {-59 * A_MINUTE, true, 0}, {-AN_HOUR - SECOND, false, 0}, {-A_DAY, false, 0}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct clock c = {.trust_ms = AN_HOUR};
        clock_start(&c, AT + cases[i].wall, SECOND, AT);
        ck_assert_int_eq(c.is_doubted, !cases[i].is_believed);
        ck_assert_int_eq(c.news, cases[i].is_believed ? CLOCK_NOTHING : CLOCK_STEPPED);
        ck_assert_int_eq(clock_now(&c, AT + cases[i].wall, SECOND), AT + cases[i].now);
        if (cases[i].is_believed)
            continue;
        ck_assert_int_eq(clock_now(&c, AT + cases[i].wall + A_MINUTE, A_MINUTE + SECOND), AT + A_MINUTE);
        ck_assert_int_eq(clock_now(&c, AT + cases[i].wall + AN_HOUR, AN_HOUR + SECOND), AT + cases[i].wall + AN_HOUR);
    }
}
END_TEST

START_TEST(times_are_told_as_texts)
{
    char text[CLOCK_TEXT_BYTES];
    clock_text(AT, text);
    ck_assert_str_eq(text, "2026-11-23T01:00:00Z");
}
END_TEST

Suite *suite_clock(void);
Suite *suite_clock(void)
{
    Suite *s = suite_create("clock");
    TCase *t = tcase_create("clock");
    tcase_add_test(t, a_clock_that_goes_on_is_followed);
    tcase_add_test(t, a_small_step_back_makes_it_wait);
    tcase_add_test(t, small_steps_back_add_up_to_one_that_is_doubted);
    tcase_add_loop_test(t, a_step_is_not_believed_and_may_come_back, 0, (int)ARRAY_LEN(steps));
    tcase_add_loop_test(t, a_step_that_has_stood_is_believed, 0, (int)ARRAY_LEN(steps));
    tcase_add_test(t, each_step_stands_for_its_own_time);
    tcase_add_loop_test(t, somebody_may_say_that_it_is_right, 0, (int)ARRAY_LEN(steps));
    tcase_add_test(t, a_start_is_held_against_the_newest_event);
    tcase_add_test(t, times_are_told_as_texts);
    suite_add_tcase(s, t);
    return s;
}
