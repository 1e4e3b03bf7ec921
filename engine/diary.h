/* diary.h -- how many people of an organisation are promised away, by local half-hours.
 *
 * A page a day, made with the first promise of that day and given back with the last, found by its
 * number. It follows from the offers that hold people. Cost: constant. */
#ifndef PAIDAN_DIARY_H
#define PAIDAN_DIARY_H

#include "engine.h"

struct diary_day {
    uint32_t used[HALF_HOURS_A_DAY];
    uint32_t holds; /* promises that touch the day */
};

/* Promises, or takes back, people for the half-hours from `first` to `last`, both included. */
void diary_hold(struct org_more *more, int64_t first, int64_t last, uint32_t people);
void diary_free(struct org_more *more, int64_t first, int64_t last, uint32_t people);
void diary_fini(struct org_more *more);

static inline uint32_t diary_used(const struct org_more *more, int64_t half_hour)
{
    int64_t day = half_hour / HALF_HOURS_A_DAY - more->diary_first;
    if (day < 0 || day >= more->diary_count || more->diary[day] == NULL)
        return 0;
    return more->diary[day]->used[half_hour % HALF_HOURS_A_DAY];
}

/* Asks ahead of time for the memory that diary_used() wants first; NULL is allowed. */
static inline void diary_prefetch_page(const struct org_more *more, int64_t half_hour)
{
    int64_t day = more != NULL ? half_hour / HALF_HOURS_A_DAY - more->diary_first : -1;
    if (day >= 0 && day < more->diary_count)
        __builtin_prefetch(&more->diary[day]);
}

#endif
