/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * http_parser.h - bytes to request heads and bodies: strict, zero-copy, no I/O, no allocation.
 *
 * Purpose:   the head of an HTTP/1.x request, and chunked bodies, from any split of the bytes.
 * Ownership: slices point into the caller's bytes and live as long as they do.
 * Threading: none; all state is in the caller's structs.
 * Units:     bytes.
 * Errors:    HTTP_PARSE_BAD with the status to answer; after it the connection closes. Every
 *            framing doubt is 400: two parties that disagree about where a message ends are an
 *            attack. Where the RFCs leave a choice it is the stricter one: a second
 *            Content-Length is refused even when it agrees, a Host may not be empty or hold a
 *            comma, chunked stands alone. The verdict on given bytes never depends on how they
 *            were split.
 * Source:    RFC 9112 (messages), RFC 9110 (fields, methods).
 */
#ifndef GANNET_HTTP_PARSER_H
#define GANNET_HTTP_PARSER_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "include/http_text.h"

#define HTTP_FIELDS_MAX 64u

enum http_method {
    HTTP_GET = 0,
    HTTP_HEAD,
    HTTP_PUT,
    HTTP_DELETE,
    HTTP_POST,
    HTTP_PATCH,
    HTTP_OPTIONS,
    HTTP_TRACE,
    HTTP_CONNECT,
    HTTP_METHOD_OTHER, /* a valid token that is none of the above: 501 */
};

enum http_flag {
    HTTP_KEEP_ALIVE = 1u << 0,      /* the connection goes on after the answer */
    HTTP_CHUNKED = 1u << 1,         /* body in chunks */
    HTTP_HAS_LENGTH = 1u << 2,      /* Content-Length was there */
    HTTP_EXPECT_CONTINUE = 1u << 3, /* Expect: 100-continue, from HTTP/1.1 */
    HTTP_ABSOLUTE_FORM = 1u << 4,
    HTTP_ASTERISK_FORM = 1u << 5, /* OPTIONS * */
};

struct http_field {
    struct http_slice name, value; /* value without surrounding white space */
};

struct http_request {
    uint8_t method;        /* enum http_method */
    uint8_t version_minor; /* 0 or 1 */
    uint16_t flags;        /* enum http_flag */
    uint16_t field_count;
    uint16_t bad_status;    /* after HTTP_PARSE_BAD: 400, 414, 417, 431, 501, 505 */
    const char *bad_reason; /* one static sentence naming the rule, for the problem document */
    uint32_t head_bytes;    /* whole head with the empty line */
    uint64_t content_length;
    struct http_slice method_text, target;
    struct http_slice path;
    struct http_slice query; /* without '?'; bytes 0 when there is none */
    struct http_slice host;
    uint64_t name_lengths; /* http_name_length_bit of every field's name */
    struct http_field fields[HTTP_FIELDS_MAX];
};

/* Lets http_find_field say no without looking at the fields. */
static inline uint64_t http_name_length_bit(uint32_t bytes)
{
    return UINT64_C(1) << (bytes < 63 ? bytes : 63);
}

enum http_parse_status {
    HTTP_PARSE_DONE = 0,
    HTTP_PARSE_PARTIAL, /* good so far, more bytes needed */
    HTTP_PARSE_BAD,
};

struct http_limits {
    uint32_t request_line_bytes_max; /* 414 */
    uint32_t head_bytes_max;         /* 431 */
    uint32_t fields_max;             /* 431, at most HTTP_FIELDS_MAX */
};

/*
 * Parses one head from the start of `bytes`. Leading empty lines (at most one CRLF, RFC 9112 2.2)
 * are skipped and counted in head_bytes. Stateless: on PARTIAL call again with all bytes so far;
 * a head that exceeds a limit is BAD as soon as that is known.
 */
enum http_parse_status http_parse_request(const uint8_t *bytes, uint32_t length,
                                          const struct http_limits *limits,
                                          struct http_request *request);

/* The first field of that name (lower-case), or NULL. */
const struct http_field *http_look_for_field(const struct http_request *request, const char *name,
                                             uint32_t name_bytes);

/* False: there is none of that name. For literals: a bit test by the name's length. */
static inline bool http_may_have_field(const struct http_request *request, const char *name)
{
    return request->name_lengths & http_name_length_bit((uint32_t)strlen(name));
}

static inline const struct http_field *http_find_field(const struct http_request *request,
                                                       const char *name)
{
    return http_may_have_field(request, name)
               ? http_look_for_field(request, name, (uint32_t)strlen(name))
               : NULL;
}

/*
 * Chunked bodies: state between calls; zero-initialised. Its bounds: 15 digits of chunk size, 256
 * bytes of extensions per chunk, 16 KiB of framing beyond 16 bytes per chunk and the size of its
 * data (a body must not be mostly extensions), 8 KiB of trailers, which are checked and dropped.
 */
#define HTTP_CHUNK_SIZE_DIGITS_MAX 15u
#define HTTP_CHUNK_LINE_BYTES_MAX 256u
#define HTTP_CHUNK_EXCESS_BYTES_MAX 16384u
#define HTTP_TRAILER_BYTES_MAX 8192u

struct http_chunked {
    uint64_t chunk_left;   /* bytes of the current chunk still to come */
    uint32_t line_bytes;   /* of the size line so far, for its limit */
    uint32_t excess_bytes; /* framing beyond what the data so far pays for */
    uint32_t trailer_bytes;
    uint8_t state;
    uint8_t size_digits;
};

/*
 * Consumes from bytes[0..length): sets *used to the bytes consumed and *body to the next run of
 * body bytes within them (bytes 0 when none). DONE: the body and its trailers ended at *used.
 * PARTIAL: call again with what follows *used. One run per call keeps the caller's loop in
 * charge. BAD is always 400, and stays BAD.
 */
enum http_parse_status http_chunked_next(struct http_chunked *chunked, const uint8_t *bytes,
                                         uint32_t length, uint32_t *used, struct http_slice *body);

#endif
