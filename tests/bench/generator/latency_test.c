/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "include/compiler.h"
#include "include/random.h"
#include "tests/bench/generator/latency.h"

static struct latency histogram, other;

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void an_empty_histogram_answers_zero(void **state)
{
    (void)state;
    latency_reset(&histogram);
    assert_int_equal(latency_quantile_ns(&histogram, 0), 0);
    assert_int_equal(latency_quantile_ns(&histogram, 10000), 0);
    assert_true(histogram.min_ns == UINT64_MAX);
}

static void one_sample_is_every_quantile(void **state)
{
    (void)state;
    static const uint64_t samples[] = {
        0,         1, 1023, 1024, 1025, 2047, 2048, 123456789, LATENCY_NS_MAX - 1, LATENCY_NS_MAX,
        UINT64_MAX};
    for (size_t i = 0; i < ARRAY_COUNT(samples); i++) {
        latency_reset(&histogram);
        latency_record(&histogram, samples[i]);
        for (uint32_t permyriad = 0; permyriad <= 10000; permyriad += 100)
            assert_true(latency_quantile_ns(&histogram, permyriad) == samples[i]);
    }
}

/* Against the sorted samples: never below the true quantile, and at most 0.1 % above. */
static void quantiles_are_within_a_thousandth_of_the_sorted_samples(void **state)
{
    (void)state;
    enum { COUNT = 100000 };
    static uint64_t samples[COUNT];
    static const uint32_t wanted[] = {1, 5000, 9000, 9900, 9990, 9999, 10000};
    struct random random = {3};
    latency_reset(&histogram);
    for (uint32_t i = 0; i < COUNT; i++) {
        samples[i] = random_u64(&random) >> (27 + random_below(&random, 30));
        latency_record(&histogram, samples[i]);
    }
    qsort(samples, COUNT, sizeof(samples[0]), compare_u64);
    for (size_t i = 0; i < ARRAY_COUNT(wanted); i++) {
        uint64_t exact = samples[(uint64_t)COUNT * wanted[i] / 10000 - 1];
        uint64_t got = latency_quantile_ns(&histogram, wanted[i]);
        if (got < exact || got - exact > exact / 1000)
            fail_msg("%u: %ju instead of %ju", wanted[i], (uintmax_t)got, (uintmax_t)exact);
    }
    assert_int_equal(latency_quantile_ns(&histogram, 10000), samples[COUNT - 1]);
}

static void a_quantile_counts_samples_not_values(void **state)
{
    (void)state;
    latency_reset(&histogram);
    for (uint32_t i = 0; i < 99; i++)
        latency_record(&histogram, 10);
    latency_record(&histogram, 1000);
    assert_int_equal(latency_quantile_ns(&histogram, 9900), 10);
    assert_int_equal(latency_quantile_ns(&histogram, 9901), 1000);
}

static void merging_is_recording_in_one(void **state)
{
    (void)state;
    static struct latency both;
    struct random random = {9};
    latency_reset(&histogram);
    latency_reset(&other);
    latency_reset(&both);
    for (uint32_t i = 0; i < 10000; i++) {
        uint64_t ns = random_u64(&random) >> 40;
        latency_record(i % 3 ? &histogram : &other, ns);
        latency_record(&both, ns);
    }
    latency_merge(&histogram, &other);
    assert_memory_equal(&histogram, &both, sizeof(both));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_histogram_answers_zero),
        cmocka_unit_test(one_sample_is_every_quantile),
        cmocka_unit_test(quantiles_are_within_a_thousandth_of_the_sorted_samples),
        cmocka_unit_test(a_quantile_counts_samples_not_values),
        cmocka_unit_test(merging_is_recording_in_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
