/* codes.h -- the code tables of a deployment: loading them into the engine, showing them. */
#ifndef PAIDAN_CODES_H
#define PAIDAN_CODES_H

#include "codec.h"
#include "engine/engine.h"
#include "store/failure.h"

/* Loads regions.csv into an engine that has none. */
int codes_load_regions(struct engine *engine, const char *path, struct failure *failure);
/* Loads skills.csv (required) and calendar.csv of a directory; known ones are written anew. */
int codes_load_tables(struct engine *engine, const char *directory, struct failure *failure);

/* Packs {items, next} of one list by name, or of the names of all when `list` is NULL. False when
 * there is no such list. `directory` may be NULL. */
bool codes_pack(const char *directory, const char *list, const struct engine *engine,
                struct pack *out);

#endif
