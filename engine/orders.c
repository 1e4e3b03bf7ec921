/* orders.c -- what callers ask of one order, each move with its check. */
#include <string.h>

#include "geo.h"
#include "state.h"

typedef struct refusal move(struct engine *e, const struct command *c, int64_t now, struct order *o,
                            struct outcome *outcome);

uint32_t place_filled(struct engine *e, const struct order *filled, bool needs_review,
                      const struct command *c, int64_t now)
{
    struct order fresh = *filled;
    fresh.id = (uint64_t)e->node << SEQUENCE_BITS | e->next.order++;
    fresh.placed_at = fresh.moved_at = now;
    fresh.state = ORDER_PLACED;
    fresh.due_at = deadline_after(e, fresh.priority, e->rules.review_min[fresh.priority], now);
    uint32_t slot = order_enter(e, &fresh);
    struct order *o = order_at(e, slot);
    touch_order(e, o);
    order_arm(e, o);
    if (!needs_review)
        order_move(e, o, ORDER_READY, now);
    order_want_assign(e, o);
    emit_order(e, EVENT_PLACED, o, c, now);
    return slot;
}

static struct refusal place(struct engine *e, const struct command *c, int64_t now,
                            struct outcome *outcome)
{
    struct order filled;
    struct refusal refusal = order_check_request(e, &c->u.place, now, &filled);
    if (refusal.code != REFUSAL_NONE || c->is_check)
        return refusal;
    outcome->id = order_at(e, place_filled(e, &filled, c->u.place.needs_review, c, now))->id;
    return REFUSED_NOT;
}

static struct refusal need_state(const struct order *o, unsigned states)
{
    return (states >> o->state & 1) != 0 ? REFUSED_NOT : refuse(REFUSAL_BAD_STATE, "order");
}

#define IN(state) (1u << ORDER_##state)
#define OPEN (IN(READY) | IN(OFFERED))
#define LIVE (IN(PLACED) | IN(RETURNED) | OPEN | IN(ACCEPTED) | IN(SERVING) | IN(DONE))

static struct refusal approve(struct engine *e, const struct command *c, int64_t now,
                              struct order *o, struct outcome *outcome)
{
    (void)outcome;
    order_move(e, o, ORDER_READY, now);
    order_want_assign(e, o);
    emit_order(e, EVENT_APPROVED, o, c, now);
    return REFUSED_NOT;
}

static struct refusal reject(struct engine *e, const struct command *c, int64_t now,
                             struct order *o, struct outcome *outcome)
{
    (void)outcome;
    order_move(e, o, ORDER_REJECTED, now);
    emit_order(e, EVENT_REJECTED, o, c, now);
    return REFUSED_NOT;
}

static struct refusal give_back(struct engine *e, const struct command *c, int64_t now,
                                struct order *o, struct outcome *outcome)
{
    (void)outcome;
    order_move(e, o, ORDER_RETURNED, now);
    emit_order(e, EVENT_RETURNED, o, c, now);
    return REFUSED_NOT;
}

/* What the request leaves out stays as it was. */
static struct refusal resubmit(struct engine *e, const struct command *c, int64_t now,
                               struct order *o, struct outcome *outcome)
{
    (void)outcome;
    const struct order_request *changes = &c->u.place;
    struct order_request r = {.region = changes->region != 0 ? changes->region : o->region,
                              .person = o->person,
                              .lat = changes->has_place ? changes->lat : o->lat,
                              .lon = changes->has_place ? changes->lon : o->lon,
                              .has_place = changes->has_place || !o->is_remote,
                              .is_remote = o->is_remote,
                              .is_risk = o->is_risk || changes->is_risk,
                              .is_proxy = o->is_proxy};
    r.category = changes->category >= 0 ? changes->category : o->category;
    r.skills = skillset_next(&changes->skills, 0) >= 0 ? changes->skills : o->skills;
    r.starts_at = changes->starts_at != 0 ? changes->starts_at : o->starts_at;
    r.ends_at = changes->ends_at != 0 ? changes->ends_at : o->ends_at;
    r.minutes = changes->minutes != 0 ? changes->minutes : o->minutes;
    r.headcount = changes->headcount != 0 ? changes->headcount : o->headcount;
    r.people_min = changes->people_min;
    r.max_distance_m = changes->max_distance_m != 0 ? changes->max_distance_m : o->max_distance_m;
    r.priority = o->priority;
    r.groups = changes->groups != 0 ? changes->groups : o->groups;
    r.mode = o->mode;
    memcpy(r.external_id, o->external_id, sizeof r.external_id);
    struct order filled;
    struct refusal refusal = order_check_request(e, &r, now, &filled);
    if (refusal.code != REFUSAL_NONE)
        return refusal;
    o->region = filled.region;
    o->region_slot = filled.region_slot;
    o->county = filled.county;
    o->level = filled.level;
    o->lat = filled.lat;
    o->lon = filled.lon;
    o->is_risk = filled.is_risk;
    o->category = filled.category;
    o->skills = filled.skills;
    o->starts_at = filled.starts_at;
    o->ends_at = filled.ends_at;
    o->minutes = filled.minutes;
    o->headcount = filled.headcount;
    o->people_min = filled.people_min;
    o->max_distance_m = filled.max_distance_m;
    o->groups = filled.groups;
    order_move(e, o, ORDER_PLACED, now);
    emit_order(e, EVENT_RESUBMITTED, o, c, now);
    return REFUSED_NOT;
}

static struct refusal cancel(struct engine *e, const struct command *c, int64_t now,
                             struct order *o, struct outcome *outcome)
{
    (void)outcome;
    for (uint32_t slot = o->first_offer; slot != SLOT_NONE; slot = offer_at(e, slot)->next_of_order)
        if (offer_at(e, slot)->state == OFFER_SERVING)
            return refuse(REFUSAL_BAD_STATE, "order"); /* somebody is there already */
    order_withdraw_offers(e, o, true, false, c, now);
    order_move(e, o, ORDER_CANCELLED, now);
    emit_order(e, EVENT_CANCELLED, o, c, now);
    return REFUSED_NOT;
}

static struct refusal escalate(struct engine *e, const struct command *c, int64_t now,
                               struct order *o, struct outcome *outcome)
{
    (void)outcome;
    if (o->is_suspended)
        return refuse(REFUSAL_BAD_STATE, "order");
    order_climb(e, o, c, now);
    return REFUSED_NOT;
}

static struct refusal supervise(struct engine *e, const struct command *c, int64_t now,
                                struct order *o, struct outcome *outcome)
{
    (void)outcome;
    int64_t high = now + HORIZON_DAYS * DAY_MS;
    if (c->u.until <= now || c->u.until > high)
        return refuse_range("until", now + 1, high);
    o->supervised_until = c->u.until;
    order_arm(e, o);
    touch_order(e, o);
    emit_order(e, EVENT_SUPERVISED, o, c, now);
    return REFUSED_NOT;
}

static struct refusal merge(struct engine *e, const struct command *c, int64_t now, struct order *o,
                            struct outcome *outcome)
{
    (void)outcome;
    uint32_t into = map_get(&e->order_ids, c->u.into);
    if (into == SLOT_NONE || order_has_ended(order_at(e, into)))
        return refuse(REFUSAL_NOT_FOUND, "into");
    if (c->u.into == o->id)
        return refuse(REFUSAL_BAD_VALUE, "into");
    if (o->covered != 0)
        return refuse(REFUSAL_BAD_STATE, "order"); /* somebody has accepted */
    o->merged_into = c->u.into;
    order_withdraw_offers(e, o, false, false, c, now);
    order_move(e, o, ORDER_CANCELLED, now);
    emit_order(e, EVENT_MERGED, o, c, now);
    return REFUSED_NOT;
}

static struct refusal suspend(struct engine *e, const struct command *c, int64_t now,
                              struct order *o, struct outcome *outcome)
{
    (void)outcome;
    if (o->is_suspended)
        return REFUSED_NOT;
    order_withdraw_offers(e, o, false, false, c, now);
    order_settle(e, o, c, now);
    o->is_suspended = true;
    o->is_assign_due = false;
    order_requeue(e, o);
    order_arm(e, o);
    touch_order(e, o);
    emit_order(e, EVENT_SUSPENDED, o, c, now);
    return REFUSED_NOT;
}

static struct refusal resume(struct engine *e, const struct command *c, int64_t now,
                             struct order *o, struct outcome *outcome)
{
    (void)outcome;
    if (!o->is_suspended)
        return REFUSED_NOT;
    o->is_suspended = false;
    if (o->state == ORDER_READY)
        order_start_level(e, o, now);
    order_requeue(e, o);
    order_arm(e, o);
    order_want_assign(e, o);
    touch_order(e, o);
    emit_order(e, EVENT_RESUMED, o, c, now);
    return REFUSED_NOT;
}

static void count_rating(struct engine *e, const struct order *o, uint8_t stars, int64_t now)
{
    for (uint32_t slot = o->first_offer; slot != SLOT_NONE;) {
        const struct offer *f = offer_at(e, slot);
        slot = f->next_of_order;
        uint32_t org = map_get(&e->org_ids, f->org);
        if (f->round != o->round || f->state != OFFER_COMPLETED || org == SLOT_NONE)
            continue;
        org_at(e, org)->tally.rating_count++;
        org_at(e, org)->tally.rating_sum += stars;
        activity_rated(e, org, stars, now);
    }
}

static struct refusal rate(struct engine *e, const struct command *c, int64_t now, struct order *o,
                           struct outcome *outcome)
{
    (void)outcome;
    uint8_t stars = c->u.rate.stars;
    if (stars < 1 || stars > 5)
        return refuse_range("stars", 1, 5);
    if (c->u.rate.is_rework && stars > 2)
        return refuse_range("stars", 1, 2); /* rework follows a bad rating only */
    o->rating = stars;
    count_rating(e, o, stars, now);
    if (!c->u.rate.is_rework) {
        order_move(e, o, ORDER_CLOSED, now);
        emit_order(e, EVENT_RATED, o, c, now);
        return REFUSED_NOT;
    }
    o->round++;
    o->covered = 0;
    o->start_at = 0;
    if (o->ends_at < now + o->minutes * INT64_C(60000)) {
        o->starts_at = now; /* its window is over: it gets a new one */
        o->ends_at = now + e->rules.window_min[o->priority] * INT64_C(60000);
    }
    order_move(e, o, ORDER_READY, now);
    order_want_assign(e, o);
    emit_order(e, EVENT_REWORKED, o, c, now);
    return REFUSED_NOT;
}

static bool is_claimed_by_other(const struct order *o, const struct command *c, int64_t now)
{
    return o->claimed_until > now && strcmp(o->claimed_by, c->actor) != 0;
}

static struct refusal claim(struct engine *e, const struct command *c, int64_t now, struct order *o,
                            struct outcome *outcome)
{
    (void)outcome;
    if (is_claimed_by_other(o, c, now))
        return refuse(REFUSAL_CLAIMED, "order");
    bool is_mine = o->claimed_until > now;
    if (c->op == OP_TOUCH && !is_mine)
        return refuse(REFUSAL_BAD_STATE, "order"); /* the lease has run out */
    size_t len = strlen(c->actor);
    must(len < sizeof o->claimed_by);
    memset(o->claimed_by, 0, sizeof o->claimed_by);
    memcpy(o->claimed_by, c->actor, len);
    o->claimed_until = now + e->rules.claim_min * INT64_C(60000);
    touch_order(e, o);
    if (!is_mine)
        emit_order(e, EVENT_CLAIMED, o, c, now);
    return REFUSED_NOT;
}

static struct refusal unclaim(struct engine *e, const struct command *c, int64_t now,
                              struct order *o, struct outcome *outcome)
{
    (void)outcome;
    if (is_claimed_by_other(o, c, now))
        return refuse(REFUSAL_CLAIMED, "order");
    if (o->claimed_until <= now)
        return REFUSED_NOT;
    o->claimed_until = 0;
    touch_order(e, o);
    emit_order(e, EVENT_UNCLAIMED, o, c, now);
    return REFUSED_NOT;
}

static struct refusal dispatch(struct engine *e, const struct command *c, int64_t now,
                               struct order *o, struct outcome *outcome)
{
    if (is_claimed_by_other(o, c, now))
        return refuse(REFUSAL_CLAIMED, "order");
    return dispatch_manual(e, c, now, o, &outcome->id);
}

static struct refusal set_mode(struct engine *e, const struct command *c, int64_t now,
                               struct order *o, struct outcome *outcome)
{
    (void)outcome;
    if (is_claimed_by_other(o, c, now))
        return refuse(REFUSAL_CLAIMED, "order");
    if (o->is_suspended)
        return refuse(REFUSAL_BAD_STATE, "order");
    if (c->u.mode >= MODE_COUNT)
        return refuse(REFUSAL_BAD_VALUE, "mode");
    o->is_assign_due = false;
    order_set_mode(e, o, (enum mode)c->u.mode);
    order_want_assign(e, o);
    touch_order(e, o);
    emit_order(e, EVENT_MODE_CHANGED, o, c, now);
    return REFUSED_NOT;
}

static struct refusal close_short(struct engine *e, const struct command *c, int64_t now,
                                  struct order *o, struct outcome *outcome)
{
    (void)outcome;
    if (o->covered == 0)
        return refuse(REFUSAL_BAD_STATE, "order"); /* nobody has accepted */
    o->headcount = o->covered;
    if (o->people_min > o->headcount)
        o->people_min = o->headcount;
    if (o->state == ORDER_READY)
        order_move(e, o, ORDER_OFFERED, now);
    order_settle(e, o, c, now);
    emit_order(e, EVENT_CLOSED_SHORT, o, c, now);
    return REFUSED_NOT;
}

/* An order with personal data is known by a rounded place only, whatever it was placed or changed with:
 * the exact one is in its contact. */
static struct refusal note(struct engine *e, const struct command *c, int64_t now,
                                   struct order *o, struct outcome *outcome)
{
    (void)outcome;
    if (c->u.note.kind == EVENT_CONTACT_PUT) {
        o->lat = geo_rounded(o->lat);
        o->lon = geo_rounded(o->lon);
    }
    emit_order(e, c->u.note.kind, o, c, now);
    return REFUSED_NOT;
}

/* Of no order, or of one that has ended, which is in the store only. */
static void note_elsewhere(struct engine *e, const struct command *c, int64_t now)
{
    struct event *event = emit(e, c->u.note.kind, c, now);
    uint32_t slot = map_get(&e->region_codes, c->u.note.region);
    event->order = c->order;
    event->region = c->u.note.region;
    if (slot != SLOT_NONE && e->regions[slot].county != SLOT_NONE)
        event->county = e->regions[e->regions[slot].county].code;
}

static const struct {
    unsigned states; /* in which it may be asked */
    move *move;
} moves[OP_COUNT] = {
    [OP_APPROVE] = {IN(PLACED), approve},
    [OP_REJECT] = {IN(PLACED), reject},
    [OP_RETURN] = {IN(PLACED), give_back},
    [OP_RESUBMIT] = {IN(RETURNED), resubmit},
    [OP_CANCEL] = {IN(PLACED) | IN(RETURNED) | OPEN | IN(ACCEPTED), cancel},
    [OP_ESCALATE] = {OPEN, escalate},
    [OP_SUPERVISE] = {LIVE, supervise},
    [OP_MERGE] = {OPEN, merge},
    [OP_SUSPEND] = {OPEN, suspend},
    [OP_RESUME] = {OPEN, resume},
    [OP_RATE] = {IN(DONE), rate},
    [OP_CLAIM] = {OPEN, claim},
    [OP_TOUCH] = {OPEN, claim},
    [OP_UNCLAIM] = {OPEN, unclaim},
    [OP_DISPATCH] = {OPEN, dispatch},
    [OP_SET_MODE] = {OPEN, set_mode},
    [OP_CLOSE_SHORT] = {OPEN, close_short},
    [OP_NOTE] = {LIVE, note},
};

struct refusal request_order(struct engine *e, const struct command *c, int64_t now,
                             struct outcome *outcome)
{
    if (c->op == OP_PLACE)
        return place(e, c, now, outcome);
    if (c->op == OP_NOTE && c->order == 0) {
        note_elsewhere(e, c, now);
        return REFUSED_NOT;
    }
    uint32_t slot = map_get(&e->order_ids, c->order);
    if (slot == SLOT_NONE && c->op == OP_NOTE && c->u.note.kind != EVENT_CONTACT_PUT &&
        (c->order & ((UINT64_C(1) << SEQUENCE_BITS) - 1)) < e->next.order) {
        note_elsewhere(e, c, now);
        return REFUSED_NOT;
    }
    if (slot == SLOT_NONE)
        return refuse(REFUSAL_NOT_FOUND, "order");
    struct order *o = order_at(e, slot);
    struct refusal refusal = need_state(o, moves[c->op].states);
    if (refusal.code != REFUSAL_NONE)
        return refusal;
    outcome->id = o->id;
    return moves[c->op].move(e, c, now, o, outcome);
}
