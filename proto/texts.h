/* texts.h -- parameters written as text, in CSV files, in Redis and on the command line. */
#ifndef PAIDAN_TEXTS_H
#define PAIDAN_TEXTS_H

#include "params.h"

/* Packs `name: value` into the open map, converted as the parameter's kind says: lists have | between,
 * times are RFC 3339 or ms, booleans true/false/yes/no/1/0. False, with *error, when it cannot be. An
 * empty value packs nothing. */
bool texts_pack_param(struct pack *pack, const char *name, const char *value, struct error *error);

/* 2026-11-24T09:00:00+08:00 (or Z, or a space for the T) to ms since 1970 UTC. */
bool time_parse(const char *text, int64_t *ms);
/* ms to 2026-11-24 09:00 in the process's local time. */
void time_format(int64_t ms, char text[17]);

#endif
