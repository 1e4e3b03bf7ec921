/* server_inside.h -- shared by the files of the server only. */
#ifndef PAIDAN_SERVER_INSIDE_H
#define PAIDAN_SERVER_INSIDE_H

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

#include "clock.h"
#include "codes.h"
#include "frame.h"
#include "intake.h"
#include "server.h"

struct connection {
    struct server *server;
    struct bufferevent *bev;
    struct session *session;
    struct frame_scan scan;
    uint64_t number;
    int64_t frame_since; /* ms: when the frame that is not whole yet began; 0: none */
    uint32_t outstanding; /* requests whose answers are still to come */
    uint32_t place;
    int64_t since; /* ms: when it came */
    bool is_closing, is_paused, is_stranger;
    struct connection *next, *prev;
};

struct listener {
    struct evconnlistener *listener;
    struct server *server;
    char path[108]; /* of a Unix socket, removed at the end */
    bool is_unix, is_tls;
};

struct server {
    struct settings settings;
    const char *config;
    struct event_base *base;
    struct event *wake_event, *timer, *sweep, *signals[3];
    int wake_fd;
    struct listener listeners[LISTEN_MAX];
    int listener_count;
    struct connection *connections;
    struct map by_number; /* connection number to place in `table` */
    struct pool table;    /* of pointers to connections */
    uint64_t next_number;
    uint32_t connection_count;
    struct clock clock;
    struct engine *engine;
    struct code_tables codes;
    struct store *store;
    struct turn *turn;
    struct live *live;
    struct intake intake;
    struct http *http; /* NULL: no listener of HTTP */
    struct gauge turn_us;
    int64_t turn_began_us; /* 0: no request of this turn yet */
    struct vault vault;
    struct ssl_ctx_st *tls; /* NULL: no TLS */
    struct ssl_ctx_st *tls_push;
    int64_t tls_looked_us; /* when its end was last looked at; 0: not yet */
    struct pusher *pusher; /* NULL: the platform is not told */
    struct identity stranger; /* who shows no token: what open_roles allows */
    uint64_t disk_free;
    bool has_ballast, was_ballast_tried, is_disk_low;
    struct log_limit refused_lines, share_lines, wrong_token_lines;
    uint32_t strangers; /* connections that have not said who they are */
    int64_t trimmed_us; /* when memory was last given back; 0: not yet */
    bool is_stopping, wants_reload, has_reload_failed;
    int exit_code;
    int64_t stopping_since;
};

#define HTTP_CONNECTIONS_MAX 2000
#define HTTP_STREAMS_MAX 1000 /* half of HTTP's connections: health and short calls keep the rest */

int64_t server_now(void *server); /* the believed time: deadlines, purges, what is written down */
int64_t server_latest(void *server); /* that or the host's clock, the later one: what gives rights ends by it */
int64_t server_uptime(const struct server *server); /* ms of a clock that nobody sets: how long something takes */
int64_t server_micros(void *server); /* of a clock that only goes forwards */

/* The first request of a turn: from here its time is taken. */
void server_turn_begins(struct server *server);

/* server_clock.c */
void clock_open(struct server *server);
int clock_load(struct server *server, struct failure *failure); /* when the store is open: is the clock likely? */
void clock_configure(struct server *server);
int64_t server_trust_clock(void *server);
void clock_pack(struct server *server, struct pack *out); /* for server.stats */

/* server_net.c */
int net_listen(struct server *server, struct failure *failure);
void net_set_up_tcp(int fd); /* of a connection: no delay, and a dead peer is found out */
void net_stop_listening(struct server *server);
void net_close_all(struct server *server);
bool net_owes(const struct server *server); /* answers that are not written yet */
void net_send(void *server, uint64_t connection, const uint8_t *bytes, size_t len);
size_t net_backlog(void *server, uint64_t connection);
void net_sweep(struct server *server); /* once a second: frames that never end */

/* server_http.c and the files beside it: `http` of the server is theirs */
int http_listen(struct server *server, int fd, struct failure *failure); /* takes fd */
void http_stop_listening(struct server *server);
void http_sweep(struct server *server);      /* once a second */
void http_turn_ended(struct server *server); /* after each turn */
void http_close(struct server *server);
bool http_owes(const struct server *server);
uint32_t http_connection_count(const struct server *server);
void http_send(struct server *server, uint64_t number, const uint8_t *bytes, size_t len);
size_t http_backlog(const struct server *server, uint64_t number);

/* server_tls.c */
int tls_open(struct server *server, struct failure *failure);
/* Takes the files of `fresh` for connections to come. -1: one of them is wrong, and all stays as it was. */
int tls_reload(struct server *server, const struct settings *fresh, struct failure *failure);
int64_t tls_expires_at(const struct server *server); /* ms since 1970; 0: no TLS */
void tls_watch(struct server *server);               /* once a second */
void tls_close(struct server *server);
struct bufferevent *tls_accept(struct server *server, evutil_socket_t fd);
void tls_bye(struct bufferevent *bev); /* before it is freed; of one without TLS it does nothing */

int tls_push_open(struct server *server, struct failure *failure);
struct bufferevent *tls_push_connect(struct server *server, const char *host);

/* server_push.c */
struct push;
int push_open(struct server *server, struct failure *failure); /* between loading and starting the store */
void push_close(struct server *server);
void push_turn_ended(struct server *server);
struct push *push_of(struct server *server);

/* server_room.c */
void room_raise_descriptors(const struct settings *settings); /* before anything listens */
void room_give_back(struct server *server); /* once a second */

/* server_disk.c */
void disk_watch(struct server *server); /* once a second */

#endif
