/* live.h -- live queues in Redis: a projection of committed state that other programs can read and
 * block on, and the intake through which they place orders.
 *
 * Redis decides nothing. It is told after each commit; flushed, restarted empty or gone, orders go on,
 * and on its return everything is told again. With `memory` there is no projection: the queues are the
 * engine's own, and the functions take NULL and do nothing.
 *
 *   paidan:{COUNTY}:ready:REGION   sorted set of orders, by deadline
 *   paidan:{COUNTY}:inbox:ORG      sorted set of pending offers, by deadline
 *   paidan:{COUNTY}:order:ID       hash of an open order
 *   paidan:{COUNTY}:events         stream, trimmed
 *   paidan:epoch                   names this filling of Redis; absent while it is being filled, when the
 *                                  name stands under paidan:filling
 *   paidan:intake                  stream of orders to place; refused ones go to paidan:intake:refused
 */
#ifndef PAIDAN_LIVE_H
#define PAIDAN_LIVE_H

#include "batch.h"
#include "failure.h"

struct live;
struct redisReply;

/* How Redis is spoken with, for a simulator: bytes of commands go out, replies come back in their
 * sequence. `open` gives NULL when Redis cannot be reached, `receive` NULL when the link broke. */
struct live_wire {
    void *context;
    void *(*open)(void *context);
    bool (*send)(void *link, const char *bytes, size_t len);
    struct redisReply *(*receive)(void *link);
    void (*close)(void *link);
    uint64_t (*random)(void *context); /* for epochs */
};

struct live_options {
    const char *url; /* memory, redis://HOST:PORT, redis+unix:PATH */
    uint32_t node;
    void (*wake)(void *context); /* from another thread: something wants the loop */
    void (*log)(int is_warning, const char *event, const char *text); /* from any thread */
    void *context;
    const struct live_wire *wire; /* NULL: sockets, and threads that take the steps */
};

/* *live is NULL for memory. Answers at once: connecting goes on in the background. */
int live_open(const struct live_options *options, struct live **live, struct failure *failure);
void live_close(struct live *live);

/* One step of what the threads do, for a simulator. They say what to wait for before the next. */
enum live_rest {
    LIVE_REST_NONE,
    LIVE_REST_WORK,   /* something to tell or to read */
    LIVE_REST_ANSWER, /* of the loop, to the entries of the intake */
    LIVE_REST_DOWN    /* a while: Redis failed, or an entry must be tried again */
};
enum live_rest live_step_publisher(struct live *live);
enum live_rest live_step_taker(struct live *live);
/* One page of the sweep; LIVE_REST_WORK when a round has ended. */
enum live_rest live_step_sweep(struct live *live);

/* Tells what a batch made durable. Loop thread. Cost: formatting; never waits. */
void live_committed(struct live *live, const struct batch *batch, const struct engine *engine);

/* While Redis is being filled: whether the loop should look at the next slice of the state, and the
 * look itself. `barrier`: the batch that must be durable before the slice may be told; 0: none. */
bool live_wants_slice(const struct live *live);
void live_slice(struct live *live, const struct engine *engine, uint64_t barrier);

/* One entry of the intake: an order to place, fields as text. */
struct live_entry {
    char id[48];         /* of the stream */
    char default_ref[96]; /* when the entry brings no ref */
    char **names, **values; /* owned */
    int count;
    struct live_entry *next;
    /* the answer, filled in by the loop */
    bool is_answered, is_placed, may_retry;
    char code[33], message[400], field[41];
    uint64_t order;
};

/* The entries that came in, linked; the loop answers each and gives all back together. NULL: none. */
struct live_entry *live_take_intake(struct live *live);
void live_give_intake(struct live *live);

#define LIVE_REASON_MAX 160

struct live_status {
    bool is_redis, is_up;
    uint64_t waiting_bytes, told, rebuilds, placed, refused;
    uint64_t sweeps, mended; /* rounds; what was found lost or added */
    char reason[LIVE_REASON_MAX], intake_reason[LIVE_REASON_MAX]; /* why it is not up, or reads no intake; else empty */
} live_status(struct live *live);

#endif
