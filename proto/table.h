/* table.h -- reading CSV files: UTF-8, or GB 18030, which is converted; with a header line.
 *
 * A file is read whole; rows come to `take` with their fields in the sequence of `columns`. */
#ifndef PAIDAN_TABLE_H
#define PAIDAN_TABLE_H

#include "engine/base.h"
#include "store/failure.h"

#define TABLE_COLUMNS_MAX 40

struct table_row {
    const char *path;
    int line;                        /* on which the row begins, from 1 */
    const char *fields[TABLE_COLUMNS_MAX]; /* by the index in `columns`; "" when the file has no such column */
};

struct table_format {
    const char *const *columns;
    int column_count;
    int required_count; /* the first so many must be in the header */
    int unused_allowed; /* whether other columns are passed over; else they are named and refused */
};

/* take() answers 0 to go on, or fills *failure in and answers -1. */
int table_read(const char *path, const struct table_format *format,
               int (*take)(void *context, const struct table_row *row, struct failure *failure),
               void *context, struct failure *failure);

#endif
