#include "index.h"

#include <stdlib.h>

#include "geo.h"

/* Cells of level n are 2^n units of 1e-7 degrees wide; the lowest is about 220 m. */
#define LEVEL_MIN 14
#define LEVEL_MAX 27 /* 13.4 degrees: a reach of 1,000 km, widened, still fits near 60 degrees */
#define LEVEL_EVERYWHERE 31 /* one list a skill: everybody */
#define LEVEL_ODD 30        /* poles and the date line, where cells do not hold: asked always */
#define LAT_EVEN 800000000  /* beyond 80 degrees cells are too narrow */

struct cells {
    int level;
    int32_t lat_from, lat_to, lon_from, lon_to; /* both ends included */
};

static uint64_t list_key(int level, int32_t lat_cell, int32_t lon_cell, int skill)
{
    /* 5 bits of level, 8 of skill, 18 of latitude, 20 of longitude; never 0, for the level is not. */
    return (uint64_t)level << 59 | (uint64_t)skill << 51 |
           (uint64_t)(uint32_t)(lat_cell & 0x3ffff) << 20 | (uint64_t)(uint32_t)(lon_cell & 0xfffff);
}

void index_init(struct index *index)
{
    *index = (struct index){.lists = {0}};
    pool_init(&index->buckets, sizeof(struct index_list));
}

void index_fini(struct index *index)
{
    for (uint32_t i = 0; i < index->buckets.used; i++)
        free(((struct index_list *)pool_at(&index->buckets, i))->entries);
    pool_fini(&index->buckets);
    map_fini(&index->lists);
}

static struct index_list *list_at(const struct index *index, uint64_t key)
{
    uint32_t slot = map_get(&index->lists, key);
    return slot == SLOT_NONE ? NULL : pool_at(&index->buckets, slot);
}

static void list_add(struct index *index, uint64_t key, struct index_entry entry)
{
    uint32_t slot = map_get(&index->lists, key);
    if (slot == SLOT_NONE) {
        slot = pool_take(&index->buckets);
        map_put(&index->lists, key, slot);
    }
    struct index_list *list = pool_at(&index->buckets, slot);
    if (list->count == list->room) {
        list->room = list->room != 0 ? list->room * 2 : 4;
        list->entries = must_realloc(list->entries, list->room, sizeof entry);
    }
    list->entries[list->count++] = entry;
}

static void list_remove(struct index *index, uint64_t key, struct index_entry entry)
{
    uint32_t slot = map_get(&index->lists, key);
    must(slot != SLOT_NONE);
    struct index_list *list = pool_at(&index->buckets, slot);
    uint32_t i = 0;
    while (i < list->count && list->entries[i].org != entry.org)
        i++;
    must(i < list->count);
    list->entries[i] = list->entries[--list->count];
    if (list->count == 0) {
        free(list->entries);
        *list = (struct index_list){.count = 0};
        pool_give(&index->buckets, slot);
        map_remove(&index->lists, key);
    }
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
    int64_t lat_edge = lat + 3 * reach_mm * 10000000 / lat_degree; /* widened, towards the pole */
    if (lat_edge >= LAT_EVEN)
        return (struct cells){.level = LEVEL_ODD};
    geo_degree_mm((int32_t)lat_edge, &lat_degree, &lon_degree);
    int64_t dlat = reach_mm * 10000000 / 110500000 + 1; /* a degree is nowhere shorter */
    int64_t dlon = reach_mm * 10000000 / lon_degree + 1;
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

static void change(struct index *index, uint32_t org, struct index_place place,
                   const struct skillset *skills,
                   void (*apply)(struct index *index, uint64_t key, struct index_entry entry))
{
    struct cells cells = cells_of(place);
    struct index_entry entry = {.org = org, .reach_m = place.reach_m, .lat = place.lat, .lon = place.lon};
    SKILLSET_EACH(skills, skill) {
        apply(index, list_key(LEVEL_EVERYWHERE, 0, 0, skill), entry);
        for (int32_t lat = cells.lat_from; lat <= cells.lat_to; lat++)
            for (int32_t lon = cells.lon_from; lon <= cells.lon_to; lon++)
                apply(index, list_key(cells.level, lat, lon, skill), entry);
    }
}

void index_add(struct index *index, uint32_t org, struct index_place place,
               const struct skillset *skills)
{
    index->level_counts[cells_of(place).level]++;
    change(index, org, place, skills, list_add);
}

void index_remove(struct index *index, uint32_t org, struct index_place place,
                  const struct skillset *skills)
{
    index->level_counts[cells_of(place).level]--;
    change(index, org, place, skills, list_remove);
}

/* What a visit asks of each entry before it calls. */
struct asking {
    int32_t lat, lon;
    uint32_t reach_percent;
    uint64_t most_mm;
    int64_t lon_degree_mm; /* a lower bound near the place; 0: not to be used */
    void (*visit)(uint32_t org, void *context); /* NULL: only count */
    void *context;
};

#define NEAR_MM UINT64_C(300000000) /* within so much, latitudes differ by less than 3 degrees */
#define LAT_DEGREE_MIN_MM 110500000 /* a degree of latitude is nowhere shorter */

static struct asking asking_of(int32_t lat, int32_t lon, uint32_t reach_percent, uint64_t most_mm)
{
    struct asking a = {.lat = lat, .lon = lon, .reach_percent = reach_percent, .most_mm = most_mm};
    int32_t edge = (lat < 0 ? -lat : lat) + 30000000;
    int64_t lat_degree = 0;
    if (edge < LAT_EVEN)
        geo_degree_mm(edge, &lat_degree, &a.lon_degree_mm);
    return a;
}

/* Whether the place may be within the entry's reach: a box around the true circle. */
static bool may_reach(const struct asking *a, const struct index_entry *entry)
{
    uint64_t reach_mm = (uint64_t)entry->reach_m * 10 * a->reach_percent;
    reach_mm = reach_mm < a->most_mm ? reach_mm : a->most_mm;
    if (reach_mm > NEAR_MM || a->lon_degree_mm == 0)
        return true;
    uint64_t dlat = (uint64_t)llabs((int64_t)entry->lat - a->lat);
    uint64_t dlon = (uint64_t)llabs((int64_t)entry->lon - a->lon);
    if (dlat * LAT_DEGREE_MIN_MM / 10000000 > reach_mm)
        return false;
    return dlon > LON_MAX /* across the date line */ ||
           dlon * (uint64_t)a->lon_degree_mm / 10000000 <= reach_mm;
}

static uint64_t visit_list(const struct index *index, uint64_t key, const struct asking *a)
{
    const struct index_list *list = list_at(index, key);
    if (list == NULL)
        return 0;
    for (uint32_t i = 0; a->visit != NULL && i < list->count; i++)
        if (may_reach(a, &list->entries[i]))
            a->visit(list->entries[i].org, a->context);
    return list->count;
}

/* Visits the lists of one level around a place. */
static uint64_t walk_level(const struct index *index, const struct asking *a, int skill, int level)
{
    int32_t around = a->reach_percent > 100 ? 1 : 0;
    uint64_t count = 0;
    for (int32_t dlat = -around; dlat <= around; dlat++)
        for (int32_t dlon = -around; dlon <= around; dlon++)
            count += visit_list(
                index, list_key(level, (a->lat >> level) + dlat, (a->lon >> level) + dlon, skill), a);
    return count;
}

/* Visits the lists of one place; answers how many entries they have. */
static uint64_t walk_place(const struct index *index, const struct asking *a, int skill)
{
    uint64_t count = 0;
    if (index->level_counts[LEVEL_ODD] != 0)
        count += visit_list(index, list_key(LEVEL_ODD, 0, 0, skill), a);
    for (int level = LEVEL_MIN; level <= LEVEL_MAX; level++)
        if (index->level_counts[level] != 0)
            count += walk_level(index, a, skill, level);
    return count;
}

void index_visit_place(const struct index *index, int32_t lat, int32_t lon, uint32_t reach_percent,
                       uint64_t most_mm, int skill, void (*visit)(uint32_t org, void *context),
                       void *context)
{
    struct asking a = asking_of(lat, lon, reach_percent, most_mm);
    a.visit = visit;
    a.context = context;
    walk_place(index, &a, skill);
}

uint64_t index_count_place(const struct index *index, int32_t lat, int32_t lon,
                           uint32_t reach_percent, int skill)
{
    struct asking a = {.lat = lat, .lon = lon, .reach_percent = reach_percent};
    return walk_place(index, &a, skill);
}

void index_visit_all(const struct index *index, int skill,
                     void (*visit)(uint32_t org, void *context), void *context)
{
    const struct index_list *list = list_at(index, list_key(LEVEL_EVERYWHERE, 0, 0, skill));
    for (uint32_t i = 0; list != NULL && i < list->count; i++)
        visit(list->entries[i].org, context);
}

uint64_t index_count_all(const struct index *index, int skill)
{
    const struct index_list *list = list_at(index, list_key(LEVEL_EVERYWHERE, 0, 0, skill));
    return list != NULL ? list->count : 0;
}
