/* budget.h -- what callers hold of the service, bytes and places, in all and each one's share of it.
 *
 * A caller is a principal; everybody without a token is one. What it holds is counted where it is held, by a
 * few additions: its counters are looked up when a session says who it is, not with each request. Beyond its
 * share a caller is refused, whoever else there is; the daemon's own user and root have no share but the
 * whole, and an eighth more that nobody else can take. */
#ifndef PAIDAN_BUDGET_H
#define PAIDAN_BUDGET_H

#include "params.h"
#include "engine/limits.h"

enum budget_kind {
    BUDGET_INPUT,  /* bytes of requests that are not whole yet */
    BUDGET_OUTPUT, /* bytes of answers and events that wait for their batch or to be read */
    BUDGET_CONNECTIONS,
    BUDGET_STREAMS, /* of events, over HTTP */
    BUDGET_SUBSCRIPTIONS,
    BUDGET_QUESTIONS, /* that wait for the reader */
    BUDGET_JOBS,      /* work in slices */
    BUDGET_KIND_COUNT
};

#define BUDGET_BUCKETS 1024

struct caller {
    char principal[ACTOR_BYTES_MAX + 1];
    uint64_t hash;
    uint32_t references;
    bool is_vouched; /* the daemon's own user, root, the service itself */
    uint64_t held[BUDGET_KIND_COUNT];
    struct caller *next;
};

struct budget {
    uint64_t held[BUDGET_KIND_COUNT];
    uint64_t max[BUDGET_KIND_COUNT]; /* 0: no bound */
    uint64_t refused[BUDGET_KIND_COUNT];
    uint64_t peak[BUDGET_KIND_COUNT]; /* of `held`, since somebody last began it anew */
    unsigned share_percent; /* of one caller; 0: no bound but that of all */
    struct caller *callers[BUDGET_BUCKETS];
};

/* What one session holds; it goes with the session when that becomes somebody else. */
struct holder {
    struct budget *budget;
    struct caller *caller;
    uint64_t held[BUDGET_KIND_COUNT];
};

void budget_fini(struct budget *budget); /* nobody holds anything any more */
/* A caller lives for as long as somebody refers to it. */
void budget_release(struct budget *budget, struct caller *caller);

/* Makes a holder, or has it become somebody else with all that it holds. */
void budget_join(struct holder *holder, struct budget *budget, const char *principal, bool is_vouched);
void budget_part(struct holder *holder); /* gives all back */

/* Whether so much more may be held, by the caller and in all. False: *error says what is full, and it is counted. */
bool budget_allows(struct budget *budget, const struct caller *caller, enum budget_kind kind, uint64_t more, struct error *error);
struct pack;
void budget_pack(const struct budget *budget, struct pack *out); /* for server.stats */
/* As budget_allows, without a word. */
bool budget_has_room(const struct budget *budget, const struct caller *caller, enum budget_kind kind, uint64_t more);

/* What is kept for those whom the system vouches for, when all else is taken. */
static inline uint64_t budget_kept_of(uint64_t max)
{
    return max / 8 + 4;
}

static inline void budget_take(struct budget *budget, struct caller *caller, enum budget_kind kind, uint64_t count)
{
    budget->held[kind] += count;
    if (budget->held[kind] > budget->peak[kind])
        budget->peak[kind] = budget->held[kind];
    caller->held[kind] += count;
}

static inline void budget_give(struct budget *budget, struct caller *caller, enum budget_kind kind, uint64_t count)
{
    must(caller->held[kind] >= count && budget->held[kind] >= count);
    budget->held[kind] -= count;
    caller->held[kind] -= count;
}

static inline void holder_take(struct holder *holder, enum budget_kind kind, uint64_t count)
{
    holder->held[kind] += count;
    budget_take(holder->budget, holder->caller, kind, count);
}

static inline void holder_give(struct holder *holder, enum budget_kind kind, uint64_t count)
{
    must(holder->held[kind] >= count);
    holder->held[kind] -= count;
    budget_give(holder->budget, holder->caller, kind, count);
}

#endif
