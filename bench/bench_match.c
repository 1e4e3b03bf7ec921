/* bench_match.c -- `paidan-bench match`: matches in process, on the workload or on files. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "bench.h"
#include "engine/match.h"
#include "files.h"
#include "workload.h"

#define COMPARED 200 /* orders whose answer is held against a full scan before time is taken */

struct run {
    struct files files;
    uint32_t limit;
    enum rank rank;
    bool is_json, is_mixed;
    const char *out;
};

static void load_workload(struct run *run, struct workload *w, uint32_t orders)
{
    for (uint32_t i = 0; i < w->orgs; i++) {
        struct command c = {.op = OP_ORG_PUT, .actor = "bench", .u.put = workload_org(w)};
        must(engine_step(run->files.engine, &c, run->files.now).refusal.code == REFUSAL_NONE);
        engine_effects_clear(run->files.engine);
    }
    for (uint32_t i = 0; i < orders; i++) {
        struct order_request order = workload_order(w);
        files_add_order(&run->files, &order, NULL);
    }
}

static uint32_t match_one(struct run *run, uint32_t i, struct candidate *found)
{
    struct want want;
    struct refusal refusal;
    if (!match_want_request(run->files.engine, &run->files.orders[i], run->files.now, &want, &refusal))
        return 0;
    return match_find(run->files.engine, &want, run->rank, run->limit, found);
}

/* The answers against the definition, on orders spread over the whole run. */
static void compare(struct run *run, struct candidate *found)
{
    struct candidate *scanned = must_alloc(run->limit, sizeof *scanned);
    uint32_t step = run->files.order_count / COMPARED + 1;
    for (uint32_t i = 0; i < run->files.order_count; i += step) {
        struct want want;
        struct refusal refusal;
        uint32_t count = match_one(run, i, found);
        if (!match_want_request(run->files.engine, &run->files.orders[i], run->files.now, &want, &refusal))
            continue;
        must(match_scan(run->files.engine, &want, run->rank, run->limit, scanned) == count);
        for (uint32_t j = 0; j < count; j++)
            must(scanned[j].org == found[j].org);
    }
    free(scanned);
}

/* A tenth of the steps change the world: somebody is booked or moved. */
static void change_one(struct run *run, struct workload *w, uint32_t i)
{
    struct command c = {.op = OP_PLACE, .actor = "bench", .u.place = run->files.orders[i]};
    struct command assign = {.op = OP_ASSIGN, .actor = "bench"};
    if (i % 20 == 0) {
        c = (struct command){.op = OP_ORG_PUT, .actor = "bench", .u.put = workload_org(w)};
        c.u.put.id = 1 + i % w->orgs;
    } else {
        c.u.place.mode = MODE_AUTO;
    }
    struct outcome o = engine_step(run->files.engine, &c, run->files.now);
    engine_step(run->files.engine, &assign, run->files.now);
    if (c.op == OP_PLACE && i % 40 != 10) { /* most are released again */
        struct command cancel = {.op = OP_CANCEL, .actor = "bench", .order = o.id};
        engine_step(run->files.engine, &cancel, run->files.now);
    }
    engine_effects_clear(run->files.engine);
}

static int write_answers(struct run *run, struct candidate *found)
{
    FILE *out = fopen(run->out, "we");
    if (out == NULL) {
        fprintf(stderr, "paidan-bench: %s: %s\n", run->out, strerror(errno));
        return EX_CANTCREAT;
    }
    for (uint32_t i = 0; i < run->files.order_count; i++) {
        uint32_t count = match_one(run, i, found);
        if (run->files.refs[i] != NULL)
            fprintf(out, "%s,", run->files.refs[i]);
        else
            fprintf(out, "%u,", i + 1);
        for (uint32_t j = 0; j < count; j++)
            fprintf(out, "%s%llu", j != 0 ? ";" : "", (unsigned long long)found[j].org);
        fputc('\n', out);
    }
    return fclose(out) == 0 ? EX_OK : EX_IOERR;
}

static void measure(struct run *run, struct workload *w, struct candidate *found)
{
    static struct histogram latencies;
    uint64_t total = 0;
    uint64_t nobody = 0;
    uint64_t answers = 0;
    for (uint32_t i = 0; i < run->files.order_count; i++) {
        if (run->is_mixed && i % 10 == 0)
            change_one(run, w, i);
        uint64_t began = bench_now_ns();
        uint32_t count = match_one(run, i, found);
        uint64_t took = bench_now_ns() - began;
        histogram_add(&latencies, took);
        total += took;
        answers += count;
        nobody += count == 0;
    }
    double rate = total != 0 ? (double)run->files.order_count * 1e9 / (double)total : 0;
    uint32_t orgs = engine_counts(run->files.engine).orgs;
    double share = run->files.order_count != 0 ? (double)nobody / run->files.order_count : 0;
    if (run->is_json) {
        printf("{\"matches_per_s\": %.0f, \"organisations\": %u, \"orders\": %u, \"limit\": %u, "
               "\"rank\": \"%s\", \"nobody\": %.4f, \"answers\": %llu, ",
               rate, orgs, run->files.order_count, run->limit, word_name(&words_rank, (int)run->rank), share,
               (unsigned long long)answers);
        bench_print_latency(&latencies, 1);
        puts("}");
    } else {
        printf("%.0f matches/s: %u orders on %u organisations, the %u best by %s, one thread%s\n", rate,
               run->files.order_count, orgs, run->limit, word_name(&words_rank, (int)run->rank),
               run->is_mixed ? ", a tenth of the steps change the world" : "");
        printf("%.1f %% of the orders found nobody\n", share * 100);
        bench_print_latency(&latencies, 0);
    }
}

static int begin_workload(struct workload *w, struct run *run, int argc, char **argv)
{
    static const char *const hostile[] = {"no", "rare", "nobody"};
    const char *wanted = bench_option(argc, argv, "hostile", hostile[0]);
    unsigned which = 0;
    while (which < ARRAY_LEN(hostile) && strcmp(wanted, hostile[which]) != 0)
        which++;
    if (which == ARRAY_LEN(hostile) ||
        !workload_init(w, bench_option(argc, argv, "box", "huizhou"),
                       (uint32_t)bench_number(argc, argv, "organisations", 10000),
                       (uint64_t)bench_number(argc, argv, "seed", 1), run->files.now)) {
        fputs("paidan-bench: --box is huizhou, national or city; --hostile rare or nobody\n", stderr);
        return EX_USAGE;
    }
    w->hostile = (enum workload_hostile)which;
    load_workload(run, w, (uint32_t)bench_number(argc, argv, "orders", 100000));
    return EX_OK;
}

int bench_match(int argc, char **argv)
{
    const char *orgs = bench_option(argc, argv, "organisations", "10000");
    const char *orders = bench_option(argc, argv, "orders", "100000");
    const char *rank = bench_option(argc, argv, "rank", "score");
    bool is_file = strspn(orgs, "0123456789") != strlen(orgs);
    struct run run = {.files.engine = workload_engine(), .is_json = bench_has(argc, argv, "json") != 0,
                      .is_mixed = bench_has(argc, argv, "mixed") != 0 && !is_file,
                      .out = bench_option(argc, argv, "out", NULL)};
    struct workload w = {.centres = NULL};
    struct failure failure = {0};
    int word = word_find(&words_rank, rank, strlen(rank));
    run.limit = (uint32_t)bench_number(argc, argv, "limit", 10);
    run.rank = (enum rank)word;
    if (word < 0 || run.limit < 1 || run.limit > 1000000) {
        fputs("paidan-bench: --rank is score or distance, --limit 1 to 1000000\n", stderr);
        files_fini(&run.files);
    engine_free(run.files.engine);
        return EX_USAGE;
    }
    int rc = EX_OK;
    if (is_file) {
        rc = files_load(&run.files, orgs, orders, &failure) == 0 ? EX_OK : failure.exit_code;
    } else {
        run.files.now = (int64_t)time(NULL) * 1000;
        rc = begin_workload(&w, &run, argc, argv);
    }
    struct candidate *found = must_alloc(run.limit, sizeof *found);
    if (rc == EX_OK) {
        compare(&run, found);
        measure(&run, &w, found);
        if (run.out != NULL)
            rc = write_answers(&run, found);
    } else if (failure.exit_code != 0) {
        fprintf(stderr, "paidan-bench: %s\n", failure.text);
    }
    free(found);
    workload_fini(&w);
    files_fini(&run.files);
    engine_free(run.files.engine);
    return rc;
}
