/* index.h -- which organisations might reach a place with a skill.
 *
 * An order asks who reaches it, not who is near it. Each organisation is registered in the few cells
 * of a hierarchical grid that its reach covers, in one list for each of its skills; the cells of its
 * level are at least 2.2 times as wide as its reach, so there are at most four. A place then has one
 * cell a level, and the list of the order's rarest skill there holds everybody who can be within
 * reach. With reach widened to up to 300 % the cells around are asked too.
 *
 * The index answers with the lists to look at and the place in each list's own units; what a spot
 * says is a bound, from below on the distance and from above on the reach. Who is left is tried by
 * the definition.
 *
 * Cost: one look-up a level; adding and removing, the number of skills times at most four lists. */
#ifndef PAIDAN_INDEX_H
#define PAIDAN_INDEX_H

#include "lists.h"
#include "skills.h"

#define INDEX_PART_COUNT_MAX 128 /* 14 levels of nine cells, and the odd ones */
#define INDEX_UNIT_MM 176        /* a unit of the lowest level, rounded down; each level doubles it */

/* What one cell holds: the skills that somebody there has, and a list for each of them in sequence. */
struct index_cell {
    struct skillset skills;
    uint32_t *lists;
    uint32_t count, room;
};

struct index {
    struct map places; /* key of (level, cell) to a slot of `cells` */
    struct pool cells;
    struct lists lists;
    uint32_t level_counts[32]; /* organisations registered at each level: empty ones are not asked */
    uint16_t east[92];         /* a unit eastwards over one northwards at a degree of latitude, Q10 */
    uint16_t root[1024];       /* 16 times the square root, rounded down */
    struct skillset *crowds;   /* by 1,024 slots: every skill that one of them has or had */
    uint32_t crowd_count;
};

/* Where an organisation is registered, and the sum of when it may serve: bit 31 if at all, bits 28 to
 * 30 for at least 2, 4 and 8 people, and four parts of each weekday in which it is open at some time,
 * Monday's first part in bit 0. */
struct index_place {
    int32_t lat, lon;
    uint32_t reach_m, summary;
};

#define SUMMARY_SERVES (UINT32_C(1) << 31)
#define SUMMARY_ALWAYS UINT32_C(0x0fffffff)
static inline uint32_t summary_of_people(uint32_t people)
{
    return (uint32_t)(people >= 2) << 28 | (uint32_t)(people >= 4) << 29 | (uint32_t)(people >= 8) << 30;
}
/* Where the parts of a day begin: at 0, 9, 12 and 18 o'clock; and where the day ends. */
static const uint8_t summary_parts[5] = {0, 18, 24, 36, HALF_HOURS_A_DAY};
/* The bit of a half-hour of the week. */
static inline uint32_t summary_of_time(uint32_t half_hour)
{
    uint32_t in_day = half_hour % HALF_HOURS_A_DAY;
    uint32_t part = (uint32_t)(in_day >= summary_parts[1]) + (in_day >= summary_parts[2]) + (in_day >= summary_parts[3]);
    return UINT32_C(1) << (half_hour / HALF_HOURS_A_DAY * 4 + part);
}

struct index_query {
    int32_t lat, lon;
    uint32_t reach_percent;
    uint64_t most_mm; /* no farther, whatever the reach; UINT64_MAX is no limit */
    uint32_t summary, any; /* the bits that an organisation must have; at least one of these */
    const struct skillset *skills;
};

/* One list to look at. Numbers are in its units. */
struct index_part {
    uint32_t list;
    int level; /* above the lowest; a unit is INDEX_UNIT_MM << level */
    bool is_odd; /* spots mean nothing here: everybody in it may reach */
    int32_t lat, lon, east;
    int32_t percent_q8, most; /* the widening, rounded up; the cap on reach */
    uint32_t summary, any;
    int32_t lat_from, lat_to, lon_from, lon_to; /* spots outside belong to another part */
};

void index_init(struct index *index);
void index_fini(struct index *index);
void index_add(struct index *index, uint32_t org, struct index_place place,
               const struct skillset *skills);
void index_remove(struct index *index, uint32_t org, struct index_place place,
                  const struct skillset *skills);

/* The lists to look at into `parts`, INDEX_PART_COUNT_MAX long; returns how many. Together they hold
 * everybody who may reach the place and has all the skills, each once within the parts' bounds. */
uint32_t index_parts(const struct index *index, const struct index_query *query,
                     struct index_part *parts);

/* Whether anybody in the thousand slots from `crowd` * 1024 on may have all the skills. */
bool index_crowd_may(const struct index *index, uint32_t crowd, const struct skillset *skills);

/* What a spot says: the least squared distance and the most reach. */
struct index_bound {
    uint32_t square;
    int32_t reach;
};

static inline int32_t index_gap(int32_t a, int32_t b)
{
    int32_t gap = a < b ? b - a : a - b;
    return gap > 0 ? gap - 1 : 0; /* both were rounded down */
}

static inline int32_t index_widened(const struct index_part *part, int32_t reach)
{
    reach = (reach * part->percent_q8 + 255) >> 8;
    return reach < part->most ? reach : part->most;
}

static inline struct index_bound index_bound_at(const struct index_part *part, int32_t north,
                                                int32_t east, int32_t reach)
{
    east = east * part->east >> 10;
    return (struct index_bound){.square = (uint32_t)(north * north + east * east),
                                .reach = index_widened(part, reach)};
}

static inline struct index_bound index_spot_bound(const struct index_part *part, uint32_t spot)
{
    return index_bound_at(part, index_gap(SPOT_LAT(spot), part->lat),
                          index_gap(SPOT_LON(spot), part->lon), SPOT_REACH(spot));
}

static inline bool index_bound_holds(struct index_bound bound)
{
    return bound.square <= (uint32_t)(bound.reach * bound.reach);
}

static inline bool index_spot_belongs(const struct index_part *part, uint32_t spot)
{
    return (SPOT_LAT(spot) >= part->lat_from) & (SPOT_LAT(spot) < part->lat_to) &
           (SPOT_LON(spot) >= part->lon_from) & (SPOT_LON(spot) < part->lon_to);
}

/* Sixteen times the square root of `square`, rounded down. */
static inline uint32_t index_root(const struct index *index, uint32_t square)
{
    if (square < 1024)
        return index->root[square];
    int shift = (22 - __builtin_clz(square) + 1) & ~1;
    return (uint32_t)index->root[square >> shift] << shift / 2;
}

#endif
