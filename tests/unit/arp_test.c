/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/arp.h"
#include "include/compiler.h"
#include "tests/support/frames.h"
#include "tests/unit/guarded_bytes.h"

/* A good request, with one byte changed or the end missing. */
static void arp_is_believed_only_for_ethernet_and_ipv4(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        uint32_t at; /* in the ARP packet */
        uint8_t value;
        uint32_t length;
        enum drop_reason expected;
    } cases[] = {
        {"a request", 7, 1, 28, DROP_NONE},
        {"a reply", 7, 2, 28, DROP_NONE},
        {"with padding behind it", 7, 1, 46, DROP_NONE},
        {"nothing", 7, 1, 0, DROP_ARP_MALFORMED},
        {"one byte short", 7, 1, 27, DROP_ARP_MALFORMED},
        {"operation 0", 7, 0, 28, DROP_ARP_MALFORMED},
        {"a reverse request", 7, 3, 28, DROP_ARP_MALFORMED},
        {"an operation above 255", 6, 1, 28, DROP_ARP_MALFORMED},
        {"other hardware", 1, 6, 28, DROP_ARP_MALFORMED},
        {"other protocol", 3, 1, 28, DROP_ARP_MALFORMED},
        {"hardware addresses of 8 bytes", 4, 8, 28, DROP_ARP_MALFORMED},
        {"protocol addresses of 16 bytes", 5, 16, 28, DROP_ARP_MALFORMED},
        {"sent by a group", 8, 3, 28, DROP_ARP_MALFORMED},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct frame_bytes frame;
        struct arp_packet packet;
        frame_arp(&frame, frames_our_mac, 1, frames_peer_mac, frames_peer_ipv4, frames_our_ipv4);
        frame.bytes[14 + cases[i].at] = cases[i].value;
        enum drop_reason why =
            arp_parse(guarded_at_end(frame.bytes + 14, cases[i].length), cases[i].length, &packet);
        if (why != cases[i].expected)
            fail_msg("case '%s': %s", cases[i].what, drop_reason_names[why]);
        if (why == DROP_NONE) {
            assert_memory_equal(packet.sender_ip, frames_peer_ipv4, 4);
            assert_memory_equal(packet.target_ip, frames_our_ipv4, 4);
        }
    }
}

static void a_sender_without_an_address_is_not_believed(void **state)
{
    (void)state;
    static const uint8_t zero[6];
    struct frame_bytes frame;
    struct arp_packet packet;
    frame_arp(&frame, frames_our_mac, 2, zero, frames_peer_ipv4, frames_our_ipv4);
    assert_int_equal(arp_parse(frame.bytes + 14, 28, &packet), DROP_ARP_MALFORMED);
}

static void a_written_packet_is_byte_for_byte_the_hand_made_one(void **state)
{
    (void)state;
    static const uint8_t zero[6];
    struct frame_bytes frame;
    uint8_t out[ARP_BYTES];
    frame_arp(&frame, frames_our_mac, 1, frames_our_mac, frames_our_ipv4, frames_peer_ipv4);
    arp_write(out, ARP_REQUEST, frames_our_mac, frames_our_ipv4, zero, frames_peer_ipv4);
    assert_memory_equal(out, frame.bytes + 14, sizeof(out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arp_is_believed_only_for_ethernet_and_ipv4),
        cmocka_unit_test(a_sender_without_an_address_is_not_believed),
        cmocka_unit_test(a_written_packet_is_byte_for_byte_the_hand_made_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
