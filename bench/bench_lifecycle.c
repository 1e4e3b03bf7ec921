/* bench_lifecycle.c -- `paidan-bench lifecycle`: whole durable lives over sockets.
 *
 * A life is order.place in mode auto, which matches and makes the offer, and offer.accept of what it
 * answered; each answer comes after its fsync. Closed loop: every connection keeps so many lives under
 * way. Open loop (--rate): lives begin at instants fixed beforehand, whatever the answers do, and the
 * latency counts from that instant, so that waiting is not left out of account. Only accepted lives
 * count; the share of orders that found nobody is printed. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "load.h"

#define PIPELINE_MAX 4096

/* One life under way; the number of its request under way tells which it is. */
struct life {
    uint32_t msgid; /* 0: none is under way here */
    bool is_accepting;
    uint64_t began;
};

struct caller {
    struct client *client;
    struct life *lives;
    uint64_t placed;
    int hint; /* where an idle life was seen last */
};

struct load {
    struct workload w;
    struct caller *callers;
    int caller_count, pipeline;
    double rate; /* lives a second; 0: closed loop */
    uint64_t began, due, lives, nobody, refused, late, run_id;
    struct histogram latencies;
    bool is_over;
};

static void place(struct load *l, int number, struct life *life, uint64_t began)
{
    struct caller *c = &l->callers[number];
    char ref[64];
    snprintf(ref, sizeof ref, "b%llx-%d-%llu", (unsigned long long)l->run_id, number,
             (unsigned long long)++c->placed);
    load_begin_place(&l->w, c->client, ref, "auto");
    *life = (struct life){.began = began};
    client_send(c->client, &life->msgid);
}

static void take(struct load *l, int number, const struct client_message *m)
{
    struct caller *c = &l->callers[number];
    struct life *life = NULL;
    for (int i = 0; i < l->pipeline && life == NULL; i++)
        if (c->lives[i].msgid == m->msgid)
            life = &c->lives[i];
    if (life == NULL)
        return;
    const struct node *offers = m->error == NULL ? node_get(m->result, "offers") : NULL;
    if (m->error != NULL) {
        l->refused++;
    } else if (life->is_accepting) {
        l->lives++;
        histogram_add(&l->latencies, bench_now_ns() - life->began);
    } else if (offers != NULL && offers->count != 0) {
        life->is_accepting = true;
        load_begin_accept(c->client, node_get(&offers->u.items[0], "offer")->u.number);
        client_send(c->client, &life->msgid);
        return;
    } else {
        l->nobody++;
    }
    life->msgid = 0;
    if (!l->is_over && l->rate == 0)
        place(l, number, life, bench_now_ns());
}

/* Begins the lives that are due by the clock, on the connections in turn. What finds no room under way
 * begins late, and its latency counts from when it was due. */
static void begin_due(struct load *l)
{
    uint64_t now = bench_now_ns();
    while (!l->is_over) {
        uint64_t at = l->began + (uint64_t)((double)l->due * 1e9 / l->rate);
        if (at > now)
            return;
        int number = (int)(l->due % (uint64_t)l->caller_count);
        struct caller *c = &l->callers[number];
        int tried = 0;
        while (tried < l->pipeline && c->lives[c->hint].msgid != 0) {
            c->hint = (c->hint + 1) % l->pipeline;
            tried++;
        }
        if (tried == l->pipeline) {
            l->late++;
            return;
        }
        place(l, number, &c->lives[c->hint], at);
        l->due++;
    }
}

static bool read_answers(struct load *l, const struct pollfd *fds)
{
    for (int i = 0; i < l->caller_count; i++) {
        struct client_message m;
        int got = 0;
        if (fds[i].revents != 0)
            while ((got = client_receive_buffered(l->callers[i].client, &m)) == 1)
                take(l, i, &m);
        if (got != 0 || client_flush(l->callers[i].client) != 0)
            return false;
    }
    return true;
}

/* Keeps all callers busy until the time is up. False: a connection was lost. */
static bool drive(struct load *l, double seconds)
{
    struct pollfd *fds = must_alloc((size_t)l->caller_count, sizeof *fds);
    l->began = bench_now_ns();
    uint64_t end = l->began + (uint64_t)(seconds * 1e9);
    bool is_good = true;
    for (int i = 0; i < l->caller_count; i++) {
        fds[i] = (struct pollfd){.fd = client_fd(l->callers[i].client), .events = POLLIN};
        for (int j = 0; j < l->pipeline && l->rate == 0; j++)
            place(l, i, &l->callers[i].lives[j], bench_now_ns());
    }
    for (uint64_t now = l->began; is_good && now < end; now = bench_now_ns()) {
        if (l->rate != 0)
            begin_due(l);
        is_good = read_answers(l, fds);
        if (poll(fds, (nfds_t)l->caller_count, l->rate != 0 ? 1 : 100) < 0 && errno != EINTR)
            break;
        load_progress("seconds", (now - l->began) / 1000000000, (uint64_t)seconds);
    }
    l->is_over = true;
    free(fds);
    return is_good;
}

static void report(const struct load *l, double seconds, uint32_t orgs, uint64_t resident_kb, bool is_json)
{
    uint64_t orders = l->lives + l->nobody;
    double nobody = orders != 0 ? (double)l->nobody / (double)orders : 0;
    if (is_json) {
        printf("{\"lives_per_s\": %.0f, \"lives\": %llu, \"nobody\": %.4f, \"refused\": %llu, "
               "\"organisations\": %u, \"seconds\": %.2f, \"connections\": %d, \"pipeline\": %d, "
               "\"rate\": %.0f, \"late\": %llu, \"resident_kb\": %llu, ",
               (double)l->lives / seconds, (unsigned long long)l->lives, nobody,
               (unsigned long long)l->refused, orgs, seconds, l->caller_count, l->pipeline, l->rate,
               (unsigned long long)l->late, (unsigned long long)resident_kb);
        bench_print_latency(&l->latencies, 1);
        puts("}");
        return;
    }
    printf("%.0f lives/s: %llu accepted in %.1f s, %d connections, %d under way on each, %u organisations\n",
           (double)l->lives / seconds, (unsigned long long)l->lives, seconds, l->caller_count, l->pipeline, orgs);
    if (l->rate != 0)
        printf("open loop at %.0f lives/s; %llu times no room was left to begin one in time\n", l->rate,
               (unsigned long long)l->late);
    printf("%.1f %% of the orders found nobody, %llu requests were refused\n", nobody * 100,
           (unsigned long long)l->refused);
    bench_print_latency(&l->latencies, 0);
}

static int run(struct load *l, const char *address, const struct load_daemon *d, uint32_t orgs,
               double seconds, bool is_json)
{
    for (int i = 0; i < l->caller_count; i++) {
        l->callers[i].client = load_connect(address);
        l->callers[i].lives = must_alloc((size_t)l->pipeline, sizeof(struct life));
        if (l->callers[i].client == NULL)
            return EX_UNAVAILABLE;
    }
    if (!load_put_orgs(&l->w, l->callers[0].client, orgs))
        return EX_DATAERR;
    uint64_t began = bench_now_ns();
    if (!drive(l, seconds)) {
        fputs("paidan-bench: a connection was lost\n", stderr);
        return EX_UNAVAILABLE;
    }
    report(l, (double)(bench_now_ns() - began) / 1e9, orgs, load_resident_kb(d), is_json);
    return EX_OK;
}

int bench_lifecycle(int argc, char **argv)
{
    static struct load l;
    struct load_daemon d = {.pid = 0};
    const char *server = bench_option(argc, argv, "server", NULL);
    uint32_t orgs = (uint32_t)bench_number(argc, argv, "organisations", 10000);
    int64_t seconds = bench_number(argc, argv, "seconds", 10);
    l.caller_count = (int)bench_number(argc, argv, "connections", 8);
    l.pipeline = (int)bench_number(argc, argv, "pipeline", 32);
    l.rate = (double)bench_number(argc, argv, "rate", 0);
    l.run_id = bench_now_ns();
    if (l.caller_count < 1 || l.caller_count > 10000 || l.pipeline < 1 || l.pipeline > PIPELINE_MAX ||
        seconds < 1 || seconds > 3600 || orgs < 1 || l.rate > 1e7 ||
        !workload_init(&l.w, bench_option(argc, argv, "box", "huizhou"), orgs,
                       (uint64_t)bench_number(argc, argv, "seed", 1), (int64_t)time(NULL) * 1000)) {
        fputs("paidan-bench: --connections 1..10000, --pipeline 1..4096, --seconds 1..3600, "
              "--organisations from 1, --rate to 10000000, --box huizhou or national\n", stderr);
        return EX_USAGE;
    }
    signal(SIGPIPE, SIG_IGN);
    l.callers = must_alloc((size_t)l.caller_count, sizeof *l.callers);
    int rc = EX_UNAVAILABLE;
    if (server != NULL || load_start(&d, argc, argv, NULL))
        rc = run(&l, server != NULL ? server : d.address, &d, orgs, (double)seconds,
                 bench_has(argc, argv, "json") != 0);
    for (int i = 0; i < l.caller_count; i++) {
        client_close(l.callers[i].client);
        free(l.callers[i].lives);
    }
    free(l.callers);
    workload_fini(&l.w);
    load_remove(&d);
    return rc;
}
