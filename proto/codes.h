/* codes.h -- the code tables of a deployment: loading them into the engine, showing them. */
#ifndef PAIDAN_CODES_H
#define PAIDAN_CODES_H

#include "codec.h"
#include "engine/engine.h"
#include "store/failure.h"

#define CODE_FILES 4

/* Loads regions.csv into an engine that has none. */
int codes_load_regions(struct engine *engine, const char *path, struct failure *failure);
/* Loads skills.csv (required) and calendar.csv of a directory; known ones are written anew. */
int codes_load_tables(struct engine *engine, const char *directory, struct failure *failure);

/* The files that people look up, packed once so that showing them reads no file. */
struct code_tables {
    struct pack files[CODE_FILES];
};
void codes_read_files(struct code_tables *tables, const char *directory);
void codes_fini(struct code_tables *tables);

/* Packs {items, next} of one list by name, or of the names of all when `list` is NULL. False when
 * there is no such list. `tables` may be NULL. */
bool codes_pack(const struct code_tables *tables, const char *list, struct pack *out);

#endif
