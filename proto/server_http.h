/* server_http.h -- shared by the files of the HTTP gateway only: server_http.c has the listeners and the
 * connections with their bounds, server_body.c bodies in chunks, server_reply.c answers as bytes,
 * server_gateway.c the requests and what answers them. */
#ifndef PAIDAN_SERVER_HTTP_H
#define PAIDAN_SERVER_HTTP_H

#include "http_head.h"
#include "server_inside.h"

#define HTTP_BODY_BYTES_MAX (1u << 20)

struct http_call;

enum http_state {
    HTTP_READS_HEAD,
    HTTP_READS_BODY,
    HTTP_ANSWERS, /* the request was read and is being answered */
    HTTP_ENDS     /* what is owed is written, then it is closed */
};

/* A body in chunks: what is still to come. */
struct http_chunks {
    size_t left; /* bytes of the chunk under way */
    bool is_inside, is_after, is_trailer;
    uint32_t trailer_lines;
};

struct http_connection {
    struct http *http;
    struct bufferevent *bev;
    enum http_state state;
    int64_t since;   /* ms: when the request under way may have begun, or the lingering */
    size_t searched; /* bytes of the input in which no head ended */
    struct http_head head;
    char *head_bytes; /* what `head` points into; NULL: none */
    struct evbuffer *body;
    size_t body_max;
    struct http_chunks chunks;
    struct http_call *call; /* being answered; NULL: none */
    char request_id[32]; /* by which the log names the request; "": none */
    bool closes;    /* after the answer under way */
    bool lingers;   /* it may still be sending what we do not want: closed at once it would lose its answer */
    bool has_ended; /* the client sends no more, and may still read */
    bool is_sharing; /* what is added to the output is not its own copy */
    struct holder holder; /* what it is owed, of whoever asked last */
    bool is_broken; /* no memory for what it is owed */
    struct http_connection *next, *prev;
};

struct http {
    struct server *server;
    struct evconnlistener *listeners[LISTEN_MAX];
    int listener_count;
    bool is_resting; /* so many connections that no more are taken */
    struct http_connection *connections;
    uint32_t connection_count;
    struct log_limit full_lines, wrong_token_lines;
    struct http_call *calls;
    struct map by_number; /* number of a call, as of a connection, to place in `call_table` */
    struct pool call_table;
};

/* server_body.c: moves what has come of a body from the input to `body`. */
enum http_body { HTTP_BODY_PARTIAL, HTTP_BODY_WHOLE, HTTP_BODY_BAD, HTTP_BODY_TOO_LONG };
enum http_body http_body_take(struct http_connection *c);

/* server_reply.c: an answer is begun, given headers, and ended by a body, or goes on as a stream. */
void http_reply_begin(struct http_connection *c, int status);
void http_reply_header(struct http_connection *c, const char *name, const char *value);
void http_reply_body(struct http_connection *c, const char *type, const char *text, size_t len);
/* The same with a text that outlives the connection: it is not copied. */
void http_reply_kept(struct http_connection *c, const char *type, const char *text, size_t len);
void http_reply_stream(struct http_connection *c);
void http_reply_part(struct http_connection *c, const char *text, size_t len);
void http_reply_end(struct http_connection *c);
const char *http_allowed(const struct http_head *head); /* the methods that its path knows */
void http_reply_error(struct http_connection *c, int status, const struct node *error);
/* Refuses what never becomes a request of the turn. Status 0: that of the code. */
void http_refuse(struct http_connection *c, int status, enum refusal_code code, const char *field, const char *detail);
/* The same for what could not even be read: the connection ends after it. */
void http_refuse_and_end(struct http_connection *c, int status, const char *field, const char *detail);

/* server_http.c: the request under way is answered; the connection goes on or ends. */
void http_answered(struct http_connection *c);

/* server_gateway.c */
void gateway_head(struct http_connection *c);    /* the head has come: says body_max, or refuses */
void gateway_request(struct http_connection *c); /* the whole request has come */
bool gateway_is_stream(const struct http_call *call); /* it has no end of its own */
void gateway_client_left(struct http_call *call);
void gateway_sweep(struct http *http, int64_t now); /* heartbeats */
void gateway_free_done(struct http *http);          /* after a turn */
void gateway_end(struct http *http);                /* ends what goes on without end: events */

#endif
