/* clock.h -- what time the service believes it is, from the host's clock and the time since it was booted.
 *
 * Pure: both clocks are given. The believed time is the host's while that steps by no more than
 * CLOCK_STEP_MS, and never goes backwards: after a small step back it stands still until the host's clock has
 * come there. A greater step is doubted, and time goes on with the time since boot, until the step has stood
 * for as long as `trust_ms` or somebody said that it is right; only such a step, believed, leads backwards. */
#ifndef PAIDAN_CLOCK_H
#define PAIDAN_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define CLOCK_TEXT_BYTES 40
#define CLOCK_STEP_MS (INT64_C(60) * 60 * 1000)
#define CLOCK_AWAY_MS (INT64_C(31) * 24 * CLOCK_STEP_MS) /* a service that was not running for so long is believed */

enum clock_news { CLOCK_NOTHING, CLOCK_STEPPED, CLOCK_CAME_BACK, CLOCK_STOOD };

struct clock {
    int64_t trust_ms;
    int64_t now, boot; /* what was told last, and when by the time since boot */
    bool is_doubted;
    int64_t doubted_wall, doubted_boot; /* where and when the step that is doubted was seen */
    enum clock_news news; /* what the last call found */
    int64_t from, to;     /* of news: the believed time, and the host's */
    uint64_t steps;       /* that were doubted */
};

/* At start. `newest`: when the newest event in the store was, 0: there is none, and any clock is believed. */
void clock_start(struct clock *clock, int64_t wall, int64_t boot, int64_t newest);
int64_t clock_now(struct clock *clock, int64_t wall, int64_t boot);
/* Somebody says that the host's clock is right. */
void clock_trust(struct clock *clock, int64_t wall, int64_t boot);
/* As RFC 3339 has it, in UTC. */
void clock_text(int64_t ms, char text[CLOCK_TEXT_BYTES]);

#endif
