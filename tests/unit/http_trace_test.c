/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/http_trace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define PARENT "b7ad6b7169203331"
#define ZEROS "00000000000000000000000000000000"

static struct http_trace read_fields(const char *fields)
{
    char head[1024];
    struct http_request request;
    struct http_limits limits = {1000, 1000, 64};
    int bytes = snprintf(head, sizeof(head), "GET / HTTP/1.1\r\nHost: h\r\n%s\r\n", fields);
    assert_int_equal(http_parse_request((const uint8_t *)head, (uint32_t)bytes, &limits, &request),
                     HTTP_PARSE_DONE);
    return http_trace_read(&request);
}

static void the_parts_of_a_trace_are_read(void **state)
{
    (void)state;
    struct http_trace trace = read_fields("TraceParent:  00-" TRACE "-" PARENT "-01 \r\n");
    assert_int_equal(trace.verdict, HTTP_TRACE_GOOD);
    assert_int_equal(trace.flags & HTTP_TRACE_SAMPLED, 1);
    assert_int_equal(trace.trace_id[0], 0x0a);
    assert_int_equal(trace.trace_id[15], 0x9c);
    assert_int_equal(trace.parent_id[0], 0xb7);
    assert_int_equal(trace.parent_id[7], 0x31);
    assert_int_equal(read_fields("").verdict, HTTP_TRACE_NONE);
}

static void what_is_not_to_the_letter_is_bad(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        enum http_trace_verdict verdict;
    } rows[] = {
        {"00-" TRACE "-" PARENT "-00", HTTP_TRACE_GOOD},
        {"00-" TRACE "-" PARENT "-ff", HTTP_TRACE_GOOD}, /* unknown flags are ignored */
        {"cc-" TRACE "-" PARENT "-01", HTTP_TRACE_GOOD}, /* a later version */
        {"cc-" TRACE "-" PARENT "-01-what.the.future", HTTP_TRACE_GOOD},
        {"cc-" TRACE "-" PARENT "-01.what", HTTP_TRACE_BAD},
        {"00-" TRACE "-" PARENT "-01-more", HTTP_TRACE_BAD},
        {"00-" TRACE "-" PARENT "-01x", HTTP_TRACE_BAD},
        {"ff-" TRACE "-" PARENT "-01", HTTP_TRACE_BAD},
        {"0-" TRACE "-" PARENT "-01", HTTP_TRACE_BAD},
        {"00-" TRACE "-" PARENT "-1", HTTP_TRACE_BAD},
        {"00-" ZEROS "-" PARENT "-01", HTTP_TRACE_BAD},
        {"00-" TRACE "-0000000000000000-01", HTTP_TRACE_BAD},
        {"00-0AF7651916CD43DD8448EB211C80319C-" PARENT "-01", HTTP_TRACE_BAD},
        {"00-" TRACE "-B7AD6B7169203331-01", HTTP_TRACE_BAD},
        {"00-" TRACE "-" PARENT "-0X", HTTP_TRACE_BAD},
        {"00_" TRACE "-" PARENT "-01", HTTP_TRACE_BAD},
        {"00-" TRACE "_" PARENT "-01", HTTP_TRACE_BAD},
        {"00-" TRACE "-" PARENT "_01", HTTP_TRACE_BAD},
        {"00-0af7651916cd43dd8448eb211c80319-" PARENT "-01", HTTP_TRACE_BAD},
        {"", HTTP_TRACE_BAD},
    };
    for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char field[256];
        snprintf(field, sizeof(field), "traceparent: %s\r\n", rows[i].value);
        if (read_fields(field).verdict != rows[i].verdict)
            fail_msg("%s", field);
    }
}

static void two_of_them_are_none(void **state)
{
    (void)state;
    assert_int_equal(read_fields("traceparent: 00-" TRACE "-" PARENT "-01\r\nA: b\r\n"
                                 "traceparent: 00-" TRACE "-" PARENT "-01\r\n")
                         .verdict,
                     HTTP_TRACE_BAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_parts_of_a_trace_are_read),
        cmocka_unit_test(what_is_not_to_the_letter_is_bad),
        cmocka_unit_test(two_of_them_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
