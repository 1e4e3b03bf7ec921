/* methods_public.c -- stats.public: figures that may be published (clause 十五 of the city's plan).
 *
 * Reckoned from the event log and the orders' categories alone, so that anybody who has the log comes to
 * the same, of months that are over. What is small is shown with what else is small: see publish.h. The cells
 * are those of the whole service, whoever asks: who sees a region is shown the sets that lie in it. */
#include <stdio.h>
#include <stdlib.h>

#include "engine/calendar.h"
#include "engine/pool.h"
#include "methods.h"
#include "publish.h"

/* The newest month that is over at an instant, by its first day. */
static int32_t last_month(const struct calendar *calendar, int64_t now)
{
    char text[16];
    int32_t today = calendar_day(calendar, now);
    int32_t month = 0;
    date_format(today, text);
    text[8] = '0';
    text[9] = '1';
    must(date_parse(text, 10, &month));
    date_format(month - 1, text);
    text[8] = '0';
    text[9] = '1';
    must(date_parse(text, 10, &month));
    return month;
}

static int by_code(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* The codes of all regions, sorted: the sets are the same whoever asks. */
static void ask_everywhere(const struct call *call, struct query *q)
{
    uint64_t *codes = must_alloc(engine_region_count(call->engine) + 1, sizeof *codes);
    for (uint32_t slot = 0; slot < engine_region_count(call->engine); slot++)
        codes[q->filter.region_count++] = engine_region_slot(call->engine, slot)->code;
    qsort(codes, q->filter.region_count, sizeof *codes, by_code);
    q->filter.regions = codes;
}

static bool run_public(struct call *call, struct pack *out)
{
    const struct calendar *calendar = engine_calendar(call->engine);
    int32_t first = (int32_t)call->args.number[P_MONTH];
    int32_t newest = last_month(calendar, call->now);
    uint64_t region = (uint64_t)arg_number(&call->args, P_REGION, 0);
    (void)out;
    if (first > newest) {
        char text[16];
        date_format(newest, text);
        return error_set(&call->error, REFUSAL_BAD_VALUE, "month", "that month is not over; the newest that is: %.7s", text);
    }
    if (region != 0 && engine_region_find(call->engine, region) == SLOT_NONE)
        return error_set(&call->error, REFUSAL_NOT_FOUND, "region", "%s", "");
    struct query *q = call->query = query_new(QUERY_MONTH);
    ask_everywhere(call, q);
    q->filter.within = region;
    q->filter.since = calendar_instant(calendar, first * INT64_C(48));
    q->filter.until = calendar_instant(calendar, date_next_month(first) * INT64_C(48));
    q->filter.state = (int)arg_number(&call->args, P_LEVEL, LEVEL_COUNTY);
    return true;
}

static void add_row(struct month_row *to, const struct month_row *row)
{
    to->placed += row->placed;
    to->accepted += row->accepted;
    to->done += row->done;
    to->unmet += row->unmet;
    to->cancelled += row->cancelled;
    to->attendances += row->attendances;
    to->minutes += row->minutes;
}

static void pack_figure(struct pack *out, const char *name, int64_t figure)
{
    if (figure != 0) /* or it is small, and shown with others */
        pack_key_int(out, name, figure);
}

static void pack_figures(struct pack *out, const struct month_row *row)
{
    pack_figure(out, "placed", (int64_t)row->placed);
    pack_figure(out, "accepted", (int64_t)row->accepted);
    pack_figure(out, "done", (int64_t)row->done);
    pack_figure(out, "unmet", (int64_t)row->unmet);
    pack_figure(out, "cancelled", (int64_t)row->cancelled);
    pack_figure(out, "attendances", (int64_t)row->attendances);
    pack_figure(out, "minutes", row->minutes);
}

static void got_public(struct call *call, const struct query *q, struct pack *out)
{
    const struct catalogue *catalogue = engine_catalogue(call->engine);
    struct month_row total = {.region = 0};
    uint32_t count = 0;
    struct month_row *rows = publish_figures(call->engine, q->months, q->month_count, q->filter.state, q->filter.within, &count);
    pack_map(out);
    pack_key(out, "items");
    pack_list(out);
    for (uint32_t i = 0; i < count; i++) {
        pack_map(out);
        pack_key_uint(out, "region", rows[i].region);
        pack_key_text(out, "category", rows[i].category >= 0 && rows[i].category < catalogue->count
                                           ? catalogue->skills[rows[i].category].name : "other");
        pack_figures(out, &rows[i]);
        pack_close(out);
        add_row(&total, &rows[i]);
    }
    pack_close(out);
    pack_next(out, 0);
    pack_figures(out, &total);
    pack_close(out);
    free(rows);
}

const struct method public_methods[] = {
    {"stats.public", ROLE_PLATFORM | ROLE_SUPERVISOR | ROLE_AUDITOR, "Figures of a month by region and category that may be published: reckoned from the event log, without personal data, of a month that is over. No figure under five is shown, and none can be reckoned as the difference of two (placed less done): a place where one could is shown, with all its figures, in `other` or in the region above, together with what else is small there.", "{items: [{region, category, placed, accepted, done, unmet, cancelled, attendances, minutes}], next, placed, …}", METHOD_READER, 1, {P_MONTH, P_LEVEL, P_REGION}, run_public, NULL, got_public},
};
const int public_method_count = (int)ARRAY_LEN(public_methods);
