/* cover.c -- offers, and how an order's state follows from them.
 *
 * Several organisations may cover one order. Its state is never set by hand once it is ready: after
 * each answer order_settle() derives it from the offers of the current round. */
#include <stdlib.h>

#include "diary.h"
#include "state.h"

bool offer_is_live(const struct offer *f)
{
    return f->state == OFFER_PENDING || f->state == OFFER_ACCEPTED || f->state == OFFER_SERVING;
}

/* Whether it takes people of its organisation: a broadcast asks without reserving. */
bool offer_holds(const struct offer *f)
{
    return f->state == OFFER_ACCEPTED || f->state == OFFER_SERVING ||
           (f->state == OFFER_PENDING && f->mode != MODE_BROADCAST);
}

/* The local half-hours that an offer touches. */
static void half_hours_of(const struct engine *e, const struct offer *f, int64_t *first, int64_t *last)
{
    *first = calendar_half_hour(&e->calendar, f->start_at);
    *last = calendar_half_hour(&e->calendar, f->start_at + f->minutes * INT64_C(60000) - 1);
}

static void offer_hold(struct engine *e, struct offer *f)
{
    int64_t first = 0;
    int64_t last = 0;
    if (f->is_held || !offer_holds(f))
        return;
    half_hours_of(e, f, &first, &last);
    diary_hold(org_more_make(org_at(e, f->org_slot)), first, last, f->people);
    f->is_held = true;
}

void offer_unhold(struct engine *e, struct offer *f)
{
    int64_t first = 0;
    int64_t last = 0;
    if (!f->is_held)
        return;
    half_hours_of(e, f, &first, &last);
    diary_free(org_at(e, f->org_slot)->more, first, last, f->people);
    f->is_held = false;
}

uint32_t offer_held_at(const struct engine *e, const struct offer *f, int64_t half_hour)
{
    int64_t first = 0;
    int64_t last = 0;
    half_hours_of(e, f, &first, &last);
    return f->is_held && half_hour >= first && half_hour <= last ? f->people : 0;
}

/* Local half-hours are others from now on: every promise is entered anew. Cost: all offers. */
void offers_move_clock(struct engine *e, int32_t offset_min)
{
    uint8_t *was_held = must_alloc(e->offers.used + 1, 1);
    for (uint32_t i = 0; i < e->offers.used; i++) {
        was_held[i] = offer_at(e, i)->id != 0 && offer_at(e, i)->is_held;
        if (was_held[i])
            offer_unhold(e, offer_at(e, i));
    }
    e->calendar.offset_min = offset_min;
    for (uint32_t i = 0; i < e->offers.used; i++)
        if (was_held[i])
            offer_hold(e, offer_at(e, i));
    free(was_held);
}

void offer_link(struct engine *e, struct offer *f, uint32_t slot)
{
    struct org *org = org_at(e, f->org_slot);
    f->prev_of_org = SLOT_NONE;
    f->next_of_org = org->first_offer;
    if (org->first_offer != SLOT_NONE)
        offer_at(e, org->first_offer)->prev_of_org = slot;
    org->first_offer = slot;
    org_more_make(org)->live_count++;
    f->is_linked = true;
    offer_hold(e, f);
}

void offer_unlink(struct engine *e, struct offer *f, uint32_t slot)
{
    struct org *org = org_at(e, f->org_slot);
    must(f->is_linked && org_more(org)->live_count != 0);
    offer_unhold(e, f);
    if (f->prev_of_org != SLOT_NONE)
        offer_at(e, f->prev_of_org)->next_of_org = f->next_of_org;
    else
        must(org->first_offer == slot), org->first_offer = f->next_of_org;
    if (f->next_of_org != SLOT_NONE)
        offer_at(e, f->next_of_org)->prev_of_org = f->prev_of_org;
    org->more->live_count--;
    f->is_linked = false;
}

/* What an offer counts for: people asked, people covered. */
static void count_people(struct order *o, const struct offer *f, uint32_t by)
{
    if (f->round != o->round)
        return;
    if (f->state == OFFER_PENDING)
        o->pending += by;
    else if (f->state == OFFER_ACCEPTED || f->state == OFFER_SERVING || f->state == OFFER_COMPLETED)
        o->covered += by;
}

struct offer *offer_make(struct engine *e, struct order *o, const struct assignment *a, uint8_t mode,
                         uint8_t waived, const struct command *c, int64_t now)
{
    uint32_t slot = pool_take(&e->offers);
    struct offer *f = offer_at(e, slot);
    *f = (struct offer){
        .id = (uint64_t)e->node << SEQUENCE_BITS | e->next.offer++,
        .order_id = o->id,
        .org = a->org,
        .county = o->county,
        .start_at = a->start_at,
        .made_at = now,
        .expires_at = deadline_after(e, o->priority, e->rules.round_min[o->priority], now),
        .people = a->people,
        .minutes = o->minutes,
        .state = OFFER_PENDING,
        .mode = mode,
        .round = o->round,
        .waived = waived,
        .order_slot = map_get(&e->order_ids, o->id),
        .org_slot = map_get(&e->org_ids, a->org),
        .next_of_order = o->first_offer,
    };
    must(f->org_slot != SLOT_NONE);
    map_put(&e->offer_ids, f->id, slot);
    o->first_offer = slot;
    offer_link(e, f, slot);
    count_people(o, f, f->people);
    if (mode != MODE_BROADCAST)
        o->start_at = f->start_at;
    heap_set(&e->timers, f->expires_at, f->id | TIMER_OFFER, &f->heap_place);
    touch_offer(e, f);
    touch_order(e, o);
    emit_offer(e, EVENT_OFFERED, f, c, now);
    e->events[e->event_count - 1].state = ORDER_OFFERED;
    return f;
}

void offer_set_state(struct engine *e, struct offer *f, enum offer_state next, int64_t now)
{
    struct order *o = order_at(e, f->order_slot);
    bool was_pending = f->state == OFFER_PENDING;
    must(f->state != next);
    count_people(o, f, 0 - f->people);
    f->state = (uint8_t)next;
    count_people(o, f, f->people);
    if (was_pending) {
        f->answered_at = now;
        heap_remove(&e->timers, &f->heap_place);
    }
    if (!offer_is_live(f) && f->is_linked)
        offer_unlink(e, f, map_get(&e->offer_ids, f->id));
    else if (f->is_linked)
        offer_hold(e, f); /* a broadcast holds once it is accepted */
    touch_offer(e, f);
    touch_order(e, o);
}

void order_withdraw_offers(struct engine *e, struct order *o, bool with_accepted, bool is_covered,
                           const struct command *c, int64_t now)
{
    for (uint32_t slot = o->first_offer; slot != SLOT_NONE;) {
        struct offer *f = offer_at(e, slot);
        slot = f->next_of_order;
        if (f->state != OFFER_PENDING && !(with_accepted && f->state == OFFER_ACCEPTED))
            continue;
        f->is_covered = is_covered;
        offer_set_state(e, f, OFFER_WITHDRAWN, now);
        emit_offer(e, EVENT_WITHDRAWN, f, c, now);
    }
}

/* The state that the offers of this round call for. */
static enum order_state state_from_offers(const struct engine *e, const struct order *o)
{
    if (o->covered < o->headcount)
        return o->pending != 0 ? ORDER_OFFERED : ORDER_READY;
    bool has_begun = false;
    bool is_complete = true;
    for (uint32_t slot = o->first_offer; slot != SLOT_NONE;) {
        const struct offer *f = offer_at(e, slot);
        slot = f->next_of_order;
        if (f->round != o->round)
            continue;
        has_begun |= f->state == OFFER_SERVING || f->state == OFFER_COMPLETED;
        is_complete &= f->state != OFFER_ACCEPTED && f->state != OFFER_SERVING;
    }
    if (is_complete)
        return ORDER_DONE;
    return has_begun ? ORDER_SERVING : ORDER_ACCEPTED;
}

void order_settle(struct engine *e, struct order *o, const struct command *c, int64_t now)
{
    if (order_has_ended(o) || o->state < ORDER_READY)
        return;
    if (o->covered >= o->headcount && o->pending != 0)
        order_withdraw_offers(e, o, false, true, c, now);
    if (o->covered == 0 && o->pending == 0)
        o->start_at = 0;
    enum order_state target = state_from_offers(e, o);
    if (target < o->state)
        order_move(e, o, ORDER_READY, now);
    while (o->state < target) /* ready, offered, accepted, serving, done: one after the other */
        order_move(e, o, (enum order_state)(o->state + 1), now);
    order_requeue(e, o);
    touch_order(e, o);
}

/* Every level is exhausted: those who have accepted go ahead without the rest; else nobody serves. */
static void exhaust(struct engine *e, struct order *o, const struct command *c, int64_t now)
{
    if (o->covered != 0) {
        o->headcount = o->covered;
        if (o->people_min > o->headcount)
            o->people_min = o->headcount;
        order_settle(e, o, c, now);
        emit_order(e, EVENT_CLOSED_SHORT, o, c, now);
        return;
    }
    order_withdraw_offers(e, o, false, false, c, now);
    order_move(e, o, ORDER_UNMET, now);
    emit_order(e, EVENT_UNMET, o, c, now);
}

void order_climb(struct engine *e, struct order *o, const struct command *c, int64_t now)
{
    must(o->state == ORDER_READY || o->state == ORDER_OFFERED);
    if (o->level >= LEVEL_CITY) {
        exhaust(e, o, c, now);
        return;
    }
    o->level++;
    order_start_level(e, o, now);
    order_arm(e, o);
    order_requeue(e, o);
    touch_order(e, o);
    emit_order(e, EVENT_ESCALATED, o, c, now);
    order_want_assign(e, o);
}

/* After an offer came to nothing: the state follows, then the next organisation is asked, and after
 * enough declines the order climbs. */
void order_lost_offer(struct engine *e, struct order *o, const struct command *c, int64_t now)
{
    order_settle(e, o, c, now);
    bool is_open = o->state == ORDER_READY || o->state == ORDER_OFFERED;
    if (is_open && !o->is_suspended && o->level_declines >= e->rules.declines_climb)
        order_climb(e, o, c, now);
    else
        order_want_assign(e, o);
}
