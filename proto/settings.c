#include "settings.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "access.h"

/* One setting: a text has its offset, a number its offset and range. */
struct setting {
    const char *key, *text, *initial_text;
    size_t offset;
    bool is_text, may_reload;
    long initial, low, high;
};

#define AT(field) offsetof(struct settings, field)
#define TEXT(k, initial_, t) {.key = #k, .text = t, .initial_text = initial_, .offset = AT(k), .is_text = true},
#define RTEXT(k, initial_, t) {.key = #k, .text = t, .initial_text = initial_, .offset = AT(k), .is_text = true, .may_reload = true},
#define NUMBER(k, f, initial_, l, h, t) {.key = #k, .text = t, .offset = AT(f), .initial = initial_, .low = l, .high = h},
#define RNUMBER(k, f, initial_, l, h, t) {.key = #k, .text = t, .offset = AT(f), .initial = initial_, .low = l, .high = h, .may_reload = true},
static const struct setting table[] = {
#include "settings.def"
};
_Static_assert(ARRAY_LEN(table) <= 128, "as many bits as settings.given has");

static char *text_at(struct settings *s, const struct setting *setting)
{
    return (char *)s + setting->offset;
}

static void put_number(struct settings *s, const struct setting *setting, uint32_t number)
{
    memcpy((char *)s + setting->offset, &number, sizeof number);
}

void settings_default(struct settings *s)
{
    *s = (struct settings){.listen_count = 0};
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        if (table[i].is_text)
            snprintf(text_at(s, &table[i]), SETTING_TEXT_BYTES, "%s", table[i].initial_text);
        else
            put_number(s, &table[i], (uint32_t)table[i].initial);
    }
}

static int add_listen(struct settings *s, const char *value, const char *where,
                      struct failure *failure)
{
    bool is_unix = strncmp(value, "unix:", 5) == 0;
    if (!is_unix && strncmp(value, "tcp:", 4) != 0 && strncmp(value, "tls:", 4) != 0 && strncmp(value, "http:", 5) != 0)
        return failure_set(failure, EX_CONFIG,
                    "%s: listen: must be unix:PATH, tcp:127.0.0.1:PORT, http:127.0.0.1:PORT or tls:ADDRESS:PORT, not %s",
                    where, value);
    if (strlen(value) >= (is_unix ? 5 + 108 : SETTING_TEXT_BYTES))
        return failure_set(failure, EX_CONFIG, "%s: listen: the path of a Unix socket has at most 107 bytes",
                    where);
    if (s->listen_count == LISTEN_MAX)
        return failure_set(failure, EX_CONFIG, "%s: listen: at most %d", where, LISTEN_MAX);
    snprintf(s->listen[s->listen_count++], SETTING_TEXT_BYTES, "%s", value);
    return 0;
}

int settings_set(struct settings *s, const char *key, const char *value, const char *where,
                 struct failure *failure)
{
    char name[64];
    snprintf(name, sizeof name, "%s", key);
    for (char *at = name; *at != '\0'; at++)
        *at = *at == '-' ? '_' : *at;
    if (strcmp(name, "listen") == 0)
        return add_listen(s, value, where, failure);
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        const struct setting *setting = &table[i];
        if (strcmp(setting->key, name) != 0)
            continue;
        if (setting->is_text) {
            if (strlen(value) >= SETTING_TEXT_BYTES)
                return failure_set(failure, EX_CONFIG, "%s: %s: at most %d bytes", where, name,
                            SETTING_TEXT_BYTES - 1);
            snprintf(text_at(s, setting), SETTING_TEXT_BYTES, "%s", value);
            return 0;
        }
        char *end = NULL;
        errno = 0;
        long number = strtol(value, &end, 10);
        if (errno != 0 || end == value || *end != '\0' || number < setting->low ||
            number > setting->high)
            return failure_set(failure, EX_CONFIG, "%s: %s: must be a number from %ld to %ld, not %.40s",
                        where, name, setting->low, setting->high, value);
        put_number(s, setting, (uint32_t)number);
        return 0;
    }
    return failure_set(failure, EX_CONFIG, "%s: unknown key: %s", where, name);
}

static char *trim(char *text)
{
    text += strspn(text, " \t");
    size_t len = strlen(text);
    while (len != 0 && strchr(" \t\r\n", text[len - 1]) != NULL)
        text[--len] = '\0';
    return text;
}

int settings_read(struct settings *s, const char *path, struct failure *failure)
{
    char line[2048];
    char where[600];
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return failure_set(failure, EX_CONFIG, "%s: %s", path, strerror(errno));
    int rc = 0;
    for (int number = 1; rc == 0 && fgets(line, sizeof line, file) != NULL; number++) {
        char *key = trim(line);
        snprintf(where, sizeof where, "%s:%d", path, number);
        if (*key == '\0' || *key == '#')
            continue;
        char *equals = strchr(key, '=');
        if (equals == NULL) {
            rc = failure_set(failure, EX_CONFIG, "%s: a line is: key = value", where);
            break;
        }
        *equals = '\0';
        rc = settings_set(s, trim(key), trim(equals + 1), where, failure);
    }
    fclose(file);
    return rc;
}

void settings_find_tables(struct settings *s)
{
    char program[PATH_MAX] = "";
    char regions[PATH_MAX + 64];
    ssize_t len = readlink("/proc/self/exe", program, sizeof program - 1);
    if (len <= 0)
        return;
    const char *directory = dirname(program);
    if (s->regions[0] == '\0') {
        snprintf(regions, sizeof regions, "%s/../conf/huizhou/regions.csv", directory);
        if (strlen(regions) < sizeof s->regions)
            memcpy(s->regions, regions, strlen(regions) + 1);
    }
    if (s->codes[0] == '\0') {
        snprintf(regions, sizeof regions, "%s/../conf/huizhou", directory);
        if (strlen(regions) < sizeof s->codes)
            memcpy(s->codes, regions, strlen(regions) + 1);
    }
}

int settings_check(const struct settings *s, struct failure *failure)
{
    if (strcmp(s->live, "memory") != 0 && strncmp(s->live, "redis", 5) != 0)
        return failure_set(failure, EX_CONFIG, "live: must be memory, redis://HOST:PORT or redis+unix:PATH, not %s",
                    s->live);
    if (s->listen_count == 0)
        return failure_set(failure, EX_CONFIG, "listen: name at least one unix:PATH or tcp:127.0.0.1:PORT");
    char zone[SETTING_TEXT_BYTES + 32];
    snprintf(zone, sizeof zone, "/usr/share/zoneinfo/%s", s->timezone);
    if (s->timezone[0] == '\0' || strstr(s->timezone, "..") != NULL || access(zone, R_OK) != 0)
        return failure_set(failure, EX_CONFIG, "timezone: %s is not in /usr/share/zoneinfo (package tzdata)",
                    s->timezone);
    unsigned roles = 0;
    if (!roles_parse(s->open_roles, strlen(s->open_roles), &roles))
        return failure_set(failure, EX_CONFIG, "open_roles: roles are platform, dispatcher, supervisor, org, auditor, operator, all; not %s", s->open_roles);
    if ((roles & ROLE_ORG) != 0 && roles != ROLE_EVERY)
        return failure_set(failure, EX_CONFIG, "open_roles: org is the role of one organisation, which a caller without a token is not; give it a token (paidan token add)");
    if (strcmp(s->crypto, "international") != 0 && strcmp(s->crypto, "state") != 0)
        return failure_set(failure, EX_CONFIG, "crypto: must be international or state, not %s", s->crypto);
    static const char *const levels[] = {"error", "warn", "info", "debug"};
    for (int i = 0; i < 4; i++)
        if (strcmp(s->log_level, levels[i]) == 0)
            return 0;
    return failure_set(failure, EX_CONFIG, "log_level: must be error, warn, info or debug, not %s", s->log_level);
}

/* The place of a key in the table, dashes taken for underscores; -1: no such key. */
static int place_of(const char *key)
{
    for (int i = 0; i < (int)ARRAY_LEN(table); i++) {
        size_t at = 0;
        while (key[at] != '\0' && (key[at] == '-' ? '_' : key[at]) == table[i].key[at])
            at++;
        if (key[at] == '\0' && table[i].key[at] == '\0')
            return i;
    }
    return -1;
}

static bool is_given(const struct settings *s, size_t i)
{
    return (s->given[i / 64] >> (i % 64) & 1) != 0;
}

int settings_give(struct settings *s, const char *key, const char *value, struct failure *failure)
{
    int place = place_of(key); /* -1: listen, which no reload touches */
    if (place >= 0)
        s->given[place / 64] |= UINT64_C(1) << (place % 64);
    return settings_set(s, key, value, "command line", failure);
}

static size_t bytes_of(const struct setting *setting)
{
    return setting->is_text ? SETTING_TEXT_BYTES : sizeof(uint32_t);
}

static bool is_same(const struct settings *s, const struct settings *fresh, const struct setting *t)
{
    const char *one = (const char *)s + t->offset;
    const char *other = (const char *)fresh + t->offset;
    return t->is_text ? strcmp(one, other) == 0 : memcmp(one, other, bytes_of(t)) == 0;
}

void settings_stay(const struct settings *s, const struct settings *fresh, char *keys, size_t size)
{
    size_t len = 0;
    keys[0] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(table) && len < size; i++)
        if (!table[i].may_reload && !is_given(s, i) && !is_same(s, fresh, &table[i]))
            len += (size_t)snprintf(keys + len, size - len, "%s%s", len != 0 ? "," : "", table[i].key);
    bool has_listen_changed = fresh->listen_count > s->listen_count;
    for (int i = 0; i < fresh->listen_count && !has_listen_changed; i++) { /* options may have named more */
        int at = 0;
        while (at < s->listen_count && strcmp(s->listen[at], fresh->listen[i]) != 0)
            at++;
        has_listen_changed = at == s->listen_count;
    }
    if (has_listen_changed && len < size)
        snprintf(keys + len, size - len, "%slisten", len != 0 ? "," : "");
}

void settings_reload(struct settings *s, const struct settings *fresh)
{
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        if (table[i].may_reload && !is_given(s, i))
            memcpy((char *)s + table[i].offset, (const char *)fresh + table[i].offset, bytes_of(&table[i]));
    }
}

enum log_level settings_log_level(const struct settings *s)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    for (int i = 0; i < 4; i++)
        if (strcmp(s->log_level, names[i]) == 0)
            return (enum log_level)i;
    return LOG_LEVEL_INFO;
}

const char *settings_key(int index)
{
    return index < (int)ARRAY_LEN(table) ? table[index].key : NULL;
}

void settings_each(void (*see)(void *context, const char *key, const char *range, const char *initial, const char *text,
                               bool may_reload), void *context)
{
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        const struct setting *t = &table[i];
        char range[48] = "";
        char initial[24];
        snprintf(initial, sizeof initial, "%ld", t->initial);
        if (!t->is_text)
            snprintf(range, sizeof range, "%ld..%ld", t->low, t->high);
        see(context, t->key, range, t->is_text ? t->initial_text : initial, t->text, t->may_reload);
    }
}

void settings_print_help(FILE *out)
{
    fprintf(out, "  --listen ADDRESS  unix:PATH, tcp:127.0.0.1:PORT, http:127.0.0.1:PORT or tls:ADDRESS:PORT; may be given several times\n");
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        const struct setting *t = &table[i];
        if (t->is_text)
            fprintf(out, "  --%s TEXT  %s (%s)\n", t->key, t->text,
                    t->initial_text[0] != '\0' ? t->initial_text : "empty");
        else
            fprintf(out, "  --%s %ld..%ld  %s (%ld)\n", t->key, t->low, t->high, t->text, t->initial);
    }
}

void settings_print_sample(FILE *out)
{
    fprintf(out, "# paidand.conf: every key with its default. Printed by: paidand --sample\n"
                 "# A line that ends in [reload] may change while the daemon runs (SIGHUP).\n\n"
                 "# unix:PATH, tcp:127.0.0.1:PORT, http:127.0.0.1:PORT or tls:ADDRESS:PORT; may stand several times\n"
                 "listen = unix:/run/paidan/paidan.sock\n");
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        const struct setting *t = &table[i];
        fprintf(out, "\n# %s", t->text);
        if (!t->is_text)
            fprintf(out, "; %ld to %ld", t->low, t->high);
        fprintf(out, "%s\n", t->may_reload ? " [reload]" : "");
        if (t->is_text)
            fprintf(out, "#%s = %s\n", t->key, t->initial_text);
        else
            fprintf(out, "#%s = %ld\n", t->key, t->initial);
    }
}
