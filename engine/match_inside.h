/* match_inside.h -- parts of the definition that the search shares with it. */
#ifndef PAIDAN_MATCH_INSIDE_H
#define PAIDAN_MATCH_INSIDE_H

#include "match.h"
#include "state.h"

/* The search for the earliest start: a walk over the half-hours of the window that keeps the length
 * of the run of good ones behind it. */
struct walk {
    const struct calendar *calendar;
    int64_t from, length_ms, ends_at;
    int64_t half_hour, run; /* run: good half-hours up to and with this one */
};

struct walk walk_begin(const struct engine *e, const struct want *want);

/* The misfits that need neither place nor time. */
enum misfit match_standing(const struct engine *e, const struct want *want, const struct org *org);
/* People that the organisation has free in a half-hour, those of `own_offer` among them. */
uint32_t match_free(const struct engine *e, const struct want *want, const struct org *org,
                    int64_t half_hour);
uint64_t match_reach_mm(const struct want *want, const struct org *org);

#endif
