/* SPDX-License-Identifier: BSD-3-Clause */
/* What the stack tells about a chosen client's segments, and only about those. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "include/compiler.h"
#include "include/trace_ring.h"
#include "tests/support/tcp_peer.h"
#include "tests/support/test_eal.h"

#define F TCP_FLAG_FIN
#define S TCP_FLAG_SYN
#define R TCP_FLAG_RST
#define A TCP_FLAG_ACK
#define P TCP_FLAG_PSH

#define EVENTS_MAX 64u

static struct tcp_peer peer;
static struct trace_choice choice;
static struct trace_event events[EVENTS_MAX];
static const struct tcp_syn_options usual = {.mss_bytes = 1460, .has_sack = true};

static int setup(void **state)
{
    (void)state;
    memset(&choice, 0, sizeof(choice));
    peer_init(&peer);
    peer.config.trace = trace_ring_create(EVENTS_MAX, &choice);
    peer_start(&peer);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    peer_stop(&peer);
    trace_ring_destroy(peer.config.trace);
    return 0;
}

/* tcp_peer.c has it. */
static void choose_peer(void)
{
    static const uint8_t address[16] = {192, 0, 2, 2};
    trace_choice_set(&choice, 4, address);
    tcp_input(peer.stack, NULL, 0, peer.now_ns); /* as every round begins */
}

struct expected_event {
    enum trace_kind kind;
    uint8_t flags; /* of segments */
    uint32_t payload_bytes;
    uint8_t state_before, state_after;
    enum drop_reason drop_reason;
};

static void expect_events(const struct expected_event *expected, uint32_t count)
{
    uint32_t got = trace_ring_copy(peer.config.trace, events, EVENTS_MAX);
    for (uint32_t i = 0; i < got && i < count; i++) {
        bool is_segment = expected[i].kind <= TRACE_SENT_AGAIN;
        if (events[i].kind != expected[i].kind ||
            events[i].state_before != expected[i].state_before ||
            events[i].state_after != expected[i].state_after ||
            events[i].drop_reason != expected[i].drop_reason ||
            (is_segment && (events[i].tcp_flags != expected[i].flags ||
                            events[i].payload_bytes != expected[i].payload_bytes)))
            fail_msg("event %u: kind %u flags %02x length %u state %u to %u drop %u", i,
                     events[i].kind, events[i].tcp_flags, events[i].payload_bytes,
                     events[i].state_before, events[i].state_after, events[i].drop_reason);
        assert_int_equal(events[i].local_port, STACK_PORT);
        assert_int_equal(events[i].remote_port, peer.port);
        assert_int_equal(events[i].ip_version, 4);
    }
    assert_int_equal(got, count);
}

static void nothing_is_told_while_nobody_is_chosen(void **state)
{
    (void)state;
    static const uint8_t another[16] = {203, 0, 113, 200};
    peer_open(&peer, &usual);
    trace_choice_set(&choice, 4, another);
    peer_send(&peer, (struct peer_segment){.flags = A, .seq = 1, .ack = 1, .length = 10});
    expect_events(NULL, 0);
}

static void a_connection_is_told_from_its_syn_to_its_end(void **state)
{
    (void)state;
    choose_peer();
    peer_open(&peer, &usual);
    peer_send(&peer, (struct peer_segment){.flags = A | P, .seq = 1, .ack = 1, .length = 10});
    peer_application_reads(&peer);
    peer_application_sends(&peer, 100);
    peer_round(&peer);
    peer_expect(&peer, A, 1, 11, 100);
    peer_send(&peer, (struct peer_segment){.flags = R, .seq = 11});
    const struct expected_event expected[] = {
        {TRACE_RECEIVED, S, 0, TCP_LISTEN, TCP_LISTEN, DROP_NONE},
        {TRACE_SENT, S | A, 0, TCP_SYN_RECEIVED, TCP_SYN_RECEIVED, DROP_NONE},
        {TRACE_STATE, 0, 0, TCP_LISTEN, TCP_SYN_RECEIVED, DROP_NONE},
        {TRACE_RECEIVED, A, 0, TCP_SYN_RECEIVED, TCP_SYN_RECEIVED, DROP_NONE},
        {TRACE_STATE, 0, 0, TCP_SYN_RECEIVED, TCP_ESTABLISHED, DROP_NONE},
        {TRACE_RECEIVED, A | P, 10, TCP_ESTABLISHED, TCP_ESTABLISHED, DROP_NONE},
        {TRACE_SENT, A | P, 100, TCP_ESTABLISHED, TCP_ESTABLISHED, DROP_NONE},
        {TRACE_RECEIVED, R, 0, TCP_ESTABLISHED, TCP_ESTABLISHED, DROP_NONE},
        {TRACE_STATE, 0, 0, TCP_ESTABLISHED, TCP_CLOSED, DROP_NONE},
    };
    expect_events(expected, ARRAY_COUNT(expected));
    assert_int_equal(events[5].sequence, PEER_ISS + 1);
    assert_int_equal(events[6].acknowledgement, PEER_ISS + 11);
}

static void a_lost_segment_is_told_as_sent_again(void **state)
{
    (void)state;
    peer_open(&peer, &usual);
    choose_peer();
    peer_application_sends(&peer, 100);
    peer_round(&peer);
    peer_expect(&peer, A, 1, 1, 100);
    peer_wait(&peer, 3000);
    peer_expect(&peer, A, 1, 1, 100);
    const struct expected_event expected[] = {
        {TRACE_SENT, A | P, 100, TCP_ESTABLISHED, TCP_ESTABLISHED, DROP_NONE},
        {TRACE_SENT_AGAIN, A | P, 100, TCP_ESTABLISHED, TCP_ESTABLISHED, DROP_NONE},
    };
    expect_events(expected, ARRAY_COUNT(expected));
    assert_true(events[1].time_ns > events[0].time_ns);
}

static void a_dropped_segment_has_its_reason(void **state)
{
    (void)state;
    peer_open(&peer, &usual);
    choose_peer();
    peer_send(&peer, (struct peer_segment){.flags = R, .seq = 0x40000000});
    tcp_stop_listening(peer.stack, STACK_PORT);
    const struct expected_event expected[] = {
        {TRACE_RECEIVED, R, 0, TCP_ESTABLISHED, TCP_ESTABLISHED, DROP_NONE},
        {TRACE_DROPPED, 0, 0, TCP_ESTABLISHED, TCP_ESTABLISHED, DROP_TCP_OUTSIDE_WINDOW},
    };
    expect_events(expected, ARRAY_COUNT(expected));
}

static void a_connection_that_the_application_gives_up_is_told(void **state)
{
    (void)state;
    peer_open(&peer, &usual);
    choose_peer();
    tcp_abort(peer.stack, peer.connection);
    peer_round(&peer);
    const struct expected_event expected[] = {
        {TRACE_SENT, R | A, 0, TCP_ESTABLISHED, TCP_ESTABLISHED, DROP_NONE},
        {TRACE_STATE, 0, 0, TCP_ESTABLISHED, TCP_CLOSED, DROP_NONE},
    };
    expect_events(expected, ARRAY_COUNT(expected));
}

static void an_opening_that_never_ends_is_told(void **state)
{
    (void)state;
    choose_peer();
    peer_send(&peer, (struct peer_segment){.flags = S});
    peer_sleep(&peer, 80000);
    uint32_t got = trace_ring_copy(peer.config.trace, events, EVENTS_MAX);
    assert_int_equal(got, 1 + 1 + 1 + 5 + 1); /* SYN, SYN-ACK, state, five more SYN-ACKs, the end */
    assert_int_equal(events[got - 2].kind, TRACE_SENT);
    assert_int_equal(events[got - 2].tcp_flags, S | A);
    assert_int_equal(events[got - 2].state_before, TCP_SYN_RECEIVED);
    assert_int_equal(events[got - 1].kind, TRACE_STATE);
    assert_int_equal(events[got - 1].state_before, TCP_SYN_RECEIVED);
    assert_int_equal(events[got - 1].state_after, TCP_CLOSED);
    assert_int_equal(events[got - 1].remote_port, peer.port);
}

int main(void)
{
    test_eal_start("64");
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_told_while_nobody_is_chosen),
        TEST(a_connection_is_told_from_its_syn_to_its_end),
        TEST(a_lost_segment_is_told_as_sent_again),
        TEST(a_dropped_segment_has_its_reason),
        TEST(a_connection_that_the_application_gives_up_is_told),
        TEST(an_opening_that_never_ends_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
