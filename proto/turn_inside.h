/* turn_inside.h -- shared by the files of the turn only.
 *
 *   turn.c            a turn from its first request to the batch, and what becomes of it
 *   turn_session.c    who calls, making and freeing, what the methods may ask of the turn
 *   turn_questions.c  what the reader looks up, and work that goes on slice by slice
 *   turn_feed.c       subscriptions */
#ifndef PAIDAN_TURN_INSIDE_H
#define PAIDAN_TURN_INSIDE_H

#include "turn.h"

/* What leaves, in its sequence: each frame with the number of the batch that must be durable before. */
struct frame_head {
    uint64_t barrier, connection;
    size_t len; /* of the bytes that follow */
};

#define BARRIER_UNKNOWN UINT64_MAX /* until the turn ends */

struct delivery {
    uint8_t *bytes;
    size_t sent; /* before it all have left */
    size_t open; /* from here on the barrier is not known yet */
    size_t len, room;
};

/* Who wants events. It is fed from the store until it has caught up, then from each commit. */
struct subscription {
    uint64_t number, position; /* position: the last event it has been sent */
    struct query_filter filter;
    bool is_live, is_asking;
    struct subscription *next;
};

/* The first request of each day, so that old ones can be forgotten by number. */
struct ref_day {
    int64_t day;
    uint64_t first_id;
};

struct turn {
    struct engine *engine;
    struct turn_ports ports;
    struct turn_settings settings;
    struct arena arena;
    struct refs refs;
    struct tokens tokens;
    struct budget budget;
    uint64_t next_ref;
    struct ref_day *ref_days;
    uint32_t ref_day_count;

    struct session *sessions;
    struct map session_places; /* connection number to place in `session_table` */
    struct pool session_table; /* of pointers to sessions */
    struct call *calls, **calls_end; /* of this turn, in the sequence they came */
    struct query *questions;         /* to be asked when the turn ends */
    struct pack pack;

    struct batch batches[2];
    struct batch *gathering, *flying; /* flying: with the writer, or NULL */
    struct delivery delivery;
    uint64_t last_number, durable;    /* batches: the last one begun, the last one on disk */
    uint64_t published;               /* the last event told to subscribers */
    uint32_t questions_open;
    struct map changed;     /* METHOD_LATER: what was changed, to the number of the change */
    uint32_t changes;       /* so far, while such questions are open */
    uint32_t later_open;
    bool is_somebody_behind; /* a subscription is not live: each turn looks whether it can go on */
    struct push *push; /* NULL: none */
    struct job *jobs; /* the newest first; each turn works on the oldest */
    uint32_t job_count;
    int64_t purged_at, contacts_purged_at; /* when the search for what is old enough began */
    struct retention purging;              /* what of it is not done yet */
    bool is_draining, is_storage_low;
    struct bucket *buckets; /* BUCKETS, by the caller's hash */
    struct turn_counts counts;
};

/* How much a caller has asked of late: it drains by the second. Two callers that share a bucket share
 * its bound, which is seldom and harmless. */
#define BUCKETS 8192
struct bucket {
    int64_t at;
    uint64_t level; /* thousandths of a request */
};

/* A method that works through the whole state, slice by slice. */
struct job {
    uint64_t connection;
    uint32_t msgid;
    struct identity who;
    struct caller *caller;
    const struct method *method;
    void *state;
    job_slice *slice;
    struct job *next;
};

/* What the turn must remember while the reader looks something up. */
struct asked {
    uint64_t connection, digest, subscription;
    uint32_t msgid;
    const struct method *method;
    struct identity who; /* who asked */
    struct caller *caller; /* whose question it is; NULL: the service's own */
    char actor[ACTOR_BYTES_MAX + 1], ref[130];
    got_answer *got; /* a question of the service's own; else NULL */
    void *context;
    void *carried; /* owned */
    uint64_t about, seen; /* METHOD_LATER: seen: how many changes had been made when it was asked */
    char reason[WORD_BYTES_MAX + 1];
};

/* turn.c */
/* Puts a frame into the queue; it waits for all that this turn holds. */
void deliver(struct turn *t, uint64_t connection, const uint8_t *bytes, size_t len);
/* Sends a frame at once, whose barrier must be durable. Nothing else calls the port. */
void leave(struct turn *t, uint64_t barrier, uint64_t connection, const uint8_t *bytes, size_t len);
void begin_answer(struct pack *pack, uint32_t msgid); /* [1, msgid, and error and result to come */
void answer_error(struct turn *t, uint64_t connection, uint32_t msgid, const struct error *error);

/* turn_session.c */
bool is_good_still(const struct turn *t, const struct identity *who);
bool is_too_fast(struct turn *t, const struct session *s, int64_t now);
struct session *find_session(struct turn *t, uint64_t connection);
void remember_day(struct turn *t, uint64_t id, int64_t at);

/* turn_questions.c */
void ask(struct turn *t, struct query *q, const struct asked *asked);
void ask_ref(struct turn *t, const struct call *call);
void ask_questions(struct turn *t, uint64_t barrier);
void answer_query(struct turn *t, struct query *q);
void work_on_job(struct turn *t, int64_t now);

/* turn_feed.c */
void drop_subscriptions(struct session *s);
void publish(struct turn *t, const struct batch *batch); /* which is durable */
void catch_up_all(struct turn *t);
void feed(struct turn *t, const struct asked *asked, const struct query *q);

#endif
