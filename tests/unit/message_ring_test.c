/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "include/message_ring.h"

static struct shard_operation *fake(uintptr_t number)
{
    return (struct shard_operation *)(number * 64);
}

static void operations_come_out_in_the_order_they_went_in(void **state)
{
    (void)state;
    struct message_ring *ring = message_ring_create(1000);
    assert_non_null(ring);
    for (uintptr_t lap = 0; lap < 5; lap++) {
        for (uintptr_t i = 1; i <= 1000; i++) /* the promised capacity, wrapping round */
            message_ring_push(ring, fake(lap * 1000 + i));
        assert_int_equal(message_ring_depth(ring), 1000);
        uintptr_t expected = 1;
        struct shard_operation *out[32];
        uint32_t got;
        while ((got = message_ring_pop(ring, out, 32)) > 0)
            for (uint32_t i = 0; i < got; i++)
                assert_ptr_equal(out[i], fake(lap * 1000 + expected++));
        assert_int_equal(expected, 1001);
    }
    message_ring_destroy(ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operations_come_out_in_the_order_they_went_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
