/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/ipv6.h"
#include "dataplane/nd.h"
#include "include/compiler.h"
#include "tests/support/frames.h"
#include "tests/unit/guarded_bytes.h"

static const uint8_t nobody[16];
static const uint8_t all_nodes[16] = {0xff, 2, [15] = 1};
static const uint8_t our_group[16] = {0xff, 2, [11] = 1, [12] = 0xff, [15] = 0x10};
static const uint8_t other_group[16] = {0xff, 2, [11] = 1, [12] = 0xff, [15] = 0x11};

/* How the option behind the message looks. */
enum option {
    NO_OPTION,
    SOURCE_LINK,
    TARGET_LINK,
    ZERO_LENGTH,
    BEYOND_THE_END,
    HALF_A_HEADER,
    UNKNOWN_THEN_SOURCE,
    SOURCE_GROUP, /* a link address no station can have */
    SOURCE_LONG,  /* a source option of 16 bytes: other hardware */
};

static void put_option(struct frame_bytes *message, enum option option)
{
    static const uint8_t group_mac[6] = {0x33, 0x33, 0, 0, 0, 1};
    switch (option) {
    case NO_OPTION:
        return;
    case SOURCE_LINK:
    case TARGET_LINK:
    case SOURCE_GROUP:
        frame_put16(message, option == TARGET_LINK ? 0x0201 : 0x0101);
        frame_put(message, option == SOURCE_GROUP ? group_mac : frames_peer_mac, 6);
        return;
    case ZERO_LENGTH:
        frame_put16(message, 0x0100);
        frame_put(message, frames_peer_mac, 6);
        return;
    case BEYOND_THE_END:
        frame_put16(message, 0x0102);
        frame_put(message, frames_peer_mac, 6);
        return;
    case HALF_A_HEADER:
        frame_put8(message, 1);
        return;
    case UNKNOWN_THEN_SOURCE:
        frame_put16(message, 0x0e01); /* a nonce (RFC 7527) */
        frame_put(message, "nonce!", 6);
        put_option(message, SOURCE_LINK);
        return;
    case SOURCE_LONG:
        frame_put16(message, 0x0102);
        frame_put(message, frames_peer_mac, 6);
        frame_put(message, "12345678", 8);
        return;
    }
}

static const struct {
    const char *what;
    uint8_t type, code, hop_limit, flags;
    const uint8_t *source, *destination, *target;
    enum option option;
    uint32_t cut; /* bytes missing at the end */
    bool is_good, has_address;
} rule_cases[] = {
    {"solicitation with its sender's address", 135, 0, 255, 0, frames_peer_ipv6, our_group,
     frames_our_ipv6, SOURCE_LINK, 0, true, true},
    {"to our address", 135, 0, 255, 0, frames_peer_ipv6, frames_our_ipv6, frames_our_ipv6,
     SOURCE_LINK, 0, true, true},
    {"without an address", 135, 0, 255, 0, frames_peer_ipv6, frames_our_ipv6, frames_our_ipv6,
     NO_OPTION, 0, true, false},
    {"an unknown option in front", 135, 0, 255, 0, frames_peer_ipv6, our_group, frames_our_ipv6,
     UNKNOWN_THEN_SOURCE, 0, true, true},
    {"a target option says nothing in it", 135, 0, 255, 0, frames_peer_ipv6, our_group,
     frames_our_ipv6, TARGET_LINK, 0, true, false},
    {"an address no station has", 135, 0, 255, 0, frames_peer_ipv6, our_group, frames_our_ipv6,
     SOURCE_GROUP, 0, true, false},
    {"an address of other hardware", 135, 0, 255, 0, frames_peer_ipv6, our_group, frames_our_ipv6,
     SOURCE_LONG, 0, true, false},
    {"through a router", 135, 0, 254, 0, frames_peer_ipv6, our_group, frames_our_ipv6, SOURCE_LINK,
     0, false, false},
    {"code 1", 135, 1, 255, 0, frames_peer_ipv6, our_group, frames_our_ipv6, SOURCE_LINK, 0, false,
     false},
    {"for a group", 135, 0, 255, 0, frames_peer_ipv6, our_group, our_group, SOURCE_LINK, 0, false,
     false},
    {"cut in its target", 135, 0, 255, 0, frames_peer_ipv6, our_group, frames_our_ipv6, NO_OPTION,
     1, false, false},
    {"option of length zero", 135, 0, 255, 0, frames_peer_ipv6, our_group, frames_our_ipv6,
     ZERO_LENGTH, 0, false, false},
    {"option beyond the end", 135, 0, 255, 0, frames_peer_ipv6, our_group, frames_our_ipv6,
     BEYOND_THE_END, 0, false, false},
    {"option cut in its header", 135, 0, 255, 0, frames_peer_ipv6, our_group, frames_our_ipv6,
     HALF_A_HEADER, 0, false, false},
    {"is the address free?", 135, 0, 255, 0, nobody, our_group, frames_our_ipv6, NO_OPTION, 0, true,
     false},
    {"... with an address of its own", 135, 0, 255, 0, nobody, our_group, frames_our_ipv6,
     SOURCE_LINK, 0, false, false},
    {"... to us alone", 135, 0, 255, 0, nobody, frames_our_ipv6, frames_our_ipv6, NO_OPTION, 0,
     false, false},
    {"... to the wrong group", 135, 0, 255, 0, nobody, other_group, frames_our_ipv6, NO_OPTION, 0,
     false, false},
    {"advertisement", 136, 0, 255, 0x60, frames_peer_ipv6, frames_our_ipv6, frames_peer_ipv6,
     TARGET_LINK, 0, true, true},
    {"advertisement to all", 136, 0, 255, 0x20, frames_peer_ipv6, all_nodes, frames_peer_ipv6,
     TARGET_LINK, 0, true, true},
    {"an answer cannot go to all", 136, 0, 255, 0x40, frames_peer_ipv6, all_nodes, frames_peer_ipv6,
     TARGET_LINK, 0, false, false},
    {"a source option says nothing in it", 136, 0, 255, 0x60, frames_peer_ipv6, frames_our_ipv6,
     frames_peer_ipv6, SOURCE_LINK, 0, true, false},
    {"advertisement of a group", 136, 0, 255, 0x60, frames_peer_ipv6, frames_our_ipv6, all_nodes,
     TARGET_LINK, 0, false, false},
    {"advertisement through a router", 136, 0, 64, 0x60, frames_peer_ipv6, frames_our_ipv6,
     frames_peer_ipv6, TARGET_LINK, 0, false, false},
};

static void the_rules_of_rfc_4861_section_7_1_are_kept(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rule_cases); i++) {
        struct frame_bytes frame, message = {.length = 0};
        struct nd_message parsed;
        frame_put16(&message, (unsigned)rule_cases[i].type << 8 | rule_cases[i].code);
        frame_put16(&message, 0);
        frame_put32(&message, (uint32_t)rule_cases[i].flags << 24);
        frame_put(&message, rule_cases[i].target, 16);
        put_option(&message, rule_cases[i].option);
        message.length = (uint16_t)(message.length - rule_cases[i].cut);
        frame_ipv6(&frame, rule_cases[i].source, rule_cases[i].destination, 58,
                   rule_cases[i].hop_limit, message.bytes, message.length);
        const uint8_t *ip = guarded_at_end(frame.bytes + 14, frame.length - 14u);
        enum drop_reason why = nd_parse(ip, ip + 40, message.length, &parsed);
        if ((why == DROP_NONE) != rule_cases[i].is_good)
            fail_msg("case '%s': %s", rule_cases[i].what, drop_reason_names[why]);
        if (why != DROP_NONE)
            continue;
        if (parsed.has_link_address != rule_cases[i].has_address)
            fail_msg("case '%s': the link address", rule_cases[i].what);
        if (parsed.has_link_address)
            assert_memory_equal(parsed.link_address, frames_peer_mac, 6);
        assert_int_equal(parsed.type, rule_cases[i].type);
        assert_int_equal(parsed.flags, rule_cases[i].flags);
        assert_memory_equal(parsed.target, rule_cases[i].target, 16);
    }
}

static void what_is_written_is_valid_and_has_the_right_sum(void **state)
{
    (void)state;
    static const uint8_t types[] = {ND_SOLICITATION, ND_ADVERTISEMENT};
    for (size_t i = 0; i < ARRAY_COUNT(types); i++) {
        uint8_t out[ND_MESSAGE_BYTES];
        struct frame_bytes frame;
        struct nd_message parsed;
        uint8_t flags = types[i] == ND_ADVERTISEMENT ? ND_FLAG_SOLICITED | ND_FLAG_OVERRIDE : 0;
        nd_write(out, types[i], flags, frames_our_ipv6, frames_peer_mac, frames_peer_ipv6,
                 frames_our_ipv6);
        assert_int_equal(slow_icmpv6(frames_peer_ipv6, frames_our_ipv6, out, sizeof(out)), 0);
        frame_ipv6(&frame, frames_peer_ipv6, frames_our_ipv6, 58, 255, out, sizeof(out));
        assert_int_equal(nd_parse(frame.bytes + 14, out, sizeof(out), &parsed), DROP_NONE);
        assert_true(parsed.has_link_address);
        assert_memory_equal(parsed.link_address, frames_peer_mac, 6);
        assert_int_equal(parsed.flags, flags);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rules_of_rfc_4861_section_7_1_are_kept),
        cmocka_unit_test(what_is_written_is_valid_and_has_the_right_sum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
