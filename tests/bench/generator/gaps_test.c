/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/bench/generator/gaps.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define ROUND_NS (5 * NS_PER_US)

static struct gaps gaps;
static struct result result;
static uint64_t now_ns;

static int begin(void **state)
{
    (void)state;
    gaps = (struct gaps){0};
    result_reset(&result);
    now_ns = NS_PER_S;
    return 0;
}

static void rounds(uint32_t count, uint32_t frame_count, uint32_t in_flight)
{
    for (uint32_t i = 0; i < count; i++, now_ns += ROUND_NS) {
        gaps_round(&gaps, &result, now_ns);
        gaps_heard(&gaps, &result, frame_count, in_flight);
    }
}

static void a_client_that_stands_still_says_so(void **state)
{
    (void)state;
    rounds(100, 1, 8);
    now_ns += 300 * NS_PER_US; /* nobody runs, and the far end is not silent: nobody listens */
    rounds(1, 1, 8);
    uint64_t gap_ns = 300 * NS_PER_US + ROUND_NS;
    assert_int_equal(result.client_stalls, 1);
    assert_int_equal(result.client_stalled_ns, gap_ns);
    assert_int_equal(result.server_silences, 0);
    assert_int_equal(gaps.touched_until_ns, now_ns - ROUND_NS + gap_ns);
}

static void a_far_end_is_silent_only_while_something_is_in_flight(void **state)
{
    (void)state;
    rounds(1, 1, 8);
    rounds(100, 0, 0); /* nothing was asked */
    rounds(1, 1, 0);
    assert_int_equal(result.server_silences, 0);
    rounds(40, 0, 3);
    rounds(1, 1, 3);
    assert_int_equal(result.server_silences, 1);
    assert_int_equal(result.server_silent_ns, 41 * ROUND_NS);
    assert_int_equal(result.client_stalls, 0);
}

static void what_is_shorter_is_no_gap(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 100; i++) {
        rounds(1, 1, 8);
        rounds(GAP_NS_MIN / ROUND_NS - 2, 0, 8);
    }
    assert_int_equal(result.server_silences + result.client_stalls, 0);
    assert_int_equal(gaps.touched_until_ns, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_client_that_stands_still_says_so, begin),
        cmocka_unit_test_setup(a_far_end_is_silent_only_while_something_is_in_flight, begin),
        cmocka_unit_test_setup(what_is_shorter_is_no_gap, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
