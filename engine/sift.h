/* sift.h -- which spots of a leaf may reach a place: the innermost loop of a search, by itself so
 * that the compiler can put it into vector instructions. */
#ifndef PAIDAN_SIFT_H
#define PAIDAN_SIFT_H

#include "index.h"

/* Those that are left: their reach holds and their summary has what is asked. By their place in the leaf, each with its bound. */
struct sifted {
    uint32_t count;
    uint16_t places[LEAF_ROOM_MAX];
    uint32_t squares[LEAF_ROOM_MAX]; /* by place in the leaf; SIFT_OUT for those that cannot reach */
};

#define SIFT_OUT UINT32_MAX

/* The same on every machine; the one that the processor does fastest. */
typedef void sift_function(const struct index_part *part, const uint32_t *spots,
                           const uint32_t *summaries, uint32_t count, struct sifted *out);
sift_function *sift_choose(void);

#endif
