/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/ipv4.h"
#include "include/compiler.h"
#include "tests/support/frames.h"
#include "tests/unit/guarded_bytes.h"

static const struct ipv4_addresses ours = {.address = {192, 0, 2, 10},
                                           .broadcast = {192, 0, 2, 255}};

/* Ethernet's padding is part of what arrives, never of what goes up. */
static void the_length_is_what_ip_says_and_not_what_arrived(void **state)
{
    (void)state;
    static const uint32_t paddings[] = {0, 1, 26};
    for (size_t i = 0; i < ARRAY_COUNT(paddings); i++) {
        struct frame_bytes frame;
        struct ip_view view;
        uint8_t tcp[64];
        frame_ipv4(&frame, frames_peer_ipv4, frames_our_ipv4, 6, tcp,
                   bytes_tcp(tcp, 40000, 80, 1, 2, 0));
        uint32_t length = frame.length - 14u + paddings[i];
        memset(frame.bytes + frame.length, 0xee, paddings[i]);
        assert_int_equal(
            ipv4_parse(guarded_at_end(frame.bytes + 14, length), length, &ours, false, &view),
            DROP_NONE);
        assert_int_equal(view.transport_offset, 20);
        assert_int_equal(view.transport_bytes, 20);
        assert_int_equal(view.protocol, 6);
        assert_int_equal(view.hop_limit, 64);
    }
}

static void every_length_that_cannot_be_is_refused_without_reading_on(void **state)
{
    (void)state;
    struct frame_bytes frame;
    struct ip_view view;
    uint8_t tcp[64];
    frame_ipv4(&frame, frames_peer_ipv4, frames_our_ipv4, 6, tcp,
               bytes_tcp(tcp, 40000, 80, 1, 2, 0));
    uint32_t whole = frame.length - 14u;
    for (uint32_t length = 0; length < whole; length++)
        assert_int_equal(
            ipv4_parse(guarded_at_end(frame.bytes + 14, length), length, &ours, false, &view),
            DROP_IP_MALFORMED);
    for (unsigned words = 0; words < 16; words++) { /* header lengths against 20 bytes of header */
        struct frame_bytes odd = frame;
        odd.bytes[14] = (uint8_t)(0x40 | words);
        frame_set16(&odd, 24, 0);
        frame_set16(&odd, 24,
                    slow_fold(slow_sum(0, odd.bytes + 14, words * 4 < 40 ? words * 4 : 40)));
        enum drop_reason why =
            ipv4_parse(guarded_at_end(odd.bytes + 14, whole), whole, &ours, false, &view);
        assert_int_equal(why, words >= 5 && words <= 10 ? DROP_NONE : DROP_IP_MALFORMED);
        if (why == DROP_NONE)
            assert_int_equal(view.transport_bytes, whole - words * 4);
    }
}

static void options_are_skipped_and_summed(void **state)
{
    (void)state;
    struct frame_bytes frame;
    struct ip_view view;
    uint8_t payload[64] = {1, 1, 1, 0}; /* three no-operations and the end of options */
    uint32_t length = bytes_tcp(payload + 4, 40000, 80, 1, 2, 0);
    frame_ipv4(&frame, frames_peer_ipv4, frames_our_ipv4, 6, payload, 4 + length);
    frame.bytes[14] = 0x46;
    frame_set16(&frame, 24, 0);
    frame_set16(&frame, 24, slow_fold(slow_sum(0, frame.bytes + 14, 24)));
    assert_int_equal(ipv4_parse(frame.bytes + 14, frame.length - 14u, &ours, false, &view),
                     DROP_NONE);
    assert_int_equal(view.transport_offset, 24);
    assert_int_equal(view.transport_bytes, length);
    frame.bytes[34] = 0; /* the sum covers the options */
    assert_int_equal(ipv4_parse(frame.bytes + 14, frame.length - 14u, &ours, false, &view),
                     DROP_IP_CHECKSUM_BAD);
    assert_int_equal(ipv4_parse(frame.bytes + 14, frame.length - 14u, &ours, true, &view),
                     DROP_NONE); /* the port has verified it */
}

static void sources_that_are_nobody_are_refused(void **state)
{
    (void)state;
    static const struct {
        uint8_t source[4];
        enum drop_reason expected;
    } cases[] = {
        {{192, 0, 2, 99}, DROP_NONE},          {{8, 8, 8, 8}, DROP_NONE},
        {{0, 0, 0, 0}, DROP_IP_SOURCE_BAD},    {{0, 1, 2, 3}, DROP_IP_SOURCE_BAD},
        {{127, 0, 0, 1}, DROP_IP_SOURCE_BAD},  {{224, 0, 0, 1}, DROP_IP_SOURCE_BAD},
        {{240, 0, 0, 1}, DROP_IP_SOURCE_BAD},  {{255, 255, 255, 255}, DROP_IP_SOURCE_BAD},
        {{192, 0, 2, 10}, DROP_IP_SOURCE_BAD}, {{192, 0, 2, 255}, DROP_IP_SOURCE_BAD},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct frame_bytes frame;
        struct ip_view view;
        uint8_t payload[8] = {0};
        frame_ipv4(&frame, cases[i].source, frames_our_ipv4, 6, payload, sizeof(payload));
        enum drop_reason why =
            ipv4_parse(frame.bytes + 14, frame.length - 14u, &ours, false, &view);
        if (why != cases[i].expected)
            fail_msg("source %u.%u.%u.%u: %s", cases[i].source[0], cases[i].source[1],
                     cases[i].source[2], cases[i].source[3], drop_reason_names[why]);
    }
}

static void a_port_without_an_address_takes_nothing(void **state)
{
    (void)state;
    static const struct ipv4_addresses none;
    static const uint8_t zero[4];
    struct frame_bytes frame;
    struct ip_view view;
    uint8_t payload[8] = {0};
    frame_ipv4(&frame, frames_peer_ipv4, zero, 6, payload, sizeof(payload));
    assert_int_equal(ipv4_parse(frame.bytes + 14, frame.length - 14u, &none, false, &view),
                     DROP_IP_NOT_OURS);
}

static void a_port_may_have_a_range_of_addresses(void **state)
{
    (void)state;
    static const struct ipv4_addresses range = {
        .address = {192, 0, 2, 254}, .broadcast = {192, 0, 3, 255}, .further = 3};
    static const struct {
        uint8_t destination[4];
        enum drop_reason expected;
    } cases[] = {
        {{192, 0, 2, 253}, DROP_IP_NOT_OURS}, {{192, 0, 2, 254}, DROP_NONE},
        {{192, 0, 2, 255}, DROP_NONE},        {{192, 0, 3, 1}, DROP_NONE},
        {{192, 0, 3, 2}, DROP_IP_NOT_OURS},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct frame_bytes frame;
        struct ip_view view;
        uint8_t payload[8] = {0};
        frame_ipv4(&frame, frames_peer_ipv4, cases[i].destination, 6, payload, sizeof(payload));
        assert_int_equal(ipv4_parse(frame.bytes + 14, frame.length - 14u, &range, false, &view),
                         cases[i].expected);
    }
}

static void a_written_header_is_one_that_is_believed(void **state)
{
    (void)state;
    uint8_t packet[48] = {0};
    struct ip_view view;
    ipv4_write(packet, frames_peer_ipv4, frames_our_ipv4, 6);
    ipv4_finish(packet, sizeof(packet));
    assert_int_equal(slow_fold(slow_sum(0, packet, 20)), 0);
    assert_int_equal(packet[6], 0x40); /* do not fragment */
    assert_int_equal(ipv4_parse(packet, sizeof(packet), &ours, false, &view), DROP_NONE);
    assert_int_equal(view.transport_bytes, 28);
}

static void prefixes_compare_their_bits_only(void **state)
{
    (void)state;
    static const struct {
        uint8_t other[4];
        uint8_t bits;
        bool is_on_link;
        uint8_t broadcast[4]; /* of 192.0.2.10 */
    } cases[] = {
        {{192, 0, 2, 255}, 24, true, {192, 0, 2, 255}},
        {{192, 0, 3, 10}, 24, false, {192, 0, 2, 255}},
        {{192, 0, 3, 10}, 23, true, {192, 0, 3, 255}},
        {{192, 0, 2, 11}, 31, true, {255, 255, 255, 255}},
        {{192, 0, 2, 12}, 31, false, {255, 255, 255, 255}},
        {{192, 0, 2, 10}, 32, true, {255, 255, 255, 255}},
        {{192, 0, 2, 11}, 32, false, {255, 255, 255, 255}},
        {{200, 1, 2, 3}, 1, true, {255, 255, 255, 255}},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        uint8_t broadcast[4];
        assert_int_equal(ipv4_is_on_link(cases[i].other, frames_our_ipv4, cases[i].bits),
                         cases[i].is_on_link);
        ipv4_broadcast_of(frames_our_ipv4, cases[i].bits, broadcast);
        assert_memory_equal(broadcast, cases[i].broadcast, 4);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_length_is_what_ip_says_and_not_what_arrived),
        cmocka_unit_test(every_length_that_cannot_be_is_refused_without_reading_on),
        cmocka_unit_test(options_are_skipped_and_summed),
        cmocka_unit_test(sources_that_are_nobody_are_refused),
        cmocka_unit_test(a_port_without_an_address_takes_nothing),
        cmocka_unit_test(a_port_may_have_a_range_of_addresses),
        cmocka_unit_test(a_written_header_is_one_that_is_believed),
        cmocka_unit_test(prefixes_compare_their_bits_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
