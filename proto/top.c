#include "top.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "engine/base.h"
#include "show.h"
#include "store/gauge.h"

/* What two looks are compared by. */
struct look {
    int64_t requests, refused, events, commits, turns;
    struct gauge turn_us, match_us, commit_us;
};

static int64_t number_at(const struct node *stats, const char *section, const char *key)
{
    return node_number(section != NULL ? node_get(stats, section) : stats, key, 0);
}

static struct gauge gauge_at(const struct node *stats, const char *key)
{
    struct gauge gauge = {.count = 0};
    const struct node *gauges = node_get(stats, "gauges");
    const struct node *of = gauges != NULL ? node_get(gauges, key) : NULL;
    const struct node *counts = of != NULL ? node_get(of, "counts") : NULL;
    for (uint32_t i = 0; counts != NULL && i < counts->count && i < GAUGE_BUCKETS; i++) {
        gauge.counts[i] = (uint64_t)counts->u.items[i].u.number;
        gauge.count += gauge.counts[i];
    }
    return gauge;
}

static struct look look_at(const struct node *stats)
{
    return (struct look){.requests = number_at(stats, NULL, "requests"), .refused = number_at(stats, NULL, "refused"),
                         .events = number_at(stats, NULL, "events"), .commits = number_at(stats, "store", "commits"),
                         .turns = number_at(stats, NULL, "turns"), .turn_us = gauge_at(stats, "turn_us"),
                         .match_us = gauge_at(stats, "match_us"), .commit_us = gauge_at(stats, "commit_us")};
}

/* The bound below which so many in a thousand of what came between two looks lie, in microseconds. */
static uint64_t permille(const struct gauge *now, const struct gauge *before, unsigned of)
{
    uint64_t count = now->count - before->count;
    uint64_t seen = 0;
    for (int i = 0; count != 0 && i < GAUGE_BUCKETS; i++) {
        seen += now->counts[i] - before->counts[i];
        if (seen * 1000 >= count * of)
            return UINT64_C(1) << i;
    }
    return 0;
}

static void print_times(const char *what, const struct gauge *now, const struct gauge *before)
{
    printf("%s  p50 %8" PRIu64 " us   p99 %8" PRIu64 " us   %" PRIu64 "\n", what, permille(now, before, 500),
           permille(now, before, 990), now->count - before->count);
}

static void print_look(const struct node *stats, const struct look *now, const struct look *before, double seconds)
{
    char clock[32];
    time_t at = time(NULL);
    struct tm tm;
    strftime(clock, sizeof clock, "%H:%M:%S", localtime_r(&at, &tm));
    printf("paidan  %s   点单 open %" PRId64 "   待派 waiting %" PRId64 "   派单 offers %" PRId64 "   组织 orgs %" PRId64 "\n", clock,
           number_at(stats, NULL, "orders_open"), number_at(stats, NULL, "orders_waiting"), number_at(stats, NULL, "offers"),
           number_at(stats, NULL, "orgs"));
    printf("每秒 a second  requests %.0f   refused %.0f   events %.0f   commits %.0f\n", (double)(now->requests - before->requests) / seconds,
           (double)(now->refused - before->refused) / seconds, (double)(now->events - before->events) / seconds,
           (double)(now->commits - before->commits) / seconds);
    print_times("turns  ", &now->turn_us, &before->turn_us);
    print_times("matches", &now->match_us, &before->match_us);
    print_times("commits", &now->commit_us, &before->commit_us);
    printf("连接 connections %" PRId64 " + %" PRId64 " http   disk free %" PRId64 " MiB%s   log %" PRId64 " KiB   redis %s, %" PRId64 " KiB waiting\n\n",
           number_at(stats, NULL, "connections"), number_at(stats, NULL, "http_connections"),
           number_at(stats, NULL, "disk_free_bytes") >> 20, number_at(stats, NULL, "storage_low") != 0 ? " LOW 不足" : "",
           number_at(stats, "store", "log_bytes") >> 10, number_at(stats, "live", "up") != 0 ? "up" : "DOWN 中断",
           number_at(stats, "live", "waiting_bytes") >> 10);
    fflush(stdout);
}

int top_run(struct client *client, int rounds, int every_ms)
{
    struct look before = {.requests = 0};
    bool is_terminal = isatty(STDOUT_FILENO) == 1;
    for (int round = 0; rounds == 0 || round <= rounds; round++) {
        const struct node *error = NULL;
        struct pack *pack = client_begin(client, "server.stats");
        pack_map(pack);
        pack_close(pack);
        const struct node *stats = client_call(client, &error);
        if (stats == NULL) {
            if (error != NULL)
                show_error(stderr, error);
            else
                fputs("paidan: the connection is lost\n", stderr);
            return error != NULL ? 1 : EX_UNAVAILABLE;
        }
        struct look now = look_at(stats);
        if (round != 0 && is_terminal)
            fputs("\033[H\033[2J", stdout);
        if (round != 0) /* the first look is only what the next is compared with */
            print_look(stats, &now, &before, every_ms / 1000.0);
        before = now;
        if (rounds == 0 || round < rounds) {
            struct timespec rest = {.tv_sec = every_ms / 1000, .tv_nsec = every_ms % 1000 * 1000000L};
            nanosleep(&rest, NULL);
        }
    }
    return EX_OK;
}
