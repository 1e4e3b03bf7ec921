/* methods_series.c -- series.*: recurring orders; emergency.*: the emergency mode of a region. */
#include <stdio.h>
#include <string.h>

#include "engine/pool.h"
#include "methods.h"

static bool run_put(struct call *call, struct pack *out)
{
    const struct args *a = &call->args;
    struct command c = {.op = OP_SERIES_PUT, .is_check = arg_number(a, P_DRY_RUN, 0) != 0};
    struct contact_row contact;
    (void)out;
    if (arg_has(a, P_LAT) != arg_has(a, P_LON))
        return error_set(&call->error, REFUSAL_MISSING_FIELD, arg_has(a, P_LAT) ? "lon" : "lat", "lat and lon come together");
    request_from_args(call, &c.u.series.order);
    bool has_contact = contact_from_args(call, &contact);
    if (c.u.series.order.has_place) { /* somebody's home: the engine rounds it */
        contact_take_home(&contact, c.u.series.order.lat, c.u.series.order.lon);
        has_contact = true;
    }
    c.u.series.week = a->week;
    c.u.series.first_day = (int32_t)arg_number(a, P_FIRST_DATE, 0);
    c.u.series.last_day = (int32_t)a->number[P_LAST_DATE];
    c.u.series.every = (uint32_t)arg_number(a, P_EVERY, 0);
    c.u.series.lead_days = (uint32_t)arg_number(a, P_LEAD_DAYS, 0);
    bool is_good = call_step(call, &c);
    if (is_good && has_contact && !c.is_check) { /* kept under the series' number, for all of its orders */
        contact.order_id = contact.series = call->outcome.id;
        call_add_contact(call, &contact);
    }
    explicit_bzero(&contact, sizeof contact);
    return is_good;
}

static void pack_series(struct pack *out, const struct engine *engine, const struct series *s)
{
    char text[SCHEDULE_TEXT_BYTES_MAX];
    pack_map(out);
    pack_key_uint(out, "series", s->id);
    pack_key_uint(out, "region", s->region);
    pack_key_text(out, "category", engine_catalogue(engine)->skills[s->category].name);
    schedule_format(&s->week, text);
    pack_key_text(out, "repeat", text);
    pack_key_uint(out, "every", s->every);
    pack_key_uint(out, "lead_days", s->lead_days);
    pack_key_date(out, "first_date", s->first_day);
    pack_key_date(out, "last_date", s->last_day);
    pack_key_int(out, "next_at", s->next_at);
    pack_key_uint(out, "placed", s->placed);
    pack_key_uint(out, "minutes", s->minutes);
    pack_key_uint(out, "headcount", s->headcount != 0 ? s->headcount : 1);
    pack_key_text(out, "priority", word_name(&words_priority, s->priority));
    pack_key_text(out, "mode", word_name(&words_mode, s->mode));
    pack_skills(out, "skills", engine, &s->skills);
    if (s->person != 0)
        pack_key_uint(out, "person", s->person);
    pack_close(out);
}

static void encode_series(struct call *call, struct pack *out)
{
    const struct series *s = engine_series(call->engine, call->outcome.id);
    pack_map(out);
    pack_key_uint(out, "series", call->outcome.id);
    if (s != NULL)
        pack_key_int(out, "next_at", s->next_at);
    pack_key_bool(out, "ended", s == NULL && call->outcome.id != 0);
    pack_close(out);
}

static bool run_stop(struct call *call, struct pack *out)
{
    struct command c = {.op = OP_SERIES_STOP, .u.series_id = (uint64_t)call->args.number[P_SERIES]};
    const struct series *s = engine_series(call->engine, c.u.series_id);
    (void)out;
    if (s == NULL || !access_sees(call, s->region))
        return error_set(&call->error, REFUSAL_NOT_FOUND, "series", "%s", "");
    return call_step(call, &c);
}

static bool run_list(struct call *call, struct pack *out)
{
    uint32_t limit = (uint32_t)arg_number(&call->args, P_LIMIT, 100);
    uint32_t slot = 0; /* the cursor is a slot, plus one */
    uint32_t outer = engine_region_find(call->engine, (uint64_t)arg_number(&call->args, P_REGION, 0));
    uint32_t count = 0;
    const struct series *s = NULL;
    if (!place_from_cursor(call, &slot))
        return false;
    slot--;
    pack_map(out);
    pack_key(out, "items");
    pack_list(out);
    while (count < limit && (s = engine_next_series(call->engine, &slot)) != NULL) {
        uint32_t inner = engine_region_find(call->engine, s->region);
        if (!access_sees(call, s->region) ||
            (outer != SLOT_NONE && !engine_region_within(call->engine, inner, outer)))
            continue;
        pack_series(out, call->engine, s);
        count++;
    }
    pack_close(out);
    pack_next(out, s != NULL ? slot + UINT64_C(1) : 0);
    pack_close(out);
    return true;
}

static bool emergency(struct call *call, enum op op)
{
    struct command c = {.op = op};
    c.u.emergency.region = (uint64_t)call->args.number[P_REGION];
    c.u.emergency.until = arg_number(&call->args, P_UNTIL, 0);
    return call_step(call, &c);
}

static bool run_open(struct call *call, struct pack *out)
{
    (void)out;
    return emergency(call, OP_EMERGENCY_OPEN);
}

static bool run_close(struct call *call, struct pack *out)
{
    (void)out;
    return emergency(call, OP_EMERGENCY_CLOSE);
}

static void pack_emergency(struct pack *out, const struct engine *engine, const struct emergency *row)
{
    uint32_t slot = engine_region_find(engine, row->region);
    pack_map(out);
    pack_key_uint(out, "region", row->region);
    if (slot != SLOT_NONE)
        pack_key_text(out, "region_name", engine_region_slot(engine, slot)->name);
    pack_key_int(out, "opened_at", row->opened_at);
    pack_key_int(out, "until", row->until);
    pack_close(out);
}

static void encode_emergency(struct call *call, struct pack *out)
{
    pack_map(out);
    pack_key_uint(out, "region", (uint64_t)call->args.number[P_REGION]);
    pack_key_int(out, "until", arg_number(&call->args, P_UNTIL, 0));
    pack_close(out);
}

static bool run_emergencies(struct call *call, struct pack *out)
{
    uint32_t count = 0;
    const struct emergency *rows = engine_emergencies(call->engine, &count);
    pack_map(out);
    pack_key(out, "items");
    pack_list(out);
    for (uint32_t i = 0; i < count; i++)
        pack_emergency(out, call->engine, &rows[i]);
    pack_close(out);
    pack_next(out, 0);
    pack_close(out);
    return true;
}

const struct method series_methods[] = {
    {"series.put", ROLE_PLATFORM | ROLE_DISPATCHER, "A recurring order: an order for each window of the week, placed some days before it, until a last day. Its personal data are kept once, for all of its orders.", "{series, next_at, ended}", METHOD_WRITE | METHOD_NEW, 5, {P_REF, P_REGION, P_CATEGORY, P_REPEAT, P_LAST_DATE, P_FIRST_DATE, P_EVERY, P_LEAD_DAYS, P_LAT, P_LON, P_CRS, P_REMOTE, P_SKILLS, P_MINUTES, P_HEADCOUNT, P_PEOPLE_MIN, P_PRIORITY, P_GROUPS, P_RISK, P_MAX_DISTANCE_M, P_PERSON, P_MODE, P_REVIEW, P_PROXY, P_CONTACT, P_NOTE, P_DRY_RUN}, run_put, encode_series, NULL},
    {"series.list", ROLE_PLATFORM | ROLE_DISPATCHER, "Recurring orders that go on, of a region and below.", "{items: [{series, region, category, repeat, every, first_date, last_date, next_at, placed, …}], next}", 0, 0, {P_REGION, P_AFTER, P_LIMIT}, run_list, NULL, NULL},
    {"series.stop", ROLE_PLATFORM | ROLE_DISPATCHER, "No more orders of it; those that are placed stay.", "{series, ended}", METHOD_WRITE, 1, {P_SERIES, P_REASON, P_REF}, run_stop, encode_series, NULL},
    {"emergency.open", ROLE_SUPERVISOR, "Emergency mode of a region and all below, until an instant at most 30 days ahead: its urgent and emergency orders are broadcast at once, to `emergency_count` organisations, certified ones first, as far as the city's reach and outside the hours they set.", "{region, until}", METHOD_WRITE, 3, {P_REGION, P_UNTIL, P_REASON, P_REF}, run_open, encode_emergency, NULL},
    {"emergency.close", ROLE_SUPERVISOR, "Emergency mode ends.", "{region, until}", METHOD_WRITE, 1, {P_REGION, P_REASON, P_REF}, run_close, encode_emergency, NULL},
    {"emergency.list", ROLE_EVERY, "The regions in emergency mode.", "{items: [{region, region_name, opened_at, until}], next}", 0, 0, {P_NONE}, run_emergencies, NULL, NULL},
};
const int series_method_count = (int)ARRAY_LEN(series_methods);
