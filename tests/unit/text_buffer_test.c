/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "control/text_buffer.h"

static void text_grows_as_needed(void **state)
{
    (void)state;
    struct text_buffer text = {0};
    for (int i = 0; i < 10000; i++)
        text_format(&text, "%04d", i);
    text_add(&text, "end", 3);
    assert_false(text.is_cut);
    assert_int_equal(text.used_bytes, 40003);
    assert_int_equal(strlen(text.bytes), 40003);
    assert_memory_equal(text.bytes + 39996, "9999end", 7);
    text_buffer_clear(&text);
    assert_null(text.bytes);
}

static void what_exceeds_the_limit_cuts_the_text_for_good(void **state)
{
    (void)state;
    struct text_buffer text = {0};
    char *chunk = malloc(1 << 20);
    memset(chunk, 'x', 1 << 20);
    for (int i = 0; i < 15; i++)
        text_add(&text, chunk, 1 << 20);
    assert_false(text.is_cut);
    text_add(&text, chunk, 1 << 20); /* no room for the end mark */
    assert_true(text.is_cut);
    text_add(&text, "small", 5); /* would fit, but the text has a hole already */
    assert_int_equal(text.used_bytes, 15 << 20);
    free(chunk);
    text_buffer_clear(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_grows_as_needed),
        cmocka_unit_test(what_exceeds_the_limit_cuts_the_text_for_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
