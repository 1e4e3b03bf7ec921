/* guard.c -- MACs of rows, counts and sums of tables. */
#include "guard.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base.h"

enum { MARK_ROW, MARK_SUM, MARK_TABLE }; /* what a MAC is of */

const char *guarded_name(enum guarded table)
{
    static const char *const names[TABLE_COUNT] = {
        [TABLE_NONE] = "", [TABLE_ORDERS] = "orders", [TABLE_OFFERS] = "offers", [TABLE_ORGS] = "orgs",
        [TABLE_TALLIES] = "tallies", [TABLE_SERIES] = "series", [TABLE_RECORDS] = "records",
        [TABLE_SERVED] = "served", [TABLE_REFS] = "refs", [TABLE_SKILLS] = "skills",
        [TABLE_CONTACT] = "contact", [TABLE_TOKENS] = "tokens", [TABLE_EMERGENCIES] = "emergencies",
        [TABLE_PUSH] = "push", [TABLE_DEAD_LETTERS] = "dead_letters", [TABLE_COUNTERS] = "counters"};
    return names[table];
}

void guard_init(struct guard *guard, const struct vault *vault)
{
    *guard = (struct guard){.mac = vault_mac_new(vault)};
}

void guard_fini(struct guard *guard)
{
    vault_mac_free(guard->mac);
    free(guard->bytes);
    *guard = (struct guard){.mac = NULL};
}

static void add(struct guard *g, const void *bytes, size_t len)
{
    if (g->len + len > g->room) {
        g->room = (g->len + len) * 2;
        g->bytes = must_realloc(g->bytes, g->room, 1);
    }
    if (len != 0)
        memcpy(g->bytes + g->len, bytes, len);
    g->len += len;
}

void guard_begin(struct guard *g, enum guarded table)
{
    const uint8_t mark[2] = {MARK_ROW, (uint8_t)table};
    g->len = 0;
    add(g, mark, sizeof mark);
}

void guard_number(struct guard *g, int64_t number)
{
    add(g, &number, sizeof number);
}

void guard_bytes(struct guard *g, const void *bytes, size_t len)
{
    guard_number(g, (int64_t)len);
    add(g, bytes, len);
}

int64_t guard_end(struct guard *g)
{
    return (int64_t)vault_mac(g->mac, g->bytes, g->len);
}

int64_t guard_row(struct guard *g, enum guarded table, sqlite3_stmt *row, int first, int count)
{
    guard_begin(g, table);
    for (int i = first; i < first + count; i++) {
        int type = sqlite3_column_type(row, i);
        if (type == SQLITE_INTEGER)
            guard_number(g, sqlite3_column_int64(row, i));
        else if (type == SQLITE_TEXT)
            guard_bytes(g, sqlite3_column_text(row, i), (size_t)sqlite3_column_bytes(row, i));
        else
            guard_bytes(g, sqlite3_column_blob(row, i), (size_t)sqlite3_column_bytes(row, i));
    }
    return guard_end(g);
}

bool guard_is_whole(struct guard *g, enum guarded table, sqlite3_stmt *row, int first, int count)
{
    return sqlite3_column_int64(row, first + count - 1) == guard_row(g, table, row, first, count - 1);
}

static uint64_t mac_of(struct guard *g, uint8_t mark, enum guarded table, uint64_t one, uint64_t two)
{
    uint8_t bytes[18] = {mark, (uint8_t)table};
    memcpy(bytes + 2, &one, 8);
    memcpy(bytes + 10, &two, 8);
    return vault_mac(g->mac, bytes, sizeof bytes);
}

void guard_add(struct guard *g, struct tally_of_rows *tallies, enum guarded table, int64_t row_check)
{
    tallies[table].count++;
    tallies[table].sum += mac_of(g, MARK_SUM, table, (uint64_t)row_check, 0);
}

void guard_remove(struct guard *g, struct tally_of_rows *tallies, enum guarded table, int64_t row_check)
{
    tallies[table].count--;
    tallies[table].sum -= mac_of(g, MARK_SUM, table, (uint64_t)row_check, 0);
}

void guard_pack(struct guard *g, const struct tally_of_rows *tallies, uint8_t bytes[TALLIES_BYTES])
{
    for (int table = TABLE_ORDERS; table < TABLE_COUNTERS; table++) {
        const struct tally_of_rows *t = &tallies[table];
        uint64_t mac = mac_of(g, MARK_TABLE, (enum guarded)table, t->count, t->sum);
        memcpy(bytes, &t->count, 8);
        memcpy(bytes + 8, &mac, 8);
        bytes += 16;
    }
}
