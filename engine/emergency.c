/* emergency.c -- emergency mode: a supervisor opens it for a region, for a time, with a reason.
 *
 * While it is open, orders of the region (and below) that are not routine are broadcast at once, whatever
 * their mode was: to more organisations, as far as the city's reach, certified ones first, and outside
 * the hours that they have set, for at three in the morning of a typhoon the roster is not the question.
 * Duty, skills, capacity and insurance stay what they are. Opening, closing, and the change of the orders that
 * waited are events; an order that comes to wait later is a broadcast from then on, each offer's event says
 * why, and each offer remembers what was waived for it. */
#include "state.h"

static struct emergency *find(struct engine *e, uint64_t region)
{
    for (uint32_t i = 0; i < e->emergency_count; i++)
        if (e->emergencies[i].region == region)
            return &e->emergencies[i];
    return NULL;
}

bool engine_is_emergency(const struct engine *e, uint32_t region_slot, unsigned priority)
{
    for (uint32_t i = 0; i < e->emergency_count && priority != PRIORITY_ROUTINE; i++)
        if (engine_region_within(e, region_slot, map_get(&e->region_codes, e->emergencies[i].region)))
            return true;
    return false;
}

bool order_is_emergency(const struct engine *e, const struct order *o)
{
    return e->emergency_count != 0 && engine_is_emergency(e, o->region_slot, o->priority);
}

static void emit_region(struct engine *e, enum event_kind kind, uint64_t region, const struct command *c, int64_t now)
{
    uint32_t slot = map_get(&e->region_codes, region);
    struct event *event = emit(e, kind, c, now);
    event->region = region;
    if (slot != SLOT_NONE && e->regions[slot].county != SLOT_NONE)
        event->county = e->regions[e->regions[slot].county].code;
}

static void end(struct engine *e, struct emergency *row, const struct command *c, int64_t now)
{
    effect_emergency(e, (struct emergency){.region = row->region});
    emit_region(e, EVENT_EMERGENCY_CLOSED, row->region, c, now);
    *row = e->emergencies[--e->emergency_count];
}

static struct refusal begin(struct engine *e, const struct command *c, int64_t now)
{
    int64_t high = now + EMERGENCY_DAYS_MAX * DAY_MS;
    struct emergency *row = find(e, c->u.emergency.region);
    if (map_get(&e->region_codes, c->u.emergency.region) == SLOT_NONE)
        return refuse(REFUSAL_NOT_FOUND, "region");
    if (c->u.emergency.until <= now || c->u.emergency.until > high)
        return refuse_range("until", now + 1, high);
    if (c->reason == NULL)
        return refuse(REFUSAL_MISSING_FIELD, "reason");
    if (row == NULL && e->emergency_count == EMERGENCY_COUNT_MAX)
        return refuse(REFUSAL_LIMIT, "region");
    if (row == NULL) {
        row = &e->emergencies[e->emergency_count++];
        *row = (struct emergency){.region = c->u.emergency.region, .opened_at = now};
    }
    row->until = c->u.emergency.until;
    effect_emergency(e, *row);
    emit_region(e, EVENT_EMERGENCY_OPENED, row->region, c, now);
    e->emergency_slot = 0; /* the orders that wait are looked through, slice by slice */
    return REFUSED_NOT;
}

struct refusal request_emergency(struct engine *e, const struct command *c, int64_t now)
{
    if (c->op == OP_EMERGENCY_OPEN)
        return begin(e, c, now);
    struct emergency *row = find(e, c->u.emergency.region);
    if (row == NULL)
        return refuse(REFUSAL_NOT_FOUND, "region");
    end(e, row, c, now);
    return REFUSED_NOT;
}

static void take_in(struct engine *e, struct order *o, const struct command *c, int64_t now)
{
    struct command said = *c;
    said.reason = "emergency";
    bool is_open = o->state == ORDER_READY || o->state == ORDER_OFFERED;
    if (!is_open || o->is_suspended || o->mode == MODE_BROADCAST || !order_is_emergency(e, o))
        return;
    order_set_mode(e, o, MODE_BROADCAST);
    emit_order(e, EVENT_MODE_CHANGED, o, &said, now);
    order_want_assign(e, o);
}

void emergency_tick(struct engine *e, const struct command *c, int64_t now)
{
    struct command said = *c;
    said.reason = "expired";
    for (uint32_t i = e->emergency_count; i-- > 0;)
        if (e->emergencies[i].until <= now)
            end(e, &e->emergencies[i], &said, now);
    for (int i = 0; i < TICK_SLICE && e->emergency_slot < e->orders.used; i++, e->emergency_slot++)
        if (order_at(e, e->emergency_slot)->id != 0)
            take_in(e, order_at(e, e->emergency_slot), c, now);
    if (e->emergency_slot >= e->orders.used)
        e->emergency_slot = SLOT_NONE;
}

int64_t emergency_deadline(const struct engine *e)
{
    int64_t at = e->emergency_slot != SLOT_NONE ? 0 : INT64_MAX;
    for (uint32_t i = 0; i < e->emergency_count; i++)
        at = e->emergencies[i].until < at ? e->emergencies[i].until : at;
    return at;
}

bool engine_load_emergency(struct engine *e, const struct emergency *row)
{
    if (map_get(&e->region_codes, row->region) == SLOT_NONE || e->emergency_count == EMERGENCY_COUNT_MAX)
        return false;
    e->emergencies[e->emergency_count++] = *row;
    return true;
}

const struct emergency *engine_emergencies(const struct engine *e, uint32_t *count)
{
    *count = e->emergency_count;
    return e->emergencies;
}
