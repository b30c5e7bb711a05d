/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * http_trace.h - traceparent: which trace a request is part of.
 *
 * Purpose:   strict reading of the one field that W3C Trace Context needs here: this server asks
 *            nobody else, so there is nobody to pass tracestate on to.
 * Ownership: none.
 * Threading: none.
 * Units:     none.
 * Errors:    HTTP_TRACE_BAD: to be ignored as if it were not there.
 * Source:    W3C Trace Context, 3.2 (traceparent), 4.2 (what to do with a bad one).
 */
#ifndef GANNET_HTTP_TRACE_H
#define GANNET_HTTP_TRACE_H

#include <stdint.h>

#include "dataplane/http_parser.h"

#define HTTP_TRACE_SAMPLED 1u /* of flags: the caller may have recorded it */

enum http_trace_verdict { HTTP_TRACE_NONE = 0, HTTP_TRACE_GOOD, HTTP_TRACE_BAD };

struct http_trace {
    uint8_t verdict; /* enum http_trace_verdict */
    uint8_t flags;
    uint8_t trace_id[16];
    uint8_t parent_id[8]; /* the caller's span */
};

struct http_trace http_trace_read(const struct http_request *request);

#endif
