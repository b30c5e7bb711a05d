/* SPDX-License-Identifier: BSD-3-Clause */
/* What the trace rings hold, told as text and as a pcap file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "control/text_buffer.h"
#include "control/trace_export.h"
#include "include/compiler.h"
#include "include/counters.h"
#include "include/trace_ring.h"

#define WALL_NS UINT64_C(1000000000000) /* what the wall clock is ahead of the monotone one */

static struct trace_choice choice;

static struct trace_event event_of(enum trace_kind kind, uint64_t time_ns)
{
    struct trace_event event = {.time_ns = time_ns,
                                .local = {192, 0, 2, 10},
                                .remote = {192, 0, 2, 7},
                                .local_port = 80,
                                .remote_port = 40000,
                                .sequence = 1000,
                                .acknowledgement = 77,
                                .payload_bytes = 5,
                                .window = 65535,
                                .ip_version = 4,
                                .kind = (uint8_t)kind,
                                .tcp_flags = 0x18,
                                .state_before = 4,
                                .state_after = 4};
    return event;
}

static void every_kind_of_event_has_its_line(void **state)
{
    (void)state;
    struct text_buffer text = {0};
    struct trace_ring *ring = trace_ring_create(16, &choice);
    struct trace_event event = event_of(TRACE_RECEIVED, 1500);
    trace_ring_write(ring, &event);
    event = event_of(TRACE_DROPPED, 1500);
    event.drop_reason = DROP_TCP_OUTSIDE_WINDOW;
    trace_ring_write(ring, &event);
    event = event_of(TRACE_STATE, 2500);
    event.state_after = 7;
    trace_ring_write(ring, &event);
    event = event_of(TRACE_SENT, 3500);
    event.tcp_flags = 0x12;
    trace_ring_write(ring, &event);
    event = event_of(TRACE_SENT_AGAIN, 4500);
    event.ip_version = 6;
    event.tcp_flags = 0;
    memset(event.local, 0, 16);
    memset(event.remote, 0, 16);
    event.local[15] = 1;
    event.remote[15] = 2;
    trace_ring_write(ring, &event);
    trace_export(&ring, 1, TRACE_FORMAT_TEXT, WALL_NS, &text);
    assert_string_equal(
        text.bytes,
        "1000.000001 192.0.2.7:40000 192.0.2.10:80 < [PA] seq 1000 ack 77 length 5 window 65535 "
        "(established)\n"
        "1000.000001 192.0.2.7:40000 192.0.2.10:80 dropped TCP_OUTSIDE_WINDOW\n"
        "1000.000002 192.0.2.7:40000 192.0.2.10:80 established -> close-wait\n"
        "1000.000003 192.0.2.7:40000 192.0.2.10:80 > [SA] seq 1000 ack 77 length 5 window 65535 "
        "(established)\n"
        "1000.000004 [::2]:40000 [::1]:80 > again [] seq 1000 ack 77 length 5 window 65535 "
        "(established)\n");
    text_buffer_clear(&text);
    trace_ring_destroy(ring);
}

static void the_rings_of_all_workers_are_one_sequence(void **state)
{
    (void)state;
    enum { RINGS = 3, EVENTS = 50 };
    struct trace_ring *rings[RINGS];
    struct text_buffer text = {0};
    for (uint32_t i = 0; i < RINGS; i++)
        rings[i] = trace_ring_create(64, &choice);
    for (uint32_t i = 0; i < EVENTS; i++) {
        struct trace_event event = event_of(TRACE_SENT, 1000 * (i / 5)); /* five at a time */
        event.sequence = i;
        trace_ring_write(rings[i / 5 % RINGS], &event);
    }
    trace_export(rings, RINGS, TRACE_FORMAT_TEXT, WALL_NS, &text);
    const char *at = text.bytes;
    for (uint32_t i = 0; i < EVENTS; i++) {
        uint32_t sequence;
        at = strstr(at, " seq ");
        assert_non_null(at);
        assert_int_equal(sscanf(at, " seq %u", &sequence), 1);
        assert_int_equal(sequence, i);
        at++;
    }
    assert_null(strstr(at, " seq "));
    text_buffer_clear(&text);
    for (uint32_t i = 0; i < RINGS; i++)
        trace_ring_destroy(rings[i]);
}

static void a_pcap_file_has_headers_and_the_true_lengths(void **state)
{
    (void)state;
    static const uint8_t wanted[] = {
        /* file: magic, version, zone, accuracy, longest, raw IP */
        0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 101, 0, 0, 0,
        /* packet: 1000 s, 2 us, 40 bytes kept of 45 */
        0xe8, 0x03, 0, 0, 2, 0, 0, 0, 40, 0, 0, 0, 45, 0, 0, 0,
        /* IPv4 from the client; the sum of its words is 0xffff */
        0x45, 0, 0, 45, 0, 0, 0, 0, 64, 6, 0xf6, 0xb9, 192, 0, 2, 7, 192, 0, 2, 10,
        /* TCP */
        0x9c, 0x40, 0, 80, 0, 0, 0x03, 0xe8, 0, 0, 0, 77, 0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0};
    struct text_buffer file = {0};
    struct trace_ring *ring = trace_ring_create(16, &choice);
    struct trace_event event = event_of(TRACE_STATE, 1000); /* not a packet */
    trace_ring_write(ring, &event);
    event = event_of(TRACE_RECEIVED, 2000);
    trace_ring_write(ring, &event);
    trace_export(&ring, 1, TRACE_FORMAT_PCAP, WALL_NS, &file);
    assert_int_equal(file.used_bytes, sizeof(wanted));
    assert_memory_equal(file.bytes, wanted, sizeof(wanted));
    text_buffer_clear(&file);
    trace_ring_destroy(ring);
}

static void a_client_is_an_address_or_none(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_taken;
        uint32_t ip_version;
    } cases[] = {
        {"192.0.2.7", true, 4},     {"2001:db8::7", true, 6}, {"none", true, 0},  {"", false, 0},
        {"192.0.2.7/24", false, 0}, {"localhost", false, 0},  {"::1 ", false, 0},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct trace_choice chosen = {0};
        struct trace_client client;
        if (trace_choose(&chosen, cases[i].text) != cases[i].is_taken ||
            !published_take(&chosen.published, chosen.published.version, &client, sizeof(client)) ||
            client.ip_version != cases[i].ip_version ||
            chosen.published.version != (cases[i].is_taken ? 2u : 0u))
            fail_msg("'%s'", cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_event_has_its_line),
        cmocka_unit_test(the_rings_of_all_workers_are_one_sequence),
        cmocka_unit_test(a_pcap_file_has_headers_and_the_true_lengths),
        cmocka_unit_test(a_client_is_an_address_or_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
