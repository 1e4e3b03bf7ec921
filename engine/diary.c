#include "diary.h"

#include <stdlib.h>
#include <string.h>

/* Makes the diary reach over a day. */
static void cover_day(struct org_more *m, int64_t day)
{
    if (m->diary_count == 0)
        m->diary_first = (int32_t)day;
    int64_t first = day < m->diary_first ? day : m->diary_first;
    int64_t end = m->diary_first + (int64_t)m->diary_count;
    end = day >= end ? day + 1 : end;
    if (end - first == m->diary_count)
        return;
    struct diary_day **pages = must_alloc((size_t)(end - first), sizeof(struct diary_day *));
    if (m->diary_count != 0)
        memcpy(pages + (m->diary_first - first), m->diary, m->diary_count * sizeof(struct diary_day *));
    free(m->diary);
    m->diary = pages;
    m->diary_first = (int32_t)first;
    m->diary_count = (uint32_t)(end - first);
}

void diary_hold(struct org_more *m, int64_t first, int64_t last, uint32_t people)
{
    must(first >= 0 && first <= last);
    for (int64_t day = first / HALF_HOURS_A_DAY; day <= last / HALF_HOURS_A_DAY; day++) {
        cover_day(m, day);
        struct diary_day **page = &m->diary[day - m->diary_first];
        if (*page == NULL)
            *page = must_alloc(1, sizeof **page);
        (*page)->holds++;
    }
    for (int64_t i = first; i <= last; i++)
        m->diary[i / HALF_HOURS_A_DAY - m->diary_first]->used[i % HALF_HOURS_A_DAY] += people;
}

void diary_free(struct org_more *m, int64_t first, int64_t last, uint32_t people)
{
    for (int64_t i = first; i <= last; i++) {
        must(diary_used(m, i) >= people);
        m->diary[i / HALF_HOURS_A_DAY - m->diary_first]->used[i % HALF_HOURS_A_DAY] -= people;
    }
    for (int64_t day = first / HALF_HOURS_A_DAY; day <= last / HALF_HOURS_A_DAY; day++) {
        struct diary_day **page = &m->diary[day - m->diary_first];
        if (--(*page)->holds != 0)
            continue;
        free(*page);
        *page = NULL;
    }
}

void diary_fini(struct org_more *m)
{
    for (uint32_t i = 0; i < m->diary_count; i++)
        free(m->diary[i]);
    free(m->diary);
    m->diary = NULL;
    m->diary_count = 0;
}
