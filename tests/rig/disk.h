/* disk.h -- a disk in memory that forgets, tears and garbles what was not synced, as an SQLite VFS.
 *
 * Each file has what was synced, and the list of what was written since. A crash makes another disk
 * from it: the synced part, and of the rest what the pattern of damage lets through. After the method
 * of SQLite's own crash tests (sqlite.org/testing.html, section 3.3).
 *
 * Everything random comes from the disk's seed, so that a run can be repeated byte for byte. Names that
 * end in `.part` (backups) are real files: their operations count, but they are not damaged. One thread. */
#ifndef PAIDAN_RIG_DISK_H
#define PAIDAN_RIG_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What becomes of the writes that were not synced. */
enum damage {
    DAMAGE_KEEP_ALL, /* as when only the process dies */
    DAMAGE_DROP_ALL,
    DAMAGE_PREFIX,  /* the first so many arrive */
    DAMAGE_SUFFIX,  /* the last so many: reordered */
    DAMAGE_SUBSET,  /* any */
    DAMAGE_TORN,    /* any of their sectors of 512 bytes */
    DAMAGE_GARBAGE, /* some sectors hold noise */
    DAMAGE_ZEROS,   /* files have grown, but where they grew stand zeros */
    DAMAGE_COUNT
};
const char *damage_name(enum damage damage);

enum disk_fault {
    FAULT_NONE,
    FAULT_IO,    /* EIO: a write may be cut short; a sync may lose what it was to keep */
    FAULT_FULL,  /* ENOSPC, for writes */
    FAULT_CRASH, /* the power goes: nothing works any more */
};

struct disk_file;

struct disk {
    struct disk_file *files;
    uint64_t random;
    int64_t now; /* ms since 1970, for SQLite's clock */
    uint64_t changes; /* writes, syncs, truncations, deletions so far */
    uint64_t operations; /* these and reads */
    enum disk_fault fault;
    uint64_t fault_at; /* the operation that fails */
    bool is_for_ever;  /* and all after it */
    uint64_t faults;   /* how many did */
    bool lies;         /* a sync does nothing: the positive control of the whole rig */
    /* Called before each change; may look at the disk and copy it, not change it. */
    void (*before)(void *context, const struct disk *disk);
    void *context;
};

struct disk *disk_new(uint64_t seed);
void disk_free(struct disk *disk);
/* The disk as it is found after a crash of `disk` now. */
struct disk *disk_crash(const struct disk *disk, enum damage damage, uint64_t seed);
/* Flips a bit of what is synced. False when the file has no such byte. */
bool disk_flip(struct disk *disk, const char *suffix, size_t byte, unsigned bit);
/* Damages SQLite's log where it was synced: a bit, all from somewhere on, its end, all of it. False: there
 * is none. */
enum log_damage { LOG_FLIPPED, LOG_ZEROED, LOG_TRUNCATED, LOG_DELETED, LOG_DAMAGES };
bool disk_damage_log(struct disk *disk, enum log_damage kind, uint64_t *random);
size_t disk_bytes(const struct disk *disk, const char *suffix);
/* Creations and deletions of names are durable from here on: the fsync of the directory. */
void disk_sync_directory(struct disk *disk);
/* The name of the VFS; from now on SQLite opens files on this disk. */
const char *disk_use(struct disk *disk);

uint64_t disk_draw(uint64_t *random, uint64_t below);

#endif
