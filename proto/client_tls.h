/* client_tls.h -- the client's end of mutual TLS 1.3. */
#ifndef PAIDAN_CLIENT_TLS_H
#define PAIDAN_CLIENT_TLS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct ssl_st;

/* Shakes hands over a connected socket, with the files that PAIDAN_TLS_CERT, PAIDAN_TLS_KEY and
 * PAIDAN_TLS_CA name, and checks that the server's certificate is for `host`. NULL, with why. */
struct ssl_st *client_tls_open(int fd, const char *host, char why[200]);
void client_tls_close(struct ssl_st *tls);
ssize_t client_tls_send(struct ssl_st *tls, const void *bytes, size_t len);
ssize_t client_tls_receive(struct ssl_st *tls, void *bytes, size_t len);
int client_tls_pending(const struct ssl_st *tls); /* whether bytes wait that poll() cannot see */

#endif
