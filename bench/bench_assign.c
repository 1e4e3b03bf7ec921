/* bench_assign.c -- `paidan-bench assign FILE`: reads an instance, solves it, proves it, says how long. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "bench.h"
#include "engine/assign.h"

/* The numbers of a file, one after the other. */
struct numbers {
    FILE *file;
    const char *path;
    bool has_failed;
};

static int64_t take(struct numbers *n)
{
    long long number = 0;
    if (!n->has_failed && fscanf(n->file, "%lld", &number) != 1)
        n->has_failed = true;
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

/* How many numbers the first line holds: one is the dense form, two the sparse. */
static int numbers_on_first_line(FILE *file)
{
    char line[256] = "";
    int count = 0;
    if (fgets(line, sizeof line, file) == NULL)
        return 0;
    for (const char *at = line; *at != '\0'; at++)
        count += !isspace((unsigned char)*at) && (at == line || isspace((unsigned char)at[-1]));
    rewind(file);
    return count;
}

/* Reads the edges; rows and columns count from 1 in the sparse form (from 0 when a 0 is there). */
static struct edge *read_edges(struct numbers *n, bool is_sparse, uint64_t *count, uint32_t *rows)
{
    int64_t size = take(n);
    *rows = (uint32_t)size;
    *count = (uint64_t)(is_sparse ? take(n) : size * size);
    if (n->has_failed || size < 1 || size > 10000000 || *count > 2000000000) {
        n->has_failed = true;
        return NULL;
    }
    struct edge *edges = must_alloc(*count, sizeof *edges);
    bool has_zero = false;
    for (uint64_t i = 0; i < *count && !n->has_failed; i++) {
        int64_t row = is_sparse ? take(n) : (int64_t)(i / (uint64_t)size) + 1;
        int64_t column = is_sparse ? take(n) : (int64_t)(i % (uint64_t)size) + 1;
        edges[i] = (struct edge){.row = (uint32_t)row, .column = (uint32_t)column, .cost = take(n)};
        has_zero |= row == 0 || column == 0;
        n->has_failed |= row < 0 || column < 0 || row > size || column > size;
    }
    for (uint64_t i = 0; i < *count && !has_zero; i++) {
        edges[i].row--;
        edges[i].column--;
    }
    for (uint64_t i = 0; i < *count; i++)
        n->has_failed |= edges[i].row >= *rows || edges[i].column >= *rows;
    return edges;
}

static int solve(struct edge *edges, uint64_t count, uint32_t rows, bool is_json)
{
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
    struct assign_graph graph = {rows, rows, first, column, cost};
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
    struct numbers n = {.file = fopen(argv[0], "re"), .path = argv[0]};
    if (n.file == NULL) {
        fprintf(stderr, "paidan-bench: %s: %s\n", argv[0], strerror(errno));
        return EX_NOINPUT;
    }
    uint64_t count = 0;
    uint32_t rows = 0;
    struct edge *edges = read_edges(&n, numbers_on_first_line(n.file) == 2, &count, &rows);
    fclose(n.file);
    int rc = EX_DATAERR;
    if (n.has_failed)
        fprintf(stderr, "paidan-bench: %s: not n and n × n costs, nor `n m` and m lines `i j cost`\n", argv[0]);
    else
        rc = solve(edges, count, rows, bench_has(argc, argv, "json") != 0);
    free(edges);
    return rc;
}
