/* server_net.c -- listeners and connections: bytes to frames, answers to bytes.
 *
 * A connection that does not read is not read from either once it is owed OUTPUT_PAUSE bytes or
 * IN_FLIGHT_MAX answers, and is closed at OUTPUT_MAX; one whose frame does not end within FRAME_MS is closed. Who has not said who it
 * is has little time and space for it, and such connections may not take more than half of all. */
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

#define OUTPUT_PAUSE (64u << 10)
#define OUTPUT_MAX (32u << 20)
#define FRAME_MS 30000
#define STRANGER_MS 10000        /* to say who one is */
#define STRANGER_BYTES 4096      /* the longest request before that */
#define WRONG_TOKENS_MAX 3       /* then the connection ends */
#define SMALL_BYTES 4096         /* of a frame that has not ended: always held */
#define IN_FLIGHT_MAX 1024       /* answers that one connection may wait for; no more is read then */
#define UNACKNOWLEDGED_MS 30000u /* a peer that is silent at the network's level is gone */
#define KEEP_IDLE_S 60   /* a silent peer is asked whether it is there, */
#define KEEP_EVERY_S 10  /* again and again, and given up when UNACKNOWLEDGED_MS have passed */

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

static void on_input_changed(struct evbuffer *buffer, const struct evbuffer_cb_info *info, void *context)
{
    struct connection *c = context;
    (void)buffer;
    holder_take(&c->session->holder, BUDGET_INPUT, info->n_added);
    holder_give(&c->session->holder, BUDGET_INPUT, info->n_deleted);
}

static void on_output_changed(struct evbuffer *buffer, const struct evbuffer_cb_info *info, void *context)
{
    struct connection *c = context;
    (void)buffer;
    holder_take(&c->session->holder, BUDGET_OUTPUT, info->n_added);
    holder_give(&c->session->holder, BUDGET_OUTPUT, info->n_deleted);
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
    s->strangers -= c->is_stranger;
    evbuffer_remove_cb(bufferevent_get_input(c->bev), on_input_changed, c);
    evbuffer_remove_cb(bufferevent_get_output(c->bev), on_output_changed, c);
    turn_disconnect(s->turn, c->session);
    log_debug("disconnected", "connection=%llu", (unsigned long long)c->number);
    tls_bye(c->bev);
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

static size_t owed_bytes(const struct connection *c)
{
    return evbuffer_get_length(bufferevent_get_output(c->bev));
}

/* It gets no further with its requests before it has taken its answers. */
static void pause_reading(struct connection *c)
{
    if (c->is_paused)
        return;
    c->is_paused = true;
    bufferevent_disable(c->bev, EV_READ);
}

static void resume_reading(struct connection *c)
{
    if (!c->is_paused || c->is_closing || c->outstanding > IN_FLIGHT_MAX / 2 || owed_bytes(c) > OUTPUT_PAUSE / 2)
        return;
    c->is_paused = false;
    bufferevent_enable(c->bev, EV_READ);
    if (evbuffer_get_length(bufferevent_get_input(c->bev)) != 0)
        bufferevent_trigger(c->bev, EV_READ, BEV_TRIG_DEFER_CALLBACKS);
}

void net_send(void *context, uint64_t number, const uint8_t *bytes, size_t len)
{
    struct server *s = context;
    if (number == INTAKE_CONNECTION) {
        intake_answer(&s->intake, bytes, len);
        return;
    }
    struct connection *c = find(s, number);
    if (c == NULL) { /* HTTP's, or it left before its answer came */
        http_send(s, number, bytes, len);
        return;
    }
    struct evbuffer *output = bufferevent_get_output(c->bev);
    if (evbuffer_add(output, bytes, len) != 0) { /* no memory: it must not wait for an answer that it will not get */
        c->outstanding = 0;
        close_after_output(c);
        return;
    }
    if (bytes[0] == 0x94 && c->outstanding != 0) /* an answer, where a notification is a list of three */
        c->outstanding--;
    if (evbuffer_get_length(output) > OUTPUT_PAUSE)
        pause_reading(c);
    else
        resume_reading(c);
}

size_t net_backlog(void *context, uint64_t number)
{
    const struct connection *c = find(context, number);
    return c != NULL ? evbuffer_get_length(bufferevent_get_output(c->bev)) : http_backlog(context, number);
}

static void refuse_frame(struct connection *c, enum refusal_code code, const char *why)
{
    struct pack pack = {.bytes = NULL};
    struct error error;
    error_set(&error, code, NULL, "%s", why);
    pack_fixed_list(&pack, 4);
    pack_int(&pack, 1);
    pack_int(&pack, 0);
    error_pack(&error, &pack);
    pack_nil(&pack);
    net_send(c->server, c->number, pack.bytes, pack.len);
    pack_fini(&pack);
    log_warn("bad_frame", "connection=%llu principal=%s reason=\"%s\"", (unsigned long long)c->number,
             c->session->who.principal, why);
}

/* After requests: whether it has said who it is, or guessed too often. */
static void look_at_caller(struct connection *c)
{
    if (c->is_stranger && c->session->who.roles != 0) {
        c->is_stranger = false;
        c->server->strangers--;
    }
    if (c->session->is_one_too_many && !c->is_closing) {
        log_seldom(&c->server->share_lines, "connection_refused", "reason=caller_share principal=%s", c->session->who.principal);
        close_after_output(c);
    }
    if (c->session->failures >= WRONG_TOKENS_MAX && !c->is_closing) {
        log_seldom(&c->server->wrong_token_lines, "wrong_tokens", "connection=%llu", (unsigned long long)c->number);
        close_after_output(c);
    }
    if (c->outstanding >= IN_FLIGHT_MAX || c->session->held_bytes > OUTPUT_PAUSE)
        pause_reading(c);
}

/* A frame that has not ended is held until it has, which others' memory must not be spent on. */
static void look_at_input(struct connection *c)
{
    struct error error;
    struct holder *holder = &c->session->holder;
    if (c->is_closing || holder->held[BUDGET_INPUT] <= SMALL_BYTES ||
        budget_allows(holder->budget, holder->caller, BUDGET_INPUT, 0, &error))
        return;
    turn_end(c->server->turn);
    refuse_frame(c, error.code, error.detail);
    close_after_output(c);
    struct evbuffer *input = bufferevent_get_input(c->bev);
    evbuffer_drain(input, evbuffer_get_length(input));
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
    server_turn_begins(c->server);
    while (!c->is_closing && !c->is_paused &&
           (state = frame_scan(&c->scan, bytes + used, len - used, &why)) == FRAME_WHOLE) {
        size_t frame = c->scan.at;
        c->scan = (struct frame_scan){.at = 0};
        c->outstanding += bytes[used] == 0x94;
        if (!turn_request(c->server->turn, c->session, bytes + used, frame))
            close_after_output(c);
        used += frame;
        look_at_caller(c);
    }
    if (state == FRAME_PARTIAL && c->is_stranger && len - used > STRANGER_BYTES) {
        state = FRAME_BAD;
        why = "too long before session.hello";
    }
    if (state == FRAME_BAD) {
        turn_end(c->server->turn); /* the answers before it first */
        refuse_frame(c, REFUSAL_BAD_FRAME, why);
        close_after_output(c);
    }
    c->frame_since = len == used || c->is_paused ? 0 : c->frame_since != 0 && used == 0 ? c->frame_since
                                                                       : server_uptime(c->server);
    evbuffer_drain(input, used);
    look_at_input(c);
}

static void on_written(struct bufferevent *bev, void *context)
{
    struct connection *c = context;
    (void)bev;
    if (c->is_closing && !is_owed(c)) {
        close_connection(c);
    } else {
        resume_reading(c);
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

/* Who it is: the user behind a Unix socket; else somebody who may do what strangers may, and behind TLS
 * nothing before a token. The daemon's own user and root run the service anyway. */
static struct identity identify(const struct server *s, int fd, const struct listener *l)
{
    struct ucred peer;
    struct identity who = s->stranger;
    socklen_t len = sizeof peer;
    snprintf(who.principal, sizeof who.principal, "%s", l->is_tls ? "tls" : "tcp");
    if (l->is_tls)
        who.roles = 0;
    if (l->is_unix && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0) {
        snprintf(who.principal, sizeof who.principal, "uid:%u", (unsigned)peer.uid);
        if (peer.uid == 0 || peer.uid == geteuid())
            who = identity_trusted(who.principal);
    }
    return who;
}

static const char *why_not_accepted(const struct server *s, bool is_stranger, bool is_vouched)
{
    if (s->is_stopping)
        return "draining";
    uint32_t kept = is_vouched ? (uint32_t)budget_kept_of(s->settings.connections_max) : 0;
    if (s->connection_count >= s->settings.connections_max + kept)
        return "connections_max";
    return is_stranger && s->strangers >= (s->settings.connections_max + 1) / 2 ? "strangers" : NULL;
}

void net_set_up_tcp(int fd)
{
    int one = 1;
    int idle_s = KEEP_IDLE_S;
    int every_s = KEEP_EVERY_S;
    unsigned timeout = UNACKNOWLEDGED_MS;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s); /* two hours, if not said */
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every_s, sizeof every_s);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof timeout);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
                      int address_len, void *context)
{
    struct listener *l = context;
    struct server *s = l->server;
    struct identity who = identify(s, fd, l);
    const char *why_not = why_not_accepted(s, who.roles == 0, who.is_vouched);
    (void)listener;
    (void)address;
    (void)address_len;
    if (why_not != NULL) {
        log_seldom(&s->refused_lines, "connection_refused", "reason=%s connections=%u", why_not, s->connection_count);
        close(fd);
        return;
    }
    if (!l->is_unix)
        net_set_up_tcp(fd);
    struct connection *c = must_alloc(1, sizeof *c);
    c->bev = l->is_tls ? tls_accept(s, fd) : bufferevent_socket_new(s->base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (c->bev == NULL) {
        close(fd);
        free(c);
        return;
    }
    c->server = s;
    c->number = ++s->next_number;
    c->since = server_uptime(s);
    c->is_stranger = who.roles == 0;
    s->strangers += c->is_stranger;
    c->session = turn_connect(s->turn, c->number, &who);
    holder_take(&c->session->holder, BUDGET_CONNECTIONS, 1);
    evbuffer_add_cb(bufferevent_get_input(c->bev), on_input_changed, c);
    evbuffer_add_cb(bufferevent_get_output(c->bev), on_output_changed, c);
    enter(s, c);
    bufferevent_setcb(c->bev, on_read, on_written, on_event, c);
    bufferevent_enable(c->bev, EV_READ | EV_WRITE);
    log_debug("connected", "connection=%llu principal=%s", (unsigned long long)c->number, who.principal);
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
    struct server *s = ((struct listener *)context)->server;
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

static int bind_tcp(const char *kind, const char *value, struct failure *failure)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    char host[64];
    const char *colon = strrchr(value, ':');
    char *end = NULL;
    long port = colon != NULL ? strtol(colon + 1, &end, 10) : -1;
    size_t len = colon != NULL ? (size_t)(colon - value) : sizeof host;
    if (port < 0 || port > 65535 || end == colon + 1 || *end != '\0' || len >= sizeof host)
        return failure_set(failure, EX_CONFIG, "listen: must be %s:127.0.0.1:PORT, not %s:%s", kind, kind, value);
    snprintf(host, sizeof host, "%.*s", (int)len, value);
    address.sin_port = htons((uint16_t)port);
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
        return failure_set(failure, EX_CONFIG, "listen: %s is no IPv4 address", host);
    if (strcmp(kind, "tls") != 0 && (ntohl(address.sin_addr.s_addr) >> 24) != 127)
        return failure_set(failure, EX_CONFIG, "listen: %s is beyond loopback: %s may not, use tls:%s", host, kind, value);
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 1024) != 0) {
        int code = errno == EADDRINUSE ? EX_UNAVAILABLE : EX_CANTCREAT;
        failure_set(failure, code, "listen: %s: %s", value, strerror(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    socklen_t size = sizeof address;
    getsockname(fd, (struct sockaddr *)&address, &size);
    log_info("listening", "address=%s:%s:%d", kind, host, ntohs(address.sin_port));
    return fd;
}

int net_listen(struct server *s, struct failure *failure)
{
    s->next_number = INTAKE_CONNECTION;
    roles_parse(s->settings.open_roles, strlen(s->settings.open_roles), &s->stranger.roles);
    s->stranger.scope = SCOPE_EVERYWHERE; /* of the roles that were set, if any */
    for (int i = 0; i < s->settings.listen_count; i++) {
        const char *value = s->settings.listen[i];
        struct listener *l = &s->listeners[s->listener_count];
        l->server = s;
        l->is_unix = strncmp(value, "unix:", 5) == 0;
        l->is_tls = strncmp(value, "tls:", 4) == 0;
        if (l->is_tls && s->tls == NULL && tls_open(s, failure) != 0)
            return -1;
        bool is_http = strncmp(value, "http:", 5) == 0;
        int fd = l->is_unix ? bind_unix(s, value + 5, failure)
                            : bind_tcp(is_http ? "http" : l->is_tls ? "tls" : "tcp", value + (is_http ? 5 : 4), failure);
        if (fd < 0 || (is_http && http_listen(s, fd, failure) != 0))
            return -1;
        if (is_http)
            continue;
        if (l->is_unix) {
            snprintf(l->path, sizeof l->path, "%s", value + 5);
            log_info("listening", "address=%s", value);
        }
        l->listener = evconnlistener_new(s->base, on_accept, l, LEV_OPT_CLOSE_ON_FREE, 0, fd);
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
    http_stop_listening(s);
}

void net_close_all(struct server *s)
{
    for (struct connection *c = s->connections, *next = NULL; c != NULL; c = next) {
        next = c->next;
        close_connection(c);
    }
    pool_fini(&s->table);
    map_fini(&s->by_number);
}

bool net_owes(const struct server *s)
{
    for (const struct connection *c = s->connections; c != NULL; c = c->next)
        if (is_owed(c))
            return true;
    return http_owes(s);
}

void net_sweep(struct server *s)
{
    int64_t now = server_uptime(s);
    size_t all = 0;
    for (const struct connection *c = s->connections; c != NULL; c = c->next)
        all += owed_bytes(c);
    size_t all_max = (size_t)s->settings.output_mib << 20;
    size_t most = all > all_max / 4 * 3 ? all_max / s->connection_count : OUTPUT_MAX;
    for (struct connection *c = s->connections, *next = NULL; c != NULL; c = next) {
        next = c->next;
        bool is_silent = c->is_stranger && now - c->since > STRANGER_MS;
        bool is_slow = c->frame_since != 0 && now - c->frame_since > FRAME_MS;
        if (is_silent || is_slow || owed_bytes(c) > most || (c->is_closing && !is_owed(c))) {
            if (!c->is_closing)
                log_warn("connection_closed", "connection=%llu reason=%s",
                         (unsigned long long)c->number, is_silent ? "no_hello" : is_slow ? "frame_not_ended" : "reads_too_slowly");
            close_connection(c);
        }
    }
}
