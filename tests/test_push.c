/* The connector to the platform, against a real HTTP server that takes, fails, stalls, refuses and goes. */
#include <arpa/inet.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "daemon.h"

struct platform {
    char directory[64], log[100], mode[100], secret[100], url[100];
    const char *cert, *key; /* NULL: no TLS */
    int port, held;
    pid_t pid;
};

static void platform_up(struct platform *p)
{
    int pipes[2];
    char port[16];
    snprintf(port, sizeof port, "%d", p->port);
    ck_assert_int_eq(pipe(pipes), 0);
    p->pid = fork();
    if (p->pid == 0) {
        dup2(pipes[1], 1);
        execl("/usr/bin/python3", "python3", "tests/receiver.py", port, p->log, p->mode, p->secret, p->cert, p->key, NULL);
        _exit(127);
    }
    close(pipes[1]);
    FILE *out = fdopen(pipes[0], "r");
    ck_assert_int_eq(fscanf(out, "%d", &p->port), 1);
    fclose(out);
    snprintf(p->url, sizeof p->url, "http%s://127.0.0.1:%d/events", p->cert != NULL ? "s" : "", p->port);
}

static void platform_down(struct platform *p)
{
    kill(p->pid, SIGKILL);
    waitpid(p->pid, NULL, 0);
}

static struct platform platform_new(void)
{
    struct platform p = {.port = 0, .held = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int one = 1;
    /* While it is down nobody else may be given its port. */
    ck_assert_int_eq(setsockopt(p.held, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one), 0);
    ck_assert_int_eq(bind(p.held, (struct sockaddr *)&address, len), 0);
    ck_assert_int_eq(getsockname(p.held, (struct sockaddr *)&address, &len), 0);
    p.port = ntohs(address.sin_port);
    make_directory(p.directory);
    snprintf(p.log, sizeof p.log, "%s/log", p.directory);
    snprintf(p.mode, sizeof p.mode, "%s/mode", p.directory);
    snprintf(p.secret, sizeof p.secret, "%s/secret", p.directory);
    write_file(p.mode, "ok");
    write_file(p.log, "");
    write_file(p.secret, "a secret of tests, no other\n");
    return p;
}

static struct daemon start(const struct platform *p, const char *option, const char *value)
{
    return daemon_start((const char *const[]){"--push-url", p->url, "--push-secret", p->secret, "--push-timeout-s", "1",
                                              option, value, NULL});
}

/* What the platform has taken, as a list. */
static json_t *taken(const struct platform *p)
{
    json_t *list = json_array();
    FILE *file = fopen(p->log, "re");
    json_t *line = NULL;
    while ((line = json_loadf(file, JSON_DISABLE_EOF_CHECK, NULL)) != NULL)
        json_array_append_new(list, line);
    fclose(file);
    return list;
}

static const char *text_of(const json_t *event, const char *key)
{
    const char *text = json_string_value(json_object_get(event, key));
    return text != NULL ? text : "";
}

static size_t count_of(const json_t *list, const char *kind)
{
    size_t count = 0;
    for (size_t i = 0; i < json_array_size(list); i++)
        count += strcmp(text_of(json_array_get(list, i), "kind"), kind) == 0;
    return count;
}

/* Waits until the platform has so many events of a kind; the list. */
static json_t *wait_for(const struct platform *p, const char *kind, size_t wanted)
{
    for (int i = 0; i < 3000; i++) {
        json_t *list = taken(p);
        if (count_of(list, kind) >= wanted)
            return list;
        json_decref(list);
        usleep(10000);
    }
    ck_abort_msg("the platform never got %zu %s", wanted, kind);
    return NULL;
}

static void wait_push(struct daemon *d, const char *key, int64_t least)
{
    int64_t seen = -1;
    for (int i = 0; i < 9000; i++) {
        seen = member_number(node_get(daemon_call(d, "push.state", "{}"), "push"), key);
        if (seen >= least)
            return;
        usleep(10000);
    }
    ck_abort_msg("push.%s is %lld", key, (long long)seen);
}

static void place(struct daemon *d, int from, int count)
{
    char json[200];
    for (int i = from; i < from + count; i++) {
        snprintf(json, sizeof json, "{\"ref\":\"p%d\",\"region\":441302001001,\"category\":\"legal_aid\",\"external_id\":\"平安-%d\"}", i, i);
        ck_assert_ptr_nonnull(daemon_call(d, "order.place", json));
    }
}

/* Every event is there, signed, and those of an order rise; repeated ones are allowed, gaps are not. */
static void check_sequence(const json_t *list)
{
    json_int_t last = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *event = json_array_get(list, i);
        json_int_t seq = json_integer_value(json_object_get(event, "seq"));
        ck_assert(json_is_true(json_object_get(event, "signed")));
        ck_assert_str_ne(text_of(event, "external_id"), "");
        ck_assert_msg(seq == last + 1 || seq <= last, "%lld after %lld", (long long)seq, (long long)last);
        last = seq > last ? seq : last;
    }
}

START_TEST(the_platform_is_told_in_sequence_and_signed)
{
    struct platform p = platform_new();
    platform_up(&p);
    struct daemon d = start(&p, NULL, NULL);
    place(&d, 0, 250); /* more than one request takes */
    json_t *list = wait_for(&p, "placed", 250);
    check_sequence(list);
    ck_assert_uint_eq(json_array_size(list), 250);
    json_decref(list);
    ck_assert_int_eq(member_number(node_get(daemon_call(&d, "push.state", "{}"), "push"), "dead"), 0);
    daemon_end(&d);
    platform_down(&p);
    remove_directory(p.directory);
}
END_TEST

START_TEST(nothing_is_lost_while_the_platform_fails_stalls_and_is_gone)
{
    struct platform p = platform_new();
    platform_up(&p);
    struct daemon d = start(&p, NULL, NULL);
    static const char *const modes[] = {"fail", "stall", "forbidden", "slow"};
    place(&d, 0, 1);
    json_decref(wait_for(&p, "placed", 1));
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        int64_t failed = member_number(node_get(daemon_call(&d, "push.state", "{}"), "push"), "failed");
        write_file(p.mode, modes[i]);
        place(&d, 1 + (int)i * 10, 10);
        wait_push(&d, "failed", failed + 1);
        write_file(p.mode, "ok");
        json_decref(wait_for(&p, "placed", 11 + i * 10));
    }
    platform_down(&p);
    place(&d, 41, 10);
    wait_push(&d, "failed", 5);
    daemon_kill(&d); /* and the daemon dies as well */
    platform_up(&p);
    daemon_again(&d, (const char *const[]){"--push-url", p.url, "--push-secret", p.secret, NULL});
    json_t *list = wait_for(&p, "placed", 51);
    check_sequence(list);
    json_decref(list);
    ck_assert_int_eq(member_number(node_get(daemon_call(&d, "push.state", "{}"), "push"), "dead"), 0);
    ck_assert_int_eq(member_number(node_get(daemon_call(&d, "push.state", "{}"), "push"), "parked"), 0);
    daemon_end(&d);
    platform_down(&p);
    remove_directory(p.directory);
}
END_TEST

/* What the platform was told of an order, by kind, in its sequence. */
static void told_of(const struct platform *p, const char *external_id, char *text, size_t size)
{
    json_t *list = taken(p);
    text[0] = '\0';
    for (size_t i = 0; i < json_array_size(list); i++)
        if (strcmp(text_of(json_array_get(list, i), "external_id"), external_id) == 0)
            snprintf(text + strlen(text), size - strlen(text), "%s ", text_of(json_array_get(list, i), "kind"));
    json_decref(list);
}

static void wait_told(const struct platform *p, const char *external_id, const char *wanted)
{
    char text[1000];
    for (int i = 0; i < 3000; i++) {
        told_of(p, external_id, text, sizeof text);
        if (strcmp(text, wanted) == 0)
            return;
        usleep(10000);
    }
    ck_abort_msg("of %s it was told: %s, not: %s", external_id, text, wanted);
}

static void cancel(struct daemon *d, int64_t order)
{
    char json[100];
    snprintf(json, sizeof json, "{\"order\":%lld}", (long long)order);
    ck_assert_ptr_nonnull(daemon_call(d, "order.cancel", json));
}

/* Two orders, one behind the other, that it answers 500 for ever: all others are told. Later events of the two
 * wait behind the first, over a kill -9, and follow in their sequence, each once. */
START_TEST(an_order_that_always_fails_is_parked_and_stops_no_other)
{
    struct platform p = platform_new();
    char json[100];
    write_file(p.mode, "fail-order:平安-5 平安-6");
    platform_up(&p);
    struct daemon d = start(&p, NULL, NULL);
    place(&d, 0, 20);
    wait_push(&d, "parked", 1);
    wait_push(&d, "parked_orders", 2);
    json_decref(wait_for(&p, "placed", 18));
    write_file(p.mode, "ok"); /* it would take the next event, whose turn has not come */
    cancel(&d, 6);
    cancel(&d, 8);
    wait_told(&p, "平安-7", "placed cancelled ");
    wait_push(&d, "parked", 3);
    wait_told(&p, "平安-5", "");
    write_file(p.mode, "fail-order:平安-5 平安-6");
    ck_assert_int_eq(member_number(node_get(daemon_call(&d, "push.state", "{}"), "push"), "dead"), 0);
    daemon_kill(&d);
    daemon_again(&d, (const char *const[]){"--push-url", p.url, "--push-secret", p.secret, NULL});
    ck_assert_int_eq(member_number(node_get(daemon_call(&d, "push.state", "{}"), "push"), "parked"), 3);
    const struct node *items = node_get(daemon_call(&d, "push.dead", "{}"), "items");
    ck_assert_uint_eq(items->count, 3);
    ck_assert(node_get(&items->u.items[0], "parked")->u.truth);
    int64_t event = member_number(&items->u.items[0], "event");
    place(&d, 20, 10);
    json_decref(wait_for(&p, "placed", 28));
    wait_push(&d, "failed", 1); /* they were tried again after the start */
    write_file(p.mode, "fail-order:平安-6");
    snprintf(json, sizeof json, "{\"event\":%lld}", (long long)event);
    daemon_call(&d, "push.retry", json);
    wait_told(&p, "平安-5", "placed cancelled ");
    wait_told(&p, "平安-6", "");
    write_file(p.mode, "ok");
    snprintf(json, sizeof json, "{\"event\":%lld}", (long long)event + 1);
    daemon_call(&d, "push.retry", json);
    wait_told(&p, "平安-6", "placed ");
    for (int i = 0; i < 1000 && node_get(daemon_call(&d, "push.dead", "{}"), "items")->count != 0; i++)
        usleep(10000);
    cancel(&d, 7); /* and goes on like any other */
    wait_told(&p, "平安-6", "placed cancelled ");
    ck_assert_int_eq(member_number(node_get(daemon_call(&d, "push.state", "{}"), "push"), "parked"), 0);
    ck_assert_uint_eq(node_get(daemon_call(&d, "push.dead", "{}"), "items")->count, 0);
    daemon_end(&d);
    platform_down(&p);
    remove_directory(p.directory);
}
END_TEST

START_TEST(what_is_refused_for_good_is_put_aside_and_told_again_on_request)
{
    struct platform p = platform_new();
    platform_up(&p);
    char json[100];
    write_file(p.mode, "refuse:cancelled");
    struct daemon d = start(&p, NULL, NULL);
    place(&d, 0, 3);
    int64_t order = daemon_number(&d, "order.place", "{\"ref\":\"c\",\"region\":441302001001,\"category\":\"legal_aid\",\"external_id\":\"x\"}", "order");
    snprintf(json, sizeof json, "{\"order\":%lld}", (long long)order);
    daemon_call(&d, "order.cancel", json);
    place(&d, 3, 3);
    json_decref(wait_for(&p, "placed", 7)); /* the others pass it by */
    wait_push(&d, "dead", 1);
    daemon_kill(&d);
    daemon_again(&d, (const char *const[]){"--push-url", p.url, "--push-secret", p.secret, NULL});
    const struct node *items = node_get(daemon_call(&d, "push.dead", "{}"), "items");
    ck_assert_uint_eq(items->count, 1);
    ck_assert_int_eq(member_number(&items->u.items[0], "status"), 422);
    int64_t event = member_number(&items->u.items[0], "event");
    snprintf(json, sizeof json, "{\"event\":%lld}", (long long)event);
    daemon_call(&d, "push.retry", json); /* still refused: it stays */
    wait_push(&d, "failed", 1);
    ck_assert_int_eq(member_number(node_get(daemon_call(&d, "push.state", "{}"), "push"), "dead"), 1);
    write_file(p.mode, "ok");
    daemon_call(&d, "push.retry", json);
    json_t *list = wait_for(&p, "cancelled", 1);
    json_decref(list);
    for (int i = 0; i < 1000 && node_get(daemon_call(&d, "push.dead", "{}"), "items")->count != 0; i++)
        usleep(10000);
    ck_assert_uint_eq(node_get(daemon_call(&d, "push.dead", "{}"), "items")->count, 0);
    daemon_end(&d);
    platform_down(&p);
    remove_directory(p.directory);
}
END_TEST

START_TEST(the_feed_can_be_told_again_from_any_point)
{
    struct platform p = platform_new();
    platform_up(&p);
    struct daemon d = start(&p, "--push-kinds", "placed|cancelled");
    place(&d, 0, 20);
    json_decref(wait_for(&p, "placed", 20));
    ck_assert_ptr_nonnull(daemon_call(&d, "push.seek", "{\"after\":10}"));
    json_t *list = wait_for(&p, "placed", 30);
    ck_assert_int_eq(json_integer_value(json_object_get(json_array_get(list, 20), "seq")), 11);
    json_decref(list);
    ck_assert_str_eq(daemon_refused(&d, "push.seek", "{\"after\":100000}"), "out_of_range");
    daemon_end(&d);
    platform_down(&p);
    remove_directory(p.directory);
}
END_TEST

/* Over HTTPS the platform is told only when its certificate is of the authority that was named. */
START_TEST(https_asks_for_the_right_certificate)
{
    struct platform p = platform_new();
    char command[600], cert[100], key[100], ca[2][100];
    snprintf(command, sizeof command,
             "cd %s && exec 2>/dev/null; for n in ours other; do openssl req -x509 -newkey rsa:2048 -nodes -keyout $n.key "
             "-subj /CN=$n -addext subjectAltName=IP:127.0.0.1 -days 2 -out $n.pem; done", p.directory);
    ck_assert_int_eq(system(command), 0);
    snprintf(cert, sizeof cert, "%s/ours.pem", p.directory);
    snprintf(key, sizeof key, "%s/ours.key", p.directory);
    snprintf(ca[0], sizeof ca[0], "%s/other.pem", p.directory);
    snprintf(ca[1], sizeof ca[1], "%s/ours.pem", p.directory);
    p.cert = cert;
    p.key = key;
    platform_up(&p);
    struct daemon d = start(&p, "--push-ca", ca[0]);
    place(&d, 0, 5);
    wait_push(&d, "failed", 1);
    json_t *list = taken(&p);
    ck_assert_uint_eq(json_array_size(list), 0);
    json_decref(list);
    daemon_stop(&d);
    daemon_again(&d, (const char *const[]){"--push-url", p.url, "--push-secret", p.secret, "--push-ca", ca[1], NULL});
    place(&d, 5, 200);
    list = wait_for(&p, "placed", 205);
    check_sequence(list);
    json_decref(list);
    daemon_end(&d);
    platform_down(&p);
    remove_directory(p.directory);
}
END_TEST

START_TEST(a_wrong_url_stops_the_start_and_without_one_there_is_no_connector)
{
    char said[2000];
    char data[100];
    char address[120];
    char directory[64];
    static const char *const urls[] = {"ftp://x/", "nonsense", "http://user:secret@x/"};
    make_directory(directory);
    snprintf(data, sizeof data, "%s/data", directory);
    snprintf(address, sizeof address, "unix:%s/sock", directory);
    for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
        ck_assert_int_eq(daemon_run((const char *const[]){"--data", data, "--listen", address, "--push-url", urls[i], NULL}, said, sizeof said), EX_CONFIG);
        ck_assert_msg(strstr(said, "push_url") != NULL, "%s", said);
    }
    ck_assert_int_eq(daemon_run((const char *const[]){"--data", data, "--listen", address, "--push-url", "http://127.0.0.1:9/", "--push-kinds", "birthday", NULL}, said, sizeof said), EX_CONFIG);
    ck_assert_ptr_nonnull(strstr(said, "push_kinds"));
    remove_directory(directory);
    struct daemon d = daemon_start(NULL);
    ck_assert_str_eq(daemon_refused(&d, "push.state", "{}"), "unavailable");
    ck_assert_uint_eq(node_get(daemon_call(&d, "push.dead", "{}"), "items")->count, 0);
    daemon_end(&d);
}
END_TEST

Suite *suite_push(void);
Suite *suite_push(void)
{
    Suite *s = suite_create("push");
    TCase *t = tcase_create("push");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, the_platform_is_told_in_sequence_and_signed);
    tcase_add_test(t, nothing_is_lost_while_the_platform_fails_stalls_and_is_gone);
    tcase_add_test(t, an_order_that_always_fails_is_parked_and_stops_no_other);
    tcase_add_test(t, what_is_refused_for_good_is_put_aside_and_told_again_on_request);
    tcase_add_test(t, the_feed_can_be_told_again_from_any_point);
    tcase_add_test(t, https_asks_for_the_right_certificate);
    tcase_add_test(t, a_wrong_url_stops_the_start_and_without_one_there_is_no_connector);
    suite_add_tcase(s, t);
    return s;
}
