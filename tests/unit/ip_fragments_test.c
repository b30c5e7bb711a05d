/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/checksum.h"
#include "dataplane/ip_fragments.h"
#include "dataplane/packet.h"
#include "include/compiler.h"
#include "tests/support/dpdk_environment.h"
#include "tests/support/fragment_frames.h"

#define TIMEOUT_NS UINT64_C(1000000000)
#define WAITING_MAX 16u

static struct rte_mempool *pool;
static struct ip_fragments *fragments;
static uint8_t payload[65536 + 64];
static const uint64_t start_ns = 100 * TIMEOUT_NS;

static int set_up(void **state)
{
    (void)state;
    pool = dpdk_environment_pool(511);
    fragments = ip_fragments_create(WAITING_MAX, TIMEOUT_NS);
    for (uint32_t i = 0; i < sizeof(payload); i++)
        payload[i] = (uint8_t)(i * 31 + (i >> 8));
    return fragments ? 0 : -1;
}

/* Nothing may be left in the pool's debt: the pool checks. */
static int tear_down(void **state)
{
    (void)state;
    ip_fragments_destroy(fragments);
    dpdk_environment_pool_check_and_free(pool);
    return 0;
}

static struct ip_fragments_result take(uint8_t ip_version, uint32_t id, const struct piece *piece,
                                       uint64_t now_ns)
{
    struct frame_bytes frame;
    struct ip_fragment where = {
        .network_offset = 14, .header_bytes = ip_version == 4 ? 20 : 48, .ip_version = ip_version};
    if (ip_version == 4)
        frame_ipv4_fragment(&frame, 17, id, payload, piece);
    else
        frame_ipv6_fragment(&frame, 17, id, payload, piece);
    while (frame.length < 60)
        frame_put8(&frame, 0xee); /* Ethernet's padding is no part of it */
    struct packet *packet = packet_alloc(pool);
    assert_non_null(packet);
    memcpy(packet_append(packet, frame.length), frame.bytes, frame.length);
    return ip_fragments_take(fragments, packet, &where, now_ns);
}

/* The whole is a good frame with the payload that was sent; consumes it. */
static void check_whole(struct packet *whole, uint8_t ip_version, uint32_t bytes)
{
    static uint8_t flat[65600];
    uint32_t headers = 14 + (ip_version == 4 ? 20 : 40);
    assert_int_equal(packet_bytes(whole), headers + bytes);
    const uint8_t *all = rte_pktmbuf_read(&whole->mbuf, 0, packet_bytes(whole), flat);
    assert_memory_equal(all + headers, payload, bytes);
    assert_int_equal(frame_get16(all + 12), ip_version == 4 ? 0x0800 : 0x86dd);
    if (ip_version == 4) {
        assert_int_equal(frame_get16(all + 16), 20 + bytes);
        assert_int_equal(frame_get16(all + 20) & 0x3fff, 0);
        assert_int_equal(slow_fold(slow_sum(0, all + 14, 20)), 0);
    } else {
        assert_int_equal(frame_get16(all + 18), bytes);
        assert_int_equal(all[20], 17);
    }
    packet_free(whole);
}

static void four_pieces_become_whole_in_any_order(void **state)
{
    (void)state;
    for (uint32_t order = 0; order < 4 * 4 * 4 * 4; order++) {
        uint8_t at[4] = {order & 3, order >> 2 & 3, order >> 4 & 3, order >> 6 & 3};
        if ((1u << at[0] | 1u << at[1] | 1u << at[2] | 1u << at[3]) != 15)
            continue; /* no permutation */
        for (uint8_t version = 4; version <= 6; version += 2) {
            struct ip_fragments_result result = {0};
            for (uint32_t i = 0; i < 4; i++) {
                struct piece piece = piece_of(101, 32, at[i]);
                assert_null(result.whole);
                result = take(version, order, &piece, start_ns);
                assert_int_equal(result.refused_count, 0);
            }
            assert_non_null(result.whole);
            check_whole(result.whole, version, 101);
            assert_int_equal(ip_fragments_held(fragments), 0);
        }
    }
}

static void two_datagrams_at_once_do_not_mix(void **state)
{
    (void)state;
    struct piece first = piece_of(40, 24, 0), last = piece_of(40, 24, 1);
    assert_null(take(4, 1, &first, start_ns).whole);
    assert_null(take(4, 2, &last, start_ns).whole);
    assert_null(take(6, 1, &last, start_ns).whole);
    assert_int_equal(ip_fragments_held(fragments), 3);
    check_whole(take(4, 2, &first, start_ns).whole, 4, 40);
    check_whole(take(6, 1, &first, start_ns).whole, 6, 40);
    check_whole(take(4, 1, &last, start_ns).whole, 4, 40);
}

static void eight_pieces_are_the_most(void **state)
{
    (void)state;
    static const struct {
        uint32_t count;
        bool is_whole;
    } cases[] = {{8, true}, {9, false}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct ip_fragments_result result = {0};
        uint32_t refused = 0;
        for (uint32_t k = 0; k < cases[i].count; k++) {
            struct piece piece = piece_of(cases[i].count * 1480, 1480, k);
            result = take(4, 7, &piece, start_ns);
            refused += result.refused_count;
        }
        assert_int_equal(result.whole != NULL, cases[i].is_whole);
        if (result.whole)
            check_whole(result.whole, 4, cases[i].count * 1480);
        else
            assert_true(refused >= 8);
    }
    /* what came after the refusal is a new datagram that never ends */
    ip_fragments_expire(fragments, start_ns + 2 * TIMEOUT_NS);
    assert_int_equal(ip_fragments_held(fragments), 0);
}

/* RFC 5722: nothing that overlaps is ever put together; duplicates end the datagram too. */
static void pieces_that_overlap_end_their_datagram(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        struct piece pieces[4];
        uint32_t count;
    } cases[] = {
        {"the first twice", {{0, 32, true}, {0, 32, true}, {32, 32, true}, {64, 8, false}}, 4},
        {"the first again, longer", {{0, 32, true}, {0, 64, true}, {64, 8, false}}, 3},
        {"a middle one twice", {{0, 32, true}, {32, 32, true}, {32, 32, true}, {64, 8, false}}, 4},
        {"a middle one over the first", {{0, 32, true}, {24, 40, true}, {64, 8, false}}, 3},
        {"the last over a middle one", {{0, 32, true}, {32, 40, true}, {64, 8, false}}, 3},
        {"one inside another", {{0, 64, true}, {8, 8, true}, {64, 8, false}}, 3},
        {"overlap as long as the hole", {{0, 32, true}, {16, 32, true}, {64, 8, false}}, 3},
        {"two ends", {{0, 32, true}, {64, 8, false}, {40, 8, false}}, 3},
        {"data behind the end", {{0, 32, true}, {32, 8, false}, {64, 32, true}}, 2},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
        for (uint8_t version = 4; version <= 6; version += 2) {
            uint32_t refused = 0;
            for (uint32_t k = 0; k < cases[i].count; k++) {
                struct ip_fragments_result result =
                    take(version, 100 + (uint32_t)i, &cases[i].pieces[k], start_ns);
                if (result.whole && cases[i].count != 2)
                    fail_msg("case '%s' became whole", cases[i].what);
                if (result.whole)
                    packet_free(result.whole);
                refused += result.refused_count;
                if (result.refused_count > 1)
                    assert_int_equal(result.why, DROP_IP_FRAGMENT_BAD);
            }
            if (refused == 0 && cases[i].count != 2)
                fail_msg("case '%s': nothing was refused", cases[i].what);
        }
    ip_fragments_expire(fragments, start_ns + 2 * TIMEOUT_NS);
    assert_int_equal(ip_fragments_held(fragments), 0);
}

static void pieces_that_cannot_be_are_refused_alone(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        struct piece piece;
    } cases[] = {
        {"no payload", {8, 0, true}},
        {"not a multiple of 8, and not the last", {0, 31, true}},
        {"beyond the longest datagram", {65528, 32, false}},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
        for (uint8_t version = 4; version <= 6; version += 2) {
            struct ip_fragments_result result = take(version, 9, &cases[i].piece, start_ns);
            if (result.whole || result.refused_count != 1 || result.why != DROP_IP_FRAGMENT_BAD)
                fail_msg("case '%s'", cases[i].what);
            assert_int_equal(ip_fragments_held(fragments), 0);
        }
}

static void what_stays_incomplete_is_given_up(void **state)
{
    (void)state;
    struct piece first = piece_of(40, 24, 0), last = piece_of(40, 24, 1);
    assert_null(take(4, 1, &first, start_ns).whole);
    assert_int_equal(ip_fragments_expire(fragments, start_ns + TIMEOUT_NS - 1), 0);
    assert_int_equal(ip_fragments_expire(fragments, start_ns + TIMEOUT_NS + 1), 1);
    assert_int_equal(ip_fragments_held(fragments), 0);
    /* the next fragment sees to it as well */
    assert_null(take(4, 2, &first, start_ns).whole);
    struct ip_fragments_result result = take(4, 2, &last, start_ns + TIMEOUT_NS + 1);
    assert_null(result.whole);
    assert_int_equal(result.expired_count, 1);
}

static void a_flood_of_first_pieces_takes_its_share_and_no_more(void **state)
{
    (void)state;
    struct piece first = piece_of(40, 24, 0), last = piece_of(40, 24, 1);
    uint32_t refused = 0;
    for (uint32_t id = 0; id < 1000; id++) {
        struct ip_fragments_result result = take(4, id, &first, start_ns);
        refused += result.refused_count;
        if (result.refused_count > 0)
            assert_int_equal(result.why, DROP_IP_FRAGMENTS_FULL);
        assert_true(ip_fragments_held(fragments) <= WAITING_MAX);
    }
    assert_int_equal(refused, 1000 - ip_fragments_held(fragments));
    assert_true(ip_fragments_held(fragments) > WAITING_MAX / 2);
    /* under pressure an eighth of the time is enough: others get in again soon */
    uint64_t soon_ns = start_ns + TIMEOUT_NS / 8 + 2;
    assert_null(take(4, 2000, &first, soon_ns).whole);
    check_whole(take(4, 2000, &last, soon_ns).whole, 4, 40);
}

static int start(void **state)
{
    (void)state;
    dpdk_environment_start();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(four_pieces_become_whole_in_any_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(two_datagrams_at_once_do_not_mix, set_up, tear_down),
        cmocka_unit_test_setup_teardown(eight_pieces_are_the_most, set_up, tear_down),
        cmocka_unit_test_setup_teardown(pieces_that_overlap_end_their_datagram, set_up, tear_down),
        cmocka_unit_test_setup_teardown(pieces_that_cannot_be_are_refused_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_stays_incomplete_is_given_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_flood_of_first_pieces_takes_its_share_and_no_more, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
