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
    uint32_t known_from, known_to; /* commands of these numbers change nothing unless Redis had lost something */
};

/* What a sweep found in Redis: an order's key, or a member of a sorted set. */
enum found_kind { FOUND_ORDER, FOUND_READY, FOUND_INBOX };
struct found_list {
    struct found {
        enum found_kind kind;
        uint64_t county, of, member;
    } *items; /* owned */
    uint32_t count, room;
};
enum sweep_want { SWEEP_NONE, SWEEP_JUDGE, SWEEP_TELL };

/* A connection. Its error is how the reply to the last command began, when that was one; else empty. */
struct live_line {
    void *link; /* NULL: not connected */
    char error[64];
};

#define SLICE_ORDERS 500

/* A part of the state as it was, to be told when it is durable. */
struct slice {
    struct order orders[SLICE_ORDERS];
    struct offer *offers; /* owned; the pending ones of these orders */
    uint32_t order_count, offer_count, offer_room;
    uint32_t at;      /* where in the engine's orders the next begins */
    uint64_t barrier; /* the batch that it waits for */
    bool is_waiting, is_last;
    bool is_sweep; /* told before, and again */
    bool is_new;   /* the first of a filling */
};

enum live_state {
    LIVE_DOWN,     /* no connection */
    LIVE_FILLING,  /* connected and emptied: the loop tells the whole state slice by slice */
    LIVE_UP
};

struct live {
    struct live_options options;
    struct live_wire wire;
    char host[256], path[256];
    int port;
    pthread_t publisher, taker;
    bool has_publisher, has_taker;

    /* loop thread only */
    struct map told_orders;  /* open order to region slot: the county of its key */
    struct map told_regions; /* order to region slot: the queue it was told to stand in */
    struct map told_inboxes; /* pending offer to region slot: the county of the inbox it was told to lie in */
    struct commands building;
    struct slice slice;
    uint64_t fill_number; /* the filling that the loop is working on */

    /* publisher only */
    struct live_line line;
    struct commands taken;
    char epoch[17]; /* names the filling */
    struct {
        char cursor[32], members[32]; /* of SCAN, and of the last of the sets */
        struct found_list sets; /* of the last page, still to be gone through */
        bool is_scanned, is_telling;
        uint64_t mended;
    } sweep;

    /* taker only */
    struct {
        struct live_line line;
        const char *from; /* 0: what was taken before and not acknowledged; >: new entries */
        struct live_entry *entries; /* with the loop, or answered */
        bool is_refused; /* Redis is there and does not let it be read */
    } intake;

    pthread_mutex_t mutex; /* guards all below */
    pthread_cond_t work, answered;
    enum live_state state;
    bool is_stopping, is_overflown, is_fill_complete;
    uint64_t fill_wanted; /* counts fillings */
    struct commands queue;
    enum sweep_want sweep_want; /* of the loop; the page is its own while this is SWEEP_JUDGE */
    bool is_swept;              /* the whole state was told again */
    uint64_t removed;
    struct found_list page;
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
extern const struct live_wire live_sockets; /* hiredis; its context is the struct live */
/* False: Redis cannot be reached. */
bool live_open_line(struct live *live, struct live_line *line);
void live_close_line(struct live *live, struct live_line *line);
/* A reply that is no error, or NULL: the line's error says whether it was one. The caller frees it. */
redisReply *live_command(struct live *live, struct live_line *line, const char *format, ...);
/* The same where only success matters; `command` is a format without conversions. */
bool live_command_done(struct live *live, struct live_line *line, const char *command);
/* The next reply; the same. */
redisReply *live_reply(struct live *live, struct live_line *line);
bool live_has_wrong_type(const struct live_line *line);
/* What an error reply means, in words. */
void live_reason_of(const char *error, char reason[LIVE_REASON_MAX]);
bool live_is_stopping(struct live *live);
/* Sleeps, but not past a stop. */
void live_pause(struct live *live, int ms);
/* The entries of a reply to XREADGROUP, none when it is nil. False: it is no such reply. */
bool live_entries_of(const redisReply *reply, struct live_entry **entries);
void live_free_entries(struct live_entry *entries);
void *live_take_main(void *context); /* live_intake.c */
void live_end_intake(struct live *live); /* its connection, and entries that nobody answered */

/* live_tell.c, for the sweep. */
const char *live_key_of(char key[96], uint64_t county, const char *what, uint64_t id);
const char *live_text_of(char text[24], uint64_t number);
void live_add_command(struct commands *commands, int argc, const char **argv);
/* live_redis.c */
void live_tell_wrong_type(struct live *live, const char *key);
/* Whether what lies under a key of events is a stream, or is so no more. False: Redis failed. */
bool live_check_events(struct live *live, const char *key);
/* live_sweep.c: one page. False: Redis failed. */
bool live_sweep(struct live *live, bool *has_ended);
void live_reset_sweep(struct live *live);
/* Loop thread: removes what the page has and was never told. */
void live_judge(struct live *live, struct commands *commands, const struct engine *engine);

#endif
