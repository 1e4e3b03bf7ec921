#include "codes.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "engine/pool.h"
#include "params.h"
#include "table.h"

/* A whole decimal number, or -1. */
static int64_t number_of(const char *text)
{
    char *end = NULL;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && number >= 0 ? number : -1;
}

static bool degrees_of(const char *text, double most, int32_t *e7)
{
    char *end = NULL;
    double degrees = strtod(text, &end);
    if (end == text || *end != '\0' || !(degrees >= -most && degrees <= most))
        return false;
    *e7 = (int32_t)(degrees * 1e7 + (degrees < 0 ? -0.5 : 0.5));
    return true;
}

static int take_region(void *context, const struct table_row *row, struct failure *failure)
{
    struct command c = {.op = OP_ADD_REGION, .actor = "tables"};
    int64_t code = number_of(row->fields[0]);
    int64_t parent = row->fields[3][0] != '\0' ? number_of(row->fields[3]) : 0;
    int level = word_find(&words_level, row->fields[2], strlen(row->fields[2]));
    if (strcmp(row->fields[2], "province") == 0)
        level = LEVEL_CITY;
    if (code < 0 || parent < 0 || level < 0)
        return failure_set(failure, EX_DATAERR, "%s:%d: %s", row->path, row->line,
                    code < 0 ? "code is a number" : parent < 0 ? "parent is a number"
                             : "level is province, city, county, town or village");
    c.u.region.code = (uint64_t)code;
    c.u.region.parent = (uint64_t)parent;
    c.u.region.name = row->fields[1];
    c.u.region.level = (uint8_t)level;
    c.u.region.has_point = row->fields[4][0] != '\0';
    if (c.u.region.has_point && (!degrees_of(row->fields[4], 90, &c.u.region.lat) ||
                                 !degrees_of(row->fields[5], 180, &c.u.region.lon)))
        return failure_set(failure, EX_DATAERR, "%s:%d: lat must be -90 to 90, lon -180 to 180", row->path,
                    row->line);
    struct refusal refusal = engine_step(context, &c, 1).refusal;
    if (refusal.code != REFUSAL_NONE)
        return failure_set(failure, EX_DATAERR, "%s:%d: %s: %s", row->path, row->line, refusal.field,
                    refusal.code == REFUSAL_CONFLICT ? "stands twice" : "not found above this line");
    return 0;
}

int codes_load_regions(struct engine *engine, const char *path, struct failure *failure)
{
    static const char *const columns[] = {"code", "name", "level", "parent", "lat", "lon"};
    static const struct table_format format = {columns, 6, 4, true};
    return table_read(path, &format, take_region, engine, failure);
}

static int take_skill(void *context, const struct table_row *row, struct failure *failure)
{
    struct command c = {.op = OP_ADD_SKILL, .actor = "tables"};
    const char *name = row->fields[0];
    size_t len = strlen(name);
    if (len == 0 || len > WORD_BYTES_MAX || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != len)
        return failure_set(failure, EX_DATAERR, "%s:%d: skill is 1 to %d of a-z, 0-9 and _", row->path,
                    row->line, WORD_BYTES_MAX);
    memcpy(c.u.skill.name, name, len);
    c.u.skill.is_category = row->fields[1][0] == '\0';
    static const struct {
        const char *name;
        uint8_t bit;
    } needs[] = {{"certified", NEEDS_CERTIFIED}, {"registered", NEEDS_REGISTERED}, {"risk", NEEDS_RISK}};
    for (size_t i = 0; i < ARRAY_LEN(needs); i++)
        if (strstr(row->fields[2], needs[i].name) != NULL)
            c.u.skill.needs |= needs[i].bit;
    if (engine_step(context, &c, 1).refusal.code != REFUSAL_NONE)
        return failure_set(failure, EX_DATAERR, "%s:%d: more than %d skills", row->path, row->line,
                    SKILL_COUNT_MAX);
    return 0;
}

static int take_day(void *context, const struct table_row *row, struct failure *failure)
{
    struct command c = {.op = OP_SET_DAY, .actor = "tables"};
    bool is_off = strcmp(row->fields[1], "off") == 0;
    if (!date_parse(row->fields[0], strlen(row->fields[0]), &c.u.day.day))
        return failure_set(failure, EX_DATAERR, "%s:%d: date is written 2026-12-31", row->path, row->line);
    if (!is_off && strcmp(row->fields[1], "work") != 0)
        return failure_set(failure, EX_DATAERR, "%s:%d: kind is off or work", row->path, row->line);
    c.u.day.is_work = !is_off;
    if (engine_step(context, &c, 1).refusal.code != REFUSAL_NONE)
        return failure_set(failure, EX_DATAERR, "%s:%d: more than %d days", row->path, row->line,
                    CALENDAR_DAY_COUNT_MAX);
    return 0;
}

int codes_load_tables(struct engine *engine, const char *directory, struct failure *failure)
{
    static const char *const skill_columns[] = {"skill", "category", "needs"};
    static const char *const day_columns[] = {"date", "kind"};
    static const struct table_format skills = {skill_columns, 3, 1, true};
    static const struct table_format days = {day_columns, 2, 2, true};
    char path[4096];
    snprintf(path, sizeof path, "%s/skills.csv", directory);
    if (table_read(path, &skills, take_skill, engine, failure) != 0)
        return -1;
    snprintf(path, sizeof path, "%s/calendar.csv", directory);
    struct failure missing = {0};
    if (table_read(path, &days, take_day, engine, &missing) == 0 || missing.exit_code == EX_NOINPUT)
        return 0; /* without a calendar, Saturdays and Sundays are off */
    *failure = missing;
    return -1;
}

/* Files that are shown as they are, by the names of their columns. */
static const struct {
    const char *list, *file;
    const char *columns[8];
    int count;
} files[CODE_FILES] = {
    {"skills", "skills.csv", {"skill", "category", "zh", "en", "groups", "needs", "industry"}, 7},
    {"industries", "industries.csv", {"industry", "zh", "en"}, 3},
    {"reasons", "reasons.csv", {"for", "reason", "zh", "en"}, 4},
    {"calendar", "calendar.csv", {"date", "kind", "zh", "en"}, 4},
    {"stars", "stars.csv", {"star", "hours", "certifier", "zh", "en"}, 5},
    {"issuers", "issuers.csv", {"issuer", "zh", "en"}, 3},
};

static const struct {
    const char *list;
    const struct wordlist *words;
} lists[] = {
    {"states", &words_order_state}, {"offer_states", &words_offer_state},
    {"priorities", &words_priority}, {"modes", &words_mode}, {"levels", &words_level},
    {"types", &words_org_type}, {"groups", &words_group}, {"ranks", &words_rank},
    {"record_states", &words_record_state}, {"events", &words_event_kind}, {"misfits", &words_misfit}, {"errors", &words_refusal},
};

struct packing {
    struct code_tables *tables;
    struct pack *out;
    const char *const *columns;
    int count;
};

/* Rising by hours, however the file has them; one without a number of hours is only shown. */
static void keep_star(struct code_tables *t, const char *name, int64_t hours)
{
    if (hours < 0 || t->star_count == STAR_COUNT_MAX)
        return;
    uint32_t at = t->star_count++;
    for (; at != 0 && t->stars[at - 1].minutes > (uint64_t)hours * 60; at--)
        t->stars[at] = t->stars[at - 1];
    t->stars[at].minutes = (uint64_t)hours * 60;
    snprintf(t->stars[at].name, sizeof t->stars[at].name, "%.32s", name);
}

const struct star *codes_star(const struct code_tables *t, uint64_t minutes)
{
    const struct star *has = NULL;
    for (uint32_t i = 0; t != NULL && i < t->star_count && t->stars[i].minutes <= minutes; i++)
        has = &t->stars[i];
    return has;
}

const struct star *codes_next_star(const struct code_tables *t, uint64_t minutes)
{
    for (uint32_t i = 0; t != NULL && i < t->star_count; i++)
        if (t->stars[i].minutes > minutes)
            return &t->stars[i];
    return NULL;
}

bool codes_has_issuer(const struct code_tables *t, const char *issuer)
{
    for (uint32_t i = 0; t != NULL && i < t->issuer_count; i++)
        if (strcmp(t->issuers[i], issuer) == 0)
            return true;
    return false;
}

static int pack_table_row(void *context, const struct table_row *row, struct failure *failure)
{
    struct packing *p = context;
    (void)failure;
    if (strcmp(p->columns[0], "star") == 0)
        keep_star(p->tables, row->fields[0], number_of(row->fields[1]));
    else if (strcmp(p->columns[0], "issuer") == 0 && p->tables->issuer_count < ISSUER_COUNT_MAX)
        snprintf(p->tables->issuers[p->tables->issuer_count++], WORD_BYTES_MAX + 1, "%.32s", row->fields[0]);
    pack_map(p->out);
    for (int i = 0; i < p->count; i++)
        pack_key_text(p->out, p->columns[i], row->fields[i]);
    pack_close(p->out);
    return 0;
}

static void pack_words(const struct wordlist *list, struct pack *out);

/* Who keeps the tables for itself asks for them again when the version is another. */
static void make_version(struct code_tables *tables)
{
    uint64_t digest = 1;
    struct pack words = {.bytes = NULL};
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        pack_words(lists[i].words, &words);
    for (size_t i = 0; i < words.len; i++)
        digest = hash64(digest ^ words.bytes[i]);
    for (size_t f = 0; f < CODE_FILES; f++)
        for (size_t i = 0; i < tables->files[f].len; i++)
            digest = hash64(digest ^ tables->files[f].bytes[i]);
    pack_fini(&words);
    snprintf(tables->version, sizeof tables->version, "%016" PRIx64, digest);
}

void codes_read_files(struct code_tables *tables, const char *directory)
{
    tables->star_count = tables->issuer_count = 0;
    for (size_t i = 0; i < CODE_FILES; i++) {
        char path[4096];
        struct failure failure = {0};
        struct table_format format = {files[i].columns, files[i].count, 0, true};
        struct packing p = {tables, &tables->files[i], files[i].columns, files[i].count};
        snprintf(path, sizeof path, "%s/%s", directory, files[i].file);
        pack_reset(p.out);
        pack_list(p.out);
        table_read(path, &format, pack_table_row, &p, &failure); /* no file: an empty list */
        pack_close(p.out);
    }
    make_version(tables);
}

void codes_fini(struct code_tables *tables)
{
    for (size_t i = 0; i < CODE_FILES; i++)
        pack_fini(&tables->files[i]);
}

static void pack_words(const struct wordlist *list, struct pack *out)
{
    pack_list(out);
    for (int i = 0; i < list->count; i++) {
        const struct word *word = &list->words[i];
        if (word->name == NULL)
            continue;
        pack_map(out);
        pack_key_text(out, "name", word->name);
        if (word->zh != NULL)
            pack_key_text(out, "zh", word->zh);
        if (word->text != NULL)
            pack_key_text(out, "en", word->text);
        if (list == &words_refusal)
            pack_key_bool(out, "retry", word->may_retry);
        pack_close(out);
    }
    pack_close(out);
}

static void pack_names(struct pack *out)
{
    pack_list(out);
    for (size_t i = 0; i < CODE_FILES; i++)
        pack_text(out, files[i].list);
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        pack_text(out, lists[i].list);
    pack_close(out);
}

bool codes_pack(const struct code_tables *tables, const char *list, struct pack *out)
{
    bool is_found = list == NULL;
    pack_map(out);
    pack_key(out, "items");
    if (list == NULL)
        pack_names(out);
    for (size_t i = 0; i < CODE_FILES && !is_found; i++) {
        is_found = tables != NULL && strcmp(list, files[i].list) == 0;
        if (is_found)
            pack_raw(out, tables->files[i].bytes, tables->files[i].len);
    }
    for (size_t i = 0; i < ARRAY_LEN(lists) && !is_found; i++) {
        is_found = strcmp(list, lists[i].list) == 0;
        if (is_found)
            pack_words(lists[i].words, out);
    }
    pack_key(out, "next");
    pack_nil(out);
    pack_key_text(out, "version", tables != NULL ? tables->version : "");
    pack_close(out);
    return is_found;
}
