/* export.h -- paidan export: what the daemon holds as files, with a manifest of counts and digests.
 *
 * No personal data: they are in no list. Each file appears whole or not at all; the manifest, which
 * `sha256sum -c` can check through SHA256SUMS, comes last. Events come after the rest, so that whoever
 * goes on with the events after the manifest's `last` misses nothing. */
#ifndef PAIDAN_EXPORT_H
#define PAIDAN_EXPORT_H

#include "client.h"

struct export_options {
    const char *directory; /* made when it is not there */
    const char *kind;      /* orgs, orders, records, events, summary, public; all */
    bool is_csv;           /* else a JSON object a line, as on the wire */
    int64_t since, until;  /* ms; 0: no bound. Of orders, records, events, summary */
    const char *month;     /* of public, such as 2026-11; NULL: `all` goes without it */
    uint64_t after;        /* events after this one */
};

/* An exit code. */
int export_run(struct client *client, const struct export_options *options);

#endif
