/* pool.h -- where the engine's objects live: pools of slots, maps from ids to slots, and the heap
 * of deadlines. A slot is a uint32_t; addresses stay good until the slot is given back. */
#ifndef PAIDAN_POOL_H
#define PAIDAN_POOL_H

#include "base.h"

#define SLOT_NONE UINT32_MAX

/* Slots of one size, handed out zeroed, in chunks that never move. */
struct pool {
    size_t size;
    uint8_t **chunks;
    uint32_t chunk_count, used; /* slots ever handed out */
    uint32_t *free_slots;
    uint32_t free_count, free_room;
    uint32_t live_count;
};

#define POOL_CHUNK_SLOTS 1024u

void pool_init(struct pool *pool, size_t size);
void pool_fini(struct pool *pool);
uint32_t pool_take(struct pool *pool);
void pool_give(struct pool *pool, uint32_t slot);
static inline void *pool_at(const struct pool *pool, uint32_t slot)
{
    return pool->chunks[slot / POOL_CHUNK_SLOTS] + (slot % POOL_CHUNK_SLOTS) * pool->size;
}

/* Keys, none of them 0, to slots: open addressing, removal by shifting back. It grows a little with
 * each change, while the table before it still answers for what has not moved. */
struct map {
    struct map_entry {
        uint64_t key;
        uint32_t slot;
    } *entries;
    uint64_t room; /* a power of two, or 0 */
    uint64_t count;
    struct map_entry *old; /* NULL: everything has moved */
    uint64_t old_room, old_at;
};

void map_fini(struct map *map);
void map_clear(struct map *map);
uint32_t map_get(const struct map *map, uint64_t key); /* SLOT_NONE when absent */
void map_put(struct map *map, uint64_t key, uint32_t slot);
void map_remove(struct map *map, uint64_t key); /* must be there */
/* The finaliser of SplitMix64 (Steele, Lea, Flood 2014): a bijection, equal only for equal input. */
static inline uint64_t hash64(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}
/* Asks for the memory that a map_get() will want soon. */
static inline void map_prefetch(const struct map *map, uint64_t key)
{
    if (map->room != 0)
        __builtin_prefetch(&map->entries[hash64(key) & (map->room - 1)]);
}

/* Deadlines, soonest first; equal ones by `key`, so that the order is total. Each entry tells its
 * owner where it stands through *place, which is 0 while it is not in the heap. */
struct heap {
    struct heap_entry {
        int64_t at;
        uint64_t key;
        uint32_t *place;
    } *entries; /* from 1 */
    uint32_t count, room;
};

void heap_fini(struct heap *heap);
void heap_set(struct heap *heap, int64_t at, uint64_t key, uint32_t *place); /* adds or moves */
void heap_remove(struct heap *heap, uint32_t *place); /* nothing when it is not in */
static inline const struct heap_entry *heap_top(const struct heap *heap)
{
    return heap->count != 0 ? &heap->entries[1] : NULL;
}

/* A growing list of slots. */
struct slots {
    uint32_t *items;
    uint32_t count, room;
};

void slots_add(struct slots *slots, uint32_t slot);
void slots_fini(struct slots *slots);

#endif
