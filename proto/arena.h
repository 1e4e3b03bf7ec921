/* arena.h -- memory that lives as long as one turn, given back all at once. */
#ifndef PAIDAN_ARENA_H
#define PAIDAN_ARENA_H

#include "engine/base.h"

struct arena {
    struct arena_block {
        struct arena_block *next;
        size_t room, used;
        _Alignas(16) uint8_t bytes[];
    } *blocks, *spare; /* spare: kept for the next turns */
    uint32_t spare_count;
};

void *arena_take(struct arena *arena, size_t bytes); /* zeroed, aligned to 16, never NULL */
char *arena_text(struct arena *arena, const char *text, size_t len);
void arena_reset(struct arena *arena); /* keeps one block */
void arena_fini(struct arena *arena);

#endif
