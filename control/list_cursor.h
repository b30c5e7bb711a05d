/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * list_cursor.h - where a listing goes on: the name of the last key, as text for a URL.
 *
 * Purpose:   an opaque cursor that needs nothing remembered: it is good wherever the data is,
 *            after restarts, and when its key has been deleted meanwhile.
 * Ownership: none.
 * Threading: none.
 * Units:     bytes.
 * Errors:    a cursor that is damaged, of another prefix or of another namespace is refused.
 * Source:    base64url of a version, the name, and a checksum over namespace, prefix and name.
 *
 * The checksum finds mistakes. It keeps nobody from making a cursor: that would only name a place
 * within a prefix which its maker may list anyway.
 */
#ifndef GANNET_LIST_CURSOR_H
#define GANNET_LIST_CURSOR_H

#include <stdbool.h>
#include <stdint.h>

#include "include/shard_operation.h"

#define LIST_CURSOR_BYTES_MAX ((1u + USER_KEY_BYTES_MAX + 4u + 2u) / 3u * 4u)

struct text_buffer;

/* `key` is "namespace\0prefix"; the name begins with the prefix. */
void list_cursor_add(struct text_buffer *text, const uint8_t *key, uint32_t key_bytes,
                     const uint8_t *name, uint32_t name_bytes);

/* `name` has room for USER_KEY_BYTES_MAX. */
bool list_cursor_read(const uint8_t *cursor, uint32_t cursor_bytes, const uint8_t *key,
                      uint32_t key_bytes, uint8_t *name, uint32_t *name_bytes);

#endif
