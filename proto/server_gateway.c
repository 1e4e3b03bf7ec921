/* server_gateway.c -- requests of HTTP as calls of the turn, and its answers and events as HTTP.
 *
 * Each request is a session of its own for as long as it takes: the token comes with it. Its answer, as
 * everybody's, comes when what it tells is durable. */
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

enum call_kind { CALL_RPC, CALL_METRICS, CALL_EVENTS };

struct http_call {
    struct http *http;
    struct evhttp_request *req; /* NULL: the client has left */
    struct http_connection *connection;
    struct session *session;
    uint64_t number;
    enum call_kind kind;
    bool is_streaming, is_done;
    int64_t told_at;
    uint32_t place;
    struct http_call *next, *prev;
};

static void add_header(struct evhttp_request *req, const char *name, const char *value)
{
    evhttp_add_header(evhttp_request_get_output_headers(req), name, value);
}

static void reply(struct evhttp_request *req, int status, const char *type, const char *text, size_t len)
{
    struct evbuffer *body = evbuffer_new();
    add_header(req, "Content-Type", type);
    add_header(req, "X-Content-Type-Options", "nosniff");
    if (body != NULL)
        evbuffer_add(body, text, len);
    evhttp_send_reply(req, status, NULL, body);
    if (body != NULL)
        evbuffer_free(body);
}

/* A node as the text of JSON, inside {"error": …} when it is one. The caller frees it. */
static char *json_of(const struct node *node, bool is_error, size_t *len)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, len);
    must(out != NULL);
    if (is_error)
        fputs("{\"error\": ", out);
    json_print(out, node, false);
    if (is_error)
        fputs("}\n", out);
    fclose(out);
    return text;
}

static int status_of(const struct node *error)
{
    static const struct {
        enum refusal_code code;
        int status;
    } statuses[] = {
        {REFUSAL_UNKNOWN_METHOD, 404}, {REFUSAL_NOT_FOUND, 404}, {REFUSAL_UNAUTHENTICATED, 401}, {REFUSAL_FORBIDDEN, 403},
        {REFUSAL_CONFLICT, 409}, {REFUSAL_BAD_STATE, 409}, {REFUSAL_MISFIT, 409}, {REFUSAL_COVERED, 409},
        {REFUSAL_EXPIRED, 409}, {REFUSAL_CLAIMED, 409}, {REFUSAL_IN_USE, 409}, {REFUSAL_TOO_FEW_DECLINES, 409},
        {REFUSAL_LIMIT, 409}, {REFUSAL_RATE_LIMITED, 429}, {REFUSAL_OVERLOADED, 503}, {REFUSAL_DRAINING, 503},
        {REFUSAL_UNAVAILABLE, 503}, {REFUSAL_STORAGE_LOW, 503}};
    const struct node *word = node_get(error, "code");
    int code = word != NULL ? word_find(&words_refusal, word->u.text, word->count) : -1;
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
        if ((int)statuses[i].code == code)
            return statuses[i].status;
    return 400;
}

static void reply_error(struct evhttp_request *req, const struct node *error)
{
    size_t len = 0;
    char *text = json_of(error, true, &len);
    int status = status_of(error);
    if (status == 401)
        add_header(req, "WWW-Authenticate", "Bearer");
    if (status == 429 || status == 503)
        add_header(req, "Retry-After", "1");
    add_header(req, "Cache-Control", "no-store");
    reply(req, status, "application/json; charset=utf-8", text, len);
    free(text);
}

/* Refuses what never becomes a request of the turn. */
static void refuse(struct evhttp_request *req, enum refusal_code code, const char *field, const char *detail)
{
    struct pack pack = {.bytes = NULL};
    struct arena arena = {.blocks = NULL};
    struct error error;
    error_set(&error, code, field, "%s", detail);
    error_pack(&error, &pack);
    reply_error(req, codec_decode(&arena, pack.bytes, pack.len));
    arena_fini(&arena);
    pack_fini(&pack);
}

/* Calls. */

static struct http_call *find_call(const struct http *h, uint64_t number)
{
    uint32_t place = map_get(&h->by_number, number);
    return place != SLOT_NONE ? *(struct http_call **)pool_at(&h->call_table, place) : NULL;
}

/* The token of "Authorization: Bearer …"; NULL: there is none. */
static const char *bearer_of(struct evhttp_request *req)
{
    const char *value = evhttp_find_header(evhttp_request_get_input_headers(req), "Authorization");
    return value != NULL && strncasecmp(value, "Bearer ", 7) == 0 ? value + 7 : NULL;
}

/* A page of somebody else's must not use what strangers may do here: it can make its own name lead to
 * loopback, but not say another one. */
static bool is_asked_by_name(struct evhttp_request *req)
{
    const char *host = evhttp_request_get_host(req);
    return host != NULL && (strncmp(host, "127.", 4) == 0 || strcmp(host, "localhost") == 0);
}

static struct http_call *call_new(struct http *h, struct evhttp_request *req, enum call_kind kind)
{
    struct server *s = h->server;
    struct identity who = s->stranger;
    struct http_call *call = must_alloc(1, sizeof *call);
    snprintf(who.principal, sizeof who.principal, "http");
    if (bearer_of(req) != NULL || !is_asked_by_name(req))
        who.roles = 0;
    *call = (struct http_call){.http = h, .req = req, .kind = kind, .number = ++s->next_number, .next = h->calls,
                               .connection = http_connection_of(h, req), .told_at = server_now(s)};
    call->connection->call = call;
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

void gateway_client_left(struct http_call *call)
{
    if (call->req != NULL && evhttp_request_get_connection(call->req) == NULL)
        evhttp_request_free(call->req); /* libevent leaves it to us when the line breaks before the answer */
    call->req = NULL;
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

static void finish(struct http_call *call)
{
    call->is_done = true;
    call->connection->call = NULL;
    call->req = NULL;
}

/* Gives a packed request to the turn, as whoever the token says. */
static void submit(struct http *h, struct evhttp_request *req, enum call_kind kind, const struct pack *request)
{
    struct frame_scan scan = {.at = 0};
    const char *why = "";
    const char *token = bearer_of(req);
    if (frame_scan(&scan, request->bytes, request->len, &why) != FRAME_WHOLE) {
        refuse(req, REFUSAL_BAD_FRAME, NULL, why);
        return;
    }
    struct http_call *call = call_new(h, req, kind);
    char number[32];
    snprintf(number, sizeof number, "%llu.%d", (unsigned long long)call->number, MSGID);
    add_header(req, "X-Request-Id", number); /* by which the log names it */
    if (token != NULL && !turn_identify(h->server->turn, call->session, token, strlen(token))) {
        refuse(req, REFUSAL_UNAUTHENTICATED, "token", "it is unknown, expired or revoked");
        finish(call);
        return;
    }
    turn_request(h->server->turn, call->session, request->bytes, request->len);
}

/* Answers and events. */

static void answer_result(struct http_call *call, const struct node *result)
{
    char *text = NULL;
    size_t len = 0;
    if (call->kind == CALL_METRICS) {
        FILE *out = open_memstream(&text, &len);
        must(out != NULL);
        metrics_print(out, result);
        fclose(out);
    } else {
        text = json_of(result, false, &len);
    }
    add_header(call->req, "Cache-Control", "no-store");
    reply(call->req, 200, call->kind == CALL_METRICS ? "text/plain; version=0.0.4; charset=utf-8" : "application/json; charset=utf-8",
          text, len);
    free(text);
    finish(call);
}

static void start_stream(struct http_call *call)
{
    if (call->is_streaming)
        return;
    add_header(call->req, "Content-Type", "text/event-stream; charset=utf-8");
    add_header(call->req, "Cache-Control", "no-store");
    add_header(call->req, "X-Accel-Buffering", "no");
    evhttp_send_reply_start(call->req, 200, "OK");
    call->is_streaming = true;
}

static void send_chunk(struct http_call *call, const char *text, size_t len)
{
    struct evbuffer *chunk = evbuffer_new();
    if (chunk == NULL)
        return;
    evbuffer_add(chunk, text, len);
    evhttp_send_reply_chunk(call->req, chunk);
    evbuffer_free(chunk);
    call->told_at = server_now(call->http->server);
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
    send_chunk(call, text, len);
    free(text);
}

static void take_answer(struct http_call *call, const struct node *n)
{
    const struct node *error = &n->u.items[2];
    if (error->kind != NODE_NIL) {
        reply_error(call->req, error);
        finish(call);
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
    return call != NULL && call->req != NULL ? evbuffer_get_length(bufferevent_get_output(call->connection->bev)) : 0;
}

bool http_owes(const struct server *s)
{
    for (const struct http_call *call = s->http != NULL ? s->http->calls : NULL; call != NULL; call = call->next)
        if (!call->is_done && call->kind != CALL_EVENTS)
            return true;
    for (const struct http_connection *c = s->http != NULL ? s->http->connections : NULL; c != NULL; c = c->next)
        if (c->is_busy && evbuffer_get_length(bufferevent_get_output(c->bev)) != 0)
            return true;
    return false;
}

void http_turn_ended(struct server *s)
{
    if (s->http != NULL && s->http->calls != NULL)
        gateway_free_done(s->http);
}

/* Proxies and browsers take silence for a dead line; and a line that is dead is found out by writing. */
static void end_stream(struct http_call *call)
{
    evhttp_send_reply_end(call->req);
    finish(call);
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
        if (is_shut_out(call, server_now(h->server)))
            end_stream(call);
        else if (now - call->told_at > HEARTBEAT_MS)
            send_chunk(call, ":\n\n", 3);
    }
}

void gateway_end(struct http *h)
{
    for (struct http_call *call = h->calls; call != NULL; call = call->next)
        if (call->is_streaming && !call->is_done)
            end_stream(call);
}

/* Routes. */

static void post_rpc(struct http *h, struct evhttp_request *req, const char *method)
{
    const char *type = evhttp_find_header(evhttp_request_get_input_headers(req), "Content-Type");
    struct evbuffer *input = evhttp_request_get_input_buffer(req);
    size_t len = evbuffer_get_length(input);
    struct pack pack = {.bytes = NULL};
    char why[200] = "";
    /* A page of somebody else's cannot send this type without asking first, and is told nothing when it does. */
    if (len != 0 && (type == NULL || strncasecmp(type, "application/json", 16) != 0)) {
        refuse(req, REFUSAL_BAD_REQUEST, "Content-Type", "it must be application/json");
        return;
    }
    if (strcmp(method, "event.subscribe") == 0) {
        refuse(req, REFUSAL_UNKNOWN_METHOD, "method", "over HTTP this is GET /events");
        return;
    }
    begin_request(&pack, method);
    if (!json_pack_object(&pack, len != 0 ? (const char *)evbuffer_pullup(input, -1) : "{}", len != 0 ? len : 2, why))
        refuse(req, REFUSAL_BAD_REQUEST, "body", why);
    else
        submit(h, req, CALL_RPC, &pack);
    pack_fini(&pack);
}

static void get_metrics(struct http *h, struct evhttp_request *req)
{
    struct pack pack = {.bytes = NULL};
    begin_request(&pack, "server.stats");
    pack_map(&pack);
    pack_close(&pack);
    submit(h, req, CALL_METRICS, &pack);
    pack_fini(&pack);
}

/* The parameters of event.subscribe from the query; Last-Event-ID, which a browser sends when it comes
 * back, goes before `after`. */
static bool pack_query(struct pack *pack, struct evhttp_request *req, struct error *error)
{
    const char *query = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(req));
    const char *last = evhttp_find_header(evhttp_request_get_input_headers(req), "Last-Event-ID");
    struct evkeyvalq pairs = {.tqh_first = NULL};
    bool is_good = true;
    if (query != NULL && evhttp_parse_query_str(query, &pairs) != 0)
        return error_set(error, REFUSAL_BAD_REQUEST, "query", "it cannot be read");
    pack_map(pack);
    if (last != NULL)
        is_good = texts_pack_param(pack, "after", last, error);
    for (struct evkeyval *pair = pairs.tqh_first; is_good && pair != NULL; pair = pair->next.tqe_next)
        if (last == NULL || strcmp(pair->key, "after") != 0)
            is_good = texts_pack_param(pack, pair->key, pair->value, error);
    pack_close(pack);
    evhttp_clear_headers(&pairs);
    return is_good;
}

static void get_events(struct http *h, struct evhttp_request *req)
{
    struct pack pack = {.bytes = NULL};
    struct error error;
    begin_request(&pack, "event.subscribe");
    if (pack_query(&pack, req, &error))
        submit(h, req, CALL_EVENTS, &pack);
    else
        refuse(req, error.code, error.field, error.detail);
    pack_fini(&pack);
}

static void get_ready(struct http *h, struct evhttp_request *req)
{
    const struct server *s = h->server;
    const char *why = s->is_stopping ? "draining\n" : s->is_disk_low ? "storage_low\n" : "ready\n";
    add_header(req, "Cache-Control", "no-store");
    reply(req, s->is_stopping || s->is_disk_low ? 503 : 200, "text/plain", why, strlen(why));
}

static void get_openapi(struct evhttp_request *req)
{
    char *text = openapi_text();
    reply(req, 200, "application/json; charset=utf-8", text, strlen(text));
    free(text);
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
static void get_console(struct http *h, struct evhttp_request *req)
{
    struct pack pack = {.bytes = NULL};
    size_t len = 0;
    pack_map(&pack);
    pack_key_text(&pack, "tiles", h->server->settings.map_tiles);
    pack_key_text(&pack, "attribution", h->server->settings.map_attribution);
    pack_close(&pack);
    char *text = json_text(&pack, &len);
    reply(req, 200, "application/json; charset=utf-8", text, len);
    free(text);
    pack_fini(&pack);
}

static void get_file(struct http *h, struct evhttp_request *req, const char *path)
{
    const struct console_file *file = console_file(path);
    char origin[SETTING_TEXT_BYTES];
    char policy[SETTING_TEXT_BYTES + sizeof CONSOLE_POLICY];
    if (file == NULL) {
        refuse(req, REFUSAL_NOT_FOUND, "path", "see /openapi.json");
        return;
    }
    add_header(req, "Cache-Control", "no-cache");
    origin_of(h->server->settings.map_tiles, origin);
    snprintf(policy, sizeof policy, CONSOLE_POLICY, origin);
    add_header(req, "Content-Security-Policy", policy);
    add_header(req, "Referrer-Policy", "no-referrer");
    reply(req, 200, file->type, file->bytes, file->len);
}

static void get(struct http *h, struct evhttp_request *req, const char *path)
{
    if (strcmp(path, "/healthz") == 0)
        reply(req, 200, "text/plain", "ok\n", 3);
    else if (strcmp(path, "/readyz") == 0)
        get_ready(h, req);
    else if (strcmp(path, "/metrics") == 0)
        get_metrics(h, req);
    else if (strcmp(path, "/events") == 0)
        get_events(h, req);
    else if (strcmp(path, "/openapi.json") == 0)
        get_openapi(req);
    else if (strcmp(path, "/console.json") == 0)
        get_console(h, req);
    else
        get_file(h, req, path);
}

void gateway_request(struct evhttp_request *req, void *context)
{
    struct http *h = context;
    const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(req));
    bool is_post = evhttp_request_get_command(req) == EVHTTP_REQ_POST;
    server_turn_begins(h->server);
    http_connection_of(h, req);
    if (path == NULL || path[0] != '/')
        refuse(req, REFUSAL_BAD_REQUEST, "path", "it begins with /");
    else if (is_post && strncmp(path, "/rpc/", 5) == 0)
        post_rpc(h, req, path + 5);
    else if (is_post)
        refuse(req, REFUSAL_UNKNOWN_METHOD, "path", "POST goes to /rpc/METHOD");
    else
        get(h, req, path);
}
