/* generate.h -- made-up organisations and orders on real regions, the same for the same seed. */
#ifndef PAIDAN_GENERATE_H
#define PAIDAN_GENERATE_H

#include "engine/engine.h"
#include "store/failure.h"

struct generate_options {
    bool is_orgs;
    uint32_t count;
    uint64_t seed;
    int64_t day;         /* orders: any instant of the day on which they want service */
    const char *regions; /* region table */
    const char *codes;
};

/* Writes a CSV file of the command line's import to standard output. Every name and ref says that it
 * is generated. */
int generate(const struct generate_options *options, struct failure *failure);

#endif
