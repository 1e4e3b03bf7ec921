/* guard.h -- what keeps rows of state as they were written: a MAC over every row, and of each table a
 * count and a sum.
 *
 * A row's MAC is over its table and all its columns, its key with them, under a key derived from the
 * master key: a row that was edited, or copied under another number, does not carry it. What of a row
 * is whole says nothing about rows that are gone or were put back as they once were; so the sum of each
 * table adds up a second MAC of every row, and stands under a MAC of its own beside the count of the
 * rows in `counters`. One guard a thread. */
#ifndef PAIDAN_GUARD_H
#define PAIDAN_GUARD_H

#include <sqlite3.h>

#include "vault.h"

enum guarded {
    TABLE_NONE,
    TABLE_ORDERS,
    TABLE_OFFERS,
    TABLE_ORGS,
    TABLE_TALLIES,
    TABLE_SERIES,
    TABLE_RECORDS,
    TABLE_SERVED,
    TABLE_REFS,
    TABLE_SKILLS,
    TABLE_CONTACT,
    TABLE_TOKENS,
    TABLE_EMERGENCIES,
    TABLE_PUSH,
    TABLE_DEAD_LETTERS,
    TABLE_COUNTERS, /* the last: one row, which holds the sums of the others */
    TABLE_COUNT
};
const char *guarded_name(enum guarded table);

struct guard {
    struct vault_mac *mac;
    uint8_t *bytes; /* of the row that is being gathered */
    size_t len, room;
};

void guard_init(struct guard *guard, const struct vault *vault);
void guard_fini(struct guard *guard);

/* A row's values, left to right, then its MAC. */
void guard_begin(struct guard *guard, enum guarded table);
void guard_number(struct guard *guard, int64_t number);
void guard_bytes(struct guard *guard, const void *bytes, size_t len);
int64_t guard_end(struct guard *guard);

/* The MAC of `count` columns of a row from `first` on; and whether the last of them is that of the others. */
int64_t guard_row(struct guard *guard, enum guarded table, sqlite3_stmt *row, int first, int count);
bool guard_is_whole(struct guard *guard, enum guarded table, sqlite3_stmt *row, int first, int count);

/* How many rows a table has, and the sum over them. */
struct tally_of_rows {
    uint64_t count, sum;
};
void guard_add(struct guard *guard, struct tally_of_rows *tallies, enum guarded table, int64_t row_check);
void guard_remove(struct guard *guard, struct tally_of_rows *tallies, enum guarded table, int64_t row_check);
/* As they stand in counters: a count and a MAC for each table. */
#define TALLIES_BYTES ((TABLE_COUNTERS - 1) * 16)
void guard_pack(struct guard *guard, const struct tally_of_rows *tallies, uint8_t bytes[TALLIES_BYTES]);

#endif
