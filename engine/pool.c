#include "pool.h"

#include <stdlib.h>
#include <string.h>

void pool_init(struct pool *pool, size_t size)
{
    *pool = (struct pool){.size = (size + 7) & ~(size_t)7};
}

void pool_fini(struct pool *pool)
{
    for (uint32_t i = 0; i < pool->chunk_count; i++)
        free(pool->chunks[i]);
    free(pool->chunks);
    free(pool->free_slots);
    *pool = (struct pool){0};
}

uint32_t pool_take(struct pool *pool)
{
    uint32_t slot = 0;
    if (pool->free_count != 0) {
        slot = pool->free_slots[--pool->free_count];
    } else {
        must(pool->used < SLOT_NONE);
        slot = pool->used++;
        if (slot / POOL_CHUNK_SLOTS == pool->chunk_count) {
            pool->chunks = must_realloc(pool->chunks, pool->chunk_count + 1, sizeof *pool->chunks);
            pool->chunks[pool->chunk_count++] = must_alloc_aligned(POOL_CHUNK_SLOTS * pool->size);
        }
    }
    memset(pool_at(pool, slot), 0, pool->size);
    pool->live_count++;
    return slot;
}

void pool_give(struct pool *pool, uint32_t slot)
{
    must(slot < pool->used && pool->live_count != 0);
    if (pool->free_count == pool->free_room) {
        pool->free_room = pool->free_room != 0 ? pool->free_room * 2 : 64;
        pool->free_slots =
            must_realloc(pool->free_slots, pool->free_room, sizeof *pool->free_slots);
    }
    pool->free_slots[pool->free_count++] = slot;
    pool->live_count--;
}

void map_fini(struct map *map)
{
    free(map->entries);
    free(map->old);
    *map = (struct map){0};
}

void map_clear(struct map *map)
{
    if (map->room != 0)
        memset(map->entries, 0, map->room * sizeof *map->entries);
    free(map->old);
    map->old = NULL;
    map->count = 0;
}

static struct map_entry *find_in(struct map_entry *entries, uint64_t room, uint64_t key)
{
    uint64_t i = hash64(key) & (room - 1);
    while (entries[i].key != 0 && entries[i].key != key)
        i = (i + 1) & (room - 1);
    return &entries[i];
}

uint32_t map_get(const struct map *map, uint64_t key)
{
    if (map->room == 0 || key == 0)
        return SLOT_NONE;
    const struct map_entry *entry = find_in(map->entries, map->room, key);
    if (entry->key == 0 && map->old != NULL)
        entry = find_in(map->old, map->old_room, key);
    return entry->key == key ? entry->slot : SLOT_NONE;
}

/* Takes an entry out and shifts those behind it back, so that each stays where a search comes by. */
static void take_out(struct map_entry *entries, uint64_t room, uint64_t hole)
{
    for (uint64_t i = (hole + 1) & (room - 1); entries[i].key != 0; i = (i + 1) & (room - 1)) {
        uint64_t home = hash64(entries[i].key) & (room - 1);
        if (((i - home) & (room - 1)) >= ((i - hole) & (room - 1))) {
            entries[hole] = entries[i];
            hole = i;
        }
    }
    entries[hole].key = 0;
}

#define MOVED_AT_ONCE 16 /* places of the old table that each change empties: done long before the next growth */

/* Moves a little of the old table, so that growing never stops anybody. */
static void map_move(struct map *map)
{
    for (int i = 0; i < MOVED_AT_ONCE && map->old != NULL; i++) {
        struct map_entry *entry = &map->old[map->old_at];
        while (entry->key != 0) {
            *find_in(map->entries, map->room, entry->key) = *entry;
            take_out(map->old, map->old_room, map->old_at);
        }
        if (++map->old_at == map->old_room) {
            free(map->old);
            map->old = NULL;
        }
    }
}

static void map_grow(struct map *map)
{
    must(map->old == NULL);
    map->old = map->entries;
    map->old_room = map->room;
    map->old_at = 0;
    map->room = map->room != 0 ? map->room * 2 : 64;
    map->entries = must_alloc(map->room, sizeof *map->entries);
}

void map_put(struct map *map, uint64_t key, uint32_t slot)
{
    must(key != 0);
    if (map->count * 4 >= map->room * 3)
        map_grow(map);
    map_move(map);
    struct map_entry *entry = find_in(map->entries, map->room, key);
    if (entry->key == 0 && map->old != NULL && find_in(map->old, map->old_room, key)->key != 0)
        entry = find_in(map->old, map->old_room, key);
    if (entry->key == 0)
        map->count++;
    *entry = (struct map_entry){.key = key, .slot = slot};
}

void map_remove(struct map *map, uint64_t key)
{
    must(map->room != 0 && key != 0);
    map_move(map);
    struct map_entry *entries = map->entries;
    uint64_t room = map->room;
    if (find_in(entries, room, key)->key == 0 && map->old != NULL) {
        entries = map->old;
        room = map->old_room;
    }
    uint64_t place = (uint64_t)(find_in(entries, room, key) - entries);
    must(entries[place].key == key);
    take_out(entries, room, place);
    map->count--;
}

void heap_fini(struct heap *heap)
{
    free(heap->entries);
    *heap = (struct heap){0};
}

static bool heap_before(const struct heap_entry *a, const struct heap_entry *b)
{
    return a->at != b->at ? a->at < b->at : a->key < b->key;
}

static void heap_move(struct heap *heap, uint32_t to, struct heap_entry entry)
{
    heap->entries[to] = entry;
    *entry.place = to;
}

/* Finds the place of `entry`, starting from the hole at `i`. */
static void heap_sift(struct heap *heap, uint32_t i, struct heap_entry entry)
{
    while (i > 1 && heap_before(&entry, &heap->entries[i / 2])) {
        heap_move(heap, i, heap->entries[i / 2]);
        i /= 2;
    }
    for (;;) {
        uint32_t child = i * 2;
        if (child > heap->count)
            break;
        if (child < heap->count && heap_before(&heap->entries[child + 1], &heap->entries[child]))
            child++;
        if (!heap_before(&heap->entries[child], &entry))
            break;
        heap_move(heap, i, heap->entries[child]);
        i = child;
    }
    heap_move(heap, i, entry);
}

void heap_set(struct heap *heap, int64_t at, uint64_t key, uint32_t *place)
{
    if (*place == 0) {
        if (heap->count + 2 > heap->room) {
            heap->room = heap->room != 0 ? heap->room * 2 : 64;
            heap->entries = must_realloc(heap->entries, heap->room, sizeof *heap->entries);
        }
        *place = ++heap->count;
    }
    heap_sift(heap, *place, (struct heap_entry){.at = at, .key = key, .place = place});
}

void heap_remove(struct heap *heap, uint32_t *place)
{
    uint32_t hole = *place;
    if (hole == 0)
        return;
    must(hole <= heap->count && heap->entries[hole].place == place);
    struct heap_entry last = heap->entries[heap->count--];
    *place = 0;
    if (hole <= heap->count)
        heap_sift(heap, hole, last);
}

void slots_add(struct slots *slots, uint32_t slot)
{
    if (slots->count == slots->room) {
        slots->room = slots->room != 0 ? slots->room * 2 : 16;
        slots->items = must_realloc(slots->items, slots->room, sizeof *slots->items);
    }
    slots->items[slots->count++] = slot;
}

void slots_fini(struct slots *slots)
{
    free(slots->items);
    *slots = (struct slots){0};
}
