/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bulk_item.h - one value of PUT bulk: what its JSON object says, checked and ready to be stored.
 *
 * Purpose:   {"key":"a","value":"...","base64":false,"ttl":60,"content_type":"...","metadata":{}}.
 * Ownership: `value` points into the JSON document, or to `decoded`, which bulk_item_free frees.
 * Threading: none.
 * Units:     bytes; _ms wall.
 * Errors:    a sentence about what is wrong with it; NULL: it is right.
 * Source:    README.md, "Many keys at once".
 */
#ifndef GANNET_BULK_ITEM_H
#define GANNET_BULK_ITEM_H

#include <jansson.h>
#include <stdint.h>

#include "include/shard_operation.h"

struct bulk_item {
    const uint8_t *value;
    size_t value_bytes;
    uint8_t *decoded;
    uint64_t expires_at_ms; /* 0: never */
    uint32_t attributes_bytes;
    uint8_t attributes[ATTRIBUTES_BYTES_MAX];
};

/* All of the item but its key. To be freed in any case. */
const char *bulk_item_read(const json_t *json, uint64_t wall_ms, uint64_t fallback_ttl_s,
                           struct bulk_item *item);
void bulk_item_free(struct bulk_item *item);

#endif
