/* bench_lifecycle.c -- `paidan-bench lifecycle`: whole durable lives over sockets.
 *
 * A life is order.place in mode auto, which matches and makes the offer, and offer.accept of what it
 * answered; each answer comes after its fsync. Closed loop: every connection keeps so many lives under
 * way. Only accepted lives count; the share of orders that found nobody is printed. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "proto/client.h"
#include "workload.h"

#define PIPELINE_MAX 4096

/* One life under way; the number of its request under way tells which it is. */
struct life {
    uint32_t msgid;
    bool is_accepting;
    uint64_t began;
};

struct caller {
    struct client *client;
    struct life *lives;
    uint64_t placed;
};

struct load {
    struct workload w;
    struct caller *callers;
    int caller_count, pipeline;
    uint64_t lives, nobody, refused, run_id;
    struct histogram latencies;
    bool is_over;
};

/* A daemon of our own in a directory of its own. */
struct started {
    char directory[300], address[320];
    pid_t pid;
};

static bool write_tables(const struct started *d)
{
    char path[400];
    snprintf(path, sizeof path, "%s/regions.csv", d->directory);
    FILE *file = fopen(path, "we");
    if (file == NULL)
        return false;
    fputs("code,name,level,parent,lat,lon\n1,bench,city,,23,114\n11,bench,county,1,23,114\n"
          "111,bench,town,11,23,114\n1111,bench,village,111,23,114\n", file);
    fclose(file);
    snprintf(path, sizeof path, "%s/skills.csv", d->directory);
    file = fopen(path, "we");
    if (file == NULL)
        return false;
    fputs("skill,category,needs\n", file);
    for (int s = 0; s < WORKLOAD_SKILLS; s++)
        fprintf(file, "s%d,,\n", s);
    return fclose(file) == 0;
}

static bool start(struct started *d, const char *parent)
{
    char program[1024] = "";
    char regions[400];
    char data[400];
    char log[400];
    char why[200];
    snprintf(d->directory, sizeof d->directory, "%s/paidan-bench.XXXXXX", parent);
    ssize_t len = readlink("/proc/self/exe", program, sizeof program - 16);
    char *slash = len > 0 ? strrchr(program, '/') : NULL;
    if (mkdtemp(d->directory) == NULL || slash == NULL || !write_tables(d))
        return false;
    memcpy(slash, "/paidand", sizeof "/paidand");
    snprintf(d->address, sizeof d->address, "unix:%s/sock", d->directory);
    snprintf(regions, sizeof regions, "%s/regions.csv", d->directory);
    snprintf(data, sizeof data, "%s/data", d->directory);
    snprintf(log, sizeof log, "%s/log", d->directory);
    d->pid = fork();
    if (d->pid == 0) {
        execl(program, program, "--data", data, "--listen", d->address, "--regions", regions, "--codes",
              d->directory, "--log", log, (char *)NULL);
        _exit(127);
    }
    for (int i = 0; i < 200; i++) {
        struct client *client = client_open(d->address, why);
        if (client != NULL) {
            client_close(client);
            return true;
        }
        usleep(50000);
    }
    return false;
}

static void stop(struct started *d)
{
    char command[400];
    if (d->pid > 0) {
        kill(d->pid, SIGTERM);
        waitpid(d->pid, NULL, 0);
    }
    snprintf(command, sizeof command, "rm -rf '%s'", d->directory);
    if (d->directory[0] != '\0' && system(command) != 0)
        fprintf(stderr, "paidan-bench: %s stays behind\n", d->directory);
}

static void pack_skillset(struct pack *pack, const struct skillset *set)
{
    char name[8];
    pack_key(pack, "skills");
    pack_list(pack);
    SKILLSET_EACH(set, skill) {
        snprintf(name, sizeof name, "s%d", skill);
        pack_text(pack, name);
    }
    pack_close(pack);
}

/* Registers the workload's organisations, many under way at once. */
static bool put_orgs(struct load *l, struct client *client, uint32_t count)
{
    char schedule[SCHEDULE_TEXT_BYTES_MAX];
    struct client_message m;
    uint32_t under_way = 0;
    for (uint32_t i = 1; i <= count || under_way != 0; i++) {
        if (i <= count) {
            struct org_request r = workload_org(&l->w);
            struct pack *pack = client_begin(client, "org.put");
            schedule_format(&r.week, schedule);
            pack_map(pack);
            pack_key_uint(pack, "id", i);
            pack_key_degrees(pack, "lat", r.lat);
            pack_key_degrees(pack, "lon", r.lon);
            pack_key_uint(pack, "reach_m", r.reach_m);
            pack_key_uint(pack, "capacity", r.capacity);
            pack_key_text(pack, "schedule", schedule);
            pack_skillset(pack, &r.skills);
            pack_close(pack);
            if (client_send(client, NULL) != 0)
                return false;
            under_way++;
        }
        while (under_way >= 1000 || (i >= count && under_way != 0)) {
            if (client_receive(client, 60000, &m) != 1 || m.error != NULL)
                return false;
            under_way--;
        }
    }
    return true;
}

static void send_place(struct load *l, struct caller *c, struct life *life, int number)
{
    struct order_request r = workload_order(&l->w);
    char ref[64];
    char category[8];
    struct pack *pack = client_begin(c->client, "order.place");
    snprintf(ref, sizeof ref, "b%llx-%d-%llu", (unsigned long long)l->run_id, number,
             (unsigned long long)++c->placed);
    snprintf(category, sizeof category, "s%d", r.category);
    pack_map(pack);
    pack_key_text(pack, "ref", ref);
    pack_key_uint(pack, "region", WORKLOAD_REGION);
    pack_key_text(pack, "category", category);
    pack_key_degrees(pack, "lat", r.lat);
    pack_key_degrees(pack, "lon", r.lon);
    pack_skillset(pack, &r.skills);
    pack_key_int(pack, "starts_at", r.starts_at);
    pack_key_int(pack, "ends_at", r.ends_at);
    pack_key_uint(pack, "minutes", r.minutes);
    pack_key_uint(pack, "headcount", r.headcount);
    pack_key_text(pack, "mode", "auto");
    pack_close(pack);
    *life = (struct life){.began = bench_now_ns()};
    client_send(c->client, &life->msgid);
}

static void send_accept(struct caller *c, struct life *life, int64_t offer)
{
    struct pack *pack = client_begin(c->client, "offer.accept");
    pack_map(pack);
    pack_key_int(pack, "offer", offer);
    pack_close(pack);
    life->is_accepting = true;
    client_send(c->client, &life->msgid);
}

static void take(struct load *l, struct caller *c, int number, const struct client_message *m)
{
    struct life *life = NULL;
    for (int i = 0; i < l->pipeline && life == NULL; i++)
        if (c->lives[i].msgid == m->msgid)
            life = &c->lives[i];
    if (life == NULL)
        return;
    const struct node *offers = m->error == NULL ? node_get(m->result, "offers") : NULL;
    if (m->error != NULL)
        l->refused++;
    else if (life->is_accepting)
        l->lives++, histogram_add(&l->latencies, bench_now_ns() - life->began);
    else if (offers != NULL && offers->count != 0) {
        send_accept(c, life, node_get(&offers->u.items[0], "offer")->u.number);
        return;
    } else
        l->nobody++;
    life->msgid = 0;
    if (!l->is_over)
        send_place(l, c, life, number);
}

/* Keeps all callers busy until the time is up. False: a connection was lost. */
static bool drive(struct load *l, double seconds)
{
    struct pollfd *fds = must_alloc((size_t)l->caller_count, sizeof *fds);
    uint64_t end = bench_now_ns() + (uint64_t)(seconds * 1e9);
    bool is_good = true;
    for (int i = 0; i < l->caller_count; i++) {
        fds[i] = (struct pollfd){.fd = client_fd(l->callers[i].client), .events = POLLIN};
        for (int j = 0; j < l->pipeline; j++)
            send_place(l, &l->callers[i], &l->callers[i].lives[j], i);
        client_flush(l->callers[i].client);
    }
    while (is_good && bench_now_ns() < end) {
        if (poll(fds, (nfds_t)l->caller_count, 100) < 0 && errno != EINTR)
            break;
        for (int i = 0; i < l->caller_count && is_good; i++) {
            struct client_message m;
            int got = 0;
            if (fds[i].revents == 0)
                continue;
            while ((got = client_receive_buffered(l->callers[i].client, &m)) == 1)
                take(l, &l->callers[i], i, &m);
            is_good = got == 0 && client_flush(l->callers[i].client) == 0;
        }
    }
    l->is_over = true;
    free(fds);
    return is_good;
}

static void report(const struct load *l, double seconds, uint32_t orgs, bool is_json)
{
    uint64_t orders = l->lives + l->nobody;
    double nobody = orders != 0 ? (double)l->nobody / (double)orders : 0;
    if (is_json) {
        printf("{\"lives_per_s\": %.0f, \"lives\": %llu, \"nobody\": %.4f, \"refused\": %llu, "
               "\"organisations\": %u, \"seconds\": %.2f, \"connections\": %d, \"pipeline\": %d, ",
               (double)l->lives / seconds, (unsigned long long)l->lives, nobody,
               (unsigned long long)l->refused, orgs, seconds, l->caller_count, l->pipeline);
        bench_print_latency(&l->latencies, 1);
        puts("}");
        return;
    }
    printf("%.0f lives/s: %llu accepted in %.1f s, %d connections, %d under way on each, %u organisations\n",
           (double)l->lives / seconds, (unsigned long long)l->lives, seconds, l->caller_count, l->pipeline, orgs);
    printf("%.1f %% of the orders found nobody, %llu requests were refused\n", nobody * 100,
           (unsigned long long)l->refused);
    bench_print_latency(&l->latencies, 0);
}

static int run(struct load *l, const char *address, uint32_t orgs, double seconds, bool is_json)
{
    char why[200];
    int rc = EX_OK;
    for (int i = 0; i < l->caller_count && rc == EX_OK; i++) {
        l->callers[i].client = client_open(address, why);
        l->callers[i].lives = must_alloc((size_t)l->pipeline, sizeof(struct life));
        if (l->callers[i].client == NULL) {
            fprintf(stderr, "paidan-bench: %s\n", why);
            rc = EX_UNAVAILABLE;
        }
    }
    if (rc == EX_OK && !put_orgs(l, l->callers[0].client, orgs)) {
        fputs("paidan-bench: the organisations were not taken; the server needs the workload's tables\n", stderr);
        rc = EX_DATAERR;
    }
    uint64_t began = bench_now_ns();
    if (rc == EX_OK && !drive(l, seconds)) {
        fputs("paidan-bench: a connection was lost\n", stderr);
        rc = EX_UNAVAILABLE;
    }
    if (rc == EX_OK)
        report(l, (double)(bench_now_ns() - began) / 1e9, orgs, is_json);
    return rc;
}

int bench_lifecycle(int argc, char **argv)
{
    static struct load l;
    struct started d = {.pid = 0};
    const char *server = bench_option(argc, argv, "server", NULL);
    uint32_t orgs = (uint32_t)bench_number(argc, argv, "organisations", 10000);
    int64_t seconds = bench_number(argc, argv, "seconds", 10);
    l.caller_count = (int)bench_number(argc, argv, "connections", 8);
    l.pipeline = (int)bench_number(argc, argv, "pipeline", 32);
    l.run_id = bench_now_ns();
    if (l.caller_count < 1 || l.caller_count > 10000 || l.pipeline < 1 || l.pipeline > PIPELINE_MAX ||
        seconds < 1 || seconds > 3600 || orgs < 1 ||
        !workload_init(&l.w, bench_option(argc, argv, "box", "huizhou"), orgs,
                       (uint64_t)bench_number(argc, argv, "seed", 1), (int64_t)time(NULL) * 1000)) {
        fputs("paidan-bench: --connections 1..10000, --pipeline 1..4096, --seconds 1..3600, "
              "--organisations from 1, --box huizhou or national\n", stderr);
        return EX_USAGE;
    }
    signal(SIGPIPE, SIG_IGN);
    int rc = EX_OK;
    if (server == NULL && !start(&d, bench_option(argc, argv, "data", "/tmp"))) {
        fputs("paidan-bench: paidand does not start\n", stderr);
        rc = EX_UNAVAILABLE;
    }
    l.callers = must_alloc((size_t)l.caller_count, sizeof *l.callers);
    if (rc == EX_OK)
        rc = run(&l, server != NULL ? server : d.address, orgs, (double)seconds,
                 bench_has(argc, argv, "json") != 0);
    for (int i = 0; i < l.caller_count; i++) {
        client_close(l.callers[i].client);
        free(l.callers[i].lives);
    }
    free(l.callers);
    workload_fini(&l.w);
    stop(&d);
    return rc;
}
