/* best.h -- the k best candidates so far: a heap of places with the worst on top.
 *
 * Candidates stay where they were put, in the caller's array; only their places move in the heap. */
#ifndef PAIDAN_BEST_H
#define PAIDAN_BEST_H

#include "match.h"

struct best {
    struct candidate *items; /* the caller's, `limit` long */
    uint32_t *heap;          /* the caller's, as long */
    uint32_t count, limit;
    enum rank rank;
};

static inline bool best_is_full(const struct best *best)
{
    return best->count == best->limit;
}

/* The worst of those kept; only while there are any. */
static inline const struct candidate *best_worst(const struct best *best)
{
    return &best->items[best->heap[0]];
}

void best_offer(struct best *best, const struct candidate *item);
/* Puts the items into rank order; returns how many. */
uint32_t best_sort(struct best *best);

#endif
