/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * json_text.h - bytes of any kind as text: JSON strings, percent-encoding, base64.
 *
 * Purpose:   keys and values are any bytes, JSON strings are Unicode: what is not UTF-8 travels
 *            percent-encoded (keys) or in base64 (values), and comes back the same.
 * Ownership: text goes to the caller's buffer.
 * Threading: none.
 * Units:     bytes.
 * Errors:    decoding returns false for anything that encoding would not have written.
 * Source:    RFC 8259 7 and 8.1, RFC 3629, RFC 3986 2.1 to 2.3, RFC 4648 4 and 5.
 */
#ifndef GANNET_JSON_TEXT_H
#define GANNET_JSON_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text_buffer;

/* Well-formed UTF-8: no surrogates, nothing too long, nothing beyond U+10FFFF. */
bool text_is_utf8(const void *bytes, size_t count);

/* A JSON string with its quotes; the bytes are UTF-8. */
void json_add_string(struct text_buffer *text, const void *bytes, size_t count);

/* All but letters, digits, "-._~" and "/" as %XX: as in a path. */
void percent_add(struct text_buffer *text, const void *bytes, size_t count);

/* With padding (section 4), or without it and safe in URLs (section 5). */
void base64_add(struct text_buffer *text, const void *bytes, size_t count);
void base64url_add(struct text_buffer *text, const void *bytes, size_t count);

/* What the two above write, nothing else. `out` has room for 3 bytes for every 4 or part of 4. */
bool base64_decode(const char *text, size_t count, uint8_t *out, size_t *out_bytes);
bool base64url_decode(const char *text, size_t count, uint8_t *out, size_t *out_bytes);

#endif
