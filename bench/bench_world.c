/* bench_world.c -- `paidan-bench world`: the workload as plain text, so that peers work on the very
 * same organisations and orders, and our answers to hold theirs against. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>

#include "bench.h"
#include "engine/match.h"
#include "workload.h"

static FILE *open_in(const char *folder, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "we");
    if (file == NULL)
        fprintf(stderr, "paidan-bench: %s: %s\n", path, strerror(errno));
    return file;
}

static void print_org(FILE *file, const struct org_request *r, uint32_t id)
{
    fprintf(file, "%u\t%.7f\t%.7f\t%u\t%u\t%llu\t", id, r->lat / 1e7, r->lon / 1e7, r->reach_m, r->capacity,
            (unsigned long long)r->skills.bits[0]);
    for (int i = 0; i < WEEK_HALF_HOURS; i++)
        fputc(week_has(&r->week, i) ? '1' : '0', file);
    fputc('\n', file);
}

static void print_order(FILE *file, const struct order_request *r, uint32_t id)
{
    int64_t half_hour = (r->starts_at + 8 * 3600000) / HALF_HOUR_MS;
    int slot = calendar_weekday((int32_t)(half_hour / HALF_HOURS_A_DAY)) * HALF_HOURS_A_DAY +
               (int)(half_hour % HALF_HOURS_A_DAY);
    fprintf(file, "%u\t%.7f\t%.7f\t%llu\t%d\t%u\n", id, r->lat / 1e7, r->lon / 1e7,
            (unsigned long long)r->skills.bits[0], slot, r->headcount);
}

static void print_answer(FILE *file, struct engine *e, const struct order_request *r, int64_t now,
                         uint32_t id, uint32_t limit)
{
    struct candidate found[CANDIDATE_COUNT_MAX];
    struct want want;
    struct refusal refusal;
    must(match_want_request(e, r, now, &want, &refusal));
    uint32_t count = match_find(e, &want, RANK_DISTANCE, limit, found);
    fprintf(file, "%u\t", id);
    for (uint32_t i = 0; i < count; i++)
        fprintf(file, "%s%llu:%.3f", i != 0 ? "," : "", (unsigned long long)found[i].org,
                (double)found[i].distance_mm / 1000);
    fputc('\n', file);
}

static int write_world(struct workload *w, uint32_t orders, uint32_t limit, const char *out)
{
    FILE *files[3] = {open_in(out, "orgs.tsv"), open_in(out, "orders.tsv"), open_in(out, "answers.tsv")};
    if (files[0] == NULL || files[1] == NULL || files[2] == NULL)
        return EX_CANTCREAT;
    struct engine *e = workload_engine();
    for (uint32_t i = 0; i < w->orgs; i++) {
        struct command c = {.op = OP_ORG_PUT, .actor = "bench", .u.put = workload_org(w)};
        must(engine_step(e, &c, w->now).refusal.code == REFUSAL_NONE);
        engine_effects_clear(e);
        print_org(files[0], &c.u.put, i + 1);
    }
    for (uint32_t i = 0; i < orders; i++) {
        struct order_request order = workload_order(w);
        print_order(files[1], &order, i + 1);
        print_answer(files[2], e, &order, w->now, i + 1, limit);
    }
    engine_free(e);
    int rc = EX_OK;
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        if (fclose(files[i]) != 0)
            rc = EX_IOERR;
    return rc;
}

int bench_world(int argc, char **argv)
{
    struct workload w;
    const char *out = bench_option(argc, argv, "out", NULL);
    uint32_t orders = (uint32_t)bench_number(argc, argv, "orders", 100000);
    uint32_t limit = (uint32_t)bench_number(argc, argv, "limit", 10);
    if (out == NULL || limit < 1 || limit > CANDIDATE_COUNT_MAX) {
        fprintf(stderr, "paidan-bench: world needs --out FOLDER, and --limit 1 to %d\n", CANDIDATE_COUNT_MAX);
        return EX_USAGE;
    }
    if (!workload_init(&w, bench_option(argc, argv, "box", "huizhou"),
                       (uint32_t)bench_number(argc, argv, "organisations", 10000),
                       (uint64_t)bench_number(argc, argv, "seed", 1), (int64_t)time(NULL) * 1000)) {
        fputs("paidan-bench: --box is huizhou or national\n", stderr);
        return EX_USAGE;
    }
    mkdir(out, 0777);
    int rc = write_world(&w, orders, limit, out);
    workload_fini(&w);
    return rc;
}
