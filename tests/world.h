/* world.h -- a small world for tests of the engine: a city of four levels, a few skills, defaults. */
#ifndef PAIDAN_TESTS_WORLD_H
#define PAIDAN_TESTS_WORLD_H

#include <check.h>
#include <stdlib.h>

#include "engine/engine.h"
#include "engine/match.h"
#include "engine/pool.h"

/* Monday 2026-11-23 09:00 in Shanghai. */
#define MONDAY_9 INT64_C(1795395600000)
#define MINUTE INT64_C(60000)
#define HOUR (60 * MINUTE)

/* Regions: city 1, counties 11 and 12, town 111, villages 1111 and 1112 of it, village 1211 of 121.
 * Skills: legal_aid, flood (categories); first_aid (certified), child_care (registered), rescue (risk). */
struct engine *world_new(void);

/* An organisation with everything usual; tests change what they are about, then put it. */
struct org_request world_org(const struct engine *e, uint64_t id, const char *skills);
uint64_t world_put(struct engine *e, const struct org_request *request);
struct order_request world_order(const struct engine *e, const char *skills);
uint64_t world_place(struct engine *e, const struct order_request *request, int64_t now);
struct outcome world_step(struct engine *e, struct command command, int64_t now);
struct outcome world_do(struct engine *e, enum op op, uint64_t id, int64_t now); /* order or offer */
/* tick and assign until nothing is due at `now`; checks every invariant. */
void world_settle(struct engine *e, int64_t now);
uint64_t world_dispatch(struct engine *e, uint64_t order, uint64_t org, int64_t now); /* the offer */
struct skillset world_skills(const struct engine *e, const char *names); /* with | between */
const char *world_state(const struct engine *e, uint64_t order);
uint32_t world_event_count(const struct engine *e, enum event_kind kind);

/* Puts down that a refusal or misfit was seen; the runner checks at the end that all were. */
void saw_refusal(int code);
void saw_refusal_word(const char *word);
void saw_misfit(int misfit);
int seen_report(void); /* how many were never seen */

struct random {
    uint64_t state;
};
uint64_t draw(struct random *r, uint64_t below);

#endif
