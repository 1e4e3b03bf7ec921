#include "settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

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

void settings_reload(struct settings *s, const struct settings *fresh)
{
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        size_t bytes = table[i].is_text ? SETTING_TEXT_BYTES : sizeof(uint32_t);
        if (table[i].may_reload)
            memcpy((char *)s + table[i].offset, (const char *)fresh + table[i].offset, bytes);
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
