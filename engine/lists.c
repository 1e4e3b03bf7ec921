#include "lists.h"

#include <stdlib.h>
#include <string.h>

/* Rooms of leaves: each at most half as large again as the one before, so that little stays empty. */
static const uint16_t rooms[16] = {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, LEAF_ROOM_MAX};

static int size_for(uint32_t count)
{
    int size = 0;
    while (rooms[size] < count)
        size++;
    return size;
}

void lists_init(struct lists *lists)
{
    *lists = (struct lists){.used = LISTS_CHUNK_WORDS};
    for (size_t i = 0; i < ARRAY_LEN(lists->free_leaves); i++)
        lists->free_leaves[i] = LIST_EMPTY;
    pool_init(&lists->directories, sizeof(struct directory));
}

void lists_fini(struct lists *lists)
{
    for (uint32_t i = 0; i < lists->directories.used; i++)
        free(((struct directory *)pool_at(&lists->directories, i))->entries);
    pool_fini(&lists->directories);
    for (uint32_t i = 0; i < lists->chunk_count; i++)
        free(lists->chunks[i]);
    free(lists->chunks);
}

static uint32_t leaf_take(struct lists *lists, uint32_t count)
{
    int size = size_for(count);
    uint32_t words = 1u + 3u * rooms[size];
    uint32_t taken = lists->free_leaves[size];
    if (taken != LIST_EMPTY) {
        lists->free_leaves[size] = lists_leaf(lists, taken)->spots[0];
    } else {
        if (lists->used + words > LISTS_CHUNK_WORDS) { /* what the last chunk has left stays unused */
            must(lists->chunk_count < LIST_IS_DIRECTORY / LISTS_CHUNK_WORDS);
            lists->chunks = must_realloc(lists->chunks, lists->chunk_count + 1, sizeof *lists->chunks);
            lists->chunks[lists->chunk_count++] = must_alloc_aligned(LISTS_CHUNK_WORDS * sizeof(uint32_t));
            lists->used = 0;
        }
        taken = (lists->chunk_count - 1) * LISTS_CHUNK_WORDS + lists->used;
        lists->used += words;
    }
    struct leaf *leaf = lists_leaf(lists, taken);
    leaf->count = 0;
    leaf->room = rooms[size];
    return taken;
}

static void leaf_give(struct lists *lists, uint32_t given)
{
    struct leaf *leaf = lists_leaf(lists, given);
    int size = size_for(leaf->room);
    leaf->spots[0] = lists->free_leaves[size];
    lists->free_leaves[size] = given;
}

static struct list_entry leaf_get(struct leaf *leaf, uint32_t i)
{
    return (struct list_entry){leaf->spots[i], leaf_summaries(leaf)[i], leaf_orgs(leaf)[i]};
}

static void leaf_set(struct leaf *leaf, uint32_t i, struct list_entry entry)
{
    leaf->spots[i] = entry.spot;
    leaf_summaries(leaf)[i] = entry.summary;
    leaf_orgs(leaf)[i] = entry.org;
}

static void leaf_put(struct leaf *leaf, struct list_entry entry)
{
    must(leaf->count < leaf->room);
    leaf_set(leaf, leaf->count++, entry);
}

/* Moves a leaf's entries into one of the room that `count` needs. */
static uint32_t leaf_resize(struct lists *lists, uint32_t old, uint32_t count)
{
    uint32_t fresh = leaf_take(lists, count);
    struct leaf *from = lists_leaf(lists, old);
    struct leaf *to = lists_leaf(lists, fresh);
    for (uint32_t i = 0; i < from->count; i++)
        leaf_put(to, leaf_get(from, i));
    leaf_give(lists, old);
    return fresh;
}

static uint32_t leaf_add(struct lists *lists, uint32_t at, struct list_entry entry)
{
    struct leaf *leaf = lists_leaf(lists, at);
    if (leaf->count == leaf->room)
        at = leaf_resize(lists, at, leaf->count + 1u);
    leaf_put(lists_leaf(lists, at), entry);
    return at;
}

/* Whether it was there. */
static bool leaf_drop(struct leaf *leaf, uint32_t org)
{
    const uint32_t *orgs = leaf_orgs(leaf);
    for (uint32_t i = 0; i < leaf->count; i++) {
        if (orgs[i] != org)
            continue;
        leaf_set(leaf, i, leaf_get(leaf, --leaf->count));
        return true;
    }
    return false;
}

/* After a removal: gives up room that is mostly empty; LIST_EMPTY when nothing is left. */
static uint32_t leaf_shrink(struct lists *lists, uint32_t at)
{
    const struct leaf *leaf = lists_leaf(lists, at);
    if (leaf->count == 0) {
        leaf_give(lists, at);
        return LIST_EMPTY;
    }
    return leaf->count * 3u < leaf->room ? leaf_resize(lists, at, leaf->count + 1u) : at;
}

static void bounds_take(struct bounds *b, uint32_t spot)
{
    uint16_t lat = (uint16_t)SPOT_LAT(spot);
    uint16_t lon = (uint16_t)SPOT_LON(spot);
    uint16_t reach = (uint16_t)SPOT_REACH(spot);
    b->lat_low = lat < b->lat_low ? lat : b->lat_low;
    b->lat_high = lat > b->lat_high ? lat : b->lat_high;
    b->lon_low = lon < b->lon_low ? lon : b->lon_low;
    b->lon_high = lon > b->lon_high ? lon : b->lon_high;
    b->reach_high = reach > b->reach_high ? reach : b->reach_high;
}

static int bounds_size(const struct bounds *b)
{
    return (b->lat_high - b->lat_low) + (b->lon_high - b->lon_low);
}

static bool bounds_have(const struct bounds *b, uint32_t spot)
{
    return SPOT_LAT(spot) >= b->lat_low && SPOT_LAT(spot) <= b->lat_high &&
           SPOT_LON(spot) >= b->lon_low && SPOT_LON(spot) <= b->lon_high;
}

static struct bounds bounds_of(const struct leaf *leaf)
{
    struct bounds b = {.lat_low = UINT16_MAX, .lon_low = UINT16_MAX};
    for (uint32_t i = 0; i < leaf->count; i++)
        bounds_take(&b, leaf->spots[i]);
    return b;
}

static struct directory *directory_at(struct lists *lists, uint32_t list)
{
    return pool_at(&lists->directories, list & ~LIST_IS_DIRECTORY);
}

static void directory_append(struct lists *lists, struct directory *d, uint32_t leaf)
{
    if (d->count == d->room) {
        d->room = d->room != 0 ? d->room * 2 : 4;
        d->entries = must_realloc(d->entries, d->room, sizeof *d->entries);
    }
    d->entries[d->count++] =
        (struct directory_entry){.leaf = leaf, .bounds = bounds_of(lists_leaf(lists, leaf))};
}

static int by_lat(const void *a, const void *b)
{
    const struct list_entry *x = a;
    const struct list_entry *y = b;
    return SPOT_LAT(x->spot) - SPOT_LAT(y->spot);
}

static int by_lon(const void *a, const void *b)
{
    const struct list_entry *x = a;
    const struct list_entry *y = b;
    return SPOT_LON(x->spot) - SPOT_LON(y->spot);
}

/* Halves a full leaf across its longer side; the upper half goes into a new one at the end. */
static void directory_split(struct lists *lists, struct directory *d, uint32_t at)
{
    struct list_entry entries[LEAF_ROOM_MAX];
    struct leaf *leaf = lists_leaf(lists, d->entries[at].leaf);
    const struct bounds *b = &d->entries[at].bounds;
    uint32_t count = leaf->count;
    bool is_tall = b->lat_high - b->lat_low > b->lon_high - b->lon_low;
    for (uint32_t i = 0; i < count; i++)
        entries[i] = leaf_get(leaf, i);
    /* cppcheck-suppress uninitvar ; a leaf that is split is full */
    qsort(entries, count, sizeof *entries, is_tall ? by_lat : by_lon);
    leaf->count = 0;
    for (uint32_t i = 0; i < count / 2; i++)
        leaf_put(leaf, entries[i]);
    d->entries[at].bounds = bounds_of(leaf);
    uint32_t upper = leaf_take(lists, LEAF_ROOM_MAX);
    for (uint32_t i = count / 2; i < count; i++)
        leaf_put(lists_leaf(lists, upper), entries[i]);
    directory_append(lists, d, upper);
}

/* The leaf that grows least in extent by taking the spot. */
static uint32_t directory_choose(const struct directory *d, uint32_t spot)
{
    uint32_t best = 0;
    int least = INT32_MAX;
    for (uint32_t i = 0; i < d->count && least > 0; i++) {
        struct bounds b = d->entries[i].bounds;
        int size = bounds_size(&b);
        bounds_take(&b, spot);
        if (bounds_size(&b) - size < least) {
            least = bounds_size(&b) - size;
            best = i;
        }
    }
    return best;
}

static void directory_add(struct lists *lists, struct directory *d, struct list_entry added)
{
    uint32_t at = directory_choose(d, added.spot);
    while (lists_leaf(lists, d->entries[at].leaf)->count == LEAF_ROOM_MAX) {
        directory_split(lists, d, at);
        at = directory_choose(d, added.spot);
    }
    struct directory_entry *entry = &d->entries[at];
    entry->leaf = leaf_add(lists, entry->leaf, added);
    bounds_take(&entry->bounds, added.spot);
    d->total++;
}

static void directory_drop(struct lists *lists, struct directory *d, uint32_t spot, uint32_t org)
{
    uint32_t at = 0;
    while (at < d->count && !(bounds_have(&d->entries[at].bounds, spot) &&
                              leaf_drop(lists_leaf(lists, d->entries[at].leaf), org)))
        at++;
    must(at < d->count);
    d->total--;
    d->entries[at].leaf = leaf_shrink(lists, d->entries[at].leaf);
    if (d->entries[at].leaf == LIST_EMPTY)
        d->entries[at] = d->entries[--d->count];
}

/* A full leaf becomes a directory of one. */
static uint32_t directory_make(struct lists *lists, uint32_t leaf)
{
    uint32_t slot = pool_take(&lists->directories);
    struct directory *d = directory_at(lists, slot);
    directory_append(lists, d, leaf);
    d->total = lists_leaf(lists, leaf)->count;
    return slot | LIST_IS_DIRECTORY;
}

uint32_t lists_add(struct lists *lists, uint32_t list, struct list_entry entry)
{
    if (list == LIST_EMPTY)
        list = leaf_take(lists, 1);
    if ((list & LIST_IS_DIRECTORY) == 0) {
        if (lists_leaf(lists, list)->count < LEAF_ROOM_MAX)
            return leaf_add(lists, list, entry);
        list = directory_make(lists, list);
    }
    directory_add(lists, directory_at(lists, list), entry);
    return list;
}

uint32_t lists_remove(struct lists *lists, uint32_t list, uint32_t spot, uint32_t org)
{
    must(list != LIST_EMPTY);
    if ((list & LIST_IS_DIRECTORY) == 0) {
        bool was_there = leaf_drop(lists_leaf(lists, list), org);
        must(was_there);
        return leaf_shrink(lists, list);
    }
    struct directory *d = directory_at(lists, list);
    directory_drop(lists, d, spot, org);
    if (d->count > 1)
        return list;
    uint32_t last = d->count == 1 ? d->entries[0].leaf : LIST_EMPTY;
    free(d->entries);
    *d = (struct directory){.count = 0};
    pool_give(&lists->directories, list & ~LIST_IS_DIRECTORY);
    return last;
}

uint32_t lists_count(const struct lists *lists, uint32_t list)
{
    if (list == LIST_EMPTY)
        return 0;
    if ((list & LIST_IS_DIRECTORY) != 0)
        return lists_directory(lists, list)->total;
    return lists_leaf(lists, list)->count;
}
