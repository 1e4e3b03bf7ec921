/* schedule.h -- when an organisation is open: a week of half-hours.
 *
 * As text:  mon-fri 09:00-12:00,14:00-17:30; sat 10:00-12:00
 * Days are mon tue wed thu fri sat sun, ranges of them, lists of them, or `daily`; times are on the
 * half-hour, 24:00 ends a day, and a range whose end is not after its start runs into the next day.
 * An empty text and `always` are the whole week; `never` is no time at all. */
#ifndef PAIDAN_SCHEDULE_H
#define PAIDAN_SCHEDULE_H

#include "base.h"
#include "limits.h"

#define WEEK_HALF_HOURS (7 * HALF_HOURS_A_DAY)
#define SCHEDULE_TEXT_BYTES_MAX 2048

struct week {
    uint64_t bits[(WEEK_HALF_HOURS + 63) / 64]; /* bit 0 is Monday 00:00 */
};

void week_fill(struct week *week);
void week_set(struct week *week, int half_hour); /* counted modulo the week */
static inline bool week_has(const struct week *week, int half_hour)
{
    return (week->bits[half_hour / 64] >> (half_hour % 64) & 1) != 0;
}

/* The `count` half-hours from one of the week on, 1 to 64 of them; Monday follows on Sunday. */
static inline uint64_t week_bits(const struct week *week, uint32_t from, uint32_t count)
{
    uint32_t left = WEEK_HALF_HOURS - from; /* until the week begins again */
    uint64_t bits = week->bits[from / 64] >> from % 64;
    if (from % 64 != 0 && from / 64 + 1 < sizeof week->bits / sizeof *week->bits)
        bits |= week->bits[from / 64 + 1] << (64 - from % 64);
    if (left < count)
        bits |= week->bits[0] << left;
    return bits & (~UINT64_C(0) >> (64 - count));
}

/* The 48 half-hours of one day, Monday being 0. */
static inline uint64_t week_day(const struct week *week, int day)
{
    return week_bits(week, (uint32_t)day * HALF_HOURS_A_DAY, HALF_HOURS_A_DAY);
}

/* Reads a schedule of `len` bytes; false, with the place of the fault in *error_at, when it is not one. */
bool schedule_parse(const char *text, size_t len, struct week *week, size_t *error_at);

/* Reads times such as `09:00-12:00,14:00-17:30` into the 48 half-hours of one day; ranges may not
 * pass midnight. False when it is not such a text. */
bool schedule_parse_day(const char *text, size_t len, uint64_t *half_hours);

/* Writes the canonical text of a week; `text` holds SCHEDULE_TEXT_BYTES_MAX. */
void schedule_format(const struct week *week, char *text);

#endif
