/* verdict.h -- what must hold, read from the disk by SQL of its own and compared with the journal of
 * the clients. After Jepsen's total-queue checker: lost, unexpected, duplicated must be nothing. */
#ifndef PAIDAN_RIG_VERDICT_H
#define PAIDAN_RIG_VERDICT_H

#include "crowd.h"

struct verdict {
    uint64_t lost;       /* acknowledged, and not there */
    uint64_t unexpected; /* there, and never asked for, or refused for certain */
    uint64_t duplicated; /* one attempt, several orders; one offer accepted twice */
    uint64_t overbooked; /* more people promised than an order wants or an organisation has */
    bool is_broken;      /* integrity_check, a gap in the events */
    char why[300];       /* the first finding; empty: none */
};

/* `journal` may be NULL: then only what the disk says by itself is checked. */
struct verdict verdict_of(struct disk *disk, const struct journal *journal);
/* Redis holds no trace of what the disk does not: told before it was durable, it would. */
void verdict_add_traces(struct verdict *verdict, struct disk *disk, const struct redis *redis);
/* At rest: Redis holds exactly what the store says, no more and no less. */
struct verdict verdict_of_live(struct disk *disk, const struct redis *redis);
bool verdict_is_good(const struct verdict *verdict);

#endif
