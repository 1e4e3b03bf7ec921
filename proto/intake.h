/* intake.h -- the intake from Redis as one more caller: its entries become requests. Loop thread. */
#ifndef PAIDAN_INTAKE_H
#define PAIDAN_INTAKE_H

#include "store/live.h"
#include "turn.h"

#define INTAKE_CONNECTION 1 /* number of its session; sockets count on from there */

struct intake {
    struct turn *turn;
    struct live *live; /* NULL: the queues are in memory, and nothing comes in */
    struct session *session;
    struct live_entry *entries; /* being placed; NULL: none */
    uint32_t left;              /* of them without an answer */
};

/* Turns what came in into requests of this turn. */
void intake_take(struct intake *intake);
/* An answer that the turn sends to the intake's session. */
void intake_answer(struct intake *intake, const uint8_t *bytes, size_t len);

#endif
