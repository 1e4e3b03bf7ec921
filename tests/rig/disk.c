#include "disk.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/pool.h"

#define SECTOR 512
#define SHM_REGIONS 16

struct change {
    size_t at, len;
    uint8_t *bytes; /* NULL: truncated to `at` */
};

struct image {
    uint8_t *bytes;
    size_t len, room;
};

struct disk_file {
    char name[128];
    struct image now, synced;
    struct change *changes; /* since the last sync */
    size_t count, room;
    bool exists, was_synced; /* was_synced: its name outlives a crash */
    void *shm[SHM_REGIONS];
    int lockers; /* handles with any lock */
    struct disk_file *next;
};

struct handle {
    sqlite3_file base;
    struct disk *disk;
    struct disk_file *file;
    sqlite3_file *real; /* of a backup */
    int lock;           /* SQLITE_LOCK_… */
};

uint64_t disk_draw(uint64_t *random, uint64_t below)
{
    *random += UINT64_C(0x9e3779b97f4a7c15);
    return below != 0 ? hash64(*random) % below : 0;
}

const char *damage_name(enum damage damage)
{
    static const char *const names[] = {"keep_all", "drop_all", "prefix", "suffix",
                                        "subset",   "torn",     "garbage", "zeros"};
    return names[damage];
}

static void image_write(struct image *image, size_t at, const uint8_t *bytes, size_t len)
{
    if (at + len > image->room) {
        image->room = (at + len) * 2;
        image->bytes = must_realloc(image->bytes, image->room, 1);
    }
    if (at > image->len)
        memset(image->bytes + image->len, 0, at - image->len);
    memcpy(image->bytes + at, bytes, len);
    image->len = at + len > image->len ? at + len : image->len;
}

static void image_cut(struct image *image, size_t len)
{
    image->len = len < image->len ? len : image->len;
}

static void forget_changes(struct disk_file *f)
{
    for (size_t i = 0; i < f->count; i++)
        free(f->changes[i].bytes);
    f->count = 0;
}

static void remember(struct disk_file *f, size_t at, const uint8_t *bytes, size_t len)
{
    if (f->count == f->room)
        f->changes = must_realloc(f->changes, f->room = f->room * 2 + 16, sizeof *f->changes);
    struct change *change = &f->changes[f->count++];
    *change = (struct change){.at = at, .len = len};
    if (bytes != NULL) {
        change->bytes = must_alloc(len, 1);
        memcpy(change->bytes, bytes, len);
    }
}

/* Files are known by their last name: a recovery may look at a copy from another directory. */
static const char *last_name(const char *name)
{
    const char *slash = strrchr(name, '/');
    return slash != NULL ? slash + 1 : name;
}

static struct disk_file *find(const struct disk *disk, const char *name)
{
    name = last_name(name);
    struct disk_file *f = disk->files;
    while (f != NULL && strcmp(f->name, name) != 0)
        f = f->next;
    return f;
}

static struct disk_file *find_or_make(struct disk *disk, const char *name)
{
    struct disk_file *f = find(disk, name);
    if (f != NULL)
        return f;
    f = must_alloc(1, sizeof *f);
    snprintf(f->name, sizeof f->name, "%s", last_name(name));
    f->next = disk->files;
    disk->files = f;
    return f;
}

struct disk *disk_new(uint64_t seed)
{
    struct disk *disk = must_alloc(1, sizeof *disk);
    disk->random = seed;
    return disk;
}

static void free_shm(struct disk_file *f)
{
    for (int i = 0; i < SHM_REGIONS; i++) {
        free(f->shm[i]);
        f->shm[i] = NULL;
    }
}

void disk_free(struct disk *disk)
{
    while (disk != NULL && disk->files != NULL) {
        struct disk_file *f = disk->files;
        disk->files = f->next;
        forget_changes(f);
        free_shm(f);
        free(f->changes);
        free(f->now.bytes);
        free(f->synced.bytes);
        free(f);
    }
    free(disk);
}

/* One unsynced write reaches the platter, as a whole, in sectors, or as noise. */
static void arrive(struct image *image, const struct change *c, enum damage damage, uint64_t *random)
{
    if (c->bytes == NULL) {
        image_cut(image, c->at);
        return;
    }
    if (damage == DAMAGE_ZEROS && c->at + c->len > image->len) {
        static const uint8_t zero[1] = {0};
        image_write(image, c->at + c->len - 1, zero, 1);
        return;
    }
    if (damage != DAMAGE_TORN && damage != DAMAGE_GARBAGE) {
        image_write(image, c->at, c->bytes, c->len);
        return;
    }
    for (size_t at = 0; at < c->len; at += SECTOR) {
        size_t len = c->len - at < SECTOR ? c->len - at : SECTOR;
        uint64_t fate = disk_draw(random, 4);
        uint8_t noise[SECTOR];
        for (size_t i = 0; i < len; i++)
            noise[i] = (uint8_t)disk_draw(random, 256);
        if (damage == DAMAGE_GARBAGE && fate == 0)
            image_write(image, c->at + at, noise, len);
        else if (fate < 3)
            image_write(image, c->at + at, c->bytes + at, len);
    }
}

static void crash_file(struct disk_file *to, const struct disk_file *from, enum damage damage,
                       uint64_t *random)
{
    if (from->synced.len != 0)
        image_write(&to->now, 0, from->synced.bytes, from->synced.len);
    size_t split = disk_draw(random, from->count + 1);
    for (size_t i = 0; i < from->count; i++) {
        bool arrives = damage == DAMAGE_DROP_ALL ? false
                     : damage == DAMAGE_PREFIX   ? i < split
                     : damage == DAMAGE_SUFFIX   ? i >= split
                     : damage == DAMAGE_SUBSET   ? disk_draw(random, 2) == 0
                                                 : true;
        if (arrives)
            arrive(&to->now, &from->changes[i], damage, random);
    }
    if (to->now.len != 0)
        image_write(&to->synced, 0, to->now.bytes, to->now.len);
}

struct disk *disk_crash(const struct disk *disk, enum damage damage, uint64_t seed)
{
    struct disk *after = disk_new(seed);
    after->now = disk->now;
    after->lies = disk->lies;
    for (const struct disk_file *f = disk->files; f != NULL; f = f->next) {
        bool is_there = damage == DAMAGE_KEEP_ALL ? f->exists
                      : f->exists != f->was_synced ? disk_draw(&after->random, 2) == 0
                                                   : f->exists;
        if (!is_there)
            continue;
        struct disk_file *copy = find_or_make(after, f->name);
        copy->exists = copy->was_synced = true;
        crash_file(copy, f, damage, &after->random);
    }
    return after;
}

static struct disk_file *find_suffix(const struct disk *disk, const char *suffix)
{
    for (struct disk_file *f = disk->files; f != NULL; f = f->next) {
        size_t len = strlen(f->name);
        size_t want = strlen(suffix);
        if (f->exists && len >= want && strcmp(f->name + len - want, suffix) == 0)
            return f;
    }
    return NULL;
}

size_t disk_bytes(const struct disk *disk, const char *suffix)
{
    const struct disk_file *f = find_suffix(disk, suffix);
    return f != NULL ? f->now.len : 0;
}

bool disk_flip(struct disk *disk, const char *suffix, size_t byte, unsigned bit)
{
    struct disk_file *f = find_suffix(disk, suffix);
    if (f == NULL || byte >= f->now.len || byte >= f->synced.len)
        return false;
    f->now.bytes[byte] ^= (uint8_t)(1u << bit);
    f->synced.bytes[byte] ^= (uint8_t)(1u << bit);
    return true;
}

bool disk_damage_log(struct disk *disk, enum log_damage kind, uint64_t *random)
{
    struct disk_file *f = find_suffix(disk, "-wal");
    if (f == NULL || f->now.len == 0)
        return false;
    size_t at = disk_draw(random, f->now.len);
    if (kind == LOG_FLIPPED)
        return disk_flip(disk, "-wal", at, (unsigned)disk_draw(random, 8));
    if (kind == LOG_DELETED)
        f->exists = f->was_synced = false;
    if (kind == LOG_TRUNCATED || kind == LOG_DELETED) {
        image_cut(&f->now, kind == LOG_DELETED ? 0 : at);
        image_cut(&f->synced, kind == LOG_DELETED ? 0 : at);
    }
    if (kind == LOG_ZEROED) {
        memset(f->now.bytes + at, 0, f->now.len - at);
        memset(f->synced.bytes + at, 0, f->synced.len > at ? f->synced.len - at : 0);
    }
    return true;
}

void disk_sync_directory(struct disk *disk)
{
    for (struct disk_file *f = disk->files; f != NULL; f = f->next)
        f->was_synced = f->exists;
}

/* Whether the operation that begins now fails. */
static bool fails(struct disk *disk, bool is_change, bool may_be_full)
{
    if (is_change) {
        if (disk->before != NULL)
            disk->before(disk->context, disk);
        disk->changes++;
    }
    disk->operations++;
    if (disk->fault == FAULT_NONE || (disk->fault == FAULT_FULL && !may_be_full))
        return false;
    if (disk->operations < disk->fault_at ||
        (disk->operations != disk->fault_at && !disk->is_for_ever && disk->fault != FAULT_CRASH &&
         disk->faults != 0))
        return false;
    disk->faults++;
    return true;
}

static int on_read(sqlite3_file *base, void *to, int len, sqlite3_int64 at)
{
    struct handle *h = (struct handle *)base;
    if (fails(h->disk, false, false))
        return SQLITE_IOERR_READ;
    if (h->real != NULL)
        return h->real->pMethods->xRead(h->real, to, len, at);
    const struct image *image = &h->file->now;
    size_t have = (size_t)at < image->len ? image->len - (size_t)at : 0;
    have = have < (size_t)len ? have : (size_t)len;
    if (have != 0)
        memcpy(to, image->bytes + at, have);
    memset((uint8_t *)to + have, 0, (size_t)len - have);
    return have == (size_t)len ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

static int on_write(sqlite3_file *base, const void *from, int len, sqlite3_int64 at)
{
    struct handle *h = (struct handle *)base;
    bool is_bad = fails(h->disk, true, true);
    int rc = h->disk->fault == FAULT_FULL ? SQLITE_FULL : SQLITE_IOERR_WRITE;
    if (is_bad && (h->disk->fault == FAULT_CRASH || h->real != NULL))
        return rc;
    if (h->real != NULL)
        return h->real->pMethods->xWrite(h->real, from, len, at);
    size_t written = is_bad ? disk_draw(&h->disk->random, (uint64_t)len) : (size_t)len;
    if (written != 0) {
        image_write(&h->file->now, (size_t)at, from, written);
        remember(h->file, (size_t)at, from, written);
    }
    return is_bad ? rc : SQLITE_OK;
}

static int on_truncate(sqlite3_file *base, sqlite3_int64 len)
{
    struct handle *h = (struct handle *)base;
    if (fails(h->disk, true, false))
        return SQLITE_IOERR_TRUNCATE;
    if (h->real != NULL)
        return h->real->pMethods->xTruncate(h->real, len);
    image_cut(&h->file->now, (size_t)len);
    remember(h->file, (size_t)len, NULL, 0);
    return SQLITE_OK;
}

/* A failed sync: as Linux does it, pages that could not be written count as clean from then on, so that
 * a second sync that succeeds says nothing about them. */
static void lose_some(struct disk *disk, struct disk_file *f)
{
    size_t kept = 0;
    for (size_t i = 0; i < f->count; i++) {
        if (disk_draw(&disk->random, 2) == 0)
            f->changes[kept++] = f->changes[i];
        else
            free(f->changes[i].bytes);
    }
    f->count = kept;
}

static int on_sync(sqlite3_file *base, int flags)
{
    struct handle *h = (struct handle *)base;
    bool is_bad = fails(h->disk, true, false);
    if (is_bad && h->disk->fault != FAULT_CRASH && h->real == NULL)
        lose_some(h->disk, h->file);
    if (is_bad)
        return SQLITE_IOERR_FSYNC;
    if (h->real != NULL)
        return h->real->pMethods->xSync(h->real, flags);
    struct disk_file *f = h->file;
    if (h->disk->lies)
        return SQLITE_OK;
    for (size_t i = 0; i < f->count; i++)
        arrive(&f->synced, &f->changes[i], DAMAGE_KEEP_ALL, &h->disk->random);
    forget_changes(f);
    f->was_synced = true;
    return SQLITE_OK;
}

static int on_size(sqlite3_file *base, sqlite3_int64 *size)
{
    struct handle *h = (struct handle *)base;
    if (h->real != NULL)
        return h->real->pMethods->xFileSize(h->real, size);
    *size = (sqlite3_int64)h->file->now.len;
    return SQLITE_OK;
}

/* Enough of locking that a connection knows whether it is the last one. Locks on the shared memory
 * need nothing: no statement is left open between the steps of the one thread. */
static int on_lock(sqlite3_file *base, int level)
{
    struct handle *h = (struct handle *)base;
    if (h->real != NULL)
        return h->real->pMethods->xLock(h->real, level);
    bool is_other = h->file->lockers > (h->lock != SQLITE_LOCK_NONE);
    if (level == SQLITE_LOCK_EXCLUSIVE && is_other)
        return SQLITE_BUSY;
    h->file->lockers += h->lock == SQLITE_LOCK_NONE && level != SQLITE_LOCK_NONE;
    h->lock = level > h->lock ? level : h->lock;
    return SQLITE_OK;
}

static int on_unlock(sqlite3_file *base, int level)
{
    struct handle *h = (struct handle *)base;
    if (h->real != NULL)
        return h->real->pMethods->xUnlock(h->real, level);
    h->file->lockers -= h->lock != SQLITE_LOCK_NONE && level == SQLITE_LOCK_NONE;
    h->lock = level < h->lock ? level : h->lock;
    return SQLITE_OK;
}

static int on_close(sqlite3_file *base)
{
    struct handle *h = (struct handle *)base;
    on_unlock(base, SQLITE_LOCK_NONE);
    if (h->real != NULL) {
        h->real->pMethods->xClose(h->real);
        free(h->real);
    }
    return SQLITE_OK;
}

static int on_check_lock(sqlite3_file *base, int *is_locked)
{
    struct handle *h = (struct handle *)base;
    if (h->real != NULL)
        return h->real->pMethods->xCheckReservedLock(h->real, is_locked);
    *is_locked = 0;
    return SQLITE_OK;
}

static int on_control(sqlite3_file *base, int op, void *argument)
{
    struct handle *h = (struct handle *)base;
    return h->real != NULL ? h->real->pMethods->xFileControl(h->real, op, argument) : SQLITE_NOTFOUND;
}

static int on_sector_size(sqlite3_file *base)
{
    (void)base;
    return SECTOR;
}

static int on_characteristics(sqlite3_file *base)
{
    (void)base;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static int on_shm_map(sqlite3_file *base, int region, int size, int extend, void volatile **memory)
{
    struct handle *h = (struct handle *)base;
    struct disk_file *f = h->file;
    if (h->real != NULL)
        return h->real->pMethods->xShmMap(h->real, region, size, extend, memory);
    must(region < SHM_REGIONS);
    if (f->shm[region] == NULL && extend != 0)
        f->shm[region] = must_alloc(1, (size_t)size);
    *memory = f->shm[region];
    return SQLITE_OK;
}

static int on_shm_lock(sqlite3_file *base, int at, int count, int flags)
{
    struct handle *h = (struct handle *)base;
    return h->real != NULL ? h->real->pMethods->xShmLock(h->real, at, count, flags) : SQLITE_OK;
}

static void on_shm_barrier(sqlite3_file *base)
{
    struct handle *h = (struct handle *)base;
    if (h->real != NULL)
        h->real->pMethods->xShmBarrier(h->real);
}

static int on_shm_unmap(sqlite3_file *base, int is_last)
{
    struct handle *h = (struct handle *)base;
    if (h->real != NULL)
        return h->real->pMethods->xShmUnmap(h->real, is_last);
    if (is_last != 0)
        free_shm(h->file);
    return SQLITE_OK;
}

static const sqlite3_io_methods methods = {
    .iVersion = 2, .xClose = on_close, .xRead = on_read, .xWrite = on_write,
    .xTruncate = on_truncate, .xSync = on_sync, .xFileSize = on_size, .xLock = on_lock,
    .xUnlock = on_unlock, .xCheckReservedLock = on_check_lock, .xFileControl = on_control,
    .xSectorSize = on_sector_size, .xDeviceCharacteristics = on_characteristics,
    .xShmMap = on_shm_map, .xShmLock = on_shm_lock, .xShmBarrier = on_shm_barrier,
    .xShmUnmap = on_shm_unmap,
};

static sqlite3_vfs vfs;
static sqlite3_vfs *unix_vfs;

static bool is_backup(const char *name)
{
    size_t len = name != NULL ? strlen(name) : 0;
    return (len > 5 && strcmp(name + len - 5, ".part") == 0) ||
           (name != NULL && strstr(name, ".part-") != NULL);
}

static int open_real(const char *name, struct handle *h, int flags, int *out_flags)
{
    h->real = must_alloc(1, (size_t)unix_vfs->szOsFile);
    int rc = unix_vfs->xOpen(unix_vfs, name, h->real, flags, out_flags);
    if (rc == SQLITE_OK)
        return rc;
    free(h->real);
    h->real = NULL;
    h->base.pMethods = NULL;
    return rc;
}

static int on_open(sqlite3_vfs *v, const char *name, sqlite3_file *base, int flags, int *out_flags)
{
    struct handle *h = (struct handle *)base;
    struct disk *disk = v->pAppData;
    char unnamed[32];
    *h = (struct handle){.base = {.pMethods = &methods}, .disk = disk};
    if (is_backup(name))
        return open_real(name, h, flags, out_flags);
    if (name == NULL) {
        snprintf(unnamed, sizeof unnamed, "temporary-%llu", (unsigned long long)disk->operations);
        name = unnamed;
    }
    h->file = find_or_make(disk, name);
    if (!h->file->exists && (flags & SQLITE_OPEN_CREATE) == 0) {
        h->base.pMethods = NULL;
        return SQLITE_CANTOPEN;
    }
    if (!h->file->exists) { /* a new file, whatever had its name before */
        forget_changes(h->file);
        h->file->now.len = h->file->synced.len = 0;
        h->file->was_synced = false;
    }
    h->file->exists = true;
    if (out_flags != NULL)
        *out_flags = flags;
    return SQLITE_OK;
}

static int on_delete(sqlite3_vfs *v, const char *name, int sync_directory)
{
    struct disk *disk = v->pAppData;
    struct disk_file *f = find(disk, name);
    if (is_backup(name))
        return unix_vfs->xDelete(unix_vfs, name, sync_directory);
    if (fails(disk, true, false))
        return SQLITE_IOERR_DELETE;
    if (f == NULL || !f->exists)
        return SQLITE_IOERR_DELETE_NOENT;
    f->exists = false;
    if (sync_directory != 0)
        f->was_synced = false;
    image_cut(&f->now, 0);
    if (!f->was_synced) {
        image_cut(&f->synced, 0);
        forget_changes(f);
    }
    return SQLITE_OK;
}

static int on_access(sqlite3_vfs *v, const char *name, int flags, int *is_there)
{
    const struct disk_file *f = find(v->pAppData, name);
    if (is_backup(name))
        return unix_vfs->xAccess(unix_vfs, name, flags, is_there);
    *is_there = f != NULL && f->exists && (flags != SQLITE_ACCESS_EXISTS || f->now.len != 0);
    return SQLITE_OK;
}

static int on_full_name(sqlite3_vfs *v, const char *name, int size, char *full)
{
    (void)v;
    snprintf(full, (size_t)size, "%s", name);
    return SQLITE_OK;
}

static int on_randomness(sqlite3_vfs *v, int len, char *bytes)
{
    struct disk *disk = v->pAppData;
    for (int i = 0; i < len; i++)
        bytes[i] = (char)disk_draw(&disk->random, 256);
    return len;
}

static int on_sleep(sqlite3_vfs *v, int microseconds)
{
    (void)v;
    return microseconds;
}

static int on_time(sqlite3_vfs *v, double *day)
{
    const struct disk *disk = v->pAppData;
    *day = 2440587.5 + (double)disk->now / 86400000.0; /* Julian day of 1970 */
    return SQLITE_OK;
}

const char *disk_use(struct disk *disk)
{
    if (unix_vfs == NULL) {
        unix_vfs = sqlite3_vfs_find("unix");
        vfs = (sqlite3_vfs){.iVersion = 1, .szOsFile = sizeof(struct handle), .mxPathname = 512,
                            .zName = "rig", .xOpen = on_open, .xDelete = on_delete,
                            .xAccess = on_access, .xFullPathname = on_full_name,
                            .xRandomness = on_randomness, .xSleep = on_sleep, .xCurrentTime = on_time};
        must(sqlite3_vfs_register(&vfs, 1) == SQLITE_OK);
    }
    vfs.pAppData = disk;
    sqlite3_randomness(0, NULL); /* begins anew, with the disk's seed */
    return vfs.zName;
}
