/* http_head.h -- the head of one HTTP/1.1 request, read strictly: whatever two programs could read in two
 * ways is refused. Knows no sockets. */
#ifndef PAIDAN_HTTP_HEAD_H
#define PAIDAN_HTTP_HEAD_H

#include "engine/base.h"

#define HTTP_HEAD_BYTES_MAX 8192
#define HTTP_FIELDS_MAX 64

enum http_verb { HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_OPTIONS, HTTP_OTHER };

/* All texts are inside the bytes that were parsed, each ended by a NUL. */
struct http_head {
    enum http_verb verb;
    const char *path;  /* "*" or what begins with '/', up to the query */
    const char *query; /* NULL: none */
    const char *host;  /* with its port; NULL: none, as HTTP/1.0 allows */
    bool is_1_0, keeps_alive, is_chunked, expects_continue;
    uint64_t body_bytes; /* when it is not chunked */
    struct http_field {
        const char *name, *value;
    } fields[HTTP_FIELDS_MAX];
    int field_count;
};

/* Where the head ends, behind its empty line; 0: not yet. `from`: how far it was searched before. */
size_t http_head_end(const char *bytes, size_t len, size_t from);

/* Parses a whole head in place, its empty line included. 0, or the status to refuse it with, and why. */
int http_head_parse(char *bytes, size_t len, struct http_head *head, const char **why);

/* The value of a header; NULL: it was not sent. */
const char *http_head_field(const struct http_head *head, const char *name);

/* Whether `host` (perhaps with a port) is this machine's own name: localhost, ::1, or four numbers that begin with 127. */
bool http_host_is_loopback(const char *host);

#endif
