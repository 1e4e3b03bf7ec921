/* durable.c -- four places of a file, the newest that is whole counts. */
#include "durable.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define DURABLE_FILE "durable"
#define PLACES 4 /* the first two are not synced */
#define FIRST_SYNCED 2
#define PLACE_BYTES 512
#define MARK_BYTES 96

struct durable {
    sqlite3_file *file;
    struct guard guard;
    uint64_t number; /* of the record written last */
    int written, synced; /* the places written last, of either kind */
    char path[4200];
};

static size_t pack_mark(struct durable *d, const struct mark *mark, uint64_t number, uint8_t bytes[MARK_BYTES])
{
    const uint64_t numbers[] = {number, mark->commits, mark->head.seq, (uint64_t)mark->row_check, mark->given_up, mark->lost};
    memcpy(bytes, numbers, sizeof numbers);
    memcpy(bytes + sizeof numbers, mark->head.head, DIGEST_BYTES);
    size_t len = sizeof numbers + DIGEST_BYTES;
    guard_begin(&d->guard, TABLE_COUNT); /* of no table */
    guard_bytes(&d->guard, bytes, len);
    int64_t mac = guard_end(&d->guard);
    memcpy(bytes + len, &mac, sizeof mac);
    return len + sizeof mac;
}

/* Whether the bytes are a record; its number. */
static bool unpack_mark(struct durable *d, const uint8_t bytes[MARK_BYTES], struct mark *mark, uint64_t *number)
{
    uint64_t numbers[6];
    uint8_t again[MARK_BYTES];
    memcpy(numbers, bytes, sizeof numbers);
    *mark = (struct mark){.commits = numbers[1], .head.seq = numbers[2], .row_check = (int64_t)numbers[3],
                          .given_up = numbers[4], .lost = numbers[5]};
    memcpy(mark->head.head, bytes + sizeof numbers, DIGEST_BYTES);
    *number = numbers[0];
    size_t len = pack_mark(d, mark, *number, again);
    return memcmp(again, bytes, len) == 0;
}

static int fail(const struct durable *d, const char *what, int rc, struct failure *failure)
{
    return failure_set(failure, EX_IOERR, "%s: %s: %s", d->path, what, sqlite3_errstr(rc));
}

static int read_places(struct durable *d, bool *is_there, struct mark *mark, struct failure *failure)
{
    sqlite3_int64 size = 0;
    uint64_t newest[2] = {0}; /* of the places that are not synced, of those that are */
    int rc = d->file->pMethods->xFileSize(d->file, &size);
    *is_there = false;
    for (int place = 0; rc == SQLITE_OK && place < PLACES && size >= place * PLACE_BYTES + MARK_BYTES; place++) {
        uint8_t bytes[MARK_BYTES];
        struct mark read;
        uint64_t number = 0;
        rc = d->file->pMethods->xRead(d->file, bytes, sizeof bytes, place * PLACE_BYTES);
        if (rc != SQLITE_OK || !unpack_mark(d, bytes, &read, &number))
            continue;
        if (number > newest[place >= FIRST_SYNCED]) {
            newest[place >= FIRST_SYNCED] = number;
            *(place < FIRST_SYNCED ? &d->written : &d->synced) = place;
        }
        if (number > d->number) {
            d->number = number;
            *mark = read;
            *is_there = true;
        }
    }
    return rc == SQLITE_OK ? 0 : fail(d, "read", rc, failure);
}

int durable_open(const char *directory, const char *vfs_name, const struct vault *vault, struct durable **durable,
                 bool *is_there, struct mark *mark, struct failure *failure)
{
    struct durable *d = must_alloc(1, sizeof *d);
    sqlite3_vfs *vfs = sqlite3_vfs_find(vfs_name);
    guard_init(&d->guard, vault);
    d->synced = FIRST_SYNCED;
    snprintf(d->path, sizeof d->path, "%s/" DURABLE_FILE, directory);
    int fd = vfs_name == NULL ? open(d->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1; /* so that nobody else reads it */
    if (fd >= 0)
        close(fd);
    d->file = must_alloc(1, (size_t)vfs->szOsFile);
    int rc = vfs->xOpen(vfs, d->path, d->file, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_SUPER_JOURNAL, NULL);
    if (rc != SQLITE_OK)
        failure_set(failure, EX_CANTCREAT, "%s: %s", d->path, sqlite3_errstr(rc));
    if (rc == SQLITE_OK && read_places(d, is_there, mark, failure) == 0) {
        *durable = d;
        return 0;
    }
    durable_close(d);
    return -1;
}

int durable_put(struct durable *d, const struct mark *mark, bool syncs, struct failure *failure)
{
    uint8_t bytes[PLACE_BYTES] = {0};
    int *last = syncs ? &d->synced : &d->written;
    *last ^= 1; /* never over the newest: a write may be cut short */
    int place = *last;
    pack_mark(d, mark, ++d->number, bytes);
    int rc = d->file->pMethods->xWrite(d->file, bytes, sizeof bytes, place * PLACE_BYTES);
    if (rc == SQLITE_OK && syncs)
        rc = d->file->pMethods->xSync(d->file, SQLITE_SYNC_NORMAL | SQLITE_SYNC_DATAONLY);
    if (rc != SQLITE_OK)
        return fail(d, "write", rc, failure);
    return 0;
}

void durable_close(struct durable *d)
{
    if (d == NULL)
        return;
    if (d->file->pMethods != NULL)
        d->file->pMethods->xClose(d->file);
    free(d->file);
    guard_fini(&d->guard);
    free(d);
}
