/* restore.c -- backups: made, checked, put back; and a loss that somebody accepts. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "store_inside.h"

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

/* The database and what lies beside it, to names that nobody uses; nothing of it is opened. */
static int put_aside(const char *path, char *kept, size_t size, struct failure *failure)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    char from[4300];
    char to[4400];
    char name[4300];
    struct stat st;
    long long at = (long long)time(NULL);
    do
        snprintf(name, sizeof name, "%s.before-restore-%lld", path, at++);
    while (lstat(name, &st) == 0);
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        snprintf(from, sizeof from, "%s%s", path, suffixes[i]);
        snprintf(to, sizeof to, "%s%s", name, suffixes[i]);
        if (rename(from, to) == 0)
            snprintf(kept, size, "%s", name);
        else if (errno != ENOENT)
            return failure_set(failure, EX_IOERR, "%s: %s", to, strerror(errno));
    }
    return 0;
}

/* Brings a database to the newest schema, looks at all of it, and leaves one file. */
static int prepare(const char *path, const struct vault *vault, struct state_head *head, struct failure *failure)
{
    sqlite3 *db = NULL;
    struct guard guard;
    struct state_rows rows;
    guard_init(&guard, vault);
    int rc = sqlite_open(path, NULL, true, &db, failure);
    if (rc == 0)
        rc = sqlite_migrate(db, vault, failure);
    if (rc == 0)
        rc = sqlite_head(db, &guard, head, failure);
    if (rc == 0)
        rc = sqlite_verify(db, vault, &guard, head, &rows, failure);
    if (rc == 0)
        rc = sqlite_run(db, "PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE", failure);
    sqlite3_close(db);
    guard_fini(&guard);
    return rc;
}

/* The record says what the database says from now on, and what was given up for it. */
static int give_up(const struct store_options *options, enum given_up why, const struct state_head *head, uint64_t *lost,
                   struct failure *failure)
{
    struct durable *durable = NULL;
    struct mark mark = {.commits = 0};
    bool is_there = false;
    if (durable_open(options->directory, NULL, options->vault, &durable, &is_there, &mark, failure) != 0)
        return -1;
    *lost = restart_newest(options->heads, options->vault, is_there ? &mark : NULL);
    *lost = *lost > head->head.seq ? *lost : head->head.seq;
    mark = (struct mark){.commits = head->commits, .head = head->head, .row_check = head->row_check, .given_up = why, .lost = *lost};
    int rc = durable_put(durable, &mark, true, failure);
    if (rc == 0)
        rc = durable_put(durable, &mark, true, failure); /* both places */
    durable_close(durable);
    return rc == 0 ? store_sync_directory(options->directory, failure) : -1;
}

int store_restore(const struct store_options *options, const char *backup, char *kept, size_t kept_size,
                  struct failure *failure)
{
    char path[4200];
    char fresh[4200];
    struct state_head head;
    uint64_t lost = 0;
    snprintf(path, sizeof path, "%s/%s", options->directory, STORE_FILE);
    snprintf(fresh, sizeof fresh, "%s/restoring.db", options->directory);
    kept[0] = '\0';
    if (check_backup(backup, failure) != 0)
        return -1;
    int lock = store_lock_directory(options->directory, failure);
    if (lock < 0)
        return -1;
    unlink(fresh); /* of a restore that was cut short; under our lock it is nobody else's */
    int rc = copy_file(backup, fresh, failure);
    if (rc == 0)
        rc = prepare(fresh, options->vault, &head, failure);
    if (rc == 0)
        rc = put_aside(path, kept, kept_size, failure);
    if (rc == 0 && rename(fresh, path) != 0)
        rc = failure_set(failure, EX_IOERR, "%s: %s", path, strerror(errno));
    if (rc == 0)
        rc = give_up(options, GIVEN_UP_BY_RESTORE, &head, &lost, failure);
    if (rc != 0)
        unlink(fresh);
    close(lock);
    return rc;
}

int store_accept_loss(const struct store_options *options, char *text, size_t size, struct failure *failure)
{
    char path[4200];
    struct state_head head = {.commits = 0};
    uint64_t lost = 0;
    snprintf(path, sizeof path, "%s/%s", options->directory, STORE_FILE);
    if (access(path, F_OK) != 0)
        return failure_set(failure, EX_NOINPUT, "%s: %s", path, strerror(errno));
    int lock = store_lock_directory(options->directory, failure);
    if (lock < 0)
        return -1;
    int rc = prepare(path, options->vault, &head, failure);
    if (rc == 0)
        rc = give_up(options, GIVEN_UP_BY_HAND, &head, &lost, failure);
    close(lock);
    snprintf(text, size, "the database ends with commit %llu, event %llu; events up to %llu were acknowledged",
             (unsigned long long)head.commits, (unsigned long long)head.head.seq, (unsigned long long)lost);
    return rc;
}

/* A private name beside the backup's, which nobody else uses; made with nothing for others to read. */
static int make_part(const char *path, char *part, size_t size, struct failure *failure)
{
    snprintf(part, size, "%s.XXXXXX.part", path);
    int fd = mkostemps(part, 5, O_CLOEXEC); /* mode 0600, and never a file that is there */
    if (fd < 0)
        return failure_set(failure, EX_CANTCREAT, "%s: %s", part, strerror(errno));
    close(fd);
    return 0;
}

/* Copies the database to a file that is ours. */
static int copy_database(sqlite3 *db, const char *part, struct failure *failure)
{
    sqlite3 *to = NULL;
    if (sqlite3_open_v2(part, &to, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK) {
        failure_set(failure, EX_CANTCREAT, "%s: %s", part, sqlite3_errmsg(to));
        sqlite3_close(to);
        return -1;
    }
    sqlite3_backup *backup = sqlite3_backup_init(to, "main", db, "main");
    int rc = backup != NULL ? sqlite3_backup_step(backup, -1) : SQLITE_ERROR;
    sqlite3_backup_finish(backup);
    if (rc != SQLITE_DONE)
        rc = failure_set(failure, EX_IOERR, "backup: %s", sqlite3_errmsg(to));
    else /* one file, with no log beside it */
        rc = sqlite_run(to, "PRAGMA journal_mode = DELETE", failure);
    sqlite3_close(to);
    return rc;
}

/* Never over a file that came meanwhile, where the file system can say so. */
static int move_new(const char *from, const char *to)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return 0;
    return errno == EINVAL ? rename(from, to) : -1;
}

int sqlite_backup(sqlite3 *db, const char *path, struct failure *failure)
{
    char part[4200];
    char directory[4200];
    if (access(path, F_OK) == 0)
        return failure_set(failure, EX_CANTCREAT, "%s: it exists already", path);
    if (make_part(path, part, sizeof part, failure) != 0)
        return -1;
    int rc = copy_database(db, part, failure);
    int fd = rc == 0 ? open(part, O_RDONLY | O_CLOEXEC) : -1;
    if (rc == 0 && (fd < 0 || fsync(fd) != 0 || move_new(part, path) != 0))
        rc = failure_set(failure, EX_IOERR, "%s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    unlink(part);
    snprintf(directory, sizeof directory, "%s", path);
    char *slash = strrchr(directory, '/');
    snprintf(slash != NULL ? slash : directory, 3, "%s", slash == directory ? "/" : slash != NULL ? "" : ".");
    return rc == 0 ? store_sync_directory(directory, failure) : -1;
}
