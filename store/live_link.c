/* live_link.c -- one connection to Redis: hiredis's blocking calls with deadlines, and the replies that
 * it may give. */
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "live_inside.h"

static redisReplyObjectFunctions reply_functions; /* hiredis's own, but for arrays */
static void *(*make_array)(const redisReadTask *, int);

static void *make_bounded_array(const redisReadTask *task, int elements)
{
    return elements <= LIVE_ELEMENTS_MAX ? make_array(task, elements) : NULL; /* NULL: out of memory, to hiredis */
}

void live_bound_replies(redisReader *reader)
{
    if (make_array == NULL) {
        reply_functions = *reader->fn;
        make_array = reply_functions.createArray;
        reply_functions.createArray = make_bounded_array;
    }
    reader->fn = &reply_functions;
}

static void *open_socket(void *context)
{
    struct live *l = context;
    struct timeval timeout = {.tv_sec = LIVE_TIMEOUT_MS / 1000};
    redisContext *redis = l->path[0] != '\0' ? redisConnectUnixWithTimeout(l->path, timeout)
                                             : redisConnectWithTimeout(l->host, l->port, timeout);
    if (redis != NULL && redis->err == 0 && redisSetTimeout(redis, timeout) == REDIS_OK) {
        live_bound_replies(redis->reader);
        return redis;
    }
    if (redis != NULL)
        redisFree(redis);
    return NULL;
}

static bool send_bytes(void *link, const char *bytes, size_t len)
{
    return redisAppendFormattedCommand(link, bytes, len) == REDIS_OK;
}

static redisReply *receive_reply(void *link)
{
    void *reply = NULL;
    return redisGetReply(link, &reply) == REDIS_OK ? reply : NULL;
}

static void close_socket(void *link)
{
    redisFree(link);
}

static uint64_t draw_random(void *context)
{
    uint64_t random = 0;
    (void)context;
    must(getrandom(&random, sizeof random, 0) == sizeof random);
    return random;
}

const struct live_wire live_sockets = {.open = open_socket, .send = send_bytes, .receive = receive_reply,
                                       .close = close_socket, .random = draw_random};

bool live_open_line(struct live *l, struct live_line *line)
{
    line->error[0] = '\0';
    line->link = l->wire.open(l->wire.context);
    return line->link != NULL;
}

void live_close_line(struct live *l, struct live_line *line)
{
    if (line->link != NULL)
        l->wire.close(line->link);
    line->link = NULL;
}

redisReply *live_reply(struct live *l, struct live_line *line)
{
    redisReply *reply = l->wire.receive(line->link);
    line->error[0] = '\0';
    if (reply == NULL || reply->type != REDIS_REPLY_ERROR)
        return reply;
    snprintf(line->error, sizeof line->error, "%s", reply->str);
    freeReplyObject(reply);
    return NULL;
}

bool live_has_wrong_type(const struct live_line *line)
{
    return strncmp(line->error, "WRONGTYPE", 9) == 0;
}

redisReply *live_command(struct live *l, struct live_line *line, const char *format, ...)
{
    char *bytes = NULL;
    va_list arguments;
    va_start(arguments, format);
    int len = redisvFormatCommand(&bytes, format, arguments);
    va_end(arguments);
    if (len <= 0)
        return NULL;
    line->error[0] = '\0';
    redisReply *reply = l->wire.send(line->link, bytes, (size_t)len) ? live_reply(l, line) : NULL;
    redisFreeCommand(bytes);
    return reply;
}

bool live_command_done(struct live *l, struct live_line *line, const char *command)
{
    redisReply *reply = live_command(l, line, command);
    if (reply == NULL)
        return false;
    freeReplyObject(reply);
    return true;
}
