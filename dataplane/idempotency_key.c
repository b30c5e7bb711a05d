/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/idempotency_key.h"

#include <stdbool.h>

static bool read_string(struct http_slice text, uint8_t *key, uint32_t *key_bytes)
{
    uint32_t end = text.bytes - 1, used = 0;
    if (text.bytes < 2 || text.at[0] != '"' || text.at[end] != '"')
        return false;
    for (uint32_t at = 1; at < end; at++) {
        uint8_t c = text.at[at];
        if (c == '\\') {
            c = text.at[++at];
            if (at == end || (c != '"' && c != '\\'))
                return false;
        } else if (c == '"' || c < 0x20 || c > 0x7e) {
            return false;
        }
        if (used == IDEMPOTENCY_KEY_BYTES_MAX)
            return false;
        key[used++] = c;
    }
    *key_bytes = used;
    return used > 0;
}

enum idempotency_verdict idempotency_key_read(const struct http_request *http,
                                              uint8_t key[IDEMPOTENCY_KEY_BYTES_MAX],
                                              uint32_t *key_bytes)
{
    const struct http_field *field = http_find_field(http, "idempotency-key");
    if (!field)
        return IDEMPOTENCY_KEY_NONE;
    for (const struct http_field *other = field + 1; other < http->fields + http->field_count;
         other++)
        if (http_slice_is(other->name, "idempotency-key"))
            return IDEMPOTENCY_KEY_MALFORMED;
    return read_string(field->value, key, key_bytes) ? IDEMPOTENCY_KEY_FOUND
                                                     : IDEMPOTENCY_KEY_MALFORMED;
}
