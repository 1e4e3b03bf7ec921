#include "best.h"

static bool ranks_before(enum rank rank, const struct candidate *a, const struct candidate *b)
{
    if (rank == RANK_SCORE && a->score != b->score)
        return a->score > b->score;
    if (a->distance_mm != b->distance_mm)
        return a->distance_mm < b->distance_mm;
    return a->org < b->org;
}

static bool is_before(const struct best *best, uint32_t a, uint32_t b)
{
    return ranks_before(best->rank, &best->items[a], &best->items[b]);
}

static void sink(struct best *best, uint32_t count, uint32_t place)
{
    uint32_t at = 0;
    for (uint32_t child; (child = at * 2 + 1) < count; at = child) {
        if (child + 1 < count && is_before(best, best->heap[child], best->heap[child + 1]))
            child++;
        if (!is_before(best, place, best->heap[child]))
            break;
        best->heap[at] = best->heap[child];
    }
    best->heap[at] = place;
}

void best_offer(struct best *best, const struct candidate *item)
{
    if (best->count == best->limit) {
        if (best->limit == 0 || !ranks_before(best->rank, item, best_worst(best)))
            return;
        uint32_t place = best->heap[0];
        best->items[place] = *item;
        sink(best, best->count, place);
        return;
    }
    uint32_t place = best->count;
    uint32_t at = best->count++;
    best->items[place] = *item;
    while (at != 0 && is_before(best, best->heap[(at - 1) / 2], place)) {
        best->heap[at] = best->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    best->heap[at] = place;
}

/* Carries each item to its place, following the cycles of the permutation. */
static void arrange(struct candidate *items, uint32_t *from, uint32_t count)
{
    for (uint32_t start = 0; start < count; start++) {
        if (from[start] == start)
            continue;
        struct candidate first = items[start];
        uint32_t at = start;
        while (from[at] != start) {
            uint32_t source = from[at];
            items[at] = items[source];
            from[at] = at;
            at = source;
        }
        items[at] = first;
        from[at] = at;
    }
}

uint32_t best_sort(struct best *best)
{
    for (uint32_t left = best->count; left > 1;) { /* the worst goes behind those still in the heap */
        uint32_t worst = best->heap[0];
        uint32_t last = best->heap[--left];
        sink(best, left, last);
        best->heap[left] = worst;
    }
    arrange(best->items, best->heap, best->count);
    return best->count;
}
