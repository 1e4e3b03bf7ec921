#include "publish.h"

#include <stdlib.h>
#include <string.h>

#include "engine/pool.h"

enum figure { FIGURE_PLACED, FIGURE_ACCEPTED, FIGURE_DONE, FIGURE_UNMET, FIGURE_CANCELLED, FIGURE_ATTENDANCES, FIGURE_COUNT };

/* What a reader can form of the figures: each, and what is left of one without others: orders not done, open at the
 * end of the month, not accepted, accepted and not done; people beyond one for each order done. */
static const int8_t forms[][FIGURE_COUNT] = {
    {1, 0, 0, 0, 0, 0}, {0, 1, 0, 0, 0, 0}, {0, 0, 1, 0, 0, 0}, {0, 0, 0, 1, 0, 0}, {0, 0, 0, 0, 1, 0}, {0, 0, 0, 0, 0, 1},
    {1, 0, -1, 0, 0, 0}, {1, 0, 0, -1, 0, 0}, {1, 0, 0, 0, -1, 0}, {1, 0, -1, -1, 0, 0}, {1, 0, -1, 0, -1, 0},
    {1, 0, 0, -1, -1, 0}, {1, 0, -1, -1, -1, 0}, {1, -1, 0, 0, 0, 0}, {0, 1, -1, 0, 0, 0}, {0, 0, -1, 0, 0, 1},
};
enum { FORM_COUNT = ARRAY_LEN(forms), FIGURES_ALL = (1 << FIGURE_COUNT) - 1 };

/* Cells that are shown together or not at all. */
struct part {
    uint64_t region;
    int category;
    struct month_row sum;
    uint32_t cells[FORM_COUNT]; /* how many of each form are not 0 */
    bool is_large[FORM_COUNT];  /* one of them is not small */
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

static void add_figures(struct month_row *to, struct month_row *from)
{
    for (int figure = 0; figure < FIGURE_COUNT; figure++)
        *figure_of(to, (enum figure)figure) += *figure_of(from, (enum figure)figure);
    to->minutes += from->minutes;
}

static void add_part(struct part *to, struct part *from)
{
    add_figures(&to->sum, &from->sum);
    for (int form = 0; form < FORM_COUNT; form++) {
        to->cells[form] += from->cells[form];
        to->is_large[form] |= from->is_large[form];
    }
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
        add_part(last, &d->open[i]);
    }
    d->open_count = left;
}

/* How much a form is, of figures that are all shown or 0; 0 as well when one of them is neither. */
static uint64_t size_of(struct part *p, int form, unsigned figures)
{
    int64_t value = 0;
    for (int figure = 0; figure < FIGURE_COUNT; figure++) {
        if (forms[form][figure] != 0 && (figures >> figure & 1) == 0)
            return 0;
        value += forms[form][figure] * (int64_t)*figure_of(&p->sum, (enum figure)figure);
    }
    return (uint64_t)(value < 0 ? -value : value);
}

/* Nothing that can be formed is small; and where several small ones make it, it is not so much that each must be
 * as large as it can. */
static bool may_be_shown(struct part *p, unsigned figures)
{
    for (int form = 0; form < FORM_COUNT; form++) {
        uint64_t size = size_of(p, form, figures);
        if (size != 0 && (size < PUBLISH_LEAST || (!p->is_large[form] && size >= (uint64_t)p->cells[form] * (PUBLISH_LEAST - 1))))
            return false;
    }
    return (figures >> FIGURE_ATTENDANCES & 1) == 0 || p->sum.attendances != 0 || p->sum.minutes == 0;
}

static bool is_empty(struct part *p)
{
    for (int figure = 0; figure < FIGURE_COUNT; figure++)
        if (*figure_of(&p->sum, (enum figure)figure) != 0)
            return false;
    return p->sum.minutes == 0;
}

static void settle(struct dividing *d)
{
    uint32_t left = 0;
    fold(d);
    for (uint32_t i = 0; i < d->open_count; i++) {
        if (is_empty(&d->open[i]))
            continue;
        if (may_be_shown(&d->open[i], FIGURES_ALL))
            d->sets[d->set_count++] = d->open[i];
        else
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

/* Of what cannot be shown whole even in the city, the figures that can be shown together: one that would make
 * something small is left out. Of people and of what was accepted nothing is said without what was done. */
static void settle_rest(struct dividing *d)
{
    static const enum figure sequence[FIGURE_COUNT] = {FIGURE_PLACED, FIGURE_DONE, FIGURE_UNMET, FIGURE_CANCELLED, FIGURE_ACCEPTED, FIGURE_ATTENDANCES};
    for (uint32_t i = 0; i < d->open_count; i++) {
        struct part *p = &d->open[i];
        unsigned figures = 0;
        if (p->sum.attendances == 0)
            p->sum.minutes = 0;
        for (int figure = 0; figure < FIGURE_COUNT; figure++)
            figures |= (unsigned)(*figure_of(&p->sum, (enum figure)figure) == 0) << figure;
        for (int n = 0; n < FIGURE_COUNT; n++) {
            enum figure figure = sequence[n];
            bool needs_done = figure == FIGURE_ACCEPTED || figure == FIGURE_ATTENDANCES;
            if ((!needs_done || (figures >> FIGURE_DONE & 1) != 0) && may_be_shown(p, figures | 1U << figure))
                figures |= 1U << figure;
        }
        for (int figure = 0; figure < FIGURE_COUNT; figure++)
            if ((figures >> figure & 1) == 0)
                *figure_of(&p->sum, (enum figure)figure) = 0;
        if (p->sum.attendances == 0)
            p->sum.minutes = 0;
        if (!is_empty(p))
            d->sets[d->set_count++] = *p;
    }
}

static void divide(struct dividing *d, const struct month_row *cells, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        d->open[d->open_count++] = (struct part){.region = cells[i].region, .category = cells[i].category, .sum = cells[i]};
    fold(d); /* one place may have come in several rows */
    for (uint32_t i = 0; i < d->open_count; i++)
        for (int form = 0; form < FORM_COUNT; form++) {
            uint64_t size = size_of(&d->open[i], form, FIGURES_ALL);
            d->open[i].cells[form] = size != 0;
            d->open[i].is_large[form] = size >= PUBLISH_LEAST;
        }
    settle(d);
    raise_to(d, LEVEL_TOWN);
    raise_to(d, LEVEL_COUNTY);
    for (uint32_t i = 0; i < d->open_count; i++)
        d->open[i].category = CATEGORY_OTHER;
    settle(d);
    raise_to(d, LEVEL_CITY);
    settle_rest(d);
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
        add_figures(&rows[left - 1], &rows[i]);
    }
    return left;
}

struct month_row *publish_figures(const struct engine *engine, const struct month_row *cells, uint32_t count, int level,
                          uint64_t within, uint32_t *shown)
{
    struct dividing d = {.engine = engine, .open = must_alloc(count + 1, sizeof *d.open), .sets = must_alloc(count + 1, sizeof *d.sets)};
    struct month_row *rows = must_alloc(count + 1, sizeof *rows);
    uint32_t made = 0;
    divide(&d, cells, count);
    for (uint32_t i = 0; i < d.set_count; i++)
        if (is_in(engine, d.sets[i].region, within)) {
            struct month_row *row = &rows[made++];
            *row = d.sets[i].sum;
            row->region = region_at(engine, d.sets[i].region, level);
            row->category = d.sets[i].category;
        }
    *shown = join(rows, made);
    free(d.open);
    free(d.sets);
    return rows;
}
