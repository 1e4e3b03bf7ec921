/* main.c -- runs every suite of suites.def; CK_RUN_SUITE and CK_RUN_CASE choose. `run seen` says what runs
 * that shared a file PAIDAN_SEEN never saw. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "world.h"

#define SUITE(name) Suite *suite_##name(void);
#include "suites.def"
#undef SUITE

/* Tests that stop half way leave memory behind; the programs that they start are held to account. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

static int conclude(int passed, int failed)
{
    printf("%d passed, %d failed\n", passed, failed);
    return failed == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    char seen[] = "/tmp/paidan-seen.XXXXXX";
    bool is_alone = getenv("PAIDAN_SEEN") == NULL;
    if (argc == 2 && !is_alone && strcmp(argv[1], "seen") == 0)
        return seen_report() == 0 ? conclude(1, 0) : conclude(0, 1);
    int fd = is_alone ? mkstemp(seen) : -1;
    if (is_alone && fd < 0)
        return 1;
    if (is_alone) {
        close(fd);
        setenv("PAIDAN_SEEN", seen, 1);
    }
    setenv("TZ", "Asia/Shanghai", 1);
    SRunner *runner = srunner_create(NULL);
#define SUITE(name) srunner_add_suite(runner, suite_##name());
#include "suites.def"
#undef SUITE
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    int ran = srunner_ntests_run(runner);
    srunner_free(runner);
    /* Only a whole run can have seen every refusal and misfit. */
    bool is_whole = is_alone && getenv("CK_RUN_SUITE") == NULL && getenv("CK_RUN_CASE") == NULL;
    int unseen = is_whole ? seen_report() : 0;
    if (is_alone)
        unlink(seen);
    failed += unseen != 0;
    ran += is_whole;
    return conclude(ran - failed, failed);
}
