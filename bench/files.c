#include "files.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "proto/table.h"
#include "proto/texts.h"
#include "workload.h"

enum { ORG_ID, ORG_LAT, ORG_LON, ORG_SKILLS, ORG_NAME, ORG_REGION, ORG_REACH, ORG_CAPACITY, ORG_CERTIFIED,
       ORG_SCHEDULE, ORG_TYPE, ORG_REGISTERED, ORG_INSURED, ORG_YOUTH, ORG_COLUMNS };
static const char *const org_columns[ORG_COLUMNS] = {
    "id", "lat", "lon", "skills", "name", "region", "reach_m", "capacity", "certified", "schedule", "type",
    "registered", "insured", "youth"};

enum { ORDER_REF, ORDER_REGION, ORDER_LAT, ORDER_LON, ORDER_CATEGORY, ORDER_SKILLS, ORDER_STARTS, ORDER_ENDS,
       ORDER_MINUTES, ORDER_HEADCOUNT, ORDER_PRIORITY, ORDER_MODE, ORDER_COLUMNS };
static const char *const order_columns[ORDER_COLUMNS] = {
    "ref", "region", "lat", "lon", "category", "skills", "starts_at", "ends_at", "minutes", "headcount",
    "priority", "mode"};

void files_add_order(struct files *f, const struct order_request *order, const char *ref)
{
    if (f->order_count == f->order_room) {
        f->order_room = f->order_room != 0 ? f->order_room * 2 : 1024;
        f->orders = must_realloc(f->orders, f->order_room, sizeof *f->orders);
        f->refs = must_realloc(f->refs, f->order_room, sizeof *f->refs);
    }
    f->refs[f->order_count] = ref != NULL ? must_strdup(ref) : NULL;
    f->orders[f->order_count++] = *order;
}

/* One row on its way in: the first fault of it stays. */
struct reading {
    struct files *files;
    const struct table_row *row;
    const char *const *columns;
    struct failure *failure;
    bool has_failed;
};

static void fail(struct reading *r, int column, const char *reason)
{
    if (!r->has_failed)
        failure_set(r->failure, EX_DATAERR, "%s:%d: %s: %s", r->row->path, r->row->line, r->columns[column], reason);
    r->has_failed = true;
}

static double number(struct reading *r, int column, double low, double high, double absent)
{
    const char *text = r->row->fields[column];
    char *end = NULL;
    char reason[100];
    if (*text == '\0')
        return absent;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(value) || value < low || value > high) {
        snprintf(reason, sizeof reason, "not a number from %.15g to %.15g", low, high);
        fail(r, column, reason);
        return absent;
    }
    return value;
}

static int32_t degrees(struct reading *r, int column, double most)
{
    return (int32_t)llround(number(r, column, -most, most, 0) * 1e7);
}

static bool truth(struct reading *r, int column, bool absent)
{
    const char *text = r->row->fields[column];
    if (*text == '\0')
        return absent;
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0 && strcmp(text, "1") != 0 && strcmp(text, "0") != 0)
        fail(r, column, "not true or false");
    return *text == 't' || *text == '1';
}

/* Skills by name, with | between; those that no catalogue has are learned. */
static void take_skills(struct reading *r, int column, struct skillset *set)
{
    struct engine *e = r->files->engine;
    for (const char *text = r->row->fields[column]; *text != '\0';) {
        size_t len = strcspn(text, "|");
        int skill = catalogue_find(engine_catalogue(e), text, len);
        if (skill < 0) {
            struct command c = {.op = OP_ADD_SKILL, .actor = "bench", .u.skill.is_category = true};
            if (len == 0 || len > WORD_BYTES_MAX) {
                fail(r, column, "a skill's name is 1 to 32 bytes");
                return;
            }
            memcpy(c.u.skill.name, text, len);
            if (engine_step(e, &c, 1).refusal.code != REFUSAL_NONE) {
                fail(r, column, "more than 256 skills");
                return;
            }
            skill = engine_catalogue(e)->count - 1;
        }
        skillset_add(set, skill);
        text += len + (text[len] != '\0');
    }
}

static int64_t instant(struct reading *r, int column)
{
    int64_t at = 0;
    const char *text = r->row->fields[column];
    if (*text != '\0' && !time_parse(text, &at))
        fail(r, column, "not a time such as 2026-11-23T09:00:00+08:00");
    return at;
}

static int take_org(void *context, const struct table_row *row, struct failure *failure)
{
    struct reading r = {.files = context, .row = row, .columns = org_columns, .failure = failure};
    struct command c = {.op = OP_ORG_PUT, .actor = "bench"};
    struct org_request *o = &c.u.put;
    const char *type = row->fields[ORG_TYPE];
    const char *schedule = row->fields[ORG_SCHEDULE];
    size_t at = 0;
    o->id = (uint64_t)number(&r, ORG_ID, 1, (double)ID_MAX, 0);
    o->lat = degrees(&r, ORG_LAT, 90);
    o->lon = degrees(&r, ORG_LON, 180);
    o->name = row->fields[ORG_NAME];
    o->reach_m = (uint32_t)number(&r, ORG_REACH, 1, REACH_M_MAX, 5000);
    o->capacity = (uint32_t)number(&r, ORG_CAPACITY, 1, ORG_CAPACITY_MAX, 1);
    o->is_registered = truth(&r, ORG_REGISTERED, true);
    o->is_insured = truth(&r, ORG_INSURED, false);
    o->is_youth = truth(&r, ORG_YOUTH, false);
    int word = *type != '\0' ? word_find(&words_org_type, type, strlen(type)) : 0;
    o->type = (uint8_t)(word < 0 ? 0 : word);
    if (word < 0)
        fail(&r, ORG_TYPE, "not service, hub or support");
    if (!schedule_parse(schedule, strlen(schedule), &o->week, &at))
        fail(&r, ORG_SCHEDULE, "not a schedule such as mon-fri 09:00-17:30; sat 10:00-12:00");
    take_skills(&r, ORG_SKILLS, &o->skills);
    take_skills(&r, ORG_CERTIFIED, &o->certified);
    if (skillset_next(&o->skills, 0) < 0)
        fail(&r, ORG_SKILLS, "at least one is needed");
    if (r.has_failed)
        return -1;
    struct refusal refusal = engine_step(r.files->engine, &c, r.files->now).refusal;
    engine_effects_clear(r.files->engine);
    if (refusal.code == REFUSAL_NONE)
        return 0;
    return failure_set(failure, EX_DATAERR, "%s:%d: %s: %s", row->path, row->line,
                       refusal.field != NULL ? refusal.field : "", words_refusal.words[refusal.code].text);
}

static int take_order(void *context, const struct table_row *row, struct failure *failure)
{
    struct files *f = context;
    struct reading r = {.files = f, .row = row, .columns = order_columns, .failure = failure};
    struct order_request o = {.region = WORKLOAD_REGION, .has_place = *row->fields[ORDER_LAT] != '\0'};
    o.lat = degrees(&r, ORDER_LAT, 90);
    o.lon = degrees(&r, ORDER_LON, 180);
    o.is_remote = !o.has_place;
    take_skills(&r, ORDER_CATEGORY, &o.skills);
    o.category = skillset_next(&o.skills, 0);
    take_skills(&r, ORDER_SKILLS, &o.skills);
    o.category = o.category >= 0 ? o.category : skillset_next(&o.skills, 0);
    if (o.category < 0)
        fail(&r, ORDER_CATEGORY, "a category or a skill is needed");
    o.starts_at = instant(&r, ORDER_STARTS);
    o.ends_at = instant(&r, ORDER_ENDS);
    o.minutes = (uint32_t)number(&r, ORDER_MINUTES, 1, SERVICE_MINUTES_MAX, 60);
    o.headcount = (uint32_t)number(&r, ORDER_HEADCOUNT, 1, HEADCOUNT_MAX, 1);
    if (o.ends_at != 0 && o.ends_at < o.starts_at + o.minutes * INT64_C(60000))
        fail(&r, ORDER_ENDS, "the window is shorter than the service");
    if (r.has_failed)
        return -1;
    if (o.starts_at != 0 && (f->now == 0 || o.starts_at - DAY_MS < f->now))
        f->now = o.starts_at - DAY_MS;
    files_add_order(f, &o, row->fields[ORDER_REF]);
    return 0;
}

int files_load(struct files *f, const char *orgs, const char *orders, struct failure *failure)
{
    static const struct table_format org_format = {org_columns, ORG_COLUMNS, ORG_SKILLS + 1, false};
    static const struct table_format order_format = {order_columns, ORDER_COLUMNS, ORDER_REF + 1, false};
    if (table_read(orders, &order_format, take_order, f, failure) != 0)
        return -1;
    f->now = f->now > 0 ? f->now : (int64_t)time(NULL) * 1000;
    return table_read(orgs, &org_format, take_org, f, failure);
}

void files_fini(struct files *f)
{
    for (uint32_t i = 0; i < f->order_count; i++)
        free(f->refs[i]);
    free(f->refs);
    free(f->orders);
}
