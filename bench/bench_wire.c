/* bench_wire.c -- `paidan-bench wire`: requests over sockets that cost next to nothing, or one match.
 *
 * server.info measures the wire alone; match.find (--match) a search whose candidates the client
 * decodes, with id, score, distance and start. Every connection keeps --pipeline requests under way. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "load.h"

struct wire {
    struct workload w;
    struct client **clients;
    struct pollfd *fds;
    int connections, pipeline;
    bool is_match, by_score;
    uint64_t answers, refused, candidates;
};

static void begin_match(struct wire *w, struct client *client)
{
    struct order_request r = workload_order(&w->w);
    char category[8];
    struct pack *pack = client_begin(client, "match.find");
    snprintf(category, sizeof category, "s%d", r.category);
    pack_map(pack);
    pack_key_uint(pack, "region", WORKLOAD_REGION);
    pack_key_text(pack, "category", category);
    pack_key_degrees(pack, "lat", r.lat);
    pack_key_degrees(pack, "lon", r.lon);
    pack_key(pack, "skills");
    pack_list(pack);
    SKILLSET_EACH(&r.skills, skill) {
        snprintf(category, sizeof category, "s%d", skill);
        pack_text(pack, category);
    }
    pack_close(pack);
    pack_key_int(pack, "starts_at", r.starts_at);
    pack_key_int(pack, "ends_at", r.ends_at);
    pack_key_uint(pack, "minutes", r.minutes);
    pack_key_uint(pack, "headcount", r.headcount);
    pack_key_uint(pack, "limit", 10);
    pack_key_text(pack, "rank", w->by_score ? "score" : "distance");
    pack_close(pack);
}

static void ask(struct wire *w, struct client *client)
{
    if (w->is_match) {
        begin_match(w, client);
    } else {
        struct pack *pack = client_begin(client, "server.info");
        pack_map(pack);
        pack_close(pack);
    }
    client_send(client, NULL);
}

static void take(struct wire *w, struct client *client, const struct client_message *m)
{
    const struct node *items = m->error == NULL ? node_get(m->result, "items") : NULL;
    w->answers++;
    w->refused += m->error != NULL;
    w->candidates += items != NULL ? items->count : 0;
    ask(w, client);
}

static bool drive(struct wire *w, double seconds)
{
    uint64_t end = bench_now_ns() + (uint64_t)(seconds * 1e9);
    for (int i = 0; i < w->connections; i++) {
        w->fds[i] = (struct pollfd){.fd = client_fd(w->clients[i]), .events = POLLIN};
        for (int j = 0; j < w->pipeline; j++)
            ask(w, w->clients[i]);
        if (client_flush(w->clients[i]) != 0)
            return false;
    }
    while (bench_now_ns() < end) {
        if (poll(w->fds, (nfds_t)w->connections, 100) < 0 && errno != EINTR)
            return false;
        for (int i = 0; i < w->connections; i++) {
            struct client_message m;
            int got = 0;
            if (w->fds[i].revents == 0)
                continue;
            while ((got = client_receive_buffered(w->clients[i], &m)) == 1)
                take(w, w->clients[i], &m);
            if (got != 0 || client_flush(w->clients[i]) != 0)
                return false;
        }
    }
    return true;
}

static int run(struct wire *w, const char *address, uint32_t orgs, double seconds, bool is_json)
{
    for (int i = 0; i < w->connections; i++)
        if ((w->clients[i] = load_connect(address)) == NULL)
            return EX_UNAVAILABLE;
    if (w->is_match && !load_put_orgs(&w->w, w->clients[0], orgs))
        return EX_DATAERR;
    uint64_t began = bench_now_ns();
    if (!drive(w, seconds)) {
        fputs("paidan-bench: a connection was lost\n", stderr);
        return EX_UNAVAILABLE;
    }
    double took = (double)(bench_now_ns() - began) / 1e9;
    printf(is_json ? "{\"method\": \"%s\", \"requests_per_s\": %.0f, \"refused\": %llu, \"candidates\": %llu, "
                     "\"connections\": %d, \"pipeline\": %d}\n"
                   : "%s: %.0f requests/s (%llu refused, %llu candidates; %d connections, %d under way on each)\n",
           w->is_match ? "match.find" : "server.info", (double)w->answers / took,
           (unsigned long long)w->refused, (unsigned long long)w->candidates, w->connections, w->pipeline);
    return w->refused == 0 ? EX_OK : EX_DATAERR;
}

int bench_wire(int argc, char **argv)
{
    struct load_daemon d = {.pid = 0};
    struct wire w = {.connections = (int)bench_number(argc, argv, "connections", 2),
                     .pipeline = (int)bench_number(argc, argv, "pipeline", 64),
                     .is_match = bench_has(argc, argv, "match") != 0,
                     .by_score = strcmp(bench_option(argc, argv, "rank", "distance"), "score") == 0};
    const char *server = bench_option(argc, argv, "server", NULL);
    uint32_t orgs = (uint32_t)bench_number(argc, argv, "organisations", 10000);
    int64_t seconds = bench_number(argc, argv, "seconds", 10);
    if (w.connections < 1 || w.connections > 1000 || w.pipeline < 1 || w.pipeline > 4096 || seconds < 1 ||
        seconds > 3600 || orgs < 1 ||
        !workload_init(&w.w, bench_option(argc, argv, "box", "huizhou"), orgs,
                       (uint64_t)bench_number(argc, argv, "seed", 1), (int64_t)time(NULL) * 1000)) {
        fputs("paidan-bench: --connections 1..1000, --pipeline 1..4096, --seconds 1..3600, "
              "--organisations from 1, --box huizhou or national\n", stderr);
        return EX_USAGE;
    }
    signal(SIGPIPE, SIG_IGN);
    w.clients = must_alloc((size_t)w.connections, sizeof(struct client *));
    w.fds = must_alloc((size_t)w.connections, sizeof *w.fds);
    int rc = EX_UNAVAILABLE;
    if (server != NULL || load_start(&d, argc, argv, NULL))
        rc = run(&w, server != NULL ? server : d.address, orgs, (double)seconds, bench_has(argc, argv, "json") != 0);
    for (int i = 0; i < w.connections; i++)
        client_close(w.clients[i]);
    free(w.clients);
    free(w.fds);
    workload_fini(&w.w);
    load_remove(&d);
    return rc;
}
