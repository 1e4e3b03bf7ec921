/* The exact assignment against trying every permutation, and its certificate against planted faults. */
#include "engine/assign.h"
#include "world.h"

enum { SIDE_MAX = 7, EDGES_MAX = SIDE_MAX * (SIDE_MAX + 2) };

struct instance {
    uint64_t first[SIDE_MAX + 1];
    uint32_t column[EDGES_MAX];
    int64_t cost[EDGES_MAX];
    struct assign_graph graph;
};

static void make_instance(struct instance *in, struct random *r, uint32_t rows, uint32_t columns)
{
    uint64_t edges = 0;
    uint64_t density = 30 + draw(r, 71);
    for (uint32_t i = 0; i < rows; i++) {
        in->first[i] = edges;
        for (uint32_t c = 0; c < columns; c++) {
            if (draw(r, 100) >= density)
                continue;
            in->column[edges] = c;
            in->cost[edges++] = (int64_t)draw(r, 50) - 20;
        }
    }
    in->first[rows] = edges;
    in->graph = (struct assign_graph){.rows = rows, .columns = columns, .first = in->first, .column = in->column, .cost = in->cost};
}

/* The least cost from a row on, over all ways; INT64_MAX when there is none. */
static int64_t try_all(const struct instance *in, uint32_t row, uint32_t taken)
{
    int64_t best = INT64_MAX;
    if (row == in->graph.rows)
        return 0;
    for (uint64_t e = in->first[row]; e < in->first[row + 1]; e++) {
        if ((taken >> in->column[e] & 1) != 0)
            continue;
        int64_t rest = try_all(in, row + 1, taken | 1u << in->column[e]);
        if (rest != INT64_MAX && in->cost[e] + rest < best)
            best = in->cost[e] + rest;
    }
    return best;
}

START_TEST(the_assignment_is_the_best_of_all)
{
    struct random r = {.state = (uint64_t)_i};
    int solved = 0;
    for (int i = 0; i < 400; i++) {
        struct instance in;
        struct assign_answer a;
        uint32_t rows = 1 + (uint32_t)draw(&r, SIDE_MAX);
        make_instance(&in, &r, rows, rows + (uint32_t)draw(&r, 3));
        int64_t best = try_all(&in, 0, 0);
        bool is_whole = assign_solve(&in.graph, &a);
        ck_assert_int_eq(is_whole, best != INT64_MAX);
        if (!is_whole)
            continue;
        solved++;
        ck_assert_int_eq(a.cost, best);
        ck_assert(assign_is_optimal(&in.graph, &a));
        a.row_price[0]++; /* a wrong price, a wrong sum: the certificate does not hold */
        ck_assert(!assign_is_optimal(&in.graph, &a));
        a.row_price[0]--;
        a.cost++;
        ck_assert(!assign_is_optimal(&in.graph, &a));
        assign_answer_fini(&a);
    }
    ck_assert_int_gt(solved, 50);
}
END_TEST

Suite *suite_assign(void);
Suite *suite_assign(void)
{
    Suite *s = suite_create("assign");
    TCase *t = tcase_create("assign");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, the_assignment_is_the_best_of_all, 0, 8);
    suite_add_tcase(s, t);
    return s;
}
