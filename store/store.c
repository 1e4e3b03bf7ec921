/* store.c -- opening, locking, and the two threads. */
#include "store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "store_inside.h"

#define LOG_PAGES_MAX 512 /* of the write-ahead log before a checkpoint: 2 MiB, so that none takes long */

int store_sync_directory(const char *directory, struct failure *failure)
{
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return failure_set(failure, EX_IOERR, "%s: %s", directory, strerror(errno));
    int rc = fsync(fd);
    int error = errno;
    close(fd);
    return rc == 0 ? 0 : failure_set(failure, EX_IOERR, "fsync %s: %s", directory, strerror(error));
}

/* Takes the lock that keeps a second daemon out; the descriptor or -1. */
int store_lock_directory(const char *directory, struct failure *failure)
{
    char path[4200];
    if (mkdir(directory, 0700) != 0 && errno != EEXIST)
        return failure_set(failure, EX_CANTCREAT, "data directory %s: %s", directory, strerror(errno));
    snprintf(path, sizeof path, "%s/lock", directory);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return failure_set(failure, EX_NOPERM, "data directory %s: cannot write %s: %s", directory, path,
                    strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    int error = errno;
    close(fd);
    if (error == EWOULDBLOCK)
        return failure_set(failure, EX_UNAVAILABLE, "data directory %s: another paidand is using it",
                    directory);
    return failure_set(failure, EX_OSERR, "lock %s: %s", path, strerror(error));
}

/* SQLite silently drops the log beside a database of no bytes: that is not a fresh start. */
static int refuse_lost_log(const char *path, struct failure *failure)
{
    char log[4200];
    struct stat database;
    struct stat wal;
    snprintf(log, sizeof log, "%s-wal", path);
    if (stat(log, &wal) != 0 || wal.st_size == 0)
        return 0;
    if (stat(path, &database) == 0 && database.st_size != 0)
        return 0;
    return failure_set(failure, EX_DATAERR, "%s is empty but %s is not: restore a backup", path, log);
}

/* After each commit, on the writer's thread: how long the log is now. */
static int on_commit(void *context, sqlite3 *db, const char *name, int pages)
{
    struct store *s = context;
    (void)db;
    (void)name;
    s->log_pages = pages;
    return SQLITE_OK;
}

/* The record of the last commit, from what the writer knows. */
static int put_mark(struct store *s, bool syncs, struct failure *failure)
{
    const struct state_head *head = writer_head(s->writer);
    struct mark mark = {.commits = head->commits, .head = head->head, .row_check = head->row_check};
    return durable_put(s->durable_record, &mark, syncs, failure);
}

/* What is there must be what was written, before anything is added to it. */
static int open_writer(struct store *s, struct failure *failure)
{
    const struct vault *vault = s->options.vault;
    struct state_head head;
    struct state_rows rows;
    if (sqlite_head(s->writer_db, &s->guard, &head, failure) != 0 || restart_check(s, &head, failure) != 0 ||
        sqlite_verify(s->writer_db, vault, &s->guard, &head, &rows, failure) != 0 ||
        writer_new(s->writer_db, vault, &head, &rows, &s->writer, failure) != 0)
        return -1;
    return s->given_up != GIVEN_UP_NOTHING ? 0 : put_mark(s, true, failure); /* that one stays until it is in the log */
}

/* The file stays open: descriptors may be rare later. Where a crash cut a line short, that line goes. Who
 * gave something up is written there before anything else is. */
static int open_heads(struct store *s, struct failure *failure)
{
    char tail[CHAIN_LINE_BYTES];
    char line[CHAIN_LINE_BYTES];
    struct stat st;
    if (s->options.heads == NULL)
        return 0;
    s->heads_fd = open(s->options.heads, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    bool is_good = s->heads_fd >= 0 && fstat(s->heads_fd, &st) == 0;
    off_t from = is_good && st.st_size > (off_t)sizeof tail ? st.st_size - (off_t)sizeof tail : 0;
    ssize_t len = is_good ? pread(s->heads_fd, tail, sizeof tail, from) : -1;
    ssize_t whole = len;
    while (whole > 0 && tail[whole - 1] != '\n')
        whole--;
    is_good = len >= 0 && (whole == len || ftruncate(s->heads_fd, from + whole) == 0);
    if (is_good && s->given_up != GIVEN_UP_NOTHING) {
        struct signed_head head = {.mark = CHAIN_RESTORED, .chain = writer_head(s->writer)->head, .from = s->lost,
                                   .at = (int64_t)time(NULL) * 1000};
        chain_line(&head, s->options.vault, line);
        is_good = write(s->heads_fd, line, strlen(line)) == (ssize_t)strlen(line) && fsync(s->heads_fd) == 0;
    }
    return is_good ? 0 : failure_set(failure, EX_CANTCREAT, "audit_heads: %s: %s", s->options.heads, strerror(errno));
}

static void close_store(struct store *s, bool is_crash);

int store_open(const struct store_options *options, struct store **store, struct failure *failure)
{
    struct store *s = must_alloc(1, sizeof *s);
    s->options = *options;
    s->heads_fd = -1;
    guard_init(&s->guard, options->vault);
    snprintf(s->path, sizeof s->path, "%s/%s", options->directory, STORE_FILE);
    pthread_mutex_init(&s->mutex, NULL);
    pthread_cond_init(&s->work, NULL);
    pthread_cond_init(&s->questions, NULL);
    pthread_cond_init(&s->done, NULL);
    s->lock_fd = store_lock_directory(options->directory, failure);
    if (s->lock_fd < 0 || refuse_lost_log(s->path, failure) != 0 ||
        sqlite_open(s->path, options->vfs, true, &s->writer_db, failure) != 0 ||
        sqlite_migrate(s->writer_db, options->vault, failure) != 0 ||
        open_writer(s, failure) != 0 ||
        sqlite_run(s->writer_db, "PRAGMA wal_checkpoint(TRUNCATE)", failure) != 0 ||
        store_sync_directory(options->directory, failure) != 0 ||
        sqlite_open(s->path, options->vfs, false, &s->reader_db, failure) != 0 ||
        open_heads(s, failure) != 0) {
        close_store(s, true); /* what is there stays as it was found */
        return -1;
    }
    sqlite3_wal_hook(s->writer_db, on_commit, s);
    *store = s;
    return 0;
}

static uint64_t monotonic_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* A file of the database whose name leads elsewhere, or nowhere, is written in vain. */
static bool is_in_place(struct store *s, struct place_of_file *place, const char *suffix)
{
    char name[4200];
    struct stat st;
    snprintf(name, sizeof name, "%s%s", s->path, suffix);
    if (s->options.vfs != NULL)
        return true;
    if (stat(name, &st) != 0)
        return !place->is_known;
    bool is_same = !place->is_known || (place->device == st.st_dev && place->inode == st.st_ino);
    *place = (struct place_of_file){.is_known = true, .device = st.st_dev, .inode = st.st_ino, .bytes = (uint64_t)st.st_size};
    return is_same;
}

/* Passive: it waits for no reader. A sync or a write of it that fails leaves pages in a state that
 * nobody knows, as a failed commit does; with the disk full the log just stays as it is. */
static int checkpoint(struct store *s, struct failure *failure)
{
    int rc = sqlite3_wal_checkpoint_v2(s->writer_db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    if (rc == SQLITE_OK || (rc & 0xff) == SQLITE_BUSY || (rc & 0xff) == SQLITE_FULL)
        return put_mark(s, true, failure);
    return failure_set(failure, EX_IOERR, "checkpoint: %s", sqlite3_errstr(rc));
}

/* What was erased leaves the log too, which is copied into the database and cut to nothing. A reader that is
 * looking at it has it a little longer: then it is tried again. */
static int truncate_log(struct store *s, struct failure *failure)
{
    sqlite3_busy_timeout(s->writer_db, 20);
    int rc = sqlite3_wal_checkpoint_v2(s->writer_db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    sqlite3_busy_timeout(s->writer_db, BUSY_MS);
    s->must_truncate = rc != SQLITE_OK;
    if (rc == SQLITE_OK)
        s->log_pages = 0;
    if (rc == SQLITE_OK || (rc & 0xff) == SQLITE_BUSY || (rc & 0xff) == SQLITE_FULL)
        return 0;
    return failure_set(failure, EX_IOERR, "checkpoint: %s", sqlite3_errstr(rc));
}

static void fail(struct store *s, const struct failure *failure)
{
    pthread_mutex_lock(&s->mutex);
    s->has_failed = true;
    s->failure = *failure;
    pthread_cond_signal(&s->done);
    pthread_mutex_unlock(&s->mutex);
    s->options.wake(s->options.context);
}

/* Now and then the head of the audit chain is signed and leaves the database. */
static int export_head(struct store *s, struct failure *failure)
{
    char line[CHAIN_LINE_BYTES];
    struct signed_head head = {.mark = CHAIN_HEAD, .chain = writer_head(s->writer)->head};
    const struct chain *chain = &head.chain;
    struct timespec now;
    int64_t since_us = (int64_t)(monotonic_us() - s->signed_us); /* whatever somebody does to the clock of the host */
    if (s->heads_fd < 0 || chain->seq == s->signed_seq || (s->signed_us != 0 && since_us < s->options.heads_every_ms * 1000))
        return 0;
    clock_gettime(CLOCK_REALTIME, &now);
    head.at = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    chain_line(&head, s->options.vault, line);
    ssize_t len = (ssize_t)strlen(line);
    bool is_good = write(s->heads_fd, line, (size_t)len) == len && fsync(s->heads_fd) == 0;
    int error = errno;
    s->signed_seq = chain->seq;
    s->signed_us = monotonic_us();
    return is_good || error == ENOSPC ? 0 : failure_set(failure, EX_IOERR, "audit_heads: %s", strerror(error));
}

/* Commits what was submitted, then checkpoints when the log is long. */
static void write_batch(struct store *s, struct batch *batch)
{
    struct failure failure = {0};
    uint64_t began = monotonic_us();
    int rc = writer_commit(s->writer, batch, &failure);
    s->must_truncate |= rc == 0 && writer_has_erased(s->writer);
    if (rc != 0 || (s->must_truncate && truncate_log(s, &failure) != 0)) {
        fail(s, &failure);
        return;
    }
    uint64_t took = monotonic_us() - began;
    /* Told beside the database, and found to be in the place where a start looks, before anybody hears of it. */
    if (put_mark(s, false, &failure) != 0) {
        fail(s, &failure);
        return;
    }
    s->given_up = GIVEN_UP_NOTHING;
    if (!is_in_place(s, &s->log_place, "-wal") || !is_in_place(s, &s->database_place, "")) {
        failure_set(&failure, EX_IOERR, "%s was deleted, moved or replaced while it was in use", s->path);
        fail(s, &failure);
        return;
    }

    batch->left_over = writer_left_over(s->writer);
    pthread_mutex_lock(&s->mutex);
    s->submitted = NULL;
    s->committed = batch;
    s->durable = batch->number;
    s->gauges.database_bytes = s->database_place.bytes;
    s->gauges.log_bytes = s->log_place.bytes;
    s->gauges.commit_us = took;
    s->gauges.commits++;
    gauge_add(&s->gauges.commit_times, took);
    pthread_cond_signal(&s->done);
    pthread_cond_signal(&s->questions);
    pthread_mutex_unlock(&s->mutex);
    s->options.wake(s->options.context);
    if ((s->log_pages > LOG_PAGES_MAX && checkpoint(s, &failure) != 0) || export_head(s, &failure) != 0)
        fail(s, &failure);
}

/* With the mutex held. A log that must go is tried again twice a second. */
static void wait_for_work(struct store *s)
{
    struct failure failure = {0};
    struct timespec until;
    if (!s->must_truncate || s->has_failed) {
        pthread_cond_wait(&s->work, &s->mutex);
        return;
    }
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += 500000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    if (pthread_cond_clockwait(&s->work, &s->mutex, CLOCK_MONOTONIC, &until) != ETIMEDOUT)
        return;
    pthread_mutex_unlock(&s->mutex);
    if (truncate_log(s, &failure) != 0)
        fail(s, &failure);
    pthread_mutex_lock(&s->mutex);
}

static void *writer_main(void *context)
{
    struct store *s = context;
    pthread_mutex_lock(&s->mutex);
    for (;;) {
        while ((s->submitted == NULL || s->has_failed) && !s->is_stopping)
            wait_for_work(s);
        if (s->submitted == NULL || s->has_failed)
            break;
        struct batch *batch = s->submitted;
        pthread_mutex_unlock(&s->mutex);
        write_batch(s, batch);
        pthread_mutex_lock(&s->mutex);
    }
    pthread_mutex_unlock(&s->mutex);
    return NULL;
}

bool store_step_writer(struct store *s)
{
    if (s->submitted == NULL || s->has_failed)
        return false;
    write_batch(s, s->submitted);
    return true;
}

/* With the mutex held: the question that may be answered now. */
static struct query *take_question(struct store *s)
{
    struct query *q = s->asked_first;
    if (q == NULL || q->barrier > s->durable)
        return NULL;
    s->asked_first = q->link;
    if (s->asked_first == NULL)
        s->asked_last = NULL;
    q->link = NULL;
    return q;
}

static void answer_question(struct store *s, struct query *q)
{
    q->guard = &s->guard;
    reader_answer(s->reader_db, s->options.vault, q);
    pthread_mutex_lock(&s->mutex);
    if (s->answered_last != NULL)
        s->answered_last->link = q;
    else
        s->answered_first = q;
    s->answered_last = q;
    pthread_mutex_unlock(&s->mutex);
    s->options.wake(s->options.context);
}

static void *reader_main(void *context)
{
    struct store *s = context;
    pthread_mutex_lock(&s->mutex);
    while (!s->is_stopping) {
        struct query *q = take_question(s);
        if (q == NULL) {
            pthread_cond_wait(&s->questions, &s->mutex);
            continue;
        }
        pthread_mutex_unlock(&s->mutex);
        answer_question(s, q);
        pthread_mutex_lock(&s->mutex);
    }
    pthread_mutex_unlock(&s->mutex);
    return NULL;
}

bool store_step_reader(struct store *s)
{
    struct query *q = take_question(s);
    if (q != NULL)
        answer_question(s, q);
    return q != NULL;
}

int store_start(struct store *s, struct failure *failure)
{
    s->has_writer = pthread_create(&s->writer_thread, NULL, writer_main, s) == 0;
    s->has_reader = s->has_writer && pthread_create(&s->reader_thread, NULL, reader_main, s) == 0;
    if (s->has_reader) { /* names for those who look at threads */
        pthread_setname_np(s->writer_thread, "paidand-write");
        pthread_setname_np(s->reader_thread, "paidand-read");
    }
    return s->has_reader ? 0 : failure_set(failure, EX_OSERR, "cannot start a thread");
}

void store_submit(struct store *s, struct batch *batch)
{
    pthread_mutex_lock(&s->mutex);
    must(s->submitted == NULL && s->committed == NULL);
    s->submitted = batch;
    pthread_cond_signal(&s->work);
    pthread_mutex_unlock(&s->mutex);
}

void store_ask(struct store *s, struct query *query)
{
    pthread_mutex_lock(&s->mutex);
    query->link = NULL;
    if (s->asked_last != NULL)
        s->asked_last->link = query;
    else
        s->asked_first = query;
    s->asked_last = query;
    pthread_cond_signal(&s->questions);
    pthread_mutex_unlock(&s->mutex);
}

/* With the mutex held. */
static struct collected collect(struct store *s)
{
    struct collected c = {.committed = s->committed,
                          .answered = s->answered_first,
                          .has_failed = s->has_failed,
                          .failure = s->failure};
    s->committed = NULL;
    s->answered_first = s->answered_last = NULL;
    return c;
}

struct collected store_collect(struct store *s)
{
    pthread_mutex_lock(&s->mutex);
    struct collected c = collect(s);
    pthread_mutex_unlock(&s->mutex);
    return c;
}

struct collected store_wait(struct store *s)
{
    pthread_mutex_lock(&s->mutex);
    while (s->submitted != NULL && !s->has_failed)
        pthread_cond_wait(&s->done, &s->mutex);
    struct collected c = collect(s);
    pthread_mutex_unlock(&s->mutex);
    return c;
}

bool store_is_in_place(struct store *s)
{
    char name[4200];
    struct stat now;
    struct stat then;
    snprintf(name, sizeof name, "%s/lock", s->options.directory);
    return fstat(s->lock_fd, &then) == 0 && stat(name, &now) == 0 && then.st_ino == now.st_ino && then.st_dev == now.st_dev &&
           access(s->path, F_OK) == 0;
}

struct store_gauges store_gauges(struct store *s)
{
    pthread_mutex_lock(&s->mutex);
    struct store_gauges gauges = s->gauges;
    pthread_mutex_unlock(&s->mutex);
    return gauges;
}

static void free_queries(struct query *q)
{
    while (q != NULL) {
        struct query *next = q->link;
        query_free(q);
        q = next;
    }
}

static void close_store(struct store *s, bool is_crash)
{
    if (s == NULL)
        return;
    pthread_mutex_lock(&s->mutex);
    s->is_stopping = true;
    pthread_cond_broadcast(&s->work);
    pthread_cond_broadcast(&s->questions);
    pthread_mutex_unlock(&s->mutex);
    if (s->has_writer)
        pthread_join(s->writer_thread, NULL);
    if (s->has_reader)
        pthread_join(s->reader_thread, NULL);
    free_queries(s->asked_first);
    free_queries(s->answered_first);
    sqlite3_close(s->reader_db);
    struct failure ignored = {0};
    s->options.heads_every_ms = 0; /* the last head goes out in any case */
    if (s->writer != NULL && !s->has_failed && !is_crash)
        export_head(s, &ignored);
    if (s->writer != NULL && !s->has_failed && !is_crash && s->given_up == GIVEN_UP_NOTHING)
        put_mark(s, true, &ignored);
    durable_close(s->durable_record);
    writer_free(s->writer);
    guard_fini(&s->guard);
    if (s->writer_db != NULL && !s->has_failed && !is_crash)
        sqlite3_wal_checkpoint_v2(s->writer_db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    else if (s->writer_db != NULL) /* the log is what the next start reads */
        sqlite3_db_config(s->writer_db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_close(s->writer_db);
    if (s->heads_fd >= 0)
        close(s->heads_fd);
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    pthread_mutex_destroy(&s->mutex);
    pthread_cond_destroy(&s->work);
    pthread_cond_destroy(&s->questions);
    pthread_cond_destroy(&s->done);
    free(s);
}

void store_close(struct store *s)
{
    close_store(s, false);
}

void store_drop(struct store *s)
{
    close_store(s, true);
}
