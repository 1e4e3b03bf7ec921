/* store_inside.h -- the store's inside, shared by its own files only. */
#ifndef PAIDAN_STORE_INSIDE_H
#define PAIDAN_STORE_INSIDE_H

#include <pthread.h>
#include <sys/types.h>

#include "durable.h"
#include "sqlite.h"

struct place_of_file {
    bool is_known;
    dev_t device;
    ino_t inode;
    uint64_t bytes;
};

struct store {
    struct store_options options;
    char path[4096];
    int lock_fd, heads_fd;
    sqlite3 *writer_db, *reader_db;
    struct writer *writer;
    struct guard guard; /* of the reader; of the opening before there is one */
    pthread_t writer_thread, reader_thread;
    bool has_writer, has_reader;
    enum given_up given_up; /* what the first commit will tell the log */
    uint64_t lost;
    struct durable *durable_record;
    struct place_of_file database_place, log_place;
    int log_pages; /* this, what is before and the next three: writer thread only */
    bool must_truncate; /* the log holds personal data that were erased */
    uint64_t signed_seq;
    uint64_t signed_us; /* of the clock that only goes forwards; 0: never */

    pthread_mutex_t mutex; /* guards all below */
    pthread_cond_t work, questions, done;
    struct batch *submitted, *committed;
    bool is_stopping, has_failed;
    struct failure failure;
    uint64_t durable; /* number of the last batch that is on disk */
    struct query *asked_first, *asked_last, *answered_first, *answered_last;
    struct store_gauges gauges;
};

int store_sync_directory(const char *directory, struct failure *failure);
/* Takes the lock that keeps a second daemon out; the descriptor or -1. */
int store_lock_directory(const char *directory, struct failure *failure);

/* restart.c: whether the database is what was acknowledged last. */
int restart_check(struct store *store, const struct state_head *head, struct failure *failure);
/* The newest event that anything but the database knows of. */
uint64_t restart_newest(const char *heads, const struct vault *vault, const struct mark *mark);

#endif
