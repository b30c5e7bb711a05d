/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dataplane/http_parser.h"
#include "include/compiler.h"
#include "tests/unit/guarded_bytes.h"

#define TEXT(literal) literal, sizeof(literal) - 1

/* RFC 9112 7.1 */
static const struct {
    const char *rule, *text;
    uint32_t bytes;
    const char *body;
} good[] = {
    {"one chunk", TEXT("5\r\nhello\r\n0\r\n\r\n"), "hello"},
    {"no chunk", TEXT("0\r\n\r\n"), ""},
    {"several zeros end it too", TEXT("000\r\n\r\n"), ""},
    {"three chunks", TEXT("1\r\na\r\n2\r\nbc\r\n3\r\ndef\r\n0\r\n\r\n"), "abcdef"},
    {"small letters", TEXT("a\r\n0123456789\r\n0\r\n\r\n"), "0123456789"},
    {"capitals", TEXT("A\r\n0123456789\r\n0\r\n\r\n"), "0123456789"},
    {"two digits", TEXT("10\r\n0123456789abcdef\r\n0\r\n\r\n"), "0123456789abcdef"},
    {"leading zeros", TEXT("000000000000005\r\nhello\r\n0\r\n\r\n"), "hello"},
    {"CRLF is data", TEXT("4\r\n\r\n\r\n\r\n0\r\n\r\n"), "\r\n\r\n"},
    {"a last chunk is data", TEXT("5\r\n0\r\n\r\n\r\n0\r\n\r\n"), "0\r\n\r\n"},
    {"an extension (7.1.1)", TEXT("1;a\r\nx\r\n0\r\n\r\n"), "x"},
    {"an extension with a value", TEXT("1;a=b\r\nx\r\n0\r\n\r\n"), "x"},
    {"two extensions", TEXT("1;a=b;c\r\nx\r\n0\r\n\r\n"), "x"},
    {"a quoted value", TEXT("1;a=\"b;c\\\"d\t\"\r\nx\r\n0\r\n\r\n"), "x"},
    {"an empty quoted value", TEXT("1;a=\"\"\r\nx\r\n0\r\n\r\n"), "x"},
    {"a quoted value and more", TEXT("1;a=\"b\" ; c\r\nx\r\n0\r\n\r\n"), "x"},
    {"bad white space", TEXT("1 ; a = b ; c\r\nx\r\n0\r\n\r\n"), "x"},
    {"an extension of the last chunk", TEXT("1\r\nx\r\n0;a=b\r\n\r\n"), "x"},
    {"a trailer (7.1.2)", TEXT("1\r\nx\r\n0\r\nA: b\r\n\r\n"), "x"},
    {"two trailers", TEXT("1\r\nx\r\n0\r\nA:b\r\nC:\r\n\r\n"), "x"},
    {"a trailer that looks like framing", TEXT("0\r\nContent-Length: 5\r\n\r\n"), ""},
    {"bytes above 0x7f in a trailer", TEXT("0\r\nA: \xc3\xa9\t\r\n\r\n"), ""},
};

static const struct {
    const char *rule, *text;
    uint32_t bytes;
} bad[] = {
    {"no size", TEXT("\r\nhello\r\n0\r\n\r\n")},
    {"an extension without a size", TEXT(";a\r\nhello\r\n0\r\n\r\n")},
    {"a sign", TEXT("+5\r\nhello\r\n0\r\n\r\n")},
    {"a negative size", TEXT("-1\r\nhello\r\n0\r\n\r\n")},
    {"0x", TEXT("0x5\r\nhello\r\n0\r\n\r\n")},
    {"an underscore", TEXT("1_0\r\n0123456789abcdef\r\n0\r\n\r\n")},
    {"a leading space", TEXT(" 5\r\nhello\r\n0\r\n\r\n")},
    {"a space behind the size", TEXT("5 \r\nhello\r\n0\r\n\r\n")},
    {"a tab behind the size", TEXT("5\t\r\nhello\r\n0\r\n\r\n")},
    {"a space within the size", TEXT("1 0\r\n0123456789abcdef\r\n0\r\n\r\n")},
    {"a letter that is no digit", TEXT("5g\r\nhello\r\n0\r\n\r\n")},
    {"a dot", TEXT("5.0\r\nhello\r\n0\r\n\r\n")},
    {"a NUL behind the size", TEXT("5\0\r\nhello\r\n0\r\n\r\n")},
    {"sixteen digits", TEXT("0000000000000005\r\nhello\r\n0\r\n\r\n")},
    {"a size beyond 64 bits", TEXT("fffffffffffffffff\r\n")},
    {"LF behind the size", TEXT("5\nhello\r\n0\r\n\r\n")},
    {"CR behind the size", TEXT("5\rhello\r\n0\r\n\r\n")},
    {"two CRs behind the size", TEXT("5\r\r\nhello\r\n0\r\n\r\n")},
    {"no CRLF behind the data", TEXT("5\r\nhello0\r\n\r\n")},
    {"LF behind the data", TEXT("5\r\nhello\n0\r\n\r\n")},
    {"CR behind the data", TEXT("5\r\nhello\r0\r\n\r\n")},
    {"a size below the data", TEXT("4\r\nhello\r\n0\r\n\r\n")},
    {"a size above the data", TEXT("6\r\nhello\r\n0\r\n\r\n")},
    {"two CRLFs behind the data", TEXT("5\r\nhello\r\n\r\n0\r\n\r\n")},
    {"a semicolon and nothing", TEXT("5;\r\nhello\r\n0\r\n\r\n")},
    {"two semicolons", TEXT("5;;a\r\nhello\r\n0\r\n\r\n")},
    {"an extension of a comma", TEXT("5;,\r\nhello\r\n0\r\n\r\n")},
    {"an extension with no value behind =", TEXT("5;a=\r\nhello\r\n0\r\n\r\n")},
    {"an extension name in quotes", TEXT("5;\"a\"\r\nhello\r\n0\r\n\r\n")},
    {"two names", TEXT("5;a b\r\nhello\r\n0\r\n\r\n")},
    {"two values", TEXT("5;a=b c\r\nhello\r\n0\r\n\r\n")},
    {"a space behind an extension", TEXT("5;a \r\nhello\r\n0\r\n\r\n")},
    {"a space behind a value", TEXT("5;a=b \r\nhello\r\n0\r\n\r\n")},
    {"text behind a quoted value", TEXT("5;a=\"b\"c\r\nhello\r\n0\r\n\r\n")},
    {"an open quote", TEXT("5;a=\"b\r\nhello\r\n0\r\n\r\n")},
    {"LF in an extension", TEXT("5;a\nhello\r\n0\r\n\r\n")},
    {"LF in a quoted value", TEXT("5;a=\"\n\"\r\nhello\r\n0\r\n\r\n")},
    {"an escaped CR", TEXT("5;a=\"\\\r\"\r\nhello\r\n0\r\n\r\n")},
    {"a NUL in an extension", TEXT("5;a\0\r\nhello\r\n0\r\n\r\n")},
    {"a control byte in a quoted value", TEXT("5;a=\"\x01\"\r\nhello\r\n0\r\n\r\n")},
    {"a rubout in a quoted value", TEXT("5;a=\"\x7f\"\r\nhello\r\n0\r\n\r\n")},
    {"a trailer without a colon", TEXT("0\r\nab\r\n\r\n")},
    {"a trailer without a name", TEXT("0\r\n: b\r\n\r\n")},
    {"a space before a trailer", TEXT("0\r\n A: b\r\n\r\n")},
    {"a space before a trailer's colon", TEXT("0\r\nA : b\r\n\r\n")},
    {"a folded trailer", TEXT("0\r\nA: b\r\n c\r\n\r\n")},
    {"a NUL in a trailer", TEXT("0\r\nA: \0\r\n\r\n")},
    {"LF behind a trailer", TEXT("0\r\nA: b\n\r\n")},
    {"CR in a trailer", TEXT("0\r\nA: b\rc\r\n\r\n")},
    {"LF at the end", TEXT("0\r\n\n")},
    {"CR at the end", TEXT("0\r\n\rX")},
    {"LF behind the last size", TEXT("0\n\r\n")},
};

struct decoded {
    uint8_t body[4096];
    uint32_t body_bytes, used_bytes;
};

/* Feeds one piece, as the caller's loop does. */
static enum http_parse_status feed(struct http_chunked *chunked, const char *text, uint32_t bytes,
                                   struct decoded *decoded)
{
    const uint8_t *at = guarded_at_end(text, bytes);
    for (;;) {
        uint32_t used = UINT32_MAX;
        struct http_slice body;
        enum http_parse_status status = http_chunked_next(chunked, at, bytes, &used, &body);
        assert_true(used <= bytes && body.bytes <= used);
        assert_true(decoded->body_bytes + body.bytes <= sizeof(decoded->body));
        memcpy(decoded->body + decoded->body_bytes, body.at, body.bytes);
        decoded->body_bytes += body.bytes;
        decoded->used_bytes += used;
        at += used;
        bytes -= used;
        if (status != HTTP_PARSE_PARTIAL || bytes == 0)
            return status;
        assert_true(used > 0); /* or the loop would never end */
    }
}

static void check_decoded(size_t index, const struct decoded *decoded)
{
    if (decoded->body_bytes != strlen(good[index].body) ||
        memcmp(decoded->body, good[index].body, decoded->body_bytes) != 0)
        fail_msg("'%s': body of %u bytes", good[index].rule, decoded->body_bytes);
    if (decoded->used_bytes != good[index].bytes)
        fail_msg("'%s': %u bytes used", good[index].rule, decoded->used_bytes);
}

static void a_good_body_comes_out_at_every_split(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(good); i++) {
        for (uint32_t split = 0; split < good[i].bytes; split++) {
            struct http_chunked chunked = {0};
            struct decoded decoded = {.body_bytes = 0};
            if (feed(&chunked, good[i].text, split, &decoded) != HTTP_PARSE_PARTIAL)
                fail_msg("'%s': %u bytes are not partial", good[i].rule, split);
            if (feed(&chunked, good[i].text + split, good[i].bytes - split, &decoded) !=
                HTTP_PARSE_DONE)
                fail_msg("'%s' split at %u is not done", good[i].rule, split);
            check_decoded(i, &decoded);
        }
    }
}

static void a_good_body_comes_out_byte_by_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(good); i++) {
        struct http_chunked chunked = {0};
        struct decoded decoded = {.body_bytes = 0};
        for (uint32_t at = 0; at < good[i].bytes; at++)
            assert_int_equal(feed(&chunked, good[i].text + at, 1, &decoded),
                             at + 1 == good[i].bytes ? HTTP_PARSE_DONE : HTTP_PARSE_PARTIAL);
        check_decoded(i, &decoded);
    }
}

static void what_follows_a_body_is_left_alone(void **state)
{
    (void)state;
    char text[256];
    for (size_t i = 0; i < ARRAY_COUNT(good); i++) {
        struct http_chunked chunked = {0};
        struct decoded decoded = {.body_bytes = 0};
        memcpy(text, good[i].text, good[i].bytes);
        memcpy(text + good[i].bytes, "GET / HTTP", 10);
        assert_int_equal(feed(&chunked, text, good[i].bytes + 10, &decoded), HTTP_PARSE_DONE);
        check_decoded(i, &decoded);
        assert_int_equal(feed(&chunked, "GET", 3, &decoded), HTTP_PARSE_DONE);
        check_decoded(i, &decoded);
    }
}

static void a_bad_body_is_refused_at_every_split(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        for (uint32_t split = 0; split <= bad[i].bytes; split++) {
            struct http_chunked chunked = {0};
            struct decoded decoded = {.body_bytes = 0};
            enum http_parse_status status = feed(&chunked, bad[i].text, split, &decoded);
            if (status == HTTP_PARSE_DONE)
                fail_msg("'%s': %u bytes are done", bad[i].rule, split);
            if (feed(&chunked, bad[i].text + split, bad[i].bytes - split, &decoded) !=
                HTTP_PARSE_BAD)
                fail_msg("'%s' split at %u is not bad", bad[i].rule, split);
            assert_int_equal(feed(&chunked, "0\r\n\r\n", 5, &decoded), HTTP_PARSE_BAD);
        }
    }
}

/* A line of `bytes` before its LF: the size, one extension, the CR. */
static enum http_parse_status feed_line_of(uint32_t bytes)
{
    char text[512];
    struct http_chunked chunked = {0};
    struct decoded decoded = {.body_bytes = 0};
    memset(text, 'a', sizeof(text));
    memcpy(text, "1;", 2);
    memcpy(text + bytes - 1, "\r\nx\r\n0\r\n\r\n", 10);
    return feed(&chunked, text, bytes - 1 + 10, &decoded);
}

static void a_size_line_is_bounded(void **state)
{
    (void)state;
    assert_int_equal(feed_line_of(HTTP_CHUNK_LINE_BYTES_MAX), HTTP_PARSE_DONE);
    assert_int_equal(feed_line_of(HTTP_CHUNK_LINE_BYTES_MAX + 1), HTTP_PARSE_BAD);
}

static enum http_parse_status feed_trailer_of(uint32_t bytes)
{
    static char text[HTTP_TRAILER_BYTES_MAX + 64];
    struct http_chunked chunked = {0};
    struct decoded decoded = {.body_bytes = 0};
    memset(text, 'a', sizeof(text));
    memcpy(text, "0\r\nA:", 5);
    memcpy(text + 3 + bytes - 4, "\r\n\r\n", 4);
    return feed(&chunked, text, 3 + bytes, &decoded);
}

static void trailers_are_bounded(void **state)
{
    (void)state;
    assert_int_equal(feed_trailer_of(HTTP_TRAILER_BYTES_MAX), HTTP_PARSE_DONE);
    assert_int_equal(feed_trailer_of(HTTP_TRAILER_BYTES_MAX + 1), HTTP_PARSE_BAD);
}

static void a_body_that_is_mostly_extensions_is_refused(void **state)
{
    (void)state;
    struct http_chunked chunked = {0};
    struct decoded decoded = {.body_bytes = 0};
    enum http_parse_status status = HTTP_PARSE_PARTIAL;
    uint32_t chunks = 0;
    while (chunks < 1000 && status == HTTP_PARSE_PARTIAL) {
        status = feed(&chunked,
                      TEXT("1;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                           "aaaaaaaaaaaaaaaaaaaaaaaaaaaaa=bbbbbbbbbbbbbbbbbbbbbbb\r\nx\r\n"),
                      &decoded);
        chunks++;
    }
    assert_int_equal(status, HTTP_PARSE_BAD);
    assert_in_range(chunks, 100, 200);
}

static void many_chunks_of_one_byte_are_no_excess(void **state)
{
    (void)state;
    struct http_chunked chunked = {0};
    struct decoded decoded = {.body_bytes = 0};
    for (uint32_t i = 0; i < 4096; i++)
        assert_int_equal(feed(&chunked, TEXT("1\r\nx\r\n"), &decoded), HTTP_PARSE_PARTIAL);
    assert_int_equal(feed(&chunked, TEXT("0\r\n\r\n"), &decoded), HTTP_PARSE_DONE);
    assert_int_equal(decoded.body_bytes, 4096);
}

static void the_largest_size_is_counted_down_without_overflow(void **state)
{
    (void)state;
    struct http_chunked chunked = {0};
    struct decoded decoded = {.body_bytes = 0};
    assert_int_equal(feed(&chunked, TEXT("fffffffffffffff\r\nabc"), &decoded), HTTP_PARSE_PARTIAL);
    assert_int_equal(decoded.body_bytes, 3);
    assert_true(chunked.chunk_left == (UINT64_C(1) << 60) - 1 - 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_body_comes_out_at_every_split),
        cmocka_unit_test(a_good_body_comes_out_byte_by_byte),
        cmocka_unit_test(what_follows_a_body_is_left_alone),
        cmocka_unit_test(a_bad_body_is_refused_at_every_split),
        cmocka_unit_test(a_size_line_is_bounded),
        cmocka_unit_test(trailers_are_bounded),
        cmocka_unit_test(a_body_that_is_mostly_extensions_is_refused),
        cmocka_unit_test(many_chunks_of_one_byte_are_no_excess),
        cmocka_unit_test(the_largest_size_is_counted_down_without_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
