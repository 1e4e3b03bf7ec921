/* bench_surge.c -- `paidan-bench surge`: what assigning together is worth when help is short.
 *
 * A city after a storm: 256 orders come in at once for the same half-hour, a tenth of them emergencies
 * and a fifth urgent, to organisations of which too few can serve. Counted over --seeds such hours: the
 * residents left without help when orders are taken one by one, the more urgent first, and when they
 * are assigned together; and the bound that no plan can beat. */
#include <stdlib.h>
#include <sysexits.h>

#include "bench.h"
#include "engine/pool.h"
#include "engine/plan.h"
#include "workload.h"

struct tally_line {
    uint32_t orders, left[3]; /* one by one, together, by the bound */
    uint32_t emergencies_left[3];
    uint64_t score[3], ns[2];
};

#define NOON INT64_C(1795406400000) /* Monday 2026-11-23 12:00 in Shanghai */

static void place_orders(struct engine *e, struct workload *w, bool is_mixed)
{
    for (uint32_t i = 0; i < ASSIGN_COUNT_MAX; i++) {
        struct command c = {.op = OP_PLACE, .actor = "bench", .u.place = workload_order(w)};
        struct order_request *r = &c.u.place;
        r->mode = MODE_BATCH;
        r->priority = i < ASSIGN_COUNT_MAX / 10 ? PRIORITY_EMERGENCY : i < ASSIGN_COUNT_MAX * 3 / 10 ? PRIORITY_URGENT : PRIORITY_ROUTINE;
        r->starts_at = NOON + 2 * HALF_HOUR_MS;
        r->ends_at = r->starts_at + HALF_HOUR_MS;
        r->headcount = is_mixed ? r->headcount : 4;
        must(engine_step(e, &c, NOON).refusal.code == REFUSAL_NONE);
    }
    engine_effects_clear(e);
}

static void count_plan(struct tally_line *t, int which, const struct plan_worth *worth)
{
    t->left[which] += ASSIGN_COUNT_MAX - worth->served[0] - worth->served[1] - worth->served[2];
    t->emergencies_left[which] += ASSIGN_COUNT_MAX / 10 - worth->served[PRIORITY_EMERGENCY];
    t->score[which] += worth->score;
}

static void one_hour(struct tally_line *t, uint32_t orgs, uint64_t seed, bool is_mixed)
{
    struct workload w;
    struct engine *e = workload_engine();
    uint32_t slots[ASSIGN_COUNT_MAX];
    uint32_t count = 0;
    uint32_t slot = SLOT_NONE;
    must(workload_init(&w, "city", orgs, seed, NOON));
    for (uint32_t i = 0; i < orgs; i++) {
        struct command c = {.op = OP_ORG_PUT, .actor = "bench", .u.put = workload_org(&w)};
        c.u.put.capacity = is_mixed ? c.u.put.capacity / 4 + 1 : (c.u.put.capacity / 12 + 1) * 4;
        must(engine_step(e, &c, NOON).refusal.code == REFUSAL_NONE);
    }
    place_orders(e, &w, is_mixed);
    while (engine_next_order(e, &slot) != NULL)
        slots[count++] = slot;
    for (int i = 0; i < 2; i++) {
        uint64_t began = bench_now_ns();
        struct plan plan = plan_make(e, slots, count, NOON, i == 0 ? PLAN_ONE_BY_ONE : PLAN_BOUNDED);
        t->ns[i] += bench_now_ns() - began;
        count_plan(t, i, &plan.worth);
        if (i == 1)
            count_plan(t, 2, &plan.bound);
        plan_fini(&plan);
    }
    t->orders += count;
    workload_fini(&w);
    engine_free(e);
}

static void print_line(const struct tally_line *t, const char *kind, uint32_t orgs, uint32_t seeds, bool is_json)
{
    printf(is_json ? "{\"kind\": \"%s\", \"organisations\": %u, \"orders\": %u, \"left_one_by_one\": %u, "
                     "\"left_together\": %u, \"left_bound\": %u, \"emergencies_left_one_by_one\": %u, "
                     "\"emergencies_left_together\": %u, \"ms_one_by_one\": %.2f, \"ms_together\": %.2f}%s\n"
                   : "%-6s %5u organisations, %6u orders: left without help %5u one by one, %5u together, "
                     "%5u by the bound; emergencies %4u and %4u; %.2f and %.2f ms an hour%s\n",
           kind, orgs, t->orders, t->left[0], t->left[1], t->left[2], t->emergencies_left[0], t->emergencies_left[1],
           (double)t->ns[0] / 1e6 / seeds, (double)t->ns[1] / 1e6 / seeds, "");
}

int bench_surge(int argc, char **argv)
{
    uint32_t seeds = (uint32_t)bench_number(argc, argv, "seeds", 20);
    bool is_json = bench_has(argc, argv, "json") != 0;
    static const uint32_t sizes[] = {150, 300, 600};
    if (seeds < 1 || seeds > 10000) {
        fputs("paidan-bench: --seeds 1..10000\n", stderr);
        return EX_USAGE;
    }
    if (is_json)
        puts("[");
    for (size_t i = 0; i < 2 * ARRAY_LEN(sizes); i++) {
        struct tally_line t = {.orders = 0};
        bool is_mixed = i >= ARRAY_LEN(sizes);
        for (uint32_t seed = 1; seed <= seeds; seed++)
            one_hour(&t, sizes[i % ARRAY_LEN(sizes)], seed, is_mixed);
        if (is_json && i != 0)
            fputs(", ", stdout);
        print_line(&t, is_mixed ? "mixed" : "alike", sizes[i % ARRAY_LEN(sizes)], seeds, is_json);
    }
    if (is_json)
        puts("]");
    return EX_OK;
}
