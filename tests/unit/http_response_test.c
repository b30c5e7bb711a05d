/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "dataplane/http_response.h"
#include "include/compiler.h"
#include "include/random.h"
#include "include/shard_operation.h"

static void expect_text(const struct http_writer *writer, const char *expected)
{
    assert_false(writer->is_full);
    assert_int_equal(http_writer_bytes(writer), strlen(expected));
    assert_memory_equal(writer->start, expected, strlen(expected));
}

static void numbers_are_written_in_decimal_and_hexadecimal(void **state)
{
    (void)state;
    uint8_t buffer[128];
    struct http_writer writer = http_writer_on(buffer, sizeof(buffer));
    http_write_decimal(&writer, 0);
    HTTP_WRITE_LITERAL(&writer, " ");
    http_write_decimal(&writer, UINT64_MAX);
    HTTP_WRITE_LITERAL(&writer, " ");
    http_write_hex64(&writer, UINT64_C(0x0123456789abcdef));
    expect_text(&writer, "0 18446744073709551615 0123456789abcdef");
}

static void json_strings_are_quoted_whatever_the_bytes(void **state)
{
    (void)state;
    uint8_t buffer[128];
    struct http_writer writer = http_writer_on(buffer, sizeof(buffer));
    http_write_json_string(&writer, "a\"\\\n\xc3\x7f", 6);
    expect_text(&writer, "\"a\\u0022\\u005c\\u000a\\u00c3\\u007f\"");
}

static void a_full_writer_says_so_and_writes_nothing_more(void **state)
{
    (void)state;
    uint8_t *exact = malloc(4); /* exact size: the sanitizer sees one byte too many */
    struct http_writer writer = http_writer_on(exact, 4);
    http_write_text(&writer, "abcd");
    assert_false(writer.is_full);
    http_write_text(&writer, "e");
    assert_true(writer.is_full);
    assert_int_equal(http_writer_bytes(&writer), 4);
    free(exact);
}

static void the_head_of_a_value_holds_all_that_depends_on_it_alone(void **state)
{
    (void)state;
    static const char attributes[] = "Content-Type: text/plain\r\n";
    uint8_t head[ATTRIBUTES_BYTES_MAX + 160];
    struct http_writer writer = http_writer_on(head, sizeof(head));
    http_write_value_head(&writer, 18, 784111777, 311, (const uint8_t *)attributes,
                          sizeof(attributes) - 1);
    expect_text(&writer, "ETag: \"18\"\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                         "Content-Length: 311\r\nContent-Type: text/plain\r\n\r\n");
}

static void cache_control_never_promises_more_than_the_value_s_life(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t seconds_left;
        const char *expected;
    } cases[] = {
        {"", 5, ""},
        {"no-cache", 5, "Cache-Control: no-cache\r\n"},
        {"max-age=60", UINT64_MAX, "Cache-Control: max-age=60\r\n"},
        {"max-age=60", 5, "Cache-Control: max-age=5\r\n"},
        {"max-age=60", 90, "Cache-Control: max-age=60\r\n"},
        {"public, Max-Age=60, s-maxage=600,must-revalidate", 7,
         "Cache-Control: public, Max-Age=7, s-maxage=7,must-revalidate\r\n"},
        {"stale-max-age=60, max-age=x", 7, "Cache-Control: stale-max-age=60, max-age=x\r\n"},
        {"max-age=", 7, "Cache-Control: max-age=\r\n"},
        {"max-age=99999999999999999999", 7, "Cache-Control: max-age=7\r\n"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        uint8_t buffer[256];
        struct http_writer writer = http_writer_on(buffer, sizeof(buffer));
        http_write_cache_control(&writer, cases[i].text, cases[i].seconds_left);
        expect_text(&writer, cases[i].expected);
    }
}

static void a_problem_document_names_type_detail_instance_and_current_tag(void **state)
{
    (void)state;
    uint8_t buffer[512];
    struct http_writer writer = http_writer_on(buffer, sizeof(buffer));
    http_write_problem(&writer, HTTP_PROBLEM_PRECONDITION_FAILED, "why \"so\"",
                       (const uint8_t *)"id", 2, 17);
    expect_text(
        &writer,
        "{\"type\":\"urn:gannet:problem:precondition-failed\",\"title\":\"A precondition does not "
        "hold\",\"status\":412,\"detail\":\"why \\u0022so\\u0022\",\"instance\":\"id\","
        "\"current_etag\":\"\\\"17\\\"\"}\n");
    for (int i = 1; i < HTTP_PROBLEM_COUNT; i++) /* the record of each one is there */
        assert_in_range(http_problem_status[i], 400, 599);
}

static void request_ids_differ_and_the_date_follows_the_clock(void **state)
{
    (void)state;
    struct http_clock clock;
    uint8_t first[16], second[16];
    http_clock_init(&clock, 7);
    http_clock_request_id(&clock, first);
    http_clock_request_id(&clock, second);
    assert_memory_not_equal(first, second, 16);
    http_clock_update(&clock, UINT64_C(784111777) * 1000);
    assert_memory_equal(clock.date, "Sun, 06 Nov 1994 08:49:37 GMT", 29);
    http_clock_update(&clock, UINT64_C(784111778) * 1000);
    assert_memory_equal(clock.date, "Sun, 06 Nov 1994 08:49:38 GMT", 29);
}

static void eight_digits_are_those_of_printf(void **state)
{
    (void)state;
    struct random random = {.state = 1};
    for (uint32_t i = 0; i < 100000; i++) {
        uint32_t number = (uint32_t)random_u64(&random);
        if (i < 32)
            number = (UINT32_C(1) << i) - (i % 2); /* one bit, or all below it */
        char expected[9];
        snprintf(expected, sizeof(expected), "%08" PRIx32, number);
        uint64_t digits = http_hex32(number);
        assert_memory_equal(&digits, expected, sizeof(digits));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(eight_digits_are_those_of_printf),
        cmocka_unit_test(numbers_are_written_in_decimal_and_hexadecimal),
        cmocka_unit_test(json_strings_are_quoted_whatever_the_bytes),
        cmocka_unit_test(a_full_writer_says_so_and_writes_nothing_more),
        cmocka_unit_test(the_head_of_a_value_holds_all_that_depends_on_it_alone),
        cmocka_unit_test(cache_control_never_promises_more_than_the_value_s_life),
        cmocka_unit_test(a_problem_document_names_type_detail_instance_and_current_tag),
        cmocka_unit_test(request_ids_differ_and_the_date_follows_the_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
