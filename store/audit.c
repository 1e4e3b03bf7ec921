/* audit.c -- going through the events of a database and comparing heads: at start, and for an auditor. */
#include "audit.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

__attribute__((format(printf, 2, 3))) static void find(struct audit *audit, const char *format, ...)
{
    va_list arguments;
    if (audit->finding[0] != '\0')
        return;
    va_start(arguments, format);
    vsnprintf(audit->finding, sizeof audit->finding, format, arguments);
    va_end(arguments);
}

int audit_read_heads(const char *path, const uint8_t *key, bool skips_others, struct heads *heads, struct audit *audit,
                     struct failure *failure)
{
    char line[CHAIN_LINE_BYTES * 2];
    uint8_t trusted[32];
    bool has_key = key != NULL;
    FILE *file = fopen(path, "re");
    *heads = (struct heads){.items = NULL};
    if (file == NULL)
        return failure_set(failure, EX_NOINPUT, "%s: %s", path, strerror(errno));
    if (has_key)
        memcpy(trusted, key, sizeof trusted);
    for (int number = 1; fgets(line, sizeof line, file) != NULL && audit->finding[0] == '\0'; number++) {
        struct signed_head head;
        bool is_good = chain_parse(line, &head) && head.mark != CHAIN_BASE;
        if (is_good && !has_key)
            memcpy(trusted, head.key, sizeof trusted);
        has_key = has_key || is_good;
        is_good = is_good && memcmp(trusted, head.key, sizeof trusted) == 0;
        if (is_good) {
            heads->items = must_realloc(heads->items, heads->count + 1, sizeof *heads->items);
            heads->items[heads->count++] = head;
        } else if (!skips_others) {
            find(audit, "%.100s:%d: not a head signed by the key", path, number);
        }
    }
    fclose(file);
    heads->is_reached = must_alloc(heads->count + 1, sizeof *heads->is_reached);
    return 0;
}

void audit_free_heads(struct heads *heads)
{
    free(heads->items);
    free(heads->is_reached);
    *heads = (struct heads){.items = NULL};
}

/* The base is what it was when older events were purged: zeros, or signed. */
static void check_base(const struct state_head *state, const struct heads *heads, const uint8_t *key, struct audit *audit)
{
    static const uint8_t zeros[DIGEST_BYTES] = {0};
    struct signed_head base;
    const uint8_t *trusted = key != NULL ? key : heads->count != 0 ? heads->items[0].key : NULL;
    if (state->base.seq == 0 && memcmp(state->base.head, zeros, sizeof zeros) == 0)
        return;
    if (!chain_parse(state->base_line, &base) || base.mark != CHAIN_BASE || base.chain.seq != state->base.seq ||
        memcmp(base.chain.head, state->base.head, DIGEST_BYTES) != 0 ||
        (trusted != NULL && memcmp(base.key, trusted, sizeof base.key) != 0))
        find(audit, "the log begins after event %llu, and nobody signed that what was before was purged",
             (unsigned long long)state->base.seq);
}

/* The heads by the events that they are of, ascending. */
struct place {
    uint64_t seq;
    size_t index;
    bool is_last; /* beyond all: the number of an event is whatever stands in the file */
};

static int by_seq(const void *a, const void *b)
{
    uint64_t one = ((const struct place *)a)->seq;
    uint64_t other = ((const struct place *)b)->seq;
    return (one > other) - (one < other);
}

static struct place *places_of(const struct heads *heads)
{
    struct place *places = must_alloc(heads->count + 1, sizeof *places);
    for (size_t i = 0; i < heads->count; i++)
        places[i] = (struct place){.seq = heads->items[i].chain.seq, .index = i};
    if (heads->count != 0)
        qsort(places, heads->count, sizeof *places, by_seq);
    places[heads->count].is_last = true;
    return places;
}

/* Whether the log led to the signed heads of this event. True: it was gone back to here. */
static bool compare(struct heads *heads, const struct place **next, const struct chain *chain, struct audit *audit)
{
    bool is_restored = false;
    for (; !(*next)->is_last && (*next)->seq <= chain->seq; ++*next) {
        const struct signed_head *head = &heads->items[(*next)->index];
        if ((*next)->seq != chain->seq || memcmp(head->chain.head, chain->head, DIGEST_BYTES) != 0)
            continue;
        heads->is_reached[(*next)->index] = true;
        audit->heads++;
        is_restored = is_restored || head->mark == CHAIN_RESTORED;
    }
    return is_restored;
}

int audit_walk(sqlite3 *db, enum vault_profile profile, struct chain *chain, struct heads *heads, struct audit *audit,
               struct failure *failure)
{
    sqlite3_stmt *statement = NULL;
    int rc = SQLITE_ROW;
    struct place *places = places_of(heads);
    const struct place *next = places;
    if (sqlite3_prepare_v2(db, "SELECT * FROM events WHERE seq > ? ORDER BY seq", -1, &statement, NULL) != SQLITE_OK) {
        free(places);
        return sqlite_fail(db, "events", failure);
    }
    sqlite3_bind_int64(statement, 1, (int64_t)chain->seq);
    bool is_restored = compare(heads, &next, chain, audit);
    while (audit->finding[0] == '\0' && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
        struct event event;
        row_event(statement, &event);
        if (event.seq != chain->seq + 1) {
            find(audit, "event %llu is missing", (unsigned long long)(chain->seq + 1));
            break;
        }
        if (is_restored && event.kind != EVENT_RESTORED)
            find(audit, "the log was gone back to event %llu, and event %llu does not say so",
                 (unsigned long long)chain->seq, (unsigned long long)event.seq);
        audit->first = audit->first != 0 ? audit->first : event.seq;
        audit->last = event.seq;
        audit->events++;
        chain_add(chain, profile, &event);
        is_restored = compare(heads, &next, chain, audit);
    }
    sqlite3_finalize(statement);
    free(places);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : sqlite_fail(db, "events", failure);
}

/* A later line says that the log was gone back to before this head. `restored`: the first such line. */
static bool is_given_up(const struct heads *heads, size_t i, size_t restored)
{
    uint64_t seq = heads->items[i].chain.seq;
    for (size_t j = restored > i ? restored : i + 1; j < heads->count; j++)
        if (heads->items[j].mark == CHAIN_RESTORED && heads->items[j].chain.seq < seq && seq <= heads->items[j].from)
            return true;
    return false;
}

static void check_heads(const struct heads *heads, const struct chain *base, const struct chain *chain, struct audit *audit)
{
    uint64_t newest = 0;
    size_t restored = 0;
    while (restored < heads->count && heads->items[restored].mark != CHAIN_RESTORED)
        restored++;
    for (size_t i = 0; i < heads->count; i++) {
        uint64_t seq = heads->items[i].chain.seq;
        newest = seq > newest ? seq : newest;
        if (heads->is_reached[i] || seq < base->seq || is_given_up(heads, i, restored))
            continue;
        if (seq > chain->seq)
            find(audit, "cut off: event %llu has a signed head and is not there", (unsigned long long)seq);
        else
            find(audit, "an event up to %llu is not what it was when its head was signed", (unsigned long long)seq);
    }
    if (newest < base->seq)
        find(audit, "the newest signed head is of event %llu, before the log begins", (unsigned long long)newest);
}

void audit_conclude(const struct state_head *state, const struct chain *chain, const struct heads *heads, struct audit *audit)
{
    if (state->head.seq != chain->seq)
        find(audit, "the log ends with event %llu, its head is of %llu", (unsigned long long)chain->seq,
             (unsigned long long)state->head.seq);
    else if (memcmp(state->head.head, chain->head, DIGEST_BYTES) != 0)
        find(audit, "some event is not what it was when it was written");
    if (heads->count != 0)
        check_heads(heads, &state->base, chain, audit);
}

/* What is wrong with the data is what an audit is for; anything else is its own failure. */
static int conclude(const struct failure *found, struct audit *audit, struct failure *failure)
{
    if (found->exit_code != EX_DATAERR) {
        *failure = *found;
        return -1;
    }
    find(audit, "%.199s", found->text);
    return 0;
}

/* With the master key every row is looked at, as a start does. */
static int look_at_rows(sqlite3 *db, const struct vault *vault, struct audit *audit, struct failure *failure)
{
    struct guard guard;
    struct state_head head;
    struct state_rows rows;
    struct failure found = {0};
    guard_init(&guard, vault);
    bool is_whole = sqlite_head(db, &guard, &head, &found) == 0 && sqlite_verify(db, vault, &guard, &head, &rows, &found) == 0;
    guard_fini(&guard);
    return is_whole ? 0 : conclude(&found, audit, failure);
}

static int go_through(sqlite3 *db, const char *heads_path, const uint8_t *key, const char *master_key, struct audit *audit,
                      struct failure *failure)
{
    struct heads heads = {.items = NULL};
    struct state_head state;
    struct vault vault = {.profile = VAULT_INTERNATIONAL};
    uint8_t own[32];
    struct failure found = {0};
    if (sqlite_check_objects(db, &found) != 0)
        return conclude(&found, audit, failure);
    if (sqlite_head(db, NULL, &state, failure) != 0)
        return -1;
    if (master_key != NULL && vault_open(&vault, state.profile, master_key, false, failure) != 0)
        return -1;
    if (master_key != NULL && key == NULL) {
        vault_public_key(&vault, own);
        key = own;
    }
    struct chain chain = state.base;
    int rc = heads_path != NULL ? audit_read_heads(heads_path, key, false, &heads, audit, failure) : 0;
    if (rc == 0 && heads_path != NULL && heads.count == 0 && state.head.seq != 0)
        find(audit, "%.100s holds no signed head, and there are events", heads_path);
    check_base(&state, &heads, key, audit);
    if (rc == 0 && audit->finding[0] == '\0')
        rc = audit_walk(db, state.profile, &chain, &heads, audit, failure);
    if (rc == 0)
        audit_conclude(&state, &chain, &heads, audit);
    if (rc == 0 && master_key != NULL)
        rc = look_at_rows(db, &vault, audit, failure);
    audit_free_heads(&heads);
    vault_close(&vault);
    return rc;
}

int audit_verify(const char *database, const char *heads_path, const uint8_t *key, const char *master_key,
                 struct audit *audit, struct failure *failure)
{
    sqlite3 *db = NULL;
    *audit = (struct audit){.events = 0};
    if (sqlite_open(database, NULL, false, &db, failure) != 0)
        return -1;
    int rc = sqlite_run(db, "BEGIN", failure); /* one transaction, so that the head is of the events that are seen */
    if (rc == 0)
        rc = go_through(db, heads_path, key, master_key, audit, failure);
    sqlite3_close(db);
    return rc;
}
