/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * value_head.h - the part of a hit's head that depends on the value: ETag to the empty line.
 *
 * Purpose:   made anew for every hit: kept with each value it would be half of a small entry.
 * Ownership: the dates belong to one worker.
 * Threading: one worker.
 * Units:     bytes; _s seconds of Unix time.
 * Errors:    none: how much is written is known before.
 * Source:    the same text as http_write_value_head.
 */
#ifndef GANNET_VALUE_HEAD_H
#define GANNET_VALUE_HEAD_H

#include <stdint.h>
#include <string.h>

#include "dataplane/http_date.h"
#include "include/compiler.h"
#include "include/http_text.h"

#define VALUE_ETAG "ETag: \""
#define VALUE_MODIFIED "\"\r\nLast-Modified: "
#define VALUE_LENGTH "\r\nContent-Length: "
#define VALUE_MIDDLE_BYTES (sizeof(VALUE_MODIFIED VALUE_LENGTH) - 1 + HTTP_DATE_BYTES)
#define VALUE_FIXED_BYTES (sizeof(VALUE_ETAG "\r\n\r\n") - 1 + VALUE_MIDDLE_BYTES)

extern const uint64_t value_powers_of_ten[20];
extern const uint8_t value_two_digits[200]; /* 00 01 .. 99 */

/* From behind the version to the length: for a second that was asked for lately it is a copy. */
#define VALUE_DATES_KEPT 64u

struct value_dates {
    uint32_t seconds[VALUE_DATES_KEPT];
    uint8_t texts[VALUE_DATES_KEPT][VALUE_MIDDLE_BYTES];
};

void value_dates_init(struct value_dates *dates);
void value_dates_learn(struct value_dates *dates, uint32_t unix_s);

static ALWAYS_INLINE const uint8_t *value_dates_text(struct value_dates *dates, uint32_t unix_s)
{
    if (UNLIKELY(dates->seconds[unix_s % VALUE_DATES_KEPT] != unix_s))
        value_dates_learn(dates, unix_s);
    return dates->texts[unix_s % VALUE_DATES_KEPT];
}

/* Decimal digits of a number; log10 from log2 is one too many below the power of ten. */
static ALWAYS_INLINE uint32_t value_digit_count(uint64_t number)
{
    uint32_t guess = (64u - (uint32_t)__builtin_clzll(number | 1)) * 1233 >> 12;
    return guess + (number >= value_powers_of_ten[guess] || guess == 0);
}

/* Two at a time from the end: at most ten steps. */
static ALWAYS_INLINE void value_write_decimal(uint8_t *out, uint64_t number, uint32_t digit_count)
{
    uint8_t *end = out + digit_count;
    for (; number >= 100; number /= 100) {
        end -= 2;
        memcpy(end, &value_two_digits[number % 100 * 2], 2);
    }
    if (number >= 10)
        memcpy(end - 2, &value_two_digits[number * 2], 2);
    else
        end[-1] = (uint8_t)('0' + number);
}

struct value_digits {
    uint64_t version;
    uint32_t value_bytes;
    uint32_t version_digits, length_digits;
};

static ALWAYS_INLINE struct value_digits value_digits_of(uint64_t version, uint32_t value_bytes)
{
    return (struct value_digits){version, value_bytes, value_digit_count(version),
                                 value_digit_count(value_bytes)};
}

static ALWAYS_INLINE uint32_t value_head_bytes(const struct value_digits *digits,
                                               uint32_t attributes_bytes)
{
    return (uint32_t)VALUE_FIXED_BYTES + digits->version_digits + digits->length_digits +
           attributes_bytes;
}

static ALWAYS_INLINE uint8_t *value_append(uint8_t *out, const void *bytes, size_t length)
{
    memcpy(out, bytes, length);
    return out + length;
}

/* `middle` is of value_dates_text. Returns where the value goes. */
static ALWAYS_INLINE uint8_t *value_head_write(uint8_t *out, const struct value_digits *digits,
                                               const uint8_t *middle, struct http_slice attributes)
{
    out = value_append(out, VALUE_ETAG, sizeof(VALUE_ETAG) - 1);
    value_write_decimal(out, digits->version, digits->version_digits);
    out = value_append(out + digits->version_digits, middle, VALUE_MIDDLE_BYTES);
    value_write_decimal(out, digits->value_bytes, digits->length_digits);
    out += digits->length_digits;
    if (UNLIKELY(attributes.bytes == 0))
        return value_append(out, "\r\n\r\n", 4);
    out = value_append(out, "\r\n", 2);
    return value_append(value_append(out, attributes.at, attributes.bytes), "\r\n", 2);
}

#endif
