/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * http_text.h - the small texts of HTTP: escapes, query parameters, numbers.
 *
 * Purpose:   what workers and task threads both read out of targets and fields.
 * Ownership: slices point into the caller's bytes and live as long as they do.
 * Threading: none.
 * Units:     bytes.
 * Errors:    false.
 * Source:    RFC 3986 2.1 (percent-encoding), RFC 9110 5 (fields).
 */
#ifndef GANNET_HTTP_TEXT_H
#define GANNET_HTTP_TEXT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct http_slice {
    const uint8_t *at;
    uint32_t bytes;
};

/* Percent-decodes; false on a bad escape or when `room` is too small. '+' stays '+'. */
bool http_percent_decode(struct http_slice encoded, uint8_t *out, uint32_t room,
                         uint32_t *out_bytes);

/*
 * The raw (still encoded) value of a query parameter, the first of several; false when it is not
 * there.
 */
bool http_look_for_parameter(struct http_slice query, const char *name, struct http_slice *value);

static inline bool http_query_parameter(struct http_slice query, const char *name,
                                        struct http_slice *value)
{
    return query.bytes > 0 && http_look_for_parameter(query, name, value);
}

/* Decimal of 1..19 digits, nothing else; false otherwise. */
bool http_parse_decimal(struct http_slice text, uint64_t *value);

/* Of as many bytes as the slice has. */
bool http_bytes_are(const uint8_t *at, const char *lower_case, uint32_t bytes);

/* Case-insensitive comparison with a lower-case literal. */
static inline bool http_slice_is(struct http_slice slice, const char *lower_case)
{
    return slice.bytes == strlen(lower_case) && http_bytes_are(slice.at, lower_case, slice.bytes);
}

#endif
