/* SPDX-License-Identifier: BSD-3-Clause */
/* A port that forms its address from advertisements: what it answers, asks and tells. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/bulletin.h"
#include "dataplane/network.h"
#include "include/counters.h"
#include "tests/support/dpdk_environment.h"
#include "tests/support/link_rig.h"

#define MESSAGE_AT 54u /* of ICMPv6 behind Ethernet and IPv6 */

static const uint8_t nobody[16];

static void rig_up(struct link_rig *rig, struct bulletin_board *board, uint32_t worker)
{
    link_rig_up(rig, (struct link_rig_options){.checks_addresses = true,
                                               .learns_router6 = true,
                                               .forms_address6 = true,
                                               .board = board,
                                               .worker = worker});
}

/* ---- frames ---- */

/* `network` is the prefix's eighth byte; `flags` 0xc0: on the link, and addresses are formed. */
static void put_prefix(struct frame_bytes *frame, uint8_t network, uint8_t flags, uint32_t valid_s,
                       uint32_t preferred_s)
{
    struct frame_bytes message = {.length = 0};
    uint8_t prefix[16] = {0x20, 1, [7] = network};
    frame_put32(&message, 0x86000000);
    frame_put16(&message, 0x4000);
    frame_put16(&message, 600);
    frame_put32(&message, 0);
    frame_put32(&message, 0);
    frame_put32(&message, 0x03044000u | flags);
    frame_put32(&message, valid_s);
    frame_put32(&message, preferred_s);
    frame_put32(&message, 0);
    frame_put(&message, prefix, 16);
    frame_icmp6(frame, router_ip, all_nodes, 255, &message);
}

/* The address of that prefix and frames_our_mac. */
static void formed_of(uint8_t network, uint8_t out[16])
{
    static const uint8_t middle[2] = {0xff, 0xfe};
    memset(out, 0, 16);
    out[0] = 0x20;
    out[1] = 1;
    out[7] = network;
    out[8] = frames_our_mac[0] ^ 2;
    memcpy(out + 9, frames_our_mac + 1, 2);
    memcpy(out + 11, middle, 2);
    memcpy(out + 13, frames_our_mac + 3, 3);
}

static void put_nd(struct frame_bytes *frame, uint8_t type, const uint8_t *target,
                   const uint8_t *source)
{
    struct frame_bytes message = {.length = 0};
    uint8_t group[16] = {0xff, 2, [11] = 1, [12] = 0xff};
    memcpy(group + 13, target + 13, 3);
    frame_put32(&message, (uint32_t)type << 24);
    frame_put32(&message, 0);
    frame_put(&message, target, 16);
    frame_icmp6(frame, source, type == 136 ? all_nodes : group, 255, &message);
}

/* A neighbour message of this type about this address among what was sent. */
static const struct frame_bytes *sent_nd(const struct link_rig *rig, uint8_t type,
                                         const uint8_t *target)
{
    for (uint32_t i = 0; i < rig->sent_count; i++)
        if (frame_get16(rig->sent[i].bytes + 12) == 0x86dd &&
            rig->sent[i].bytes[MESSAGE_AT] == type &&
            memcmp(rig->sent[i].bytes + MESSAGE_AT + 8, target, 16) == 0)
            return &rig->sent[i];
    return NULL;
}

static bool answers(struct link_rig *rig, const uint8_t *address)
{
    struct frame_bytes frame;
    put_nd(&frame, 135, address, router_ip);
    link_rig_deliver(rig, &frame);
    return sent_nd(rig, 136, address) != NULL;
}

static bool has_formed(const struct link_rig *rig, uint8_t network, bool is_deprecated)
{
    uint8_t expected[16], formed[16];
    bool deprecated;
    formed_of(network, expected);
    return network_formed_address(rig->network, 0, formed, &deprecated) &&
           memcmp(formed, expected, 16) == 0 && deprecated == is_deprecated;
}

/* ---- tests ---- */

static void an_address_is_checked_announced_and_answered(void **state)
{
    (void)state;
    struct link_rig rig;
    struct frame_bytes frame;
    uint8_t ours[16], ignored[16];
    bool is_deprecated;
    formed_of(1, ours);
    rig_up(&rig, NULL, 0);
    link_rig_pass(&rig, 0);
    assert_false(network_formed_address(rig.network, 0, ignored, &is_deprecated));
    put_prefix(&frame, 1, 0xc0, 600, 300);
    link_rig_deliver(&rig, &frame);
    const struct frame_bytes *check = sent_nd(&rig, 135, ours);
    assert_non_null(check);
    assert_memory_equal(check->bytes + 22, nobody, 16);
    link_rig_pass(&rig, SECOND_NS / 2);
    assert_false(answers(&rig, ours)); /* nobody is told before the check has ended */
    link_rig_pass(&rig, SECOND_NS / 2);
    assert_non_null(sent_nd(&rig, 136, ours));
    assert_true(has_formed(&rig, 1, false));
    assert_true(answers(&rig, ours));
    link_rig_pass(&rig, 300 * SECOND_NS);
    assert_true(has_formed(&rig, 1, true));
    assert_true(answers(&rig, ours)); /* deprecated is not gone */
    link_rig_pass(&rig, 300 * SECOND_NS);
    assert_false(answers(&rig, ours));
    assert_false(network_formed_address(rig.network, 0, ignored, &is_deprecated));
    link_rig_down(&rig);
}

static void what_is_on_the_link_is_what_the_prefix_says(void **state)
{
    (void)state;
    static const struct {
        uint8_t flags;
        bool is_formed, is_on_link;
    } cases[] = {{0xc0, true, true}, {0x40, true, false}, {0x80, false, false}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct link_rig rig;
        struct frame_bytes frame;
        struct network_header header;
        struct network_flow flow = {.ip_version = 6, .remote = {0x20, 1, [7] = 1, [15] = 9}};
        uint8_t ours[16];
        formed_of(1, ours);
        memcpy(flow.local, ours, 16);
        rig_up(&rig, NULL, 0);
        link_rig_pass(&rig, 0);
        put_prefix(&frame, 1, cases[i].flags, 600, 300);
        link_rig_deliver(&rig, &frame);
        link_rig_pass(&rig, SECOND_NS);
        link_rig_pass(&rig, SECOND_NS);
        assert_int_equal(answers(&rig, ours), cases[i].is_formed);
        if (cases[i].is_formed) {
            network_path(rig.network, &flow, &header);
            link_rig_gather(&rig);
            assert_int_equal(sent_nd(&rig, 135, flow.remote) != NULL, cases[i].is_on_link);
        }
        link_rig_down(&rig);
    }
}

static void an_address_that_is_taken_or_being_checked_elsewhere_is_not_used(void **state)
{
    (void)state;
    for (uint32_t is_check = 0; is_check < 2; is_check++) {
        struct link_rig rig;
        struct frame_bytes frame;
        uint8_t ours[16];
        formed_of(1, ours);
        rig_up(&rig, NULL, 0);
        link_rig_pass(&rig, 0);
        put_prefix(&frame, 1, 0xc0, 600, 300);
        link_rig_deliver(&rig, &frame);
        put_nd(&frame, is_check ? 135 : 136, ours, is_check ? nobody : ours);
        memcpy(frame.bytes + 6, frames_our_mac, 6);
        link_rig_deliver(&rig, &frame); /* our own, come back */
        assert_int_equal(network_addresses_taken(rig.network), 0);
        memcpy(frame.bytes + 6, frames_peer_mac, 6);
        link_rig_deliver(&rig, &frame);
        assert_int_equal(network_addresses_taken(rig.network), 2);
        assert_int_equal(rig.counters->values[COUNTER_NETWORK_ADDRESSES_TAKEN], 1);
        link_rig_pass(&rig, 2 * SECOND_NS);
        assert_false(answers(&rig, ours));
        put_prefix(&frame, 1, 0xc0, 600, 300);
        link_rig_deliver(&rig, &frame);
        assert_null(sent_nd(&rig, 135, ours));
        link_rig_down(&rig);
    }
}

static void every_worker_has_the_address_that_one_heard_of(void **state)
{
    (void)state;
    static struct link_rig speaker, other;
    struct frame_bytes frame;
    uint8_t ours[16], second[16];
    struct bulletin_board *board = bulletin_board_create(2);
    formed_of(1, ours);
    formed_of(2, second);
    rig_up(&speaker, board, 0);
    rig_up(&other, board, 1);
    link_rig_pass(&speaker, 0);
    link_rig_pass(&other, 0);
    put_prefix(&frame, 1, 0xc0, 600, 300);
    link_rig_deliver(&other, &frame);
    assert_null(sent_nd(&other, 135, ours)); /* one of them speaks */
    link_rig_pass(&speaker, 1);
    assert_non_null(sent_nd(&speaker, 135, ours));
    link_rig_pass(&speaker, SECOND_NS);
    link_rig_pass(&other, SECOND_NS);
    assert_true(answers(&speaker, ours));
    assert_true(answers(&other, ours));
    put_prefix(&frame, 1, 0xc0, 600, 0);
    link_rig_deliver(&other, &frame);
    put_prefix(&frame, 2, 0xc0, 600, 300); /* renumbering */
    link_rig_deliver(&other, &frame);
    link_rig_pass(&speaker, 1);
    put_nd(&frame, 136, second, second);
    link_rig_deliver(&other, &frame); /* the objection is heard by another than the one who asked */
    link_rig_pass(&speaker, 2 * SECOND_NS);
    link_rig_pass(&other, 2 * SECOND_NS);
    assert_false(answers(&speaker, second));
    assert_false(answers(&other, second));
    assert_true(answers(&speaker, ours));
    assert_int_equal(network_addresses_taken(speaker.network), 2);
    link_rig_down(&speaker);
    link_rig_down(&other);
    bulletin_board_destroy(board);
}

static void both_addresses_are_answered_while_a_network_is_renumbered(void **state)
{
    (void)state;
    struct link_rig rig;
    struct frame_bytes frame;
    uint8_t before[16], after[16];
    formed_of(1, before);
    formed_of(2, after);
    rig_up(&rig, NULL, 0);
    link_rig_pass(&rig, 0);
    put_prefix(&frame, 1, 0xc0, 60, 60);
    link_rig_deliver(&rig, &frame);
    link_rig_pass(&rig, SECOND_NS);
    put_prefix(&frame, 1, 0xc0, 60, 0);
    link_rig_deliver(&rig, &frame);
    put_prefix(&frame, 2, 0xc0, 600, 600);
    link_rig_deliver(&rig, &frame);
    link_rig_pass(&rig, SECOND_NS);
    assert_true(has_formed(&rig, 2, false));
    assert_true(answers(&rig, before));
    assert_true(answers(&rig, after));
    link_rig_pass(&rig, 60 * SECOND_NS);
    assert_false(answers(&rig, before));
    assert_true(answers(&rig, after));
    link_rig_down(&rig);
}

static int start(void **state)
{
    (void)state;
    dpdk_environment_start();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_checked_announced_and_answered),
        cmocka_unit_test(what_is_on_the_link_is_what_the_prefix_says),
        cmocka_unit_test(an_address_that_is_taken_or_being_checked_elsewhere_is_not_used),
        cmocka_unit_test(every_worker_has_the_address_that_one_heard_of),
        cmocka_unit_test(both_addresses_are_answered_while_a_network_is_renumbered),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
