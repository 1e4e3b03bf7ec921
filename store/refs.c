#include "refs.h"

#include <stdlib.h>

#include "engine/pool.h"

void refs_init(struct refs *refs, uint64_t key)
{
    *refs = (struct refs){.key = key};
}

void refs_fini(struct refs *refs)
{
    free(refs->entries);
    *refs = (struct refs){.key = 0};
}

static uint64_t hash_of(const struct refs *refs, const char *caller, const char *ref)
{
    uint64_t hash = refs->key;
    for (const char *at = caller; *at != '\0'; at++)
        hash = hash64(hash ^ (unsigned char)*at) + refs->key;
    hash = hash64(hash ^ 0x100);
    for (const char *at = ref; *at != '\0'; at++)
        hash = hash64(hash ^ (unsigned char)*at) + refs->key;
    return hash;
}

static void insert(struct refs *refs, struct ref_entry entry)
{
    uint64_t i = entry.hash & (refs->room - 1);
    while (refs->entries[i].id != 0)
        i = (i + 1) & (refs->room - 1);
    refs->entries[i] = entry;
    refs->count++;
}

static void rebuild(struct refs *refs, uint64_t room, uint64_t oldest)
{
    struct refs old = *refs;
    refs->entries = must_alloc(room, sizeof *refs->entries);
    refs->room = room;
    refs->count = 0;
    for (uint64_t i = 0; i < old.room; i++)
        if (old.entries[i].id != 0 && old.entries[i].id >= oldest)
            insert(refs, old.entries[i]);
    free(old.entries);
}

uint64_t refs_find(const struct refs *refs, const char *caller, const char *ref)
{
    if (refs->room == 0)
        return 0;
    uint64_t hash = hash_of(refs, caller, ref);
    uint64_t newest = 0; /* the same pair may stand twice, once purged on disk and once not */
    for (uint64_t i = hash & (refs->room - 1); refs->entries[i].id != 0; i = (i + 1) & (refs->room - 1))
        if (refs->entries[i].hash == hash && refs->entries[i].id > newest)
            newest = refs->entries[i].id;
    return newest >= refs->oldest ? newest : 0;
}

void refs_add(struct refs *refs, const char *caller, const char *ref, uint64_t id)
{
    must(id != 0);
    if (refs->count * 4 >= refs->room * 3)
        rebuild(refs, refs->room != 0 ? refs->room * 2 : 1024, refs->oldest);
    insert(refs, (struct ref_entry){.hash = hash_of(refs, caller, ref), .id = id});
}

void refs_purge(struct refs *refs, uint64_t oldest)
{
    refs->oldest = oldest;
    if (refs->room != 0)
        rebuild(refs, refs->room, oldest);
}
