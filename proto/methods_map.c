/* methods_map.c -- map.*: the volunteer map of clause 十四: where organisations and orders are, supply
 * against demand, and how much of the demand lies within the ten-minute circle of somebody who can serve.
 * All of it goes through the whole state, so it is done in slices. Fewer than five orders show as `few`. */
#include <stdlib.h>

#include "engine/match.h"
#include "engine/pool.h"
#include "methods.h"

enum { CELLS_MAX = 4096, SMALL = 5, CELL_SLICE = 5000, MATCH_SLICE = 40 };

/* In fives, rounded down, as is every figure of orders here: then what is few is not the exact difference of
 * what is shown beside it, above it, or in wider cells. */
static void pack_orders(struct pack *out, uint32_t orders)
{
    if (orders >= SMALL)
        pack_key_uint(out, "orders", orders / SMALL * SMALL);
    else
        pack_key_bool(out, "few", orders != 0);
}

/* map.cells: counts by cell of the map. */

struct counting {
    int64_t width;
    uint32_t slot, count;
    bool has_orgs; /* the organisations are counted, the orders come now */
    struct cell {
        int64_t lat, lon; /* in widths */
        uint32_t orgs, orders;
    } cells[CELLS_MAX];
    uint16_t places[CELLS_MAX * 2]; /* open addressing: 1 + the cell's number */
};

static int64_t cell_of(int64_t e7, int64_t width)
{
    return e7 >= 0 ? e7 / width : -((width - 1 - e7) / width);
}

/* The cell of a point; NULL when there are too many. */
static struct cell *find_cell(struct counting *c, int32_t lat, int32_t lon)
{
    int64_t at_lat = cell_of(lat, c->width);
    int64_t at_lon = cell_of(lon, c->width);
    uint64_t i = hash64((uint64_t)at_lat << 32 ^ (uint64_t)at_lon) % ARRAY_LEN(c->places);
    for (; c->places[i] != 0; i = (i + 1) % ARRAY_LEN(c->places)) {
        struct cell *cell = &c->cells[c->places[i] - 1];
        if (cell->lat == at_lat && cell->lon == at_lon)
            return cell;
    }
    if (c->count == CELLS_MAX)
        return NULL;
    c->cells[c->count] = (struct cell){.lat = at_lat, .lon = at_lon};
    c->places[i] = (uint16_t)(c->count + 1);
    return &c->cells[c->count++];
}

/* Counts one organisation or order; false after the last order. */
static bool count_one(struct call *call, struct counting *c)
{
    const struct org *org = c->has_orgs ? NULL : engine_next_org(call->engine, &c->slot);
    if (!c->has_orgs && org == NULL) {
        c->has_orgs = true;
        c->slot = SLOT_NONE;
    }
    const struct order *o = org == NULL ? engine_next_order(call->engine, &c->slot) : NULL;
    if (org == NULL && o == NULL)
        return false;
    if ((o != NULL && o->is_remote) || !access_sees(call, org != NULL ? org->region : o->region))
        return true;
    struct cell *cell = find_cell(c, org != NULL ? org->lat : o->lat, org != NULL ? org->lon : o->lon);
    if (cell != NULL) {
        cell->orgs += org != NULL;
        cell->orders += o != NULL;
    }
    return true;
}

static bool cells_slice(struct call *call, void *state, struct pack *out)
{
    struct counting *c = state;
    bool has_more = true;
    for (int i = 0; i < CELL_SLICE && has_more; i++)
        has_more = count_one(call, c);
    if (has_more)
        return false;
    pack_map(out);
    pack_key(out, "items");
    pack_list(out);
    for (uint32_t i = 0; i < c->count; i++) {
        pack_map(out);
        pack_key_degrees(out, "lat", (int32_t)(c->cells[i].lat * c->width + c->width / 2));
        pack_key_degrees(out, "lon", (int32_t)(c->cells[i].lon * c->width + c->width / 2));
        pack_key_uint(out, "orgs", c->cells[i].orgs);
        pack_orders(out, c->cells[i].orders);
        pack_close(out);
    }
    pack_close(out);
    pack_next(out, 0);
    pack_close(out);
    return true;
}

static bool run_cells(struct call *call, struct pack *out)
{
    struct counting *c = must_alloc(1, sizeof *c);
    (void)out;
    c->width = arg_number(&call->args, P_CELL, 500000);
    c->width = c->width > 10000 ? c->width : 10000;
    c->slot = SLOT_NONE;
    return turn_add_job(call, c, cells_slice);
}

/* map.regions: supply against demand by region and by category. */

struct surveying {
    uint32_t outer, slot; /* outer: only what is within; SLOT_NONE: everywhere */
    int level;
    bool has_orgs;
    uint32_t orders, in_circle; /* in all; open ones with a place */
    struct supply_row {
        uint32_t orgs, capacity, orders, in_circle;
    } categories[SKILL_COUNT_MAX];
    struct supply_row regions[]; /* by slot */
};

static uint32_t region_above(const struct engine *e, uint64_t code, int level)
{
    uint32_t slot = engine_region_find(e, code);
    while (slot != SLOT_NONE && engine_region_slot(e, slot)->level < level && engine_region_slot(e, slot)->parent != SLOT_NONE)
        slot = engine_region_slot(e, slot)->parent;
    return slot;
}

static bool is_surveyed(const struct call *call, const struct surveying *s, uint64_t region)
{
    uint32_t slot = engine_region_find(call->engine, region);
    return slot != SLOT_NONE && access_sees(call, region) &&
           (s->outer == SLOT_NONE || engine_region_within(call->engine, slot, s->outer));
}

static void survey_org(struct call *call, struct surveying *s, const struct org *org)
{
    const struct catalogue *catalogue = engine_catalogue(call->engine);
    if (!is_surveyed(call, s, org->region) || org->is_suspended)
        return;
    struct supply_row *row = &s->regions[region_above(call->engine, org->region, s->level)];
    row->orgs++;
    row->capacity += org->capacity;
    SKILLSET_EACH(&org->skills, skill) {
        if (skill < catalogue->count && catalogue->skills[skill].is_category) {
            s->categories[skill].orgs++;
            s->categories[skill].capacity += org->capacity;
        }
    }
}

/* Whether somebody who fits the order is within its ten-minute circle. */
static bool is_in_circle(struct call *call, const struct order *o)
{
    struct want want = match_want(call->engine, o, call->now);
    struct candidate nearest;
    want.fixed_start = 0;
    want.people = want.people_min = 1; /* one of its people is somebody */
    return match_find(call->engine, &want, RANK_DISTANCE, 1, &nearest) == 1 &&
           nearest.distance_mm <= engine_rules(call->engine)->circle_m * INT64_C(1000);
}

static void survey_order(struct call *call, struct surveying *s, const struct order *o)
{
    if (!is_surveyed(call, s, o->region) || o->is_remote || (o->state != ORDER_READY && o->state != ORDER_OFFERED))
        return;
    struct supply_row *row = &s->regions[region_above(call->engine, o->region, s->level)];
    bool in_circle = is_in_circle(call, o);
    s->orders++;
    s->in_circle += in_circle;
    row->orders++;
    row->in_circle += in_circle;
    s->categories[o->category].orders++;
    s->categories[o->category].in_circle += in_circle;
}

static void pack_supply(struct pack *out, const struct supply_row *row)
{
    pack_key_uint(out, "orgs", row->orgs);
    pack_key_uint(out, "capacity", row->capacity);
    pack_orders(out, row->orders);
    if (row->orders >= SMALL)
        pack_key_uint(out, "in_circle", row->in_circle / SMALL * SMALL);
}

static void pack_survey(const struct call *call, const struct surveying *s, struct pack *out)
{
    const struct catalogue *catalogue = engine_catalogue(call->engine);
    pack_map(out);
    pack_key(out, "items");
    pack_list(out);
    for (uint32_t i = 0; i < engine_region_count(call->engine); i++) {
        const struct region *region = engine_region_slot(call->engine, i);
        if (s->regions[i].orgs + s->regions[i].orders == 0)
            continue;
        pack_map(out);
        pack_key_uint(out, "region", region->code);
        pack_key_text(out, "name", region->name);
        pack_key_text(out, "level", word_name(&words_level, region->level));
        pack_supply(out, &s->regions[i]);
        pack_close(out);
    }
    pack_close(out);
    pack_next(out, 0);
    pack_key(out, "categories");
    pack_list(out);
    for (int i = 0; i < catalogue->count; i++) {
        if (!catalogue->skills[i].is_category)
            continue;
        pack_map(out);
        pack_key_text(out, "category", catalogue->skills[i].name);
        pack_supply(out, &s->categories[i]);
        pack_close(out);
    }
    pack_close(out);
    pack_key_uint(out, "circle_m", engine_rules(call->engine)->circle_m);
    pack_supply(out, &(struct supply_row){.orders = s->orders, .in_circle = s->in_circle});
    pack_close(out);
}

static bool survey_slice(struct call *call, void *state, struct pack *out)
{
    struct surveying *s = state;
    for (int i = 0; i < CELL_SLICE && !s->has_orgs; i++) {
        const struct org *org = engine_next_org(call->engine, &s->slot);
        if (org != NULL)
            survey_org(call, s, org);
        s->has_orgs = org == NULL;
        s->slot = org == NULL ? SLOT_NONE : s->slot;
    }
    for (int i = 0; i < MATCH_SLICE && s->has_orgs; i++) {
        const struct order *o = engine_next_order(call->engine, &s->slot);
        if (o == NULL) {
            pack_survey(call, s, out);
            return true;
        }
        survey_order(call, s, o);
    }
    return false;
}

static bool run_regions(struct call *call, struct pack *out)
{
    uint64_t region = (uint64_t)arg_number(&call->args, P_REGION, 0);
    struct surveying *s = must_alloc(1, sizeof *s + engine_region_count(call->engine) * sizeof *s->regions);
    (void)out;
    s->level = (int)arg_number(&call->args, P_LEVEL, LEVEL_COUNTY);
    s->outer = engine_region_find(call->engine, region);
    s->slot = SLOT_NONE;
    if (region != 0 && s->outer == SLOT_NONE) {
        free(s);
        return error_set(&call->error, REFUSAL_NOT_FOUND, "region", "%s", "");
    }
    return turn_add_job(call, s, survey_slice);
}

/* map.activity: the most active organisations, and how the index spreads. */

enum { SHOWN_MAX = 100, DECILES = 10 };

struct ranking {
    uint32_t outer, slot, limit, count;
    uint32_t deciles[DECILES];
    uint64_t orgs[SHOWN_MAX]; /* the best first */
    uint32_t indexes[SHOWN_MAX];
};

static void rank_one(struct ranking *r, const struct org *org)
{
    uint32_t index = org->tally.activity;
    uint32_t at = r->count;
    r->deciles[index < 1000 ? index / 100 : DECILES - 1]++;
    if (org->tally.accept_count + org->tally.decline_count + org->tally.expire_count == 0)
        return; /* nothing is known of it: it is no more active than others */
    if (r->limit == 0 || (r->count == r->limit && index <= r->indexes[r->count - 1]))
        return;
    if (r->count < r->limit)
        r->count++;
    else
        at--;
    for (; at != 0 && r->indexes[at - 1] < index; at--) {
        r->indexes[at] = r->indexes[at - 1];
        r->orgs[at] = r->orgs[at - 1];
    }
    r->indexes[at] = index;
    r->orgs[at] = org->id;
}

static void pack_ranking(const struct call *call, const struct ranking *r, struct pack *out)
{
    pack_map(out);
    pack_key(out, "items");
    pack_list(out);
    for (uint32_t i = 0; i < r->count; i++) {
        const struct org *org = engine_org(call->engine, r->orgs[i]);
        if (org == NULL)
            continue;
        pack_map(out);
        pack_key_uint(out, "org", org->id);
        pack_key_text(out, "name", org->name);
        pack_key_uint(out, "activity", org->tally.activity);
        pack_key_uint(out, "complete_count", org->tally.complete_count);
        pack_key_real(out, "recent_hours", org_more(org)->recent.hours / 1000.0);
        pack_close(out);
    }
    pack_close(out);
    pack_next(out, 0);
    pack_key(out, "deciles"); /* organisations with 0..99, 100..199, … */
    pack_list(out);
    for (int i = 0; i < DECILES; i++)
        pack_uint(out, r->deciles[i]);
    pack_close(out);
    pack_close(out);
}

static bool rank_slice(struct call *call, void *state, struct pack *out)
{
    struct ranking *r = state;
    for (int i = 0; i < CELL_SLICE; i++) {
        const struct org *org = engine_next_org(call->engine, &r->slot);
        if (org == NULL) {
            pack_ranking(call, r, out);
            return true;
        }
        uint32_t slot = engine_region_find(call->engine, org->region);
        if (access_sees(call, org->region) &&
            (r->outer == SLOT_NONE || (slot != SLOT_NONE && engine_region_within(call->engine, slot, r->outer))))
            rank_one(r, org);
    }
    return false;
}

static bool run_activity(struct call *call, struct pack *out)
{
    uint64_t region = (uint64_t)arg_number(&call->args, P_REGION, 0);
    uint64_t limit = (uint64_t)arg_number(&call->args, P_LIMIT, 20);
    uint32_t outer = engine_region_find(call->engine, region);
    (void)out;
    if (region != 0 && outer == SLOT_NONE)
        return error_set(&call->error, REFUSAL_NOT_FOUND, "region", "%s", "");
    struct ranking *r = must_alloc(1, sizeof *r);
    r->outer = outer;
    r->slot = SLOT_NONE;
    r->limit = (uint32_t)(limit < SHOWN_MAX ? limit : SHOWN_MAX);
    return turn_add_job(call, r, rank_slice);
}

const struct method map_methods[] = {
    {"map.cells", ROLE_SUPERVISOR, "Organisations and open orders by cells of the map; orders are counted in fives, and fewer show as `few`.", "{items: [{lat, lon, orgs, orders|few}], next}", 0, 0, {P_CELL}, run_cells, NULL, NULL},
    {"map.regions", ROLE_SUPERVISOR, "Supply against demand by region and by category, and how many of the waiting orders have somebody who fits within the ten-minute circle (`circle_m`). Orders are counted in fives, and fewer show as `few`.", "{items: [{region, name, level, orgs, capacity, orders|few, in_circle}], next, categories: […], circle_m, orders|few, in_circle}", 0, 0, {P_REGION, P_LEVEL}, run_regions, NULL, NULL},
    {"map.activity", ROLE_SUPERVISOR, "The most active organisations of those that were ever asked, 100 at most, and how the activity index spreads; stats.org says why for one.", "{items: [{org, name, activity, complete_count, recent_hours}], next, deciles}", 0, 0, {P_REGION, P_LIMIT}, run_activity, NULL, NULL},
};
const int map_method_count = (int)ARRAY_LEN(map_methods);
