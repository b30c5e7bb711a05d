/* SPDX-License-Identifier: BSD-3-Clause */
/* Lowering the window for nothing is noticed and taken back; for a real loss it is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/tcp_peer.h"
#include "tests/support/test_eal.h"

#define A TCP_FLAG_ACK
#define MSS 1000u
#define ROUND_TRIP_NS 10000000u

static struct tcp_peer peer;

/* Both have segments of 1000 bytes. */
static const struct tcp_syn_options with_sack = {.mss_bytes = MSS, .has_sack = true};
static const struct tcp_syn_options with_both = {.mss_bytes = MSS + TCP_TIMESTAMP_BYTES,
                                                 .has_sack = true,
                                                 .has_timestamps = true,
                                                 .timestamp_value = 1};

static void start(const struct tcp_syn_options *options)
{
    peer_init(&peer);
    peer_start(&peer);
    peer_open(&peer, options);
}

static int setup_sack(void **state)
{
    (void)state;
    start(&with_sack);
    return 0;
}

static int setup_both(void **state)
{
    (void)state;
    start(&with_both);
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

static void acknowledge_and_sack(uint32_t ack, uint32_t left, uint32_t right)
{
    peer_send(&peer,
              (struct peer_segment){
                  .flags = A, .seq = 1, .ack = ack, .sack_count = 1, .sack = {{left, right}}});
}

static uint32_t at(uint32_t number)
{
    return 1 + number * MSS;
}

static void expect_spurious(uint64_t timeouts, uint64_t recoveries)
{
    assert_int_equal(peer_counter(&peer, COUNTER_TCP_SPURIOUS_TIMEOUTS), timeouts);
    assert_int_equal(peer_counter(&peer, COUNTER_TCP_SPURIOUS_RECOVERIES), recoveries);
}

/* Twelve queued, ten on the way, the probe and then the timeout; the echo of the originals. */
static uint32_t time_out(void)
{
    peer_application_sends(&peer, 10 * MSS);
    peer_discard(&peer);
    uint32_t echo = peer.timestamp_echo;
    peer_wait(&peer, 1000);
    peer_expect(&peer, A, at(9), 1, MSS); /* the probe */
    peer_wait(&peer, 1000);
    peer_expect(&peer, A, at(0), 1, MSS);
    assert_int_equal(info().recovery, TCP_LOSS);
    assert_int_equal(info().cwnd_bytes, MSS);
    return echo;
}

/* ---- RFC 3522: Eifel ---- */

static void a_timeout_answered_with_the_first_timestamp_was_spurious(void **state)
{
    (void)state;
    peer.timestamp_echo = time_out();
    acknowledge(at(1));
    expect_spurious(1, 0);
    assert_int_equal(info().recovery, TCP_OPEN);
    assert_int_equal(info().ssthresh_bytes, SSTHRESH_UNKNOWN);
    assert_true(info().cwnd_bytes >= 10 * MSS);
    peer_expect_nothing(&peer); /* the other nine are not sent again */
}

static void a_timeout_answered_with_the_second_timestamp_was_not(void **state)
{
    (void)state;
    time_out(); /* the peer echoes what it saw last */
    acknowledge(at(1));
    expect_spurious(0, 0);
    assert_int_equal(info().recovery, TCP_LOSS);
    assert_int_equal(info().ssthresh_bytes, 7 * MSS);
    peer_expect(&peer, A, at(1), 1, MSS);
    peer_expect(&peer, A, at(2), 1, MSS);
    peer_expect_nothing(&peer); /* slow start */
}

static void a_fast_retransmission_answered_with_an_older_timestamp_was_spurious(void **state)
{
    (void)state;
    peer_application_sends(&peer, 10 * MSS);
    peer_discard(&peer);
    uint32_t echo = peer.timestamp_echo;
    peer.now_ns += ROUND_TRIP_NS;
    acknowledge_and_sack(at(0), at(1), at(5));
    peer_expect(&peer, A, at(0), 1, MSS);
    assert_int_equal(info().recovery, TCP_RECOVERY);
    peer.now_ns += 2000000;
    peer.timestamp_echo = echo;
    acknowledge(at(5)); /* the original was only late */
    expect_spurious(0, 1);
    assert_int_equal(info().recovery, TCP_OPEN);
    assert_true(info().cwnd_bytes >= 10 * MSS);
    assert_int_equal(info().ssthresh_bytes, SSTHRESH_UNKNOWN);
}

/* ---- RFC 5682 3.1: F-RTO, for peers without timestamps ---- */

static void after_the_first_answer_new_data_goes_out_and_decides(void **state)
{
    (void)state;
    time_out();
    peer_application_sends(&peer, 5 * MSS);
    peer_expect_nothing(&peer); /* the window is one segment */
    acknowledge(at(1));
    peer_expect(&peer, A, at(10), 1, MSS);
    peer_expect(&peer, A, at(11), 1, MSS);
    peer_expect_nothing(&peer);
    acknowledge(at(2)); /* was never sent again: so it had been on the way */
    expect_spurious(1, 0);
    assert_int_equal(info().recovery, TCP_OPEN);
    assert_int_equal(info().ssthresh_bytes, SSTHRESH_UNKNOWN);
}

static void new_data_that_arrives_alone_shows_a_real_loss(void **state)
{
    (void)state;
    time_out();
    peer_application_sends(&peer, 5 * MSS);
    acknowledge(at(1));
    peer_discard(&peer);
    acknowledge_and_sack(at(1), at(10), at(11));
    expect_spurious(0, 0);
    assert_int_equal(info().recovery, TCP_LOSS);
    peer_expect(&peer, A, at(1), 1, MSS); /* and what was lost is sent again */
}

static void without_new_data_the_lost_is_sent_again_at_once(void **state)
{
    (void)state;
    time_out();
    acknowledge(at(1));
    peer_expect(&peer, A, at(1), 1, MSS);
    peer_expect(&peer, A, at(2), 1, MSS);
    expect_spurious(0, 0);
}

/* ---- RFC 3708: D-SACK ---- */

static void a_recovery_of_which_all_came_twice_was_spurious(void **state)
{
    (void)state;
    peer_application_sends(&peer, 10 * MSS);
    peer_discard(&peer);
    peer.now_ns += ROUND_TRIP_NS;
    acknowledge_and_sack(at(0), at(2), at(6));
    peer_expect(&peer, A, at(0), 1, MSS);
    peer_discard(&peer);
    peer.now_ns += ROUND_TRIP_NS;
    acknowledge(at(10));
    expect_spurious(0, 0);
    assert_int_equal(info().cwnd_bytes, 7 * MSS);
    uint64_t again = peer_counter(&peer, COUNTER_TCP_RETRANSMITS_FAST);
    for (uint32_t i = 0; i < again; i++) {
        expect_spurious(0, 0); /* not before the last of them */
        acknowledge_and_sack(at(10), at(i), at(i + 1));
    }
    expect_spurious(0, 1);
    assert_int_equal(info().cwnd_bytes, 10 * MSS);
    assert_int_equal(info().ssthresh_bytes, SSTHRESH_UNKNOWN);
}

static void a_report_about_something_older_takes_nothing_back(void **state)
{
    (void)state;
    peer_application_sends(&peer, 10 * MSS);
    peer_discard(&peer);
    acknowledge(at(4));
    peer.now_ns += ROUND_TRIP_NS;
    acknowledge_and_sack(at(4), at(5), at(9));
    peer_expect(&peer, A, at(4), 1, MSS);
    acknowledge_and_sack(at(10), at(0), at(1)); /* before the recovery */
    expect_spurious(0, 0);
    assert_int_not_equal(info().ssthresh_bytes, SSTHRESH_UNKNOWN);
}

#define TEST_SACK(name) cmocka_unit_test_setup_teardown(name, setup_sack, teardown)
#define TEST_BOTH(name) cmocka_unit_test_setup_teardown(name, setup_both, teardown)

int main(void)
{
    test_eal_start("64");
    const struct CMUnitTest tests[] = {
        TEST_BOTH(a_timeout_answered_with_the_first_timestamp_was_spurious),
        TEST_BOTH(a_timeout_answered_with_the_second_timestamp_was_not),
        TEST_BOTH(a_fast_retransmission_answered_with_an_older_timestamp_was_spurious),
        TEST_SACK(after_the_first_answer_new_data_goes_out_and_decides),
        TEST_SACK(new_data_that_arrives_alone_shows_a_real_loss),
        TEST_SACK(without_new_data_the_lost_is_sent_again_at_once),
        TEST_SACK(a_recovery_of_which_all_came_twice_was_spurious),
        TEST_SACK(a_report_about_something_older_takes_nothing_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
