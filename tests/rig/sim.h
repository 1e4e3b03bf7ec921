/* sim.h -- whole runs from one number, and the sweeps over every operation of the disk. */
#ifndef PAIDAN_RIG_SIM_H
#define PAIDAN_RIG_SIM_H

#include "verdict.h"

struct sim_result {
    bool is_good;
    char why[600];
    uint64_t ticks, virtual_ms, crashes, jumps, disk_faults, redis_faults, answered, refused, repeated, acknowledged, orders;
    uint64_t trace; /* a hash of every byte that the service sent, to clients and to Redis */
};

/* One run: load with faults, all healed, must come to rest, then the verdict; a verdict also after
 * each restart. */
struct sim_result sim_run(uint64_t seed);
/* The same on a disk that forgets what it says it has synced: must not be good. */
struct sim_result sim_run_on_liar(uint64_t seed);

struct sweep_result {
    bool is_good;
    char why[600];
    uint64_t points;  /* crashes that were recovered from, second crashes among them */
    uint64_t seconds; /* crashes during a recovery */
    uint64_t operations; /* of the disk in the workload */
    int schema;          /* of the database that it began with; 0: none yet */
};

/* Crash points: one workload, and before its every `stride`th change of the disk (from `first` on) a
 * crash with each pattern of damage, recovered from and compared; in each `second_every`th recovery
 * another crash at a random point of it. */
struct sweep_result sweep_crashes(uint64_t seed, unsigned first, unsigned stride, unsigned second_every);

/* I/O faults: the workload again and again, its k-th operation failing, once and then for ever, as
 * EIO and as ENOSPC; then restart and compare. k = first, first + stride, … until none was reached. */
struct sweep_result sweep_faults(uint64_t seed, unsigned first, unsigned stride);

/* The same for SQLite's memory: its k-th allocation fails. */
struct sweep_result sweep_memory(uint64_t seed, unsigned first, unsigned stride);

struct rot_result {
    uint64_t flips, edits, found, harmless, silent;
    char why[300]; /* the first that was silent, of the edits */
};

/* A bit of every `stride`th byte of the workload's database is flipped while it is closed. Found: the
 * start refuses it, or integrity_check, the audit chain or an invariant does. Silent: another state. */
struct rot_result sweep_rot(uint64_t seed, unsigned first, unsigned stride);

/* tamper.c: one edit of a row, drawn, and all of them; damage to the log of writes after a kill; a head
 * that nobody signed. False with *why: it was not noticed. */
bool tamper_one(const struct disk *disk, int64_t now, uint64_t *random, char why[300]);
void tamper_all(const struct disk *disk, int64_t now, struct rot_result *result);
bool tamper_log(const struct service *before, uint64_t *random, char why[300]);
bool tamper_head(struct disk *disk, char why[300]);

struct trespass_result {
    uint64_t cases, allowed, leaks, orders;
    char why[300];
};

/* Generated callers times generated requests, over a city with a past; ends at the first leak. */
struct trespass_result trespass_run(uint64_t seed, uint64_t cases);

/* Call once, before anything else uses SQLite: its memory can be made to fail from then on. */
void sim_prepare(void);
void sim_memory_fails(uint64_t at, bool is_for_ever); /* 0: no more; counts from here */
uint64_t sim_memory_asked(void); /* until the failing was called off */

#endif
