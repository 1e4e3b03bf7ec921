/* durable.h -- the record of the last commit, beside the database and outside it.
 *
 * What SQLite's log lost (a flipped bit, a file that was truncated, deleted or left behind by a copy) it
 * does not miss. So each commit is also told to a small file before anybody hears of it: its number, the
 * head of the audit chain, and the MAC of the row of counters. A database that is older than the record
 * is not opened.
 *
 * Four places of a sector each: two are written in turns after every commit and are not synced, so that
 * they are there when the process dies and perhaps not when the power goes; the other two at checkpoints,
 * and are. The database may be newer than the record, never older. */
#ifndef PAIDAN_DURABLE_H
#define PAIDAN_DURABLE_H

#include "chain.h"
#include "guard.h"

enum given_up { GIVEN_UP_NOTHING, GIVEN_UP_BY_RESTORE, GIVEN_UP_BY_HAND };

struct mark {
    uint64_t commits;
    struct chain head;
    int64_t row_check; /* of counters */
    /* What an operator gave up: events up to `lost`. The next start writes it into the log. */
    uint64_t given_up, lost;
};

struct durable;
/* *mark tells whether there is one and what it says. */
int durable_open(const char *directory, const char *vfs, const struct vault *vault, struct durable **durable,
                 bool *is_there, struct mark *mark, struct failure *failure);
int durable_put(struct durable *durable, const struct mark *mark, bool syncs, struct failure *failure);
void durable_close(struct durable *durable); /* NULL is allowed */

#endif
