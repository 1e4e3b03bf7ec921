/* gauge.h -- how often something took how much: counts by powers of two, for metrics. */
#ifndef PAIDAN_GAUGE_H
#define PAIDAN_GAUGE_H

#include <stdint.h>

#define GAUGE_BUCKETS 24 /* bucket i counts what is at most 2^i and more than 2^(i-1); the last all above too */

struct gauge {
    uint64_t counts[GAUGE_BUCKETS], count, sum;
};

static inline void gauge_add(struct gauge *gauge, uint64_t value)
{
    int bucket = value <= 1 ? 0 : 64 - __builtin_clzll(value - 1);
    gauge->counts[bucket < GAUGE_BUCKETS ? bucket : GAUGE_BUCKETS - 1]++;
    gauge->count++;
    gauge->sum += value;
}

#endif
