/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/list_cursor.h"

#include <string.h>

#include "control/json_text.h"
#include "control/text_buffer.h"
#include "include/assert_policy.h"
#include "include/byte_order.h"
#include "include/key_hash.h"

#define CURSOR_VERSION 1u
#define CHECKSUM_BYTES 4u

static uint32_t checksum(const uint8_t *key, uint32_t key_bytes, const uint8_t *name,
                         uint32_t name_bytes)
{
    uint8_t all[sizeof(key_bytes) + KEY_BYTES_MAX + USER_KEY_BYTES_MAX];
    memcpy(all, &key_bytes, sizeof(key_bytes)); /* where the prefix ends and the name begins */
    memcpy(all + sizeof(key_bytes), key, key_bytes);
    memcpy(all + sizeof(key_bytes) + key_bytes, name, name_bytes);
    return (uint32_t)key_hash_shard(all, sizeof(key_bytes) + key_bytes + name_bytes);
}

void list_cursor_add(struct text_buffer *text, const uint8_t *key, uint32_t key_bytes,
                     const uint8_t *name, uint32_t name_bytes)
{
    uint8_t raw[1 + USER_KEY_BYTES_MAX + CHECKSUM_BYTES];
    ASSERT(key_bytes <= KEY_BYTES_MAX && name_bytes <= USER_KEY_BYTES_MAX);
    uint32_t sum = checksum(key, key_bytes, name, name_bytes);
    raw[0] = CURSOR_VERSION;
    memcpy(raw + 1, name, name_bytes);
    memcpy(raw + 1 + name_bytes, &sum, CHECKSUM_BYTES);
    base64url_add(text, raw, 1 + name_bytes + CHECKSUM_BYTES);
}

static bool has_prefix(const uint8_t *key, uint32_t key_bytes, const uint8_t *name,
                       uint32_t name_bytes)
{
    const uint8_t *end = memchr(key, 0, key_bytes);
    ASSERT(end != NULL);
    uint32_t prefix_bytes = key_bytes - (uint32_t)(end + 1 - key);
    return name_bytes >= prefix_bytes && memcmp(name, end + 1, prefix_bytes) == 0;
}

bool list_cursor_read(const uint8_t *cursor, uint32_t cursor_bytes, const uint8_t *key,
                      uint32_t key_bytes, uint8_t *name, uint32_t *name_bytes)
{
    uint8_t raw[LIST_CURSOR_BYTES_MAX / 4 * 3];
    size_t raw_bytes;
    uint32_t sum;
    if (cursor_bytes > LIST_CURSOR_BYTES_MAX ||
        !base64url_decode((const char *)cursor, cursor_bytes, raw, &raw_bytes) ||
        raw_bytes < 1 + CHECKSUM_BYTES || raw[0] != CURSOR_VERSION ||
        raw_bytes > 1 + USER_KEY_BYTES_MAX + CHECKSUM_BYTES)
        return false;
    *name_bytes = (uint32_t)raw_bytes - 1 - CHECKSUM_BYTES;
    memcpy(name, raw + 1, *name_bytes);
    memcpy(&sum, raw + 1 + *name_bytes, CHECKSUM_BYTES);
    return sum == checksum(key, key_bytes, name, *name_bytes) &&
           has_prefix(key, key_bytes, name, *name_bytes);
}
