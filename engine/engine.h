/* engine.h -- the matching engine: orders, organisations, offers, and the rules that move them.
 *
 * A pure library: no I/O, no clock, no threads, no randomness. State changes only through
 * engine_step(); the caller brings the time, makes the effects durable, and tells the world after.
 * The same commands give the same bytes on any machine.
 *
 * Times are milliseconds since 1970 UTC, coordinates 1e-7 degrees of WGS-84, distances millimetres
 * unless a name says metres, durations of service minutes. Windows are half-open. */
#ifndef PAIDAN_ENGINE_H
#define PAIDAN_ENGINE_H

#include "calendar.h"
#include "limits.h"
#include "schedule.h"
#include "skills.h"
#include "words.h"

struct engine;

/* What a dispatcher may override, with a reason. */
enum waive { WAIVE_REACH = 1, WAIVE_SCHEDULE = 2, WAIVE_REGION = 4 };

struct order {
#define ORDER_FIELD(type, name) type name;
#include "fields.def"
#undef ORDER_FIELD
    struct skillset skills; /* the category's and all further ones */
    char external_id[EXTERNAL_ID_BYTES_MAX + 1];
    char claimed_by[ACTOR_BYTES_MAX + 1];
    /* Not stored: follows from the offers and the tables. */
    uint32_t covered, pending; /* people accepted for; people asked for and not yet answered */
    uint32_t region_slot, first_offer, queue_next, queue_prev, heap_place, queue_region;
    bool is_dirty, is_queued, is_waiting_assign;
};

struct offer {
#define OFFER_FIELD(type, name) type name;
#include "fields.def"
#undef OFFER_FIELD
    uint32_t order_slot, org_slot, next_of_order, next_of_org, prev_of_org, heap_place;
    bool is_dirty, is_linked; /* linked: among the live offers of its organisation */
    bool is_held;             /* its people stand in the organisation's diary */
};

struct tally {
#define TALLY_FIELD(type, name) type name;
#include "fields.def"
#undef TALLY_FIELD
};

/* What of it is recent, by which the activity index is reckoned. */
struct recent {
#define RECENT_FIELD(type, name) type name;
#include "fields.def"
#undef RECENT_FIELD
};

struct org_date {
    int32_t day;
    bool is_closed;      /* the weekly schedule does not hold on that day */
    uint64_t half_hours; /* open in addition */
};

/* What few organisations have at a time, apart so that a million others do not pay for it. */
struct org_more {
    struct diary_day **diary; /* owned: people promised away, by days from diary_first on */
    int32_t diary_first;
    uint32_t diary_count, region_count, date_count;
    uint32_t live_count;    /* offers that are live */
    uint64_t *regions;      /* owned: where it serves; none means everywhere within reach */
    struct org_date *dates; /* owned, sorted by day */
    struct skillset certified;
    struct recent recent;
};

/* From `lat` on, the fields that every candidate is asked for lie in one cache line (the engine's
 * pool is aligned to it): place, reach, capacity, flags, and the week but for Sunday's evening. */
struct org {
    struct tally tally;
#define ORG_FIELD(type, name) type name;
#include "fields.def"
#undef ORG_FIELD
    bool is_dirty : 1, is_tally_dirty : 1; /* from here on not all is stored */
    bool has_dates : 1;                    /* special ones, so that the week does not tell all */
    struct week week;
    struct skillset skills;
    char *name;            /* owned, never NULL */
    struct org_more *more; /* owned; NULL: nothing of it. Read it through org_more() */
    uint32_t region_slot, first_offer; /* SLOT_NONE: none */
};

static inline const struct org_more *org_more(const struct org *org)
{
    static const struct org_more none = {.regions = NULL};
    return org->more != NULL ? org->more : &none;
}

/* Copies what the organisation owns, its diary left out; org_fini() gives it back. */
void org_copy(struct org *copy, const struct org *org);
void org_fini(struct org *org);

struct region {
    uint64_t code;
    char *name; /* owned */
    uint8_t level;   /* enum level; a province counts as city */
    bool has_point;
    int32_t lat, lon;
    uint32_t parent, county; /* slots in the table; SLOT_NONE at the top */
    uint32_t first_child, next_sibling;
    uint32_t queue_first, queue_count; /* ready orders that wait at this region */
};

/* The data behind decisions. Minutes of routine orders are working time, others natural time. */
struct rules {
    uint32_t review_min[PRIORITY_COUNT];      /* placed: until it is overdue */
    uint32_t round_min[PRIORITY_COUNT];       /* an offer's deadline */
    uint32_t first_level_min[PRIORITY_COUNT]; /* the level at which the order starts */
    uint32_t upper_level_min[PRIORITY_COUNT];
    uint32_t close_min[PRIORITY_COUNT]; /* done: until it closes unrated (natural time) */
    uint32_t window_min[PRIORITY_COUNT]; /* of an order that names no end */
    uint32_t reach_percent[LEVEL_COUNT];
    uint32_t declines_climb;       /* so many declines at a level send the order up */
    uint32_t declines_instruction; /* so many declines allow an instruction */
    uint32_t claim_min;            /* a dispatcher's lease */
    uint32_t circle_m;             /* the ten-minute circle: full proximity */
    uint32_t broadcast_count;      /* organisations asked at once */
    uint32_t emergency_count;      /* the same in emergency mode */
    uint32_t day_minutes;          /* a volunteer's minutes of a day that count at once */
    uint32_t day_minutes_reviewed; /* beyond them the review is the higher one */
    uint32_t activity_cap;         /* the most that the activity index counts in the score */
    uint32_t weight_proximity, weight_affinity, weight_activity, weight_rating, weight_load,
        weight_fit;
};

/* The defaults of reference/domain.md section 1.5 and DESIGN.md section 4. */
struct rules rules_default(void);

enum op {
    OP_NONE,
    OP_SET_RULES,
    OP_SET_OFFSET,
    OP_SET_DAY,
    OP_ADD_SKILL,
    OP_ADD_REGION,
    OP_ORG_PUT,
    OP_ORG_REMOVE,
    OP_ORG_DUTY,
    OP_ORG_DATES,
    OP_PLACE,
    OP_APPROVE,
    OP_REJECT,
    OP_RETURN,
    OP_RESUBMIT,
    OP_CANCEL,
    OP_ESCALATE,
    OP_SUPERVISE,
    OP_MERGE,
    OP_SUSPEND,
    OP_RESUME,
    OP_RATE,
    OP_CLAIM,
    OP_TOUCH,
    OP_UNCLAIM,
    OP_DISPATCH,
    OP_SET_MODE,
    OP_CLOSE_SHORT,
    OP_BATCH,
    OP_ACCEPT,
    OP_DECLINE,
    OP_WITHDRAW,
    OP_START,
    OP_COMPLETE,
    OP_RELEASE,
    OP_NO_SHOW,
    OP_NOTE,
    OP_RECORD_ADD,
    OP_RECORD_REVIEW,
    OP_RECORD_REVOKE,
    OP_CERTIFY,
    OP_EMERGENCY_OPEN,
    OP_EMERGENCY_CLOSE,
    OP_SERIES_PUT,
    OP_SERIES_STOP,
    OP_ASSIGN,
    OP_TICK,
    OP_COUNT
};

/* An order as it is asked for; zero means absent where a default exists. */
struct order_request {
    uint64_t region, person;
    int32_t lat, lon;
    bool has_place, is_remote, is_risk, is_proxy, needs_review;
    int category;
    struct skillset skills;
    int64_t starts_at, ends_at;
    uint32_t minutes, headcount, people_min, max_distance_m;
    uint8_t priority, groups, mode;
    char external_id[EXTERNAL_ID_BYTES_MAX + 1];
};

struct org_request {
    uint64_t id; /* 0: given by the engine */
    uint64_t region;
    int32_t lat, lon;
    uint32_t reach_m, capacity;
    uint8_t type;
    bool is_registered, is_insured, is_youth, is_suspended;
    struct skillset skills, certified;
    struct week week;
    const char *name;
    const uint64_t *regions;
    uint32_t region_count;
};

struct record {
    uint64_t volunteer;
    uint32_t minutes;
};

/* A service record as it lasts: who served, and whether the minutes count. */
struct record_row {
    uint64_t id, order, offer, org, region, volunteer;
    int64_t at; /* when it was entered */
    int32_t day; /* of the service, local */
    uint32_t minutes;
    uint8_t state; /* enum record_state */
    char source[WORD_BYTES_MAX + 1]; /* who certified it elsewhere; empty: kept here */
    char external_id[EXTERNAL_ID_BYTES_MAX + 1]; /* its number there */
};

/* Until when a region is in emergency mode. */
struct emergency {
    uint64_t region;
    int64_t opened_at, until; /* until 0: it is over */
};

/* A recurring order: which order is placed, and in which windows of the week. */
struct series {
#define SERIES_FIELD(type, name) type name;
#include "fields.def"
#undef SERIES_FIELD
    struct skillset skills;
    struct week week; /* each run of half-hours is the window of one order */
    char made_by[ACTOR_BYTES_MAX + 1];
    uint32_t heap_place; /* not stored */
};

struct series_request {
    struct order_request order; /* its window is not looked at */
    struct week week;
    int32_t first_day, last_day; /* first_day 0: today */
    uint32_t every, lead_days;   /* 0: 1 and 7 */
};

struct command {
    enum op op;
    const char *actor;  /* who asks; borrowed for the step */
    const char *reason; /* a coded word or NULL; borrowed */
    uint64_t order, org, offer; /* whom it is about */
    bool is_check; /* place, org_put, series_put, record_add: only say whether it would be refused */
    union {
        struct rules rules;
        int32_t offset_min;
        struct calendar_day day;
        struct skill skill;
        struct {
            uint64_t code, parent;
            const char *name;
            uint8_t level;
            bool has_point;
            int32_t lat, lon;
        } region;
        struct order_request place; /* place, and resubmit with what changes */
        struct org_request put;
        bool is_on_duty;
        struct {
            const struct org_date *dates;
            uint32_t count;
        } dates;
        int64_t until; /* supervise */
        uint64_t into; /* merge */
        struct {
            uint8_t stars;
            bool is_rework;
        } rate;
        struct {
            const uint64_t *orgs;
            uint32_t count, people; /* people of each; 0: as many as are missing and free */
            uint8_t waived;
            bool is_instruction;
        } dispatch;
        uint8_t mode; /* set_mode */
        struct {
            uint64_t region;
            bool is_dry_run;
        } batch;
        uint32_t people; /* accept; 0: as offered */
        struct {
            const struct record *records;
            uint32_t count;
        } complete;
        struct {
            enum event_kind kind;
            uint64_t region; /* where that was, of an order that has ended or of none; else the order's own */
        } note; /* what is put down; of an order it changes nothing, but that personal data hide its place */
        struct {
            uint64_t id;
            bool is_granted;
        } review;
        /* record_add: the new one, and the one it replaces as the store holds it, or NULL;
         * record_revoke: the one revoked, as the store holds it. Borrowed. */
        struct {
            const struct record_row *fresh, *stored;
        } record;
        struct {
            uint64_t volunteer;
            uint32_t minutes;
        } certify; /* that a certificate says so is put down */
        struct {
            uint64_t region;
            int64_t until;
        } emergency;
        struct series_request series;
        uint64_t series_id; /* series_stop */
    } u;
};

/* Why not. `field` names the parameter (static text); a range is given where low < high. */
struct refusal {
    enum refusal_code code;
    enum misfit misfit;
    const char *field;
    int64_t low, high;
    uint64_t id; /* the organisation or object that it is about, or 0 */
};

struct assignment {
    uint64_t order, org;
    uint32_t people, score;
    int64_t start_at, distance_mm;
};

struct outcome {
    struct refusal refusal;
    uint64_t id;    /* what was made: an order, organisation or offer */
    uint32_t first, count; /* BATCH: so many of engine_effects()->assignments; COMPLETE: records that wait */
    uint32_t waiting;      /* BATCH: ready orders looked at */
    uint32_t bound_count;  /* BATCH: no plan serves more of those of the highest priority, then more */
    uint64_t score, bound_score; /* BATCH: the sum of the scores, and what it is under the bound */
    bool is_exact;               /* BATCH: the plan is worth what the bound says */
};

/* One line of the append-only log, and of the change feed. */
struct event {
    uint64_t seq, prev; /* prev: the event of the same order before this one, or 0 */
    int64_t at;
    uint64_t order, offer, org, region, county;
    uint64_t subject; /* the record, series or certified volunteer that it is about, or 0 */
    uint32_t people, minutes; /* minutes: of service that came to count, or no longer does */
    uint8_t kind, state, level;
    char actor[ACTOR_BYTES_MAX + 1];
    char reason[WORD_BYTES_MAX + 1];
};

/* Emergencies are told wherever one listens: whoever is below such a region is in it, and the list of them
 * is open to all. */
static inline bool event_is_for_all(const struct event *event)
{
    return event->kind == EVENT_EMERGENCY_OPENED || event->kind == EVENT_EMERGENCY_CLOSED;
}

/* `person` is a person at a region, in one number: helped_at(). */
struct served_pair {
    uint64_t person, org;
};

/* What steps have changed since engine_effects_clear(): slots of changed objects, each once. */
struct effects {
    struct slots_view {
        const uint32_t *items;
        uint32_t count;
    } orders, offers, orgs, tallies;
    const uint64_t *removed_orgs;
    const struct event *events;
    const struct record_row *records; /* new ones, and old ones whose state is another now */
    const struct served_pair *served;
    const struct assignment *assignments;
    const struct emergency *emergencies;
    const struct series *series;
    uint32_t removed_org_count, event_count, record_count, served_count, assignment_count,
        emergency_count, series_count;
    bool is_catalogue_changed;
};

/* The counters that new ids come from. */
struct counters {
    uint64_t order, offer, org, event, record;
};

/* `node` is 0..NODE_MAX. The engine owns itself; engine_free(NULL) is allowed. */
struct engine *engine_new(uint32_t node);
void engine_free(struct engine *engine);

/* Carries out one command. A refusal has no effect at all. */
struct outcome engine_step(struct engine *engine, const struct command *command, int64_t now);

/* When `tick` is due next; INT64_MAX when nothing is. Orders that wait for `assign`: how many. */
int64_t engine_deadline(const struct engine *engine);
uint32_t engine_assign_waiting(const struct engine *engine);

struct effects engine_effects(const struct engine *engine);
/* Forgets the effects, and with them the orders that have ended: the store answers for those. */
void engine_effects_clear(struct engine *engine);

/* Loading what the store holds, in this sequence: tables by engine_step; then organisations, orders,
 * offers, pairs, counters; then engine_load_done(). The structs' unstored parts are ignored; text and
 * arrays are copied. False: the row contradicts the tables or an earlier row. */
bool engine_load_org(struct engine *engine, const struct org *row);
bool engine_load_order(struct engine *engine, const struct order *row);
bool engine_load_offer(struct engine *engine, const struct offer *row);
void engine_load_served(struct engine *engine, uint64_t person, uint64_t org);
void engine_load_gone_org(struct engine *engine, uint64_t id);
/* Records of the last RECORD_DAYS, and all that wait for a review. */
void engine_load_record(struct engine *engine, const struct record_row *row);
bool engine_load_emergency(struct engine *engine, const struct emergency *row);
bool engine_load_series(struct engine *engine, const struct series *row);
void engine_load_counters(struct engine *engine, struct counters counters);
void engine_load_done(struct engine *engine);
struct counters engine_counters(const struct engine *engine);

/* A sum over the whole state, the same for the same state however it came about. */
uint64_t engine_digest(const struct engine *engine);
/* Verifies every invariant with `must`. Cost: the whole state. */
void engine_check(const struct engine *engine);

/* Whether nothing can follow any more: rejected, closed, unmet, cancelled. */
bool order_has_ended(const struct order *order);

/* Looking. Pointers stay good until the next step or clear. */
const struct order *engine_order(const struct engine *engine, uint64_t id);
const struct offer *engine_offer(const struct engine *engine, uint64_t id);
/* Whether an organisation of that number was removed; the number is not given again. */
bool engine_org_is_gone(const struct engine *engine, uint64_t id);
const struct org *engine_org(const struct engine *engine, uint64_t id);
const struct order *engine_order_slot(const struct engine *engine, uint32_t slot);
const struct offer *engine_offer_slot(const struct engine *engine, uint32_t slot); /* NULL: none */
const struct org *engine_org_slot(const struct engine *engine, uint32_t slot);
/* The next organisation or order in slot sequence after `slot` (start with SLOT_NONE); NULL at the end. */
const struct org *engine_next_org(const struct engine *engine, uint32_t *slot);
const struct order *engine_next_order(const struct engine *engine, uint32_t *slot);
/* A record that waits for its review; NULL: none does under that number. */
const struct record_row *engine_held_record(const struct engine *engine, uint64_t id);
/* The next of them, or of the recurring orders, in slot sequence, as with the organisations. */
const struct record_row *engine_next_held(const struct engine *engine, uint32_t *slot);
const struct series *engine_series(const struct engine *engine, uint64_t id);
const struct series *engine_next_series(const struct engine *engine, uint32_t *slot);
/* Those that are open, `*count` of them. */
const struct emergency *engine_emergencies(const struct engine *engine, uint32_t *count);
/* Whether an order of that region and priority is one of an emergency. */
bool engine_is_emergency(const struct engine *engine, uint32_t region_slot, unsigned priority);

/* The activity index and what it is made of, 0..1000 each; `index` is what the organisation has stored. */
#define ACTIVITY_PARTS 6
extern const char *const activity_part_names[ACTIVITY_PARTS];
extern const uint32_t activity_weights[ACTIVITY_PARTS];
struct activity {
    uint32_t index, part[ACTIVITY_PARTS];
};
struct activity org_activity(const struct org *org);

const struct catalogue *engine_catalogue(const struct engine *engine);
const struct calendar *engine_calendar(const struct engine *engine);
const struct rules *engine_rules(const struct engine *engine);
uint32_t engine_region_count(const struct engine *engine);
const struct region *engine_region_slot(const struct engine *engine, uint32_t slot);
uint32_t engine_region_find(const struct engine *engine, uint64_t code); /* slot or SLOT_NONE */
/* Whether region slot `inner` is `outer` or below it, following `parent`. */
bool engine_region_within(const struct engine *engine, uint32_t inner, uint32_t outer);
struct engine_counts {
    uint32_t orders, offers, orgs, ready;
} engine_counts(const struct engine *engine);

#endif
