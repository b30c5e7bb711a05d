/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cache_attributes.h - field lines that many values have in the same words.
 *
 * Purpose:   an entry of the cache has their number instead of 30 to 60 bytes of text. Values that
 *            came without a Content-Type have the first.
 * Ownership: constant.
 * Threading: any.
 * Units:     bytes.
 * Errors:    none: what is not in the list is kept as it is.
 * Source:    media types that clients send by themselves: curl, browsers, JSON libraries.
 */
#ifndef GANNET_CACHE_ATTRIBUTES_H
#define GANNET_CACHE_ATTRIBUTES_H

#include "include/http_text.h"

/* From here on a code is a number in the list; below it is the length of an entry's own lines. */
#define CACHE_ATTRIBUTES_COMMON 0x8000u

extern const struct http_slice cache_common_attributes[];

uint16_t cache_attributes_code(const uint8_t *lines, uint32_t bytes);

#endif
