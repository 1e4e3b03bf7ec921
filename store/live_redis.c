/* live_redis.c -- the publisher: what was committed goes to Redis, from a thread of its own. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sysexits.h>
#include <time.h>

#include "live_inside.h"

#define SLICE_ORDERS 500
#define EVENTS_KEPT "100000"

static void commands_add(struct commands *c, int argc, const char **argv)
{
    char *bytes = NULL;
    int len = redisFormatCommandArgv(&bytes, argc, argv, NULL);
    must(len > 0);
    if (c->room - c->len < (size_t)len) {
        c->room = (c->len + (size_t)len) * 2;
        c->bytes = must_realloc(c->bytes, c->room, 1);
    }
    memcpy(c->bytes + c->len, bytes, (size_t)len);
    c->len += (size_t)len;
    c->count++;
    redisFreeCommand(bytes);
}

static void commands_append(struct commands *to, struct commands *from)
{
    if (to->room - to->len < from->len) {
        to->room = (to->len + from->len) * 2;
        to->bytes = must_realloc(to->bytes, to->room, 1);
    }
    if (from->len != 0)
        memcpy(to->bytes + to->len, from->bytes, from->len);
    to->len += from->len;
    to->count += from->count;
    from->len = from->count = 0;
}

/* A key of a county: paidan:{441302}:WHAT:ID. */
static const char *key_of(char key[96], uint64_t county, const char *what, uint64_t id)
{
    snprintf(key, 96, "paidan:{%" PRIu64 "}:%s:%" PRIu64, county, what, id);
    return key;
}

static const char *text_of(char text[24], uint64_t number)
{
    snprintf(text, 24, "%" PRIu64, number);
    return text;
}

static void tell_queue(struct live *l, struct commands *c, const struct order *o,
                       const struct engine *engine)
{
    char key[96];
    char id[24];
    char due[24];
    text_of(id, o->id);
    uint32_t told = map_get(&l->told_regions, o->id);
    if (told != SLOT_NONE && (!o->is_queued || told != o->queue_region)) {
        key_of(key, o->county, "ready", engine_region_slot(engine, told)->code);
        commands_add(c, 3, (const char *[]){"ZREM", key, id});
        map_remove(&l->told_regions, o->id);
    }
    if (!o->is_queued)
        return;
    key_of(key, o->county, "ready", engine_region_slot(engine, o->queue_region)->code);
    text_of(due, (uint64_t)o->due_at);
    commands_add(c, 4, (const char *[]){"ZADD", key, due, id});
    map_put(&l->told_regions, o->id, o->queue_region);
}

/* The order's hash: no person, no exact place. */
static void tell_order(struct live *l, struct commands *c, const struct order *o,
                       const struct engine *engine)
{
    char key[96];
    char numbers[8][24];
    char places[2][24];
    key_of(key, o->county, "order", o->id);
    tell_queue(l, c, o, engine);
    if (order_has_ended(o)) {
        commands_add(c, 2, (const char *[]){"DEL", key});
        return;
    }
    snprintf(places[0], 24, "%.3f", o->lat / 1e7);
    snprintf(places[1], 24, "%.3f", o->lon / 1e7);
    commands_add(
        c, 30,
        (const char *[]){
            "HSET", key, "state", word_name(&words_order_state, o->state), "level",
            word_name(&words_level, o->level), "mode", word_name(&words_mode, o->mode), "priority",
            word_name(&words_priority, o->priority), "category",
            engine_catalogue(engine)->skills[o->category].name, "region",
            text_of(numbers[0], o->region), "headcount", text_of(numbers[1], o->headcount),
            "covered", text_of(numbers[2], o->covered), "starts_at",
            text_of(numbers[3], (uint64_t)o->starts_at), "ends_at",
            text_of(numbers[4], (uint64_t)o->ends_at), "minutes", text_of(numbers[5], o->minutes),
            "due_at", text_of(numbers[6], (uint64_t)o->due_at), "lat", places[0], "lon", places[1]});
}

static void tell_offer(struct commands *c, const struct offer *f, const struct engine *engine)
{
    char key[96];
    char id[24];
    char expires[24];
    const struct org *org = engine_org(engine, f->org);
    key_of(key, org != NULL ? org->county : 0, "inbox", f->org);
    text_of(id, f->id);
    if (f->state == OFFER_PENDING)
        commands_add(c, 4, (const char *[]){"ZADD", key, text_of(expires, (uint64_t)f->expires_at), id});
    else
        commands_add(c, 3, (const char *[]){"ZREM", key, id});
}

static void tell_event(struct commands *c, const struct event *e)
{
    char key[96];
    char numbers[7][24];
    snprintf(key, sizeof key, "paidan:{%" PRIu64 "}:events", e->county);
    commands_add(c, 24,
                 (const char *[]){"XADD", key, "MAXLEN", "~", EVENTS_KEPT, "*", "seq",
                                  text_of(numbers[0], e->seq), "at",
                                  text_of(numbers[1], (uint64_t)e->at), "kind",
                                  word_name(&words_event_kind, e->kind), "order",
                                  text_of(numbers[2], e->order), "offer",
                                  text_of(numbers[3], e->offer), "org", text_of(numbers[4], e->org),
                                  "region", text_of(numbers[5], e->region), "state",
                                  e->order != 0 ? word_name(&words_order_state, e->state) : "",
                                  "people", text_of(numbers[6], e->people)});
}

/* Hands commands to the thread. When they are too many, all are dropped: it will be filled anew. */
static void hand_over(struct live *l, struct commands *c, bool is_last)
{
    pthread_mutex_lock(&l->mutex);
    bool is_wanted = l->state != LIVE_DOWN && l->fill_number == l->fill_wanted;
    if (is_wanted && l->queue.len + c->len > LIVE_QUEUE_BYTES_MAX)
        l->is_overflown = true;
    if (is_wanted && !l->is_overflown) {
        commands_append(&l->queue, c);
        l->is_fill_complete |= is_last;
    }
    l->status.waiting_bytes = l->queue.len;
    pthread_cond_broadcast(&l->work); /* both threads may be waiting on it */
    pthread_mutex_unlock(&l->mutex);
    c->len = c->count = 0;
}

void live_committed(struct live *l, const struct batch *batch, const struct engine *engine)
{
    if (l == NULL)
        return;
    if (l->slice.count != 0 || l->slice_is_last) {
        if (l->slice_barrier <= batch->number) { /* older than the batch, so it goes before */
            hand_over(l, &l->slice, l->slice_is_last);
            l->slice_is_last = false;
        }
    }
    for (uint32_t i = 0; i < batch->order_count; i++)
        tell_order(l, &l->building, &batch->orders[i], engine);
    for (uint32_t i = 0; i < batch->offer_count; i++)
        tell_offer(&l->building, &batch->offers[i], engine);
    for (uint32_t i = 0; i < batch->event_count; i++)
        tell_event(&l->building, &batch->events[i]);
    hand_over(l, &l->building, false);
}

bool live_wants_slice(const struct live *l)
{
    if (l == NULL || l->slice.count != 0 || l->slice_is_last)
        return false;
    struct live *unlocked = (struct live *)(uintptr_t)l;
    pthread_mutex_lock(&unlocked->mutex);
    bool wants = l->state == LIVE_FILLING && !l->is_fill_complete;
    pthread_mutex_unlock(&unlocked->mutex);
    return wants;
}

void live_slice(struct live *l, const struct engine *engine, uint64_t barrier)
{
    pthread_mutex_lock(&l->mutex);
    bool is_new = l->fill_number != l->fill_wanted;
    l->fill_number = l->fill_wanted;
    pthread_mutex_unlock(&l->mutex);
    if (is_new) {
        l->slice_at = SLOT_NONE;
        map_fini(&l->told_regions);
    }
    const struct order *o = NULL;
    for (int i = 0; i < SLICE_ORDERS && (o = engine_next_order(engine, &l->slice_at)) != NULL; i++) {
        tell_order(l, &l->slice, o, engine);
        for (uint32_t slot = o->first_offer; slot != SLOT_NONE;) {
            const struct offer *f = engine_offer_slot(engine, slot);
            slot = f->next_of_order;
            if (f->state == OFFER_PENDING)
                tell_offer(&l->slice, f, engine);
        }
    }
    l->slice_is_last = o == NULL;
    l->slice_barrier = barrier;
    if (barrier != 0)
        return; /* told when that batch is durable */
    hand_over(l, &l->slice, l->slice_is_last);
    l->slice_is_last = false;
}

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

redisContext *live_connect(struct live *l)
{
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

redisReply *live_command(redisContext *redis, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    redisReply *reply = redisvCommand(redis, format, arguments);
    va_end(arguments);
    if (reply != NULL && reply->type == REDIS_REPLY_ERROR) {
        freeReplyObject(reply);
        return NULL;
    }
    return reply;
}

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

/* Deletes what an earlier filling left; the events stay. */
static bool empty_projection(redisContext *redis)
{
    static const char *const patterns[] = {"paidan:{*}:ready:*", "paidan:{*}:inbox:*",
                                           "paidan:{*}:order:*"};
    for (size_t p = 0; p < ARRAY_LEN(patterns); p++) {
        char cursor[32] = "0";
        do {
            redisReply *reply = live_command(redis, "SCAN %s MATCH %s COUNT 1000", cursor, patterns[p]);
            if (reply == NULL || reply->type != REDIS_REPLY_ARRAY || reply->elements != 2) {
                if (reply != NULL)
                    freeReplyObject(reply);
                return false;
            }
            snprintf(cursor, sizeof cursor, "%s", reply->element[0]->str);
            for (size_t i = 0; i < reply->element[1]->elements; i++) {
                redisReply *gone = live_command(redis, "UNLINK %s", reply->element[1]->element[i]->str);
                if (gone != NULL)
                    freeReplyObject(gone);
            }
            freeReplyObject(reply);
        } while (strcmp(cursor, "0") != 0);
    }
    return true;
}

/* Takes the epoch that Redis has, or makes one; it is put back when the filling is complete. */
static bool begin_filling(struct live *l, redisContext *redis)
{
    uint64_t random[2] = {0, 0};
    redisReply *reply = live_command(redis, "GET paidan:epoch");
    if (reply == NULL)
        return false;
    bool has_epoch = reply->type == REDIS_REPLY_STRING && reply->len > 0 && reply->len <= 32;
    pthread_mutex_lock(&l->mutex);
    if (has_epoch)
        snprintf(l->epoch, sizeof l->epoch, "%s", reply->str);
    else if (getrandom(random, sizeof random, 0) == sizeof random)
        snprintf(l->epoch, sizeof l->epoch, "%016" PRIx64 "%016" PRIx64, random[0], random[1]);
    pthread_mutex_unlock(&l->mutex);
    freeReplyObject(reply);
    reply = live_command(redis, "DEL paidan:epoch");
    if (reply == NULL)
        return false;
    freeReplyObject(reply);
    if (!empty_projection(redis))
        return false;
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
static bool send_commands(redisContext *redis, struct commands *c)
{
    uint32_t left = c->count;
    if (c->len != 0 && redisAppendFormattedCommand(redis, c->bytes, c->len) != REDIS_OK)
        return false;
    for (; left != 0; left--) {
        void *reply = NULL;
        if (redisGetReply(redis, &reply) != REDIS_OK)
            return false;
        bool is_error = ((redisReply *)reply)->type == REDIS_REPLY_ERROR;
        freeReplyObject(reply);
        if (is_error)
            return false;
    }
    return true;
}

/* Whether Redis still holds our filling: it may have been flushed, or restarted empty. */
static bool holds_epoch(struct live *l, redisContext *redis)
{
    redisReply *reply = live_command(redis, "GET paidan:epoch");
    bool holds = reply != NULL && reply->type == REDIS_REPLY_STRING && strcmp(reply->str, l->epoch) == 0;
    if (reply != NULL)
        freeReplyObject(reply);
    return holds;
}

static bool finish_filling(struct live *l, redisContext *redis)
{
    redisReply *reply = live_command(redis, "SET paidan:epoch %s", l->epoch);
    if (reply == NULL)
        return false;
    freeReplyObject(reply);
    pthread_mutex_lock(&l->mutex);
    l->state = LIVE_UP;
    l->status.is_up = true;
    pthread_mutex_unlock(&l->mutex);
    l->options.log(0, "live_up", "redis holds the live queues");
    return true;
}

/* Feeds one connection until it breaks or must be filled anew. */
static void feed(struct live *l, redisContext *redis)
{
    struct commands taken = {.bytes = NULL};
    while (!live_is_stopping(l)) {
        pthread_mutex_lock(&l->mutex);
        if (l->queue.count == 0 && !l->is_fill_complete && !l->is_stopping)
            wait_work(l, 500);
        struct commands swap = taken;
        taken = l->queue;
        l->queue = swap;
        l->queue.len = l->queue.count = 0;
        l->status.waiting_bytes = 0;
        bool is_complete = l->is_fill_complete && l->state == LIVE_FILLING;
        if (is_complete)
            l->is_fill_complete = false;
        bool is_lost = l->is_overflown;
        bool is_up = l->state == LIVE_UP;
        l->status.told += taken.count;
        pthread_mutex_unlock(&l->mutex);
        if (is_lost || (is_up && !holds_epoch(l, redis)) || !send_commands(redis, &taken) ||
            (is_complete && !finish_filling(l, redis)))
            break;
        taken.len = taken.count = 0;
    }
    free(taken.bytes);
}

static void *publish_main(void *context)
{
    struct live *l = context;
    int pause_ms = 250;
    bool has_complained = false;
    while (!live_is_stopping(l)) {
        redisContext *redis = live_connect(l);
        if (redis != NULL && begin_filling(l, redis)) {
            has_complained = false;
            pause_ms = 250;
            feed(l, redis);
        } else if (!has_complained) {
            l->options.log(1, "live_down", "redis cannot be reached; orders go on without it");
            has_complained = true;
        }
        pthread_mutex_lock(&l->mutex);
        if (l->state == LIVE_UP && !l->is_stopping)
            l->options.log(1, "live_lost", "redis was lost or flushed; filling it anew");
        l->state = LIVE_DOWN;
        l->status.is_up = false;
        pthread_mutex_unlock(&l->mutex);
        if (redis != NULL)
            redisFree(redis);
        live_pause(l, pause_ms);
        pause_ms = pause_ms < 8000 ? pause_ms * 2 : 8000;
    }
    return NULL;
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
    if (parse_url(l, options->url, failure) != 0) {
        live_close(l);
        return -1;
    }
    redisReader *first = redisReaderCreate();
    live_bound_replies(first);
    redisReaderFree(first);
    l->has_publisher = pthread_create(&l->publisher, NULL, publish_main, l) == 0;
    l->has_taker = l->has_publisher && pthread_create(&l->taker, NULL, live_take_main, l) == 0;
    if (l->has_taker) {
        pthread_setname_np(l->publisher, "paidand-publish");
        pthread_setname_np(l->taker, "paidand-take");
    }
    if (!l->has_taker) {
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
    free(l->building.bytes);
    free(l->slice.bytes);
    free(l->queue.bytes);
    map_fini(&l->told_regions);
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
