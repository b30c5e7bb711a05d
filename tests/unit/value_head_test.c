/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/value_head.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dataplane/http_response.h"
#include "include/random.h"

#define HEAD_ROOM 256u

static struct value_dates dates;

/* Both ways to the same text; the fast one writes no byte more than it said. */
static void expect_same(uint64_t version, uint32_t modified_at_s, uint32_t value_bytes,
                        const char *attributes)
{
    uint32_t attributes_bytes = (uint32_t)strlen(attributes);
    uint8_t slow[HEAD_ROOM];
    struct http_writer writer = http_writer_on(slow, sizeof(slow));
    http_write_value_head(&writer, version, modified_at_s, value_bytes, (const uint8_t *)attributes,
                          attributes_bytes);
    assert_false(writer.is_full);
    struct value_digits digits = value_digits_of(version, value_bytes);
    uint32_t bytes = value_head_bytes(&digits, attributes_bytes);
    assert_int_equal(bytes, http_writer_bytes(&writer));
    uint8_t *fast = malloc(bytes); /* exact size: the sanitizer sees one byte too many */
    uint8_t *end =
        value_head_write(fast, &digits, value_dates_text(&dates, modified_at_s),
                         (struct http_slice){(const uint8_t *)attributes, attributes_bytes});
    assert_ptr_equal(end, fast + bytes);
    assert_memory_equal(fast, slow, bytes);
    free(fast);
}

static void numbers_of_every_length_are_written(void **state)
{
    (void)state;
    value_dates_init(&dates);
    for (uint64_t power = 1, digits = 1; digits <= 20; digits++, power *= 10) {
        uint32_t length = power < UINT32_MAX ? (uint32_t)power : UINT32_MAX;
        expect_same(power - 1, 784111777, length - 1, "");
        expect_same(power, 784111777, length, "");
        expect_same(power + 1, 784111777, length + (length != UINT32_MAX), "");
    }
    expect_same(UINT64_MAX, UINT32_MAX, UINT32_MAX, "");
    expect_same(0, 0, 0, "");
}

static void attributes_stand_in_front_of_the_empty_line(void **state)
{
    (void)state;
    value_dates_init(&dates);
    expect_same(18, 784111777, 311, "Content-Type: text/plain\r\nMeta-A: b\r\n");
}

static void dates_that_share_a_place_take_turns(void **state)
{
    (void)state;
    value_dates_init(&dates);
    for (uint32_t turn = 0; turn < 3; turn++)
        for (uint32_t second = 7; second < UINT32_MAX / 2; second += UINT32_MAX / 64 * 2)
            expect_same(1, second, 1, "");
}

static void random_heads_are_the_same_both_ways(void **state)
{
    (void)state;
    struct random random = {.state = 5};
    value_dates_init(&dates);
    for (uint32_t i = 0; i < 100000; i++)
        expect_same(random_u64(&random) >> random_below(&random, 64),
                    (uint32_t)random_u64(&random) >> random_below(&random, 32),
                    (uint32_t)random_u64(&random) >> random_below(&random, 32), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_of_every_length_are_written),
        cmocka_unit_test(attributes_stand_in_front_of_the_empty_line),
        cmocka_unit_test(dates_that_share_a_place_take_turns),
        cmocka_unit_test(random_heads_are_the_same_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
