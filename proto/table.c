#include "table.h"

#include <csv.h>
#include <errno.h>
#include <iconv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "frame.h"

#define FILE_BYTES_MAX (512u << 20)

/* The whole file, ended by a NUL; NULL with *failure. */
static char *read_file(const char *path, size_t *len, struct failure *failure)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        failure_set(failure, EX_NOINPUT, "%s: %s", path, strerror(errno));
        return NULL;
    }
    size_t room = 1 << 16;
    char *bytes = must_alloc(room, 1);
    *len = 0;
    for (size_t got; (got = fread(bytes + *len, 1, room - *len - 1, file)) != 0;) {
        *len += got;
        if (room - *len < 2)
            bytes = must_realloc(bytes, room *= 2, 1);
        if (*len > FILE_BYTES_MAX)
            break;
    }
    bool is_bad = ferror(file) != 0 || *len > FILE_BYTES_MAX;
    fclose(file);
    if (is_bad) {
        failure_set(failure, EX_NOINPUT, "%s: cannot be read, or is larger than 512 MiB", path);
        free(bytes);
        return NULL;
    }
    bytes[*len] = '\0';
    return bytes;
}

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak" /* it takes the -1 of iconv_open for memory */
#endif
/* Bytes that are no UTF-8 are taken as GB 18030. Answers the text to use and frees the other. */
static char *to_utf8(char *bytes, size_t *len, const char *path, struct failure *failure)
{
    if (text_is_utf8(bytes, *len))
        return bytes;
    iconv_t converter = iconv_open("UTF-8", "GB18030");
    size_t room = *len * 2 + 16;
    char *text = must_alloc(room, 1);
    char *from = bytes;
    char *to = text;
    size_t from_left = *len;
    size_t to_left = room - 1;
    bool is_good = converter != (iconv_t)-1 &&
                   iconv(converter, &from, &from_left, &to, &to_left) != (size_t)-1;
    if (converter != (iconv_t)-1)
        iconv_close(converter);
    *len = (size_t)(to - text);
    text[*len] = '\0';
    if (!is_good || !text_is_utf8(text, *len)) {
        int line = 1;
        for (const char *at = bytes; at < from; at++)
            line += *at == '\n';
        failure_set(failure, EX_DATAERR, "%s:%d: neither UTF-8 nor GB 18030", path, line);
        free(text);
        text = NULL;
    }
    free(bytes);
    return text;
}
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

struct reading {
    const struct table_format *format;
    int (*take)(void *context, const struct table_row *row, struct failure *failure);
    void *context;
    struct failure *failure;
    struct table_row row;
    char *values[TABLE_COLUMNS_MAX]; /* owned, of the row being read */
    int places[TABLE_COLUMNS_MAX];   /* of the file's columns in the format; -1: passed over */
    int file_columns, at, next_line;
    bool has_header, has_failed;
};

static int find_column(const struct table_format *format, const char *name)
{
    for (int i = 0; i < format->column_count; i++)
        if (strcmp(format->columns[i], name) == 0)
            return i;
    return -1;
}

static void on_field(void *field, size_t len, void *context)
{
    struct reading *r = context;
    if (r->at < TABLE_COLUMNS_MAX) {
        char *text = must_alloc(len + 1, 1);
        if (len != 0)
            memcpy(text, field, len);
        free(r->values[r->at]);
        r->values[r->at] = text;
        for (size_t i = 0; i < len; i++)
            r->next_line += text[i] == '\n';
    }
    r->at++;
}

static void take_header(struct reading *r)
{
    bool has[TABLE_COLUMNS_MAX] = {false};
    const struct table_format *f = r->format;
    r->file_columns = r->at < TABLE_COLUMNS_MAX ? r->at : TABLE_COLUMNS_MAX;
    for (int i = 0; i < r->file_columns && !r->has_failed; i++) {
        const char *name = r->values[i];
        if (i == 0 && strncmp(name, "\xef\xbb\xbf", 3) == 0)
            name += 3; /* a byte order mark */
        int at = find_column(f, name);
        if (at < 0 && !f->unused_allowed)
            r->has_failed = failure_set(r->failure, EX_DATAERR, "%s:1: unknown column: %s", r->row.path, name) != 0;
        if (at >= 0 && has[at])
            r->has_failed = failure_set(r->failure, EX_DATAERR, "%s:1: column twice: %s", r->row.path, name) != 0;
        r->places[i] = at;
        if (at >= 0)
            has[at] = true;
    }
    for (int i = 0; i < f->required_count && !r->has_failed; i++)
        if (!has[i])
            r->has_failed = failure_set(r->failure, EX_DATAERR, "%s:1: missing column: %s", r->row.path,
                                 f->columns[i]) != 0;
    r->has_header = true;
}

static void take_row(struct reading *r)
{
    if (r->at != r->file_columns) {
        r->has_failed = failure_set(r->failure, EX_DATAERR, "%s:%d: %d fields where the header has %d",
                             r->row.path, r->row.line, r->at, r->file_columns) != 0;
        return;
    }
    for (int i = 0; i < r->format->column_count; i++)
        r->row.fields[i] = "";
    for (int i = 0; i < r->file_columns; i++)
        if (r->places[i] >= 0)
            r->row.fields[r->places[i]] = r->values[i];
    r->has_failed = r->take(r->context, &r->row, r->failure) != 0;
}

static void on_row(int end, void *context)
{
    struct reading *r = context;
    (void)end;
    if (!r->has_failed && r->at != 0) {
        if (r->has_header)
            take_row(r);
        else
            take_header(r);
    }
    r->at = 0;
    r->row.line = ++r->next_line;
}

int table_read(const char *path, const struct table_format *format,
               int (*take)(void *context, const struct table_row *row, struct failure *failure),
               void *context, struct failure *failure)
{
    size_t len = 0;
    char *text = read_file(path, &len, failure);
    if (text != NULL)
        text = to_utf8(text, &len, path, failure);
    if (text == NULL)
        return -1;
    struct reading r = {.format = format, .take = take, .context = context, .failure = failure,
                        .row = {.path = path, .line = 1}, .next_line = 1};
    struct csv_parser parser;
    csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI);
    /* Row by row, so that a failure stops the reading and empty lines are counted. */
    for (char *at = text, *end = text + len; at < end && !r.has_failed;) {
        char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t bytes = newline != NULL ? (size_t)(newline - at) + 1 : (size_t)(end - at);
        int before = r.next_line;
        if (csv_parse(&parser, at, bytes, on_field, on_row, &r) != bytes && !r.has_failed)
            r.has_failed = failure_set(failure, EX_DATAERR, "%s:%d: %s", path, r.row.line,
                                "a quote stands where none may be") != 0;
        if (r.next_line == before && bytes <= 2 && r.at == 0)
            r.row.line = ++r.next_line; /* an empty line makes no row */
        at += bytes;
    }
    if (!r.has_failed && csv_fini(&parser, on_field, on_row, &r) != 0)
        r.has_failed = failure_set(failure, EX_DATAERR, "%s:%d: a quote is not closed", path, r.row.line) != 0;
    if (!r.has_failed && !r.has_header)
        r.has_failed = failure_set(failure, EX_DATAERR, "%s: empty", path) != 0;
    csv_free(&parser);
    for (int i = 0; i < TABLE_COLUMNS_MAX; i++)
        free(r.values[i]);
    free(text);
    return r.has_failed ? -1 : 0;
}
