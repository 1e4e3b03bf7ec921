/* tables.c -- regions, skills, pairs, rules: what the engine is told rather than what happens. */
#include <stdlib.h>
#include <string.h>

#include "state.h"

struct rules rules_default(void)
{
    enum { HOUR = 60, DAY = 24 * 60 };
    /* reference/domain.md section 1.5, in the sequence routine, urgent, emergency */
    return (struct rules){
        .review_min = {DAY, 2 * HOUR, 5},
        .round_min = {DAY, 30, 2},
        .first_level_min = {2 * DAY, 4 * HOUR, 10},
        .upper_level_min = {DAY, 2 * HOUR, 5},
        .close_min = {7 * DAY, 7 * DAY, 3 * DAY},
        .window_min = {7 * DAY, DAY, DAY},
        .reach_percent = {100, 150, 200, 300},
        .declines_climb = 3,
        .declines_instruction = 3,
        .claim_min = 15,
        .circle_m = 500,
        .broadcast_count = 10,
        .emergency_count = 50,
        .day_minutes = 8 * HOUR, /* section 1.6 */
        .day_minutes_reviewed = 12 * HOUR,
        .activity_cap = 800,
        .weight_proximity = 30,
        .weight_affinity = 20,
        .weight_activity = 10,
        .weight_rating = 10,
        .weight_load = 20,
        .weight_fit = 10,
    };
}

int catalogue_find(const struct catalogue *catalogue, const char *name, size_t len)
{
    for (int i = 0; i < catalogue->count; i++)
        if (strlen(catalogue->skills[i].name) == len &&
            memcmp(catalogue->skills[i].name, name, len) == 0)
            return i;
    return -1;
}

/* A skill that is known keeps its bit and takes the new needs. */
struct refusal table_add_skill(struct engine *e, const struct skill *skill)
{
    size_t len = strlen(skill->name);
    if (len == 0 || len > WORD_BYTES_MAX)
        return refuse(REFUSAL_BAD_VALUE, "skill");
    int at = catalogue_find(&e->catalogue, skill->name, len);
    if (at < 0 && e->catalogue.count == SKILL_COUNT_MAX)
        return refuse(REFUSAL_LIMIT, "skill");
    if (at < 0) {
        at = e->catalogue.count++;
        e->is_catalogue_changed = true;
    }
    e->catalogue.skills[at] = *skill;
    return REFUSED_NOT;
}

struct refusal table_add_region(struct engine *e, const struct command *c)
{
    uint64_t code = c->u.region.code;
    uint32_t parent = SLOT_NONE;
    if (code == 0 || code > REGION_CODE_MAX)
        return refuse_range("code", 1, REGION_CODE_MAX);
    if (c->u.region.level >= LEVEL_COUNT)
        return refuse(REFUSAL_BAD_VALUE, "level");
    if (map_get(&e->region_codes, code) != SLOT_NONE)
        return refuse(REFUSAL_CONFLICT, "code");
    if (c->u.region.parent != 0) {
        parent = map_get(&e->region_codes, c->u.region.parent);
        if (parent == SLOT_NONE)
            return refuse(REFUSAL_NOT_FOUND, "parent");
    }
    if (e->region_count == e->region_room) {
        e->region_room = e->region_room != 0 ? e->region_room * 2 : 256;
        e->regions = must_realloc(e->regions, e->region_room, sizeof *e->regions);
        e->supplies = must_realloc(e->supplies, e->region_room, sizeof *e->supplies);
    }
    uint32_t slot = e->region_count++;
    struct region *region = &e->regions[slot];
    *region = (struct region){.code = code,
                              .name = must_strdup(c->u.region.name),
                              .level = c->u.region.level,
                              .has_point = c->u.region.has_point,
                              .lat = c->u.region.lat,
                              .lon = c->u.region.lon,
                              .parent = parent,
                              .first_child = SLOT_NONE,
                              .next_sibling = SLOT_NONE,
                              .queue_first = SLOT_NONE};
    region->county = region->level == LEVEL_COUNTY ? slot
                     : parent != SLOT_NONE         ? e->regions[parent].county
                                                   : SLOT_NONE;
    e->supplies[slot] = region->county == slot ? must_alloc(1, sizeof(struct supply)) : NULL;
    if (parent != SLOT_NONE) {
        region->next_sibling = e->regions[parent].first_child;
        e->regions[parent].first_child = slot;
    }
    map_put(&e->region_codes, code, slot);
    return REFUSED_NOT;
}

uint32_t region_at_level(const struct engine *e, uint32_t slot, unsigned level)
{
    while (e->regions[slot].level < level && e->regions[slot].parent != SLOT_NONE)
        slot = e->regions[slot].parent;
    return slot;
}

bool engine_region_within(const struct engine *e, uint32_t inner, uint32_t outer)
{
    while (inner != outer && inner != SLOT_NONE)
        inner = e->regions[inner].parent;
    return inner == outer;
}

const struct supply *supply_of(const struct engine *e, uint32_t county_slot)
{
    return county_slot != SLOT_NONE ? e->supplies[county_slot] : &e->no_supply;
}

uint64_t helped_at(uint64_t person, uint64_t region)
{
    return person != 0 ? hash64(person ^ hash64(region)) >> 2 | UINT64_C(1) << 61 : 0;
}

static struct served_pair *pair_place(const struct pairs *pairs, uint64_t person, uint64_t org)
{
    uint64_t i = hash64(person ^ hash64(org)) & (pairs->room - 1);
    while (pairs->entries[i].person != 0 &&
           (pairs->entries[i].person != person || pairs->entries[i].org != org))
        i = (i + 1) & (pairs->room - 1);
    return &pairs->entries[i];
}

bool pairs_has(const struct pairs *pairs, uint64_t person, uint64_t org)
{
    return pairs->room != 0 && person != 0 && pair_place(pairs, person, org)->person != 0;
}

bool pairs_add(struct pairs *pairs, uint64_t person, uint64_t org)
{
    must(person != 0);
    if (pairs->count * 4 >= pairs->room * 3) {
        struct pairs old = *pairs;
        pairs->room = old.room != 0 ? old.room * 2 : 64;
        pairs->entries = must_alloc(pairs->room, sizeof *pairs->entries);
        for (uint64_t i = 0; i < old.room; i++)
            if (old.entries[i].person != 0)
                *pair_place(pairs, old.entries[i].person, old.entries[i].org) = old.entries[i];
        free(old.entries);
    }
    struct served_pair *place = pair_place(pairs, person, org);
    if (place->person != 0)
        return false;
    *place = (struct served_pair){.person = person, .org = org};
    pairs->count++;
    return true;
}

int64_t deadline_after(const struct engine *e, unsigned priority, uint32_t minutes, int64_t now)
{
    if (priority == PRIORITY_ROUTINE)
        return calendar_add_working(&e->calendar, now, minutes);
    return now + minutes * INT64_C(60000);
}
