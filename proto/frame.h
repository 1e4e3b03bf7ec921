/* frame.h -- where one MessagePack message ends, found without building anything.
 *
 * msgpack-c asks for memory by the numbers that a frame claims, so every frame is walked here first:
 * iteratively, resuming where the bytes ended last time, with bounds on depth, elements and length.
 * Only a frame that is complete and within the bounds reaches the decoder. */
#ifndef PAIDAN_FRAME_H
#define PAIDAN_FRAME_H

#include "engine/base.h"

#define FRAME_DEPTH_MAX 12
#define FRAME_BYTES_MAX (1u << 20)
#define FRAME_ELEMENTS_MAX 65536u

struct frame_scan {
    size_t at; /* bytes walked */
    uint32_t depth, elements;
    uint32_t left[FRAME_DEPTH_MAX]; /* values still to come at each depth */
    bool is_answer; /* from a server we chose: only depth is bounded, and 256 MiB */
};

enum frame_state { FRAME_PARTIAL, FRAME_WHOLE, FRAME_BAD };

/* Walks on over `bytes`, which begin with the frame. FRAME_WHOLE: the frame is scan->at bytes long.
 * FRAME_BAD: *why says why; the connection cannot be read any further. Start a new frame with a
 * zeroed scan. */
enum frame_state frame_scan(struct frame_scan *scan, const uint8_t *bytes, size_t len,
                            const char **why);

/* Whether `len` bytes are well-formed UTF-8 without NUL. */
bool text_is_utf8(const char *text, size_t len);

#endif
