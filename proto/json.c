#include "json.h"

#include <jansson.h>
#include <string.h>

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

static int depth_of(const json_t *value)
{
    const char *key = NULL;
    json_t *member = NULL;
    size_t index = 0;
    int deepest = 0;
    if (json_is_object(value)) {
        json_object_foreach((json_t *)(uintptr_t)value, key, member)
            deepest = depth_of(member) > deepest ? depth_of(member) : deepest;
    } else if (json_is_array(value)) {
        json_array_foreach(value, index, member)
            deepest = depth_of(member) > deepest ? depth_of(member) : deepest;
    }
    return deepest + 1;
}

bool json_pack_object(struct pack *pack, const char *text, size_t len, char why[200])
{
    json_error_t error;
    json_t *value = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
    if (value == NULL || !json_is_object(value) || depth_of(value) > 8) {
        if (value == NULL)
            snprintf(why, 200, "no JSON, line %d column %d: %s", error.line, error.column, error.text);
        else
            snprintf(why, 200, "the parameters must be one JSON object, at most 8 levels deep");
        json_decref(value);
        return false;
    }
    pack_json(pack, value);
    json_decref(value);
    return true;
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
        return json_real(n->u.real);
    case NODE_TEXT:
    case NODE_BYTES:
        return json_stringn_nocheck(n->u.text, n->count);
    case NODE_LIST:
        made = json_array();
        for (uint32_t i = 0; i < n->count; i++)
            json_array_append_new(made, json_of(&n->u.items[i]));
        return made;
    case NODE_MAP:
        made = json_object();
        for (uint32_t i = 0; i < n->count; i++) {
            char key[128];
            snprintf(key, sizeof key, "%.*s", (int)n->u.pairs[i].key.count, n->u.pairs[i].key.u.text);
            json_object_set_new_nocheck(made, key, json_of(&n->u.pairs[i].value));
        }
        return made;
    case NODE_NIL:
    default:
        return json_null();
    }
}

void json_print(FILE *out, const struct node *node, bool is_pretty)
{
    json_t *value = json_of(node);
    json_dumpf(value, out, JSON_ENCODE_ANY | JSON_REAL_PRECISION(12) | (is_pretty ? JSON_INDENT(2) : 0));
    fputc('\n', out);
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
