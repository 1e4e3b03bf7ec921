#include "words.h"

#include <string.h>

#define W(n, N, w, z) [n] = {.name = w, .zh = z},
#define LIST(id, title)                                                                            \
    const struct wordlist words_##id = {title, id##_words, (int)ARRAY_LEN(id##_words)}

static const struct word order_state_words[] = {
#define ORDER_STATE W
#include "words.def"
#undef ORDER_STATE
};
LIST(order_state, "state");

static const struct word offer_state_words[] = {
#define OFFER_STATE W
#include "words.def"
#undef OFFER_STATE
};
LIST(offer_state, "offer state");

static const struct word priority_words[] = {
#define PRIORITY W
#include "words.def"
#undef PRIORITY
};
LIST(priority, "priority");

static const struct word mode_words[] = {
#define MODE W
#include "words.def"
#undef MODE
};
LIST(mode, "mode");

static const struct word level_words[] = {
#define LEVEL W
#include "words.def"
#undef LEVEL
};
LIST(level, "level");

static const struct word org_type_words[] = {
#define ORG_TYPE W
#include "words.def"
#undef ORG_TYPE
};
LIST(org_type, "type");

static const struct word group_words[] = {
#define GROUP W
#include "words.def"
#undef GROUP
};
LIST(group, "group");

static const struct word rank_words[] = {
#define RANK W
#include "words.def"
#undef RANK
};
LIST(rank, "rank");

static const struct word event_kind_words[] = {
#define EVENT_KIND W
#include "words.def"
#undef EVENT_KIND
};
LIST(event_kind, "event");

static const struct word record_state_words[] = {
#define RECORD_STATE W
#include "words.def"
#undef RECORD_STATE
};
LIST(record_state, "record state");

static const struct word misfit_words[] = {
#define MISFIT(n, N, w, e, z) [n] = {.name = w, .zh = z, .text = e},
#include "misfits.def"
#undef MISFIT
};
LIST(misfit, "misfit");

static const struct word refusal_words[] = {
#define REFUSAL(n, N, w, r, t, z) [n] = {.name = w, .text = t, .zh = z, .may_retry = r},
#include "refusals.def"
#undef REFUSAL
};
LIST(refusal, "error");

const char *word_name(const struct wordlist *list, int number)
{
    if (number < 0 || number >= list->count || list->words[number].name == NULL)
        return "?";
    return list->words[number].name;
}

const char *word_zh(const struct wordlist *list, int number)
{
    if (number < 0 || number >= list->count || list->words[number].zh == NULL)
        return "?";
    return list->words[number].zh;
}

int word_find(const struct wordlist *list, const char *name, size_t len)
{
    for (int i = 0; i < list->count; i++) {
        const char *known = list->words[i].name;
        if (known != NULL && strlen(known) == len && memcmp(known, name, len) == 0)
            return i;
    }
    return -1;
}
