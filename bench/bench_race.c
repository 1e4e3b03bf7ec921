/* bench_race.c -- `paidan-bench race`: everybody accepts the same order at once.
 *
 * One order for --headcount people is broadcast to --organisations of one person each, and all of them
 * accept over --connections. Exactly as many as there are places must succeed; the others are told that
 * the order is covered. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "load.h"

struct race {
    struct client **clients;
    int64_t *offers;
    uint32_t orgs, headcount, connections, offer_count;
    uint32_t accepted, covered, other;
};

static bool put_racers(struct race *r)
{
    struct client *client = r->clients[0];
    struct client_message m;
    for (uint32_t i = 1; i <= r->orgs; i++) {
        struct pack *pack = client_begin(client, "org.put");
        pack_map(pack);
        pack_key_uint(pack, "id", i);
        pack_key_degrees(pack, "lat", 230000000);
        pack_key_degrees(pack, "lon", 1140000000);
        pack_key_uint(pack, "capacity", 1);
        pack_key(pack, "skills");
        pack_list(pack);
        pack_text(pack, "s0");
        pack_close(pack);
        pack_close(pack);
        if (client_send(client, NULL) != 0)
            return false;
    }
    for (uint32_t i = 0; i < r->orgs; i++)
        if (client_receive(client, 60000, &m) != 1 || m.error != NULL)
            return false;
    return true;
}

static int64_t place(struct race *r)
{
    const struct node *error = NULL;
    int64_t now = (int64_t)time(NULL) * 1000;
    struct pack *pack = client_begin(r->clients[0], "order.place");
    pack_map(pack);
    pack_key_text(pack, "ref", "race");
    pack_key_uint(pack, "region", WORKLOAD_REGION);
    pack_key_text(pack, "category", "s0");
    pack_key_degrees(pack, "lat", 230000000);
    pack_key_degrees(pack, "lon", 1140000000);
    pack_key_int(pack, "starts_at", now + 86400000);
    pack_key_int(pack, "ends_at", now + 86400000 + 3600000);
    pack_key_uint(pack, "minutes", 60);
    pack_key_uint(pack, "headcount", r->headcount);
    pack_key_uint(pack, "people_min", 1);
    pack_key_text(pack, "mode", "broadcast");
    pack_close(pack);
    const struct node *result = client_call(r->clients[0], &error);
    const struct node *order = result != NULL ? node_get(result, "order") : NULL;
    return order != NULL ? order->u.number : 0;
}

/* Pages through the order's offers. */
static bool list_offers(struct race *r, int64_t order)
{
    int64_t after = 0;
    do {
        const struct node *error = NULL;
        struct pack *pack = client_begin(r->clients[0], "offer.list");
        pack_map(pack);
        pack_key_int(pack, "order", order);
        pack_key_int(pack, "after", after);
        pack_key_uint(pack, "limit", 1000);
        pack_close(pack);
        const struct node *result = client_call(r->clients[0], &error);
        const struct node *items = result != NULL ? node_get(result, "items") : NULL;
        if (items == NULL)
            return false;
        for (uint32_t i = 0; i < items->count && r->offer_count < r->orgs; i++)
            r->offers[r->offer_count++] = node_get(&items->u.items[i], "offer")->u.number;
        const struct node *next = node_get(result, "next");
        after = next != NULL ? next->u.number : 0;
    } while (after != 0);
    return true;
}

static void count_answer(struct race *r, const struct client_message *m)
{
    const struct node *code = m->error != NULL ? node_get(m->error, "code") : NULL;
    if (m->error == NULL)
        r->accepted++;
    else if (code != NULL && node_is_text(code, "covered"))
        r->covered++;
    else
        r->other++;
}

/* All acceptances are sent before any answer is read. */
static bool run_race(struct race *r, double *seconds)
{
    struct client_message m;
    for (uint32_t i = 0; i < r->offer_count; i++) {
        struct client *client = r->clients[i % r->connections];
        load_begin_accept(client, r->offers[i]);
        if (client_send(client, NULL) != 0)
            return false;
    }
    uint64_t began = bench_now_ns();
    for (uint32_t i = 0; i < r->connections; i++)
        if (client_flush(r->clients[i]) != 0)
            return false;
    for (uint32_t i = 0; i < r->offer_count; i++) {
        if (client_receive(r->clients[i % r->connections], 60000, &m) != 1)
            return false;
        count_answer(r, &m);
    }
    *seconds = (double)(bench_now_ns() - began) / 1e9;
    return true;
}

static int race(struct race *r, const char *address, bool is_json)
{
    double seconds = 0;
    for (uint32_t i = 0; i < r->connections; i++)
        if ((r->clients[i] = load_connect(address)) == NULL)
            return EX_UNAVAILABLE;
    int64_t order = put_racers(r) ? place(r) : 0;
    if (order == 0 || !list_offers(r, order) || !run_race(r, &seconds)) {
        fputs("paidan-bench: the race did not come about: a request was refused or a connection lost\n", stderr);
        return EX_UNAVAILABLE;
    }
    printf(is_json ? "{\"accepted\": %u, \"covered\": %u, \"other\": %u, \"headcount\": %u, \"offers\": %u, "
                     "\"seconds\": %.3f, \"answers_per_s\": %.0f}\n"
                   : "%u accepted, %u told that it is covered, %u otherwise; %u places, %u offers, %.3f s, "
                     "%.0f answers/s\n",
           r->accepted, r->covered, r->other, r->headcount, r->offer_count, seconds,
           (double)r->offer_count / seconds);
    bool is_exact = r->accepted == r->headcount && r->covered == r->offer_count - r->headcount;
    return is_exact ? EX_OK : EX_SOFTWARE;
}

int bench_race(int argc, char **argv)
{
    static const char *const options[] = {"--broadcast-count", "20000", NULL};
    struct load_daemon d = {.pid = 0};
    struct race r = {.orgs = (uint32_t)bench_number(argc, argv, "organisations", 10000),
                     .headcount = (uint32_t)bench_number(argc, argv, "headcount", 20),
                     .connections = (uint32_t)bench_number(argc, argv, "connections", 16)};
    if (r.orgs < 1 || r.orgs > 20000 || r.headcount < 1 || r.headcount > r.orgs || r.connections < 1 ||
        r.connections > 1000) {
        fputs("paidan-bench: --organisations 1..20000, --headcount 1..organisations, --connections 1..1000\n", stderr);
        return EX_USAGE;
    }
    signal(SIGPIPE, SIG_IGN);
    r.clients = must_alloc(r.connections, sizeof(struct client *));
    r.offers = must_alloc(r.orgs, sizeof *r.offers);
    int rc = EX_UNAVAILABLE;
    if (load_start(&d, argc, argv, options))
        rc = race(&r, d.address, bench_has(argc, argv, "json") != 0);
    for (uint32_t i = 0; i < r.connections; i++)
        client_close(r.clients[i]);
    free(r.clients);
    free(r.offers);
    load_remove(&d);
    return rc;
}
