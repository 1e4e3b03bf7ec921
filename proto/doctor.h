/* doctor.h -- paidan doctor: what an operator would look at first, and what to do about it. */
#ifndef PAIDAN_DOCTOR_H
#define PAIDAN_DOCTOR_H

#include "client.h"
#include "settings.h"

/* Looks at the settings' files and rights, and at the running daemon when `client` is not NULL. Prints a
 * line a finding: good, warn or bad. 0, or 1 when something is bad. */
int doctor_run(const struct settings *settings, struct client *client, const char *backups);

#endif
