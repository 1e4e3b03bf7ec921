/* Frames, parameters, tables of methods, CSV: what comes from outside and must not hurt. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "proto/frame.h"
#include "proto/json.h"
#include "proto/table.h"
#include "proto/turn.h"
#include "world.h"

static enum frame_state scan(const char *bytes, size_t len)
{
    struct frame_scan s = {.at = 0};
    const char *why = NULL;
    return frame_scan(&s, (const uint8_t *)bytes, len, &why);
}

#define SCAN(text) scan(text, sizeof text - 1)

START_TEST(lying_and_deep_frames_are_stopped)
{
    ck_assert_int_eq(SCAN("\x94\x00\x01\xa1x\x90"), FRAME_WHOLE);
    ck_assert_int_eq(SCAN("\x94\x00\x01\xa1x"), FRAME_PARTIAL);
    ck_assert_int_eq(SCAN("\x94\xdd\xff\xff\xff\xff"), FRAME_BAD); /* claims 4 billion values */
    ck_assert_int_eq(SCAN("\x94\xdf\xff\xff\xff\xff"), FRAME_BAD);
    ck_assert_int_eq(SCAN("\x94\xdb\xff\xff\xff\xff"), FRAME_BAD); /* a text of 4 GiB */
    ck_assert_int_eq(SCAN("\x94\xc1"), FRAME_BAD);
    ck_assert_int_eq(SCAN("\x94\xd4\x01\x00"), FRAME_BAD); /* an extension */
    ck_assert_int_eq(SCAN("\x81\x01\x02"), FRAME_BAD); /* no list */
    ck_assert_int_eq(SCAN("GET / HTTP/1.1\r\n"), FRAME_BAD);
    char deep[64];
    memset(deep, '\x91', sizeof deep);
    ck_assert_int_eq(scan(deep, sizeof deep), FRAME_BAD);
}
END_TEST

START_TEST(a_frame_may_come_byte_by_byte)
{
    static const char frame[] = "\x94\x00\xcd\x01\x00\xabserver.info\x91\x82\xa1" "a\xcb\x40\x00\x00\x00\x00"
                                "\x00\x00\x00\xa1" "b\xc4\x02\xff\xfe";
    struct frame_scan s = {.at = 0};
    const char *why = NULL;
    for (size_t len = 1; len < sizeof frame - 1; len++)
        ck_assert_int_eq(frame_scan(&s, (const uint8_t *)frame, len, &why), FRAME_PARTIAL);
    ck_assert_int_eq(frame_scan(&s, (const uint8_t *)frame, sizeof frame - 1, &why), FRAME_WHOLE);
    ck_assert_uint_eq(s.at, sizeof frame - 1);
}
END_TEST

START_TEST(random_bytes_never_hurt)
{
    struct random r = {.state = (uint64_t)_i};
    struct arena arena = {.blocks = NULL};
    for (int i = 0; i < 50000; i++) {
        uint8_t bytes[64];
        struct frame_scan s = {.at = 0};
        const char *why = NULL;
        bytes[0] = (uint8_t)(0x90 + draw(&r, 6));
        for (size_t j = 1; j < sizeof bytes; j++)
            bytes[j] = (uint8_t)draw(&r, 256);
        if (frame_scan(&s, bytes, sizeof bytes, &why) == FRAME_WHOLE)
            codec_decode(&arena, bytes, s.at); /* whatever is whole can be decoded or refused */
        arena_reset(&arena);
    }
    arena_fini(&arena);
}
END_TEST

START_TEST(only_utf_8_is_text)
{
    ck_assert(text_is_utf8("惠州 abc", strlen("惠州 abc")));
    ck_assert(!text_is_utf8("\xff", 1));
    ck_assert(!text_is_utf8("\xe6\x83", 2));
    ck_assert(!text_is_utf8("\xc0\x80", 2));     /* overlong */
    ck_assert(!text_is_utf8("\xed\xa0\x80", 3)); /* a surrogate */
    ck_assert(!text_is_utf8("a\0b", 3));
}
END_TEST

START_TEST(each_method_is_whole)
{
    for (int t = 0; t < method_table_count; t++) {
        for (int i = 0; i < method_count(t); i++) {
            const struct method *m = &method_tables[t][i];
            ck_assert_ptr_eq(method_find(m->name, strlen(m->name)), m);
            ck_assert_ptr_nonnull(m->run);
            ck_assert_ptr_nonnull(m->text);
            ck_assert_int_le(m->required, method_param_count(m));
            ck_assert_msg(((m->flags & METHOD_WRITE) != 0) == (m->encode != NULL), "%s", m->name);
            ck_assert_msg(((m->flags & METHOD_READER) != 0) == (m->answered != NULL), "%s", m->name);
            bool has_ref = false;
            for (int p = 0; p < method_param_count(m); p++) {
                has_ref |= m->params[p] == P_REF;
                for (int q = 0; q < p; q++)
                    ck_assert_msg(m->params[p] != m->params[q], "%s: %s twice", m->name,
                                  params[m->params[p]].name);
            }
            /* The answers of token.* are kept nowhere, so they cannot be had again. */
            bool is_write = (m->flags & METHOD_WRITE) != 0 && strncmp(m->name, "token.", 6) != 0 &&
                            (m->flags & METHOD_LATER) == 0; /* these are repeatable by what they name */
            ck_assert((m->flags & METHOD_LATER) == 0 || (m->flags & METHOD_READER) != 0);
            ck_assert_msg(has_ref == is_write, "%s: ref", m->name);
        }
    }
}
END_TEST

/* The guard of purity, with the bug planted: an engine that reads the clock. */
START_TEST(an_impure_engine_is_caught)
{
    char directory[] = "/tmp/paidan-impure.XXXXXX";
    char command[900];
    const char *build = getenv("BUILD") != NULL ? getenv("BUILD") : "build";
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(command, sizeof command, "mkdir -p %s/%s/engine && cp %s/engine/*.o %s/%s/engine/ && sh tests/purity.sh %s/%s",
             directory, build, build, directory, build, directory, build);
    ck_assert_int_eq(system(command), 0);
    snprintf(command, sizeof command,
             "echo 'long time(long *); long when(void); long when(void) { return time(0); }' | "
             "cc -c -x c - -o %s/%s/engine/impure.o && sh tests/purity.sh %s/%s 2>&1 | grep -q 'the engine wants time'",
             directory, build, directory, build);
    ck_assert_int_eq(system(command), 0);
    snprintf(command, sizeof command, "rm -rf %s", directory);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

struct rows {
    int count;
    char first[64];
};

static int take_row(void *context, const struct table_row *row, struct failure *failure)
{
    struct rows *rows = context;
    (void)failure;
    if (rows->count++ == 0)
        snprintf(rows->first, sizeof rows->first, "%d:%s/%s", row->line, row->fields[0], row->fields[1]);
    return 0;
}

static const struct {
    const char *bytes, *error, *first; /* error: what it must contain; first: line:id/name */
} files[] = {
    {"id,name\n1,惠城\n2,b\n", NULL, "2:1/惠城"},
    {"name,id\r\n惠城,1\r\n", NULL, "2:1/惠城"},
    {"id,name\n\n\n1,a\n", NULL, "4:1/a"},
    {"id,name\n1,\"a\nb\"\n2,c\n", NULL, "2:1/a\nb"},
    {"\xef\xbb\xbfid,name\n1,a\n", NULL, "2:1/a"},
    {"id,name\n1,\xbb\xdd\xb3\xc7\n", NULL, "2:1/惠城"}, /* GB 18030 */
    {"id,name,colour\n1,a,red\n", "unknown column: colour", NULL},
    {"name\na\n", "missing column: id", NULL},
    {"id,id\n1,1\n", "column twice: id", NULL},
    {"id,name\n1,a\n2\n", ":3: 1 fields where the header has 2", NULL},
    {"id,name\n1,\"a\n", "quote", NULL},
    {"id,name\n1,a\"b\n", ":2: ", NULL},
    {"", "empty", NULL},
    {"id,name\n1,\xff\xff\xff\n", ":2: neither UTF-8 nor GB 18030", NULL},
};

START_TEST(a_table_is_read_or_the_line_is_named)
{
    static const char *const columns[] = {"id", "name"};
    static const struct table_format format = {columns, 2, 1, false};
    char path[] = "/tmp/paidan-table.XXXXXX";
    struct rows rows = {.count = 0};
    struct failure failure = {0};
    int fd = mkstemp(path);
    size_t len = strlen(files[_i].bytes);
    ck_assert_int_eq(write(fd, files[_i].bytes, len), (ssize_t)len);
    close(fd);
    int rc = table_read(path, &format, take_row, &rows, &failure);
    unlink(path);
    if (files[_i].error == NULL) {
        ck_assert_msg(rc == 0, "%s", failure.text);
        ck_assert_str_eq(rows.first, files[_i].first);
    } else {
        ck_assert_int_eq(rc, -1);
        ck_assert_int_eq(failure.exit_code, EX_DATAERR);
        ck_assert_msg(strstr(failure.text, files[_i].error) != NULL, "%s", failure.text);
    }
}
END_TEST

/* An object with `count` members of one value, each of it `depth` lists deep. */
static char *make_json(int count, int depth, size_t *len)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, len);
    fputc('{', out);
    for (int i = 0; i < count; i++) {
        fprintf(out, "%s\"%d\":", i != 0 ? "," : "", i);
        for (int d = 0; d < depth; d++)
            fputc('[', out);
        fputc('1', out);
        for (int d = 0; d < depth; d++)
            fputc(']', out);
    }
    fputc('}', out);
    fclose(out);
    return text;
}

static bool takes_json(const char *text, size_t len, char why[200])
{
    struct pack pack = {.bytes = NULL};
    struct frame_scan scan = {.at = 0};
    const char *said = NULL;
    pack_fixed_list(&pack, 4);
    pack_int(&pack, 0);
    pack_int(&pack, 1);
    pack_text(&pack, "order.get");
    pack_fixed_list(&pack, 1);
    bool is_taken = json_pack_object(&pack, text, len, why);
    if (is_taken && frame_scan(&scan, pack.bytes, pack.len, &said) != FRAME_WHOLE) {
        is_taken = false;
        snprintf(why, 200, "%s", said);
    }
    pack_fini(&pack);
    return is_taken;
}

START_TEST(json_is_held_to_the_bounds_of_a_frame)
{
    static const struct {
        int count, depth;
        const char *why; /* NULL: it is taken */
    } sizes[] = {{1, 0, NULL}, {1, 9, NULL}, {1, 10, "10 levels"}, {1, 60, "10 levels"}, {1, 100000, "10 levels"},
                 {32760, 0, NULL}, {32768, 0, "65536 values"}, {65537, 0, "65536 values"}, {5000, 9, NULL}, {6000, 9, "65536 values"}};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        size_t len = 0;
        char why[200] = "";
        char *text = make_json(sizes[i].count, sizes[i].depth, &len);
        bool is_taken = takes_json(text, len, why);
        ck_assert_msg(is_taken == (sizes[i].why == NULL), "%d members, %d deep: %s", sizes[i].count, sizes[i].depth, why);
        if (sizes[i].why != NULL)
            ck_assert_msg(strstr(why, sizes[i].why) != NULL, "%s", why);
        free(text);
    }
    static const char *const taken[] = {"{}", "{\"a\":\"[[[[[[[[[[[[[\\\"[\"}", "{\"a\":-0,\"b\":-9223372036854775808,\"c\":-0.0}",
                                        "{\"a\":\"\\ud83d\\ude00\"}"};
    static const char *const refused[] = {"", "[", "{\"a", "{\"a\\", "{\"a\":9223372036854775808}", "{\"a\":1e999}", "{\"a\":NaN}",
                                          "{\"a\\u0000\":1}", "{\"a\":\"\\u0000\"}", "{\"a\":\"\\ud83d\"}", "{\"a\":1,\"a\":2}",
                                          "{\"a\":\"\xff\"}", "]]]]", "1", "{}{}"};
    char why[200] = "";
    for (size_t i = 0; i < ARRAY_LEN(taken); i++)
        ck_assert_msg(takes_json(taken[i], strlen(taken[i]), why), "%s: %s", taken[i], why);
    for (size_t i = 0; i < ARRAY_LEN(refused); i++)
        ck_assert_msg(!takes_json(refused[i], strlen(refused[i]), why), "%s", refused[i]);
    char *blank = calloc(1, FRAME_BYTES_MAX + 2);
    memset(blank, ' ', FRAME_BYTES_MAX + 1);
    memcpy(blank, "{}", 2);
    ck_assert(takes_json(blank, FRAME_BYTES_MAX, why));
    ck_assert(!takes_json(blank, FRAME_BYTES_MAX + 1, why));
    free(blank);
}
END_TEST

/* Whatever was packed comes out as JSON: long names whole, what JSON has no word for as null. */
START_TEST(whatever_was_packed_is_json)
{
    struct pack pack = {.bytes = NULL};
    char name[301];
    size_t len = 0;
    memset(name, 'n', 300);
    name[300] = '\0';
    pack_map(&pack);
    pack_key_int(&pack, name, 1);
    pack_key_real(&pack, "nan", (double)NAN);
    pack_key_real(&pack, "inf", (double)INFINITY);
    pack_key_text(&pack, "torn", "\xe6\xb4");
    pack_key_text(&pack, "turned", "\u202e\xc2\x9b\x7f惠州");
    pack_close(&pack);
    char *text = json_text(&pack, &len);
    ck_assert_ptr_nonnull(strstr(text, name));
    ck_assert_ptr_nonnull(strstr(text, "\"nan\": null"));
    ck_assert_ptr_nonnull(strstr(text, "\"inf\": null"));
    ck_assert_ptr_nonnull(strstr(text, "\"torn\": \"??\""));
    ck_assert_ptr_nonnull(strstr(text, "\"turned\": \"\\u202e\\u009b\\u007f惠州\"")); /* no terminal is moved by it */
    free(text);
    pack_fini(&pack);
}
END_TEST

Suite *suite_wire(void);
Suite *suite_wire(void)
{
    Suite *s = suite_create("wire");
    TCase *t = tcase_create("wire");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, lying_and_deep_frames_are_stopped);
    tcase_add_test(t, a_frame_may_come_byte_by_byte);
    tcase_add_loop_test(t, random_bytes_never_hurt, 0, 4);
    tcase_add_test(t, only_utf_8_is_text);
    tcase_add_test(t, json_is_held_to_the_bounds_of_a_frame);
    tcase_add_test(t, whatever_was_packed_is_json);
    tcase_add_test(t, each_method_is_whole);
    tcase_add_test(t, an_impure_engine_is_caught);
    tcase_add_loop_test(t, a_table_is_read_or_the_line_is_named, 0, (int)ARRAY_LEN(files));
    suite_add_tcase(s, t);
    return s;
}
