#include "metrics.h"

#include <inttypes.h>

#include "engine/base.h"

enum metric_kind { METRIC_GAUGE, METRIC_COUNTER, METRIC_MICROSECONDS, METRIC_SIZES, METRIC_INSTANT, METRIC_CODES, METRIC_HELD, METRIC_HELD_TOTAL };

static const struct metric {
    const char *section, *key; /* where it stands in the answer; section NULL: at the top */
    const char *name, *help;
    enum metric_kind kind;
} metrics[] = {
    {NULL, "orders_open", "paidan_orders_open", "orders that have not ended", METRIC_GAUGE},
    {NULL, "orders_waiting", "paidan_orders_waiting", "orders in a dispatcher's queue", METRIC_GAUGE},
    {NULL, "offers", "paidan_offers", "offers of open orders", METRIC_GAUGE},
    {NULL, "orgs", "paidan_organisations", "organisations", METRIC_GAUGE},
    {NULL, "connections", "paidan_connections", "connections of the socket protocol", METRIC_GAUGE},
    {NULL, "http_connections", "paidan_http_connections", "connections of HTTP", METRIC_GAUGE},
    {NULL, "requests", "paidan_requests_total", "requests", METRIC_COUNTER},
    {NULL, "turns", "paidan_turns_total", "turns of the loop", METRIC_COUNTER},
    {NULL, "batches", "paidan_batches_total", "batches given to the writer", METRIC_COUNTER},
    {NULL, "events", "paidan_events_total", "events since the start", METRIC_COUNTER},
    {NULL, "wrong_tokens", "paidan_wrong_tokens_total", "tokens that were unknown, expired or revoked", METRIC_COUNTER},
    {NULL, "disk_free_bytes", "paidan_disk_free_bytes", "free space of the data directory", METRIC_GAUGE},
    {NULL, "storage_low", "paidan_storage_low", "1: nothing new is begun, for the disk is nearly full", METRIC_GAUGE},
    {NULL, "reload_failed", "paidan_reload_failed", "1: the last reload was refused, or not all of it was taken", METRIC_GAUGE},
    {NULL, "tls_expires_at", "paidan_tls_expiry_timestamp_seconds", "when the first certificate of this server's chain runs out; 0: no TLS", METRIC_INSTANT},
    {"clock", "doubted", "paidan_clock_doubted", "1: the host's clock has stepped by more than an hour and is not believed yet", METRIC_GAUGE},
    {"clock", "steps", "paidan_clock_steps_total", "such steps since the start", METRIC_COUNTER},
    {"store", "database_bytes", "paidan_database_bytes", "size of the database", METRIC_GAUGE},
    {"store", "log_bytes", "paidan_log_bytes", "size of its write-ahead log", METRIC_GAUGE},
    {"store", "commits", "paidan_commits_total", "commits", METRIC_COUNTER},
    {"live", "up", "paidan_live_up", "1: the live queues are as they should be", METRIC_GAUGE},
    {"live", "waiting_bytes", "paidan_live_waiting_bytes", "commands that wait for Redis", METRIC_GAUGE},
    {"live", "rebuilds", "paidan_live_rebuilds_total", "times that Redis was filled", METRIC_COUNTER},
    {"live", "intake_placed", "paidan_intake_placed_total", "orders placed from the intake", METRIC_COUNTER},
    {"live", "intake_refused", "paidan_intake_refused_total", "entries of the intake that were refused", METRIC_COUNTER},
    {"push", "up", "paidan_push_up", "1: the platform takes what it is told", METRIC_GAUGE},
    {"push", "behind", "paidan_push_behind", "events that the platform is still to be told", METRIC_GAUGE},
    {"push", "delivered", "paidan_push_delivered_total", "events that the platform took", METRIC_COUNTER},
    {"push", "failed", "paidan_push_failed_total", "requests to the platform that failed", METRIC_COUNTER},
    {"push", "dead", "paidan_push_dead", "events that the platform refused for good", METRIC_GAUGE},
    {"push", "parked", "paidan_push_parked", "events set aside of orders that the platform has trouble with", METRIC_GAUGE},
    {"budget", "held", "paidan_budget_held", "what callers hold, bytes and places, by kind", METRIC_HELD},
    {"budget", "max", "paidan_budget_max", "the most that all callers together may hold; 0: no bound", METRIC_HELD},
    {"budget", "refused", "paidan_budget_refused_total", "what was refused for want of room or beyond a caller's share", METRIC_HELD_TOTAL},
    {"gauges", "turn_us", "paidan_turn_seconds", "a turn of the loop, from its first request", METRIC_MICROSECONDS},
    {"gauges", "match_us", "paidan_match_seconds", "a request that looks for organisations", METRIC_MICROSECONDS},
    {"gauges", "commit_us", "paidan_commit_seconds", "a commit, with its fsync", METRIC_MICROSECONDS},
    {"gauges", "batch_events", "paidan_batch_events", "events in a batch", METRIC_SIZES},
    {NULL, "refusals", "paidan_refused_total", "requests that were refused, by code", METRIC_CODES},
};

static void print_head(FILE *out, const struct metric *m, const char *type)
{
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", m->name, m->help, m->name, type);
}

static void print_histogram(FILE *out, const struct metric *m, const struct node *gauge)
{
    double unit = m->kind == METRIC_MICROSECONDS ? 1e-6 : 1;
    const struct node *counts = node_get(gauge, "counts");
    int64_t sum = 0;
    print_head(out, m, "histogram");
    for (uint32_t i = 0; counts != NULL && counts->kind == NODE_LIST && i + 1 < counts->count; i++) {
        sum += counts->u.items[i].u.number;
        fprintf(out, "%s_bucket{le=\"%.9g\"} %" PRId64 "\n", m->name, (double)(UINT64_C(1) << i) * unit, sum);
    }
    fprintf(out, "%s_bucket{le=\"+Inf\"} %" PRId64 "\n%s_sum %.9g\n%s_count %" PRId64 "\n", m->name,
            node_number(gauge, "count", 0), m->name, (double)node_number(gauge, "sum", 0) * unit, m->name,
            node_number(gauge, "count", 0));
}

/* The numbers of a map, each with its key as a label. */
static void print_map(FILE *out, const struct metric *m, const char *type, const char *label, const struct node *map)
{
    print_head(out, m, type);
    for (uint32_t i = 0; map != NULL && i < map->count; i++)
        fprintf(out, "%s{%s=\"%.*s\"} %" PRId64 "\n", m->name, label, (int)map->u.pairs[i].key.count,
                map->u.pairs[i].key.u.text, map->u.pairs[i].value.u.number);
}

void metrics_print(FILE *out, const struct node *stats)
{
    for (size_t i = 0; i < ARRAY_LEN(metrics); i++) {
        const struct metric *m = &metrics[i];
        const struct node *section = m->section != NULL ? node_get(stats, m->section) : stats;
        if (section == NULL || node_get(section, m->key) == NULL)
            continue;
        if (m->kind == METRIC_MICROSECONDS || m->kind == METRIC_SIZES) {
            print_histogram(out, m, node_get(section, m->key));
            continue;
        }
        if (m->kind == METRIC_CODES || m->kind == METRIC_HELD || m->kind == METRIC_HELD_TOTAL) {
            print_map(out, m, m->kind == METRIC_HELD ? "gauge" : "counter", m->kind == METRIC_CODES ? "code" : "kind", node_get(section, m->key));
            continue;
        }
        print_head(out, m, m->kind == METRIC_COUNTER ? "counter" : "gauge");
        fprintf(out, "%s %" PRId64 "\n", m->name, node_number(section, m->key, 0) / (m->kind == METRIC_INSTANT ? 1000 : 1));
    }
}
