#include "sift.h"

/* One pass without branches, then one that collects. */
static inline __attribute__((always_inline)) void sift(const struct index_part *p, const uint32_t *spots,
                                                       const uint32_t *summaries, uint32_t count,
                                                       struct sifted *out)
{
    const struct index_part part = *p;
    uint8_t is_in[LEAF_ROOM_MAX];
    for (uint32_t i = 0; i < count; i++) {
        struct index_bound bound = index_spot_bound(&part, spots[i]);
        out->squares[i] = bound.square;
        int has_all = ((summaries[i] & part.summary) == part.summary) & ((summaries[i] & part.any) != 0);
        is_in[i] = (uint8_t)((int)index_bound_holds(bound) & (int)index_spot_belongs(&part, spots[i]) & has_all);
    }
    uint32_t left = 0;
    for (uint32_t i = 0; i < count; i++) {
        out->places[left] = i;
        out->squares[left] = out->squares[i];
        left += is_in[i];
    }
    out->count = left;
}

static void sift_plain(const struct index_part *part, const uint32_t *spots, const uint32_t *summaries,
                       uint32_t count, struct sifted *out)
{
    sift(part, spots, summaries, count, out);
}

#ifdef __x86_64__
#include <immintrin.h>

__attribute__((target("avx2"))) static void sift_avx2(const struct index_part *part,
                                                      const uint32_t *spots,
                                                      const uint32_t *summaries, uint32_t count,
                                                      struct sifted *out)
{
    sift(part, spots, summaries, count, out);
}

#define AVX512 __attribute__((target("avx512f")))

/* index_gap() of sixteen. */
AVX512 static inline __m512i gap16(__m512i a, int32_t b)
{
    __m512i gap = _mm512_abs_epi32(_mm512_sub_epi32(a, _mm512_set1_epi32(b)));
    return _mm512_max_epi32(_mm512_sub_epi32(gap, _mm512_set1_epi32(1)), _mm512_setzero_si512());
}

AVX512 static inline __mmask16 within16(__m512i a, int32_t from, int32_t to)
{
    return _mm512_cmpge_epi32_mask(a, _mm512_set1_epi32(from)) &
           _mm512_cmplt_epi32_mask(a, _mm512_set1_epi32(to));
}

/* The same arithmetic on sixteen entries at a time; what is left is pressed together by the processor. */
AVX512 static void sift_avx512(const struct index_part *part, const uint32_t *spots,
                               const uint32_t *summaries, uint32_t count, struct sifted *out)
{
    const __m512i asked = _mm512_set1_epi32((int)part->summary);
    const __m512i any = _mm512_set1_epi32((int)part->any);
    __m512i place = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    uint32_t left = 0;
    for (uint32_t i = 0; i < count; i += 16) {
        __mmask16 in = (__mmask16)(count - i >= 16 ? 0xffffu : (1u << (count - i)) - 1);
        __m512i spot = _mm512_maskz_loadu_epi32(in, spots + i);
        __m512i summary = _mm512_maskz_loadu_epi32(in, summaries + i);
        __m512i lat = _mm512_srli_epi32(spot, 21);
        __m512i lon = _mm512_and_epi32(_mm512_srli_epi32(spot, 10), _mm512_set1_epi32(2047));
        __m512i north = gap16(lat, part->lat);
        __m512i east = _mm512_srai_epi32(
            _mm512_mullo_epi32(gap16(lon, part->lon), _mm512_set1_epi32(part->east)), 10);
        __m512i square = _mm512_add_epi32(_mm512_mullo_epi32(north, north), _mm512_mullo_epi32(east, east));
        __m512i reach = _mm512_mullo_epi32(_mm512_and_epi32(spot, _mm512_set1_epi32(SPOT_REACH_MAX)),
                                           _mm512_set1_epi32(part->percent_q8));
        reach = _mm512_srai_epi32(_mm512_add_epi32(reach, _mm512_set1_epi32(255)), 8);
        reach = _mm512_min_epi32(reach, _mm512_set1_epi32(part->most));
        in &= _mm512_cmple_epu32_mask(square, _mm512_mullo_epi32(reach, reach));
        in &= _mm512_cmpeq_epi32_mask(_mm512_and_epi32(summary, asked), asked);
        in &= _mm512_test_epi32_mask(summary, any);
        in &= within16(lat, part->lat_from, part->lat_to) & within16(lon, part->lon_from, part->lon_to);
        _mm512_storeu_si512(out->places + left, _mm512_maskz_compress_epi32(in, place));
        _mm512_storeu_si512(out->squares + left, _mm512_maskz_compress_epi32(in, square));
        left += (uint32_t)__builtin_popcount(in);
        place = _mm512_add_epi32(place, _mm512_set1_epi32(16));
    }
    out->count = left;
}

sift_function *sift_variant(int variant)
{
    __builtin_cpu_init();
    if (variant == 1)
        return __builtin_cpu_supports("avx2") ? sift_avx2 : sift_plain;
    return variant == 2 && __builtin_cpu_supports("avx512f") ? sift_avx512 : sift_plain;
}
#else
sift_function *sift_variant(int variant)
{
    (void)variant;
    return sift_plain;
}
#endif

sift_function *sift_choose(void)
{
    sift_function *widest = sift_variant(2);
    return widest != sift_plain ? widest : sift_variant(1);
}
