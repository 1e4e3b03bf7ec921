/* bench_instance.c -- `paidan-bench instance`: instances for `paidan-bench assign` and its peer.
 *
 * As many rows as columns, about twenty edges a row, one of them to the column of its own number, so
 * that all can be served. `even`: costs 0 to 1000 to columns drawn evenly. `clustered`: both are points
 * in a square, and the cost is their distance, as organisations cost by theirs. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "bench.h"
#include "engine/pool.h"

#define DEGREE 20

struct instance_writer {
    FILE *file;
    uint64_t state;
    uint32_t size;
    double *points; /* rows, then columns; x and y of each */
};

static uint64_t next(struct instance_writer *w)
{
    w->state += UINT64_C(0x9e3779b97f4a7c15);
    return hash64(w->state);
}

static void put_edge(struct instance_writer *w, uint32_t row, uint32_t column, uint32_t cost)
{
    fprintf(w->file, "%u %u %u\n", row + 1, column + 1, cost);
}

static void write_even(struct instance_writer *w)
{
    for (uint32_t row = 0; row < w->size; row++) {
        put_edge(w, row, row, (uint32_t)(next(w) % 1001));
        for (int i = 1; i < DEGREE; i++)
            put_edge(w, row, (uint32_t)(next(w) % w->size), (uint32_t)(next(w) % 1001));
    }
}

static uint32_t cost_of(const struct instance_writer *w, uint32_t row, uint32_t column, double reach)
{
    const double *a = &w->points[row * 2];
    const double *b = &w->points[(w->size + column) * 2];
    double cost = hypot(a[0] - b[0], a[1] - b[1]) / reach * 1000;
    return cost < 1000 ? (uint32_t)cost : 1000;
}

static int by_x(const void *a, const void *b)
{
    const double *x = a;
    const double *y = b;
    return x[0] < y[0] ? -1 : x[0] > y[0];
}

static void write_clustered(struct instance_writer *w)
{
    double reach = sqrt(DEGREE / 3.14159265 / w->size);
    w->points = must_alloc((size_t)w->size * 4, sizeof(double));
    for (uint32_t i = 0; i < w->size * 4; i++)
        w->points[i] = (double)(next(w) >> 11) / 9007199254740992.0;
    qsort(w->points, w->size, 2 * sizeof(double), by_x);
    qsort(w->points + (size_t)w->size * 2, w->size, 2 * sizeof(double), by_x);
    uint32_t from = 0;
    for (uint32_t row = 0; row < w->size; row++) {
        const double *columns = w->points + (size_t)w->size * 2;
        while (from < w->size && columns[from * 2] < w->points[row * 2] - reach)
            from++;
        put_edge(w, row, row, cost_of(w, row, row, reach));
        for (uint32_t c = from; c < w->size && columns[c * 2] < w->points[row * 2] + reach; c++)
            if (c != row && cost_of(w, row, c, reach) < 1000)
                put_edge(w, row, c, cost_of(w, row, c, reach));
    }
    free(w->points);
}

int bench_instance(int argc, char **argv)
{
    const char *out = bench_option(argc, argv, "out", NULL);
    const char *kind = bench_option(argc, argv, "kind", "even");
    struct instance_writer w = {.size = (uint32_t)bench_number(argc, argv, "size", 10000),
                                .state = (uint64_t)bench_number(argc, argv, "seed", 1)};
    bool is_even = strcmp(kind, "even") == 0;
    if (out == NULL || w.size < 1 || w.size > 1000000 || (!is_even && strcmp(kind, "clustered") != 0)) {
        fputs("paidan-bench: instance needs --out FILE, --kind even or clustered, --size 1..1000000\n", stderr);
        return EX_USAGE;
    }
    w.file = fopen(out, "we");
    if (w.file == NULL) {
        fprintf(stderr, "paidan-bench: %s: %s\n", out, strerror(errno));
        return EX_CANTCREAT;
    }
    fprintf(w.file, "%u %u\n", w.size, w.size);
    if (is_even)
        write_even(&w);
    else
        write_clustered(&w);
    return fclose(w.file) == 0 ? EX_OK : EX_IOERR;
}
