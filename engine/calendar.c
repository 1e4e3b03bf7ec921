#include "calendar.h"

#include <string.h>

static int64_t floor_div(int64_t a, int64_t b)
{
    int64_t q = a / b;
    return a % b < 0 ? q - 1 : q;
}

static int64_t local(const struct calendar *calendar, int64_t at)
{
    return at + calendar->offset_min * INT64_C(60000);
}

/* The place of the first exception that is not before `day`. */
static int lower_bound(const struct calendar *calendar, int32_t day)
{
    int low = 0;
    int high = calendar->count;
    while (low < high) {
        int middle = (low + high) / 2;
        if (calendar->days[middle].day < day)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool calendar_set(struct calendar *calendar, int32_t day, bool is_work)
{
    int at = lower_bound(calendar, day);
    struct calendar_day *days = calendar->days;
    if (at == calendar->count || days[at].day != day) {
        if (calendar->count == CALENDAR_DAY_COUNT_MAX)
            return false;
        memmove(&days[at + 1], &days[at], (size_t)(calendar->count - at) * sizeof *days);
        calendar->count++;
    }
    days[at] = (struct calendar_day){.day = day, .is_work = is_work};
    return true;
}

int32_t calendar_day(const struct calendar *calendar, int64_t at)
{
    return (int32_t)floor_div(local(calendar, at), DAY_MS);
}

int64_t calendar_half_hour(const struct calendar *calendar, int64_t at)
{
    return floor_div(local(calendar, at), HALF_HOUR_MS);
}

int64_t calendar_instant(const struct calendar *calendar, int64_t half_hour)
{
    return half_hour * HALF_HOUR_MS - calendar->offset_min * INT64_C(60000);
}

int calendar_weekday(int32_t day)
{
    int weekday = (day + 3) % 7; /* 1970-01-01 was a Thursday */
    return weekday < 0 ? weekday + 7 : weekday;
}

static bool is_workday(const struct calendar *calendar, int32_t day)
{
    int at = lower_bound(calendar, day);
    if (at < calendar->count && calendar->days[at].day == day)
        return calendar->days[at].is_work;
    return calendar_weekday(day) < 5;
}

int64_t calendar_add_working(const struct calendar *calendar, int64_t from, int64_t minutes)
{
    int64_t left = minutes * 60000;
    int64_t at = from;
    for (int walked = 0; walked < 400; walked++) {
        int32_t day = calendar_day(calendar, at);
        int64_t next = calendar_instant(calendar, (int64_t)(day + 1) * HALF_HOURS_A_DAY);
        if (is_workday(calendar, day)) {
            if (left <= next - at)
                return at + left;
            left -= next - at;
        }
        at = next;
    }
    return at + left;
}
