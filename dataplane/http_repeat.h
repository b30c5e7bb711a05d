/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * http_repeat.h - the head of a plain GET of a value that repeats one seen before, but for its key.
 *
 * Purpose:   a client sends the same header fields with every request. What the parser said about
 *            them is a function of their bytes, so for the same bytes it need not be asked again:
 *            such a head costs a scan of its path and a comparison.
 * Ownership: struct http_repeat keeps copies; a value_target points into the caller's bytes.
 * Threading: none; all state is in the caller's structs.
 * Units:     bytes.
 * Errors:    false means: not known, ask the parser. What is recognised here, http_parse_request
 *            accepts with the same result; the test compares the two.
 * Source:    RFC 9112 section 3 (request line).
 */
#ifndef GANNET_HTTP_REPEAT_H
#define GANNET_HTTP_REPEAT_H

#include "dataplane/http_parser.h"

#define HTTP_REPEAT_WAYS 4u             /* kinds of clients that are told apart */
#define HTTP_REPEAT_TAIL_BYTES_MAX 496u /* longer header sections are always parsed */
#define VALUE_KEY_BYTES_MAX 128u        /* of "namespace\0key"; longer ones take the long way */

/* What the path "/v1/ns/{namespace}/values/{key}" names; neither part has an escape. */
struct value_target {
    struct http_slice space, key;
};

/* From the space behind the path to the end of the head. */
struct http_tail {
    uint32_t bytes; /* 0: none */
    uint8_t text[HTTP_REPEAT_TAIL_BYTES_MAX];
};

struct http_repeat {
    uint32_t latest; /* the way that matched last */
    uint32_t oldest; /* the way to be overwritten next */
    struct http_tail tails[HTTP_REPEAT_WAYS];
};

/*
 * True: the bytes begin with a whole head, of `*head_bytes`, of a plain GET of that value. The
 * limits are those of http_parse_request when the head was learned.
 */
bool http_repeat_match(struct http_repeat *repeat, const struct http_limits *limits,
                       const uint8_t *bytes, uint32_t length, struct value_target *target,
                       uint32_t *head_bytes);

/* After http_parse_request said DONE: the same as http_repeat_match, from what it found. */
bool http_plain_value(const struct http_request *request, struct value_target *target);

/* Remembers the head at `bytes`, which http_plain_value was true for. */
void http_repeat_learn(struct http_repeat *repeat, const struct http_request *request,
                       const uint8_t *bytes);

#endif
