#include "client_tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

static SSL_CTX *make_context(char why[200])
{
    const char *cert = getenv("PAIDAN_TLS_CERT");
    const char *key = getenv("PAIDAN_TLS_KEY");
    const char *ca = getenv("PAIDAN_TLS_CA");
    if (cert == NULL || key == NULL || ca == NULL) {
        snprintf(why, 200, "tls needs PAIDAN_TLS_CERT, PAIDAN_TLS_KEY and PAIDAN_TLS_CA in the environment");
        return NULL;
    }
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF);
    if (SSL_CTX_use_certificate_chain_file(context, cert) == 1 &&
        SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) == 1 &&
        SSL_CTX_load_verify_locations(context, ca, NULL) == 1)
        return context;
    snprintf(why, 200, "TLS files: %s", ERR_reason_error_string(ERR_get_error()));
    SSL_CTX_free(context);
    return NULL;
}

SSL *client_tls_open(int fd, const char *host, char why[200])
{
    SSL_CTX *context = make_context(why);
    SSL *ssl = context != NULL ? SSL_new(context) : NULL;
    SSL_CTX_free(context); /* the connection keeps it */
    if (ssl == NULL)
        return NULL;
    if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) != 1)
        SSL_set1_host(ssl, host);
    SSL_set_fd(ssl, fd);
    if (SSL_connect(ssl) == 1)
        return ssl;
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    snprintf(why, 200, "TLS: %s", reason != NULL ? reason : "the connection was lost");
    ERR_clear_error();
    SSL_free(ssl);
    return NULL;
}

void client_tls_close(SSL *ssl)
{
    SSL_shutdown(ssl);
    SSL_free(ssl);
}

ssize_t client_tls_send(SSL *ssl, const void *bytes, size_t len)
{
    size_t done = 0;
    return SSL_write_ex(ssl, bytes, len, &done) == 1 ? (ssize_t)done : -1;
}

ssize_t client_tls_receive(SSL *ssl, void *bytes, size_t len)
{
    size_t done = 0;
    return SSL_read_ex(ssl, bytes, len, &done) == 1 ? (ssize_t)done : -1;
}

int client_tls_pending(const SSL *ssl)
{
    return SSL_pending(ssl) != 0;
}
