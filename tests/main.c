/* main.c -- runs every suite of suites.def; CK_RUN_SUITE and CK_RUN_CASE choose. */
#include <stdio.h>
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

int main(void)
{
    char seen[] = "/tmp/paidan-seen.XXXXXX";
    int fd = mkstemp(seen);
    if (fd < 0)
        return 1;
    close(fd);
    setenv("PAIDAN_SEEN", seen, 1);
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
    bool is_whole = getenv("CK_RUN_SUITE") == NULL && getenv("CK_RUN_CASE") == NULL;
    int unseen = is_whole ? seen_report() : 0;
    unlink(seen);
    failed += unseen != 0;
    ran += is_whole;
    printf("%d passed, %d failed\n", ran - failed, failed);
    return failed == 0 ? 0 : 1;
}
