/* What the city asked for, over the socket of a real daemon: records and certificates, recurring orders
 * with their personal data, proxies, emergencies, figures that anybody can reckon again. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "daemon.h"


static const struct node *call(struct daemon *d, const char *method, const char *json)
{
    const struct node *result = daemon_call(d, method, json);
    ck_assert_msg(result != NULL, "%s %s: %s %s", method, json, member(daemon_error(), "code"), member(daemon_error(), "message"));
    return result;
}

static int64_t put_team(struct daemon *d)
{
    return daemon_number(d, "org.put", "{\"ref\":\"team\",\"name\":\"法律队\",\"region\":441302001001,\"lat\":23.0861,"
                                       "\"lon\":114.4132,\"skills\":[\"legal_aid\"],\"capacity\":9}", "org");
}

static int64_t told_held; /* as the last serve() was told; -1: none */

/* One order from place to done, with one volunteer's minutes; its number. */
static int64_t serve(struct daemon *d, const char *ref, int64_t volunteer, int minutes, const char *more)
{
    char json[500];
    snprintf(json, sizeof json, "{\"ref\":\"%s\",\"region\":441302001001,\"category\":\"legal_aid\",\"mode\":\"auto\"%s}", ref, more);
    const struct node *placed = call(d, "order.place", json);
    int64_t order = member_number(placed, "order");
    int64_t offer = member_number(&node_get(placed, "offers")->u.items[0], "offer");
    snprintf(json, sizeof json, "{\"offer\":%lld}", (long long)offer);
    call(d, "offer.accept", json);
    call(d, "service.start", json);
    snprintf(json, sizeof json, "{\"offer\":%lld,\"records\":[{\"volunteer\":%lld,\"minutes\":%d}]}", (long long)offer,
             (long long)volunteer, minutes);
    told_held = member_number(call(d, "service.complete", json), "held");
    return order;
}

static const struct node *first_item(const struct node *list)
{
    const struct node *items = node_get(list, "items");
    ck_assert(items != NULL && items->kind == NODE_LIST && items->count != 0);
    return &items->u.items[0];
}

START_TEST(hours_become_stars_after_their_review_and_a_restart_keeps_all)
{
    struct daemon d = daemon_start(NULL);
    char json[300];
    put_team(&d);
    serve(&d, "a", 77, 470, "");
    ck_assert_int_eq(told_held, -1);
    serve(&d, "b", 77, 60, "");
    ck_assert_int_eq(told_held, 1);
    const struct node *v = call(&d, "volunteer.get", "{\"volunteer\":77}");
    ck_assert_int_eq(member_number(v, "minutes"), 470);
    ck_assert_int_eq(member_number(v, "review_minutes"), 60);
    ck_assert_str_eq(member(v, "star"), "");
    ck_assert_str_eq(member(v, "next_star"), "star_1");
    ck_assert_int_eq(member_number(v, "next_star_minutes"), 6000);
    daemon_stop(&d);
    daemon_again(&d, NULL);
    const struct node *held = first_item(call(&d, "record.list", "{\"record_state\":\"review\"}"));
    int64_t record = member_number(held, "record");
    ck_assert_int_eq(member_number(held, "minutes"), 60);
    snprintf(json, sizeof json, "{\"record\":%lld,\"grant\":false}", (long long)record);
    ck_assert_str_eq(daemon_refused(&d, "record.review", json), "missing_field"); /* why not? */
    snprintf(json, sizeof json, "{\"record\":%lld,\"grant\":true}", (long long)record);
    ck_assert_str_eq(member(call(&d, "record.review", json), "record_state"), "certified");
    ck_assert_str_eq(daemon_refused(&d, "record.review", json), "not_found");
    ck_assert_int_eq(daemon_number(&d, "volunteer.get", "{\"volunteer\":77}", "minutes"), 530);
    for (int day = 1; day <= 12; day++) { /* a hundred hours, most of them served in Hong Kong */
        snprintf(json, sizeof json, "{\"source\":\"hongkong\",\"external_id\":\"HK-%d\",\"volunteer\":77,\"minutes\":460,\"date\":\"2026-01-%02d\"}", day, day);
        call(&d, "record.add", json);
    }
    v = call(&d, "volunteer.get", "{\"volunteer\":77}");
    ck_assert_int_eq(member_number(v, "minutes"), 530 + 12 * 460);
    ck_assert_str_eq(member(v, "star"), "star_1");
    ck_assert_int_eq(daemon_number(&d, "volunteer.get", "{\"volunteer\":77,\"first_date\":\"2026-01-03\",\"last_date\":\"2026-01-04\"}", "minutes"), 920);
    snprintf(json, sizeof json, "{\"record\":%lld,\"reason\":\"wrong_report\"}", (long long)record);
    ck_assert_str_eq(member(call(&d, "record.revoke", json), "record_state"), "revoked");
    call(&d, "record.revoke", json); /* twice is once */
    v = call(&d, "volunteer.get", "{\"volunteer\":77}");
    ck_assert_int_eq(member_number(v, "revoked_minutes"), 60);
    ck_assert_int_eq(member_number(v, "minutes"), 470 + 12 * 460);
    ck_assert_str_eq(daemon_refused(&d, "record.revoke", "{\"record\":999,\"reason\":\"other\"}"), "not_found");
    daemon_end(&d);
}
END_TEST

START_TEST(beyond_twelve_hours_a_dispatcher_is_not_enough)
{
    struct daemon d = daemon_start(NULL);
    char json[200];
    put_team(&d);
    serve(&d, "a", 77, 721, "");
    int64_t record = member_number(first_item(call(&d, "record.list", "{\"record_state\":\"review_high\"}")), "record");
    call(&d, "token.add", "{\"token_id\":\"desk\",\"roles\":\"dispatcher\",\"region\":441302001001}");
    const struct node *added = call(&d, "token.add", "{\"token_id\":\"desk2\",\"roles\":\"dispatcher\",\"region\":441302001001}");
    snprintf(json, sizeof json, "{\"token\":\"%s\"}", member(added, "token"));
    call(&d, "session.hello", json);
    snprintf(json, sizeof json, "{\"record\":%lld,\"grant\":true}", (long long)record);
    ck_assert_str_eq(daemon_refused(&d, "record.review", json), "forbidden");
    ck_assert_str_eq(member(daemon_error(), "field"), "record");
    daemon_end(&d);
}
END_TEST

/* An issuer sends the same number with other minutes, many times, without waiting: one of them counts. */
START_TEST(pipelined_corrections_never_count_twice)
{
    struct daemon d = daemon_start(NULL);
    enum { SENT = 40 };
    for (int i = 0; i < SENT; i++) {
        struct pack *p = client_begin(d.client, "record.add");
        pack_map(p);
        pack_key_text(p, "source", "macao");
        pack_key_text(p, "external_id", "M-1");
        pack_key_uint(p, "volunteer", 5);
        pack_key_uint(p, "minutes", 10 + (uint64_t)i);
        pack_key_text(p, "date", "2026-01-05");
        pack_close(p);
        ck_assert_int_eq(client_send(d.client, NULL), 0);
    }
    client_flush(d.client);
    for (int i = 0; i < SENT; i++) {
        struct client_message m;
        ck_assert_int_eq(client_receive(d.client, 20000, &m), 1);
        ck_assert_ptr_null(m.error);
    }
    const struct node *v = call(&d, "volunteer.get", "{\"volunteer\":5}");
    int64_t minutes = member_number(v, "minutes");
    ck_assert_msg(minutes >= 10 && minutes < 10 + SENT, "%lld minutes count", (long long)minutes);
    const struct node *items = node_get(v, "items");
    ck_assert_int_eq(member_number(&items->u.items[0], "records"), 1);
    ck_assert_str_eq(member(&items->u.items[0], "record_state"), "certified");
    ck_assert_int_eq(member_number(&items->u.items[1], "records"), SENT - 1);
    ck_assert_str_eq(member(&items->u.items[1], "record_state"), "revoked");
    daemon_end(&d);
}
END_TEST

START_TEST(records_of_others_are_refused_by_field)
{
    struct daemon d = daemon_start(NULL);
    const struct {
        const char *json, *code, *field;
    } cases[] = {
        {"{\"source\":\"nobody\",\"external_id\":\"1\",\"volunteer\":5,\"minutes\":10,\"date\":\"2026-01-05\"}", "bad_value", "source"},
        {"{\"source\":\"macao\",\"external_id\":\"1\",\"volunteer\":5,\"minutes\":10,\"date\":\"2026-02-30\"}", "bad_value", "date"},
        {"{\"source\":\"macao\",\"external_id\":\"1\",\"volunteer\":5,\"minutes\":10,\"date\":\"2999-01-05\"}", "bad_value", "date"},
        {"{\"source\":\"macao\",\"external_id\":\"1\",\"volunteer\":5,\"minutes\":0,\"date\":\"2026-01-05\"}", "out_of_range", "minutes"},
        {"{\"source\":\"macao\",\"external_id\":\"\",\"volunteer\":5,\"minutes\":10,\"date\":\"2026-01-05\"}", "out_of_range", "external_id"},
        {"{\"source\":\"macao\",\"external_id\":\"1\",\"volunteer\":5,\"minutes\":10,\"date\":\"2026-01-05\",\"region\":9}", "not_found", "region"},
        {"{\"source\":\"macao\",\"volunteer\":5,\"minutes\":10,\"date\":\"2026-01-05\"}", "missing_field", "external_id"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        ck_assert_str_eq(daemon_refused(&d, "record.add", cases[i].json), cases[i].code);
        ck_assert_str_eq(member(daemon_error(), "field"), cases[i].field);
    }
    ck_assert_int_eq(daemon_number(&d, "volunteer.get", "{\"volunteer\":5}", "minutes"), 0);
    daemon_end(&d);
}
END_TEST

START_TEST(a_certificate_is_numbered_by_its_event)
{
    struct daemon d = daemon_start((const char *const[]){"--issuer", "惠州市志愿者联合会", NULL});
    char json[200];
    put_team(&d);
    serve(&d, "a", 77, 90, "");
    ck_assert_str_eq(daemon_refused(&d, "certificate.issue", "{\"volunteer\":78}"), "not_found");
    const struct node *c = call(&d, "certificate.issue", "{\"volunteer\":77}");
    int64_t number = member_number(c, "certificate");
    ck_assert_str_eq(member(c, "issuer"), "惠州市志愿者联合会");
    ck_assert_int_eq(member_number(c, "minutes"), 90);
    ck_assert_str_eq(member(first_item(c), "category"), "legal_aid");
    snprintf(json, sizeof json, "{\"after\":%lld,\"limit\":1}", (long long)number - 1);
    const struct node *event = first_item(call(&d, "event.read", json));
    ck_assert_str_eq(member(event, "kind"), "certificate_issued");
    ck_assert_int_eq(member_number(event, "subject"), 77);
    ck_assert_int_eq(member_number(event, "minutes"), 90);
    daemon_end(&d);
}
END_TEST

/* The first window of the coming days, as a schedule: tomorrow from nine to eleven. */
static const char *tomorrow(void)
{
    static const char *const days[] = {"thu", "fri", "sat", "sun", "mon", "tue", "wed"};
    static char text[32];
    int64_t day = (time(NULL) + 8 * 3600) / 86400 + 1; /* 1970-01-01 was a Thursday */
    snprintf(text, sizeof text, "%s 09:00-11:00", days[day % 7]);
    return text;
}

START_TEST(a_recurring_order_keeps_its_personal_data_once)
{
    struct daemon d = daemon_start(NULL);
    char json[600];
    char last[16];
    time_t in_half_a_year = time(NULL) + 180 * 86400;
    struct tm tm;
    strftime(last, sizeof last, "%Y-%m-%d", gmtime_r(&in_half_a_year, &tm));
    snprintf(json, sizeof json, "{\"ref\":\"s\",\"region\":441302001001,\"category\":\"empty_nest_elder\",\"repeat\":\"%s\",\"last_date\":\"%s\","
             "\"person\":9,\"contact\":{\"name\":\"张奶奶\",\"phone\":\"13800000000\"}}", tomorrow(), last);
    int64_t series = daemon_number(&d, "series.put", json, "series");
    ck_assert_int_eq(daemon_number(&d, "series.put", json, "series"), series); /* the ref makes it one */
    const struct node *order = first_item(call(&d, "order.list", "{}"));
    ck_assert_int_eq(member_number(order, "series"), series);
    int64_t id = member_number(order, "order");
    daemon_kill(&d);
    daemon_again(&d, NULL);
    snprintf(json, sizeof json, "{\"order\":%lld}", (long long)id);
    const struct node *contact = call(&d, "contact.get", json);
    ck_assert_str_eq(member(contact, "name"), "张奶奶");
    ck_assert_int_eq(member_number(contact, "order"), id);
    const struct node *item = first_item(call(&d, "series.list", "{}"));
    ck_assert_int_eq(member_number(item, "placed"), 1);
    ck_assert_str_eq(member(item, "repeat"), tomorrow());
    snprintf(json, sizeof json, "{\"order\":%lld,\"contact\":{\"name\":\"李\"}}", (long long)id);
    call(&d, "contact.put", json); /* this one order's own */
    snprintf(json, sizeof json, "{\"order\":%lld}", (long long)id);
    ck_assert_str_eq(member(call(&d, "contact.get", json), "name"), "李");
    snprintf(json, sizeof json, "{\"order\":%lld}", (long long)series); /* forgotten at once, for all of its orders */
    call(&d, "contact.erase", json);
    snprintf(json, sizeof json, "{\"order\":%lld}", (long long)id);
    call(&d, "contact.erase", json);
    ck_assert_str_eq(daemon_refused(&d, "contact.get", json), "not_found");
    snprintf(json, sizeof json, "{\"series\":%lld}", (long long)series);
    call(&d, "series.stop", json);
    ck_assert_str_eq(daemon_refused(&d, "series.stop", json), "not_found");
    ck_assert_int_eq((int64_t)node_get(call(&d, "series.list", "{}"), "items")->count, 0);
    snprintf(json, sizeof json, "{\"ref\":\"t\",\"region\":441302001001,\"category\":\"empty_nest_elder\",\"repeat\":\"tue 09:10-11:00\",\"last_date\":\"%s\"}", last);
    ck_assert_str_eq(daemon_refused(&d, "series.put", json), "bad_value");
    ck_assert_str_eq(member(daemon_error(), "field"), "repeat");
    daemon_end(&d);
}
END_TEST

START_TEST(a_proxy_order_says_for_whom_and_by_whom)
{
    struct daemon d = daemon_start(NULL);
    char json[300];
    int64_t order = daemon_number(&d, "order.place", "{\"ref\":\"p\",\"region\":441302001001,\"category\":\"legal_aid\",\"relation\":\"grid_worker\","
                                  "\"contact\":{\"name\":\"王爷爷\",\"proxy_name\":\"网格员小李\",\"proxy_phone\":\"13900000000\"}}", "order");
    snprintf(json, sizeof json, "{\"order\":%lld}", (long long)order);
    const struct node *o = call(&d, "order.get", json);
    ck_assert(node_get(o, "proxy")->u.truth);
    const struct node *contact = call(&d, "contact.get", json);
    ck_assert_str_eq(member(contact, "name"), "王爷爷");
    ck_assert_str_eq(member(contact, "proxy_name"), "网格员小李");
    ck_assert_str_eq(member(contact, "proxy_phone"), "13900000000");
    ck_assert_str_eq(member(first_item(call(&d, "order.history", json)), "reason"), "grid_worker");
    daemon_end(&d);
}
END_TEST

START_TEST(a_supervisor_opens_an_emergency_and_it_outlives_a_crash)
{
    struct daemon d = daemon_start(NULL);
    char json[300];
    put_team(&d);
    int64_t until = ((int64_t)time(NULL) + 3600) * 1000;
    snprintf(json, sizeof json, "{\"region\":441302,\"until\":%lld,\"reason\":\"typhoon\"}", (long long)until);
    call(&d, "emergency.open", json);
    daemon_kill(&d);
    daemon_again(&d, NULL);
    const struct node *row = first_item(call(&d, "emergency.list", "{}"));
    ck_assert_int_eq(member_number(row, "region"), 441302);
    ck_assert_int_eq(member_number(row, "until"), until);
    const struct node *placed = call(&d, "order.place", "{\"ref\":\"e\",\"region\":441302001001,\"category\":\"legal_aid\",\"priority\":\"emergency\"}");
    ck_assert_str_eq(member(placed, "state"), "offered"); /* though its mode was manual */
    call(&d, "emergency.close", "{\"region\":441302,\"reason\":\"other\"}");
    ck_assert_int_eq((int64_t)node_get(call(&d, "emergency.list", "{}"), "items")->count, 0);
    const struct node *added = call(&d, "token.add", "{\"token_id\":\"desk\",\"roles\":\"dispatcher\",\"region\":441302001001}");
    snprintf(json, sizeof json, "{\"token\":\"%s\"}", member(added, "token"));
    call(&d, "session.hello", json);
    snprintf(json, sizeof json, "{\"region\":441302001001,\"until\":%lld,\"reason\":\"typhoon\"}", (long long)until);
    ck_assert_str_eq(daemon_refused(&d, "emergency.open", json), "forbidden");
    daemon_end(&d);
}
END_TEST

/* The running month would show single orders. */
START_TEST(only_months_that_are_over_are_published)
{
    struct daemon d = daemon_start(NULL);
    char json[300];
    char month[16];
    char newest[16];
    time_t now = time(NULL) + 8 * 3600;
    struct tm tm;
    gmtime_r(&now, &tm);
    strftime(month, sizeof month, "%Y-%m", &tm);
    tm.tm_year -= tm.tm_mon == 0;
    tm.tm_mon = (tm.tm_mon + 11) % 12;
    strftime(newest, sizeof newest, "%Y-%m", &tm);
    snprintf(json, sizeof json, "{\"month\":\"%s\"}", month);
    ck_assert_str_eq(daemon_refused(&d, "stats.public", json), "bad_value");
    ck_assert_str_eq(member(daemon_error(), "field"), "month");
    ck_assert_msg(strstr(member(daemon_error(), "message"), newest) != NULL, "%s", member(daemon_error(), "message"));
    snprintf(json, sizeof json, "{\"month\":\"%s\"}", newest);
    ck_assert_uint_eq(node_get(call(&d, "stats.public", json), "items")->count, 0);
    ck_assert_uint_eq(node_get(call(&d, "stats.public", "{\"month\":\"2025-01\"}"), "items")->count, 0);
    ck_assert_str_eq(daemon_refused(&d, "stats.public", "{\"month\":\"2025-13\"}"), "bad_value");
    daemon_end(&d);
}
END_TEST

START_TEST(an_organisation_sees_why_its_activity_is_what_it_is)
{
    struct daemon d = daemon_start(NULL);
    char json[100];
    int64_t org = put_team(&d);
    for (int i = 0; i < 5; i++) {
        snprintf(json, sizeof json, "v%d", i);
        serve(&d, json, 10 + i, 60, "");
    }
    snprintf(json, sizeof json, "{\"org\":%lld}", (long long)org);
    const struct node *stats = call(&d, "stats.org", json);
    const struct node *parts = node_get(stats, "activity_parts");
    int64_t sum = 0, weights = 0;
    for (uint32_t i = 0; i < parts->count; i++) {
        sum += member_number(&parts->u.items[i], "value") * member_number(&parts->u.items[i], "weight");
        weights += member_number(&parts->u.items[i], "weight");
    }
    ck_assert_uint_eq(parts->count, 6);
    ck_assert_int_eq(member_number(stats, "activity"), sum / weights); /* five offers: it is known */
    ck_assert(node_get(node_get(stats, "recent"), "hours")->u.real == 5.0);
    char before[20], after[20];
    daemon_digest(&d, before);
    daemon_kill(&d);
    daemon_again(&d, NULL);
    daemon_digest(&d, after);
    ck_assert_str_eq(before, after);
    daemon_end(&d);
}
END_TEST

Suite *suite_city(void);
Suite *suite_city(void)
{
    Suite *s = suite_create("city");
    TCase *t = tcase_create("city");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, hours_become_stars_after_their_review_and_a_restart_keeps_all);
    tcase_add_test(t, beyond_twelve_hours_a_dispatcher_is_not_enough);
    tcase_add_test(t, pipelined_corrections_never_count_twice);
    tcase_add_test(t, records_of_others_are_refused_by_field);
    tcase_add_test(t, a_certificate_is_numbered_by_its_event);
    tcase_add_test(t, a_recurring_order_keeps_its_personal_data_once);
    tcase_add_test(t, a_proxy_order_says_for_whom_and_by_whom);
    tcase_add_test(t, a_supervisor_opens_an_emergency_and_it_outlives_a_crash);
    tcase_add_test(t, only_months_that_are_over_are_published);
    tcase_add_test(t, an_organisation_sees_why_its_activity_is_what_it_is);
    suite_add_tcase(s, t);
    return s;
}
