/* restart.c -- what a start compares before it adds anything: the record of the last commit, the signed
 * heads, and the log that leads to both. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "audit.h"
#include "store_inside.h"

#define WHAT_TO_DO "restore a backup (paidand --restore FILE), or accept the loss (paidand --accept-loss), which the log will say"

static void own_heads(const char *path, const struct vault *vault, struct heads *heads)
{
    struct audit audit = {.events = 0};
    struct failure failure = {0};
    uint8_t key[32];
    *heads = (struct heads){.items = NULL};
    if (path == NULL || access(path, F_OK) != 0)
        return;
    vault_public_key(vault, key);
    audit_read_heads(path, key, true, heads, &audit, &failure); /* not to be read: as if there were none */
}

uint64_t restart_newest(const char *path, const struct vault *vault, const struct mark *mark)
{
    struct heads heads;
    uint64_t newest = mark == NULL ? 0 : mark->given_up != GIVEN_UP_NOTHING ? mark->lost : mark->head.seq;
    own_heads(path, vault, &heads);
    if (heads.count != 0 && heads.items[heads.count - 1].chain.seq > newest)
        newest = heads.items[heads.count - 1].chain.seq;
    audit_free_heads(&heads);
    return newest;
}

#define EVENTS_LOOKED_AT 20000 /* at least so many of the newest; the rest is an auditor's */

/* The signed head that the start goes on from: the newest that so many events follow. */
static const struct chain *go_on_from(const struct heads *heads, const struct state_head *head)
{
    for (size_t i = heads->count; i-- > 0;) {
        const struct chain *chain = &heads->items[i].chain;
        if (chain->seq >= head->base.seq && chain->seq + EVENTS_LOOKED_AT <= head->head.seq)
            return chain;
        if (heads->items[i].mark == CHAIN_RESTORED)
            break; /* what was signed before it may be given up */
    }
    return &head->base;
}

/* From there the log leads to its end, past the newest signed head and the record's. */
static int check_log(struct store *s, const struct state_head *head, const struct mark *mark, struct heads *heads,
                     struct failure *failure)
{
    struct audit audit = {.events = 0};
    struct chain chain = *go_on_from(heads, head);
    const struct chain *newest = heads->count != 0 ? &heads->items[heads->count - 1].chain : NULL;
    if (newest != NULL && newest->seq > head->head.seq && s->given_up == GIVEN_UP_NOTHING)
        return failure_set(failure, EX_DATAERR, "the database ends with event %llu, and the head of event %llu was signed: " WHAT_TO_DO,
                           (unsigned long long)head->head.seq, (unsigned long long)newest->seq);
    struct signed_head items[2];
    bool is_reached[2] = {false};
    struct heads marks = {.items = items, .is_reached = is_reached, .count = 0};
    if (newest != NULL && newest->seq >= chain.seq && s->given_up == GIVEN_UP_NOTHING)
        items[marks.count++] = (struct signed_head){.chain = *newest};
    if (mark->commits != 0 && mark->head.seq >= chain.seq)
        items[marks.count++] = (struct signed_head){.chain = mark->head};
    if (audit_walk(s->writer_db, head->profile, &chain, &marks, &audit, failure) != 0)
        return -1;
    audit_conclude(head, &chain, &marks, &audit);
    return audit.finding[0] == '\0' ? 0
         : failure_set(failure, EX_DATAERR, "the log is not what was written: %s: restore a backup", audit.finding);
}

int restart_check(struct store *s, const struct state_head *head, struct failure *failure)
{
    struct mark mark = {.commits = 0};
    struct heads heads;
    bool is_there = false;
    if (durable_open(s->options.directory, s->options.vfs, s->options.vault, &s->durable_record, &is_there, &mark, failure) != 0)
        return -1;
    if (!is_there && head->commits != 0)
        return failure_set(failure, EX_DATAERR, "%s: its record of the last commit (the file durable) is missing or damaged, "
                           "so nobody knows whether commits are missing: " WHAT_TO_DO, s->path);
    if (head->commits < mark.commits)
        return failure_set(failure, EX_DATAERR, "%s ends with commit %llu, event %llu; commit %llu, event %llu was acknowledged: " WHAT_TO_DO,
                           s->path, (unsigned long long)head->commits, (unsigned long long)head->head.seq,
                           (unsigned long long)mark.commits, (unsigned long long)mark.head.seq);
    if (is_there && head->commits == mark.commits && head->row_check != mark.row_check && mark.commits != 0)
        return failure_set(failure, EX_DATAERR, "%s is not the database that was written last: " WHAT_TO_DO, s->path);
    if (head->commits == mark.commits) {
        s->given_up = (enum given_up)mark.given_up;
        s->lost = mark.lost;
    }
    own_heads(s->options.heads, s->options.vault, &heads);
    int rc = check_log(s, head, &mark, &heads, failure);
    audit_free_heads(&heads);
    return rc;
}
