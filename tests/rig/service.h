/* service.h -- paidand without sockets and threads: the real engine, turn and store over a disk of
 * ours, taking its turns when it is told to. */
#ifndef PAIDAN_RIG_SERVICE_H
#define PAIDAN_RIG_SERVICE_H

#include "disk.h"
#include "proto/intake.h"
#include "redis.h"

#define SERVICE_RETAINS_EVENTS (3650 * DAY_MS)
#define SERVICE_RETAINS_CONTACTS (180 * DAY_MS)

struct service {
    struct disk *disk; /* borrowed */
    struct redis *redis; /* borrowed; NULL: live queues in memory */
    int64_t now;       /* ms since 1970 */
    void (*send)(void *context, uint64_t connection, const uint8_t *bytes, size_t len);
    void (*committed)(void *context, const struct batch *batch); /* may be NULL */
    void *context;

    struct engine *engine;
    struct store *store;
    struct turn *turn;
    struct live *live;
    struct intake intake;
    bool is_dead; /* the store failed: what a daemon would have exited for */
    struct failure failure;
    /* What the state is as of the last commit that was answered, and what it becomes when the one
     * under way is there. */
    uint64_t committed_digest, submitted_digest;
    bool has_submitted;
};

/* Starts on the disk as it is. 0, or -1 with service->failure. `lane` tells services apart that run at
 * the same time. */
extern const struct vault service_vault;
int service_start(struct service *service, int lane);
/* Ends at once, as a crash does; or in peace, with everything checkpointed. */
void service_kill(struct service *service);
void service_stop(struct service *service);
/* What a turn of the loop does after its requests; then, as asked, turns of the writer and reader, and
 * what they have done is taken in. */
void service_turn(struct service *service, bool writes, bool reads);
/* Takes in what the writer and the reader have done, as the loop does in the middle of a pass too: some
 * requests of it were read before, others come after. */
void service_collect(struct service *service);
/* Whether Redis was told all and nothing waits in the intake. */
bool service_live_is_settled(const struct service *service);
/* Turns until nothing is under way, or the store has failed. */
void service_settle(struct service *service);

/* Whether the state is one that the disk may hold after a crash of `before`. */
bool service_is_faithful(const struct service *after, const struct service *before);

#endif
