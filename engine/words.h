/* words.h -- the closed lists of words.def, refusals.def and misfits.def as enums with their names.
 *
 * One list makes the enum, the word on the wire, the Chinese label, the documentation and the tests
 * over all of them. */
#ifndef PAIDAN_WORDS_H
#define PAIDAN_WORDS_H

#include "base.h"

enum order_state {
#define ORDER_STATE(n, N, w, z) ORDER_##N = n,
#include "words.def"
#undef ORDER_STATE
    ORDER_STATE_COUNT
};
enum offer_state {
#define OFFER_STATE(n, N, w, z) OFFER_##N = n,
#include "words.def"
#undef OFFER_STATE
    OFFER_STATE_COUNT
};
enum priority {
#define PRIORITY(n, N, w, z) PRIORITY_##N = n,
#include "words.def"
#undef PRIORITY
    PRIORITY_COUNT
};
enum mode {
#define MODE(n, N, w, z) MODE_##N = n,
#include "words.def"
#undef MODE
    MODE_COUNT
};
enum level {
#define LEVEL(n, N, w, z) LEVEL_##N = n,
#include "words.def"
#undef LEVEL
    LEVEL_COUNT
};
enum org_type {
#define ORG_TYPE(n, N, w, z) ORG_##N = n,
#include "words.def"
#undef ORG_TYPE
    ORG_TYPE_COUNT
};
enum group {
#define GROUP(n, N, w, z) GROUP_##N = n,
#include "words.def"
#undef GROUP
    GROUP_COUNT
};
enum rank {
#define RANK(n, N, w, z) RANK_##N = n,
#include "words.def"
#undef RANK
    RANK_COUNT
};
enum event_kind {
    EVENT_NONE = 0,
#define EVENT_KIND(n, N, w, z) EVENT_##N = n,
#include "words.def"
#undef EVENT_KIND
    EVENT_KIND_COUNT
};
enum record_state {
#define RECORD_STATE(n, N, w, z) RECORD_##N = n,
#include "words.def"
#undef RECORD_STATE
    RECORD_STATE_COUNT
};
enum misfit {
    MISFIT_NONE = 0,
#define MISFIT(n, N, w, e, z) MISFIT_##N = n,
#include "misfits.def"
#undef MISFIT
    MISFIT_COUNT
};
enum refusal_code {
    REFUSAL_NONE = 0,
#define REFUSAL(n, N, w, r, t, z) REFUSAL_##N = n,
#include "refusals.def"
#undef REFUSAL
    REFUSAL_COUNT
};

/* One word of a list; `zh` is the label that people see and that a county may change. */
struct word {
    const char *name, *zh, *text;
    bool may_retry;
};

/* A list indexed by its enum; names are NULL where a number is unused. */
struct wordlist {
    const char *what; /* such as "priority" */
    const struct word *words;
    int count;
};

extern const struct wordlist words_order_state, words_offer_state, words_priority, words_mode,
    words_level, words_org_type, words_group, words_rank, words_event_kind, words_record_state, words_misfit,
    words_refusal;

/* The name of a number; "?" when there is none. */
const char *word_name(const struct wordlist *list, int number);
const char *word_zh(const struct wordlist *list, int number);
/* The number of a name of `len` bytes; -1 when there is none. */
int word_find(const struct wordlist *list, const char *name, size_t len);

#endif
