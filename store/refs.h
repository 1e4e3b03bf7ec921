/* refs.h -- which requests were answered before: a compact table in memory over the rows on disk.
 *
 * It keeps a keyed 64-bit hash of (caller, ref) and the row's number; the row itself is read, and
 * compared, only when a request comes a second time. 16 bytes a request, three quarters full at most;
 * it grows a little with each request, while the table before it still answers for what has not moved. */
#ifndef PAIDAN_REFS_H
#define PAIDAN_REFS_H

#include "engine/base.h"

struct refs {
    struct ref_entry {
        uint64_t hash, id;
    } *entries; /* id 0: an empty place */
    uint64_t room, count, key;
    struct ref_entry *old; /* NULL: everything has moved */
    uint64_t old_room, old_at;
    uint64_t oldest; /* rows before this number have been purged */
};

void refs_init(struct refs *refs, uint64_t key); /* key: random, so that nobody can aim at a hash */
void refs_fini(struct refs *refs);
uint64_t refs_find(const struct refs *refs, const char *caller, const char *ref); /* 0: new */
void refs_add(struct refs *refs, const char *caller, const char *ref, uint64_t id);
/* Forgets rows before `oldest`; their room comes back when the table grows next. */
void refs_purge(struct refs *refs, uint64_t oldest);

#endif
