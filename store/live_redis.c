/* live_redis.c -- the publisher: what was committed goes to Redis, a step at a time. The steps are taken by
 * a thread of its own, or by a simulator. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "live_inside.h"

bool live_is_stopping(struct live *l)
{
    pthread_mutex_lock(&l->mutex);
    bool is_stopping = l->is_stopping;
    pthread_mutex_unlock(&l->mutex);
    return is_stopping;
}

static void wait_work(struct live *l, int ms) /* with the mutex held */
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (ms % 1000) * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    pthread_cond_clockwait(&l->work, &l->mutex, CLOCK_MONOTONIC, &until);
}

void live_pause(struct live *l, int ms)
{
    pthread_mutex_lock(&l->mutex);
    if (!l->is_stopping)
        wait_work(l, ms);
    pthread_mutex_unlock(&l->mutex);
}

#define EVENTS_PATTERN "paidan:{*}:events"

void live_tell_wrong_type(struct live *l, const char *key)
{
    char text[LIVE_REASON_MAX];
    snprintf(text, sizeof text, "%.90s held something of another type; it is deleted", key);
    l->options.log(1, "live_wrong_type", text);
}

static bool unlink_key(struct live *l, const char *key)
{
    redisReply *gone = live_command(l, &l->line, "UNLINK %s", key);
    if (gone != NULL)
        freeReplyObject(gone);
    return gone != NULL;
}

bool live_check_events(struct live *l, const char *key)
{
    redisReply *type = live_command(l, &l->line, "TYPE %s", key);
    bool is_good = type != NULL && type->type == REDIS_REPLY_STATUS;
    bool is_stream = is_good && (strcmp(type->str, "stream") == 0 || strcmp(type->str, "none") == 0);
    if (type != NULL)
        freeReplyObject(type);
    if (!is_good || is_stream)
        return is_good;
    live_tell_wrong_type(l, key);
    return unlink_key(l, key);
}

static bool unlink_keys(struct live *l, const redisReply *keys, bool are_events)
{
    bool is_good = true;
    for (size_t i = 0; is_good && i < keys->elements; i++) {
        const redisReply *key = keys->element[i];
        is_good = key->type == REDIS_REPLY_STRING &&
                  (are_events ? live_check_events(l, key->str) : unlink_key(l, key->str));
    }
    return is_good;
}

/* One SCAN with its keys deleted; the cursor goes on. */
static bool scan_and_unlink(struct live *l, const char *pattern, char cursor[32])
{
    redisReply *reply = live_command(l, &l->line, "SCAN %s MATCH %s COUNT 1000", cursor, pattern);
    bool is_good = reply != NULL && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
                   reply->element[0]->type == REDIS_REPLY_STRING && reply->element[0]->len < 32 &&
                   reply->element[1]->type == REDIS_REPLY_ARRAY;
    if (is_good) {
        snprintf(cursor, 32, "%s", reply->element[0]->str);
        is_good = unlink_keys(l, reply->element[1], strcmp(pattern, EVENTS_PATTERN) == 0);
    }
    if (reply != NULL)
        freeReplyObject(reply);
    return is_good;
}

/* Deletes what an earlier filling left; the events stay where they are events. */
static bool empty_projection(struct live *l)
{
    static const char *const patterns[] = {"paidan:{*}:ready:*", "paidan:{*}:inbox:*",
                                           "paidan:{*}:order:*", EVENTS_PATTERN};
    bool is_good = true;
    for (size_t p = 0; is_good && p < ARRAY_LEN(patterns); p++) {
        char cursor[32] = "0";
        do
            is_good = scan_and_unlink(l, patterns[p], cursor);
        while (is_good && strcmp(cursor, "0") != 0);
    }
    return is_good;
}

/* A node of a cluster holds a part of the keys and cannot rename across them. Who may not ask is told by
 * what follows. False: it is one, or Redis failed; the line's error says so. */
static bool is_single(struct live *l)
{
    redisReply *info = live_command(l, &l->line, "INFO cluster");
    bool is_text = info != NULL && info->type == REDIS_REPLY_STRING;
    bool is_good = is_text ? strstr(info->str, "cluster_enabled:1") == NULL : l->line.error[0] != '\0';
    if (is_text && !is_good)
        snprintf(l->line.error, sizeof l->line.error, "CLUSTER");
    if (info != NULL)
        freeReplyObject(info);
    return is_good;
}

/* A filling is named; the name stands under paidan:filling until all is told, so that a Redis that is
 * flushed in the middle of it is not taken for a full one. */
static bool begin_filling(struct live *l)
{
    snprintf(l->epoch, sizeof l->epoch, "%016" PRIx64, l->wire.random(l->wire.context));
    if (!is_single(l) || !live_command_done(l, &l->line, "DEL paidan:epoch") || !empty_projection(l))
        return false;
    redisReply *reply = live_command(l, &l->line, "SET paidan:filling %s", l->epoch);
    if (reply == NULL)
        return false;
    freeReplyObject(reply);
    pthread_mutex_lock(&l->mutex);
    l->queue.len = l->queue.count = l->queue.known_to = 0;
    l->is_overflown = l->is_fill_complete = false;
    l->fill_wanted++;
    l->state = LIVE_FILLING;
    l->status.rebuilds++;
    pthread_mutex_unlock(&l->mutex);
    live_reset_sweep(l);
    l->options.wake(l->options.context);
    return true;
}

/* The key of the command with that number among those handed over: its second word. */
static void find_key(const struct commands *c, uint32_t number, char key[96])
{
    const char *at = c->bytes;
    key[0] = '\0';
    for (uint32_t i = 0; i <= number; i++) {
        char *end = NULL;
        long words = strtol(at + 1, &end, 10); /* *4\r\n$4\r\nZADD\r\n$… */
        at = end + 2;
        for (long word = 0; word < words; word++) {
            long len = strtol(at + 1, &end, 10);
            at = end + 2;
            if (i == number && word == 1)
                snprintf(key, 96, "%.*s", (int)len, at);
            at += len + 2;
        }
    }
}

/* Sends commands and reads their replies; false when Redis did not take them all. */
static bool send_commands(struct live *l, struct commands *c)
{
    char key[96];
    if (c->len != 0 && !l->wire.send(l->line.link, c->bytes, c->len))
        return false;
    for (uint32_t i = 0; i < c->count; i++) {
        redisReply *reply = live_reply(l, &l->line);
        if (reply == NULL && live_has_wrong_type(&l->line)) {
            find_key(c, i, key);
            live_tell_wrong_type(l, key); /* by the filling that follows */
        }
        if (reply == NULL)
            return false;
        if (i >= c->known_from && i < c->known_to && reply->type == REDIS_REPLY_INTEGER && reply->integer > 0)
            l->sweep.mended += (uint64_t)reply->integer;
        freeReplyObject(reply);
    }
    return true;
}

/* Whether Redis still holds our filling: it may have been flushed, or restarted empty. */
static bool holds_epoch(struct live *l)
{
    redisReply *reply = live_command(l, &l->line, "GET paidan:epoch");
    bool holds = reply != NULL && reply->type == REDIS_REPLY_STRING && strcmp(reply->str, l->epoch) == 0;
    if (live_has_wrong_type(&l->line))
        live_tell_wrong_type(l, "paidan:epoch");
    if (reply != NULL)
        freeReplyObject(reply);
    return holds;
}

static bool finish_filling(struct live *l)
{
    if (!live_command_done(l, &l->line, "RENAME paidan:filling paidan:epoch") || !holds_epoch(l))
        return false;
    pthread_mutex_lock(&l->mutex);
    l->state = LIVE_UP;
    l->status.is_up = true;
    l->status.reason[0] = '\0';
    pthread_mutex_unlock(&l->mutex);
    l->options.log(0, "live_up", "redis holds the live queues");
    return true;
}

/* Tells what waits. False: the connection broke, or Redis must be filled anew. */
static bool feed(struct live *l)
{
    pthread_mutex_lock(&l->mutex);
    struct commands swap = l->taken;
    l->taken = l->queue;
    l->queue = swap;
    l->queue.len = l->queue.count = l->queue.known_to = 0;
    l->status.waiting_bytes = 0;
    bool is_complete = l->is_fill_complete && l->state == LIVE_FILLING;
    if (is_complete)
        l->is_fill_complete = false;
    bool is_lost = l->is_overflown;
    bool is_up = l->state == LIVE_UP;
    l->status.told += l->taken.count;
    pthread_mutex_unlock(&l->mutex);
    bool is_good = !is_lost && (!is_up || holds_epoch(l)) && send_commands(l, &l->taken) &&
                   (!is_complete || finish_filling(l));
    l->taken.len = l->taken.count = l->taken.known_to = 0;
    return is_good;
}

/* The reason is kept, and said when it is another than before. */
static void lose(struct live *l)
{
    char reason[LIVE_REASON_MAX];
    char text[LIVE_REASON_MAX + 40];
    if (l->line.error[0] != '\0')
        live_reason_of(l->line.error, reason);
    else
        snprintf(reason, sizeof reason, "redis %s", l->line.link == NULL ? "cannot be reached" : "was lost or flushed");
    live_close_line(l, &l->line);
    live_reset_sweep(l);
    snprintf(text, sizeof text, "%s; orders go on without it", reason);
    pthread_mutex_lock(&l->mutex);
    bool is_new = strcmp(reason, l->status.reason) != 0 && !l->is_stopping;
    if (is_new)
        l->options.log(1, l->state == LIVE_UP ? "live_lost" : "live_down", text);
    snprintf(l->status.reason, sizeof l->status.reason, "%s", reason);
    l->state = LIVE_DOWN;
    l->status.is_up = false;
    pthread_mutex_unlock(&l->mutex);
}

enum live_rest live_step_publisher(struct live *l)
{
    if (l->line.link != NULL && feed(l))
        return LIVE_REST_WORK;
    if (l->line.link == NULL && live_open_line(l, &l->line) && begin_filling(l))
        return LIVE_REST_NONE;
    lose(l);
    return LIVE_REST_DOWN;
}

enum live_rest live_step_sweep(struct live *l)
{
    bool has_ended = false;
    if (l->line.link == NULL || live_sweep(l, &has_ended))
        return has_ended ? LIVE_REST_WORK : LIVE_REST_NONE;
    lose(l);
    return LIVE_REST_DOWN;
}

#define SWEEP_PAGE_MS 100
#define SWEEP_REST_MS 10000

static int64_t millis(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Between two failures that follow each other within a minute the pauses grow: fillings have a rate. */
static void *publish_main(void *context)
{
    struct live *l = context;
    int pause_ms = 250;
    int64_t failed_at = 0;
    int64_t sweep_at = 0;
    while (!live_is_stopping(l)) {
        enum live_rest rest = live_step_publisher(l);
        if (rest == LIVE_REST_WORK && millis() >= sweep_at) {
            rest = live_step_sweep(l);
            sweep_at = millis() + (rest == LIVE_REST_WORK ? SWEEP_REST_MS : SWEEP_PAGE_MS);
            rest = rest == LIVE_REST_DOWN ? rest : LIVE_REST_WORK;
        }
        if (rest == LIVE_REST_DOWN) {
            pause_ms = millis() - failed_at > 60000 ? 250 : pause_ms < 8000 ? pause_ms * 2 : 8000;
            live_pause(l, pause_ms);
            failed_at = millis();
            continue;
        }
        pthread_mutex_lock(&l->mutex);
        if (rest == LIVE_REST_WORK && l->queue.count == 0 && !l->is_fill_complete && !l->is_stopping)
            wait_work(l, sweep_at - millis() < 500 ? SWEEP_PAGE_MS : 500);
        pthread_mutex_unlock(&l->mutex);
    }
    return NULL;
}

static bool start_threads(struct live *l)
{
    l->has_publisher = pthread_create(&l->publisher, NULL, publish_main, l) == 0;
    l->has_taker = l->has_publisher && pthread_create(&l->taker, NULL, live_take_main, l) == 0;
    if (!l->has_taker)
        return false;
    pthread_setname_np(l->publisher, "paidand-publish");
    pthread_setname_np(l->taker, "paidand-take");
    return true;
}

static int parse_url(struct live *l, const char *url, struct failure *failure)
{
    if (strncmp(url, "redis+unix:", 11) == 0 && strlen(url + 11) < sizeof l->path && url[11] != '\0') {
        snprintf(l->path, sizeof l->path, "%s", url + 11);
        return 0;
    }
    const char *colon = strrchr(url, ':');
    char *end = NULL;
    long port = strncmp(url, "redis://", 8) == 0 && colon > url + 7 ? strtol(colon + 1, &end, 10) : 0;
    if (port < 1 || port > 65535 || *end != '\0' || (size_t)(colon - url - 8) >= sizeof l->host)
        return failure_set(failure, EX_CONFIG,
                    "live: must be memory, redis://HOST:PORT or redis+unix:PATH, not %s", url);
    snprintf(l->host, sizeof l->host, "%.*s", (int)(colon - url - 8), url + 8);
    l->port = (int)port;
    return 0;
}

int live_open(const struct live_options *options, struct live **live, struct failure *failure)
{
    *live = NULL;
    if (strcmp(options->url, "memory") == 0)
        return 0;
    struct live *l = must_alloc(1, sizeof *l);
    l->options = *options;
    l->status.is_redis = true;
    pthread_mutex_init(&l->mutex, NULL);
    pthread_cond_init(&l->work, NULL);
    pthread_cond_init(&l->answered, NULL);
    l->wire = options->wire != NULL ? *options->wire : live_sockets;
    if (options->wire == NULL)
        l->wire.context = l;
    if (parse_url(l, options->url, failure) != 0) {
        live_close(l);
        return -1;
    }
    redisReader *first = redisReaderCreate();
    live_bound_replies(first);
    redisReaderFree(first);
    if (options->wire == NULL && !start_threads(l)) {
        live_close(l);
        return failure_set(failure, EX_OSERR, "cannot start a thread");
    }
    *live = l;
    return 0;
}

void live_close(struct live *l)
{
    if (l == NULL)
        return;
    pthread_mutex_lock(&l->mutex);
    l->is_stopping = true;
    pthread_cond_broadcast(&l->work);
    pthread_cond_broadcast(&l->answered);
    pthread_mutex_unlock(&l->mutex);
    if (l->has_publisher)
        pthread_join(l->publisher, NULL);
    if (l->has_taker)
        pthread_join(l->taker, NULL);
    live_close_line(l, &l->line);
    live_end_intake(l);
    free(l->building.bytes);
    free(l->slice.offers);
    free(l->queue.bytes);
    free(l->taken.bytes);
    free(l->page.items);
    free(l->sweep.sets.items);
    map_fini(&l->told_orders);
    map_fini(&l->told_regions);
    map_fini(&l->told_inboxes);
    pthread_mutex_destroy(&l->mutex);
    pthread_cond_destroy(&l->work);
    pthread_cond_destroy(&l->answered);
    free(l);
}

struct live_status live_status(struct live *l)
{
    if (l == NULL)
        return (struct live_status){.is_redis = false};
    pthread_mutex_lock(&l->mutex);
    struct live_status status = l->status;
    pthread_mutex_unlock(&l->mutex);
    return status;
}
