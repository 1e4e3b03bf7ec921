#include "import.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "json.h"
#include "table.h"
#include "texts.h"
#include "visible.h"

#define UNDER_WAY_MAX 512
#define ERRORS_SHOWN 20
#define LINE_BYTES_MAX (1 << 20)
#define FIELDS_MAX TABLE_COLUMNS_MAX

/* What a kind of file has: parameters of its method, of which the file needs the first so many; and
 * columns of exports that tell of the past and ask for nothing. */
static const struct kind {
    const char *name, *method;
    int required;
    const char *params[24], *told[20];
} kinds[] = {
    {"orgs", "org.put", 3,
     {"lat", "lon", "skills", "id", "name", "region", "reach_m", "capacity", "certified", "schedule", "type", "registered",
      "insured", "youth", "suspended", "regions"},
     {"org", "county", "on", "live_offers"}},
    {"orders", "order.place", 2,
     {"region", "category", "ref", "lat", "lon", "skills", "starts_at", "ends_at", "minutes", "headcount", "people_min",
      "priority", "mode", "groups", "remote", "risk", "proxy", "max_distance_m", "person", "external_id"},
     {"order", "state", "level", "county", "region_name", "placed_at", "moved_at", "start_at", "due_at", "covered", "pending", "declines",
      "stars", "suspended", "merged_into", "series", "claimed_by", "claimed_until", "supervised_until"}},
    {"records", "record.add", 3,
     {"volunteer", "minutes", "date", "source", "external_id", "region"},
     {"record", "record_state", "order", "offer", "org", "at"}},
};

/* One field of a row, as the file has it. */
struct field {
    const char *name;
    const char *text;        /* of CSV; NULL: NDJSON */
    const struct node *node; /* of NDJSON */
};

struct row {
    int line;
    struct field fields[FIELDS_MAX];
    int count;
};

struct import {
    struct client *client;
    const struct import_options *options;
    const struct kind *kind;
    bool is_check;
    int under_way, shown;
    uint32_t first_msgid;
    int *lines; /* by msgid; 0: what belongs to the row before */
    uint32_t line_room, sent;
    uint64_t done, refused, skipped;
};

static void report(struct import *im, int line, enum refusal_code code, const char *message, int len)
{
    char said[1000];
    im->refused++;
    text_visible(message, (size_t)len, said, sizeof said);
    if (im->shown++ < ERRORS_SHOWN)
        fprintf(stderr, "%s:%d: %s: %s（%s）\n", im->options->path, line, word_name(&words_refusal, (int)code), said,
                word_zh(&words_refusal, (int)code));
    else if (im->shown == ERRORS_SHOWN + 1)
        fputs("… more lines are refused 更多行有误\n", stderr);
}

static void show_progress(const struct import *im, bool is_last)
{
    if (isatty(STDERR_FILENO) && (is_last || (im->done + im->refused) % 500 == 0))
        fprintf(stderr, "\r%s %llu rows%s", im->is_check ? "checked" : "imported",
                (unsigned long long)(im->done + im->refused), is_last ? "\n" : "");
}

static int lost(const struct import *im, struct failure *failure)
{
    return failure_set(failure, EX_UNAVAILABLE, "%s: the connection was lost", im->options->path);
}

static int take_answer(struct import *im, struct failure *failure)
{
    struct client_message m;
    if (client_receive(im->client, -1, &m) != 1)
        return lost(im, failure);
    if (m.is_notification)
        return 0;
    im->under_way--;
    int line = im->lines[m.msgid - im->first_msgid];
    const struct node *code = m.error != NULL ? node_get(m.error, "code") : NULL;
    const struct node *message = m.error != NULL ? node_get(m.error, "message") : NULL;
    if (code != NULL && message != NULL)
        report(im, line, (enum refusal_code)word_find(&words_refusal, code->u.text, code->count), message->u.text, (int)message->count);
    else
        im->done += line != 0;
    show_progress(im, false);
    return 0;
}

static int send_begun(struct import *im, int line, struct failure *failure)
{
    uint32_t msgid = 0;
    if (client_send(im->client, &msgid) != 0)
        return lost(im, failure);
    if (im->sent == 0)
        im->first_msgid = msgid;
    while (im->sent <= msgid - im->first_msgid) { /* a row that was not sent used a number too */
        if (im->sent == im->line_room) {
            im->line_room = im->line_room != 0 ? im->line_room * 2 : 1024;
            im->lines = must_realloc(im->lines, im->line_room, sizeof *im->lines);
        }
        im->lines[im->sent++] = line;
    }
    im->under_way++;
    while (im->under_way >= UNDER_WAY_MAX)
        if (take_answer(im, failure) != 0)
            return -1;
    return 0;
}

static const struct field *field_of(const struct row *row, const char *name)
{
    for (int i = 0; i < row->count; i++)
        if (strcmp(row->fields[i].name, name) == 0)
            return row->fields[i].text != NULL && row->fields[i].text[0] == '\0' ? NULL : &row->fields[i];
    return NULL;
}

/* A field as text; "" when it is not there or none. */
static const char *text_of(const struct row *row, const char *name, char text[200])
{
    const struct field *f = field_of(row, name);
    text[0] = '\0';
    if (f == NULL)
        return text;
    must(f->text != NULL || f->node != NULL);
    if (f->text != NULL)
        snprintf(text, 200, "%s", f->text);
    else if (f->node->kind == NODE_TEXT)
        snprintf(text, 200, "%.*s", (int)f->node->count, f->node->u.text);
    else if (f->node->kind == NODE_INT)
        snprintf(text, 200, "%lld", (long long)f->node->u.number);
    else if (f->node->kind == NODE_BOOL)
        snprintf(text, 200, "%s", f->node->u.truth ? "true" : "false");
    return text;
}

/* Exports tell of what is over as well: that is not asked for again. */
static bool is_over(const struct import *im, const struct row *row)
{
    char text[200];
    if (strcmp(im->kind->name, "orders") == 0 && text_of(row, "state", text)[0] != '\0')
        return strstr("|placed|returned|ready|offered|", text) == NULL;
    if (strcmp(im->kind->name, "records") == 0 && text_of(row, "record_state", text)[0] != '\0')
        return strcmp(text, "certified") != 0;
    return false;
}

static bool pack_renamed(struct pack *pack, const struct row *row, const char *from, const char *to, const char *before,
                         struct error *error)
{
    char text[200];
    char whole[240];
    if (field_of(row, to) != NULL || field_of(row, from) == NULL)
        return true;
    snprintf(whole, sizeof whole, "%s%s", before, text_of(row, from, text));
    return texts_pack_param(pack, to, whole, error);
}

/* What an export calls otherwise, or what only its own service could name. */
static bool pack_names(const struct import *im, struct pack *pack, const struct row *row, struct error *error)
{
    if (strcmp(im->kind->name, "orgs") == 0) {
        if (field_of(row, "id") == NULL && field_of(row, "org") == NULL)
            return error_set(error, REFUSAL_MISSING_FIELD, "id", "each organisation needs its number: id");
        return pack_renamed(pack, row, "org", "id", "", error);
    }
    if (strcmp(im->kind->name, "orders") == 0) {
        if (field_of(row, "ref") == NULL && field_of(row, "order") == NULL)
            return error_set(error, REFUSAL_MISSING_FIELD, "ref", "each order needs a ref, so that importing twice is the same as once");
        return pack_renamed(pack, row, "order", "ref", "order-", error);
    }
    if (field_of(row, "source") != NULL)
        return true;
    if (im->options->source == NULL)
        return error_set(error, REFUSAL_MISSING_FIELD, "source", "a record needs the issuer's name and number; --source names it for a whole file");
    return texts_pack_param(pack, "source", im->options->source, error) &&
           pack_renamed(pack, row, "record", "external_id", "", error);
}

static bool is_among(const char *const *names, int count, const char *name)
{
    for (int i = 0; i < count && names[i] != NULL; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static bool pack_row(const struct import *im, struct pack *pack, const struct row *row, struct error *error)
{
    for (int i = 0; i < row->count; i++) {
        const struct field *f = &row->fields[i];
        if (!is_among(im->kind->params, (int)ARRAY_LEN(im->kind->params), f->name)) {
            if (is_among(im->kind->told, (int)ARRAY_LEN(im->kind->told), f->name))
                continue;
            return error_set(error, REFUSAL_UNKNOWN_FIELD, f->name, "unknown field: %s", f->name);
        }
        if (f->text != NULL && !texts_pack_param(pack, f->name, f->text, error))
            return false;
        if (f->text == NULL) {
            pack_key(pack, f->name);
            pack_node(pack, f->node);
        }
    }
    if (!pack_names(im, pack, row, error))
        return false;
    if (im->is_check)
        pack_key_bool(pack, "dry_run", true);
    return true;
}

/* Off duty is no part of an organisation's registration, so it is said in a request of its own. */
static int send_duty(struct import *im, const struct row *row, struct failure *failure)
{
    struct error error;
    char text[200];
    if (strcmp(im->kind->name, "orgs") != 0 || im->is_check || strcmp(text_of(row, "on", text), "false") != 0)
        return 0;
    struct pack *pack = client_begin(im->client, "org.duty");
    pack_map(pack);
    if (!texts_pack_param(pack, "org", text_of(row, field_of(row, "org") != NULL ? "org" : "id", text), &error))
        return 0; /* the row itself was refused for it */
    pack_key_bool(pack, "on", false);
    pack_close(pack);
    return send_begun(im, 0, failure);
}

static int send_row(struct import *im, const struct row *row, struct failure *failure)
{
    struct error error;
    if (is_over(im, row)) {
        im->skipped++;
        return 0;
    }
    struct pack *pack = client_begin(im->client, im->kind->method);
    pack_map(pack);
    if (!pack_row(im, pack, row, &error)) {
        const char *said = error.detail[0] != '\0' ? error.detail : error.field;
        report(im, row->line, error.code, said, (int)strlen(said));
        return 0;
    }
    pack_close(pack);
    int rc = send_begun(im, row->line, failure);
    return rc == 0 ? send_duty(im, row, failure) : rc;
}

/* CSV: the columns that are there, with what stands in them. */

struct csv {
    struct import *im;
    const char *columns[FIELDS_MAX];
    int count;
};

static int take_csv(void *context, const struct table_row *from, struct failure *failure)
{
    struct csv *csv = context;
    struct row row = {.line = from->line, .count = csv->count};
    for (int i = 0; i < csv->count; i++)
        row.fields[i] = (struct field){.name = csv->columns[i], .text = from->fields[i]};
    return send_row(csv->im, &row, failure);
}

static int read_csv(struct import *im, struct failure *failure)
{
    struct csv csv = {.im = im};
    const struct kind *k = im->kind;
    for (size_t i = 0; i < ARRAY_LEN(k->params) && k->params[i] != NULL; i++)
        csv.columns[csv.count++] = k->params[i];
    for (size_t i = 0; i < ARRAY_LEN(k->told) && k->told[i] != NULL; i++)
        csv.columns[csv.count++] = k->told[i];
    const struct table_format format = {csv.columns, csv.count, k->required, false};
    return table_read(im->options->path, &format, take_csv, &csv, failure);
}

/* NDJSON: one object a line. */

static int take_json(struct import *im, struct arena *arena, const char *text, size_t len, int line, struct failure *failure)
{
    struct pack pack = {.bytes = NULL};
    struct row row = {.line = line};
    char names[FIELDS_MAX][40];
    char why[200];
    int rc = 0;
    bool is_object = json_pack_object(&pack, text, len, why);
    const struct node *node = is_object ? codec_decode(arena, pack.bytes, pack.len) : NULL;
    if (node != NULL && node->count <= FIELDS_MAX) {
        for (uint32_t i = 0; i < node->count; i++) {
            const struct node *key = &node->u.pairs[i].key;
            snprintf(names[i], sizeof names[i], "%.*s", (int)key->count, key->u.text);
            row.fields[row.count++] = (struct field){.name = names[i], .node = &node->u.pairs[i].value};
        }
        rc = send_row(im, &row, failure);
    } else {
        const char *said = !is_object ? why : node == NULL ? "not readable" : "too many fields";
        report(im, line, REFUSAL_BAD_REQUEST, said, (int)strlen(said));
    }
    pack_fini(&pack);
    arena_reset(arena);
    return rc;
}

static int read_json(struct import *im, struct failure *failure)
{
    FILE *file = fopen(im->options->path, "re");
    if (file == NULL)
        return failure_set(failure, EX_NOINPUT, "%s: %s", im->options->path, strerror(errno));
    struct arena arena = {.blocks = NULL};
    char *text = NULL;
    size_t room = 0;
    ssize_t len = 0;
    int rc = 0;
    for (int line = 1; rc == 0 && (len = getline(&text, &room, file)) > 0; line++) {
        while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
            len--;
        if (len > LINE_BYTES_MAX)
            report(im, line, REFUSAL_BAD_REQUEST, "a line has at most 1 MiB", 24);
        else if (len != 0)
            rc = take_json(im, &arena, text, (size_t)len, line, failure);
    }
    if (rc == 0 && ferror(file) != 0)
        rc = failure_set(failure, EX_NOINPUT, "%s: cannot be read", im->options->path);
    free(text);
    fclose(file);
    arena_fini(&arena);
    return rc;
}

static bool ends_in(const char *text, const char *end)
{
    size_t len = strlen(text);
    return len >= strlen(end) && strcmp(text + len - strlen(end), end) == 0;
}

static int pass(struct import *im, struct failure *failure)
{
    const char *path = im->options->path;
    im->sent = 0;
    im->done = im->refused = im->skipped = 0;
    int rc = ends_in(path, ".ndjson") || ends_in(path, ".jsonl") ? read_json(im, failure) : read_csv(im, failure);
    while (im->under_way > 0 && failure->exit_code != EX_UNAVAILABLE) {
        struct failure at_end = {0};
        if (take_answer(im, &at_end) != 0) {
            *failure = at_end;
            rc = -1;
        }
    }
    show_progress(im, true);
    return rc;
}

int import_run(struct client *client, const struct import_options *options)
{
    struct import im = {.client = client, .options = options, .is_check = options->is_atomic};
    struct failure failure = {0};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (strcmp(options->kind, kinds[i].name) == 0)
            im.kind = &kinds[i];
    if (im.kind == NULL) {
        fprintf(stderr, "paidan: import: %s is none of orgs, orders, records\n", options->kind);
        return EX_USAGE;
    }
    int rc = options->is_atomic ? pass(&im, &failure) : 0;
    bool is_good = rc == 0 && im.refused == 0;
    im.is_check = false;
    if (is_good)
        rc = pass(&im, &failure);
    free(im.lines);
    if (rc != 0)
        fprintf(stderr, "%s\n", failure.text);
    if (is_good)
        printf("%llu rows imported, %llu refused\n", (unsigned long long)im.done, (unsigned long long)im.refused);
    else
        puts("nothing was imported 未导入任何行");
    if (is_good && im.skipped != 0)
        printf("%llu rows skipped: they are over\n", (unsigned long long)im.skipped);
    if (rc != 0)
        return failure.exit_code;
    return im.refused == 0 ? EX_OK : EX_DATAERR;
}
