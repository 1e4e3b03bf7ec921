/* main.c -- paidan-bench: loads and figures for those who stress-test us. */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "bench.h"
#include "generate.h"

_Noreturn void must_fail(const char *claim, const char *file, int line)
{
    fprintf(stderr, "paidan-bench: bug: %s (%s:%d)\n", claim, file, line);
    abort();
}

static int usage(FILE *out)
{
    fputs(
        "usage: paidan-bench COMMAND [OPTIONS] [--json]\n"
        "  generate orgs|orders [--count N] [--seed N] [--day SECONDS] [--regions FILE] [--codes DIR]\n"
        "      CSV for `paidan import`: 7,123 organisations, as many as Huizhou had in 2023, or 400\n"
        "      orders of one day; --day is any second (since 1970) of it, tomorrow when absent\n"
        "  match [--organisations N] [--orders N] [--box huizhou|national|city] [--seed N]\n"
        "        [--limit K] [--rank distance|score] [--mixed] [--hostile rare|nobody]\n"
        "      matches in process, one thread; --mixed: a tenth of the steps book, release or move\n"
        "  match --organisations FILE.csv --orders FILE.csv [--limit K] [--rank …] [--out FILE]\n"
        "      the same on files of the command line's form; OUT: ref,id;id;… in rank order\n"
        "  lifecycle [--organisations N] [--seconds S] [--connections C] [--pipeline P] [--rate N] [--box …]\n"
        "        [--server ADDRESS] [--seed N]\n"
        "      place + match + offer, then accept, each answer after its fsync, against a daemon that\n"
        "      it starts, or a running one that has the workload's tables; --rate: an open loop\n"
        "  race [--organisations N] [--headcount N] [--connections C]\n"
        "      one order is broadcast to all, all accept at once: exactly the headcount may succeed\n"
        "  wire [--match] [--rank …] [--organisations N] [--seconds S] [--connections C] [--pipeline P]\n"
        "      server.info, or match.find for the ten best, over a Unix socket\n"
        "  import [--organisations N] [--box …]     1,350,000 organisations into a running daemon\n"
        "  start [--organisations N] [--orders N]   the same and open orders, then a restart\n"
        "      commands that start a daemon: --data FOLDER to put it in, --keep to leave it there\n"
        "  surge [--seeds N]   residents left without help after a storm: one by one, and assigned together\n"
        "  instance --out FILE [--kind even|clustered] [--size N] [--seed N]   for assign\n"
        "  world --out FOLDER [--organisations N] [--orders N] [--box …] [--seed N] [--limit K]\n"
        "      the workload as text for peers: orgs.tsv, orders.tsv, and our answers, nearest first\n"
        "  assign FILE\n"
        "      the optimum of an assignment: n and n × n costs (OR-Library), or `n m` and lines `i j cost`\n",
        out);
    return out == stdout ? EX_OK : EX_USAGE;
}

uint64_t bench_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

const char *bench_option(int argc, char **argv, const char *name, const char *fallback)
{
    for (int i = 0; i + 1 < argc; i++)
        if (strncmp(argv[i], "--", 2) == 0 && strcmp(argv[i] + 2, name) == 0)
            return argv[i + 1];
    return fallback;
}

int64_t bench_number(int argc, char **argv, const char *name, int64_t fallback)
{
    const char *text = bench_option(argc, argv, name, NULL);
    char *end = NULL;
    long long number = text != NULL ? strtoll(text, &end, 10) : fallback;
    if (text != NULL && (end == text || *end != '\0' || number < 0)) {
        fprintf(stderr, "paidan-bench: --%s must be a number, not %s\n", name, text);
        exit(EX_USAGE);
    }
    return number;
}

int bench_has(int argc, char **argv, const char *name)
{
    for (int i = 0; i < argc; i++)
        if (strncmp(argv[i], "--", 2) == 0 && strcmp(argv[i] + 2, name) == 0)
            return 1;
    return 0;
}

void bench_print_latency(const struct histogram *h, int is_json)
{
    double p50 = (double)histogram_permille(h, 500) / 1000;
    double p99 = (double)histogram_permille(h, 990) / 1000;
    double p999 = (double)histogram_permille(h, 999) / 1000;
    double max = (double)h->max / 1000;
    printf(is_json ? "\"latency_us\": {\"p50\": %.1f, \"p99\": %.1f, \"p999\": %.1f, \"max\": %.1f}"
                   : "latency: p50 %.1f us, p99 %.1f us, p99.9 %.1f us, max %.1f us\n",
           p50, p99, p999, max);
}

int bench_generate(int argc, char **argv)
{
    struct failure failure = {0};
    if (argc < 1 || (strcmp(argv[0], "orgs") != 0 && strcmp(argv[0], "orders") != 0))
        return usage(stderr);
    struct generate_options o = {.is_orgs = strcmp(argv[0], "orgs") == 0};
    o.count = (uint32_t)bench_number(argc, argv, "count", o.is_orgs ? 7123 : 400);
    o.seed = (uint64_t)bench_number(argc, argv, "seed", 1);
    o.day = bench_number(argc, argv, "day", (int64_t)time(NULL) + 86400) * 1000;
    o.regions = bench_option(argc, argv, "regions", "conf/huizhou/regions.csv");
    o.codes = bench_option(argc, argv, "codes", "conf/huizhou");
    if (generate(&o, &failure) == 0)
        return EX_OK;
    fprintf(stderr, "paidan-bench: %s\n", failure.text);
    return failure.exit_code;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } commands[] = {{"generate", bench_generate}, {"match", bench_match}, {"assign", bench_assign},
                    {"lifecycle", bench_lifecycle}, {"world", bench_world}, {"race", bench_race},
                    {"wire", bench_wire}, {"import", bench_import}, {"start", bench_start},
                    {"surge", bench_surge}, {"instance", bench_instance}};
    for (size_t i = 0; argc > 1 && i < ARRAY_LEN(commands); i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 2, argv + 2);
    return usage(argc > 1 && strcmp(argv[1], "--help") == 0 ? stdout : stderr);
}
