/* live_tell.c -- what Redis is told, as commands: each commit's rows, or slice by slice the whole state.
 * Loop thread; formats and hands over, never waits. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "live_inside.h"

#define EVENTS_KEPT "100000"

void live_add_command(struct commands *c, int argc, const char **argv)
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
const char *live_key_of(char key[96], uint64_t county, const char *what, uint64_t id)
{
    snprintf(key, 96, "paidan:{%" PRIu64 "}:%s:%" PRIu64, county, what, id);
    return key;
}

const char *live_text_of(char text[24], uint64_t number)
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
    live_text_of(id, o->id);
    uint32_t told = map_get(&l->told_regions, o->id);
    if (told != SLOT_NONE && (!o->is_queued || told != o->queue_region)) {
        live_key_of(key, o->county, "ready", engine_region_slot(engine, told)->code);
        live_add_command(c, 3, (const char *[]){"ZREM", key, id});
        map_remove(&l->told_regions, o->id);
    }
    if (!o->is_queued)
        return;
    live_key_of(key, o->county, "ready", engine_region_slot(engine, o->queue_region)->code);
    live_text_of(due, (uint64_t)o->due_at);
    live_add_command(c, 4, (const char *[]){"ZADD", key, due, id});
    map_put(&l->told_regions, o->id, o->queue_region);
}

/* The order's hash: no person, no exact place. */
static void tell_order(struct live *l, struct commands *c, const struct order *o,
                       const struct engine *engine)
{
    char key[96];
    char numbers[8][24];
    char places[2][24];
    live_key_of(key, o->county, "order", o->id);
    tell_queue(l, c, o, engine);
    if (order_has_ended(o)) {
        live_add_command(c, 2, (const char *[]){"DEL", key});
        if (map_get(&l->told_orders, o->id) != SLOT_NONE)
            map_remove(&l->told_orders, o->id);
        return;
    }
    map_put(&l->told_orders, o->id, engine_region_find(engine, o->county));
    snprintf(places[0], 24, "%.3f", o->lat / 1e7);
    snprintf(places[1], 24, "%.3f", o->lon / 1e7);
    live_add_command(
        c, 30,
        (const char *[]){
            "HSET", key, "state", word_name(&words_order_state, o->state), "level",
            word_name(&words_level, o->level), "mode", word_name(&words_mode, o->mode), "priority",
            word_name(&words_priority, o->priority), "category",
            engine_catalogue(engine)->skills[o->category].name, "region",
            live_text_of(numbers[0], o->region), "headcount", live_text_of(numbers[1], o->headcount),
            "covered", live_text_of(numbers[2], o->covered), "starts_at",
            live_text_of(numbers[3], (uint64_t)o->starts_at), "ends_at",
            live_text_of(numbers[4], (uint64_t)o->ends_at), "minutes", live_text_of(numbers[5], o->minutes),
            "due_at", live_text_of(numbers[6], (uint64_t)o->due_at), "lat", places[0], "lon", places[1]});
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
    live_text_of(id, f->id);
    if (told != SLOT_NONE && (f->state != OFFER_PENDING || told != county)) {
        live_key_of(key, engine_region_slot(engine, told)->code, "inbox", f->org);
        live_add_command(c, 3, (const char *[]){"ZREM", key, id});
        map_remove(&l->told_inboxes, f->id);
    }
    if (f->state != OFFER_PENDING || county == SLOT_NONE)
        return;
    live_key_of(key, org->county, "inbox", f->org);
    live_add_command(c, 4, (const char *[]){"ZADD", key, live_text_of(expires, (uint64_t)f->expires_at), id});
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
    live_add_command(c, 24,
                 (const char *[]){"XADD", key, "MAXLEN", "~", EVENTS_KEPT, "*", "seq",
                                  live_text_of(numbers[0], e->seq), "at",
                                  live_text_of(numbers[1], (uint64_t)e->at), "kind",
                                  word_name(&words_event_kind, e->kind), "order",
                                  live_text_of(numbers[2], e->order), "offer",
                                  live_text_of(numbers[3], e->offer), "org", live_text_of(numbers[4], e->org),
                                  "region", live_text_of(numbers[5], e->region), "state",
                                  e->order != 0 ? word_name(&words_order_state, e->state) : "",
                                  "people", live_text_of(numbers[6], e->people)});
}

/* Hands commands to the thread. When they are too many, all are dropped: it will be filled anew. */
static void hand_over(struct live *l, struct commands *c, bool is_last, bool is_known)
{
    pthread_mutex_lock(&l->mutex);
    bool is_wanted = l->state != LIVE_DOWN && l->fill_number == l->fill_wanted;
    if (is_wanted && l->queue.len + c->len > LIVE_QUEUE_BYTES_MAX)
        l->is_overflown = true;
    if (is_wanted && !l->is_overflown) {
        if (is_known) {
            l->queue.known_from = l->queue.count;
            l->queue.known_to = l->queue.count + c->count;
        }
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
    hand_over(l, &l->building, s->is_last && !s->is_sweep, s->is_sweep && s->barrier == 0);
    if (s->is_last && s->is_sweep) {
        pthread_mutex_lock(&l->mutex);
        l->is_swept = true;
        pthread_mutex_unlock(&l->mutex);
    }
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
    hand_over(l, &l->building, false, false);
}

bool live_wants_slice(const struct live *l)
{
    if (l == NULL || l->slice.is_waiting)
        return false;
    struct live *unlocked = (struct live *)(uintptr_t)l;
    pthread_mutex_lock(&unlocked->mutex);
    bool wants = (l->state == LIVE_FILLING && !l->is_fill_complete) || l->sweep_want != SWEEP_NONE;
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

/* What the next look at the state is for: a filling, or a sweep's telling it again. A page that a sweep found is
 * judged here too. False: for neither. */
static bool begin_slice(struct live *l, const struct engine *engine)
{
    struct slice *s = &l->slice;
    pthread_mutex_lock(&l->mutex);
    enum sweep_want want = l->sweep_want;
    bool is_filling = l->state == LIVE_FILLING && !l->is_fill_complete;
    bool is_up = l->state == LIVE_UP && l->fill_number == l->fill_wanted;
    s->is_new = is_filling && l->fill_number != l->fill_wanted;
    if (is_filling)
        l->fill_number = l->fill_wanted;
    pthread_mutex_unlock(&l->mutex);
    if (want == SWEEP_JUDGE && is_up)
        live_judge(l, &l->building, engine);
    uint64_t removed = l->building.count;
    if (removed != 0)
        hand_over(l, &l->building, false, false);
    pthread_mutex_lock(&l->mutex);
    l->sweep_want = SWEEP_NONE;
    l->removed += removed;
    pthread_mutex_unlock(&l->mutex);
    s->is_sweep = !is_filling;
    return is_filling || (want == SWEEP_TELL && is_up);
}

void live_slice(struct live *l, const struct engine *engine, uint64_t barrier)
{
    struct slice *s = &l->slice;
    if (!begin_slice(l, engine))
        return;
    if (!s->is_sweep && s->is_new) {
        s->at = SLOT_NONE;
        map_fini(&l->told_orders);
        map_fini(&l->told_regions);
        map_fini(&l->told_inboxes);
    }
    const struct order *o = NULL;
    while (s->order_count < SLICE_ORDERS && (o = engine_next_order(engine, &s->at)) != NULL) {
        s->orders[s->order_count++] = *o;
        slice_add_offers(s, o, engine);
    }
    s->is_last = o == NULL;
    if (s->is_last)
        s->at = SLOT_NONE;
    s->is_waiting = true;
    s->barrier = barrier;
    if (barrier == 0) /* else when that batch is durable */
        tell_slice(l, engine);
}
