#include "import.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "table.h"
#include "texts.h"

#define UNDER_WAY_MAX 512
#define ERRORS_SHOWN 20

static const char *const org_columns[] = {"id",     "lat",       "lon",      "skills",
                                          "name",   "region",    "reach_m",  "capacity",
                                          "certified", "schedule", "type",   "registered",
                                          "insured", "youth"};
static const char *const order_columns[] = {"ref",      "region",   "category", "lat",
                                            "lon",      "skills",   "starts_at", "ends_at",
                                            "minutes",  "headcount", "priority", "mode"};

struct import {
    struct client *client;
    const char *path;
    bool is_orgs, is_check;
    int under_way, shown;
    uint32_t first_msgid;
    int *lines; /* by msgid */
    uint32_t line_room, sent;
    uint64_t done, refused;
};

static void report_line(struct import *im, int line, const char *code, int code_len,
                        const char *message, int message_len)
{
    im->refused++;
    if (im->shown++ < ERRORS_SHOWN)
        fprintf(stderr, "%s:%d: %.*s: %.*s\n", im->path, line, code_len, code, message_len, message);
    else if (im->shown == ERRORS_SHOWN + 1)
        fputs("… more lines are refused\n", stderr);
}

static void show_progress(const struct import *im, bool is_last)
{
    if (isatty(STDERR_FILENO) && (is_last || (im->done + im->refused) % 500 == 0))
        fprintf(stderr, "\r%s %llu rows%s", im->is_check ? "checked" : "imported",
                (unsigned long long)(im->done + im->refused), is_last ? "\n" : "");
}

static int take_answer(struct import *im, struct failure *failure)
{
    struct client_message m;
    if (client_receive(im->client, -1, &m) != 1)
        return failure_set(failure, EX_UNAVAILABLE, "%s: the connection was lost", im->path);
    if (m.is_notification)
        return 0;
    im->under_way--;
    int line = im->lines[m.msgid - im->first_msgid];
    const struct node *code = m.error != NULL ? node_get(m.error, "code") : NULL;
    const struct node *message = m.error != NULL ? node_get(m.error, "message") : NULL;
    if (code != NULL && message != NULL)
        report_line(im, line, code->u.text, (int)code->count, message->u.text, (int)message->count);
    else
        im->done++;
    show_progress(im, false);
    return 0;
}

static int send_row(void *context, const struct table_row *row, struct failure *failure)
{
    struct import *im = context;
    struct error error;
    uint32_t msgid = 0;
    int count = im->is_orgs ? (int)ARRAY_LEN(org_columns) : (int)ARRAY_LEN(order_columns);
    struct pack *pack = client_begin(im->client, im->is_orgs ? "org.put" : "order.place");
    pack_map(pack);
    for (int i = 0; i < count; i++) {
        const char *name = im->is_orgs ? org_columns[i] : order_columns[i];
        if (!texts_pack_param(pack, name, row->fields[i], &error)) {
            report_line(im, row->line, words_refusal.words[error.code].name, 40, error.detail, 200);
            return 0;
        }
    }
    if (im->is_check)
        pack_key_bool(pack, "dry_run", true);
    pack_close(pack);
    if (client_send(im->client, &msgid) != 0)
        return failure_set(failure, EX_UNAVAILABLE, "%s: the connection was lost", im->path);
    if (im->sent == 0)
        im->first_msgid = msgid;
    if (im->sent == im->line_room) {
        im->line_room = im->line_room != 0 ? im->line_room * 2 : 1024;
        im->lines = must_realloc(im->lines, im->line_room, sizeof *im->lines);
    }
    /* A row that was not sent used a number too. */
    while (im->sent <= msgid - im->first_msgid) {
        if (im->sent == im->line_room) {
            im->line_room *= 2;
            im->lines = must_realloc(im->lines, im->line_room, sizeof *im->lines);
        }
        im->lines[im->sent++] = row->line;
    }
    im->under_way++;
    while (im->under_way >= UNDER_WAY_MAX)
        if (take_answer(im, failure) != 0)
            return -1;
    return 0;
}

static int pass(struct import *im, struct failure *failure)
{
    const struct table_format orgs = {org_columns, (int)ARRAY_LEN(org_columns), 4, false};
    const struct table_format orders = {order_columns, (int)ARRAY_LEN(order_columns), 3, false};
    im->sent = 0;
    im->done = im->refused = 0;
    int rc = table_read(im->path, im->is_orgs ? &orgs : &orders, send_row, im, failure);
    while (im->under_way > 0 && failure->exit_code != EX_UNAVAILABLE) {
        struct failure lost = {0};
        if (take_answer(im, &lost) != 0) {
            *failure = lost;
            rc = -1;
        }
    }
    show_progress(im, true);
    return rc;
}

int import_file(struct client *client, bool is_orgs, const char *path, bool is_atomic)
{
    struct import im = {.client = client, .path = path, .is_orgs = is_orgs, .is_check = is_atomic};
    struct failure failure = {0};
    int rc = is_atomic ? pass(&im, &failure) : 0;
    bool is_good = rc == 0 && im.refused == 0;
    im.is_check = false;
    if (is_good)
        rc = pass(&im, &failure);
    free(im.lines);
    if (rc != 0)
        fprintf(stderr, "%s\n", failure.text);
    if (is_good)
        printf("%llu rows imported, %llu refused\n", (unsigned long long)im.done,
               (unsigned long long)im.refused);
    else
        puts("nothing was imported");
    if (rc != 0)
        return failure.exit_code;
    return im.refused == 0 ? EX_OK : EX_DATAERR;
}
