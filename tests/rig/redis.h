/* redis.h -- a Redis in memory for the simulator: speaks Redis's protocol over links that break, and is
 * flushed, restarted empty, failed over to older data, hung, and answers garbage when the seed says so.
 *
 * Knows only the commands that the live queues use. Between two commands anything may happen; a command
 * whose reply is lost may have been carried out or not. */
#ifndef PAIDAN_RIG_REDIS_H
#define PAIDAN_RIG_REDIS_H

#include "disk.h"
#include "store/live.h"

enum redis_kind { REDIS_TEXT, REDIS_ZSET, REDIS_HASH, REDIS_STREAM };
enum entry_state { ENTRY_NEW, ENTRY_PENDING, ENTRY_ACKNOWLEDGED };

struct redis_field {
    char *name, *value;
};

struct redis_entry { /* of a stream */
    char id[32];
    struct redis_field *fields;
    size_t field_count;
    enum entry_state state;
    uint64_t attempt; /* of the journal */
    bool is_malformed;
};

struct redis_key {
    char name[96];
    enum redis_kind kind;
    struct redis_field *fields; /* text: one with that value; members with scores; a hash's fields */
    size_t field_count;
    struct redis_entry *entries;
    size_t entry_count;
    bool has_group;
    uint64_t event_max; /* of a stream of events: the highest seq it was told */
};

struct redis_data {
    struct redis_key *keys;
    size_t count, room;
};

struct redis_link;

struct redis {
    struct redis_data data, replica; /* what a failover finds */
    struct redis_link *links;
    uint64_t random, next_entry, faults, trace;
    int down_for; /* ticks */
    bool is_well; /* no faults any more */
    bool is_meddled; /* by a hand that does not belong there; else no sweep may mend what paidan told wrongly */
    /* An entry of the intake was acknowledged. */
    void (*acknowledged)(void *context, uint64_t attempt, bool is_malformed);
    void *context;
};

void redis_init(struct redis *redis, uint64_t seed);
void redis_fini(struct redis *redis);
struct live_wire redis_wire(struct redis *redis);
/* A tick: whatever happens to a Redis. */
void redis_tick(struct redis *redis);
/* Somebody appends an order to the intake. False: Redis is down, and they know that it was not taken. */
bool redis_append(struct redis *redis, uint64_t attempt, bool is_malformed, bool has_ref);
const struct redis_key *redis_find(const struct redis_data *data, const char *name);
/* The value of a member or field; NULL: none. */
const char *redis_value(const struct redis_key *key, const char *field);

#endif
