/* codec.h -- MessagePack to trees of nodes and back; the only place that sees msgpack-c. */
#ifndef PAIDAN_CODEC_H
#define PAIDAN_CODEC_H

#include "arena.h"

enum node_kind { NODE_NIL, NODE_BOOL, NODE_INT, NODE_REAL, NODE_TEXT, NODE_BYTES, NODE_LIST, NODE_MAP };

/* A decoded value. Text points into the frame or the arena and ends where `count` says, not at a NUL. */
struct node {
    enum node_kind kind;
    uint32_t count; /* bytes of a text, items of a list, pairs of a map */
    union {
        bool truth;
        int64_t number;
        double real;
        const char *text;
        struct node *items;
        struct node_pair *pairs;
    } u;
};

struct node_pair {
    struct node key, value;
};

/* Decodes a frame that frame_scan() has found whole. NULL: integers beyond 64 bits signed. */
struct node *codec_decode(struct arena *arena, const uint8_t *frame, size_t len);

/* The value of a key of a map; NULL when absent. */
const struct node *node_get(const struct node *map, const char *key);
/* The number, or 0 and 1 of a truth, that stands there; `fallback` when nothing of the kind does. */
int64_t node_number(const struct node *map, const char *key, int64_t fallback);
bool node_is_text(const struct node *node, const char *text);

/* Encoding: bytes grow at the end; maps and lists are opened and closed and count themselves. */
struct pack {
    uint8_t *bytes; /* owned */
    size_t len, room;
    struct pack_open {
        size_t at;
        uint32_t count;
    } open[16];
    int depth;
};

void pack_fini(struct pack *pack);
void pack_reset(struct pack *pack);
void pack_nil(struct pack *pack);
void pack_bool(struct pack *pack, bool truth);
void pack_int(struct pack *pack, int64_t number);
void pack_uint(struct pack *pack, uint64_t number);
void pack_real(struct pack *pack, double real);
void pack_text(struct pack *pack, const char *text);
void pack_text_n(struct pack *pack, const char *text, size_t len);
void pack_raw(struct pack *pack, const void *bytes, size_t len); /* one encoded value */
void pack_node(struct pack *pack, const struct node *node); /* whatever was decoded */
void pack_map(struct pack *pack);
void pack_list(struct pack *pack);
void pack_close(struct pack *pack); /* the map or list opened last */
void pack_key(struct pack *pack, const char *key); /* the next value belongs to it */
void pack_fixed_list(struct pack *pack, uint32_t count); /* without closing */

/* Short hands for maps. */
void pack_key_int(struct pack *pack, const char *key, int64_t number);
void pack_key_uint(struct pack *pack, const char *key, uint64_t number);
void pack_key_bool(struct pack *pack, const char *key, bool truth);
void pack_key_real(struct pack *pack, const char *key, double real);
void pack_key_text(struct pack *pack, const char *key, const char *text);
/* A coordinate in 1e-7 degrees, as degrees. */
void pack_key_degrees(struct pack *pack, const char *key, int32_t e7);

#endif
