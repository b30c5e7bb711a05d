/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * http_range.h - the one range of bytes that a GET asks for.
 *
 * Purpose:   the Range field, and where in a value of a given size it lies.
 * Ownership: none.
 * Threading: none.
 * Units:     bytes, counted from 0; `last` is included.
 * Errors:    what is not one range of bytes is no range: the whole value is sent, which RFC 9110
 *            14.2 allows for every Range, and thereby for several at once.
 * Source:    RFC 9110 section 14.
 */
#ifndef GANNET_HTTP_RANGE_H
#define GANNET_HTTP_RANGE_H

#include "dataplane/http_parser.h"

enum http_range_kind {
    HTTP_RANGE_NONE = 0,
    HTTP_RANGE_FROM_TO, /* first-last, or first- with `last` UINT64_MAX */
    HTTP_RANGE_SUFFIX,  /* the last `last` bytes */
};

struct http_range {
    uint8_t kind; /* enum http_range_kind */
    uint64_t first, last;
};

enum http_range_verdict {
    HTTP_RANGE_WHOLE = 0,
    HTTP_RANGE_PART,          /* 206 */
    HTTP_RANGE_UNSATISFIABLE, /* 416 */
};

/* From the request's fields; several ranges, other units and malformed ones are NONE. */
struct http_range http_range_parse(const struct http_request *request);

/* PART: `offset` and `length` of it in a value of `size` bytes; length is not 0. */
enum http_range_verdict http_range_resolve(const struct http_range *range, uint32_t size,
                                           uint32_t *offset, uint32_t *length);

#endif
