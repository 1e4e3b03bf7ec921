/* files.h -- organisations and orders from CSV files of the command line's forms, for an engine in
 * process. Skills that no catalogue has are learned, up to 256. */
#ifndef PAIDAN_FILES_H
#define PAIDAN_FILES_H

#include "engine/engine.h"
#include "store/failure.h"

struct files {
    struct engine *engine;
    struct order_request *orders; /* owned, as all below */
    char **refs;
    uint32_t order_count, order_room;
    int64_t now; /* the day before the first order begins */
};

void files_add_order(struct files *files, const struct order_request *order, const char *ref);
/* 0, or -1 with *failure naming the file, the line, the column and the reason. */
int files_load(struct files *files, const char *orgs, const char *orders, struct failure *failure);
void files_fini(struct files *files); /* not the engine */

#endif
