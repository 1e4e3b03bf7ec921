/* server_body.c -- the body of a request, as long as its head says or in chunks, from input to body. */
#include <stdlib.h>
#include <string.h>

#include "server_http.h"

#define CHUNK_LINE_MAX 256 /* a size with extensions, which mean nothing here; or a trailer */
#define TRAILERS_MAX 32

static size_t move(struct http_connection *c, size_t most)
{
    int moved = evbuffer_remove_buffer(bufferevent_get_input(c->bev), c->body, most);
    return moved > 0 ? (size_t)moved : 0;
}

/* The size of a chunk: hexadecimal digits, then nothing or extensions. */
static bool take_size(const char *line, size_t *size)
{
    size_t digits = strspn(line, "0123456789abcdefABCDEF");
    if (digits == 0 || digits > 8 || (line[digits] != '\0' && line[digits] != ';'))
        return false;
    *size = (size_t)strtoul(line, NULL, 16);
    return true;
}

/* One line between chunks. False: it has not come whole, or `*said` is how the body ended. */
static bool take_line(struct http_connection *c, enum http_body *said)
{
    struct evbuffer *input = bufferevent_get_input(c->bev);
    struct http_chunks *k = &c->chunks;
    size_t len = 0;
    char *line = evbuffer_readln(input, &len, EVBUFFER_EOL_CRLF_STRICT);
    if (line == NULL) {
        *said = evbuffer_get_length(input) > CHUNK_LINE_MAX ? HTTP_BODY_BAD : HTTP_BODY_PARTIAL;
        return false;
    }
    *said = HTTP_BODY_PARTIAL;
    if (len > CHUNK_LINE_MAX || strlen(line) != len || strpbrk(line, "\r\n") != NULL) {
        *said = HTTP_BODY_BAD;
    } else if (k->is_trailer) {
        *said = len == 0 ? HTTP_BODY_WHOLE : ++k->trailer_lines > TRAILERS_MAX ? HTTP_BODY_BAD : HTTP_BODY_PARTIAL;
    } else if (k->is_after) {
        *said = len == 0 ? HTTP_BODY_PARTIAL : HTTP_BODY_BAD;
        k->is_after = false;
    } else if (!take_size(line, &k->left)) {
        *said = HTTP_BODY_BAD;
    } else if (k->left > c->body_max - evbuffer_get_length(c->body)) {
        *said = HTTP_BODY_TOO_LONG;
    } else {
        k->is_trailer = k->left == 0;
        k->is_inside = k->left != 0;
    }
    free(line);
    return *said == HTTP_BODY_PARTIAL;
}

static enum http_body take_chunks(struct http_connection *c)
{
    struct http_chunks *k = &c->chunks;
    for (;;) {
        enum http_body said = HTTP_BODY_PARTIAL;
        if (!k->is_inside) {
            if (!take_line(c, &said))
                return said;
            continue;
        }
        k->left -= move(c, k->left);
        if (k->left != 0)
            return HTTP_BODY_PARTIAL;
        k->is_inside = false;
        k->is_after = true;
    }
}

enum http_body http_body_take(struct http_connection *c)
{
    if (c->head.is_chunked)
        return take_chunks(c);
    if (c->head.body_bytes > c->body_max)
        return HTTP_BODY_TOO_LONG;
    move(c, (size_t)c->head.body_bytes - evbuffer_get_length(c->body));
    return evbuffer_get_length(c->body) == c->head.body_bytes ? HTTP_BODY_WHOLE : HTTP_BODY_PARTIAL;
}
