/* push.h -- the connector to the platform: status events to a configured URL (clause 十一 of the city's
 * plan), signed, in sequence, at least once.
 *
 * Events go out in the sequence of the log, one request at a time, so those of an order come in order. The
 * cursor of what the platform has is in the database and moves with each 2xx. What fails is tried again
 * with a growing pause and a share of chance; what the platform refuses for good (400, 409, 410, 413, 422)
 * is sent event by event, and those that are refused alone are put aside as dead letters. Anything else,
 * such as 401, 404, 500 or no answer, is tried again. Where one order alone has this trouble it must not stop
 * the others: after a few tries an event of another order is sent; when the platform takes that, and then
 * does not take the first one once more, the order is parked. Its events are set aside as dead letters with
 * the status of that failure, those that come later behind them; they are tried again after ten minutes,
 * then twice as long up to an hour, or at once by push.retry, and follow in their sequence before newer ones
 * of the order are told. While the platform takes nothing, nothing is parked.
 *
 *     POST URL
 *     X-Paidan-Timestamp: seconds since 1970
 *     X-Paidan-Signature: v1=HMAC-SHA256(secret, TIMESTAMP "." BODY), hexadecimal
 *     {"node": 0, "events": [{"seq", "at", "kind", "order", "external_id", …}]}
 *
 * Knows no libevent: proto/server_push.c carries what is ready and says what came of it. */
#ifndef PAIDAN_PUSH_H
#define PAIDAN_PUSH_H

#include "push_parked.h"
#include "turn.h"

#define PUSH_EVENTS 100     /* in one request */
#define PUSH_AHEAD 16
#define PUSH_RETRIES_MAX 64 /* dead letters that wait for another try */

struct push_options {
    const uint8_t *secret; /* borrowed; NULL: nothing is signed */
    size_t secret_len;
    uint32_t node;
};

struct push {
    struct turn *turn;
    struct push_options options;
    uint64_t kinds;      /* bits of the events that are told */
    uint64_t cursor;     /* what the platform has, durable or on its way there */
    uint64_t dead;       /* letters put aside: refused for good */
    struct parked parked;
    uint64_t retries[PUSH_RETRIES_MAX];
    uint32_t retry_count;
    enum push_state { PUSH_IDLE, PUSH_ASKING, PUSH_READY, PUSH_SENDING } state;
    char *body; /* owned: of the request that is ready or under way */
    size_t body_len;
    uint64_t first, last;  /* events in it */
    uint64_t looked_until; /* no more of them up to here */
    uint64_t asked_until;  /* the last event that there was when it was asked */
    uint32_t count;
    uint64_t order;        /* of the first */
    bool is_retry;         /* a dead letter's, or of a parked order */
    bool is_probe;         /* of another order than the one in trouble: does the platform take anything? */
    bool is_stale;         /* what is under way was asked for before a push_seek() */
    uint64_t alone_until;  /* up to this event each goes alone: the platform refused several together */
    int64_t next_at;       /* when to go on, after a failure */
    int64_t retry_at;      /* no dead letter or parked order is tried before */
    uint64_t suspect, suspect_order; /* an event that failed again and again; 0: none */
    bool has_probed;       /* since it failed last */
    bool is_alive;         /* the platform took another one since: one more try, then the order is parked */
    uint32_t probes;       /* that failed: the next is of yet another order */
    uint64_t ahead[PUSH_AHEAD]; /* the events of those that were taken of late, not to be told twice */
    uint32_t ahead_count;  /* so far */
    uint32_t failures;     /* one after the other */
    uint64_t delivered, failed; /* events; requests */
    int last_status;       /* of HTTP; 0: no answer at all */
};

/* `cursor` as the store has it. */
void push_init(struct push *push, struct turn *turn, const struct push_options *options, uint64_t cursor);
/* A dead letter as the store has it, and its order: 0 when the event was purged. */
void push_load_dead(void *push, const struct dead_letter *row, uint64_t order);
/* Whether a platform that says so will not take the event at another time either. */
bool push_is_for_good(int status);
void push_fini(struct push *push);
/* The events that are told, as kinds with | between; empty: all that change what an order's status is.
 * False: a word is no kind of event. */
bool push_set_kinds(struct push *push, const char *kinds);

/* After each turn: asks for what comes next. True: a request is ready to be sent. */
bool push_wants_sending(struct push *push, int64_t now);
/* The headers of the request at this second; each holds at most 100 bytes. */
void push_headers(const struct push *push, int64_t now, char timestamp[100], char signature[100]);
void push_sent(struct push *push);
/* What came of it: the status, or 0 for none. `retry_after_s`: as the platform wishes, or 0. */
void push_answered(struct push *push, int status, int64_t retry_after_s, int64_t now);

/* For the methods. A dead letter is tried once more; false: too many wait already. */
bool push_retry(struct push *push, uint64_t event);
/* Goes on after another event, so that everything since is told again. */
void push_seek(struct push *push, uint64_t event);
void push_pack(const struct push *push, const char *key, struct pack *out);

#endif
