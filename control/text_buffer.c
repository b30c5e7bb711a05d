/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/text_buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOM_BYTES_LEAST 4096u

/* Room for `count` bytes and the end mark. */
static bool make_room(struct text_buffer *text, size_t count)
{
    size_t needed = text->used_bytes + count + 1;
    if (text->is_cut || count > TEXT_BUFFER_BYTES_MAX || needed > TEXT_BUFFER_BYTES_MAX) {
        text->is_cut = true;
        return false;
    }
    if (needed <= text->room_bytes)
        return true;
    size_t room = text->room_bytes > 0 ? text->room_bytes : ROOM_BYTES_LEAST;
    while (room < needed)
        room *= 2;
    char *bytes = realloc(text->bytes, room);
    if (!bytes) {
        text->is_cut = true;
        return false;
    }
    text->bytes = bytes;
    text->room_bytes = room;
    return true;
}

void text_add(struct text_buffer *text, const char *bytes, size_t count)
{
    if (!make_room(text, count))
        return;
    if (count > 0) /* `bytes` may be NULL then, which memcpy must not see */
        memcpy(text->bytes + text->used_bytes, bytes, count);
    text->used_bytes += count;
    text->bytes[text->used_bytes] = '\0';
}

void text_format(struct text_buffer *text, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int count = vsnprintf(NULL, 0, format, arguments);
    if (count >= 0 && make_room(text, (size_t)count)) {
        vsnprintf(text->bytes + text->used_bytes, (size_t)count + 1, format, again);
        text->used_bytes += (size_t)count;
    }
    va_end(again);
    va_end(arguments);
}

void text_buffer_clear(struct text_buffer *text)
{
    free(text->bytes);
    *text = (struct text_buffer){0};
}
