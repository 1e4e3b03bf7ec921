/* http_head.c -- the head of one HTTP/1.1 request, read strictly: RFC 9112 without what it only tolerates. */
#include "http_head.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static bool is_token(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

size_t http_head_end(const char *bytes, size_t len, size_t from)
{
    size_t at = from < 3 ? 0 : from - 3;
    const char *end = memmem(bytes + at, len - at, "\r\n\r\n", 4);
    const char *bare = memmem(bytes + at, len - at, "\n\n", 2); /* which the parser refuses at once */
    if (bare != NULL && (end == NULL || bare < end))
        return (size_t)(bare - bytes) + 2;
    return end != NULL ? (size_t)(end - bytes) + 4 : 0;
}

const char *http_head_field(const struct http_head *head, const char *name)
{
    for (int i = 0; i < head->field_count; i++)
        if (strcasecmp(head->fields[i].name, name) == 0)
            return head->fields[i].value;
    return NULL;
}

static int refuse(const char **why, int status, const char *said)
{
    *why = said;
    return status;
}

/* The line at `at`, ended by a NUL instead of its CR LF; NULL: what ends it is something else. */
static char *take_line(char **at, char *end)
{
    char *line = *at;
    char *feed = memchr(line, '\n', (size_t)(end - line));
    if (feed == NULL || feed == line || feed[-1] != '\r')
        return NULL;
    feed[-1] = '\0';
    *at = feed + 1;
    return memchr(line, '\0', (size_t)(feed - line)) == feed - 1 && strchr(line, '\r') == NULL ? line : NULL;
}

static enum http_verb verb_of(const char *name)
{
    static const char *const names[] = {[HTTP_GET] = "GET", [HTTP_HEAD] = "HEAD", [HTTP_POST] = "POST", [HTTP_OPTIONS] = "OPTIONS"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(name, names[i]) == 0)
            return (enum http_verb)i;
    return HTTP_OTHER;
}

/* "/path?query", "*" for OPTIONS, or "http://host/path", where the name is the one that counts. */
static bool take_target(struct http_head *head, char *target)
{
    for (const char *c = target; *c != '\0'; c++)
        if (*c <= 0x20 || *c > 0x7e || *c == '#')
            return false;
    if (strncasecmp(target, "http://", 7) == 0) {
        char *slash = strchr(target + 7, '/');
        if (slash == NULL || slash == target + 7 || memchr(target + 7, '@', (size_t)(slash - target - 7)) != NULL)
            return false;
        memmove(target, target + 7, (size_t)(slash - target - 7)); /* makes room for the NUL that ends it */
        target[slash - target - 7] = '\0';
        head->host = target;
        target = slash;
    }
    if (target[0] != '/' && (strcmp(target, "*") != 0 || head->verb != HTTP_OPTIONS))
        return false;
    char *query = strchr(target, '?');
    if (query != NULL)
        *query = '\0';
    head->path = target;
    head->query = query != NULL ? query + 1 : NULL;
    return true;
}

static int take_request_line(struct http_head *head, char *line, const char **why)
{
    char *target = strchr(line, ' ');
    char *version = target != NULL ? strchr(target + 1, ' ') : NULL;
    if (version == NULL)
        return refuse(why, 400, "the first line is METHOD TARGET HTTP/1.1");
    *target++ = '\0';
    *version++ = '\0';
    for (const char *c = line; *c != '\0'; c++)
        if (!is_token(*c))
            return refuse(why, 400, "the method is a word");
    if (line[0] == '\0' || strncmp(version, "HTTP/", 5) != 0)
        return refuse(why, 400, "the first line is METHOD TARGET HTTP/1.1");
    head->verb = verb_of(line);
    head->is_1_0 = strcmp(version, "HTTP/1.0") == 0;
    if (!head->is_1_0 && strcmp(version, "HTTP/1.1") != 0)
        return refuse(why, 505, "only HTTP/1.1 is spoken here");
    return take_target(head, target) ? 0 : refuse(why, 400, "the target begins with / and holds ASCII only");
}

static int take_field(struct http_head *head, char *line, const char **why)
{
    char *colon = line;
    while (is_token(*colon))
        colon++;
    if (colon == line || *colon != ':')
        return refuse(why, 400, "a header is NAME: VALUE, with nothing before the colon but the name");
    *colon = '\0';
    char *value = colon + 1 + strspn(colon + 1, " \t");
    size_t len = strlen(value);
    while (len != 0 && (value[len - 1] == ' ' || value[len - 1] == '\t'))
        value[--len] = '\0';
    for (const char *c = value; *c != '\0'; c++)
        if ((*c > 0 && *c < 0x20 && *c != '\t') || *c == 0x7f)
            return refuse(why, 400, "a header has no control characters");
    if (head->field_count == HTTP_FIELDS_MAX)
        return refuse(why, 431, "a request has at most 64 headers");
    head->fields[head->field_count++] = (struct http_field){.name = line, .value = value};
    return 0;
}

/* Whether a list of words with commas between names one. */
static bool lists(const char *value, const char *word)
{
    while (value != NULL && *value != '\0') {
        value += strspn(value, ", \t");
        size_t len = strcspn(value, ", \t");
        if (len == strlen(word) && strncasecmp(value, word, len) == 0)
            return true;
        value += len;
    }
    return false;
}

static int take_length(struct http_head *head, const char *length, const char **why)
{
    size_t digits = strspn(length, "0123456789");
    if (digits == 0 || length[digits] != '\0')
        return refuse(why, 400, "Content-Length is a number of bytes");
    if (digits > 15)
        return refuse(why, 413, "the body is too long");
    for (size_t i = 0; i < digits; i++)
        head->body_bytes = head->body_bytes * 10 + (uint64_t)(length[i] - '0');
    return 0;
}

/* How the body is delimited: in one way only. */
static int take_framing(struct http_head *head, const char **why)
{
    const char *length = http_head_field(head, "Content-Length");
    const char *coding = http_head_field(head, "Transfer-Encoding");
    if (coding != NULL && (length != NULL || head->is_1_0))
        return refuse(why, 400, "a body has either Content-Length or, in HTTP/1.1, Transfer-Encoding");
    if (coding != NULL && strcasecmp(coding, "chunked") != 0)
        return refuse(why, 501, "Transfer-Encoding can only be chunked");
    head->is_chunked = coding != NULL;
    return length != NULL ? take_length(head, length, why) : 0;
}

static int take_meaning(struct http_head *head, const char **why)
{
    static const char *const once[] = {"Host", "Content-Length", "Transfer-Encoding", "Authorization", "Content-Type", "Origin",
                                       "Last-Event-ID", "Sec-Fetch-Site", "Expect"};
    for (size_t i = 0; i < ARRAY_LEN(once); i++) {
        int count = 0;
        for (int f = 0; f < head->field_count; f++)
            count += strcasecmp(head->fields[f].name, once[i]) == 0;
        if (count > 1)
            return refuse(why, 400, "a header that there is one of was sent twice");
    }
    const char *host = http_head_field(head, "Host");
    const char *expect = http_head_field(head, "Expect");
    if (host == NULL && !head->is_1_0)
        return refuse(why, 400, "HTTP/1.1 needs the header Host");
    if (head->host == NULL)
        head->host = host;
    if (expect != NULL && strcasecmp(expect, "100-continue") != 0)
        return refuse(why, 417, "Expect can only be 100-continue");
    head->expects_continue = expect != NULL && !head->is_1_0;
    const char *connection = http_head_field(head, "Connection");
    head->keeps_alive = head->is_1_0 ? lists(connection, "keep-alive") : !lists(connection, "close");
    return take_framing(head, why);
}

int http_head_parse(char *bytes, size_t len, struct http_head *head, const char **why)
{
    char *at = bytes;
    char *end = bytes + len;
    *head = (struct http_head){.verb = HTTP_OTHER};
    char *line = take_line(&at, end);
    if (line == NULL)
        return refuse(why, 400, "lines end with CR LF and hold no NUL");
    int status = take_request_line(head, line, why);
    while (status == 0 && (line = take_line(&at, end)) != NULL && line[0] != '\0')
        status = take_field(head, line, why);
    if (status == 0 && (line == NULL || at != end))
        status = refuse(why, 400, "lines end with CR LF and hold no NUL");
    return status == 0 ? take_meaning(head, why) : status;
}

bool http_host_is_loopback(const char *host)
{
    char name[64];
    struct in_addr address;
    size_t len = host[0] == '[' ? strcspn(host, "]") + (strchr(host, ']') != NULL) : strcspn(host, ":");
    if (host[len] == ':' && strspn(host + len + 1, "0123456789") != strlen(host + len + 1))
        return false;
    if (len >= sizeof name || (host[len] != ':' && host[len] != '\0'))
        return false;
    snprintf(name, sizeof name, "%.*s", (int)len, host);
    return strcasecmp(name, "localhost") == 0 || strcmp(name, "[::1]") == 0 ||
           (inet_pton(AF_INET, name, &address) == 1 && ntohl(address.s_addr) >> 24 == 127);
}
