#include "export.h"

#include <csv.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "engine/base.h"
#include "json.h"
#include "show.h"
#include "store/vault.h"

#define PATH_BYTES 1200

/* The kinds, in the sequence in which they are taken. */
static const struct kind {
    const char *name, *method, *columns, *key; /* key: whose last value the manifest names */
    bool has_times, has_after;
} kinds[] = {
    {"orgs", "org.list", "org name region county lat lon reach_m capacity skills certified schedule type registered insured youth suspended on regions", "org", false, false},
    {"orders", "order.list", "order external_id state level mode region county category skills priority groups remote risk proxy people_min max_distance_m person series placed_at starts_at ends_at start_at minutes headcount covered declines stars", "order", true, false},
    {"records", "record.list", "record record_state volunteer minutes date at order offer org region source external_id", "record", true, false},
    {"summary", "stats.summary", "state category priority orders headcount", NULL, true, false},
    {"public", "stats.public", "region category placed accepted done unmet cancelled attendances minutes", NULL, false, false},
    {"events", "event.read", "seq at kind order offer org region county people minutes subject state level actor reason", "seq", true, true},
};

struct written {
    uint64_t rows;
    int64_t last;
    uint8_t digest[DIGEST_BYTES];
};

struct export {
    struct client *client;
    const struct export_options *options;
    struct written written[ARRAY_LEN(kinds)];
    bool is_done[ARRAY_LEN(kinds)];
};

static int complain(const char *path)
{
    fprintf(stderr, "paidan: %s: %s\n", path, strerror(errno));
    return EX_CANTCREAT;
}

/* CSV. */

static bool is_time(const char *column)
{
    size_t len = strlen(column);
    return strcmp(column, "at") == 0 || (len > 3 && strcmp(column + len - 3, "_at") == 0);
}

static void print_time(FILE *out, int64_t ms)
{
    char text[40];
    char zone[8];
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    localtime_r(&seconds, &tm);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    strftime(zone, sizeof zone, "%z", &tm);
    fprintf(out, "%s%.3s:%s", text, zone, zone + 3); /* RFC 3339 */
}

/* A text that a spreadsheet would take for a formula gets an apostrophe before it. */
static void print_text(FILE *out, const char *text, size_t len)
{
    char *copy = must_alloc(len + 2, 1);
    bool is_formula = len != 0 && strchr("=+-@\t\r", text[0]) != NULL;
    snprintf(copy, len + 2, "%s%.*s", is_formula ? "'" : "", (int)len, text);
    csv_fwrite(out, copy, strlen(copy));
    free(copy);
}

static void print_list(FILE *out, const struct node *list)
{
    fputc('"', out);
    for (uint32_t i = 0; i < list->count; i++) {
        const struct node *item = &list->u.items[i];
        fputs(i != 0 ? "|" : "", out);
        if (item->kind == NODE_TEXT)
            fprintf(out, "%.*s", (int)item->count, item->u.text);
        else if (item->kind == NODE_INT)
            fprintf(out, "%" PRId64, item->u.number);
    }
    fputc('"', out);
}

static void print_cell(FILE *out, const char *column, const struct node *value)
{
    if (value == NULL || value->kind == NODE_NIL)
        return;
    if (value->kind == NODE_INT && is_time(column))
        print_time(out, value->u.number);
    else if (value->kind == NODE_INT)
        fprintf(out, "%" PRId64, value->u.number);
    else if (value->kind == NODE_REAL)
        fprintf(out, "%.7f", value->u.real);
    else if (value->kind == NODE_BOOL)
        fputs(value->u.truth ? "true" : "false", out);
    else if (value->kind == NODE_LIST)
        print_list(out, value);
    else
        print_text(out, value->u.text, value->count);
}

static void print_row(FILE *out, const char *columns, const struct node *item)
{
    char column[40];
    for (const char *at = columns; *at != '\0';) {
        size_t len = strcspn(at, " ");
        snprintf(column, sizeof column, "%.*s", (int)len, at);
        if (at != columns)
            fputc(',', out);
        if (item != NULL)
            print_cell(out, column, node_get(item, column));
        else
            fputs(column, out); /* the head */
        at += len + (at[len] == ' ');
    }
    fputs("\r\n", out);
}

/* Pages. */

static bool is_public(const struct kind *kind)
{
    return strcmp(kind->name, "public") == 0;
}

/* One page; its items, or NULL with an exit code in *rc. */
static const struct node *ask_page(struct export *x, const struct kind *kind, uint64_t after, uint64_t *next, int *rc)
{
    const struct export_options *o = x->options;
    const struct node *error = NULL;
    struct pack *pack = client_begin(x->client, kind->method);
    bool has_pages = kind->key != NULL;
    pack_map(pack);
    if (has_pages)
        pack_key_uint(pack, "limit", 1000);
    if (has_pages && (after != 0 || kind->has_after))
        pack_key_uint(pack, "after", after);
    if (kind->has_times && o->since != 0)
        pack_key_int(pack, "since", o->since);
    if (kind->has_times && o->until != 0)
        pack_key_int(pack, "until", o->until);
    if (is_public(kind))
        pack_key_text(pack, "month", o->month);
    pack_close(pack);
    const struct node *page = client_call(x->client, &error);
    if (page == NULL) {
        *rc = error != NULL ? 1 : EX_UNAVAILABLE;
        if (error != NULL)
            show_error(stderr, error);
        else
            fputs("paidan: the connection is lost\n", stderr);
        return NULL;
    }
    const struct node *more = node_get(page, "next");
    *next = more != NULL && more->kind == NODE_INT ? (uint64_t)more->u.number : 0;
    return node_get(page, "items");
}

static int write_rows(struct export *x, const struct kind *kind, FILE *out, struct written *w)
{
    uint64_t next = kind->has_after ? x->options->after : 0;
    int rc = EX_OK;
    w->last = (int64_t)next;
    if (x->options->is_csv)
        print_row(out, kind->columns, NULL);
    do {
        const struct node *items = ask_page(x, kind, next, &next, &rc);
        for (uint32_t i = 0; items != NULL && i < items->count; i++, w->rows++) {
            const struct node *key = kind->key != NULL ? node_get(&items->u.items[i], kind->key) : NULL;
            if (key != NULL)
                w->last = key->u.number;
            if (x->options->is_csv)
                print_row(out, kind->columns, &items->u.items[i]);
            else
                json_print(out, &items->u.items[i], false);
        }
    } while (rc == EX_OK && next != 0);
    return rc;
}

static const char *file_of(const struct export *x, const struct kind *kind, char name[40])
{
    snprintf(name, 40, "%s.%s", kind->name, x->options->is_csv ? "csv" : "ndjson");
    return name;
}

/* Everything of a file is on disk before its name is. */
static int publish(FILE *out, const char *part, const char *path)
{
    bool is_good = fflush(out) == 0 && ferror(out) == 0 && fsync(fileno(out)) == 0;
    if (fclose(out) != 0 || !is_good || rename(part, path) != 0) {
        int rc = complain(path);
        unlink(part);
        return rc;
    }
    return EX_OK;
}

static int write_kind(struct export *x, size_t i)
{
    char path[PATH_BYTES], part[PATH_BYTES + 8], name[40];
    snprintf(path, sizeof path, "%s/%s", x->options->directory, file_of(x, &kinds[i], name));
    snprintf(part, sizeof part, "%s.part", path);
    FILE *out = fopen(part, "we");
    if (out == NULL)
        return complain(part);
    int rc = write_rows(x, &kinds[i], out, &x->written[i]);
    if (rc != EX_OK) {
        fclose(out);
        unlink(part);
        return rc;
    }
    rc = publish(out, part, path);
    if (rc == EX_OK && !vault_digest_file(path, x->written[i].digest))
        rc = complain(path);
    x->is_done[i] = rc == EX_OK;
    if (rc == EX_OK)
        printf("%-20s %" PRIu64 " rows\n", name, x->written[i].rows);
    return rc;
}

static void hex_of(const uint8_t digest[DIGEST_BYTES], char hex[DIGEST_BYTES * 2 + 1])
{
    for (int i = 0; i < DIGEST_BYTES; i++)
        snprintf(hex + i * 2, 3, "%02x", digest[i]);
}

static void pack_manifest(const struct export *x, struct pack *pack)
{
    pack_map(pack);
    pack_key_int(pack, "format", 1);
    pack_key_text(pack, "service", "paidan " PAIDAN_VERSION);
    pack_key_int(pack, "made_at", (int64_t)time(NULL) * 1000);
    if (x->options->since != 0)
        pack_key_int(pack, "since", x->options->since);
    if (x->options->until != 0)
        pack_key_int(pack, "until", x->options->until);
    pack_key(pack, "files");
    pack_list(pack);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        char name[40], hex[DIGEST_BYTES * 2 + 1];
        if (!x->is_done[i])
            continue;
        hex_of(x->written[i].digest, hex);
        pack_map(pack);
        pack_key_text(pack, "file", file_of(x, &kinds[i], name));
        pack_key_text(pack, "kind", kinds[i].name);
        pack_key_uint(pack, "rows", x->written[i].rows);
        if (kinds[i].key != NULL)
            pack_key_int(pack, "last", x->written[i].last);
        pack_key_text(pack, "sha256", hex);
        pack_close(pack);
    }
    pack_close(pack);
    pack_close(pack);
}

static int write_manifest(const struct export *x)
{
    char path[PATH_BYTES], part[PATH_BYTES + 8], hex[DIGEST_BYTES * 2 + 1], name[40];
    struct pack pack = {.bytes = NULL};
    struct arena arena = {.blocks = NULL};
    snprintf(path, sizeof path, "%s/SHA256SUMS", x->options->directory);
    snprintf(part, sizeof part, "%s.part", path);
    FILE *sums = fopen(part, "we");
    if (sums == NULL)
        return complain(part);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        hex_of(x->written[i].digest, hex);
        if (x->is_done[i])
            fprintf(sums, "%s  %s\n", hex, file_of(x, &kinds[i], name));
    }
    int rc = publish(sums, part, path);
    snprintf(path, sizeof path, "%s/manifest.json", x->options->directory);
    snprintf(part, sizeof part, "%s.part", path);
    FILE *manifest = rc == EX_OK ? fopen(part, "we") : NULL;
    if (manifest == NULL)
        return rc != EX_OK ? rc : complain(part);
    pack_manifest(x, &pack);
    json_print(manifest, codec_decode(&arena, pack.bytes, pack.len), true);
    rc = publish(manifest, part, path);
    pack_fini(&pack);
    arena_fini(&arena);
    return rc;
}

int export_run(struct client *client, const struct export_options *options)
{
    struct export x = {.client = client, .options = options};
    bool is_known = strcmp(options->kind, "all") == 0;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        is_known |= strcmp(options->kind, kinds[i].name) == 0;
    if (!is_known) {
        fprintf(stderr, "paidan: export: %s is none of orgs, orders, records, summary, public, events, all\n", options->kind);
        return EX_USAGE;
    }
    if (strcmp(options->kind, "public") == 0 && options->month == NULL) {
        fputs("paidan: export: public needs --month, such as 2026-11\n", stderr);
        return EX_USAGE;
    }
    if (mkdir(options->directory, 0777) != 0 && errno != EEXIST)
        return complain(options->directory);
    int rc = EX_OK;
    for (size_t i = 0; rc == EX_OK && i < ARRAY_LEN(kinds); i++)
        if (strcmp(options->kind, kinds[i].name) == 0 ||
            (strcmp(options->kind, "all") == 0 && (options->month != NULL || !is_public(&kinds[i]))))
            rc = write_kind(&x, i);
    return rc == EX_OK ? write_manifest(&x) : rc;
}
