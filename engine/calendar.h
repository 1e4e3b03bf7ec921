/* calendar.h -- local time, working days and deadlines in working time.
 *
 * Instants are milliseconds since 1970 UTC; local time is UTC plus a fixed offset, given anew by
 * the caller when a zone changes it. Days are counted from 1970-01-01, half-hours from its midnight,
 * both local. Working time stands still on days off: a deadline of one working day set on a Friday
 * at 15:00 falls due on Monday at 15:00. */
#ifndef PAIDAN_CALENDAR_H
#define PAIDAN_CALENDAR_H

#include "base.h"
#include "limits.h"

#define CALENDAR_DAY_COUNT_MAX 4096

struct calendar_day {
    int32_t day;
    bool is_work; /* a shifted working day, else a day off */
};

struct calendar {
    int32_t offset_min; /* of local time, east of UTC */
    struct calendar_day days[CALENDAR_DAY_COUNT_MAX]; /* the exceptions, sorted by day */
    int count;
};

/* Sets one exception; false when the calendar is full. */
bool calendar_set(struct calendar *calendar, int32_t day, bool is_work);

int32_t calendar_day(const struct calendar *calendar, int64_t at);
int64_t calendar_half_hour(const struct calendar *calendar, int64_t at);
/* The instant at which a local half-hour begins. */
int64_t calendar_instant(const struct calendar *calendar, int64_t half_hour);
int calendar_weekday(int32_t day); /* 0 is Monday */

/* `from` plus `minutes` of working time; at most 400 days are walked. */
int64_t calendar_add_working(const struct calendar *calendar, int64_t from, int64_t minutes);

#endif
