/* skills.h -- sets of skills as 256 bits, and the catalogue that names the bits. */
#ifndef PAIDAN_SKILLS_H
#define PAIDAN_SKILLS_H

#include "base.h"
#include "limits.h"

struct skillset {
    uint64_t bits[SKILL_COUNT_MAX / 64];
};

enum skill_needs { NEEDS_CERTIFIED = 1, NEEDS_REGISTERED = 2, NEEDS_RISK = 4 };

/* One skill of the catalogue; its place in the catalogue is its bit, for ever. */
struct skill {
    char name[WORD_BYTES_MAX + 1];
    bool is_category; /* one of the eighteen classes that an order names */
    uint8_t needs;    /* enum skill_needs: what an order with this skill asks of who serves it */
};

struct catalogue {
    struct skill skills[SKILL_COUNT_MAX];
    int count;
};

/* The bit of a skill's name of `len` bytes; -1 when there is none. */
int catalogue_find(const struct catalogue *catalogue, const char *name, size_t len);

static inline void skillset_add(struct skillset *set, int skill)
{
    set->bits[skill / 64] |= UINT64_C(1) << (skill % 64);
}

static inline bool skillset_has(const struct skillset *set, int skill)
{
    return (set->bits[skill / 64] >> (skill % 64) & 1) != 0;
}

/* Whether `inner` lies wholly in `outer`. */
static inline bool skillset_within(const struct skillset *inner, const struct skillset *outer)
{
    uint64_t left = 0;
    for (size_t i = 0; i < ARRAY_LEN(inner->bits); i++)
        left |= inner->bits[i] & ~outer->bits[i];
    return left == 0;
}

/* The next skill of a set from `from` on; -1 after the last. */
static inline int skillset_next(const struct skillset *set, int from)
{
    for (int word = from / 64; word < SKILL_COUNT_MAX / 64; word++) {
        uint64_t bits = set->bits[word];
        if (word == from / 64)
            bits &= ~UINT64_C(0) << (from % 64);
        if (bits != 0)
            return word * 64 + __builtin_ctzll(bits);
    }
    return -1;
}

#define SKILLSET_EACH(set, skill)                                                                  \
    for (int skill = skillset_next(set, 0); skill >= 0;                                            \
         skill = skill + 1 < SKILL_COUNT_MAX ? skillset_next(set, skill + 1) : -1)

#endif
