/* histogram.h -- latencies with two significant digits or better: buckets that are linear within each
 * power of two (the idea of HdrHistogram, of which Debian 12 has no C library). 64 a doubling: 1.6 %. */
#ifndef PAIDAN_HISTOGRAM_H
#define PAIDAN_HISTOGRAM_H

#include "engine/base.h"

#define HISTOGRAM_SUB 64

struct histogram {
    uint64_t counts[58 * HISTOGRAM_SUB], total, max;
};

void histogram_add(struct histogram *histogram, uint64_t ns);
/* The value that so many of a thousand stay at or below. */
uint64_t histogram_permille(const struct histogram *histogram, unsigned permille);

#endif
