/* org.c -- the registry of organisations, and when each is open and has people free. */
#include <stdlib.h>
#include <string.h>

#include "diary.h"
#include "geo.h"
#include "state.h"

/* Special dates may open any part of the week. */
static uint32_t summary_of(const struct org *org)
{
    if (!org->is_on_duty || org->is_suspended || org->type == ORG_SUPPORT)
        return 0;
    uint32_t summary = SUMMARY_SERVES | summary_of_people(org->capacity);
    if (org->has_dates)
        return summary | SUMMARY_ALWAYS;
    for (int day = 0; day < 7; day++) {
        uint64_t bits = week_day(&org->week, day);
        for (int part = 0; part < 4; part++) {
            /* cppcheck-suppress shiftNegative ; the parts of a day come one after the other */
            uint64_t mask = ((UINT64_C(1) << (summary_parts[part + 1] - summary_parts[part])) - 1)
                            << summary_parts[part];
            summary |= (uint32_t)((bits & mask) != 0) << (day * 4 + part);
        }
    }
    return summary;
}

static struct index_place place_of(const struct org *org)
{
    return (struct index_place){
        .lat = org->lat, .lon = org->lon, .reach_m = org->reach_m, .summary = summary_of(org)};
}

uint32_t org_county(const struct engine *e, const struct org *org)
{
    return org->region_slot != SLOT_NONE ? e->regions[org->region_slot].county : SLOT_NONE;
}

static void count_supply(struct engine *e, const struct org *org, uint32_t by)
{
    uint32_t county = org_county(e, org);
    if (county == SLOT_NONE)
        return;
    struct supply *supply = e->supplies[county];
    supply->orgs += by;
    SKILLSET_EACH(&org->skills, skill) supply->skilled[skill] += by;
}

/* The mean of the stars as if five people had given four each before: bounded and slow to move. */
uint32_t org_rating(const struct org *org)
{
    uint32_t sum = org->tally.rating_sum + 5 * 4;
    uint32_t count = org->tally.rating_count + 5;
    return (sum - count) * 250 / count;
}

void org_bound(struct engine *e, const struct org *org)
{
    uint32_t rating = org_rating(org);
    e->has_homes |= org->region_slot != SLOT_NONE;
    e->most_rating = rating > e->most_rating ? rating : e->most_rating;
    e->most_activity = org->tally.activity > e->most_activity ? org->tally.activity : e->most_activity;
}

void org_enter(struct engine *e, uint32_t slot)
{
    const struct org *org = org_at(e, slot);
    org_bound(e, org);
    index_add(&e->index, slot, place_of(org), &org->skills);
    count_supply(e, org, 1);
}

static void org_leave(struct engine *e, uint32_t slot)
{
    const struct org *org = org_at(e, slot);
    index_remove(&e->index, slot, place_of(org), &org->skills);
    count_supply(e, org, UINT32_MAX); /* minus one */
}

static void *copy_array(const void *from, size_t count, size_t size)
{
    void *copy = count != 0 ? must_alloc(count, size) : NULL;
    if (count != 0)
        memcpy(copy, from, count * size);
    return copy;
}

void org_copy(struct org *copy, const struct org *org)
{
    const struct org_more *more = org_more(org);
    *copy = *org;
    copy->has_dates = more->date_count != 0;
    copy->name = must_strdup(org->name);
    copy->more = NULL;
    if (skillset_next(&more->certified, 0) < 0 && more->region_count + more->date_count == 0 &&
        more->recent.aged_on == 0)
        return;
    *org_more_make(copy) = (struct org_more){
        .certified = more->certified,
        .recent = more->recent,
        .regions = copy_array(more->regions, more->region_count, sizeof *more->regions),
        .dates = copy_array(more->dates, more->date_count, sizeof *more->dates),
        .region_count = more->region_count,
        .date_count = more->date_count,
    };
}

void org_fini(struct org *org)
{
    free(org->name);
    if (org->more != NULL) {
        free(org->more->regions);
        free(org->more->dates);
        diary_fini(org->more);
        free(org->more);
    }
    *org = (struct org){.id = 0};
}

struct org_more *org_more_make(struct org *org)
{
    if (org->more == NULL)
        org->more = must_alloc(1, sizeof *org->more);
    return org->more;
}

static struct refusal check_request(const struct engine *e, const struct org_request *r)
{
    if (r->id > ID_MAX)
        return refuse_range("id", 1, ID_MAX);
    if (r->region != 0 && map_get(&e->region_codes, r->region) == SLOT_NONE)
        return refuse(REFUSAL_NOT_FOUND, "region");
    if (r->lat < -LAT_MAX || r->lat > LAT_MAX)
        return refuse_range("lat", -90, 90);
    if (r->lon < -LON_MAX || r->lon > LON_MAX)
        return refuse_range("lon", -180, 180);
    if (r->reach_m < 1 || r->reach_m > REACH_M_MAX)
        return refuse_range("reach_m", 1, REACH_M_MAX);
    if (r->capacity < 1 || r->capacity > ORG_CAPACITY_MAX)
        return refuse_range("capacity", 1, ORG_CAPACITY_MAX);
    if (r->type >= ORG_TYPE_COUNT)
        return refuse(REFUSAL_BAD_VALUE, "type");
    if (skillset_next(&r->skills, 0) < 0)
        return refuse(REFUSAL_MISSING_FIELD, "skills");
    if (!skillset_within(&r->certified, &r->skills))
        return refuse(REFUSAL_BAD_VALUE, "certified");
    if (r->region_count > ORG_REGION_COUNT_MAX)
        return refuse_range("regions", 0, ORG_REGION_COUNT_MAX);
    for (uint32_t i = 0; i < r->region_count; i++)
        if (map_get(&e->region_codes, r->regions[i]) == SLOT_NONE)
            return refuse(REFUSAL_NOT_FOUND, "regions");
    if (engine_org_is_gone(e, r->id))
        return refuse(REFUSAL_BAD_VALUE, "id");
    return REFUSED_NOT;
}

static void fill(struct engine *e, struct org *org, const struct org_request *r)
{
    org->region = r->region;
    org->region_slot = r->region != 0 ? map_get(&e->region_codes, r->region) : SLOT_NONE;
    uint32_t county = org_county(e, org);
    org->county = county != SLOT_NONE ? e->regions[county].code : 0;
    org->lat = r->lat;
    org->lon = r->lon;
    org->reach_m = r->reach_m;
    org->capacity = r->capacity;
    org->type = r->type;
    org->is_registered = r->is_registered;
    org->is_insured = r->is_insured;
    org->is_youth = r->is_youth;
    org->is_suspended = r->is_suspended;
    org->skills = r->skills;
    org->week = r->week;
    free(org->name);
    org->name = must_strdup(r->name != NULL ? r->name : "");
    if (org->more == NULL && r->region_count == 0 && skillset_next(&r->certified, 0) < 0)
        return;
    struct org_more *more = org_more_make(org);
    more->certified = r->certified;
    free(more->regions);
    more->regions = copy_array(r->regions, r->region_count, sizeof *r->regions);
    more->region_count = r->region_count;
}

struct refusal org_put(struct engine *e, const struct command *c, int64_t now, uint64_t *id)
{
    const struct org_request *r = &c->u.put;
    struct refusal refusal = check_request(e, r);
    *id = r->id;
    if (refusal.code != REFUSAL_NONE || c->is_check)
        return refusal;
    uint64_t wanted = r->id != 0 ? r->id : e->next.org;
    uint32_t slot = map_get(&e->org_ids, wanted);
    if (slot == SLOT_NONE) {
        slot = pool_take(&e->orgs);
        struct org *fresh = org_at(e, slot);
        fresh->id = wanted;
        fresh->is_on_duty = true;
        fresh->tally.activity = 500;
        fresh->first_offer = SLOT_NONE;
        map_put(&e->org_ids, wanted, slot);
        touch_tally(e, slot);
    } else {
        org_leave(e, slot);
    }
    if (wanted >= e->next.org && wanted < ID_MAX)
        e->next.org = wanted + 1;
    struct org *org = org_at(e, slot);
    fill(e, org, r);
    activity_settle(e, slot); /* it is measured against the capacity */
    org_enter(e, slot);
    touch_org(e, slot);
    struct event *event = emit(e, EVENT_ORG_PUT, c, now);
    event->org = wanted;
    event->region = org->region;
    event->county = org->county;
    *id = wanted;
    return REFUSED_NOT;
}

static struct refusal find(struct engine *e, const struct command *c, uint32_t *slot)
{
    *slot = map_get(&e->org_ids, c->org);
    return *slot == SLOT_NONE ? refuse(REFUSAL_NOT_FOUND, "org") : REFUSED_NOT;
}

static void emit_org(struct engine *e, enum event_kind kind, const struct org *org,
                     const struct command *c, int64_t now)
{
    struct event *event = emit(e, kind, c, now);
    event->org = org->id;
    event->region = org->region;
    event->county = org->county;
}

struct refusal org_remove(struct engine *e, const struct command *c, int64_t now)
{
    uint32_t slot = SLOT_NONE;
    struct refusal refusal = find(e, c, &slot);
    if (refusal.code != REFUSAL_NONE)
        return refusal;
    struct org *org = org_at(e, slot);
    if (org_more(org)->live_count != 0)
        return refuse(REFUSAL_IN_USE, "org");
    emit_org(e, EVENT_ORG_REMOVED, org, c, now);
    effect_removed(e, org->id);
    org_leave(e, slot);
    map_remove(&e->org_ids, org->id);
    engine_load_gone_org(e, org->id);
    org_fini(org);
    pool_give(&e->orgs, slot);
    return REFUSED_NOT;
}

struct refusal org_set_duty(struct engine *e, const struct command *c, int64_t now)
{
    uint32_t slot = SLOT_NONE;
    struct refusal refusal = find(e, c, &slot);
    if (refusal.code != REFUSAL_NONE)
        return refusal;
    struct org *org = org_at(e, slot);
    if (org->is_on_duty == (uint8_t)c->u.is_on_duty)
        return REFUSED_NOT;
    org_leave(e, slot);
    org->is_on_duty = c->u.is_on_duty;
    org_enter(e, slot);
    touch_org(e, slot);
    emit_org(e, EVENT_ORG_DUTY, org, c, now);
    return REFUSED_NOT;
}

struct refusal org_set_dates(struct engine *e, const struct command *c, int64_t now)
{
    uint32_t slot = SLOT_NONE;
    struct refusal refusal = find(e, c, &slot);
    if (refusal.code != REFUSAL_NONE)
        return refusal;
    if (c->u.dates.count > ORG_DATE_COUNT_MAX)
        return refuse_range("dates", 0, ORG_DATE_COUNT_MAX);
    for (uint32_t i = 1; i < c->u.dates.count; i++)
        if (c->u.dates.dates[i].day <= c->u.dates.dates[i - 1].day)
            return refuse(REFUSAL_BAD_VALUE, "dates"); /* sorted, each day once */
    struct org *org = org_at(e, slot);
    struct org_more *more = org_more_make(org);
    org_leave(e, slot);
    free(more->dates);
    more->dates = copy_array(c->u.dates.dates, c->u.dates.count, sizeof *more->dates);
    more->date_count = c->u.dates.count;
    org->has_dates = more->date_count != 0;
    org_enter(e, slot);
    touch_org(e, slot);
    emit_org(e, EVENT_ORG_DATES, org, c, now);
    return REFUSED_NOT;
}

bool org_is_open(const struct org *org, int64_t half_hour)
{
    int32_t day = (int32_t)(half_hour / HALF_HOURS_A_DAY);
    int in_day = (int)(half_hour % HALF_HOURS_A_DAY);
    const struct org_more *more = org_more(org);
    uint32_t low = 0;
    uint32_t high = more->date_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (more->dates[middle].day < day)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < more->date_count && more->dates[low].day == day) {
        if ((more->dates[low].half_hours >> in_day & 1) != 0)
            return true;
        if (more->dates[low].is_closed)
            return false;
    }
    return week_has(&org->week, calendar_weekday(day) * HALF_HOURS_A_DAY + in_day);
}

bool org_serves_region(const struct engine *e, const struct org *org, uint32_t region_slot)
{
    const struct org_more *more = org_more(org);
    for (uint32_t i = 0; i < more->region_count; i++) {
        uint32_t served = map_get(&e->region_codes, more->regions[i]);
        if (served != SLOT_NONE && engine_region_within(e, region_slot, served))
            return true;
    }
    return more->region_count == 0;
}
