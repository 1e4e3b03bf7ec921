#include "codec.h"

#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

static bool convert(struct arena *arena, const msgpack_object *from, struct node *to)
{
    switch (from->type) {
    case MSGPACK_OBJECT_NIL:
        return true;
    case MSGPACK_OBJECT_BOOLEAN:
        *to = (struct node){.kind = NODE_BOOL, .u.truth = from->via.boolean};
        return true;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        *to = (struct node){.kind = NODE_INT, .u.number = (int64_t)from->via.u64};
        return from->via.u64 <= INT64_MAX;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        *to = (struct node){.kind = NODE_INT, .u.number = from->via.i64};
        return true;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        *to = (struct node){.kind = NODE_REAL, .u.real = from->via.f64};
        return true;
    case MSGPACK_OBJECT_STR:
        *to = (struct node){.kind = NODE_TEXT, .count = from->via.str.size, .u.text = from->via.str.ptr};
        return true;
    case MSGPACK_OBJECT_BIN: /* older clients send every text as bytes */
        *to = (struct node){.kind = NODE_BYTES, .count = from->via.bin.size, .u.text = from->via.bin.ptr};
        return true;
    case MSGPACK_OBJECT_ARRAY:
        *to = (struct node){.kind = NODE_LIST, .count = from->via.array.size};
        to->u.items = arena_take(arena, to->count * sizeof *to->u.items);
        for (uint32_t i = 0; i < to->count; i++)
            if (!convert(arena, &from->via.array.ptr[i], &to->u.items[i]))
                return false;
        return true;
    case MSGPACK_OBJECT_MAP:
        *to = (struct node){.kind = NODE_MAP, .count = from->via.map.size};
        to->u.pairs = arena_take(arena, to->count * sizeof *to->u.pairs);
        for (uint32_t i = 0; i < to->count; i++)
            if (!convert(arena, &from->via.map.ptr[i].key, &to->u.pairs[i].key) ||
                !convert(arena, &from->via.map.ptr[i].val, &to->u.pairs[i].value))
                return false;
        return true;
    case MSGPACK_OBJECT_EXT:
    default:
        return false;
    }
}

struct node *codec_decode(struct arena *arena, const uint8_t *frame, size_t len)
{
    msgpack_unpacked unpacked;
    size_t at = 0;
    struct node *node = arena_take(arena, sizeof *node);
    msgpack_unpacked_init(&unpacked);
    bool is_good = msgpack_unpack_next(&unpacked, (const char *)frame, len, &at) ==
                       MSGPACK_UNPACK_SUCCESS &&
                   at == len && convert(arena, &unpacked.data, node);
    msgpack_unpacked_destroy(&unpacked);
    return is_good ? node : NULL;
}

int64_t node_number(const struct node *map, const char *key, int64_t fallback)
{
    const struct node *value = map != NULL && map->kind == NODE_MAP ? node_get(map, key) : NULL;
    if (value == NULL || (value->kind != NODE_INT && value->kind != NODE_BOOL))
        return fallback;
    return value->kind == NODE_INT ? value->u.number : value->u.truth;
}

bool node_is_text(const struct node *node, const char *text)
{
    size_t len = strlen(text);
    return node->kind == NODE_TEXT && node->count == len && memcmp(node->u.text, text, len) == 0;
}

const struct node *node_get(const struct node *map, const char *key)
{
    for (uint32_t i = 0; map != NULL && map->kind == NODE_MAP && i < map->count; i++)
        if (node_is_text(&map->u.pairs[i].key, key))
            return &map->u.pairs[i].value;
    return NULL;
}

static int pack_write(void *context, const char *bytes, size_t len)
{
    struct pack *pack = context;
    if (pack->room - pack->len < len) {
        while (pack->room - pack->len < len)
            pack->room = pack->room != 0 ? pack->room * 2 : 512;
        pack->bytes = must_realloc(pack->bytes, pack->room, 1);
    }
    memcpy(pack->bytes + pack->len, bytes, len);
    pack->len += len;
    return 0;
}

static msgpack_packer packer(struct pack *pack)
{
    msgpack_packer p;
    msgpack_packer_init(&p, pack, pack_write);
    return p;
}

void pack_fini(struct pack *pack)
{
    free(pack->bytes);
    *pack = (struct pack){.bytes = NULL};
}

void pack_reset(struct pack *pack)
{
    pack->len = 0;
    pack->depth = 0;
}

/* Counts one value into the list that is open; maps count their keys. */
static void counted(struct pack *pack)
{
    if (pack->depth != 0 && pack->bytes[pack->open[pack->depth - 1].at] == 0xdd)
        pack->open[pack->depth - 1].count++;
}

void pack_nil(struct pack *pack)
{
    msgpack_packer p = packer(pack);
    counted(pack);
    msgpack_pack_nil(&p);
}

void pack_bool(struct pack *pack, bool truth)
{
    msgpack_packer p = packer(pack);
    counted(pack);
    if (truth)
        msgpack_pack_true(&p);
    else
        msgpack_pack_false(&p);
}

void pack_int(struct pack *pack, int64_t number)
{
    msgpack_packer p = packer(pack);
    counted(pack);
    msgpack_pack_int64(&p, number);
}

void pack_uint(struct pack *pack, uint64_t number)
{
    msgpack_packer p = packer(pack);
    counted(pack);
    msgpack_pack_uint64(&p, number);
}

void pack_real(struct pack *pack, double real)
{
    msgpack_packer p = packer(pack);
    counted(pack);
    msgpack_pack_double(&p, real);
}

void pack_text_n(struct pack *pack, const char *text, size_t len)
{
    msgpack_packer p = packer(pack);
    counted(pack);
    msgpack_pack_str(&p, len);
    msgpack_pack_str_body(&p, text, len);
}

void pack_text(struct pack *pack, const char *text)
{
    pack_text_n(pack, text, strlen(text));
}

void pack_raw(struct pack *pack, const void *bytes, size_t len)
{
    counted(pack);
    pack_write(pack, bytes, len);
}

static void open_with(struct pack *pack, const char *header, size_t len)
{
    must(pack->depth < (int)ARRAY_LEN(pack->open));
    counted(pack);
    pack->open[pack->depth++] = (struct pack_open){.at = pack->len};
    pack_write(pack, header, len);
}

void pack_map(struct pack *pack)
{
    open_with(pack, "\xde\0\0", 3);
}

void pack_list(struct pack *pack)
{
    open_with(pack, "\xdd\0\0\0\0", 5);
}

void pack_close(struct pack *pack)
{
    must(pack->depth > 0);
    struct pack_open open = pack->open[--pack->depth];
    uint8_t *at = pack->bytes + open.at;
    if (at[0] == 0xde) {
        must(open.count <= UINT16_MAX);
        at[1] = (uint8_t)(open.count >> 8);
        at[2] = (uint8_t)open.count;
        return;
    }
    for (int i = 0; i < 4; i++)
        at[1 + i] = (uint8_t)(open.count >> (24 - 8 * i));
}

void pack_key(struct pack *pack, const char *key)
{
    msgpack_packer p = packer(pack);
    size_t len = strlen(key);
    must(pack->depth > 0);
    pack->open[pack->depth - 1].count++;
    msgpack_pack_str(&p, len);
    msgpack_pack_str_body(&p, key, len);
}

void pack_fixed_list(struct pack *pack, uint32_t count)
{
    msgpack_packer p = packer(pack);
    msgpack_pack_array(&p, count);
}

void pack_key_int(struct pack *pack, const char *key, int64_t number)
{
    pack_key(pack, key);
    pack_int(pack, number);
}

void pack_key_uint(struct pack *pack, const char *key, uint64_t number)
{
    pack_key(pack, key);
    pack_uint(pack, number);
}

void pack_key_bool(struct pack *pack, const char *key, bool truth)
{
    pack_key(pack, key);
    pack_bool(pack, truth);
}

void pack_node(struct pack *pack, const struct node *node)
{
    switch (node->kind) {
    case NODE_BOOL:
        pack_bool(pack, node->u.truth);
        return;
    case NODE_INT:
        pack_int(pack, node->u.number);
        return;
    case NODE_REAL:
        pack_real(pack, node->u.real);
        return;
    case NODE_TEXT:
    case NODE_BYTES:
        pack_text_n(pack, node->u.text, node->count);
        return;
    case NODE_LIST:
        pack_list(pack);
        for (uint32_t i = 0; i < node->count; i++)
            pack_node(pack, &node->u.items[i]);
        pack_close(pack);
        return;
    case NODE_MAP:
        pack_map(pack);
        for (uint32_t i = 0; i < node->count; i++) {
            pack->open[pack->depth - 1].count++; /* as pack_key() does */
            pack_node(pack, &node->u.pairs[i].key);
            pack_node(pack, &node->u.pairs[i].value);
        }
        pack_close(pack);
        return;
    case NODE_NIL:
    default:
        pack_nil(pack);
        return;
    }
}

void pack_key_real(struct pack *pack, const char *key, double real)
{
    pack_key(pack, key);
    pack_real(pack, real);
}

void pack_key_text(struct pack *pack, const char *key, const char *text)
{
    pack_key(pack, key);
    pack_text(pack, text);
}

void pack_key_degrees(struct pack *pack, const char *key, int32_t e7)
{
    pack_key(pack, key);
    pack_real(pack, (double)e7 / 1e7);
}
