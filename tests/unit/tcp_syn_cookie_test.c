/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/tcp_syn_cookie.h"
#include "include/compiler.h"

#define PERIOD_NS (UINT64_C(1) << TCP_COOKIE_PERIOD_SHIFT)
#define NOW_NS (100 * PERIOD_NS + 12345)

static const struct siphash_key key = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
static const struct network_flow flow4 = {
    .ip_version = 4, .local = {192, 0, 2, 1}, .remote = {203, 0, 113, 9}};
static const struct network_flow flow6 = {.ip_version = 6,
                                          .local = {0x20, 1, 0x0d, 0xb8, [15] = 1},
                                          .remote = {0x20, 1, 0x0d, 0xb8, [8] = 7, [15] = 9}};

static struct tcp_cookie_tuple tuple_of(const struct network_flow *flow)
{
    return (struct tcp_cookie_tuple){
        .flow = flow, .local_port = 443, .remote_port = 50123, .peer_sequence = 0xfffffff0};
}

static bool is_good(const struct tcp_cookie_tuple *tuple, uint32_t cookie, uint64_t now_ns)
{
    uint16_t mss;
    return tcp_syn_cookie_check(&key, tuple, cookie, now_ns, &mss);
}

static void the_mss_comes_back_as_the_largest_class_that_fits(void **state)
{
    (void)state;
    static const struct {
        uint16_t offered, expected4, expected6;
    } cases[] = {
        {0, 536, 1220},     {1, 64, 64},         {63, 64, 64},       {64, 64, 64},
        {535, 64, 64},      {536, 536, 536},     {1219, 536, 536},   {1220, 1220, 1220},
        {1400, 1400, 1400}, {1452, 1440, 1440},  {1460, 1460, 1460}, {8939, 1460, 1460},
        {8940, 8940, 8940}, {65535, 8940, 8940},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        for (int version = 4; version <= 6; version += 2) {
            struct tcp_cookie_tuple tuple = tuple_of(version == 4 ? &flow4 : &flow6);
            uint16_t expected = version == 4 ? cases[i].expected4 : cases[i].expected6;
            uint16_t mss = 0;
            uint32_t cookie = tcp_syn_cookie_make(&key, &tuple, cases[i].offered, NOW_NS);
            if (!tcp_syn_cookie_check(&key, &tuple, cookie, NOW_NS, &mss) || mss != expected)
                fail_msg("IPv%d, %u offered: %u", version, cases[i].offered, mss);
        }
    }
}

static void a_cookie_is_good_for_one_to_two_periods(void **state)
{
    (void)state;
    struct tcp_cookie_tuple tuple = tuple_of(&flow4);
    uint64_t begin_ns = 100 * PERIOD_NS, end_ns = 101 * PERIOD_NS - 1;
    uint32_t early = tcp_syn_cookie_make(&key, &tuple, 1460, begin_ns);
    uint32_t late = tcp_syn_cookie_make(&key, &tuple, 1460, end_ns);
    assert_int_equal(early, late);
    assert_true(is_good(&tuple, early, begin_ns));
    assert_true(is_good(&tuple, late, end_ns + PERIOD_NS));
    for (uint64_t periods = 2; periods < 70; periods++)
        assert_false(is_good(&tuple, early, begin_ns + periods * PERIOD_NS));
    assert_false(is_good(&tuple, early, begin_ns - 1)); /* not made yet */
    assert_false(is_good(&tuple, tcp_syn_cookie_make(&key, &tuple, 1460, 3 * PERIOD_NS), 0));
}

static void any_other_bit_makes_it_bad(void **state)
{
    (void)state;
    for (int version = 4; version <= 6; version += 2) {
        struct tcp_cookie_tuple tuple = tuple_of(version == 4 ? &flow4 : &flow6);
        uint32_t cookie = tcp_syn_cookie_make(&key, &tuple, 1460, NOW_NS);
        for (uint32_t bit = 0; bit < 32; bit++)
            if (is_good(&tuple, cookie ^ 1u << bit, NOW_NS))
                fail_msg("IPv%d, bit %u", version, bit);
    }
}

static void a_cookie_is_of_one_connection_attempt_only(void **state)
{
    (void)state;
    for (int version = 4; version <= 6; version += 2) {
        const struct network_flow *flow = version == 4 ? &flow4 : &flow6;
        struct tcp_cookie_tuple right = tuple_of(flow);
        uint32_t cookie = tcp_syn_cookie_make(&key, &right, 1460, NOW_NS);
        struct tcp_cookie_tuple wrong = right;
        wrong.local_port++;
        assert_false(is_good(&wrong, cookie, NOW_NS));
        wrong = right;
        wrong.remote_port++;
        assert_false(is_good(&wrong, cookie, NOW_NS));
        wrong = right;
        wrong.peer_sequence++;
        assert_false(is_good(&wrong, cookie, NOW_NS));
        for (uint32_t byte = 0; byte < (version == 4 ? 4u : 16u); byte++) {
            struct network_flow other = *flow;
            wrong = right;
            wrong.flow = &other;
            other.remote[byte] ^= 1;
            assert_false(is_good(&wrong, cookie, NOW_NS));
            other.remote[byte] ^= 1;
            other.local[byte] ^= 1;
            assert_false(is_good(&wrong, cookie, NOW_NS));
        }
        const struct siphash_key other_boot = {key.k0 + 1, key.k1};
        uint16_t mss;
        assert_false(tcp_syn_cookie_check(&other_boot, &right, cookie, NOW_NS, &mss));
    }
}

/* Who sees his own cookies must not see the period or the class in them. */
static void the_low_bits_say_nothing_without_the_rest(void **state)
{
    (void)state;
    uint32_t seen[32] = {0};
    struct tcp_cookie_tuple tuple = tuple_of(&flow4);
    for (uint32_t i = 0; i < 32000; i++) {
        tuple.peer_sequence = i;
        seen[tcp_syn_cookie_make(&key, &tuple, 1460, NOW_NS) & 31]++;
    }
    for (uint32_t i = 0; i < 32; i++)
        assert_in_range(seen[i], 800, 1200);
}

static void of_a_million_guesses_none_is_good(void **state)
{
    (void)state;
    struct tcp_cookie_tuple tuple = tuple_of(&flow4);
    uint32_t good = 0; /* 16 of 2^32 are: 0.004 of a million */
    for (uint32_t i = 0; i < 1000000; i++)
        good += is_good(&tuple, i * 2654435761u, NOW_NS);
    assert_int_equal(good, 0);
}

static void the_timestamp_carries_scale_and_sack_and_is_never_ahead(void **state)
{
    (void)state;
    static const uint32_t clocks[] = {0, 1, 30, 31, 32, 1000, 0x7fffffff, 0x80000000, UINT32_MAX};
    for (size_t i = 0; i < ARRAY_COUNT(clocks); i++) {
        for (uint32_t scale = 0; scale <= 15; scale++) {
            for (int sack = 0; sack <= 1; sack++) {
                struct tcp_syn_options offered = {.has_window_scale = scale < 15,
                                                  .window_scale = (uint8_t)(scale < 15 ? scale : 0),
                                                  .has_sack = sack};
                struct tcp_syn_options back = {0};
                uint32_t timestamp = tcp_syn_cookie_timestamp(clocks[i], &offered);
                assert_in_range(clocks[i] - timestamp, 0, 31);
                tcp_syn_cookie_options(timestamp, &back);
                assert_int_equal(back.has_window_scale, offered.has_window_scale);
                assert_int_equal(back.window_scale, offered.window_scale);
                assert_int_equal(back.has_sack, offered.has_sack);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_mss_comes_back_as_the_largest_class_that_fits),
        cmocka_unit_test(a_cookie_is_good_for_one_to_two_periods),
        cmocka_unit_test(any_other_bit_makes_it_bad),
        cmocka_unit_test(a_cookie_is_of_one_connection_attempt_only),
        cmocka_unit_test(the_low_bits_say_nothing_without_the_rest),
        cmocka_unit_test(of_a_million_guesses_none_is_good),
        cmocka_unit_test(the_timestamp_carries_scale_and_sack_and_is_never_ahead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
