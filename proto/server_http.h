/* server_http.h -- shared by the two files of the HTTP gateway only: server_http.c has the listeners and
 * the connections with their bounds, server_gateway.c the requests and what answers them. */
#ifndef PAIDAN_SERVER_HTTP_H
#define PAIDAN_SERVER_HTTP_H

#include <event2/http.h>

#include "server_inside.h"

struct http_call;

struct http_connection {
    struct http *http;
    struct bufferevent *bev; /* a reference of ours, so that we see when libevent has let go of it */
    int64_t since;           /* ms: when the head under way may have begun */
    struct http_call *call;  /* being answered; NULL: none */
    bool is_busy;            /* a request is being answered */
    uint32_t place;
    struct http_connection *next, *prev;
};

struct http {
    struct server *server;
    struct evhttp *evhttp;
    struct http_listener {
        struct evhttp_bound_socket *bound;
        struct evconnlistener *listener;
    } listeners[LISTEN_MAX];
    int listener_count;
    bool is_resting; /* so many connections that no more are taken */
    struct http_connection *connections;
    uint32_t connection_count;
    struct map by_bev; /* address of a bufferevent to place in `table` */
    struct pool table;
    struct http_call *calls;
    struct map by_number; /* number of a call, as of a connection, to place in `call_table` */
    struct pool call_table;
};

/* The connection of a request; from here on it is busy. */
struct http_connection *http_connection_of(struct http *http, struct evhttp_request *req);

/* server_gateway.c */
void gateway_request(struct evhttp_request *req, void *http);
void gateway_client_left(struct http_call *call);
void gateway_sweep(struct http *http, int64_t now); /* heartbeats */
void gateway_free_done(struct http *http);          /* after a turn */
void gateway_end(struct http *http);                /* ends what goes on without end: events */

#endif
