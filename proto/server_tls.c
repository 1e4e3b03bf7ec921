/* server_tls.c -- mutual TLS 1.3: a server certificate, and clients' signed by an authority of ours. */
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sysexits.h>

#include "server_inside.h"

/* What OpenSSL says of its last error; the file's name is not in it. */
static int tls_fail(const char *key, const char *path, struct failure *failure)
{
    unsigned long code = ERR_get_error();
    const char *why = ERR_reason_error_string(code);
    ERR_clear_error();
    return failure_set(failure, EX_CONFIG, "%s: %s: %s", key, path, why != NULL ? why : "cannot be used");
}

int tls_open(struct server *s, struct failure *failure)
{
    const struct settings *set = &s->settings;
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    if (tls == NULL)
        return failure_set(failure, EX_OSERR, "TLS: no memory");
    s->tls = tls;
    SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION);
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_verify_depth(tls, 4);
    /* No tickets: a revoked certificate must not come back with one. A peer that just closes has ended. */
    SSL_CTX_set_options(tls, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_num_tickets(tls, 0);
    SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
    if (set->tls_cert[0] == '\0' || set->tls_key[0] == '\0' || set->tls_ca[0] == '\0')
        return failure_set(failure, EX_CONFIG, "listen: tls needs tls_cert, tls_key and tls_ca");
    if (SSL_CTX_use_certificate_chain_file(tls, set->tls_cert) != 1)
        return tls_fail("tls_cert", set->tls_cert, failure);
    if (SSL_CTX_use_PrivateKey_file(tls, set->tls_key, SSL_FILETYPE_PEM) != 1 || SSL_CTX_check_private_key(tls) != 1)
        return tls_fail("tls_key", set->tls_key, failure);
    if (SSL_CTX_load_verify_locations(tls, set->tls_ca, NULL) != 1)
        return tls_fail("tls_ca", set->tls_ca, failure);
    return 0;
}

/* Towards the platform: its certificate must be good, and be of the host that was meant. */
int tls_push_open(struct server *s, struct failure *failure)
{
    SSL_CTX *tls = s->tls_push = SSL_CTX_new(TLS_client_method());
    if (tls == NULL)
        return failure_set(failure, EX_OSERR, "TLS: no memory");
    SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION);
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_options(tls, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    if (s->settings.push_ca[0] == '\0')
        return SSL_CTX_set_default_verify_paths(tls) == 1 ? 0 : tls_fail("push_ca", "the system's", failure);
    if (SSL_CTX_load_verify_locations(tls, s->settings.push_ca, NULL) != 1)
        return tls_fail("push_ca", s->settings.push_ca, failure);
    return 0;
}

struct bufferevent *tls_push_connect(struct server *s, const char *host)
{
    SSL *ssl = SSL_new(s->tls_push);
    unsigned char address[16];
    bool is_address = evutil_inet_pton(AF_INET, host, address) == 1;
    if (ssl == NULL)
        return NULL;
    bool is_set = is_address ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1
                             : SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
    struct bufferevent *bev = is_set ? bufferevent_openssl_socket_new(s->base, -1, ssl, BUFFEREVENT_SSL_CONNECTING,
                                                                      BEV_OPT_CLOSE_ON_FREE)
                                     : NULL;
    if (bev == NULL)
        SSL_free(ssl);
    return bev;
}

void tls_close(struct server *s)
{
    SSL_CTX_free(s->tls_push);
    SSL_CTX_free(s->tls);
}

struct bufferevent *tls_accept(struct server *s, evutil_socket_t fd)
{
    SSL *ssl = SSL_new(s->tls);
    if (ssl == NULL)
        return NULL;
    struct bufferevent *bev = bufferevent_openssl_socket_new(s->base, fd, ssl, BUFFEREVENT_SSL_ACCEPTING,
                                                             BEV_OPT_CLOSE_ON_FREE);
    if (bev == NULL)
        SSL_free(ssl);
    return bev;
}

void tls_bye(struct bufferevent *bev)
{
    SSL *ssl = bufferevent_openssl_get_ssl(bev);
    if (ssl != NULL && SSL_is_init_finished(ssl))
        SSL_shutdown(ssl); /* says goodbye; nobody waits for the other's */
    ERR_clear_error();
}
