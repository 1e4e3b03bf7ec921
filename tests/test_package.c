/* What make install and make deb put where, and that what is installed works and says the same. */
#include <stdio.h>
#include <string.h>

#include "daemon.h"

static int run(const char *format, const char *directory)
{
    char command[1000];
    const char *build = getenv("BUILD") != NULL ? getenv("BUILD") : "build";
    snprintf(command, sizeof command, "B=%s D=%s; %s", build, directory, format);
    return system(command);
}

static bool is_plain_build(void)
{
    const char *build = getenv("BUILD");
    return build == NULL || (strstr(build, "san") == NULL && strstr(build, "cov") == NULL);
}

START_TEST(installed_it_is_whole)
{
    char directory[64];
    make_directory(directory);
    ck_assert_int_eq(run("make -s install BUILD=$B DESTDIR=$D prefix=/usr", directory), 0);
    ck_assert_int_eq(run("$D/usr/bin/paidand --config $D/etc/paidan/paidan.conf --check >/dev/null", directory), 0);
    ck_assert_int_eq(run("grep -q '^regions = /usr/share/paidan/huizhou/regions.csv' $D/etc/paidan/paidan.conf", directory), 0);
    ck_assert_int_eq(run("zcat $D/usr/share/man/man8/paidand.8.gz | grep -q 'EX_IOERR'", directory), 0);
    ck_assert_int_eq(run("zcat $D/usr/share/man/man5/paidand.conf.5.gz | grep -q 'disk_reserve_mib'", directory), 0);
    ck_assert_int_eq(run("zcat $D/usr/share/man/man1/paidan.1.gz | grep -q 'order place'", directory), 0);
    ck_assert_int_eq(run("echo '# mine' >>$D/etc/paidan/paidan.conf; make -s install BUILD=$B DESTDIR=$D prefix=/usr && "
                         "grep -q '# mine' $D/etc/paidan/paidan.conf", directory), 0); /* an operator's settings stay */
    remove_directory(directory);
}
END_TEST

START_TEST(the_package_names_its_libraries)
{
    ck_assert_int_eq(run("F=$(sh tests/deb.sh $B 0.0.1 2>/dev/null) && dpkg-deb -f $F Depends | grep -q libsqlite3-0 && "
                         "dpkg-deb -f $F Depends | grep -q libhiredis && dpkg-deb -f $F Version | grep -qx 0.0.1 && rm $F", "-"), 0);
}
END_TEST

/* Alerts and dashboard with a real Prometheus: tests/monitoring.py. */
START_TEST(prometheus_loads_the_alerts_and_answers_the_dashboard)
{
    ck_assert_int_eq(run("/usr/bin/python3 tests/monitoring.py $B", "-"), 0);
}
END_TEST

Suite *suite_package(void);
Suite *suite_package(void)
{
    Suite *s = suite_create("package");
    TCase *t = tcase_create("package");
    tcase_set_timeout(t, 120);
    if (is_plain_build()) {
        tcase_add_test(t, installed_it_is_whole);
        tcase_add_test(t, the_package_names_its_libraries);
    } else {
        puts("not run in this build: installing and packaging (make would build with other flags)");
    }
    tcase_add_test(t, prometheus_loads_the_alerts_and_answers_the_dashboard);
    suite_add_tcase(s, t);
    return s;
}
