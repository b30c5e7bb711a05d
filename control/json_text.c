/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/json_text.h"

#include <string.h>

#include "control/text_buffer.h"

/* ---- UTF-8 ---- */

/* RFC 3629 4: bytes of the character that begins here; 0: none does. */
static size_t utf8_character(const uint8_t *at, size_t count)
{
    static const struct {
        uint8_t first_low, first_high, second_low, second_high, bytes;
    } forms[] = {
        {0x00, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    for (size_t i = 0; i < ARRAY_COUNT(forms); i++) {
        if (at[0] < forms[i].first_low || at[0] > forms[i].first_high)
            continue;
        size_t bytes = forms[i].bytes;
        if (bytes > count ||
            (bytes > 1 && (at[1] < forms[i].second_low || at[1] > forms[i].second_high)))
            return 0;
        for (size_t next = 2; next < bytes; next++)
            if (at[next] < 0x80 || at[next] > 0xbf)
                return 0;
        return bytes;
    }
    return 0;
}

bool text_is_utf8(const void *bytes, size_t count)
{
    const uint8_t *at = bytes;
    while (count > 0) {
        size_t character = utf8_character(at, count);
        if (character == 0)
            return false;
        at += character;
        count -= character;
    }
    return true;
}

/* ---- JSON ---- */

static void add_escaped(struct text_buffer *text, char byte)
{
    switch (byte) {
    case '"':
        text_add(text, "\\\"", 2);
        break;
    case '\\':
        text_add(text, "\\\\", 2);
        break;
    case '\n':
        text_add(text, "\\n", 2);
        break;
    default:
        text_format(text, "\\u%04x", (unsigned)(uint8_t)byte);
    }
}

void json_add_string(struct text_buffer *text, const void *bytes, size_t count)
{
    const char *at = count > 0 ? bytes : ""; /* of nothing, `bytes` may be NULL */
    size_t plain = 0;                        /* bytes that stand for themselves, not yet added */
    text_add(text, "\"", 1);
    for (size_t i = 0; i < count; i++) {
        if ((uint8_t)at[i] >= 0x20 && at[i] != '"' && at[i] != '\\' && at[i] != 0x7f) {
            plain++;
            continue;
        }
        text_add(text, at + i - plain, plain);
        add_escaped(text, at[i]);
        plain = 0;
    }
    text_add(text, at + count - plain, plain);
    text_add(text, "\"", 1);
}

/* ---- percent ---- */

static bool is_plain_in_path(uint8_t byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || (byte != 0 && strchr("-._~/", byte) != NULL);
}

void percent_add(struct text_buffer *text, const void *bytes, size_t count)
{
    const uint8_t *at = bytes;
    for (size_t i = 0; i < count; i++) {
        if (is_plain_in_path(at[i]))
            text_add(text, (const char *)&at[i], 1);
        else
            text_format(text, "%%%02X", at[i]);
    }
}

/* ---- base64 ---- */

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void add_base64(struct text_buffer *text, const uint8_t *at, size_t count,
                       const char *alphabet, bool is_padded)
{
    for (; count > 0; at += 3) {
        size_t taken = count < 3 ? count : 3;
        uint32_t bits = (uint32_t)at[0] << 16 | (uint32_t)(taken > 1 ? at[1] : 0) << 8 |
                        (uint32_t)(taken > 2 ? at[2] : 0);
        char group[4] = {alphabet[bits >> 18], alphabet[bits >> 12 & 63], alphabet[bits >> 6 & 63],
                         alphabet[bits & 63]};
        memset(group + taken + 1, '=', 3 - taken);
        text_add(text, group, is_padded ? sizeof(group) : taken + 1);
        count -= taken;
    }
}

void base64_add(struct text_buffer *text, const void *bytes, size_t count)
{
    add_base64(text, bytes, count, digits, true);
}

void base64url_add(struct text_buffer *text, const void *bytes, size_t count)
{
    add_base64(text, bytes, count, url_digits, false);
}

/* One group of 2 to 4 digits; bits that no byte takes must be zero, or one value had two texts. */
static bool decode_group(const char *text, size_t count, const char *alphabet, uint8_t *out)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < 4; i++) {
        const char *digit = i < count ? memchr(alphabet, text[i], 64) : alphabet;
        if (digit == NULL)
            return false;
        bits = bits << 6 | (uint32_t)(digit - alphabet);
    }
    for (size_t i = 0; i + 1 < count; i++)
        out[i] = (uint8_t)(bits >> (16 - 8 * i));
    return (bits & ((UINT32_C(1) << (8 * (4 - count))) - 1)) == 0 || count == 4;
}

static bool decode(const char *text, size_t count, const char *alphabet, uint8_t *out,
                   size_t *out_bytes)
{
    *out_bytes = 0;
    if (count % 4 == 1)
        return false;
    while (count > 0) {
        size_t taken = count < 4 ? count : 4;
        if (!decode_group(text, taken, alphabet, out + *out_bytes))
            return false;
        *out_bytes += taken - 1;
        text += taken;
        count -= taken;
    }
    return true;
}

bool base64_decode(const char *text, size_t count, uint8_t *out, size_t *out_bytes)
{
    if (count % 4 != 0)
        return false;
    if (count > 0 && text[count - 1] == '=')
        count -= text[count - 2] == '=' ? 2 : 1;
    return decode(text, count, digits, out, out_bytes);
}

bool base64url_decode(const char *text, size_t count, uint8_t *out, size_t *out_bytes)
{
    return decode(text, count, url_digits, out, out_bytes);
}
