/* SPDX-License-Identifier: BSD-3-Clause */
#include "include/http_text.h"

#include <string.h>

/* RFC 3986 2.1: the value of a hexadecimal digit, or -1. */
static int hex_digit_value(uint8_t digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    uint8_t lower = digit | 0x20;
    if (lower >= 'a' && lower <= 'f')
        return lower - 'a' + 10;
    return -1;
}

bool http_percent_decode(struct http_slice encoded, uint8_t *out, uint32_t room,
                         uint32_t *out_bytes)
{
    *out_bytes = 0;
    if (encoded.bytes == 0)
        return true;
    const uint8_t *escape = memchr(encoded.at, '%', encoded.bytes);
    uint32_t plain = escape != NULL ? (uint32_t)(escape - encoded.at) : encoded.bytes;
    if (plain > room)
        return false;
    memcpy(out, encoded.at, plain);
    uint32_t written = plain;
    for (uint32_t i = plain; i < encoded.bytes; i++) {
        uint8_t byte = encoded.at[i];
        if (byte == '%') {
            if (encoded.bytes - i < 3)
                return false;
            int high = hex_digit_value(encoded.at[i + 1]);
            int low = hex_digit_value(encoded.at[i + 2]);
            if (high < 0 || low < 0)
                return false;
            byte = (uint8_t)(high * 16 + low);
            i += 2;
        }
        if (written == room)
            return false;
        out[written++] = byte;
    }
    *out_bytes = written;
    return true;
}

bool http_look_for_parameter(struct http_slice query, const char *name, struct http_slice *value)
{
    size_t name_bytes = strlen(name);
    uint32_t at = 0;
    while (at < query.bytes) {
        const uint8_t *start = query.at + at;
        const uint8_t *ampersand = memchr(start, '&', query.bytes - at);
        uint32_t bytes = ampersand != NULL ? (uint32_t)(ampersand - start) : query.bytes - at;
        if (bytes >= name_bytes && memcmp(start, name, name_bytes) == 0) {
            if (bytes == name_bytes) {
                *value = (struct http_slice){start + bytes, 0};
                return true;
            }
            if (start[name_bytes] == '=') {
                *value =
                    (struct http_slice){start + name_bytes + 1, bytes - (uint32_t)name_bytes - 1};
                return true;
            }
        }
        at += bytes + 1;
    }
    return false;
}

bool http_parse_decimal(struct http_slice text, uint64_t *value)
{
    if (text.bytes == 0 || text.bytes > 19)
        return false;
    uint64_t sum = 0; /* 19 digits are below 2^64: no overflow */
    for (uint32_t i = 0; i < text.bytes; i++) {
        uint8_t digit = (uint8_t)(text.at[i] - '0');
        if (digit > 9)
            return false;
        sum = sum * 10 + digit;
    }
    *value = sum;
    return true;
}

bool http_bytes_are(const uint8_t *at, const char *lower_case, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes; i++) {
        uint8_t byte = at[i];
        if (byte >= 'A' && byte <= 'Z')
            byte |= 0x20;
        if (byte != (uint8_t)lower_case[i])
            return false;
    }
    return true;
}
