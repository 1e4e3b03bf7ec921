/* HTTP: requests of a whole life, refusals with their status, events that resume, what operators read. */
#include <arpa/inet.h>
#include <jansson.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "daemon.h"
#include "proto/openapi.h"
#include "proto/turn.h"

struct reply {
    int status;
    char *all, *body; /* all: from the status line on; owned */
    json_t *json;     /* of the body; NULL when it is none */
};

static struct daemon start(const char *open_roles)
{
    return daemon_start((const char *const[]){"--listen", "http:127.0.0.1:0", "--open-roles", open_roles, NULL});
}

static int connect_http(const struct daemon *d)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(strrchr(d->http, ':') + 1)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = 20};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void send_all(int fd, const char *text)
{
    ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* Reads until the other side closes, or `until` has come. */
static char *read_until(int fd, const char *until)
{
    size_t room = 1 << 20, len = 0;
    char *text = calloc(1, room);
    ssize_t got = 0;
    while ((got = recv(fd, text + len, room - len - 1, 0)) > 0) {
        len += (size_t)got;
        if (until != NULL && strstr(text, until) != NULL)
            break;
        ck_assert_uint_lt(len, room - 1);
    }
    return text;
}

static struct reply ask_as(const struct daemon *d, const char *verb, const char *path, const char *headers,
                           const char *token, const char *body)
{
    char *request = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&request, &len);
    int fd = connect_http(d);
    fprintf(out, "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n%s", verb, path, headers);
    if (token != NULL)
        fprintf(out, "Authorization: Bearer %s\r\n", token);
    if (body != NULL)
        fprintf(out, "Content-Length: %zu\r\n", strlen(body));
    fprintf(out, "\r\n%s", body != NULL ? body : "");
    fclose(out);
    send_all(fd, request);
    free(request);
    struct reply r = {.all = read_until(fd, NULL)};
    close(fd);
    ck_assert_msg(sscanf(r.all, "HTTP/1.%*d %d", &r.status) == 1, "%s %s: %.100s", verb, path, r.all);
    r.body = strstr(r.all, "\r\n\r\n");
    r.body = r.body != NULL ? r.body + 4 : r.all + strlen(r.all);
    r.json = json_loads(r.body, 0, NULL);
    return r;
}

static struct reply ask(const struct daemon *d, const char *method, const char *token, const char *body)
{
    char path[80];
    snprintf(path, sizeof path, "/rpc/%s", method);
    return ask_as(d, "POST", path, "Content-Type: application/json\r\n", token, body);
}

static struct reply get(const struct daemon *d, const char *path, const char *token)
{
    return ask_as(d, "GET", path, "", token, NULL);
}

static void done(struct reply *r)
{
    json_decref(r->json);
    free(r->all);
}

/* A number of the answer to a request that must succeed. */
static json_int_t number(const struct daemon *d, const char *method, const char *token, const char *body, const char *key)
{
    struct reply r = ask(d, method, token, body);
    ck_assert_msg(r.status == 200, "%s: %s", method, r.all);
    json_int_t found = json_integer_value(json_object_get(r.json, key));
    done(&r);
    return found;
}

static void refused(struct reply r, int status, const char *code, const char *field)
{
    const json_t *error = json_object_get(r.json, "error");
    ck_assert_msg(r.status == status, "%s", r.all);
    ck_assert_str_eq(json_string_value(json_object_get(error, "code")), code);
    ck_assert_ptr_nonnull(json_string_value(json_object_get(error, "message")));
    if (field != NULL)
        ck_assert_str_eq(json_string_value(json_object_get(error, "field")), field);
    done(&r);
}

static void add_token(struct daemon *d, const char *json, char token[120])
{
    const struct node *result = daemon_call(d, "token.add", json);
    ck_assert_ptr_nonnull(result);
    snprintf(token, 120, "%s", member(result, "token"));
}

static void put_org(struct daemon *d)
{
    daemon_number(d, "org.put", "{\"id\":7,\"region\":441302001001,\"lat\":23.0861,\"lon\":114.4132,"
                                "\"skills\":[\"legal_aid\"],\"capacity\":5,\"name\":\"七队\"}", "org");
}

START_TEST(an_order_goes_its_whole_way)
{
    struct daemon d = start("");
    char platform[120], dispatcher[120], org[120], body[200];
    put_org(&d);
    add_token(&d, "{\"token_id\":\"platform\",\"roles\":\"platform\",\"everywhere\":true}", platform);
    add_token(&d, "{\"token_id\":\"desk\",\"roles\":\"dispatcher\",\"region\":441302001001}", dispatcher);
    add_token(&d, "{\"token_id\":\"team\",\"roles\":\"org\",\"org\":7}", org);
    json_int_t order = number(&d, "order.place", platform,
                              "{\"ref\":\"a\",\"region\":441302001001,\"category\":\"legal_aid\",\"contact\":{\"name\":\"王\"}}", "order");
    ck_assert_int_eq(number(&d, "order.place", platform, "{\"ref\":\"a\",\"region\":441302001001,\"category\":\"legal_aid\","
                                                         "\"contact\":{\"name\":\"王\"}}", "order"), order);
    snprintf(body, sizeof body, "{\"order\":%lld,\"orgs\":[7]}", (long long)order);
    struct reply r = ask(&d, "order.dispatch", dispatcher, body);
    ck_assert_msg(r.status == 200, "%s", r.all);
    json_int_t offer = json_integer_value(json_object_get(json_array_get(json_object_get(r.json, "offers"), 0), "offer"));
    done(&r);
    snprintf(body, sizeof body, "{\"offer\":%lld}", (long long)offer);
    ck_assert_int_eq(number(&d, "offer.accept", org, body, "order"), order);
    number(&d, "service.start", org, body, "order");
    snprintf(body, sizeof body, "{\"offer\":%lld,\"records\":[{\"volunteer\":3,\"minutes\":60}]}", (long long)offer);
    number(&d, "service.complete", org, body, "order");
    snprintf(body, sizeof body, "{\"order\":%lld,\"stars\":5}", (long long)order);
    number(&d, "order.rate", platform, body, "order");
    r = get(&d, "/rpc/order.get", platform);
    refused(r, 405, "bad_request", "method"); /* reading by GET is not there: caches would keep it */
    snprintf(body, sizeof body, "{\"order\":%lld}", (long long)order);
    r = ask(&d, "order.get", platform, body);
    ck_assert_str_eq(json_string_value(json_object_get(r.json, "state")), "closed");
    done(&r);
    daemon_end(&d);
}
END_TEST

START_TEST(what_is_wrong_is_said_with_its_status)
{
    struct daemon d = start("");
    char desk[120], huge[200];
    add_token(&d, "{\"token_id\":\"desk\",\"roles\":\"dispatcher\",\"region\":441302001001}", desk);
    refused(ask(&d, "order.list", NULL, "{}"), 401, "unauthenticated", NULL);
    refused(ask(&d, "order.list", "desk.0000", "{}"), 401, "unauthenticated", "token");
    refused(ask(&d, "order.list", desk, "{\"region\":441303}"), 403, "forbidden", "region");
    refused(ask(&d, "token.list", desk, "{}"), 403, "forbidden", NULL);
    refused(ask(&d, "order.get", desk, "{\"order\":99}"), 404, "not_found", "order");
    refused(ask(&d, "order.fly", desk, "{}"), 404, "unknown_method", "method");
    refused(ask(&d, "event.subscribe", desk, "{}"), 404, "unknown_method", "method");
    refused(ask(&d, "order.get", desk, "{\"order\":1,\"colour\":2}"), 400, "unknown_field", "colour");
    refused(ask(&d, "order.get", desk, "{}"), 400, "missing_field", "order");
    refused(ask(&d, "order.get", desk, "{\"order\":\"one\"}"), 400, "bad_type", "order");
    refused(ask(&d, "order.get", desk, "{\"order\":"), 400, "bad_request", "body");
    refused(ask(&d, "order.get", desk, "[1]"), 400, "bad_request", "body");
    refused(ask(&d, "order.get", desk, "{\"order\":1}{}"), 400, "bad_request", "body");
    refused(ask(&d, "order.get", desk, "{\"order\":[[[[[[[[[[1]]]]]]]]]]}"), 400, "bad_request", "body");
    refused(ask_as(&d, "POST", "/rpc/order.get", "Content-Type: text/plain\r\n", desk, "{\"order\":1}"), 415, "bad_request", "Content-Type");
    refused(ask_as(&d, "POST", "/elsewhere", "Content-Type: application/json\r\n", desk, "{}"), 404, "unknown_method", "path");
    refused(get(&d, "/nothing", desk), 404, "not_found", "path");
    refused(get(&d, "/events?after=x", desk), 400, "bad_type", "after");
    refused(get(&d, "/events?colour=1", desk), 400, "unknown_field", "colour");
    size_t len = 0;
    char *many = NULL;
    FILE *out = open_memstream(&many, &len);
    for (int i = 0; i < 65537; i++)
        fprintf(out, "%s\"%x\":1", i != 0 ? "," : "{", i);
    fputc('}', out);
    fclose(out);
    refused(ask(&d, "order.get", desk, many), 400, "bad_request", "body");
    refused(ask(&d, "order.get", NULL, many), 413, "bad_request", "body"); /* a stranger's is not even read */
    free(many);
    refused(ask(&d, "order.get", NULL, "{\"o\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1"), 400, "bad_request", "body");
    struct reply r = ask_as(&d, "DELETE", "/", "", NULL, NULL);
    ck_assert_ptr_nonnull(strstr(r.all, "Allow: GET, HEAD, POST, OPTIONS\r\n"));
    refused(r, 405, "bad_request", "method");
    char *body = malloc(2 << 20);
    memset(body, ' ', 2 << 20);
    body[(2 << 20) - 1] = '\0';
    int fd = connect_http(&d); /* a body beyond the bound is not waited for */
    snprintf(huge, sizeof huge, "POST /rpc/server.info HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", 2 << 20);
    send_all(fd, huge);
    r.all = read_until(fd, "\r\n\r\n");
    ck_assert_ptr_nonnull(strstr(r.all, " 413 "));
    free(r.all);
    free(body);
    close(fd);
    ck_assert_int_eq(number(&d, "server.info", NULL, "{}", "protocol"), 1); /* and it goes on */
    daemon_end(&d);
}
END_TEST

/* Strangers with roles are let in by the name of this machine only: a page that makes its own name lead
 * here gets nothing. */
START_TEST(a_foreign_name_gets_no_open_roles)
{
    struct daemon d = start("all");
    struct reply r = ask(&d, "order.list", NULL, "{}");
    ck_assert_int_eq(r.status, 200);
    done(&r);
    int fd = connect_http(&d);
    send_all(fd, "POST /rpc/order.list HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\nContent-Type: application/json\r\n"
                 "Content-Length: 2\r\n\r\n{}");
    char *text = read_until(fd, NULL);
    ck_assert_ptr_nonnull(strstr(text, " 401 "));
    free(text);
    close(fd);
    daemon_end(&d);
}
END_TEST

static int follow(const struct daemon *d, const char *query, const char *last, const char *token)
{
    char request[400];
    int fd = connect_http(d);
    snprintf(request, sizeof request, "GET /events%s HTTP/1.1\r\nHost: x\r\n%s%s\r\nAuthorization: Bearer %s\r\n\r\n", query,
             last != NULL ? "Last-Event-ID: " : "X-None: ", last != NULL ? last : "1", token);
    send_all(fd, request);
    return fd;
}

START_TEST(events_are_told_and_go_on_where_they_broke_off)
{
    struct daemon d = start("");
    char platform[120], org[120];
    put_org(&d);
    add_token(&d, "{\"token_id\":\"platform\",\"roles\":\"platform\",\"everywhere\":true}", platform);
    daemon_number(&d, "org.put", "{\"id\":9,\"region\":441302001001,\"lat\":23.0861,\"lon\":114.4132,\"skills\":[\"emergency_rescue\"]}", "org");
    add_token(&d, "{\"token_id\":\"team\",\"roles\":\"org\",\"org\":9}", org);
    int fd = follow(&d, "?after=0", NULL, platform);
    char *text = read_until(fd, "event: org_put");
    ck_assert_ptr_nonnull(strstr(text, "Content-Type: text/event-stream"));
    free(text);
    number(&d, "order.place", platform, "{\"ref\":\"a\",\"region\":441302001001,\"category\":\"legal_aid\"}", "order");
    text = read_until(fd, "\"order\": 1");
    ck_assert_ptr_nonnull(strstr(text, "event: placed\ndata: {"));
    ck_assert_ptr_nonnull(strstr(text, "id: "));
    free(text);
    close(fd);
    number(&d, "order.place", platform, "{\"ref\":\"b\",\"region\":441302001001,\"category\":\"legal_aid\"}", "order");
    fd = follow(&d, "?after=0", "2", platform); /* what a browser sends when it comes back */
    text = read_until(fd, "\"order\": 2");
    ck_assert_ptr_null(strstr(text, "id: 1\n"));
    ck_assert_ptr_null(strstr(text, "id: 2\n"));
    ck_assert_ptr_nonnull(strstr(text, "id: 3\n"));
    free(text);
    close(fd);
    fd = follow(&d, "?after=0", NULL, org); /* whose orders these are not */
    number(&d, "order.place", platform, "{\"ref\":\"c\",\"region\":441302001001,\"category\":\"legal_aid\"}", "order");
    struct timeval patience = {.tv_sec = 1};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    text = read_until(fd, "event: placed");
    ck_assert_ptr_null(strstr(text, "event: placed"));
    free(text);
    close(fd);
    fd = follow(&d, "?after=0", NULL, org); /* a revoked token's stream ends, and a browser's next try is refused */
    text = read_until(fd, "\r\n\r\n");
    ck_assert_ptr_nonnull(strstr(text, " 200 "));
    free(text);
    daemon_call(&d, "token.revoke", "{\"token_id\":\"team\"}");
    text = read_until(fd, "\r\n0\r\n\r\n");
    ck_assert_ptr_nonnull(strstr(text, "0\r\n\r\n"));
    free(text);
    close(fd);
    fd = follow(&d, "", NULL, org);
    text = read_until(fd, "unauthenticated");
    ck_assert_ptr_nonnull(strstr(text, " 401 "));
    free(text);
    close(fd);
    fd = follow(&d, "", NULL, "team.wrong");
    text = read_until(fd, "unauthenticated");
    ck_assert_ptr_nonnull(strstr(text, " 401 "));
    free(text);
    close(fd);
    daemon_end(&d); /* with streams open it ends all the same */
}
END_TEST

/* Every metric that a file of conf/ asks for is one that is measured. */
static void asks_for_what_is_measured(const char *path, const char *metrics)
{
    static const char *const suffixes[] = {"_bucket", "_count", "_sum"};
    char name[100], line[110];
    int count = 0;
    char *text = calloc(1, 1 << 16);
    FILE *file = fopen(path, "re");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_gt(fread(text, 1, (1 << 16) - 1, file), 100);
    fclose(file);
    for (const char *at = strstr(text, "paidan_"); at != NULL; at = strstr(at + 1, "paidan_")) {
        snprintf(name, sizeof name, "%.*s", (int)strspn(at, "abcdefghijklmnopqrstuvwxyz_"), at);
        for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
            char *end = strstr(name, suffixes[i]);
            if (end != NULL && end[strlen(suffixes[i])] == '\0')
                *end = '\0';
        }
        snprintf(line, sizeof line, "# TYPE %s ", name);
        ck_assert_msg(strstr(metrics, line) != NULL, "%s: %s is not measured", path, name);
        count++;
    }
    ck_assert_int_gt(count, 5);
    free(text);
}

/* At level debug each request is a line, under the number that its answer carries; what it says is not. */
START_TEST(the_log_names_requests_by_their_number)
{
    struct daemon d = daemon_start((const char *const[]){"--listen", "http:127.0.0.1:0", "--log-level", "debug", NULL});
    char path[100], wanted[120], id[40];
    char *log = calloc(1, 1 << 16);
    struct reply r = ask(&d, "order.place", NULL, "{\"ref\":\"a\",\"region\":1,\"category\":\"legal_aid\",\"contact\":{\"name\":\"CANARY\"}}");
    const char *at = strstr(r.all, "X-Request-Id: ");
    ck_assert_ptr_nonnull(at);
    snprintf(id, sizeof id, "%.*s", (int)strcspn(at + 14, "\r"), at + 14);
    done(&r);
    daemon_call(&d, "server.info", "{}");
    snprintf(path, sizeof path, "%s/log", d.directory);
    FILE *file = fopen(path, "re");
    ck_assert_uint_gt(fread(log, 1, (1 << 16) - 1, file), 0);
    fclose(file);
    snprintf(wanted, sizeof wanted, "event=request request=%s principal=", id);
    ck_assert_ptr_nonnull(strstr(log, wanted));
    ck_assert_ptr_nonnull(strstr(log, "method=order.place code=not_found"));
    ck_assert_ptr_nonnull(strstr(log, "method=server.info code=ok"));
    ck_assert_ptr_null(strstr(log, "CANARY"));
    free(log);
    daemon_end(&d);
}
END_TEST

START_TEST(operators_read_metrics_and_health)
{
    struct daemon d = daemon_start((const char *const[]){"--listen", "http:127.0.0.1:0", "--open-roles", "", "--push-url", "http://127.0.0.1:9/", NULL});
    char operator[120], platform[120];
    add_token(&d, "{\"token_id\":\"ops\",\"roles\":\"operator\"}", operator);
    add_token(&d, "{\"token_id\":\"platform\",\"roles\":\"platform\",\"everywhere\":true}", platform);
    number(&d, "order.place", platform, "{\"ref\":\"a\",\"region\":441302001001,\"category\":\"legal_aid\"}", "order");
    number(&d, "match.find", platform, "{\"region\":441302001001,\"category\":\"legal_aid\"}", "found");
    struct reply r = get(&d, "/healthz", NULL);
    ck_assert_str_eq(r.body, "ok\n");
    done(&r);
    r = get(&d, "/readyz", NULL);
    ck_assert_int_eq(r.status, 200);
    done(&r);
    refused(get(&d, "/metrics", NULL), 401, "unauthenticated", NULL);
    refused(get(&d, "/metrics", platform), 403, "forbidden", NULL);
    r = get(&d, "/metrics", operator);
    ck_assert_int_eq(r.status, 200);
    static const char *const lines[] = {"\npaidan_orders_open 1\n", "\npaidan_match_seconds_count 1\n", "\npaidan_live_up 1\n",
                                        "\npaidan_refused_total{code=\"unauthenticated\"} 1\n", "\npaidan_budget_held{kind=\"connections\"} 1\n",
                                        "\npaidan_budget_max{kind=\"streams\"} 1000\n", "\npaidan_budget_refused_total{kind=\"jobs\"} 0\n", "# TYPE paidan_commit_seconds histogram\n"};
    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        ck_assert_msg(strstr(r.body, lines[i]) != NULL, "%s is not in %s", lines[i], r.body);
    long long before = 0, count = 0; /* each bucket holds all below it */
    for (const char *at = strstr(r.body, "paidan_commit_seconds_bucket"); at != NULL; at = strstr(at + 1, "paidan_commit_seconds_bucket")) {
        long long now = atoll(strchr(at, '}') + 1);
        ck_assert_int_ge(now, before);
        before = now;
    }
    ck_assert_int_eq(sscanf(strstr(r.body, "paidan_commit_seconds_count"), "paidan_commit_seconds_count %lld", &count), 1);
    ck_assert_int_eq(before, count);
    ck_assert_int_gt(count, 0);
    asks_for_what_is_measured("conf/alerts.yml", r.body);
    asks_for_what_is_measured("conf/dashboard.json", r.body);
    done(&r);
    daemon_end(&d);
}
END_TEST

START_TEST(openapi_describes_every_method)
{
    size_t len = 0;
    const char *text = openapi_text(&len);
    json_t *document = json_loads(text, 0, NULL);
    const json_t *paths = json_object_get(document, "paths");
    char path[80];
    ck_assert_str_eq(json_string_value(json_object_get(document, "openapi")), "3.1.0");
    ck_assert_ptr_nonnull(json_object_get(json_object_get(document, "components"), "securitySchemes"));
    ck_assert_ptr_nonnull(json_object_get(paths, "/events"));
    for (int t = 0; t < method_table_count; t++) {
        for (int i = 0; i < method_count(t); i++) {
            const struct method *m = &method_tables[t][i];
            snprintf(path, sizeof path, "/rpc/%s", m->name);
            const json_t *post = json_object_get(json_object_get(paths, path), "post");
            bool is_over_http = strcmp(m->name, "event.subscribe") != 0;
            ck_assert_msg((post != NULL) == is_over_http, "%s", path);
            if (post == NULL)
                continue;
            const json_t *schema = json_object_get(json_object_get(json_object_get(json_object_get(json_object_get(
                post, "requestBody"), "content"), "application/json"), "schema"), "properties");
            ck_assert_int_eq((int)json_object_size(schema), method_param_count(m));
        }
    }
    json_decref(document);
}
END_TEST

/* Clients that go before their answer, hold connections, and send no whole head. */
START_TEST(clients_that_leave_or_dawdle_cost_nothing)
{
    struct daemon d = start("all");
    static const char place[] = "POST /rpc/order.place HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                                "Content-Length: 58\r\n\r\n{\"ref\":\"%03d\",\"region\":441302001001,\"category\":\"legal_aid\"}";
    int idle[50];
    for (int i = 0; i < 50; i++) {
        idle[i] = connect_http(&d);
        send_all(idle[i], "GET /heal");
    }
    for (int i = 0; i < 100; i++) {
        char request[300];
        snprintf(request, sizeof request, place, i);
        int fd = connect_http(&d);
        send_all(fd, request);
        close(fd);
    }
    ck_assert_int_eq(number(&d, "server.info", NULL, "{}", "protocol"), 1);
    int64_t held = 0;
    for (int i = 0; i < 100; i++) { /* all are given back */
        held = member_number(daemon_call(&d, "server.stats", "{}"), "http_connections");
        if (held <= 51)
            break;
        usleep(100000);
    }
    ck_assert_int_ge(held, 50); /* those that dawdle have some time yet */
    ck_assert_int_le(held, 51);
    for (int i = 0; i < 50; i++)
        close(idle[i]);
    daemon_end(&d);
}
END_TEST

/* Those who hold all places and ask for nothing, or never end what they ask, keep nobody out. */
START_TEST(idle_connections_give_way_to_those_that_ask)
{
    enum { PLACES = 2000 };
    static int idle[PLACES];
    struct rlimit limit;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    struct daemon d = start("all");
    for (int i = 0; i < PLACES; i++) {
        idle[i] = connect_http(&d);
        if (i % 2 != 0)
            send_all(idle[i], i % 4 == 1 ? "GET /heal" : "POST /rpc/server.info HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n{");
    }
    for (int i = 0; i < 20; i++) {
        struct reply r = get(&d, "/healthz", NULL);
        ck_assert_int_eq(r.status, 200);
        done(&r);
    }
    for (int i = 0; i < PLACES; i++)
        close(idle[i]);
    daemon_end(&d);
}
END_TEST

/* What a daemon that begins with few descriptors has of them. */
static unsigned descriptors_of(const struct daemon *d)
{
    char line[200], path[60];
    unsigned most = 0;
    snprintf(path, sizeof path, "/proc/%d/limits", (int)d->pid);
    FILE *file = fopen(path, "re");
    while (most == 0 && fgets(line, sizeof line, file) != NULL)
        sscanf(line, "Max open files %u", &most);
    fclose(file);
    return most;
}

/* There is a descriptor for every place, or a warning that says how many are missing. */
START_TEST(descriptors_are_raised_to_what_the_places_need)
{
    struct rlimit limit;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    ck_assert_uint_gt(limit.rlim_max, 3000);
    limit.rlim_cur = 300;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    const char *const options[] = {"--listen", "http:127.0.0.1:0", "--connections-max", "80", NULL};
    struct daemon d = daemon_start(options);
    ck_assert_uint_eq(descriptors_of(&d), 80 + 14 + 2000 + 64);
    daemon_end(&d);
    limit.rlim_max = 1000;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    d = daemon_start(options);
    ck_assert_uint_eq(descriptors_of(&d), 1000);
    daemon_says(&d, "event=descriptors_short needed=2158 allowed=1000");
    daemon_end(&d);
}
END_TEST

/* The page may fetch pictures from where the tiles are, when there are some, and from nowhere else. */
START_TEST(the_console_fetches_tiles_only_where_they_are_configured)
{
    for (int has = 0; has < 2; has++) {
        struct daemon d = daemon_start((const char *const[]){"--listen", "http:127.0.0.1:0", "--map-tiles",
                                                             has ? "https://tiles.example:8443/{z}/{x}/{y}.png" : "", NULL});
        struct reply r = get(&d, "/", NULL);
        ck_assert_ptr_nonnull(strstr(r.all, has ? "img-src 'self' data: https://tiles.example:8443;" : "img-src 'self' data: ;"));
        done(&r);
        r = get(&d, "/console.json", NULL);
        ck_assert_str_eq(json_string_value(json_object_get(r.json, "tiles")), has ? "https://tiles.example:8443/{z}/{x}/{y}.png" : "");
        done(&r);
        daemon_end(&d);
    }
}
END_TEST

START_TEST(http_stays_on_loopback)
{
    char said[2000];
    ck_assert_int_eq(daemon_run((const char *const[]){"--check", "--listen", "http:0.0.0.0:1", NULL}, said, sizeof said), 0);
    struct daemon d = start("");
    ck_assert_int_ne(daemon_run((const char *const[]){"--data", "/tmp/paidan-no", "--listen", "http:0.0.0.0:0", "--regions",
                                                      "conf/huizhou/regions.csv", "--codes", "conf/huizhou", NULL}, said, sizeof said), 0);
    ck_assert_ptr_nonnull(strstr(said, "beyond loopback"));
    remove_directory("/tmp/paidan-no");
    daemon_end(&d);
}
END_TEST

/* Sends bytes as they are and returns all that comes back until the daemon closes. */
static char *say(const struct daemon *d, const char *bytes, size_t len)
{
    int fd = connect_http(d);
    ck_assert_int_eq(send(fd, bytes, len, MSG_NOSIGNAL), (ssize_t)len);
    char *text = read_until(fd, NULL);
    close(fd);
    return text;
}

/* What two programs could read in two ways is refused, as JSON, and ends the connection. */
START_TEST(what_could_be_read_in_two_ways_is_refused)
{
#define POST "POST /rpc/server.info HTTP/1.1\r\nHost: localhost\r\n"
#define TEXT(text) text, sizeof text - 1
    static const struct {
        const char *bytes;
        size_t len;
        int status;
    } cases[] = {
        {TEXT(POST "Content-Length: 2\r\nContent-Length: 40\r\n\r\n{}"), 400},
        {TEXT(POST "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}"), 400},
        {TEXT(POST "Content-Length: 2, 2\r\n\r\n{}"), 400},
        {TEXT(POST "Content-Length: +2\r\n\r\n{}"), 400},
        {TEXT(POST "Content-Length: -2\r\n\r\n{}"), 400},
        {TEXT(POST "Content-Length: 0x2\r\n\r\n{}"), 400},
        {TEXT(POST "Content-Length:\r\n\r\n{}"), 400},
        {TEXT(POST "Content-Length: 99999999999999999999\r\n\r\n{}"), 413},
        {TEXT(POST "Content-Length: 4097\r\n\r\n{}"), 413}, /* of a stranger */
        {TEXT(POST "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"), 400},
        {TEXT(POST "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n{}"), 400},
        {TEXT(POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"), 501},
        {TEXT(POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), 501},
        {TEXT(POST "Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n"), 400},
        {TEXT(POST "Transfer-Encoding: chunked\r\n\r\n2\r\n{}0\r\n\r\n"), 400},
        {TEXT(POST "Transfer-Encoding: chunked\r\n\r\n2\n{}\r\n0\r\n\r\n" "x\r\n"), 400},
        {TEXT(POST "Transfer-Encoding: chunked\r\n\r\nffffff\r\n"), 413},
        {TEXT("POST /rpc/server.info HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400},
        {TEXT(POST "X: a\0b\r\n\r\n"), 400},
        {TEXT(POST "X\0: b\r\n\r\n"), 400},
        {TEXT(POST "X: a\rb\r\n\r\n"), 400},
        {TEXT(POST "X: a\r\n folded\r\n\r\n"), 400},
        {TEXT(POST "X: a\nY: b\r\n\r\n"), 400},
        {TEXT(POST ": a\r\n\r\n"), 400},
        {TEXT(POST "X\r\n\r\n"), 400},
        {TEXT(POST "Host: evil.example\r\n\r\n"), 400},
        {TEXT(POST "Expect: the worst\r\n\r\n"), 417},
        {TEXT("GET / HTTP/1.1\r\n\r\n"), 400}, /* no host */
        {TEXT("GET / HTTP/1.1\nHost: x\n\n"), 400},
        {TEXT("GET / HTTP/2.0\r\nHost: x\r\n\r\n"), 505},
        {TEXT("GET  / HTTP/1.1\r\nHost: x\r\n\r\n"), 400},
        {TEXT("GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n"), 400},
        {TEXT("GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n"), 400},
        {TEXT("GET healthz HTTP/1.1\r\nHost: x\r\n\r\n"), 400},
        {TEXT("GET /\r\nHost: x\r\n\r\n"), 400},
        {TEXT("\x16\x03\x01\x02\r\n\r\n"), 400}, /* TLS, more or less */
    };
    struct daemon d = start("");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int status = 0;
        char *text = say(&d, cases[i].bytes, cases[i].len);
        ck_assert_msg(sscanf(text, "HTTP/1.1 %d", &status) == 1 && status == cases[i].status, "case %zu: %s", i, text);
        ck_assert_msg(strstr(text, "{\"error\": {\"code\": \"bad_request\"") != NULL, "case %zu: %s", i, text);
        ck_assert_msg(strstr(text, "\nHTTP/1.1 ") == NULL, "case %zu is answered twice: %s", i, text);
        free(text);
    }
    char *head = calloc(1, 20000);
    size_t len = (size_t)sprintf(head, "GET /healthz HTTP/1.1\r\nHost: x\r\nX: ");
    memset(head + len, 'x', 19000 - len);
    char *text = say(&d, head, strlen(head)); /* a head without end */
    ck_assert_ptr_nonnull(strstr(text, "HTTP/1.1 431 "));
    free(text);
    len = (size_t)sprintf(head, "GET /healthz HTTP/1.1\r\nHost: x\r\n");
    for (int i = 0; i < 64; i++)
        len += (size_t)sprintf(head + len, "X-%d: y\r\n", i);
    sprintf(head + len, "\r\n");
    text = say(&d, head, strlen(head));
    ck_assert_ptr_nonnull(strstr(text, "HTTP/1.1 431 "));
    free(text);
    free(head);
    daemon_end(&d);
}
END_TEST

/* What is unusual and means one thing is answered. */
START_TEST(what_means_one_thing_is_answered)
{
    static const struct {
        const char *bytes, *wanted;
    } cases[] = {
        {POST "Connection: close\r\n\r\n", "\"protocol\": 1"}, /* neither type nor body */
        {POST "Connection: close\r\nContent-Length: 2\r\n\r\n{}", "\"protocol\": 1"}, /* no browser, no type */
        {"\r\n" POST "Connection: close\r\nContent-Type: application/json;charset=utf-8\r\nContent-Length: 2\r\n\r\n{}", "\"protocol\": 1"},
        {POST "Connection: x, Close\r\nTransfer-Encoding: Chunked\r\n\r\n1;x=y\r\n{\r\n01\r\n}\r\n0\r\nTrailer: x\r\n\r\n", "\"protocol\": 1"},
        {POST "\r\n" POST "Connection: close\r\n\r\n", "\"protocol\": 1"},
        {"POST http://localhost/rpc/server.info HTTP/1.1\r\nHost: elsewhere\r\nConnection: close\r\n\r\n", "\"protocol\": 1"},
        {"POST /rpc/server.info HTTP/1.0\r\nContent-Length: 2\r\n\r\n{}", "\"protocol\": 1"},
        {POST "Connection: close\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK"},
        {"HEAD /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "Content-Length: 3\r\n\r\n"},
        {"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "HTTP/1.1 204 No Content\r\n"},
        {"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "\r\n\r\nok\n"},
        {"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "ready\n"},
    };
    struct daemon d = start("");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *text = say(&d, cases[i].bytes, strlen(cases[i].bytes));
        ck_assert_msg(strstr(text, cases[i].wanted) != NULL, "case %zu: %s", i, text);
        if (strncmp(cases[i].bytes, "HEAD", 4) == 0)
            ck_assert_ptr_null(strstr(text, "ok"));
        free(text);
        int fd = connect_http(&d); /* byte by byte, and the sending side closed */
        for (size_t at = 0; cases[i].bytes[at] != '\0'; at++)
            ck_assert_int_eq(send(fd, cases[i].bytes + at, 1, MSG_NOSIGNAL), 1);
        shutdown(fd, SHUT_WR);
        text = read_until(fd, NULL);
        close(fd);
        if (strstr(cases[i].bytes, "\r\n\r\nGET") == NULL && strstr(cases[i].bytes, "\r\n\r\nPOST") == NULL)
            ck_assert_msg(strstr(text, cases[i].wanted) != NULL, "case %zu, byte by byte: %s", i, text);
        free(text);
    }
    daemon_end(&d);
}
END_TEST

/* What strangers may do is for those who ask by this machine's own name, and for no page of somebody else's. */
START_TEST(no_foreign_page_uses_what_strangers_may)
{
    static const struct {
        const char *headers;
        int status;
    } cases[] = {
        {"Host: 127.0.0.1", 200}, {"Host: 127.0.0.1:8080", 200}, {"Host: 127.9.9.9", 200}, {"Host: LocalHost:1", 200}, {"Host: [::1]:80", 200},
        {"Host: 127.evil.example", 401}, {"Host: 127.0.0.1.evil.example", 401}, {"Host: 127.0.0.1:80.evil.example", 401}, {"Host: 127.1", 401},
        {"Host: localhost.evil.example", 401}, {"Host: 0.0.0.0", 401}, {"Host: [::1].evil.example", 401}, {"Host: [::2]", 401}, {"Host: ", 401},
        {"Host: 128.0.0.1", 401}, {"Host: evil.example\r\nX-Forwarded-Host: 127.0.0.1", 401},
        {"Host: localhost:80\r\nContent-Type: application/json\r\nOrigin: http://localhost:80", 200},
        {"Host: localhost:80\r\nContent-Type: application/json\r\nOrigin: http://localhost:80\r\nSec-Fetch-Site: same-origin", 200},
        {"Host: localhost:80\r\nOrigin: http://localhost:80", 415}, /* a browser says what it sends */
        {"Host: localhost\r\nContent-Type: text/plain", 415}, {"Host: localhost\r\nContent-Type: application/jsonp", 415},
        {"Host: localhost:80\r\nOrigin: http://localhost:81", 403}, {"Host: localhost:80\r\nOrigin: https://evil.example", 403},
        {"Host: localhost\r\nOrigin: null", 403}, {"Host: localhost\r\nOrigin: http://localhost.evil.example", 403},
        {"Host: localhost\r\nSec-Fetch-Site: cross-site", 403}, {"Host: localhost\r\nSec-Fetch-Site: same-site", 403},
    };
    struct daemon d = start("all");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char request[400];
        int status = 0;
        snprintf(request, sizeof request, "POST /rpc/order.list HTTP/1.1\r\n%s\r\nConnection: close\r\n\r\n", cases[i].headers);
        char *text = say(&d, request, strlen(request));
        ck_assert_msg(sscanf(text, "HTTP/1.1 %d", &status) == 1 && status == cases[i].status, "%s: %s", cases[i].headers, text);
        free(text);
    }
    char *text = say(&d, TEXT("GET /events HTTP/1.1\r\nHost: 127.evil.example\r\nConnection: close\r\n\r\n"));
    ck_assert_ptr_nonnull(strstr(text, " 401 "));
    free(text);
    text = say(&d, TEXT("GET /events HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\nConnection: close\r\n\r\n"));
    ck_assert_ptr_nonnull(strstr(text, " 401 "));
    free(text);
    daemon_end(&d);
}
END_TEST

/* Guessing is ended and logged: one wrong token a connection. */
START_TEST(a_wrong_token_ends_the_connection)
{
    struct daemon d = start("");
    char path[100];
    char *log = calloc(1, 1 << 16);
    char *text = say(&d, TEXT(POST "Authorization: Bearer x.y\r\n\r\n" POST "Authorization: Bearer x.z\r\n\r\n"));
    ck_assert_ptr_nonnull(strstr(text, " 401 "));
    ck_assert_ptr_null(strstr(strstr(text, " 401 ") + 1, " 401 "));
    free(text);
    snprintf(path, sizeof path, "%s/log", d.directory);
    FILE *file = fopen(path, "re");
    ck_assert_uint_gt(fread(log, 1, (1 << 16) - 1, file), 0);
    fclose(file);
    ck_assert_ptr_nonnull(strstr(log, "event=wrong_token request="));
    free(log);
    daemon_end(&d);
}
END_TEST

/* A number of /proc/PID/status, in KiB. */
static long memory_of(const struct daemon *d)
{
    char line[200], path[60];
    long kib = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)d->pid);
    FILE *file = fopen(path, "re");
    while (kib == 0 && fgets(line, sizeof line, file) != NULL)
        sscanf(line, "VmRSS: %ld", &kib);
    fclose(file);
    return kib;
}

/* As many requests for a page as a socket takes, and no answer is read. */
static int pipeline_unread(const struct daemon *d, const char *path)
{
    char request[200];
    int fd = connect_http(d);
    size_t len = (size_t)snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path);
    for (int i = 0; i < 3000; i++)
        if (send(fd, request, len, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)len)
            break;
    return fd;
}

/* Whoever asks for more than they read gets no more of the loop or of memory than one answer. */
START_TEST(pages_asked_for_and_not_read_cost_nothing)
{
    static const char *const paths[] = {"/openapi.json", "/leaflet.js", "/healthz", "/nowhere"};
    enum { CONNECTIONS = 200 };
    int fds[CONNECTIONS];
    struct daemon d = start("");
    struct reply r = get(&d, "/openapi.json", NULL);
    done(&r);
    long before = memory_of(&d);
    for (int i = 0; i < CONNECTIONS; i++)
        fds[i] = pipeline_unread(&d, paths[i % 4]);
    for (int i = 0; i < 20; i++) {
        time_t began = time(NULL);
        r = get(&d, "/healthz", NULL);
        ck_assert_int_eq(r.status, 200);
        done(&r);
        ck_assert_ptr_nonnull(daemon_call(&d, "server.info", "{}"));
        ck_assert_int_le(time(NULL) - began, 10);
        usleep(50000);
    }
    if (!is_sanitized()) /* which keep what was freed */
        ck_assert_int_le(memory_of(&d) - before, 64 << 10);
    for (int i = 0; i < CONNECTIONS; i++)
        close(fds[i]);
    daemon_end(&d);
}
END_TEST

/* Requests in one piece are answered in turn, also when the client says at once that it sends no more. */
START_TEST(a_pipeline_is_answered_whole_after_its_client_has_ended)
{
    struct daemon d = start("all");
    int fd = connect_http(&d);
    for (int i = 0; i < 5; i++)
        send_all(fd, "GET /leaflet.js HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
                     "POST /rpc/server.info HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n");
    ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
    char *said = read_until(fd, NULL);
    int count = 0;
    for (const char *at = said; (at = strstr(at, "HTTP/1.1 200 OK\r\n")) != NULL; at++)
        count++;
    ck_assert_int_eq(count, 10);
    free(said);
    close(fd);
    daemon_end(&d);
}
END_TEST

START_TEST(refusals_speak_of_http)
{
    struct daemon d = start("");
    struct reply r = get(&d, "/rpc/server.info", NULL);
    ck_assert_ptr_nonnull(strstr(r.all, "Allow: POST, OPTIONS\r\n"));
    ck_assert_ptr_null(strstr(r.all, "msgid"));
    refused(r, 405, "bad_request", "method");
    daemon_end(&d);
}
END_TEST

START_TEST(every_request_of_a_burst_is_answered)
{
    struct daemon d = start("");
    char command[100];
    snprintf(command, sizeof command, "python3 tests/hammer.py %s 20000", strrchr(d.http, ':') + 1);
    ck_assert_int_eq(system(command), 0);
    daemon_end(&d);
}
END_TEST

Suite *suite_http(void);
Suite *suite_http(void)
{
    Suite *s = suite_create("http");
    TCase *t = tcase_create("http");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, an_order_goes_its_whole_way);
    tcase_add_test(t, what_is_wrong_is_said_with_its_status);
    tcase_add_test(t, a_foreign_name_gets_no_open_roles);
    tcase_add_test(t, what_could_be_read_in_two_ways_is_refused);
    tcase_add_test(t, what_means_one_thing_is_answered);
    tcase_add_test(t, no_foreign_page_uses_what_strangers_may);
    tcase_add_test(t, a_wrong_token_ends_the_connection);
    tcase_add_test(t, pages_asked_for_and_not_read_cost_nothing);
    tcase_add_test(t, a_pipeline_is_answered_whole_after_its_client_has_ended);
    tcase_add_test(t, refusals_speak_of_http);
    tcase_add_test(t, every_request_of_a_burst_is_answered);
    tcase_add_test(t, events_are_told_and_go_on_where_they_broke_off);
    tcase_add_test(t, the_log_names_requests_by_their_number);
    tcase_add_test(t, operators_read_metrics_and_health);
    tcase_add_test(t, openapi_describes_every_method);
    tcase_add_test(t, clients_that_leave_or_dawdle_cost_nothing);
    tcase_add_test(t, idle_connections_give_way_to_those_that_ask);
    tcase_add_test(t, descriptors_are_raised_to_what_the_places_need);
    tcase_add_test(t, the_console_fetches_tiles_only_where_they_are_configured);
    tcase_add_test(t, http_stays_on_loopback);
    suite_add_tcase(s, t);
    return s;
}
