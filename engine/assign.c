#include "assign.h"

#include <stdlib.h>

#define FAR INT64_MAX

/* The search from one free row: distances to columns in reduced costs, a heap of those not settled. */
struct search {
    const struct assign_graph *g;
    struct assign_answer *a;
    uint32_t *row_of;    /* of each column, or ASSIGN_NONE */
    int64_t *distance;   /* of each column */
    uint32_t *came_from; /* the row before each column */
    uint32_t *heap, *place; /* columns; their place in the heap, 0: not in it */
    uint32_t heap_count;
    uint32_t *settled, settled_count;
    uint32_t *touched, touched_count;
    bool *is_settled;
    uint64_t steps, steps_max;
};

static bool is_spent(const struct search *s)
{
    return s->steps_max != 0 && s->steps > s->steps_max;
}

static void heap_up(struct search *s, uint32_t at, uint32_t column)
{
    while (at > 1 && s->distance[s->heap[at / 2]] > s->distance[column]) {
        s->heap[at] = s->heap[at / 2];
        s->place[s->heap[at]] = at;
        at /= 2;
    }
    s->heap[at] = column;
    s->place[column] = at;
}

static uint32_t heap_pop(struct search *s)
{
    uint32_t top = s->heap[1];
    uint32_t last = s->heap[s->heap_count--];
    uint32_t at = 1;
    s->place[top] = 0;
    if (s->heap_count == 0)
        return top;
    for (uint32_t child; (child = at * 2) <= s->heap_count; at = child) {
        if (child < s->heap_count && s->distance[s->heap[child + 1]] < s->distance[s->heap[child]])
            child++;
        if (s->distance[s->heap[child]] >= s->distance[last])
            break;
        s->heap[at] = s->heap[child];
        s->place[s->heap[at]] = at;
    }
    s->heap[at] = last;
    s->place[last] = at;
    return top;
}

/* Looks along the edges of a row that is reached at `reached`. A free column that is no farther is as
 * near as any can be, and ends the search: it is returned, else ASSIGN_NONE. */
static uint32_t relax(struct search *s, uint32_t row, int64_t reached)
{
    s->steps += s->g->first[row + 1] - s->g->first[row];
    for (uint64_t e = s->g->first[row]; e < s->g->first[row + 1]; e++) {
        uint32_t column = s->g->column[e];
        int64_t through =
            reached + s->g->cost[e] - s->a->row_price[row] - s->a->column_price[column];
        if (s->is_settled[column] || through >= s->distance[column])
            continue;
        if (s->distance[column] == FAR)
            s->touched[s->touched_count++] = column;
        s->distance[column] = through;
        s->came_from[column] = row;
        if (through == reached && s->row_of[column] == ASSIGN_NONE)
            return column;
        if (s->place[column] == 0)
            s->place[column] = ++s->heap_count;
        heap_up(s, s->place[column], column);
    }
    return ASSIGN_NONE;
}

/* The nearest free column from a row; ASSIGN_NONE when there is none. */
static uint32_t shortest_path(struct search *s, uint32_t row)
{
    uint32_t found = relax(s, row, 0);
    while (found == ASSIGN_NONE && s->heap_count != 0 && !is_spent(s)) {
        uint32_t column = heap_pop(s);
        if (s->row_of[column] == ASSIGN_NONE)
            return column;
        s->is_settled[column] = true;
        s->settled[s->settled_count++] = column;
        found = relax(s, s->row_of[column], s->distance[column]);
    }
    return found;
}

/* Moves the prices of what was settled, so that the path costs nothing in reduced costs. */
static void update_prices(struct search *s, uint32_t row, int64_t length)
{
    s->a->row_price[row] += length;
    for (uint32_t i = 0; i < s->settled_count; i++) {
        uint32_t column = s->settled[i];
        int64_t slack = length - s->distance[column];
        s->a->column_price[column] -= slack;
        s->a->row_price[s->row_of[column]] += slack;
    }
}

static void reset(struct search *s)
{
    for (uint32_t i = 0; i < s->touched_count; i++) {
        s->distance[s->touched[i]] = FAR;
        s->is_settled[s->touched[i]] = false;
        s->place[s->touched[i]] = 0;
    }
    s->touched_count = s->settled_count = s->heap_count = 0;
}

static bool augment(struct search *s, uint32_t row)
{
    uint32_t column = shortest_path(s, row);
    if (column == ASSIGN_NONE)
        return false;
    update_prices(s, row, s->distance[column]);
    for (uint32_t at = ASSIGN_NONE; at != row;) { /* back along the path */
        at = s->came_from[column];
        uint32_t next = s->a->column_of[at];
        s->a->column_of[at] = column;
        s->row_of[column] = at;
        column = next;
    }
    reset(s);
    return true;
}

/* The cheapest edge of a row in reduced costs, and how cheap the next best is; costs count `unit`. */
struct two {
    int64_t best, next;
    uint32_t column, other; /* other: of the next best, or ASSIGN_NONE */
};

static inline struct two cheapest_two(struct search *s, uint32_t row, int64_t unit)
{
    s->steps += s->g->first[row + 1] - s->g->first[row];
    struct two t = {.best = FAR, .next = FAR, .column = ASSIGN_NONE, .other = ASSIGN_NONE};
    for (uint64_t e = s->g->first[row]; e < s->g->first[row + 1]; e++) {
        uint32_t column = s->g->column[e];
        int64_t reduced = s->g->cost[e] * unit - s->a->column_price[column];
        if (reduced < t.best) {
            t.next = t.best;
            t.other = t.column;
            t.best = reduced;
            t.column = column;
        } else if (reduced < t.next) {
            t.next = reduced;
            t.other = column;
        }
    }
    return t;
}

/* Where as many rows as columns stand against each other no price is bound to anything, and an auction
 * finds good ones fast: Bertsekas, "The auction algorithm", Annals of Operations Research 14 (1988).
 * Each free row bids for its cheapest column so much that the next best would be as good, and a step
 * more; the step falls from phase to phase. Prices are in fractions here, so that they come close. */
#define FRACTION 8
#define STEP_FALLS 6
#define BIDS_A_ROW 40 /* in a phase: an instance that cannot be solved must not bid for ever */
#define SPAN_MAX (INT64_C(1) << 32) /* of costs, so that no price leaves its range */

static void auction_phase(struct search *s, int64_t step, uint32_t *free_rows)
{
    uint32_t count = 0;
    uint64_t most = (uint64_t)s->g->rows * BIDS_A_ROW;
    for (uint32_t c = 0; c < s->g->columns; c++)
        s->row_of[c] = ASSIGN_NONE;
    for (uint32_t r = s->g->rows; r-- > 0;)
        free_rows[count++] = r;
    while (count != 0 && most-- != 0 && !is_spent(s)) {
        uint32_t row = free_rows[--count];
        struct two t = cheapest_two(s, row, FRACTION);
        if (t.column == ASSIGN_NONE)
            continue;
        s->a->column_price[t.column] -= (t.next != FAR ? t.next - t.best : 0) + step;
        if (s->row_of[t.column] != ASSIGN_NONE)
            free_rows[count++] = s->row_of[t.column];
        s->row_of[t.column] = row;
    }
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static void auction(struct search *s)
{
    const struct assign_graph *g = s->g;
    int64_t span = 1;
    for (uint64_t e = 0; e < g->first[g->rows]; e++) {
        int64_t size = g->cost[e] < 0 ? -g->cost[e] : g->cost[e];
        span = size > span ? size : span;
    }
    if (span > SPAN_MAX)
        return;
    uint32_t *free_rows = must_alloc(g->rows, sizeof *free_rows);
    for (int64_t step = span * FRACTION / 4 + 1;; step = step / STEP_FALLS + 1) {
        auction_phase(s, step, free_rows);
        if (step <= 2)
            break;
    }
    for (uint32_t c = 0; c < g->columns; c++)
        s->a->column_price[c] = floor_div(s->a->column_price[c], FRACTION);
    free(free_rows);
}

/* Row prices from column prices, and each row its best column while that is free. */
static void begin_prices(struct search *s)
{
    const struct assign_graph *g = s->g;
    s->steps += g->first[g->rows];
    for (uint32_t c = 0; c < g->columns; c++)
        s->row_of[c] = ASSIGN_NONE;
    for (uint32_t r = 0; r < g->rows; r++) {
        int64_t best = FAR;
        uint32_t best_column = ASSIGN_NONE;
        for (uint64_t e = g->first[r]; e < g->first[r + 1]; e++) {
            int64_t reduced = g->cost[e] - s->a->column_price[g->column[e]];
            if (reduced < best ||
                (reduced == best && s->row_of[best_column] != ASSIGN_NONE &&
                 s->row_of[g->column[e]] == ASSIGN_NONE)) {
                best = reduced;
                best_column = g->column[e];
            }
        }
        s->a->row_price[r] = best != FAR ? best : 0;
        if (best_column != ASSIGN_NONE && s->row_of[best_column] == ASSIGN_NONE) {
            s->row_of[best_column] = r;
            s->a->column_of[r] = best_column;
        }
    }
}

/* Jonker and Volgenant's augmenting row reduction: each free row takes its cheapest column, which
 * falls in price as far as the row's next best allows, and whoever had that column looks again. Most
 * rows find their column so, in time near to one walk over their edges; `most` bounds the walks. */
static void reduce_rows(struct search *s, uint32_t *free_rows, uint32_t count, uint64_t most)
{
    while (count != 0 && most-- != 0 && !is_spent(s)) {
        uint32_t row = free_rows[--count];
        struct two t = cheapest_two(s, row, 1);
        if (t.column == ASSIGN_NONE)
            continue;
        uint32_t column = t.column;
        bool falls = t.next != FAR && t.best < t.next;
        if (falls)
            s->a->column_price[column] -= t.next - t.best;
        else if (s->row_of[column] != ASSIGN_NONE && t.next == t.best)
            column = t.other; /* as cheap, and perhaps free */
        s->a->row_price[row] = falls ? t.next : t.best;
        uint32_t before = s->row_of[column];
        if (before != ASSIGN_NONE && !falls)
            continue; /* to displace somebody for nothing may go round for ever */
        s->row_of[column] = row;
        s->a->column_of[row] = column;
        if (before != ASSIGN_NONE) {
            s->a->column_of[before] = ASSIGN_NONE;
            free_rows[count++] = before;
        }
    }
}

static void take_free_rows(struct search *s)
{
    uint32_t *free_rows = must_alloc(s->g->rows, sizeof *free_rows);
    for (int round = 0; round < 3; round++) {
        uint32_t count = 0;
        for (uint32_t r = s->g->rows; r-- > 0;)
            if (s->a->column_of[r] == ASSIGN_NONE)
                free_rows[count++] = r;
        reduce_rows(s, free_rows, count, 8 * (uint64_t)s->g->rows);
    }
    free(free_rows);
}

static void search_fini(struct search *s)
{
    free(s->row_of);
    free(s->distance);
    free(s->came_from);
    free(s->heap);
    free(s->place);
    free(s->settled);
    free(s->touched);
    free(s->is_settled);
}

bool assign_solve(const struct assign_graph *g, struct assign_answer *a)
{
    struct search s = {.g = g, .a = a, .steps_max = g->steps_max,
                       .row_of = must_alloc(g->columns, sizeof(uint32_t)),
                       .distance = must_alloc(g->columns, sizeof(int64_t)),
                       .came_from = must_alloc(g->columns, sizeof(uint32_t)),
                       .heap = must_alloc((size_t)g->columns + 1, sizeof(uint32_t)),
                       .place = must_alloc(g->columns, sizeof(uint32_t)),
                       .settled = must_alloc(g->columns, sizeof(uint32_t)),
                       .touched = must_alloc(g->columns, sizeof(uint32_t)),
                       .is_settled = must_alloc(g->columns, sizeof(bool))};
    *a = (struct assign_answer){.column_of = must_alloc(g->rows, sizeof(uint32_t)),
                                .row_price = must_alloc(g->rows, sizeof(int64_t)),
                                .column_price = must_alloc(g->columns, sizeof(int64_t))};
    bool is_whole = g->rows <= g->columns;
    for (uint32_t r = 0; r < g->rows; r++)
        a->column_of[r] = ASSIGN_NONE;
    for (uint32_t c = 0; c < g->columns; c++)
        s.distance[c] = FAR;
    if (g->rows == g->columns)
        auction(&s);
    begin_prices(&s);
    take_free_rows(&s);
    for (uint32_t r = 0; r < g->rows && is_whole; r++)
        if (a->column_of[r] == ASSIGN_NONE)
            is_whole = augment(&s, r) && !is_spent(&s);
    for (uint32_t c = 0; c < g->columns; c++)
        a->cost += s.row_of[c] != ASSIGN_NONE ? a->column_price[c] : 0;
    for (uint32_t r = 0; r < g->rows; r++)
        a->cost += a->row_price[r];
    search_fini(&s);
    if (!is_whole)
        assign_answer_fini(a);
    a->steps = s.steps;
    return is_whole;
}

void assign_answer_fini(struct assign_answer *a)
{
    free(a->column_of);
    free(a->row_price);
    free(a->column_price);
    *a = (struct assign_answer){.cost = 0};
}

bool assign_is_optimal(const struct assign_graph *g, const struct assign_answer *a)
{
    bool *is_taken = must_alloc(g->columns, sizeof *is_taken);
    int64_t total = 0;
    bool is_good = true;
    for (uint32_t r = 0; r < g->rows && is_good; r++) {
        bool has_edge = false;
        for (uint64_t e = g->first[r]; e < g->first[r + 1]; e++) {
            int64_t slack = g->cost[e] - a->row_price[r] - a->column_price[g->column[e]];
            is_good &= slack >= 0;
            if (slack == 0 && g->column[e] == a->column_of[r] && !has_edge) {
                has_edge = true;
                total += g->cost[e];
            }
        }
        is_good &= has_edge && !is_taken[a->column_of[r]];
        if (is_good)
            is_taken[a->column_of[r]] = true;
    }
    for (uint32_t c = 0; c < g->columns; c++) /* a column that nobody takes must cost nothing */
        is_good &= is_taken[c] || a->column_price[c] == 0 || g->rows == g->columns;
    for (uint32_t c = 0; c < g->columns; c++)
        is_good &= a->column_price[c] <= 0 || g->rows == g->columns;
    free(is_taken);
    return is_good && total == a->cost;
}
