/* search.h -- the inside of match_find(): candidates by what they promise at best.
 *
 * What the index offers is queued in buckets by a bound on its rank, leaves and organisations alike;
 * the search opens the most promising first and stops when no bucket left can beat the worst of the
 * k best. The memory is kept from one search to the next. */
#ifndef PAIDAN_SEARCH_H
#define PAIDAN_SEARCH_H

#include "sift.h"

#define SEARCH_BUCKETS 512

struct search_item {
    uint32_t value; /* an organisation's slot, or a leaf */
    uint32_t part;  /* whose units the bound is in */
    bool is_leaf;
    struct index_bound bound;
    uint32_t next; /* in its bucket */
};

struct search_memory {
    uint64_t busy[SEARCH_BUCKETS / 64]; /* which buckets hold items */
    uint32_t heads[SEARCH_BUCKETS];
    struct search_item *items;
    uint32_t count, room, leaf_count;
    uint32_t *heap; /* for the k best */
    uint32_t heap_room;
    struct index_part parts[INDEX_PART_COUNT_MAX];
    struct sifted sifted;
    sift_function *sift;
};

void search_memory_init(struct search_memory *memory);
void search_memory_fini(struct search_memory *memory);

#endif
