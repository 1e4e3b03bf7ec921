/* match.h -- who fits an order, and who fits best.
 *
 * match_try() is THE definition: plain and slow, the first failing reason wins. match_scan() asks it
 * of every organisation; match_find() gives the same list through the index and looks at few. */
#ifndef PAIDAN_MATCH_H
#define PAIDAN_MATCH_H

#include "engine.h"

/* The asking part of an order. Make it with match_want() or match_want_request(). */
struct want {
    const struct order *order; /* NULL when it is not placed */
    uint32_t region_slot, county_slot;
    int32_t lat, lon;
    bool is_remote, needs_registered, is_risk, is_night; /* night: no start of the window avoids it */
    struct skillset skills, certified; /* needed; needed and certified */
    int64_t starts_at, ends_at, fixed_start; /* fixed_start: 0, or the only start */
    int64_t now;
    uint32_t minutes, people, people_min; /* still missing; the least one organisation may bring */
    uint64_t max_distance_mm; /* UINT64_MAX is no limit */
    uint32_t reach_percent;
    uint64_t person;
    bool is_automatic; /* asks nobody twice, whatever they answered */
    uint8_t waived;    /* enum waive */
    uint64_t own_offer; /* an offer whose own hold does not count against it, or 0 */
};

struct candidate {
    uint64_t org;
    uint32_t org_slot;
    uint32_t score; /* 0..1000 */
    uint32_t part[6]; /* proximity, affinity, activity, rating, load, fit: 0..1000 each */
    int64_t distance_mm;
    int64_t start_at;
    uint32_t people; /* that it can bring, at most those missing */
    uint32_t free;   /* people that it has free when service begins */
};

extern const char *const score_part_names[6];

struct want match_want(const struct engine *engine, const struct order *order, int64_t now);
/* For an order that is not placed. False with *refusal when it could not be placed. */
bool match_want_request(const struct engine *engine, const struct order_request *request,
                        int64_t now, struct want *want, struct refusal *refusal);

/* MISFIT_NONE, with *candidate filled in, or the first reason why not. */
enum misfit match_try(const struct engine *engine, const struct want *want, const struct org *org,
                      struct candidate *candidate);

/* Fills in the score and its parts of a candidate that match_try() found to fit. */
void match_score(const struct engine *engine, const struct want *want, const struct org *org,
                 struct candidate *candidate);

/* The `limit` best in rank order into `out`; returns how many. */
uint32_t match_scan(const struct engine *engine, const struct want *want, enum rank rank,
                    uint32_t limit, struct candidate *out);
/* Counts misfits (and fits) over the county's organisations from a slot on, `most` slots of the
 * registry; true when that was the last. Start with *slot = SLOT_NONE. */
bool match_count(const struct engine *engine, const struct want *want, uint32_t most, uint32_t *slot,
                 uint32_t counts[MISFIT_COUNT]);
/* The same through the index. Both leave the scores 0 when they rank by distance: match_score() has
 * them for those that are shown. */
uint32_t match_find(struct engine *engine, const struct want *want, enum rank rank, uint32_t limit,
                    struct candidate *out);

#endif
