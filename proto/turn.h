/* turn.h -- one turn: requests in, one engine step each, effects into a batch, answers out when the
 * batch is durable. Knows no libevent: clock, transport and store are ports, so that a simulator can
 * drive the same code.
 *
 * Nothing leaves before it is on disk: every frame waits in one queue with its barrier, the batch that
 * must be durable before. The end of a turn decides the barrier of what the turn answered; a commit that
 * ends in the middle of a turn releases what waited for it and nothing else. */
#ifndef PAIDAN_TURN_H
#define PAIDAN_TURN_H

#include "access.h"
#include "arena.h"
#include "budget.h"
#include "codec.h"
#include "engine/engine.h"
#include "params.h"
#include "store/gauge.h"
#include "store/refs.h"
#include "store/store.h"
#include "tokens.h"

struct turn;
struct call;
struct session;

struct turn_ports {
    void *context;
    int64_t (*now)(void *context); /* ms since 1970 UTC */
    int64_t (*latest)(void *context); /* the latest time that it may be, for what gives rights; NULL: as now */
    int64_t (*trust_clock)(void *context); /* believes the host's clock and tells what now is; NULL: as now */
    void (*send)(void *context, uint64_t connection, const uint8_t *bytes, size_t len);
    size_t (*backlog)(void *context, uint64_t connection); /* bytes that it has not read yet */
    int64_t (*micros)(void *context); /* only to measure with; NULL: nothing is measured */
    void (*submit)(void *context, struct batch *batch);
    void (*ask)(void *context, struct query *query);
    void (*committed)(void *context, const struct batch *batch); /* may tell the world now */
    void (*reload)(void *context);
    /* What was asked, and "" or the code it was refused with at once; NULL: nobody wants to know. */
    void (*requested)(void *context, const struct session *session, uint32_t msgid, const char *method, const char *code);
    void (*pack_extra)(void *context, struct pack *pack); /* for server.stats: what the turn cannot know */
};

struct turn_settings {
    int64_t retain_events_ms, retain_refs_ms, retain_contacts_ms; /* 0: for ever */
    uint64_t refs_max;
    uint32_t questions_max; /* that may wait for the reader */
    uint64_t input_bytes, output_bytes, connections, streams; /* of all callers together; 0: no bound */
    unsigned share_percent; /* of these, of one caller */
    uint32_t requests_per_s; /* of one caller; 0: no bound */
    const char *issuer; /* who stands on certificates; outlives the turn */
    const struct code_tables *codes; /* what code.list shows of the deployment's files; may be NULL */
};

/* Somebody who sends requests. */
struct session {
    uint64_t connection;
    struct identity who;
    char actor[ACTOR_BYTES_MAX + 1];     /* the principal, with the client's name when it gave one */
    struct subscription *subscriptions;
    uint64_t last_subscription; /* its number: counted by session, so that it tells nothing of others */
    struct holder holder;
    size_t held_bytes;        /* of its answers that wait for their batch */
    uint32_t place, failures; /* failures: wrong tokens */
    bool is_one_too_many;     /* of its caller's connections: it should end */
    struct session *next, *prev;
};

struct turn *turn_new(struct engine *engine, const struct turn_ports *ports,
                      const struct turn_settings *settings, uint64_t random_key);
void turn_free(struct turn *turn);
void turn_configure(struct turn *turn, const struct turn_settings *settings);
/* Loading the remembered requests at start. */
void turn_load_ref(void *turn, const char *caller, const char *ref, uint64_t id, int64_t at);
void turn_load_done(struct turn *turn, uint64_t next_ref);

void turn_load_token(void *turn, const struct token_row *row);

struct session *turn_connect(struct turn *turn, uint64_t connection,
                             const struct identity *who);
void turn_disconnect(struct turn *turn, struct session *session);
/* Says who the caller is, by a token; what it could do before is over. False: nobody's token, or one with
 * too many connections; *error says it. */
bool turn_identify(struct turn *turn, struct session *session, const char *token, size_t len, struct error *error);
struct budget *turn_budget(struct turn *turn);

/* One whole frame. False: it was no request; an error was sent where it could be, and the connection
 * should end after that. */
bool turn_request(struct turn *turn, struct session *session, const uint8_t *frame, size_t len);
/* Ends the turn: timers, assignments, answers, the batch. */
void turn_end(struct turn *turn);
/* Takes in what the store has done. */
void turn_collect(struct turn *turn, struct collected collected);
/* Milliseconds until the next turn is due by itself; -1: nothing is. */
int64_t turn_wait_ms(struct turn *turn);
/* The batch whose being durable covers all that the engine holds now; 0: it is durable already. */
uint64_t turn_barrier(const struct turn *turn);
/* The code tables brought skills that the store does not know yet. */
void turn_keep_catalogue(struct turn *turn);
/* The connector to the platform, for the methods; NULL: none. */
struct push;
void turn_set_push(struct turn *turn, struct push *push);
struct push *turn_push(const struct turn *turn);
/* What it has been told, and what it refused for good: durable with the next batch. */
void turn_push_cursor(struct turn *turn, uint64_t event);
void turn_push_dead(struct turn *turn, const struct dead_letter *row);
uint64_t turn_published(const struct turn *turn); /* the last event that is durable and told */
/* A question of the service's own; `got` gets the answer, which is the turn's, on the loop thread. */
typedef void got_answer(void *context, const struct query *query, int64_t now);
void turn_ask(struct turn *turn, struct query *query, got_answer *got, void *context);
/* The disk is nearly full, or not any more: nothing new is begun, what there is may end. */
void turn_storage_low(struct turn *turn, bool is_low);
/* No new orders from now on. */
void turn_drain(struct turn *turn);
/* Whether all that was gathered is durable and every question answered. */
bool turn_is_idle(const struct turn *turn);
/* Counters for server.stats. */
struct turn_counts {
    uint64_t turns, requests, refused, batches, events, wrong_tokens;
    uint64_t refusals[REFUSAL_COUNT];
    struct gauge match_us, batch_events;
} turn_counts(const struct turn *turn);

/* Inside, for the methods. */

struct call {
    struct turn *turn;
    struct engine *engine;
    struct session *session;
    struct identity who; /* who asked, as of then: the session may have become somebody else meanwhile */
    char actor[ACTOR_BYTES_MAX + 1];
    const struct method *method;
    struct args args;
    struct error error;
    struct outcome outcome;
    struct query *query; /* set by a method that the reader answers */
    char *secret;        /* of a new token, for its one answer */
    bool is_job;         /* set by turn_add_job(): the answer comes later */
    void *carried;       /* METHOD_LATER: what `run` leaves for `answered`; owned, free() */
    uint64_t about;      /* METHOD_LATER: what it changes; two such changes never pass each other */
    const uint8_t *packed; /* METHOD_LATER: its answer, in the arena */
    uint32_t packed_bytes;
    int64_t now;
    uint32_t msgid;
    uint64_t ref_id, digest;
    struct call *next;
};

/* Work on the whole state that would hold the loop up: a slice a turn, at most one job's slice each.
 * `slice` does a little and says whether that was all; then it has packed the answer, or set the
 * call's error. `state` is given back with free(). False: the caller has too many already, says the error. */
typedef bool job_slice(struct call *call, void *state, struct pack *out);
bool turn_add_job(struct call *call, void *state, job_slice *slice);

enum method_flags {
    METHOD_WRITE = 1,  /* changes something; takes `ref` */
    METHOD_NEW = 2,    /* new work: refused while draining */
    METHOD_READER = 4, /* answered by the reader thread */
    METHOD_MATCH = 8,  /* looks for organisations: its time is taken */
    METHOD_LATER = 16, /* with METHOD_READER: what the reader found is needed for the change, which `answered`
                          then makes; its answer waits for the batch. Takes no `ref`: it is naturally repeatable */
    METHOD_WHOLE = 32, /* about the whole service: not for who holds for a region */
};

#define METHOD_PARAMS_MAX 36

struct method {
    const char *name;
    unsigned roles; /* enum role: who may call it */
    const char *text, *answer;
    unsigned flags;
    int required; /* the first so many of `params` */
    enum param params[METHOD_PARAMS_MAX]; /* ended by P_NONE */
    bool (*run)(struct call *call, struct pack *out); /* false: call->error says why */
    void (*encode)(struct call *call, struct pack *out); /* METHOD_WRITE: when the turn ends */
    void (*answered)(struct call *call, const struct query *query, struct pack *out);
};

extern const struct method *const method_tables[];
int method_count(int table);
extern const int method_table_count;
int method_param_count(const struct method *method);
bool method_takes(const struct method *method, enum param param);
const struct method *method_find(const char *name, size_t len);

/* The `encode` of METHOD_LATER. */
void encode_packed(struct call *call, struct pack *out);
/* Carries a command out for a call; the refusal becomes the call's error. */
bool call_step(struct call *call, struct command *command);
const struct tokens *turn_tokens(const struct turn *turn);
void turn_put_token(struct turn *turn, const struct token_row *row);
void call_add_contact(struct call *call, const struct contact_row *row);
const char *turn_issuer(const struct turn *turn);
const struct code_tables *turn_codes(const struct turn *turn);
bool turn_is_draining(const struct turn *turn);
bool turn_subscribe(struct call *call, uint64_t after, const struct query_filter *filter); /* false: too many */
void turn_reload(struct turn *turn);
int64_t turn_trust_clock(struct turn *turn); /* what is now after that */
void turn_pack_extra(struct turn *turn, struct pack *pack);
struct arena *turn_arena(struct turn *turn);

#endif
