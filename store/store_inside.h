/* store_inside.h -- the store's inside, shared by its own files only. */
#ifndef PAIDAN_STORE_INSIDE_H
#define PAIDAN_STORE_INSIDE_H

#include <pthread.h>

#include "sqlite.h"

struct store {
    struct store_options options;
    char path[4096];
    int lock_fd, heads_fd;
    sqlite3 *writer_db, *reader_db;
    struct writer *writer;
    struct guard guard; /* of the reader; of the opening before there is one */
    pthread_t writer_thread, reader_thread;
    bool has_writer, has_reader;
    int log_pages; /* this and the next three: writer thread only */
    bool must_truncate; /* the log holds personal data that were erased */
    uint64_t signed_seq;
    int64_t signed_at;

    pthread_mutex_t mutex; /* guards all below */
    pthread_cond_t work, questions, done;
    struct batch *submitted, *committed;
    bool is_stopping, has_failed;
    struct failure failure;
    uint64_t durable; /* number of the last batch that is on disk */
    struct query *asked_first, *asked_last, *answered_first, *answered_last;
    struct store_gauges gauges;
};

#endif
