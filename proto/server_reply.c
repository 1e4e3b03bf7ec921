/* server_reply.c -- answers of HTTP as bytes: status lines, headers, bodies, streams, errors as JSON. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "json.h"
#include "server_http.h"

static void put(struct http_connection *c, const char *text, size_t len)
{
    if (len != 0 && evbuffer_add(bufferevent_get_output(c->bev), text, len) != 0)
        c->is_broken = true;
}

static const char *reason_of(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {{200, "OK"}, {204, "No Content"}, {400, "Bad Request"}, {401, "Unauthorized"}, {403, "Forbidden"},
                   {404, "Not Found"}, {405, "Method Not Allowed"}, {408, "Request Timeout"}, {409, "Conflict"},
                   {413, "Content Too Large"}, {415, "Unsupported Media Type"}, {417, "Expectation Failed"},
                   {429, "Too Many Requests"}, {431, "Request Header Fields Too Large"}, {501, "Not Implemented"},
                   {503, "Service Unavailable"}, {505, "HTTP Version Not Supported"}};
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Refused";
}

void http_reply_header(struct http_connection *c, const char *name, const char *value)
{
    char line[SETTING_TEXT_BYTES + 512];
    int len = snprintf(line, sizeof line, "%s: %s\r\n", name, value);
    must(len > 0 && (size_t)len < sizeof line); /* all are ours */
    put(c, line, (size_t)len);
}

void http_reply_begin(struct http_connection *c, int status)
{
    char line[80];
    struct tm now;
    time_t seconds = (time_t)(server_now(c->http->server) / 1000);
    put(c, line, (size_t)snprintf(line, sizeof line, "HTTP/1.1 %d %s\r\n", status, reason_of(status)));
    strftime(line, sizeof line, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&seconds, &now));
    http_reply_header(c, "Date", line);
    http_reply_header(c, "X-Content-Type-Options", "nosniff");
    if (c->request_id[0] != '\0')
        http_reply_header(c, "X-Request-Id", c->request_id);
    if (c->state == HTTP_READS_BODY && (c->head.is_chunked || c->head.body_bytes != 0))
        c->closes = c->lingers = true; /* answered before its body was read, which is no next request */
    c->closes |= !c->head.keeps_alive || c->http->server->is_stopping;
    if (c->closes)
        http_reply_header(c, "Connection", "close");
    else if (c->head.is_1_0)
        http_reply_header(c, "Connection", "keep-alive");
}

static void put_body_head(struct http_connection *c, const char *type, size_t len)
{
    char number[24];
    if (type != NULL)
        http_reply_header(c, "Content-Type", type);
    snprintf(number, sizeof number, "%zu", len);
    if (type != NULL) /* a 204 has no length */
        http_reply_header(c, "Content-Length", number);
    put(c, "\r\n", 2);
}

void http_reply_body(struct http_connection *c, const char *type, const char *text, size_t len)
{
    put_body_head(c, type, len);
    if (c->head.verb != HTTP_HEAD)
        put(c, text, len);
    http_answered(c);
}

void http_reply_kept(struct http_connection *c, const char *type, const char *text, size_t len)
{
    put_body_head(c, type, len);
    c->is_sharing = true;
    if (c->head.verb != HTTP_HEAD && evbuffer_add_reference(bufferevent_get_output(c->bev), text, len, NULL, NULL) != 0)
        c->is_broken = true;
    c->is_sharing = false;
    http_answered(c);
}

void http_reply_stream(struct http_connection *c)
{
    if (c->head.is_1_0) /* which knows no chunks: the end is the connection's */
        c->closes = true;
    else
        http_reply_header(c, "Transfer-Encoding", "chunked");
    put(c, "\r\n", 2);
}

void http_reply_part(struct http_connection *c, const char *text, size_t len)
{
    char size[24];
    if (c->head.is_1_0) {
        put(c, text, len);
        return;
    }
    put(c, size, (size_t)snprintf(size, sizeof size, "%zx\r\n", len));
    put(c, text, len);
    put(c, "\r\n", 2);
}

void http_reply_end(struct http_connection *c)
{
    if (!c->head.is_1_0)
        put(c, "0\r\n\r\n", 5);
    http_answered(c);
}

/* Errors. */

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

const char *http_allowed(const struct http_head *head)
{
    return head->path != NULL && strncmp(head->path, "/rpc/", 5) == 0 ? "POST, OPTIONS" : "GET, HEAD, POST, OPTIONS";
}

void http_reply_error(struct http_connection *c, int status, const struct node *error)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    must(out != NULL);
    fputs("{\"error\": ", out);
    json_print(out, error, false);
    fputs("}\n", out);
    fclose(out);
    status = status != 0 ? status : status_of(error);
    http_reply_begin(c, status);
    if (status == 401)
        http_reply_header(c, "WWW-Authenticate", "Bearer");
    if (status == 405)
        http_reply_header(c, "Allow", http_allowed(&c->head));
    if (status == 429 || status == 503)
        http_reply_header(c, "Retry-After", "1");
    http_reply_header(c, "Cache-Control", "no-store");
    http_reply_body(c, "application/json; charset=utf-8", text, len);
    free(text);
}

void http_refuse(struct http_connection *c, int status, enum refusal_code code, const char *field, const char *detail)
{
    struct pack pack = {.bytes = NULL};
    struct arena arena = {.blocks = NULL};
    struct error error;
    error_set(&error, code, field, "%s", detail);
    error_pack(&error, &pack);
    http_reply_error(c, status, codec_decode(&arena, pack.bytes, pack.len));
    arena_fini(&arena);
    pack_fini(&pack);
}

void http_refuse_and_end(struct http_connection *c, int status, const char *field, const char *detail)
{
    c->closes = c->lingers = true;
    http_refuse(c, status, REFUSAL_BAD_REQUEST, field, detail);
}
