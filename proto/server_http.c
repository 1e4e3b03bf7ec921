/* server_http.c -- listeners and connections of HTTP: bytes to requests, one after the other, with bounds.
 *
 * A whole request must come within REQUEST_MS; when HTTP_CONNECTIONS_MAX are held, a new one takes the place of
 * the one that has kept silent, or let its answer wait, for longest; only when all are being answered are no
 * more taken. A connection is owed one answer at most: its next request is read when the last answer is
 * written, so that each pass of the loop does one request of each and nobody's unread answers pile up.
 *
 * The connections are ours and nobody holds a second reference to what carries them: one that does delays
 * the end of its events beyond the reuse of its descriptor, whose next user is then not heard. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "server_http.h"

#define REQUEST_MS 30000 /* from the last answer, or the accepting, to the end of the next head and body */
#define LINGER_MS 2000   /* that a refused client may take to read why, while what it sends is thrown away */
#define WRITE_S 60       /* without a byte taken */
#define INPUT_MAX (HTTP_HEAD_BYTES_MAX * 2) /* that waits while a request is being answered */

/* Takes no more connections, or takes them again. */
static void rest(struct http *h, bool rests)
{
    if (h->is_resting == rests)
        return;
    h->is_resting = rests;
    for (int i = 0; i < h->listener_count; i++) {
        if (rests)
            evconnlistener_disable(h->listeners[i]);
        else
            evconnlistener_enable(h->listeners[i]);
    }
}

/* What is shared is nobody's memory; it comes last in an answer, so what goes first was counted. */
static void on_output_changed(struct evbuffer *buffer, const struct evbuffer_cb_info *info, void *context)
{
    struct http_connection *c = context;
    uint64_t held = c->holder.held[BUDGET_OUTPUT];
    (void)buffer;
    holder_give(&c->holder, BUDGET_OUTPUT, info->n_deleted < held ? info->n_deleted : held);
    if (!c->is_sharing)
        holder_take(&c->holder, BUDGET_OUTPUT, info->n_added);
}

static bool is_owed(const struct http_connection *c)
{
    return evbuffer_get_length(bufferevent_get_output(c->bev)) != 0;
}

/* Reads on while there is room for what waits its turn. Not by a watermark: at one libevent calls again and
 * again while nothing is taken. */
static void look_at_input(struct http_connection *c)
{
    bool waits = c->state == HTTP_ANSWERS || is_owed(c);
    bool is_reading = (bufferevent_get_enabled(c->bev) & EV_READ) != 0;
    bool shall_read = !c->has_ended && !(waits && evbuffer_get_length(bufferevent_get_input(c->bev)) > INPUT_MAX);
    if (is_reading && !shall_read)
        bufferevent_disable(c->bev, EV_READ);
    else if (!is_reading && shall_read)
        bufferevent_enable(c->bev, EV_READ);
}

static void drop(struct http_connection *c)
{
    struct http *h = c->http;
    if (c->call != NULL)
        gateway_client_left(c->call);
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        h->connections = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
    h->connection_count--;
    evbuffer_remove_cb(bufferevent_get_output(c->bev), on_output_changed, c);
    budget_part(&c->holder);
    bufferevent_free(c->bev);
    evbuffer_free(c->body);
    free(c->head_bytes);
    free(c);
    if (h->connection_count < HTTP_CONNECTIONS_MAX - HTTP_CONNECTIONS_MAX / 10)
        rest(h, false);
}

void http_answered(struct http_connection *c)
{
    if (c->call != NULL)
        gateway_client_left(c->call);
    c->call = NULL;
    c->request_id[0] = '\0';
    c->since = server_uptime(c->http->server);
    evbuffer_drain(c->body, evbuffer_get_length(c->body));
    c->state = c->closes ? HTTP_ENDS : HTTP_READS_HEAD;
    if (c->state == HTTP_ENDS)
        evbuffer_drain(bufferevent_get_input(c->bev), evbuffer_get_length(bufferevent_get_input(c->bev)));
    look_at_input(c);
}

/* The head of a request, when it has come whole. */
static void read_head(struct http_connection *c)
{
    struct evbuffer *input = bufferevent_get_input(c->bev);
    const char *why = "";
    while (evbuffer_get_length(input) >= 2 && memcmp(evbuffer_pullup(input, 2), "\r\n", 2) == 0)
        evbuffer_drain(input, 2); /* left over behind a body, say old clients */
    size_t len = evbuffer_get_length(input);
    len = len < HTTP_HEAD_BYTES_MAX ? len : HTTP_HEAD_BYTES_MAX;
    size_t end = len != 0 ? http_head_end((const char *)evbuffer_pullup(input, (ssize_t)len), len, c->searched) : 0;
    c->searched = end != 0 ? 0 : len;
    if (end == 0) {
        c->head = (struct http_head){.verb = HTTP_OTHER};
        if (len == HTTP_HEAD_BYTES_MAX)
            http_refuse_and_end(c, 431, NULL, "the head of a request is at most 8 KiB");
        return;
    }
    c->head_bytes = must_realloc(c->head_bytes, end, 1);
    evbuffer_remove(input, c->head_bytes, end);
    c->chunks = (struct http_chunks){.left = 0};
    c->body_max = 0;
    int status = http_head_parse(c->head_bytes, end, &c->head, &why);
    if (status != 0) {
        http_refuse_and_end(c, status, NULL, why);
        return;
    }
    c->state = HTTP_READS_BODY;
    gateway_head(c);
    if (c->state == HTTP_READS_BODY && c->head.expects_continue && c->head.body_bytes <= c->body_max)
        bufferevent_write(c->bev, "HTTP/1.1 100 Continue\r\n\r\n", 25);
}

static void read_body(struct http_connection *c)
{
    switch (http_body_take(c)) {
    case HTTP_BODY_PARTIAL:
        return;
    case HTTP_BODY_BAD:
        http_refuse_and_end(c, 400, "body", "its chunks cannot be read");
        return;
    case HTTP_BODY_TOO_LONG:
        http_refuse_and_end(c, 413, "body", c->body_max == HTTP_BODY_BYTES_MAX ? "at most 1 MiB" : "at most 4 KiB without a token");
        return;
    case HTTP_BODY_WHOLE:
    default:
        c->state = HTTP_ANSWERS;
        gateway_request(c);
    }
}

static void on_read(struct bufferevent *bev, void *context)
{
    struct http_connection *c = context;
    struct evbuffer *input = bufferevent_get_input(bev);
    bool is_stream = c->state == HTTP_ANSWERS && gateway_is_stream(c->call);
    c->closes |= is_stream; /* a stream is the last that is asked; read on all the same, to see when the client goes */
    if (c->state == HTTP_ENDS || is_stream)
        evbuffer_drain(input, evbuffer_get_length(input));
    if (c->state == HTTP_READS_HEAD && !is_owed(c))
        read_head(c);
    if (c->state == HTTP_READS_BODY)
        read_body(c);
    look_at_input(c);
}

/* All that was owed is written. */
static void on_written(struct bufferevent *bev, void *context)
{
    struct http_connection *c = context;
    if (c->state == HTTP_ENDS && !c->lingers) {
        drop(c);
    } else if (c->state == HTTP_ENDS) {
        c->since = server_uptime(c->http->server);
        shutdown(bufferevent_getfd(bev), SHUT_WR);
    } else if (c->state != HTTP_ANSWERS) { /* the next request may be there already */
        on_read(bev, c);
        if (c->has_ended && c->state != HTTP_ANSWERS && !is_owed(c))
            drop(c);
    }
}

static void on_event(struct bufferevent *bev, short what, void *context)
{
    struct http_connection *c = context;
    (void)bev;
    bool waits = !gateway_is_stream(c->call) && (c->state == HTTP_ANSWERS || is_owed(c));
    if ((what & BEV_EVENT_EOF) != 0 && waits) {
        c->has_ended = true; /* it may have closed its sending side only */
        c->lingers = false;
    } else if ((what & (BEV_EVENT_EOF | BEV_EVENT_ERROR | BEV_EVENT_TIMEOUT)) != 0) {
        drop(c);
    }
}

/* The connection that is not being answered and has been without a whole request for longest, one that nothing
 * is owed to before one that does not take its answer; NULL: there is none. */
static struct http_connection *most_idle(const struct http *h, const struct http_connection *besides)
{
    struct http_connection *found[2] = {NULL, NULL};
    for (struct http_connection *c = h->connections; c != NULL; c = c->next) {
        struct http_connection **best = &found[is_owed(c)];
        if (c != besides && c->state != HTTP_ANSWERS && (*best == NULL || c->since < (*best)->since))
            *best = c;
    }
    return found[0] != NULL ? found[0] : found[1];
}

/* Who asks for something goes before who holds a place and asks for nothing: health is always answered. */
static void make_room(struct http *h, const struct http_connection *newest)
{
    struct http_connection *idle = most_idle(h, newest);
    log_seldom(&h->full_lines, "http_connections_max", "connections=%u", h->connection_count);
    if (idle != NULL)
        drop(idle);
    else
        rest(h, true);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address, int address_len, void *context)
{
    static const struct timeval write_timeout = {.tv_sec = WRITE_S};
    struct http *h = context;
    (void)listener;
    (void)address;
    (void)address_len;
    struct http_connection *c = must_alloc(1, sizeof *c);
    *c = (struct http_connection){.http = h, .since = server_uptime(h->server), .next = h->connections,
                                  .bev = bufferevent_socket_new(h->server->base, fd, BEV_OPT_CLOSE_ON_FREE),
                                  .body = evbuffer_new()};
    if (c->bev == NULL || c->body == NULL)
        memory_fail();
    if (c->next != NULL)
        c->next->prev = c;
    h->connections = c;
    h->connection_count++;
    net_set_up_tcp(fd);
    budget_join(&c->holder, turn_budget(h->server->turn), "http", false);
    evbuffer_add_cb(bufferevent_get_output(c->bev), on_output_changed, c);
    bufferevent_setcb(c->bev, on_read, on_written, on_event, c);
    bufferevent_set_timeouts(c->bev, NULL, &write_timeout);
    bufferevent_enable(c->bev, EV_READ | EV_WRITE);
    if (h->connection_count >= HTTP_CONNECTIONS_MAX)
        make_room(h, c);
}

/* Out of descriptors: the listener rests until the next sweep, or it would spin. */
static void on_accept_error(struct evconnlistener *listener, void *context)
{
    (void)listener;
    log_error("accept_failed", "reason=\"%s\"", strerror(errno));
    rest(context, true);
}

int http_listen(struct server *s, int fd, struct failure *failure)
{
    if (s->http == NULL) {
        s->http = must_alloc(1, sizeof *s->http);
        s->http->server = s;
        pool_init(&s->http->call_table, sizeof(struct http_call *));
    }
    struct evconnlistener *listener =
        evconnlistener_new(s->base, on_accept, s->http, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
    if (listener == NULL) {
        close(fd);
        return failure_set(failure, EX_OSERR, "listen: http: no memory");
    }
    evconnlistener_set_error_cb(listener, on_accept_error);
    s->http->listeners[s->http->listener_count++] = listener;
    return 0;
}

void http_stop_listening(struct server *s)
{
    if (s->http == NULL)
        return;
    for (int i = 0; i < s->http->listener_count; i++)
        evconnlistener_free(s->http->listeners[i]);
    s->http->listener_count = 0;
    gateway_end(s->http);
}

void http_sweep(struct server *s)
{
    struct http *h = s->http;
    int64_t now = server_uptime(s);
    if (h == NULL)
        return;
    for (struct http_connection *c = h->connections, *next = NULL; c != NULL; c = next) {
        next = c->next;
        bool is_reading = c->state == HTTP_READS_HEAD || c->state == HTTP_READS_BODY;
        bool has_lingered = c->state == HTTP_ENDS && !is_owed(c) && now - c->since > LINGER_MS;
        if (c->is_broken || has_lingered || (is_reading && now - c->since > REQUEST_MS))
            drop(c);
    }
    if (h->connection_count < HTTP_CONNECTIONS_MAX - HTTP_CONNECTIONS_MAX / 10)
        rest(h, false);
    gateway_sweep(h, now);
}

uint32_t http_connection_count(const struct server *s)
{
    return s->http != NULL ? s->http->connection_count : 0;
}

bool http_owes(const struct server *s)
{
    for (const struct http_connection *c = s->http != NULL ? s->http->connections : NULL; c != NULL; c = c->next)
        if ((c->state == HTTP_ANSWERS && !gateway_is_stream(c->call)) || is_owed(c))
            return true;
    return false;
}

void http_close(struct server *s)
{
    struct http *h = s->http;
    if (h == NULL)
        return;
    for (struct http_connection *c = h->connections, *next = NULL; c != NULL; c = next) {
        next = c->next;
        drop(c);
    }
    gateway_free_done(h);
    must(h->calls == NULL);
    pool_fini(&h->call_table);
    map_fini(&h->by_number);
    free(h);
    s->http = NULL;
}
