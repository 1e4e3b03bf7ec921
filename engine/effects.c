/* effects.c -- what steps have changed, gathered until the caller has made it durable. */
#include <stdlib.h>
#include <string.h>

#include "state.h"

/* Makes room for one more element of a growing array. */
static void *room_for_one(void *items, uint32_t count, uint32_t *room, size_t size)
{
    if (count < *room)
        return items;
    *room = *room != 0 ? *room * 2 : 64;
    return must_realloc(items, *room, size);
}

void touch_order(struct engine *e, struct order *o)
{
    if (o->is_dirty)
        return;
    o->is_dirty = true;
    slots_add(&e->dirty_orders, map_get(&e->order_ids, o->id));
}

void touch_offer(struct engine *e, struct offer *f)
{
    if (f->is_dirty)
        return;
    f->is_dirty = true;
    slots_add(&e->dirty_offers, map_get(&e->offer_ids, f->id));
}

void touch_org(struct engine *e, uint32_t slot)
{
    struct org *org = org_at(e, slot);
    if (org->is_dirty)
        return;
    org->is_dirty = true;
    slots_add(&e->dirty_orgs, slot);
}

void touch_tally(struct engine *e, uint32_t slot)
{
    struct org *org = org_at(e, slot);
    org_bound(e, org);
    if (org->is_tally_dirty)
        return;
    org->is_tally_dirty = true;
    slots_add(&e->dirty_tallies, slot);
}

static void copy_text(char *to, size_t size, const char *from)
{
    size_t len = from != NULL ? strlen(from) : 0;
    must(len < size);
    if (len != 0)
        memcpy(to, from, len);
}

struct event *emit(struct engine *e, enum event_kind kind, const struct command *c, int64_t now)
{
    e->events = room_for_one(e->events, e->event_count, &e->event_room, sizeof *e->events);
    struct event *event = &e->events[e->event_count++];
    *event = (struct event){.seq = e->next.event++, .at = now, .kind = (uint8_t)kind};
    copy_text(event->actor, sizeof event->actor, c->actor);
    copy_text(event->reason, sizeof event->reason, c->reason);
    return event;
}

void emit_order(struct engine *e, enum event_kind kind, struct order *o,
                const struct command *c, int64_t now)
{
    struct event *event = emit(e, kind, c, now);
    event->order = o->id;
    event->prev = o->last_event;
    o->last_event = event->seq;
    touch_order(e, o);
    event->region = o->region;
    event->county = o->county;
    event->state = o->state;
    event->level = o->level;
    event->people = o->headcount;
}

void emit_offer(struct engine *e, enum event_kind kind, const struct offer *f,
                const struct command *c, int64_t now)
{
    emit_order(e, kind, order_at(e, f->order_slot), c, now);
    struct event *event = &e->events[e->event_count - 1];
    event->offer = f->id;
    event->org = f->org;
    event->people = f->people;
}

void effect_record(struct engine *e, struct record_row row)
{
    e->records = room_for_one(e->records, e->record_count, &e->record_room, sizeof row);
    e->records[e->record_count++] = row;
}

void effect_emergency(struct engine *e, struct emergency row)
{
    e->emergency_effects = room_for_one(e->emergency_effects, e->emergency_effect_count,
                                        &e->emergency_effect_room, sizeof row);
    e->emergency_effects[e->emergency_effect_count++] = row;
}

void effect_series(struct engine *e, const struct series *row)
{
    e->series_effects = room_for_one(e->series_effects, e->series_effect_count,
                                     &e->series_effect_room, sizeof *row);
    e->series_effects[e->series_effect_count++] = *row;
}

void effect_served(struct engine *e, uint64_t person, uint64_t org)
{
    e->served = room_for_one(e->served, e->served_count, &e->served_room, sizeof *e->served);
    e->served[e->served_count++] = (struct served_pair){.person = person, .org = org};
}

void effect_removed(struct engine *e, uint64_t org)
{
    e->removed_orgs = room_for_one(e->removed_orgs, e->removed_count, &e->removed_room, sizeof org);
    e->removed_orgs[e->removed_count++] = org;
}

void effect_assignment(struct engine *e, struct assignment a)
{
    e->assignments = room_for_one(e->assignments, e->assignment_count, &e->assignment_room, sizeof a);
    e->assignments[e->assignment_count++] = a;
}

struct effects engine_effects(const struct engine *e)
{
    return (struct effects){
        .orders = {e->dirty_orders.items, e->dirty_orders.count},
        .offers = {e->dirty_offers.items, e->dirty_offers.count},
        .orgs = {e->dirty_orgs.items, e->dirty_orgs.count},
        .tallies = {e->dirty_tallies.items, e->dirty_tallies.count},
        .removed_orgs = e->removed_orgs,
        .removed_org_count = e->removed_count,
        .events = e->events,
        .event_count = e->event_count,
        .records = e->records,
        .record_count = e->record_count,
        .served = e->served,
        .served_count = e->served_count,
        .assignments = e->assignments,
        .assignment_count = e->assignment_count,
        .emergencies = e->emergency_effects,
        .emergency_count = e->emergency_effect_count,
        .series = e->series_effects,
        .series_count = e->series_effect_count,
        .is_catalogue_changed = e->is_catalogue_changed,
    };
}

void engine_effects_clear(struct engine *e)
{
    for (uint32_t i = 0; i < e->dirty_orders.count; i++)
        order_at(e, e->dirty_orders.items[i])->is_dirty = false;
    for (uint32_t i = 0; i < e->dirty_offers.count; i++)
        offer_at(e, e->dirty_offers.items[i])->is_dirty = false;
    for (uint32_t i = 0; i < e->dirty_orgs.count; i++)
        org_at(e, e->dirty_orgs.items[i])->is_dirty = false;
    for (uint32_t i = 0; i < e->dirty_tallies.count; i++)
        org_at(e, e->dirty_tallies.items[i])->is_tally_dirty = false;
    for (uint32_t i = 0; i < e->ended.count; i++)
        order_forget(e, e->ended.items[i]);
    e->dirty_orders.count = e->dirty_offers.count = e->dirty_orgs.count = 0;
    e->dirty_tallies.count = e->ended.count = 0;
    e->event_count = e->record_count = e->served_count = e->removed_count = 0;
    e->assignment_count = e->emergency_effect_count = e->series_effect_count = 0;
    e->is_catalogue_changed = false;
}

void effects_fini(struct engine *e)
{
    slots_fini(&e->dirty_orders);
    slots_fini(&e->dirty_offers);
    slots_fini(&e->dirty_orgs);
    slots_fini(&e->dirty_tallies);
    slots_fini(&e->ended);
    free(e->events);
    free(e->records);
    free(e->served);
    free(e->removed_orgs);
    free(e->assignments);
    free(e->emergency_effects);
    free(e->series_effects);
}
