/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/ethernet.h"
#include "include/compiler.h"
#include "tests/support/frames.h"
#include "tests/unit/guarded_bytes.h"

static void only_whole_frames_for_us_are_taken(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        uint8_t destination[6];
        uint8_t source0; /* first byte of the source address */
        uint32_t length;
        enum drop_reason expected;
        bool is_group;
    } cases[] = {
        {"to us", {2, 0, 0, 0, 0, 1}, 2, 14, DROP_NONE, false},
        {"nothing at all", {2, 0, 0, 0, 0, 1}, 2, 0, DROP_ETHERNET_SHORT, false},
        {"one byte short of a header", {2, 0, 0, 0, 0, 1}, 2, 13, DROP_ETHERNET_SHORT, false},
        {"to a neighbour", {2, 0, 0, 0, 0, 2}, 2, 14, DROP_ETHERNET_NOT_OURS, false},
        {"to everybody", {255, 255, 255, 255, 255, 255}, 2, 14, DROP_NONE, true},
        {"to an IPv6 group", {0x33, 0x33, 0xff, 0, 0, 0x10}, 2, 14, DROP_NONE, true},
        {"to an IPv4 group", {1, 0, 0x5e, 0, 0, 1}, 2, 14, DROP_NONE, true},
        {"to the bridges", {1, 0x80, 0xc2, 0, 0, 0}, 2, 14, DROP_ETHERNET_NOT_OURS, false},
        {"from a group", {2, 0, 0, 0, 0, 1}, 3, 14, DROP_ETHERNET_SOURCE_BAD, false},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct frame_bytes frame;
        struct ethernet_view view;
        frame_ethernet(&frame, cases[i].destination, frames_peer_mac, 0x0800);
        frame.bytes[6] = cases[i].source0;
        enum drop_reason why = ethernet_parse(guarded_at_end(frame.bytes, cases[i].length),
                                              cases[i].length, frames_our_mac, 0, 0, &view);
        if (why != cases[i].expected)
            fail_msg("case '%s': %s", cases[i].what, drop_reason_names[why]);
        if (why == DROP_NONE) {
            assert_int_equal(view.is_group, cases[i].is_group);
            assert_int_equal(view.type, 0x0800);
            assert_int_equal(view.network_offset, 14);
        }
    }
}

static void tags_in_the_frame_and_tags_taken_off_mean_the_same(void **state)
{
    (void)state;
    enum { NO_TAG = -1 };
    static const struct {
        const char *what;
        uint16_t served;
        int tag_in_frame; /* the whole control word */
        uint16_t stripped;
        uint32_t length;
        enum drop_reason expected;
    } cases[] = {
        {"untagged", 0, NO_TAG, 0, 18, DROP_NONE},
        {"priority only", 0, 0xe000, 0, 18, DROP_NONE},
        {"tagged where we are not", 0, 7, 0, 18, DROP_VLAN_NOT_OURS},
        {"our tag", 7, 7, 0, 18, DROP_NONE},
        {"our tag with priority and drop bit", 7, 0xf007, 0, 18, DROP_NONE},
        {"another tag", 7, 8, 0, 18, DROP_VLAN_NOT_OURS},
        {"the largest tag", 0xfff, 0xfff, 0, 18, DROP_NONE},
        {"no tag where one is needed", 7, NO_TAG, 0, 18, DROP_VLAN_NOT_OURS},
        {"tag cut off", 7, 7, 0, 17, DROP_ETHERNET_SHORT},
        {"our tag, taken off by the port", 7, NO_TAG, 7, 18, DROP_NONE},
        {"another, taken off by the port", 7, NO_TAG, 8, 18, DROP_VLAN_NOT_OURS},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct frame_bytes frame;
        struct ethernet_view view;
        bool is_tagged = cases[i].tag_in_frame != NO_TAG;
        frame_ethernet(&frame, frames_our_mac, frames_peer_mac, is_tagged ? 0x8100 : 0x86dd);
        if (is_tagged)
            frame_put16(&frame, (unsigned)cases[i].tag_in_frame);
        frame_put16(&frame, 0x86dd);
        frame_put16(&frame, 0);
        enum drop_reason why =
            ethernet_parse(guarded_at_end(frame.bytes, cases[i].length), cases[i].length,
                           frames_our_mac, cases[i].served, cases[i].stripped, &view);
        if (why != cases[i].expected)
            fail_msg("case '%s': %s", cases[i].what, drop_reason_names[why]);
        if (why == DROP_NONE) {
            assert_int_equal(view.type, 0x86dd);
            assert_int_equal(view.network_offset, is_tagged ? 18 : 14);
        }
    }
}

static void a_second_tag_is_an_unknown_type_to_us(void **state)
{
    (void)state;
    struct frame_bytes frame;
    struct ethernet_view view;
    frame_ethernet(&frame, frames_our_mac, frames_peer_mac, 0x8100);
    frame_put16(&frame, 7);
    frame_put16(&frame, 0x8100);
    frame_put16(&frame, 9);
    assert_int_equal(ethernet_parse(frame.bytes, frame.length, frames_our_mac, 7, 0, &view),
                     DROP_NONE);
    assert_int_equal(view.type, 0x8100); /* not followed: nobody above knows that type */
}

static void what_is_written_is_what_is_parsed(void **state)
{
    (void)state;
    static const uint16_t vlans[] = {0, 1, 4094};
    for (size_t i = 0; i < ARRAY_COUNT(vlans); i++) {
        uint8_t frame[18];
        struct ethernet_view view;
        uint8_t length = ethernet_write(frame, frames_our_mac, frames_peer_mac, vlans[i], 0x0806);
        assert_int_equal(length, vlans[i] ? 18 : 14);
        assert_int_equal(ethernet_parse(frame, length, frames_our_mac, vlans[i], 0, &view),
                         DROP_NONE);
        assert_int_equal(view.type, 0x0806);
        assert_int_equal(view.network_offset, length);
        assert_memory_equal(frame + 6, frames_peer_mac, 6);
    }
}

static void a_tag_goes_between_the_addresses_and_the_type(void **state)
{
    (void)state;
    struct frame_bytes frame;
    struct ethernet_view view;
    uint8_t bytes[4 + 64];
    frame_ethernet(&frame, frames_our_mac, frames_peer_mac, 0x0800);
    frame_put32(&frame, 0x01020304);
    memcpy(bytes + 4, frame.bytes, frame.length);
    ethernet_insert_vlan(bytes, 0x2007);
    assert_int_equal(ethernet_parse(bytes, frame.length + 4u, frames_our_mac, 7, 0, &view),
                     DROP_NONE);
    assert_int_equal(view.type, 0x0800);
    assert_memory_equal(bytes, frame.bytes, 12);
    assert_memory_equal(bytes + 16, frame.bytes + 12, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_whole_frames_for_us_are_taken),
        cmocka_unit_test(tags_in_the_frame_and_tags_taken_off_mean_the_same),
        cmocka_unit_test(a_second_tag_is_an_unknown_type_to_us),
        cmocka_unit_test(what_is_written_is_what_is_parsed),
        cmocka_unit_test(a_tag_goes_between_the_addresses_and_the_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
