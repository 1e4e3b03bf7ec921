/* offers.c -- what organisations answer, and what time answers for them. */
#include "match.h"
#include "state.h"

typedef struct refusal answer(struct engine *e, const struct command *c, int64_t now,
                              struct offer *f, struct order *o, struct outcome *outcome);

static struct refusal not_pending(const struct offer *f)
{
    if (f->state == OFFER_EXPIRED)
        return refuse(REFUSAL_EXPIRED, "offer");
    if (f->state == OFFER_WITHDRAWN && f->is_covered)
        return refuse(REFUSAL_COVERED, "offer");
    return refuse(REFUSAL_BAD_STATE, "offer");
}

/* The same check as when the offer was made, for the world may have changed since. */
static struct refusal check_again(struct engine *e, const struct offer *f, const struct order *o,
                                  int64_t now, struct candidate *candidate)
{
    struct want want = match_want(e, o, now);
    want.own_offer = f->id;
    want.waived |= f->waived;
    want.people = o->headcount - o->covered;
    if (o->start_at == 0)
        want.fixed_start = f->start_at; /* it was asked for this time */
    struct refusal refusal = refuse(REFUSAL_MISFIT, "offer");
    refusal.id = f->org;
    refusal.misfit = match_try(e, &want, org_at(e, f->org_slot), candidate);
    return refusal.misfit == MISFIT_NONE ? REFUSED_NOT : refusal;
}

static struct refusal accept(struct engine *e, const struct command *c, int64_t now,
                             struct offer *f, struct order *o, struct outcome *outcome)
{
    (void)outcome;
    if (f->state == OFFER_ACCEPTED)
        return REFUSED_NOT; /* said before */
    if (f->state != OFFER_PENDING)
        return not_pending(f);
    if (now >= f->expires_at)
        return refuse(REFUSAL_EXPIRED, "offer");
    if (o->covered >= o->headcount)
        return refuse(REFUSAL_COVERED, "offer");
    struct candidate candidate;
    struct refusal refusal = check_again(e, f, o, now, &candidate);
    if (refusal.code != REFUSAL_NONE)
        return refusal;
    uint32_t missing = o->headcount - o->covered;
    uint32_t least = o->people_min < missing ? o->people_min : missing;
    least = least < f->people ? least : f->people;
    uint32_t most = candidate.people < f->people ? candidate.people : f->people;
    most = most < missing ? most : missing;
    uint32_t people = c->u.people != 0 ? c->u.people : most;
    if (people < least || people > most)
        return refuse_range("people", least, most);
    offer_unhold(e, f); /* it may come with fewer people, or at another time */
    o->pending -= f->people;
    f->people = people;
    o->pending += people;
    f->start_at = candidate.start_at;
    o->start_at = candidate.start_at;
    offer_set_state(e, f, OFFER_ACCEPTED, now);
    struct tally *tally = &org_at(e, f->org_slot)->tally;
    tally->last_accept_at = now;
    tally->accept_count++;
    activity_answered(e, f, true, now);
    order_settle(e, o, c, now);
    emit_offer(e, EVENT_ACCEPTED, f, c, now);
    order_want_assign(e, o);
    return REFUSED_NOT;
}

static struct refusal decline(struct engine *e, const struct command *c, int64_t now,
                              struct offer *f, struct order *o, struct outcome *outcome)
{
    (void)outcome;
    if (f->state == OFFER_DECLINED)
        return REFUSED_NOT;
    if (f->state != OFFER_PENDING)
        return not_pending(f);
    offer_set_state(e, f, OFFER_DECLINED, now);
    org_at(e, f->org_slot)->tally.decline_count++;
    activity_answered(e, f, false, now);
    o->declines++;
    o->level_declines++;
    emit_offer(e, EVENT_DECLINED, f, c, now);
    order_lost_offer(e, o, c, now);
    return REFUSED_NOT;
}

static struct refusal withdraw(struct engine *e, const struct command *c, int64_t now,
                               struct offer *f, struct order *o, struct outcome *outcome)
{
    (void)outcome;
    if (f->state == OFFER_WITHDRAWN)
        return REFUSED_NOT;
    if (f->state != OFFER_PENDING)
        return not_pending(f);
    offer_set_state(e, f, OFFER_WITHDRAWN, now);
    emit_offer(e, EVENT_WITHDRAWN, f, c, now);
    order_lost_offer(e, o, c, now);
    return REFUSED_NOT;
}

static struct refusal start(struct engine *e, const struct command *c, int64_t now,
                            struct offer *f, struct order *o, struct outcome *outcome)
{
    (void)outcome;
    if (f->state == OFFER_SERVING)
        return REFUSED_NOT;
    if (f->state != OFFER_ACCEPTED)
        return refuse(REFUSAL_BAD_STATE, "offer");
    offer_set_state(e, f, OFFER_SERVING, now);
    order_settle(e, o, c, now);
    emit_offer(e, EVENT_STARTED, f, c, now);
    return REFUSED_NOT;
}

/* The day that the minutes count for: that on which it was to begin, or today's when it was earlier. */
static int32_t day_of_service(const struct engine *e, const struct offer *f, int64_t now)
{
    int32_t today = calendar_day(&e->calendar, now);
    int32_t day = calendar_day(&e->calendar, f->start_at);
    return day < today ? day : today;
}

static struct refusal check_records(const struct engine *e, const struct command *c, const struct offer *f,
                                    int64_t now)
{
    const struct record *records = c->u.complete.records;
    if (c->u.complete.count > RECORD_COUNT_MAX)
        return refuse_range("records", 0, RECORD_COUNT_MAX);
    for (uint32_t i = 0; i < c->u.complete.count; i++) {
        struct record_row row = {.volunteer = records[i].volunteer, .minutes = records[i].minutes,
                                 .day = day_of_service(e, f, now)};
        struct refusal refusal = record_check(e, &row, NULL);
        if (refusal.code != REFUSAL_NONE)
            return refusal;
        for (uint32_t before = 0; before < i; before++)
            if (records[before].volunteer == records[i].volunteer)
                return refuse(REFUSAL_BAD_VALUE, "records"); /* a volunteer twice */
    }
    return REFUSED_NOT;
}

/* The records of a completed service; *held is how many of them wait for a review. */
static uint32_t enter_records(struct engine *e, const struct command *c, int64_t now, const struct offer *f,
                              const struct order *o, uint32_t *held)
{
    uint32_t minutes = 0;
    for (uint32_t i = 0; i < c->u.complete.count; i++) {
        struct record_row row = {.order = o->id, .offer = f->id, .org = f->org, .region = o->region,
                                 .volunteer = c->u.complete.records[i].volunteer,
                                 .minutes = c->u.complete.records[i].minutes,
                                 .day = day_of_service(e, f, now)};
        record_enter(e, &row, c, now);
        *held += row.state != RECORD_CERTIFIED;
        minutes += row.state == RECORD_CERTIFIED ? row.minutes : 0;
    }
    activity_served(e, f->org_slot, c->u.complete.count - *held, minutes, now);
    return minutes;
}

static struct refusal complete(struct engine *e, const struct command *c, int64_t now,
                               struct offer *f, struct order *o, struct outcome *outcome)
{
    if (f->state != OFFER_SERVING)
        return refuse(REFUSAL_BAD_STATE, "offer");
    struct refusal refusal = check_records(e, c, f, now);
    if (refusal.code != REFUSAL_NONE)
        return refusal;
    org_at(e, f->org_slot)->tally.complete_count++;
    activity_ended(e, f, true, now);
    offer_set_state(e, f, OFFER_COMPLETED, now);
    uint64_t helped = helped_at(o->person, o->region);
    if (helped != 0 && pairs_add(&e->pairs, helped, f->org))
        effect_served(e, helped, f->org);
    order_settle(e, o, c, now);
    uint32_t minutes = enter_records(e, c, now, f, o, &outcome->count);
    emit_offer(e, EVENT_COMPLETED, f, c, now);
    e->events[e->event_count - 1].minutes = minutes;
    return REFUSED_NOT;
}

static struct refusal give_up(struct engine *e, const struct command *c, int64_t now,
                              struct offer *f, struct order *o, struct outcome *outcome)
{
    (void)outcome;
    bool is_no_show = c->op == OP_NO_SHOW;
    if (f->state != OFFER_ACCEPTED && (f->state != OFFER_SERVING || is_no_show))
        return refuse(REFUSAL_BAD_STATE, "offer");
    org_at(e, f->org_slot)->tally.no_show_count += is_no_show;
    activity_ended(e, f, false, now);
    offer_set_state(e, f, is_no_show ? OFFER_NO_SHOW : OFFER_RELEASED, now);
    emit_offer(e, is_no_show ? EVENT_NO_SHOW : EVENT_RELEASED, f, c, now);
    order_lost_offer(e, o, c, now);
    return REFUSED_NOT;
}

static answer *const answers[OP_COUNT] = {
    [OP_ACCEPT] = accept,     [OP_DECLINE] = decline, [OP_WITHDRAW] = withdraw,
    [OP_START] = start,       [OP_COMPLETE] = complete, [OP_RELEASE] = give_up,
    [OP_NO_SHOW] = give_up,
};

struct refusal request_offer(struct engine *e, const struct command *c, int64_t now,
                             struct outcome *outcome)
{
    uint32_t slot = map_get(&e->offer_ids, c->offer);
    if (slot == SLOT_NONE)
        return refuse(REFUSAL_NOT_FOUND, "offer");
    struct offer *f = offer_at(e, slot);
    outcome->id = f->id;
    return answers[c->op](e, c, now, f, order_at(e, f->order_slot), outcome);
}

static void expire(struct engine *e, const struct command *c, int64_t now, struct offer *f)
{
    struct order *o = order_at(e, f->order_slot);
    offer_set_state(e, f, OFFER_EXPIRED, now);
    org_at(e, f->org_slot)->tally.expire_count++;
    activity_answered(e, f, false, now);
    emit_offer(e, EVENT_EXPIRED, f, c, now);
    order_lost_offer(e, o, c, now);
}

/* An order's clock: supervision that was not met, a review overdue, a level used up, time to close. */
static void order_due(struct engine *e, const struct command *c, int64_t now, struct order *o)
{
    bool is_due = o->due_at != 0 && o->due_at <= now && !o->is_suspended;
    touch_order(e, o);
    if (o->supervised_until != 0 && o->supervised_until <= now) {
        o->supervised_until = 0;
        emit_order(e, EVENT_OVERDUE, o, c, now);
    }
    if (is_due && o->state == ORDER_DONE) {
        order_move(e, o, ORDER_CLOSED, now);
        emit_order(e, EVENT_CLOSED, o, c, now);
    } else if (is_due && (o->state == ORDER_READY || o->state == ORDER_OFFERED)) {
        order_climb(e, o, c, now);
    } else if (is_due) {
        o->due_at = 0;
        emit_order(e, EVENT_OVERDUE, o, c, now);
    }
    if (!order_has_ended(o))
        order_arm(e, o);
}

void timer_fire(struct engine *e, const struct command *c, int64_t now)
{
    const struct heap_entry *top = heap_top(&e->timers);
    must(top != NULL);
    uint64_t key = top->key;
    if ((key & TIMER_SERIES) != 0)
        series_fire(e, c, now, pool_at(&e->series, map_get(&e->series_ids, key & ~TIMER_SERIES)));
    else if ((key & TIMER_OFFER) != 0)
        expire(e, c, now, offer_at(e, map_get(&e->offer_ids, key & ~TIMER_OFFER)));
    else
        order_due(e, c, now, order_at(e, map_get(&e->order_ids, key)));
}
