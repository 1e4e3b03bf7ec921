/* server_room.c -- what the daemon has of the system for its callers: descriptors for all places, and memory,
 * which goes back when they hold it no more. */
#include <malloc.h>
#include <string.h>
#include <sys/resource.h>

#include "server_inside.h"

#define FLOOD_BYTES (UINT64_C(16) << 20) /* held at once: beyond what a quiet day needs */
#define TRIM_EVERY_US INT64_C(60000000)

/* A descriptor for every place: without them callers would be refused before the bounds that name a reason. */
void room_raise_descriptors(const struct settings *settings)
{
    enum { OWN = 64 }; /* the database, the log, Redis, the platform */
    struct rlimit limit;
    rlim_t most = settings->connections_max;
    rlim_t needed = most + budget_kept_of(most) + HTTP_CONNECTIONS_MAX + OWN;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= needed)
        return;
    limit.rlim_cur = limit.rlim_max < needed ? limit.rlim_max : needed;
    if (limit.rlim_cur < needed)
        log_warn("descriptors_short", "needed=%llu allowed=%llu advice=\"raise LimitNOFILE, or lower connections_max\"",
                 (unsigned long long)needed, (unsigned long long)limit.rlim_max);
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* What a flood took is free in the heap when it has gone, and is given back to the system, a minute apart. */
void room_give_back(struct server *s)
{
    struct budget *b = turn_budget(s->turn);
    uint64_t held = b->held[BUDGET_INPUT] + b->held[BUDGET_OUTPUT];
    uint64_t peak = b->peak[BUDGET_INPUT] + b->peak[BUDGET_OUTPUT];
    int64_t now = server_micros(s);
    if (peak < FLOOD_BYTES || held > peak / 4 || (s->trimmed_us != 0 && now - s->trimmed_us < TRIM_EVERY_US))
        return;
    malloc_trim(0);
    s->trimmed_us = now;
    memcpy(b->peak, b->held, sizeof b->peak);
    log_info("memory_given_back", "peak_mib=%llu", (unsigned long long)(peak >> 20));
}
