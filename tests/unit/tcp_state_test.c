/* SPDX-License-Identifier: BSD-3-Clause */
/* Opening, closing, resets and what is not acceptable: RFC 9293 3.10.7 and RFC 5961. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/tcp_peer.h"
#include "tests/support/test_eal.h"

#define F TCP_FLAG_FIN
#define S TCP_FLAG_SYN
#define R TCP_FLAG_RST
#define A TCP_FLAG_ACK

static struct tcp_peer peer;

static const struct tcp_syn_options usual = {.mss_bytes = 1460, .has_sack = true};
static const struct tcp_syn_options full = {.mss_bytes = 1460,
                                            .has_sack = true,
                                            .has_timestamps = true,
                                            .has_window_scale = true,
                                            .window_scale = 7,
                                            .timestamp_value = 1000};

static int setup(void **state)
{
    (void)state;
    peer_init(&peer);
    peer_start(&peer);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    peer_stop(&peer);
    return 0;
}

static void a_syn_is_answered_with_what_was_offered(void **state)
{
    (void)state;
    uint8_t bytes[TCP_OPTION_BYTES_MAX];
    uint32_t length = tcp_options_write_syn(bytes, &full);
    peer_send(&peer, (struct peer_segment){.flags = S, .options = bytes, .option_bytes = length});
    struct seen_segment seen = peer_expect(&peer, S | A, 0, 1, 0);
    assert_int_equal(seen.syn.mss_bytes, 1460);
    assert_true(seen.syn.has_sack && seen.syn.has_timestamps && seen.syn.has_window_scale);
    assert_int_equal(seen.syn.timestamp_echo, 1000);
}

static void options_that_were_not_offered_are_not_answered(void **state)
{
    (void)state;
    peer_send(&peer, (struct peer_segment){.flags = S});
    struct seen_segment seen = peer_expect(&peer, S | A, 0, 1, 0);
    assert_false(seen.syn.has_sack || seen.syn.has_timestamps || seen.syn.has_window_scale);
    peer_send(&peer, (struct peer_segment){.flags = A, .seq = 1, .ack = 1});
    assert_int_equal(tcp_payload_max(peer.connection), 536);
}

static void a_lost_syn_ack_is_sent_again_and_a_repeated_syn_answered(void **state)
{
    (void)state;
    peer_send(&peer, (struct peer_segment){.flags = S});
    peer_expect(&peer, S | A, 0, 1, 0);
    uint32_t passed = peer_wait(&peer, 3000);
    assert_in_range(passed, 1240, 1260);
    peer_expect(&peer, S | A, 0, 1, 0);
    passed = peer_wait(&peer, 5000); /* doubled */
    assert_in_range(passed, 2490, 2510);
    peer_expect(&peer, S | A, 0, 1, 0);
    peer_send(&peer, (struct peer_segment){.flags = S});
    peer_expect(&peer, S | A, 0, 1, 0);
}

static void a_closed_port_of_the_kernel_is_the_kernels(void **state)
{
    (void)state;
    struct seen_segment seen;
    peer.network.kernel_port = STACK_PORT;
    peer_send(&peer, (struct peer_segment){.flags = S});
    peer_expect(&peer, S | A, 0, 1, 0); /* as long as somebody listens here */
    assert_int_equal(peer.network.kernel_segments, 0);
    peer_send(&peer, (struct peer_segment){.flags = R, .seq = 1});
    tcp_stop_listening(peer.stack, STACK_PORT);
    peer_send(&peer, (struct peer_segment){.flags = S, .seq = 500});
    peer_send(&peer, (struct peer_segment){.flags = A, .seq = 500, .ack = 77});
    assert_false(peer_sees(&peer, &seen));
    assert_int_equal(peer.network.kernel_segments, 2);
    peer.network.kernel_port = STACK_PORT + 1;
    peer_send(&peer, (struct peer_segment){.flags = S, .seq = 500});
    peer.stack_iss = 0;
    peer_expect(&peer, R | A, 0, 501, 0);
}

static void segments_to_a_closed_port_are_reset(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        uint8_t flags, answer;
        uint32_t length;
        uint32_t seq, ack; /* of the answer, absolute or relative to PEER_ISS */
    } cases[] = {
        {"SYN", S, R | A, 0, 0, 501},        {"data without ACK", 0, R | A, 10, 0, 510},
        {"FIN", F, R | A, 0, 0, 501},        {"ACK", A, R, 0, 77, 0},
        {"SYN and ACK", S | A, R, 0, 77, 0}, {"RST", R, 0, 0, 0, 0},
        {"RST and ACK", R | A, 0, 0, 0, 0},
    };
    tcp_stop_listening(peer.stack, STACK_PORT);
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        peer.stack_iss = 0;
        peer_send(&peer,
                  (struct peer_segment){
                      .flags = cases[i].flags, .seq = 500, .ack = 77, .length = cases[i].length});
        struct seen_segment seen;
        bool is_answered = peer_sees(&peer, &seen);
        if (is_answered != (cases[i].answer != 0) ||
            (is_answered && (seen.flags != cases[i].answer || seen.seq != cases[i].seq ||
                             seen.ack != cases[i].ack)))
            fail_msg("case '%s': flags %02x seq %u ack %u", cases[i].what, seen.flags, seen.seq,
                     seen.ack);
    }
    assert_int_equal(tcp_connection_count(peer.stack), 0);
}

static void a_wrong_acknowledgement_in_the_handshake_is_reset(void **state)
{
    (void)state;
    peer_send(&peer, (struct peer_segment){.flags = S});
    peer_expect(&peer, S | A, 0, 1, 0);
    peer_send(&peer, (struct peer_segment){.flags = A, .seq = 1, .ack = 2});
    peer_expect(&peer, R, 2, 0, 0);
    assert_int_equal(peer.events, 0);
    peer_send(&peer, (struct peer_segment){.flags = A, .seq = 1, .ack = 1}); /* still alive */
    assert_true(peer.events & TCP_EVENT_OPENED);
}

static void only_an_exact_reset_ends_a_connection(void **state)
{
    (void)state;
    peer_open(&peer, &usual);
    peer_send(&peer, (struct peer_segment){.flags = R, .seq = 2});
    peer_expect(&peer, A, 1, 1, 0); /* in the window: challenge */
    peer_send(&peer, (struct peer_segment){.flags = R, .seq = 70000});
    peer_expect_nothing(&peer); /* outside: silence */
    assert_false(peer.events & TCP_EVENT_GONE);
    peer_send(&peer, (struct peer_segment){.flags = R, .seq = 1});
    assert_true(peer.events & TCP_EVENT_GONE);
    peer_expect_nothing(&peer);
    assert_int_equal(tcp_connection_count(peer.stack), 0);
}

static void a_syn_on_an_open_connection_is_challenged(void **state)
{
    (void)state;
    peer_open(&peer, &usual);
    peer_send(&peer, (struct peer_segment){.flags = S, .seq = 100});
    peer_expect(&peer, A, 1, 1, 0);
    peer_send(&peer, (struct peer_segment){.flags = S | A, .seq = 100, .ack = 1});
    peer_expect(&peer, A, 1, 1, 0);
    assert_false(peer.events & TCP_EVENT_GONE);
}

static void challenges_are_limited_per_second(void **state)
{
    (void)state;
    tcp_stack_destroy(peer.stack);
    peer.config.challenges_per_s = 5;
    peer_start(&peer);
    peer_open(&peer, &usual);
    for (int i = 0; i < 20; i++)
        peer_send(&peer, (struct peer_segment){.flags = S, .seq = 100});
    assert_int_equal(peer_discard(&peer), 5);
    peer_sleep(&peer, 1100);
    peer_send(&peer, (struct peer_segment){.flags = S, .seq = 100});
    peer_expect(&peer, A, 1, 1, 0);
}

static void what_lies_outside_the_window_is_acknowledged_and_dropped(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        uint32_t seq, length;
        bool is_taken;
    } cases[] = {
        {"far ahead", 100000, 10, false},
        {"one beyond the edge", 65536, 1, false},
        {"old data", UINT32_MAX - 9, 10, false},
        {"old with one new byte", UINT32_MAX - 8, 11, true},
    };
    peer_open(&peer, &usual);
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        uint32_t before = tcp_receive_bytes(peer.connection);
        peer_send(&peer, (struct peer_segment){
                             .flags = A, .seq = cases[i].seq, .ack = 1, .length = cases[i].length});
        bool was_taken = tcp_receive_bytes(peer.connection) != before;
        if (was_taken != cases[i].is_taken || peer_discard(&peer) != 1)
            fail_msg("case '%s'", cases[i].what);
    }
    assert_int_equal(tcp_receive_bytes(peer.connection), 1);
}

static void an_acknowledgement_of_the_future_is_answered_and_ignored(void **state)
{
    (void)state;
    peer_open(&peer, &usual);
    peer_send(&peer, (struct peer_segment){.flags = A, .seq = 1, .ack = 2, .length = 5});
    peer_expect(&peer, A, 1, 1, 0);
    assert_int_equal(tcp_receive_bytes(peer.connection), 0);
}

static void the_peer_closes_first(void **state)
{
    (void)state;
    peer_open(&peer, &usual);
    peer_send(&peer, (struct peer_segment){.flags = A | F, .seq = 1, .ack = 1, .length = 10});
    assert_true(peer.events & TCP_EVENT_READABLE);
    assert_true(peer.events & TCP_EVENT_PEER_CLOSED);
    peer_expect(&peer, A, 1, 12, 0);
    assert_int_equal(peer_application_reads(&peer), 10);
    peer_application_sends(&peer, 100); /* half-closed: we may still send */
    peer_expect(&peer, A, 1, 12, 100);
    tcp_close(peer.stack, peer.connection);
    peer_round(&peer);
    peer_expect(&peer, A | F, 101, 12, 0);
    peer_send(&peer, (struct peer_segment){.flags = A, .seq = 12, .ack = 102});
    assert_true(peer.events & TCP_EVENT_GONE);
    assert_int_equal(tcp_connection_count(peer.stack), 0);
    assert_int_equal(tcp_time_wait_count(peer.stack), 0);
}

static void we_close_first_and_wait_in_time_wait(void **state)
{
    (void)state;
    peer_open(&peer, &usual);
    peer_application_sends(&peer, 50);
    peer_expect(&peer, A, 1, 1, 50);
    tcp_close(peer.stack, peer.connection);
    peer_round(&peer);
    peer_expect(&peer, A | F, 51, 1, 0);
    peer_send(&peer, (struct peer_segment){.flags = A, .seq = 1, .ack = 52});
    peer_send(&peer, (struct peer_segment){.flags = A | F, .seq = 1, .ack = 52});
    peer_expect(&peer, A, 52, 2, 0);
    assert_true(peer.events & TCP_EVENT_GONE);
    assert_int_equal(tcp_connection_count(peer.stack), 0);
    assert_int_equal(tcp_time_wait_count(peer.stack), 1);
    /* its FIN again: acknowledged again; a RST changes nothing (RFC 1337) */
    peer_send(&peer, (struct peer_segment){.flags = A | F, .seq = 1, .ack = 52});
    peer_expect(&peer, A, 52, 2, 0);
    peer_send(&peer, (struct peer_segment){.flags = R, .seq = 2});
    assert_int_equal(tcp_time_wait_count(peer.stack), 1);
    peer_sleep(&peer, 60100);
    assert_int_equal(tcp_time_wait_count(peer.stack), 0);
}

static void time_wait_is_reopened_by_a_newer_syn_only(void **state)
{
    (void)state;
    peer_open(&peer, &usual);
    tcp_close(peer.stack, peer.connection);
    peer_round(&peer);
    peer_expect(&peer, A | F, 1, 1, 0);
    peer_send(&peer, (struct peer_segment){.flags = A | F, .seq = 1, .ack = 2});
    peer_expect(&peer, A, 2, 2, 0);
    assert_int_equal(tcp_time_wait_count(peer.stack), 1);
    peer_send(&peer, (struct peer_segment){.flags = S, .seq = 1});
    peer_expect(&peer, A, 2, 2, 0); /* not newer */
    uint32_t iss_before = peer.stack_iss;
    peer_send(&peer, (struct peer_segment){.flags = S, .seq = 5000});
    peer_expect(&peer, S | A, 0, 5001, 0);
    assert_true(seq_after(peer.stack_iss, iss_before + 2)); /* though the clock stood still */
    assert_int_equal(tcp_time_wait_count(peer.stack), 0);
}

static void both_close_at_once(void **state)
{
    (void)state;
    peer_open(&peer, &usual);
    tcp_close(peer.stack, peer.connection);
    peer_round(&peer);
    peer_expect(&peer, A | F, 1, 1, 0);
    peer_send(&peer, (struct peer_segment){.flags = A | F, .seq = 1, .ack = 1}); /* not ours yet */
    peer_expect(&peer, A, 2, 2, 0);
    assert_false(peer.events & TCP_EVENT_GONE);
    peer_send(&peer, (struct peer_segment){.flags = A, .seq = 2, .ack = 2});
    assert_true(peer.events & TCP_EVENT_GONE);
    assert_int_equal(tcp_time_wait_count(peer.stack), 1);
}

static void fin_wait_2_ends_when_the_peer_never_closes(void **state)
{
    (void)state;
    peer_open(&peer, &usual);
    tcp_close(peer.stack, peer.connection);
    peer_round(&peer);
    peer_discard(&peer);
    peer_send(&peer, (struct peer_segment){.flags = A, .seq = 1, .ack = 2});
    peer_sleep(&peer, 59000);
    assert_false(peer.events & TCP_EVENT_GONE);
    peer_sleep(&peer, 2000);
    assert_true(peer.events & TCP_EVENT_GONE);
}

static void an_abort_sends_a_reset(void **state)
{
    (void)state;
    peer_open(&peer, &usual);
    tcp_abort(peer.stack, peer.connection);
    peer_round(&peer);
    peer_expect(&peer, R | A, 1, 1, 0);
    assert_true(peer.events & TCP_EVENT_GONE);
}

static void an_old_timestamp_is_refused(void **state)
{
    (void)state;
    peer_open(&peer, &full);
    peer.timestamp = 2000;
    peer_send(&peer, (struct peer_segment){.flags = A, .seq = 1, .ack = 1, .length = 10});
    assert_int_equal(tcp_receive_bytes(peer.connection), 10);
    peer_sleep(&peer, 100);
    peer_discard(&peer);
    peer.timestamp = 1999;
    peer_send(&peer, (struct peer_segment){.flags = A, .seq = 11, .ack = 1, .length = 10});
    peer_expect(&peer, A, 1, 11, 0);
    assert_int_equal(tcp_receive_bytes(peer.connection), 10);
    assert_int_equal(peer_drops(&peer, DROP_TCP_OLD_TIMESTAMP), 1);
    peer.timestamp = 1;
    peer_send(&peer, (struct peer_segment){.flags = R, .seq = 11}); /* RST is exempt */
    assert_true(peer.events & TCP_EVENT_GONE);
}

static void a_flood_of_syns_does_not_keep_a_client_out(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 100000; i++) {
        peer.port = (uint16_t)(1024 + i % 60000);
        peer_queue(&peer, (struct peer_segment){.flags = S, .seq = i * 3});
        if (i % 16 == 0) {
            peer_round(&peer);
            peer_discard(&peer);
        }
    }
    peer_round(&peer);
    peer_discard(&peer);
    peer.port = 999;
    peer_open(&peer, &usual);
    peer_send(&peer, (struct peer_segment){.flags = A, .seq = 1, .ack = 1, .length = 10});
    assert_int_equal(tcp_receive_bytes(peer.connection), 10);
}

static void connections_that_were_opened_and_left_make_room(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 1000; i++) {
        peer.port = (uint16_t)(1024 + i);
        peer_open(&peer, &usual);
        peer_discard(&peer);
        peer.events = 0;
        peer.connection = NULL;
    }
    assert_true(peer_counter(&peer, COUNTER_TCP_SILENT_RECYCLED) > 900);
    peer.port = 999;
    peer_open(&peer, &usual);
    peer_send(&peer, (struct peer_segment){.flags = A, .seq = 1, .ack = 1, .length = 10});
    assert_int_equal(tcp_receive_bytes(peer.connection), 10);
}

static void a_handle_outlives_its_connection(void **state)
{
    (void)state;
    peer_open(&peer, &usual);
    uint64_t handle = tcp_handle(peer.connection);
    assert_true(handle != 0);
    assert_ptr_equal(tcp_find(peer.stack, handle), peer.connection);
    tcp_abort(peer.stack, peer.connection);
    peer_round(&peer);
    peer_discard(&peer);
    assert_null(tcp_find(peer.stack, handle));
    peer.port++;
    peer_open(&peer, &usual); /* takes the same slot */
    assert_null(tcp_find(peer.stack, handle));
}

static void damaged_segments_are_counted_and_dropped(void **state)
{
    (void)state;
    peer_open(&peer, &usual);
    static const uint8_t short_header[] = {
        2, 0,  0, 0, 0,  1, 2, 0, 0,   0, 0,    2,    8,   0, 0x45, 0, 0,    40,
        0, 0,  0, 0, 64, 6, 0, 0, 192, 0, 2,    2,    192, 0, 2,    1, 0x9c, 0x40,
        0, 80, 0, 0, 0,  0, 0, 0, 0,   0, 0xf0, 0x10, 1,   1, 0,    0, 0,    0};
    uint8_t frame[sizeof(short_header)];
    memcpy(frame, short_header, sizeof(frame));
    uint32_t sum = 0;
    for (int i = 0; i < 20; i += 2)
        sum += (uint32_t)(frame[14 + i] << 8 | frame[15 + i]);
    sum = (sum & 0xffff) + (sum >> 16);
    frame[24] = (uint8_t)(~sum >> 8);
    frame[25] = (uint8_t)~sum;
    peer_input_raw(&peer, frame, sizeof(frame)); /* header of 60 bytes in a segment of 20 */
    assert_int_equal(peer_drops(&peer, DROP_TCP_MALFORMED), 1);
    frame[46] = 0x50;
    peer_input_raw(&peer, frame, sizeof(frame));
    assert_int_equal(peer_drops(&peer, DROP_TCP_CHECKSUM_BAD), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    test_eal_start("64");
    const struct CMUnitTest tests[] = {
        TEST(a_syn_is_answered_with_what_was_offered),
        TEST(options_that_were_not_offered_are_not_answered),
        TEST(a_lost_syn_ack_is_sent_again_and_a_repeated_syn_answered),
        TEST(segments_to_a_closed_port_are_reset),
        TEST(a_closed_port_of_the_kernel_is_the_kernels),
        TEST(a_wrong_acknowledgement_in_the_handshake_is_reset),
        TEST(only_an_exact_reset_ends_a_connection),
        TEST(a_syn_on_an_open_connection_is_challenged),
        TEST(challenges_are_limited_per_second),
        TEST(what_lies_outside_the_window_is_acknowledged_and_dropped),
        TEST(an_acknowledgement_of_the_future_is_answered_and_ignored),
        TEST(the_peer_closes_first),
        TEST(we_close_first_and_wait_in_time_wait),
        TEST(time_wait_is_reopened_by_a_newer_syn_only),
        TEST(both_close_at_once),
        TEST(fin_wait_2_ends_when_the_peer_never_closes),
        TEST(an_abort_sends_a_reset),
        TEST(an_old_timestamp_is_refused),
        TEST(a_flood_of_syns_does_not_keep_a_client_out),
        TEST(connections_that_were_opened_and_left_make_room),
        TEST(a_handle_outlives_its_connection),
        TEST(damaged_segments_are_counted_and_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
