#include "arena.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES 65536
#define KEPT_BLOCKS 16 /* over a reset: what a busy turn needed the next will need */

static struct arena_block *block_new(size_t room)
{
    struct arena_block *block = must_realloc(NULL, 1, sizeof *block + room); /* arena_take() wipes what it hands out */
    block->room = room;
    block->used = 0;
    return block;
}

/* The block to take from: the next of those kept, or a new one. */
static struct arena_block *block_for(struct arena *arena, size_t bytes)
{
    struct arena_block *block = arena->spare;
    if (block != NULL && bytes <= block->room) {
        arena->spare = block->next;
        arena->spare_count--;
    } else {
        block = block_new(bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES);
    }
    block->next = arena->blocks;
    arena->blocks = block;
    return block;
}

void *arena_take(struct arena *arena, size_t bytes)
{
    bytes = (bytes + 15) & ~(size_t)15;
    struct arena_block *block = arena->blocks;
    if (block == NULL || block->room - block->used < bytes)
        block = block_for(arena, bytes);
    void *memory = block->bytes + block->used;
    block->used += bytes;
    memset(memory, 0, bytes);
    return memory;
}

char *arena_text(struct arena *arena, const char *text, size_t len)
{
    char *copy = arena_take(arena, len + 1);
    memcpy(copy, text, len);
    return copy;
}

void arena_reset(struct arena *arena)
{
    if (arena->blocks != NULL && arena->blocks->next == NULL && arena->blocks->room == BLOCK_BYTES) {
        arena->blocks->used = 0; /* the usual, small turn */
        return;
    }
    while (arena->blocks != NULL) {
        struct arena_block *block = arena->blocks;
        arena->blocks = block->next;
        if (arena->spare_count == KEPT_BLOCKS || block->room != BLOCK_BYTES) {
            free(block);
            continue;
        }
        block->used = 0;
        block->next = arena->spare;
        arena->spare = block;
        arena->spare_count++;
    }
}

static void free_all(struct arena_block *block)
{
    while (block != NULL) {
        struct arena_block *next = block->next;
        free(block);
        block = next;
    }
}

void arena_fini(struct arena *arena)
{
    free_all(arena->blocks);
    free_all(arena->spare);
    *arena = (struct arena){.blocks = NULL};
}
