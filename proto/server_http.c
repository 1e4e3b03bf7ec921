/* server_http.c -- listeners and connections of HTTP, over libevent's server, with its bounds set.
 *
 * libevent restarts its timeouts with every byte and bounds no number of connections, so both are watched
 * here: each bufferevent is made by us and kept by a reference, its head must end within HEAD_MS, and when
 * CONNECTIONS_MAX are held no more are taken until some have gone. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "server_http.h"

#define CONNECTIONS_MAX 2000
#define HEAD_MS 30000 /* from the last answer, or the accepting, to the end of the next head and body */
#define HEADERS_BYTES_MAX 8192
#define BODY_BYTES_MAX (1 << 20)
#define TIMEOUT_S 60 /* without a byte read or written */

/* Takes no more connections, or takes them again. */
static void rest(struct http *h, bool rests)
{
    if (rests && !h->is_resting)
        log_warn("http_connections_max", "connections=%u", h->connection_count);
    h->is_resting = rests;
    for (int i = 0; i < h->listener_count; i++) {
        if (rests)
            evconnlistener_disable(h->listeners[i].listener);
        else
            evconnlistener_enable(h->listeners[i].listener);
    }
}

/* Out of descriptors: the listener rests until the next sweep, or it would spin. */
static void on_accept_error(struct evconnlistener *listener, void *context)
{
    (void)context;
    log_error("accept_failed", "reason=\"%s\"", strerror(errno));
    evconnlistener_disable(listener);
}

/* libevent is about to make a connection. */
static struct bufferevent *make_bufferevent(struct event_base *base, void *context)
{
    struct http *h = context;
    struct bufferevent *bev = bufferevent_socket_new(base, -1, 0);
    if (bev == NULL)
        memory_fail();
    struct http_connection *c = must_alloc(1, sizeof *c);
    *c = (struct http_connection){.http = h, .bev = bev, .since = server_now(h->server), .next = h->connections};
    if (c->next != NULL)
        c->next->prev = c;
    h->connections = c;
    h->connection_count++;
    c->place = pool_take(&h->table);
    *(struct http_connection **)pool_at(&h->table, c->place) = c;
    map_put(&h->by_bev, (uintptr_t)bev, c->place);
    bufferevent_incref(bev);
    if (h->connection_count >= CONNECTIONS_MAX)
        rest(h, true);
    return bev;
}

static void forget(struct http_connection *c)
{
    struct http *h = c->http;
    must(c->call == NULL); /* on_close() came first */
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        h->connections = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
    h->connection_count--;
    map_remove(&h->by_bev, (uintptr_t)c->bev);
    pool_give(&h->table, c->place);
    bufferevent_decref(c->bev);
    free(c);
}

/* libevent clears the callbacks of a bufferevent that it frees. */
static bool has_gone(const struct http_connection *c)
{
    bufferevent_event_cb on_event = NULL;
    bufferevent_getcb(c->bev, NULL, NULL, &on_event, NULL);
    return on_event == NULL;
}

static void on_close(struct evhttp_connection *connection, void *context)
{
    struct http_connection *c = context;
    (void)connection;
    if (c->call != NULL)
        gateway_client_left(c->call);
    c->call = NULL;
}

static void on_answered(struct evhttp_request *req, void *context)
{
    struct http_connection *c = context;
    (void)req;
    c->is_busy = false;
    c->call = NULL;
    c->since = server_now(c->http->server);
}

struct http_connection *http_connection_of(struct http *h, struct evhttp_request *req)
{
    struct evhttp_connection *connection = evhttp_request_get_connection(req);
    uint32_t place = map_get(&h->by_bev, (uintptr_t)evhttp_connection_get_bufferevent(connection));
    must(place != SLOT_NONE);
    struct http_connection *c = *(struct http_connection **)pool_at(&h->table, place);
    c->is_busy = true;
    evhttp_connection_set_closecb(connection, on_close, c);
    evhttp_request_set_on_complete_cb(req, on_answered, c);
    return c;
}

static struct http *http_new(struct server *s)
{
    struct http *h = must_alloc(1, sizeof *h);
    h->server = s;
    h->evhttp = evhttp_new(s->base);
    if (h->evhttp == NULL) {
        free(h);
        return NULL;
    }
    pool_init(&h->table, sizeof(struct http_connection *));
    pool_init(&h->call_table, sizeof(struct http_call *));
    evhttp_set_max_headers_size(h->evhttp, HEADERS_BYTES_MAX);
    evhttp_set_max_body_size(h->evhttp, BODY_BYTES_MAX);
    evhttp_set_timeout(h->evhttp, TIMEOUT_S);
    evhttp_set_allowed_methods(h->evhttp, EVHTTP_REQ_GET | EVHTTP_REQ_POST);
    evhttp_set_bevcb(h->evhttp, make_bufferevent, h);
    evhttp_set_gencb(h->evhttp, gateway_request, h);
    return h;
}

int http_listen(struct server *s, int fd, struct failure *failure)
{
    if (s->http == NULL)
        s->http = http_new(s);
    struct evconnlistener *listener =
        s->http != NULL ? evconnlistener_new(s->base, NULL, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd) : NULL;
    struct evhttp_bound_socket *bound = listener != NULL ? evhttp_bind_listener(s->http->evhttp, listener) : NULL;
    if (bound == NULL) {
        if (listener != NULL)
            evconnlistener_free(listener);
        else
            close(fd);
        return failure_set(failure, EX_OSERR, "listen: http: no memory");
    }
    evconnlistener_set_error_cb(listener, on_accept_error);
    s->http->listeners[s->http->listener_count++] = (struct http_listener){.bound = bound, .listener = listener};
    return 0;
}

void http_stop_listening(struct server *s)
{
    if (s->http == NULL)
        return;
    for (int i = 0; i < s->http->listener_count; i++)
        evhttp_del_accept_socket(s->http->evhttp, s->http->listeners[i].bound);
    s->http->listener_count = 0;
    gateway_end(s->http);
}

void http_sweep(struct server *s)
{
    struct http *h = s->http;
    int64_t now = server_now(s);
    if (h == NULL)
        return;
    for (struct http_connection *c = h->connections, *next = NULL; c != NULL; c = next) {
        next = c->next;
        if (has_gone(c))
            forget(c);
        else if (!c->is_busy && now - c->since > HEAD_MS)
            shutdown(bufferevent_getfd(c->bev), SHUT_RDWR); /* libevent sees the end, and lets go of it */
    }
    if (h->connection_count < CONNECTIONS_MAX - CONNECTIONS_MAX / 10)
        rest(h, false);
    gateway_sweep(h, now);
}

uint32_t http_connection_count(const struct server *s)
{
    return s->http != NULL ? s->http->connection_count : 0;
}

void http_close(struct server *s)
{
    struct http *h = s->http;
    if (h == NULL)
        return;
    evhttp_free(h->evhttp); /* and with it all connections and requests */
    while (h->connections != NULL)
        forget(h->connections);
    gateway_free_done(h);
    must(h->calls == NULL);
    pool_fini(&h->table);
    pool_fini(&h->call_table);
    map_fini(&h->by_bev);
    map_fini(&h->by_number);
    free(h);
    s->http = NULL;
}
