#include "schedule.h"

#include <string.h>

static const char day_names[7][4] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};

/* What is left of the text being read. */
struct reader {
    const char *text;
    size_t len, at;
};

void week_fill(struct week *week)
{
    *week = (struct week){{0}};
    for (int i = 0; i < WEEK_HALF_HOURS; i++)
        week_set(week, i);
}

void week_set(struct week *week, int half_hour)
{
    half_hour %= WEEK_HALF_HOURS;
    week->bits[half_hour / 64] |= UINT64_C(1) << (half_hour % 64);
}

static void skip_spaces(struct reader *r)
{
    while (r->at < r->len && r->text[r->at] == ' ')
        r->at++;
}

static bool take(struct reader *r, char wanted)
{
    if (r->at >= r->len || r->text[r->at] != wanted)
        return false;
    r->at++;
    return true;
}

static bool take_word(struct reader *r, const char *word)
{
    size_t len = strlen(word);
    if (r->len - r->at < len || memcmp(r->text + r->at, word, len) != 0)
        return false;
    r->at += len;
    return true;
}

static int take_digits(struct reader *r)
{
    if (r->len - r->at < 2)
        return -1;
    int tens = r->text[r->at] - '0';
    int ones = r->text[r->at + 1] - '0';
    if (tens < 0 || tens > 9 || ones < 0 || ones > 9)
        return -1;
    r->at += 2;
    return tens * 10 + ones;
}

/* A time as its half-hour, 0..48; -1 when there is none or it lies off the half-hour. */
static int take_time(struct reader *r)
{
    int hours = take_digits(r);
    if (hours < 0 || !take(r, ':'))
        return -1;
    int minutes = take_digits(r);
    if ((minutes != 0 && minutes != 30) || hours > 24 || (hours == 24 && minutes != 0))
        return -1;
    return hours * 2 + minutes / 30;
}

static bool take_range(struct reader *r, int *from, int *to)
{
    *from = take_time(r);
    if (*from < 0 || !take(r, '-'))
        return false;
    *to = take_time(r);
    return *to >= 0 && *from < HALF_HOURS_A_DAY;
}

static int take_day(struct reader *r)
{
    for (int day = 0; day < 7; day++)
        if (take_word(r, day_names[day]))
            return day;
    return -1;
}

/* `mon-fri`, `mon,wed`, `daily` as a set of days; 0 when there is none. */
static unsigned take_days(struct reader *r)
{
    if (take_word(r, "daily"))
        return 0x7f;
    unsigned days = 0;
    do {
        int first = take_day(r);
        if (first < 0)
            return 0;
        int last = take(r, '-') ? take_day(r) : first;
        if (last < 0)
            return 0;
        for (int day = first;; day = (day + 1) % 7) {
            days |= 1u << day;
            if (day == last)
                break;
        }
    } while (take(r, ','));
    return days;
}

static bool take_day_times(struct reader *r, unsigned days, struct week *week)
{
    do {
        int from = 0;
        int to = 0;
        if (!take_range(r, &from, &to))
            return false;
        if (to <= from)
            to += HALF_HOURS_A_DAY;
        for (int day = 0; day < 7; day++)
            for (int i = from; (days >> day & 1) != 0 && i < to; i++)
                week_set(week, day * HALF_HOURS_A_DAY + i);
    } while (take(r, ','));
    return true;
}

bool schedule_parse(const char *text, size_t len, struct week *week, size_t *error_at)
{
    struct reader r = {.text = text, .len = len};
    *week = (struct week){{0}};
    skip_spaces(&r);
    if (r.at == r.len || take_word(&r, "always")) {
        week_fill(week);
    } else if (!take_word(&r, "never")) {
        do {
            skip_spaces(&r);
            unsigned days = take_days(&r);
            if (days == 0 || !take(&r, ' '))
                goto fault;
            skip_spaces(&r);
            if (!take_day_times(&r, days, week))
                goto fault;
            skip_spaces(&r);
        } while (take(&r, ';'));
    }
    skip_spaces(&r);
    if (r.at == r.len)
        return true;
fault:
    *error_at = r.at;
    return false;
}

bool schedule_parse_day(const char *text, size_t len, uint64_t *half_hours)
{
    struct reader r = {.text = text, .len = len};
    *half_hours = 0;
    do {
        int from = 0;
        int to = 0;
        if (!take_range(&r, &from, &to) || to <= from)
            return false;
        for (int i = from; i < to; i++)
            *half_hours |= UINT64_C(1) << i;
    } while (take(&r, ','));
    return r.at == r.len;
}

static char *put_text(char *at, const char *text)
{
    size_t len = strlen(text);
    memcpy(at, text, len + 1);
    return at + len;
}

static char *put_time(char *at, int half_hour)
{
    int hours = half_hour / 2;
    const char time[6] = {(char)('0' + hours / 10), (char)('0' + hours % 10), ':',
                          half_hour % 2 != 0 ? '3' : '0', '0', '\0'};
    return put_text(at, time);
}

static char *put_ranges(char *at, uint64_t bits)
{
    const char *between = " ";
    for (int i = 0; i < HALF_HOURS_A_DAY; i++) {
        if ((bits >> i & 1) == 0)
            continue;
        int end = i;
        while (end < HALF_HOURS_A_DAY && (bits >> end & 1) != 0)
            end++;
        at = put_time(put_text(put_time(put_text(at, between), i), "-"), end);
        between = ",";
        i = end;
    }
    return at;
}

void schedule_format(const struct week *week, char *text)
{
    char *at = text;
    struct week full;
    week_fill(&full);
    *at = '\0';
    if (memcmp(week, &full, sizeof full) == 0) {
        put_text(at, "always");
        return;
    }
    for (int day = 0; day < 7; day++) {
        uint64_t bits = week_day(week, day);
        if (bits == 0)
            continue;
        int last = day;
        while (last < 6 && week_day(week, last + 1) == bits)
            last++;
        at = put_text(at, at == text ? "" : "; ");
        at = put_text(at, day_names[day]);
        if (last > day)
            at = put_text(put_text(at, "-"), day_names[last]);
        at = put_ranges(at, bits);
        day = last;
    }
    if (at == text)
        put_text(at, "never");
}
