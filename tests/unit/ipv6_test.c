/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/ipv6.h"
#include "tests/support/frames.h"

static struct ipv6_addresses ours;

/* A chain of extension headers written out, then a TCP header; the first byte is the first kind. */
static void extension_chains_are_walked_with_a_bound(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        unsigned first;
        uint32_t bytes;
        uint8_t chain[64];
        enum drop_reason expected;
    } cases[] = {
        {"none", 6, 0, {0}, DROP_NONE},
        {"hop-by-hop with padding", 0, 8, {6, 0, 1, 4}, DROP_NONE},
        {"router alert", 0, 8, {6, 0, 5, 2, 0, 0, 1, 0}, DROP_NONE},
        {"option that must be understood", 0, 8, {6, 0, 0x80, 4}, DROP_IP_MALFORMED},
        {"option beyond its header", 60, 8, {6, 0, 1, 5}, DROP_IP_MALFORMED},
        {"header beyond the packet", 60, 8, {6, 9, 1, 4}, DROP_IP_MALFORMED},
        {"hop-by-hop not first", 60, 16, {0, 0, 1, 4, 0, 0, 0, 0, 6, 0, 1, 4}, DROP_IP_MALFORMED},
        {"routing with nothing left", 43, 8, {6, 0, 4, 0}, DROP_NONE},
        {"routing through us", 43, 8, {6, 0, 0, 1}, DROP_IP_MALFORMED},
        {"atomic fragment", 44, 8, {6, 0, 0, 0, 1, 2, 3, 4}, DROP_NONE},
        {"first fragment", 44, 8, {6, 0, 0, 1}, DROP_IP_FRAGMENT},
        {"later fragment", 44, 8, {6, 0, 0, 8}, DROP_IP_FRAGMENT},
        {"six headers",
         60,
         48,
         {60, 0, 1,  4, 0, 0, 0, 0, 60, 0, 1,  4, 0, 0, 0, 0, 60, 0, 1, 4, 0, 0,
          0,  0, 60, 0, 1, 4, 0, 0, 0,  0, 60, 0, 1, 4, 0, 0, 0,  0, 6, 0, 1, 4},
         DROP_NONE},
        {"seven headers",
         60,
         56,
         {60, 0, 1, 4, 0, 0, 0,  0, 60, 0, 1, 4, 0, 0, 0,  0, 60, 0, 1, 4, 0, 0, 0, 0, 60, 0,
          1,  4, 0, 0, 0, 0, 60, 0, 1,  4, 0, 0, 0, 0, 60, 0, 1,  4, 0, 0, 0, 0, 6, 0, 1,  4},
         DROP_IP_MALFORMED},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct frame_bytes frame;
        struct ip_view view = {0};
        uint8_t payload[128];
        memcpy(payload, cases[i].chain, cases[i].bytes);
        uint32_t tcp = bytes_tcp(payload + cases[i].bytes, 40000, 80, 1, 2, 0);
        frame_ipv6(&frame, frames_peer_ipv6, frames_our_ipv6, cases[i].first, 64, payload,
                   cases[i].bytes + tcp);
        enum drop_reason why = ipv6_parse(frame.bytes + 14, frame.length - 14u, &ours, &view);
        if (why != cases[i].expected)
            fail_msg("case '%s': %s", cases[i].what, drop_reason_names[why]);
        if (why == DROP_NONE) {
            assert_int_equal(view.protocol, 6);
            assert_int_equal(view.transport_offset, 40 + cases[i].bytes);
            assert_int_equal(view.transport_bytes, 20);
        }
    }
}

static void headers_are_believed_only_when_they_can_be_true(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        uint32_t at; /* in the IPv6 header */
        uint8_t value;
        uint32_t length; /* 0: all */
        enum drop_reason expected;
    } cases[] = {
        {"good", 0, 0x60, 0, DROP_NONE},
        {"version 4", 0, 0x40, 0, DROP_IP_MALFORMED},
        {"cut off", 0, 0x60, 39, DROP_IP_MALFORMED},
        {"payload longer than the frame", 5, 21, 0, DROP_IP_MALFORMED},
        {"no payload", 5, 0, 0, DROP_IP_MALFORMED},
        {"somebody else's", 39, 0x11, 0, DROP_IP_NOT_OURS},
        {"TCP to a group we hear nothing from", 24, 0xff, 0, DROP_IP_NOT_OURS},
        {"from a group", 8, 0xff, 0, DROP_IP_SOURCE_BAD},
        {"from ourselves", 23, 0x10, 0, DROP_IP_SOURCE_BAD},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct frame_bytes frame;
        struct ip_view view;
        uint8_t tcp[32];
        uint32_t length = bytes_tcp(tcp, 40000, 80, 1, 2, 0);
        frame_ipv6(&frame, frames_peer_ipv6, frames_our_ipv6, 6, 64, tcp, length);
        frame.bytes[14 + cases[i].at] = cases[i].value;
        enum drop_reason why = ipv6_parse(
            frame.bytes + 14, cases[i].length ? cases[i].length : frame.length - 14u, &ours, &view);
        if (why != cases[i].expected)
            fail_msg("case '%s': %s", cases[i].what, drop_reason_names[why]);
    }
}

static void prefixes_compare_their_bits_only(void **state)
{
    (void)state;
    static const struct {
        uint8_t bits;
        bool expected;
    } cases[] = {{1, true}, {32, true}, {120, true}, {121, false}, {128, false}};
    uint8_t other[16];
    memcpy(other, frames_our_ipv6, 16); /* ...10 against ...90: the bit after 120 differs */
    other[15] = 0x90;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
        assert_int_equal(ipv6_is_on_link(frames_our_ipv6, other, cases[i].bits), cases[i].expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(extension_chains_are_walked_with_a_bound),
        cmocka_unit_test(headers_are_believed_only_when_they_can_be_true),
        cmocka_unit_test(prefixes_compare_their_bits_only),
    };
    memcpy(ours.global, frames_our_ipv6, 16);
    ipv6_link_local_of(frames_our_mac, ours.link_local);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
