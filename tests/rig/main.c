/* main.c -- build/tests/sim: simulated runs and sweeps, as many as one has time for.
 *
 *     sim run SEED [COUNT]                      prints one line a failing seed, and the sums
 *     sim hunt SEED COUNT                       until the first seed that fails
 *     sim crashes SEED FIRST STRIDE [SECOND]    crash points
 *     sim faults SEED FIRST STRIDE              failing I/O
 *     sim memory SEED FIRST STRIDE              failing allocations
 *     sim rot SEED FIRST STRIDE                 flipped bits
 *     sim trespass SEED CASES                   callers who ask for what is not theirs */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/pool.h"
#include "sim.h"

static uint64_t current_seed;

_Noreturn void must_fail(const char *claim, const char *file, int line)
{
    printf("seed %llu: must hold: %s (%s:%d)\n", (unsigned long long)current_seed, claim, file, line);
    exit(1);
}

static double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int run_seeds(uint64_t first, uint64_t count)
{
    struct sim_result sum = {.is_good = true};
    uint64_t failed = 0;
    double began = seconds_now();
    for (current_seed = first; current_seed < first + count; current_seed++) {
        struct sim_result r = sim_run(current_seed);
        if (!r.is_good) {
            failed++;
            printf("seed %llu: %s\n", (unsigned long long)current_seed, r.why);
        }
        sum.virtual_ms += r.virtual_ms;
        sum.crashes += r.crashes;
        sum.jumps += r.jumps;
        sum.disk_faults += r.disk_faults;
        sum.redis_faults += r.redis_faults;
        sum.answered += r.answered;
        sum.refused += r.refused;
        sum.repeated += r.repeated;
        sum.acknowledged += r.acknowledged;
        sum.orders += r.orders;
        sum.trace ^= r.trace;
    }
    double took = seconds_now() - began;
    printf("seeds=%llu failed=%llu seconds=%.1f seeds_per_minute=%.0f virtual_hours=%.0f "
           "virtual_to_real=%.0f crashes=%llu jumps=%llu disk_faults=%llu redis_faults=%llu answered=%llu refused=%llu repeated=%llu "
           "acknowledged=%llu orders=%llu trace=%016llx\n",
           (unsigned long long)count, (unsigned long long)failed, took, (double)count / took * 60,
           (double)sum.virtual_ms / 3600000, (double)sum.virtual_ms / 1000 / took,
           (unsigned long long)sum.crashes, (unsigned long long)sum.jumps, (unsigned long long)sum.disk_faults, (unsigned long long)sum.redis_faults,
           (unsigned long long)sum.answered, (unsigned long long)sum.refused,
           (unsigned long long)sum.repeated, (unsigned long long)sum.acknowledged,
           (unsigned long long)sum.orders, (unsigned long long)sum.trace);
    return failed == 0 ? 0 : 1;
}

/* Until the first seed that fails: how many it took. */
static int hunt(uint64_t first, uint64_t count)
{
    for (current_seed = first; current_seed < first + count; current_seed++) {
        struct sim_result r = sim_run(current_seed);
        if (!r.is_good) {
            printf("seed %llu: %s\n", (unsigned long long)current_seed, r.why);
            return 1;
        }
    }
    printf("seeds=%llu nothing found\n", (unsigned long long)count);
    return 0;
}

static int say(const char *what, uint64_t seed, struct sweep_result r, double began)
{
    if (!r.is_good)
        printf("%s seed %llu: %s\n", what, (unsigned long long)seed, r.why);
    printf("%s seed=%llu schema=%d points=%llu second_crashes=%llu operations=%llu failed=%d seconds=%.1f\n", what,
           (unsigned long long)seed, r.schema, (unsigned long long)r.points, (unsigned long long)r.seconds,
           (unsigned long long)r.operations, r.is_good ? 0 : 1, seconds_now() - began);
    return r.is_good ? 0 : 1;
}

int main(int argc, char **argv)
{
    uint64_t numbers[4] = {1, 1, 1, 4};
    double began = seconds_now();
    for (int i = 2; i < argc && i < 6; i++)
        numbers[i - 2] = strtoull(argv[i], NULL, 10);
    current_seed = numbers[0];
    sim_prepare();
    if (argc >= 3 && strcmp(argv[1], "run") == 0)
        return run_seeds(numbers[0], numbers[1]);
    if (argc >= 4 && strcmp(argv[1], "hunt") == 0)
        return hunt(numbers[0], numbers[1]);
    if (argc >= 5 && strcmp(argv[1], "crashes") == 0)
        return say("crashes", numbers[0], sweep_crashes(numbers[0], (unsigned)numbers[1], (unsigned)numbers[2], (unsigned)numbers[3]), began);
    if (argc >= 5 && strcmp(argv[1], "faults") == 0)
        return say("faults", numbers[0], sweep_faults(numbers[0], (unsigned)numbers[1], (unsigned)numbers[2]), began);
    if (argc >= 5 && strcmp(argv[1], "memory") == 0)
        return say("memory", numbers[0], sweep_memory(numbers[0], (unsigned)numbers[1], (unsigned)numbers[2]), began);
    if (argc >= 5 && strcmp(argv[1], "rot") == 0) {
        struct rot_result r = sweep_rot(numbers[0], (unsigned)numbers[1], (unsigned)numbers[2]);
        if (r.why[0] != '\0')
            printf("seed %llu: %s\n", (unsigned long long)numbers[0], r.why);
        printf("rot seed=%llu flips=%llu edits=%llu found=%llu harmless=%llu silent=%llu seconds=%.1f\n",
               (unsigned long long)numbers[0], (unsigned long long)r.flips, (unsigned long long)r.edits, (unsigned long long)r.found,
               (unsigned long long)r.harmless, (unsigned long long)r.silent, seconds_now() - began);
        return r.silent == 0 && r.found != 0 ? 0 : 1;
    }
    if (argc >= 4 && strcmp(argv[1], "trespass") == 0) {
        struct trespass_result r = trespass_run(numbers[0], numbers[1]);
        if (r.leaks != 0)
            printf("seed %llu: after %llu cases: %s\n", (unsigned long long)numbers[0], (unsigned long long)r.cases, r.why);
        printf("trespass seed=%llu cases=%llu allowed=%llu orders=%llu leaks=%llu seconds=%.1f\n",
               (unsigned long long)numbers[0], (unsigned long long)r.cases, (unsigned long long)r.allowed,
               (unsigned long long)r.orders, (unsigned long long)r.leaks, seconds_now() - began);
        return r.leaks == 0 ? 0 : 1;
    }
    fputs("usage: sim run SEED [COUNT] | crashes SEED FIRST STRIDE [SECOND] | faults SEED FIRST STRIDE | "
          "memory SEED FIRST STRIDE | rot SEED FIRST STRIDE | trespass SEED CASES\n", stderr);
    return 64;
}
