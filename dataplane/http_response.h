/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * http_response.h - response heads as text: a bounded writer, the ready-made head of a value,
 * problem documents.
 *
 * Purpose:   every byte of a response head is written here and nowhere else.
 * Ownership: the caller's buffers.
 * Threading: none; struct http_clock belongs to one worker.
 * Units:     bytes; _ms wall.
 * Errors:    a writer that runs out of room remembers it (is_full) and writes nothing more.
 * Source:    RFC 9110 (fields), RFC 9112 (status line), RFC 9211 (Cache-Status), RFC 9457
 *            (problems).
 */
#ifndef GANNET_HTTP_RESPONSE_H
#define GANNET_HTTP_RESPONSE_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "include/http_problem.h"

struct http_writer {
    uint8_t *start, *at, *end;
    bool is_full;
};

static inline struct http_writer http_writer_on(void *buffer, uint32_t bytes)
{
    uint8_t *start = buffer;
    return (struct http_writer){.start = start, .at = start, .end = start + bytes};
}

static inline uint32_t http_writer_bytes(const struct http_writer *writer)
{
    return (uint32_t)(writer->at - writer->start);
}

static inline void http_write(struct http_writer *writer, const void *bytes, size_t length)
{
    if ((size_t)(writer->end - writer->at) < length) {
        writer->is_full = true;
        return;
    }
    memcpy(writer->at, bytes, length);
    writer->at += length;
}

#define HTTP_WRITE_LITERAL(writer, literal) http_write(writer, literal, sizeof(literal) - 1)

void http_write_text(struct http_writer *writer, const char *text);
void http_write_decimal(struct http_writer *writer, uint64_t value);
void http_write_hex64(struct http_writer *writer, uint64_t value); /* 16 digits */
/* As a JSON string with its quotes; bytes that are not UTF-8 or printable become \u00XX. */
void http_write_json_string(struct http_writer *writer, const void *bytes, uint32_t length);

/* "HTTP/1.1 200 OK\r\n"; an unknown status gets an empty reason. */
void http_write_status(struct http_writer *writer, uint16_t status);

/*
 * What depends only on the value: ETag, Last-Modified, Content-Length, the stored attributes, and
 * the empty line that ends a head. value_head.h makes the same text for hits.
 */
void http_write_value_head(struct http_writer *writer, uint64_t version, uint64_t modified_at_s,
                           uint32_t value_bytes, const uint8_t *attributes,
                           uint32_t attributes_bytes);

/* ETag and Last-Modified alone. */
void http_write_validators(struct http_writer *writer, uint64_t version, uint64_t modified_at_s);

#define CACHE_CONTROL_DEFAULT "no-cache" /* of namespaces.cache_control */

/*
 * The field line, for a value that lives `seconds_left` longer: no max-age or s-maxage promises
 * more. An empty text is no line.
 */
void http_write_cache_control(struct http_writer *writer, const char *text, uint64_t seconds_left);

/* A worker's Date line and request numbers: formatted once a second, not once a response. */
struct http_clock {
    uint64_t second;
    uint64_t request_prefix; /* random per worker and boot */
    uint32_t request_number;
    uint8_t date[29];
};

void http_clock_init(struct http_clock *clock, uint64_t random);
void http_clock_update(struct http_clock *clock, uint64_t wall_ms); /* once per round */
/* The 8 hexadecimal digits of a number, as they stand in memory: for little-endian machines. */
static inline uint64_t http_hex32(uint32_t number)
{
    uint64_t digits = __builtin_bswap32(number);
    digits = (digits | digits << 16) & UINT64_C(0x0000ffff0000ffff);
    digits = (digits | digits << 8) & UINT64_C(0x00ff00ff00ff00ff);
    digits =
        (digits >> 4 & UINT64_C(0x000f000f000f000f)) | (digits << 8 & UINT64_C(0x0f000f000f000f00));
    uint64_t letters = (digits + UINT64_C(0x0606060606060606)) >> 4 & UINT64_C(0x0101010101010101);
    return digits + UINT64_C(0x3030303030303030) + letters * ('a' - '0' - 10);
}
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "http_hex32");

/* A new request id, 16 hexadecimal digits. */
void http_clock_request_id(struct http_clock *clock, uint8_t out[16]);

/* Of the same numbers, as it is: to be a span of a trace. */
static inline uint64_t http_clock_span_id(struct http_clock *clock)
{
    return clock->request_prefix | clock->request_number++;
}

#define HTTP_PROBLEM_END_BYTES 2u /* "}\n", where more members could stand */

/* The RFC 9457 document. `detail` may be NULL; `current_version` is written when it is not 0. */
void http_write_problem(struct http_writer *writer, enum http_problem problem, const char *detail,
                        const uint8_t *request_id, uint32_t request_id_bytes,
                        uint64_t current_version);

#endif
