#include "histogram.h"

static uint32_t bucket_of(uint64_t ns)
{
    if (ns < 2 * HISTOGRAM_SUB)
        return (uint32_t)ns;
    int shift = 63 - __builtin_clzll(ns) - 6;
    return (uint32_t)shift * HISTOGRAM_SUB + (uint32_t)(ns >> shift);
}

static uint64_t top_of(uint32_t bucket)
{
    if (bucket < 2 * HISTOGRAM_SUB)
        return bucket;
    uint32_t shift = bucket / HISTOGRAM_SUB - 1;
    return (((uint64_t)bucket - (uint64_t)shift * HISTOGRAM_SUB + 1) << shift) - 1;
}

void histogram_add(struct histogram *h, uint64_t ns)
{
    h->counts[bucket_of(ns)]++;
    h->total++;
    h->max = ns > h->max ? ns : h->max;
}

uint64_t histogram_permille(const struct histogram *h, unsigned permille)
{
    uint64_t wanted = (h->total * permille + 999) / 1000;
    uint64_t seen = 0;
    for (uint32_t i = 0; i < ARRAY_LEN(h->counts); i++) {
        seen += h->counts[i];
        if (seen >= wanted && seen != 0)
            return top_of(i) < h->max ? top_of(i) : h->max;
    }
    return 0;
}
