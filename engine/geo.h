/* geo.h -- places and distances in integers.
 *
 * A coordinate is an int32_t in 1e-7 degrees of WGS-84. Distances are millimetres. They agree with
 * the geodesic within 0.05 % + 1 m up to 100 km for latitudes to 60 degrees: both points are put on
 * the ellipsoid's tangent at their middle latitude. The lengths of a degree come from the series
 *   M(lat) = 111132.954 - 559.822 cos 2lat + 1.175 cos 4lat   metres a degree of latitude
 *   N(lat) = 111412.84 cos lat - 93.5 cos 3lat + 0.118 cos 5lat   metres a degree of longitude
 * (National Geospatial-Intelligence Agency, "Length of a degree of latitude and longitude"). */
#ifndef PAIDAN_GEO_H
#define PAIDAN_GEO_H

#include "base.h"

#define LAT_MAX 900000000
#define LON_MAX 1800000000
#define DISTANCE_FAR INT64_C(3037000499) /* mm; anything farther is this far */

/* Millimetres between two points, symmetric; DISTANCE_FAR when they are that far apart or more. */
int64_t geo_distance_mm(int32_t lat_a, int32_t lon_a, int32_t lat_b, int32_t lon_b);

/* The square of the distance before it is rounded; false when it is DISTANCE_FAR or more. */
bool geo_square_mm(int32_t lat_a, int32_t lon_a, int32_t lat_b, int32_t lon_b, uint64_t *square);
uint64_t geo_root(uint64_t square); /* the integer square root, rounded down; below 2^64 - 2^33 */

/* Whether geo_distance_mm() is at most the limit; cheaper, for it takes no root. */
bool geo_is_within(int32_t lat_a, int32_t lon_a, int32_t lat_b, int32_t lon_b, uint64_t limit_mm);

/* To 0.001 degree: as exactly as the place of somebody's home may be known outside of its contact. */
int32_t geo_rounded(int32_t e7);

/* Millimetres that one degree of latitude and of longitude spans at a latitude. */
void geo_degree_mm(int32_t lat, int64_t *lat_degree_mm, int64_t *lon_degree_mm);

#endif
