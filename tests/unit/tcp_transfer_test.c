/* SPDX-License-Identifier: BSD-3-Clause */
/* Data, acknowledgements, windows, losses and the congestion window's trace, by segments. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/tcp_peer.h"
#include "tests/support/test_eal.h"

#define F TCP_FLAG_FIN
#define S TCP_FLAG_SYN
#define R TCP_FLAG_RST
#define A TCP_FLAG_ACK
#define MSS 1000u

static struct tcp_peer peer;

static const struct tcp_syn_options with_sack = {.mss_bytes = MSS, .has_sack = true};
static const struct tcp_syn_options plain = {.mss_bytes = MSS};

static void start(bool use_newreno, const struct tcp_syn_options *options)
{
    peer_init(&peer);
    peer.config.use_newreno = use_newreno;
    peer_start(&peer);
    peer_open(&peer, options);
}

static int setup(void **state)
{
    (void)state;
    start(false, &with_sack);
    return 0;
}

static int setup_newreno(void **state)
{
    (void)state;
    start(true, &plain);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    peer_stop(&peer);
    return 0;
}

static struct tcp_connection_info info(void)
{
    struct tcp_connection_info result;
    tcp_connection_info(peer.stack, peer.connection, &result);
    return result;
}

static void acknowledge(uint32_t ack)
{
    peer_send(&peer, (struct peer_segment){.flags = A, .seq = 1, .ack = ack});
}

static void expect_segments(uint32_t first, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        peer_expect(&peer, A, first + i * MSS, 1, MSS);
}

/* ---- acknowledging ---- */

static void an_answer_of_the_same_round_carries_the_acknowledgement(void **state)
{
    (void)state;
    peer_queue(&peer, (struct peer_segment){.flags = A, .seq = 1, .ack = 1, .length = 60});
    peer_application_sends(&peer, 200);
    peer_expect(&peer, A, 1, 61, 200);
    peer_sleep(&peer, 35); /* and no bare one follows (the probe for the answer's loss is later) */
    peer_expect_nothing(&peer);
}

static void a_full_port_keeps_segments_in_the_send_queue(void **state)
{
    (void)state;
    struct seen_segment seen;
    peer.network.is_full = true;
    peer_application_sends(&peer, 300);
    peer_round(&peer);
    peer_round(&peer);
    assert_false(peer_sees(&peer, &seen));
    assert_int_equal(tcp_next_timer_ns(peer.stack), peer.now_ns); /* the worker does not sleep */
    peer.network.is_full = false;
    peer_round(&peer);
    peer_expect(&peer, A, 1, 1, 300);
    assert_int_equal(peer_counter(&peer, COUNTER_TCP_RETRANSMITS_TIMEOUT), 0);
}

#define WAITING 40u

/* Each has one segment for a full port. */
static void many_wait(void)
{
    struct tcp_connection *waiting[WAITING];
    for (uint32_t i = 0; i < WAITING; i++) {
        peer.port = (uint16_t)(PEER_PORT + 1 + i);
        peer_open(&peer, &plain);
        waiting[i] = peer.connection;
    }
    peer.network.is_full = true;
    for (uint32_t i = 0; i < WAITING; i++) {
        peer.connection = waiting[i];
        peer_application_sends(&peer, 300);
    }
}

static uint32_t looked_at_in_a_round(void)
{
    uint32_t questions = 0;
    peer.network.room_questions = &questions;
    peer_round(&peer);
    peer.network.room_questions = NULL;
    return questions;
}

/* Else each round costs as much as there are connections that wait. */
static void while_the_port_is_full_a_round_looks_at_one_of_those_who_wait(void **state)
{
    (void)state;
    many_wait();
    assert_int_equal(looked_at_in_a_round(), 1);
    assert_int_equal(looked_at_in_a_round(), 1);
    peer.network.is_full = false;
    peer_round(&peer);
    struct seen_segment seen;
    for (uint32_t i = 0; i < WAITING; i++) { /* in the order in which they asked */
        assert_true(peer_sees(&peer, &seen));
        assert_int_equal(seen.port, PEER_PORT + 1 + i);
    }
    peer_expect_nothing(&peer);
}

static void of_several_ports_a_full_one_does_not_hide_those_of_another(void **state)
{
    (void)state;
    peer.network.more_ports = 1;
    many_wait();
    assert_int_equal(looked_at_in_a_round(), WAITING); /* fewer than a round looks at */
}

static void a_lone_segment_is_acknowledged_after_the_delay(void **state)
{
    (void)state;
    peer_send(&peer, (struct peer_segment){.flags = A, .seq = 1, .ack = 1, .length = 60});
    peer_expect_nothing(&peer);
    assert_in_range(peer_wait(&peer, 200), 38, 44);
    peer_expect(&peer, A, 1, 61, 0);
}

static void every_second_full_segment_is_acknowledged_at_once(void **state)
{
    (void)state;
    /* the first byte ends the connection's silence, outside header prediction */
    peer_send(&peer, (struct peer_segment){.flags = A, .seq = 1, .ack = 1, .length = MSS});
    peer_expect_nothing(&peer);
    peer_send(&peer, (struct peer_segment){.flags = A, .seq = 1001, .ack = 1, .length = MSS});
    peer_expect(&peer, A, 1, 2001, 0);
}

static void holes_are_reported_most_recent_first(void **state)
{
    (void)state;
    peer_send(&peer, (struct peer_segment){.flags = A, .seq = 1001, .ack = 1, .length = MSS});
    struct seen_segment seen = peer_expect(&peer, A, 1, 1, 0);
    assert_int_equal(seen.sack_count, 1);
    assert_int_equal(seen.sack[0].left, 1001);
    assert_int_equal(seen.sack[0].right, 2001);
    peer_send(&peer, (struct peer_segment){.flags = A, .seq = 5001, .ack = 1, .length = MSS});
    seen = peer_expect(&peer, A, 1, 1, 0);
    assert_int_equal(seen.sack_count, 2);
    assert_int_equal(seen.sack[0].left, 5001);
    assert_int_equal(seen.sack[1].left, 1001);
    peer_send(&peer, (struct peer_segment){.flags = A, .seq = 1, .ack = 1, .length = MSS});
    seen = peer_expect(&peer, A, 1, 2001, 0);
    assert_int_equal(seen.sack_count, 1);
    assert_int_equal(tcp_receive_bytes(peer.connection), 2000);
    peer_send(&peer, (struct peer_segment){.flags = A, .seq = 1, .ack = 1, .length = MSS});
    seen = peer_expect(&peer, A, 1, 2001, 0); /* came twice: told once (RFC 2883) */
    assert_int_equal(seen.sack[0].left, 1);
    assert_int_equal(seen.sack[0].right, 1001);
}

static void what_may_wait_out_of_order_is_bounded(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 100; i++)
        peer_send(&peer,
                  (struct peer_segment){.flags = A, .seq = 101 + 20 * i, .ack = 1, .length = 10});
    peer_discard(&peer);
    assert_int_equal(peer_drops(&peer, DROP_TCP_REASSEMBLY_FULL), 100 - 16);
}

/* ---- windows ---- */

static void the_window_follows_what_the_application_reads(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 64; i++)
        peer_send(&peer,
                  (struct peer_segment){.flags = A, .seq = 1 + i * MSS, .ack = 1, .length = MSS});
    peer_sleep(&peer, 50);
    struct seen_segment seen = {0};
    while (peer_sees(&peer, &seen))
        ;
    assert_int_equal(seen.ack, 64001);
    assert_int_equal(seen.window, 65535 - 64000);
    assert_int_equal(peer_application_reads(&peer), 64000);
    peer_round(&peer);
    seen = peer_expect(&peer, A, 1, 64001, 0); /* worth an update */
    assert_int_equal(seen.window, 65535);
}

static void a_shut_window_is_probed_and_opens_again(void **state)
{
    (void)state;
    peer_send(&peer, (struct peer_segment){
                         .flags = A, .seq = 1, .ack = 1, .window = PEER_WINDOW_ZERO, .length = 1});
    peer_application_sends(&peer, 500);
    peer_sleep(&peer, 50);
    struct seen_segment seen = peer_expect(&peer, A, 1, 2, 0); /* the acknowledgement only */
    uint32_t first = peer_wait(&peer, 1000);
    assert_in_range(first, 100, 210);
    seen = peer_expect(&peer, A, 0, 2, 0); /* old sequence: the peer must answer */
    (void)seen;
    peer_send(&peer,
              (struct peer_segment){.flags = A, .seq = 2, .ack = 1, .window = PEER_WINDOW_ZERO});
    assert_in_range(peer_wait(&peer, 2000), 350, 450); /* backed off */
    peer_expect(&peer, A, 0, 2, 0);
    peer_send(&peer, (struct peer_segment){.flags = A, .seq = 2, .ack = 1});
    peer_expect(&peer, A, 1, 2, 500);
}

static void a_probe_of_our_shut_window_is_acknowledged_but_not_taken(void **state)
{
    (void)state;
    uint32_t seq = 1;
    while (seq < 65536) {
        uint32_t part = 65536 - seq < MSS ? 65536 - seq : MSS;
        peer_send(&peer, (struct peer_segment){.flags = A, .seq = seq, .ack = 1, .length = part});
        seq += part;
    }
    peer_sleep(&peer, 50);
    peer_discard(&peer);
    peer_send(&peer, (struct peer_segment){.flags = A, .seq = 65536, .ack = 1, .length = 1});
    struct seen_segment seen = peer_expect(&peer, A, 1, 65536, 0);
    assert_int_equal(seen.window, 0);
    assert_int_equal(tcp_receive_bytes(peer.connection), 65535);
}

/* ---- losses and the congestion window ---- */

static void slow_start_doubles_per_round_trip(void **state)
{
    (void)state;
    assert_int_equal(info().cwnd_bytes, 10 * MSS);
    peer_application_sends(&peer, 60 * MSS);
    expect_segments(1, 10);
    peer_expect_nothing(&peer);
    peer.now_ns += 10000000;
    acknowledge(1 + 10 * MSS);
    assert_int_equal(info().cwnd_bytes, 20 * MSS);
    expect_segments(1 + 10 * MSS, 20);
    peer_expect_nothing(&peer);
}

static void three_duplicates_halve_the_window_and_send_again(void **state)
{
    (void)state;
    peer_application_sends(&peer, 30 * MSS);
    expect_segments(1, 10);
    peer.now_ns += 10000000;
    acknowledge(1);
    peer_expect(&peer, A, 1 + 10 * MSS, 1, MSS); /* limited transmit (RFC 3042) */
    acknowledge(1);
    peer_expect(&peer, A, 1 + 11 * MSS, 1, MSS);
    acknowledge(1);
    peer_expect(&peer, A, 1, 1, MSS); /* fast retransmit */
    assert_int_equal(info().ssthresh_bytes, 5 * MSS);
    assert_int_equal(info().recovery, TCP_RECOVERY);
    peer_discard(&peer);
    peer.now_ns += 10000000;
    acknowledge(1 + 12 * MSS);
    assert_int_equal(info().recovery, TCP_OPEN);
    assert_int_equal(info().cwnd_bytes, 5 * MSS);
    assert_int_equal(peer_counter(&peer, COUNTER_TCP_RETRANSMITS_FAST), 1);
}

static void a_sacked_hole_lowers_cubic_to_seven_tenths(void **state)
{
    (void)state;
    peer_application_sends(&peer, 30 * MSS);
    expect_segments(1, 10);
    peer.now_ns += 10000000;
    peer_send(
        &peer,
        (struct peer_segment){
            .flags = A, .seq = 1, .ack = 1, .sack_count = 1, .sack = {{1 + MSS, 1 + 4 * MSS}}});
    peer_expect(&peer, A, 1, 1, MSS);
    assert_int_equal(info().ssthresh_bytes, 7 * MSS);
    peer_discard(&peer);
    peer.now_ns += 10000000;
    acknowledge(1 + 10 * MSS);
    assert_int_equal(info().cwnd_bytes, 7 * MSS);
    assert_int_equal(info().recovery, TCP_OPEN);
}

static void a_timeout_collapses_the_window_to_one_segment(void **state)
{
    (void)state;
    peer_application_sends(&peer, 10 * MSS);
    expect_segments(1, 10);
    uint32_t waited = peer_wait(&peer, 3000);
    assert_in_range(waited, 195, 210);
    peer_expect(&peer, A, 1, 1, MSS); /* one segment */
    peer_expect_nothing(&peer);
    assert_int_equal(info().cwnd_bytes, MSS);
    assert_int_equal(info().ssthresh_bytes, 5 * MSS);
    waited = peer_wait(&peer, 3000);
    assert_in_range(waited, 395, 430); /* doubled */
    peer_expect(&peer, A, 1, 1, MSS);
    assert_int_equal(info().ssthresh_bytes, 5 * MSS); /* not lowered again for the same data */
    acknowledge(1 + MSS);
    assert_int_equal(info().cwnd_bytes, 2 * MSS); /* slow start */
    expect_segments(1 + MSS, 2);
}

static void a_lost_tail_is_probed_before_the_timeout(void **state)
{
    (void)state;
    peer_application_sends(&peer, 3 * MSS);
    expect_segments(1, 3);
    uint32_t waited = peer_wait(&peer, 3000);
    assert_in_range(waited, 1, 60);
    peer_expect(&peer, A, 1 + 2 * MSS, 1, MSS); /* the last one */
    assert_int_equal(peer_counter(&peer, COUNTER_TCP_RETRANSMITS_PROBE), 1);
    peer_send(&peer, (struct peer_segment){.flags = A,
                                           .seq = 1,
                                           .ack = 1 + MSS,
                                           .sack_count = 1,
                                           .sack = {{1 + 2 * MSS, 1 + 3 * MSS}}});
    peer_wait(&peer, 100);
    peer_expect(&peer, A, 1 + MSS, 1, MSS); /* found lost by the probe's answer */
    assert_int_equal(peer_counter(&peer, COUNTER_TCP_RETRANSMITS_TIMEOUT), 0);
}

static void a_peer_that_never_answers_is_given_up(void **state)
{
    (void)state;
    peer_application_sends(&peer, 100);
    peer_expect(&peer, A, 1, 1, 100);
    for (int s = 0; s < 200 && !(peer.events & TCP_EVENT_GONE); s++) {
        peer_sleep(&peer, 1000);
        peer_discard(&peer);
    }
    assert_true(peer.events & TCP_EVENT_GONE);
    assert_int_equal(peer_counter(&peer, COUNTER_TCP_TIMEOUTS), 1);
}

static void too_big_is_believed_only_in_flight_and_cuts_segments(void **state)
{
    (void)state;
    struct network_flow flow;
    uint16_t local_port, remote_port;
    peer_application_sends(&peer, 2 * MSS);
    expect_segments(1, 2);
    tcp_connection_flow(peer.connection, &flow, &local_port, &remote_port);
    tcp_icmp_error(peer.stack, &flow, local_port, remote_port, peer.stack_iss + 5000, 700,
                   peer.now_ns);
    assert_int_equal(tcp_payload_max(peer.connection), MSS); /* a guess */
    tcp_icmp_error(peer.stack, &flow, local_port, remote_port, peer.stack_iss + 1, 700,
                   peer.now_ns);
    assert_int_equal(tcp_payload_max(peer.connection), 660);
    peer_round(&peer);
    peer_expect(&peer, A, 1, 1, 660);
    peer_expect(&peer, A, 661, 1, 340);
}

static void keepalive_probes_a_silent_peer_and_gives_up(void **state)
{
    (void)state;
    peer_stop(&peer);
    peer_init(&peer);
    peer.config.keepalive_ms = 10000;
    peer_start(&peer);
    peer_open(&peer, &with_sack);
    assert_in_range(peer_wait(&peer, 20000), 9990, 10020);
    peer_expect(&peer, A, 0, 1, 0);
    acknowledge(1);
    for (int i = 0; i < 8; i++) {
        assert_in_range(peer_wait(&peer, 20000), 9900, 10020);
        peer_expect(&peer, A, 0, 1, 0);
    }
    peer_sleep(&peer, 11000);
    assert_true(peer.events & TCP_EVENT_GONE);
}

static void the_application_deadline_becomes_an_event(void **state)
{
    (void)state;
    tcp_set_deadline(peer.stack, peer.connection, peer.now_ns + 50000000);
    peer_sleep(&peer, 49);
    assert_int_equal(peer.events, 0);
    peer_sleep(&peer, 5);
    assert_int_equal(peer.events, TCP_EVENT_TIMER);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_NEWRENO(name) cmocka_unit_test_setup_teardown(name, setup_newreno, teardown)

int main(void)
{
    test_eal_start("64");
    const struct CMUnitTest tests[] = {
        TEST(an_answer_of_the_same_round_carries_the_acknowledgement),
        TEST(a_full_port_keeps_segments_in_the_send_queue),
        TEST(while_the_port_is_full_a_round_looks_at_one_of_those_who_wait),
        TEST(of_several_ports_a_full_one_does_not_hide_those_of_another),
        TEST(a_lone_segment_is_acknowledged_after_the_delay),
        TEST(every_second_full_segment_is_acknowledged_at_once),
        TEST(holes_are_reported_most_recent_first),
        TEST(what_may_wait_out_of_order_is_bounded),
        TEST(the_window_follows_what_the_application_reads),
        TEST(a_shut_window_is_probed_and_opens_again),
        TEST(a_probe_of_our_shut_window_is_acknowledged_but_not_taken),
        TEST(slow_start_doubles_per_round_trip),
        TEST_NEWRENO(three_duplicates_halve_the_window_and_send_again),
        TEST(a_sacked_hole_lowers_cubic_to_seven_tenths),
        TEST_NEWRENO(a_timeout_collapses_the_window_to_one_segment),
        TEST(a_lost_tail_is_probed_before_the_timeout),
        TEST(a_peer_that_never_answers_is_given_up),
        TEST(too_big_is_believed_only_in_flight_and_cuts_segments),
        TEST(keepalive_probes_a_silent_peer_and_gives_up),
        TEST(the_application_deadline_becomes_an_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
