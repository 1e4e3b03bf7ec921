/* server_clock.c -- the clocks of the host, what is believed of them, and the log of their steps. */
#include <time.h>

#include "server_inside.h"

static int64_t clock_ms(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void log_clock(const struct clock *clock)
{
    char from[CLOCK_TEXT_BYTES];
    char to[CLOCK_TEXT_BYTES];
    clock_text(clock->from, from);
    clock_text(clock->to, to);
    if (clock->news == CLOCK_STEPPED)
        log_warn("clock_step", "from=%s to=%s advice=\"not believed yet: if the new time is right, call server.trust_clock\"", from, to);
    else
        log_warn(clock->news == CLOCK_STOOD ? "clock_believed" : "clock_came_back", "from=%s to=%s", from, to);
}

int64_t server_now(void *context)
{
    struct server *s = context;
    int64_t now = clock_now(&s->clock, clock_ms(CLOCK_REALTIME), clock_ms(CLOCK_BOOTTIME));
    if (s->clock.news != CLOCK_NOTHING)
        log_clock(&s->clock);
    return now;
}

int64_t server_latest(void *context)
{
    int64_t believed = server_now(context);
    int64_t wall = clock_ms(CLOCK_REALTIME);
    return wall > believed ? wall : believed;
}

int64_t server_uptime(const struct server *s)
{
    (void)s;
    return clock_ms(CLOCK_MONOTONIC);
}

int64_t server_trust_clock(void *context)
{
    struct server *s = context;
    char from[CLOCK_TEXT_BYTES];
    char to[CLOCK_TEXT_BYTES];
    clock_text(server_now(s), from);
    clock_trust(&s->clock, clock_ms(CLOCK_REALTIME), clock_ms(CLOCK_BOOTTIME));
    clock_text(s->clock.now, to);
    log_warn("clock_trusted", "from=%s to=%s", from, to);
    return s->clock.now;
}

void clock_configure(struct server *s)
{
    s->clock.trust_ms = s->settings.clock_trust_min * INT64_C(60000);
}

/* Against the newest event: a wrong clock may have been set while nothing ran. */
int clock_load(struct server *s, struct failure *failure)
{
    int64_t newest = 0;
    if (store_newest_event_at(s->store, &newest, failure) != 0)
        return -1;
    clock_start(&s->clock, clock_ms(CLOCK_REALTIME), clock_ms(CLOCK_BOOTTIME), newest);
    clock_configure(s);
    if (s->clock.news != CLOCK_NOTHING)
        log_clock(&s->clock);
    return 0;
}

void clock_open(struct server *s)
{
    clock_start(&s->clock, clock_ms(CLOCK_REALTIME), clock_ms(CLOCK_BOOTTIME), 0);
    clock_configure(s);
}

void clock_pack(struct server *s, struct pack *out)
{
    pack_key(out, "clock");
    pack_map(out);
    pack_key_int(out, "believed", server_now(s));
    pack_key_int(out, "host", clock_ms(CLOCK_REALTIME));
    pack_key_bool(out, "doubted", s->clock.is_doubted);
    pack_key_uint(out, "steps", s->clock.steps);
    pack_close(out);
}
