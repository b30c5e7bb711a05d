/* SPDX-License-Identifier: BSD-3-Clause */
/* What a port says on its link unasked, and what it believes of what others say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/bulletin.h"
#include "dataplane/network.h"
#include "dataplane/network_state.h"
#include "include/counters.h"
#include "tests/support/dpdk_environment.h"
#include "tests/support/link_rig.h"

static const uint8_t broadcast[6] = {255, 255, 255, 255, 255, 255};
static const uint8_t router_mac[6] = {2, 0, 0, 0, 0, 0xfe};

/* ---- finding what was sent ---- */

static const struct frame_bytes *sent_arp(const struct link_rig *rig, const uint8_t *sender_ip)
{
    for (uint32_t i = 0; i < rig->sent_count; i++)
        if (frame_get16(rig->sent[i].bytes + 12) == 0x0806 &&
            memcmp(rig->sent[i].bytes + 28, sender_ip, 4) == 0)
            return &rig->sent[i];
    return NULL;
}

/* An ICMPv6 message of this type, whose checksum is checked; `at`: where it begins. */
static const struct frame_bytes *sent_icmp6(const struct link_rig *rig, uint8_t type, uint32_t *at)
{
    for (uint32_t i = 0; i < rig->sent_count; i++) {
        const struct frame_bytes *frame = &rig->sent[i];
        if (frame_get16(frame->bytes + 12) != 0x86dd)
            continue;
        *at = frame->bytes[20] == 0 ? 62 : 54;
        if (frame->bytes[*at] != type)
            continue;
        assert_int_equal(slow_icmpv6(frame->bytes + 22, frame->bytes + 38, frame->bytes + *at,
                                     frame->length - *at),
                         0);
        return frame;
    }
    return NULL;
}

/* ---- addresses ---- */

static void addresses_are_checked_first_and_announced_then(void **state)
{
    (void)state;
    static const uint8_t nobody4[4], nobody6[16];
    struct link_rig rig;
    uint32_t at;
    link_rig_up(&rig, (struct link_rig_options){.checks_addresses = true});
    link_rig_pass(&rig, 0);
    const struct frame_bytes *probe = sent_arp(&rig, nobody4);
    assert_non_null(probe);
    assert_memory_equal(probe->bytes + 38, frames_our_ipv4, 4);
    assert_null(sent_arp(&rig, frames_our_ipv4)); /* nobody's cache is spoilt yet */
    const struct frame_bytes *check = sent_icmp6(&rig, 135, &at);
    assert_non_null(check);
    assert_memory_equal(check->bytes + 22, nobody6, 16);
    assert_int_equal(check->length, 78); /* no link address option */
    assert_int_equal(check->bytes[21], 255);
    assert_non_null(sent_icmp6(&rig, 143, &at)); /* the group is joined before the question */
    link_rig_pass(&rig, SECOND_NS / 2);
    assert_null(sent_arp(&rig, frames_our_ipv4));
    link_rig_pass(&rig, SECOND_NS / 2 + 1);
    assert_non_null(sent_arp(&rig, frames_our_ipv4));
    assert_non_null(sent_icmp6(&rig, 136, &at));
    link_rig_pass(&rig, 2 * SECOND_NS + 1);
    assert_non_null(sent_arp(&rig, frames_our_ipv4)); /* once more, and no more */
    link_rig_pass(&rig, 100 * SECOND_NS);
    assert_null(sent_arp(&rig, frames_our_ipv4));
    assert_int_equal(network_addresses_taken(rig.network), 0);
    link_rig_down(&rig);
}

static void put_our_advertisement(struct frame_bytes *frame, const uint8_t *mac)
{
    struct frame_bytes message = {.length = 0};
    frame_put32(&message, 0x88000000);
    frame_put32(&message, 0x20000000);
    frame_put(&message, frames_our_ipv6, 16);
    frame_put16(&message, 0x0201);
    frame_put(&message, mac, 6);
    frame_icmp6(frame, router_ip, all_nodes, 255, &message);
    memcpy(frame->bytes + 6, mac, 6);
}

static void an_address_that_is_taken_is_not_used(void **state)
{
    (void)state;
    struct link_rig rig;
    struct frame_bytes frame;
    struct network_header header;
    struct network_flow flow = {.ip_version = 4};
    memcpy(flow.local, frames_our_ipv4, 4);
    memcpy(flow.remote, frames_peer_ipv4, 4);
    link_rig_up(&rig, (struct link_rig_options){.checks_addresses = true});
    link_rig_pass(&rig, 0);
    put_our_advertisement(&frame, frames_our_mac);
    link_rig_deliver(&rig, &frame); /* our own, come back */
    assert_int_equal(network_addresses_taken(rig.network), 0);
    frame_arp(&frame, frames_our_mac, 2, frames_peer_mac, frames_our_ipv4, frames_our_ipv4);
    link_rig_deliver(&rig, &frame);
    assert_int_equal(network_addresses_taken(rig.network), 1);
    assert_int_equal(network_path(rig.network, &flow, &header), NETWORK_PATH_NONE);
    frame_arp(&frame, broadcast, 1, frames_peer_mac, frames_peer_ipv4, frames_our_ipv4);
    link_rig_deliver(&rig, &frame);
    assert_int_equal(rig.sent_count, 0); /* no answer in its name */
    put_our_advertisement(&frame, frames_peer_mac);
    link_rig_deliver(&rig, &frame);
    assert_int_equal(network_addresses_taken(rig.network), 3);
    assert_int_equal(rig.counters->values[COUNTER_NETWORK_ADDRESSES_TAKEN], 2);
    link_rig_pass(&rig, 2 * SECOND_NS);
    assert_int_equal(rig.sent_count, 0); /* nothing to announce */
    link_rig_down(&rig);
}

static void what_is_ours_already_is_defended_now_and_then(void **state)
{
    (void)state;
    struct link_rig rig;
    struct frame_bytes frame;
    link_rig_up(&rig, (struct link_rig_options){.checks_addresses = true});
    link_rig_pass(&rig, 0);
    link_rig_pass(&rig, 2 * SECOND_NS);
    link_rig_pass(&rig, 9 * SECOND_NS);
    frame_arp(&frame, broadcast, 1, frames_peer_mac, frames_our_ipv4, frames_our_ipv4);
    link_rig_deliver(&rig, &frame);
    assert_non_null(sent_arp(&rig, frames_our_ipv4));
    link_rig_deliver(&rig, &frame);
    assert_null(sent_arp(&rig, frames_our_ipv4));
    rig.now_ns += 11 * SECOND_NS;
    link_rig_deliver(&rig, &frame);
    assert_non_null(sent_arp(&rig, frames_our_ipv4));
    assert_int_equal(network_addresses_taken(rig.network), 0);
    assert_int_equal(rig.counters->drops[DROP_ARP_CONFLICT], 3);
    link_rig_down(&rig);
}

static void all_workers_give_up_an_address(void **state)
{
    (void)state;
    static struct link_rig speaker, other;
    struct frame_bytes frame;
    struct bulletin_board *board = bulletin_board_create(2);
    link_rig_up(&speaker, (struct link_rig_options){.checks_addresses = true, .board = board});
    link_rig_up(&other,
                (struct link_rig_options){.checks_addresses = true, .board = board, .worker = 1});
    link_rig_pass(&speaker, 0);
    link_rig_pass(&other, 0);
    assert_int_equal(other.sent_count, 0); /* one of them speaks */
    frame_arp(&frame, frames_our_mac, 2, frames_peer_mac, frames_our_ipv4, frames_our_ipv4);
    link_rig_deliver(&other, &frame); /* and another may be the one that hears */
    link_rig_pass(&speaker, 1);
    assert_int_equal(network_addresses_taken(speaker.network), 1);
    assert_int_equal(speaker.counters->values[COUNTER_NETWORK_ADDRESSES_TAKEN], 1);
    link_rig_down(&speaker);
    link_rig_down(&other);
    bulletin_board_destroy(board);
}

static void a_link_that_comes_up_is_greeted_again(void **state)
{
    (void)state;
    struct link_rig rig;
    uint32_t at;
    link_rig_up(&rig, (struct link_rig_options){0});
    link_rig_pass(&rig, 0);
    assert_non_null(sent_arp(&rig, frames_our_ipv4)); /* without a check: at once */
    link_rig_pass(&rig, 3 * SECOND_NS);
    link_rig_pass(&rig, 3 * SECOND_NS);
    network_link_came_up(rig.network, 0);
    link_rig_pass(&rig, SECOND_NS);
    assert_non_null(sent_arp(&rig, frames_our_ipv4));
    assert_non_null(sent_icmp6(&rig, 136, &at));
    assert_non_null(sent_icmp6(&rig, 143, &at));
    assert_int_equal(rig.counters->values[COUNTER_NETWORK_LINK_UPS], 1);
    link_rig_down(&rig);
}

/* A new machine may be at an old address: nothing is sent to the one that was there. */
static void behind_a_link_that_comes_up_are_other_machines(void **state)
{
    (void)state;
    static const uint8_t new_mac[6] = {2, 0, 0, 0, 0, 0x77};
    struct link_rig rig;
    struct frame_bytes frame;
    struct network_flow flow = {.ip_version = 4};
    uint8_t mac[6];
    link_rig_up(&rig, (struct link_rig_options){0});
    link_rig_pass(&rig, 0);
    frame_arp(&frame, broadcast, 1, frames_peer_mac, frames_peer_ipv4, frames_our_ipv4);
    link_rig_deliver(&rig, &frame);
    memcpy(flow.remote, frames_peer_ipv4, 4);
    memcpy(flow.peer_mac, new_mac, 6);
    assert_true(network_answer_mac(rig.network, &flow, mac));
    assert_memory_equal(mac, frames_peer_mac, 6);
    network_link_came_up(rig.network, 0);
    link_rig_pass(&rig, SECOND_NS);
    assert_false(network_answer_mac(rig.network, &flow, mac));
    assert_memory_equal(mac, new_mac, 6); /* where the question came from */
    link_rig_down(&rig);
}

/* ---- groups ---- */

static void the_groups_of_both_addresses_are_reported(void **state)
{
    (void)state;
    static const uint8_t of_global[16] = {0xff, 2, [11] = 1, [12] = 0xff, [15] = 0x10};
    static const uint8_t of_link_local[16] = {0xff, 2, [11] = 1, [12] = 0xff, [15] = 0x01};
    static const uint8_t routers[16] = {0xff, 2, [15] = 0x16};
    static const uint8_t alert[8] = {58, 0, 5, 2, 0, 0, 1, 0};
    struct link_rig rig;
    uint32_t at;
    link_rig_up(&rig, (struct link_rig_options){0});
    link_rig_pass(&rig, 0);
    const struct frame_bytes *report = sent_icmp6(&rig, 143, &at);
    assert_non_null(report);
    assert_int_equal(report->bytes[21], 1); /* hop limit */
    assert_int_equal(report->bytes[22], 0xfe);
    assert_memory_equal(report->bytes + 38, routers, 16);
    assert_memory_equal(report->bytes + 54, alert, 8);
    assert_int_equal(frame_get16(report->bytes + at + 6), 2);
    assert_int_equal(report->bytes[at + 8], 4); /* change to exclude */
    assert_memory_equal(report->bytes + at + 12, of_global, 16);
    assert_memory_equal(report->bytes + at + 32, of_link_local, 16);
    assert_int_equal(report->length, at + 48);
    link_rig_down(&rig);
}

static void a_query_is_answered_in_its_version_and_time(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        uint32_t bytes;
        unsigned hop_limit;
        uint8_t source_first;
        uint8_t answer; /* 0: none */
    } cases[] = {
        {"version 2", 28, 1, 0xfe, 143},          {"version 1", 24, 1, 0xfe, 131},
        {"from afar", 28, 64, 0xfe, 0},           {"not from a router's address", 28, 1, 0x20, 0},
        {"between the versions", 26, 1, 0xfe, 0}, {"too short", 20, 1, 0xfe, 0},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct link_rig rig;
        struct frame_bytes frame, message = {.length = 0};
        uint8_t source[16];
        uint32_t at;
        link_rig_up(&rig, (struct link_rig_options){0});
        for (uint32_t k = 0; k < 4; k++)
            link_rig_pass(&rig, 3 * SECOND_NS);
        memcpy(source, router_ip, 16);
        source[0] = cases[i].source_first;
        frame_put32(&message, 130u << 24);
        frame_put16(&message, 1000); /* milliseconds */
        while (message.length < cases[i].bytes)
            frame_put8(&message, 0);
        frame_icmp6(&frame, source, all_nodes, cases[i].hop_limit, &message);
        link_rig_deliver(&rig, &frame);
        uint32_t answers = 0;
        for (uint32_t k = 0; k < 30; k++) {
            link_rig_pass(&rig, SECOND_NS / 20);
            if (cases[i].answer && sent_icmp6(&rig, cases[i].answer, &at))
                answers += k < 22 ? 1 : 100; /* in time */
            else if (rig.sent_count > 0)
                answers += 100;
        }
        if (answers != (cases[i].answer != 0))
            fail_msg("case '%s': %u", cases[i].what, answers);
        link_rig_down(&rig);
    }
}

/* ---- routers ---- */

static void put_router(struct frame_bytes *frame, const uint8_t *source, unsigned hop_limit,
                       unsigned lifetime_s, uint32_t mtu)
{
    struct frame_bytes message = {.length = 0};
    frame_put32(&message, 0x86000000);
    frame_put16(&message, 0x4000);
    frame_put16(&message, lifetime_s);
    frame_put32(&message, 0);
    frame_put32(&message, 0);
    frame_put16(&message, 0x0101);
    frame_put(&message, router_mac, 6);
    frame_put32(&message, 0x05010000);
    frame_put32(&message, mtu);
    frame_icmp6(frame, source, all_nodes, hop_limit, &message);
}

static enum network_path_status path_out(struct link_rig *rig, struct network_header *header)
{
    struct network_flow flow = {.ip_version = 6};
    memcpy(flow.local, frames_our_ipv6, 16);
    flow.remote[0] = 0x20;
    flow.remote[1] = 0x09; /* not on the link */
    return network_path(rig->network, &flow, header);
}

static void the_router_is_the_one_that_advertises(void **state)
{
    (void)state;
    static const uint8_t other_router[16] = {0xfe, 0x80, [15] = 2};
    struct link_rig rig;
    struct frame_bytes frame;
    struct network_header header;
    uint32_t at;
    link_rig_up(&rig, (struct link_rig_options){.learns_router6 = true});
    link_rig_pass(&rig, 0);
    const struct frame_bytes *question = sent_icmp6(&rig, 133, &at);
    assert_non_null(question);
    assert_int_equal(question->bytes[21], 255);
    assert_int_equal(path_out(&rig, &header), NETWORK_PATH_NONE);
    put_router(&frame, router_ip, 64, 600, 1400); /* from afar */
    link_rig_deliver(&rig, &frame);
    put_router(&frame, frames_peer_ipv6, 255, 600, 1400); /* not link-local */
    link_rig_deliver(&rig, &frame);
    assert_int_equal(rig.counters->drops[DROP_ICMP_MALFORMED], 2);
    assert_int_equal(path_out(&rig, &header), NETWORK_PATH_NONE);

    uint32_t generation = network_generation(rig.network);
    put_router(&frame, router_ip, 255, 600, 1400);
    link_rig_deliver(&rig, &frame);
    assert_int_not_equal(network_generation(rig.network), generation);
    assert_int_equal(path_out(&rig, &header), NETWORK_PATH_READY);
    assert_memory_equal(header.bytes, router_mac, 6);
    assert_int_equal(network_mtu(rig.network, 0, 6), 1400);
    assert_int_equal(network_mtu(rig.network, 0, 4), 1500);
    link_rig_pass(&rig, 5 * SECOND_NS);
    assert_null(sent_icmp6(&rig, 133, &at)); /* no more questions */
    put_router(&frame, other_router, 255, 600, 0);
    link_rig_deliver(&rig, &frame);
    put_router(&frame, other_router, 255, 0, 0); /* says goodbye: not the one we use */
    link_rig_deliver(&rig, &frame);
    assert_int_equal(path_out(&rig, &header), NETWORK_PATH_READY);
    put_router(&frame, router_ip, 255, 0, 0);
    link_rig_deliver(&rig, &frame);
    assert_int_equal(path_out(&rig, &header), NETWORK_PATH_NONE);
    link_rig_down(&rig);
}

static void a_router_that_falls_silent_is_forgotten_and_asked_for(void **state)
{
    (void)state;
    struct link_rig rig;
    struct frame_bytes frame;
    struct network_header header;
    uint32_t at, questions = 0;
    link_rig_up(&rig, (struct link_rig_options){.learns_router6 = true});
    link_rig_pass(&rig, 0);
    put_router(&frame, router_ip, 255, 30, 0);
    link_rig_deliver(&rig, &frame);
    link_rig_pass(&rig, 29 * SECOND_NS);
    assert_int_equal(path_out(&rig, &header), NETWORK_PATH_READY);
    link_rig_pass(&rig, 2 * SECOND_NS);
    assert_int_equal(path_out(&rig, &header), NETWORK_PATH_NONE);
    questions += sent_icmp6(&rig, 133, &at) != NULL;
    for (uint32_t i = 0; i < 60; i++) {
        link_rig_pass(&rig, SECOND_NS);
        questions += sent_icmp6(&rig, 133, &at) != NULL;
    }
    assert_int_equal(questions, 3);
    link_rig_down(&rig);
}

/* Its advertisement is good for a long time, but it is not there any more (RFC 4861 6.3.6). */
static void a_router_that_does_not_answer_gives_way_to_another(void **state)
{
    (void)state;
    static const uint8_t other_router[16] = {0xfe, 0x80, [15] = 2};
    struct link_rig rig;
    struct frame_bytes frame;
    struct network_header header;
    uint32_t at, questions = 0;
    link_rig_up(&rig, (struct link_rig_options){.learns_router6 = true});
    link_rig_pass(&rig, 0);
    put_router(&frame, router_ip, 255, 1800, 0);
    link_rig_deliver(&rig, &frame);
    for (uint32_t i = 0; i < 60; i++)
        link_rig_pass(&rig, SECOND_NS);
    assert_int_equal(path_out(&rig, &header), NETWORK_PATH_READY);
    for (uint32_t i = 0; i < 20; i++) { /* three questions to it, three to all */
        link_rig_pass(&rig, SECOND_NS);
        questions += sent_icmp6(&rig, 133, &at) != NULL;
    }
    assert_int_equal(path_out(&rig, &header), NETWORK_PATH_NONE);
    assert_in_range(questions, 1, 3);
    put_router(&frame, other_router, 255, 1800, 0);
    link_rig_deliver(&rig, &frame);
    assert_int_equal(path_out(&rig, &header), NETWORK_PATH_READY);
    link_rig_down(&rig);
}

static void advertisements_are_ignored_unless_asked_for(void **state)
{
    (void)state;
    struct link_rig rig;
    struct frame_bytes frame;
    struct network_header header;
    link_rig_up(&rig, (struct link_rig_options){0});
    link_rig_pass(&rig, 0);
    put_router(&frame, router_ip, 255, 600, 1400);
    link_rig_deliver(&rig, &frame);
    assert_int_equal(path_out(&rig, &header), NETWORK_PATH_NONE);
    assert_int_equal(rig.counters->drops[DROP_ICMP_UNUSED], 1);
    link_rig_down(&rig);
}

/* ---- errors ---- */

static void what_nobody_serves_is_refused_politely(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        uint8_t ip_version, protocol;
        uint8_t payload[16];
        uint8_t type, code; /* type 0: silence */
        uint32_t parameter;
    } cases[] = {
        {"UDP", 4, 17, {0}, 3, 3, 0},
        {"another protocol", 4, 99, {0}, 3, 2, 0},
        {"UDP over IPv6", 6, 17, {0}, 1, 4, 0},
        {"another protocol over IPv6", 6, 99, {0}, 4, 1, 6},
        {"behind an extension header", 6, 60, {99, 0, 1, 4}, 4, 1, 40},
        {"no next header", 6, 59, {0}, 0, 0, 0},
        {"option: skip", 6, 60, {59, 0, 0x1e, 4}, 0, 0, 0},
        {"option: discard", 6, 60, {59, 0, 0x5e, 4}, 0, 0, 0},
        {"option: discard and tell", 6, 60, {59, 0, 0x9e, 4}, 4, 2, 42},
        {"option: tell unless to a group", 6, 60, {59, 0, 0xde, 4}, 4, 2, 42},
        {"routing through us", 6, 43, {59, 0, 0, 1}, 4, 0, 42},
        {"hop-by-hop in the wrong place", 6, 60, {0, 0, 1, 4, 0, 0, 0, 0, 59, 0, 1, 4}, 4, 1, 40},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct link_rig rig;
        struct frame_bytes frame;
        link_rig_up(&rig, (struct link_rig_options){0});
        if (cases[i].ip_version == 4)
            frame_ipv4(&frame, frames_peer_ipv4, frames_our_ipv4, cases[i].protocol,
                       cases[i].payload, 16);
        else
            frame_ipv6(&frame, frames_peer_ipv6, frames_our_ipv6, cases[i].protocol, 64,
                       cases[i].payload, 16);
        link_rig_deliver(&rig, &frame);
        if (rig.sent_count != (cases[i].type != 0))
            fail_msg("case '%s': %u sent", cases[i].what, rig.sent_count);
        uint32_t at = cases[i].ip_version == 4 ? 34 : 54;
        const uint8_t *error = rig.sent[0].bytes + at;
        if (cases[i].type) {
            uint32_t parameter = (uint32_t)frame_get16(error + 4) << 16 | frame_get16(error + 6);
            if (error[0] != cases[i].type || error[1] != cases[i].code ||
                parameter != cases[i].parameter)
                fail_msg("case '%s': type %u code %u parameter %u", cases[i].what, error[0],
                         error[1], parameter);
            assert_memory_equal(rig.sent[0].bytes, frames_peer_mac, 6);
            assert_memory_equal(error + 8, frame.bytes + 14, frame.length - 14u); /* quoted */
            uint32_t length = rig.sent[0].length - at;
            uint16_t rest = cases[i].ip_version == 4
                                ? slow_fold(slow_sum(0, error, length))
                                : slow_icmpv6(frames_our_ipv6, frames_peer_ipv6, error, length);
            assert_int_equal(rest, 0);
        }
        link_rig_down(&rig);
    }
}

static void errors_are_rate_limited_short_and_never_about_groups(void **state)
{
    (void)state;
    struct link_rig rig;
    struct frame_bytes frame;
    static uint8_t payload[1400];
    uint32_t errors = 0;
    link_rig_up(&rig, (struct link_rig_options){0});
    frame_ipv6(&frame, frames_peer_ipv6, frames_our_ipv6, 17, 64, payload, sizeof(payload));
    for (uint32_t i = 0; i < 100; i++) {
        link_rig_deliver(&rig, &frame);
        errors += rig.sent_count;
        for (uint32_t k = 0; k < rig.sent_count; k++)
            assert_int_equal(rig.sent[k].length, 14 + 1280);
    }
    assert_in_range(errors, 1, 40); /* the burst, at 10 a second */
    rig.now_ns += 10 * SECOND_NS;
    frame.bytes[0] = 0x33;
    frame.bytes[1] = 0x33;
    memcpy(frame.bytes + 38, all_nodes, 16);
    link_rig_deliver(&rig, &frame);
    assert_int_equal(rig.sent_count, 0);
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
        cmocka_unit_test(addresses_are_checked_first_and_announced_then),
        cmocka_unit_test(an_address_that_is_taken_is_not_used),
        cmocka_unit_test(what_is_ours_already_is_defended_now_and_then),
        cmocka_unit_test(all_workers_give_up_an_address),
        cmocka_unit_test(a_link_that_comes_up_is_greeted_again),
        cmocka_unit_test(behind_a_link_that_comes_up_are_other_machines),
        cmocka_unit_test(the_groups_of_both_addresses_are_reported),
        cmocka_unit_test(a_query_is_answered_in_its_version_and_time),
        cmocka_unit_test(the_router_is_the_one_that_advertises),
        cmocka_unit_test(a_router_that_falls_silent_is_forgotten_and_asked_for),
        cmocka_unit_test(a_router_that_does_not_answer_gives_way_to_another),
        cmocka_unit_test(advertisements_are_ignored_unless_asked_for),
        cmocka_unit_test(what_nobody_serves_is_refused_politely),
        cmocka_unit_test(errors_are_rate_limited_short_and_never_about_groups),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
