/* publish.h -- which figures may be published, so that nothing small can be reckoned from them.
 *
 * Small is fewer than PUBLISH_LEAST. A cell is settled when none of its figures is small, nor any difference of
 * figures that are about the same orders (placed less done is what was cancelled, is unmet or is open). Otherwise
 * it goes, with all its figures, together with what else is not settled in its town, then in its county, then with
 * the other categories of the county, then of the city; of what is small even there, single figures are left out.
 * So the cells are divided, once, for all figures and whoever asks, into sets, and every figure that is ever shown
 * is a sum of whole sets: at a town those that lie in it, in a county those that lie in that. No difference of
 * shown figures cuts a set, so none shows what a set is made of; minutes follow the attendances of their set. */
#ifndef PAIDAN_PUBLISH_H
#define PAIDAN_PUBLISH_H

#include "engine/engine.h"
#include "store/store.h"

#define PUBLISH_LEAST 5
#define CATEGORY_OTHER (-2)

/* The region above one of a level, or itself; its code. */
uint64_t region_at(const struct engine *engine, uint64_t code, int level);
/* The figures that are shown of a table by region and category: at a level, of what lies within a region (0:
 * everywhere). A figure that is 0 is not shown. The rows, sorted, are the caller's to free. */
struct month_row *publish_figures(const struct engine *engine, const struct month_row *cells, uint32_t count, int level,
                          uint64_t within, uint32_t *shown);

#endif
