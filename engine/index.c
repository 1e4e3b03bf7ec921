#include "index.h"

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
    pool_init(&index->buckets, sizeof(struct slots));
}

void index_fini(struct index *index)
{
    for (uint32_t i = 0; i < index->buckets.used; i++)
        slots_fini(pool_at(&index->buckets, i));
    pool_fini(&index->buckets);
    map_fini(&index->lists);
}

static struct slots *list_at(const struct index *index, uint64_t key)
{
    uint32_t slot = map_get(&index->lists, key);
    return slot == SLOT_NONE ? NULL : pool_at(&index->buckets, slot);
}

static void list_add(struct index *index, uint64_t key, uint32_t org)
{
    uint32_t slot = map_get(&index->lists, key);
    if (slot == SLOT_NONE) {
        slot = pool_take(&index->buckets);
        map_put(&index->lists, key, slot);
    }
    slots_add(pool_at(&index->buckets, slot), org);
}

static void list_remove(struct index *index, uint64_t key, uint32_t org)
{
    uint32_t slot = map_get(&index->lists, key);
    must(slot != SLOT_NONE);
    struct slots *list = pool_at(&index->buckets, slot);
    uint32_t i = 0;
    while (i < list->count && list->items[i] != org)
        i++;
    must(i < list->count);
    list->items[i] = list->items[--list->count];
    if (list->count == 0) {
        slots_fini(list);
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
                   void (*apply)(struct index *index, uint64_t key, uint32_t org))
{
    struct cells cells = cells_of(place);
    SKILLSET_EACH(skills, skill) {
        apply(index, list_key(LEVEL_EVERYWHERE, 0, 0, skill), org);
        for (int32_t lat = cells.lat_from; lat <= cells.lat_to; lat++)
            for (int32_t lon = cells.lon_from; lon <= cells.lon_to; lon++)
                apply(index, list_key(cells.level, lat, lon, skill), org);
    }
}

void index_add(struct index *index, uint32_t org, struct index_place place,
               const struct skillset *skills)
{
    change(index, org, place, skills, list_add);
}

void index_remove(struct index *index, uint32_t org, struct index_place place,
                  const struct skillset *skills)
{
    change(index, org, place, skills, list_remove);
}

static uint64_t visit_list(const struct index *index, uint64_t key,
                           void (*visit)(uint32_t org, void *context), void *context)
{
    const struct slots *list = list_at(index, key);
    if (list == NULL)
        return 0;
    for (uint32_t i = 0; visit != NULL && i < list->count; i++)
        visit(list->items[i], context);
    return list->count;
}

/* Visits the lists of one place, or only counts them when `visit` is NULL. */
static uint64_t walk_place(const struct index *index, int32_t lat, int32_t lon,
                           uint32_t reach_percent, int skill,
                           void (*visit)(uint32_t org, void *context), void *context)
{
    int32_t around = reach_percent > 100 ? 1 : 0;
    uint64_t count = visit_list(index, list_key(LEVEL_ODD, 0, 0, skill), visit, context);
    for (int level = LEVEL_MIN; level <= LEVEL_MAX; level++)
        for (int32_t dlat = -around; dlat <= around; dlat++)
            for (int32_t dlon = -around; dlon <= around; dlon++)
                count += visit_list(
                    index, list_key(level, (lat >> level) + dlat, (lon >> level) + dlon, skill),
                    visit, context);
    return count;
}

void index_visit_place(const struct index *index, int32_t lat, int32_t lon, uint32_t reach_percent,
                       int skill, void (*visit)(uint32_t org, void *context), void *context)
{
    walk_place(index, lat, lon, reach_percent, skill, visit, context);
}

uint64_t index_count_place(const struct index *index, int32_t lat, int32_t lon,
                           uint32_t reach_percent, int skill)
{
    return walk_place(index, lat, lon, reach_percent, skill, NULL, NULL);
}

void index_visit_all(const struct index *index, int skill,
                     void (*visit)(uint32_t org, void *context), void *context)
{
    visit_list(index, list_key(LEVEL_EVERYWHERE, 0, 0, skill), visit, context);
}

uint64_t index_count_all(const struct index *index, int skill)
{
    return visit_list(index, list_key(LEVEL_EVERYWHERE, 0, 0, skill), NULL, NULL);
}
