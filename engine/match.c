/* match.c -- the definition of what fits and what is best, and two ways to find the best. */
#include "match.h"

#include <stdlib.h>

#include "best.h"
#include "diary.h"
#include "geo.h"
#include "match_inside.h"

const char *const score_part_names[6] = {"proximity", "affinity", "activity",
                                         "rating",    "load",     "fit"};

#define NIGHT_FROM 44 /* half-hours of the day: 22:00 to 06:00 is night for youth teams */
#define NIGHT_TO 12
#define MINUTE_MS INT64_C(60000)

static bool is_night(int64_t half_hour)
{
    int64_t in_day = half_hour % HALF_HOURS_A_DAY;
    return in_day >= NIGHT_FROM || in_day < NIGHT_TO;
}

/* The first start to be tried: what was asked for, or, when that has passed, the next half-hour. */
static int64_t first_start(const struct engine *e, const struct want *want)
{
    if (want->starts_at > want->now - HALF_HOUR_MS)
        return want->starts_at;
    return calendar_instant(&e->calendar, calendar_half_hour(&e->calendar, want->now - 1) + 1);
}

/* Takes one half-hour in; the start that it completes, or -1. */
static int64_t walk_take(struct walk *w, bool is_good)
{
    int64_t first = calendar_half_hour(w->calendar, w->from);
    int64_t start = -1;
    w->run = is_good ? w->run + 1 : 0;
    int64_t first_last = calendar_half_hour(w->calendar, w->from + w->length_ms - 1);
    int64_t count = (w->length_ms + HALF_HOUR_MS - 1) / HALF_HOUR_MS;
    if (w->half_hour == first_last && w->run == first_last - first + 1) {
        start = w->from;
    } else if (w->run >= count) {
        start = calendar_instant(w->calendar, w->half_hour - count + 1);
        if (start < w->from)
            start = -1;
    }
    w->half_hour++;
    return start >= 0 && start + w->length_ms <= w->ends_at ? start : -1;
}

struct walk walk_begin(const struct engine *e, const struct want *want)
{
    struct walk w = {.calendar = &e->calendar, .length_ms = want->minutes * MINUTE_MS};
    w.from = want->fixed_start != 0 ? want->fixed_start : first_start(e, want);
    w.ends_at = want->fixed_start != 0 ? want->fixed_start + w.length_ms : want->ends_at;
    w.half_hour = calendar_half_hour(w.calendar, w.from);
    return w;
}

/* Whether no start of the window keeps out of the night. */
static bool window_is_night(const struct engine *e, const struct want *want)
{
    struct walk w = walk_begin(e, want);
    while (calendar_instant(w.calendar, w.half_hour) < w.ends_at)
        if (walk_take(&w, !is_night(w.half_hour)) >= 0)
            return false;
    return true;
}

uint32_t match_free(const struct engine *e, const struct want *want, const struct org *org, int64_t half_hour)
{
    if (org->more == NULL)
        return org->capacity;
    uint32_t used = diary_used(org->more, half_hour);
    uint32_t own = want->own_offer != 0 ? map_get(&e->offer_ids, want->own_offer) : SLOT_NONE;
    if (own != SLOT_NONE && offer_at(e, own)->org == org->id)
        used -= offer_held_at(e, offer_at(e, own), half_hour);
    return used < org->capacity ? org->capacity - used : 0;
}

/* The earliest start at which the organisation is open throughout and has the people. */
static enum misfit find_start(const struct engine *e, const struct want *want,
                              const struct org *org, struct candidate *found)
{
    uint32_t least = want->people_min < want->people ? want->people_min : want->people;
    bool is_waived = (want->waived & WAIVE_SCHEDULE) != 0;
    struct walk fitting = walk_begin(e, want);
    struct walk opening = fitting;
    bool opens = false;
    found->start_at = -1;
    while (found->start_at < 0 && calendar_instant(fitting.calendar, fitting.half_hour) < fitting.ends_at) {
        int64_t half_hour = fitting.half_hour;
        bool is_open = is_waived || org_is_open(org, half_hour);
        is_open = is_open && !(org->is_youth && is_night(half_hour));
        opens |= walk_take(&opening, is_open) >= 0;
        found->start_at =
            walk_take(&fitting, is_open && match_free(e, want, org, half_hour) >= least);
    }
    if (found->start_at < 0)
        return opens ? MISFIT_FULL : MISFIT_NOT_OPEN;
    found->people = want->people;
    found->free = match_free(e, want, org, calendar_half_hour(&e->calendar, found->start_at));
    int64_t last = calendar_half_hour(&e->calendar, found->start_at + want->minutes * MINUTE_MS - 1);
    for (int64_t i = calendar_half_hour(&e->calendar, found->start_at); i <= last; i++) {
        uint32_t people = match_free(e, want, org, i);
        found->people = people < found->people ? people : found->people;
    }
    return MISFIT_NONE;
}

/* Whether the organisation has answered, or only been asked for, this order before. */
static enum misfit asked_before(const struct engine *e, const struct want *want,
                                const struct org *org)
{
    enum misfit misfit = MISFIT_NONE;
    for (uint32_t slot = want->order != NULL ? want->order->first_offer : SLOT_NONE;
         slot != SLOT_NONE;) {
        const struct offer *f = offer_at(e, slot);
        slot = f->next_of_order;
        if (f->org != org->id || f->id == want->own_offer)
            continue;
        if (f->state == OFFER_DECLINED || f->state == OFFER_RELEASED ||
            f->state == OFFER_NO_SHOW || f->state == OFFER_COMPLETED)
            return MISFIT_DECLINED_BEFORE;
        if (offer_is_live(f) || (want->is_automatic && f->state == OFFER_EXPIRED))
            misfit = MISFIT_ASKED_BEFORE;
    }
    return misfit;
}

enum misfit match_standing(const struct engine *e, const struct want *want, const struct org *org)
{
    if (org->is_suspended)
        return MISFIT_SUSPENDED;
    if (!org->is_on_duty)
        return MISFIT_OFF_DUTY;
    if (org->type == ORG_SUPPORT)
        return MISFIT_WRONG_TYPE;
    if ((want->waived & WAIVE_REGION) == 0 && !org_serves_region(e, org, want->region_slot))
        return MISFIT_REGION_NOT_SERVED;
    if (!skillset_within(&want->skills, &org->skills))
        return MISFIT_SKILL_MISSING;
    if (!skillset_within(&want->certified, &org_more(org)->certified))
        return MISFIT_CERTIFICATION_MISSING;
    if (want->needs_registered && !org->is_registered)
        return MISFIT_NOT_REGISTERED;
    if (want->is_risk && !org->is_insured)
        return MISFIT_NOT_INSURED;
    if (org->is_youth && (want->is_risk || want->is_night))
        return MISFIT_MINORS_PROTECTED;
    return MISFIT_NONE;
}

uint64_t match_reach_mm(const struct want *want, const struct org *org)
{
    uint64_t reach = (uint64_t)org->reach_m * 10 * want->reach_percent; /* metres × percent */
    return reach < want->max_distance_mm ? reach : want->max_distance_mm;
}

enum misfit match_try(const struct engine *e, const struct want *want, const struct org *org,
                      struct candidate *candidate)
{
    *candidate = (struct candidate){.org = org->id, .start_at = -1};
    enum misfit misfit = match_standing(e, want, org);
    if (misfit != MISFIT_NONE)
        return misfit;
    if (!want->is_remote && (want->waived & WAIVE_REACH) == 0 &&
        !geo_is_within(want->lat, want->lon, org->lat, org->lon, match_reach_mm(want, org)))
        return MISFIT_OUT_OF_REACH;
    misfit = find_start(e, want, org, candidate);
    if (misfit == MISFIT_NONE)
        misfit = asked_before(e, want, org);
    if (misfit == MISFIT_NONE && !want->is_remote)
        candidate->distance_mm = geo_distance_mm(want->lat, want->lon, org->lat, org->lon);
    return misfit;
}

static uint32_t part_proximity(const struct engine *e, const struct want *want,
                               const struct org *org, const struct candidate *c)
{
    uint64_t circle = (uint64_t)e->rules.circle_m * 1000;
    uint64_t reach = match_reach_mm(want, org);
    uint64_t distance = (uint64_t)c->distance_mm;
    if (want->is_remote || distance <= circle)
        return 1000;
    return distance >= reach ? 0 : (uint32_t)((reach - distance) * 1000 / (reach - circle));
}

/* 600 by how close in administration, 400 when it has served this person before, at the same place: what was
 * elsewhere is not for everybody who may ask here. */
static uint32_t part_affinity(const struct engine *e, const struct want *want,
                              const struct org *org)
{
    uint32_t part = pairs_has(&e->pairs, helped_at(want->person, e->regions[want->region_slot].code), org->id) ? 400 : 0;
    uint32_t home = org->region_slot;
    if (home == SLOT_NONE)
        return part;
    static const uint32_t near[LEVEL_COUNT] = {600, 400, 200, 0};
    for (unsigned level = 0; level < LEVEL_COUNT; level++) {
        uint32_t common = region_at_level(e, want->region_slot, level);
        if (e->regions[common].level == level && engine_region_within(e, home, common))
            return part + near[level];
    }
    return part;
}

/* Fairness: half for the free share at the proposed time, half for the days since its last order. */
static uint32_t part_load(const struct want *want, const struct org *org, const struct candidate *c)
{
    uint32_t share = (uint32_t)((uint64_t)c->free * 500 / org->capacity);
    int64_t idle = want->now - org->tally.last_accept_at;
    int64_t full = 14 * DAY_MS;
    if (org->tally.last_accept_at == 0 || idle > full)
        idle = full;
    return share + (idle > 0 ? (uint32_t)(idle * 500 / full) : 0);
}

/* 1000 with no skill left over, less with every idle one, weighted by its rarity in the county. */
static uint32_t part_fit(const struct supply *supply, const struct want *want,
                         const struct org *org)
{
    uint64_t idle = 0;
    for (int word = 0; word < SKILL_COUNT_MAX / 64; word++) {
        uint64_t bits = org->skills.bits[word] & ~want->skills.bits[word];
        for (; bits != 0; bits &= bits - 1) {
            uint64_t skilled = supply->skilled[word * 64 + __builtin_ctzll(bits)];
            idle += supply->orgs != 0 ? 1000 - skilled * 1000 / supply->orgs : 1000;
        }
    }
    return (uint32_t)(1000000 / (1000 + idle));
}

void match_score(const struct engine *e, const struct want *want, const struct org *org,
                 struct candidate *c)
{
    const struct rules *r = &e->rules;
    const uint32_t weights[6] = {r->weight_proximity, r->weight_affinity, r->weight_activity,
                                 r->weight_rating,    r->weight_load,     r->weight_fit};
    c->part[0] = part_proximity(e, want, org, c);
    c->part[1] = part_affinity(e, want, org);
    c->part[2] = activity_capped(r, org->tally.activity);
    c->part[3] = org_rating(org);
    c->part[4] = part_load(want, org, c);
    c->part[5] = part_fit(supply_of(e, want->county_slot), want, org);
    uint64_t sum = 0;
    uint64_t total = 0;
    for (int i = 0; i < 6; i++) {
        sum += (uint64_t)weights[i] * c->part[i];
        total += weights[i];
    }
    c->score = total != 0 ? (uint32_t)(sum / total) : 0;
}

uint32_t match_scan(const struct engine *e, const struct want *want, enum rank rank,
                    uint32_t limit, struct candidate *out)
{
    struct best best = {.items = out, .limit = limit, .rank = rank};
    best.heap = must_alloc(limit, sizeof *best.heap);
    uint32_t slot = SLOT_NONE;
    for (const struct org *org; (org = engine_next_org(e, &slot)) != NULL;) {
        struct candidate candidate;
        if (match_try(e, want, org, &candidate) != MISFIT_NONE)
            continue;
        candidate.org_slot = slot;
        if (rank == RANK_SCORE)
            match_score(e, want, org, &candidate);
        best_offer(&best, &candidate);
    }
    uint32_t count = best_sort(&best);
    free(best.heap);
    return count;
}

bool match_count(const struct engine *e, const struct want *want, uint32_t most, uint32_t *slot,
                 uint32_t counts[MISFIT_COUNT])
{
    for (uint32_t i = 0; i < most; i++) {
        const struct org *org = engine_next_org(e, slot);
        struct candidate candidate;
        if (org == NULL)
            return true;
        if (org_county(e, org) == want->county_slot)
            counts[match_try(e, want, org, &candidate)]++;
    }
    return false;
}

static uint32_t most_reach(const struct rules *r)
{
    uint32_t most = 0;
    for (int i = 0; i < LEVEL_COUNT; i++)
        most = r->reach_percent[i] > most ? r->reach_percent[i] : most;
    return most;
}

struct want match_want(const struct engine *e, const struct order *o, int64_t now)
{
    struct want want = {
        .order = o,
        .region_slot = o->region_slot,
        .county_slot = e->regions[o->region_slot].county,
        .lat = o->lat,
        .lon = o->lon,
        .is_remote = o->is_remote,
        .is_risk = o->is_risk,
        .skills = o->skills,
        .starts_at = o->starts_at,
        .ends_at = o->ends_at,
        .fixed_start = o->start_at,
        .now = now,
        .minutes = o->minutes,
        .people = order_missing(o) != 0 ? order_missing(o) : o->headcount,
        .people_min = o->people_min,
        .max_distance_mm = o->max_distance_m != 0 ? o->max_distance_m * UINT64_C(1000) : UINT64_MAX,
        .reach_percent = e->rules.reach_percent[o->level],
        .person = o->person,
    };
    SKILLSET_EACH(&o->skills, skill) {
        uint8_t needs = e->catalogue.skills[skill].needs;
        if ((needs & NEEDS_CERTIFIED) != 0)
            skillset_add(&want.certified, skill);
        want.needs_registered |= (needs & NEEDS_REGISTERED) != 0;
        want.is_risk |= (needs & NEEDS_RISK) != 0;
    }
    if (order_is_emergency(e, o)) {
        want.reach_percent = most_reach(&e->rules);
        want.waived = WAIVE_SCHEDULE;
    }
    want.is_night = window_is_night(e, &want);
    return want;
}

bool match_want_request(const struct engine *e, const struct order_request *request, int64_t now,
                        struct want *want, struct refusal *refusal)
{
    struct order order;
    *refusal = order_check_request(e, request, now, &order);
    if (refusal->code != REFUSAL_NONE)
        return false;
    order.first_offer = SLOT_NONE;
    *want = match_want(e, &order, now);
    want->order = NULL;
    return true;
}
