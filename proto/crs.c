#include "crs.h"

#include <math.h>

#define AXIS 6378245.0             /* of the Krasovsky 1940 ellipsoid */
#define ECCENTRICITY 0.00669342162296594323
#define PI 3.14159265358979323846

/* The part that both shifts share: three waves along one axis. */
static double waves(double x)
{
    return (20 * sin(6 * x * PI) + 20 * sin(2 * x * PI)) * 2 / 3;
}

static void shift(double lat, double lon, double *north, double *east)
{
    double x = lon - 105;
    double y = lat - 35;
    double root = sqrt(fabs(x));
    double dlat = -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root + waves(x) +
                  (20 * sin(y * PI) + 40 * sin(y / 3 * PI)) * 2 / 3 +
                  (160 * sin(y / 12 * PI) + 320 * sin(y * PI / 30)) * 2 / 3;
    double dlon = 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root + waves(x) +
                  (20 * sin(x * PI) + 40 * sin(x / 3 * PI)) * 2 / 3 +
                  (150 * sin(x / 12 * PI) + 300 * sin(x / 30 * PI)) * 2 / 3;
    double s = sin(lat / 180 * PI);
    double magic = 1 - ECCENTRICITY * s * s;
    *north = dlat * 180 / (AXIS * (1 - ECCENTRICITY) / (magic * sqrt(magic)) * PI);
    *east = dlon * 180 / (AXIS / sqrt(magic) * cos(lat / 180 * PI) * PI);
}

void crs_from_gcj02(int32_t *lat, int32_t *lon)
{
    double shifted_lat = *lat / 1e7;
    double shifted_lon = *lon / 1e7;
    double true_lat = shifted_lat;
    double true_lon = shifted_lon;
    if (shifted_lon < 72.004 || shifted_lon > 137.8347 || shifted_lat < 0.8293 ||
        shifted_lat > 55.8271)
        return;
    for (int i = 0; i < 5; i++) {
        double north = 0;
        double east = 0;
        shift(true_lat, true_lon, &north, &east);
        true_lat = shifted_lat - north;
        true_lon = shifted_lon - east;
    }
    *lat = (int32_t)llround(true_lat * 1e7);
    *lon = (int32_t)llround(true_lon * 1e7);
}
