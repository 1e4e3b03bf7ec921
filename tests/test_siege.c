/* The real daemon under faults, power cut with a disk that forgets, and bugs planted on purpose: short
 * runs of tests/faults.py, tests/powercut.py, tests/callers.py and tests/mutants.sh. */
#include <stdio.h>
#include <string.h>

#include "daemon.h"

static int run(const char *script, int count, const char *what)
{
    char command[400];
    const char *build = getenv("BUILD") != NULL ? getenv("BUILD") : "build";
    snprintf(command, sizeof command, "%s %s %d %s", script, build, count, what);
    return system(command);
}

START_TEST(faults_hold)
{
    static const char *const faults[] = {"kill_9", "drain", "no_descriptors", "redis_comes_and_goes", "backup_restore"};
    ck_assert_int_eq(run("/usr/bin/python3 tests/faults.py", 2, faults[_i]), 0);
}
END_TEST

/* With a positive control: where syncs do nothing the loss is seen. */
START_TEST(power_is_cut_and_nothing_is_lost)
{
    static const char *const targets[] = {"paidan", "paidan-eio", "paidan-unsynced"};
    ck_assert_int_eq(run("/usr/bin/python3 tests/powercut.py", 3, targets[_i]), 0);
}
END_TEST

/* Each attack a fourth of its size. */
START_TEST(callers_hold_no_more_than_their_share)
{
    ck_assert_int_eq(run("/usr/bin/python3 tests/callers.py", 4, ""), 0);
}
END_TEST

/* And the gates that say so are shown failures that were planted. */
START_TEST(no_gate_lets_a_failure_pass)
{
    ck_assert_int_eq(run("sh tests/gates.sh", 0, ""), 0);
}
END_TEST

START_TEST(every_planted_bug_still_fits_the_code)
{
    ck_assert_int_eq(system("for p in tests/mutants/*.patch; do patch --dry-run -s -f -p1 <$p || exit 1; done"), 0);
}
END_TEST

START_TEST(planted_bugs_are_caught)
{
    static const char *const mutants[] = {"early_answer", "synchronous_normal", "fsync_retried", "ref_not_kept",
                                          "list_not_narrowed", "told_early", "goes_on_after_failure",
                                          "every_peer_is_root", "share_unbounded"};
    ck_assert_int_eq(run("sh tests/mutants.sh", 200, mutants[_i]), 0);
}
END_TEST

Suite *suite_siege(void);
Suite *suite_siege(void)
{
    Suite *s = suite_create("siege");
    TCase *t = tcase_create("siege");
    tcase_set_timeout(t, 300);
    tcase_add_loop_test(t, faults_hold, 0, 5);
    tcase_add_test(t, no_gate_lets_a_failure_pass);
    tcase_add_test(t, every_planted_bug_still_fits_the_code);
    if (is_sanitized()) {
        puts("not run under the sanitizers: power cuts (the library that forgets cannot be loaded before theirs), "
             "planted bugs (they link without), what callers hold (memory is the sanitizers' too)");
    } else {
        tcase_add_test(t, callers_hold_no_more_than_their_share);
        tcase_add_loop_test(t, power_is_cut_and_nothing_is_lost, 0, 3);
        tcase_add_loop_test(t, planted_bugs_are_caught, 0, 9);
    }
    suite_add_tcase(s, t);
    return s;
}
