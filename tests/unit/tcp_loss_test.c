/* SPDX-License-Identifier: BSD-3-Clause */
/* Finding losses, probing, timeouts and windows, rule by rule; the RFC and section in front. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/tcp_peer.h"
#include "tests/support/test_eal.h"

#define A TCP_FLAG_ACK
#define S TCP_FLAG_SYN
#define MSS 1000u
#define MSS_STAMPED (MSS - TCP_TIMESTAMP_BYTES)
#define ROUND_TRIP_NS 10000000u

static struct tcp_peer peer;

static const struct tcp_syn_options with_sack = {.mss_bytes = MSS, .has_sack = true};
static const struct tcp_syn_options plain = {.mss_bytes = MSS};
static const struct tcp_syn_options with_both = {
    .mss_bytes = MSS, .has_sack = true, .has_timestamps = true, .timestamp_value = 1};

static void start(const struct tcp_syn_options *options)
{
    peer_init(&peer);
    peer_start(&peer);
    peer_open(&peer, options);
}

static int setup(void **state)
{
    (void)state;
    start(&with_sack);
    return 0;
}

static int setup_plain(void **state)
{
    (void)state;
    start(&plain);
    return 0;
}

static int setup_both(void **state)
{
    (void)state;
    start(&with_both);
    return 0;
}

static int setup_nothing(void **state)
{
    (void)state;
    peer_init(&peer);
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

static const struct tcp_loss *loss(void)
{
    return connection_cold(peer.connection)->loss;
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

/* The first byte of segment `number`, from 0. */
static uint32_t at(uint32_t number)
{
    return 1 + number * MSS;
}

static void send_segments(uint32_t count)
{
    peer_application_sends(&peer, count * MSS);
    peer_discard(&peer);
}

/* ---- RFC 6298: the timeout ---- */

static void a_backed_off_timeout_stays_until_a_round_trip_was_measured(void **state)
{
    (void)state;
    send_segments(1);
    assert_in_range(peer_wait(&peer, 3000), 195, 210);
    peer_expect(&peer, A, at(0), 1, MSS);
    assert_in_range(info().rto_ms, 395, 430);
    acknowledge(at(1)); /* of the first or the second? */
    assert_in_range(info().rto_ms, 395, 430);
    send_segments(1);
    peer.now_ns += ROUND_TRIP_NS;
    acknowledge(at(2));
    assert_in_range(info().rto_ms, 195, 215);
}

static void an_echoed_timestamp_measures_what_was_sent_twice(void **state)
{
    (void)state;
    peer_application_sends(&peer, MSS_STAMPED);
    peer_discard(&peer);
    peer_wait(&peer, 3000); /* the probe */
    peer_discard(&peer);
    peer_discard(&peer);
    peer_wait(&peer, 3000); /* the timeout */
    peer_expect(&peer, A, 1, 1, MSS_STAMPED);
    assert_in_range(info().rto_ms, 395, 430);
    peer.now_ns += ROUND_TRIP_NS;
    acknowledge(1 + MSS_STAMPED);
    assert_in_range(info().rto_ms, 195, 230);
}

static void a_handshake_that_timed_out_is_followed_by_patience(void **state)
{
    (void)state;
    peer_start(&peer);
    uint8_t options[TCP_OPTION_BYTES_MAX];
    uint32_t length = tcp_options_write_syn(options, &plain);
    peer_send(&peer, (struct peer_segment){.flags = S, .options = options, .option_bytes = length});
    peer_discard(&peer);
    assert_in_range(peer_wait(&peer, 3000), 1240, 1260);
    peer_expect(&peer, A | S, 0, 1, 0);
    acknowledge(1);
    assert_int_equal(info().cwnd_bytes, MSS); /* RFC 5681 3.1 */
    send_segments(1);
    assert_in_range(peer_wait(&peer, 5000), 2990, 3010); /* RFC 6298 5.7 */
    peer_discard(&peer);
}

/* ---- RFC 8985 6: RACK ---- */

static void what_overtook_within_a_quarter_of_a_round_trip_is_no_loss(void **state)
{
    (void)state;
    send_segments(10);
    peer.now_ns += ROUND_TRIP_NS;
    acknowledge_and_sack(at(0), at(2), at(3));
    peer_expect_nothing(&peer);
    peer.now_ns += 1000000;
    acknowledge(at(3)); /* the two late ones */
    assert_true(loss()->reordering_seen);
    assert_int_equal(info().recovery, TCP_OPEN);
    peer_discard(&peer);
    /* From now on three sacked segments are not enough either: time decides. */
    acknowledge_and_sack(at(3), at(4), at(8));
    peer_expect_nothing(&peer);
    assert_in_range(peer_wait(&peer, 50), 1, 6);
    peer_expect(&peer, A, at(3), 1, MSS);
}

static void a_lost_acknowledgement_is_not_taken_for_reordering(void **state)
{
    (void)state;
    send_segments(10);
    peer.now_ns += ROUND_TRIP_NS;
    acknowledge_and_sack(at(2), at(3), at(4)); /* that of the first two was lost */
    assert_false(loss()->reordering_seen);
    peer_discard(&peer);
    acknowledge_and_sack(at(2), at(3), at(6));
    peer_expect(&peer, A, at(2), 1, MSS); /* three are sacked: at once */
}

static void what_was_sent_again_and_lost_again_is_sent_a_third_time(void **state)
{
    (void)state;
    send_segments(30);
    peer.now_ns += ROUND_TRIP_NS;
    acknowledge_and_sack(at(0), at(1), at(5));
    peer_expect(&peer, A, at(0), 1, MSS);
    peer_discard(&peer);
    peer.now_ns += ROUND_TRIP_NS;
    acknowledge_and_sack(at(0), at(1), at(11)); /* what was sent after it has arrived */
    peer_expect(&peer, A, at(0), 1, MSS);
    assert_int_equal(peer_counter(&peer, COUNTER_TCP_RETRANSMITS_TIMEOUT), 0);
}

static void every_round_trip_with_a_duplicate_makes_it_more_patient(void **state)
{
    (void)state;
    send_segments(20);
    peer.now_ns += ROUND_TRIP_NS;
    acknowledge_and_sack(at(0), at(1), at(5));
    peer_discard(&peer);
    for (uint32_t i = 5; i < 8; i++) /* three reports within one round trip count once */
        acknowledge_and_sack(at(i), at(0), at(1));
    assert_int_equal(loss()->reorder_windows, 1);
    peer.now_ns += ROUND_TRIP_NS;
    acknowledge(at(14));
    peer_discard(&peer);
    acknowledge_and_sack(at(14), at(0), at(1));
    assert_int_equal(loss()->reorder_windows, 2);
    assert_int_equal(loss()->reorder_persists, 16);
}

/* ---- RFC 8985 7: tail loss probes ---- */

static void a_probe_is_new_data_when_there_is_some(void **state)
{
    (void)state;
    send_segments(11); /* ten fit into the window */
    assert_in_range(peer_wait(&peer, 100), 1, 10);
    peer_expect(&peer, A, at(10), 1, MSS);
    assert_int_equal(peer_counter(&peer, COUNTER_TCP_RETRANSMITS_PROBE), 1);
    acknowledge(at(11));
    assert_int_equal(info().ssthresh_bytes, SSTHRESH_UNKNOWN); /* nothing was mended */
}

static void a_lone_segment_is_given_the_delay_of_its_acknowledgement(void **state)
{
    (void)state;
    static const struct {
        uint32_t delay_ms, bytes, least_ms, most_ms;
    } cases[] = {{40, 500, 40, 46}, {0, 500, 1, 4}, {120, MSS, 120, 126}, {40, MSS + 1, 1, 6}};
    for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        peer_init(&peer);
        peer.config.tlp_ack_delay_ms = cases[i].delay_ms;
        peer_start(&peer);
        peer_open(&peer, &with_sack);
        peer_application_sends(&peer, cases[i].bytes);
        peer_discard(&peer);
        assert_in_range(peer_wait(&peer, 1000), cases[i].least_ms, cases[i].most_ms);
        assert_int_equal(peer_counter(&peer, COUNTER_TCP_RETRANSMITS_PROBE), 1);
        if (i + 1 < sizeof(cases) / sizeof(cases[0]))
            peer_stop(&peer);
    }
}

static void a_probe_is_sent_once_and_then_the_timeout_comes(void **state)
{
    (void)state;
    send_segments(3);
    peer_wait(&peer, 100);
    peer_expect(&peer, A, at(2), 1, MSS);
    assert_in_range(peer_wait(&peer, 1000), 190, 210);
    peer_expect(&peer, A, at(0), 1, MSS);
    assert_int_equal(peer_counter(&peer, COUNTER_TCP_RETRANSMITS_PROBE), 1);
    assert_int_equal(peer_counter(&peer, COUNTER_TCP_RETRANSMITS_TIMEOUT), 1);
}

static void no_probe_leaves_through_a_full_port(void **state)
{
    (void)state;
    send_segments(3);
    peer.network.is_full = true;
    peer_sleep(&peer, 150);
    peer_expect_nothing(&peer);
    assert_int_equal(peer_counter(&peer, COUNTER_TCP_RETRANSMITS_PROBE), 0);
    peer.network.is_full = false;
    peer_wait(&peer, 3000); /* the timeout */
    peer_expect(&peer, A, at(0), 1, MSS);
}

static void probe_the_last_of_three(void)
{
    send_segments(3);
    acknowledge(at(2));
    assert_in_range(peer_wait(&peer, 100), 1, 50);
    peer_expect(&peer, A, at(2), 1, MSS);
}

static void a_probe_that_came_twice_mended_nothing(void **state)
{
    (void)state;
    probe_the_last_of_three();
    acknowledge(at(3));
    acknowledge_and_sack(at(3), at(2), at(3)); /* D-SACK */
    send_segments(1);
    acknowledge(at(4));
    assert_int_equal(info().ssthresh_bytes, SSTHRESH_UNKNOWN);
    assert_int_equal(loss()->reorder_windows, 0); /* a probe is no mistake */
}

static void a_probe_answered_by_a_plain_duplicate_mended_nothing(void **state)
{
    (void)state;
    send_segments(4);
    acknowledge(at(2));
    peer_wait(&peer, 100);
    peer_expect(&peer, A, at(3), 1, MSS);
    acknowledge(at(4));
    send_segments(1);
    acknowledge(at(4)); /* something is outstanding: a duplicate */
    acknowledge(at(5));
    assert_int_equal(info().ssthresh_bytes, SSTHRESH_UNKNOWN);
}

static void a_probe_that_mended_a_loss_lowers_the_window(void **state)
{
    (void)state;
    probe_the_last_of_three();
    acknowledge(at(3)); /* of one of the two: the next acknowledgement tells */
    assert_int_equal(info().ssthresh_bytes, SSTHRESH_UNKNOWN);
    send_segments(1);
    acknowledge(at(4));
    assert_int_not_equal(info().ssthresh_bytes, SSTHRESH_UNKNOWN);
}

static void a_timestamp_tells_at_once_whether_a_probe_mended_a_loss(void **state)
{
    (void)state;
    for (int was_lost = 0; was_lost < 2; was_lost++) {
        start(&with_both);
        peer_application_sends(&peer, 2 * MSS_STAMPED);
        peer_discard(&peer);
        uint32_t original_echo = peer.timestamp_echo;
        peer_wait(&peer, 100);
        peer_expect(&peer, A, 1 + MSS_STAMPED, 1, MSS_STAMPED);
        assert_true(seq_after(peer.timestamp_echo, original_echo));
        if (!was_lost)
            peer.timestamp_echo = original_echo;
        acknowledge(1 + 2 * MSS_STAMPED);
        assert_int_equal(info().ssthresh_bytes != SSTHRESH_UNKNOWN, was_lost);
        if (!was_lost)
            peer_stop(&peer);
    }
}

static void silence_in_a_recovery_is_probed_before_the_timeout(void **state)
{
    (void)state;
    send_segments(10);
    peer.now_ns += ROUND_TRIP_NS;
    acknowledge_and_sack(at(0), at(1), at(10));
    peer_expect(&peer, A, at(0), 1, MSS); /* is lost again, and nothing else is on the way */
    peer_expect_nothing(&peer);
    assert_in_range(peer_wait(&peer, 1000), 2, 40);
    peer_expect(&peer, A, at(0), 1, MSS);
    assert_int_equal(peer_counter(&peer, COUNTER_TCP_RETRANSMITS_TIMEOUT), 0);
    assert_in_range(peer_wait(&peer, 1000), 190, 230); /* once */
    assert_int_equal(peer_counter(&peer, COUNTER_TCP_RETRANSMITS_TIMEOUT), 1);
}

/* ---- what /metrics shows ---- */

static uint64_t recorded(enum histogram histogram, uint64_t value)
{
    return peer.counters->histograms[histogram][histogram_bucket(value)];
}

static void round_trips_and_windows_are_recorded(void **state)
{
    (void)state;
    uint64_t round_trip_us = ROUND_TRIP_NS / 1000;
    uint64_t before = recorded(HISTOGRAM_TCP_ROUND_TRIP_NS, round_trip_us * 1000);
    send_segments(4);
    peer.now_ns += ROUND_TRIP_NS;
    acknowledge(at(1));
    acknowledge(at(2)); /* in the same millisecond: one of them is enough */
    assert_int_equal(recorded(HISTOGRAM_TCP_ROUND_TRIP_NS, round_trip_us * 1000), before + 1);
    peer_wait(&peer, 3000); /* the probe */
    peer_discard(&peer);
    uint32_t cwnd_bytes = info().cwnd_bytes;
    before = recorded(HISTOGRAM_TCP_WINDOW_AT_LOSS_BYTES, cwnd_bytes);
    peer_wait(&peer, 3000); /* the timeout */
    assert_int_equal(recorded(HISTOGRAM_TCP_WINDOW_AT_LOSS_BYTES, cwnd_bytes), before + 1);
    before = recorded(HISTOGRAM_TCP_WINDOW_AT_CLOSE_BYTES, MSS);
    peer_send(&peer, (struct peer_segment){.flags = TCP_FLAG_RST, .seq = 1});
    assert_int_equal(recorded(HISTOGRAM_TCP_WINDOW_AT_CLOSE_BYTES, MSS), before + 1);
}

/* ---- RFC 6582: without SACK ---- */

static void duplicates_of_what_a_recovery_sent_again_start_no_other(void **state)
{
    (void)state;
    send_segments(10);
    peer.now_ns += ROUND_TRIP_NS;
    for (int i = 0; i < 3; i++)
        acknowledge(at(0));
    assert_int_equal(info().recovery, TCP_RECOVERY);
    peer_discard(&peer);
    acknowledge(at(10));
    assert_int_equal(info().recovery, TCP_OPEN);
    send_segments(5);
    for (int i = 0; i < 3; i++)
        acknowledge(at(10));
    assert_int_equal(info().recovery, TCP_OPEN);
    assert_int_equal(peer_counter(&peer, COUNTER_TCP_RETRANSMITS_FAST), 1);
}

/* ---- RFC 5681, 9438: the window ---- */

static void a_window_that_is_not_used_does_not_grow(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 20; i++) {
        send_segments(2);
        peer.now_ns += ROUND_TRIP_NS;
        acknowledge(at(2 * i + 2));
    }
    assert_int_equal(info().cwnd_bytes, 10 * MSS);
}

static void after_a_silence_it_begins_with_the_initial_window(void **state)
{
    (void)state;
    send_segments(10);
    peer.now_ns += ROUND_TRIP_NS;
    acknowledge(at(10));
    assert_int_equal(info().cwnd_bytes, 20 * MSS);
    peer_sleep(&peer, 1000);
    peer_application_sends(&peer, 20 * MSS);
    assert_int_equal(peer_discard(&peer), 10);
}

static void lose_the_first_of(uint32_t first, uint32_t end)
{
    peer.now_ns += ROUND_TRIP_NS;
    acknowledge_and_sack(at(first), at(first + 1), at(end));
    assert_int_equal(info().recovery, TCP_RECOVERY);
    peer_discard(&peer);
    peer.now_ns += ROUND_TRIP_NS;
    acknowledge(1 + peer.connection->snd_nxt - peer.stack_iss - 1);
    assert_int_equal(info().recovery, TCP_OPEN);
    peer_discard(&peer);
}

static void a_second_loss_below_the_first_plateau_gives_way(void **state)
{
    (void)state;
    send_segments(10);
    lose_the_first_of(0, 10);
    assert_int_equal(loss()->congestion.w_max_bytes, 10 * MSS);
    assert_int_equal(info().cwnd_bytes, 7 * MSS);
    send_segments(7);
    lose_the_first_of(10, 17);
    assert_int_equal(loss()->congestion.w_max_bytes, 7 * MSS * 17 / 20); /* RFC 9438 4.7 */
    assert_int_equal(info().ssthresh_bytes, 7 * MSS * 7 / 10);
}

static void after_a_timeout_the_plateau_is_where_avoidance_begins(void **state)
{
    (void)state;
    send_segments(10);
    peer_wait(&peer, 100); /* the probe */
    peer_discard(&peer);
    peer_wait(&peer, 1000);
    peer_discard(&peer);
    assert_int_equal(info().recovery, TCP_LOSS);
    assert_int_equal(loss()->congestion.w_max_bytes, 0); /* RFC 9438 4.8 */
    assert_int_equal(info().ssthresh_bytes, 7 * MSS);
}

/* ---- receiving: RFC 5681 4.2, RFC 2018 4, RFC 2883 ---- */

static void after_a_hole_every_segment_is_acknowledged_by_itself(void **state)
{
    (void)state;
    peer_send(&peer, (struct peer_segment){.flags = A, .seq = at(1), .ack = 1, .length = MSS});
    peer_send(&peer, (struct peer_segment){.flags = A, .seq = at(0), .ack = 1, .length = MSS});
    peer_discard(&peer);
    for (uint32_t i = 2; i < 17; i++) {
        peer_queue(&peer, (struct peer_segment){.flags = A, .seq = at(i), .ack = 1, .length = MSS});
        peer_queue(&peer,
                   (struct peer_segment){.flags = A, .seq = at(++i), .ack = 1, .length = MSS});
        peer_round(&peer);
        if (i < 17)
            assert_int_equal(peer_discard(&peer), 2);
    }
    assert_int_equal(peer_discard(&peer), 1); /* and then two by two again */
}

static void segments_full_for_a_small_path_are_acknowledged_two_by_two(void **state)
{
    (void)state;
    static const struct tcp_syn_options small = {.mss_bytes = 400};
    start(&small);
    for (uint32_t i = 0; i < 8; i += 2) {
        peer_send(&peer,
                  (struct peer_segment){.flags = A, .seq = 1 + i * 400, .ack = 1, .length = 400});
        peer_expect_nothing(&peer);
        peer_send(&peer,
                  (struct peer_segment){.flags = A, .seq = 401 + i * 400, .ack = 1, .length = 400});
        peer_expect(&peer, A, 1, 801 + i * 400, 0);
    }
}

static void blocks_are_repeated_in_the_order_of_their_last_change(void **state)
{
    (void)state;
    static const uint32_t order[] = {8, 2, 6, 4, 3, 8};
    static const struct tcp_sack_block last[] = {{8, 9}, {2, 5}, {6, 7}};
    struct seen_segment seen = {0};
    for (uint32_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        peer_send(&peer,
                  (struct peer_segment){.flags = A, .seq = at(order[i]), .ack = 1, .length = MSS});
        seen = peer_expect(&peer, A, 1, 1, 0);
    }
    assert_int_equal(seen.sack_count, 4); /* the last one came twice: D-SACK first */
    assert_int_equal(seen.sack[0].left, at(8));
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(seen.sack[i + 1].left, at(last[i].left));
        assert_int_equal(seen.sack[i + 1].right, at(last[i].right));
    }
}

static void old_data_is_acknowledged_however_often_it_comes(void **state)
{
    (void)state;
    peer.config.reset_rate_per_s = 1; /* no challenge: a peer that lost our acknowledgement */
    peer_start(&peer);
    peer_open(&peer, &with_sack);
    for (uint32_t i = 0; i < 10; i++) {
        peer_send(&peer, (struct peer_segment){.flags = A, .seq = at(0), .ack = 1, .length = MSS});
        if (i == 0)
            peer_sleep(&peer, 50);
        struct seen_segment seen = peer_expect(&peer, A, 1, at(1), 0);
        assert_int_equal(seen.sack_count, i == 0 ? 0 : 1);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_PLAIN(name) cmocka_unit_test_setup_teardown(name, setup_plain, teardown)
#define TEST_BOTH(name) cmocka_unit_test_setup_teardown(name, setup_both, teardown)
#define TEST_BARE(name) cmocka_unit_test_setup_teardown(name, setup_nothing, teardown)

int main(void)
{
    test_eal_start("64");
    const struct CMUnitTest tests[] = {
        TEST_PLAIN(a_backed_off_timeout_stays_until_a_round_trip_was_measured),
        TEST_BOTH(an_echoed_timestamp_measures_what_was_sent_twice),
        TEST_BARE(a_handshake_that_timed_out_is_followed_by_patience),
        TEST(what_overtook_within_a_quarter_of_a_round_trip_is_no_loss),
        TEST(a_lost_acknowledgement_is_not_taken_for_reordering),
        TEST(what_was_sent_again_and_lost_again_is_sent_a_third_time),
        TEST(every_round_trip_with_a_duplicate_makes_it_more_patient),
        TEST(a_probe_is_new_data_when_there_is_some),
        TEST_BARE(a_lone_segment_is_given_the_delay_of_its_acknowledgement),
        TEST(a_probe_is_sent_once_and_then_the_timeout_comes),
        TEST(no_probe_leaves_through_a_full_port),
        TEST(a_probe_that_came_twice_mended_nothing),
        TEST(a_probe_answered_by_a_plain_duplicate_mended_nothing),
        TEST(a_probe_that_mended_a_loss_lowers_the_window),
        TEST_BARE(a_timestamp_tells_at_once_whether_a_probe_mended_a_loss),
        TEST(silence_in_a_recovery_is_probed_before_the_timeout),
        TEST(round_trips_and_windows_are_recorded),
        TEST_PLAIN(duplicates_of_what_a_recovery_sent_again_start_no_other),
        TEST(a_window_that_is_not_used_does_not_grow),
        TEST(after_a_silence_it_begins_with_the_initial_window),
        TEST(a_second_loss_below_the_first_plateau_gives_way),
        TEST(after_a_timeout_the_plateau_is_where_avoidance_begins),
        TEST(after_a_hole_every_segment_is_acknowledged_by_itself),
        TEST_BARE(segments_full_for_a_small_path_are_acknowledged_two_by_two),
        TEST(blocks_are_repeated_in_the_order_of_their_last_change),
        TEST_BARE(old_data_is_acknowledged_however_often_it_comes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
