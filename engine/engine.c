/* engine.c -- making, loading and looking into an engine. */
#include "engine.h"

#include <stdlib.h>
#include <string.h>

#include "state.h"

_Static_assert(sizeof(struct org) == 3 * CACHE_LINE && offsetof(struct org, lat) == CACHE_LINE,
               "an organisation's hot fields lie in one cache line");

struct engine *engine_new(uint32_t node)
{
    must(node <= NODE_MAX);
    struct engine *e = must_alloc(1, sizeof *e);
    e->node = node;
    e->next = (struct counters){.order = 1, .offer = 1, .org = 1, .event = 1, .record = 1};
    e->rules = rules_default();
    e->calendar.offset_min = 480;
    pool_init(&e->orders, sizeof(struct order));
    pool_init(&e->offers, sizeof(struct offer));
    pool_init(&e->orgs, sizeof(struct org));
    pool_init(&e->held, sizeof(struct record_row));
    pool_init(&e->series, sizeof(struct series));
    e->emergency_slot = SLOT_NONE;
    e->aging_at = INT64_MAX;
    index_init(&e->index);
    search_memory_init(&e->search);
    return e;
}

void engine_free(struct engine *e)
{
    if (e == NULL)
        return;
    for (uint32_t i = 0; i < e->orgs.used; i++)
        org_fini(org_at(e, i));
    for (uint32_t i = 0; i < e->region_count; i++) {
        free(e->regions[i].name);
        free(e->supplies[i]);
    }
    free(e->regions);
    free(e->supplies);
    map_fini(&e->region_codes);
    pool_fini(&e->orders);
    pool_fini(&e->offers);
    pool_fini(&e->orgs);
    map_fini(&e->order_ids);
    map_fini(&e->offer_ids);
    map_fini(&e->org_ids);
    pool_fini(&e->held);
    map_fini(&e->held_ids);
    pool_fini(&e->series);
    map_fini(&e->series_ids);
    ledger_fini(&e->ledger);
    heap_fini(&e->timers);
    index_fini(&e->index);
    search_memory_fini(&e->search);
    free(e->pairs.entries);
    map_fini(&e->gone_orgs);
    slots_fini(&e->assign_queue);
    effects_fini(e);
    free(e);
}

bool engine_load_org(struct engine *e, const struct org *row)
{
    uint32_t region = row->region != 0 ? map_get(&e->region_codes, row->region) : SLOT_NONE;
    if (row->id == 0 || map_get(&e->org_ids, row->id) != SLOT_NONE ||
        (row->region != 0 && region == SLOT_NONE))
        return false;
    uint32_t slot = pool_take(&e->orgs);
    struct org *org = org_at(e, slot);
    org_copy(org, row);
    org->region_slot = region;
    org->first_offer = SLOT_NONE;
    org->is_dirty = org->is_tally_dirty = false;
    map_put(&e->org_ids, org->id, slot);
    org_enter(e, slot);
    return true;
}

bool engine_load_order(struct engine *e, const struct order *row)
{
    uint32_t region = map_get(&e->region_codes, row->region);
    if (row->id == 0 || region == SLOT_NONE || map_get(&e->order_ids, row->id) != SLOT_NONE ||
        row->state >= ORDER_STATE_COUNT || order_has_ended(row) || row->level >= LEVEL_COUNT)
        return false;
    struct order *o = order_at(e, order_enter(e, row));
    o->region_slot = region;
    return true;
}

bool engine_load_offer(struct engine *e, const struct offer *row)
{
    uint32_t order = map_get(&e->order_ids, row->order_id);
    uint32_t org = map_get(&e->org_ids, row->org);
    if (order == SLOT_NONE || (org == SLOT_NONE && offer_is_live(row)) ||
        map_get(&e->offer_ids, row->id) != SLOT_NONE || row->state >= OFFER_STATE_COUNT)
        return false;
    uint32_t slot = pool_take(&e->offers);
    struct offer *f = offer_at(e, slot);
    struct order *o = order_at(e, order);
    *f = *row;
    f->order_slot = order;
    f->org_slot = org;
    f->next_of_order = o->first_offer;
    f->heap_place = 0;
    f->is_dirty = f->is_linked = f->is_held = false;
    o->first_offer = slot;
    map_put(&e->offer_ids, f->id, slot);
    if (f->round == o->round && f->state == OFFER_PENDING)
        o->pending += f->people;
    if (f->round == o->round && (f->state == OFFER_ACCEPTED || f->state == OFFER_SERVING ||
                                 f->state == OFFER_COMPLETED))
        o->covered += f->people;
    if (offer_is_live(f))
        offer_link(e, f, slot);
    if (f->state == OFFER_PENDING)
        heap_set(&e->timers, f->expires_at, f->id | TIMER_OFFER, &f->heap_place);
    return true;
}

void engine_load_served(struct engine *e, uint64_t person, uint64_t org)
{
    if (person > ID_MAX) /* older ones tell of no place */
        pairs_add(&e->pairs, person, org);
}

void engine_load_gone_org(struct engine *e, uint64_t id)
{
    map_put(&e->gone_orgs, id, 0);
    e->gone_sum += hash64(id);
}

bool engine_org_is_gone(const struct engine *e, uint64_t id)
{
    return map_get(&e->gone_orgs, id) != SLOT_NONE;
}

void engine_load_counters(struct engine *e, struct counters counters)
{
    e->next = counters;
}

void engine_load_done(struct engine *e)
{
    for (uint32_t i = 0; i < e->orders.used; i++) {
        struct order *o = order_at(e, i);
        if (o->id == 0)
            continue;
        order_requeue(e, o);
        order_arm(e, o);
        if (o->is_assign_due && !o->is_waiting_assign) {
            o->is_waiting_assign = true;
            e->assign_waiting++;
            slots_add(&e->assign_queue, i);
        }
    }
    activity_load_done(e);
    e->emergency_slot = e->emergency_count != 0 ? 0 : SLOT_NONE;
    engine_effects_clear(e);
}

struct counters engine_counters(const struct engine *e)
{
    return e->next;
}

const struct order *engine_order(const struct engine *e, uint64_t id)
{
    uint32_t slot = map_get(&e->order_ids, id);
    return slot != SLOT_NONE ? order_at(e, slot) : NULL;
}

const struct offer *engine_offer(const struct engine *e, uint64_t id)
{
    uint32_t slot = map_get(&e->offer_ids, id);
    return slot != SLOT_NONE ? offer_at(e, slot) : NULL;
}

const struct org *engine_org(const struct engine *e, uint64_t id)
{
    uint32_t slot = map_get(&e->org_ids, id);
    return slot != SLOT_NONE ? org_at(e, slot) : NULL;
}

const struct order *engine_order_slot(const struct engine *e, uint32_t slot)
{
    return slot < e->orders.used && order_at(e, slot)->id != 0 ? order_at(e, slot) : NULL;
}

const struct offer *engine_offer_slot(const struct engine *e, uint32_t slot)
{
    return slot < e->offers.used && offer_at(e, slot)->id != 0 ? offer_at(e, slot) : NULL;
}

const struct org *engine_org_slot(const struct engine *e, uint32_t slot)
{
    return slot < e->orgs.used && org_at(e, slot)->id != 0 ? org_at(e, slot) : NULL;
}

const struct org *engine_next_org(const struct engine *e, uint32_t *slot)
{
    for (uint32_t i = *slot + 1; i < e->orgs.used; i++) {
        if (org_at(e, i)->id != 0) {
            *slot = i;
            return org_at(e, i);
        }
    }
    return NULL;
}

const struct order *engine_next_order(const struct engine *e, uint32_t *slot)
{
    for (uint32_t i = *slot + 1; i < e->orders.used; i++) {
        if (order_at(e, i)->id != 0) {
            *slot = i;
            return order_at(e, i);
        }
    }
    return NULL;
}

const struct catalogue *engine_catalogue(const struct engine *e)
{
    return &e->catalogue;
}

const struct calendar *engine_calendar(const struct engine *e)
{
    return &e->calendar;
}

const struct rules *engine_rules(const struct engine *e)
{
    return &e->rules;
}

uint32_t engine_region_count(const struct engine *e)
{
    return e->region_count;
}

const struct region *engine_region_slot(const struct engine *e, uint32_t slot)
{
    return slot < e->region_count ? &e->regions[slot] : NULL;
}

uint32_t engine_region_find(const struct engine *e, uint64_t code)
{
    return code != 0 ? map_get(&e->region_codes, code) : SLOT_NONE;
}

struct engine_counts engine_counts(const struct engine *e)
{
    struct engine_counts counts = {.orders = e->orders.live_count,
                                   .offers = e->offers.live_count,
                                   .orgs = e->orgs.live_count};
    for (uint32_t i = 0; i < e->region_count; i++)
        counts.ready += e->regions[i].queue_count;
    return counts;
}
