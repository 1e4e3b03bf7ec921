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

static int sync_directory(const char *directory, struct failure *failure)
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
static int lock_directory(const char *directory, struct failure *failure)
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

/* What is there must be what was written, before anything is added to it. */
static int open_writer(struct store *s, struct failure *failure)
{
    const struct vault *vault = s->options.vault;
    struct state_head head;
    struct state_rows rows;
    if (sqlite_head(s->writer_db, &s->guard, &head, failure) != 0 ||
        sqlite_verify(s->writer_db, vault, &s->guard, &head, &rows, failure) != 0)
        return -1;
    return writer_new(s->writer_db, vault, &head, &rows, &s->writer, failure);
}

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
    s->lock_fd = lock_directory(options->directory, failure);
    if (s->lock_fd < 0 || refuse_lost_log(s->path, failure) != 0 ||
        sqlite_open(s->path, options->vfs, true, &s->writer_db, failure) != 0 ||
        sqlite_migrate(s->writer_db, options->vault, failure) != 0 ||
        sqlite_run(s->writer_db, "PRAGMA wal_checkpoint(TRUNCATE)", failure) != 0 ||
        sync_directory(options->directory, failure) != 0 ||
        sqlite_open(s->path, options->vfs, false, &s->reader_db, failure) != 0 ||
        open_writer(s, failure) != 0) {
        store_close(s);
        return -1;
    }
    if (options->heads != NULL) { /* stays open: descriptors may be rare later */
        s->heads_fd = open(options->heads, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (s->heads_fd < 0) {
            failure_set(failure, EX_CANTCREAT, "audit_heads: %s: %s", options->heads, strerror(errno));
            store_close(s);
            return -1;
        }
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

static uint64_t file_bytes(const char *path, const char *suffix)
{
    char name[4200];
    struct stat st;
    snprintf(name, sizeof name, "%s%s", path, suffix);
    return stat(name, &st) == 0 ? (uint64_t)st.st_size : 0;
}

/* Passive: it waits for no reader. A sync or a write of it that fails leaves pages in a state that
 * nobody knows, as a failed commit does; with the disk full the log just stays as it is. */
static int checkpoint(struct store *s, struct failure *failure)
{
    int rc = sqlite3_wal_checkpoint_v2(s->writer_db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    if (rc == SQLITE_OK || (rc & 0xff) == SQLITE_BUSY || (rc & 0xff) == SQLITE_FULL)
        return 0;
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
    const struct chain *chain = &writer_head(s->writer)->head;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t at = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    if (s->heads_fd < 0 || chain->seq == s->signed_seq || at - s->signed_at < s->options.heads_every_ms)
        return 0;
    chain_line(CHAIN_HEAD, chain, at, s->options.vault, line);
    ssize_t len = (ssize_t)strlen(line);
    bool is_good = write(s->heads_fd, line, (size_t)len) == len && fsync(s->heads_fd) == 0;
    int error = errno;
    s->signed_seq = chain->seq;
    s->signed_at = at;
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
    uint64_t log_bytes = file_bytes(s->path, "-wal");
    uint64_t database_bytes = file_bytes(s->path, "");

    pthread_mutex_lock(&s->mutex);
    s->submitted = NULL;
    s->committed = batch;
    s->durable = batch->number;
    s->gauges.database_bytes = database_bytes;
    s->gauges.log_bytes = log_bytes;
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
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 500000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    if (pthread_cond_timedwait(&s->work, &s->mutex, &until) != ETIMEDOUT)
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

static int copy_file(const char *from, const char *to, struct failure *failure)
{
    char buffer[65536];
    int in = open(from, O_RDONLY | O_CLOEXEC);
    if (in < 0)
        return failure_set(failure, EX_NOINPUT, "%s: %s", from, strerror(errno));
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    ssize_t got = out >= 0 ? 1 : -1;
    while (got > 0) {
        got = read(in, buffer, sizeof buffer);
        if (got > 0 && write(out, buffer, (size_t)got) != got)
            got = -1;
    }
    if (got == 0 && fsync(out) != 0)
        got = -1;
    int error = errno;
    close(in);
    if (out >= 0)
        close(out);
    return got == 0 ? 0 : failure_set(failure, EX_CANTCREAT, "%s: %s", to, strerror(error));
}

/* A backup must be a whole database of ours before it may take the place of another. */
static int check_backup(const char *path, struct failure *failure)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    int64_t version = 0;
    if (access(path, R_OK) != 0)
        return failure_set(failure, EX_NOINPUT, "%s: %s", path, strerror(errno));
    char uri[4200];
    snprintf(uri, sizeof uri, "file:%s?immutable=1", path);
    if (sqlite3_open_v2(uri, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &statement, NULL) != SQLITE_OK ||
        sqlite3_step(statement) != SQLITE_ROW ||
        strcmp((const char *)sqlite3_column_text(statement, 0), "ok") != 0)
        failure_set(failure, EX_DATAERR, "%s is not a whole database: %s", path, sqlite3_errmsg(db));
    sqlite3_finalize(statement);
    if (failure->exit_code == 0 &&
        sqlite_number(db, "PRAGMA user_version", &version, failure) == 0 &&
        (version < 1 || version > SCHEMA_VERSION))
        failure_set(failure, EX_DATAERR, "%s is not a paidan database of version 1 to %d", path,
             SCHEMA_VERSION);
    sqlite3_close(db);
    return failure->exit_code == 0 ? 0 : -1;
}

int store_restore(const char *directory, const char *backup, char *kept, size_t kept_size,
                  struct failure *failure)
{
    char path[4200];
    char fresh[4200];
    snprintf(path, sizeof path, "%s/%s", directory, STORE_FILE);
    snprintf(fresh, sizeof fresh, "%s/restoring.db", directory);
    kept[0] = '\0';
    if (check_backup(backup, failure) != 0)
        return -1;
    int lock = lock_directory(directory, failure);
    if (lock < 0)
        return -1;
    unlink(fresh);
    int rc = copy_file(backup, fresh, failure);
    if (rc == 0 && access(path, F_OK) == 0) {
        /* Folds the log into the old database, so that what is kept is one whole file. */
        sqlite3 *old = NULL;
        rc = sqlite_open(path, NULL, true, &old, failure);
        if (rc == 0)
            rc = sqlite_run(old, "PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE",
                            failure);
        sqlite3_close(old);
        snprintf(kept, kept_size, "%s.before-restore-%lld", path, (long long)time(NULL));
        if (rc == 0 && rename(path, kept) != 0)
            rc = failure_set(failure, EX_IOERR, "%s: %s", kept, strerror(errno));
    }
    if (rc == 0 && rename(fresh, path) != 0)
        rc = failure_set(failure, EX_IOERR, "%s: %s", path, strerror(errno));
    if (rc == 0)
        rc = sync_directory(directory, failure);
    close(lock);
    return rc;
}

int sqlite_backup(sqlite3 *db, const char *path, struct failure *failure)
{
    char fresh[4200];
    sqlite3 *to = NULL;
    snprintf(fresh, sizeof fresh, "%s.part", path);
    if (access(path, F_OK) == 0)
        return failure_set(failure, EX_CANTCREAT, "%s: it exists already", path);
    unlink(fresh);
    if (sqlite3_open_v2(fresh, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) != SQLITE_OK) {
        failure_set(failure, EX_CANTCREAT, "%s: %s", fresh, sqlite3_errmsg(to));
        sqlite3_close(to);
        return -1;
    }
    sqlite3_backup *backup = sqlite3_backup_init(to, "main", db, "main");
    int rc = backup != NULL ? sqlite3_backup_step(backup, -1) : SQLITE_ERROR;
    sqlite3_backup_finish(backup);
    if (rc != SQLITE_DONE)
        failure_set(failure, EX_IOERR, "backup: %s", sqlite3_errmsg(to));
    else /* one file, with no log beside it */
        sqlite_run(to, "PRAGMA journal_mode = DELETE", failure);
    sqlite3_close(to);
    chmod(fresh, 0600);
    int fd = failure->exit_code == 0 ? open(fresh, O_RDONLY | O_CLOEXEC) : -1;
    if (failure->exit_code == 0 && (fd < 0 || fsync(fd) != 0 || rename(fresh, path) != 0))
        failure_set(failure, EX_IOERR, "%s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    char directory[4200];
    snprintf(directory, sizeof directory, "%s", path);
    char *slash = strrchr(directory, '/');
    snprintf(slash != NULL ? slash : directory, 3, "%s", slash == directory ? "/" : slash != NULL ? "" : ".");
    if (failure->exit_code == 0)
        return sync_directory(directory, failure);
    unlink(fresh);
    return -1;
}
