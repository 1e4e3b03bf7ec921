#include "frame.h"

/* What one header says: how long it is, how many bytes follow as content, how many values it holds. */
struct header {
    size_t bytes, content;
    uint64_t values;
    bool is_bad;
};

static uint64_t big_endian(const uint8_t *bytes, int count)
{
    uint64_t number = 0;
    for (int i = 0; i < count; i++)
        number = number << 8 | bytes[i];
    return number;
}

/* The bytes of the header that begins with `first`. */
static size_t header_bytes(uint8_t first)
{
    switch (first) {
    case 0xc4: case 0xd9:
        return 2;
    case 0xc5: case 0xda: case 0xdc: case 0xde:
        return 3;
    case 0xc6: case 0xdb: case 0xdd: case 0xdf:
        return 5;
    default:
        return 1;
    }
}

static struct header read_header(const uint8_t *at)
{
    uint8_t first = at[0];
    struct header h = {.bytes = header_bytes(first)};
    uint64_t count = big_endian(at + 1, (int)h.bytes - 1);
    if (first <= 0x7f || first >= 0xe0 || first == 0xc0 || first == 0xc2 || first == 0xc3)
        return h; /* small integers, nil, booleans */
    if (first <= 0x8f)
        h.values = (first & 0x0fu) * 2u;
    else if (first <= 0x9f)
        h.values = first & 0x0fu;
    else if (first <= 0xbf)
        h.content = first & 0x1fu;
    else if (first >= 0xc4 && first <= 0xc6)
        h.content = count;
    else if (first == 0xca || first == 0xcb) /* floats */
        h.content = first == 0xca ? 4 : 8;
    else if (first >= 0xcc && first <= 0xd3) /* integers of 1, 2, 4, 8 bytes */
        h.content = (size_t)1 << ((first - 0xcc) & 3);
    else if (first >= 0xd9 && first <= 0xdb)
        h.content = count;
    else if (first == 0xdc || first == 0xdd)
        h.values = count;
    else if (first == 0xde || first == 0xdf)
        h.values = count * 2;
    else
        h.is_bad = true; /* 0xc1 and extensions, which we have no use for */
    return h;
}

/* One value is complete: so are all the lists and maps that it was the last of. */
static bool close_values(struct frame_scan *scan)
{
    while (scan->depth != 0 && --scan->left[scan->depth - 1] == 0)
        scan->depth--;
    return scan->depth == 0;
}

enum frame_state frame_scan(struct frame_scan *scan, const uint8_t *bytes, size_t len,
                            const char **why)
{
    while (scan->at < len) {
        const uint8_t *at = bytes + scan->at;
        if (len - scan->at < header_bytes(at[0]))
            return FRAME_PARTIAL;
        struct header h = read_header(at);
        if (scan->at == 0 && (at[0] < 0x90 || at[0] > 0x9f)) {
            *why = "a message is a list";
            return FRAME_BAD;
        }
        if (h.is_bad) {
            *why = "a byte that MessagePack-RPC has no use for";
            return FRAME_BAD;
        }
        scan->elements++;
        size_t bytes_max = scan->is_answer ? 256u << 20 : FRAME_BYTES_MAX;
        uint64_t values_max = scan->is_answer ? UINT32_MAX : FRAME_ELEMENTS_MAX;
        if (h.content > bytes_max || scan->at + h.bytes + h.content > bytes_max) {
            *why = "a message is at most 1 MiB";
            return FRAME_BAD;
        }
        if (h.values > values_max || scan->elements + h.values > values_max) {
            *why = "a message has at most 65536 values";
            return FRAME_BAD;
        }
        if (len - scan->at < h.bytes + h.content) {
            scan->elements--; /* read this header again when the rest is there */
            return FRAME_PARTIAL;
        }
        scan->at += h.bytes + h.content;
        if (h.values != 0) {
            if (scan->depth == FRAME_DEPTH_MAX) {
                *why = "a message is at most 12 levels deep";
                return FRAME_BAD;
            }
            scan->left[scan->depth++] = (uint32_t)h.values;
        } else if (close_values(scan)) {
            return FRAME_WHOLE;
        }
    }
    return FRAME_PARTIAL;
}

bool text_is_utf8(const char *text, size_t len)
{
    const uint8_t *at = (const uint8_t *)text;
    for (size_t i = 0; i < len;) {
        uint8_t first = at[i];
        size_t more = first < 0x80 ? 0 : first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
        if (first == 0 || (first >= 0x80 && first < 0xc2) || first > 0xf4 || len - i <= more)
            return false;
        uint32_t point = first & (more == 0 ? 0x7fu : more == 1 ? 0x1fu : more == 2 ? 0x0fu : 0x07u);
        for (size_t j = 1; j <= more; j++) {
            if ((at[i + j] & 0xc0) != 0x80)
                return false;
            point = point << 6 | (at[i + j] & 0x3fu);
        }
        static const uint32_t least[4] = {0, 0x80, 0x800, 0x10000};
        if (point < least[more] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000))
            return false;
        i += more + 1;
    }
    return true;
}
