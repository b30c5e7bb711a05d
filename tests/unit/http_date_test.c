/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "dataplane/http_date.h"
#include "include/compiler.h"
#include "tests/unit/guarded_bytes.h"

#define NOW_S UINT64_C(1790000000) /* September 2026 */

static bool parse(const char *text, uint64_t *unix_s)
{
    size_t bytes = strlen(text);
    struct http_slice slice = {guarded_at_end(text, bytes), (uint32_t)bytes};
    return http_date_parse(slice, NOW_S, unix_s);
}

/* RFC 9110 5.6.7 */
static void the_three_formats_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t unix_s;
    } cases[] = {
        {"Sun, 06 Nov 1994 08:49:37 GMT", 784111777},
        {"Sunday, 06-Nov-94 08:49:37 GMT", 784111777},
        {"Sun Nov  6 08:49:37 1994", 784111777},
        {"Wed Nov 16 08:49:37 1994", 784975777},
        {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
        {"Thu, 29 Feb 2024 23:59:59 GMT", 1709251199},
        {"Tue, 29 Feb 2000 00:00:00 GMT", 951782400},
        {"Fri, 31 Dec 9999 23:59:59 GMT", UINT64_C(253402300799)},
        {"Sat, 31 Dec 2016 23:59:60 GMT", 1483228800}, /* a leap second */
        {"Mon, 01 Jan 1900 00:00:00 GMT", 0},          /* before 1970 */
        {"Sat, 01 Jan 0000 00:00:00 GMT", 0},
        {"Tuesday, 01-Jan-76 00:00:00 GMT", UINT64_C(3345062400)}, /* 50 years ahead of 2026 */
        {"Saturday, 01-Jan-77 00:00:00 GMT", 220924800},           /* 51 would be */
        {"Friday, 01-Jan-99 00:00:00 GMT", 915148800},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        uint64_t unix_s = 1;
        if (!parse(cases[i].text, &unix_s) || unix_s != cases[i].unix_s)
            fail_msg("'%s' is read as %lu", cases[i].text, unix_s);
    }
}

static void anything_else_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "Sun",
        "Sun,",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        "sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 94 08:49:37 GMT",
        "Sun, 06 Nov 1994 8:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:00 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Sun, 29 Feb 2023 08:49:37 GMT",
        "Thu, 29 Feb 1900 08:49:37 GMT",
        "Xun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06-Nov-94 08:49:37 GMT",
        "Sunday, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT",
        "Sun Nov 6 08:49:37 1994",
        "Sun Nov  6 08:49:37 94",
        "Sun Nov  6 08:49:37 1994 GMT",
        "784111777",
        "1994-11-06T08:49:37Z",
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        uint64_t unix_s;
        if (parse(cases[i], &unix_s))
            fail_msg("'%s' is read as %lu", cases[i], unix_s);
    }
}

/* The C library is the oracle. */
static void a_written_date_is_what_the_library_writes_and_is_read_back(void **state)
{
    (void)state;
    uint64_t step_s = 86400 * 17 + 12345;
    for (uint64_t unix_s = 0; unix_s < UINT64_C(253402300799); unix_s += step_s) {
        char expected[64], text[HTTP_DATE_BYTES + 1];
        time_t time = (time_t)unix_s;
        struct tm civil;
        gmtime_r(&time, &civil);
        strftime(expected, sizeof(expected), "%a, %d %b %Y %H:%M:%S GMT", &civil);
        http_date_format(unix_s, (uint8_t *)text);
        text[HTTP_DATE_BYTES] = '\0';
        assert_string_equal(text, expected);
        uint64_t again;
        assert_true(parse(text, &again));
        assert_true(again == unix_s);
    }
}

static void a_date_beyond_the_year_9999_is_its_last_second(void **state)
{
    (void)state;
    char text[HTTP_DATE_BYTES + 1] = "";
    http_date_format(UINT64_MAX, (uint8_t *)text);
    assert_string_equal(text, "Fri, 31 Dec 9999 23:59:59 GMT");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_three_formats_are_read),
        cmocka_unit_test(anything_else_is_refused),
        cmocka_unit_test(a_written_date_is_what_the_library_writes_and_is_read_back),
        cmocka_unit_test(a_date_beyond_the_year_9999_is_its_last_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
