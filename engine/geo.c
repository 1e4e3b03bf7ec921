#include "geo.h"

#define Q30 (INT64_C(1) << 30)
#define E7 10000000

/* cos of a latitude, in Q30: its Taylor series to x^12, whose error stays below 1e-8 to 90 degrees. */
static int64_t cos_q30(int32_t lat)
{
    int64_t x = ((int64_t)lat * INT64_C(4024455254)) >> 31; /* pi / 180e7 * 2^61: radians in Q30 */
    int64_t square = (x * x) >> 30;
    static const int64_t divisors[] = {11 * 12, 9 * 10, 7 * 8, 5 * 6, 3 * 4, 1 * 2};
    int64_t sum = Q30;
    for (size_t i = 0; i < ARRAY_LEN(divisors); i++)
        sum = Q30 - ((square * sum) >> 30) / divisors[i];
    return sum < 0 ? 0 : sum;
}

void geo_degree_mm(int32_t lat, int64_t *lat_degree_mm, int64_t *lon_degree_mm)
{
    int64_t c = cos_q30(lat);
    int64_t c2 = (c * c) >> 30;
    int64_t cos2 = 2 * c2 - Q30;
    int64_t cos4 = 2 * ((cos2 * cos2) >> 30) - Q30;
    int64_t c3 = (c2 * c) >> 30;
    int64_t c5 = (c3 * c2) >> 30;
    int64_t cos3 = 4 * c3 - 3 * c;
    int64_t cos5 = 16 * c5 - 20 * c3 + 5 * c;
    *lat_degree_mm = 111132954 + ((-559822 * cos2 + 1175 * cos4) >> 30);
    *lon_degree_mm = (111412840 * c - 93500 * cos3 + 118 * cos5) >> 30;
}

uint64_t geo_root(uint64_t square)
{
    /* Newton's method from above: the guess is never below the root, and falls until it is it. */
    if (square < 2)
        return square;
    uint64_t root = UINT64_C(1) << (64 - (unsigned)__builtin_clzll(square) + 1) / 2;
    for (;;) {
        uint64_t next = (root + square / root) / 2;
        if (next >= root)
            return root;
        root = next;
    }
}

bool geo_square_mm(int32_t lat_a, int32_t lon_a, int32_t lat_b, int32_t lon_b, uint64_t *square)
{
    int64_t lat_degree = 0;
    int64_t lon_degree = 0;
    int64_t dlat = (int64_t)lat_a - lat_b;
    int64_t dlon = (int64_t)lon_a - lon_b;
    if (dlon > LON_MAX)
        dlon -= 2 * (int64_t)LON_MAX;
    if (dlon < -(int64_t)LON_MAX)
        dlon += 2 * (int64_t)LON_MAX;
    geo_degree_mm((int32_t)(((int64_t)lat_a + lat_b) / 2), &lat_degree, &lon_degree);
    int64_t north = dlat * lat_degree / E7;
    int64_t east = dlon * lon_degree / E7;
    const int64_t leg_max = INT64_C(2147483647); /* so that both squares fit together */
    if (north > leg_max || north < -leg_max || east > leg_max || east < -leg_max)
        return false;
    *square = (uint64_t)(north * north) + (uint64_t)(east * east);
    return true;
}

int64_t geo_distance_mm(int32_t lat_a, int32_t lon_a, int32_t lat_b, int32_t lon_b)
{
    uint64_t square = 0;
    if (!geo_square_mm(lat_a, lon_a, lat_b, lon_b, &square))
        return DISTANCE_FAR;
    return (int64_t)geo_root(square);
}

bool geo_is_within(int32_t lat_a, int32_t lon_a, int32_t lat_b, int32_t lon_b, uint64_t limit_mm)
{
    uint64_t square = 0;
    if (limit_mm >= (uint64_t)DISTANCE_FAR)
        return true;
    return geo_square_mm(lat_a, lon_a, lat_b, lon_b, &square) && square < (limit_mm + 1) * (limit_mm + 1);
}
