/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dataplane/http_parser.h"
#include "include/compiler.h"
#include "tests/unit/guarded_bytes.h"

static struct http_slice slice_of(const char *text)
{
    size_t bytes = strlen(text);
    return (struct http_slice){guarded_at_end(text, bytes), (uint32_t)bytes};
}

/* RFC 3986 2.1 */
static void escapes_are_decoded(void **state)
{
    (void)state;
    static const struct {
        const char *encoded, *decoded;
    } cases[] = {
        {"", ""},         {"abc", "abc"},   {"%41", "A"},         {"a%2fb", "a/b"},
        {"a%2Fb", "a/b"}, {"a+b", "a+b"},   {"%25%32%35", "%25"}, {"%ff", "\xff"},
        {"x%7e", "x~"},   {"%2525", "%25"}, /* once, not until nothing is left */
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        uint8_t out[16];
        uint32_t bytes = UINT32_MAX;
        if (!http_percent_decode(slice_of(cases[i].encoded), out, sizeof(out), &bytes) ||
            bytes != strlen(cases[i].decoded) || memcmp(out, cases[i].decoded, bytes) != 0)
            fail_msg("'%s' became %u bytes", cases[i].encoded, bytes);
    }
}

static void malformed_escapes_are_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {"%",   "%4",  "%g0", "%0g", "a%",  "%%41",
                                        "%4%", "%-1", "% 1", "%0x", "%+1", "%u0041"};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        uint8_t out[16];
        uint32_t bytes;
        if (http_percent_decode(slice_of(cases[i]), out, sizeof(out), &bytes))
            fail_msg("'%s' is accepted", cases[i]);
    }
}

static void every_byte_survives_an_escape(void **state)
{
    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        char text[4];
        uint8_t out;
        uint32_t bytes;
        snprintf(text, sizeof(text), byte % 2 ? "%%%02x" : "%%%02X", byte);
        assert_true(http_percent_decode(slice_of(text), &out, 1, &bytes));
        assert_int_equal(bytes, 1);
        assert_int_equal(out, byte);
    }
}

static void decoding_stops_at_the_room(void **state)
{
    (void)state;
    uint32_t bytes;
    uint8_t *out = guarded_at_end("", 0) - 3; /* writing a fourth byte would fault */
    struct http_slice three = {(const uint8_t *)"a%62c", 5}, four = {(const uint8_t *)"a%62cd", 6};
    assert_true(http_percent_decode(three, out, 3, &bytes));
    assert_int_equal(bytes, 3);
    assert_false(http_percent_decode(four, out, 3, &bytes));
}

static void a_query_parameter_is_found_by_its_whole_name(void **state)
{
    (void)state;
    static const struct {
        const char *query;
        bool is_there;
        const char *value;
    } cases[] = {
        {"ttl=3600", true, "3600"}, {"a=b&ttl=1", true, "1"},
        {"ttl=1&ttl=2", true, "1"}, {"ttl", true, ""},
        {"ttl=", true, ""},         {"ttl&a", true, ""},
        {"ttl=a=b", true, "a=b"},   {"&&ttl=1&", true, "1"},
        {"ttl=%31", true, "%31"},   {"", false, ""},
        {"ttlx=1", false, ""},      {"xttl=1", false, ""},
        {"TTL=1", false, ""},       {"tt=1", false, ""},
        {"a=ttl", false, ""},       {"a=b;ttl=1", false, ""},
        {"&", false, ""},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct http_slice value = {NULL, 0};
        bool found = http_query_parameter(slice_of(cases[i].query), "ttl", &value);
        if (found != cases[i].is_there || value.bytes != strlen(cases[i].value) ||
            (found && memcmp(value.at, cases[i].value, value.bytes) != 0))
            fail_msg("'%s': found %d, %u bytes", cases[i].query, found, value.bytes);
    }
}

static void decimals_are_digits_only(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_good;
        uint64_t value;
    } cases[] = {
        {"0", true, 0},
        {"7", true, 7},
        {"007", true, 7},
        {"18446744073709551", true, 18446744073709551u},
        {"9999999999999999999", true, 9999999999999999999u},
        {"", false, 0},
        {"10000000000000000000", false, 0}, /* 20 digits */
        {"-1", false, 0},
        {"+1", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"1.0", false, 0},
        {"0x1", false, 0},
        {"1a", false, 0},
        {"/", false, 0}, /* the bytes beside the digits */
        {":", false, 0},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        uint64_t value = 0;
        if (http_parse_decimal(slice_of(cases[i].text), &value) != cases[i].is_good ||
            value != cases[i].value)
            fail_msg("'%s' is %lu", cases[i].text, value);
    }
}

static void a_slice_is_compared_without_case(void **state)
{
    (void)state;
    assert_true(http_slice_is(slice_of("Keep-Alive"), "keep-alive"));
    assert_true(http_slice_is(slice_of(""), ""));
    assert_false(http_slice_is(slice_of("keep-aliv"), "keep-alive"));
    assert_false(http_slice_is(slice_of("keep-alives"), "keep-alive"));
    assert_false(http_slice_is(slice_of("keep\ralive"), "keep-alive")); /* CR | 0x20 is '-' */
    assert_false(http_slice_is(slice_of("@"), "`"));                    /* beside the letters */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escapes_are_decoded),
        cmocka_unit_test(malformed_escapes_are_refused),
        cmocka_unit_test(every_byte_survives_an_escape),
        cmocka_unit_test(decoding_stops_at_the_room),
        cmocka_unit_test(a_query_parameter_is_found_by_its_whole_name),
        cmocka_unit_test(decimals_are_digits_only),
        cmocka_unit_test(a_slice_is_compared_without_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
