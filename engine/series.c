/* series.c -- recurring orders: every Tuesday from nine to eleven until June.
 *
 * A week of half-hours says when: each run of them is the window of one order, in every week or in each
 * n-th from that of the first day on. An order is placed `lead_days` before its window, through the same
 * door as any other. A window that was missed, because the service stood still or the order would be
 * refused by now, is skipped with an event. */
#include <string.h>

#include "geo.h"
#include "state.h"

#define WEEK_MS (7 * DAY_MS)

static bool begins_at(const struct week *week, int half_hour)
{
    return week_has(week, half_hour) && !week_has(week, (half_hour + WEEK_HALF_HOURS - 1) % WEEK_HALF_HOURS);
}

static int run_length(const struct week *week, int half_hour)
{
    int length = 0;
    while (length < WEEK_HALF_HOURS && week_has(week, (half_hour + length) % WEEK_HALF_HOURS))
        length++;
    return length;
}

/* Moves to the first window that begins after `after`; false when there is none any more. */
static bool next_window(const struct engine *e, struct series *s, int64_t after)
{
    int32_t day = calendar_day(&e->calendar, after);
    int32_t monday = s->first_day - calendar_weekday(s->first_day);
    s->next_at = s->next_end = 0;
    for (day = day > s->first_day ? day : s->first_day; day <= s->last_day; day++) {
        if ((uint32_t)(day - monday) / 7 % s->every != 0)
            continue;
        for (int i = 0; i < HALF_HOURS_A_DAY; i++) {
            int in_week = calendar_weekday(day) * HALF_HOURS_A_DAY + i;
            int64_t half_hour = day * INT64_C(48) + i;
            if (!begins_at(&s->week, in_week) || calendar_instant(&e->calendar, half_hour) <= after)
                continue;
            s->next_at = calendar_instant(&e->calendar, half_hour);
            s->next_end = calendar_instant(&e->calendar, half_hour + run_length(&s->week, in_week));
            return true;
        }
    }
    return false;
}

static void arm(struct engine *e, struct series *s)
{
    if (s->next_at != 0)
        heap_set(&e->timers, s->next_at - s->lead_days * DAY_MS, s->id | TIMER_SERIES, &s->heap_place);
    else
        heap_remove(&e->timers, &s->heap_place);
}

static void emit_series(struct engine *e, enum event_kind kind, const struct series *s,
                        const struct command *c, int64_t now)
{
    struct event *event = emit(e, kind, c, now);
    event->region = s->region;
    event->county = s->county;
    event->subject = s->id;
    event->people = s->headcount;
}

static struct order_request request_of(const struct series *s)
{
    struct order_request r = {.region = s->region, .person = s->person, .lat = s->lat, .lon = s->lon,
                              .has_place = s->has_place, .is_remote = s->is_remote, .is_risk = s->is_risk,
                              .is_proxy = s->is_proxy, .needs_review = s->needs_review,
                              .category = s->category, .skills = s->skills, .starts_at = s->next_at,
                              .ends_at = s->next_end, .minutes = s->minutes, .headcount = s->headcount,
                              .people_min = s->people_min, .max_distance_m = s->max_distance_m,
                              .priority = s->priority, .groups = s->groups, .mode = s->mode};
    return r;
}

/* Fills in a series from what is asked for, with its first window. */
static struct refusal fill(const struct engine *e, const struct series_request *r, int64_t now, struct series *s)
{
    const struct order_request *o = &r->order;
    int32_t today = calendar_day(&e->calendar, now);
    *s = (struct series){.region = o->region, .person = o->person,
                         .lat = geo_rounded(o->lat), .lon = geo_rounded(o->lon), /* it is a home: see OP_NOTE */
                         .has_place = o->has_place, .is_remote = o->is_remote, .is_risk = o->is_risk,
                         .is_proxy = o->is_proxy, .needs_review = o->needs_review,
                         .category = (uint8_t)o->category, .skills = o->skills,
                         .minutes = o->minutes != 0 ? o->minutes : 60,
                         .headcount = o->headcount, .people_min = o->people_min,
                         .max_distance_m = o->max_distance_m, .priority = o->priority,
                         .groups = o->groups, .mode = o->mode, .week = r->week,
                         .first_day = r->first_day != 0 ? r->first_day : today, .last_day = r->last_day,
                         .every = r->every != 0 ? r->every : 1,
                         .lead_days = r->lead_days != 0 ? r->lead_days : 7, .made_at = now};
    if (s->every > SERIES_WEEKS_MAX)
        return refuse_range("every", 1, SERIES_WEEKS_MAX);
    if (s->lead_days > SERIES_LEAD_DAYS_MAX)
        return refuse_range("lead_days", 1, SERIES_LEAD_DAYS_MAX);
    if (s->first_day < today || s->first_day > today + SERIES_DAYS_MAX)
        return refuse(REFUSAL_BAD_VALUE, "first_date");
    if (s->last_day < s->first_day || s->last_day > s->first_day + SERIES_DAYS_MAX)
        return refuse(REFUSAL_BAD_VALUE, "last_date");
    for (int i = 0; i < WEEK_HALF_HOURS; i++) {
        uint32_t length = begins_at(&s->week, i) ? (uint32_t)run_length(&s->week, i) : 0;
        if (length != 0 && (length * 30 < s->minutes || length > HALF_HOURS_A_DAY))
            return refuse_range("minutes", 1, length * 30);
    }
    return next_window(e, s, now) ? REFUSED_NOT : refuse(REFUSAL_BAD_VALUE, "repeat");
}

static struct refusal put(struct engine *e, const struct command *c, int64_t now, struct outcome *outcome)
{
    struct series s;
    struct order filled;
    struct refusal refusal = fill(e, &c->u.series, now, &s);
    if (refusal.code != REFUSAL_NONE)
        return refusal;
    struct order_request r = request_of(&s);
    r.category = c->u.series.order.category; /* as it was asked for: it may be none */
    int64_t seen_at = s.next_at - s.lead_days * DAY_MS; /* when that order will be placed */
    refusal = order_check_request(e, &r, seen_at > now ? seen_at : now, &filled);
    if (refusal.code != REFUSAL_NONE || c->is_check)
        return refusal;
    s.id = (uint64_t)e->node << SEQUENCE_BITS | e->next.order++;
    s.county = filled.county;
    size_t len = strlen(c->actor);
    must(len < sizeof s.made_by);
    memcpy(s.made_by, c->actor, len);
    uint32_t slot = pool_take(&e->series);
    struct series *kept = pool_at(&e->series, slot);
    *kept = s;
    map_put(&e->series_ids, s.id, slot);
    arm(e, kept);
    effect_series(e, kept);
    emit_series(e, EVENT_SERIES_PUT, kept, c, now);
    outcome->id = s.id;
    return REFUSED_NOT;
}

static void end(struct engine *e, struct series *s, const struct command *c, int64_t now)
{
    uint32_t slot = map_get(&e->series_ids, s->id);
    s->next_at = s->next_end = 0;
    arm(e, s);
    effect_series(e, s);
    emit_series(e, EVENT_SERIES_ENDED, s, c, now);
    map_remove(&e->series_ids, s->id);
    *s = (struct series){.id = 0};
    pool_give(&e->series, slot);
}

struct refusal request_series(struct engine *e, const struct command *c, int64_t now, struct outcome *outcome)
{
    if (c->op == OP_SERIES_PUT)
        return put(e, c, now, outcome);
    uint32_t slot = map_get(&e->series_ids, c->u.series_id);
    if (slot == SLOT_NONE)
        return refuse(REFUSAL_NOT_FOUND, "series");
    outcome->id = c->u.series_id;
    end(e, pool_at(&e->series, slot), c, now);
    return REFUSED_NOT;
}

void series_fire(struct engine *e, const struct command *c, int64_t now, struct series *s)
{
    struct order_request r = request_of(s);
    struct order filled;
    struct command said = *c;
    struct refusal refusal = order_check_request(e, &r, now, &filled);
    said.reason = refusal.code != REFUSAL_NONE ? word_name(&words_refusal, (int)refusal.code) : "series";
    if (refusal.code == REFUSAL_NONE) {
        filled.series = s->id;
        place_filled(e, &filled, s->needs_review, &said, now);
        s->placed++;
    } else {
        emit_series(e, EVENT_SERIES_SKIPPED, s, &said, now);
    }
    /* Every window is taken in turn: after a standstill each missed one is skipped by name. */
    if (next_window(e, s, s->next_at)) {
        arm(e, s);
        effect_series(e, s);
    } else {
        end(e, s, c, now);
    }
}

bool engine_load_series(struct engine *e, const struct series *row)
{
    if (row->next_at == 0)
        return true; /* it has ended */
    if (row->id == 0 || row->every == 0 || map_get(&e->series_ids, row->id) != SLOT_NONE)
        return false;
    uint32_t slot = pool_take(&e->series);
    struct series *s = pool_at(&e->series, slot);
    *s = *row;
    s->heap_place = 0;
    map_put(&e->series_ids, s->id, slot);
    arm(e, s);
    return true;
}

const struct series *engine_series(const struct engine *e, uint64_t id)
{
    uint32_t slot = map_get(&e->series_ids, id);
    return slot != SLOT_NONE ? pool_at(&e->series, slot) : NULL;
}

const struct series *engine_next_series(const struct engine *e, uint32_t *slot)
{
    for (uint32_t i = *slot + 1; i < e->series.used; i++) {
        const struct series *s = pool_at(&e->series, i);
        if (s->id != 0) {
            *slot = i;
            return s;
        }
    }
    return NULL;
}
