/* json.c -- JSON to MessagePack and back, by jansson; what comes in is held to a frame's bounds first. */
#include "json.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "frame.h"
#include "visible.h"

#define JSON_DEPTH_MAX (FRAME_DEPTH_MAX - 2) /* a request is a list that holds a list of them */

_Static_assert(JSON_DEPTH_MAX <= ARRAY_LEN(((struct pack *)0)->open), "whatever is let in can be packed");

static void pack_json(struct pack *pack, const json_t *value)
{
    const char *key = NULL;
    json_t *member = NULL;
    size_t index = 0;
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        pack_map(pack);
        json_object_foreach((json_t *)(uintptr_t)value, key, member) {
            pack_key(pack, key);
            pack_json(pack, member);
        }
        pack_close(pack);
        break;
    case JSON_ARRAY:
        pack_list(pack);
        json_array_foreach(value, index, member) pack_json(pack, member);
        pack_close(pack);
        break;
    case JSON_STRING:
        pack_text_n(pack, json_string_value(value), json_string_length(value));
        break;
    case JSON_INTEGER:
        pack_int(pack, json_integer_value(value));
        break;
    case JSON_REAL:
        pack_real(pack, json_real_value(value));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        pack_bool(pack, json_is_true(value));
        break;
    case JSON_NULL:
    default:
        pack_nil(pack);
        break;
    }
}

/* The place after the text whose first byte stands at `at`. */
static size_t text_end(const char *text, size_t len, size_t at)
{
    while (at < len && text[at] != '"')
        at += text[at] == '\\' ? 2 : 1;
    return at + 1;
}

/* The place after a number, a word, or whatever else stands between what divides values. */
static size_t word_end(const char *text, size_t len, size_t at)
{
    while (at < len && memchr(" \t\r\n,:[]{}\"", text[at], 11) == NULL)
        at++;
    return at;
}

/* jansson builds all that it is given, so what a text holds is counted before, in one pass that ends at the
 * bounds of a frame. Whether it is JSON at all is for jansson to say. NULL: it is within them. */
static const char *why_beyond_bounds(const char *text, size_t len)
{
    size_t depth = 0, values = 0;
    if (len > FRAME_BYTES_MAX)
        return "JSON is at most 1 MiB";
    for (size_t at = 0; at < len;) {
        char c = text[at];
        if (memchr(" \t\r\n,:]}", c, 8) != NULL) {
            depth -= depth != 0 && (c == ']' || c == '}');
            at++;
            continue;
        }
        depth += c == '[' || c == '{';
        values++;
        if (depth > JSON_DEPTH_MAX)
            return "JSON is at most 10 levels deep";
        if (values > FRAME_ELEMENTS_MAX)
            return "JSON has at most 65536 values";
        at = c == '[' || c == '{' ? at + 1 : c == '"' ? text_end(text, len, at + 1) : word_end(text, len, at);
    }
    return NULL;
}

bool json_pack_object(struct pack *pack, const char *text, size_t len, char why[200])
{
    json_error_t error;
    const char *beyond = why_beyond_bounds(text, len);
    json_t *value = beyond == NULL ? json_loadb(text, len, JSON_REJECT_DUPLICATES, &error) : NULL;
    if (beyond != NULL)
        snprintf(why, 200, "%s", beyond);
    else if (value == NULL)
        snprintf(why, 200, "no JSON, line %d column %d: %s", error.line, error.column, error.text);
    else if (!json_is_object(value))
        snprintf(why, 200, "the parameters must be one JSON object");
    bool is_object = json_is_object(value);
    if (is_object)
        pack_json(pack, value);
    json_decref(value);
    return is_object;
}

/* Text as JSON can hold it: of what is no UTF-8 all but ASCII becomes question marks. */
static json_t *json_of_text(const char *text, size_t len)
{
    json_t *made = json_stringn(text, len);
    if (made != NULL)
        return made;
    char *plain = must_realloc(NULL, len, 1);
    for (size_t i = 0; i < len; i++)
        plain[i] = (unsigned char)text[i] < 0x80 ? text[i] : '?';
    made = json_stringn_nocheck(plain, len);
    free(plain);
    return made;
}

static void set_member(json_t *object, const struct node *key, json_t *value)
{
    bool is_text = key->kind == NODE_TEXT || key->kind == NODE_BYTES;
    json_t *name = json_of_text(is_text ? key->u.text : "?", is_text ? key->count : 1);
    json_object_setn_new_nocheck(object, json_string_value(name), json_string_length(name), value);
    json_decref(name);
}

static json_t *json_of(const struct node *n)
{
    json_t *made = NULL;
    switch (n->kind) {
    case NODE_BOOL:
        return json_boolean(n->u.truth);
    case NODE_INT:
        return json_integer(n->u.number);
    case NODE_REAL:
        return isfinite(n->u.real) ? json_real(n->u.real) : json_null(); /* JSON has no word for it */
    case NODE_TEXT:
    case NODE_BYTES:
        return json_of_text(n->u.text, n->count);
    case NODE_LIST:
        made = json_array();
        for (uint32_t i = 0; i < n->count; i++)
            json_array_append_new(made, json_of(&n->u.items[i]));
        return made;
    case NODE_MAP:
        made = json_object();
        for (uint32_t i = 0; i < n->count; i++)
            set_member(made, &n->u.pairs[i].key, json_of(&n->u.pairs[i].value));
        return made;
    case NODE_NIL:
    default:
        return json_null();
    }
}

/* Controls beyond ASCII and marks of direction stand only inside texts, where JSON has an escape for each: so
 * no name of somebody's moves what a terminal shows, and every reader reads the same text. */
static void print_visible(const char *text, FILE *out)
{
    while (*text != '\0') {
        char escaped[32];
        size_t plain = 0;
        size_t bytes = 1;
        while (text[plain] != '\0' && (unsigned char)text[plain] < 0x7f)
            plain++;
        fwrite(text, 1, plain, out);
        text += plain;
        if (*text == '\0')
            return;
        while (((unsigned char)text[bytes] & 0xc0) == 0x80)
            bytes++;
        size_t len = text_visible(text, bytes, escaped, sizeof escaped);
        fwrite(escaped, 1, len, out);
        text += bytes;
    }
}

void json_print(FILE *out, const struct node *node, bool is_pretty)
{
    json_t *value = json_of(node);
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(12) | (is_pretty ? JSON_INDENT(2) : 0));
    must(text != NULL);
    print_visible(text, out);
    fputc('\n', out);
    free(text);
    json_decref(value);
}

char *json_text(const struct pack *pack, size_t *len)
{
    struct arena arena = {.blocks = NULL};
    char *text = NULL;
    FILE *out = open_memstream(&text, len);
    const struct node *node = codec_decode(&arena, pack->bytes, pack->len);
    must(out != NULL && node != NULL);
    json_print(out, node, false);
    fclose(out);
    arena_fini(&arena);
    return text;
}
