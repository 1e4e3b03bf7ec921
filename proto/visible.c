#include "visible.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "engine/base.h"

/* The character at the front, of 1 to 4 bytes; *bytes is 0 when it is no UTF-8. */
static uint32_t character(const unsigned char *at, size_t len, size_t *bytes)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t more = *at < 0x80 ? 0 : *at >> 5 == 6 ? 1 : *at >> 4 == 14 ? 2 : *at >> 3 == 30 ? 3 : 4;
    uint32_t code = more == 0 ? *at : *at & (0x3fu >> more);
    *bytes = 0;
    if (more == 4 || more >= len)
        return 0;
    for (size_t i = 1; i <= more; i++) {
        if (at[i] >> 6 != 2)
            return 0;
        code = code << 6 | (at[i] & 0x3fu);
    }
    if (code >= least[more + 1])
        *bytes = more + 1;
    return code;
}

/* Controls (C0, DEL, C1), marks and overrides of direction, separators of lines and of paragraphs. */
static bool is_hidden(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code <= 0x9f) || code == 0x61c || code == 0x200e || code == 0x200f ||
           (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) || code == 0xfeff;
}

size_t text_visible(const char *from, size_t len, char *to, size_t size)
{
    size_t out = 0;
    must(size != 0);
    for (size_t at = 0, bytes = 0; at < len; at += bytes) {
        char escape[16];
        uint32_t code = character((const unsigned char *)from + at, len - at, &bytes);
        const char *piece = from + at;
        size_t piece_len = bytes;
        if (bytes == 0 || is_hidden(code)) {
            if (bytes == 0)
                snprintf(escape, sizeof escape, "\\x%02x", (unsigned char)from[at]);
            else
                snprintf(escape, sizeof escape, "\\u%04x", (unsigned)code);
            piece = escape;
            piece_len = strlen(escape);
            bytes += bytes == 0;
        }
        if (out + piece_len + 1 > size)
            break;
        memcpy(to + out, piece, piece_len);
        out += piece_len;
    }
    to[out] = '\0';
    return out;
}
