#include "sift.h"

/* One pass without branches, then one that collects. */
static inline __attribute__((always_inline)) void sift(const struct index_part *p, const uint32_t *spots,
                                                       const uint32_t *summaries, uint32_t count,
                                                       struct sifted *out)
{
    const struct index_part part = *p;
    for (uint32_t i = 0; i < count; i++) {
        struct index_bound bound = index_spot_bound(&part, spots[i]);
        bool is_in = index_bound_holds(bound) & index_spot_belongs(&part, spots[i]) &
                     ((summaries[i] & part.summary) == part.summary);
        out->squares[i] = is_in ? bound.square : SIFT_OUT;
    }
    uint32_t left = 0;
    for (uint32_t i = 0; i < count; i++) {
        out->places[left] = (uint16_t)i;
        left += out->squares[i] != SIFT_OUT;
    }
    out->count = left;
}

static void sift_plain(const struct index_part *part, const uint32_t *spots,
                       const uint32_t *summaries, uint32_t count, struct sifted *out)
{
    sift(part, spots, summaries, count, out);
}

#ifdef __x86_64__
__attribute__((target("avx2"))) static void sift_avx2(const struct index_part *part,
                                                      const uint32_t *spots,
                                                      const uint32_t *summaries, uint32_t count,
                                                      struct sifted *out)
{
    sift(part, spots, summaries, count, out);
}

sift_function *sift_choose(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") ? sift_avx2 : sift_plain;
}
#else
sift_function *sift_choose(void)
{
    return sift_plain;
}
#endif
