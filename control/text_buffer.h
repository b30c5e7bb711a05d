/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * text_buffer.h - text that grows up to a limit: answers of the admin socket.
 *
 * Purpose:   build /metrics and /config without knowing their size, and without trusting it.
 * Ownership: whoever made it frees it with text_buffer_clear.
 * Threading: one thread.
 * Units:     bytes.
 * Errors:    what did not fit, or found no memory, sets is_cut; the text is then worthless.
 * Source:    none.
 */
#ifndef GANNET_TEXT_BUFFER_H
#define GANNET_TEXT_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

#include "include/compiler.h"

#define TEXT_BUFFER_BYTES_MAX (16u << 20)

struct text_buffer {
    char *bytes; /* always ends in a zero byte, once anything was added */
    size_t used_bytes;
    size_t room_bytes;
    bool is_cut;
};

void text_add(struct text_buffer *text, const char *bytes, size_t count);
PRINTF_LIKE(2, 3) void text_format(struct text_buffer *text, const char *format, ...);
void text_buffer_clear(struct text_buffer *text);

#endif
