/* settings.h -- the daemon's settings, from a file and from the command line, by one table. */
#ifndef PAIDAN_SETTINGS_H
#define PAIDAN_SETTINGS_H

#include <stdio.h>

#include "engine/engine.h"
#include "log.h"
#include "store/failure.h"

#define LISTEN_MAX 8
#define SETTING_TEXT_BYTES 512

struct settings {
#define TEXT(key, initial, text) char key[SETTING_TEXT_BYTES];
#define RTEXT TEXT
#define NUMBER(key, field, initial, low, high, text)
#define RNUMBER NUMBER
#include "settings.def"
#undef TEXT
#undef RTEXT
#undef NUMBER
#undef RNUMBER
    char listen[LISTEN_MAX][SETTING_TEXT_BYTES]; /* unix:PATH, tcp:, http: or tls:ADDRESS:PORT */
    int listen_count;
    uint64_t given[2]; /* bits by key: said on the command line, which a reload does not change */
    uint32_t node, connections_max, input_mib, output_mib, caller_share, questions_max, socket_mode, audit_every_s, requests_per_s, disk_reserve_mib, push_timeout_s,
        retain_events_days, retain_refs_days, refs_max,
        retain_contacts_days, clock_trust_min;
    struct rules rules;
};

void settings_default(struct settings *settings);
/* Sets one by its key; `where` goes before the error, such as paidand.conf:12. */
int settings_set(struct settings *settings, const char *key, const char *value, const char *where,
                 struct failure *failure);
int settings_read(struct settings *settings, const char *path, struct failure *failure);
/* The same for an option: it stands whatever a reload reads. */
int settings_give(struct settings *settings, const char *key, const char *value, struct failure *failure);
/* Tables that are not named lie in conf/huizhou, one directory above the program's. */
void settings_find_tables(struct settings *settings);
/* Whether the values are good together. */
int settings_check(const struct settings *settings, struct failure *failure);
/* The keys that differ in `fresh` and that only a restart changes, with commas between; "": none. */
void settings_stay(const struct settings *settings, const struct settings *fresh, char *keys, size_t size);
/* Takes from `fresh` what a reload may change. */
void settings_reload(struct settings *settings, const struct settings *fresh);
enum log_level settings_log_level(const struct settings *settings);

/* For options and help: the keys by number, NULL after the last. */
const char *settings_key(int index);
/* Each setting's key, range ("" for a text), default, text, and whether a reload takes it. */
void settings_each(void (*see)(void *context, const char *key, const char *range, const char *initial, const char *text,
                               bool may_reload), void *context);
void settings_print_help(FILE *out);
void settings_print_sample(FILE *out); /* an annotated configuration file */

#endif
