/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * store_verify.h - is everything in this directory as the engine promised? A judge of its own.
 *
 * Purpose:   `gannet store verify`; tests compare its findings with what recovery says.
 * Ownership: none; the directory is only read.
 * Threading: one thread; memory for the keys (48 bytes each, at a fill of a half to three quarters)
 *            and for one segment.
 * Units:     bytes; _ms wall.
 * Errors:    enum store_tool_status, with a report in `text`.
 * Source:    ARCHITECTURE.md, "On disk", lists what is checked.
 */
#ifndef GANNET_STORE_VERIFY_H
#define GANNET_STORE_VERIFY_H

#include "control/store_files.h"
#include "control/text_buffer.h"

/* The exit status of `gannet store ...`. */
enum store_tool_status {
    STORE_TOOL_GOOD = 0,
    STORE_TOOL_DAMAGED = 1,  /* acknowledged data is missing or wrong */
    STORE_TOOL_USAGE = 2,    /* the words make no sense */
    STORE_TOOL_UNUSABLE = 3, /* nothing could be judged or done: no store, in use, no space */
};

struct store_verdict {
    uint64_t problem_count; /* damage to acknowledged data */
    uint64_t segment_count, sealed_count, empty_count;
    uint64_t frame_count, record_count;
    uint64_t key_count, deleted_count, expired_count, extent_count, orphan_count;
    uint64_t torn_count; /* segments that end in a write nobody was told of */
    uint64_t live_bytes; /* of visible values, wherever they are */
    /*
     * Of keys, values, versions, attributes and times of what is visible; order does not matter.
     * Two stores with the same contents have the same. 0 when it could not be formed.
     */
    uint64_t contents;
};

/* `files` is open. Problems are described in `text`, one a line. 0 or a negative errno. */
int store_verify_files(struct store_files *files, struct store_verdict *verdict,
                       struct text_buffer *text);

enum store_tool_status store_verify(const char *path, struct text_buffer *text);

/* "namespace/key", with what is not printable as \xNN. */
void store_key_text(struct text_buffer *text, const uint8_t *key, uint32_t key_bytes);

#endif
