/* sift.h -- which entries of a leaf may serve a place: the innermost loop of a search, by itself so
 * that it can be put into vector instructions. */
#ifndef PAIDAN_SIFT_H
#define PAIDAN_SIFT_H

#include "index.h"

/* Those that are left, for their reach holds and their summary has what is asked. */
struct sifted {
    uint32_t count;
    uint32_t places[LEAF_ROOM_MAX + 16];  /* in the leaf, ascending */
    uint32_t squares[LEAF_ROOM_MAX + 16]; /* the least squared distance of each */
};

/* All of them answer the same; sift_choose() has the one that the processor does fastest. */
typedef void sift_function(const struct index_part *part, const uint32_t *spots,
                           const uint32_t *summaries, uint32_t count, struct sifted *out);
sift_function *sift_choose(void);
/* 0: plain arithmetic; 1: AVX2; 2: AVX-512; plain where the processor lacks it. For tests. */
sift_function *sift_variant(int variant);

#endif
