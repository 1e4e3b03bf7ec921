/* sweep.c -- every operation of the disk, and every allocation, once as the one that fails. */
#include "sim.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/pool.h"
#include "store/store.h"

#define START_AT INT64_C(1795395600000)
#define WORKLOAD_TICKS 160

enum { LANE_WORKLOAD = 1, LANE_RECOVERY = 2 };

struct workload {
    struct service service;
    struct crowd crowd;
    uint64_t random;
};

static void workload_open(struct workload *w, uint64_t seed)
{
    *w = (struct workload){.random = seed, .service = {.now = START_AT}};
    w->service.disk = disk_new(seed);
    w->service.disk->now = START_AT;
    crowd_init(&w->crowd, &w->service, seed ^ UINT64_C(0xc0de));
}

/* An operator asks for a backup over a session of its own; the answer does not matter. */
static void backup(struct workload *w)
{
    struct pack p = {.bytes = NULL};
    char path[64];
    snprintf(path, sizeof path, "/tmp/paidan-rig-%d.backup", (int)getpid());
    struct identity operator = identity_trusted("uid:0");
    struct session *session = turn_connect(w->service.turn, 9, &operator);
    pack_fixed_list(&p, 4);
    pack_int(&p, 0);
    pack_int(&p, 1);
    pack_text(&p, "server.backup");
    pack_fixed_list(&p, 1);
    pack_map(&p);
    pack_key_text(&p, "path", path);
    pack_close(&p);
    turn_request(w->service.turn, session, p.bytes, p.len);
    service_turn(&w->service, true, true);
    if (!w->service.is_dead)
        service_turn(&w->service, true, true);
    turn_disconnect(w->service.turn, session);
    pack_fini(&p);
    unlink(path);
}

/* Places, accepts, completes, climbs; a restart with its migration check in the middle; a backup. It
 * ends early when the store has failed. */
static void workload_run(struct workload *w)
{
    w->crowd.is_lossless = true;
    for (int i = 0; i < WORKLOAD_TICKS && !w->service.is_dead; i++) {
        w->service.now += (int64_t)disk_draw(&w->random, 4 * 60000);
        if (i % 40 == 39)
            w->service.now += 3 * 3600000; /* offers expire, orders climb */
        w->service.disk->now = w->service.now;
        crowd_tick(&w->crowd);
        service_turn(&w->service, true, true);
        if (i == WORKLOAD_TICKS / 2 && !w->service.is_dead)
            backup(w);
    }
}

static void workload_close(struct workload *w)
{
    crowd_cut(&w->crowd);
    service_kill(&w->service);
    disk_free(w->service.disk);
    crowd_fini(&w->crowd);
}

/* A database of an older schema: the start migrates it. */
static void put_old_database(struct disk *disk, const char *dump)
{
    sqlite3 *db = NULL;
    disk_use(disk);
    must(sqlite3_open_v2("paidan.db", &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, "rig") == SQLITE_OK);
    must(sqlite3_exec(db, dump, NULL, NULL, NULL) == SQLITE_OK);
    sqlite3_close(db);
    disk_sync_directory(disk);
}

/* The oldest schema is 1; seeds go through all that came before today's. */
static char *read_dump(uint64_t seed, int *schema)
{
    char path[40];
    *schema = 1 + (int)(seed % (SCHEMA_VERSION - 1));
    snprintf(path, sizeof path, "tests/schema_v%d.sql", *schema);
    FILE *file = fopen(path, "re");
    char *text = must_alloc(1 << 16, 1);
    must(file != NULL);
    size_t len = fread(text, 1, (1 << 16) - 1, file);
    fclose(file);
    text[len] = '\0';
    return text;
}

struct crashing {
    const struct service *before; /* the workload's */
    unsigned first, stride, second_every;
    uint64_t random;
    struct sweep_result *result;
};

static void fail(struct sweep_result *r, const char *what, unsigned long long at, const char *why)
{
    if (r->why[0] == '\0')
        snprintf(r->why, sizeof r->why, "%s %llu: %s", what, at, why);
}

/* Starts on a disk after a crash and compares. False: it must be tried again, for the start crashed. */
static bool recover(struct crashing *c, struct disk *disk, uint64_t at, const char *damage)
{
    struct service s = {.disk = disk, .now = c->before->now};
    bool is_up = service_start(&s, LANE_RECOVERY) == 0;
    if (!is_up && disk->faults != 0)
        return false;
    c->result->points++;
    disk->fault = FAULT_NONE;
    if (!is_up) {
        fail(c->result, damage, at, s.failure.text);
        return true;
    }
    if (!service_is_faithful(&s, c->before))
        fail(c->result, damage, at, "the state is not what was committed");
    struct verdict v = verdict_of(disk, NULL);
    if (!verdict_is_good(&v))
        fail(c->result, damage, at, v.why);
    service_kill(&s);
    return true;
}

static void crash_here(void *context, const struct disk *disk)
{
    struct crashing *c = context;
    if (disk->changes < c->first || (disk->changes - c->first) % c->stride != 0 || c->result->why[0] != '\0')
        return;
    for (int damage = 0; damage < DAMAGE_COUNT; damage++) {
        struct disk *after = disk_crash(disk, (enum damage)damage, disk_draw(&c->random, UINT64_MAX));
        after->now = disk->now;
        if (c->second_every != 0 && disk_draw(&c->random, c->second_every) == 0) {
            after->fault = FAULT_CRASH;
            after->fault_at = disk_draw(&c->random, 80);
        }
        if (!recover(c, after, disk->changes, damage_name((enum damage)damage))) {
            struct disk *again = disk_crash(after, (enum damage)disk_draw(&c->random, DAMAGE_COUNT),
                                            disk_draw(&c->random, UINT64_MAX));
            c->result->points++;
            c->result->seconds++;
            must(recover(c, again, disk->changes, "a second crash"));
            disk_free(again);
        }
        disk_free(after);
    }
    disk_use((struct disk *)(uintptr_t)disk);
}

struct sweep_result sweep_crashes(uint64_t seed, unsigned first, unsigned stride, unsigned second_every)
{
    struct sweep_result result = {.why = ""};
    struct workload w;
    char *dump = read_dump(seed, &result.schema);
    workload_open(&w, seed);
    put_old_database(w.service.disk, dump);
    /* What the old database becomes, from a start that nothing disturbs. */
    struct disk *copy = disk_crash(w.service.disk, DAMAGE_KEEP_ALL, seed);
    struct service calm = {.disk = copy, .now = START_AT};
    must(service_start(&calm, LANE_RECOVERY) == 0);
    w.service.committed_digest = calm.committed_digest;
    service_kill(&calm);
    disk_free(copy);
    struct crashing crashing = {.before = &w.service, .first = first, .stride = stride,
                                .second_every = second_every, .random = seed, .result = &result};
    disk_use(w.service.disk);
    w.service.disk->changes = 0;
    w.service.disk->before = crash_here;
    w.service.disk->context = &crashing;
    if (service_start(&w.service, LANE_WORKLOAD) != 0)
        fail(&result, "start", 0, w.service.failure.text);
    else
        workload_run(&w);
    if (w.service.is_dead)
        fail(&result, "workload", 0, w.service.failure.text);
    result.operations = w.service.disk->changes;
    workload_close(&w);
    free(dump);
    result.is_good = result.why[0] == '\0';
    return result;
}

/* Runs the workload on a disk or with a memory that fails; then the restart must be faithful. */
static void run_faulty(struct workload *w, struct sweep_result *result, uint64_t at)
{
    if (service_start(&w->service, LANE_WORKLOAD) == 0)
        workload_run(w);
    sim_memory_fails(0, false);
    struct service before = w->service;
    struct disk *after = disk_crash(w->service.disk, (enum damage)disk_draw(&w->random, DAMAGE_COUNT),
                                    disk_draw(&w->random, UINT64_MAX));
    struct service again = {.disk = after, .now = w->service.now};
    bool had_started = before.engine != NULL;
    result->points++;
    if (service_start(&again, LANE_RECOVERY) != 0) {
        fail(result, "after a fault at", at, again.failure.text);
    } else {
        if (had_started && !service_is_faithful(&again, &before))
            fail(result, "after a fault at", at, "the state is not what was committed");
        struct verdict v = verdict_of(after, &w->crowd.journal);
        if (!verdict_is_good(&v))
            fail(result, "after a fault at", at, v.why);
        service_kill(&again);
    }
    disk_free(after);
}

struct sweep_result sweep_faults(uint64_t seed, unsigned first, unsigned stride)
{
    struct sweep_result result = {.why = ""};
    for (int kind = 0; kind < 4; kind++) {
        bool was_reached = true;
        for (uint64_t at = first; was_reached && result.why[0] == '\0'; at += stride) {
            struct workload w;
            workload_open(&w, seed);
            w.service.disk->fault = kind % 2 == 0 ? FAULT_IO : FAULT_FULL;
            w.service.disk->is_for_ever = kind >= 2;
            w.service.disk->fault_at = at;
            run_faulty(&w, &result, at);
            was_reached = w.service.disk->faults != 0;
            result.operations = w.service.disk->operations;
            workload_close(&w);
        }
    }
    result.is_good = result.why[0] == '\0';
    return result;
}

struct sweep_result sweep_memory(uint64_t seed, unsigned first, unsigned stride)
{
    struct sweep_result result = {.why = ""};
    for (int kind = 0; kind < 2; kind++) {
        bool was_reached = true;
        for (uint64_t at = first; was_reached && result.why[0] == '\0'; at += stride) {
            struct workload w;
            workload_open(&w, seed);
            sim_memory_fails(at, kind == 1);
            run_faulty(&w, &result, at);
            was_reached = sim_memory_asked() >= at;
            result.operations = sim_memory_asked();
            workload_close(&w);
        }
    }
    result.is_good = result.why[0] == '\0';
    return result;
}

/* What becomes of one flipped bit: found at the start or by the checks, without effect, or silent. */
static void flip_one(struct workload *w, struct rot_result *result, size_t byte)
{
    struct disk *copy = disk_crash(w->service.disk, DAMAGE_KEEP_ALL, byte);
    struct service s = {.disk = copy, .now = w->service.now};
    if (disk_flip(copy, ".db", byte, (unsigned)disk_draw(&w->random, 8))) {
        result->flips++;
        bool is_up = service_start(&s, LANE_RECOVERY) == 0;
        struct verdict v = is_up ? verdict_of(copy, NULL) : (struct verdict){.is_broken = true};
        if (!is_up || !verdict_is_good(&v))
            result->found++;
        else if (service_is_faithful(&s, &w->service))
            result->harmless++;
        else
            result->silent++;
    }
    if (s.engine != NULL)
        service_kill(&s);
    disk_free(copy);
}

struct rot_result sweep_rot(uint64_t seed, unsigned first, unsigned stride)
{
    struct rot_result result = {.flips = 0};
    struct workload w;
    workload_open(&w, seed);
    must(service_start(&w.service, LANE_WORKLOAD) == 0);
    workload_run(&w);
    service_settle(&w.service);
    w.service.committed_digest = engine_digest(w.service.engine);
    crowd_cut(&w.crowd);
    service_stop(&w.service);
    for (size_t byte = first; byte < disk_bytes(w.service.disk, ".db"); byte += stride)
        flip_one(&w, &result, byte);
    tamper_all(w.service.disk, w.service.now, &result);
    w.service.engine = NULL;
    disk_free(w.service.disk);
    crowd_fini(&w.crowd);
    return result;
}
