/* server_push.c -- carries the connector's requests, over HTTP or HTTPS, without ever waiting on the loop. */
#include <errno.h>
#include <event2/dns.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "push.h"
#include "server_inside.h"

#define ANSWER_BYTES_MAX 65536
#define HEADER_BYTES_MAX 8192
#define SECRET_BYTES_MAX 4096

struct pusher {
    struct push push;
    struct server *server;
    struct evdns_base *dns;
    struct evhttp_connection *connection; /* NULL: none yet */
    struct evhttp_uri *uri;
    char host[300], target[1024]; /* as the request names them */
    char *name;                   /* of the host, borrowed from the URI */
    int port;
    uint8_t secret[SECRET_BYTES_MAX];
    bool is_tls, is_spent; /* spent: the connection is to be given up, outside its own callbacks */
};

static int read_secret(struct pusher *p, const char *path, struct failure *failure)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return failure_set(failure, EX_CONFIG, "push_secret: %s: %s", path, strerror(errno));
    size_t len = fread(p->secret, 1, sizeof p->secret, file);
    bool is_whole = feof(file) != 0;
    fclose(file);
    while (len != 0 && (p->secret[len - 1] == '\n' || p->secret[len - 1] == '\r'))
        len--;
    if (!is_whole || len < 16)
        return failure_set(failure, EX_CONFIG, "push_secret: %s: must be 16 to %d bytes", path, SECRET_BYTES_MAX - 1);
    p->push.options.secret = p->secret;
    p->push.options.secret_len = len;
    return 0;
}

static int read_url(struct pusher *p, const char *url, struct failure *failure)
{
    p->uri = evhttp_uri_parse(url);
    const char *scheme = p->uri != NULL ? evhttp_uri_get_scheme(p->uri) : NULL;
    const char *host = p->uri != NULL ? evhttp_uri_get_host(p->uri) : NULL;
    p->is_tls = scheme != NULL && strcmp(scheme, "https") == 0;
    if (scheme == NULL || host == NULL || host[0] == '\0' || (!p->is_tls && strcmp(scheme, "http") != 0) ||
        evhttp_uri_get_userinfo(p->uri) != NULL)
        return failure_set(failure, EX_CONFIG, "push_url: must be http://HOST:PORT/PATH or https://HOST:PORT/PATH, without a name in it");
    const char *path = evhttp_uri_get_path(p->uri);
    const char *query = evhttp_uri_get_query(p->uri);
    p->name = (char *)(uintptr_t)host;
    p->port = evhttp_uri_get_port(p->uri) > 0 ? evhttp_uri_get_port(p->uri) : p->is_tls ? 443 : 80;
    int len = snprintf(p->target, sizeof p->target, "%s%s%s", path != NULL && path[0] != '\0' ? path : "/",
                       query != NULL ? "?" : "", query != NULL ? query : "");
    snprintf(p->host, sizeof p->host, "%s:%d", host, p->port);
    return len < (int)sizeof p->target ? 0 : failure_set(failure, EX_CONFIG, "push_url: too long");
}

int push_open(struct server *s, struct failure *failure)
{
    const struct settings *set = &s->settings;
    uint64_t cursor = 0;
    if (set->push_url[0] == '\0')
        return 0;
    struct pusher *p = s->pusher = must_alloc(1, sizeof *p);
    p->server = s;
    struct push_options options = {.node = set->node};
    push_init(&p->push, s->turn, &options, 0);
    if (store_load_push(s->store, &cursor, push_load_dead, &p->push, failure) != 0)
        return -1;
    p->push.cursor = p->push.looked_until = cursor;
    if (!push_set_kinds(&p->push, set->push_kinds))
        return failure_set(failure, EX_CONFIG, "push_kinds: kinds of events with | between; code.list events has them");
    if (read_url(p, set->push_url, failure) != 0 ||
        (set->push_secret[0] != '\0' && read_secret(p, set->push_secret, failure) != 0) ||
        (p->is_tls && tls_push_open(s, failure) != 0))
        return -1;
    if (set->push_secret[0] == '\0')
        log_warn("push_unsigned", "advice=\"set push_secret, so that the platform can tell our events from others'\"");
    p->dns = evdns_base_new(s->base, EVDNS_BASE_INITIALIZE_NAMESERVERS | EVDNS_BASE_DISABLE_WHEN_INACTIVE);
    return 0;
}

static void drop_connection(struct pusher *p)
{
    if (p->connection != NULL)
        evhttp_connection_free(p->connection);
    p->connection = NULL;
    p->is_spent = false;
}

void push_close(struct server *s)
{
    struct pusher *p = s->pusher;
    if (p == NULL)
        return;
    s->pusher = NULL; /* what the connection says while it goes is not listened to */
    drop_connection(p);
    if (p->dns != NULL)
        evdns_base_free(p->dns, 0);
    if (p->uri != NULL)
        evhttp_uri_free(p->uri);
    push_fini(&p->push);
    explicit_bzero(p->secret, sizeof p->secret);
    free(p);
}

static int64_t retry_after(struct evhttp_request *req)
{
    const char *text = evhttp_find_header(evhttp_request_get_input_headers(req), "Retry-After");
    long seconds = text != NULL ? strtol(text, NULL, 10) : 0; /* a date counts as none */
    return seconds > 0 ? seconds : 0;
}

static void on_answer(struct evhttp_request *req, void *context)
{
    struct server *s = context;
    struct pusher *p = s->pusher;
    int status = req != NULL ? evhttp_request_get_response_code(req) : 0;
    if (p == NULL || p->push.state != PUSH_SENDING)
        return;
    p->is_spent = status < 200 || status >= 300 || p->is_tls;
    if (p->push.failures == 0 && (status < 200 || status >= 300))
        log_warn("push_failed", "status=%d events=%llu..%llu", status, (unsigned long long)p->push.first,
                 (unsigned long long)p->push.last);
    else if (p->push.failures != 0 && status >= 200 && status < 300)
        log_info("push_recovered", "failures=%u", p->push.failures);
    uint32_t parked = p->push.parked.order_count;
    uint64_t first = p->push.first;
    push_answered(&p->push, status, req != NULL ? retry_after(req) : 0, server_now(s));
    if (p->push.parked.order_count > parked)
        log_warn("push_parked", "status=%d event=%llu orders=%u", status, (unsigned long long)first, p->push.parked.order_count);
}

static bool connect_to(struct pusher *p)
{
    struct bufferevent *bev = NULL;
    if (p->connection != NULL)
        return true;
    if (p->is_tls && (bev = tls_push_connect(p->server, p->name)) == NULL)
        return false;
    p->connection = evhttp_connection_base_bufferevent_new(p->server->base, p->dns, bev, p->name, (ev_uint16_t)p->port);
    if (p->connection == NULL)
        return false;
    evhttp_connection_set_timeout(p->connection, (int)p->server->settings.push_timeout_s);
    evhttp_connection_set_max_body_size(p->connection, ANSWER_BYTES_MAX);
    evhttp_connection_set_max_headers_size(p->connection, HEADER_BYTES_MAX);
    return true;
}

static void send_request(struct pusher *p, int64_t now)
{
    char timestamp[100];
    char signature[100];
    struct evhttp_request *req = connect_to(p) ? evhttp_request_new(on_answer, p->server) : NULL;
    push_headers(&p->push, now, timestamp, signature);
    push_sent(&p->push);
    if (req == NULL) {
        push_answered(&p->push, 0, 0, now);
        return;
    }
    struct evkeyvalq *headers = evhttp_request_get_output_headers(req);
    evhttp_add_header(headers, "Host", p->host);
    evhttp_add_header(headers, "Content-Type", "application/json");
    evhttp_add_header(headers, "X-Paidan-Timestamp", timestamp);
    if (signature[0] != '\0')
        evhttp_add_header(headers, "X-Paidan-Signature", signature);
    evbuffer_add(evhttp_request_get_output_buffer(req), p->push.body, p->push.body_len);
    if (evhttp_make_request(p->connection, req, EVHTTP_REQ_POST, p->target) != 0 && p->push.state == PUSH_SENDING) {
        p->is_spent = true; /* the request is gone with it */
        push_answered(&p->push, 0, 0, now);
    }
}

void push_turn_ended(struct server *s)
{
    struct pusher *p = s->pusher;
    if (p == NULL || s->is_stopping)
        return;
    if (p->is_spent)
        drop_connection(p);
    if (push_wants_sending(&p->push, server_now(s)))
        send_request(p, server_now(s));
}

struct push *push_of(struct server *s)
{
    return s->pusher != NULL ? &s->pusher->push : NULL;
}
