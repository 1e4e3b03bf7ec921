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
    free(refs->old);
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

#define MOVED_AT_ONCE 16 /* places of the old table that each new ref empties */

/* Moves a part of the old table; what has been purged stays behind. */
static void move_some(struct refs *refs, uint64_t places)
{
    for (uint64_t i = 0; i < places && refs->old != NULL; i++) {
        struct ref_entry entry = refs->old[refs->old_at++];
        if (entry.id != 0 && entry.id >= refs->oldest)
            insert(refs, entry);
        if (refs->old_at == refs->old_room) {
            free(refs->old);
            refs->old = NULL;
        }
    }
}

/* Goes on in a table with room for twice those that are remembered; the one before it empties into it
 * bit by bit, so that nobody waits for it. */
static void begin_table(struct refs *refs, uint64_t newest)
{
    uint64_t remembered = newest - (refs->oldest < newest ? refs->oldest : newest) + 1;
    uint64_t room = 1024;
    move_some(refs, UINT64_MAX); /* it has long been empty, but for a table that came from nowhere */
    while (room < remembered * 2 && room < refs->room * 2)
        room *= 2;
    refs->old = refs->entries;
    refs->old_room = refs->room;
    refs->old_at = 0;
    refs->entries = must_alloc(room, sizeof *refs->entries);
    refs->room = room;
    refs->count = 0;
}

static uint64_t find_in(const struct ref_entry *entries, uint64_t room, uint64_t hash)
{
    uint64_t newest = 0; /* the same pair may stand twice, once purged on disk and once not */
    for (uint64_t i = hash & (room - 1); entries[i].id != 0; i = (i + 1) & (room - 1))
        if (entries[i].hash == hash && entries[i].id > newest)
            newest = entries[i].id;
    return newest;
}

uint64_t refs_find(const struct refs *refs, const char *caller, const char *ref)
{
    if (refs->room == 0)
        return 0;
    uint64_t hash = hash_of(refs, caller, ref);
    uint64_t newest = find_in(refs->entries, refs->room, hash);
    uint64_t before = refs->old != NULL ? find_in(refs->old, refs->old_room, hash) : 0;
    newest = before > newest ? before : newest;
    return newest >= refs->oldest ? newest : 0;
}

void refs_add(struct refs *refs, const char *caller, const char *ref, uint64_t id)
{
    must(id != 0);
    if (refs->count * 4 >= refs->room * 3)
        begin_table(refs, id);
    move_some(refs, MOVED_AT_ONCE);
    insert(refs, (struct ref_entry){.hash = hash_of(refs, caller, ref), .id = id});
}

void refs_purge(struct refs *refs, uint64_t oldest)
{
    refs->oldest = oldest;
}
