/* load.h -- what commands share that put a load on a daemon: one of our own, its organisations, the
 * requests of the workload, and a line that tells how far it is. */
#ifndef PAIDAN_LOAD_H
#define PAIDAN_LOAD_H

#include <sys/types.h>

#include "bench.h"
#include "proto/client.h"
#include "workload.h"

/* A daemon of our own in a directory of its own. */
struct load_daemon {
    char directory[300], address[320];
    pid_t pid;
    bool is_kept; /* the directory stays when the daemon stops */
};

/* Starts it in a new directory under --data (/tmp), with further options after a `NULL`-ended list of
 * its own; false, with the reason said, when it does not answer within a minute. */
bool load_start(struct load_daemon *daemon, int argc, char **argv, const char *const *options);
bool load_start_again(struct load_daemon *daemon, const char *const *options);
/* Ends it with SIGTERM and waits; its exit code. */
int load_stop(struct load_daemon *daemon);
void load_remove(struct load_daemon *daemon); /* stops, and clears up */
uint64_t load_resident_kb(const struct load_daemon *daemon);

struct client *load_connect(const char *address); /* NULL, with the reason said */
/* Registers the workload's next `count` organisations under the ids from 1 on. */
bool load_put_orgs(struct workload *w, struct client *client, uint32_t count);
/* Begins order.place of the workload's next order; the caller sends it. */
void load_begin_place(struct workload *w, struct client *client, const char *ref, const char *mode);
void load_begin_accept(struct client *client, int64_t offer);

/* On a terminal: how far it is, ten times a second at most. Ends the line when done is total. */
void load_progress(const char *what, uint64_t done, uint64_t total);

#endif
