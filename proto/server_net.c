/* server_net.c -- listeners and connections: bytes to frames, answers to bytes.
 *
 * A connection that does not read is not read from either once it owes us OUTPUT_PAUSE bytes, and is
 * closed at OUTPUT_MAX; one whose frame does not end within FRAME_MS is closed. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#include "engine/pool.h"
#include "server_inside.h"

#define OUTPUT_PAUSE (4u << 20)
#define OUTPUT_MAX (64u << 20)
#define FRAME_MS 30000

static struct connection *find(const struct server *s, uint64_t number)
{
    uint32_t place = map_get(&s->by_number, number);
    return place == SLOT_NONE ? NULL : *(struct connection **)pool_at(&s->table, place);
}

static void enter(struct server *s, struct connection *c)
{
    c->place = pool_take(&s->table);
    *(struct connection **)pool_at(&s->table, c->place) = c;
    map_put(&s->by_number, c->number, c->place);
    c->next = s->connections;
    if (c->next != NULL)
        c->next->prev = c;
    s->connections = c;
    s->connection_count++;
}

static void close_connection(struct connection *c)
{
    struct server *s = c->server;
    turn_end(s->turn); /* its requests of this turn are carried out before it goes */
    map_remove(&s->by_number, c->number);
    pool_give(&s->table, c->place);
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        s->connections = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
    s->connection_count--;
    turn_disconnect(s->turn, c->session);
    log_debug("disconnected", "connection=%llu", (unsigned long long)c->number);
    bufferevent_free(c->bev);
    free(c);
}

static bool is_owed(const struct connection *c)
{
    return c->outstanding != 0 || evbuffer_get_length(bufferevent_get_output(c->bev)) != 0;
}

/* Ends a connection after what it is still owed has been written. */
static void close_after_output(struct connection *c)
{
    c->is_closing = true;
    bufferevent_disable(c->bev, EV_READ);
}

void net_send(void *context, uint64_t number, const uint8_t *bytes, size_t len)
{
    struct server *s = context;
    if (number == INTAKE_CONNECTION) {
        intake_answer(s, bytes, len);
        return;
    }
    struct connection *c = find(s, number);
    if (c == NULL)
        return; /* it left before its answer came */
    struct evbuffer *output = bufferevent_get_output(c->bev);
    evbuffer_add(output, bytes, len);
    if (bytes[0] == 0x94 && c->outstanding != 0) /* an answer, where a notification is a list of three */
        c->outstanding--;
    if (evbuffer_get_length(output) > OUTPUT_PAUSE && !c->is_paused) {
        c->is_paused = true;
        bufferevent_disable(c->bev, EV_READ);
    }
}

size_t net_backlog(void *context, uint64_t number)
{
    const struct connection *c = find(context, number);
    return c != NULL ? evbuffer_get_length(bufferevent_get_output(c->bev)) : 0;
}

static void refuse_frame(struct connection *c, const char *why)
{
    struct pack pack = {.bytes = NULL};
    struct error error;
    error_set(&error, REFUSAL_BAD_FRAME, NULL, "%s", why);
    pack_fixed_list(&pack, 4);
    pack_int(&pack, 1);
    pack_int(&pack, 0);
    error_pack(&error, &pack);
    pack_nil(&pack);
    net_send(c->server, c->number, pack.bytes, pack.len);
    pack_fini(&pack);
    log_warn("bad_frame", "connection=%llu principal=%s reason=\"%s\"", (unsigned long long)c->number,
             c->session->principal, why);
}

static void on_read(struct bufferevent *bev, void *context)
{
    struct connection *c = context;
    struct evbuffer *input = bufferevent_get_input(bev);
    size_t len = evbuffer_get_length(input);
    const uint8_t *bytes = evbuffer_pullup(input, -1);
    size_t used = 0;
    const char *why = NULL;
    enum frame_state state = FRAME_PARTIAL;
    while (!c->is_closing &&
           (state = frame_scan(&c->scan, bytes + used, len - used, &why)) == FRAME_WHOLE) {
        size_t frame = c->scan.at;
        c->scan = (struct frame_scan){.at = 0};
        c->outstanding += bytes[used] == 0x94;
        if (!turn_request(c->server->turn, c->session, bytes + used, frame))
            close_after_output(c);
        used += frame;
    }
    if (state == FRAME_BAD) {
        turn_end(c->server->turn); /* the answers before it first */
        refuse_frame(c, why);
        close_after_output(c);
    }
    c->frame_since = len == used ? 0 : c->frame_since != 0 && used == 0 ? c->frame_since
                                                                       : server_now(c->server);
    evbuffer_drain(input, used);
}

static void on_written(struct bufferevent *bev, void *context)
{
    struct connection *c = context;
    if (c->is_closing && !is_owed(c)) {
        close_connection(c);
    } else if (c->is_paused) {
        c->is_paused = false;
        bufferevent_enable(bev, EV_READ);
    }
}

static void on_event(struct bufferevent *bev, short what, void *context)
{
    struct connection *c = context;
    (void)bev;
    if ((what & BEV_EVENT_EOF) != 0 && is_owed(c))
        close_after_output(c); /* it may have closed its sending side only */
    else if ((what & (BEV_EVENT_EOF | BEV_EVENT_ERROR | BEV_EVENT_TIMEOUT)) != 0)
        close_connection(c);
}

/* Who it is: the user behind a Unix socket, or simply somebody on this host. */
static void name_principal(int fd, bool is_unix, char *principal, size_t size)
{
    struct ucred peer;
    socklen_t len = sizeof peer;
    if (is_unix && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0)
        snprintf(principal, size, "uid:%u", (unsigned)peer.uid);
    else
        snprintf(principal, size, "tcp");
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
                      int address_len, void *context)
{
    struct server *s = context;
    char principal[32];
    bool is_unix = address->sa_family == AF_UNIX;
    (void)listener;
    (void)address_len;
    if (s->connection_count >= s->settings.connections_max || s->is_stopping) {
        log_warn("connection_refused", "reason=%s connections=%u",
                 s->is_stopping ? "draining" : "connections_max", s->connection_count);
        close(fd);
        return;
    }
    int one = 1;
    if (!is_unix)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct connection *c = must_alloc(1, sizeof *c);
    c->bev = bufferevent_socket_new(s->base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (c->bev == NULL) {
        close(fd);
        free(c);
        return;
    }
    c->server = s;
    c->number = ++s->next_number;
    name_principal(fd, is_unix, principal, sizeof principal);
    c->session = turn_connect(s->turn, c->number, principal);
    enter(s, c);
    bufferevent_setcb(c->bev, on_read, on_written, on_event, c);
    bufferevent_enable(c->bev, EV_READ | EV_WRITE);
    log_debug("connected", "connection=%llu principal=%s", (unsigned long long)c->number, principal);
}

static void resume_listening(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    evconnlistener_enable(context);
}

/* Out of descriptors: the listener rests, or it would spin. */
static void on_accept_error(struct evconnlistener *listener, void *context)
{
    struct server *s = context;
    static const struct timeval rest = {.tv_usec = 100000};
    log_error("accept_failed", "reason=\"%s\"", strerror(errno));
    evconnlistener_disable(listener);
    event_base_once(s->base, -1, EV_TIMEOUT, resume_listening, listener, &rest);
}

/* A socket file that nobody answers is left over from a crash and is removed; else it is in use. */
static int clear_socket(const struct sockaddr_un *address, struct failure *failure)
{
    struct stat st;
    if (lstat(address->sun_path, &st) != 0)
        return 0;
    if (!S_ISSOCK(st.st_mode))
        return failure_set(failure, EX_CONFIG, "listen: %s is there and is no socket", address->sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool answers = connect(fd, (const struct sockaddr *)address, sizeof *address) == 0;
    close(fd);
    if (answers)
        return failure_set(failure, EX_UNAVAILABLE, "listen: %s is in use by another process",
                    address->sun_path);
    unlink(address->sun_path);
    return 0;
}

static int bind_unix(struct server *s, const char *path, struct failure *failure)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    if (clear_socket(&address, failure) != 0)
        return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    unsigned mode = s->settings.socket_mode / 100 * 64 + s->settings.socket_mode / 10 % 10 * 8 +
                    s->settings.socket_mode % 10;
    mode_t before = umask(0777 & ~mode);
    int rc = fd < 0 ? -1 : bind(fd, (struct sockaddr *)&address, sizeof address);
    umask(before);
    if (rc != 0 || listen(fd, 1024) != 0) {
        failure_set(failure, EX_CANTCREAT, "listen: unix:%s: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    return fd;
}

static int bind_tcp(const char *value, struct failure *failure)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    char host[64];
    const char *colon = strrchr(value, ':');
    char *end = NULL;
    long port = colon != NULL ? strtol(colon + 1, &end, 10) : -1;
    size_t len = colon != NULL ? (size_t)(colon - value) : sizeof host;
    if (port < 0 || port > 65535 || end == colon + 1 || *end != '\0' || len >= sizeof host)
        return failure_set(failure, EX_CONFIG, "listen: must be tcp:127.0.0.1:PORT, not tcp:%s", value);
    snprintf(host, sizeof host, "%.*s", (int)len, value);
    address.sin_port = htons((uint16_t)port);
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
        return failure_set(failure, EX_CONFIG, "listen: %s is no IPv4 address", host);
    if ((ntohl(address.sin_addr.s_addr) >> 24) != 127)
        return failure_set(failure, EX_CONFIG, "listen: %s is beyond loopback, which needs tokens and TLS, "
                                        "and this version has neither", host);
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 1024) != 0) {
        int code = errno == EADDRINUSE ? EX_UNAVAILABLE : EX_CANTCREAT;
        failure_set(failure, code, "listen: tcp:%s: %s", value, strerror(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    socklen_t size = sizeof address;
    getsockname(fd, (struct sockaddr *)&address, &size);
    log_info("listening", "address=tcp:%s:%d", host, ntohs(address.sin_port));
    return fd;
}

int net_listen(struct server *s, struct failure *failure)
{
    s->next_number = INTAKE_CONNECTION;
    for (int i = 0; i < s->settings.listen_count; i++) {
        const char *value = s->settings.listen[i];
        struct listener *l = &s->listeners[s->listener_count];
        l->is_unix = strncmp(value, "unix:", 5) == 0;
        int fd = l->is_unix ? bind_unix(s, value + 5, failure) : bind_tcp(value + 4, failure);
        if (fd < 0)
            return -1;
        if (l->is_unix) {
            snprintf(l->path, sizeof l->path, "%s", value + 5);
            log_info("listening", "address=%s", value);
        }
        l->listener = evconnlistener_new(s->base, on_accept, s, LEV_OPT_CLOSE_ON_FREE, -1, fd);
        if (l->listener == NULL) {
            close(fd);
            return failure_set(failure, EX_OSERR, "listen: %s: no memory", value);
        }
        evconnlistener_set_error_cb(l->listener, on_accept_error);
        s->listener_count++;
    }
    return 0;
}

void net_stop_listening(struct server *s)
{
    for (int i = 0; i < s->listener_count; i++) {
        evconnlistener_free(s->listeners[i].listener);
        if (s->listeners[i].is_unix)
            unlink(s->listeners[i].path);
    }
    s->listener_count = 0;
}

void net_close_all(struct server *s)
{
    while (s->connections != NULL)
        close_connection(s->connections);
    pool_fini(&s->table);
    map_fini(&s->by_number);
}

bool net_owes(const struct server *s)
{
    for (const struct connection *c = s->connections; c != NULL; c = c->next)
        if (is_owed(c))
            return true;
    return false;
}

void net_sweep(struct server *s)
{
    int64_t now = server_now(s);
    for (struct connection *c = s->connections, *next = NULL; c != NULL; c = next) {
        next = c->next;
        size_t owed = evbuffer_get_length(bufferevent_get_output(c->bev));
        bool is_slow = c->frame_since != 0 && now - c->frame_since > FRAME_MS;
        if (is_slow || owed > OUTPUT_MAX || (c->is_closing && !is_owed(c))) {
            if (!c->is_closing)
                log_warn("connection_closed", "connection=%llu reason=%s",
                         (unsigned long long)c->number, is_slow ? "frame_not_ended" : "reads_too_slowly");
            close_connection(c);
        }
    }
}
