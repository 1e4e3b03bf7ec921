/* live_intake.c -- orders that other programs append to the stream paidan:intake.
 *
 * A consumer group takes them; each is placed by the loop under a ref, and acknowledged only after
 * its commit, so that an entry seen twice is placed once; then it is deleted, for it may hold personal
 * data. What cannot be placed goes to paidan:intake:refused with the error and none of the entry's values. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static uint64_t hash_text(uint64_t digest, const char *text)
{
    do
        digest = hash64(digest ^ (uint8_t)*text) + 1;
    while (*text++ != '\0');
    return digest;
}

static bool is_text(const redisReply *reply)
{
    return reply != NULL && reply->type == REDIS_REPLY_STRING && reply->str != NULL;
}

/* The ref of an entry that brings none: its number, and a digest of what it says. The number alone would
 * not do: a Redis that was flushed, or whose clock was set back, may give it again to something else; and
 * a name of the stream's own, kept in Redis, is forgotten by a replica that had not heard of it. Personal
 * data stay out of it. */
static void name_entry(struct live_entry *entry)
{
    uint64_t digest = 0;
    for (int i = 0; i < entry->count; i++) {
        if (strncmp(entry->names[i], "contact_", 8) == 0)
            continue;
        digest = hash_text(digest, entry->names[i]);
        digest = hash_text(digest, entry->values[i]);
    }
    snprintf(entry->default_ref, sizeof entry->default_ref, "%s/%016" PRIx64, entry->id, digest);
}

/* One entry of a reply: [id, [name, value, …]]. A server that answers something else is not believed. */
static struct live_entry *entry_of(const redisReply *reply)
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
    entry->names = must_alloc(pairs, sizeof *entry->names);
    entry->values = must_alloc(pairs, sizeof *entry->values);
    for (size_t i = 0; i < pairs; i++) {
        entry->names[i] = must_strdup(fields->element[i * 2]->str);
        entry->values[i] = must_strdup(fields->element[i * 2 + 1]->str);
    }
    entry->count = (int)pairs;
    name_entry(entry);
    return entry;
}

bool live_entries_of(const redisReply *reply, struct live_entry **entries)
{
    struct live_entry **end = entries;
    *entries = NULL;
    if (reply->type == REDIS_REPLY_NIL)
        return true;
    const redisReply *stream = reply->type == REDIS_REPLY_ARRAY && reply->elements == 1 ? reply->element[0] : NULL;
    const redisReply *list = stream != NULL && stream->type == REDIS_REPLY_ARRAY && stream->elements == 2
                                 ? stream->element[1] : NULL;
    if (list == NULL || list->type != REDIS_REPLY_ARRAY)
        return false;
    for (size_t i = 0; i < list->elements; i++) {
        *end = entry_of(list->element[i]);
        if (*end == NULL) {
            live_free_entries(*entries);
            *entries = NULL;
            return false;
        }
        end = &(*end)->next;
    }
    return true;
}

/* Reads entries and hands them to the loop. False: Redis failed. */
static bool read_entries(struct live *l, struct live_entry **entries)
{
    redisReply *reply = live_command(
        l, &l->intake.line, "XREADGROUP GROUP paidand node-%u COUNT %d BLOCK 500 STREAMS paidan:intake %s",
        l->options.node, ENTRIES_MAX, l->intake.from);
    bool is_good = reply != NULL && live_entries_of(reply, entries);
    if (reply != NULL)
        freeReplyObject(reply);
    return is_good;
}

static void hand_entries(struct live *l, struct live_entry *entries)
{
    l->intake.entries = entries;
    pthread_mutex_lock(&l->mutex);
    l->entries = entries;
    l->entries_taken = l->entries_answered = false;
    pthread_mutex_unlock(&l->mutex);
    l->options.wake(l->options.context);
}

static redisReply *add_refused(struct live *l, const struct live_entry *entry)
{
    return live_command(
        l, &l->intake.line, "XADD paidan:intake:refused MAXLEN ~ 100000 * entry %s code %s field %s message %s",
        entry->id, entry->code, entry->field, entry->message);
}

/* The stream of what was refused is ours: what else lies there gives way. */
static bool tell_refused(struct live *l, const struct live_entry *entry)
{
    redisReply *told = add_refused(l, entry);
    if (told == NULL && live_has_wrong_type(&l->intake.line)) {
        l->options.log(1, "live_wrong_type", "paidan:intake:refused held something of another type; it is deleted");
        told = live_command_done(l, &l->intake.line, "UNLINK paidan:intake:refused") ? add_refused(l, entry) : NULL;
    }
    bool is_good = is_text(told);
    if (told != NULL)
        freeReplyObject(told);
    return is_good;
}

/* A command that answers with a number. */
static bool is_counted(struct live *l, const char *format, const char *id)
{
    redisReply *reply = live_command(l, &l->intake.line, format, id);
    bool is_good = reply != NULL && reply->type == REDIS_REPLY_INTEGER;
    if (reply != NULL)
        freeReplyObject(reply);
    return is_good;
}

/* The id up to which the group has taken entries; false: this is no such reply. */
static bool last_delivered(const redisReply *groups, char id[41])
{
    for (size_t g = 0; groups->type == REDIS_REPLY_ARRAY && g < groups->elements; g++) {
        const redisReply *pairs = groups->element[g];
        const char *name = "";
        const char *last = "";
        for (size_t i = 0; pairs->type == REDIS_REPLY_ARRAY && i + 1 < pairs->elements; i += 2) {
            const redisReply *value = pairs->element[i + 1];
            if (!is_text(pairs->element[i]) || !is_text(value))
                continue;
            if (strcmp(pairs->element[i]->str, "name") == 0)
                name = value->str;
            else if (strcmp(pairs->element[i]->str, "last-delivered-id") == 0)
                last = value->str;
        }
        if (strcmp(name, "paidand") != 0 || strlen(last) == 0 || strlen(last) > 40)
            continue;
        snprintf(id, 41, "%s", last);
        return true;
    }
    return false;
}

/* Deletes what was acknowledged and still lies there: a life of ours ended in between, or an earlier version
 * let it lie (XTRIM by number is of Redis 6.2). The group's place is asked for first, so that what is not pending then has been acknowledged. */
static bool sweep_acknowledged(struct live *l)
{
    char last[41];
    redisReply *groups = live_command(l, &l->intake.line, "XINFO GROUPS paidan:intake");
    bool is_good = groups != NULL && last_delivered(groups, last);
    if (groups != NULL)
        freeReplyObject(groups);
    redisReply *pending = is_good ? live_command(l, &l->intake.line, "XPENDING paidan:intake paidand") : NULL;
    is_good = pending != NULL && pending->type == REDIS_REPLY_ARRAY && pending->elements >= 2;
    if (is_good && is_text(pending->element[1]))
        is_good = is_counted(l, "XTRIM paidan:intake MINID %s", pending->element[1]->str);
    else if (is_good)
        is_good = is_counted(l, "XTRIM paidan:intake MINID %s", last) && is_counted(l, "XDEL paidan:intake %s", last);
    if (pending != NULL)
        freeReplyObject(pending);
    return is_good;
}

/* Acknowledges what was placed or refused for good, and deletes it. */
static bool acknowledge(struct live *l, const struct live_entry *entry)
{
    if (!entry->is_placed && !tell_refused(l, entry))
        return false;
    if (!is_counted(l, "XACK paidan:intake paidand %s", entry->id) || !is_counted(l, "XDEL paidan:intake %s", entry->id))
        return false;
    pthread_mutex_lock(&l->mutex);
    if (entry->is_placed)
        l->status.placed++;
    else
        l->status.refused++;
    pthread_mutex_unlock(&l->mutex);
    return true;
}

static void keep_reason(struct live *l, const char *reason)
{
    pthread_mutex_lock(&l->mutex);
    bool is_new = strcmp(reason, l->status.intake_reason) != 0;
    snprintf(l->status.intake_reason, sizeof l->status.intake_reason, "%s", reason);
    pthread_mutex_unlock(&l->mutex);
    l->intake.is_refused = reason[0] != '\0';
    if (is_new && reason[0] != '\0')
        l->options.log(1, "live_intake_down", reason);
    else if (is_new)
        l->options.log(0, "live_intake_up", "the intake is read again");
}

/* Why the intake alone is not read; of what ails all of Redis the publisher speaks. What lies under its name
 * may be somebody's orders: nothing of ours to delete. */
static enum live_rest break_off(struct live *l)
{
    char reason[LIVE_REASON_MAX];
    if (live_has_wrong_type(&l->intake.line)) {
        keep_reason(l, "paidan:intake is no stream with the group paidand: nothing is taken until somebody has moved it away");
    } else if (strncmp(l->intake.line.error, "NOPERM", 6) == 0) {
        live_reason_of(l->intake.line.error, reason);
        keep_reason(l, reason);
    }
    live_close_line(l, &l->intake.line);
    return LIVE_REST_DOWN;
}

/* All entries are answered: what may be retried stays pending and is read again. */
static enum live_rest acknowledge_all(struct live *l)
{
    bool is_good = true;
    bool must_retry = false;
    for (const struct live_entry *e = l->intake.entries; is_good && e != NULL; e = e->next) {
        if (!e->is_placed && e->may_retry)
            must_retry = true;
        else
            is_good = acknowledge(l, e);
    }
    live_free_entries(l->intake.entries);
    l->intake.entries = NULL;
    if (!is_good)
        return break_off(l);
    if (must_retry)
        l->intake.from = "0";
    return must_retry ? LIVE_REST_DOWN : LIVE_REST_NONE;
}

static bool are_answered(struct live *l)
{
    pthread_mutex_lock(&l->mutex);
    bool are = l->entries_answered;
    if (are)
        l->entries = NULL;
    pthread_mutex_unlock(&l->mutex);
    return are;
}

enum live_rest live_step_taker(struct live *l)
{
    if (l->intake.entries != NULL)
        return are_answered(l) ? acknowledge_all(l) : LIVE_REST_ANSWER;
    if (l->intake.line.link == NULL) {
        if (!live_open_line(l, &l->intake.line))
            return break_off(l);
        live_command_done(l, &l->intake.line, "XGROUP CREATE paidan:intake paidand 0 MKSTREAM"); /* or it is there */
        l->intake.from = "0"; /* first what an earlier life of ours did not acknowledge */
        return LIVE_REST_NONE;
    }
    struct live_entry *entries = NULL;
    if (!read_entries(l, &entries))
        return break_off(l);
    keep_reason(l, "");
    if (entries != NULL) {
        hand_entries(l, entries);
        return LIVE_REST_ANSWER;
    }
    bool was_old = l->intake.from[0] == '0';
    if (was_old && !sweep_acknowledged(l))
        return break_off(l);
    l->intake.from = ">";
    return was_old ? LIVE_REST_NONE : LIVE_REST_WORK;
}

void *live_take_main(void *context)
{
    struct live *l = context;
    while (!live_is_stopping(l)) {
        enum live_rest rest = live_step_taker(l); /* which waits itself for new entries, half a second */
        if (rest == LIVE_REST_DOWN)
            live_pause(l, l->intake.is_refused ? 5000 : 250);
        if (rest != LIVE_REST_ANSWER)
            continue;
        pthread_mutex_lock(&l->mutex);
        while (!l->entries_answered && !l->is_stopping)
            pthread_cond_wait(&l->answered, &l->mutex);
        pthread_mutex_unlock(&l->mutex);
    }
    return NULL;
}

void live_end_intake(struct live *l)
{
    break_off(l);
    live_free_entries(l->intake.entries);
    l->intake.entries = NULL;
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
