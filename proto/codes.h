/* codes.h -- the code tables of a deployment: loading them into the engine, showing them. */
#ifndef PAIDAN_CODES_H
#define PAIDAN_CODES_H

#include "codec.h"
#include "engine/engine.h"
#include "store/failure.h"

#define CODE_FILES 6
#define STAR_COUNT_MAX 16
#define ISSUER_COUNT_MAX 64

/* Loads regions.csv into an engine that has none. */
int codes_load_regions(struct engine *engine, const char *path, struct failure *failure);
/* Loads skills.csv (required) and calendar.csv of a directory; known ones are written anew. */
int codes_load_tables(struct engine *engine, const char *directory, struct failure *failure);

/* The files that people look up, packed once so that showing them reads no file. */
struct code_tables {
    struct pack files[CODE_FILES];
    struct star {
        char name[WORD_BYTES_MAX + 1];
        uint64_t minutes; /* certified ones that it takes */
    } stars[STAR_COUNT_MAX]; /* rising */
    char issuers[ISSUER_COUNT_MAX][WORD_BYTES_MAX + 1];
    uint32_t star_count, issuer_count;
    char version[17]; /* of all lists together: another when a word or a label is another */
};
void codes_read_files(struct code_tables *tables, const char *directory);
void codes_fini(struct code_tables *tables);

/* The star that so many certified minutes come to, and the next one; NULL: none. `tables` may be NULL. */
const struct star *codes_star(const struct code_tables *tables, uint64_t minutes);
const struct star *codes_next_star(const struct code_tables *tables, uint64_t minutes);
/* Whether hours of that issuer are taken. */
bool codes_has_issuer(const struct code_tables *tables, const char *issuer);

/* Packs {items, next} of one list by name, or of the names of all when `list` is NULL. False when
 * there is no such list. `tables` may be NULL. */
bool codes_pack(const struct code_tables *tables, const char *list, struct pack *out);

#endif
