/* activity.c -- the activity index of organisations (志愿服务组织活跃度), 0..1000.
 *
 * What an organisation did of late is kept as counters that halve in 30 days, so the window rolls
 * without a list of what falls out of it. Six parts of 0..1000 are weighed: how much it completes, how
 * often it accepts, attendances and hours against its size, how soon it answers, how it is rated. Volume
 * saturates and is measured against the organisation's own capacity, so that a small team is not below
 * a large one for being small. 500 until known: the first five offers weigh it in. Guangdong's index
 * has volunteers, organisations, hours and activities (reference/domain.md section 6, clause 四); the
 * formula is this project's own. */
#include "state.h"

#define UNIT 1000u
#define DAILY_OF_65536 64039u /* 2^(-1/30): the share of a counter that is left after a day */
#define COUNTER_MOST 2000000000u
#define KNOWN_AFTER 5u /* offers */
#define SIZE_MOST 10u  /* people; more capacity asks for no more */

const char *const activity_part_names[ACTIVITY_PARTS] = {"completed", "accepted", "attendances",
                                                         "hours",     "latency",  "rating"};
const uint32_t activity_weights[ACTIVITY_PARTS] = {25, 20, 15, 15, 10, 15};

static uint32_t aged(uint32_t counter)
{
    return (uint32_t)((uint64_t)counter * DAILY_OF_65536 >> 16);
}

static bool is_nothing(const struct recent *r)
{
    return (r->asked | r->completes | r->broken | r->attendances | r->hours | r->ratings) == 0;
}

/* Lets the counters grow older, to `today`. */
static void age(struct recent *r, int32_t today)
{
    while (r->aged_on != 0 && r->aged_on < today) {
        int32_t day = r->aged_on + 1;
#define RECENT_FIELD(type, name) r->name = (type)aged((uint32_t)r->name);
#include "fields.def"
#undef RECENT_FIELD
        r->aged_on = is_nothing(r) ? 0 : day;
    }
    if (r->aged_on == 0)
        r->aged_on = today;
}

static struct recent *recent_of(struct engine *e, uint32_t org_slot, int64_t now)
{
    struct recent *r = &org_more_make(org_at(e, org_slot))->recent;
    age(r, calendar_day(&e->calendar, now));
    if (e->aging_at == INT64_MAX)
        e->aging_at = calendar_instant(&e->calendar, (calendar_day(&e->calendar, now) + INT64_C(1)) * HALF_HOURS_A_DAY);
    return r;
}

static void count(uint32_t *counter, uint64_t by)
{
    *counter = *counter + by < COUNTER_MOST ? (uint32_t)(*counter + by) : COUNTER_MOST;
}

/* `of` against a half-way mark: 500 there, never quite 1000. */
static uint32_t saturated(uint32_t of, uint64_t half_way)
{
    return (uint32_t)((uint64_t)of * 1000 / (of + half_way));
}

struct activity org_activity(const struct org *org)
{
    const struct recent *r = &org_more(org)->recent;
    const struct tally *t = &org->tally;
    uint32_t known = t->accept_count + t->decline_count + t->expire_count;
    uint64_t size = org->capacity < SIZE_MOST ? org->capacity : SIZE_MOST;
    uint64_t ended = (uint64_t)r->completes + r->broken;
    struct activity a = {.index = 0};
    a.part[0] = (uint32_t)(saturated(r->completes, 4 * UNIT) * (r->completes + UNIT) / (ended + UNIT));
    a.part[1] = (uint32_t)(((uint64_t)r->accepts + UNIT) * 1000 / (r->asked + 2 * (uint64_t)UNIT));
    a.part[2] = saturated(r->attendances, 4 * UNIT * size);
    a.part[3] = saturated(r->hours, 8 * UNIT * size);
    a.part[4] = 1000 - (uint32_t)(((uint64_t)r->wait + UNIT) * 1000 / (r->asked + 2 * (uint64_t)UNIT));
    a.part[5] = (uint32_t)(((uint64_t)r->stars + 5 * 4 * UNIT - (r->ratings + 5 * (uint64_t)UNIT)) * 250 / (r->ratings + 5 * (uint64_t)UNIT));
    uint32_t sum = 0;
    uint32_t weights = 0;
    for (int i = 0; i < ACTIVITY_PARTS; i++) {
        sum += activity_weights[i] * a.part[i];
        weights += activity_weights[i];
    }
    known = known < KNOWN_AFTER ? known : KNOWN_AFTER;
    a.index = (500 * (KNOWN_AFTER - known) + sum / weights * known) / KNOWN_AFTER;
    return a;
}

void activity_settle(struct engine *e, uint32_t org_slot)
{
    struct org *org = org_at(e, org_slot);
    if (org->more != NULL && org->more->recent.aged_on != 0)
        org->tally.activity = org_activity(org).index;
    touch_tally(e, org_slot);
}

void activity_answered(struct engine *e, const struct offer *f, bool has_accepted, int64_t now)
{
    struct recent *r = recent_of(e, f->org_slot, now);
    int64_t whole = f->expires_at - f->made_at;
    int64_t took = now < f->expires_at ? now - f->made_at : whole;
    count(&r->asked, UNIT);
    count(&r->accepts, has_accepted ? UNIT : 0);
    count(&r->wait, whole > 0 && took > 0 ? (uint64_t)(took * UNIT / whole) : 0);
    activity_settle(e, f->org_slot);
}

void activity_ended(struct engine *e, const struct offer *f, bool is_complete, int64_t now)
{
    struct recent *r = recent_of(e, f->org_slot, now);
    count(is_complete ? &r->completes : &r->broken, UNIT);
    activity_settle(e, f->org_slot);
}

void activity_served(struct engine *e, uint32_t org_slot, uint32_t attendances, uint32_t minutes, int64_t now)
{
    struct recent *r = recent_of(e, org_slot, now);
    count(&r->attendances, (uint64_t)attendances * UNIT);
    count(&r->hours, (uint64_t)minutes * UNIT / 60);
    activity_settle(e, org_slot);
}

void activity_rated(struct engine *e, uint32_t org_slot, uint32_t stars, int64_t now)
{
    struct recent *r = recent_of(e, org_slot, now);
    count(&r->ratings, UNIT);
    count(&r->stars, (uint64_t)stars * UNIT);
    activity_settle(e, org_slot);
}

static void age_org(struct engine *e, uint32_t slot, int32_t today)
{
    struct org *org = org_at(e, slot);
    if (org->id == 0 || org->more == NULL || org->more->recent.aged_on == 0 || org->more->recent.aged_on >= today)
        return;
    age(&org->more->recent, today);
    activity_settle(e, slot);
    if (is_nothing(&org->more->recent))
        org->more->recent.aged_on = 0;
}

void activity_sweep(struct engine *e, int64_t now)
{
    int32_t today = calendar_day(&e->calendar, now);
    if (now < e->aging_at)
        return;
    for (int i = 0; i < TICK_SLICE && e->aging_slot < e->orgs.used; i++)
        age_org(e, e->aging_slot++, today);
    if (e->aging_slot < e->orgs.used)
        return;
    e->aging_slot = 0;
    e->aging_at = calendar_instant(&e->calendar, (today + INT64_C(1)) * HALF_HOURS_A_DAY);
    ledger_forget(e, today - RECORD_DAYS);
}

void activity_load_done(struct engine *e)
{
    for (uint32_t i = 0; i < e->orgs.used && e->aging_at == INT64_MAX; i++)
        if (org_more(org_at(e, i))->recent.aged_on != 0)
            e->aging_at = 0; /* the days since the service ended are caught up with */
}
