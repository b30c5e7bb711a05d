/* SPDX-License-Identifier: BSD-3-Clause */
/* What goes on when packets are short, and what strangers can make us say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "include/server_config.h"
#include "tests/support/tcp_peer.h"
#include "tests/support/test_eal.h"

#define F TCP_FLAG_FIN
#define S TCP_FLAG_SYN
#define R TCP_FLAG_RST
#define A TCP_FLAG_ACK

#define SEGMENT 1000u /* more than what is copied together */

static struct tcp_peer peer;

static const struct tcp_syn_options usual = {.mss_bytes = 1460, .has_sack = true};

/* One side of a second conversation with the same stack. */
struct side {
    uint16_t port;
    uint32_t stack_iss;
    struct tcp_connection *connection;
};

static int setup(void **state)
{
    (void)state;
    peer_init(&peer);
    peer.config.packets_held_max = 8;
    peer.config.challenges_per_s = 10;
    peer_start(&peer);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    peer_stop(&peer);
    return 0;
}

static struct side open_side(uint16_t port)
{
    peer.port = port;
    peer_open(&peer, &usual);
    return (struct side){port, peer.stack_iss, peer.connection};
}

static void speak_as(const struct side *side)
{
    peer.port = side->port;
    peer.stack_iss = side->stack_iss;
    peer.connection = side->connection;
}

static void send_data(uint32_t seq)
{
    peer_send(&peer, (struct peer_segment){.flags = A, .seq = seq, .ack = 1, .length = SEGMENT});
}

static uint32_t received(const struct side *side)
{
    return tcp_receive_bytes(side->connection);
}

/* ---- packets ---- */

static void open_connections_go_on_while_data_holds_all_it_may(void **state)
{
    (void)state;
    struct side holder = open_side(100), other = open_side(101), leaver = open_side(102);
    speak_as(&holder);
    for (uint32_t i = 0; i < 8; i++)
        send_data(1 + i * SEGMENT);
    peer_discard(&peer);
    assert_int_equal(received(&holder), 8 * SEGMENT);
    /* data is refused and counted, and the window says so */
    speak_as(&other);
    send_data(1);
    assert_int_equal(received(&other), 0);
    assert_int_equal(peer_drops(&peer, DROP_TCP_PACKETS_SHORT), 1);
    /* a question is answered: keep-alive, challenge */
    peer_discard(&peer);
    peer_send(&peer, (struct peer_segment){.flags = A, .seq = 0, .ack = 1});
    peer_expect(&peer, A, 1, 1, 0);
    peer_send(&peer, (struct peer_segment){.flags = S, .seq = 9});
    peer_expect(&peer, A, 1, 1, 0);
    /* closing and resets work */
    peer_send(&peer, (struct peer_segment){.flags = A | F, .seq = 1, .ack = 1});
    peer_expect(&peer, A, 1, 2, 0);
    assert_true(peer.events & TCP_EVENT_PEER_CLOSED);
    speak_as(&leaver);
    peer.events = 0;
    peer_send(&peer, (struct peer_segment){.flags = R, .seq = 1});
    assert_true(peer.events & TCP_EVENT_GONE);
    /* a stranger is told that nobody is there */
    peer.port = 999;
    peer_send(&peer, (struct peer_segment){.flags = A, .seq = 1, .ack = 1});
    peer_expect(&peer, R, 1, 0, 0);
    /* and with room everything arrives */
    speak_as(&holder);
    tcp_receive_consume(peer.stack, holder.connection, 8 * SEGMENT);
    peer_round(&peer);
    peer_discard(&peer);
    send_data(1 + 8 * SEGMENT);
    assert_int_equal(received(&holder), SEGMENT);
}

/* A gateway that is slow to answer, a neighbour table that is full: frames leave all the same. */
static void an_unconfirmed_next_hop_does_not_hurry_the_timers(void **state)
{
    (void)state;
    memcpy(peer.network.next_hop_mac, "\x02\0\0\0\0\x07", 6);
    peer.network.has_stand_in = true;
    peer_open(&peer, &(struct tcp_syn_options){.mss_bytes = 1460});
    peer_application_sends(&peer, 100);
    peer_round(&peer);
    peer_expect(&peer, A, 1, 1, 100);
    assert_in_range(peer_wait(&peer, 1000), 195, 210);
    peer_expect(&peer, A, 1, 1, 100);
    assert_in_range(peer_wait(&peer, 1000), 395, 410);
}

/* With data on its way, whose timer must not be hurried, and with none, where no timer runs. */
static void a_fin_without_a_packet_waits_and_asks_now_and_then(void **state)
{
    (void)state;
    static struct packet *hoard[8192];
    for (uint32_t sent = 0; sent <= 100; sent += 100) {
        uint32_t hoarded = 0;
        peer.port++;
        peer_open(&peer, &(struct tcp_syn_options){.mss_bytes = 1460});
        if (sent > 0) {
            peer_application_sends(&peer, sent);
            peer_round(&peer);
            peer_expect(&peer, A, 1, 1, sent);
        }
        while ((hoard[hoarded] = packet_alloc(peer.pool)) != NULL)
            hoarded++;
        uint64_t asked = peer_counter(&peer, COUNTER_PACKET_ALLOCATION_FAILED);
        tcp_close(peer.stack, peer.connection);
        peer_round(&peer);
        assert_in_range(tcp_next_timer_ns(peer.stack), peer.now_ns + 18000000,
                        peer.now_ns + 22000000);      /* until then a worker may sleep */
        assert_int_equal(peer_wait(&peer, 150), 150); /* nothing is sent again before its time */
        asked = peer_counter(&peer, COUNTER_PACKET_ALLOCATION_FAILED) - asked;
        assert_in_range(asked, 7, 9);
        while (hoarded > 0)
            packet_free(hoard[--hoarded]);
        assert_in_range(peer_wait(&peer, 30), 0, 22);
        peer_expect(&peer, A | F, 1 + sent, 1, 0);
        peer_discard(&peer);
    }
}

/* What /metrics shows: half-open peers, TIME-WAIT, packets held, those of them out of order. */
static void expect_levels(uint32_t half_open, uint32_t time_wait, uint32_t held, uint32_t early)
{
    struct tcp_levels levels;
    tcp_stack_levels(peer.stack, &levels);
    assert_int_equal(levels.half_open, half_open);
    assert_int_equal(levels.time_wait, time_wait);
    assert_int_equal(levels.packets_held, held);
    assert_int_equal(levels.out_of_order, early);
}

static void every_level_that_rose_falls_again(void **state)
{
    (void)state;
    expect_levels(0, 0, 0, 0);
    peer.port = 99; /* one more, who will give up */
    peer_send(&peer, (struct peer_segment){.flags = S});
    peer_discard(&peer);
    expect_levels(1, 0, 0, 0);
    peer_send(&peer, (struct peer_segment){.flags = R, .seq = 1});
    expect_levels(0, 0, 0, 0);
    open_side(100);
    for (uint32_t seq = 1 + SEGMENT; seq <= 2 * SEGMENT + 1; seq += SEGMENT)
        send_data(seq);
    expect_levels(0, 0, 2, 2);
    send_data(1);
    expect_levels(0, 0, 3, 0);
    assert_int_equal(peer_application_reads(&peer), 3 * SEGMENT);
    expect_levels(0, 0, 0, 0);
    peer_application_sends(&peer, 2920);
    tcp_close(peer.stack, peer.connection);
    peer_round(&peer);
    peer_discard(&peer);
    expect_levels(0, 0, 3, 0); /* the FIN has one of its own */
    peer_send(&peer, (struct peer_segment){.flags = A | F, .seq = 1 + 3 * SEGMENT, .ack = 2922});
    peer_discard(&peer);
    expect_levels(0, 1, 0, 0);
    peer_sleep(&peer, peer.config.time_wait_ms + 10);
    expect_levels(0, 0, 0, 0);
}

static void what_waits_out_of_order_goes_first(void **state)
{
    (void)state;
    struct side waiting = open_side(100), other = open_side(101);
    speak_as(&waiting);
    for (uint32_t i = 0; i < 8; i++)
        send_data(1 + (i + 1) * SEGMENT); /* the first is missing */
    assert_int_equal(received(&waiting), 0);
    peer_discard(&peer);
    send_data(1 + 9 * SEGMENT); /* no room for more of that kind */
    assert_int_equal(peer_drops(&peer, DROP_TCP_REASSEMBLY_FULL), 1);
    peer_discard(&peer);
    speak_as(&other); /* in order: it is taken */
    send_data(1);
    assert_int_equal(received(&other), SEGMENT);
    assert_int_equal(peer_counter(&peer, COUNTER_TCP_OUT_OF_ORDER_PRUNED), 8);
    peer_discard(&peer);
    speak_as(&waiting); /* the peer has kept it, and sends it again */
    for (uint32_t i = 0; i < 7; i++)
        send_data(1 + i * SEGMENT);
    assert_int_equal(received(&waiting), 7 * SEGMENT);
    peer_sleep(&peer, 50); /* the last one's acknowledgement may be late */
    struct seen_segment seen;
    uint32_t acknowledged = 0;
    while (peer_sees(&peer, &seen)) {
        assert_int_equal(seen.sack_count, 0);
        acknowledged = seen.ack > acknowledged ? seen.ack : acknowledged;
    }
    assert_int_equal(acknowledged, 1 + 7 * SEGMENT);
}

static void what_we_send_too_may_push_it_out(void **state)
{
    (void)state;
    struct side waiting = open_side(100), other = open_side(101);
    speak_as(&waiting);
    for (uint32_t i = 0; i < 8; i++)
        send_data(1 + (i + 1) * SEGMENT);
    peer_discard(&peer);
    speak_as(&other);
    peer_application_sends(&peer, 100);
    peer_expect(&peer, A, 1, 1, 100);
    assert_int_equal(peer_counter(&peer, COUNTER_TCP_OUT_OF_ORDER_PRUNED), 8);
}

static void out_of_order_data_is_bounded_over_all_connections(void **state)
{
    (void)state;
    tcp_stack_destroy(peer.stack);
    peer.config.packets_held_max = 100;
    peer.config.out_of_order_total = 5;
    peer_start(&peer);
    struct side sides[3];
    for (uint16_t i = 0; i < 3; i++) {
        sides[i] = open_side((uint16_t)(100 + i));
        for (uint32_t segment = 1; segment <= 2; segment++)
            send_data(1 + 2 * segment * SEGMENT);
        peer_discard(&peer);
    }
    assert_int_equal(peer_drops(&peer, DROP_TCP_REASSEMBLY_FULL), 1);
    tcp_abort(peer.stack, sides[0].connection); /* gives up its two */
    peer_round(&peer);
    speak_as(&sides[2]);
    send_data(1 + 4 * SEGMENT);
    assert_int_equal(peer_drops(&peer, DROP_TCP_REASSEMBLY_FULL), 1);
    peer_discard(&peer);
}

static void data_may_hold_three_quarters_of_what_the_rings_leave(void **state)
{
    (void)state;
    static const struct {
        uint32_t packets, ports, descriptors, expected;
    } cases[] = {
        {16384, 1, 1024, 10752}, {16384, 4, 1024, 6144}, {65536, 1, 4096, 43008},
        {2304, 1, 1024, 192},    {2048, 1, 1024, 64},    {1024, 8, 4096, 64},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        static struct server_config server;
        struct tcp_stack_config config;
        memset(&server, 0, sizeof(server));
        server.memory.packets = cases[i].packets;
        server.ports_count = cases[i].ports;
        for (uint32_t port = 0; port < cases[i].ports; port++)
            server.ports[port].rx_descriptors = server.ports[port].tx_descriptors =
                cases[i].descriptors;
        tcp_stack_config_from(&server, &config);
        assert_int_equal(config.packets_held_max, cases[i].expected);
    }
}

/* ---- answers to strangers ---- */

static void challenges_of_one_connection_do_not_silence_another(void **state)
{
    (void)state;
    struct side victim = open_side(100), attacker = open_side(101);
    speak_as(&attacker);
    for (uint32_t i = 0; i < 200; i++)
        peer_send(&peer, (struct peer_segment){.flags = R, .seq = 2});
    assert_int_equal(peer_discard(&peer), 10);
    assert_int_equal(peer_counter(&peer, COUNTER_TCP_ANSWERS_LIMITED), 190);
    speak_as(&victim);
    for (uint32_t i = 0; i < 10; i++) {
        peer_send(&peer, (struct peer_segment){.flags = S, .seq = 5});
        peer_expect(&peer, A, 1, 1, 0);
    }
    peer_send(&peer, (struct peer_segment){.flags = S, .seq = 5});
    peer_expect_nothing(&peer);
}

static void a_new_connection_in_an_old_slot_has_its_own_challenges(void **state)
{
    (void)state;
    struct side first = open_side(100);
    for (uint32_t i = 0; i < 20; i++)
        peer_send(&peer, (struct peer_segment){.flags = R, .seq = 2});
    tcp_abort(peer.stack, first.connection);
    peer_round(&peer);
    peer_discard(&peer);
    struct side second = open_side(101);
    assert_ptr_equal(second.connection, first.connection);
    peer_send(&peer, (struct peer_segment){.flags = R, .seq = 2});
    peer_expect(&peer, A, 1, 1, 0);
}

/* How many RSTs come back in one second. */
static uint32_t resets_for(uint8_t flags, uint32_t count)
{
    uint32_t resets = 0;
    for (uint32_t i = 0; i < count; i++) {
        peer_send(&peer, (struct peer_segment){.flags = flags, .seq = 1, .ack = 1});
        resets += peer_discard(&peer);
    }
    return resets;
}

static void resets_are_limited_by_kind_and_nobody_can_count_on_the_number(void **state)
{
    (void)state;
    tcp_stack_destroy(peer.stack);
    peer.config.reset_rate_per_s = 100;
    peer_start(&peer);
    tcp_stop_listening(peer.stack, STACK_PORT);
    uint32_t seen[5], different = 0;
    for (uint32_t second = 0; second < ARRAY_COUNT(seen); second++) {
        seen[second] = resets_for(S, 300);
        assert_in_range(seen[second], 50, 100);
        assert_in_range(resets_for(A, 300), 50, 100); /* SYNs have not used these up */
        peer_sleep(&peer, 1002);
        different += seen[second] != seen[0];
    }
    assert_true(different > 0);
}

/* ---- ICMP (RFC 5927) ---- */

static void tell_unreachable(uint32_t sequence)
{
    struct network_flow flow;
    uint16_t local_port, remote_port;
    tcp_connection_flow(peer.connection, &flow, &local_port, &remote_port);
    tcp_icmp_error(peer.stack, &flow, local_port, remote_port, sequence, 0, peer.now_ns);
    peer_round(&peer);
}

static void unreachable_ends_only_our_own_attempt_and_only_with_its_sequence(void **state)
{
    (void)state;
    struct network_flow flow = {.ip_version = 4, .local = {192, 0, 2, 1}, .remote = {192, 0, 2, 2}};
    peer.connection = tcp_connect(peer.stack, &flow, 5000, 6000, peer.now_ns);
    assert_non_null(peer.connection);
    peer_round(&peer);
    peer_expect(&peer, S, 0, 0, 0);
    peer.events = 0;
    tell_unreachable(peer.stack_iss + 1); /* nothing of that number is on its way */
    tell_unreachable(peer.stack_iss - 1);
    assert_int_equal(peer.events, 0);
    tell_unreachable(peer.stack_iss);
    assert_true(peer.events & TCP_EVENT_GONE);
    /* an established connection is not ended by anything: a soft error (RFC 5461) */
    open_side(100);
    peer.events = 0;
    peer_application_sends(&peer, 100);
    peer_discard(&peer);
    tell_unreachable(peer.stack_iss + 1);
    assert_int_equal(peer.events, 0);
    assert_true(tcp_send_is_open(peer.connection));
}

static void icmp_does_not_touch_half_open_peers(void **state)
{
    (void)state;
    peer_send(&peer, (struct peer_segment){.flags = S});
    peer_expect(&peer, S | A, 0, 1, 0);
    struct network_flow flow = {.ip_version = 4, .local = {192, 0, 2, 1}, .remote = {192, 0, 2, 2}};
    tcp_icmp_error(peer.stack, &flow, STACK_PORT, PEER_PORT, peer.stack_iss, 0, peer.now_ns);
    tcp_icmp_error(peer.stack, &flow, STACK_PORT, PEER_PORT, peer.stack_iss, 700, peer.now_ns);
    assert_int_equal(tcp_half_open_count(peer.stack), 1);
    peer_send(&peer, (struct peer_segment){.flags = A, .seq = 1, .ack = 1});
    assert_true(peer.events & TCP_EVENT_OPENED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    test_eal_start("64");
    const struct CMUnitTest tests[] = {
        TEST(open_connections_go_on_while_data_holds_all_it_may),
        TEST(an_unconfirmed_next_hop_does_not_hurry_the_timers),
        TEST(a_fin_without_a_packet_waits_and_asks_now_and_then),
        TEST(every_level_that_rose_falls_again),
        TEST(what_waits_out_of_order_goes_first),
        TEST(what_we_send_too_may_push_it_out),
        TEST(out_of_order_data_is_bounded_over_all_connections),
        TEST(data_may_hold_three_quarters_of_what_the_rings_leave),
        TEST(challenges_of_one_connection_do_not_silence_another),
        TEST(a_new_connection_in_an_old_slot_has_its_own_challenges),
        TEST(resets_are_limited_by_kind_and_nobody_can_count_on_the_number),
        TEST(unreachable_ends_only_our_own_attempt_and_only_with_its_sequence),
        TEST(icmp_does_not_touch_half_open_peers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
