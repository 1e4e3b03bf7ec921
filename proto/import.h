/* import.h -- organisations, orders and service records from files into a running daemon: CSV, or NDJSON
 * as paidan export writes it. */
#ifndef PAIDAN_IMPORT_H
#define PAIDAN_IMPORT_H

#include "client.h"

struct import_options {
    const char *kind;   /* orgs, orders, records */
    const char *path;   /* CSV, or NDJSON when it ends in .ndjson or .jsonl */
    const char *source; /* of records that name no issuer: another paidan's; NULL: none */
    bool is_atomic;     /* every row is checked by the server before the first is written */
};

/* Sends a file's rows, many under way at once; errors go to standard error with their line, in English and
 * Chinese. Columns that only exports have are passed over; orders that have ended, and records that do
 * not count, are skipped. An exit code. */
int import_run(struct client *client, const struct import_options *options);

#endif
