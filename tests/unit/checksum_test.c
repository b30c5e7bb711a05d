/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/checksum.h"
#include "include/random.h"
#include "tests/support/frames.h"

static uint16_t on_wire(uint16_t in_memory)
{
    return __builtin_bswap16(in_memory);
}

static void sums_agree_with_the_slow_loop_at_every_length_and_alignment(void **state)
{
    (void)state;
    uint8_t bytes[300];
    struct random random = {.state = 1};
    for (uint32_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)random_u64(&random);
    for (uint32_t offset = 0; offset < 8; offset++)
        for (uint32_t length = 0; length + offset <= sizeof(bytes); length++)
            assert_int_equal(on_wire(checksum_of(bytes + offset, length)),
                             slow_fold(slow_sum(0, bytes + offset, length)));
}

static void all_ones_do_not_lose_carries(void **state)
{
    (void)state;
    static uint8_t bytes[65535];
    memset(bytes, 0xff, sizeof(bytes));
    for (uint32_t length = 65500; length <= sizeof(bytes); length++)
        assert_int_equal(on_wire(checksum_of(bytes, length)),
                         slow_fold(slow_sum(0, bytes, length)));
}

static void parts_add_up_even_at_odd_offsets(void **state)
{
    (void)state;
    uint8_t bytes[101];
    for (uint32_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 7 + 3);
    for (uint32_t cut = 0; cut <= sizeof(bytes); cut++) {
        uint32_t second = checksum_add(0, bytes + cut, sizeof(bytes) - cut);
        uint32_t sum = checksum_add(0, bytes, cut) + (cut % 2 ? checksum_swap(second) : second);
        assert_int_equal(checksum_finish(sum), checksum_of(bytes, sizeof(bytes)));
    }
}

static void an_updated_checksum_equals_a_new_one(void **state)
{
    (void)state;
    struct random random = {.state = 2};
    for (uint32_t i = 0; i < 10000; i++) {
        uint16_t words[4], before;
        uint64_t value = random_u64(&random);
        memcpy(words, &value, sizeof(words));
        uint16_t checksum = checksum_of(words, sizeof(words));
        before = words[1];
        words[1] = (uint16_t)random_u64(&random);
        assert_int_equal(checksum_update(checksum, before, words[1]),
                         checksum_of(words, sizeof(words)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_agree_with_the_slow_loop_at_every_length_and_alignment),
        cmocka_unit_test(all_ones_do_not_lose_carries),
        cmocka_unit_test(parts_add_up_even_at_odd_offsets),
        cmocka_unit_test(an_updated_checksum_equals_a_new_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
