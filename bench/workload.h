/* workload.h -- the workload of the figures: deterministic from a seed.
 *
 * Organisations: cluster centres, one per 40, uniform in a box; the i-th organisation takes a centre
 * with density falling as u^1.5, and a normal spread of 0.02 degrees; reach 3 + 27 u² km; capacity
 * 1..40; 1..5 of 64 skills with weight 1/(s + 1)^1.1; a quarter each of weekdays 9-17, evenings 18-21,
 * weekends 8-20, and every day 8-20 with half of the slots missing. Orders: the same centres with 0.03
 * degrees; one skill, 20 % two; one half-hour slot between 8:00 and 21:00 of one of the coming 60 days;
 * headcount 1..6.
 *
 * Hostile variants: a box `city` of 20 km with everybody in it; `rare`: all orders want a skill that one
 * organisation has; `nobody`: all orders want one person more than any organisation has. */
#ifndef PAIDAN_WORKLOAD_H
#define PAIDAN_WORKLOAD_H

#include "engine/engine.h"

#define WORKLOAD_SKILLS 64
#define WORKLOAD_REGION 1111 /* the one village there is, of town 111, county 11, city 1 */

enum workload_hostile { HOSTILE_NOT, HOSTILE_RARE, HOSTILE_NOBODY };

struct workload {
    uint64_t state;
    enum workload_hostile hostile;
    uint32_t drawn; /* organisations so far */
    double lat_low, lat_high, lon_low, lon_high;
    uint32_t orgs, centre_count;
    double *centres; /* lat, lon */
    double weights[WORKLOAD_SKILLS];
    int64_t now;
};

/* `box` is huizhou, national or city; false: none of them. */
bool workload_init(struct workload *w, const char *box, uint32_t orgs, uint64_t seed, int64_t now);
void workload_fini(struct workload *w);
struct org_request workload_org(struct workload *w); /* the next one; skill s has bit s */
struct order_request workload_order(struct workload *w);

/* An engine with the one village and the 64 skills s0 to s63, all of them categories. */
struct engine *workload_engine(void);

#endif
