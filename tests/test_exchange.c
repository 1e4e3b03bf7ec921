/* Files in and out: what is imported, line by line, and what is exported, counted and digested. */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "daemon.h"

static int64_t place(struct daemon *d, const char *ref, const char *more)
{
    char json[600];
    snprintf(json, sizeof json, "{\"ref\":\"%s\",\"region\":441302001001,\"category\":\"legal_aid\"%s}", ref, more);
    return daemon_number(d, "order.place", json, "order");
}

START_TEST(files_are_imported_or_their_lines_are_named)
{
    struct daemon d = daemon_start(NULL);
    char said[20000];
    char path[100];
    char arguments[600];
    snprintf(path, sizeof path, "%s/orgs.csv", d.directory);
    snprintf(arguments, sizeof arguments, "import orgs %s --all-or-nothing", path);
    write_file(path, "id,name,lat,lon,skills,schedule,insured\n1,甲,23.08,114.41,legal_aid|haircut,"
                     "\"mon-fri 09:00-12:00,14:00-17:30\",true\n2,乙,99,114.41,legal_aid,,\n3,丙,23.08,x,haircut,,\n");
    ck_assert_int_eq(daemon_cli(&d, arguments, said, sizeof said), EX_DATAERR);
    ck_assert_ptr_nonnull(strstr(said, "orgs.csv:3: out_of_range"));
    ck_assert_ptr_nonnull(strstr(said, "orgs.csv:4: bad_type"));
    ck_assert_ptr_nonnull(strstr(said, "nothing was imported"));
    ck_assert_int_eq(daemon_number(&d, "server.stats", "{}", "orgs"), 0);
    arguments[strlen(arguments) - strlen(" --all-or-nothing")] = '\0';
    ck_assert_int_eq(daemon_cli(&d, arguments, said, sizeof said), EX_DATAERR);
    ck_assert_ptr_nonnull(strstr(said, "1 rows imported, 2 refused"));
    const struct node *org = daemon_call(&d, "org.get", "{\"org\":1}");
    ck_assert_str_eq(member(org, "schedule"), "mon-fri 09:00-12:00,14:00-17:30");
    ck_assert_int_eq(member_number(org, "reach_m"), 5000);
    ck_assert(node_get(org, "registered")->u.truth);
    write_file(path, "id,name,lat,lon,skills,colour\n1,甲,23.08,114.41,legal_aid,red\n");
    ck_assert_int_eq(daemon_cli(&d, arguments, said, sizeof said), EX_DATAERR);
    ck_assert_ptr_nonnull(strstr(said, "unknown column: colour"));
    snprintf(arguments, sizeof arguments,
             "%s generate orders --count 200 > %s/orders.csv", program("paidan-bench"), d.directory);
    ck_assert_int_eq(system(arguments), 0);
    snprintf(arguments, sizeof arguments, "import orders %s/orders.csv", d.directory);
    ck_assert_int_eq(daemon_cli(&d, arguments, said, sizeof said), 0);
    ck_assert_ptr_nonnull(strstr(said, "200 rows imported, 0 refused"));
    ck_assert_int_eq(daemon_cli(&d, arguments, said, sizeof said), 0); /* again: the same refs, the same orders */
    const struct node *stats = daemon_call(&d, "stats.summary", "{}");
    ck_assert_int_eq(member_number(stats, "orders"), 200);
    daemon_end(&d);
}
END_TEST

START_TEST(what_is_exported_is_imported)
{
    struct daemon d = daemon_start(NULL);
    char texts[2][2000];
    char said[20000];
    char command[400];
    daemon_number(&d, "org.put", "{\"id\":7,\"region\":441302001001,\"lat\":23.0861,\"lon\":114.4132,\"skills\":[\"legal_aid\"],\"certified\":[\"legal_aid\"],"
                                 "\"capacity\":5,\"name\":\"七队\",\"schedule\":\"mon-fri 09:00-12:00\",\"regions\":[441302]}", "org");
    daemon_number(&d, "org.put", "{\"id\":8,\"lat\":23.0861,\"lon\":114.4132,\"skills\":[\"haircut\"],\"name\":\"八队\"}", "org");
    daemon_call(&d, "org.duty", "{\"org\":8,\"on\":false}");
    place(&d, "one", "");
    int64_t over = place(&d, "two", "");
    snprintf(command, sizeof command, "{\"order\":%lld}", (long long)over);
    daemon_call(&d, "order.cancel", command);
    daemon_call(&d, "record.add", "{\"source\":\"macao\",\"external_id\":\"M\",\"volunteer\":5,\"minutes\":90,\"date\":\"2026-01-05\"}");
    for (int csv = 0; csv < 2; csv++) {
        struct daemon other = daemon_start(NULL);
        snprintf(command, sizeof command, "export all %s/%d%s", d.directory, csv, csv != 0 ? " --csv" : "");
        ck_assert_int_eq(daemon_cli(&d, command, said, sizeof said), 0);
        const char *const kinds[] = {"orgs", "orders", "records"};
        for (int i = 0; i < 3; i++) {
            snprintf(command, sizeof command, "import %s %s/%d/%s.%s%s", kinds[i], d.directory, csv, kinds[i],
                     csv != 0 ? "csv" : "ndjson", i != 2 ? " --all-or-nothing" : "");
            ck_assert_msg(daemon_cli(&other, command, said, sizeof said) == 0, "%s: %s", command, said);
            ck_assert_msg(strstr(said, i == 0 ? "2 rows imported" : "1 rows imported") != NULL, "%s: %s", command, said);
        }
        snprintf(command, sizeof command, "import orders %s/%d/orders.%s", d.directory, csv, csv != 0 ? "csv" : "ndjson");
        ck_assert_int_eq(daemon_cli(&other, command, said, sizeof said), 0); /* twice is once */
        for (int i = 0; i < 2; i++)
            ck_assert_int_eq(daemon_cli(i == 0 ? &d : &other, "--json call org.get '{\"org\":7}'", texts[i], sizeof texts[i]), 0);
        ck_assert_str_eq(texts[0], texts[1]);
        ck_assert(!node_get(daemon_call(&other, "org.get", "{\"org\":8}"), "on")->u.truth);
        ck_assert_int_eq(daemon_number(&other, "stats.summary", "{}", "orders"), 1);
        ck_assert_int_eq(daemon_number(&other, "volunteer.get", "{\"volunteer\":5}", "minutes"), 90);
        daemon_end(&other);
    }
    daemon_end(&d);
}
END_TEST

START_TEST(wrong_lines_of_ndjson_are_named)
{
    struct daemon d = daemon_start(NULL);
    char said[20000];
    char path[100];
    char arguments[300];
    snprintf(path, sizeof path, "%s/orgs.ndjson", d.directory);
    write_file(path, "{\"id\":1,\"lat\":23.08,\"lon\":114.41,\"skills\":[\"legal_aid\"],\"name\":\"甲\"}\n\n{\"id\":2,\"lat\":99,\"lon\":114.41,\"skills\":[\"legal_aid\"]}\n"
                     "{\"id\":3,\n[1]\n{\"id\":4,\"lat\":23,\"lon\":114,\"skills\":[],\"colour\":\"red\"}\n{\"lat\":23,\"lon\":114,\"skills\":[\"legal_aid\"]}\n");
    snprintf(arguments, sizeof arguments, "import orgs %s", path);
    ck_assert_int_eq(daemon_cli(&d, arguments, said, sizeof said), EX_DATAERR);
    static const char *const wanted[] = {"orgs.ndjson:3: out_of_range: ", "lat must be -90 to 90", "此项超出允许范围", "orgs.ndjson:4: bad_request: ",
                                         "orgs.ndjson:5: bad_request: ", "orgs.ndjson:6: unknown_field: unknown field: colour",
                                         "orgs.ndjson:7: missing_field: ", "1 rows imported, 5 refused"};
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
        ck_assert_msg(strstr(said, wanted[i]) != NULL, "%s not in: %s", wanted[i], said);
    snprintf(path, sizeof path, "%s/records.csv", d.directory);
    write_file(path, "record,volunteer,minutes,date\n12,5,60,2026-01-05\n");
    snprintf(arguments, sizeof arguments, "import records %s", path);
    ck_assert_int_eq(daemon_cli(&d, arguments, said, sizeof said), EX_DATAERR);
    ck_assert_ptr_nonnull(strstr(said, "records.csv:2: missing_field: "));
    snprintf(arguments, sizeof arguments, "import records %s --source other_city", path);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(daemon_cli(&d, arguments, said, sizeof said), 0);
    ck_assert_int_eq(daemon_number(&d, "volunteer.get", "{\"volunteer\":5}", "minutes"), 60);
    ck_assert_int_eq(daemon_cli(&d, "import people x.csv", said, sizeof said), EX_USAGE);
    ck_assert_int_eq(daemon_cli(&d, "import orgs /no/such.ndjson", said, sizeof said), EX_NOINPUT);
    daemon_end(&d);
}
END_TEST

START_TEST(what_is_exported_is_counted_and_digested)
{
    struct daemon d = daemon_start(NULL);
    char said[4000];
    char command[400];
    daemon_number(&d, "org.put", "{\"id\":7,\"region\":441302001001,\"lat\":23.0861,\"lon\":114.4132,\"skills\":[\"legal_aid\"],"
                                 "\"capacity\":5,\"name\":\"=1+1, \\\"七队\\\"\"}", "org");
    place(&d, "one", "");
    place(&d, "two", ",\"contact\":{\"name\":\"CANARY\"}");
    snprintf(command, sizeof command, "export all %s/out", d.directory);
    ck_assert_int_eq(daemon_cli(&d, command, said, sizeof said), 0);
    ck_assert_ptr_nonnull(strstr(said, "orders.ndjson        2 rows"));
    snprintf(command, sizeof command, "cd %s/out && sha256sum -c --quiet SHA256SUMS && [ $(wc -l <orders.ndjson) = 2 ] && "
             "! grep -rq CANARY . && grep -q '\"kind\": \"events\"' manifest.json && ! ls *.part 2>/dev/null", d.directory);
    ck_assert_int_eq(system(command), 0);
    snprintf(command, sizeof command, "export orgs %s/csv --csv", d.directory);
    ck_assert_int_eq(daemon_cli(&d, command, said, sizeof said), 0);
    snprintf(command, sizeof command, "python3 -c \"import csv; r = list(csv.DictReader(open('%s/csv/orgs.csv', newline=''))); "
             "assert len(r) == 1 and r[0]['name'] == chr(39) + '=1+1, ' + chr(34) + '七队' + chr(34), r\"", d.directory);
    ck_assert_int_eq(system(command), 0);
    snprintf(command, sizeof command, "export events %s/more --after 2", d.directory); /* where an earlier one ended */
    ck_assert_int_eq(daemon_cli(&d, command, said, sizeof said), 0);
    snprintf(command, sizeof command, "grep -q '\"seq\": 3,' %s/more/events.ndjson && ! grep -q '\"seq\": 2,' %s/more/events.ndjson",
             d.directory, d.directory);
    ck_assert_int_eq(system(command), 0);
    snprintf(command, sizeof command, "export public %s/figures --csv --month $(TZ=Asia/Shanghai date +%%Y-%%m)", d.directory);
    ck_assert_int_ne(daemon_cli(&d, command, said, sizeof said), 0);
    ck_assert_msg(strstr(said, "that month is not over") != NULL, "%s", said);
    snprintf(command, sizeof command, "export public %s/figures --csv --month 2025-11", d.directory);
    ck_assert_msg(daemon_cli(&d, command, said, sizeof said) == 0, "%s", said);
    snprintf(command, sizeof command, "grep -q '^region,' %s/figures/public.csv && cd %s/figures && sha256sum -c --quiet SHA256SUMS",
             d.directory, d.directory);
    ck_assert_int_eq(system(command), 0);
    ck_assert_int_eq(daemon_cli(&d, "export public /tmp/x", said, sizeof said), EX_USAGE);
    ck_assert_int_eq(daemon_cli(&d, "export people /tmp/x", said, sizeof said), EX_USAGE);
    ck_assert_int_eq(daemon_cli(&d, "export orders /tmp/x --since yesterday", said, sizeof said), EX_USAGE);
    ck_assert_int_eq(daemon_cli(&d, "export orders /proc/x", said, sizeof said), EX_CANTCREAT);
    daemon_end(&d);
}
END_TEST

Suite *suite_exchange(void);
Suite *suite_exchange(void)
{
    Suite *s = suite_create("exchange");
    TCase *t = tcase_create("exchange");
    tcase_set_timeout(t, 180);
    tcase_add_test(t, files_are_imported_or_their_lines_are_named);
    tcase_add_test(t, what_is_exported_is_imported);
    tcase_add_test(t, wrong_lines_of_ndjson_are_named);
    tcase_add_test(t, what_is_exported_is_counted_and_digested);
    suite_add_tcase(s, t);
    return s;
}
