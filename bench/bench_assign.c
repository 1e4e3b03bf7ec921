/* bench_assign.c -- `paidan-bench assign FILE`: reads an instance, solves it, proves it, says how long. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "bench.h"
#include "engine/assign.h"

/* The numbers of a file, one after the other; where the last one stood, for errors. */
struct numbers {
    FILE *file;
    const char *path;
    int line, column; /* of what is read next, from 1 */
    int on_first_line;
    bool is_at_end, has_failed;
};

static void fail(struct numbers *n, int line, int column, const char *reason)
{
    if (!n->has_failed)
        fprintf(stderr, "paidan-bench: %s:%d:%d: %s\n", n->path, line, column, reason);
    n->has_failed = true;
}

static int next_char(struct numbers *n)
{
    int c = getc_unlocked(n->file);
    n->column += c != EOF;
    if (c == '\n') {
        n->line++;
        n->column = 1;
    }
    return c;
}

/* The next number within its bounds; *is_at_end is set when there is none any more. */
static int64_t take(struct numbers *n, int64_t low, int64_t high)
{
    char text[32];
    size_t len = 0;
    int c = ' ';
    while (isspace(c))
        c = next_char(n);
    int line = n->line;
    int column = n->column - 1;
    for (; c != EOF && !isspace(c) && len + 1 < sizeof text; c = next_char(n))
        text[len++] = (char)c;
    text[len] = '\0';
    n->is_at_end = len == 0;
    n->on_first_line += line == 1 && len != 0;
    char *end = text;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (len != 0 && (*end != '\0' || errno != 0))
        fail(n, line, column, "not a whole number");
    else if (len != 0 && (number < low || number > high))
        fail(n, line, column, "a number out of range");
    return number;
}

struct edge {
    uint32_t row, column;
    int64_t cost;
};

static int by_row(const void *a, const void *b)
{
    const struct edge *x = a;
    const struct edge *y = b;
    if (x->row != y->row)
        return x->row < y->row ? -1 : 1;
    return x->column < y->column ? -1 : x->column > y->column;
}

#define COST_MAX (INT64_C(1) << 40)
#define SIZE_MAX_ROWS 10000000

/* An instance as it is read. */
struct instance {
    struct edge *edges;
    uint64_t count, room;
    uint32_t rows, columns;
};

static void add_edge(struct instance *in, uint32_t row, uint32_t column, int64_t cost)
{
    if (in->count == in->room) {
        in->room = in->room != 0 ? in->room * 2 : 4096;
        in->edges = must_realloc(in->edges, in->room, sizeof *in->edges);
    }
    in->edges[in->count++] = (struct edge){.row = row, .column = column, .cost = cost};
}

static void read_dense(struct numbers *n, struct instance *in, int64_t first_cost)
{
    uint64_t cells = (uint64_t)in->rows * in->rows;
    in->columns = in->rows;
    for (uint64_t i = 0; i < cells && !n->has_failed; i++) {
        int64_t cost = i == 0 ? first_cost : take(n, -COST_MAX, COST_MAX);
        if (n->is_at_end)
            fail(n, n->line, n->column, "the file ends before n x n costs");
        add_edge(in, (uint32_t)(i / in->rows), (uint32_t)(i % in->rows), cost);
    }
}

/* Lines `i j cost` to the end. `second` is how many lines there are or, when it is not that, how many
 * columns. Rows and columns count from 1, or from 0 where a 0 is there. */
static void read_sparse(struct numbers *n, struct instance *in, int64_t second)
{
    int64_t highest = 0;
    uint32_t base = 1;
    for (;;) {
        int64_t row = take(n, 0, in->rows);
        if (n->is_at_end || n->has_failed)
            break;
        int64_t column = take(n, 0, SIZE_MAX_ROWS);
        int64_t cost = take(n, -COST_MAX, COST_MAX);
        if (n->is_at_end)
            fail(n, n->line, n->column, "a line without its three numbers");
        base = row == 0 || column == 0 ? 0 : base;
        highest = column > highest ? column : highest;
        add_edge(in, (uint32_t)row, (uint32_t)column, cost);
    }
    bool is_square = (uint64_t)second == in->count && highest + (base == 0) <= in->rows;
    in->columns = is_square ? in->rows : (uint32_t)second;
    if (!n->has_failed && highest + (base == 0) > in->columns)
        fail(n, n->line, n->column, "a column beyond those that the first line names");
    for (uint64_t i = 0; i < in->count; i++) {
        in->edges[i].row -= base;
        in->edges[i].column -= base;
        if (in->edges[i].row >= in->rows)
            fail(n, n->line, n->column, "a row beyond those that the first line names");
    }
}

static bool read_instance(struct numbers *n, struct instance *in)
{
    in->rows = (uint32_t)take(n, 1, SIZE_MAX_ROWS);
    int64_t second = take(n, -COST_MAX, COST_MAX);
    if (n->is_at_end)
        fail(n, n->line, n->column, "the file ends after its first number");
    if (n->has_failed)
        return false;
    if (n->on_first_line == 2 && (second < 1 || second > 2000000000))
        fail(n, 1, 1, "the second number must be 1 to 2000000000");
    else if (n->on_first_line == 2)
        read_sparse(n, in, second);
    else
        read_dense(n, in, second);
    return !n->has_failed;
}

static int solve(const struct instance *in, bool is_json)
{
    struct edge *edges = in->edges;
    uint64_t count = in->count;
    uint32_t rows = in->rows;
    uint64_t *first = must_alloc((size_t)rows + 1, sizeof *first);
    uint32_t *column = must_alloc(count, sizeof *column);
    int64_t *cost = must_alloc(count, sizeof *cost);
    struct assign_answer answer;
    qsort(edges, count, sizeof *edges, by_row);
    for (uint64_t i = 0; i < count; i++) {
        first[edges[i].row + 1]++;
        column[i] = edges[i].column;
        cost[i] = edges[i].cost;
    }
    for (uint32_t r = 0; r < rows; r++)
        first[r + 1] += first[r];
    struct assign_graph graph = {.rows = rows, .columns = in->columns, .first = first, .column = column, .cost = cost};
    uint64_t began = bench_now_ns();
    bool is_whole = assign_solve(&graph, &answer);
    double seconds = (double)(bench_now_ns() - began) / 1e9;
    int rc = EX_OK;
    if (!is_whole) {
        fputs("paidan-bench: not every row can have a column of its own\n", stderr);
        rc = EX_DATAERR;
    } else {
        must(assign_is_optimal(&graph, &answer)); /* the dual certificate */
        if (is_json)
            printf("{\"optimum\": %lld, \"seconds\": %.6f, \"n\": %u, \"edges\": %llu}\n",
                   (long long)answer.cost, seconds, rows, (unsigned long long)count);
        else
            printf("optimum %lld in %.6f s (n %u, %llu edges, proved by its prices)\n",
                   (long long)answer.cost, seconds, rows, (unsigned long long)count);
        assign_answer_fini(&answer);
    }
    free(first);
    free(column);
    free(cost);
    return rc;
}

int bench_assign(int argc, char **argv)
{
    if (argc < 1) {
        fputs("usage: paidan-bench assign FILE [--json]\n", stderr);
        return EX_USAGE;
    }
    struct numbers n = {.file = fopen(argv[0], "re"), .path = argv[0], .line = 1, .column = 1};
    if (n.file == NULL) {
        fprintf(stderr, "paidan-bench: %s: %s\n", argv[0], strerror(errno));
        return EX_NOINPUT;
    }
    struct instance in = {.edges = NULL};
    int rc = read_instance(&n, &in) ? solve(&in, bench_has(argc, argv, "json") != 0) : EX_DATAERR;
    fclose(n.file);
    free(in.edges);
    return rc;
}
