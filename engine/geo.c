#include "geo.h"

#define Q30 (INT64_C(1) << 30)
#define E7 10000000

/* cos of a latitude, in Q30: its Taylor series to x^12, whose error stays below 1e-8 to 90 degrees.
 * The reciprocals of (2n - 1) 2n are in Q34, so that no division is left. */
static int64_t cos_q30(int32_t lat)
{
    int64_t x = ((int64_t)lat * INT64_C(4024455254)) >> 31; /* pi / 180e7 * 2^61: radians in Q30 */
    int64_t square = (x * x) >> 30;
#define STEP(sum, divisor) (Q30 - ((((square * (sum)) >> 32) * ((INT64_C(1) << 34) / (divisor))) >> 32))
    int64_t sum = STEP(STEP(STEP(Q30, 11 * 12), 9 * 10), 7 * 8);
    sum = STEP(STEP(STEP(sum, 5 * 6), 3 * 4), 1 * 2);
#undef STEP
    return sum < 0 ? 0 : sum;
}

void geo_degree_mm(int32_t lat, int64_t *lat_degree_mm, int64_t *lon_degree_mm)
{
    /* The series in powers of c = cos lat: cos 2lat = 2c^2 - 1, cos 4lat = 8c^4 - 8c^2 + 1,
     * cos 3lat = 4c^3 - 3c, cos 5lat = 16c^5 - 20c^3 + 5c. */
    int64_t c = cos_q30(lat);
    int64_t c2 = (c * c) >> 30;
    *lat_degree_mm = 111132954 + 559822 + 1175 + ((c2 * (-2 * 559822 - 8 * 1175 + ((8 * 1175 * c2) >> 30))) >> 30);
    int64_t inner = -4 * 93500 - 20 * 118 + ((16 * 118 * c2) >> 30);
    *lon_degree_mm = (c * (111412840 + 3 * 93500 + 5 * 118 + ((c2 * inner) >> 30))) >> 30;
}

uint64_t geo_root(uint64_t square)
{
    /* Newton's method with a precision that doubles at each of four steps, after the proof that
     * CPython's math.isqrt gives for it: the root of a number shifted to the top, one too large at most. */
    if (square == 0)
        return 0;
    int shift = __builtin_clzll(square) & ~1;
    uint64_t n = square << shift;
    uint64_t root = 1 + (n >> 62);
    root = (root << 1) + (n >> 59) / root;
    root = (root << 3) + (n >> 53) / root;
    root = (root << 7) + (n >> 41) / root;
    root = (root << 15) + (n >> 17) / root;
    root >>= shift / 2;
    return root * root > square ? root - 1 : root;
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

int32_t geo_rounded(int32_t e7)
{
    return (e7 + (e7 < 0 ? -5000 : 5000)) / 10000 * 10000;
}
