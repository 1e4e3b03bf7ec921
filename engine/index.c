#include "index.h"

#include <stdlib.h>
#include <string.h>

#include "geo.h"

/* Cells of level n are 2^n units of 1e-7 degrees wide; the lowest is about 180 m. */
#define LEVEL_MIN 14
#define LEVEL_MAX 27 /* 13.4 degrees: a reach of 1,000 km, widened, still fits near 60 degrees */
#define LEVEL_ODD 30 /* poles and the date line, where cells do not hold: asked always */
#define LAT_EVEN 800000000 /* beyond 80 degrees cells are too narrow */
#define DEGREE 10000000
#define LAT_DEGREE_MIN_MM 110500000 /* a degree of latitude is nowhere shorter */
#define SPOT_BITS 10                /* a cell is so many bits of units wide; spots reach half around it */
#define REACH_UNITS_MAX 4095

struct cells {
    int level;
    int32_t lat_from, lat_to, lon_from, lon_to; /* both ends included */
};

static uint64_t cell_key(int level, int32_t lat_cell, int32_t lon_cell)
{
    return (uint64_t)level << 59 | (uint64_t)(uint32_t)(lat_cell & 0x3ffff) << 20 |
           (uint64_t)(uint32_t)(lon_cell & 0xfffff); /* never 0, for the level is not */
}

static uint32_t isqrt_small(uint32_t square)
{
    uint32_t root = 0;
    while ((root + 1) * (root + 1) <= square)
        root++;
    return root;
}

void index_init(struct index *index)
{
    *index = (struct index){.crowds = NULL};
    lists_init(&index->lists);
    pool_init(&index->cells, sizeof(struct index_cell));
    for (uint32_t i = 0; i < ARRAY_LEN(index->root); i++)
        index->root[i] = (uint16_t)isqrt_small(i * 256);
    for (int32_t degree = 0; degree < 90; degree++) {
        int64_t lat_degree = 0;
        int64_t lon_degree = 0;
        geo_degree_mm(degree * DEGREE, &lat_degree, &lon_degree);
        index->east[degree] = (uint16_t)(lon_degree * 1024 / LAT_DEGREE_MIN_MM);
    }
}

void index_fini(struct index *index)
{
    lists_fini(&index->lists);
    for (uint32_t i = 0; i < index->cells.used; i++)
        free(((struct index_cell *)pool_at(&index->cells, i))->lists);
    pool_fini(&index->cells);
    map_fini(&index->places);
    free(index->crowds);
}

/* The cells that a reach covers. The level's cells are at least 2.2 times the reach wide, the tenth
 * being for the curvature between the place and the edge of a widened reach. */
static struct cells cells_of(struct index_place place)
{
    int64_t lat_degree = 0;
    int64_t lon_degree = 0;
    int32_t lat = place.lat < 0 ? -place.lat : place.lat;
    int64_t reach_mm = (int64_t)place.reach_m * 1000;
    geo_degree_mm(lat, &lat_degree, &lon_degree);
    int64_t lat_edge = lat + 3 * reach_mm * DEGREE / lat_degree; /* widened, towards the pole */
    if (lat_edge >= LAT_EVEN)
        return (struct cells){.level = LEVEL_ODD};
    geo_degree_mm((int32_t)lat_edge, &lat_degree, &lon_degree);
    int64_t dlat = reach_mm * DEGREE / LAT_DEGREE_MIN_MM + 1;
    int64_t dlon = reach_mm * DEGREE / lon_degree + 1;
    int64_t widest = dlon > dlat ? dlon : dlat;
    int level = LEVEL_MIN;
    while (level <= LEVEL_MAX && (INT64_C(1) << level) * 10 < widest * 22)
        level++;
    if (level > LEVEL_MAX || place.lon - 4 * dlon <= -LON_MAX || place.lon + 4 * dlon >= LON_MAX)
        return (struct cells){.level = LEVEL_ODD};
    return (struct cells){.level = level,
                          .lat_from = (int32_t)((place.lat - dlat) >> level),
                          .lat_to = (int32_t)((place.lat + dlat) >> level),
                          .lon_from = (int32_t)((place.lon - dlon) >> level),
                          .lon_to = (int32_t)((place.lon + dlon) >> level)};
}

/* A coordinate in the units of a cell; the cell itself is [512, 1536). */
static int32_t local_of(int32_t coordinate, int32_t cell, int level)
{
    int64_t base = ((int64_t)cell * 2 - 1) * (INT64_C(1) << (level - 1)); /* south and west are negative */
    return (int32_t)((coordinate - base) >> (level - SPOT_BITS));
}

/* Units of a level that are at least so many millimetres. */
static uint64_t units_of(uint64_t mm, int level)
{
    uint64_t unit_mm = (UINT64_C(110500) << (level - SPOT_BITS)) / 10000;
    return mm / unit_mm + 1;
}

static uint32_t spot_of(struct index_place place, int level, int32_t lat_cell, int32_t lon_cell)
{
    if (level == LEVEL_ODD)
        return SPOT(0, 0, SPOT_REACH_MAX);
    int32_t lat = local_of(place.lat, lat_cell, level);
    int32_t lon = local_of(place.lon, lon_cell, level);
    uint64_t reach = units_of((uint64_t)place.reach_m * 1000, level);
    must(lat >= 0 && lat < 2048 && lon >= 0 && lon < 2048 && reach <= SPOT_REACH_MAX);
    return SPOT(lat, lon, reach);
}

/* Where in a cell's lists a skill's stands, or would. */
static uint32_t rank_of(const struct index_cell *cell, int skill)
{
    uint32_t rank = 0;
    for (int word = 0; word < skill / 64; word++)
        rank += (uint32_t)__builtin_popcountll(cell->skills.bits[word]);
    uint64_t below = cell->skills.bits[skill / 64] & ((UINT64_C(1) << skill % 64) - 1);
    return rank + (uint32_t)__builtin_popcountll(below);
}

static struct index_cell *cell_at(const struct index *index, uint64_t key)
{
    uint32_t slot = map_get(&index->places, key);
    return slot != SLOT_NONE ? pool_at(&index->cells, slot) : NULL;
}

static void cell_add(struct index *index, struct index_cell *cell, int skill, struct list_entry entry)
{
    uint32_t rank = rank_of(cell, skill);
    if (!skillset_has(&cell->skills, skill)) {
        if (cell->count == cell->room) {
            cell->room += cell->room / 4 + 2;
            cell->lists = must_realloc(cell->lists, cell->room, sizeof *cell->lists);
        }
        memmove(&cell->lists[rank + 1], &cell->lists[rank], (cell->count - rank) * sizeof *cell->lists);
        cell->lists[rank] = LIST_EMPTY;
        cell->count++;
        skillset_add(&cell->skills, skill);
    }
    cell->lists[rank] = lists_add(&index->lists, cell->lists[rank], entry);
}

static void cell_drop(struct index *index, struct index_cell *cell, int skill, struct list_entry entry)
{
    uint32_t rank = rank_of(cell, skill);
    must(skillset_has(&cell->skills, skill));
    cell->lists[rank] = lists_remove(&index->lists, cell->lists[rank], entry.spot, entry.org);
    if (cell->lists[rank] != LIST_EMPTY)
        return;
    cell->count--;
    memmove(&cell->lists[rank], &cell->lists[rank + 1], (cell->count - rank) * sizeof *cell->lists);
    cell->skills.bits[skill / 64] &= ~(UINT64_C(1) << skill % 64);
}

/* Adds to a cell, or takes away, under each skill. */
static void change_cell(struct index *index, uint64_t key, const struct skillset *skills,
                        struct list_entry entry, bool is_added)
{
    if (is_added && map_get(&index->places, key) == SLOT_NONE)
        map_put(&index->places, key, pool_take(&index->cells));
    struct index_cell *cell = cell_at(index, key);
    must(cell != NULL);
    SKILLSET_EACH(skills, skill) {
        if (is_added)
            cell_add(index, cell, skill, entry);
        else
            cell_drop(index, cell, skill, entry);
    }
    if (cell->count != 0)
        return;
    free(cell->lists);
    cell->lists = NULL;
    pool_give(&index->cells, map_get(&index->places, key));
    map_remove(&index->places, key);
}

static void change(struct index *index, uint32_t org, struct index_place place,
                   const struct skillset *skills, bool is_added)
{
    struct cells cells = cells_of(place);
    index->level_counts[cells.level] += is_added ? 1 : UINT32_MAX;
    for (int32_t lat = cells.lat_from; lat <= cells.lat_to; lat++)
        for (int32_t lon = cells.lon_from; lon <= cells.lon_to; lon++) {
            struct list_entry entry = {
                .spot = spot_of(place, cells.level, lat, lon), .summary = place.summary, .org = org};
            change_cell(index, cell_key(cells.level, lat, lon), skills, entry, is_added);
        }
}

static void crowd_take(struct index *index, uint32_t org, const struct skillset *skills)
{
    uint32_t crowd = org / POOL_CHUNK_SLOTS;
    if (crowd >= index->crowd_count) {
        index->crowds = must_realloc(index->crowds, crowd + 1, sizeof *index->crowds);
        while (index->crowd_count <= crowd)
            index->crowds[index->crowd_count++] = (struct skillset){{0}};
    }
    for (size_t i = 0; i < ARRAY_LEN(skills->bits); i++)
        index->crowds[crowd].bits[i] |= skills->bits[i];
}

void index_add(struct index *index, uint32_t org, struct index_place place,
               const struct skillset *skills)
{
    change(index, org, place, skills, true);
    crowd_take(index, org, skills);
}

void index_remove(struct index *index, uint32_t org, struct index_place place,
                  const struct skillset *skills)
{
    change(index, org, place, skills, false);
}

bool index_crowd_may(const struct index *index, uint32_t crowd, const struct skillset *skills)
{
    return crowd < index->crowd_count && skillset_within(skills, &index->crowds[crowd]);
}

/* A cell on the way to its part. Each look-up waits for memory, so all cells take each step together
 * and ask for the next one's memory early. */
struct visit {
    int32_t lat_cell, lon_cell;
    int level;
    int8_t dlat, dlon; /* from the place's own cell */
    const struct index_cell *cell;
};

static uint64_t visit_key(const struct visit *v)
{
    return cell_key(v->level, v->lat_cell, v->lon_cell);
}

/* The cells of a place at every level that anybody is registered at. */
static uint32_t visits_of(const struct index *index, const struct index_query *q, struct visit *visits)
{
    uint32_t count = 0;
    int8_t around = q->reach_percent > 100 ? 1 : 0;
    if (index->level_counts[LEVEL_ODD] != 0)
        visits[count++] = (struct visit){.level = LEVEL_ODD};
    for (int level = LEVEL_MIN; level <= LEVEL_MAX; level++) {
        if (index->level_counts[level] == 0)
            continue;
        for (int8_t dlat = (int8_t)-around; dlat <= around; dlat++)
            for (int8_t dlon = (int8_t)-around; dlon <= around; dlon++)
                visits[count++] = (struct visit){.lat_cell = (q->lat >> level) + dlat,
                                                 .lon_cell = (q->lon >> level) + dlon,
                                                 .level = level, .dlat = dlat, .dlon = dlon};
    }
    for (uint32_t i = 0; i < count; i++)
        map_prefetch(&index->places, visit_key(&visits[i]));
    return count;
}

/* Keeps the visits whose cell has somebody with each of the skills. */
static uint32_t enter_cells(const struct index *index, const struct index_query *q, struct visit *visits,
                            uint32_t count)
{
    uint32_t found = 0;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        /* cppcheck-suppress uninitvar ; those before count are filled by the caller */
        visits[found] = visits[i];
        visits[found].cell = cell_at(index, visit_key(&visits[i]));
        if (visits[found].cell != NULL)
            __builtin_prefetch(visits[found++].cell);
    }
    for (uint32_t i = 0; i < found; i++) {
        const struct index_cell *cell = visits[i].cell;
        if (!skillset_within(q->skills, &cell->skills))
            continue;
        visits[kept++] = visits[i];
        SKILLSET_EACH(q->skills, skill) __builtin_prefetch(&cell->lists[rank_of(cell, skill)]);
    }
    return kept;
}

/* The shortest of the cell's lists of the skills asked for. */
static uint32_t shortest_list(const struct index *index, const struct index_query *q,
                              const struct index_cell *cell)
{
    int first = skillset_next(q->skills, 0);
    uint32_t shortest = cell->lists[rank_of(cell, first)];
    if (first == SKILL_COUNT_MAX - 1 || skillset_next(q->skills, first + 1) < 0)
        return shortest; /* nothing to choose, and no count to wait for */
    uint32_t fewest = lists_count(&index->lists, shortest);
    SKILLSET_EACH(q->skills, skill) {
        uint32_t list = cell->lists[rank_of(cell, skill)];
        uint32_t count = lists_count(&index->lists, list);
        if (count < fewest) {
            fewest = count;
            shortest = list;
        }
    }
    return shortest;
}

/* A level's part but for its list and its cell. */
static struct index_part part_of_level(const struct index *index, const struct index_query *q, int level)
{
    int64_t edge = (q->lat < 0 ? -(int64_t)q->lat : q->lat) + (INT64_C(5) << level) / 2;
    uint64_t most = q->most_mm / INDEX_UNIT_MM >= (uint64_t)REACH_UNITS_MAX << (level - LEVEL_MIN)
                        ? REACH_UNITS_MAX : units_of(q->most_mm, level);
    return (struct index_part){
        .level = level - LEVEL_MIN,
        .east = edge < 89 * (int64_t)DEGREE ? index->east[edge / DEGREE + 1] : 0,
        .summary = q->summary,
        .any = q->any,
        .percent_q8 = (int32_t)((q->reach_percent * 256 + 99) / 100),
        .most = most < REACH_UNITS_MAX ? (int32_t)most : REACH_UNITS_MAX,
    };
}

/* The cells around take only who has no place in a nearer one: their own, and at the rim beyond. */
static void part_narrow(struct index_part *part, int dlat, int dlon)
{
    part->lat_from = dlat < 0 ? 0 : 512;
    part->lat_to = dlat > 0 ? 2048 : 1536;
    part->lon_from = dlon < 0 ? 0 : 512;
    part->lon_to = dlon > 0 ? 2048 : 1536;
}

static struct index_part part_of(const struct index *index, const struct index_query *q,
                                 const struct visit *v)
{
    uint32_t list = shortest_list(index, q, v->cell);
    struct index_part part = {.is_odd = true};
    if (v->level != LEVEL_ODD) {
        part = part_of_level(index, q, v->level);
        part.lat = local_of(q->lat, v->lat_cell, v->level);
        part.lon = local_of(q->lon, v->lon_cell, v->level);
    }
    part.list = list;
    part.lat_to = part.lon_to = 2048;
    if (q->reach_percent > 100 && !part.is_odd)
        part_narrow(&part, v->dlat, v->dlon);
    return part;
}

uint32_t index_parts(const struct index *index, const struct index_query *q, struct index_part *parts)
{
    struct visit visits[INDEX_PART_COUNT_MAX];
    uint32_t count = enter_cells(index, q, visits, visits_of(index, q, visits));
    for (uint32_t i = 0; i < count; i++) {
        parts[i] = part_of(index, q, &visits[i]);
        lists_prefetch(&index->lists, parts[i].list);
    }
    return count;
}
