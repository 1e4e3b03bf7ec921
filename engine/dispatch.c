/* dispatch.c -- the four ways in which orders come before organisations. */
#include <stdlib.h>

#include "plan.h"
#include "state.h"

static struct assignment assignment_of(const struct order *o, const struct candidate *c)
{
    return (struct assignment){.order = o->id,
                               .org = c->org,
                               .people = c->people,
                               .score = c->score,
                               .start_at = c->start_at,
                               .distance_mm = c->distance_mm};
}

/* manual: the dispatcher names the organisations; all fit or none is asked. */

static struct refusal check_manual(const struct engine *e, const struct command *c,
                                   const struct order *o)
{
    if (o->is_suspended)
        return refuse(REFUSAL_BAD_STATE, "order");
    if (c->u.dispatch.is_instruction && o->declines < e->rules.declines_instruction)
        return refuse(REFUSAL_TOO_FEW_DECLINES, "instruction");
    if (c->u.dispatch.count == 0 || c->u.dispatch.count > DISPATCH_ORG_COUNT_MAX)
        return refuse_range("orgs", 1, DISPATCH_ORG_COUNT_MAX);
    for (uint32_t i = 0; i < c->u.dispatch.count; i++)
        for (uint32_t before = 0; before < i; before++)
            if (c->u.dispatch.orgs[before] == c->u.dispatch.orgs[i])
                return refuse(REFUSAL_BAD_VALUE, "orgs"); /* twice */
    if (c->u.dispatch.people > o->headcount)
        return refuse_range("people", 1, o->headcount);
    if (c->u.dispatch.waived != 0 && c->reason == NULL)
        return refuse(REFUSAL_MISSING_FIELD, "reason");
    return REFUSED_NOT;
}

/* Tries the organisations one after the other, each for the people whom those before it leave. When
 * nobody is missing any more the further ones are asked for all of them: who accepts first serves. */
static struct refusal plan_manual(struct engine *e, const struct command *c, int64_t now,
                                  const struct order *o, struct assignment *plan, uint32_t *planned)
{
    struct want want = match_want(e, o, now);
    uint32_t uncovered = o->headcount - o->covered;
    want.waived |= c->u.dispatch.waived;
    want.people = order_missing(o) != 0 ? order_missing(o) : uncovered;
    for (uint32_t i = 0; i < c->u.dispatch.count; i++) {
        uint32_t slot = map_get(&e->org_ids, c->u.dispatch.orgs[i]);
        struct refusal refusal = refuse(REFUSAL_NOT_FOUND, "orgs");
        refusal.id = c->u.dispatch.orgs[i];
        if (slot == SLOT_NONE)
            return refusal;
        struct candidate candidate;
        refusal.code = REFUSAL_MISFIT;
        refusal.misfit = match_try(e, &want, org_at(e, slot), &candidate);
        if (refusal.misfit != MISFIT_NONE)
            return refusal;
        if (c->u.dispatch.people != 0 && c->u.dispatch.people < candidate.people)
            candidate.people = c->u.dispatch.people;
        plan[(*planned)++] = assignment_of(o, &candidate);
        want.fixed_start = candidate.start_at;
        want.people = want.people > candidate.people ? want.people - candidate.people : uncovered;
    }
    return REFUSED_NOT;
}

struct refusal dispatch_manual(struct engine *e, const struct command *c, int64_t now,
                               struct order *o, uint64_t *offer)
{
    struct assignment plan[DISPATCH_ORG_COUNT_MAX];
    uint32_t planned = 0;
    struct refusal refusal = check_manual(e, c, o);
    if (refusal.code == REFUSAL_NONE)
        refusal = plan_manual(e, c, now, o, plan, &planned);
    if (refusal.code != REFUSAL_NONE)
        return refusal;
    if (c->u.dispatch.waived != 0)
        emit_order(e, EVENT_OVERRIDDEN, o, c, now);
    for (uint32_t i = 0; i < planned; i++) {
        uint8_t waived = c->u.dispatch.waived | (order_is_emergency(e, o) ? EMERGENCY_WAIVED : 0);
        struct offer *f = offer_make(e, o, &plan[i], MODE_MANUAL, waived, c, now);
        *offer = f->id;
        if (!c->u.dispatch.is_instruction)
            continue;
        offer_set_state(e, f, OFFER_ACCEPTED, now); /* an instruction cannot be declined */
        emit_offer(e, EVENT_ACCEPTED, f, c, now);
    }
    order_settle(e, o, c, now);
    return REFUSED_NOT;
}

/* auto and broadcast: the engine asks the best, and climbs when nobody is left to ask. */

static bool is_open(const struct order *o)
{
    return o->state == ORDER_READY || o->state == ORDER_OFFERED;
}

static uint32_t ask_found(struct engine *e, struct order *o, const struct want *want, uint32_t limit,
                          uint8_t waived, const struct command *c, int64_t now)
{
    struct candidate one;
    /* cppcheck-suppress uninitvar ; match_find fills it */
    struct candidate *found = limit == 1 ? &one : must_alloc(limit, sizeof *found);
    uint32_t count = match_find(e, want, RANK_SCORE, limit, found);
    for (uint32_t i = 0; i < count; i++) {
        struct assignment a = assignment_of(o, &found[i]);
        offer_make(e, o, &a, o->mode, waived, c, now);
    }
    if (found != &one)
        free(found);
    return count;
}

/* Asks those who are best at this level; how many were asked. */
static uint32_t ask_best(struct engine *e, struct order *o, const struct command *c, int64_t now)
{
    struct want want = match_want(e, o, now);
    want.is_automatic = true;
    if (!order_is_emergency(e, o))
        return ask_found(e, o, &want, o->mode == MODE_BROADCAST ? e->rules.broadcast_count : 1, 0, c, now);
    struct want certified = want; /* those whose skills are certified come before all others */
    struct command said = *c;
    certified.certified = want.skills;
    said.reason = "emergency";
    uint32_t limit = e->rules.emergency_count;
    uint32_t asked = ask_found(e, o, &certified, limit, EMERGENCY_WAIVED, &said, now);
    if (asked < limit) /* nobody is asked twice, so the others are who is left */
        asked += ask_found(e, o, &want, limit - asked, EMERGENCY_WAIVED, &said, now);
    return asked;
}

static void dispatch_one(struct engine *e, struct order *o, const struct command *c, int64_t now)
{
    while (is_open(o) && !o->is_suspended && order_missing(o) != 0) {
        bool is_broadcast = o->mode == MODE_BROADCAST;
        if (!is_broadcast && o->mode != MODE_AUTO)
            break;
        if (is_broadcast && o->pending != 0)
            break;
        if (ask_best(e, o, c, now) != 0)
            continue;
        if (o->pending != 0)
            break; /* those who were asked may still cover it */
        order_climb(e, o, c, now);
    }
    o->is_assign_due = false;
    order_settle(e, o, c, now);
}

/* More urgent orders first, then those placed first. */
static int by_urgency(const struct order *a, const struct order *b)
{
    if (a->priority != b->priority)
        return a->priority > b->priority ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

/* Sorts order slots by urgency: a merge sort, for qsort() takes no context. */
static void sort_slots(const struct engine *e, uint32_t *slots, uint32_t count, uint32_t *spare)
{
    if (count < 2)
        return;
    uint32_t half = count / 2;
    sort_slots(e, slots, half, spare);
    sort_slots(e, slots + half, count - half, spare);
    uint32_t a = 0;
    uint32_t b = half;
    for (uint32_t i = 0; i < count; i++) {
        bool take_a = b == count || (a < half && by_urgency(order_at(e, slots[a]),
                                                            order_at(e, slots[b])) <= 0);
        spare[i] = take_a ? slots[a++] : slots[b++];
    }
    for (uint32_t i = 0; i < count; i++)
        slots[i] = spare[i];
}

/* Makes the offers of a plan. */
static void offer_plan(struct engine *e, const uint32_t *slots, const struct plan *plan, uint8_t mode,
                       const struct command *c, int64_t now)
{
    for (uint32_t i = 0; i < plan->count; i++) {
        struct order *o = order_at(e, slots[i]);
        if (plan->picks[i].org == 0)
            continue;
        struct assignment a = assignment_of(o, &plan->picks[i]);
        offer_make(e, o, &a, mode, 0, c, now);
        order_settle(e, o, c, now);
    }
}

/* What arrived together is assigned together; what a plan leaves open is taken one by one after. */
static void ask_together(struct engine *e, const uint32_t *slots, uint32_t count,
                         const struct command *c, int64_t now)
{
    uint32_t planned[ASSIGN_COUNT_MAX];
    uint32_t planned_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct order *o = order_at(e, slots[i]);
        if (o->mode == MODE_AUTO && is_open(o) && !o->is_suspended && order_missing(o) != 0)
            planned[planned_count++] = slots[i];
    }
    if (planned_count < 2)
        return;
    struct plan plan = plan_make(e, planned, planned_count, now, PLAN_TOGETHER);
    must(plan.count == planned_count);
    offer_plan(e, planned, &plan, MODE_AUTO, c, now);
    plan_fini(&plan);
}

void dispatch_assign(struct engine *e, const struct command *c, int64_t now)
{
    uint32_t taken[ASSIGN_COUNT_MAX];
    uint32_t spare[ASSIGN_COUNT_MAX];
    uint32_t count = 0;
    uint32_t read = 0;
    struct slots *queue = &e->assign_queue;
    for (; read < queue->count && count < ASSIGN_COUNT_MAX; read++) {
        struct order *o = order_at(e, queue->items[read]);
        if (!o->is_waiting_assign)
            continue;
        o->is_waiting_assign = false;
        e->assign_waiting--;
        if (!o->is_assign_due)
            continue;
        o->is_assign_due = false;
        touch_order(e, o);
        taken[count++] = queue->items[read];
    }
    queue->count -= read;
    for (uint32_t i = 0; i < queue->count; i++)
        queue->items[i] = queue->items[i + read];
    sort_slots(e, taken, count, spare);
    ask_together(e, taken, count, c, now);
    for (uint32_t i = 0; i < count; i++)
        dispatch_one(e, order_at(e, taken[i]), c, now);
}

/* batch: all ready orders of a region together, previewed or committed. */

static void collect_ready(struct engine *e, uint32_t region, uint32_t *slots, uint32_t *count,
                          uint32_t *waiting)
{
    for (uint32_t s = e->regions[region].queue_first; s != SLOT_NONE; s = order_at(e, s)->queue_next) {
        (*waiting)++;
        if (order_at(e, s)->state == ORDER_READY && *count < ASSIGN_COUNT_MAX)
            slots[(*count)++] = s;
    }
    for (uint32_t child = e->regions[region].first_child; child != SLOT_NONE;
         child = e->regions[child].next_sibling)
        collect_ready(e, child, slots, count, waiting);
}

static uint32_t served(const struct plan_worth *worth)
{
    uint32_t sum = 0;
    for (int i = 0; i < PRIORITY_COUNT; i++)
        sum += worth->served[i];
    return sum;
}

struct refusal dispatch_batch(struct engine *e, const struct command *c, int64_t now,
                              struct outcome *outcome)
{
    uint32_t region = map_get(&e->region_codes, c->u.batch.region);
    if (region == SLOT_NONE)
        return refuse(REFUSAL_NOT_FOUND, "region");
    uint32_t slots[ASSIGN_COUNT_MAX];
    uint32_t spare[ASSIGN_COUNT_MAX];
    uint32_t count = 0;
    collect_ready(e, region, slots, &count, &outcome->waiting);
    sort_slots(e, slots, count, spare);
    struct plan plan = plan_make(e, slots, count, now, PLAN_BOUNDED);
    must(plan.count == count);
    outcome->first = e->assignment_count;
    for (uint32_t i = 0; i < count; i++)
        if (plan.picks[i].org != 0)
            effect_assignment(e, assignment_of(order_at(e, slots[i]), &plan.picks[i]));
    outcome->count = e->assignment_count - outcome->first;
    outcome->score = plan.worth.score;
    outcome->bound_count = served(&plan.bound);
    outcome->bound_score = plan.bound.score;
    outcome->is_exact = plan.is_exact;
    if (!c->u.batch.is_dry_run)
        offer_plan(e, slots, &plan, MODE_BATCH, c, now);
    plan_fini(&plan);
    return REFUSED_NOT;
}
