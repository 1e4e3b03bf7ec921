/* audit.c -- going through the events of a database and comparing heads. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "chain.h"
#include "sqlite.h"

/* The signed heads, in the sequence of their file. */
struct heads {
    struct chain *items;
    size_t count, next; /* next: the one to be compared */
};

static int read_heads(const char *path, const uint8_t *key, struct heads *heads, struct audit *audit,
                      struct failure *failure)
{
    char line[CHAIN_LINE_BYTES * 2];
    uint8_t trusted[32];
    bool has_key = key != NULL;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return failure_set(failure, EX_NOINPUT, "%s: %s", path, strerror(errno));
    if (has_key)
        memcpy(trusted, key, sizeof trusted);
    for (int number = 1; fgets(line, sizeof line, file) != NULL && audit->finding[0] == '\0'; number++) {
        struct chain head;
        uint8_t signer[32];
        int64_t at = 0;
        bool is_good = chain_parse(CHAIN_HEAD, line, &head, &at, signer);
        if (is_good && !has_key)
            memcpy(trusted, signer, sizeof trusted);
        has_key = true;
        if (!is_good || memcmp(trusted, signer, sizeof trusted) != 0) {
            snprintf(audit->finding, sizeof audit->finding, "%.100s:%d: not a head signed by the key", path, number);
        } else if (heads->count != 0 && head.seq < heads->items[heads->count - 1].seq) {
            snprintf(audit->finding, sizeof audit->finding, "%.100s:%d: the heads go back", path, number);
        } else {
            heads->items = must_realloc(heads->items, heads->count + 1, sizeof *heads->items);
            heads->items[heads->count++] = head;
        }
    }
    fclose(file);
    return 0;
}

/* Compares with the signed heads of this event. */
static void compare(struct heads *heads, const struct chain *chain, struct audit *audit)
{
    for (; heads->next < heads->count && heads->items[heads->next].seq == chain->seq; heads->next++) {
        audit->heads++;
        if (memcmp(heads->items[heads->next].head, chain->head, DIGEST_BYTES) != 0 && audit->finding[0] == '\0')
            snprintf(audit->finding, sizeof audit->finding,
                     "an event up to %llu is not what it was when its head was signed",
                     (unsigned long long)chain->seq);
    }
}

static int walk(sqlite3 *db, enum vault_profile profile, struct chain *chain, struct heads *heads,
                struct audit *audit, struct failure *failure)
{
    sqlite3_stmt *statement = NULL;
    int rc = SQLITE_ROW;
    if (sqlite3_prepare_v2(db, "SELECT * FROM events ORDER BY seq", -1, &statement, NULL) != SQLITE_OK)
        return sqlite_fail(db, "events", failure);
    while (audit->finding[0] == '\0' && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
        struct event event;
        row_event(statement, &event);
        if (event.seq != chain->seq + 1) {
            snprintf(audit->finding, sizeof audit->finding, "event %llu is missing",
                     (unsigned long long)(chain->seq + 1));
            break;
        }
        audit->first = audit->first != 0 ? audit->first : event.seq;
        audit->last = event.seq;
        audit->events++;
        chain_add(chain, profile, &event);
        compare(heads, chain, audit);
    }
    sqlite3_finalize(statement);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : sqlite_fail(db, "events", failure);
}

static void conclude(const struct chain *chain, const struct chain *stored, const struct heads *heads,
                     struct audit *audit)
{
    if (audit->finding[0] != '\0')
        return;
    if (heads->next < heads->count)
        snprintf(audit->finding, sizeof audit->finding, "cut off: event %llu has a signed head and is not there",
                 (unsigned long long)heads->items[heads->next].seq);
    else if (stored->seq != chain->seq)
        snprintf(audit->finding, sizeof audit->finding, "the log ends with event %llu, its head is of %llu",
                 (unsigned long long)chain->seq, (unsigned long long)stored->seq);
    else if (memcmp(stored->head, chain->head, DIGEST_BYTES) != 0)
        snprintf(audit->finding, sizeof audit->finding, "some event is not what it was when it was written");
}

int audit_verify(const char *database, const char *heads_path, const uint8_t *key, struct audit *audit,
                 struct failure *failure)
{
    struct heads heads = {.items = NULL};
    struct state_head state = {.commits = 0};
    sqlite3 *db = NULL;
    *audit = (struct audit){.events = 0};
    int rc = heads_path != NULL ? read_heads(heads_path, key, &heads, audit, failure) : 0;
    if (rc == 0)
        rc = sqlite_open(database, NULL, false, &db, failure);
    if (rc == 0) /* one transaction, so that the head is of the events that are seen */
        rc = sqlite_run(db, "BEGIN", failure);
    if (rc == 0)
        rc = sqlite_head(db, NULL, &state, failure);
    struct chain chain = state.base;
    while (heads.next < heads.count && heads.items[heads.next].seq < chain.seq)
        heads.next++; /* of events that were purged; the one at the base is compared */
    compare(&heads, &chain, audit);
    if (rc == 0 && audit->finding[0] == '\0')
        rc = walk(db, state.profile, &chain, &heads, audit, failure);
    conclude(&chain, &state.head, &heads, audit);
    sqlite3_close(db);
    free(heads.items);
    return rc;
}
