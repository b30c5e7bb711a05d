/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tests/bench/generator/result.h"

static struct result sum, part;

/* Every word of a result but the histogram holds a number of its own: none may be forgotten. */
static void adding_two_cores_sums_every_count(void **state)
{
    (void)state;
    result_reset(&sum);
    result_reset(&part);
    uint64_t *words = (uint64_t *)(void *)&part;
    size_t count = offsetof(struct result, latency) / sizeof(uint64_t);
    for (size_t i = 0; i < count; i++)
        words[i] = 1000 + i;
    latency_record(&part.latency, 5);
    result_add(&sum, &part);
    result_add(&sum, &part);
    const uint64_t *sums = (const uint64_t *)(const void *)&sum;
    assert_int_equal(sum.elapsed_ns, 1000); /* the longest, not the sum */
    for (size_t i = 1; i < count; i++)
        if (sums[i] != 2 * (1000 + i))
            fail_msg("word %zu is %ju", i, (uintmax_t)sums[i]);
    assert_int_equal(sum.latency.count, 2);
    assert_int_equal(sum.latency.max_ns, 5);
    part.elapsed_ns = 999;
    result_add(&sum, &part);
    assert_int_equal(sum.elapsed_ns, 1000);
}

static void a_fresh_result_has_no_smallest_latency(void **state)
{
    (void)state;
    memset(&sum, 0xff, sizeof(sum));
    result_reset(&sum);
    assert_int_equal(sum.errors[RESULT_TIMEOUT], 0);
    assert_int_equal(sum.latency.buckets[LATENCY_BUCKETS - 1], 0);
    assert_true(sum.latency.min_ns == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adding_two_cores_sums_every_count),
        cmocka_unit_test(a_fresh_result_has_no_smallest_latency),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
