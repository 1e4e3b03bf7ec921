/* order.c -- the life of an order: one table of allowed moves, one function that moves.
 *
 *   placed ──reject▶ rejected●     placed ──return▶ returned ──resubmit▶ placed
 *     │ approve
 *   ready ◀────────┐  its offers came to nothing, or were given up
 *     │ dispatch   │
 *   offered ───────┤
 *     │ covered    │
 *   accepted ──────┤
 *     │ start      │
 *   serving ───────┘
 *     │ complete                    ready, offered ──every level exhausted▶ unmet●
 *   done ──rate, or time▶ closed●   placed … accepted ──cancel▶ cancelled●
 */
#include <string.h>

#include "geo.h"
#include "state.h"

#define S(state) (1u << ORDER_##state)
static const unsigned may_follow[ORDER_STATE_COUNT] = {
    [ORDER_PLACED] = S(READY) | S(REJECTED) | S(RETURNED) | S(CANCELLED),
    [ORDER_RETURNED] = S(PLACED) | S(CANCELLED),
    [ORDER_REJECTED] = 0,
    [ORDER_READY] = S(OFFERED) | S(UNMET) | S(CANCELLED),
    [ORDER_OFFERED] = S(READY) | S(ACCEPTED) | S(UNMET) | S(CANCELLED),
    [ORDER_ACCEPTED] = S(READY) | S(SERVING) | S(CANCELLED),
    [ORDER_SERVING] = S(READY) | S(DONE),
    [ORDER_DONE] = S(READY) | S(CLOSED),
    [ORDER_CLOSED] = 0,
    [ORDER_UNMET] = 0,
    [ORDER_CANCELLED] = 0,
};
#undef S

bool order_may_move(unsigned from, unsigned to)
{
    must(from < ORDER_STATE_COUNT && to < ORDER_STATE_COUNT);
    return (may_follow[from] >> to & 1) != 0;
}

bool order_has_ended(const struct order *o)
{
    return may_follow[o->state] == 0;
}

uint32_t order_missing(const struct order *o)
{
    uint32_t taken = o->covered + o->pending;
    return taken < o->headcount ? o->headcount - taken : 0;
}

bool order_is_waiting(const struct order *o)
{
    if (o->is_suspended)
        return false;
    return o->state == ORDER_READY || (o->state == ORDER_OFFERED && order_missing(o) != 0 &&
                                       o->mode != MODE_AUTO && o->mode != MODE_BROADCAST);
}

static void queue_leave(struct engine *e, struct order *o)
{
    struct region *region = &e->regions[o->queue_region];
    if (o->queue_prev != SLOT_NONE)
        order_at(e, o->queue_prev)->queue_next = o->queue_next;
    else
        region->queue_first = o->queue_next;
    if (o->queue_next != SLOT_NONE)
        order_at(e, o->queue_next)->queue_prev = o->queue_prev;
    region->queue_count--;
    o->is_queued = false;
}

static void queue_enter(struct engine *e, struct order *o)
{
    uint32_t slot = map_get(&e->order_ids, o->id);
    o->queue_region = region_at_level(e, o->region_slot, o->level);
    struct region *region = &e->regions[o->queue_region];
    o->queue_prev = SLOT_NONE;
    o->queue_next = region->queue_first;
    if (o->queue_next != SLOT_NONE)
        order_at(e, o->queue_next)->queue_prev = slot;
    region->queue_first = slot;
    region->queue_count++;
    o->is_queued = true;
}

void order_requeue(struct engine *e, struct order *o)
{
    if (o->is_queued)
        queue_leave(e, o);
    if (order_is_waiting(o))
        queue_enter(e, o);
}

void order_set_mode(struct engine *e, struct order *o, enum mode mode)
{
    o->mode = (uint8_t)mode;
    order_requeue(e, o); /* whether it waits for a dispatcher depends on it */
    touch_order(e, o);
}

void order_arm(struct engine *e, struct order *o)
{
    int64_t at = o->is_suspended ? 0 : o->due_at;
    if (o->supervised_until != 0 && (at == 0 || o->supervised_until < at))
        at = o->supervised_until;
    if (at != 0 && !order_has_ended(o))
        heap_set(&e->timers, at, o->id, &o->heap_place);
    else
        heap_remove(&e->timers, &o->heap_place);
}

void order_start_level(struct engine *e, struct order *o, int64_t now)
{
    bool is_first = o->level <= e->regions[o->region_slot].level;
    uint32_t minutes = is_first ? e->rules.first_level_min[o->priority]
                                : e->rules.upper_level_min[o->priority];
    o->due_at = deadline_after(e, o->priority, minutes, now);
    o->level_declines = 0;
}

void order_move(struct engine *e, struct order *o, enum order_state next, int64_t now)
{
    unsigned from = o->state;
    must(order_may_move(from, next));
    o->state = (uint8_t)next;
    o->moved_at = now;
    if (next == ORDER_PLACED) {
        o->due_at = deadline_after(e, o->priority, e->rules.review_min[o->priority], now);
    } else if (next == ORDER_READY) {
        if (from != ORDER_OFFERED) /* between ready and offered the level's clock runs on */
            order_start_level(e, o, now);
    } else if (next == ORDER_DONE) {
        o->due_at = now + e->rules.close_min[o->priority] * INT64_C(60000);
    } else if (next != ORDER_OFFERED) {
        o->due_at = 0;
    }
    if (next != ORDER_READY && next != ORDER_OFFERED)
        o->claimed_until = 0;
    if (order_has_ended(o)) {
        o->is_assign_due = false;
        slots_add(&e->ended, map_get(&e->order_ids, o->id));
    }
    order_requeue(e, o);
    order_arm(e, o);
    touch_order(e, o);
}

void order_want_assign(struct engine *e, struct order *o)
{
    if (o->mode != MODE_BROADCAST && order_is_emergency(e, o))
        order_set_mode(e, o, MODE_BROADCAST);
    bool is_automatic = o->mode == MODE_AUTO || o->mode == MODE_BROADCAST;
    bool is_open = o->state == ORDER_READY || o->state == ORDER_OFFERED;
    if (!is_automatic || !is_open || o->is_suspended || order_missing(o) == 0)
        return;
    if (o->mode == MODE_BROADCAST && o->pending != 0)
        return; /* those who were asked have not all answered */
    o->is_assign_due = true;
    touch_order(e, o);
    if (o->is_waiting_assign)
        return;
    o->is_waiting_assign = true;
    e->assign_waiting++;
    slots_add(&e->assign_queue, map_get(&e->order_ids, o->id));
}

/* Fills in what follows from the region: its slot, county, level, and point when no place is given. */
static struct refusal fill_place(const struct engine *e, const struct order_request *r,
                                 struct order *o)
{
    uint32_t slot = map_get(&e->region_codes, r->region);
    if (slot == SLOT_NONE)
        return refuse(REFUSAL_NOT_FOUND, "region");
    const struct region *region = &e->regions[slot];
    o->region = r->region;
    o->region_slot = slot;
    o->county = region->county != SLOT_NONE ? e->regions[region->county].code : 0;
    o->level = region->level;
    if (r->has_place && (r->lat < -LAT_MAX || r->lat > LAT_MAX))
        return refuse_range("lat", -90, 90);
    if (r->has_place && (r->lon < -LON_MAX || r->lon > LON_MAX))
        return refuse_range("lon", -180, 180);
    if (!r->has_place && !region->has_point && !r->is_remote)
        return refuse(REFUSAL_MISSING_FIELD, "lat"); /* the region has no point of its own */
    o->lat = r->has_place ? r->lat : region->lat;
    o->lon = r->has_place ? r->lon : region->lon;
    o->is_remote = r->is_remote;
    if (r->max_distance_m > REACH_M_MAX)
        return refuse_range("max_distance_m", 1, REACH_M_MAX);
    o->max_distance_m = r->max_distance_m;
    return REFUSED_NOT;
}

static struct refusal fill_window(const struct engine *e, const struct order_request *r,
                                  int64_t now, struct order *o)
{
    int64_t horizon = now + HORIZON_DAYS * DAY_MS;
    o->minutes = r->minutes != 0 ? r->minutes : 60;
    if (o->minutes > SERVICE_MINUTES_MAX)
        return refuse_range("minutes", 1, SERVICE_MINUTES_MAX);
    int64_t length = o->minutes * INT64_C(60000);
    o->starts_at = r->starts_at != 0 ? r->starts_at : now;
    if (o->starts_at < now - WINDOW_DAYS_MAX * DAY_MS || o->starts_at > horizon)
        return refuse_range("starts_at", now - WINDOW_DAYS_MAX * DAY_MS, horizon);
    int64_t later = o->starts_at > now ? o->starts_at : now;
    o->ends_at = r->ends_at != 0 ? r->ends_at
                                 : later + e->rules.window_min[o->priority] * INT64_C(60000);
    int64_t low = later + length > o->starts_at + length ? later + length : o->starts_at + length;
    if (r->starts_at != 0 && r->starts_at <= now && now - r->starts_at < HALF_HOUR_MS)
        low = o->starts_at + length; /* "now": it may begin at once */
    if (o->ends_at < low || o->ends_at > o->starts_at + WINDOW_DAYS_MAX * DAY_MS)
        return refuse_range("ends_at", low, o->starts_at + WINDOW_DAYS_MAX * DAY_MS);
    return REFUSED_NOT;
}

struct refusal order_check_request(const struct engine *e, const struct order_request *r,
                                   int64_t now, struct order *o)
{
    *o = (struct order){.id = 0};
    if (r->priority >= PRIORITY_COUNT)
        return refuse(REFUSAL_BAD_VALUE, "priority");
    if (r->mode >= MODE_COUNT)
        return refuse(REFUSAL_BAD_VALUE, "mode");
    o->priority = r->priority;
    o->mode = r->mode;
    struct refusal refusal = fill_place(e, r, o);
    if (refusal.code == REFUSAL_NONE)
        refusal = fill_window(e, r, now, o);
    if (refusal.code != REFUSAL_NONE)
        return refusal;
    if (r->category < 0 || r->category >= e->catalogue.count ||
        !e->catalogue.skills[r->category].is_category)
        return refuse(REFUSAL_BAD_VALUE, "category");
    o->category = (uint8_t)r->category;
    o->skills = r->skills;
    skillset_add(&o->skills, r->category);
    o->headcount = r->headcount != 0 ? r->headcount : 1;
    if (o->headcount > HEADCOUNT_MAX)
        return refuse_range("headcount", 1, HEADCOUNT_MAX);
    o->people_min = r->people_min != 0 ? r->people_min : o->headcount;
    if (o->people_min > o->headcount)
        return refuse_range("people_min", 1, o->headcount);
    if (r->groups >> GROUP_COUNT != 0)
        return refuse(REFUSAL_BAD_VALUE, "groups");
    if (r->person > ID_MAX)
        return refuse_range("person", 1, ID_MAX);
    o->groups = r->groups;
    o->person = r->person;
    o->is_risk = r->is_risk;
    o->is_proxy = r->is_proxy;
    memcpy(o->external_id, r->external_id, sizeof o->external_id);
    return REFUSED_NOT;
}

uint32_t order_enter(struct engine *e, const struct order *filled)
{
    uint32_t slot = pool_take(&e->orders);
    struct order *o = order_at(e, slot);
    *o = *filled;
    o->covered = o->pending = 0;
    o->first_offer = o->queue_next = o->queue_prev = SLOT_NONE;
    o->heap_place = 0;
    o->is_dirty = o->is_queued = o->is_waiting_assign = false;
    map_put(&e->order_ids, o->id, slot);
    return slot;
}

void order_forget(struct engine *e, uint32_t slot)
{
    struct order *o = order_at(e, slot);
    must(order_has_ended(o) && !o->is_queued);
    if (o->is_waiting_assign)
        e->assign_waiting--;
    heap_remove(&e->timers, &o->heap_place);
    for (uint32_t i = o->first_offer; i != SLOT_NONE;) {
        struct offer *f = offer_at(e, i);
        uint32_t next = f->next_of_order;
        must(!f->is_linked && f->heap_place == 0);
        map_remove(&e->offer_ids, f->id);
        *f = (struct offer){.id = 0};
        pool_give(&e->offers, i);
        i = next;
    }
    map_remove(&e->order_ids, o->id);
    *o = (struct order){.id = 0};
    pool_give(&e->orders, slot);
}
