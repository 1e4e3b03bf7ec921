/* client.h -- a small client: one connection, requests in, answers out.
 *
 *     struct client *client = client_open("unix:/run/paidan/paidan.sock", error);
 *     pack_map(client_begin(client, "server.info")); pack_close(…);
 *     const struct node *result = client_call(client, &error_node);
 *
 * client_begin() starts a request and hands out where its one map of parameters is packed; then either
 * client_call() sends it and waits for its answer, or client_send() only sends, so that many are under
 * way, and client_receive() takes whatever comes next. Nodes stay good until the next of these calls.
 * Not for several threads at once. */
#ifndef PAIDAN_CLIENT_H
#define PAIDAN_CLIENT_H

#include "codec.h"

struct client;

/* `address` is unix:PATH, tcp:HOST:PORT, or tls:HOST:PORT (its files: see client_tls.h). NULL, with the reason in `why`, when it cannot connect. */
struct client *client_open(const char *address, char why[200]);
void client_close(struct client *client);

struct pack *client_begin(struct client *client, const char *method);
/* 0, or -1 when the connection is lost. *msgid may be NULL. */
int client_send(struct client *client, uint32_t *msgid);
int client_flush(struct client *client);

struct client_message {
    bool is_notification;
    uint32_t msgid;
    const struct node *error;  /* NULL: none */
    const struct node *result; /* of a notification: its first parameter */
};
/* Waits up to `timeout_ms` (-1: for ever). 1: a message; 0: none in time; -1: the connection is lost. */
int client_receive(struct client *client, int timeout_ms, struct client_message *message);

/* For callers with many connections: the descriptor to poll, and a receive that never waits and reads
 * the socket once at most. */
int client_fd(const struct client *client);
int client_receive_buffered(struct client *client, struct client_message *message);

/* Sends what was begun and waits for its answer. The result, or NULL with *error: the error that was
 * answered, or NULL when the connection was lost. */
const struct node *client_call(struct client *client, const struct node **error);

#endif
