/* plan.h -- many orders to organisations at once: a batch, or what arrived together.
 *
 * Each order gets one organisation at most. What a plan is worth comes in this sequence: the orders
 * served of the highest priority, then of the next, then the number served, then the total score.
 * The plan is an exact assignment where the orders that an organisation may get are for the same time
 * and as many people each; where they differ it is feasible, never worth less than taking the orders
 * one by one, and `bound` says what no plan can exceed. What would take more than PLAN_STEPS_MAX is taken
 * one by one too, and the bound is then every order's first choice. */
#ifndef PAIDAN_PLAN_H
#define PAIDAN_PLAN_H

#include "match.h"

#define PLAN_STEPS_MAX (3u << 19) /* some milliseconds of the loop */

struct plan_worth {
    uint32_t served[PRIORITY_COUNT];
    uint64_t score;
};

struct plan {
    struct candidate *picks; /* by order; org 0: nobody. Owned */
    uint32_t count;
    struct plan_worth worth, bound;
    bool is_exact; /* worth what the bound says */
    uint64_t steps; /* edges that were made and walked, which is the time that it took */
};

/* PLAN_BOUNDED is PLAN_TOGETHER whose bound holds; the other lists no more candidates than it needs,
 * and where orders are not alike its bound is only that of what was listed. */
enum plan_method { PLAN_TOGETHER, PLAN_BOUNDED, PLAN_ONE_BY_ONE };

/* Plans for the open orders in `slots`, ASSIGN_COUNT_MAX at most, the more urgent ones first. The
 * engine is as before when it returns. Cost: a search an order where nobody competes. */
struct plan plan_make(struct engine *engine, const uint32_t *slots, uint32_t count, int64_t now,
                      enum plan_method method);
void plan_fini(struct plan *plan);

#endif
