/* bench_match.c -- `paidan-bench match`: matches in process, on the workload or on files. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "bench.h"
#include "engine/match.h"
#include "engine/pool.h"
#include "proto/table.h"
#include "proto/texts.h"
#include "workload.h"

#define COMPARED 200 /* orders whose answer is held against a full scan before time is taken */

struct run {
    struct engine *engine;
    struct order_request *orders;
    char **refs; /* NULL: the workload's have none */
    uint32_t order_count, order_room, limit;
    enum rank rank;
    int64_t now;
    bool is_json, is_mixed;
    const char *out;
};

static void add_order(struct run *run, const struct order_request *order, const char *ref)
{
    if (run->order_count == run->order_room) {
        run->order_room = run->order_room != 0 ? run->order_room * 2 : 1024;
        run->orders = must_realloc(run->orders, run->order_room, sizeof *run->orders);
        run->refs = must_realloc(run->refs, run->order_room, sizeof *run->refs);
    }
    run->refs[run->order_count] = ref != NULL ? must_strdup(ref) : NULL;
    run->orders[run->order_count++] = *order;
}

static int refuse_row(const struct table_row *row, const struct refusal *refusal, struct failure *failure)
{
    return failure_set(failure, EX_DATAERR, "%s:%d: %s: %s", row->path, row->line,
                       refusal->field != NULL ? refusal->field : "",
                       words_refusal.words[refusal->code].text);
}

/* Skills by name; those that no catalogue has are learned. */
static bool learn_skills(struct engine *e, const char *text, struct skillset *set)
{
    while (*text != '\0') {
        size_t len = strcspn(text, "|");
        int skill = catalogue_find(engine_catalogue(e), text, len);
        if (skill < 0) {
            struct command c = {.op = OP_ADD_SKILL, .actor = "bench", .u.skill.is_category = true};
            if (len > WORD_BYTES_MAX)
                return false;
            memcpy(c.u.skill.name, text, len);
            if (engine_step(e, &c, 1).refusal.code != REFUSAL_NONE)
                return false;
            skill = engine_catalogue(e)->count - 1;
        }
        skillset_add(set, skill);
        text += len + (text[len] != '\0');
    }
    return true;
}

static double number_of(const char *text, double fallback, bool *is_good)
{
    char *end = NULL;
    double number = *text != '\0' ? strtod(text, &end) : fallback;
    *is_good &= *text == '\0' || (end != text && *end == '\0' && isfinite(number));
    return number;
}

static bool truth_of(const char *text, bool fallback)
{
    return *text != '\0' ? strcmp(text, "true") == 0 || strcmp(text, "1") == 0 : fallback;
}

static int take_org(void *context, const struct table_row *row, struct failure *failure)
{
    struct run *run = context;
    struct command c = {.op = OP_ORG_PUT, .actor = "bench"};
    struct org_request *r = &c.u.put;
    bool is_good = true;
    size_t at = 0;
    r->id = (uint64_t)number_of(row->fields[0], 0, &is_good);
    r->lat = (int32_t)llround(number_of(row->fields[1], 0, &is_good) * 1e7);
    r->lon = (int32_t)llround(number_of(row->fields[2], 0, &is_good) * 1e7);
    r->name = row->fields[4];
    r->reach_m = (uint32_t)number_of(row->fields[6], 5000, &is_good);
    r->capacity = (uint32_t)number_of(row->fields[7], 1, &is_good);
    int type = *row->fields[10] != '\0'
                   ? word_find(&words_org_type, row->fields[10], strlen(row->fields[10])) : 0;
    r->type = (uint8_t)(type < 0 ? ORG_TYPE_COUNT : type);
    r->is_registered = truth_of(row->fields[11], true);
    r->is_insured = truth_of(row->fields[12], false);
    r->is_youth = truth_of(row->fields[13], false);
    if (!is_good || !schedule_parse(row->fields[9], strlen(row->fields[9]), &r->week, &at) ||
        !learn_skills(run->engine, row->fields[3], &r->skills) ||
        !learn_skills(run->engine, row->fields[8], &r->certified))
        return failure_set(failure, EX_DATAERR, "%s:%d: a number, the schedule or a skill is not one",
                           row->path, row->line);
    struct refusal refusal = engine_step(run->engine, &c, run->now).refusal;
    engine_effects_clear(run->engine);
    return refusal.code == REFUSAL_NONE ? 0 : refuse_row(row, &refusal, failure);
}

static int take_order(void *context, const struct table_row *row, struct failure *failure)
{
    struct run *run = context;
    struct order_request r = {.region = WORKLOAD_REGION, .has_place = *row->fields[2] != '\0'};
    bool is_good = true;
    r.lat = (int32_t)llround(number_of(row->fields[2], 0, &is_good) * 1e7);
    r.lon = (int32_t)llround(number_of(row->fields[3], 0, &is_good) * 1e7);
    r.is_remote = !r.has_place;
    is_good &= learn_skills(run->engine, row->fields[4], &r.skills);
    r.category = skillset_next(&r.skills, 0);
    is_good &= learn_skills(run->engine, row->fields[5], &r.skills);
    if (r.category < 0)
        r.category = skillset_next(&r.skills, 0);
    is_good &= *row->fields[6] == '\0' || time_parse(row->fields[6], &r.starts_at);
    is_good &= *row->fields[7] == '\0' || time_parse(row->fields[7], &r.ends_at);
    r.minutes = (uint32_t)number_of(row->fields[8], 60, &is_good);
    r.headcount = (uint32_t)number_of(row->fields[9], 1, &is_good);
    if (!is_good || r.category < 0)
        return failure_set(failure, EX_DATAERR, "%s:%d: a number, a time or a skill is not one",
                           row->path, row->line);
    if (r.starts_at != 0 && (run->now == 0 || r.starts_at - DAY_MS < run->now))
        run->now = r.starts_at - DAY_MS; /* the day before the first of them */
    add_order(run, &r, row->fields[0]);
    return 0;
}

static int load_files(struct run *run, const char *orgs, const char *orders, struct failure *failure)
{
    static const char *const org_columns[] = {
        "id", "lat", "lon", "skills", "name", "region", "reach_m", "capacity", "certified", "schedule",
        "type", "registered", "insured", "youth"};
    static const char *const order_columns[] = {
        "ref", "region", "lat", "lon", "category", "skills", "starts_at", "ends_at", "minutes",
        "headcount", "priority", "mode"};
    static const struct table_format org_format = {org_columns, 14, 4, false};
    static const struct table_format order_format = {order_columns, 12, 1, false};
    if (table_read(orders, &order_format, take_order, run, failure) != 0)
        return -1;
    run->now = run->now > 0 ? run->now : (int64_t)time(NULL) * 1000;
    return table_read(orgs, &org_format, take_org, run, failure);
}

static void load_workload(struct run *run, struct workload *w, uint32_t orders)
{
    for (uint32_t i = 0; i < w->orgs; i++) {
        struct command c = {.op = OP_ORG_PUT, .actor = "bench", .u.put = workload_org(w)};
        must(engine_step(run->engine, &c, run->now).refusal.code == REFUSAL_NONE);
        engine_effects_clear(run->engine);
    }
    for (uint32_t i = 0; i < orders; i++) {
        struct order_request order = workload_order(w);
        add_order(run, &order, NULL);
    }
}

static uint32_t match_one(struct run *run, uint32_t i, struct candidate *found)
{
    struct want want;
    struct refusal refusal;
    if (!match_want_request(run->engine, &run->orders[i], run->now, &want, &refusal))
        return 0;
    return match_find(run->engine, &want, run->rank, run->limit, found);
}

/* The answers against the definition, on orders spread over the whole run. */
static void compare(struct run *run, struct candidate *found)
{
    struct candidate *scanned = must_alloc(run->limit, sizeof *scanned);
    uint32_t step = run->order_count / COMPARED + 1;
    for (uint32_t i = 0; i < run->order_count; i += step) {
        struct want want;
        struct refusal refusal;
        uint32_t count = match_one(run, i, found);
        if (!match_want_request(run->engine, &run->orders[i], run->now, &want, &refusal))
            continue;
        must(match_scan(run->engine, &want, run->rank, run->limit, scanned) == count);
        for (uint32_t j = 0; j < count; j++)
            must(scanned[j].org == found[j].org);
    }
    free(scanned);
}

/* A tenth of the steps change the world: somebody is booked or moved. */
static void change_one(struct run *run, struct workload *w, uint32_t i)
{
    struct command c = {.op = OP_PLACE, .actor = "bench", .u.place = run->orders[i]};
    struct command assign = {.op = OP_ASSIGN, .actor = "bench"};
    if (i % 20 == 0) {
        c = (struct command){.op = OP_ORG_PUT, .actor = "bench", .u.put = workload_org(w)};
        c.u.put.id = 1 + i % w->orgs;
    } else {
        c.u.place.mode = MODE_AUTO;
    }
    struct outcome o = engine_step(run->engine, &c, run->now);
    engine_step(run->engine, &assign, run->now);
    if (c.op == OP_PLACE && i % 40 != 10) { /* most are released again */
        struct command cancel = {.op = OP_CANCEL, .actor = "bench", .order = o.id};
        engine_step(run->engine, &cancel, run->now);
    }
    engine_effects_clear(run->engine);
}

static int write_answers(struct run *run, struct candidate *found)
{
    FILE *out = fopen(run->out, "we");
    if (out == NULL) {
        fprintf(stderr, "paidan-bench: %s: %s\n", run->out, strerror(errno));
        return EX_CANTCREAT;
    }
    for (uint32_t i = 0; i < run->order_count; i++) {
        uint32_t count = match_one(run, i, found);
        if (run->refs[i] != NULL)
            fprintf(out, "%s,", run->refs[i]);
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
    for (uint32_t i = 0; i < run->order_count; i++) {
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
    double rate = total != 0 ? (double)run->order_count * 1e9 / (double)total : 0;
    uint32_t orgs = engine_counts(run->engine).orgs;
    double share = run->order_count != 0 ? (double)nobody / run->order_count : 0;
    if (run->is_json) {
        printf("{\"matches_per_s\": %.0f, \"organisations\": %u, \"orders\": %u, \"limit\": %u, "
               "\"rank\": \"%s\", \"nobody\": %.4f, \"answers\": %llu, ",
               rate, orgs, run->order_count, run->limit, word_name(&words_rank, (int)run->rank), share,
               (unsigned long long)answers);
        bench_print_latency(&latencies, 1);
        puts("}");
    } else {
        printf("%.0f matches/s: %u orders on %u organisations, the %u best by %s, one thread%s\n", rate,
               run->order_count, orgs, run->limit, word_name(&words_rank, (int)run->rank),
               run->is_mixed ? ", a tenth of the steps change the world" : "");
        printf("%.1f %% of the orders found nobody\n", share * 100);
        bench_print_latency(&latencies, 0);
    }
}

static void run_free(struct run *run)
{
    for (uint32_t i = 0; i < run->order_count; i++)
        free(run->refs[i]);
    free(run->refs);
    free(run->orders);
    engine_free(run->engine);
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
                       (uint64_t)bench_number(argc, argv, "seed", 1), run->now)) {
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
    struct run run = {.engine = workload_engine(), .is_json = bench_has(argc, argv, "json") != 0,
                      .is_mixed = bench_has(argc, argv, "mixed") != 0 && !is_file,
                      .out = bench_option(argc, argv, "out", NULL)};
    struct workload w = {.centres = NULL};
    struct failure failure = {0};
    int word = word_find(&words_rank, rank, strlen(rank));
    run.limit = (uint32_t)bench_number(argc, argv, "limit", 10);
    run.rank = (enum rank)word;
    if (word < 0 || run.limit < 1 || run.limit > 1000000) {
        fputs("paidan-bench: --rank is score or distance, --limit 1 to 1000000\n", stderr);
        run_free(&run);
        return EX_USAGE;
    }
    int rc = EX_OK;
    if (is_file) {
        rc = load_files(&run, orgs, orders, &failure) == 0 ? EX_OK : failure.exit_code;
    } else {
        run.now = (int64_t)time(NULL) * 1000;
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
    run_free(&run);
    return rc;
}
