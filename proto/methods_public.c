/* methods_public.c -- stats.public: figures that may be published (clause 十五 of the city's plan).
 *
 * Reckoned from the event log and the orders' categories alone, so that anybody who has the log comes to
 * the same. A region and category with fewer than five orders shows no number of its own: what is small
 * goes together into one row of its region, which is left out as well when that is still small, and the
 * totals are those of the rows that are shown, so that nothing hidden is the difference of two numbers. */
#include <stdlib.h>

#include "engine/calendar.h"
#include "engine/pool.h"
#include "methods.h"

#define SMALL 5
#define CATEGORY_OTHER (-2)

static bool run_public(struct call *call, struct pack *out)
{
    const struct calendar *calendar = engine_calendar(call->engine);
    int32_t first = (int32_t)call->args.number[P_MONTH];
    (void)out;
    struct query *q = call->query = query_new(QUERY_MONTH);
    if (arg_number(&call->args, P_REGION, 0) != 0) {
        q->filter.regions = regions_from_args(call, &q->filter.region_count);
        if (q->filter.regions == NULL) {
            query_free(q);
            call->query = NULL;
            return false;
        }
    }
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

static int by_place(const void *a, const void *b)
{
    const struct month_row *x = a;
    const struct month_row *y = b;
    if (x->region != y->region)
        return x->region < y->region ? -1 : 1;
    return x->category < y->category ? -1 : x->category > y->category;
}

/* Rows of the same region and category become one; how many are left. */
static uint32_t fold(struct month_row *rows, uint32_t count)
{
    uint32_t left = 0;
    if (count != 0)
        qsort(rows, count, sizeof *rows, by_place);
    for (uint32_t i = 0; i < count; i++) {
        if (left != 0 && by_place(&rows[left - 1], &rows[i]) == 0)
            add_row(&rows[left - 1], &rows[i]);
        else
            rows[left++] = rows[i];
    }
    return left;
}

/* The region above it of the level that is asked for. */
static uint64_t region_at(const struct engine *e, uint64_t code, int level)
{
    uint32_t slot = engine_region_find(e, code);
    while (slot != SLOT_NONE && engine_region_slot(e, slot)->level < level &&
           engine_region_slot(e, slot)->parent != SLOT_NONE)
        slot = engine_region_slot(e, slot)->parent;
    return slot != SLOT_NONE ? engine_region_slot(e, slot)->code : code;
}

static void pack_figures(struct pack *out, const struct month_row *row)
{
    pack_key_uint(out, "placed", row->placed);
    pack_key_uint(out, "accepted", row->accepted);
    pack_key_uint(out, "done", row->done);
    pack_key_uint(out, "unmet", row->unmet);
    pack_key_uint(out, "cancelled", row->cancelled);
    pack_key_uint(out, "attendances", row->attendances);
    pack_key_int(out, "minutes", row->minutes);
}

static void got_public(struct call *call, const struct query *q, struct pack *out)
{
    const struct catalogue *catalogue = engine_catalogue(call->engine);
    struct month_row *rows = q->months;
    struct month_row total = {.region = 0};
    uint32_t count = q->month_count;
    for (uint32_t i = 0; i < count; i++)
        rows[i].region = region_at(call->engine, rows[i].region, q->filter.state);
    count = fold(rows, count);
    for (uint32_t i = 0; i < count; i++)
        if (rows[i].placed < SMALL)
            rows[i].category = CATEGORY_OTHER;
    count = fold(rows, count);
    pack_map(out);
    pack_key(out, "items");
    pack_list(out);
    for (uint32_t i = 0; i < count; i++) {
        if (rows[i].placed < SMALL)
            continue;
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
}

const struct method public_methods[] = {
    {"stats.public", ROLE_PLATFORM | ROLE_SUPERVISOR | ROLE_AUDITOR, "Figures of a month by region and category that may be published: reckoned from the event log, without personal data, nothing under five orders.", "{items: [{region, category, placed, accepted, done, unmet, cancelled, attendances, minutes}], next, placed, …}", METHOD_READER, 1, {P_MONTH, P_LEVEL, P_REGION, P_BELOW}, run_public, NULL, got_public},
};
const int public_method_count = (int)ARRAY_LEN(public_methods);
