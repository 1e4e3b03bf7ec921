/* sim.c -- seeded runs: load with faults, heal, rest, verdict. */
#include "sim.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "proto/clock.h"

#define START_AT INT64_C(1795395600000) /* Monday 2026-11-23 09:00 in Shanghai */
#define TICKS_LOAD 500
#define TICKS_HEAL 3000
#define TRUST_MS INT64_C(3600000)

struct sim {
    struct service service;
    struct redis redis;
    struct crowd crowd;
    struct sim_result result;
    uint64_t random;
    struct clock clock;   /* the service's */
    int64_t boot;         /* time that passed */
    int64_t right;        /* what a host's clock without a fault says */
    int64_t jump;         /* by which the host's differs from it now */
    int64_t jump_ends_at; /* by the time that passed: before it is believed */
};

static uint64_t draw(struct sim *s, uint64_t below)
{
    return disk_draw(&s->random, below);
}

static void fail(struct sim *s, const char *what, const char *why)
{
    if (s->result.why[0] == '\0')
        snprintf(s->result.why, sizeof s->result.why, "tick %llu: %s: %s",
                 (unsigned long long)s->result.ticks, what, why);
}

static void judge(struct sim *s)
{
    struct verdict v = verdict_of(s->service.disk, &s->crowd.journal);
    if (verdict_is_good(&v))
        verdict_add_traces(&v, s->service.disk, &s->redis);
    if (!verdict_is_good(&v))
        fail(s, "verdict", v.why);
    disk_use(s->service.disk);
}

/* Now and then somebody edits a copy. */
static void tamper_with(struct sim *s)
{
    char why[300];
    if (draw(s, 4) == 0 && !tamper_one(s->service.disk, s->service.now, &s->random, why))
        fail(s, "tampered", why);
    disk_use(s->service.disk);
}

static int64_t host_clock(const struct sim *s)
{
    return s->right + s->jump;
}

static void read_clock(struct sim *s)
{
    s->service.now = clock_now(&s->clock, host_clock(s), s->boot);
    s->service.disk->now = s->service.now;
}

static bool start(struct sim *s)
{
    struct failure failure = {0};
    int64_t newest = 0;
    if (service_start(&s->service, 0) != 0)
        return false;
    if (store_newest_event_at(s->service.store, &newest, &failure) != 0)
        fail(s, "clock", failure.text);
    clock_start(&s->clock, host_clock(s), s->boot, newest);
    read_clock(s);
    return true;
}

/* A jump of the clock ends no term and deletes nothing: what is written down, and what may be forgotten, goes
 * by the right time. Small steps may add up to hours, jumps are of days at least. */
static void look_at_commit(void *context, const struct batch *batch)
{
    struct sim *s = (struct sim *)(void *)((char *)context - offsetof(struct sim, crowd));
    int64_t latest = s->right + DAY_MS;
    for (uint32_t i = 0; i < batch->event_count; i++)
        if (batch->events[i].at > latest)
            fail(s, "clock", "an event was written in a time that was only jumped to");
    if (batch->has_retention && (batch->retention.events_before > latest - SERVICE_RETAINS_EVENTS ||
                                 batch->retention.contacts_before > latest - SERVICE_RETAINS_CONTACTS))
        fail(s, "clock", "a jump made something old enough to be forgotten");
}

/* The host's clock jumps by days or years, and is set right before that has stood for long. */
static void jump(struct sim *s)
{
    int64_t days = 2 + (int64_t)draw(s, draw(s, 2) == 0 ? 29 : 5000);
    s->jump = draw(s, 2) == 0 ? days * DAY_MS : -days * DAY_MS;
    s->jump_ends_at = s->boot + 1 + (int64_t)draw(s, (uint64_t)TRUST_MS - 2);
    s->result.jumps++;
}

/* The service dies, its disk suffers, and it starts again, perhaps dying once more at that. */
static void crash(struct sim *s)
{
    for (int attempt = 0; s->result.why[0] == '\0'; attempt++) {
        struct service before = s->service;
        struct disk *old = s->service.disk;
        s->result.disk_faults += old->faults;
        s->result.crashes++;
        if (attempt == 0 && draw(s, 2) == 0)
            crowd_hear_out(&s->crowd);
        if (attempt == 0)
            crowd_cut(&s->crowd);
        char why[300];
        if (attempt == 0 && !s->service.disk->lies && draw(s, 4) == 0 && !tamper_log(&before, &s->random, why))
            fail(s, "after a kill", why);
        if (s->jump > 0 && s->jump <= CLOCK_AWAY_MS) /* a start cannot tell it from a month of rest */
            s->jump = 0;
        struct disk *after = disk_crash(old, (enum damage)draw(s, DAMAGE_COUNT), draw(s, UINT64_MAX));
        service_kill(&s->service);
        disk_free(old);
        s->service.disk = after;
        after->now = s->service.now;
        if (attempt == 0 && draw(s, 4) == 0) { /* and again, while it recovers */
            after->fault = FAULT_CRASH;
            after->fault_at = draw(s, 60);
        }
        if (start(s)) {
            if (!service_is_faithful(&s->service, &before))
                fail(s, "restart", "the state is not what was committed");
            engine_check(s->service.engine);
            after->fault = FAULT_NONE;
            judge(s);
            tamper_with(s);
            return;
        }
        s->service.committed_digest = before.committed_digest;
        s->service.submitted_digest = before.submitted_digest;
        s->service.has_submitted = before.has_submitted;
        if (after->faults == 0)
            fail(s, "restart", s->service.failure.text);
    }
}

static void any_fault(struct sim *s)
{
    struct disk *disk = s->service.disk;
    if (disk->fault != FAULT_NONE || draw(s, 40) != 0)
        return;
    disk->fault = (enum disk_fault)(1 + draw(s, 3));
    disk->fault_at = disk->operations + draw(s, 60);
    disk->is_for_ever = draw(s, 2) == 0;
}

static void pass_time(struct sim *s)
{
    uint64_t what = draw(s, 100);
    int64_t step = what < 80 ? (int64_t)draw(s, 200)
                 : what < 98 ? (int64_t)draw(s, 20 * 60000)
                 : what == 98 ? (int64_t)draw(s, 5 * 3600000)
                              : -(int64_t)draw(s, 3600000); /* somebody sets the clock */
    if (s->jump == 0 && draw(s, 60) == 0)
        jump(s);
    s->boot += step > 0 ? step : 0;
    s->right += step;
    if (s->boot >= s->jump_ends_at)
        s->jump = 0;
    read_clock(s);
    s->result.virtual_ms += step > 0 ? (uint64_t)step : 0;
}

static void tick(struct sim *s, bool has_faults)
{
    s->result.ticks++;
    pass_time(s);
    if (has_faults)
        any_fault(s);
    redis_tick(&s->redis);
    crowd_tick(&s->crowd);
    if (!s->service.is_dead)
        service_turn(&s->service, draw(s, 3) != 0, draw(s, 3) != 0);
    if (s->service.is_dead || s->service.disk->faults != 0 || (has_faults && draw(s, 200) == 0))
        crash(s);
}

static bool is_at_rest(const struct sim *s)
{
    return crowd_is_idle(&s->crowd) && service_live_is_settled(&s->service);
}

static void heal(struct sim *s)
{
    s->crowd.is_lossless = s->crowd.is_quiet = true;
    s->jump = 0;
    s->service.disk->fault = FAULT_NONE;
    s->redis.is_well = true;
    for (int i = 0; i < TICKS_HEAL && s->result.why[0] == '\0' && !is_at_rest(s); i++)
        tick(s, false);
    if (s->result.why[0] == '\0' && !crowd_is_idle(&s->crowd))
        fail(s, "liveness", "a request is not answered though all is well");
    else if (s->result.why[0] == '\0' && !service_live_is_settled(&s->service))
        fail(s, "liveness", "Redis is well and is not told, or its intake not taken");
    if (s->result.why[0] != '\0')
        return;
    service_settle(&s->service);
    for (int i = 0; i < 40; i++) /* a flush at the last moment is noticed, and Redis filled again */
        service_turn(&s->service, true, true);
    uint64_t sweeps = live_status(s->service.live).sweeps;
    uint64_t wanted = s->redis.is_meddled ? sweeps + 2 : sweeps;
    for (int i = 0; i < 4000 && live_status(s->service.live).sweeps < wanted; i++)
        service_turn(&s->service, true, true); /* what was lost or added is found, too */
    if (live_status(s->service.live).sweeps < wanted)
        fail(s, "liveness", "Redis is well and its sweep does not come to an end");
    for (int i = 0; i < 400 && !service_live_is_settled(&s->service); i++)
        service_turn(&s->service, true, true);
    if (engine_deadline(s->service.engine) <= s->service.now)
        fail(s, "liveness", "a deadline has passed and nothing was done");
    engine_check(s->service.engine);
    uint64_t digest = engine_digest(s->service.engine);
    crowd_cut(&s->crowd);
    service_stop(&s->service);
    judge(s);
    char why[300];
    if (!tamper_head(s->service.disk, why))
        fail(s, "audit", why);
    struct verdict v = verdict_of_live(s->service.disk, &s->redis);
    if (!verdict_is_good(&v))
        fail(s, "live queues", v.why);
    if (!start(s))
        fail(s, "last start", s->service.failure.text);
    else if (engine_digest(s->service.engine) != digest)
        fail(s, "last start", "another state than the one that stopped");
}

static struct sim_result run(uint64_t seed, bool lies)
{
    struct sim s = {.random = seed * 2 + 1, .service = {.now = START_AT}, .right = START_AT, .clock = {.trust_ms = TRUST_MS}};
    s.service.disk = disk_new(seed);
    s.service.disk->now = START_AT;
    s.service.disk->lies = lies;
    redis_init(&s.redis, seed ^ UINT64_C(0x4ed15));
    s.service.redis = &s.redis;
    crowd_init(&s.crowd, &s.service, seed ^ UINT64_C(0x5eed));
    s.crowd.has_threads = true;
    s.service.committed = look_at_commit;
    if (!start(&s))
        fail(&s, "first start", s.service.failure.text);
    for (int i = 0; i < TICKS_LOAD && s.result.why[0] == '\0'; i++)
        tick(&s, true);
    if (s.result.why[0] == '\0')
        heal(&s);
    s.result.is_good = s.result.why[0] == '\0';
    s.result.answered = s.crowd.answered;
    s.result.refused = s.crowd.refused;
    s.result.repeated = s.crowd.repeated;
    s.result.acknowledged = s.crowd.journal.count;
    s.result.orders = s.service.engine != NULL ? engine_counters(s.service.engine).order - 1 : 0;
    s.result.redis_faults = s.redis.faults;
    s.result.trace = s.crowd.trace ^ s.redis.trace;
    crowd_cut(&s.crowd);
    service_kill(&s.service);
    disk_free(s.service.disk);
    crowd_fini(&s.crowd);
    redis_fini(&s.redis);
    return s.result;
}

struct sim_result sim_run(uint64_t seed)
{
    return run(seed, false);
}

struct sim_result sim_run_on_liar(uint64_t seed)
{
    return run(seed, true);
}
