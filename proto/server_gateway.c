/* server_gateway.c -- requests of HTTP as calls of the turn, and its answers and events as HTTP.
 *
 * Each request is a session of its own for as long as it takes: the token comes with it. Its answer, as
 * everybody's, comes when what it tells is durable. */
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <stdlib.h>
#include <string.h>

#include "console.h"
#include "json.h"
#include "metrics.h"
#include "openapi.h"
#include "server_http.h"
#include "texts.h"

#define HEARTBEAT_MS 15000
#define MSGID 1 /* each call is one request */
#define STRANGER_BODY_MAX 4096 /* as the socket takes before session.hello */

enum call_kind { CALL_RPC, CALL_METRICS, CALL_EVENTS };

struct http_call {
    struct http *http;
    struct http_connection *connection; /* NULL: the client has left */
    struct session *session;
    uint64_t number;
    enum call_kind kind;
    bool is_streaming, is_done;
    int64_t told_at;
    uint32_t place;
    struct http_call *next, *prev;
};

/* Calls. */

static struct http_call *find_call(const struct http *h, uint64_t number)
{
    uint32_t place = map_get(&h->by_number, number);
    return place != SLOT_NONE ? *(struct http_call **)pool_at(&h->call_table, place) : NULL;
}

/* The token of "Authorization: Bearer …"; NULL: there is none. */
static const char *bearer_of(const struct http_connection *c)
{
    const char *value = http_head_field(&c->head, "Authorization");
    return value != NULL && strncasecmp(value, "Bearer ", 7) == 0 ? value + 7 : NULL;
}

/* Whether a browser sends it for a page of somebody else's. */
static bool is_from_another_page(const struct http_connection *c)
{
    const char *origin = http_head_field(&c->head, "Origin");
    const char *site = http_head_field(&c->head, "Sec-Fetch-Site");
    if (site != NULL && strcasecmp(site, "same-origin") != 0 && strcasecmp(site, "none") != 0)
        return true;
    return origin != NULL && (strncasecmp(origin, "http://", 7) != 0 || c->head.host == NULL || strcasecmp(origin + 7, c->head.host) != 0);
}

/* What strangers may do here is for those who ask this machine by its own name and from no foreign page:
 * such a page can make its own name lead to loopback, but not say another one. */
static bool may_be_stranger(const struct http_connection *c)
{
    return bearer_of(c) == NULL && c->head.host != NULL && http_host_is_loopback(c->head.host) && !is_from_another_page(c);
}

static struct http_call *call_new(struct http_connection *c, enum call_kind kind)
{
    struct http *h = c->http;
    struct server *s = h->server;
    struct identity who = s->stranger;
    struct http_call *call = must_alloc(1, sizeof *call);
    snprintf(who.principal, sizeof who.principal, "http");
    if (!may_be_stranger(c))
        who.roles = 0;
    *call = (struct http_call){.http = h, .kind = kind, .number = ++s->next_number, .next = h->calls,
                               .connection = c, .told_at = server_uptime(s)};
    c->call = call;
    snprintf(c->request_id, sizeof c->request_id, "%llu.%d", (unsigned long long)call->number, MSGID);
    call->session = turn_connect(s->turn, call->number, &who);
    if (call->next != NULL)
        call->next->prev = call;
    h->calls = call;
    call->place = pool_take(&h->call_table);
    *(struct http_call **)pool_at(&h->call_table, call->place) = call;
    map_put(&h->by_number, call->number, call->place);
    return call;
}

static void call_free(struct http_call *call)
{
    struct http *h = call->http;
    turn_disconnect(h->server->turn, call->session);
    map_remove(&h->by_number, call->number);
    pool_give(&h->call_table, call->place);
    if (call->prev != NULL)
        call->prev->next = call->next;
    else
        h->calls = call->next;
    if (call->next != NULL)
        call->next->prev = call->prev;
    free(call);
}

bool gateway_is_stream(const struct http_call *call)
{
    return call != NULL && call->kind == CALL_EVENTS;
}

void gateway_client_left(struct http_call *call)
{
    call->connection = NULL;
    call->is_done = true;
}

void gateway_free_done(struct http *h)
{
    for (struct http_call *call = h->calls, *next = NULL; call != NULL; call = next) {
        next = call->next;
        if (call->is_done)
            call_free(call);
    }
}

static void begin_request(struct pack *pack, const char *method)
{
    pack_reset(pack);
    pack_fixed_list(pack, 4);
    pack_int(pack, 0);
    pack_int(pack, MSGID);
    pack_text(pack, method);
    pack_fixed_list(pack, 1);
}

/* Gives a packed request to the turn, as whoever the token says. */
static void submit(struct http_connection *c, const struct pack *request)
{
    struct frame_scan scan = {.at = 0};
    const char *why = "";
    if (frame_scan(&scan, request->bytes, request->len, &why) != FRAME_WHOLE)
        http_refuse(c, 0, REFUSAL_BAD_REQUEST, "body", why);
    else
        turn_request(c->http->server->turn, c->call->session, request->bytes, request->len);
}

/* Answers and events. */

static void answer_result(struct http_call *call, const struct node *result)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    must(out != NULL);
    if (call->kind == CALL_METRICS)
        metrics_print(out, result);
    else
        json_print(out, result, false);
    fclose(out);
    struct http_connection *c = call->connection;
    http_reply_begin(c, 200);
    http_reply_header(c, "Cache-Control", "no-store");
    http_reply_body(c, call->kind == CALL_METRICS ? "text/plain; version=0.0.4; charset=utf-8" : "application/json; charset=utf-8", text, len);
    free(text);
}

static void start_stream(struct http_call *call)
{
    if (call->is_streaming)
        return;
    http_reply_begin(call->connection, 200);
    http_reply_header(call->connection, "Cache-Control", "no-store");
    http_reply_header(call->connection, "Content-Type", "text/event-stream; charset=utf-8");
    http_reply_header(call->connection, "X-Accel-Buffering", "no");
    http_reply_stream(call->connection);
    call->is_streaming = true;
}

static void send_part(struct http_call *call, const char *text, size_t len)
{
    http_reply_part(call->connection, text, len);
    call->told_at = server_uptime(call->http->server);
}

static void send_event(struct http_call *call, const struct node *event)
{
    char *text = NULL;
    size_t len = 0;
    const struct node *seq = node_get(event, "seq");
    const struct node *kind = node_get(event, "kind");
    FILE *out = open_memstream(&text, &len);
    must(out != NULL && seq != NULL && kind != NULL);
    fprintf(out, "id: %lld\nevent: %.*s\ndata: ", (long long)seq->u.number, (int)kind->count, kind->u.text);
    json_print(out, event, false); /* which ends its line */
    fputc('\n', out);
    fclose(out);
    start_stream(call);
    send_part(call, text, len);
    free(text);
}

static void take_answer(struct http_call *call, const struct node *n)
{
    const struct node *error = &n->u.items[2];
    if (error->kind != NODE_NIL) {
        http_reply_error(call->connection, 0, error);
    } else if (call->kind != CALL_EVENTS) {
        answer_result(call, &n->u.items[3]);
    } else {
        start_stream(call);
    }
}

void http_send(struct server *s, uint64_t number, const uint8_t *bytes, size_t len)
{
    struct http_call *call = s->http != NULL ? find_call(s->http, number) : NULL;
    struct arena arena = {.blocks = NULL};
    if (call == NULL || call->is_done)
        return; /* it left before its answer came */
    const struct node *n = codec_decode(&arena, bytes, len);
    must(n != NULL && n->kind == NODE_LIST);
    if (n->count == 3)
        send_event(call, &n->u.items[2].u.items[0]);
    else
        take_answer(call, n);
    arena_fini(&arena);
}

size_t http_backlog(const struct server *s, uint64_t number)
{
    const struct http_call *call = s->http != NULL ? find_call(s->http, number) : NULL;
    return call != NULL && call->connection != NULL ? evbuffer_get_length(bufferevent_get_output(call->connection->bev)) : 0;
}

void http_turn_ended(struct server *s)
{
    if (s->http != NULL && s->http->calls != NULL)
        gateway_free_done(s->http);
}

/* Proxies and browsers take silence for a dead line; and a line that is dead is found out by writing. */
static void end_stream(struct http_call *call)
{
    http_reply_end(call->connection);
}

/* Whether the token that a stream was opened with has been revoked or has run out since. */
static bool is_shut_out(const struct http_call *call, int64_t now)
{
    const struct identity *who = &call->session->who;
    return who->roles == 0 || (who->expires_at != 0 && who->expires_at <= now);
}

void gateway_sweep(struct http *h, int64_t now)
{
    for (struct http_call *call = h->calls; call != NULL; call = call->next) {
        if (!call->is_streaming || call->is_done)
            continue;
        if (is_shut_out(call, server_latest(h->server)))
            end_stream(call);
        else if (now - call->told_at > HEARTBEAT_MS)
            send_part(call, ":\n\n", 3);
    }
}

void gateway_end(struct http *h)
{
    for (struct http_call *call = h->calls; call != NULL; call = call->next)
        if (call->is_streaming && !call->is_done)
            end_stream(call);
}

/* Routes. */

/* Whether a body's type is JSON. Nothing but JSON may say so, and only who is no browser may say nothing: a
 * page of somebody else's cannot send this type without asking first. */
static bool is_json(const struct http_connection *c)
{
    const char *type = http_head_field(&c->head, "Content-Type");
    if (type == NULL)
        return http_head_field(&c->head, "Origin") == NULL && http_head_field(&c->head, "Sec-Fetch-Site") == NULL;
    return strncasecmp(type, "application/json", 16) == 0 && (type[16] == '\0' || strchr("; \t", type[16]) != NULL);
}

static void post_rpc(struct http_connection *c, const char *method)
{
    size_t len = evbuffer_get_length(c->body);
    const char *text = len != 0 ? (const char *)evbuffer_pullup(c->body, -1) : "{}";
    struct pack pack = {.bytes = NULL};
    char why[200] = "";
    begin_request(&pack, method);
    if (!json_pack_object(&pack, text, len != 0 ? len : 2, why))
        http_refuse(c, 0, REFUSAL_BAD_REQUEST, "body", why);
    else
        submit(c, &pack);
    pack_fini(&pack);
}

static void get_metrics(struct http_connection *c)
{
    struct pack pack = {.bytes = NULL};
    begin_request(&pack, "server.stats");
    pack_map(&pack);
    pack_close(&pack);
    submit(c, &pack);
    pack_fini(&pack);
}

/* The parameters of event.subscribe from the query; Last-Event-ID, which a browser sends when it comes
 * back, goes before `after`. */
static bool pack_query(struct pack *pack, const struct http_head *head, struct error *error)
{
    const char *query = head->query;
    const char *last = http_head_field(head, "Last-Event-ID");
    struct evkeyvalq pairs = {.tqh_first = NULL};
    bool is_good = true;
    if (query != NULL && evhttp_parse_query_str(query, &pairs) != 0)
        return error_set(error, REFUSAL_BAD_REQUEST, "query", "it cannot be read");
    pack_map(pack);
    if (last != NULL)
        is_good = texts_pack_param(pack, "after", last, error);
    for (struct evkeyval *pair = pairs.tqh_first; is_good && pair != NULL; pair = pair->next.tqe_next) {
        if (!text_is_utf8(pair->key, strlen(pair->key)) || !text_is_utf8(pair->value, strlen(pair->value)))
            is_good = error_set(error, REFUSAL_BAD_REQUEST, "query", "it is no UTF-8");
        else if (last == NULL || strcmp(pair->key, "after") != 0)
            is_good = texts_pack_param(pack, pair->key, pair->value, error);
    }
    pack_close(pack);
    evhttp_clear_headers(&pairs);
    return is_good;
}

static void get_events(struct http_connection *c)
{
    struct pack pack = {.bytes = NULL};
    struct error error;
    begin_request(&pack, "event.subscribe");
    struct holder *holder = &c->call->session->holder;
    if (pack_query(&pack, &c->head, &error) && budget_allows(holder->budget, holder->caller, BUDGET_STREAMS, 1, &error)) {
        holder_take(holder, BUDGET_STREAMS, 1); /* until the session ends, with the stream */
        submit(c, &pack);
    } else {
        http_refuse(c, 0, error.code, error.field, error.detail);
    }
    pack_fini(&pack);
}

static void get_ready(struct http_connection *c)
{
    const struct server *s = c->http->server;
    const char *why = s->is_stopping ? "draining\n" : s->is_disk_low ? "storage_low\n" : "ready\n";
    http_reply_begin(c, s->is_stopping || s->is_disk_low ? 503 : 200);
    http_reply_header(c, "Cache-Control", "no-store");
    http_reply_body(c, "text/plain", why, strlen(why));
}

static void get_openapi(struct http_connection *c)
{
    size_t len = 0;
    const char *text = openapi_text(&len);
    http_reply_begin(c, 200);
    http_reply_kept(c, "application/json; charset=utf-8", text, len);
}

/* The one other place that pictures may come from: that of the tiles, without its path. */
static void origin_of(const char *url, char origin[SETTING_TEXT_BYTES])
{
    const char *host = strstr(url, "://");
    bool is_plain = host != NULL && strcspn(url, " ;,'\"") == strlen(url);
    size_t len = is_plain ? (size_t)(host + 3 - url) + strcspn(host + 3, "/") : 0;
    snprintf(origin, SETTING_TEXT_BYTES, "%.*s", (int)len, url);
}

/* What the console is told of the deployment. */
static void get_console(struct http_connection *c)
{
    struct pack pack = {.bytes = NULL};
    size_t len = 0;
    pack_map(&pack);
    pack_key_text(&pack, "tiles", c->http->server->settings.map_tiles);
    pack_key_text(&pack, "attribution", c->http->server->settings.map_attribution);
    pack_close(&pack);
    char *text = json_text(&pack, &len);
    http_reply_begin(c, 200);
    http_reply_body(c, "application/json; charset=utf-8", text, len);
    free(text);
    pack_fini(&pack);
}

static void get_file(struct http_connection *c, const char *path)
{
    const struct console_file *file = console_file(path);
    char origin[SETTING_TEXT_BYTES];
    char policy[SETTING_TEXT_BYTES + sizeof CONSOLE_POLICY];
    if (file == NULL) {
        http_refuse(c, 0, REFUSAL_NOT_FOUND, "path", "see /openapi.json");
        return;
    }
    origin_of(c->http->server->settings.map_tiles, origin);
    snprintf(policy, sizeof policy, CONSOLE_POLICY, origin);
    http_reply_begin(c, 200);
    http_reply_header(c, "Cache-Control", "no-cache");
    http_reply_header(c, "Content-Security-Policy", policy);
    http_reply_header(c, "Referrer-Policy", "no-referrer");
    http_reply_kept(c, file->type, file->bytes, file->len);
}

static void get(struct http_connection *c, const char *path)
{
    if (strcmp(path, "/healthz") == 0) {
        http_reply_begin(c, 200);
        http_reply_body(c, "text/plain", "ok\n", 3);
    } else if (strcmp(path, "/readyz") == 0) {
        get_ready(c);
    } else if (strcmp(path, "/openapi.json") == 0) {
        get_openapi(c);
    } else if (strcmp(path, "/console.json") == 0) {
        get_console(c);
    } else {
        get_file(c, path);
    }
}

static bool is_rpc(const struct http_head *head)
{
    return head->verb == HTTP_POST && strncmp(head->path, "/rpc/", 5) == 0;
}

/* What a request asks for and may not, whatever its body says. False: it is refused. */
static bool is_allowed(struct http_connection *c)
{
    const struct http_head *head = &c->head;
    if (head->verb == HTTP_OTHER)
        http_refuse(c, 405, REFUSAL_BAD_REQUEST, "method", "it is GET, HEAD, POST or OPTIONS");
    else if (head->verb != HTTP_POST && head->verb != HTTP_OPTIONS && strncmp(head->path, "/rpc/", 5) == 0)
        http_refuse(c, 405, REFUSAL_BAD_REQUEST, "method", "/rpc/METHOD takes POST, with the parameters as a JSON object in the body");
    else if (head->verb == HTTP_POST && !is_rpc(head))
        http_refuse(c, 0, REFUSAL_UNKNOWN_METHOD, "path", "POST goes to /rpc/METHOD");
    else if (is_rpc(head) && strcmp(head->path + 5, "event.subscribe") == 0)
        http_refuse(c, 0, REFUSAL_UNKNOWN_METHOD, "method", "over HTTP this is GET /events");
    else if (is_rpc(head) && bearer_of(c) == NULL && is_from_another_page(c))
        http_refuse(c, 0, REFUSAL_FORBIDDEN, "Origin", "another page's requests need a token");
    else if (is_rpc(head) && (head->is_chunked || head->body_bytes != 0 || http_head_field(head, "Content-Type") != NULL ||
                              http_head_field(head, "Origin") != NULL) && !is_json(c))
        http_refuse(c, 415, REFUSAL_BAD_REQUEST, "Content-Type", "it must be application/json");
    else
        return true;
    return false;
}

/* The kind of call that a request becomes; -1: none, it is a page. */
static int kind_of(const struct http_head *head)
{
    if (is_rpc(head))
        return CALL_RPC;
    if (head->verb == HTTP_GET && strcmp(head->path, "/metrics") == 0)
        return CALL_METRICS;
    return head->verb == HTTP_GET && strcmp(head->path, "/events") == 0 ? CALL_EVENTS : -1;
}

/* Room for the body, until it is answered; small ones need none. False: it was refused. */
static bool reserve_body(struct http_connection *c, struct holder *holder)
{
    struct error error;
    uint64_t bytes = c->head.is_chunked || c->head.body_bytes > HTTP_BODY_BYTES_MAX ? HTTP_BODY_BYTES_MAX : c->head.body_bytes;
    if (bytes <= STRANGER_BODY_MAX)
        return true;
    if (budget_allows(holder->budget, holder->caller, BUDGET_INPUT, bytes, &error)) {
        holder_take(holder, BUDGET_INPUT, bytes);
        return true;
    }
    c->closes = c->lingers = true;
    http_refuse(c, 0, error.code, NULL, error.detail);
    return false;
}

/* What the connection will be owed is the caller's; a page's answer is of whoever asked before it. */
static void owe(struct http_connection *c, const struct session *session)
{
    if (strcmp(c->holder.caller->principal, session->who.principal) != 0)
        budget_join(&c->holder, c->holder.budget, session->who.principal, false);
}

/* Who calls is asked before a body is read: nobody's large one is taken. */
void gateway_head(struct http_connection *c)
{
    struct turn *turn = c->http->server->turn;
    const char *token = bearer_of(c);
    int kind = kind_of(&c->head);
    server_turn_begins(c->http->server);
    c->body_max = STRANGER_BODY_MAX;
    if (!is_allowed(c) || kind < 0)
        return;
    struct http_call *call = call_new(c, (enum call_kind)kind);
    struct error error;
    if (token != NULL && !turn_identify(turn, call->session, token, strlen(token), &error)) {
        log_seldom(&c->http->wrong_token_lines, "wrong_token", "request=%s", c->request_id);
        c->closes = c->lingers = true;
        http_refuse(c, 0, REFUSAL_UNAUTHENTICATED, "token", "it is unknown, expired or revoked");
        return;
    }
    owe(c, call->session);
    if (call->session->who.roles != 0 && reserve_body(c, &call->session->holder)) {
        c->body_max = HTTP_BODY_BYTES_MAX;
    }
}

void gateway_request(struct http_connection *c)
{
    const struct http_head *head = &c->head;
    server_turn_begins(c->http->server);
    if (is_rpc(head)) {
        post_rpc(c, head->path + 5);
    } else if (head->verb == HTTP_OPTIONS) {
        http_reply_begin(c, 204);
        http_reply_header(c, "Allow", http_allowed(head));
        http_reply_body(c, NULL, "", 0);
    } else if (c->call == NULL) {
        get(c, head->path);
    } else if (c->call->kind == CALL_METRICS) {
        get_metrics(c);
    } else {
        get_events(c);
    }
}
