/* import.h -- organisations and orders from CSV files into a running daemon. */
#ifndef PAIDAN_IMPORT_H
#define PAIDAN_IMPORT_H

#include "client.h"

/* Sends a file's rows, many under way at once; errors go to standard error with their line. With
 * `is_atomic` every row is checked by the server before the first is written. An exit code. */
int import_file(struct client *client, bool is_orgs, const char *path, bool is_atomic);

#endif
