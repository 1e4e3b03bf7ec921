/* bench_start.c -- `paidan-bench import` and `paidan-bench start`: how fast a nation's organisations go
 * into a running daemon, and how long it takes to serve again with them and with its open orders. */
#include <signal.h>
#include <stdlib.h>
#include <sysexits.h>
#include <time.h>

#include "load.h"

/* Places orders that wait in the queue, for nobody dispatches them. */
static bool place_orders(struct workload *w, struct client *client, uint32_t count)
{
    enum { UNDER_WAY = 2000 };
    struct client_message m;
    uint32_t sent = 0;
    uint32_t answered = 0;
    char ref[32];
    while (answered < count) {
        while (sent < count && sent - answered < UNDER_WAY) {
            snprintf(ref, sizeof ref, "start-%u", ++sent);
            load_begin_place(w, client, ref, "manual");
            if (client_send(client, NULL) != 0)
                return false;
        }
        while (answered < count && (sent == count || sent - answered > UNDER_WAY / 2)) {
            if (client_receive(client, 60000, &m) != 1 || m.error != NULL)
                return false;
            answered++;
        }
        load_progress("orders", answered, count);
    }
    return true;
}

struct figures {
    double import_s, place_s, stop_s, start_s;
    uint64_t resident_kb, restarted_kb;
};

static double since(uint64_t began)
{
    return (double)(bench_now_ns() - began) / 1e9;
}

static int measure(struct load_daemon *d, struct workload *w, uint32_t orgs, uint32_t orders,
                   bool restarts, struct figures *f)
{
    struct client *client = load_connect(d->address);
    if (client == NULL)
        return EX_UNAVAILABLE;
    uint64_t began = bench_now_ns();
    bool is_good = load_put_orgs(w, client, orgs);
    f->import_s = since(began);
    f->resident_kb = load_resident_kb(d);
    began = bench_now_ns();
    is_good = is_good && place_orders(w, client, orders);
    f->place_s = since(began);
    client_close(client);
    if (!is_good || !restarts)
        return is_good ? EX_OK : EX_DATAERR;
    began = bench_now_ns();
    if (load_stop(d) != 0)
        return EX_SOFTWARE;
    f->stop_s = since(began);
    began = bench_now_ns();
    if (!load_start_again(d, NULL))
        return EX_UNAVAILABLE;
    f->start_s = since(began);
    f->restarted_kb = load_resident_kb(d);
    return EX_OK;
}

static void report(const struct figures *f, uint32_t orgs, uint32_t orders, bool restarts, bool is_json)
{
    if (is_json)
        printf("{\"organisations\": %u, \"orders\": %u, \"import_per_s\": %.0f, \"resident_kb\": %llu, "
               "\"stop_s\": %.3f, \"start_s\": %.3f, \"restarted_kb\": %llu}\n",
               orgs, orders, orgs / f->import_s, (unsigned long long)f->resident_kb, f->stop_s, f->start_s,
               (unsigned long long)f->restarted_kb);
    else if (!restarts)
        printf("%u organisations in %.2f s: %.0f/s, each answered after its fsync; the daemon then holds %.1f MB\n",
               orgs, f->import_s, orgs / f->import_s, (double)f->resident_kb * 1.024 / 1000);
    else
        printf("with %u organisations and %u open orders: stops in %.2f s, serves again %.2f s after its "
               "start, holds %.1f MB\n",
               orgs, orders, f->stop_s, f->start_s, (double)f->restarted_kb * 1.024 / 1000);
}

static int run(int argc, char **argv, uint32_t orgs, uint32_t orders, const char *box, bool restarts)
{
    struct load_daemon d = {.pid = 0};
    struct workload w;
    struct figures f = {.import_s = 0};
    if (orgs < 1 || !workload_init(&w, bench_option(argc, argv, "box", box), orgs,
                                   (uint64_t)bench_number(argc, argv, "seed", 1), (int64_t)time(NULL) * 1000)) {
        fputs("paidan-bench: --organisations from 1, --box huizhou or national\n", stderr);
        return EX_USAGE;
    }
    signal(SIGPIPE, SIG_IGN);
    int rc = EX_UNAVAILABLE;
    if (load_start(&d, argc, argv, NULL))
        rc = measure(&d, &w, orgs, orders, restarts, &f);
    if (rc == EX_OK)
        report(&f, orgs, orders, restarts, bench_has(argc, argv, "json") != 0);
    else
        fputs("paidan-bench: a request was refused, or the daemon did not go on\n", stderr);
    workload_fini(&w);
    load_remove(&d);
    return rc;
}

int bench_import(int argc, char **argv)
{
    return run(argc, argv, (uint32_t)bench_number(argc, argv, "organisations", 1350000), 0, "national", false);
}

int bench_start(int argc, char **argv)
{
    return run(argc, argv, (uint32_t)bench_number(argc, argv, "organisations", 1350000),
               (uint32_t)bench_number(argc, argv, "orders", 1000000), "national", true);
}
