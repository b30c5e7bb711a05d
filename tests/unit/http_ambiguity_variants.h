/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * http_ambiguity_variants.h - requests whose end two parsers could see at different places.
 *
 * Purpose:   generates them from lists of spellings; each with what becomes of it.
 * Ownership: the caller's variant.
 * Threading: none.
 * Units:     bytes.
 * Errors:    none.
 * Source:    RFC 9112 sections 2.2, 5, 6, 7, 11.2; tests/http_rules.md names the rules.
 */
#ifndef GANNET_TESTS_HTTP_AMBIGUITY_VARIANTS_H
#define GANNET_TESTS_HTTP_AMBIGUITY_VARIANTS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "include/compiler.h"

/* Never the start of an answered request: it is inside a body, or behind the end of the line. */
#define SMUGGLED "GET /v1/ns/default/values/k HTTP/1.1\r\nHost: h\r\nRequest-Id: smuggled\r\n\r\n"

struct ambiguity_variant {
    char name[160];
    const char *rule; /* NULL: refused with 4xx or 501, and closed; else accepted by this rule */
    uint32_t bytes;
    uint8_t text[1024];
};

/* The spellings: `text` with its length, since NUL is one of the tricks. */
struct ambiguity_spelling {
    const char *text;
    uint32_t bytes;
    const char *rule; /* as above */
};
#define SPELLING(text, rule)                                                                       \
    {                                                                                              \
        text, sizeof(text) - 1, rule                                                               \
    }

/* A whole Transfer-Encoding line, before a body in chunks. */
static const struct ambiguity_spelling coding_lines[] = {
    SPELLING("Transfer-Encoding: chunked\r\n", "chunked"),
    SPELLING("transfer-encoding: chunked\r\n", "chunked"),
    SPELLING("TRANSFER-ENCODING:CHUNKED\r\n", "chunked"),
    SPELLING("Transfer-Encoding: \t chunked \t\r\n", "chunked"),
    SPELLING("Transfer-Encoding: chUnKeD\r\n", "chunked"),
    SPELLING("Transfer-Encoding:\r\n", NULL),
    SPELLING("Transfer-Encoding: \"chunked\"\r\n", NULL),
    SPELLING("Transfer-Encoding: 'chunked'\r\n", NULL),
    SPELLING("Transfer-Encoding: chunked;\r\n", NULL),
    SPELLING("Transfer-Encoding: chunked;q=1\r\n", NULL),
    SPELLING("Transfer-Encoding: chunked,\r\n", NULL),
    SPELLING("Transfer-Encoding: ,chunked\r\n", NULL),
    SPELLING("Transfer-Encoding: chunked, chunked\r\n", NULL),
    SPELLING("Transfer-Encoding: chunked, identity\r\n", NULL),
    SPELLING("Transfer-Encoding: identity, chunked\r\n", NULL),
    SPELLING("Transfer-Encoding: identity\r\n", NULL),
    SPELLING("Transfer-Encoding: gzip, chunked\r\n", NULL),
    SPELLING("Transfer-Encoding: chunked, gzip\r\n", NULL),
    SPELLING("Transfer-Encoding: x\r\n", NULL),
    SPELLING("Transfer-Encoding: xchunked\r\n", NULL),
    SPELLING("Transfer-Encoding: chunkedx\r\n", NULL),
    SPELLING("Transfer-Encoding: chu nked\r\n", NULL),
    SPELLING("Transfer-Encoding: chunk\r\n", NULL),
    SPELLING("Transfer-Encoding: chunked\0\r\n", NULL),
    SPELLING("Transfer-Encoding: \0chunked\r\n", NULL),
    SPELLING("Transfer-Encoding: \x0b"
             "chunked\r\n",
             NULL),
    SPELLING("Transfer-Encoding: chunked\x0b\r\n", NULL),
    SPELLING("Transfer-Encoding: \x0c"
             "chunked\r\n",
             NULL),
    SPELLING("Transfer-Encoding: chunked\xa0\r\n", NULL),
    SPELLING("Transfer-Encoding: \xef\xbb\xbf"
             "chunked\r\n",
             NULL),
    SPELLING("Transfer-Encoding: chunked\r\r\n", NULL),
    SPELLING("Transfer-Encoding: chunked\n", NULL),
    SPELLING("Transfer-Encoding: chunked\r", NULL),
    SPELLING("Transfer-Encoding:\r\n chunked\r\n", NULL),
    SPELLING("Transfer-Encoding:\n chunked\r\n", NULL),
    SPELLING("Transfer-Encoding: chunked\r\n x\r\n", NULL),
    SPELLING(" Transfer-Encoding: chunked\r\n", NULL),
    SPELLING("\tTransfer-Encoding: chunked\r\n", NULL),
    SPELLING("Transfer-Encoding : chunked\r\n", NULL),
    SPELLING("Transfer-Encoding\t: chunked\r\n", NULL),
    SPELLING("Transfer-Encoding\0: chunked\r\n", NULL),
    SPELLING("Transfer Encoding: chunked\r\n", NULL),
    SPELLING("Transfer-Encoding\r\n: chunked\r\n", NULL),
    SPELLING("Transfer-Encoding chunked\r\n", NULL),
    SPELLING(":Transfer-Encoding: chunked\r\n", NULL),
    SPELLING("\"Transfer-Encoding\": chunked\r\n", NULL),
    SPELLING("Transfer-Encoding\xc2\xa0: chunked\r\n", NULL),
    SPELLING("X: y\rTransfer-Encoding: chunked\r\n", NULL),
    SPELLING("X: y\nTransfer-Encoding: chunked\r\n", NULL),
    SPELLING("X: y\r\rTransfer-Encoding: chunked\r\n", NULL),
    SPELLING("X: y\0\r\nTransfer-Encoding: chunked\r\n", NULL),
    SPELLING("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", NULL),
    SPELLING("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", NULL),
    SPELLING("Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n", NULL),
    SPELLING("Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n", NULL),
};

/* What stands behind "Content-Length:", before a body of five bytes and something smuggled. */
static const struct ambiguity_spelling lengths[] = {
    SPELLING("5", "length"),
    SPELLING(" 5", "length"),
    SPELLING("\t5\t ", "length"),
    SPELLING(" 05", "length"),
    SPELLING(" 0000000000000000005", "length"),
    SPELLING("", NULL),
    SPELLING(" ", NULL),
    SPELLING(" +5", NULL),
    SPELLING(" -5", NULL),
    SPELLING(" -0", NULL),
    SPELLING(" 5,5", NULL),
    SPELLING(" 5, 5", NULL),
    SPELLING(" 5,", NULL),
    SPELLING(" ,5", NULL),
    SPELLING(" 5 5", NULL),
    SPELLING(" 0x5", NULL),
    SPELLING(" 5h", NULL),
    SPELLING(" 5.0", NULL),
    SPELLING(" 5e0", NULL),
    SPELLING(" 1_0", NULL),
    SPELLING(" \"5\"", NULL),
    SPELLING(" '5'", NULL),
    SPELLING(" 5;", NULL),
    SPELLING(" 5\0", NULL),
    SPELLING(" \0005", NULL),
    SPELLING(" 5\x0b", NULL),
    SPELLING(" \x0c"
             "5",
             NULL),
    SPELLING(" 5\xa0", NULL),
    SPELLING(" \xd9\xa5", NULL),
    SPELLING(" 5\r", NULL),
    SPELLING(" 5\n", NULL),
    SPELLING("\r\n 5", NULL),
    SPELLING(" 18446744073709551621", NULL),
    SPELLING(" 4294967301000000000000", NULL),
    SPELLING(" 5\r\nContent-Length: 5", NULL),
    SPELLING(" 5\r\nContent-Length: 0", NULL),
    SPELLING(" 0\r\nContent-Length: 5", NULL),
    SPELLING(" 5\r\ncontent-length: 5", NULL),
    SPELLING(" 5\r\nContent-Length : 0", NULL),
    SPELLING(" 5\r\n Content-Length: 0", NULL),
    SPELLING(" 5\r\nContent-Length\0: 0", NULL),
    SPELLING(" 5\r\nX: y\rContent-Length: 0", NULL),
    SPELLING(" 5\r\nX: y\nContent-Length: 0", NULL),
    SPELLING(" 5\r\nTransfer-Encoding: chunked", NULL),
    SPELLING(" 5\r\nTransfer-Encoding: identity", NULL),
    SPELLING(" 5\r\nTransfer-Encoding: x", NULL),
    SPELLING(" 5\r\nTransfer-Encoding:", NULL),
};

/* Names that are not framing and must not become it on the way: with a body of none. */
static const struct ambiguity_spelling other_names[] = {
    SPELLING("Content_Length: 5\r\n", "unknown field"),
    SPELLING("Content-Lengt: 5\r\n", "unknown field"),
    SPELLING("Content-Lengths: 5\r\n", "unknown field"),
    SPELLING("X-Content-Length: 5\r\n", "unknown field"),
    SPELLING("Transfer_Encoding: chunked\r\n", "unknown field"),
    SPELLING("Transfer-Encodin: chunked\r\n", "unknown field"),
    SPELLING("TE: chunked\r\n", "unknown field"),
    SPELLING("Trailer: Content-Length\r\n", "unknown field"),
    SPELLING("Connection: Content-Length\r\n", "connection option"),
    SPELLING("Connection: Transfer-Encoding, keep-alive\r\n", "connection option"),
    SPELLING("Upgrade: h2c\r\nConnection: Upgrade\r\n", "upgrade is ignored"),
};

/* A body in chunks that gives five bytes, if it is accepted. */
static const struct ambiguity_spelling chunked_bodies[] = {
    SPELLING("5\r\nhello\r\n0\r\n\r\n", "chunked"),
    SPELLING("05\r\nhello\r\n000\r\n\r\n", "chunked"),
    SPELLING("5;a\r\nhello\r\n0\r\n\r\n", "chunk extension"),
    SPELLING("5;a=b;c=\"\\\"\"\r\nhello\r\n0;d\r\n\r\n", "chunk extension"),
    SPELLING("5 ;a\r\nhello\r\n0\r\n\r\n", "chunk extension"),
    SPELLING("5\r\nhello\r\n0\r\nContent-Length: 99\r\n\r\n", "trailer"),
    SPELLING("5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n", "trailer"),
    SPELLING("5\r\nhello\r\n0\r\nHost: other\r\n\r\n", "trailer"),
    SPELLING("5\nhello\r\n0\r\n\r\n", NULL),
    SPELLING("5\r\nhello\n0\r\n\r\n", NULL),
    SPELLING("5\rhello\r\n0\r\n\r\n", NULL),
    SPELLING("5\r\nhello0\r\n\r\n", NULL),
    SPELLING("5\r\nhello\r\n0\n\r\n", NULL),
    SPELLING("5\r\nhello\r\n0\r\n\n", NULL),
    SPELLING("5\r\nhello\r\n0\r\r\n", NULL),
    SPELLING("5\r\r\nhello\r\n0\r\n\r\n", NULL),
    SPELLING("5 \r\nhello\r\n0\r\n\r\n", NULL),
    SPELLING(" 5\r\nhello\r\n0\r\n\r\n", NULL),
    SPELLING("\r\n5\r\nhello\r\n0\r\n\r\n", NULL),
    SPELLING("\t5\r\nhello\r\n0\r\n\r\n", NULL),
    SPELLING("+5\r\nhello\r\n0\r\n\r\n", NULL),
    SPELLING("-5\r\nhello\r\n0\r\n\r\n", NULL),
    SPELLING("0x5\r\nhello\r\n0\r\n\r\n", NULL),
    SPELLING("5h\r\nhello\r\n0\r\n\r\n", NULL),
    SPELLING("5.0\r\nhello\r\n0\r\n\r\n", NULL),
    SPELLING("5,\r\nhello\r\n0\r\n\r\n", NULL),
    SPELLING("5;\r\nhello\r\n0\r\n\r\n", NULL),
    SPELLING("5;;a\r\nhello\r\n0\r\n\r\n", NULL),
    SPELLING("5;a=\r\nhello\r\n0\r\n\r\n", NULL),
    SPELLING("5;a=\"\r\nhello\r\n0\r\n\r\n", NULL),
    SPELLING("5;a\nb\r\nhello\r\n0\r\n\r\n", NULL),
    SPELLING("5;a\rb\r\nhello\r\n0\r\n\r\n", NULL),
    SPELLING("5;a\0\r\nhello\r\n0\r\n\r\n", NULL),
    SPELLING("5\0\r\nhello\r\n0\r\n\r\n", NULL),
    SPELLING("\r\nhello\r\n0\r\n\r\n", NULL),
    SPELLING("10000000000000005\r\nhello\r\n0\r\n\r\n", NULL),
    SPELLING("fffffffffffffffb\r\nhello\r\n0\r\n\r\n", NULL),
    SPELLING("0000000000000005\r\nhello\r\n0\r\n\r\n", NULL),
    SPELLING("4\r\nhello\r\n0\r\n\r\n", NULL),
    SPELLING("6\r\nhello\r\n0\r\n\r\n", NULL),
    SPELLING("5\r\nhello\r\n0\r\nA : b\r\n\r\n", NULL),
    SPELLING("5\r\nhello\r\n0\r\nA: b\n\r\n", NULL),
    SPELLING("5\r\nhello\r\n0\r\nA: b\r\n c\r\n\r\n", NULL),
    SPELLING("5\r\nhello\r\n0\r\nno colon\r\n\r\n", NULL),
    SPELLING("5\r\nhello\r\n0\r\n: b\r\n\r\n", NULL),
    SPELLING("5\r\nhello\r\n0\r\nA: b\0\r\n\r\n", NULL),
};

/* A head up to its last field line, of a request without a body. */
static const struct ambiguity_spelling request_lines[] = {
    SPELLING("\r\nGET /v1/ns/default/values/k HTTP/1.1\r\nHost: h\r\n", "one empty line"),
    SPELLING("GET http://h/v1/ns/default/values/k HTTP/1.1\r\nHost: other\r\n", "absolute form"),
    SPELLING("OPTIONS * HTTP/1.1\r\nHost: h\r\n", "asterisk form"),
    SPELLING("\nGET /v1/ns/default/values/k HTTP/1.1\r\nHost: h\r\n", NULL),
    SPELLING("\r\n\r\nGET /v1/ns/default/values/k HTTP/1.1\r\nHost: h\r\n", NULL),
    SPELLING(" GET /v1/ns/default/values/k HTTP/1.1\r\nHost: h\r\n", NULL),
    SPELLING("GET  /v1/ns/default/values/k HTTP/1.1\r\nHost: h\r\n", NULL),
    SPELLING("GET\t/v1/ns/default/values/k HTTP/1.1\r\nHost: h\r\n", NULL),
    SPELLING("GET /v1/ns/default/values/k  HTTP/1.1\r\nHost: h\r\n", NULL),
    SPELLING("GET /v1/ns/default/values/k\tHTTP/1.1\r\nHost: h\r\n", NULL),
    SPELLING("GET /v1/ns/default/values/k HTTP/1.1 \r\nHost: h\r\n", NULL),
    SPELLING("GET /v1/ns/default/values/k HTTP/1.1\nHost: h\r\n", NULL),
    SPELLING("GET /v1/ns/default/values/k HTTP/1.1\rHost: h\r\n", NULL),
    SPELLING("GET /v1/ns/default/values/k\r\nHost: h\r\n", NULL),
    SPELLING("GET /v1/ns/default/values/k http/1.1\r\nHost: h\r\n", NULL),
    SPELLING("GET /v1/ns/default/values/k HTTP/1.10\r\nHost: h\r\n", NULL),
    SPELLING("GET /v1/ns/default/values/k HTTP/01.1\r\nHost: h\r\n", NULL),
    SPELLING("GET /v1/ns/default/values/k HTTP/1,1\r\nHost: h\r\n", NULL),
    SPELLING("GET /v1/ns/default/values/k#f HTTP/1.1\r\nHost: h\r\n", NULL),
    SPELLING("GET /v1/ns/default/values/k\0 HTTP/1.1\r\nHost: h\r\n", NULL),
    SPELLING("GET /v1/ns/default/values/\x80 HTTP/1.1\r\nHost: h\r\n", NULL),
    SPELLING("GET h/v1/ns/default/values/k HTTP/1.1\r\nHost: h\r\n", NULL),
    SPELLING("GET * HTTP/1.1\r\nHost: h\r\n", NULL),
    SPELLING("GET http://a@h/v1/ns/default/values/k HTTP/1.1\r\nHost: h\r\n", NULL),
    SPELLING("GET http:///v1/ns/default/values/k HTTP/1.1\r\nHost: h\r\n", NULL),
    SPELLING("GET /v1/ns/default/values/k HTTP/1.1\r\n", NULL),
    SPELLING("GET /v1/ns/default/values/k HTTP/1.1\r\nHost:\r\n", NULL),
    SPELLING("GET /v1/ns/default/values/k HTTP/1.1\r\nHost: h\r\nHost: h\r\n", NULL),
    SPELLING("GET /v1/ns/default/values/k HTTP/1.1\r\nHost: h\r\nhost: other\r\n", NULL),
    SPELLING("GET /v1/ns/default/values/k HTTP/1.1\r\nHost: h, other\r\n", NULL),
    SPELLING("GET /v1/ns/default/values/k HTTP/1.1\r\nHost: a@h\r\n", NULL),
    SPELLING("GET /v1/ns/default/values/k HTTP/1.1\r\nHost: h/x\r\n", NULL),
    SPELLING("GET /v1/ns/default/values/k HTTP/1.1\r\nHost: h other\r\n", NULL),
    SPELLING("GET /v1/ns/default/values/k HTTP/1.1\r\nHost : h\r\n", NULL),
    SPELLING("GET /v1/ns/default/values/k HTTP/1.1\r\n Host: h\r\n", NULL),
    SPELLING("GET /v1/ns/default/values/k HTTP/1.1\r\nHost: h\r\n X: y\r\n", NULL),
    SPELLING("GET /v1/ns/default/values/k HTTP/1.1\r\nHost: h\r\nno colon\r\n", NULL),
    SPELLING("GET /v1/ns/default/values/k HTTP/1.1\r\nHost: h\r\n: y\r\n", NULL),
    SPELLING("GET /v1/ns/default/values/k HTTP/1.1\r\nHost: h\r\nX: \x7f\r\n", NULL),
    SPELLING("GET /v1/ns/default/values/k HTTP/1.1\r\nHost: h\r\nX: \x01\r\n", NULL),
};

#define PUT_LINE "PUT /v1/ns/default/values/sm HTTP/1.1\r\nHost: h\r\n"
#define OLD_PUT_LINE "PUT /v1/ns/default/values/sm HTTP/1.0\r\n"

enum ambiguity_family {
    FAMILY_CODING,        /* a coding line alone */
    FAMILY_CODING_LENGTH, /* and a length behind it that covers what is smuggled */
    FAMILY_LENGTH_CODING, /* before it */
    FAMILY_CODING_OLD,    /* in HTTP/1.0 */
    FAMILY_LENGTH,
    FAMILY_LENGTH_OF_GET, /* bodies of methods that take none */
    FAMILY_OTHER_NAME,
    FAMILY_CHUNKS,
    FAMILY_CHUNKS_OF_DELETE,
    FAMILY_REQUEST_LINE,
    FAMILIES,
};

static inline uint32_t ambiguity_count(enum ambiguity_family family)
{
    switch (family) {
    case FAMILY_CODING:
    case FAMILY_CODING_LENGTH:
    case FAMILY_LENGTH_CODING:
    case FAMILY_CODING_OLD:
        return ARRAY_COUNT(coding_lines);
    case FAMILY_LENGTH:
    case FAMILY_LENGTH_OF_GET:
        return ARRAY_COUNT(lengths);
    case FAMILY_OTHER_NAME:
        return ARRAY_COUNT(other_names);
    case FAMILY_CHUNKS:
    case FAMILY_CHUNKS_OF_DELETE:
        return ARRAY_COUNT(chunked_bodies);
    case FAMILY_REQUEST_LINE:
        return ARRAY_COUNT(request_lines);
    default:
        return 0;
    }
}

static inline void ambiguity_add(struct ambiguity_variant *variant, const char *text, size_t bytes)
{
    memcpy(variant->text + variant->bytes, text, bytes);
    variant->bytes += (uint32_t)bytes;
}

#define ADD(literal) ambiguity_add(variant, literal, sizeof(literal) - 1)
#define ADD_SPELLING(spelling) ambiguity_add(variant, (spelling)->text, (spelling)->bytes)

/* The one request of that family, without what follows it on the connection. */
static inline void ambiguity_make(enum ambiguity_family family, uint32_t number,
                                  struct ambiguity_variant *variant)
{
    static const char chunks[] = "5\r\nhello\r\n0\r\n\r\n";
    const struct ambiguity_spelling *spelling = NULL;
    *variant = (struct ambiguity_variant){.bytes = 0};
    switch (family) {
    case FAMILY_CODING:
    case FAMILY_CODING_LENGTH:
    case FAMILY_LENGTH_CODING:
    case FAMILY_CODING_OLD:
        spelling = &coding_lines[number];
        variant->rule = family == FAMILY_CODING ? spelling->rule : NULL;
        if (family == FAMILY_CODING_OLD)
            ADD(OLD_PUT_LINE);
        else
            ADD(PUT_LINE);
        if (family == FAMILY_LENGTH_CODING)
            ADD("Content-Length: 98\r\n");
        ADD_SPELLING(spelling);
        if (family == FAMILY_CODING_LENGTH)
            ADD("Content-Length: 98\r\n");
        ADD("\r\n");
        ADD(chunks);
        break;
    case FAMILY_LENGTH:
    case FAMILY_LENGTH_OF_GET:
        spelling = &lengths[number];
        variant->rule = spelling->rule;
        if (family == FAMILY_LENGTH)
            ADD(PUT_LINE "Content-Length:");
        else
            ADD("GET /v1/ns/default/values/k HTTP/1.1\r\nHost: h\r\nContent-Length:");
        ADD_SPELLING(spelling);
        ADD("\r\n\r\nhello");
        break;
    case FAMILY_OTHER_NAME:
        spelling = &other_names[number];
        variant->rule = spelling->rule;
        ADD("GET /v1/ns/default/values/k HTTP/1.1\r\nHost: h\r\n");
        ADD_SPELLING(spelling);
        ADD("\r\n");
        break;
    case FAMILY_CHUNKS:
    case FAMILY_CHUNKS_OF_DELETE:
        spelling = &chunked_bodies[number];
        variant->rule = spelling->rule;
        if (family == FAMILY_CHUNKS)
            ADD(PUT_LINE "Transfer-Encoding: chunked\r\n\r\n");
        else
            ADD("DELETE /v1/ns/default/values/sm HTTP/1.1\r\nHost: h\r\n"
                "Transfer-Encoding: chunked\r\n\r\n");
        ADD_SPELLING(spelling);
        break;
    default:
        spelling = &request_lines[number];
        variant->rule = spelling->rule;
        ADD_SPELLING(spelling);
        ADD("\r\n");
        break;
    }
    int at = snprintf(variant->name, sizeof(variant->name), "family %d, ", (int)family);
    for (uint32_t i = 0; i < spelling->bytes && at < 150; i++) {
        uint8_t byte = (uint8_t)spelling->text[i];
        bool is_plain = byte >= ' ' && byte < 0x7f;
        at += snprintf(variant->name + at, sizeof(variant->name) - (size_t)at,
                       is_plain ? "%c" : "\\x%02x", byte);
    }
}

#undef ADD
#undef ADD_SPELLING
#undef SPELLING

#endif
