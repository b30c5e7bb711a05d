/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "dataplane/http_range.h"
#include "include/compiler.h"

static struct http_range parse(const char *fields)
{
    static char text[1024];
    static struct http_request request;
    static const struct http_limits limits = {1024, 1024, HTTP_FIELDS_MAX};
    int bytes = snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", fields);
    assert_int_equal(http_parse_request((const uint8_t *)text, (uint32_t)bytes, &limits, &request),
                     HTTP_PARSE_DONE);
    return http_range_parse(&request);
}

static void one_range_of_bytes_is_read_and_all_else_is_none(void **state)
{
    (void)state;
    static const struct {
        const char *fields;
        struct http_range range;
    } cases[] = {
        {"Range: bytes=0-0\r\n", {HTTP_RANGE_FROM_TO, 0, 0}},
        {"Range: bytes=2-5\r\n", {HTTP_RANGE_FROM_TO, 2, 5}},
        {"Range: bytes=2-\r\n", {HTTP_RANGE_FROM_TO, 2, UINT64_MAX}},
        {"Range: bytes=-3\r\n", {HTTP_RANGE_SUFFIX, 0, 3}},
        {"Range: bytes=-0\r\n", {HTTP_RANGE_SUFFIX, 0, 0}},
        {"rAnGe: BYTES=1-2\r\n", {HTTP_RANGE_FROM_TO, 1, 2}},
        {"Range: bytes= 1-2\r\n", {HTTP_RANGE_FROM_TO, 1, 2}},
        {"Range: bytes=,1-2,\r\n", {HTTP_RANGE_FROM_TO, 1, 2}},
        {"Range: bytes=00000000000000000000007-8\r\n", {HTTP_RANGE_FROM_TO, 7, 8}},
        {"Range: bytes=0-99999999999999999999999\r\n", {HTTP_RANGE_FROM_TO, 0, UINT64_MAX}},
        {"Range: bytes=99999999999999999999999-\r\n", {HTTP_RANGE_FROM_TO, UINT64_MAX, UINT64_MAX}},
        {"", {0}},
        {"Range: bytes\r\n", {0}},
        {"Range: bytes=\r\n", {0}},
        {"Range: bytes=-\r\n", {0}},
        {"Range: bytes=5-2\r\n", {0}},
        {"Range: bytes=a-2\r\n", {0}},
        {"Range: bytes=1-b\r\n", {0}},
        {"Range: bytes=1\r\n", {0}},
        {"Range: bytes=1-2-3\r\n", {0}},
        {"Range: bytes=--1\r\n", {0}},
        {"Range: bytes=+1-2\r\n", {0}},
        {"Range: bytes=1 -2\r\n", {0}},
        {"Range: bytes=0x1-2\r\n", {0}},
        {"Range: bytes=0-1,3-4\r\n", {0}},
        {"Range: bytes =0-1\r\n", {0}},
        {"Range: lines=0-1\r\n", {0}},
        {"Range: bytes=0-1\r\nRange: bytes=0-1\r\n", {0}},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct http_range got = parse(cases[i].fields);
        if (got.kind != cases[i].range.kind ||
            (got.kind != HTTP_RANGE_NONE &&
             (got.first != cases[i].range.first || got.last != cases[i].range.last)))
            fail_msg("'%s': kind %u %lu-%lu", cases[i].fields, got.kind, got.first, got.last);
    }
}

static void a_range_lies_within_the_value_or_cannot_be_met(void **state)
{
    (void)state;
    static const struct {
        struct http_range range;
        uint32_t size;
        enum http_range_verdict verdict;
        uint32_t offset, length;
    } cases[] = {
        {{HTTP_RANGE_NONE, 0, 0}, 10, HTTP_RANGE_WHOLE, 0, 0},
        {{HTTP_RANGE_FROM_TO, 0, 0}, 10, HTTP_RANGE_PART, 0, 1},
        {{HTTP_RANGE_FROM_TO, 2, 5}, 10, HTTP_RANGE_PART, 2, 4},
        {{HTTP_RANGE_FROM_TO, 9, 9}, 10, HTTP_RANGE_PART, 9, 1},
        {{HTTP_RANGE_FROM_TO, 9, UINT64_MAX}, 10, HTTP_RANGE_PART, 9, 1},
        {{HTTP_RANGE_FROM_TO, 0, UINT64_MAX}, UINT32_MAX, HTTP_RANGE_PART, 0, UINT32_MAX},
        {{HTTP_RANGE_FROM_TO, 10, UINT64_MAX}, 10, HTTP_RANGE_UNSATISFIABLE, 0, 0},
        {{HTTP_RANGE_FROM_TO, UINT64_MAX, UINT64_MAX}, 10, HTTP_RANGE_UNSATISFIABLE, 0, 0},
        {{HTTP_RANGE_FROM_TO, 0, 5}, 0, HTTP_RANGE_UNSATISFIABLE, 0, 0},
        {{HTTP_RANGE_SUFFIX, 0, 3}, 10, HTTP_RANGE_PART, 7, 3},
        {{HTTP_RANGE_SUFFIX, 0, 30}, 10, HTTP_RANGE_PART, 0, 10},
        {{HTTP_RANGE_SUFFIX, 0, UINT64_MAX}, 10, HTTP_RANGE_PART, 0, 10},
        {{HTTP_RANGE_SUFFIX, 0, 0}, 10, HTTP_RANGE_UNSATISFIABLE, 0, 0},
        {{HTTP_RANGE_SUFFIX, 0, 3}, 0, HTTP_RANGE_WHOLE, 0, 0},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        uint32_t offset = 0, length = 0;
        enum http_range_verdict got =
            http_range_resolve(&cases[i].range, cases[i].size, &offset, &length);
        if (got != cases[i].verdict || offset != cases[i].offset || length != cases[i].length)
            fail_msg("case %zu: verdict %d, %u bytes from %u", i, got, length, offset);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_range_of_bytes_is_read_and_all_else_is_none),
        cmocka_unit_test(a_range_lies_within_the_value_or_cannot_be_met),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
