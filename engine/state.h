/* state.h -- the engine's inside, shared by its own files only. */
#ifndef PAIDAN_STATE_H
#define PAIDAN_STATE_H

#include "engine.h"
#include "index.h"
#include "pool.h"
#include "search.h"

/* What a county's organisations can do, for the rarity of skills. */
struct supply {
    uint32_t orgs;
    uint32_t skilled[SKILL_COUNT_MAX];
};

/* How many minutes each volunteer served on each of the last days. */
struct ledger {
    struct day_minutes {
        uint64_t volunteer; /* 0 is an empty place: open addressing */
        int32_t day;
        uint32_t minutes;
    } *entries;
    uint64_t room, count;
};

/* Which organisations have served which persons where: helped_at(). */
struct pairs {
    struct served_pair *entries; /* open addressing; person 0 is an empty place */
    uint64_t room, count;
};

struct engine {
    uint32_t node;
    struct counters next;
    struct rules rules;
    struct calendar calendar;
    struct catalogue catalogue;

    struct region *regions;
    struct supply **supplies; /* by region slot, for counties */
    uint32_t region_count, region_room;
    struct map region_codes;
    struct supply no_supply;

    struct pool orders, offers, orgs;
    struct map order_ids, offer_ids, org_ids;
    struct heap timers;
    struct index index;
    struct pairs pairs;
    struct map gone_orgs; /* numbers of organisations that were removed: they are not given again */
    uint64_t gone_sum;    /* of them, for the digest */
    struct slots assign_queue; /* order slots; those whose flag is off are passed over */
    uint32_t assign_waiting;
    struct search_memory search;
    uint32_t most_activity, most_rating; /* of any organisation so far: bounds on the score */
    bool has_homes;                      /* some organisation has had a region of its own */

    struct ledger ledger;
    struct pool held; /* records that wait for their review */
    struct map held_ids;
    struct pool series;
    struct map series_ids;
    struct emergency emergencies[EMERGENCY_COUNT_MAX];
    uint32_t emergency_count;
    uint32_t emergency_slot; /* orders from here on are not yet in the mode that is open; SLOT_NONE: all are */
    int64_t aging_at;        /* when what is recent grows older by a day; INT64_MAX: nothing is recent */
    uint32_t aging_slot;

    /* effects */
    struct slots dirty_orders, dirty_offers, dirty_orgs, dirty_tallies, ended;
    struct event *events;
    struct record_row *records;
    struct served_pair *served;
    uint64_t *removed_orgs;
    struct assignment *assignments;
    struct emergency *emergency_effects;
    struct series *series_effects;
    uint32_t emergency_effect_count, emergency_effect_room, series_effect_count, series_effect_room;
    uint32_t event_count, event_room, record_count, record_room, served_count, served_room,
        removed_count, removed_room, assignment_count, assignment_room;
    bool is_catalogue_changed;
};

/* Keys of the heap of deadlines. */
#define TIMER_OFFER (UINT64_C(1) << 60)
#define TIMER_SERIES (UINT64_C(1) << 61)

static inline struct order *order_at(const struct engine *e, uint32_t slot)
{
    return pool_at(&e->orders, slot);
}
static inline struct offer *offer_at(const struct engine *e, uint32_t slot)
{
    return pool_at(&e->offers, slot);
}
static inline struct org *org_at(const struct engine *e, uint32_t slot)
{
    return pool_at(&e->orgs, slot);
}

/* refusals */
#define REFUSED_NOT ((struct refusal){.code = REFUSAL_NONE})
static inline struct refusal refuse(enum refusal_code code, const char *field)
{
    return (struct refusal){.code = code, .field = field};
}
static inline struct refusal refuse_range(const char *field, int64_t low, int64_t high)
{
    return (struct refusal){.code = REFUSAL_OUT_OF_RANGE, .field = field, .low = low, .high = high};
}

/* effects.c */
void touch_order(struct engine *e, struct order *o);
void touch_offer(struct engine *e, struct offer *f);
void touch_org(struct engine *e, uint32_t slot);
void touch_tally(struct engine *e, uint32_t slot);
struct event *emit(struct engine *e, enum event_kind kind, const struct command *c, int64_t now);
void emit_order(struct engine *e, enum event_kind kind, struct order *o,
                const struct command *c, int64_t now);
void emit_offer(struct engine *e, enum event_kind kind, const struct offer *f,
                const struct command *c, int64_t now);
void effect_record(struct engine *e, struct record_row row);
void effect_served(struct engine *e, uint64_t person, uint64_t org);
void effect_removed(struct engine *e, uint64_t org);
void effect_assignment(struct engine *e, struct assignment a);
void effect_emergency(struct engine *e, struct emergency row);
void effect_series(struct engine *e, const struct series *row);
void effects_fini(struct engine *e);

/* tables.c */
struct refusal table_add_region(struct engine *e, const struct command *c);
struct refusal table_add_skill(struct engine *e, const struct skill *skill);
uint32_t region_at_level(const struct engine *e, uint32_t slot, unsigned level);
const struct supply *supply_of(const struct engine *e, uint32_t county_slot);
/* A person at a place, in one number beyond ID_MAX, so that it is nobody's own; 0 of nobody. */
uint64_t helped_at(uint64_t person, uint64_t region);
bool pairs_has(const struct pairs *pairs, uint64_t person, uint64_t org);
bool pairs_add(struct pairs *pairs, uint64_t person, uint64_t org); /* false: was there */
int64_t deadline_after(const struct engine *e, unsigned priority, uint32_t minutes, int64_t now);

/* org.c */
struct refusal org_put(struct engine *e, const struct command *c, int64_t now, uint64_t *id);
struct refusal org_remove(struct engine *e, const struct command *c, int64_t now);
struct refusal org_set_duty(struct engine *e, const struct command *c, int64_t now);
struct refusal org_set_dates(struct engine *e, const struct command *c, int64_t now);
uint32_t org_rating(const struct org *org); /* 0..1000 */
void org_bound(struct engine *e, const struct org *org); /* after its tally changed */
bool org_is_open(const struct org *org, int64_t half_hour);
bool org_serves_region(const struct engine *e, const struct org *org, uint32_t region_slot);
uint32_t org_county(const struct engine *e, const struct org *org); /* a region's slot, or none */
void org_enter(struct engine *e, uint32_t slot); /* into index and supply */
struct org_more *org_more_make(struct org *org);

/* order.c: the one table of moves, the one function that moves */
bool order_may_move(unsigned from, unsigned to);
void order_move(struct engine *e, struct order *o, enum order_state next, int64_t now);
bool order_is_waiting(const struct order *o); /* belongs into its region's queue */
uint32_t order_missing(const struct order *o);
void order_requeue(struct engine *e, struct order *o);
void order_set_mode(struct engine *e, struct order *o, enum mode mode);
void order_arm(struct engine *e, struct order *o);
void order_start_level(struct engine *e, struct order *o, int64_t now);
void order_want_assign(struct engine *e, struct order *o);
struct refusal order_check_request(const struct engine *e, const struct order_request *r,
                                   int64_t now, struct order *o);
uint32_t order_enter(struct engine *e, const struct order *filled);
void order_forget(struct engine *e, uint32_t slot);

/* cover.c: offers, and how the order's state follows from them */
struct offer *offer_make(struct engine *e, struct order *o, const struct assignment *a, uint8_t mode,
                         uint8_t waived, const struct command *c, int64_t now);
void offer_set_state(struct engine *e, struct offer *f, enum offer_state next, int64_t now);
void offer_link(struct engine *e, struct offer *f, uint32_t slot);
void offer_unlink(struct engine *e, struct offer *f, uint32_t slot);
bool offer_holds(const struct offer *f);
void offer_unhold(struct engine *e, struct offer *f); /* before its people or its time change */
bool offer_is_live(const struct offer *f);
uint32_t offer_held_at(const struct engine *e, const struct offer *f, int64_t half_hour);
void offers_move_clock(struct engine *e, int32_t offset_min);
void order_settle(struct engine *e, struct order *o, const struct command *c, int64_t now);
void order_withdraw_offers(struct engine *e, struct order *o, bool with_accepted, bool is_covered,
                           const struct command *c, int64_t now);
void order_lost_offer(struct engine *e, struct order *o, const struct command *c, int64_t now);
void order_climb(struct engine *e, struct order *o, const struct command *c, int64_t now);

/* dispatch.c */
struct refusal dispatch_manual(struct engine *e, const struct command *c, int64_t now,
                               struct order *o, uint64_t *offer);
void dispatch_assign(struct engine *e, const struct command *c, int64_t now);
struct refusal dispatch_batch(struct engine *e, const struct command *c, int64_t now,
                              struct outcome *outcome);

/* orders.c and offers.c: what callers ask of one order or one offer */
struct refusal request_order(struct engine *e, const struct command *c, int64_t now,
                             struct outcome *outcome);
struct refusal request_offer(struct engine *e, const struct command *c, int64_t now,
                             struct outcome *outcome);
void timer_fire(struct engine *e, const struct command *c, int64_t now);
uint32_t place_filled(struct engine *e, const struct order *filled, bool needs_review,
                      const struct command *c, int64_t now);

/* records.c */
/* Whether it may be entered; `replaced`, or NULL, would go for it. */
struct refusal record_check(const struct engine *e, const struct record_row *row, const struct record_row *replaced);
uint64_t record_enter(struct engine *e, struct record_row *row, const struct command *c, int64_t now);
struct refusal request_record(struct engine *e, const struct command *c, int64_t now,
                              struct outcome *outcome);
void ledger_forget(struct engine *e, int32_t before);
void ledger_fini(struct ledger *ledger);

/* What an index of activity counts in the score. */
static inline uint32_t activity_capped(const struct rules *rules, uint32_t activity)
{
    return activity < rules->activity_cap ? activity : rules->activity_cap;
}

/* activity.c: each says what became of an offer of the organisation */
void activity_answered(struct engine *e, const struct offer *f, bool has_accepted, int64_t now);
void activity_ended(struct engine *e, const struct offer *f, bool is_complete, int64_t now);
void activity_served(struct engine *e, uint32_t org_slot, uint32_t attendances, uint32_t minutes, int64_t now);
void activity_rated(struct engine *e, uint32_t org_slot, uint32_t stars, int64_t now);
void activity_settle(struct engine *e, uint32_t org_slot);
void activity_sweep(struct engine *e, int64_t now); /* a slice, once aging_at has come */
void activity_load_done(struct engine *e);

/* emergency.c */
struct refusal request_emergency(struct engine *e, const struct command *c, int64_t now);
bool order_is_emergency(const struct engine *e, const struct order *o);
void emergency_tick(struct engine *e, const struct command *c, int64_t now);
int64_t emergency_deadline(const struct engine *e);
#define EMERGENCY_WAIVED (WAIVE_REACH | WAIVE_SCHEDULE)

/* series.c */
struct refusal request_series(struct engine *e, const struct command *c, int64_t now,
                              struct outcome *outcome);
void series_fire(struct engine *e, const struct command *c, int64_t now, struct series *s);

#endif
