/* store.h -- what lasts: the durable truth and its threads.
 *
 * The loop gathers rows in a batch and submits it; the writer thread commits it in one transaction
 * while the loop gathers the next. The reader thread answers what the engine no longer holds. Both
 * call `wake` from their own thread when something is done; the loop then calls store_collect().
 *
 * A commit that failed is unknown, not failed: store_collect() tells it once, and the caller must
 * answer nobody and exit. SQL stays inside this folder's sqlite_*.c. */
#ifndef PAIDAN_STORE_H
#define PAIDAN_STORE_H

#include "batch.h"
#include "failure.h"
#include "gauge.h"
#include "vault.h"

#define SCHEMA_VERSION 5
#define STORE_FILE "paidan.db"

struct store;

struct store_options {
    const char *directory;
    const char *vfs; /* of SQLite: where the files are; NULL: the system's */
    const struct vault *vault; /* borrowed */
    const char *heads;         /* file of signed heads of the audit chain; NULL: none */
    int64_t heads_every_ms;
    void (*wake)(void *context);
    void *context;
};

/* Opens the data directory, which is made when it is not there, locks it, and brings the schema up
 * to date. 0, or -1 with *failure. */
int store_open(const struct store_options *options, struct store **store, struct failure *failure);
/* Waits for the batch in flight, checkpoints, closes, unlocks. NULL is allowed. */
void store_close(struct store *store);

/* Loads everything that is open into an engine that has its tables already; skills get the bits that
 * the store gave them before. Call store_load_skills() before the code tables, store_load() after. */
int store_load_skills(struct store *store, struct engine *engine, struct failure *failure);
int store_load(struct store *store, struct engine *engine, int64_t now, struct failure *failure);
/* When the newest event was; 0: there is none. */
int store_newest_event_at(struct store *store, int64_t *at, struct failure *failure);
int store_load_tokens(struct store *store, void (*visit)(void *context, const struct token_row *row),
                      void *context, struct failure *failure);
/* The last event that the platform has; visits those that it did not take, by number, with their orders:
 * 0 where the event was purged. */
int store_load_push(struct store *store, uint64_t *cursor,
                    void (*visit)(void *context, const struct dead_letter *row, uint64_t order), void *context,
                    struct failure *failure);
/* Visits the remembered requests, oldest first; and the sequence that the next one gets. */
int store_load_refs(struct store *store,
                    void (*visit)(void *context, const char *caller, const char *ref, uint64_t id,
                                  int64_t at),
                    void *context, uint64_t *next_ref, struct failure *failure);

/* Starts the threads; loading is over then. */
int store_start(struct store *store, struct failure *failure);

/* In place of store_start(), for a simulator that lets the threads take their turns as it likes: one
 * turn of the writer or of the reader. False: it had nothing to do. */
bool store_step_writer(struct store *store);
bool store_step_reader(struct store *store);
/* Closes as a crash would: nothing is checkpointed. */
void store_drop(struct store *store);

/* Hands a batch to the writer, which has it until it is committed. Only when none is in flight. */
void store_submit(struct store *store, struct batch *batch);

/* A question to the reader thread. It is asked only after the batch of its `barrier` is durable. */
enum query_kind {
    QUERY_ORDER,   /* orders[0], offers */
    QUERY_ORDERS,  /* orders: filter, after, limit */
    QUERY_HISTORY, /* events of one order, oldest first; `after` is one of them, else is_elsewhere */
    QUERY_EVENTS,  /* events: filter, after, limit */
    QUERY_OFFERS,  /* offers: filter, after, limit */
    QUERY_RECORDS, /* records: filter, after, limit */
    QUERY_RECORD,  /* records[0]: by ref_id, or by path (source) and external_id of the filter */
    QUERY_VOLUNTEER, /* volunteer: what one has served */
    QUERY_MONTH,   /* months: what happened in a time, by county or region and category */
    QUERY_PUSH,    /* events of the kinds in filter.kinds, external_ids: what the platform is to be told */
    QUERY_DEAD,    /* dead_letters: what it refused for good */
    QUERY_SUMMARY, /* counts */
    QUERY_CONTACT, /* contact */
    QUERY_HOLDER,  /* orders[0]: an order, or the number and region of a recurring one, which is its own series */
    QUERY_PHONE,   /* orders: those of a telephone number, which is in path */
    QUERY_REF,     /* ref */
    QUERY_BACKUP   /* path */
};

/* Of which regions rows may be shown. A question that nobody has said it for gets none. */
enum reach { REACH_NOTHING, REACH_REGIONS, REACH_EVERYWHERE };

struct query_filter {
    enum reach reach;
    uint64_t order, offer, org, volunteer;
    const uint64_t *regions; /* sorted, of REACH_REGIONS. Owned by the query's asker until it is answered */
    uint32_t region_count;
    int state, kind;      /* -1: any */
    int64_t since, until; /* 0: open */
    uint64_t within;      /* of QUERY_MONTH: the asker's, the region that is shown; 0: all */
    uint64_t kinds;       /* of QUERY_PUSH: bits by kind */
    int32_t first_day, last_day; /* of QUERY_VOLUNTEER; last_day 0: open */
};

struct summary_row {
    int state, category, priority;
    uint64_t orders, headcount;
};

/* What a volunteer has served: of one state, source and category (-1: no order of ours). */
struct served_row {
    int state, category;
    char source[WORD_BYTES_MAX + 1];
    uint64_t records, minutes;
    int32_t first_day, last_day;
};

/* What happened at a region and in a category (-1: none), as the event log tells it. */
struct month_row {
    uint64_t region;
    int category;
    uint64_t placed, accepted, done, unmet, cancelled, attendances;
    int64_t minutes; /* that came to count, less those that no longer do */
};

struct query {
    enum query_kind kind;
    struct query_filter filter;
    uint64_t after; /* the cursor: only what comes after this id */
    uint32_t limit;
    uint64_t barrier; /* number of the batch that must be durable before */
    uint64_t ref_id; /* or a record's number */
    char path[512];
    char source[WORD_BYTES_MAX + 1], external_id[EXTERNAL_ID_BYTES_MAX + 1]; /* of QUERY_RECORD */
    void *context; /* the asker's */
    struct guard *guard; /* the reader's; set by the store */

    /* the answer; owned by the query */
    struct failure failure;
    bool is_found;
    bool is_elsewhere; /* of QUERY_RECORD: there is one, beyond the reach; of QUERY_HISTORY: the cursor is another's */
    struct order *orders;
    struct offer *offers;
    struct event *events;
    struct record_row *records;
    struct summary_row *counts;
    struct served_row *served;
    struct month_row *months;
    struct dead_letter *dead_letters;
    char (*external_ids)[EXTERNAL_ID_BYTES_MAX + 1]; /* of the events' orders */
    uint32_t order_count, offer_count, event_count, record_count, count_count, served_count, month_count,
        dead_count;
    uint64_t next; /* where to go on; 0: that was all */
    struct contact_row contact;
    struct ref_row ref;
    struct query *link;
};

struct query *query_new(enum query_kind kind); /* reaches nothing yet */
bool filter_reaches(const struct query_filter *filter, uint64_t region);
void query_free(struct query *query);
void store_ask(struct store *store, struct query *query); /* takes it; it comes back when collected */

/* What has been done since the last call, on the loop thread. */
struct collected {
    struct batch *committed; /* the batch in flight, now durable, or NULL */
    struct query *answered;  /* linked by `link`, in the sequence they were answered */
    bool has_failed;         /* the last commit is unknown: answer nobody and exit */
    struct failure failure;
};
struct collected store_collect(struct store *store);

/* Waits until the batch in flight is done, then collects. For draining and tests. */
struct collected store_wait(struct store *store);

/* Sizes for operators: bytes of the database and of its log, microseconds of the last commit. */
struct store_gauges {
    uint64_t database_bytes, log_bytes, commit_us, commits;
    struct gauge commit_times; /* in microseconds */
} store_gauges(struct store *store);

/* Whether the data directory is still where it was opened, with the database in it. */
bool store_is_in_place(struct store *store);

/* Puts a backup in the place of the database of a data directory that no daemon holds. What was there is
 * not opened, and kept beside it under a name that *kept tells. The next start writes it into the log. */
int store_restore(const struct store_options *options, const char *backup, char *kept, size_t kept_size,
                  struct failure *failure);
/* Takes the database as it is though commits are missing from it. The same: the log will say so. *text
 * tells what was given up. */
int store_accept_loss(const struct store_options *options, char *text, size_t size, struct failure *failure);

#endif
