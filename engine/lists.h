/* lists.h -- lists of organisations with their places packed beside them, short ones in one leaf,
 * long ones in many that a directory of bounding boxes tells apart.
 *
 * A spot is 32 bits: 11 of latitude and 11 of longitude in units of the cell that the list belongs
 * to, and 10 of reach in the same unit. Beside it stand 32 bits that sum up when the organisation
 * may serve, and how many. A search sifts both before it touches any organisation. Leaves come in
 * few sizes from chunks that never move, 12 bytes an entry.
 *
 * Cost: adding and removing look at one box for each leaf and at the entries of one leaf or two. */
#ifndef PAIDAN_LISTS_H
#define PAIDAN_LISTS_H

#include "pool.h"

#define SPOT_REACH_MAX 1023
#define SPOT(lat, lon, reach) ((uint32_t)(lat) << 21 | (uint32_t)(lon) << 10 | (uint32_t)(reach))
#define SPOT_LAT(spot) ((int32_t)((spot) >> 21))
#define SPOT_LON(spot) ((int32_t)((spot) >> 10 & 2047))
#define SPOT_REACH(spot) ((int32_t)((spot)&SPOT_REACH_MAX))

#define LEAF_ROOM_MAX 256

struct leaf {
    uint16_t count, room;
    uint32_t spots[]; /* `room` of them (in a free leaf the first is the next free one), then as many summaries, then as many organisations' slots */
};

static inline uint32_t *leaf_summaries(struct leaf *leaf)
{
    return leaf->spots + leaf->room;
}

static inline uint32_t *leaf_orgs(struct leaf *leaf)
{
    return leaf->spots + 2u * leaf->room;
}

struct list_entry {
    uint32_t spot, summary, org;
};

/* What all spots of a leaf lie within. */
struct bounds {
    uint16_t lat_low, lat_high, lon_low, lon_high, reach_high;
};

struct directory {
    struct directory_entry {
        uint32_t leaf;
        struct bounds bounds;
    } *entries;
    uint32_t count, room;
    uint32_t total; /* of organisations */
};

/* A list is a uint32_t: a leaf, or with the top bit a directory; LIST_EMPTY is none. */
#define LIST_EMPTY UINT32_MAX
#define LIST_IS_DIRECTORY UINT32_C(0x80000000)

struct lists {
    uint32_t **chunks;
    uint32_t chunk_count, used; /* used: words in the last chunk */
    uint32_t free_leaves[16];   /* by size */
    struct pool directories;
};

#define LISTS_CHUNK_WORDS (1u << 18)

void lists_init(struct lists *lists);
void lists_fini(struct lists *lists);
/* Both answer the list as it is from now on; removing what is not there is a bug. */
uint32_t lists_add(struct lists *lists, uint32_t list, struct list_entry entry);
uint32_t lists_remove(struct lists *lists, uint32_t list, uint32_t spot, uint32_t org);
uint32_t lists_count(const struct lists *lists, uint32_t list);

static inline struct leaf *lists_leaf(const struct lists *lists, uint32_t leaf)
{
    return (struct leaf *)(void *)(lists->chunks[leaf / LISTS_CHUNK_WORDS] + leaf % LISTS_CHUNK_WORDS);
}

/* Asks for a short list's memory ahead of time: its head, its spots, and what follows. */
static inline void lists_prefetch(const struct lists *lists, uint32_t list)
{
    if ((list & LIST_IS_DIRECTORY) != 0)
        return;
    const char *leaf = (const char *)lists_leaf(lists, list);
    for (int line = 0; line < 3; line++)
        __builtin_prefetch(leaf + line * CACHE_LINE);
}

static inline const struct directory *lists_directory(const struct lists *lists, uint32_t list)
{
    return pool_at(&lists->directories, list & ~LIST_IS_DIRECTORY);
}

#endif
