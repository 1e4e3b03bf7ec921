/* live_sweep.c -- while a filling stands: what somebody took out of it or put into it is found and mended, a
 * page at a time. First all keys and members are gone through, and those that were never told are removed;
 * then the whole state is told again, which puts back what is missing. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "live_inside.h"

#define ALL_KEYS "paidan:{*}:*"

static const char *const kinds[] = {[FOUND_ORDER] = "order", [FOUND_READY] = "ready", [FOUND_INBOX] = "inbox"};

/* Whether a key is one that might be ours to the letter. */
static bool read_key(const char *key, size_t len, struct found *f)
{
    char again[96];
    char kind[8];
    if (strlen(key) != len || sscanf(key, "paidan:{%" SCNu64 "}:%7[a-z]:%" SCNu64, &f->county, kind, &f->of) != 3)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (strcmp(kind, kinds[i]) != 0)
            continue;
        f->kind = (enum found_kind)i;
        return f->of != 0 && strcmp(live_key_of(again, f->county, kind, f->of), key) == 0;
    }
    return false;
}

static bool read_number(const char *text, size_t len, uint64_t *number)
{
    char again[24];
    *number = strtoull(text, NULL, 10);
    return *number != 0 && strlen(text) == len && strcmp(live_text_of(again, *number), text) == 0;
}

static void add(struct found_list *list, const struct found *f)
{
    if (list->count == list->room)
        list->items = must_realloc(list->items, list->room = list->room * 2 + 512, sizeof *list->items);
    list->items[list->count++] = *f;
}

static bool is_done(struct live *l, redisReply *reply)
{
    bool is_good = reply != NULL && reply->type == REDIS_REPLY_INTEGER;
    if (is_good)
        l->sweep.mended += (uint64_t)reply->integer;
    if (reply != NULL)
        freeReplyObject(reply);
    return is_good;
}

static bool has_kind(const char *key)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        char part[12];
        snprintf(part, sizeof part, "}:%s:", kinds[i]);
        if (strstr(key, part) != NULL)
            return true;
    }
    return false;
}

static bool take_key(struct live *l, const redisReply *key)
{
    struct found f = {.member = 0};
    size_t len = key->len;
    if (read_key(key->str, len, &f)) {
        add(f.kind == FOUND_ORDER ? &l->page : &l->sweep.sets, &f);
        return true;
    }
    if (len > 8 && strcmp(key->str + len - 8, "}:events") == 0)
        return live_check_events(l, key->str);
    return !has_kind(key->str) || is_done(l, live_command(l, &l->line, "UNLINK %b", key->str, len));
}

/* The items of a page, and where the next begins; NULL: this is no page. */
static const redisReply *items_of(const redisReply *reply, char cursor[32])
{
    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
        reply->element[0]->type != REDIS_REPLY_STRING || reply->element[0]->len > 31 ||
        reply->element[1]->type != REDIS_REPLY_ARRAY)
        return NULL;
    for (size_t i = 0; i < reply->element[1]->elements; i++)
        if (reply->element[1]->element[i]->type != REDIS_REPLY_STRING)
            return NULL;
    snprintf(cursor, 32, "%s", reply->element[0]->str);
    return reply->element[1];
}

static bool sweep_keys(struct live *l)
{
    redisReply *reply = live_command(l, &l->line, "SCAN %s MATCH " ALL_KEYS " COUNT 500", l->sweep.cursor);
    const redisReply *keys = items_of(reply, l->sweep.cursor);
    bool is_good = keys != NULL;
    l->sweep.sets.count = 0;
    snprintf(l->sweep.members, sizeof l->sweep.members, "0");
    for (size_t i = 0; is_good && i < keys->elements; i++)
        is_good = take_key(l, keys->element[i]);
    l->sweep.is_scanned = is_good && strcmp(l->sweep.cursor, "0") == 0;
    if (reply != NULL)
        freeReplyObject(reply);
    return is_good;
}

/* A page of the last sorted set that was found. */
static bool sweep_members(struct live *l)
{
    char key[96];
    struct found f = l->sweep.sets.items[l->sweep.sets.count - 1];
    live_key_of(key, f.county, kinds[f.kind], f.of);
    redisReply *reply = live_command(l, &l->line, "ZSCAN %s %s COUNT 500", key, l->sweep.members);
    if (live_has_wrong_type(&l->line))
        live_tell_wrong_type(l, key);
    const redisReply *pairs = items_of(reply, l->sweep.members);
    bool is_good = pairs != NULL;
    for (size_t i = 0; is_good && i + 1 < pairs->elements; i += 2) {
        const redisReply *member = pairs->element[i];
        if (read_number(member->str, member->len, &f.member))
            add(&l->page, &f);
        else
            is_good = is_done(l, live_command(l, &l->line, "ZREM %s %b", key, member->str, (size_t)member->len));
    }
    if (strcmp(l->sweep.members, "0") == 0)
        l->sweep.sets.count--;
    if (reply != NULL)
        freeReplyObject(reply);
    return is_good;
}

static void ask_loop(struct live *l, enum sweep_want want)
{
    pthread_mutex_lock(&l->mutex);
    l->sweep_want = want;
    if (want == SWEEP_TELL && !l->sweep.is_telling)
        l->is_swept = false;
    pthread_mutex_unlock(&l->mutex);
    l->options.wake(l->options.context);
}

static void end_round(struct live *l)
{
    char text[120];
    pthread_mutex_lock(&l->mutex);
    uint64_t mended = l->sweep.mended + l->removed;
    l->status.sweeps++;
    l->status.mended += mended;
    l->removed = 0;
    pthread_mutex_unlock(&l->mutex);
    snprintf(text, sizeof text, "%" PRIu64 " keys, members or fields were lost or added; they are mended", mended);
    if (mended != 0)
        l->options.log(1, "live_mended", text);
    live_reset_sweep(l);
}

void live_reset_sweep(struct live *l)
{
    l->sweep.sets.count = 0;
    l->sweep.mended = 0;
    l->sweep.is_scanned = l->sweep.is_telling = false;
    snprintf(l->sweep.cursor, sizeof l->sweep.cursor, "0");
}

bool live_sweep(struct live *l, bool *has_ended)
{
    pthread_mutex_lock(&l->mutex);
    bool waits = l->state != LIVE_UP || l->sweep_want != SWEEP_NONE; /* the page is the loop's then */
    bool is_swept = l->is_swept;
    pthread_mutex_unlock(&l->mutex);
    *has_ended = !waits && l->sweep.is_telling && is_swept;
    if (waits)
        return true;
    if (*has_ended) {
        end_round(l);
        return true;
    }
    l->page.count = 0;
    if (l->sweep.sets.count == 0 && l->sweep.is_scanned) {
        ask_loop(l, SWEEP_TELL);
        l->sweep.is_telling = true;
        return true;
    }
    if (!(l->sweep.sets.count != 0 ? sweep_members(l) : sweep_keys(l)))
        return false;
    if (l->page.count != 0)
        ask_loop(l, SWEEP_JUDGE);
    return true;
}

static bool is_code(const struct engine *engine, uint32_t slot, uint64_t code)
{
    return slot != SLOT_NONE && engine_region_slot(engine, slot)->code == code;
}

/* Whether all that was told so far has it: what is removed for that reason is right whatever is told next. */
static bool was_told(const struct live *l, const struct found *f, const struct engine *engine)
{
    const struct offer *offer = NULL;
    switch (f->kind) {
    case FOUND_ORDER:
        return is_code(engine, map_get(&l->told_orders, f->of), f->county);
    case FOUND_READY:
        return is_code(engine, map_get(&l->told_orders, f->member), f->county) &&
               is_code(engine, map_get(&l->told_regions, f->member), f->of);
    case FOUND_INBOX:
        offer = engine_offer(engine, f->member);
        return is_code(engine, map_get(&l->told_inboxes, f->member), f->county) && (offer == NULL || offer->org == f->of);
    }
    return true;
}

void live_judge(struct live *l, struct commands *c, const struct engine *engine)
{
    char key[96];
    char member[24];
    for (uint32_t i = 0; i < l->page.count; i++) {
        const struct found *f = &l->page.items[i];
        if (was_told(l, f, engine))
            continue;
        live_key_of(key, f->county, kinds[f->kind], f->of);
        if (f->kind == FOUND_ORDER)
            live_add_command(c, 2, (const char *[]){"DEL", key});
        else
            live_add_command(c, 3, (const char *[]){"ZREM", key, live_text_of(member, f->member)});
    }
}
