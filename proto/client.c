#include "client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "client_tls.h"
#include "frame.h"

struct client {
    int fd;
    struct ssl_st *tls; /* NULL: none */
    uint32_t next_msgid;
    struct pack request, outgoing;
    uint8_t *input;
    size_t input_len, input_room, input_used; /* used: handed out already */
    struct frame_scan scan;
    struct arena arena;
};

static int connect_unix(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static int connect_tcp(const char *value)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    char host[64];
    const char *colon = strrchr(value, ':');
    int one = 1;
    errno = EINVAL;
    if (colon == NULL || (size_t)(colon - value) >= sizeof host)
        return -1;
    snprintf(host, sizeof host, "%.*s", (int)(colon - value), value);
    address.sin_port = htons((uint16_t)atoi(colon + 1));
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
        return -1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        return -1;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

struct client *client_open(const char *address, char why[200])
{
    bool is_unix = strncmp(address, "unix:", 5) == 0;
    int fd = -1;
    errno = EINVAL;
    if (is_unix)
        fd = connect_unix(address + 5);
    else if (strncmp(address, "tcp:", 4) == 0 || strncmp(address, "tls:", 4) == 0)
        fd = connect_tcp(address + 4);
    if (fd < 0) {
        snprintf(why, 200, "cannot connect to %.120s: %s", address, strerror(errno));
        return NULL;
    }
    struct ssl_st *tls = NULL;
    if (strncmp(address, "tls:", 4) == 0) {
        char host[64];
        snprintf(host, sizeof host, "%.*s", (int)(strrchr(address, ':') - address - 4), address + 4);
        tls = client_tls_open(fd, host, why);
        if (tls == NULL) {
            close(fd);
            return NULL;
        }
    }
    struct client *c = must_alloc(1, sizeof *c);
    c->fd = fd;
    c->tls = tls;
    c->scan.is_answer = true;
    return c;
}

void client_close(struct client *c)
{
    if (c == NULL)
        return;
    if (c->tls != NULL)
        client_tls_close(c->tls);
    close(c->fd);
    pack_fini(&c->request);
    pack_fini(&c->outgoing);
    arena_fini(&c->arena);
    free(c->input);
    free(c);
}

struct pack *client_begin(struct client *c, const char *method)
{
    pack_reset(&c->request);
    pack_fixed_list(&c->request, 4);
    pack_int(&c->request, 0);
    pack_uint(&c->request, ++c->next_msgid);
    pack_text(&c->request, method);
    pack_fixed_list(&c->request, 1);
    return &c->request;
}

int client_flush(struct client *c)
{
    for (size_t at = 0; at < c->outgoing.len;) {
        const uint8_t *from = c->outgoing.bytes + at;
        size_t len = c->outgoing.len - at;
        ssize_t sent = c->tls != NULL ? client_tls_send(c->tls, from, len) : send(c->fd, from, len, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return -1;
        at += (size_t)sent;
    }
    pack_reset(&c->outgoing);
    return 0;
}

int client_send(struct client *c, uint32_t *msgid)
{
    if (msgid != NULL)
        *msgid = c->next_msgid;
    pack_raw(&c->outgoing, c->request.bytes, c->request.len);
    return c->outgoing.len < 65536 ? 0 : client_flush(c);
}

static int read_more(struct client *c, int timeout_ms)
{
    struct pollfd poller = {.fd = c->fd, .events = POLLIN};
    int ready = c->tls != NULL && client_tls_pending(c->tls) ? 1 : poll(&poller, 1, timeout_ms);
    if (ready <= 0)
        return ready < 0 && errno != EINTR ? -1 : 0;
    if (c->input_used != 0) {
        c->input_len -= c->input_used;
        memmove(c->input, c->input + c->input_used, c->input_len);
        c->input_used = 0;
    }
    if (c->input_room - c->input_len < 65536) {
        c->input_room = (c->input_room + 65536) * 2;
        c->input = must_realloc(c->input, c->input_room, 1);
    }
    uint8_t *to = c->input + c->input_len;
    size_t room = c->input_room - c->input_len;
    ssize_t got = c->tls != NULL ? client_tls_receive(c->tls, to, room) : recv(c->fd, to, room, 0);
    if (got <= 0)
        return got < 0 && errno == EINTR ? 0 : -1;
    c->input_len += (size_t)got;
    return 1;
}

/* Answers may be larger than requests, so only their shape is trusted, not their size: a list of
 * 1,000 items is more values than a request may have. */
static const struct node *take_frame(struct client *c, bool *is_bad)
{
    const char *why = NULL;
    const uint8_t *at = c->input + c->input_used;
    size_t len = c->input_len - c->input_used;
    if (len == 0)
        return NULL;
    enum frame_state state = frame_scan(&c->scan, at, len, &why);
    if (state != FRAME_WHOLE) {
        *is_bad = state == FRAME_BAD;
        return NULL;
    }
    size_t frame = c->scan.at;
    c->scan = (struct frame_scan){.is_answer = true};
    c->input_used += frame;
    arena_reset(&c->arena);
    const struct node *n = codec_decode(&c->arena, at, frame);
    *is_bad = n == NULL || n->kind != NODE_LIST || n->count < 3 || n->u.items[0].kind != NODE_INT;
    return n;
}

/* What a decoded frame says; -1: it is no message. */
static int read_message(const struct node *n, struct client_message *m)
{
    *m = (struct client_message){.is_notification = n->u.items[0].u.number == 2};
    if (m->is_notification) {
        const struct node *params = &n->u.items[2];
        m->result = params->kind == NODE_LIST && params->count != 0 ? &params->u.items[0] : params;
        return 1;
    }
    if (n->count != 4 || n->u.items[1].kind != NODE_INT)
        return -1;
    m->msgid = (uint32_t)n->u.items[1].u.number;
    m->error = n->u.items[2].kind != NODE_NIL ? &n->u.items[2] : NULL;
    m->result = &n->u.items[3];
    return 1;
}

int client_receive(struct client *c, int timeout_ms, struct client_message *m)
{
    bool is_bad = false;
    if (client_flush(c) != 0)
        return -1;
    const struct node *n = take_frame(c, &is_bad);
    while (n == NULL && !is_bad) {
        int got = read_more(c, timeout_ms);
        if (got < 0 || (got == 0 && timeout_ms >= 0))
            return got;
        n = take_frame(c, &is_bad);
    }
    return is_bad ? -1 : read_message(n, m);
}

int client_fd(const struct client *c)
{
    return c->fd;
}

int client_receive_buffered(struct client *c, struct client_message *m)
{
    bool is_bad = false;
    const struct node *n = take_frame(c, &is_bad);
    if (n == NULL && !is_bad) {
        int got = read_more(c, 0);
        if (got <= 0)
            return got;
        n = take_frame(c, &is_bad);
    }
    if (n == NULL)
        return is_bad ? -1 : 0;
    return is_bad ? -1 : read_message(n, m);
}

const struct node *client_call(struct client *c, const struct node **error)
{
    struct client_message m;
    uint32_t msgid = 0;
    *error = NULL;
    if (client_send(c, &msgid) != 0)
        return NULL;
    do {
        if (client_receive(c, -1, &m) != 1)
            return NULL;
    } while (m.is_notification || (m.msgid != msgid && m.msgid != 0));
    *error = m.error;
    return m.error == NULL ? m.result : NULL;
}
