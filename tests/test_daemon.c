/* The real daemon over real sockets. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "daemon.h"

#define ORG "{\"id\":7,\"name\":\"法律队\",\"region\":441302001001,\"lat\":23.0861,\"lon\":114.4132," \
            "\"skills\":[\"legal_aid\"],\"capacity\":5}"

static int64_t place(struct daemon *d, const char *ref, const char *more)
{
    char json[600];
    snprintf(json, sizeof json, "{\"ref\":\"%s\",\"region\":441302001001,\"category\":\"legal_aid\"%s}", ref, more);
    return daemon_number(d, "order.place", json, "order");
}

/* Calls a method whose one parameter is a number. */
static const char *move(struct daemon *d, const char *method, const char *key, int64_t number, const char *more)
{
    char json[300];
    snprintf(json, sizeof json, "{\"%s\":%lld%s}", key, (long long)number, more);
    return member(daemon_call(d, method, json), "state");
}

static int64_t first_offer(struct daemon *d, int64_t order)
{
    char json[64];
    snprintf(json, sizeof json, "{\"order\":%lld}", (long long)order);
    const struct node *offers = node_get(daemon_call(d, "order.get", json), "offers");
    ck_assert_uint_gt(offers->count, 0);
    return member_number(&offers->u.items[0], "offer");
}

START_TEST(an_order_travels_and_survives_a_kill)
{
    struct daemon d = daemon_start(NULL);
    char before[20];
    char after[20];
    daemon_number(&d, "org.put", ORG, "org");
    int64_t order = place(&d, "a", ",\"mode\":\"auto\",\"contact\":{\"name\":\"CANARY-NAME\",\"phone\":\"13800000000\"}");
    int64_t offer = first_offer(&d, order);
    ck_assert_str_eq(move(&d, "offer.accept", "offer", offer, ""), "accepted");
    daemon_digest(&d, before);
    daemon_kill(&d); /* what was answered is on disk */
    daemon_again(&d, NULL);
    daemon_digest(&d, after);
    ck_assert_str_eq(before, after);
    ck_assert_str_eq(move(&d, "service.start", "offer", offer, ""), "serving");
    ck_assert_str_eq(move(&d, "service.complete", "offer", offer, ",\"records\":[{\"volunteer\":3,\"minutes\":50}]"), "done");
    ck_assert_str_eq(move(&d, "order.rate", "order", order, ",\"stars\":4"), "closed");
    ck_assert_str_eq(move(&d, "order.get", "order", order, ""), "closed"); /* by the reader */
    const struct node *records = node_get(daemon_call(&d, "record.list", "{\"org\":7}"), "items");
    ck_assert_uint_eq(records->count, 1);
    ck_assert_int_eq(member_number(&records->u.items[0], "minutes"), 50);
    daemon_end(&d);
}
END_TEST

START_TEST(personal_data_stay_in_their_table)
{
    struct daemon d = daemon_start((const char *const[]){"--log_level", "debug", NULL});
    char command[300];
    daemon_number(&d, "org.put", ORG, "org");
    int64_t order = place(&d, "a", ",\"lat\":23.08612345,\"lon\":114.41321234,\"contact\":{\"name\":\"CANARY-NAME\","
                                   "\"phone\":\"CANARY-PHONE\",\"address\":\"CANARY-ADDRESS\"},\"note\":\"CANARY-NOTE\"");
    const struct node *o = daemon_call(&d, "order.get", "{\"order\":1}");
    ck_assert(node_get(o, "lat")->u.real == 23.086); /* rounded everywhere else */
    const struct node *contact = daemon_call(&d, "contact.get", "{\"order\":1}");
    ck_assert_str_eq(member(contact, "name"), "CANARY-NAME");
    ck_assert_str_eq(member(contact, "note"), "CANARY-NOTE");
    ck_assert(node_get(contact, "lat")->u.real > 23.0861);
    const struct node *events = node_get(daemon_call(&d, "order.history", "{\"order\":1}"), "items");
    ck_assert_str_eq(member(&events->u.items[events->count - 1], "kind"), "contact_read"); /* audited */
    ck_assert_str_eq(daemon_refused(&d, "order.place", "{\"ref\":\"x\",\"region\":441302001001,\"category\":"
                                    "\"legal_aid\",\"contact\":{\"name\":\"CANARY-NAME\",\"colour\":1}}"), "unknown_field");
    move(&d, "contact.erase", "order", order, "");
    ck_assert_str_eq(daemon_refused(&d, "contact.get", "{\"order\":1}"), "not_found");
    ck_assert_int_eq(daemon_stop(&d), 0);
    snprintf(command, sizeof command, "grep -rqa CANARY %s/log", d.directory);
    ck_assert_int_ne(system(command), 0);
    snprintf(command, sizeof command, "grep -rqa CANARY %s/data", d.directory); /* sealed from the first; of erasing, see test_privacy.c */
    ck_assert_int_ne(system(command), 0);
    remove_directory(d.directory);
}
END_TEST

START_TEST(a_ref_makes_a_write_safe_to_repeat)
{
    struct daemon d = daemon_start(NULL);
    daemon_number(&d, "org.put", ORG, "org");
    int64_t order = place(&d, "again", ",\"mode\":\"auto\"");
    ck_assert_int_eq(place(&d, "again", ",\"mode\":\"auto\""), order);
    ck_assert_str_eq(daemon_refused(&d, "order.place", "{\"ref\":\"again\",\"region\":441302001001,\"category\":\"flood\"}"),
                     "bad_value"); /* nothing was done under it, so the fault itself is told */
    ck_assert_str_eq(daemon_refused(&d, "order.place", "{\"ref\":\"again\",\"region\":441302001002,\"category\":\"legal_aid\"}"),
                     "conflict");
    ck_assert_str_eq(daemon_refused(&d, "order.cancel", "{\"ref\":\"again\",\"order\":1}"), "conflict");
    daemon_kill(&d);
    daemon_again(&d, NULL);
    ck_assert_int_eq(place(&d, "again", ",\"mode\":\"auto\""), order);
    ck_assert_int_eq(daemon_number(&d, "server.stats", "{}", "orders_open"), 1);
    /* the same ref of another caller is another ref */
    struct client *own = d.client;
    char why[200];
    d.client = client_open(d.tcp, why);
    ck_assert_ptr_nonnull(d.client);
    ck_assert_int_ne(place(&d, "again", ",\"mode\":\"auto\""), order);
    client_close(d.client);
    d.client = own;
    daemon_end(&d);
}
END_TEST

static const struct {
    const char *method, *json, *code, *field;
} refusals[] = {
    {"no.such", "{}", "unknown_method", "method"},
    {"order.place", "{}", "missing_field", "ref"},
    {"order.place", "{\"ref\":\"x\",\"region\":441302001001}", "missing_field", "category"},
    {"order.place", "{\"ref\":\"x\",\"region\":441302001001,\"category\":\"legal_aid\",\"colour\":1}", "unknown_field", "colour"},
    {"order.place", "{\"ref\":\"x\",\"region\":\"441302001001\",\"category\":\"legal_aid\"}", "bad_type", "region"},
    {"order.place", "{\"ref\":\"x\",\"region\":999,\"category\":\"legal_aid\"}", "not_found", "region"},
    {"order.place", "{\"ref\":\"x\",\"region\":44,\"category\":\"legal_aid\"}", "missing_field", "lat"},
    {"order.place", "{\"ref\":\"x\",\"region\":441302001001,\"category\":\"first_aid\"}", "bad_value", "category"},
    {"order.place", "{\"ref\":\"x\",\"region\":441302001001,\"category\":\"legal_aid\",\"lat\":23}", "missing_field", "lon"},
    {"order.place", "{\"ref\":\"x\",\"region\":441302001001,\"category\":\"legal_aid\",\"lat\":91,\"lon\":0}", "out_of_range", "lat"},
    {"order.place", "{\"ref\":\"x\",\"region\":441302001001,\"category\":\"legal_aid\",\"headcount\":0}", "out_of_range", "headcount"},
    {"order.place", "{\"ref\":\"x\",\"region\":441302001001,\"category\":\"legal_aid\",\"headcount\":2,\"people_min\":3}", "out_of_range", "people_min"},
    {"order.place", "{\"ref\":\"x\",\"region\":441302001001,\"category\":\"legal_aid\",\"starts_at\":4000000000000,\"ends_at\":3000000000000}", "out_of_range", "starts_at"},
    {"order.place", "{\"ref\":\"x\",\"region\":441302001001,\"category\":\"legal_aid\",\"ends_at\":1000}", "out_of_range", "ends_at"},
    {"order.place", "{\"ref\":\"x\",\"region\":441302001001,\"category\":\"legal_aid\",\"minutes\":1441}", "out_of_range", "minutes"},
    {"order.place", "{\"ref\":\"x\",\"region\":441302001001,\"category\":\"legal_aid\",\"priority\":\"now\"}", "bad_value", "priority"},
    {"order.place", "{\"ref\":\"x\",\"region\":441302001001,\"category\":\"legal_aid\",\"mode\":1}", "bad_type", "mode"},
    {"order.place", "{\"ref\":\"x\",\"region\":441302001001,\"category\":\"legal_aid\",\"skills\":[\"magic\"]}", "bad_value", "skills"},
    {"order.place", "{\"ref\":\"x\",\"region\":441302001001,\"category\":\"legal_aid\",\"groups\":[\"cats\"]}", "bad_value", "groups"},
    {"order.place", "{\"ref\":\"x\",\"region\":441302001001,\"category\":\"legal_aid\",\"crs\":\"mars\"}", "bad_value", "crs"},
    {"order.place", "{\"ref\":\"x\",\"region\":441302001001,\"category\":\"legal_aid\",\"contact\":{\"lat\":100}}", "out_of_range", "lat"},
    {"order.place", "{\"ref\":\"x\\u0001\",\"region\":441302001001,\"category\":\"legal_aid\"}", "bad_value", "ref"},
    {"order.reject", "{\"order\":1,\"reason\":\"No Way\"}", "bad_value", "reason"},
    {"order.get", "{\"order\":12345}", "not_found", "order"},
    {"order.get", "{\"order\":0}", "out_of_range", "order"},
    {"order.get", "{\"order\":1.5}", "bad_type", "order"},
    {"order.cancel", "{\"order\":12345}", "not_found", "order"},
    {"order.dispatch", "{\"order\":1}", "missing_field", "orgs"},
    {"order.dispatch", "{\"order\":1,\"orgs\":[]}", "out_of_range", "orgs"},
    {"order.dispatch", "{\"order\":1,\"orgs\":[-1]}", "out_of_range", "orgs"},
    {"order.dispatch", "{\"order\":1,\"orgs\":[99]}", "not_found", "orgs"},
    {"order.dispatch", "{\"order\":1,\"orgs\":[8]}", "misfit", NULL},
    {"order.dispatch", "{\"order\":1,\"orgs\":[7,7]}", "bad_value", NULL},
    {"order.dispatch", "{\"order\":1,\"orgs\":[7],\"override\":[\"law\"]}", "bad_value", "override"},
    {"order.history", "{\"order\":12345}", "not_found", "order"},
    {"order.rate", "{\"order\":1,\"stars\":5}", "bad_state", "order"},
    {"order.rate", "{\"order\":1,\"stars\":6}", "out_of_range", "stars"},
    {"order.supervise", "{\"order\":1,\"until\":5}", "out_of_range", "until"},
    {"order.merge", "{\"order\":1,\"into\":1}", "bad_value", "into"},
    {"offer.accept", "{\"offer\":77}", "not_found", "offer"},
    {"offer.decline", "{\"offer\":77}", "missing_field", "reason"},
    {"service.complete", "{\"offer\":1,\"records\":[{\"volunteer\":1}]}", "missing_field", "minutes"},
    {"service.complete", "{\"offer\":1,\"records\":[{\"volunteer\":0,\"minutes\":1}]}", "out_of_range", "volunteer"},
    {"service.complete", "{\"offer\":1,\"records\":[{\"volunteer\":1,\"minutes\":9999}]}", "out_of_range", "minutes"},
    {"service.complete", "{\"offer\":1,\"records\":[{\"volunteer\":1,\"minutes\":9,\"x\":1}]}", "unknown_field", "records"},
    {"service.complete", "{\"offer\":1,\"records\":7}", "bad_type", "records"},
    {"org.put", "{\"lat\":23,\"lon\":114}", "missing_field", "skills"},
    {"org.put", "{\"lat\":23,\"lon\":114,\"skills\":[]}", "missing_field", "skills"},
    {"org.put", "{\"lat\":23,\"lon\":181,\"skills\":[\"legal_aid\"]}", "out_of_range", "lon"},
    {"org.put", "{\"lat\":23,\"lon\":114,\"skills\":[\"legal_aid\"],\"schedule\":\"mon 9-5\"}", "bad_value", "schedule"},
    {"org.put", "{\"lat\":23,\"lon\":114,\"skills\":[\"legal_aid\"],\"certified\":[\"nursing\"]}", "bad_value", "certified"},
    {"org.put", "{\"lat\":23,\"lon\":114,\"skills\":[\"legal_aid\"],\"capacity\":0}", "out_of_range", "capacity"},
    {"org.put", "{\"lat\":23,\"lon\":114,\"skills\":[\"legal_aid\"],\"regions\":[5]}", "not_found", "regions"},
    {"org.put", "{\"lat\":23,\"lon\":114,\"skills\":[\"legal_aid\"],\"type\":\"bank\"}", "bad_value", "type"},
    {"org.get", "{\"org\":99}", "not_found", "org"},
    {"org.remove", "{\"org\":99}", "not_found", "org"},
    {"org.remove", "{\"org\":7}", "in_use", "org"},
    {"org.close_dates", "{\"org\":7,\"dates\":[{\"date\":\"2026-13-01\"}]}", "bad_value", "date"},
    {"org.close_dates", "{\"org\":7,\"dates\":[{\"date\":\"2026-12-02\"},{\"date\":\"2026-12-01\"}]}", "bad_value", "dates"},
    {"queue.list", "{\"region\":5}", "not_found", "region"},
    {"match.explain", "{\"order\":1,\"org\":99}", "not_found", "org"},
    {"order.candidates", "{\"order\":55}", "not_found", "order"},
    {"order.list", "{\"limit\":1001}", "out_of_range", "limit"},
    {"event.read", "{\"kind\":\"party\"}", "bad_value", "kind"},
    {"server.backup", "{\"path\":\"here\"}", "bad_value", "path"},
    {"server.backup", "{\"path\":\"/dev/null\"}", "unavailable", NULL},
    {"code.list", "{\"list\":\"nothing\"}", "not_found", "list"},
};

START_TEST(bad_requests_are_refused_by_name_and_change_nothing)
{
    struct daemon d = daemon_start(NULL);
    char before[20];
    char after[20];
    daemon_number(&d, "org.put", ORG, "org");
    daemon_number(&d, "org.put", "{\"id\":8,\"lat\":23.0861,\"lon\":114.4132,\"skills\":[\"haircut\"]}", "org");
    place(&d, "one", "");
    int64_t two = place(&d, "two", ",\"mode\":\"auto\"");
    ck_assert_int_eq(two, 2); /* it holds an offer of 7 */
    daemon_digest(&d, before);
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
        const char *code = daemon_refused(&d, refusals[i].method, refusals[i].json);
        ck_assert_msg(strcmp(code, refusals[i].code) == 0, "%s %s: %s not %s: %s", refusals[i].method,
                      refusals[i].json, code, refusals[i].code, member(daemon_error(), "message"));
        if (refusals[i].field != NULL)
            ck_assert_msg(strcmp(member(daemon_error(), "field"), refusals[i].field) == 0, "%s: field %s",
                          refusals[i].json, member(daemon_error(), "field"));
    }
    daemon_digest(&d, after);
    ck_assert_str_eq(before, after);
    daemon_end(&d);
}
END_TEST

/* Sends bytes on a fresh connection; how many came back before it ended, or -1 when it did not end. */
static ssize_t send_raw(const struct daemon *d, const char *bytes, size_t len, char *back, size_t size)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = 10};
    size_t got = 0;
    snprintf(address.sun_path, sizeof address.sun_path, "%s", d->address + 5);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ck_assert_int_eq(send(fd, bytes, len, MSG_NOSIGNAL), (ssize_t)len);
    ssize_t more = 1;
    while (got < size && (more = recv(fd, back + got, size - got, 0)) > 0)
        got += (size_t)more;
    close(fd);
    return more == 0 ? (ssize_t)got : -1;
}

#define FRAME(text) {text, sizeof text - 1}
static const struct {
    const char *bytes;
    size_t len;
} bad_frames[] = {
    FRAME("\x94\x00\x01\xdd\xff\xff\xff\xff"), FRAME("\x94\x00\x01\xdb\xff\xff\xff\xff"),
    FRAME("GET / HTTP/1.1\r\n\r\n"),           FRAME("\x94\x00\x01\xc1"),
    FRAME("\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91"),
    FRAME("\x93\x00\x01\x02"),                 FRAME("\x94\x05\x01\xa1x\x90"),
    FRAME("\x94\x00\xcf\xff\xff\xff\xff\xff\xff\xff\xff\xa1x\x90"),
};

START_TEST(bad_frames_end_their_connection_and_no_other)
{
    struct daemon d = daemon_start(NULL);
    char back[600];
    for (size_t i = 0; i < ARRAY_LEN(bad_frames); i++) {
        ssize_t got = send_raw(&d, bad_frames[i].bytes, bad_frames[i].len, back, sizeof back - 1);
        ck_assert_msg(got > 0, "frame %zu: %zd", i, got);
        back[got] = '\0';
        const char *code = memmem(back, (size_t)got, "bad_frame", 9) != NULL ? "bad_frame" : "bad_request";
        ck_assert_ptr_nonnull(memmem(back, (size_t)got, code, strlen(code)));
        saw_refusal_word(code);
    }
    ck_assert_int_eq(daemon_number(&d, "server.info", "{}", "protocol"), 1);
    daemon_end(&d);
}
END_TEST

/* Pipelines orders, kills the daemon in the middle, and looks whether what was acknowledged is there. */
START_TEST(kills_under_load_lose_nothing_that_was_acknowledged)
{
    enum { CYCLES = 5, ORDERS = 400 };
    struct daemon d = daemon_start(NULL);
    struct client_message m;
    static int64_t acknowledged[CYCLES * ORDERS];
    char json[200];
    for (int cycle = 0; cycle < CYCLES; cycle++) {
        uint32_t first = 0;
        for (int i = 0; i < ORDERS; i++) {
            char ref[32];
            uint32_t msgid = 0;
            struct pack *pack = client_begin(d.client, "order.place");
            snprintf(ref, sizeof ref, "c%d-%d", cycle, i);
            pack_map(pack);
            pack_key_text(pack, "ref", ref);
            pack_key_uint(pack, "region", 441302001001);
            pack_key_text(pack, "category", "legal_aid");
            pack_close(pack);
            ck_assert_int_eq(client_send(d.client, &msgid), 0);
            first = i == 0 ? msgid : first;
        }
        for (int i = 0; i < 50 + cycle * 70; i++) { /* some answers, then the power goes */
            ck_assert_int_eq(client_receive(d.client, 20000, &m), 1);
            acknowledged[cycle * ORDERS + (int)(m.msgid - first)] = member_number(m.result, "order");
        }
        daemon_kill(&d);
        daemon_again(&d, NULL);
    }
    for (int i = 0; i < CYCLES * ORDERS; i++) {
        snprintf(json, sizeof json, "{\"ref\":\"c%d-%d\",\"region\":441302001001,\"category\":\"legal_aid\"}",
                 i / ORDERS, i % ORDERS);
        int64_t order = daemon_number(&d, "order.place", json, "order");
        if (acknowledged[i] != 0)
            ck_assert_int_eq(order, acknowledged[i]); /* the same order, not another */
    }
    ck_assert_int_eq(daemon_number(&d, "server.stats", "{}", "orders_open"), CYCLES * ORDERS);
    daemon_end(&d);
}
END_TEST

START_TEST(a_flood_of_questions_is_refused_not_gathered)
{
    struct daemon d = daemon_start((const char *const[]){"--questions_max", "5", NULL});
    struct client_message m;
    int refused = 0;
    for (int i = 0; i < 200; i++) {
        struct pack *pack = client_begin(d.client, "order.list");
        pack_map(pack);
        pack_close(pack);
        ck_assert_int_eq(client_send(d.client, NULL), 0);
    }
    for (int i = 0; i < 200; i++) {
        ck_assert_int_eq(client_receive(d.client, 10000, &m), 1);
        if (m.error != NULL) {
            saw_refusal_word(member(m.error, "code"));
            ck_assert_str_eq(member(m.error, "code"), "overloaded");
            ck_assert(node_get(m.error, "retry")->u.truth);
            refused++;
        }
    }
    ck_assert_int_gt(refused, 0);
    daemon_end(&d);
}
END_TEST

START_TEST(subscribers_get_each_event_once_and_in_order)
{
    struct daemon d = daemon_start(NULL);
    struct client_message m;
    char why[200];
    daemon_number(&d, "org.put", ORG, "org");
    for (int i = 0; i < 30; i++) {
        char ref[8];
        snprintf(ref, sizeof ref, "r%d", i);
        place(&d, ref, "");
    }
    struct client *watcher = client_open(d.address, why);
    struct pack *pack = client_begin(watcher, "event.subscribe");
    pack_map(pack);
    pack_key_uint(pack, "after", 10); /* from the past on */
    pack_close(pack);
    client_send(watcher, NULL);
    client_flush(watcher);
    for (int i = 30; i < 60; i++) {
        char ref[8];
        snprintf(ref, sizeof ref, "r%d", i);
        place(&d, ref, "");
    }
    int64_t next = 11;
    while (next <= 61) {
        ck_assert_int_eq(client_receive(watcher, 10000, &m), 1);
        if (m.is_notification)
            ck_assert_int_eq(member_number(m.result, "seq"), next++);
    }
    client_close(watcher);
    daemon_end(&d);
}
END_TEST

/* Nothing happens any more, and still the past is told; and `paidan watch` shows it. */
START_TEST(a_subscriber_of_a_quiet_daemon_gets_the_past)
{
    struct daemon d = daemon_start(NULL);
    struct client_message m;
    char command[300];
    place(&d, "a", "");
    struct pack *pack = client_begin(d.client, "event.subscribe");
    pack_map(pack);
    pack_key_uint(pack, "after", 0);
    pack_close(pack);
    client_send(d.client, NULL);
    bool has_come = false;
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(client_receive(d.client, 10000, &m), 1);
        has_come |= m.is_notification && strcmp(member(m.result, "kind"), "placed") == 0;
    }
    ck_assert(has_come);
    snprintf(command, sizeof command, "timeout 5 %s --server %s watch --after 0 | grep -q -m 1 '点单'",
             program("paidan"), d.address);
    ck_assert_int_eq(system(command), 0);
    daemon_end(&d);
}
END_TEST

/* Text that is no UTF-8, and a parameter that stands twice. */
START_TEST(bytes_that_are_no_text_are_refused)
{
    struct daemon d = daemon_start(NULL);
    for (int i = 0; i < 2; i++) {
        const struct node *error = NULL;
        struct pack *pack = client_begin(d.client, "org.put");
        pack_map(pack);
        pack_key(pack, "name");
        pack_text_n(pack, i == 0 ? "\xff\xfe" : "ab", 2);
        if (i == 1)
            pack_key_text(pack, "name", "again");
        pack_close(pack);
        ck_assert_ptr_null(client_call(d.client, &error));
        ck_assert_str_eq(member(error, "code"), i == 0 ? "bad_value" : "bad_request");
        ck_assert_str_eq(member(error, "field"), "name");
    }
    daemon_end(&d);
}
END_TEST

START_TEST(a_drain_refuses_new_orders_and_ends_well)
{
    struct daemon d = daemon_start(NULL);
    struct client_message m;
    char why[200];
    place(&d, "before", "");
    struct client *slow = client_open(d.address, why); /* does not read: until it has, the drain goes on */
    for (int i = 0; i < 20; i++) {
        struct pack *pack = client_begin(slow, "server.methods");
        pack_map(pack);
        pack_close(pack);
        ck_assert_int_eq(client_send(slow, NULL), 0);
    }
    ck_assert_int_eq(client_flush(slow), 0);
    daemon_number(&d, "server.info", "{}", "protocol");
    kill(d.pid, SIGTERM);
    bool was_refused = false;
    for (int i = 0; i < 2000 && !was_refused; i++) { /* until the signal has arrived */
        struct pack *pack = client_begin(d.client, "order.place");
        char ref[16];
        snprintf(ref, sizeof ref, "after-%d", i);
        pack_map(pack);
        pack_key_text(pack, "ref", ref);
        pack_key_uint(pack, "region", 441302001001);
        pack_key_text(pack, "category", "legal_aid");
        pack_close(pack);
        if (client_send(d.client, NULL) != 0 || client_receive(d.client, 10000, &m) != 1)
            break;
        was_refused = m.error != NULL && strcmp(member(m.error, "code"), "draining") == 0;
        if (was_refused)
            saw_refusal_word("draining");
    }
    ck_assert(was_refused);
    client_close(slow);
    ck_assert_int_eq(daemon_stop(&d), 0);
    remove_directory(d.directory);
}
END_TEST

START_TEST(a_start_that_cannot_be_says_why)
{
    struct daemon d = daemon_start(NULL);
    char said[2000];
    char data[100];
    char listen_here[100];
    char config[100];
    snprintf(data, sizeof data, "%s/data", d.directory);
    snprintf(listen_here, sizeof listen_here, "unix:%s/other", d.directory);
    snprintf(config, sizeof config, "%s/paidan.conf", d.directory);
    const struct {
        const char *options[8];
        int code;
        const char *word;
    } starts[] = {
        {{"--data", data, "--listen", listen_here, NULL}, EX_UNAVAILABLE, "another paidand"},
        {{"--data", "/proc/1/none", "--listen", listen_here, NULL}, EX_CANTCREAT, "/proc/1/none"},
        {{"--data", "/tmp/paidan-nobody", "--listen", d.address, NULL}, EX_UNAVAILABLE, "in use"},
        {{"--listen", "tcp:0.0.0.0:7000", "--data", "/tmp/paidan-nobody", NULL}, EX_CONFIG, "loopback"},
        {{"--listen", "somewhere", NULL}, EX_CONFIG, "listen"},
        {{"--node", "1024", NULL}, EX_CONFIG, "0 to 1023"},
        {{"--colour", "red", NULL}, EX_USAGE, "colour"},
        {{"--live", "memcached", "--listen", listen_here, NULL}, EX_CONFIG, "live"},
        {{"--timezone", "Mars/Base", "--listen", listen_here, NULL}, EX_CONFIG, "timezone"},
        {{"--regions", "/no/such", "--data", "/tmp/paidan-nobody", "--listen", listen_here, NULL}, EX_NOINPUT, "/no/such"},
        {{"--check", NULL}, EX_CONFIG, "listen"},
        {{"--config", config, NULL}, EX_CONFIG, "paidan.conf:2: unknown key: colour"},
    };
    FILE *file = fopen(config, "we");
    fputs("# a comment\ncolour = red\n", file);
    fclose(file);
    for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
        int code = daemon_run(starts[i].options, said, sizeof said);
        ck_assert_msg(code == starts[i].code && strstr(said, starts[i].word) != NULL, "start %zu: %d %s", i,
                      code, said);
    }
    remove_directory("/tmp/paidan-nobody");
    ck_assert_int_eq(daemon_run((const char *const[]){"--check", "--listen", listen_here, NULL}, said, sizeof said), 0);
    ck_assert_int_eq(daemon_run((const char *const[]){"--help", NULL}, said, sizeof said), 0);
    daemon_end(&d);
}
END_TEST

START_TEST(settings_are_reloaded)
{
    struct daemon d = daemon_start(NULL);
    char config[100];
    ck_assert_int_eq(daemon_stop(&d), 0);
    snprintf(config, sizeof config, "%s/paidan.conf", d.directory);
    FILE *file = fopen(config, "we");
    fputs("declines_climb = 3\n", file);
    fclose(file);
    const char *const extra[] = {"--config", config, NULL};
    daemon_again(&d, extra);
    for (int id = 1; id <= 4; id++) {
        char json[200];
        snprintf(json, sizeof json, "{\"id\":%d,\"lat\":23.0861,\"lon\":114.4132,\"skills\":[\"legal_aid\"]}", id);
        daemon_number(&d, "org.put", json, "org");
    }
    file = fopen(config, "we");
    fputs("declines_climb = 1\n", file);
    fclose(file);
    kill(d.pid, SIGHUP);
    daemon_says(&d, "event=reloaded");
    int64_t order = place(&d, "a", ",\"mode\":\"auto\"");
    move(&d, "offer.decline", "offer", first_offer(&d, order), ",\"reason\":\"no_people\"");
    ck_assert_str_eq(member(daemon_call(&d, "order.get", "{\"order\":1}"), "level"), "town");
    daemon_end(&d);
}
END_TEST

START_TEST(a_backup_is_made_and_restored)
{
    struct daemon d = daemon_start(NULL);
    char json[200];
    char data[100];
    char backup[100];
    char said[1000];
    char before[20];
    char after[20];
    daemon_number(&d, "org.put", ORG, "org");
    place(&d, "kept", ",\"mode\":\"auto\"");
    snprintf(backup, sizeof backup, "%s/backup.db", d.directory);
    snprintf(data, sizeof data, "%s/data", d.directory);
    snprintf(json, sizeof json, "{\"path\":\"%s\"}", backup);
    ck_assert_ptr_nonnull(daemon_call(&d, "server.backup", json));
    place(&d, "lost", "");
    const char *const options[] = {"--restore", backup, "--data", data, NULL};
    ck_assert_int_eq(daemon_run(options, said, sizeof said), EX_UNAVAILABLE); /* while it runs */
    ck_assert_int_eq(daemon_stop(&d), 0);
    ck_assert_int_eq(daemon_run(options, said, sizeof said), 0);
    daemon_again(&d, NULL);
    ck_assert_ptr_nonnull(daemon_call(&d, "order.get", "{\"order\":1}"));
    ck_assert_str_eq(daemon_refused(&d, "order.get", "{\"order\":2}"), "not_found");
    daemon_digest(&d, before);
    const struct node *events = node_get(daemon_call(&d, "event.read", "{\"kind\":\"restored\"}"), "items");
    ck_assert_uint_eq(events->count, 1); /* and the log says so */
    ck_assert_int_eq(daemon_stop(&d), 0);
    daemon_again(&d, NULL);
    daemon_digest(&d, after);
    ck_assert_str_eq(before, after);
    daemon_end(&d);
}
END_TEST

START_TEST(another_client_speaks_with_it)
{
    struct daemon d = daemon_start(NULL);
    char command[300];
    snprintf(command, sizeof command, "/usr/bin/python3 tests/foreign_client.py %s", d.address);
    ck_assert_int_eq(system(command), 0);
    snprintf(command, sizeof command, "/usr/bin/python3 tests/foreign_client.py %s", d.tcp);
    ck_assert_int_eq(system(command), 0);
    daemon_end(&d);
}
END_TEST

/* Runs the command line; its exit code and what it printed (both streams). */
START_TEST(the_command_line_carries_an_order_to_its_end)
{
    static const struct {
        const char *arguments, *says;
        int code;
    } steps[] = {
        {"call org.put '" ORG "'", "{\"org\": 7}", 0},
        {"order place --region 441302001001 --category legal_aid --contact_name a --headcount 2 --people_min 1", "ready 待派单", 0},
        {"order show 1", "legal_aid", 0},
        {"order list --region 4413 --state ready", "待派单", 0},
        {"queue 441302001001", "waiting: 1", 0},
        {"claim 1", "ready", 0},
        {"candidates 1 --reasons true", "法律队", 0},
        {"explain 1 7", "proximity", 0},
        {"dispatch 1 7 --people 2", "待接单", 0},
        {"inbox 7", "pending", 0},
        {"accept 1", "已接单", 0},
        {"start 1", "服务中", 0},
        {"complete 1 5:60 6:60", "待评单", 0},
        {"order rate 1 5", "已归档", 0},
        {"order history 1", "评单", 0},
        {"orgs --region 4413", "法律队", 0},
        {"stats", "closed 已归档", 0},
        {"server", "orders_open", 0},
        {"--json order show 1", "\"state\": \"closed\"", 0},
        {"order cancel 1", "not_found", 1},
        {"call order.get '{\"order\":5}'", "\"code\": \"not_found\"", 1},
        {"call order.get '{'", "bad_request", 1},
        {"decline 9 no_people", "not_found", 1},
        {"order place --region x", "region", EX_USAGE},
        {"fly", "no command", EX_USAGE},
    };
    struct daemon d = daemon_start(NULL);
    char said[20000];
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        int code = daemon_cli(&d, steps[i].arguments, said, sizeof said);
        ck_assert_msg(code == steps[i].code && strstr(said, steps[i].says) != NULL, "%s: %d %s",
                      steps[i].arguments, code, said);
    }
    daemon_end(&d);
}
END_TEST

START_TEST(the_protocol_page_is_fresh)
{
    char command[300];
    snprintf(command, sizeof command, "%s --protocol | cmp - proto/PROTOCOL.md", program("paidand"));
    ck_assert_msg(system(command) == 0, "proto/PROTOCOL.md is stale: make docs");
    snprintf(command, sizeof command, "%s --sample | cmp - conf/paidan.conf", program("paidand"));
    ck_assert_msg(system(command) == 0, "conf/paidan.conf is stale: make docs");
}
END_TEST

START_TEST(top_and_doctor_say_how_it_is)
{
    struct daemon d = daemon_start(NULL);
    char said[8000];
    char arguments[300];
    char path[100];
    place(&d, "one", "");
    ck_assert_int_eq(daemon_cli(&d, "top --count 1", said, sizeof said), 0);
    ck_assert_ptr_nonnull(strstr(said, "waiting 1 "));
    ck_assert_ptr_nonnull(strstr(said, "a second"));
    ck_assert_int_eq(daemon_cli(&d, "top --count none", said, sizeof said), EX_USAGE);
    snprintf(arguments, sizeof arguments, "doctor --data %s/data --backups %s/backups", d.directory, d.directory);
    ck_assert_int_eq(daemon_cli(&d, arguments, said, sizeof said), 1);
    ck_assert_ptr_nonnull(strstr(said, "bad  故障  backups"));
    ck_assert_ptr_nonnull(strstr(said, "good 正常  clock"));
    ck_assert_ptr_nonnull(strstr(said, "warn 注意  key"));
    snprintf(path, sizeof path, "%s/backups", d.directory);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "backup %s/backups/one.db", d.directory);
    ck_assert_int_eq(daemon_cli(&d, path, said, sizeof said), 0);
    ck_assert_msg(daemon_cli(&d, arguments, said, sizeof said) == 0, "%s", said);
    snprintf(path, sizeof path, "%s/data", d.directory);
    ck_assert_int_eq(chmod(path, 0755), 0);
    daemon_cli(&d, arguments, said, sizeof said);
    ck_assert_ptr_nonnull(strstr(said, "is open to others"));
    daemon_kill(&d);
    ck_assert_int_eq(daemon_cli(&d, arguments, said, sizeof said), 1);
    ck_assert_ptr_nonnull(strstr(said, "it cannot be reached"));
    ck_assert_int_eq(daemon_cli(&d, "doctor --config /no/such/file", said, sizeof said), EX_CONFIG);
    daemon_end(&d);
}
END_TEST

/* What one city exports another takes in: organisations as they are, open orders once, hours as an
 * issuer's; twice is once. */
Suite *suite_daemon(void);
Suite *suite_daemon(void)
{
    Suite *s = suite_create("daemon");
    TCase *t = tcase_create("daemon");
    tcase_set_timeout(t, 180);
    tcase_add_test(t, an_order_travels_and_survives_a_kill);
    tcase_add_test(t, personal_data_stay_in_their_table);
    tcase_add_test(t, a_ref_makes_a_write_safe_to_repeat);
    tcase_add_test(t, bad_requests_are_refused_by_name_and_change_nothing);
    tcase_add_test(t, bad_frames_end_their_connection_and_no_other);
    tcase_add_test(t, kills_under_load_lose_nothing_that_was_acknowledged);
    tcase_add_test(t, a_flood_of_questions_is_refused_not_gathered);
    tcase_add_test(t, subscribers_get_each_event_once_and_in_order);
    tcase_add_test(t, a_subscriber_of_a_quiet_daemon_gets_the_past);
    tcase_add_test(t, bytes_that_are_no_text_are_refused);
    tcase_add_test(t, a_drain_refuses_new_orders_and_ends_well);
    tcase_add_test(t, a_start_that_cannot_be_says_why);
    tcase_add_test(t, settings_are_reloaded);
    tcase_add_test(t, a_backup_is_made_and_restored);
    tcase_add_test(t, another_client_speaks_with_it);
    tcase_add_test(t, the_command_line_carries_an_order_to_its_end);
    tcase_add_test(t, top_and_doctor_say_how_it_is);
    tcase_add_test(t, the_protocol_page_is_fresh);
    suite_add_tcase(s, t);
    return s;
}
