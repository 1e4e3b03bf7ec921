/* live_intake.c -- orders that other programs append to the stream paidan:intake.
 *
 * A consumer group takes them; each is placed by the loop under a ref, and acknowledged only after
 * its commit, so that an entry seen twice is placed once. What cannot be placed goes to
 * paidan:intake:refused with the error and without the entry's values. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "live_inside.h"

#define ENTRIES_MAX 64
#define FIELDS_MAX 64

void live_free_entries(struct live_entry *entry)
{
    while (entry != NULL) {
        struct live_entry *next = entry->next;
        for (int i = 0; i < entry->count; i++) {
            free(entry->names[i]);
            free(entry->values[i]);
        }
        free(entry->names);
        free(entry->values);
        free(entry);
        entry = next;
    }
}

static bool is_text(const redisReply *reply)
{
    return reply != NULL && reply->type == REDIS_REPLY_STRING && reply->str != NULL;
}

/* One entry of a reply: [id, [name, value, …]]. A server that answers something else is not believed. */
static struct live_entry *entry_of(const char *epoch, const redisReply *reply)
{
    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
        !is_text(reply->element[0]) || reply->element[0]->len > 40)
        return NULL;
    const redisReply *fields = reply->element[1]; /* nil: it was deleted from the stream */
    size_t pairs = fields != NULL && fields->type == REDIS_REPLY_ARRAY ? fields->elements / 2 : 0;
    pairs = pairs < FIELDS_MAX ? pairs : FIELDS_MAX;
    for (size_t i = 0; i < pairs * 2; i++)
        if (!is_text(fields->element[i]))
            return NULL;
    struct live_entry *entry = must_alloc(1, sizeof *entry);
    snprintf(entry->id, sizeof entry->id, "%s", reply->element[0]->str);
    snprintf(entry->default_ref, sizeof entry->default_ref, "%s/%s", epoch, entry->id);
    entry->names = must_alloc(pairs, sizeof *entry->names);
    entry->values = must_alloc(pairs, sizeof *entry->values);
    for (size_t i = 0; i < pairs; i++) {
        entry->names[i] = must_strdup(fields->element[i * 2]->str);
        entry->values[i] = must_strdup(fields->element[i * 2 + 1]->str);
    }
    entry->count = (int)pairs;
    return entry;
}

struct live_entry *live_entries_of(const char *epoch, const redisReply *reply)
{
    struct live_entry *entries = NULL;
    struct live_entry **end = &entries;
    const redisReply *stream = reply->type == REDIS_REPLY_ARRAY && reply->elements == 1 ? reply->element[0] : NULL;
    const redisReply *list = stream != NULL && stream->type == REDIS_REPLY_ARRAY && stream->elements == 2
                                 ? stream->element[1] : NULL;
    if (list == NULL || list->type != REDIS_REPLY_ARRAY)
        return NULL;
    for (size_t i = 0; i < list->elements; i++) {
        *end = entry_of(epoch, list->element[i]);
        if (*end != NULL)
            end = &(*end)->next;
    }
    return entries;
}

/* Reads entries: those taken before and not acknowledged when `from` is 0, new ones when it is >. */
static bool read_entries(struct live *l, redisContext *redis, const char *from,
                         struct live_entry **entries)
{
    char epoch[sizeof l->epoch];
    *entries = NULL;
    pthread_mutex_lock(&l->mutex);
    memcpy(epoch, l->epoch, sizeof epoch);
    pthread_mutex_unlock(&l->mutex);
    redisReply *reply =
        live_command(redis, "XREADGROUP GROUP paidand node-%u COUNT %d BLOCK 500 STREAMS paidan:intake %s",
                     l->options.node, ENTRIES_MAX, from);
    if (reply == NULL)
        return false;
    *entries = live_entries_of(epoch, reply);
    freeReplyObject(reply);
    return true;
}

/* Hands the entries to the loop and waits until all are answered; false when we stop before. */
static bool have_answered(struct live *l, struct live_entry *entries)
{
    pthread_mutex_lock(&l->mutex);
    l->entries = entries;
    l->entries_taken = l->entries_answered = false;
    pthread_mutex_unlock(&l->mutex);
    l->options.wake(l->options.context);
    pthread_mutex_lock(&l->mutex);
    while (!l->entries_answered && !l->is_stopping)
        pthread_cond_wait(&l->answered, &l->mutex);
    bool is_answered = l->entries_answered;
    l->entries = NULL;
    pthread_mutex_unlock(&l->mutex);
    return is_answered;
}

static const char *ref_of(const struct live_entry *entry)
{
    for (int i = 0; i < entry->count; i++)
        if (strcmp(entry->names[i], "ref") == 0)
            return entry->values[i];
    return entry->default_ref;
}

/* Acknowledges what was placed or refused for good; what may be retried stays pending. */
static bool acknowledge(struct live *l, redisContext *redis, const struct live_entry *entry,
                        bool *must_retry)
{
    if (!entry->is_placed && entry->may_retry) {
        *must_retry = true;
        return true;
    }
    if (!entry->is_placed) {
        redisReply *told = live_command(
            redis, "XADD paidan:intake:refused MAXLEN ~ 100000 * entry %s ref %s code %s field %s message %s",
            entry->id, ref_of(entry), entry->code, entry->field, entry->message);
        if (told == NULL)
            return false;
        freeReplyObject(told);
    }
    redisReply *reply = live_command(redis, "XACK paidan:intake paidand %s", entry->id);
    if (reply == NULL)
        return false;
    freeReplyObject(reply);
    pthread_mutex_lock(&l->mutex);
    if (entry->is_placed)
        l->status.placed++;
    else
        l->status.refused++;
    pthread_mutex_unlock(&l->mutex);
    return true;
}

static bool serve_entries(struct live *l, redisContext *redis, struct live_entry *entries,
                          bool *must_retry)
{
    bool is_good = have_answered(l, entries);
    for (const struct live_entry *e = entries; is_good && e != NULL; e = e->next)
        is_good = acknowledge(l, redis, e, must_retry);
    live_free_entries(entries);
    return is_good;
}

/* Serves one connection until it breaks. */
static void serve(struct live *l, redisContext *redis)
{
    const char *from = "0"; /* first what an earlier life of ours did not acknowledge */
    while (!live_is_stopping(l)) {
        struct live_entry *entries = NULL;
        bool must_retry = false;
        if (!read_entries(l, redis, from, &entries))
            return;
        if (entries == NULL) {
            from = ">";
            continue;
        }
        if (!serve_entries(l, redis, entries, &must_retry))
            return;
        if (must_retry) {
            live_pause(l, 200);
            from = "0";
        }
    }
}

/* The epoch goes into the refs of entries that bring none, so intake waits until it is settled. */
static bool has_epoch(struct live *l)
{
    pthread_mutex_lock(&l->mutex);
    bool has = l->state != LIVE_DOWN;
    pthread_mutex_unlock(&l->mutex);
    return has;
}

void *live_take_main(void *context)
{
    struct live *l = context;
    while (!live_is_stopping(l)) {
        redisContext *redis = has_epoch(l) ? live_connect(l) : NULL;
        if (redis != NULL) {
            redisReply *made =
                redisCommand(redis, "XGROUP CREATE paidan:intake paidand 0 MKSTREAM");
            if (made != NULL) { /* BUSYGROUP: it is there already */
                freeReplyObject(made);
                serve(l, redis);
            }
            redisFree(redis);
        }
        live_pause(l, 250);
    }
    return NULL;
}

struct live_entry *live_take_intake(struct live *l)
{
    struct live_entry *entries = NULL;
    if (l == NULL)
        return NULL;
    pthread_mutex_lock(&l->mutex);
    if (!l->entries_taken && l->entries != NULL) {
        entries = l->entries;
        l->entries_taken = true;
    }
    pthread_mutex_unlock(&l->mutex);
    return entries;
}

void live_give_intake(struct live *l)
{
    pthread_mutex_lock(&l->mutex);
    l->entries_answered = true;
    pthread_cond_signal(&l->answered);
    pthread_mutex_unlock(&l->mutex);
}
