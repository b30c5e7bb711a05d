/* SPDX-License-Identifier: BSD-3-Clause */
/* The path's MTU: what routers say, what silence means, and for how long either is believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/tcp_peer.h"
#include "tests/support/test_eal.h"

#define A TCP_FLAG_ACK
#define MSS 1440u /* what both families take at an MTU of 1500 */

static struct tcp_peer peer;
static const struct tcp_syn_options with_sack = {.mss_bytes = MSS, .has_sack = true};

static void open_connection(bool is_ipv6)
{
    peer_init(&peer);
    peer.is_ipv6 = is_ipv6;
    peer_start(&peer);
    peer_open(&peer, &with_sack);
}

static void router_says(uint16_t mtu)
{
    struct network_flow flow;
    uint16_t local_port, remote_port;
    tcp_connection_flow(peer.connection, &flow, &local_port, &remote_port);
    tcp_icmp_error(peer.stack, &flow, local_port, remote_port, peer.stack_iss + 1, mtu,
                   peer.now_ns);
    peer_round(&peer);
}

static void acknowledge(uint32_t ack)
{
    peer_send(&peer, (struct peer_segment){.flags = A, .seq = 1, .ack = ack});
    peer_discard(&peer);
}

/* Sends, is acknowledged, and does so every few seconds: time passes on a connection in use. */
static uint32_t chat(uint32_t sent, uint32_t seconds)
{
    for (uint32_t i = 0; i < seconds / 5; i++) {
        peer_application_sends(&peer, 10);
        peer_round(&peer);
        peer_discard(&peer);
        sent += 10;
        acknowledge(1 + sent);
        peer_sleep(&peer, 5000);
        peer_discard(&peer);
    }
    return sent;
}

static void a_router_is_believed_down_to_the_least(void **state)
{
    (void)state;
    static const struct {
        bool is_ipv6;
        uint16_t mtu;
        uint32_t payload; /* of a full segment afterwards */
    } cases[] = {
        {false, 1400, 1360}, {false, 576, 536},  {false, 68, 512},
        {true, 1400, 1340},  {true, 1280, 1220}, {true, 100, 1220},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        open_connection(cases[i].is_ipv6);
        peer_application_sends(&peer, MSS);
        peer_expect(&peer, A, 1, 1, cases[i].is_ipv6 ? 1440 : MSS);
        router_says(cases[i].mtu);
        assert_int_equal(tcp_payload_max(peer.connection), cases[i].payload);
        assert_int_equal(peer_counter(&peer, COUNTER_TCP_PATH_MTU_LOWERED), 1);
        peer_expect(&peer, A, 1, 1, cases[i].payload); /* sent again at once, in two */
        router_says(1499);
        assert_int_equal(tcp_payload_max(peer.connection), cases[i].payload); /* never up */
        peer_stop(&peer);
    }
}

static void after_ten_minutes_larger_segments_are_tried_again(void **state)
{
    (void)state;
    open_connection(false);
    peer_application_sends(&peer, MSS);
    peer_round(&peer);
    peer_discard(&peer);
    router_says(1000);
    assert_int_equal(tcp_payload_max(peer.connection), 960);
    acknowledge(1 + MSS);
    uint32_t sent = chat(MSS, 300); /* RFC 8201 4: not within five minutes */
    assert_int_equal(tcp_payload_max(peer.connection), 960);
    chat(sent, 600); /* after fifteen it must have happened */
    assert_int_equal(tcp_payload_max(peer.connection), MSS);
    peer_stop(&peer);
}

/* The peer hears nothing larger than `takes` bytes of payload; returns the size that came. */
static uint32_t size_that_passes(uint32_t takes, uint32_t limit_ms)
{
    struct seen_segment seen;
    for (uint32_t waited = 0; waited < limit_ms;) {
        waited += peer_wait(&peer, limit_ms - waited);
        while (peer_sees(&peer, &seen))
            if (seen.length > 0 && seen.length <= takes)
                return seen.length;
    }
    return 0;
}

static void a_path_that_swallows_large_segments_gets_smaller_ones(void **state)
{
    (void)state;
    static const struct {
        bool is_ipv6;
        uint32_t takes;  /* payload that the path lets through */
        uint32_t passes; /* what we come down to */
        uint64_t holes;
    } cases[] = {
        {false, 1300, 1240, 1}, /* 1280 */
        {true, 1300, 1220, 1},
        {false, 600, 536, 2}, /* 576 */
        {true, 600, 0, 1},    /* no IPv6 path may do that: nothing gets through */
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        open_connection(cases[i].is_ipv6);
        peer_application_sends(&peer, 3 * MSS);
        peer_round(&peer);
        peer_discard(&peer);
        assert_int_equal(size_that_passes(cases[i].takes, 40000), cases[i].passes);
        assert_int_equal(peer_counter(&peer, COUNTER_TCP_PATH_BLACK_HOLES), cases[i].holes);
        peer_stop(&peer);
    }
}

static void where_full_segments_came_through_losses_are_no_black_hole(void **state)
{
    (void)state;
    open_connection(false);
    for (uint32_t sent = 1; sent <= 2; sent++) {
        peer_application_sends(&peer, MSS);
        peer_discard(&peer);
        peer_wait(&peer, sent == 1 ? 10 : 3000); /* the second is lost once, and arrives */
        peer_discard(&peer);
        peer_send(&peer,
                  (struct peer_segment){.flags = TCP_FLAG_ACK, .seq = 1, .ack = 1 + sent * MSS});
    }
    peer_application_sends(&peer, 3 * MSS);
    peer_discard(&peer);
    assert_int_equal(size_that_passes(1300, 5000), 0);
    assert_int_equal(peer_counter(&peer, COUNTER_TCP_PATH_BLACK_HOLES), 0);
    assert_int_equal(size_that_passes(1300, 30000), 1240); /* it has become one */
    peer_stop(&peer);
}

static void small_segments_that_are_lost_say_nothing_about_size(void **state)
{
    (void)state;
    open_connection(false);
    peer_application_sends(&peer, 500);
    assert_int_equal(size_that_passes(100, 20000), 0);
    assert_true(peer_counter(&peer, COUNTER_TCP_RETRANSMITS_TIMEOUT) >= 3);
    assert_int_equal(peer_counter(&peer, COUNTER_TCP_PATH_BLACK_HOLES), 0);
    peer_stop(&peer);
}

/* ---- the link's own MTU, as a router advertises it ---- */

static void link_takes(uint16_t mtu)
{
    peer.network.mtu = mtu;
    peer.network.generation++;
}

/* Everything sent so far; returns the largest payload, and in *bytes all of them. */
static uint32_t largest_seen(uint32_t *bytes)
{
    struct seen_segment seen;
    uint32_t largest = 0;
    *bytes = 0;
    while (peer_sees(&peer, &seen)) {
        largest = seen.length > largest ? seen.length : largest;
        *bytes += seen.length;
    }
    return largest;
}

static void a_smaller_link_mtu_reaches_open_connections(void **state)
{
    (void)state;
    uint32_t bytes, sent = 0;
    for (uint32_t segments = 1; segments <= 3; segments += 2) { /* a lone answer, and several */
        open_connection(true);
        link_takes(1300);
        peer_application_sends(&peer, segments * MSS);
        for (sent = 0; sent < segments * MSS; sent += bytes) {
            peer_round(&peer);
            assert_in_range(largest_seen(&bytes), 1, 1240);
        }
        assert_int_equal(sent, segments * MSS);
        assert_int_equal(tcp_payload_max(peer.connection), 1240);
        assert_int_equal(peer_counter(&peer, COUNTER_PACKET_ALLOCATION_FAILED), 0);
        peer_stop(&peer);
    }
}

static void what_waits_is_cut_anew_for_a_smaller_link(void **state)
{
    (void)state;
    uint32_t bytes;
    open_connection(true);
    peer_application_sends(&peer, 20 * MSS);
    peer_round(&peer);
    assert_int_equal(largest_seen(&bytes), MSS);
    assert_int_equal(bytes, 10 * MSS); /* the initial window */
    link_takes(1300);
    for (uint32_t sent = bytes; sent < 20 * MSS; sent += bytes) {
        peer_send(&peer, (struct peer_segment){.flags = A, .seq = 1, .ack = 1 + sent});
        peer_round(&peer);
        assert_in_range(largest_seen(&bytes), 1, 1240);
    }
    peer_stop(&peer);
}

static void what_the_smaller_link_swallowed_is_sent_again_in_smaller_ones(void **state)
{
    (void)state;
    open_connection(true);
    peer_application_sends(&peer, 3 * MSS);
    peer_round(&peer);
    peer_discard(&peer);
    link_takes(1300);
    assert_in_range(peer_wait(&peer, 1000), 0, 50); /* the probe, and not the timeout */
    uint32_t arrived = 0;
    while (arrived < 3 * MSS) { /* in order, as the peer gets it */
        struct seen_segment seen;
        if (peer.out_count == 0)
            assert_in_range(peer_wait(&peer, 1000), 0, 999);
        while (peer_sees(&peer, &seen)) {
            assert_in_range(seen.length, 1, 1240);
            if (seen.seq == 1 + arrived)
                arrived += seen.length;
        }
        peer_send(&peer, (struct peer_segment){.flags = A, .seq = 1, .ack = 1 + arrived});
    }
    assert_int_equal(arrived, 3 * MSS);
    assert_int_equal(peer_counter(&peer, COUNTER_TCP_PATH_BLACK_HOLES), 0);
    peer_stop(&peer);
}

/* Its next hop is known, so nothing but the MTU makes it ask. */
static void a_connection_opened_afterwards_starts_with_the_link_mtu(void **state)
{
    (void)state;
    open_connection(true);
    link_takes(1300);
    peer.port++;
    peer_send(&peer, (struct peer_segment){.flags = TCP_FLAG_SYN});
    struct seen_segment answer = peer_expect(&peer, TCP_FLAG_SYN | A, 0, 1, 0);
    assert_int_equal(answer.syn.mss_bytes, 1240);
    peer_discard(&peer);
    peer.port++;
    peer_open(&peer, &with_sack);
    assert_int_equal(tcp_payload_max(peer.connection), 1240);
    peer_stop(&peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_router_is_believed_down_to_the_least),
        cmocka_unit_test(after_ten_minutes_larger_segments_are_tried_again),
        cmocka_unit_test(a_path_that_swallows_large_segments_gets_smaller_ones),
        cmocka_unit_test(where_full_segments_came_through_losses_are_no_black_hole),
        cmocka_unit_test(small_segments_that_are_lost_say_nothing_about_size),
        cmocka_unit_test(a_smaller_link_mtu_reaches_open_connections),
        cmocka_unit_test(what_waits_is_cut_anew_for_a_smaller_link),
        cmocka_unit_test(what_the_smaller_link_swallowed_is_sent_again_in_smaller_ones),
        cmocka_unit_test(a_connection_opened_afterwards_starts_with_the_link_mtu),
    };
    test_eal_start("64");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
