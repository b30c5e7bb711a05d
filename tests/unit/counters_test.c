/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "include/counters.h"

static void histogram_buckets_grow_with_the_value(void **state)
{
    (void)state;
    uint32_t last = 0;
    for (uint64_t ns = 0; ns < (UINT64_C(1) << 34); ns = ns + 1 + ns / 3) {
        uint32_t bucket = histogram_bucket(ns);
        assert_true(bucket >= last);
        assert_true(bucket < HISTOGRAM_BUCKETS);
        last = bucket;
    }
    assert_int_equal(histogram_bucket(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
    assert_int_equal(histogram_bucket(7) + 1, histogram_bucket(8));
}

static void a_registered_block_counts_and_is_listed(void **state)
{
    (void)state;
    struct counters *block = counters_register("test");
    assert_non_null(block);
    count(block, COUNTER_HTTP_REQUESTS);
    count_many(block, COUNTER_HTTP_REQUESTS, 4);
    count_drop(block, DROP_IP_MALFORMED);

    struct counters *const *blocks;
    assert_int_equal(counters_blocks(&blocks), 1);
    assert_ptr_equal(blocks[0], block);
    assert_int_equal(blocks[0]->values[COUNTER_HTTP_REQUESTS], 5);
    assert_int_equal(blocks[0]->drops[DROP_IP_MALFORMED], 1);
    assert_string_equal(counter_names[COUNTER_HTTP_REQUESTS], "HTTP_REQUESTS");
    assert_string_equal(drop_reason_names[DROP_IP_MALFORMED], "IP_MALFORMED");
}

static void every_status_has_its_slot(void **state)
{
    (void)state;
    struct counters *block = counters_register("statuses");
    assert_non_null(block);
    for (uint32_t slot = 1; slot < REQUEST_STATUS_COUNT; slot++) {
        assert_true(request_statuses[slot] > request_statuses[slot - 1]);
        count_request(block, REQUEST_ROUTE_value, request_statuses[slot]);
        assert_int_equal(block->requests[REQUEST_ROUTE_value][slot], 1);
    }
    count_request(block, REQUEST_ROUTE_value, 299);
    assert_int_equal(block->requests[REQUEST_ROUTE_value][0], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(histogram_buckets_grow_with_the_value),
        cmocka_unit_test(a_registered_block_counts_and_is_listed),
        cmocka_unit_test(every_status_has_its_slot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
