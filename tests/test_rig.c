/* Simulated runs and short sweeps; `make sim` and `make scoreboard` go on for longer. */
#include "rig/sim.h"
#include "world.h"

static void prepare(void)
{
    sim_prepare();
}

START_TEST(seeds_are_good)
{
    for (uint64_t seed = 1 + (uint64_t)_i * 20; seed <= 20 + (uint64_t)_i * 20; seed++) {
        struct sim_result r = sim_run(seed);
        ck_assert_msg(r.is_good, "seed %llu: %s", (unsigned long long)seed, r.why);
        ck_assert_uint_gt(r.answered, 20);
    }
}
END_TEST

static const uint64_t seeds[] = {
#define SEED(number, what) number,
#include "rig/seeds.def"
#undef SEED
};

START_TEST(seeds_that_failed_once_are_good)
{
    struct sim_result r = sim_run(seeds[_i]);
    ck_assert_msg(r.is_good, "seed %llu: %s", (unsigned long long)seeds[_i], r.why);
}
END_TEST

START_TEST(one_number_gives_the_same_run)
{
    struct sim_result first = sim_run(77);
    struct sim_result again = sim_run(77);
    struct sim_result other = sim_run(78);
    ck_assert_uint_eq(first.trace, again.trace);
    ck_assert_uint_eq(first.crashes, again.crashes);
    ck_assert_uint_ne(first.trace, other.trace);
}
END_TEST

/* What the sweeps try here is a part that differs from start to stride; all of it is `make sim`. */
START_TEST(no_crash_loses_what_was_committed)
{
    struct sweep_result r = sweep_crashes(1 + (uint64_t)_i, (unsigned)_i, 41, 3);
    ck_assert_msg(r.is_good, "%s", r.why);
    ck_assert_uint_gt(r.points, 100);
    ck_assert_uint_gt(r.seconds, 10);
}
END_TEST

START_TEST(no_fault_of_the_disk_loses_what_was_committed)
{
    struct sweep_result r = sweep_faults(3, 1 + (unsigned)_i * 7, 83);
    ck_assert_msg(r.is_good, "%s", r.why);
    ck_assert_uint_gt(r.points, 40);
}
END_TEST

START_TEST(no_missing_memory_loses_what_was_committed)
{
    struct sweep_result r = sweep_memory(5, 1 + (unsigned)_i * 100, 401);
    ck_assert_msg(r.is_good, "%s", r.why);
    ck_assert_uint_gt(r.points, 20);
}
END_TEST

/* The rig sees loss where there is some: on a disk that forgets a synced write. */
START_TEST(a_disk_that_lies_is_noticed)
{
    int noticed = 0;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct sim_result r = sim_run_on_liar(seed);
        noticed += !r.is_good;
    }
    ck_assert_int_ge(noticed, 8);
}
END_TEST

Suite *suite_rig(void);
Suite *suite_rig(void)
{
    Suite *s = suite_create("rig");
    TCase *t = tcase_create("rig");
    tcase_set_timeout(t, 300);
    tcase_add_checked_fixture(t, prepare, NULL);
    tcase_add_loop_test(t, seeds_are_good, 0, 5);
    tcase_add_loop_test(t, seeds_that_failed_once_are_good, 0, (int)ARRAY_LEN(seeds));
    tcase_add_test(t, one_number_gives_the_same_run);
    tcase_add_loop_test(t, no_crash_loses_what_was_committed, 0, 2);
    tcase_add_loop_test(t, no_fault_of_the_disk_loses_what_was_committed, 0, 2);
    tcase_add_loop_test(t, no_missing_memory_loses_what_was_committed, 0, 2);
    tcase_add_test(t, a_disk_that_lies_is_noticed);
    suite_add_tcase(s, t);
    return s;
}
