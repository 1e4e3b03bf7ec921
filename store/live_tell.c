/* live_tell.c -- what Redis is told, as commands: each commit's rows, or slice by slice the whole state.
 * Loop thread; formats and hands over, never waits. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "live_inside.h"

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

/* An inbox lies in the county of its organisation, which may move while offers are pending. */
static void tell_offer(struct live *l, struct commands *c, const struct offer *f, const struct engine *engine)
{
    char key[96];
    char id[24];
    char expires[24];
    const struct org *org = engine_org(engine, f->org);
    uint32_t told = map_get(&l->told_inboxes, f->id);
    uint32_t county = org != NULL ? engine_region_find(engine, org->county) : SLOT_NONE;
    text_of(id, f->id);
    if (told != SLOT_NONE && (f->state != OFFER_PENDING || told != county)) {
        key_of(key, engine_region_slot(engine, told)->code, "inbox", f->org);
        commands_add(c, 3, (const char *[]){"ZREM", key, id});
        map_remove(&l->told_inboxes, f->id);
    }
    if (f->state != OFFER_PENDING || county == SLOT_NONE)
        return;
    key_of(key, org->county, "inbox", f->org);
    commands_add(c, 4, (const char *[]){"ZADD", key, text_of(expires, (uint64_t)f->expires_at), id});
    map_put(&l->told_inboxes, f->id, county);
}

/* What was told of its inbox goes where it lies now. */
static void tell_moved(struct live *l, struct commands *c, const struct org *row, const struct engine *engine)
{
    const struct org *org = engine_org(engine, row->id);
    if (org == NULL)
        return;
    for (uint32_t slot = org->first_offer; slot != SLOT_NONE;) {
        const struct offer *f = engine_offer_slot(engine, slot);
        slot = f->next_of_org;
        uint32_t told = map_get(&l->told_inboxes, f->id);
        if (told != SLOT_NONE && engine_region_slot(engine, told)->code != org->county)
            tell_offer(l, c, f, engine);
    }
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

/* Told in the sequence in which things were, so that what was told before is known. */
static void tell_slice(struct live *l, const struct engine *engine)
{
    struct slice *s = &l->slice;
    for (uint32_t i = 0; i < s->order_count; i++)
        tell_order(l, &l->building, &s->orders[i], engine);
    for (uint32_t i = 0; i < s->offer_count; i++)
        tell_offer(l, &l->building, &s->offers[i], engine);
    hand_over(l, &l->building, s->is_last);
    s->order_count = s->offer_count = 0;
    s->is_waiting = s->is_last = false;
}

void live_committed(struct live *l, const struct batch *batch, const struct engine *engine)
{
    if (l == NULL)
        return;
    if (l->slice.is_waiting && l->slice.barrier <= batch->number) /* older than the batch, so it goes before */
        tell_slice(l, engine);
    for (uint32_t i = 0; i < batch->order_count; i++)
        tell_order(l, &l->building, &batch->orders[i], engine);
    for (uint32_t i = 0; i < batch->offer_count; i++)
        tell_offer(l, &l->building, &batch->offers[i], engine);
    for (uint32_t i = 0; i < batch->org_count; i++)
        tell_moved(l, &l->building, &batch->orgs[i], engine);
    for (uint32_t i = 0; i < batch->event_count; i++)
        tell_event(&l->building, &batch->events[i]);
    hand_over(l, &l->building, false);
}

bool live_wants_slice(const struct live *l)
{
    if (l == NULL || l->slice.is_waiting)
        return false;
    struct live *unlocked = (struct live *)(uintptr_t)l;
    pthread_mutex_lock(&unlocked->mutex);
    bool wants = l->state == LIVE_FILLING && !l->is_fill_complete;
    pthread_mutex_unlock(&unlocked->mutex);
    return wants;
}

static void slice_add_offers(struct slice *s, const struct order *o, const struct engine *engine)
{
    for (uint32_t slot = o->first_offer; slot != SLOT_NONE;) {
        const struct offer *f = engine_offer_slot(engine, slot);
        slot = f->next_of_order;
        if (f->state != OFFER_PENDING)
            continue;
        if (s->offer_count == s->offer_room)
            s->offers = must_realloc(s->offers, s->offer_room = s->offer_room * 2 + 64, sizeof *s->offers);
        s->offers[s->offer_count++] = *f;
    }
}

void live_slice(struct live *l, const struct engine *engine, uint64_t barrier)
{
    struct slice *s = &l->slice;
    pthread_mutex_lock(&l->mutex);
    bool is_new = l->fill_number != l->fill_wanted;
    l->fill_number = l->fill_wanted;
    pthread_mutex_unlock(&l->mutex);
    if (is_new) {
        s->at = SLOT_NONE;
        map_fini(&l->told_regions);
        map_fini(&l->told_inboxes);
    }
    const struct order *o = NULL;
    while (s->order_count < SLICE_ORDERS && (o = engine_next_order(engine, &s->at)) != NULL) {
        s->orders[s->order_count++] = *o;
        slice_add_offers(s, o, engine);
    }
    s->is_last = o == NULL;
    s->is_waiting = true;
    s->barrier = barrier;
    if (barrier == 0) /* else when that batch is durable */
        tell_slice(l, engine);
}
