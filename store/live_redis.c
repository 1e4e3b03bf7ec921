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
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (ms % 1000) * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    pthread_cond_timedwait(&l->work, &l->mutex, &until);
}

void live_pause(struct live *l, int ms)
{
    pthread_mutex_lock(&l->mutex);
    if (!l->is_stopping)
        wait_work(l, ms);
    pthread_mutex_unlock(&l->mutex);
}

static bool unlink_keys(struct live *l, const redisReply *keys)
{
    bool is_good = true;
    for (size_t i = 0; is_good && i < keys->elements; i++) {
        const redisReply *key = keys->element[i];
        redisReply *gone = key->type == REDIS_REPLY_STRING ? live_command(l, l->link, "UNLINK %s", key->str) : NULL;
        is_good = gone != NULL;
        if (gone != NULL)
            freeReplyObject(gone);
    }
    return is_good;
}

/* One SCAN with its keys deleted; the cursor goes on. */
static bool scan_and_unlink(struct live *l, const char *pattern, char cursor[32])
{
    redisReply *reply = live_command(l, l->link, "SCAN %s MATCH %s COUNT 1000", cursor, pattern);
    bool is_good = reply != NULL && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
                   reply->element[0]->type == REDIS_REPLY_STRING && reply->element[0]->len < 32 &&
                   reply->element[1]->type == REDIS_REPLY_ARRAY;
    if (is_good) {
        snprintf(cursor, 32, "%s", reply->element[0]->str);
        is_good = unlink_keys(l, reply->element[1]);
    }
    if (reply != NULL)
        freeReplyObject(reply);
    return is_good;
}

/* Deletes what an earlier filling left; the events stay. */
static bool empty_projection(struct live *l)
{
    static const char *const patterns[] = {"paidan:{*}:ready:*", "paidan:{*}:inbox:*",
                                           "paidan:{*}:order:*"};
    bool is_good = true;
    for (size_t p = 0; is_good && p < ARRAY_LEN(patterns); p++) {
        char cursor[32] = "0";
        do
            is_good = scan_and_unlink(l, patterns[p], cursor);
        while (is_good && strcmp(cursor, "0") != 0);
    }
    return is_good;
}

/* A filling is named; the name stands under paidan:filling until all is told, so that a Redis that is
 * flushed in the middle of it is not taken for a full one. */
static bool begin_filling(struct live *l)
{
    snprintf(l->epoch, sizeof l->epoch, "%016" PRIx64, l->wire.random(l->wire.context));
    if (!live_command_done(l, l->link, "DEL paidan:epoch") || !empty_projection(l))
        return false;
    redisReply *reply = live_command(l, l->link, "SET paidan:filling %s", l->epoch);
    if (reply == NULL)
        return false;
    freeReplyObject(reply);
    pthread_mutex_lock(&l->mutex);
    l->queue.len = l->queue.count = 0;
    l->is_overflown = l->is_fill_complete = false;
    l->fill_wanted++;
    l->state = LIVE_FILLING;
    l->status.rebuilds++;
    pthread_mutex_unlock(&l->mutex);
    l->options.wake(l->options.context);
    return true;
}

/* Sends commands and reads their replies; false when Redis did not take them all. */
static bool send_commands(struct live *l, struct commands *c)
{
    if (c->len != 0 && !l->wire.send(l->link, c->bytes, c->len))
        return false;
    for (uint32_t left = c->count; left != 0; left--) {
        redisReply *reply = l->wire.receive(l->link);
        bool is_error = reply == NULL || reply->type == REDIS_REPLY_ERROR;
        if (reply != NULL)
            freeReplyObject(reply);
        if (is_error)
            return false;
    }
    return true;
}

/* Whether Redis still holds our filling: it may have been flushed, or restarted empty. */
static bool holds_epoch(struct live *l)
{
    redisReply *reply = live_command(l, l->link, "GET paidan:epoch");
    bool holds = reply != NULL && reply->type == REDIS_REPLY_STRING && strcmp(reply->str, l->epoch) == 0;
    if (reply != NULL)
        freeReplyObject(reply);
    return holds;
}

static bool finish_filling(struct live *l)
{
    if (!live_command_done(l, l->link, "RENAME paidan:filling paidan:epoch") || !holds_epoch(l))
        return false;
    pthread_mutex_lock(&l->mutex);
    l->state = LIVE_UP;
    l->status.is_up = true;
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
    l->queue.len = l->queue.count = 0;
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
    l->taken.len = l->taken.count = 0;
    return is_good;
}

static void lose(struct live *l)
{
    if (l->link != NULL)
        l->wire.close(l->link);
    l->link = NULL;
    pthread_mutex_lock(&l->mutex);
    if (l->state == LIVE_UP && !l->is_stopping)
        l->options.log(1, "live_lost", "redis was lost or flushed; filling it anew");
    l->state = LIVE_DOWN;
    l->status.is_up = false;
    pthread_mutex_unlock(&l->mutex);
}

enum live_rest live_step_publisher(struct live *l)
{
    if (l->link == NULL) {
        l->link = l->wire.open(l->wire.context);
        if (l->link != NULL && begin_filling(l)) {
            l->has_complained = false;
            return LIVE_REST_NONE;
        }
        if (!l->has_complained)
            l->options.log(1, "live_down", "redis cannot be reached; orders go on without it");
        l->has_complained = true;
    } else if (feed(l)) {
        return LIVE_REST_WORK;
    }
    lose(l);
    return LIVE_REST_DOWN;
}

static void *publish_main(void *context)
{
    struct live *l = context;
    int pause_ms = 250;
    while (!live_is_stopping(l)) {
        enum live_rest rest = live_step_publisher(l);
        if (rest == LIVE_REST_DOWN) {
            live_pause(l, pause_ms);
            pause_ms = pause_ms < 8000 ? pause_ms * 2 : 8000;
            continue;
        }
        pause_ms = 250;
        pthread_mutex_lock(&l->mutex);
        if (rest == LIVE_REST_WORK && l->queue.count == 0 && !l->is_fill_complete && !l->is_stopping)
            wait_work(l, 500);
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
    if (l->link != NULL)
        l->wire.close(l->link);
    live_end_intake(l);
    free(l->building.bytes);
    free(l->slice.offers);
    free(l->queue.bytes);
    free(l->taken.bytes);
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
