/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/cache_attributes.h"

#include <string.h>

#include "include/compiler.h"

#define CONTENT_TYPE(media_type)                                                                   \
    {                                                                                              \
        (const uint8_t *)"Content-Type: " media_type "\r\n",                                       \
            (uint32_t)sizeof("Content-Type: " media_type "\r\n") - 1                               \
    }

const struct http_slice cache_common_attributes[] = {
    CONTENT_TYPE("application/octet-stream"),
    CONTENT_TYPE("application/json"),
    CONTENT_TYPE("application/x-www-form-urlencoded"),
    CONTENT_TYPE("application/json; charset=utf-8"),
    CONTENT_TYPE("text/plain"),
    CONTENT_TYPE("text/plain; charset=utf-8"),
    CONTENT_TYPE("text/html"),
    CONTENT_TYPE("text/html; charset=utf-8"),
};

uint16_t cache_attributes_code(const uint8_t *lines, uint32_t bytes)
{
    for (uint16_t i = 0; i < ARRAY_COUNT(cache_common_attributes); i++) {
        const struct http_slice *common = &cache_common_attributes[i];
        if (common->bytes == bytes && memcmp(common->at, lines, bytes) == 0)
            return (uint16_t)(CACHE_ATTRIBUTES_COMMON + i);
    }
    return (uint16_t)bytes;
}
