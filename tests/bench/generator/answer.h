/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * answer.h - the head of an HTTP response: what it means, quickly when it looks like one before.
 *
 * Purpose:   every response is judged. The first of a kind is parsed and remembered with a mask of
 *            the bytes that may differ: values of fields that do not matter here (Date, ETag,
 *            Request-Id, ...). One that equals it in all other bytes, and has no control character
 *            in those, means the same.
 * Ownership: plain data.
 * Threading: one parser per core.
 * Units:     bytes.
 * Errors:    ANSWER_MALFORMED: not an HTTP/1 response, or framed in a way that is not understood
 *            (chunked coding).
 * Source:    RFC 9112 sections 4 to 6, RFC 9211 (Cache-Status).
 */
#ifndef GANNET_BENCH_ANSWER_H
#define GANNET_BENCH_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

#define ANSWER_HEAD_BYTES_MAX 16384u
#define ANSWER_UNTIL_CLOSE UINT64_MAX
#define ANSWER_LEARNED_BYTES_MAX 1024u /* longer heads are parsed each time */
#define ANSWER_LEARNED_COUNT 4u        /* hits, misses, PUT, one more */

struct answer_head {
    uint64_t body_bytes; /* or ANSWER_UNTIL_CLOSE */
    uint32_t head_bytes;
    uint16_t status;
    bool closes;
    bool is_hit;
};

enum answer_verdict { ANSWER_COMPLETE = 0, ANSWER_INCOMPLETE, ANSWER_MALFORMED };

struct answer_learned {
    struct answer_head head; /* head_bytes 0: nothing learned */
    uint8_t bytes[ANSWER_LEARNED_BYTES_MAX];
    uint8_t mask[ANSWER_LEARNED_BYTES_MAX]; /* 0xff: must be equal; 0: may differ */
};

struct answer_parser {
    uint32_t recent; /* matched last */
    uint32_t oldest; /* is replaced next */
    uint64_t slow_count;
    struct answer_learned learned[ANSWER_LEARNED_COUNT];
};

enum answer_verdict answer_parse_slowly(struct answer_parser *parser, const uint8_t *bytes,
                                        uint32_t length, struct answer_head *out);
bool answer_is_like(const struct answer_learned *learned, const uint8_t *bytes, uint32_t length);

/* `bytes` begin with a head; `out` is valid when it is complete. */
static inline enum answer_verdict answer_parse(struct answer_parser *parser, const uint8_t *bytes,
                                               uint32_t length, struct answer_head *out)
{
    const struct answer_learned *learned = &parser->learned[parser->recent];
    if (__builtin_expect(answer_is_like(learned, bytes, length), 1)) {
        *out = learned->head;
        return ANSWER_COMPLETE;
    }
    return answer_parse_slowly(parser, bytes, length, out);
}

#endif
