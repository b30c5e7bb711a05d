/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bytes_equal.h - comparison of short runs of bytes, in place.
 *
 * Purpose:   keys and heads are some dozen bytes: a call of memcmp costs more than to compare them.
 * Ownership: none.
 * Threading: any.
 * Units:     bytes.
 * Errors:    none.
 * Source:    the last step overlaps the one before, so that no byte behind the run is read.
 */
#ifndef GANNET_BYTES_EQUAL_H
#define GANNET_BYTES_EQUAL_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "include/compiler.h"

typedef uint64_t bytes_equal_words __attribute__((vector_size(16)));

static ALWAYS_INLINE bytes_equal_words bytes_equal_load(const void *at)
{
    bytes_equal_words words;
    memcpy(&words, at, sizeof(words));
    return words;
}

static ALWAYS_INLINE bool bytes_equal(const void *first, const void *second, size_t bytes)
{
    const uint8_t *a = first, *b = second;
    if (UNLIKELY(bytes < sizeof(bytes_equal_words)))
        return memcmp(a, b, bytes) == 0;
    size_t last = bytes - sizeof(bytes_equal_words);
    bytes_equal_words difference = bytes_equal_load(a + last) ^ bytes_equal_load(b + last);
    for (size_t at = 0; at < last; at += sizeof(bytes_equal_words))
        difference |= bytes_equal_load(a + at) ^ bytes_equal_load(b + at);
    return (difference[0] | difference[1]) == 0;
}

#endif
