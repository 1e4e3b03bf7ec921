/* assign.h -- the exact assignment of rows to columns at the least cost, on a sparse graph.
 *
 * An auction finds prices near the best where rows and columns are as many, then successive shortest
 * augmenting paths finish exactly: Jonker and Volgenant, "A shortest augmenting path algorithm for
 * dense and sparse linear assignment problems", Computing 38 (1987), with a heap in place of their
 * bucket. The answer comes with its prices, and assign_is_optimal() proves it from them
 * alone: no edge may be cheaper than its two prices, and every edge taken must cost exactly them. */
#ifndef PAIDAN_ASSIGN_H
#define PAIDAN_ASSIGN_H

#include "base.h"

#define ASSIGN_NONE UINT32_MAX

/* Edges of row i are first[i] to first[i + 1]; costs within ±2^40. Borrowed. */
struct assign_graph {
    uint32_t rows, columns;
    const uint64_t *first;
    const uint32_t *column;
    const int64_t *cost;
    uint64_t steps_max; /* edges that solving may walk along; 0: as many as it takes */
};

struct assign_answer {
    uint32_t *column_of; /* of each row; owned */
    int64_t *row_price, *column_price; /* owned */
    int64_t cost;
    uint64_t steps; /* edges that were walked along, the time that it took */
};

/* Matches every row to a column of its own at the least total cost. False when that cannot be, or not
 * within `steps_max`; the answer is then empty but for its steps. Cost: rows × (edges × log columns) at worst, far less as a rule. */
bool assign_solve(const struct assign_graph *graph, struct assign_answer *answer);
void assign_answer_fini(struct assign_answer *answer);
bool assign_is_optimal(const struct assign_graph *graph, const struct assign_answer *answer);

#endif
