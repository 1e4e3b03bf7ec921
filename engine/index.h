/* index.h -- which organisations might reach a place with a skill.
 *
 * An order asks who reaches it, not who is near it. Each organisation is registered in the few cells
 * of a hierarchical grid that its reach covers, in one list for each of its skills; the cells of its
 * level are at least twice as wide as its reach, so there are at most four. A place then has one cell
 * a level, and the list of the order's rarest skill there holds everybody who can be within reach.
 * With reach widened to up to 300 % the cells around are asked too. The lists are a superset: who is
 * in them is still tried by the definition.
 *
 * Cost: one list a level; adding and removing, the number of skills times at most four lists, which a
 * removal searches. */
#ifndef PAIDAN_INDEX_H
#define PAIDAN_INDEX_H

#include "pool.h"
#include "skills.h"

/* One organisation in one list. */
struct index_entry {
    uint32_t org, reach_m;
    int32_t lat, lon;
};

struct index_list {
    struct index_entry *entries;
    uint32_t count, room;
};

struct index {
    struct map lists; /* key of (level, cell, skill) to a slot of `buckets` */
    uint32_t level_counts[32]; /* organisations registered at each level: empty ones are not asked */
    struct pool buckets;
};

/* Where an organisation is registered. */
struct index_place {
    int32_t lat, lon;
    uint32_t reach_m;
};

void index_init(struct index *index);
void index_fini(struct index *index);
void index_add(struct index *index, uint32_t org, struct index_place place,
               const struct skillset *skills);
void index_remove(struct index *index, uint32_t org, struct index_place place,
                  const struct skillset *skills);

/* Calls `visit` with every organisation that has the skill and may reach the place with its reach
 * widened to `reach_percent`, but no farther than `most_mm`; an organisation may come more than once
 * when the reach is widened, for then the cells around are asked too.
 * What stands beside it in the list, its place and reach, already tells most that cannot. */
void index_visit_place(const struct index *index, int32_t lat, int32_t lon, uint32_t reach_percent,
                       uint64_t most_mm, int skill, void (*visit)(uint32_t org, void *context),
                       void *context);
/* The same without a place: everybody with the skill, each once. */
void index_visit_all(const struct index *index, int skill,
                     void (*visit)(uint32_t org, void *context), void *context);
/* How many entries a visit would meet. */
uint64_t index_count_place(const struct index *index, int32_t lat, int32_t lon,
                           uint32_t reach_percent, int skill);
uint64_t index_count_all(const struct index *index, int skill);

#endif
