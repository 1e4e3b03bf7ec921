/* push_parked.h -- orders whose events the platform does not take, while it takes others': what is set
 * aside of each, in its sequence, and when it is tried again. */
#ifndef PAIDAN_PUSH_PARKED_H
#define PAIDAN_PUSH_PARKED_H

#include <stdbool.h>
#include <stdint.h>

#define PARKED_ORDERS_MAX 1000
#define PARKED_EVENTS_MAX 10000 /* of all of them together; beyond it nothing is set aside, and the line waits */

struct parked {
    struct parked_event {
        uint64_t seq, order;
    } *events; /* owned: by number */
    struct parked_order {
        uint64_t order;
        int64_t next_at; /* when its first is tried again */
        uint32_t tries, count;
    } *orders; /* owned */
    uint32_t event_count, event_room, order_count, order_room;
};

void parked_fini(struct parked *parked);
bool parked_has_order(const struct parked *parked, uint64_t order);
bool parked_has(const struct parked *parked, uint64_t event);
/* An order's first waits until `next_at`. False: there are too many. */
bool parked_add(struct parked *parked, uint64_t event, uint64_t order, int64_t next_at);
/* It is settled: what follows of its order is tried at once. False: it was not there. */
bool parked_remove(struct parked *parked, uint64_t event);
/* The first event of an order whose time has come; 0: none. */
uint64_t parked_due(const struct parked *parked, int64_t now);
/* It failed again: after a longer while. False: it is not there. */
bool parked_failed(struct parked *parked, uint64_t event, int64_t now);
/* The order of this event is tried at once. False: it is not there. */
bool parked_hurry(struct parked *parked, uint64_t event);

#endif
