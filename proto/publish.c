#include "publish.h"

#include <stdlib.h>
#include <string.h>

#include "engine/pool.h"

enum figure { FIGURE_PLACED, FIGURE_ACCEPTED, FIGURE_DONE, FIGURE_UNMET, FIGURE_CANCELLED, FIGURE_ATTENDANCES, FIGURE_COUNT };

/* Cells of one figure that are shown together or not at all. */
struct part {
    uint64_t region;
    int category;
    uint64_t value, cells; /* cells: how many of it are not 0 */
    int64_t minutes;
};

struct dividing {
    const struct engine *engine;
    struct part *open; /* still small */
    uint32_t open_count;
    struct part *sets; /* settled */
    uint32_t set_count;
};

uint64_t region_at(const struct engine *e, uint64_t code, int level)
{
    uint32_t slot = engine_region_find(e, code);
    while (slot != SLOT_NONE && engine_region_slot(e, slot)->level < level &&
           engine_region_slot(e, slot)->parent != SLOT_NONE)
        slot = engine_region_slot(e, slot)->parent;
    return slot != SLOT_NONE ? engine_region_slot(e, slot)->code : code;
}

static uint64_t *figure_of(struct month_row *row, enum figure figure)
{
    uint64_t *const figures[FIGURE_COUNT] = {&row->placed, &row->accepted, &row->done, &row->unmet, &row->cancelled, &row->attendances};
    return figures[figure];
}

static int by_place(const void *a, const void *b)
{
    const struct part *x = a;
    const struct part *y = b;
    if (x->region != y->region)
        return x->region < y->region ? -1 : 1;
    return x->category < y->category ? -1 : x->category > y->category;
}

/* Pieces of the same region and category become one. */
static void fold(struct dividing *d)
{
    uint32_t left = 0;
    if (d->open_count != 0)
        qsort(d->open, d->open_count, sizeof *d->open, by_place);
    for (uint32_t i = 0; i < d->open_count; i++) {
        struct part *last = left != 0 ? &d->open[left - 1] : NULL;
        if (last == NULL || by_place(last, &d->open[i]) != 0) {
            d->open[left++] = d->open[i];
            continue;
        }
        last->value += d->open[i].value;
        last->cells += d->open[i].cells;
        last->minutes += d->open[i].minutes;
    }
    d->open_count = left;
}

/* Not small; and where several small ones make it, not so much that each must be as large as it can. */
static bool may_be_shown(const struct part *p)
{
    return p->value >= PUBLISH_LEAST && (p->cells == 1 || p->value < p->cells * (PUBLISH_LEAST - 1));
}

static void settle(struct dividing *d)
{
    uint32_t left = 0;
    fold(d);
    for (uint32_t i = 0; i < d->open_count; i++) {
        if (may_be_shown(&d->open[i]))
            d->sets[d->set_count++] = d->open[i];
        else if (d->open[i].value != 0 || d->open[i].minutes != 0)
            d->open[left++] = d->open[i];
    }
    d->open_count = left;
}

static void raise_to(struct dividing *d, int level)
{
    for (uint32_t i = 0; i < d->open_count; i++)
        d->open[i].region = region_at(d->engine, d->open[i].region, level);
    settle(d);
}

static void divide(struct dividing *d, const struct month_row *cells, uint32_t count, enum figure figure)
{
    d->open_count = d->set_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct month_row row = cells[i];
        uint64_t value = *figure_of(&row, figure);
        int64_t minutes = figure == FIGURE_ATTENDANCES ? row.minutes : 0;
        d->open[d->open_count++] = (struct part){.region = row.region, .category = row.category, .value = value, .minutes = minutes};
    }
    fold(d); /* one place may have come in several rows */
    for (uint32_t i = 0; i < d->open_count; i++)
        d->open[i].cells = d->open[i].value != 0;
    settle(d);
    raise_to(d, LEVEL_TOWN);
    raise_to(d, LEVEL_COUNTY);
    for (uint32_t i = 0; i < d->open_count; i++)
        d->open[i].category = CATEGORY_OTHER;
    settle(d);
    raise_to(d, LEVEL_CITY);
}

static bool is_in(const struct engine *e, uint64_t region, uint64_t within)
{
    uint32_t inner = engine_region_find(e, region);
    uint32_t outer = engine_region_find(e, within);
    return within == 0 || (inner != SLOT_NONE && outer != SLOT_NONE && engine_region_within(e, inner, outer));
}

static int by_row(const void *a, const void *b)
{
    const struct month_row *x = a;
    const struct month_row *y = b;
    if (x->region != y->region)
        return x->region < y->region ? -1 : 1;
    return x->category < y->category ? -1 : x->category > y->category;
}

/* Rows of the same place become one; how many are left. */
static uint32_t join(struct month_row *rows, uint32_t count)
{
    uint32_t left = 0;
    if (count != 0)
        qsort(rows, count, sizeof *rows, by_row);
    for (uint32_t i = 0; i < count; i++) {
        if (left == 0 || by_row(&rows[left - 1], &rows[i]) != 0) {
            rows[left++] = rows[i];
            continue;
        }
        for (int figure = 0; figure < FIGURE_COUNT; figure++)
            *figure_of(&rows[left - 1], (enum figure)figure) += *figure_of(&rows[i], (enum figure)figure);
        rows[left - 1].minutes += rows[i].minutes;
    }
    return left;
}

struct month_row *publish_figures(const struct engine *engine, const struct month_row *cells, uint32_t count, int level,
                          uint64_t within, uint32_t *shown)
{
    struct dividing d = {.engine = engine, .open = must_alloc(count + 1, sizeof *d.open), .sets = must_alloc(count + 1, sizeof *d.sets)};
    struct month_row *rows = must_alloc((size_t)count * FIGURE_COUNT + 1, sizeof *rows);
    uint32_t made = 0;
    for (int figure = 0; figure < FIGURE_COUNT; figure++) {
        divide(&d, cells, count, (enum figure)figure);
        for (uint32_t i = 0; i < d.set_count; i++)
            if (is_in(engine, d.sets[i].region, within)) {
                struct month_row *row = &rows[made++];
                *row = (struct month_row){.region = region_at(engine, d.sets[i].region, level), .category = d.sets[i].category};
                *figure_of(row, (enum figure)figure) = d.sets[i].value;
                row->minutes = d.sets[i].minutes;
            }
    }
    *shown = join(rows, made);
    free(d.open);
    free(d.sets);
    return rows;
}
