/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * http_scan.h - where a run of bytes of one kind ends, 16 bytes at a time.
 *
 * Purpose:   the parser's inner loops: the end of a target or a host, and for fields the bytes
 *            that end a name or a value, as one bit per byte of a 64-byte block.
 * Ownership: none; reads [first, end) only, never a byte before or behind.
 * Threading: none.
 * Units:     bytes.
 * Errors:    none; a run that does not end within the bytes ends at `end`.
 * Source:    the nibble tables follow G. Langdale and D. Lemire, "Parsing Gigabytes of JSON per
 *            Second" (2019), section 3.1.2; RFC 9110 5.6.2 (token), RFC 3986 (target, host).
 */
#ifndef GANNET_HTTP_SCAN_H
#define GANNET_HTTP_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "include/compiler.h"

/* HTTP_SCAN_PORTABLE keeps the plain C path in use on x86 too, so that tests compare both. */
#if defined(__SSSE3__) && !defined(HTTP_SCAN_PORTABLE)
#define HTTP_SCAN_VECTORS 1
#include <tmmintrin.h>
#else
#define HTTP_SCAN_VECTORS 0
#endif

#define HTTP_BLOCK_BYTES 64

enum http_class {
    HTTP_CLASS_TOKEN = 1u << 0,      /* RFC 9110 5.6.2 */
    HTTP_CLASS_HOST = 1u << 1,       /* letters, digits, '-' and '.': what most hosts are made of */
    HTTP_CLASS_PATH = 1u << 2,       /* visible ASCII but '#' and '?' */
    HTTP_CLASS_QUERY = 1u << 3,      /* visible ASCII but '#' */
    HTTP_CLASS_CONTROL = 1u << 4,    /* what ends a field value: CTL but HTAB */
    HTTP_CLASS_REG_NAME = 1u << 5,   /* RFC 3986 reg-name without '%' and without ',' */
    HTTP_CLASS_PLAIN_PATH = 1u << 6, /* HTTP_CLASS_PATH without '%': stands for itself */
};

extern const uint8_t http_byte_class[256];

static inline bool http_byte_is(uint8_t byte, enum http_class class)
{
    return (http_byte_class[byte] & class) != 0;
}

/* One bit per byte of a block, lowest first; bits behind the end of the bytes are 0. */
struct http_block {
    uint64_t controls;   /* HTTP_CLASS_CONTROL */
    uint64_t not_tokens; /* not HTTP_CLASS_TOKEN */
};

/* The portable path: correct everywhere, and what the vector path is tested against. */

static inline const uint8_t *http_scan_run_portable(const uint8_t *at, const uint8_t *end,
                                                    enum http_class class)
{
    while (at < end && http_byte_is(*at, class))
        at++;
    return at;
}

static inline void http_scan_block_portable(const uint8_t *at, const uint8_t *end,
                                            struct http_block *block)
{
    size_t count = (size_t)(end - at);
    if (count > HTTP_BLOCK_BYTES)
        count = HTTP_BLOCK_BYTES;
    block->controls = 0;
    block->not_tokens = 0;
    for (size_t i = 0; i < count; i++) {
        block->controls |= (uint64_t)http_byte_is(at[i], HTTP_CLASS_CONTROL) << i;
        block->not_tokens |= (uint64_t)!http_byte_is(at[i], HTTP_CLASS_TOKEN) << i;
    }
}

#if HTTP_SCAN_VECTORS

/*
 * A class as a table by low nibble whose bit h-2 says whether the byte 0xh. belongs to it, for
 * rows 2 to 7. Bytes below 0x20 and above 0x7f belong to none: row_bits has no bit for them.
 */
struct http_nibble_table {
    uint8_t rows[16];
};

static const struct http_nibble_table http_token_table = {{0x3a, 0x3f, 0x3e, 0x3f, 0x3f, 0x3f, 0x3f,
                                                           0x3f, 0x3e, 0x3e, 0x3d, 0x15, 0x34, 0x15,
                                                           0x3d, 0x1c}};
static const struct http_nibble_table http_host_table = {{0x2a, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e,
                                                          0x3e, 0x3e, 0x3e, 0x3c, 0x14, 0x14, 0x15,
                                                          0x15, 0x14}};
static const struct http_nibble_table http_path_table = {{0x3e, 0x3f, 0x3f, 0x3e, 0x3f, 0x3f, 0x3f,
                                                          0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f,
                                                          0x3f, 0x1d}};
static const struct http_nibble_table http_plain_path_table = {{0x3e, 0x3f, 0x3f, 0x3e, 0x3f, 0x3e,
                                                                0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f,
                                                                0x3f, 0x3f, 0x3f, 0x1d}};
static const struct http_nibble_table http_query_table = {{0x3e, 0x3f, 0x3f, 0x3e, 0x3f, 0x3f, 0x3f,
                                                           0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f,
                                                           0x3f, 0x1f}};

/*
 * The 16 bytes from `at`, or fewer: then they are the last ones of the vector and *missing says
 * how many are not.
 */
static ALWAYS_INLINE __m128i http_load_group(const uint8_t *first, const uint8_t *at,
                                             const uint8_t *end, uint32_t *missing)
{
    if (LIKELY(end - at >= 16)) {
        *missing = 0;
        return _mm_loadu_si128((const __m128i *)(const void *)at);
    }
    *missing = 16 - (uint32_t)(end - at);
    if (LIKELY(end - first >= 16))
        return _mm_loadu_si128((const __m128i *)(const void *)(end - 16));
    uint8_t copy[16] = {0};
    memcpy(copy + *missing, at, (size_t)(end - at));
    return _mm_loadu_si128((const __m128i *)(const void *)copy);
}

/* Zero in every byte that is not in the class. */
static ALWAYS_INLINE __m128i http_group_members(__m128i bytes,
                                                const struct http_nibble_table *table)
{
    const __m128i row_bits = _mm_setr_epi8(0, 0, 1, 2, 4, 8, 16, 32, 0, 0, 0, 0, 0, 0, 0, 0);
    __m128i rows = _mm_loadu_si128((const __m128i *)(const void *)table->rows);
    __m128i high = _mm_and_si128(_mm_srli_epi16(bytes, 4), _mm_set1_epi8(0x0f));
    return _mm_and_si128(_mm_shuffle_epi8(rows, bytes), _mm_shuffle_epi8(row_bits, high));
}

static ALWAYS_INLINE uint32_t http_group_outside(__m128i bytes,
                                                 const struct http_nibble_table *table)
{
    __m128i members = http_group_members(bytes, table);
    return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(members, _mm_setzero_si128()));
}

static ALWAYS_INLINE uint32_t http_group_controls(__m128i bytes)
{
    const __m128i last_control = _mm_set1_epi8(0x1f);
    __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(bytes, last_control), bytes);
    __m128i tab = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\t'));
    __m128i rubout = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f));
    return (uint32_t)_mm_movemask_epi8(_mm_or_si128(_mm_andnot_si128(tab, low), rubout));
}

/* The first byte from `at` that is not in the class of the table, or `end`. */
static ALWAYS_INLINE const uint8_t *http_scan_table(const uint8_t *first, const uint8_t *at,
                                                    const uint8_t *end,
                                                    const struct http_nibble_table *table)
{
    while (at < end) {
        uint32_t missing;
        __m128i bytes = http_load_group(first, at, end, &missing);
        uint32_t outside = http_group_outside(bytes, table) >> missing;
        if (outside != 0)
            return at + __builtin_ctz(outside);
        at += 16 - missing;
    }
    return at;
}

static ALWAYS_INLINE const uint8_t *http_scan_run(const uint8_t *first, const uint8_t *at,
                                                  const uint8_t *end, enum http_class class)
{
    switch (class) {
    case HTTP_CLASS_TOKEN:
        return http_scan_table(first, at, end, &http_token_table);
    case HTTP_CLASS_HOST:
        return http_scan_table(first, at, end, &http_host_table);
    case HTTP_CLASS_PATH:
        return http_scan_table(first, at, end, &http_path_table);
    case HTTP_CLASS_QUERY:
        return http_scan_table(first, at, end, &http_query_table);
    case HTTP_CLASS_PLAIN_PATH:
        return http_scan_table(first, at, end, &http_plain_path_table);
    case HTTP_CLASS_CONTROL:
    case HTTP_CLASS_REG_NAME:
        break;
    }
    return http_scan_run_portable(at, end, class);
}

/* Up to 64 bytes from `at`. */
static ALWAYS_INLINE void http_scan_block(const uint8_t *first, const uint8_t *at,
                                          const uint8_t *end, struct http_block *block)
{
    uint64_t controls = 0, not_tokens = 0;
    for (uint32_t shift = 0; shift < HTTP_BLOCK_BYTES && at < end; shift += 16, at += 16) {
        uint32_t missing;
        __m128i bytes = http_load_group(first, at, end, &missing);
        controls |= (uint64_t)(http_group_controls(bytes) >> missing) << shift;
        not_tokens |= (uint64_t)(http_group_outside(bytes, &http_token_table) >> missing) << shift;
        if (missing != 0)
            break;
    }
    block->controls = controls;
    block->not_tokens = not_tokens;
}

#else

static inline const uint8_t *http_scan_run(const uint8_t *first, const uint8_t *at,
                                           const uint8_t *end, enum http_class class)
{
    (void)first;
    return http_scan_run_portable(at, end, class);
}

static inline void http_scan_block(const uint8_t *first, const uint8_t *at, const uint8_t *end,
                                   struct http_block *block)
{
    (void)first;
    http_scan_block_portable(at, end, block);
}

#endif

#endif
