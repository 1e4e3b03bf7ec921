/* live_inside.h -- shared by the files of the live queues only. */
#ifndef PAIDAN_LIVE_INSIDE_H
#define PAIDAN_LIVE_INSIDE_H

#include <hiredis/hiredis.h>
#include <pthread.h>

#include "engine/pool.h"
#include "live.h"

/* Commands in Redis's own format, and how many. */
struct commands {
    char *bytes;
    size_t len, room;
    uint32_t count;
};

enum live_state {
    LIVE_DOWN,     /* no connection */
    LIVE_FILLING,  /* connected and emptied: the loop tells the whole state slice by slice */
    LIVE_UP
};

struct live {
    struct live_options options;
    char host[256], path[256];
    int port;
    pthread_t publisher, taker;
    bool has_publisher, has_taker;

    /* loop thread only */
    struct map told_regions; /* order to region slot: the queue it was told to stand in */
    struct commands building, slice;
    uint64_t slice_barrier;
    uint32_t slice_at;
    uint64_t fill_number; /* the filling that the loop is working on */
    bool slice_is_last;

    pthread_mutex_t mutex; /* guards all below */
    pthread_cond_t work, answered;
    enum live_state state;
    bool is_stopping, is_overflown, is_fill_complete;
    uint64_t fill_wanted; /* counts fillings */
    struct commands queue;
    char epoch[33];
    struct live_entry *entries;
    bool entries_taken, entries_answered;
    struct live_status status;
};

#define LIVE_QUEUE_BYTES_MAX (64u << 20)
#define LIVE_TIMEOUT_MS 3000

/* A reader refuses arrays of more elements than any answer to us has, before it asks for their memory.
 * The first call comes before the threads. */
#define LIVE_ELEMENTS_MAX 65536
void live_bound_replies(redisReader *reader);
redisContext *live_connect(struct live *live);
/* A reply that is no error, or NULL. The caller frees it. */
redisReply *live_command(redisContext *redis, const char *format, ...);
bool live_is_stopping(struct live *live);
/* Sleeps, but not past a stop. */
void live_pause(struct live *live, int ms);
/* The entries of a reply to XREADGROUP, whatever it may be. */
struct live_entry *live_entries_of(const char *epoch, const redisReply *reply);
void live_free_entries(struct live_entry *entries);
void *live_take_main(void *context); /* live_intake.c */

#endif
