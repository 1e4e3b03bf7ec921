#include "push_parked.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base.h"
#include "engine/pool.h"

#define AGAIN_FIRST_MS 600000
#define AGAIN_MOST_MS 3600000

void parked_fini(struct parked *p)
{
    free(p->events);
    free(p->orders);
    *p = (struct parked){.events = NULL};
}

static struct parked_order *find_order(const struct parked *p, uint64_t order)
{
    for (uint32_t i = 0; i < p->order_count; i++)
        if (p->orders[i].order == order)
            return &p->orders[i];
    return NULL;
}

/* Where an event stands, or would. */
static uint32_t place_of(const struct parked *p, uint64_t event)
{
    uint32_t low = 0;
    for (uint32_t high = p->event_count; low < high;) {
        uint32_t middle = low + (high - low) / 2;
        if (p->events[middle].seq < event)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool parked_has_order(const struct parked *p, uint64_t order)
{
    return find_order(p, order) != NULL;
}

bool parked_has(const struct parked *p, uint64_t event)
{
    uint32_t place = place_of(p, event);
    return place < p->event_count && p->events[place].seq == event;
}

bool parked_add(struct parked *p, uint64_t event, uint64_t order, int64_t next_at)
{
    struct parked_order *o = find_order(p, order);
    uint32_t place = place_of(p, event);
    if (parked_has(p, event))
        return true;
    if (p->event_count == PARKED_EVENTS_MAX || (o == NULL && p->order_count == PARKED_ORDERS_MAX))
        return false;
    if (p->event_count == p->event_room)
        p->events = must_realloc(p->events, p->event_room = p->event_room * 2 + 16, sizeof *p->events);
    memmove(p->events + place + 1, p->events + place, (p->event_count - place) * sizeof *p->events);
    p->events[place] = (struct parked_event){.seq = event, .order = order};
    p->event_count++;
    if (o == NULL) {
        if (p->order_count == p->order_room)
            p->orders = must_realloc(p->orders, p->order_room = p->order_room * 2 + 16, sizeof *p->orders);
        o = &p->orders[p->order_count++];
        *o = (struct parked_order){.order = order, .next_at = next_at};
    }
    o->count++;
    return true;
}

static struct parked_order *order_of(const struct parked *p, uint64_t event)
{
    return parked_has(p, event) ? find_order(p, p->events[place_of(p, event)].order) : NULL;
}

bool parked_remove(struct parked *p, uint64_t event)
{
    struct parked_order *o = order_of(p, event);
    uint32_t place = place_of(p, event);
    if (o == NULL)
        return false;
    p->event_count--;
    memmove(p->events + place, p->events + place + 1, (p->event_count - place) * sizeof *p->events);
    o->next_at = 0;
    o->tries = 0;
    if (--o->count == 0)
        *o = p->orders[--p->order_count];
    return true;
}

uint64_t parked_due(const struct parked *p, int64_t now)
{
    const struct parked_order *due = NULL;
    for (uint32_t i = 0; i < p->order_count; i++)
        if (p->orders[i].next_at <= now && (due == NULL || p->orders[i].next_at < due->next_at))
            due = &p->orders[i];
    for (uint32_t i = 0; due != NULL && i < p->event_count; i++)
        if (p->events[i].order == due->order)
            return p->events[i].seq;
    return 0;
}

bool parked_failed(struct parked *p, uint64_t event, int64_t now)
{
    struct parked_order *o = order_of(p, event);
    if (o == NULL)
        return false;
    int64_t pause = (int64_t)AGAIN_FIRST_MS << (o->tries < 3 ? o->tries : 3);
    o->next_at = now + (pause < AGAIN_MOST_MS ? pause : AGAIN_MOST_MS);
    o->tries++;
    return true;
}

bool parked_hurry(struct parked *p, uint64_t event)
{
    struct parked_order *o = order_of(p, event);
    if (o != NULL)
        o->next_at = 0;
    return o != NULL;
}
