/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/icmp.h"
#include "include/compiler.h"
#include "tests/support/frames.h"
#include "tests/unit/guarded_bytes.h"

static void kinds_are_told_apart_after_length_and_checksum(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        uint8_t ip_version, type;
        uint16_t length;
        bool has_bad_sum;
        enum drop_reason expected;
        enum icmp_kind kind;
    } cases[] = {
        {"echo request", 4, 8, 16, false, DROP_NONE, ICMP_KIND_ECHO_REQUEST},
        {"echo request without data", 4, 8, 8, false, DROP_NONE, ICMP_KIND_ECHO_REQUEST},
        {"echo request of odd length", 4, 8, 17, false, DROP_NONE, ICMP_KIND_ECHO_REQUEST},
        {"echo reply", 4, 0, 16, false, DROP_NONE, ICMP_KIND_OTHER},
        {"unreachable", 4, 3, 36, false, DROP_NONE, ICMP_KIND_ERROR},
        {"source quench is obsolete (RFC 6633)", 4, 4, 36, false, DROP_NONE, ICMP_KIND_OTHER},
        {"redirects are not followed", 4, 5, 36, false, DROP_NONE, ICMP_KIND_OTHER},
        {"cut off", 4, 8, 7, false, DROP_ICMP_MALFORMED, ICMP_KIND_OTHER},
        {"empty", 4, 8, 0, false, DROP_ICMP_MALFORMED, ICMP_KIND_OTHER},
        {"wrong sum", 4, 8, 16, true, DROP_ICMP_MALFORMED, ICMP_KIND_OTHER},
        {"IPv6 echo request", 6, 128, 16, false, DROP_NONE, ICMP_KIND_ECHO_REQUEST},
        {"IPv6 echo reply", 6, 129, 16, false, DROP_NONE, ICMP_KIND_OTHER},
        {"IPv6 unreachable", 6, 1, 56, false, DROP_NONE, ICMP_KIND_ERROR},
        {"IPv6 too big", 6, 2, 56, false, DROP_NONE, ICMP_KIND_ERROR},
        {"IPv6 router advertisement", 6, 134, 16, false, DROP_NONE, ICMP_KIND_ROUTER},
        {"IPv6 group query", 6, 130, 28, false, DROP_NONE, ICMP_KIND_GROUP_QUERY},
        {"IPv6 group report", 6, 143, 28, false, DROP_NONE, ICMP_KIND_OTHER},
        {"IPv6 solicitation", 6, 135, 24, false, DROP_NONE, ICMP_KIND_NEIGHBOUR},
        {"IPv6 advertisement", 6, 136, 24, false, DROP_NONE, ICMP_KIND_NEIGHBOUR},
        {"IPv6 wrong sum", 6, 128, 16, true, DROP_ICMP_MALFORMED, ICMP_KIND_OTHER},
        {"IPv4's request in IPv6", 6, 8, 16, false, DROP_NONE, ICMP_KIND_OTHER},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct frame_bytes frame;
        uint8_t message[64] = {cases[i].type, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8};
        uint16_t length = cases[i].length;
        uint16_t sum = cases[i].ip_version == 4
                           ? slow_fold(slow_sum(0, message, length))
                           : slow_icmpv6(frames_peer_ipv6, frames_our_ipv6, message, length);
        message[2] = (uint8_t)(sum >> 8);
        message[3] = (uint8_t)(sum ^ cases[i].has_bad_sum);
        enum icmp_kind kind = ICMP_KIND_OTHER;
        frame_ipv6(&frame, frames_peer_ipv6, frames_our_ipv6, 58, 64, message, length);
        const uint8_t *ip = guarded_at_end(frame.bytes + 14, 40u + length);
        enum drop_reason why = icmp_parse(cases[i].ip_version, ip, ip + 40, length, &kind);
        if (why != cases[i].expected || kind != cases[i].kind)
            fail_msg("case '%s': %s, kind %d", cases[i].what, drop_reason_names[why], kind);
    }
}

static void a_reply_differs_in_type_and_sum_only(void **state)
{
    (void)state;
    for (uint32_t data = 0; data < 70; data++) {
        uint8_t request[128], reply[128];
        uint16_t length = (uint16_t)bytes_echo(request, 8, data);
        memcpy(reply, request, length);
        icmp_make_echo_reply(4, reply, length, NULL, NULL);
        assert_int_equal(reply[0], 0);
        assert_int_equal(slow_fold(slow_sum(0, reply, length)), 0);
        assert_memory_equal(reply + 4, request + 4, length - 4u);

        length = (uint16_t)bytes_echo(request, 128, data);
        memcpy(reply, request, length);
        icmp_make_echo_reply(6, reply, length, frames_our_ipv6, frames_peer_ipv6);
        assert_int_equal(reply[0], 129);
        assert_int_equal(slow_icmpv6(frames_our_ipv6, frames_peer_ipv6, reply, length), 0);
        assert_memory_equal(reply + 4, request + 4, length - 4u);
    }
}

/* An error around the first `embedded` bytes of a segment of ours of 1500 bytes. */
static uint16_t put_error(struct frame_bytes *message, uint8_t ip_version, unsigned type,
                          unsigned code, uint32_t word, uint32_t embedded)
{
    struct frame_bytes segment;
    uint8_t tcp[1480];
    uint32_t length = bytes_tcp(tcp, 80, 40000, 0x01020304, 0x10, 1440);
    if (ip_version == 4)
        frame_ipv4(&segment, frames_our_ipv4, frames_peer_ipv4, 6, tcp, length + 20);
    else
        frame_ipv6(&segment, frames_our_ipv6, frames_peer_ipv6, 6, 64, tcp, length);
    message->length = 0;
    frame_put16(message, type << 8 | code);
    frame_put16(message, 0);
    frame_put32(message, word);
    frame_put(message, segment.bytes + 14, embedded);
    return message->length;
}

static void too_big_says_which_segment_and_how_big(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        uint8_t ip_version, type, code;
        uint32_t word; /* the four bytes behind the checksum */
        uint32_t embedded;
        enum drop_reason expected;
        uint16_t new_mtu;
    } cases[] = {
        {"IPv4 too big", 4, 3, 4, 1400, 28, DROP_NONE, 1400},
        {"with more of the segment", 4, 3, 4, 1400, 548, DROP_NONE, 1400},
        {"an old router names no MTU: the plateau below 1500", 4, 3, 4, 0, 28, DROP_NONE, 1492},
        {"the smallest MTU there is", 4, 3, 4, 68, 28, DROP_NONE, 68},
        {"less than any link has", 4, 3, 4, 67, 28, DROP_ICMP_MALFORMED, 0},
        {"the upper half is not the MTU", 4, 3, 4, 0x00050578, 28, DROP_NONE, 1400},
        {"port unreachable", 4, 3, 3, 0, 28, DROP_NONE, 0},
        {"ports cut off", 4, 3, 4, 1400, 27, DROP_ICMP_MALFORMED, 0},
        {"header cut off", 4, 3, 4, 1400, 19, DROP_ICMP_MALFORMED, 0},
        {"nothing inside", 4, 3, 4, 1400, 0, DROP_ICMP_MALFORMED, 0},
        {"IPv6 too big", 6, 2, 0, 1400, 48, DROP_NONE, 1400},
        {"IPv6's least", 6, 2, 0, 1280, 48, DROP_NONE, 1280},
        {"below it (RFC 8201 4)", 6, 2, 0, 1279, 48, DROP_ICMP_MALFORMED, 0},
        {"more than 16 bits", 6, 2, 0, 70000, 48, DROP_NONE, 65535},
        {"IPv6 unreachable", 6, 1, 4, 0, 48, DROP_NONE, 0},
        {"IPv6 ports cut off", 6, 2, 0, 1400, 47, DROP_ICMP_MALFORMED, 0},
        {"IPv6 nothing inside", 6, 2, 0, 1400, 0, DROP_ICMP_MALFORMED, 0},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct frame_bytes message;
        struct icmp_error error;
        bool is_ipv4 = cases[i].ip_version == 4;
        uint16_t length = put_error(&message, cases[i].ip_version, cases[i].type, cases[i].code,
                                    cases[i].word, cases[i].embedded);
        enum drop_reason why = icmp_parse_error(
            cases[i].ip_version, guarded_at_end(message.bytes, length), length, &error);
        if (why != cases[i].expected)
            fail_msg("case '%s': %s", cases[i].what, drop_reason_names[why]);
        if (why != DROP_NONE)
            continue;
        if (error.new_mtu != cases[i].new_mtu)
            fail_msg("case '%s': MTU %u", cases[i].what, error.new_mtu);
        assert_memory_equal(error.local, is_ipv4 ? frames_our_ipv4 : frames_our_ipv6,
                            is_ipv4 ? 4 : 16);
        assert_memory_equal(error.remote, is_ipv4 ? frames_peer_ipv4 : frames_peer_ipv6,
                            is_ipv4 ? 4 : 16);
        assert_int_equal(error.local_port, 80);
        assert_int_equal(error.remote_port, 40000);
        assert_int_equal(error.sequence, 0x01020304);
    }
}

/* One byte of the packet inside the error is wrong. */
static void an_error_about_something_else_is_not_ours(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        uint8_t ip_version;
        uint32_t at; /* in the embedded packet */
        uint8_t value;
        enum drop_reason expected;
    } cases[] = {
        {"about UDP", 4, 9, 17, DROP_ICMP_UNUSED},
        {"not IPv4 inside", 4, 0, 0x65, DROP_ICMP_MALFORMED},
        {"a header of 16 bytes inside", 4, 0, 0x44, DROP_ICMP_MALFORMED},
        {"a header longer than what is there", 4, 0, 0x4f, DROP_ICMP_MALFORMED},
        {"about UDP over IPv6", 6, 6, 17, DROP_ICMP_UNUSED},
        {"not IPv6 inside", 6, 0, 0x45, DROP_ICMP_MALFORMED},
        {"behind an extension header", 6, 6, 0, DROP_ICMP_UNUSED},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct frame_bytes message;
        struct icmp_error error;
        bool is_ipv4 = cases[i].ip_version == 4;
        uint16_t length = put_error(&message, cases[i].ip_version, is_ipv4 ? 3 : 2, is_ipv4 ? 4 : 0,
                                    1400, is_ipv4 ? 28 : 48);
        message.bytes[8 + cases[i].at] = cases[i].value;
        enum drop_reason why = icmp_parse_error(
            cases[i].ip_version, guarded_at_end(message.bytes, length), length, &error);
        if (why != cases[i].expected)
            fail_msg("case '%s': %s", cases[i].what, drop_reason_names[why]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_are_told_apart_after_length_and_checksum),
        cmocka_unit_test(a_reply_differs_in_type_and_sum_only),
        cmocka_unit_test(too_big_says_which_segment_and_how_big),
        cmocka_unit_test(an_error_about_something_else_is_not_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
