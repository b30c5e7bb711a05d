/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/http_parser.h"

#include "dataplane/http_scan.h"
#include "include/assert_policy.h"

/*
 * RFC 9112 7.1, one state per position in the grammar:
 *   chunk-size *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] ) CRLF data CRLF
 *   ... "0" extensions CRLF *( field-line CRLF ) CRLF
 */
enum chunk_state {
    CHUNK_SIZE_FIRST = 0,
    CHUNK_SIZE,
    CHUNK_BEFORE_SEMICOLON, /* BWS behind a size or a value */
    CHUNK_NAME_FIRST,
    CHUNK_NAME,
    CHUNK_BEHIND_NAME, /* BWS: an "=" or the next ";" must follow */
    CHUNK_VALUE_FIRST,
    CHUNK_VALUE,
    CHUNK_QUOTED,
    CHUNK_QUOTED_PAIR,
    CHUNK_BEHIND_QUOTED,
    CHUNK_SIZE_LF,
    CHUNK_DATA,
    CHUNK_DATA_CR,
    CHUNK_DATA_LF,
    CHUNK_TRAILER_FIRST, /* a trailer line or the empty line */
    CHUNK_TRAILER_NAME,
    CHUNK_TRAILER_VALUE,
    CHUNK_TRAILER_LF,
    CHUNK_END_LF,
    CHUNK_DONE,
    CHUNK_BAD,
};

/* What an average chunk may cost in framing before it counts as excess. */
#define CHUNK_FRAMING_BYTES_FREE 16u

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t';
}

static bool is_token(uint8_t byte)
{
    return http_byte_is(byte, HTTP_CLASS_TOKEN);
}

static bool is_text(uint8_t byte)
{
    return !http_byte_is(byte, HTTP_CLASS_CONTROL);
}

static enum chunk_state add_size_digit(struct http_chunked *chunked, uint8_t byte)
{
    uint8_t lower = byte | 0x20;
    uint8_t digit;
    if (byte >= '0' && byte <= '9')
        digit = (uint8_t)(byte - '0');
    else if (lower >= 'a' && lower <= 'f')
        digit = (uint8_t)(lower - 'a' + 10);
    else
        return CHUNK_BAD;
    if (chunked->size_digits == HTTP_CHUNK_SIZE_DIGITS_MAX)
        return CHUNK_BAD;
    chunked->size_digits++;
    chunked->chunk_left = chunked->chunk_left << 4 | digit;
    return CHUNK_SIZE;
}

/* What may follow a complete size, name, or value; `blank` is the state behind white space. */
static enum chunk_state behind_element(uint8_t byte, enum chunk_state blank)
{
    if (byte == '\r')
        return CHUNK_SIZE_LF;
    if (byte == ';')
        return CHUNK_NAME_FIRST;
    return is_blank(byte) ? blank : CHUNK_BAD;
}

/* One byte of the size line, before its LF. */
static enum chunk_state size_line_step(struct http_chunked *chunked, enum chunk_state state,
                                       uint8_t byte)
{
    switch (state) {
    case CHUNK_SIZE_FIRST:
        return add_size_digit(chunked, byte);
    case CHUNK_SIZE:
        if (byte == '\r' || byte == ';' || is_blank(byte))
            return behind_element(byte, CHUNK_BEFORE_SEMICOLON);
        return add_size_digit(chunked, byte);
    case CHUNK_BEFORE_SEMICOLON:
        return byte == '\r' ? CHUNK_BAD : behind_element(byte, state);
    case CHUNK_NAME_FIRST:
        if (is_blank(byte))
            return state;
        return is_token(byte) ? CHUNK_NAME : CHUNK_BAD;
    case CHUNK_NAME:
        if (is_token(byte))
            return state;
        return byte == '=' ? CHUNK_VALUE_FIRST : behind_element(byte, CHUNK_BEHIND_NAME);
    case CHUNK_BEHIND_NAME:
        if (byte == '=')
            return CHUNK_VALUE_FIRST;
        return byte == '\r' ? CHUNK_BAD : behind_element(byte, state);
    case CHUNK_VALUE_FIRST:
        if (is_blank(byte))
            return state;
        if (byte == '"')
            return CHUNK_QUOTED;
        return is_token(byte) ? CHUNK_VALUE : CHUNK_BAD;
    case CHUNK_VALUE:
        return is_token(byte) ? state : behind_element(byte, CHUNK_BEFORE_SEMICOLON);
    case CHUNK_QUOTED:
        if (byte == '"')
            return CHUNK_BEHIND_QUOTED;
        if (byte == '\\')
            return CHUNK_QUOTED_PAIR;
        return is_text(byte) ? state : CHUNK_BAD;
    case CHUNK_QUOTED_PAIR:
        return is_text(byte) ? CHUNK_QUOTED : CHUNK_BAD;
    default:
        return behind_element(byte, CHUNK_BEFORE_SEMICOLON); /* CHUNK_BEHIND_QUOTED */
    }
}

/* The size line is complete: pay for its framing with the data it brings. */
static enum chunk_state end_size_line(struct http_chunked *chunked, uint8_t byte)
{
    if (byte != '\n')
        return CHUNK_BAD;
    uint64_t cost = (uint64_t)chunked->excess_bytes + chunked->line_bytes + 2;
    uint64_t paid = CHUNK_FRAMING_BYTES_FREE + chunked->chunk_left;
    chunked->excess_bytes = cost > paid ? (uint32_t)(cost - paid) : 0;
    chunked->line_bytes = 0;
    chunked->size_digits = 0;
    if (chunked->excess_bytes > HTTP_CHUNK_EXCESS_BYTES_MAX)
        return CHUNK_BAD;
    return chunked->chunk_left != 0 ? CHUNK_DATA : CHUNK_TRAILER_FIRST;
}

/* One byte of the trailer section: field lines as strict as those of the head. */
static enum chunk_state trailer_step(struct http_chunked *chunked, enum chunk_state state,
                                     uint8_t byte)
{
    if (++chunked->trailer_bytes > HTTP_TRAILER_BYTES_MAX)
        return CHUNK_BAD;
    switch (state) {
    case CHUNK_TRAILER_FIRST:
        if (byte == '\r')
            return CHUNK_END_LF;
        return is_token(byte) ? CHUNK_TRAILER_NAME : CHUNK_BAD;
    case CHUNK_TRAILER_NAME:
        if (byte == ':')
            return CHUNK_TRAILER_VALUE;
        return is_token(byte) ? state : CHUNK_BAD;
    case CHUNK_TRAILER_VALUE:
        if (byte == '\r')
            return CHUNK_TRAILER_LF;
        return is_text(byte) ? state : CHUNK_BAD;
    case CHUNK_TRAILER_LF:
        return byte == '\n' ? CHUNK_TRAILER_FIRST : CHUNK_BAD;
    default:
        return byte == '\n' ? CHUNK_DONE : CHUNK_BAD; /* CHUNK_END_LF */
    }
}

/* One byte of anything but data. */
static enum chunk_state framing_step(struct http_chunked *chunked, uint8_t byte)
{
    enum chunk_state state = chunked->state;
    if (state < CHUNK_SIZE_LF) {
        if (++chunked->line_bytes > HTTP_CHUNK_LINE_BYTES_MAX)
            return CHUNK_BAD;
        return size_line_step(chunked, state, byte);
    }
    if (state == CHUNK_SIZE_LF)
        return end_size_line(chunked, byte);
    if (state == CHUNK_DATA_CR)
        return byte == '\r' ? CHUNK_DATA_LF : CHUNK_BAD;
    if (state == CHUNK_DATA_LF)
        return byte == '\n' ? CHUNK_SIZE_FIRST : CHUNK_BAD;
    return trailer_step(chunked, state, byte);
}

static enum http_parse_status chunked_status(const struct http_chunked *chunked)
{
    if (chunked->state == CHUNK_DONE)
        return HTTP_PARSE_DONE;
    return chunked->state == CHUNK_BAD ? HTTP_PARSE_BAD : HTTP_PARSE_PARTIAL;
}

enum http_parse_status http_chunked_next(struct http_chunked *chunked, const uint8_t *bytes,
                                         uint32_t length, uint32_t *used, struct http_slice *body)
{
    uint32_t at = 0;
    ASSERT_HOT(chunked->state <= CHUNK_BAD);
    *body = (struct http_slice){bytes, 0};
    while (at < length && chunked->state < CHUNK_DONE && chunked->state != CHUNK_DATA)
        chunked->state = (uint8_t)framing_step(chunked, bytes[at++]);
    if (chunked->state == CHUNK_DATA && at < length) {
        uint32_t left = length - at;
        uint32_t run = chunked->chunk_left < left ? (uint32_t)chunked->chunk_left : left;
        *body = (struct http_slice){bytes + at, run};
        at += run;
        chunked->chunk_left -= run;
        if (chunked->chunk_left == 0)
            chunked->state = CHUNK_DATA_CR;
    }
    *used = at;
    return chunked_status(chunked);
}
