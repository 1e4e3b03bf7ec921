/* paidan-bench as scripts call it. */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "daemon.h"

static int bench(const char *arguments, char *said, size_t size)
{
    char command[900];
    snprintf(command, sizeof command, "%s %s 2>&1", program("paidan-bench"), arguments);
    FILE *pipe = popen(command, "re");
    size_t len = fread(said, 1, size - 1, pipe);
    said[len] = '\0';
    return WEXITSTATUS(pclose(pipe));
}

static const struct {
    const char *file, *says;
    int code;
} instances[] = {
    {"3\n4 1 3\n2 0 5\n3 2 2\n", "\"optimum\": 5", 0},
    {"2\n1 2\n3 4\n", "\"optimum\": 5", 0},
    {"3 5\n1 1 7\n1 2 1\n2 2 1\n2 3 9\n3 1 2\n", "\"optimum\": 12", 0},
    {"2 2\n1 1 1\n2 1 1\n", "not every row", EX_DATAERR},
    {"2 3\n1 3 5\n2 1 4\n1 1 1\n", "\"optimum\": 9", 0},
    {"2\n1 2\n3\n", "file:4:1: the file ends before n x n costs", EX_DATAERR},
    {"2\n1 2\n3 x\n", "file:3:3: not a whole number", EX_DATAERR},
    {"2 1\n1 5 3\n", "a column beyond", EX_DATAERR},
    {"2 1\n5 1 3\n", "file:2:1: a number out of range", EX_DATAERR},
    {"", "the file ends", EX_DATAERR},
};

START_TEST(an_assignment_is_read_and_solved)
{
    char said[2000];
    char arguments[100];
    char directory[64];
    make_directory(directory);
    snprintf(arguments, sizeof arguments, "%s/file", directory);
    write_file(arguments, instances[_i].file);
    snprintf(arguments, sizeof arguments, "assign %s/file --json", directory);
    int code = bench(arguments, said, sizeof said);
    ck_assert_msg(code == instances[_i].code && strstr(said, instances[_i].says) != NULL, "%d %s", code, said);
    remove_directory(directory);
}
END_TEST

START_TEST(files_are_matched)
{
    char directory[64];
    char path[100];
    char arguments[400];
    char said[4000];
    make_directory(directory);
    snprintf(path, sizeof path, "%s/orgs.csv", directory);
    write_file(path, "id,lat,lon,skills,reach_m,capacity,schedule\n"
                     "11,23.01,114.40,cook|sing,5000,2,always\n"
                     "12,23.02,114.40,cook,5000,2,always\n"
                     "13,23.03,114.40,cook,1000,2,always\n"
                     "14,23.005,114.40,cook,5000,1,sun 09:00-10:00\n");
    snprintf(path, sizeof path, "%s/orders.csv", directory);
    write_file(path, "ref,region,lat,lon,category,skills,starts_at,ends_at,minutes,headcount\n"
                     "a,,23.0,114.4,cook,,2026-11-23T09:00:00+08:00,2026-11-23T10:00:00+08:00,60,2\n"
                     "b,,23.0,114.4,cook,sing,2026-11-23T09:00:00+08:00,2026-11-23T10:00:00+08:00,60,1\n"
                     "c,,23.0,114.4,fly,,2026-11-23T09:00:00+08:00,2026-11-23T10:00:00+08:00,60,1\n");
    snprintf(arguments, sizeof arguments,
             "match --organisations %s/orgs.csv --orders %s/orders.csv --limit 3 --rank distance --out %s/out "
             "--json && cat %s/out", directory, directory, directory, directory);
    ck_assert_int_eq(bench(arguments, said, sizeof said), 0);
    ck_assert_ptr_nonnull(strstr(said, "\"matches_per_s\": "));
    ck_assert_msg(strstr(said, "\na,11;12\nb,11\nc,\n") != NULL, "%s", said);
    snprintf(arguments, sizeof arguments, "match --organisations %s/none.csv --orders %s/orders.csv", directory, directory);
    ck_assert_int_eq(bench(arguments, said, sizeof said), EX_NOINPUT);
    remove_directory(directory);
}
END_TEST

/* A file with one fault in its second line: what must be named. */
static const struct {
    const char *orgs, *orders, *says;
} faults[] = {
    {"id,lat,lon,skills\n1,23,114,cook\n2,95,114,cook\n", "ref,lat,lon,category\na,23,114,cook\n",
     "orgs.csv:3: lat: not a number from -90 to 90"},
    {"id,lat,lon,skills,schedule\n1,23,114,cook,mon 9-17\n", "ref,lat,lon,category\na,23,114,cook\n",
     "orgs.csv:2: schedule: "},
    {"id,lat,lon,skills,capacity\n1,23,114,cook,x\n", "ref,lat,lon,category\na,23,114,cook\n",
     "orgs.csv:2: capacity: not a number from 1 to 100000"},
    {"id,lat,lon,skills\n1,23,114,\n", "ref,lat,lon,category\na,23,114,cook\n", "orgs.csv:2: skills: at least one"},
    {"id,lat,lon,skills\n1,23,114,cook\n", "ref,lat,lon,category,starts_at\na,23,114,cook,soon\n",
     "orders.csv:2: starts_at: not a time"},
    {"id,lat,lon,skills\n1,23,114,cook\n", "ref,lat,lon,category,minutes\na,23,114,cook,0\n",
     "orders.csv:2: minutes: not a number from 1 to 1440"},
    {"id,lat,lon,skills\n1,23,114,cook\n", "ref,lat,lon,category\na,23,114,\n", "orders.csv:2: category: "},
};

START_TEST(a_faulty_line_is_named_with_its_column)
{
    char directory[64];
    char path[100];
    char arguments[400];
    char said[4000];
    make_directory(directory);
    snprintf(path, sizeof path, "%s/orgs.csv", directory);
    write_file(path, faults[_i].orgs);
    snprintf(path, sizeof path, "%s/orders.csv", directory);
    write_file(path, faults[_i].orders);
    snprintf(arguments, sizeof arguments, "match --organisations %s/orgs.csv --orders %s/orders.csv", directory, directory);
    ck_assert_int_eq(bench(arguments, said, sizeof said), EX_DATAERR);
    ck_assert_msg(strstr(said, faults[_i].says) != NULL, "%s", said);
    remove_directory(directory);
}
END_TEST

/* Every command of the figures, small: what it must say, or that it refuses nonsense. */
static const struct {
    const char *arguments, *says;
    int code;
} commands[] = {
    {"match --organisations 2000 --orders 500 --mixed --json", "\"matches_per_s\": ", 0},
    {"match --organisations 2000 --orders 200 --hostile rare --json", "\"matches_per_s\": ", 0},
    {"match --organisations 2000 --orders 200 --hostile nobody --json", "\"nobody\": 1.0000", 0},
    {"match --organisations 3000 --orders 200 --box city --rank distance", "matches/s", 0},
    {"match --hostile kind", "--hostile", EX_USAGE},
    {"match --box moon", "--box", EX_USAGE},
    {"match --limit 0", "--limit", EX_USAGE},
    {"match --limit x", "--limit must be a number", EX_USAGE},
    {"lifecycle --organisations 300 --seconds 1 --connections 2 --pipeline 32 --rate 500 --json", "\"rate\": 500", 0},
    {"lifecycle --connections 0", "--connections", EX_USAGE},
    {"race --organisations 300 --headcount 7 --connections 5 --json", "\"accepted\": 7, \"covered\": 293, \"other\": 0", 0},
    {"race --headcount 20001", "--headcount", EX_USAGE},
    {"wire --seconds 1 --json", "\"refused\": 0", 0},
    {"wire --match --organisations 300 --seconds 1 --json", "\"refused\": 0", 0},
    {"wire --pipeline 0", "--pipeline", EX_USAGE},
    {"import --organisations 2500 --json", "\"import_per_s\": ", 0},
    {"start --organisations 500 --orders 300 --json", "\"start_s\": ", 0},
    {"surge --seeds 1 --json", "\"left_together\": ", 0},
    {"surge --seeds 0", "--seeds", EX_USAGE},
    {"instance --size 0 --out /dev/null", "--size", EX_USAGE},
    {"instance --kind clustered --size 50 --out /dev/stdout", "50 50", 0},
    {"world", "--out", EX_USAGE},
    {"dance", "usage: paidan-bench", EX_USAGE},
};

START_TEST(a_command_says_its_figure_or_its_fault)
{
    char said[8000];
    int code = bench(commands[_i].arguments, said, sizeof said);
    ck_assert_msg(code == commands[_i].code && strstr(said, commands[_i].says) != NULL, "%s: %d %s",
                  commands[_i].arguments, code, said);
}
END_TEST

START_TEST(generated_data_are_the_same_for_the_same_seed)
{
    char said[2000];
    snprintf(said, sizeof said, "bash -c '%s=%s; cmp <($%s generate orgs --seed 3) <($%s generate orgs --seed 3) && "
             "! cmp -s <($%s generate orgs --seed 3) <($%s generate orgs --seed 4) && "
             "test $($%s generate orgs | wc -l) = 7124'", "p",
             program("paidan-bench"), "p", "p", "p", "p", "p");
    ck_assert_int_eq(system(said), 0);
}
END_TEST

START_TEST(whole_lives_are_counted)
{
    char said[2000];
    ck_assert_int_eq(bench("lifecycle --organisations 500 --seconds 1 --connections 3 --pipeline 4 --json", said,
                           sizeof said), 0);
    const char *at = strstr(said, "\"lives_per_s\": ");
    ck_assert_msg(at != NULL && atoi(at + strlen("\"lives_per_s\": ")) > 0, "%s", said);
    ck_assert_msg(strstr(said, "\"refused\": 0") != NULL, "%s", said);
}
END_TEST

Suite *suite_bench(void);
Suite *suite_bench(void)
{
    Suite *s = suite_create("bench");
    TCase *t = tcase_create("bench");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, an_assignment_is_read_and_solved, 0, (int)ARRAY_LEN(instances));
    tcase_add_test(t, files_are_matched);
    tcase_add_loop_test(t, a_faulty_line_is_named_with_its_column, 0, (int)ARRAY_LEN(faults));
    tcase_add_loop_test(t, a_command_says_its_figure_or_its_fault, 0, (int)ARRAY_LEN(commands));
    tcase_add_test(t, generated_data_are_the_same_for_the_same_seed);
    tcase_add_test(t, whole_lives_are_counted);
    suite_add_tcase(s, t);
    return s;
}
