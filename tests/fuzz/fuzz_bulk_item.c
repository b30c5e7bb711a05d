/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/bulk_item.h"
#include "tests/fuzz/fuzz_target.h"

#define NOW_MS UINT64_C(1790000000000)

/* Field lines that a client will get: one name, one value and one end of line each. */
static void check_attributes(const struct bulk_item *item)
{
    uint32_t at = 0;
    ASSERT(item->attributes_bytes <= sizeof(item->attributes));
    while (at < item->attributes_bytes) {
        const uint8_t *line = item->attributes + at;
        const uint8_t *end = memchr(line, '\r', item->attributes_bytes - at);
        ASSERT(end != NULL && end[1] == '\n' && memchr(line, ':', (size_t)(end - line)) != NULL);
        ASSERT(memchr(line, '\n', (size_t)(end - line)) == NULL);
        at = (uint32_t)(end + 2 - item->attributes);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_error_t error;
    json_t *json =
        json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (json == NULL)
        return 0;
    const json_t *first = json_is_array(json) ? json_array_get(json, 0) : json;
    struct bulk_item item;
    if (first != NULL) {
        if (bulk_item_read(first, NOW_MS, 0, &item) == NULL) {
            check_attributes(&item);
            ASSERT(item.expires_at_ms == 0 || item.expires_at_ms > NOW_MS);
            ASSERT(item.value != NULL);
        }
        bulk_item_free(&item);
    }
    json_decref(json);
    return 0;
}
