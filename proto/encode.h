/* encode.h -- the engine's objects as maps on the wire; each name as in params.def where it is one. */
#ifndef PAIDAN_ENCODE_H
#define PAIDAN_ENCODE_H

#include "codec.h"
#include "engine/match.h"
#include "store/batch.h"

void pack_skills(struct pack *pack, const char *key, const struct engine *engine,
                 const struct skillset *set);
void pack_order(struct pack *pack, const struct engine *engine, const struct order *order);
void pack_offer(struct pack *pack, const struct engine *engine, const struct offer *offer);
/* An offer with what its organisation must know to answer; the place rounded to 0.001 degree. */
void pack_inbox_offer(struct pack *pack, const struct engine *engine, const struct offer *offer,
                      const struct order *order);
/* `offers: [{offer, org, state, people, expires_at}]` of an order in memory. */
void pack_order_offers(struct pack *pack, const struct engine *engine, const struct order *order,
                       bool with_past);
void pack_org(struct pack *pack, const struct engine *engine, const struct org *org, bool with_counts);
void pack_region(struct pack *pack, const struct engine *engine, uint32_t slot, bool with_counts);
void pack_event(struct pack *pack, const struct event *event);
void pack_candidate(struct pack *pack, const struct engine *engine, const struct candidate *c);
void pack_next(struct pack *pack, uint64_t next); /* nil when that was all */

void pack_key_date(struct pack *pack, const char *key, int32_t day); /* 2026-12-31 */

#endif
