/* SPDX-License-Identifier: BSD-3-Clause */
/* Passive opening: SYN-RECEIVED without a slot, SYN cookies, floods (RFC 9293 3.10.7, RFC 4987). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "include/clock.h"
#include "tests/support/tcp_peer.h"
#include "tests/support/test_eal.h"

#define F TCP_FLAG_FIN
#define S TCP_FLAG_SYN
#define R TCP_FLAG_RST
#define A TCP_FLAG_ACK

#define HALF_OPEN_MAX 16u /* of peer_init */

static struct tcp_peer peer;

static const struct tcp_syn_options plain = {.mss_bytes = 1460};
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

/* Other settings than the usual ones: change peer.config, then call this. */
static void restart(void)
{
    tcp_stack_destroy(peer.stack);
    peer_start(&peer);
}

static void send_syn(const struct tcp_syn_options *options)
{
    uint8_t bytes[TCP_OPTION_BYTES_MAX];
    uint32_t length = tcp_options_write_syn(bytes, options);
    peer.uses_timestamps = options->has_timestamps;
    peer.timestamp = options->timestamp_value;
    peer_send(&peer, (struct peer_segment){.flags = S, .options = bytes, .option_bytes = length});
}

/* SYNs of others, who never answer: the table is full afterwards. */
static void fill_syn_table(void)
{
    uint16_t port = peer.port;
    while (tcp_half_open_count(peer.stack) < peer.config.half_open_max) {
        peer.port++;
        peer_send(&peer, (struct peer_segment){.flags = S});
        peer_discard(&peer);
    }
    peer.port = port;
}

static void a_syn_takes_no_connection(void **state)
{
    (void)state;
    for (int version = 4; version <= 6; version += 2) {
        peer.is_ipv6 = version == 6;
        if (peer.is_ipv6)
            memcpy(peer.address, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x63", 16);
        send_syn(&full);
        peer_expect(&peer, S | A, 0, 1, 0);
        assert_int_equal(tcp_half_open_count(peer.stack), 1);
        assert_int_equal(tcp_connection_count(peer.stack), 0);
        peer_send(&peer, (struct peer_segment){.flags = A, .seq = 1, .ack = 1, .length = 7});
        assert_int_equal(peer.events, TCP_EVENT_OPENED | TCP_EVENT_READABLE);
        assert_int_equal(tcp_half_open_count(peer.stack), 0);
        assert_int_equal(tcp_connection_count(peer.stack), 1);
        assert_int_equal(peer_application_reads(&peer), 7);
        struct tcp_connection_info info;
        tcp_connection_info(peer.stack, peer.connection, &info);
        assert_int_equal(info.mss_bytes, (peer.is_ipv6 ? 1440 : 1460) - TCP_TIMESTAMP_BYTES);
        assert_int_equal(info.snd_wnd_bytes, 65535 << 7);
        tcp_abort(peer.stack, peer.connection);
        peer_round(&peer);
        peer_expect(&peer, R | A, 1, 8, 0);
        peer.events = 0;
    }
}

static void the_handshake_measures_the_round_trip_unless_it_was_sent_twice(void **state)
{
    (void)state;
    struct tcp_connection_info info;
    send_syn(&plain);
    peer_expect(&peer, S | A, 0, 1, 0);
    peer_sleep(&peer, 30);
    peer_send(&peer, (struct peer_segment){.flags = A, .seq = 1, .ack = 1});
    tcp_connection_info(peer.stack, peer.connection, &info);
    assert_int_equal(info.srtt_us, 30000);
    peer.port++;
    send_syn(&plain);
    peer_expect(&peer, S | A, 0, 1, 0);
    peer_wait(&peer, 1350);
    peer_expect(&peer, S | A, 0, 1, 0);
    peer_send(&peer, (struct peer_segment){.flags = A, .seq = 1, .ack = 1});
    tcp_connection_info(peer.stack, peer.connection, &info);
    assert_int_equal(info.srtt_us, 0);
    peer.port++; /* the peer did not wait for us: which of the two does it answer? */
    send_syn(&plain);
    peer_expect(&peer, S | A, 0, 1, 0);
    peer_sleep(&peer, 300);
    send_syn(&plain);
    peer_expect(&peer, S | A, 0, 1, 0);
    peer_sleep(&peer, 30);
    peer_send(&peer, (struct peer_segment){.flags = A, .seq = 1, .ack = 1});
    tcp_connection_info(peer.stack, peer.connection, &info);
    assert_int_equal(info.srtt_us, 0);
}

static void an_unanswered_syn_ack_is_sent_six_times_in_79_seconds(void **state)
{
    (void)state;
    send_syn(&plain);
    peer_expect(&peer, S | A, 0, 1, 0);
    for (uint32_t timeout_ms = 1250; timeout_ms <= 20000; timeout_ms *= 2) {
        assert_in_range(peer_wait(&peer, 40000), timeout_ms, timeout_ms + 2);
        peer_expect(&peer, S | A, 0, 1, 0);
    }
    peer_sleep(&peer, 39000);
    assert_int_equal(tcp_half_open_count(peer.stack), 1);
    peer_sleep(&peer, 1002);
    assert_int_equal(tcp_half_open_count(peer.stack), 0);
    assert_int_equal(peer_counter(&peer, COUNTER_TCP_TIMEOUTS), 1);
    peer_send(&peer, (struct peer_segment){.flags = A, .seq = 1, .ack = 1});
    peer_expect(&peer, R, 1, 0, 0);
}

/* So many in one round, whatever their number of tries: the rest follow in the next rounds. */
static void syn_acks_of_all_ages_share_the_bound_of_a_round(void **state)
{
    (void)state;
    peer.config.half_open_max = 256;
    restart();
    for (uint32_t i = 0; i < 80; i++) {
        if (i == 40) /* those of before were sent again once: both kinds are due after 3.75 s */
            peer_sleep(&peer, 2500);
        peer.port++;
        send_syn(&plain);
        peer_discard(&peer);
    }
    peer.now_ns += 1350 * NS_PER_MS;
    uint32_t all = 0, round, most = 0;
    while ((round = peer_round_unseen(&peer)) > 0) {
        most = round > most ? round : most;
        all += round;
    }
    assert_int_equal(all, 80);
    assert_int_equal(most, 32);
}

static void the_worker_is_told_when_a_syn_ack_is_due(void **state)
{
    (void)state;
    assert_true(tcp_next_timer_ns(peer.stack) == UINT64_MAX);
    send_syn(&plain);
    peer_expect(&peer, S | A, 0, 1, 0);
    assert_in_range(tcp_next_timer_ns(peer.stack) - peer.now_ns, 1249000000, 1250000000);
    peer_sleep(&peer, 400);
    peer.port++;
    send_syn(&plain);
    assert_in_range(tcp_next_timer_ns(peer.stack) - peer.now_ns, 849000000, 850000000);
    peer_sleep(&peer, 860);
    assert_in_range(tcp_next_timer_ns(peer.stack) - peer.now_ns, 389000000, 390000000);
    peer_discard(&peer);
}

/* RFC 9293 3.10.7.4, SYN-RECEIVED after a passive open. */
static void segments_in_syn_received(void **state)
{
    (void)state;
    enum after { STAYS, LEAVES, OPENS };
    static const struct {
        const char *what;
        struct peer_segment segment;
        uint8_t answer; /* flags; 0: none */
        uint32_t answer_seq, answer_ack;
        enum after after;
    } cases[] = {
        {"its SYN again", {.flags = S}, S | A, 0, 1, STAYS},
        {"another SYN before the window", {.flags = S, .seq = 5u - 100}, A, 1, 1, STAYS},
        {"another SYN behind the window", {.flags = S, .seq = 70000}, A, 1, 1, STAYS},
        {"another SYN in the window", {.flags = S, .seq = 100}, 0, 0, 0, LEAVES},
        {"SYN and ACK", {.flags = S | A, .ack = 1}, A, 1, 1, STAYS},
        {"RST at the expected place", {.flags = R, .seq = 1}, 0, 0, 0, LEAVES},
        {"RST in the window", {.flags = R, .seq = 2}, A, 1, 1, STAYS},
        {"RST before the window", {.flags = R, .seq = 0}, 0, 0, 0, STAYS},
        {"RST behind the window", {.flags = R, .seq = 70000}, 0, 0, 0, STAYS},
        {"data without ACK", {.flags = 0, .seq = 1, .length = 10}, 0, 0, 0, STAYS},
        {"ACK of nothing", {.flags = A, .seq = 1, .ack = 0}, R, 0, 0, STAYS},
        {"ACK of what was not sent", {.flags = A, .seq = 1, .ack = 2}, R, 2, 0, STAYS},
        {"ACK before the window", {.flags = A, .seq = 0, .ack = 1}, A, 1, 1, STAYS},
        {"ACK behind the window", {.flags = A, .seq = 65537, .ack = 1}, A, 1, 1, STAYS},
        {"ACK at the edge", {.flags = A, .seq = 65536, .ack = 1}, 0, 0, 0, OPENS},
        {"ACK", {.flags = A, .seq = 1, .ack = 1}, 0, 0, 0, OPENS},
        {"ACK with FIN", {.flags = A | F, .seq = 1, .ack = 1}, A, 1, 2, OPENS},
        {"ACK with data", {.flags = A, .seq = 1, .ack = 1, .length = 9}, 0, 0, 0, OPENS},
        {"ACK with later data", {.flags = A, .seq = 5, .ack = 1, .length = 9}, A, 1, 1, OPENS},
        {"FIN without ACK", {.flags = F, .seq = 1}, 0, 0, 0, STAYS},
        {"SYN and FIN", {.flags = S | F, .seq = 0}, 0, 0, 0, STAYS},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        peer.port++;
        peer.events = 0;
        send_syn(&plain);
        peer_expect(&peer, S | A, 0, 1, 0);
        peer_send(&peer, cases[i].segment);
        struct seen_segment seen = {0};
        bool is_answered = peer_sees(&peer, &seen);
        bool is_open = peer.events & TCP_EVENT_OPENED;
        bool is_half_open = tcp_half_open_count(peer.stack) == 1;
        if (is_answered != (cases[i].answer != 0) || seen.flags != cases[i].answer ||
            seen.seq != cases[i].answer_seq || seen.ack != cases[i].answer_ack ||
            is_open != (cases[i].after == OPENS) || is_half_open != (cases[i].after == STAYS))
            fail_msg("'%s': flags %02x seq %u ack %u, open %d, half-open %d", cases[i].what,
                     seen.flags, seen.seq, seen.ack, is_open, is_half_open);
        if (is_half_open) { /* and the real one opens it still */
            peer_send(&peer, (struct peer_segment){.flags = A, .seq = 1, .ack = 1});
            assert_true(peer.events & TCP_EVENT_OPENED);
        }
        if (is_open || is_half_open)
            tcp_abort(peer.stack, peer.connection);
        peer_round(&peer);
        peer_discard(&peer);
    }
}

static void data_and_fin_may_complete_the_handshake(void **state)
{
    (void)state;
    send_syn(&plain);
    peer_expect(&peer, S | A, 0, 1, 0);
    peer_send(&peer, (struct peer_segment){.flags = A | F, .seq = 1, .ack = 1, .length = 100});
    assert_int_equal(peer.events, TCP_EVENT_OPENED | TCP_EVENT_READABLE | TCP_EVENT_PEER_CLOSED);
    peer_expect(&peer, A, 1, 102, 0);
    assert_int_equal(peer_application_reads(&peer), 100);
}

static void old_timestamps_do_not_complete_a_handshake(void **state)
{
    (void)state;
    send_syn(&full);
    peer_expect(&peer, S | A, 0, 1, 0);
    peer.timestamp = 999;
    peer_send(&peer, (struct peer_segment){.flags = A, .seq = 1, .ack = 1});
    peer_expect(&peer, A, 1, 1, 0);
    peer.uses_timestamps = false; /* agreed on, so each segment must have one: RFC 7323 3.2 */
    peer_send(&peer, (struct peer_segment){.flags = A, .seq = 1, .ack = 1});
    peer_expect_nothing(&peer);
    assert_int_equal(peer.events, 0);
    peer.uses_timestamps = true;
    peer.timestamp = 1000;
    peer_send(&peer, (struct peer_segment){.flags = A, .seq = 1, .ack = 1});
    assert_int_equal(peer.events, TCP_EVENT_OPENED);
}

static void challenges_of_a_half_open_peer_are_bounded(void **state)
{
    (void)state;
    send_syn(&plain);
    peer_expect(&peer, S | A, 0, 1, 0);
    for (uint32_t i = 0; i < 100; i++)
        peer_send(&peer, (struct peer_segment){.flags = R, .seq = 2 + i});
    assert_int_equal(peer_discard(&peer), 8);
    peer_sleep(&peer, 1350); /* the SYN-ACK again */
    assert_int_equal(peer_discard(&peer), 1);
    peer_send(&peer, (struct peer_segment){.flags = R, .seq = 2});
    peer_expect(&peer, A, 1, 1, 0);
}

/* RFC 9293 3.4.1: for the same four-tuple a clock of about 4 us, for others unrelated numbers. */
static void initial_sequences_follow_a_clock_per_four_tuple(void **state)
{
    (void)state;
    uint32_t first[8];
    for (int round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < ARRAY_COUNT(first); i++) {
            peer.port = (uint16_t)(PEER_PORT + i);
            send_syn(&plain);
            peer_expect(&peer, S | A, 0, 1, 0);
            peer_send(&peer, (struct peer_segment){.flags = R, .seq = 1});
            if (round == 0)
                first[i] = peer.stack_iss;
            else
                assert_in_range(peer.stack_iss - first[i], 10000000000 / 4096 - 1,
                                10000000000 / 4096 + 1);
        }
        peer.now_ns += 10000000000;
    }
    for (uint32_t i = 1; i < ARRAY_COUNT(first); i++)
        assert_false(first[i] - first[i - 1] < 0x100000 || first[i - 1] - first[i] < 0x100000);
}

/* ---- cookies ---- */

static void a_full_table_is_answered_with_cookies(void **state)
{
    (void)state;
    for (int version = 4; version <= 6; version += 2) {
        peer.is_ipv6 = version == 6;
        fill_syn_table();
        send_syn(&full);
        struct seen_segment seen = peer_expect(&peer, S | A, 0, 1, 0);
        assert_true(seen.syn.has_sack && seen.syn.has_timestamps && seen.syn.has_window_scale);
        assert_int_equal(seen.syn.timestamp_echo, 1000);
        assert_int_equal(seen.syn.timestamp_value & 31, 7 | 16);
        assert_int_equal(tcp_half_open_count(peer.stack), HALF_OPEN_MAX);
        assert_int_equal(tcp_connection_count(peer.stack), 0);
        peer_sleep(&peer, 50);
        peer.timestamp = 1050;
        peer_send(&peer, (struct peer_segment){.flags = A, .seq = 1, .ack = 1, .length = 5});
        assert_int_equal(peer.events, TCP_EVENT_OPENED | TCP_EVENT_READABLE);
        assert_int_equal(tcp_connection_count(peer.stack), 1);
        struct tcp_connection_info info;
        tcp_connection_info(peer.stack, peer.connection, &info);
        assert_int_equal(info.mss_bytes, 1440 + (peer.is_ipv6 ? 0 : 20) - TCP_TIMESTAMP_BYTES);
        assert_int_equal(info.snd_wnd_bytes, 65535 << 7);
        assert_int_equal(info.srtt_us, 0); /* not known when the SYN-ACK left */
        assert_int_equal(peer_application_reads(&peer), 5);
        peer_application_sends(&peer, 10);
        peer_expect(&peer, A, 1, 6, 10);
        /* SACK: what comes too early is reported */
        peer_send(&peer, (struct peer_segment){.flags = A, .seq = 16, .ack = 11, .length = 5});
        seen = peer_expect(&peer, A, 11, 6, 0);
        assert_int_equal(seen.sack_count, 1);
        assert_int_equal(peer_counter(&peer, COUNTER_TCP_COOKIES_ACCEPTED), version / 2 - 1);
        tcp_abort(peer.stack, peer.connection);
        peer_round(&peer);
        peer_discard(&peer);
        peer.events = 0;
    }
    assert_int_equal(peer_counter(&peer, COUNTER_TCP_COOKIES_SENT), 2);
    assert_int_equal(peer_counter(&peer, COUNTER_TCP_COOKIES_REFUSED), 0);
}

static void without_timestamps_a_cookie_carries_only_the_mss(void **state)
{
    (void)state;
    struct tcp_syn_options options = full;
    options.has_timestamps = false;
    options.mss_bytes = 1300;
    fill_syn_table();
    send_syn(&options);
    struct seen_segment seen = peer_expect(&peer, S | A, 0, 1, 0);
    assert_false(seen.syn.has_sack || seen.syn.has_timestamps || seen.syn.has_window_scale);
    peer_send(&peer, (struct peer_segment){.flags = A, .seq = 1, .ack = 1});
    struct tcp_connection_info info;
    tcp_connection_info(peer.stack, peer.connection, &info);
    assert_int_equal(info.mss_bytes, 1220);
    assert_int_equal(info.snd_wnd_bytes, 65535);
}

static void what_is_switched_off_is_not_in_a_cookie(void **state)
{
    (void)state;
    peer.config.offer_sack = false;
    restart();
    fill_syn_table();
    send_syn(&full);
    struct seen_segment seen = peer_expect(&peer, S | A, 0, 1, 0);
    assert_true(seen.syn.has_timestamps && seen.syn.has_window_scale && !seen.syn.has_sack);
    peer.config.offer_timestamps = false;
    restart();
    fill_syn_table();
    send_syn(&full);
    seen = peer_expect(&peer, S | A, 0, 1, 0);
    assert_false(seen.syn.has_timestamps || seen.syn.has_window_scale || seen.syn.has_sack);
    peer_send(&peer, (struct peer_segment){.flags = A, .seq = 1, .ack = 1}); /* stubborn */
    struct tcp_connection_info info;
    tcp_connection_info(peer.stack, peer.connection, &info);
    assert_int_equal(info.mss_bytes, 1460);
    assert_int_equal(info.snd_wnd_bytes, 65535);
}

static void data_completes_a_handshake_by_cookie_when_the_acknowledgement_was_lost(void **state)
{
    (void)state;
    fill_syn_table();
    send_syn(&plain);
    peer_expect(&peer, S | A, 0, 1, 0);
    peer_send(&peer, (struct peer_segment){.flags = A | F, .seq = 1, .ack = 1, .length = 20});
    assert_int_equal(peer.events, TCP_EVENT_OPENED | TCP_EVENT_READABLE | TCP_EVENT_PEER_CLOSED);
    peer_expect(&peer, A, 1, 22, 0);
}

static void what_is_no_cookie_of_ours_is_reset(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        uint32_t seq, ack;
        uint16_t port;
        uint8_t flags;
        bool is_refused; /* counted as such */
    } cases[] = {
        {"one more", 1, 2, PEER_PORT, A, true},
        {"another bit", 1, 1 + (1u << 20), PEER_PORT, A, true},
        {"another sequence number of the peer", 2, 1, PEER_PORT, A, true},
        {"another port", 1, 1, PEER_PORT + 1, A | F, true},
        {"with a SYN", 1, 1, PEER_PORT, S | A, false},
    };
    peer.config.syn_cookies = TCP_SYN_COOKIES_ALWAYS;
    restart();
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        uint64_t before = peer_counter(&peer, COUNTER_TCP_COOKIES_REFUSED);
        peer.port = PEER_PORT;
        send_syn(&plain);
        peer_expect(&peer, S | A, 0, 1, 0);
        peer.port = cases[i].port;
        peer_send(&peer, (struct peer_segment){
                             .flags = cases[i].flags, .seq = cases[i].seq, .ack = cases[i].ack});
        struct seen_segment seen = {0};
        bool is_answered = peer_sees(&peer, &seen);
        uint64_t refused = peer_counter(&peer, COUNTER_TCP_COOKIES_REFUSED) - before;
        if (!is_answered || seen.flags != R || seen.seq != cases[i].ack || peer.events != 0 ||
            refused != cases[i].is_refused)
            fail_msg("'%s': flags %02x, events %x, %u refused", cases[i].what, seen.flags,
                     peer.events, (unsigned)refused);
    }
    assert_int_equal(tcp_connection_count(peer.stack), 0);
}

static void an_old_cookie_is_reset(void **state)
{
    (void)state;
    peer.config.syn_cookies = TCP_SYN_COOKIES_ALWAYS;
    restart();
    send_syn(&plain);
    peer_expect(&peer, S | A, 0, 1, 0);
    uint32_t old = peer.stack_iss;
    peer.now_ns += UINT64_C(140000000000);
    peer.port = 999; /* somebody else gets a cookie, so that some are out */
    send_syn(&plain);
    peer_expect(&peer, S | A, 0, 1, 0);
    peer.port = PEER_PORT;
    peer.stack_iss = old;
    peer_send(&peer, (struct peer_segment){.flags = A, .seq = 1, .ack = 1});
    peer_expect(&peer, R, 1, 0, 0);
    assert_int_equal(peer_counter(&peer, COUNTER_TCP_COOKIES_REFUSED), 1);
    peer.now_ns += UINT64_C(140000000000); /* now none is: nothing is looked at */
    peer_send(&peer, (struct peer_segment){.flags = A, .seq = 1, .ack = 1});
    peer_expect(&peer, R, 1, 0, 0);
    assert_int_equal(peer_counter(&peer, COUNTER_TCP_COOKIES_REFUSED), 1);
}

static void always_keeps_no_state_for_anybody(void **state)
{
    (void)state;
    peer.config.syn_cookies = TCP_SYN_COOKIES_ALWAYS;
    restart();
    send_syn(&full);
    peer_expect(&peer, S | A, 0, 1, 0);
    assert_int_equal(tcp_half_open_count(peer.stack), 0);
    peer_send(&peer, (struct peer_segment){.flags = A, .seq = 1, .ack = 1});
    assert_int_equal(peer.events, TCP_EVENT_OPENED);
}

static void never_lets_the_oldest_give_way(void **state)
{
    (void)state;
    peer.config.syn_cookies = TCP_SYN_COOKIES_NEVER;
    restart();
    send_syn(&plain); /* the oldest */
    peer_expect(&peer, S | A, 0, 1, 0);
    uint32_t oldest_iss = peer.stack_iss;
    fill_syn_table();
    peer.port = 999;
    send_syn(&plain);
    peer_expect(&peer, S | A, 0, 1, 0);
    assert_int_equal(peer_counter(&peer, COUNTER_TCP_HALF_OPEN_RECYCLED), 1);
    assert_int_equal(peer_counter(&peer, COUNTER_TCP_COOKIES_SENT), 0);
    assert_int_equal(tcp_half_open_count(peer.stack), HALF_OPEN_MAX);
    peer_send(&peer, (struct peer_segment){.flags = A, .seq = 1, .ack = 1});
    assert_int_equal(peer.events, TCP_EVENT_OPENED);
    peer.events = 0;
    peer.port = PEER_PORT;
    peer.stack_iss = oldest_iss;
    peer_send(&peer, (struct peer_segment){.flags = A, .seq = 1, .ack = 1});
    peer_expect(&peer, R, 1, 0, 0);
    assert_int_equal(peer.events, 0);
}

/* ---- floods and shortages ---- */

static void flood(uint32_t syns)
{
    uint16_t port = peer.port;
    uint8_t address[16];
    memcpy(address, peer.address, 16);
    for (uint32_t i = 1; i <= syns; i++) {
        uint32_t spoofed = i * 2654435761u; /* 2^32 times an odd number: each once */
        memcpy(peer.address, &spoofed, 4);
        peer.port = (uint16_t)(1024 + i % 60000);
        peer_queue(&peer, (struct peer_segment){.flags = S, .seq = i * 3});
        if (i % 64 == 0) {
            peer.now_ns += 64000; /* a million a second */
            peer_round_unseen(&peer);
        }
    }
    peer_round_unseen(&peer);
    memcpy(peer.address, address, 16);
    peer.port = port;
}

static void clients_open_by_cookie_during_a_flood_of_a_million_spoofed_syns(void **state)
{
    (void)state;
    peer_open(&peer, &full); /* one that was there before */
    struct tcp_connection *before = peer.connection;
    for (uint32_t client = 0; client < 50; client++) {
        flood(20000);
        peer.port = (uint16_t)(100 + client);
        send_syn(&full);
        peer_expect(&peer, S | A, 0, 1, 0);
        flood(1000);
        peer_send(&peer, (struct peer_segment){.flags = A, .seq = 1, .ack = 1, .length = 10});
        assert_int_equal(peer.events, TCP_EVENT_OPENED | TCP_EVENT_READABLE);
        assert_int_equal(peer_application_reads(&peer), 10);
        tcp_abort(peer.stack, peer.connection);
        peer_round(&peer);
        peer_discard(&peer);
        peer.events = 0;
        assert_true(tcp_half_open_count(peer.stack) <= HALF_OPEN_MAX);
        assert_int_equal(tcp_connection_count(peer.stack), 1);
    }
    assert_int_equal(peer_counter(&peer, COUNTER_TCP_COOKIES_ACCEPTED), 50);
    assert_in_range(peer_counter(&peer, COUNTER_TCP_COOKIES_SENT), 1040000, 1050050);
    peer.port = PEER_PORT;
    assert_true(tcp_send_is_open(before));
}

static void when_no_slot_is_left_syns_are_dropped_and_half_open_peers_wait(void **state)
{
    (void)state;
    peer.config.connections = 2;
    restart();
    uint16_t ports[3] = {100, 101, 102};
    uint32_t initial[3];
    struct tcp_connection *open[3] = {NULL};
    for (uint32_t i = 0; i < 3; i++) {
        peer.port = ports[i];
        send_syn(&plain);
        peer_expect(&peer, S | A, 0, 1, 0);
        initial[i] = peer.stack_iss;
    }
    for (uint32_t i = 0; i < 3; i++) { /* each with a byte: not silent, so not recycled */
        peer.port = ports[i];
        peer.stack_iss = initial[i];
        peer.connection = NULL;
        peer_send(&peer, (struct peer_segment){.flags = A, .seq = 1, .ack = 1, .length = 1});
        open[i] = peer.connection;
    }
    assert_non_null(open[0]);
    assert_non_null(open[1]);
    assert_null(open[2]);
    assert_int_equal(peer_drops(&peer, DROP_TCP_CONNECTIONS_FULL), 1);
    assert_int_equal(tcp_half_open_count(peer.stack), 1);
    peer.port = 103;
    send_syn(&plain);
    peer_expect_nothing(&peer);
    assert_int_equal(peer_drops(&peer, DROP_TCP_CONNECTIONS_FULL), 2);
    tcp_abort(peer.stack, open[0]);
    peer_round(&peer);
    peer_discard(&peer);
    peer.port = ports[2];
    peer_send(&peer, (struct peer_segment){.flags = A, .seq = 1, .ack = 1, .length = 1});
    assert_non_null(peer.connection);
    assert_int_equal(peer_application_reads(&peer), 1);
}

static void a_source_at_its_limit_opens_no_more_and_spoofed_syns_do_not_count(void **state)
{
    (void)state;
    peer.config.connections_per_source = 2;
    restart();
    uint32_t initial[3];
    for (uint32_t i = 0; i < 3; i++) { /* half-open ones do not count: anybody can send them */
        peer.port = (uint16_t)(100 + i);
        send_syn(&plain);
        peer_expect(&peer, S | A, 0, 1, 0);
        initial[i] = peer.stack_iss;
    }
    struct tcp_connection *first = NULL;
    for (uint32_t i = 0; i < 2; i++) {
        peer.port = (uint16_t)(100 + i);
        peer.stack_iss = initial[i];
        peer_send(&peer, (struct peer_segment){.flags = A, .seq = 1, .ack = 1});
        assert_int_equal(peer.events, TCP_EVENT_OPENED);
        peer.events = 0;
        first = first ? first : peer.connection;
    }
    peer.port = 102; /* answered before, but now there are two */
    peer.stack_iss = initial[2];
    peer_send(&peer, (struct peer_segment){.flags = A, .seq = 1, .ack = 1});
    peer_expect(&peer, R, 1, 0, 0);
    assert_int_equal(peer.events, 0);
    assert_int_equal(tcp_half_open_count(peer.stack), 0);
    send_syn(&plain);
    peer_expect_nothing(&peer);
    assert_int_equal(peer_drops(&peer, DROP_TCP_SOURCE_FULL), 2);
    peer.address[3]++; /* others are not concerned */
    peer_open(&peer, &plain);
    peer.address[3]--;
    tcp_abort(peer.stack, first);
    peer_round(&peer);
    peer_discard(&peer);
    peer.port = 104;
    peer_open(&peer, &plain);
}

static void a_full_port_answers_no_syns(void **state)
{
    (void)state;
    peer.network.is_full = true;
    send_syn(&plain);
    peer_expect_nothing(&peer);
    assert_int_equal(peer_drops(&peer, DROP_TCP_SYN_SHED), 1);
    assert_int_equal(tcp_half_open_count(peer.stack), 0);
    peer.network.is_full = false;
    send_syn(&plain);
    peer_expect(&peer, S | A, 0, 1, 0);
}

static void syns_are_not_answered_while_packets_are_short(void **state)
{
    (void)state;
    peer.config.packets_held_max = 4;
    restart();
    peer_open(&peer, &plain);
    for (uint32_t i = 0; i < 5; i++) /* larger than what is copied together */
        peer_send(&peer,
                  (struct peer_segment){.flags = A, .seq = 1 + i * 1000, .ack = 1, .length = 1000});
    peer_discard(&peer);
    assert_int_equal(tcp_receive_bytes(peer.connection), 4000);
    struct tcp_connection *holder = peer.connection;
    peer.port++;
    send_syn(&plain);
    peer_expect_nothing(&peer);
    assert_int_equal(peer_drops(&peer, DROP_TCP_SYN_SHED), 1);
    tcp_receive_consume(peer.stack, holder, 4000);
    peer_round(&peer);
    peer_discard(&peer);
    peer_open(&peer, &plain);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    test_eal_start("64");
    const struct CMUnitTest tests[] = {
        TEST(a_syn_takes_no_connection),
        TEST(the_handshake_measures_the_round_trip_unless_it_was_sent_twice),
        TEST(an_unanswered_syn_ack_is_sent_six_times_in_79_seconds),
        TEST(syn_acks_of_all_ages_share_the_bound_of_a_round),
        TEST(the_worker_is_told_when_a_syn_ack_is_due),
        TEST(segments_in_syn_received),
        TEST(data_and_fin_may_complete_the_handshake),
        TEST(old_timestamps_do_not_complete_a_handshake),
        TEST(challenges_of_a_half_open_peer_are_bounded),
        TEST(initial_sequences_follow_a_clock_per_four_tuple),
        TEST(a_full_table_is_answered_with_cookies),
        TEST(without_timestamps_a_cookie_carries_only_the_mss),
        TEST(what_is_switched_off_is_not_in_a_cookie),
        TEST(data_completes_a_handshake_by_cookie_when_the_acknowledgement_was_lost),
        TEST(what_is_no_cookie_of_ours_is_reset),
        TEST(an_old_cookie_is_reset),
        TEST(always_keeps_no_state_for_anybody),
        TEST(never_lets_the_oldest_give_way),
        TEST(clients_open_by_cookie_during_a_flood_of_a_million_spoofed_syns),
        TEST(when_no_slot_is_left_syns_are_dropped_and_half_open_peers_wait),
        TEST(a_source_at_its_limit_opens_no_more_and_spoofed_syns_do_not_count),
        TEST(a_full_port_answers_no_syns),
        TEST(syns_are_not_answered_while_packets_are_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
