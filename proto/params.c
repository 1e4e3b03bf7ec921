#include "params.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "access.h"
#include "frame.h"

const struct param_info params[PARAM_COUNT] = {
#define PARAM(N, name_, kind_, low_, high_, text_)                                                 \
    [P_##N] = {.name = name_, .text = text_, .kind = KIND_##kind_, .low = low_, .high = high_},
#include "params.def"
#undef PARAM
};

static const char *const kind_texts[KIND_COUNT] = {
    [KIND_ID] = "integer", [KIND_INT] = "integer", [KIND_TIME] = "integer (ms)",
    [KIND_BOOL] = "boolean", [KIND_TEXT] = "text", [KIND_CODE] = "word [a-z0-9_]",
    [KIND_PATH] = "text", [KIND_DEGREES] = "number", [KIND_CRS] = "word", [KIND_SKILL] = "word",
    [KIND_SKILLS] = "list of words", [KIND_IDS] = "list of integers",
    [KIND_GROUPS] = "list of words", [KIND_WAIVES] = "list of words", [KIND_SCHEDULE] = "text",
    [KIND_DATES] = "list of maps", [KIND_RECORDS] = "list of maps", [KIND_CONTACT] = "map",
    [KIND_PRIORITY] = "word", [KIND_MODE] = "word", [KIND_ORG_TYPE] = "word", [KIND_RANK] = "word",
    [KIND_ORDER_STATE] = "word", [KIND_OFFER_STATE] = "word", [KIND_EVENT_KIND] = "word", [KIND_ROLES] = "words",
    [KIND_RECORD_STATE] = "word", [KIND_LEVEL] = "word", [KIND_DATE] = "text (2026-12-31)",
    [KIND_MONTH] = "text (2026-11)",
};

const char *param_kind_text(enum param_kind kind)
{
    return kind_texts[kind];
}

bool error_set(struct error *error, enum refusal_code code, const char *field, const char *format,
               ...)
{
    va_list arguments;
    *error = (struct error){.code = code};
    snprintf(error->field, sizeof error->field, "%s", field != NULL ? field : "");
    va_start(arguments, format);
    vsnprintf(error->detail, sizeof error->detail, format, arguments);
    va_end(arguments);
    return false;
}

void error_from_refusal(struct error *error, const struct refusal *r)
{
    *error = (struct error){.code = r->code, .misfit = r->misfit, .id = r->id};
    snprintf(error->field, sizeof error->field, "%s", r->field != NULL ? r->field : "");
    error->has_range = r->low < r->high;
    error->low = r->low;
    error->high = r->high;
    if (r->misfit != MISFIT_NONE)
        snprintf(error->detail, sizeof error->detail, "%s", words_misfit.words[r->misfit].text);
    else if (r->low != 0 || r->high != 0)
        snprintf(error->detail, sizeof error->detail, "%s must be %lld to %lld", error->field,
                 (long long)r->low, (long long)r->high);
}

void error_pack(const struct error *error, struct pack *pack)
{
    const struct word *word = &words_refusal.words[error->code];
    char message[400];
    snprintf(message, sizeof message, "%s%s%s%s%s", word->text, error->detail[0] != '\0' ? ": " : "",
             error->detail, error->detail[0] == '\0' && error->field[0] != '\0' ? ": " : "",
             error->detail[0] == '\0' ? error->field : "");
    pack_map(pack);
    pack_key_text(pack, "code", word->name);
    pack_key_text(pack, "message", message);
    if (error->field[0] != '\0')
        pack_key_text(pack, "field", error->field);
    if (error->misfit != MISFIT_NONE)
        pack_key_text(pack, "misfit", word_name(&words_misfit, (int)error->misfit));
    if (error->id != 0)
        pack_key_uint(pack, "id", error->id);
    if (error->has_range) {
        pack_key_int(pack, "low", error->low);
        pack_key_int(pack, "high", error->high);
    }
    if (word->may_retry)
        pack_key_bool(pack, "retry", true);
    pack_close(pack);
}

/* The state of decoding one parameter. */
struct decoder {
    struct arena *arena;
    const struct catalogue *catalogue;
    struct args *args;
    struct error *error;
    enum param param;
    const struct param_info *info;
    const struct node *node;
};

static bool bad_type(struct decoder *d)
{
    return error_set(d->error, REFUSAL_BAD_TYPE, d->info->name, "%s must be: %s", d->info->name,
                     kind_texts[d->info->kind]);
}

static bool bad_range(struct decoder *d, const char *what)
{
    error_set(d->error, REFUSAL_OUT_OF_RANGE, d->info->name, "%s must be %lld to %lld%s",
              d->info->name, (long long)d->info->low, (long long)d->info->high, what);
    d->error->has_range = true;
    d->error->low = d->info->low;
    d->error->high = d->info->high;
    return false;
}

static bool decode_number(struct decoder *d)
{
    if (d->node->kind != NODE_INT)
        return bad_type(d);
    if (d->node->u.number < d->info->low || d->node->u.number > d->info->high)
        return bad_range(d, "");
    d->args->number[d->param] = d->node->u.number;
    return true;
}

static bool decode_degrees(struct decoder *d)
{
    double degrees = d->node->kind == NODE_INT ? (double)d->node->u.number : d->node->u.real;
    if (d->node->kind != NODE_INT && d->node->kind != NODE_REAL)
        return bad_type(d);
    if (!(degrees >= (double)d->info->low && degrees <= (double)d->info->high)) /* NaN too */
        return bad_range(d, " degrees");
    d->args->number[d->param] = llround(degrees * 1e7);
    return true;
}

static bool check_text(struct decoder *d, const struct node *node)
{
    if (node->kind != NODE_TEXT && node->kind != NODE_BYTES)
        return bad_type(d);
    if (!text_is_utf8(node->u.text, node->count))
        return error_set(d->error, REFUSAL_BAD_VALUE, d->info->name,
                         "%s must be UTF-8 without NUL", d->info->name);
    return true;
}

static bool decode_text(struct decoder *d)
{
    if (!check_text(d, d->node))
        return false;
    if (d->node->count < d->info->low || d->node->count > d->info->high)
        return bad_range(d, " bytes long");
    for (uint32_t i = 0; i < d->node->count; i++) {
        unsigned char c = (unsigned char)d->node->u.text[i];
        bool is_code = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
        if (d->info->kind == KIND_CODE && !is_code)
            return error_set(d->error, REFUSAL_BAD_VALUE, d->info->name,
                             "%s is a coded word of a-z, 0-9 and _", d->info->name);
        if (c < 0x20 && c != '\t' && c != '\n')
            return error_set(d->error, REFUSAL_BAD_VALUE, d->info->name,
                             "%s must have no control characters", d->info->name);
    }
    d->args->text[d->param] = arena_text(d->arena, d->node->u.text, d->node->count);
    if (d->info->kind == KIND_PATH && d->args->text[d->param][0] != '/')
        return error_set(d->error, REFUSAL_BAD_VALUE, d->info->name, "a path begins with /");
    return true;
}

/* A word of a closed list, or the refusal that names them all. */
static bool decode_word(struct decoder *d, const struct wordlist *list, const struct node *node,
                        int64_t *number)
{
    if (!check_text(d, node))
        return false;
    int found = word_find(list, node->u.text, node->count);
    *number = found;
    if (found >= 0)
        return true;
    char all[160] = "";
    size_t at = 0;
    for (int i = 0; i < list->count && at < sizeof all - 1; i++)
        if (list->words[i].name != NULL)
            at += (size_t)snprintf(all + at, sizeof all - at, "%s%s", at != 0 ? ", " : "",
                                   list->words[i].name);
    return error_set(d->error, REFUSAL_BAD_VALUE, d->info->name, "%s must be one of: %s",
                     d->info->name, all);
}

static bool decode_crs(struct decoder *d)
{
    d->args->number[d->param] = node_is_text(d->node, "gcj02");
    if (node_is_text(d->node, "gcj02") || node_is_text(d->node, "wgs84"))
        return true;
    return error_set(d->error, REFUSAL_BAD_VALUE, "crs", "crs must be one of: wgs84, gcj02");
}

static bool decode_roles(struct decoder *d)
{
    unsigned roles = 0;
    if (!check_text(d, d->node))
        return false;
    if (!roles_parse(d->node->u.text, d->node->count, &roles) || roles == 0)
        return error_set(d->error, REFUSAL_BAD_VALUE, d->info->name,
                         "roles are: platform, dispatcher, supervisor, org, auditor, operator");
    d->args->number[d->param] = roles;
    return true;
}

/* One skill by name; category: only those that an order may name. */
static bool find_skill(struct decoder *d, const char *name, size_t len, bool is_category, int *skill)
{
    *skill = catalogue_find(d->catalogue, name, len);
    if (*skill >= 0 && (!is_category || d->catalogue->skills[*skill].is_category))
        return true;
    bool is_word = len <= WORD_BYTES_MAX;
    return error_set(d->error, REFUSAL_BAD_VALUE, d->info->name, "no such %s: %.*s",
                     is_category ? "category" : "skill", is_word ? (int)len : 0, name);
}

static bool decode_skills(struct decoder *d)
{
    struct skillset *set = d->param == P_CERTIFIED ? &d->args->certified : &d->args->skills;
    int skill = 0;
    if (d->node->kind == NODE_TEXT) { /* names with | between */
        if (!check_text(d, d->node))
            return false;
        const char *at = d->node->u.text;
        const char *end = at + d->node->count;
        while (at < end) {
            const char *bar = memchr(at, '|', (size_t)(end - at));
            const char *stop = bar != NULL ? bar : end;
            if (!find_skill(d, at, (size_t)(stop - at), false, &skill))
                return false;
            skillset_add(set, skill);
            at = stop + 1;
        }
        return true;
    }
    if (d->node->kind != NODE_LIST)
        return bad_type(d);
    if (d->node->count > d->info->high)
        return bad_range(d, " items");
    for (uint32_t i = 0; i < d->node->count; i++) {
        const struct node *item = &d->node->u.items[i];
        if (!check_text(d, item) || !find_skill(d, item->u.text, item->count, false, &skill))
            return false;
        skillset_add(set, skill);
    }
    return true;
}

static bool check_list(struct decoder *d)
{
    if (d->node->kind != NODE_LIST)
        return bad_type(d);
    return (d->node->count >= d->info->low && d->node->count <= d->info->high) ||
           bad_range(d, " items");
}

static bool decode_ids(struct decoder *d)
{
    int which = d->param == P_REGIONS ? 1 : 0;
    if (!check_list(d))
        return false;
    uint64_t *ids = arena_take(d->arena, d->node->count * sizeof *ids);
    for (uint32_t i = 0; i < d->node->count; i++) {
        const struct node *item = &d->node->u.items[i];
        if (item->kind != NODE_INT)
            return bad_type(d);
        if (item->u.number < 1 || item->u.number > (which == 1 ? REGION_CODE_MAX : ID_MAX))
            return error_set(d->error, REFUSAL_OUT_OF_RANGE, d->info->name,
                             "numbers in %s are positive", d->info->name);
        ids[i] = (uint64_t)item->u.number;
    }
    d->args->ids[which] = ids;
    d->args->id_count[which] = d->node->count;
    return true;
}

static const struct word waive_words[] = {{.name = "reach"}, {.name = "schedule"}, {.name = "region"}};
static const struct wordlist words_waive = {"override", waive_words, 3};

/* A list of words as bits. */
static bool decode_bits(struct decoder *d, const struct wordlist *list)
{
    if (!check_list(d))
        return false;
    for (uint32_t i = 0; i < d->node->count; i++) {
        int64_t bit = 0;
        if (!decode_word(d, list, &d->node->u.items[i], &bit))
            return false;
        d->args->number[d->param] |= INT64_C(1) << bit;
    }
    return true;
}

static bool decode_schedule(struct decoder *d)
{
    size_t at = 0;
    if (!check_text(d, d->node))
        return false;
    if (d->node->count > d->info->high)
        return bad_range(d, " bytes long");
    if (schedule_parse(d->node->u.text, d->node->count, &d->args->week, &at))
        return true;
    return error_set(d->error, REFUSAL_BAD_VALUE, d->info->name,
                     "not a schedule from character %zu on; write: mon-fri 09:00-12:00,14:00-17:30; "
                     "sat 10:00-12:00 (times on the half-hour)",
                     at + 1);
}

/* The pairs of a map of a list: unknown keys are refused by name. */
static bool only_keys(struct decoder *d, const struct node *map, const char *const *keys, int count)
{
    if (map->kind != NODE_MAP)
        return bad_type(d);
    for (uint32_t i = 0; i < map->count; i++) {
        bool is_known = false;
        for (int k = 0; k < count; k++)
            is_known |= node_is_text(&map->u.pairs[i].key, keys[k]);
        if (!is_known)
            return error_set(d->error, REFUSAL_UNKNOWN_FIELD, d->info->name,
                             "the maps of %s take no such field", d->info->name);
    }
    return true;
}

static bool decode_records(struct decoder *d)
{
    static const char *const keys[] = {"volunteer", "minutes"};
    if (!check_list(d))
        return false;
    d->args->records = arena_take(d->arena, d->node->count * sizeof *d->args->records);
    d->args->record_count = d->node->count;
    for (uint32_t i = 0; i < d->node->count; i++) {
        const struct node *map = &d->node->u.items[i];
        if (!only_keys(d, map, keys, 2))
            return false;
        const struct node *volunteer = node_get(map, "volunteer");
        const struct node *minutes = node_get(map, "minutes");
        if (volunteer == NULL || minutes == NULL)
            return error_set(d->error, REFUSAL_MISSING_FIELD, volunteer == NULL ? "volunteer" : "minutes",
                             "each record is {volunteer, minutes}");
        if (volunteer->kind != NODE_INT || minutes->kind != NODE_INT)
            return bad_type(d);
        if (volunteer->u.number < 1 || volunteer->u.number > ID_MAX)
            return error_set(d->error, REFUSAL_OUT_OF_RANGE, "volunteer",
                             "volunteer must be 1 to %lld", (long long)ID_MAX);
        if (minutes->u.number < 1 || minutes->u.number > SERVICE_MINUTES_MAX)
            return error_set(d->error, REFUSAL_OUT_OF_RANGE, "minutes", "minutes must be 1 to %d",
                             SERVICE_MINUTES_MAX);
        d->args->records[i] = (struct record){.volunteer = (uint64_t)volunteer->u.number,
                                              .minutes = (uint32_t)minutes->u.number};
    }
    return true;
}

static bool decode_dates(struct decoder *d)
{
    static const char *const keys[] = {"date", "closed", "open"};
    if (!check_list(d))
        return false;
    struct org_date *dates = arena_take(d->arena, d->node->count * sizeof *dates);
    for (uint32_t i = 0; i < d->node->count; i++) {
        const struct node *map = &d->node->u.items[i];
        if (!only_keys(d, map, keys, 3))
            return false;
        const struct node *date = node_get(map, "date");
        const struct node *closed = node_get(map, "closed");
        const struct node *open = node_get(map, "open");
        struct org_date *to = &dates[i];
        if (date == NULL || date->kind != NODE_TEXT ||
            !date_parse(date->u.text, date->count, &to->day))
            return error_set(d->error, REFUSAL_BAD_VALUE, "date", "a date is written 2026-12-31");
        if (closed != NULL && closed->kind != NODE_BOOL)
            return bad_type(d);
        to->is_closed = closed != NULL && closed->u.truth;
        if (open != NULL && (open->kind != NODE_TEXT || !schedule_parse_day(open->u.text, open->count,
                                                                            &to->half_hours)))
            return error_set(d->error, REFUSAL_BAD_VALUE, "open",
                             "open is written 09:00-12:00,14:00-17:30, on the half-hour");
        if (i != 0 && dates[i - 1].day >= to->day)
            return error_set(d->error, REFUSAL_BAD_VALUE, "dates", "dates rise, each day once");
    }
    d->args->dates = dates;
    d->args->date_count = d->node->count;
    return true;
}

static bool decode_contact(struct decoder *d)
{
    static const char *const keys[] = {"name", "phone", "address", "note", "proxy_name", "proxy_phone", "lat", "lon"};
    enum { TEXTS = 6, KEYS = 8 };
    if (!only_keys(d, d->node, keys, KEYS))
        return false;
    for (int i = 0; i < KEYS; i++) {
        const struct node *value = node_get(d->node, keys[i]);
        if (value == NULL)
            continue;
        bool is_number = value->kind == NODE_INT || value->kind == NODE_REAL;
        if (i < TEXTS ? !check_text(d, value) : !is_number)
            return i < TEXTS ? false : bad_type(d);
        if (i < TEXTS && value->count > 400)
            return error_set(d->error, REFUSAL_OUT_OF_RANGE, keys[i],
                             "contact.%s must be 0 to 400 bytes long", keys[i]);
        double degrees = value->kind == NODE_INT ? (double)value->u.number : value->u.real;
        double most = i == TEXTS ? 90 : 180;
        if (i >= TEXTS && !(degrees >= -most && degrees <= most))
            return error_set(d->error, REFUSAL_OUT_OF_RANGE, keys[i],
                             "contact.%s must be %d to %d degrees", keys[i], -(int)most, (int)most);
    }
    d->args->contact = d->node;
    return true;
}

/* A day as its number from 1970-01-01 on; a month as its first day's. */
static bool decode_date(struct decoder *d)
{
    bool is_month = d->info->kind == KIND_MONTH;
    char text[12] = "";
    int32_t day = 0;
    if (!check_text(d, d->node))
        return false;
    if (d->node->count == (is_month ? 7 : 10))
        snprintf(text, sizeof text, "%.*s%s", (int)d->node->count, d->node->u.text, is_month ? "-01" : "");
    if (!date_parse(text, strlen(text), &day) || day < 0)
        return error_set(d->error, REFUSAL_BAD_VALUE, d->info->name, "%s is written %s, from 1970 on", d->info->name,
                         is_month ? "2026-11" : "2026-12-31");
    d->args->number[d->param] = day;
    return true;
}

static bool decode_one(struct decoder *d)
{
    static const struct wordlist *const lists[KIND_COUNT] = {
        [KIND_PRIORITY] = &words_priority,       [KIND_MODE] = &words_mode,
        [KIND_ORG_TYPE] = &words_org_type,       [KIND_RANK] = &words_rank,
        [KIND_ORDER_STATE] = &words_order_state, [KIND_OFFER_STATE] = &words_offer_state,
        [KIND_EVENT_KIND] = &words_event_kind,   [KIND_RECORD_STATE] = &words_record_state,
        [KIND_LEVEL] = &words_level,
    };
    int skill = 0;
    must(d->info->kind < KIND_COUNT);
    switch (d->info->kind) {
    case KIND_ID: case KIND_INT: case KIND_TIME:
        return decode_number(d);
    case KIND_BOOL:
        d->args->number[d->param] = d->node->kind == NODE_BOOL && d->node->u.truth;
        return d->node->kind == NODE_BOOL || bad_type(d);
    case KIND_TEXT: case KIND_CODE: case KIND_PATH:
        return decode_text(d);
    case KIND_DEGREES:
        return decode_degrees(d);
    case KIND_CRS:
        return decode_crs(d);
    case KIND_SKILL:
        if (!check_text(d, d->node) || !find_skill(d, d->node->u.text, d->node->count, true, &skill))
            return false;
        d->args->number[d->param] = skill;
        return true;
    case KIND_SKILLS:
        return decode_skills(d);
    case KIND_IDS:
        return decode_ids(d);
    case KIND_GROUPS:
        return decode_bits(d, &words_group);
    case KIND_WAIVES:
        return decode_bits(d, &words_waive);
    case KIND_SCHEDULE:
        return decode_schedule(d);
    case KIND_DATES:
        return decode_dates(d);
    case KIND_RECORDS:
        return decode_records(d);
    case KIND_CONTACT:
        return decode_contact(d);
    case KIND_ROLES:
        return decode_roles(d);
    case KIND_DATE: case KIND_MONTH:
        return decode_date(d);
    case KIND_PRIORITY: case KIND_MODE: case KIND_ORG_TYPE: case KIND_RANK: case KIND_ORDER_STATE:
    case KIND_OFFER_STATE: case KIND_EVENT_KIND: case KIND_RECORD_STATE: case KIND_LEVEL: case KIND_COUNT:
    default:
        return decode_word(d, lists[d->info->kind], d->node, &d->args->number[d->param]);
    }
}

static int find_allowed(const struct node *key, const enum param *allowed, int count)
{
    for (int i = 0; i < count; i++)
        if (node_is_text(key, params[allowed[i]].name))
            return i;
    return -1;
}

bool params_decode(struct arena *arena, const struct catalogue *catalogue, const struct node *map,
                   const enum param *allowed, int allowed_count, int required_count,
                   struct args *args, struct error *error)
{
    *args = (struct args){.contact = NULL};
    for (uint32_t i = 0; map != NULL && i < map->count; i++) {
        const struct node *key = &map->u.pairs[i].key;
        bool is_text = key->kind == NODE_TEXT && key->count < 40 && text_is_utf8(key->u.text, key->count);
        int at = is_text ? find_allowed(key, allowed, allowed_count) : -1;
        if (at < 0) {
            char name[40] = "?";
            if (is_text)
                snprintf(name, sizeof name, "%.*s", (int)key->count, key->u.text);
            return error_set(error, REFUSAL_UNKNOWN_FIELD, name, "%s", name);
        }
        struct decoder d = {.arena = arena, .catalogue = catalogue, .args = args, .error = error,
                            .param = allowed[at], .info = &params[allowed[at]],
                            .node = &map->u.pairs[i].value};
        if (arg_has(args, d.param))
            return error_set(error, REFUSAL_BAD_REQUEST, d.info->name, "%s stands twice", d.info->name);
        if (d.node->kind == NODE_NIL)
            continue; /* nil is absent */
        if (!decode_one(&d))
            return false;
        args->present[d.param / 64] |= UINT64_C(1) << (d.param % 64);
    }
    for (int i = 0; i < required_count; i++)
        if (!arg_has(args, allowed[i]))
            return error_set(error, REFUSAL_MISSING_FIELD, params[allowed[i]].name, "%s",
                             params[allowed[i]].name);
    return true;
}

/* Days of the civil calendar, after Howard Hinnant's "chrono-compatible low-level date algorithms". */
static int32_t days_from_civil(int year, int month, int day)
{
    year -= month <= 2;
    int era = (year >= 0 ? year : year - 399) / 400;
    int of_era = year - era * 400;
    int of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

void date_format(int32_t day, char text[11])
{
    int32_t z = day + 719468;
    int32_t era = (z >= 0 ? z : z - 146096) / 146097;
    int32_t of_era = z - era * 146097;
    int32_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int32_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int32_t shifted = (5 * of_year + 2) / 153;
    int32_t month = shifted < 10 ? shifted + 3 : shifted - 9;
    char wide[40];
    snprintf(wide, sizeof wide, "%04d-%02d-%02d", year + era * 400 + (month <= 2), month,
             of_year - (153 * shifted + 2) / 5 + 1);
    memcpy(text, wide, 10);
    text[10] = '\0';
}

int32_t date_next_month(int32_t day)
{
    char text[11];
    int year = 0;
    int month = 0;
    date_format(day, text);
    (void)sscanf(text, "%4d-%2d", &year, &month);
    return days_from_civil(month < 12 ? year : year + 1, month < 12 ? month + 1 : 1, 1);
}

bool date_parse(const char *text, size_t len, int32_t *day)
{
    char copy[11] = "";
    char again[11];
    int year = 0;
    int month = 0;
    int of_month = 0;
    if (len != 10)
        return false;
    memcpy(copy, text, 10);
    if (sscanf(copy, "%4d-%2d-%2d", &year, &month, &of_month) != 3 || month < 1 || month > 12)
        return false;
    *day = days_from_civil(year, month, of_month);
    date_format(*day, again);
    return strcmp(copy, again) == 0;
}
