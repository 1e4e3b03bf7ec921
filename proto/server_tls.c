/* server_tls.c -- mutual TLS 1.3: a server certificate, and clients' signed by an authority of ours. */
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sysexits.h>
#include <time.h>

#include "server_inside.h"

/* What OpenSSL says of its last error; the file's name is not in it. */
static int tls_fail(const char *key, const char *path, struct failure *failure)
{
    unsigned long code = ERR_get_error();
    const char *why = ERR_reason_error_string(code);
    ERR_clear_error();
    return failure_set(failure, EX_CONFIG, "%s: %s: %s", key, path, why != NULL ? why : "cannot be used");
}

#define WARN_DAYS 30

static int load_files(SSL_CTX *tls, const struct settings *set, struct failure *failure)
{
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

/* What new connections are made with; NULL: *failure says which file is wrong. */
static SSL_CTX *new_server(const struct settings *set, struct failure *failure)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    if (tls == NULL) {
        failure_set(failure, EX_OSERR, "TLS: no memory");
        return NULL;
    }
    SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION);
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_verify_depth(tls, 4);
    /* No tickets: a revoked certificate must not come back with one. A peer that just closes has ended. */
    SSL_CTX_set_options(tls, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_num_tickets(tls, 0);
    SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
    if (load_files(tls, set, failure) == 0)
        return tls;
    SSL_CTX_free(tls);
    return NULL;
}

int tls_open(struct server *s, struct failure *failure)
{
    s->tls = new_server(&s->settings, failure);
    return s->tls != NULL ? 0 : -1;
}

/* Towards the platform: its certificate must be good, and be of the host that was meant. */
static SSL_CTX *new_push(const struct settings *set, struct failure *failure)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
    if (tls == NULL) {
        failure_set(failure, EX_OSERR, "TLS: no memory");
        return NULL;
    }
    SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION);
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_options(tls, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    int is_loaded = set->push_ca[0] == '\0' ? SSL_CTX_set_default_verify_paths(tls)
                                            : SSL_CTX_load_verify_locations(tls, set->push_ca, NULL);
    if (is_loaded == 1)
        return tls;
    tls_fail("push_ca", set->push_ca[0] == '\0' ? "the system's" : set->push_ca, failure);
    SSL_CTX_free(tls);
    return NULL;
}

int tls_push_open(struct server *s, struct failure *failure)
{
    s->tls_push = new_push(&s->settings, failure);
    return s->tls_push != NULL ? 0 : -1;
}

int tls_reload(struct server *s, const struct settings *fresh, struct failure *failure)
{
    SSL_CTX *server = s->tls != NULL ? new_server(fresh, failure) : NULL;
    SSL_CTX *push = s->tls_push != NULL ? new_push(fresh, failure) : NULL;
    if ((s->tls != NULL && server == NULL) || (s->tls_push != NULL && push == NULL)) {
        SSL_CTX_free(server);
        SSL_CTX_free(push);
        return -1;
    }
    tls_close(s); /* connections keep what they were made with until they end */
    s->tls = server;
    s->tls_push = push;
    s->tls_looked_us = 0;
    return 0;
}

/* When the certificate may not be used any more, in seconds since 1970; 0: it does not say. */
static int64_t ends_at(X509 *certificate)
{
    struct tm tm;
    if (certificate == NULL || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &tm) != 1)
        return 0;
    return (int64_t)timegm(&tm);
}

int64_t tls_expires_at(const struct server *s)
{
    STACK_OF(X509) *chain = NULL;
    if (s->tls == NULL)
        return 0;
    int64_t first = ends_at(SSL_CTX_get0_certificate(s->tls));
    SSL_CTX_get0_chain_certs(s->tls, &chain);
    for (int i = 0; i < sk_X509_num(chain); i++) {
        int64_t at = ends_at(sk_X509_value(chain, i));
        first = at != 0 && at < first ? at : first;
    }
    return first * 1000;
}

/* Once a day it is said that the end is near: a certificate that runs out stops everybody at one instant. */
void tls_watch(struct server *s)
{
    int64_t now_us = server_micros(s);
    if (s->tls == NULL || (s->tls_looked_us != 0 && now_us - s->tls_looked_us < DAY_MS * 1000))
        return;
    s->tls_looked_us = now_us;
    int64_t left = tls_expires_at(s) - (int64_t)time(NULL) * 1000;
    if (left <= 0)
        log_error("tls_expired", "path=%s advice=\"put a new certificate in its place, then reload\"", s->settings.tls_cert);
    else if (left < WARN_DAYS * DAY_MS)
        log_warn("tls_expires", "days=%d path=%s advice=\"put a new certificate in its place, then reload\"",
                 (int)(left / DAY_MS), s->settings.tls_cert);
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
