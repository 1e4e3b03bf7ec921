/* crs.h -- GCJ-02, the shifted coordinates of Chinese consumer maps, to WGS-84.
 *
 * The shift is the published approximation that map software uses both ways; it is undone by
 * iteration to better than a centimetre. Outside of China's box there is no shift. */
#ifndef PAIDAN_CRS_H
#define PAIDAN_CRS_H

#include "engine/base.h"

void crs_from_gcj02(int32_t *lat, int32_t *lon); /* 1e-7 degrees, in place */

#endif
