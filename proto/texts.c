#include "texts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

bool time_parse(const char *text, int64_t *ms)
{
    struct tm tm = {.tm_isdst = 0};
    int used = 0;
    int hours = 0;
    int minutes = 0;
    int32_t day = 0;
    if (strlen(text) < 17 || (text[10] != 'T' && text[10] != ' ' && text[10] != 't') ||
        !date_parse(text, 10, &day))
        return false;
    if (sscanf(text + 11, "%2d:%2d%n", &tm.tm_hour, &tm.tm_min, &used) != 2 || used != 5)
        return false;
    const char *at = text + 16;
    if (*at == ':') {
        if (sscanf(at, ":%2d%n", &tm.tm_sec, &used) != 1 || used != 3)
            return false;
        at += 3;
        if (*at == '.')
            at += 1 + strspn(at + 1, "0123456789");
    }
    if (tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60 || tm.tm_hour < 0 || tm.tm_min < 0)
        return false;
    bool is_utc = strcmp(at, "Z") == 0 || strcmp(at, "z") == 0;
    if (!is_utc && ((*at != '+' && *at != '-') || strlen(at) != 6 ||
                    sscanf(at + 1, "%2d:%2d%n", &hours, &minutes, &used) != 2 || used != 5 ||
                    hours > 23 || minutes > 59))
        return false;
    int64_t offset = (int64_t)(hours * 60 + minutes) * (*at == '-' ? -1 : 1);
    *ms = day * DAY_MS + ((tm.tm_hour * 60 + tm.tm_min - offset) * 60 + tm.tm_sec) * 1000;
    return true;
}

void time_format(int64_t ms, char text[17])
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    localtime_r(&seconds, &tm);
    strftime(text, 17, "%Y-%m-%d %H:%M", &tm);
}

static const struct param_info *find_param(const char *name)
{
    for (int i = 1; i < PARAM_COUNT; i++)
        if (strcmp(params[i].name, name) == 0)
            return &params[i];
    return NULL;
}

static bool pack_number(struct pack *pack, const char *text)
{
    char *end = NULL;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0')
        return false;
    pack_int(pack, number);
    return true;
}

static bool pack_truth(struct pack *pack, const char *text)
{
    static const char *const yes[] = {"true", "yes", "1", "是"};
    static const char *const no[] = {"false", "no", "0", "否"};
    for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
        if (strcasecmp(text, yes[i]) == 0 || strcasecmp(text, no[i]) == 0) {
            pack_bool(pack, strcasecmp(text, yes[i]) == 0);
            return true;
        }
    }
    return false;
}

static bool pack_degrees(struct pack *pack, const char *text)
{
    char *end = NULL;
    double degrees = strtod(text, &end);
    if (end == text || *end != '\0')
        return false;
    pack_real(pack, degrees);
    return true;
}

/* Items with | (or a comma) between, as numbers or as words. */
static bool pack_items(struct pack *pack, const char *text, bool are_numbers)
{
    bool is_good = true;
    pack_list(pack);
    while (*text != '\0' && is_good) {
        char item[64];
        size_t len = strcspn(text, "|,");
        snprintf(item, sizeof item, "%.*s", (int)(len < sizeof item ? len : sizeof item - 1), text);
        if (are_numbers)
            is_good = pack_number(pack, item);
        else
            pack_text(pack, item);
        text += len + (text[len] != '\0');
    }
    pack_close(pack);
    return is_good;
}

static bool pack_value(struct pack *pack, const struct param_info *info, const char *value)
{
    int64_t ms = 0;
    switch (info->kind) {
    case KIND_ID: case KIND_INT:
        return pack_number(pack, value);
    case KIND_TIME:
        if (!time_parse(value, &ms))
            return pack_number(pack, value);
        pack_int(pack, ms);
        return true;
    case KIND_BOOL:
        return pack_truth(pack, value);
    case KIND_DEGREES:
        return pack_degrees(pack, value);
    case KIND_IDS:
        return pack_items(pack, value, true);
    case KIND_SKILLS: case KIND_GROUPS: case KIND_WAIVES:
        return pack_items(pack, value, false);
    case KIND_DATES: case KIND_RECORDS: case KIND_CONTACT:
        return false;
    case KIND_TEXT: case KIND_CODE: case KIND_PATH: case KIND_CRS: case KIND_SKILL:
    case KIND_SCHEDULE: case KIND_PRIORITY: case KIND_MODE: case KIND_ORG_TYPE: case KIND_RANK:
    case KIND_ORDER_STATE: case KIND_OFFER_STATE: case KIND_EVENT_KIND: case KIND_ROLES: case KIND_COUNT:
    default:
        pack_text(pack, value);
        return true;
    }
}

bool texts_pack_param(struct pack *pack, const char *name, const char *value, struct error *error)
{
    const struct param_info *info = find_param(name);
    if (info == NULL) {
        bool is_word = strlen(name) < 40;
        return error_set(error, REFUSAL_UNKNOWN_FIELD, is_word ? name : "?", "%s", is_word ? name : "");
    }
    if (value[0] == '\0')
        return true;
    pack_key(pack, name);
    if (pack_value(pack, info, value))
        return true;
    return error_set(error, REFUSAL_BAD_TYPE, name, "%s must be: %s", name,
                     info->kind == KIND_TIME ? "a time such as 2026-11-24T09:00:00+08:00"
                     : info->kind == KIND_BOOL ? "true or false"
                                               : param_kind_text(info->kind));
}
