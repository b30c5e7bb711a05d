/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/bulletin.h"
#include "dataplane/checksum.h"
#include "dataplane/network.h"
#include "dataplane/network_state.h"
#include "dataplane/packet.h"
#include "include/counters.h"
#include "tests/support/dpdk_environment.h"
#include "tests/support/fake_nic.h"
#include "tests/support/frames.h"

#define SECOND_NS UINT64_C(1000000000)

static const uint8_t gateway_ipv4[4] = {192, 0, 2, 1};
static const uint8_t far_ipv4[4] = {198, 51, 100, 7};
static const uint8_t gateway_mac[6] = {0x02, 0, 0, 0, 0, 0xfe};
static const uint8_t broadcast[6] = {255, 255, 255, 255, 255, 255};

static uint32_t further_addresses; /* of the next rig */

/* One worker on a fake port; `now_ns` is where its clock stands. */
struct rig {
    struct rte_mempool *pool;
    struct fake_nic *nic;
    struct network *network;
    struct counters *counters;
    uint64_t now_ns;
};

static struct counters *counters_for_test;

static void rig_up(struct rig *rig, uint16_t vlan, struct bulletin_board *board, uint32_t worker)
{
    struct fake_nic_config nic = {.queue_count = 1, .depth = 256, .mtu = 1500};
    memcpy(nic.mac, frames_our_mac, 6);
    rig->pool = dpdk_environment_pool(2047);
    rig->nic = fake_nic_create(&nic);
    rig->counters = counters_for_test;
    memset(rig->counters->drops, 0, sizeof(rig->counters->drops));
    memset(rig->counters->values, 0, sizeof(rig->counters->values));
    rig->now_ns = 100 * SECOND_NS;
    struct network_port_config port = {.queue = fake_nic_queue(rig->nic, 0),
                                       .mtu = 1500,
                                       .vlan = vlan,
                                       .ipv4_further = further_addresses,
                                       .ipv4_prefix_bits = 24,
                                       .ipv6_prefix_bits = 64};
    memcpy(port.ipv4, frames_our_ipv4, 4);
    memcpy(port.gateway4, gateway_ipv4, 4);
    memcpy(port.ipv6, frames_our_ipv6, 16);
    rig->network = network_create(&(struct network_config){.ports = &port,
                                                           .port_count = 1,
                                                           .worker_index = worker,
                                                           .neighbour_count = 64,
                                                           .icmp_per_s = 100,
                                                           .pool = rig->pool,
                                                           .counters = rig->counters,
                                                           .board = board,
                                                           .key = {1, 2}});
    assert_non_null(rig->network);
}

static void rig_down(struct rig *rig)
{
    network_destroy(rig->network);
    fake_nic_destroy(rig->nic);
    dpdk_environment_pool_check_and_free(rig->pool);
}

static struct packet *packet_from(struct rig *rig, const struct frame_bytes *frame)
{
    struct packet *packet = packet_alloc(rig->pool);
    assert_non_null(packet);
    memcpy(packet_append(packet, frame->length), frame->bytes, frame->length);
    return packet;
}

/* Delivers a frame; returns the TCP segment that came up, or NULL. */
static struct packet *deliver(struct rig *rig, const struct frame_bytes *frame)
{
    struct packet *frames[NIC_BURST_MAX], *segments[NIC_BURST_MAX];
    assert_true(fake_nic_inject(rig->nic, 0, packet_from(rig, frame)));
    uint32_t count = network_receive(rig->network, 0, frames, NIC_BURST_MAX);
    uint32_t up = network_input(rig->network, 0, frames, count, rig->now_ns, segments);
    network_flush(rig->network);
    return up == 1 ? segments[0] : NULL;
}

/* The next frame we sent, copied out; false when there is none. */
static bool sent(struct rig *rig, struct frame_bytes *frame)
{
    struct packet *packet;
    if (fake_nic_take(rig->nic, 0, &packet, 1) == 0)
        return false;
    frame->length = packet_first_bytes(packet);
    memcpy(frame->bytes, packet_data(packet), frame->length);
    packet_free(packet);
    return true;
}

static void drain(struct rig *rig)
{
    struct frame_bytes ignored;
    network_timers(rig->network, rig->now_ns);
    network_flush(rig->network);
    while (sent(rig, &ignored))
        continue;
}

static void an_arp_request_for_us_is_answered_with_our_address(void **state)
{
    (void)state;
    struct rig rig;
    struct frame_bytes request, reply;
    rig_up(&rig, 0, NULL, 0);
    frame_arp(&request, broadcast, 1, frames_peer_mac, frames_peer_ipv4, frames_our_ipv4);
    assert_null(deliver(&rig, &request)); /* the very first one */
    assert_true(sent(&rig, &reply));
    assert_int_equal(reply.length, 42);
    assert_memory_equal(reply.bytes, frames_peer_mac, 6);
    assert_memory_equal(reply.bytes + 6, frames_our_mac, 6);
    assert_int_equal(frame_get16(reply.bytes + 20), 2);
    assert_memory_equal(reply.bytes + 22, frames_our_mac, 6);
    assert_memory_equal(reply.bytes + 28, frames_our_ipv4, 4);
    assert_memory_equal(reply.bytes + 32, frames_peer_mac, 6);
    assert_memory_equal(reply.bytes + 38, frames_peer_ipv4, 4);
    assert_false(sent(&rig, &reply));
    rig_down(&rig);
}

static void a_further_address_is_answered_in_its_own_name(void **state)
{
    (void)state;
    struct rig rig;
    struct frame_bytes request, reply;
    uint8_t further[4], beyond[4];
    memcpy(further, frames_our_ipv4, 4);
    memcpy(beyond, frames_our_ipv4, 4);
    further[3]++;
    beyond[3] = (uint8_t)(further[3] + 1);
    further_addresses = 1;
    rig_up(&rig, 0, NULL, 0);
    further_addresses = 0;
    frame_arp(&request, broadcast, 1, frames_peer_mac, frames_peer_ipv4, further);
    assert_null(deliver(&rig, &request));
    assert_true(sent(&rig, &reply));
    assert_memory_equal(reply.bytes + 28, further, 4);
    frame_arp(&request, broadcast, 1, frames_peer_mac, frames_peer_ipv4, beyond);
    assert_null(deliver(&rig, &request));
    assert_false(sent(&rig, &reply));
    rig_down(&rig);
}

static void an_echo_request_comes_back_byte_for_byte(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {0, 1, 55, 56, 1400};
    for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
        struct rig rig;
        struct frame_bytes request, reply;
        uint8_t echo[2000];
        uint32_t length = bytes_echo(echo, 8, sizes[i]);
        rig_up(&rig, 0, NULL, 0);
        frame_ipv4(&request, frames_peer_ipv4, frames_our_ipv4, 1, echo, length);
        while (request.length < 60)
            frame_put8(&request, 0xee); /* padding must not come back */
        assert_null(deliver(&rig, &request));
        assert_true(sent(&rig, &reply));
        assert_int_equal(reply.length, 34 + length);
        assert_memory_equal(reply.bytes, frames_peer_mac, 6);
        assert_int_equal(slow_fold(slow_sum(0, reply.bytes + 14, 20)), 0);
        assert_memory_equal(reply.bytes + 26, frames_our_ipv4, 4);
        assert_memory_equal(reply.bytes + 30, frames_peer_ipv4, 4);
        assert_int_equal(reply.bytes[34], 0);
        assert_int_equal(slow_fold(slow_sum(0, reply.bytes + 34, length)), 0);
        assert_memory_equal(reply.bytes + 38, echo + 4, length - 4);
        rig_down(&rig);
    }
}

static void an_ipv6_echo_request_is_answered(void **state)
{
    (void)state;
    struct rig rig;
    struct frame_bytes request, reply;
    uint8_t echo[200];
    uint32_t length = bytes_echo(echo, 128, 33);
    echo[2] = echo[3] = 0;
    uint16_t checksum = slow_icmpv6(frames_peer_ipv6, frames_our_ipv6, echo, length);
    echo[2] = (uint8_t)(checksum >> 8);
    echo[3] = (uint8_t)checksum;
    rig_up(&rig, 0, NULL, 0);
    frame_ipv6(&request, frames_peer_ipv6, frames_our_ipv6, 58, 64, echo, length);
    assert_null(deliver(&rig, &request));
    assert_true(sent(&rig, &reply));
    assert_int_equal(reply.length, 54 + length);
    assert_memory_equal(reply.bytes + 22, frames_our_ipv6, 16);
    assert_memory_equal(reply.bytes + 38, frames_peer_ipv6, 16);
    assert_int_equal(reply.bytes[54], 129);
    assert_int_equal(slow_icmpv6(frames_our_ipv6, frames_peer_ipv6, reply.bytes + 54, length), 0);
    rig_down(&rig);
}

static void put_solicitation(struct frame_bytes *frame, const uint8_t *source,
                             const uint8_t *destination, const uint8_t *target, bool has_option)
{
    struct frame_bytes message = {.length = 0};
    frame_put32(&message, 0x87000000);
    frame_put32(&message, 0);
    frame_put(&message, target, 16);
    if (has_option) {
        frame_put16(&message, 0x0101);
        frame_put(&message, frames_peer_mac, 6);
    }
    frame_set16(&message, 2, slow_icmpv6(source, destination, message.bytes, message.length));
    frame_ipv6(frame, source, destination, 58, 255, message.bytes, message.length);
    frame->bytes[0] = frame->bytes[1] = 0x33;
    memcpy(frame->bytes + 2, destination + 12, 4);
}

static void a_neighbour_solicitation_is_answered_and_learnt_from(void **state)
{
    (void)state;
    struct rig rig;
    struct frame_bytes request, reply;
    static const uint8_t group[16] = {0xff, 2, [11] = 1, [12] = 0xff, [15] = 0x10};
    static const uint8_t all_nodes[16] = {0xff, 2, [15] = 1};
    static const uint8_t nobody[16];
    struct network_flow flow = {.ip_version = 6};
    struct network_header header;
    rig_up(&rig, 0, NULL, 0);
    put_solicitation(&request, frames_peer_ipv6, group, frames_our_ipv6, true);
    assert_null(deliver(&rig, &request));
    assert_true(sent(&rig, &reply));
    assert_int_equal(reply.length, 86);
    assert_memory_equal(reply.bytes, frames_peer_mac, 6);
    assert_int_equal(reply.bytes[21], 255);
    assert_int_equal(reply.bytes[54], 136);
    assert_int_equal(reply.bytes[58], 0x60); /* solicited, override */
    assert_memory_equal(reply.bytes + 62, frames_our_ipv6, 16);
    assert_memory_equal(reply.bytes + 80, frames_our_mac, 6);
    assert_int_equal(slow_icmpv6(frames_our_ipv6, frames_peer_ipv6, reply.bytes + 54, 32), 0);
    memcpy(flow.local, frames_our_ipv6, 16);
    memcpy(flow.remote, frames_peer_ipv6, 16);
    assert_int_equal(network_path(rig.network, &flow, &header), NETWORK_PATH_READY);
    assert_memory_equal(header.bytes, frames_peer_mac, 6);

    /* duplicate address detection: everybody hears that it is taken */
    put_solicitation(&request, nobody, group, frames_our_ipv6, false);
    assert_null(deliver(&rig, &request));
    assert_true(sent(&rig, &reply));
    assert_memory_equal(reply.bytes + 38, all_nodes, 16);
    assert_int_equal(reply.bytes[58], 0x20);
    rig_down(&rig);
}

static void a_tcp_segment_goes_up_without_its_padding(void **state)
{
    (void)state;
    struct rig rig;
    struct frame_bytes frame;
    uint8_t tcp[64];
    uint32_t length = bytes_tcp(tcp, 40000, 80, 1, 2, 0);
    rig_up(&rig, 0, NULL, 0);
    frame_ipv4(&frame, frames_peer_ipv4, frames_our_ipv4, 6, tcp, length);
    while (frame.length < 60)
        frame_put8(&frame, 0);
    struct packet *segment = deliver(&rig, &frame);
    assert_non_null(segment);
    assert_int_equal(packet_first_bytes(segment), 54);
    assert_int_equal(segment->rx.network_offset, 14);
    assert_int_equal(segment->rx.transport_offset, 34);
    assert_int_equal(segment->rx.payload_bytes, 20);
    assert_int_equal(segment->rx.ip_version, 4);
    struct network_flow flow;
    network_flow_of(segment, &flow);
    assert_memory_equal(flow.local, frames_our_ipv4, 4);
    assert_memory_equal(flow.remote, frames_peer_ipv4, 4);
    assert_memory_equal(flow.peer_mac, frames_peer_mac, 6);
    packet_free(segment);
    rig_down(&rig);
}

static void a_tagged_port_takes_and_sends_its_vlan_only(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        uint16_t port_vlan, frame_vlan;
        bool is_tagged, is_taken;
    } cases[] = {
        {"untagged on an untagged port", 0, 0, false, true},
        {"priority tag on an untagged port", 0, 0, true, true},
        {"tagged on an untagged port", 0, 7, true, false},
        {"its own tag", 7, 7, true, true},
        {"another tag", 7, 8, true, false},
        {"no tag on a tagged port", 7, 0, false, false},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct rig rig;
        struct frame_bytes frame, reply;
        rig_up(&rig, cases[i].port_vlan, NULL, 0);
        frame_arp(&frame, broadcast, 1, frames_peer_mac, frames_peer_ipv4, frames_our_ipv4);
        if (cases[i].is_tagged) {
            memmove(frame.bytes + 16, frame.bytes + 12, 46);
            frame_set16(&frame, 12, 0x8100);
            frame_set16(&frame, 14, cases[i].frame_vlan);
        }
        deliver(&rig, &frame);
        bool is_taken = sent(&rig, &reply);
        if (is_taken != cases[i].is_taken)
            fail_msg("case '%s'", cases[i].what);
        if (is_taken && cases[i].port_vlan != 0) {
            assert_int_equal(frame_get16(reply.bytes + 12), 0x8100);
            assert_int_equal(frame_get16(reply.bytes + 14), 7);
            assert_int_equal(frame_get16(reply.bytes + 16), 0x0806);
        }
        if (!is_taken)
            assert_int_equal(rig.counters->drops[DROP_VLAN_NOT_OURS], 1);
        rig_down(&rig);
    }
}

static void arp_reply(struct rig *rig, const uint8_t *mac, const uint8_t *ip)
{
    struct frame_bytes reply;
    frame_arp(&reply, frames_our_mac, 2, mac, ip, frames_our_ipv4);
    assert_null(deliver(rig, &reply));
}

static struct network_flow flow_to(const uint8_t *remote, const uint8_t *peer_mac)
{
    struct network_flow flow = {.ip_version = 4};
    memcpy(flow.local, frames_our_ipv4, 4);
    memcpy(flow.remote, remote, 4);
    if (peer_mac)
        memcpy(flow.peer_mac, peer_mac, 6);
    return flow;
}

static void a_path_uses_the_peers_own_address_until_arp_answers(void **state)
{
    (void)state;
    struct rig rig;
    struct network_header header;
    struct frame_bytes request;
    static const uint8_t other_mac[6] = {2, 0, 0, 0, 0, 0x77};
    rig_up(&rig, 0, NULL, 0);
    drain(&rig);
    struct network_flow flow = flow_to(frames_peer_ipv4, frames_peer_mac);
    assert_int_equal(network_path(rig.network, &flow, &header), NETWORK_PATH_RESOLVING);
    assert_memory_equal(header.bytes, frames_peer_mac, 6);
    assert_int_equal(header.header_bytes, 34);
    assert_int_equal(header.network_offset, 14);
    assert_int_equal(network_mtu(rig.network, 0, 4), 1500);
    assert_int_equal(frame_get16(header.bytes + 20), 0x4000); /* don't fragment */
    uint32_t pseudo = slow_sum(slow_sum(6, frames_our_ipv4, 4), frames_peer_ipv4, 4);
    uint16_t expected = slow_fold(pseudo);
    assert_int_equal(__builtin_bswap16(checksum_finish(header.pseudo_sum)), expected);

    network_flush(rig.network);
    assert_true(sent(&rig, &request)); /* asked in the same round */
    assert_int_equal(frame_get16(request.bytes + 12), 0x0806);
    assert_int_equal(frame_get16(request.bytes + 20), 1);
    assert_memory_equal(request.bytes + 38, frames_peer_ipv4, 4);

    uint32_t before = network_generation(rig.network);
    arp_reply(&rig, frames_peer_mac, frames_peer_ipv4);
    assert_int_equal(network_generation(rig.network), before); /* the header was right already */
    assert_int_equal(network_path(rig.network, &flow, &header), NETWORK_PATH_READY);
    arp_reply(&rig, other_mac, frames_peer_ipv4); /* the peer got a new card */
    assert_int_not_equal(network_generation(rig.network), before);
    assert_int_equal(network_path(rig.network, &flow, &header), NETWORK_PATH_READY);
    assert_memory_equal(header.bytes, other_mac, 6);
    rig_down(&rig);
}

static void what_is_not_on_the_link_goes_to_the_gateway(void **state)
{
    (void)state;
    struct rig rig;
    struct network_header header;
    struct frame_bytes request;
    bool has_asked = false;
    rig_up(&rig, 0, NULL, 0);
    network_timers(rig.network, rig.now_ns);
    network_flush(rig.network);
    while (sent(&rig, &request))
        has_asked |= frame_get16(request.bytes + 12) == 0x0806 &&
                     memcmp(request.bytes + 38, gateway_ipv4, 4) == 0;
    assert_true(has_asked); /* before anybody needs it */
    arp_reply(&rig, gateway_mac, gateway_ipv4);
    struct network_flow flow = flow_to(far_ipv4, NULL);
    assert_int_equal(network_path(rig.network, &flow, &header), NETWORK_PATH_READY);
    assert_memory_equal(header.bytes, gateway_mac, 6);
    flow.ip_version = 6; /* no IPv6 gateway was configured */
    memset(flow.remote, 0x2a, 16);
    assert_int_equal(network_path(rig.network, &flow, &header), NETWORK_PATH_NONE);
    rig_down(&rig);
}

static void an_answer_to_a_stranger_asks_nobody_and_remembers_nobody(void **state)
{
    (void)state;
    struct rig rig;
    struct frame_bytes request;
    uint8_t mac[6];
    rig_up(&rig, 0, NULL, 0);
    network_timers(rig.network, rig.now_ns);
    arp_reply(&rig, gateway_mac, gateway_ipv4);
    network_flush(rig.network);
    while (sent(&rig, &request))
        ; /* announcements, and the question for the gateway */
    static const uint8_t stranger_ipv4[4] = {192, 0, 2, 77};
    struct network_flow flow = flow_to(stranger_ipv4, frames_peer_mac);
    assert_false(network_answer_mac(rig.network, &flow, mac));
    assert_memory_equal(mac, frames_peer_mac, 6); /* where the question came from */
    network_timers(rig.network, rig.now_ns);
    network_flush(rig.network);
    assert_false(sent(&rig, &request));
    flow = flow_to(far_ipv4, frames_peer_mac); /* known already: not where the frame came from */
    assert_true(network_answer_mac(rig.network, &flow, mac));
    assert_memory_equal(mac, gateway_mac, 6);
    rig_down(&rig);
}

static struct packet *segment_with(struct rig *rig, const struct network_header *header)
{
    struct packet *packet = packet_alloc(rig->pool);
    assert_non_null(packet);
    memcpy(packet_append(packet, header->header_bytes), header->bytes, header->header_bytes);
    bytes_tcp(packet_append(packet, 20), 80, 40000, 7, 2, 0);
    return packet;
}

static void segments_without_a_next_hop_wait_for_it(void **state)
{
    (void)state;
    struct rig rig;
    struct network_header header;
    struct frame_bytes frame;
    rig_up(&rig, 0, NULL, 0);
    drain(&rig);
    struct network_flow flow = flow_to(frames_peer_ipv4, NULL);
    assert_int_equal(network_path(rig.network, &flow, &header), NETWORK_PATH_RESOLVING);
    for (uint32_t i = 0; i < 5; i++) { /* two more than are held */
        struct packet *packet = segment_with(&rig, &header);
        packet_data(packet)[40] = (uint8_t)i;
        network_transmit(rig.network, 0, packet, false);
    }
    assert_int_equal(rig.counters->values[COUNTER_NETWORK_HELD_DROPPED], 2);
    network_flush(rig.network);
    assert_true(sent(&rig, &frame));
    assert_int_equal(frame_get16(frame.bytes + 12), 0x0806);
    assert_false(sent(&rig, &frame));
    uint32_t before = network_generation(rig.network);
    arp_reply(&rig, frames_peer_mac, frames_peer_ipv4);
    assert_int_not_equal(network_generation(rig.network), before); /* headers had no address */
    for (uint32_t i = 2; i < 5; i++) {                             /* the latest three, in order */
        assert_true(sent(&rig, &frame));
        assert_memory_equal(frame.bytes, frames_peer_mac, 6);
        assert_int_equal(frame.bytes[40], i);
    }
    assert_false(sent(&rig, &frame));
    rig_down(&rig);
}

static void a_neighbour_that_never_answers_is_asked_three_times_and_forgotten(void **state)
{
    (void)state;
    struct rig rig;
    struct network_header header;
    struct frame_bytes frame;
    uint32_t request_count = 0;
    rig_up(&rig, 0, NULL, 0);
    drain(&rig);
    arp_reply(&rig, gateway_mac, gateway_ipv4); /* so that nobody else is being asked for */
    struct network_flow flow = flow_to(frames_peer_ipv4, NULL);
    network_path(rig.network, &flow, &header);
    network_transmit(rig.network, 0, segment_with(&rig, &header), false);
    for (uint32_t tick = 0; tick < 80; tick++) {
        rig.now_ns += SECOND_NS / 10;
        network_timers(rig.network, rig.now_ns);
        network_flush(rig.network);
        while (sent(&rig, &frame))
            request_count += frame_get16(frame.bytes + 12) == 0x0806 &&
                             memcmp(frame.bytes + 38, frames_peer_ipv4, 4) == 0;
    }
    assert_int_equal(request_count, 3);
    assert_int_equal(rig.counters->values[COUNTER_NETWORK_NEIGHBOURS_FAILED], 1);
    assert_int_equal(rig.counters->values[COUNTER_NETWORK_HELD_DROPPED], 1);
    rig_down(&rig);
}

static uint32_t bytes_unreachable(uint8_t *out, unsigned code, uint16_t mtu,
                                  const uint8_t *embedded_source)
{
    struct frame_bytes embedded, message = {.length = 0};
    uint8_t tcp[64];
    uint32_t length = bytes_tcp(tcp, 80, 40000, 0x01020304, 0x10, 0);
    frame_ipv4(&embedded, embedded_source, frames_peer_ipv4, 6, tcp, length);
    frame_put16(&message, 3 << 8 | code);
    frame_put16(&message, 0);
    frame_put32(&message, mtu);
    frame_put(&message, embedded.bytes + 14, 28);
    frame_set16(&message, 2, slow_fold(slow_sum(0, message.bytes, message.length)));
    memcpy(out, message.bytes, message.length);
    return message.length;
}

static void an_icmp_error_about_our_segment_is_handed_up(void **state)
{
    (void)state;
    struct rig rig;
    struct frame_bytes frame;
    struct network_icmp_error errors[4];
    uint8_t message[128];
    rig_up(&rig, 0, NULL, 0);
    uint32_t length = bytes_unreachable(message, 4, 1400, frames_our_ipv4);
    frame_ipv4(&frame, gateway_ipv4, frames_our_ipv4, 1, message, length);
    assert_null(deliver(&rig, &frame));
    assert_int_equal(network_take_icmp_errors(rig.network, errors, 4), 1);
    assert_int_equal(errors[0].local_port, 80);
    assert_int_equal(errors[0].remote_port, 40000);
    assert_int_equal(errors[0].sequence, 0x01020304);
    assert_int_equal(errors[0].new_mtu, 1400);
    assert_memory_equal(errors[0].flow.local, frames_our_ipv4, 4);
    assert_memory_equal(errors[0].flow.remote, frames_peer_ipv4, 4);
    assert_int_equal(network_take_icmp_errors(rig.network, errors, 4), 0);

    length = bytes_unreachable(message, 4, 1400, far_ipv4); /* about somebody else's segment */
    frame_ipv4(&frame, gateway_ipv4, frames_our_ipv4, 1, message, length);
    assert_null(deliver(&rig, &frame));
    assert_int_equal(network_take_icmp_errors(rig.network, errors, 4), 0);
    rig_down(&rig);
}

static void echo_requests_above_the_limit_are_dropped(void **state)
{
    (void)state;
    struct rig rig;
    struct frame_bytes request, reply;
    uint8_t echo[64];
    uint32_t answered = 0;
    uint32_t length = bytes_echo(echo, 8, 8);
    rig_up(&rig, 0, NULL, 0);
    frame_ipv4(&request, frames_peer_ipv4, frames_our_ipv4, 1, echo, length);
    for (uint32_t i = 0; i < 100; i++) {
        deliver(&rig, &request);
        answered += sent(&rig, &reply);
    }
    assert_int_equal(answered, 32); /* the burst; the clock stands still */
    assert_int_equal(rig.counters->drops[DROP_ICMP_RATE_LIMITED], 68);
    rig.now_ns += SECOND_NS / 10; /* 100 per second */
    for (uint32_t i = 0; i < 100; i++) {
        deliver(&rig, &request);
        answered += sent(&rig, &reply);
    }
    assert_int_equal(answered, 42);
    rig_down(&rig);
}

static void what_one_worker_learns_the_others_know(void **state)
{
    (void)state;
    struct rig first, second;
    struct network_header header;
    struct network_icmp_error errors[4];
    struct frame_bytes frame;
    uint8_t message[128];
    struct bulletin_board *board = bulletin_board_create(2);
    rig_up(&first, 0, board, 0);
    rig_up(&second, 0, board, 1);
    drain(&second);
    struct network_flow flow = flow_to(frames_peer_ipv4, NULL);
    assert_int_equal(network_path(second.network, &flow, &header), NETWORK_PATH_RESOLVING);
    arp_reply(&first, frames_peer_mac, frames_peer_ipv4); /* the answer came to the other queue */
    network_timers(second.network, second.now_ns);
    assert_int_equal(network_path(second.network, &flow, &header), NETWORK_PATH_READY);
    assert_memory_equal(header.bytes, frames_peer_mac, 6);

    uint32_t length = bytes_unreachable(message, 1, 0, frames_our_ipv4);
    frame_ipv4(&frame, gateway_ipv4, frames_our_ipv4, 1, message, length);
    assert_null(deliver(&first, &frame));
    network_timers(second.network, second.now_ns);
    assert_int_equal(network_take_icmp_errors(first.network, errors, 4), 1);
    assert_int_equal(network_take_icmp_errors(second.network, errors, 4), 1);
    assert_int_equal(errors[0].new_mtu, 0);
    rig_down(&first);
    rig_down(&second);
    bulletin_board_destroy(board);
}

static void numbered_segments(struct rig *rig, const struct network_header *header, uint32_t first,
                              uint32_t count)
{
    for (uint32_t i = first; i < first + count; i++) {
        struct packet *packet = segment_with(rig, header);
        memcpy(packet_data(packet) + packet_first_bytes(packet) - sizeof(i), &i, sizeof(i));
        network_transmit(rig->network, 0, packet, false);
    }
}

static void what_the_port_does_not_take_waits_in_order(void **state)
{
    (void)state;
    struct rig rig;
    struct network_header header;
    struct frame_bytes frame;
    rig_up(&rig, 0, NULL, 0);
    arp_reply(&rig, frames_peer_mac, frames_peer_ipv4);
    struct network_flow flow = flow_to(frames_peer_ipv4, frames_peer_mac);
    network_path(rig.network, &flow, &header);
    network_flush(rig.network);
    drain(&rig);
    fake_nic_limit_transmit(rig.nic, 5);
    numbered_segments(&rig, &header, 0, 9);
    network_flush(rig.network);
    assert_true(network_has_work(rig.network)); /* no sleep with something to send */
    numbered_segments(&rig, &header, 9, 1);
    network_flush(rig.network);
    assert_false(network_has_work(rig.network));
    for (uint32_t i = 0; i < 10; i++) {
        uint32_t number;
        assert_true(sent(&rig, &frame));
        memcpy(&number, frame.bytes + frame.length - sizeof(number), sizeof(number));
        assert_int_equal(number, i);
    }
    assert_false(sent(&rig, &frame));
    assert_int_equal(rig.counters->values[COUNTER_PORT_TX_REFUSED], 0);
    rig_down(&rig);
}

static void a_port_that_takes_nothing_holds_back_tcp_first_and_then_everything(void **state)
{
    (void)state;
    struct rig rig;
    struct network_header header;
    struct frame_bytes frame;
    uint32_t sent_count = 0, waiting = 0;
    rig_up(&rig, 0, NULL, 0);
    arp_reply(&rig, frames_peer_mac, frames_peer_ipv4);
    struct network_flow flow = flow_to(frames_peer_ipv4, frames_peer_mac);
    network_path(rig.network, &flow, &header);
    network_flush(rig.network);
    drain(&rig);
    fake_nic_limit_transmit(rig.nic, 0);
    for (; network_has_room(rig.network, 0); waiting++)
        numbered_segments(&rig, &header, 0, 1);
    assert_int_equal(waiting, NETWORK_TX_BATCH - NETWORK_TX_TCP_ROOM);
    numbered_segments(&rig, &header, 0, NETWORK_TX_TCP_ROOM); /* what cannot wait */
    assert_int_equal(rig.counters->values[COUNTER_PORT_TX_REFUSED], 0);
    numbered_segments(&rig, &header, 0, 3);
    assert_int_equal(rig.counters->values[COUNTER_PORT_TX_REFUSED], 3);
    fake_nic_limit_transmit(rig.nic, 64);
    while (network_has_work(rig.network)) {
        network_flush(rig.network);
        while (sent(&rig, &frame))
            sent_count++;
    }
    assert_int_equal(sent_count, NETWORK_TX_BATCH);
    assert_true(network_has_room(rig.network, 0));
    rig_down(&rig);
}

static void a_full_batch_is_sent_before_it_overflows(void **state)
{
    (void)state;
    struct rig rig;
    struct network_header header;
    struct frame_bytes frame;
    uint32_t sent_count = 0;
    rig_up(&rig, 0, NULL, 0);
    drain(&rig);
    arp_reply(&rig, frames_peer_mac, frames_peer_ipv4);
    struct network_flow flow = flow_to(frames_peer_ipv4, frames_peer_mac);
    network_path(rig.network, &flow, &header);
    for (uint32_t i = 0; i < 300; i++) {
        network_transmit(rig.network, 0, segment_with(&rig, &header), false);
        while (i > 200 && sent(&rig, &frame))
            sent_count++;
    }
    network_flush(rig.network);
    while (sent(&rig, &frame))
        sent_count++;
    assert_int_equal(sent_count, 301); /* and the question about the peer */
    rig_down(&rig);
}

/* Drops: every frame is a good one with one thing wrong. */
struct damage {
    const char *what;
    uint16_t at; /* of the frame */
    uint8_t value;
    uint16_t length;   /* 0: leave */
    bool fix_checksum; /* of the IPv4 header, after the damage */
    enum drop_reason expected;
};

static void bad_ipv4_frames_are_dropped_each_under_its_reason(void **state)
{
    (void)state;
    static const struct damage cases[] = {
        {"no Ethernet header", 0, 0x02, 13, false, DROP_ETHERNET_SHORT},
        {"for another station", 5, 0x02, 0, false, DROP_ETHERNET_NOT_OURS},
        {"from a group", 6, 0x03, 0, false, DROP_ETHERNET_SOURCE_BAD},
        {"to a group at Ethernet, to us at IP", 0, 0xff, 0, false, DROP_ETHERNET_NOT_OURS},
        {"unknown type", 12, 0x09, 0, false, DROP_ETHERNET_TYPE_UNKNOWN},
        {"IP header cut off", 0, 0x02, 33, false, DROP_IP_MALFORMED},
        {"IP version 5", 14, 0x55, 0, true, DROP_IP_MALFORMED},
        {"header of 16 bytes", 14, 0x44, 0, true, DROP_IP_MALFORMED},
        {"header longer than the packet", 14, 0x4f, 0, true, DROP_IP_MALFORMED},
        {"total length longer than the frame", 16, 0x01, 0, true, DROP_IP_MALFORMED},
        {"total length shorter than the header", 17, 19, 0, true, DROP_IP_MALFORMED},
        {"checksum", 24, 0x99, 0, false, DROP_IP_CHECKSUM_BAD},
        {"another destination", 33, 11, 0, true, DROP_IP_NOT_OURS},
        {"to the prefix's broadcast address", 33, 255, 0, true, DROP_IP_NOT_OURS},
        {"to a group", 30, 224, 0, true, DROP_IP_NOT_OURS},
        {"our own address as source", 29, 10, 0, true, DROP_IP_SOURCE_BAD},
        {"the broadcast address as source", 29, 255, 0, true, DROP_IP_SOURCE_BAD},
        {"a group as source", 26, 224, 0, true, DROP_IP_SOURCE_BAD},
        {"loopback as source", 26, 127, 0, true, DROP_IP_SOURCE_BAD},
        {"a first fragment", 20, 0x20, 0, true, DROP_IP_FRAGMENT},
        {"a later fragment", 21, 0x01, 0, true, DROP_IP_FRAGMENT},
        {"UDP", 23, 17, 0, true, DROP_IP_PROTOCOL_UNKNOWN},
        {"ICMPv6 over IPv4", 23, 58, 0, true, DROP_IP_PROTOCOL_UNKNOWN},
        {"TCP header cut off by IP's length", 17, 39, 0, true, DROP_TCP_MALFORMED},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct rig rig;
        struct frame_bytes frame;
        uint8_t tcp[64];
        uint32_t length = bytes_tcp(tcp, 40000, 80, 1, 2, 10);
        rig_up(&rig, 0, NULL, 0);
        frame_ipv4(&frame, frames_peer_ipv4, frames_our_ipv4, 6, tcp, length);
        frame.bytes[cases[i].at] = cases[i].value;
        if (cases[i].at == 0 && cases[i].value == 0xff)
            memset(frame.bytes, 0xff, 6);
        if (cases[i].length)
            frame.length = cases[i].length;
        if (cases[i].fix_checksum) {
            frame_set16(&frame, 24, 0);
            uint32_t header = (frame.bytes[14] & 0x0fu) * 4;
            frame_set16(&frame, 24, slow_fold(slow_sum(0, frame.bytes + 14, header)));
        }
        struct packet *segment = deliver(&rig, &frame);
        if (segment || rig.counters->drops[cases[i].expected] != 1)
            fail_msg("case '%s'", cases[i].what);
        rig_down(&rig);
    }
}

static int start(void **state)
{
    (void)state;
    dpdk_environment_start();
    counters_for_test = counters_register("test");
    return counters_for_test ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_arp_request_for_us_is_answered_with_our_address),
        cmocka_unit_test(a_further_address_is_answered_in_its_own_name),
        cmocka_unit_test(an_echo_request_comes_back_byte_for_byte),
        cmocka_unit_test(an_ipv6_echo_request_is_answered),
        cmocka_unit_test(a_neighbour_solicitation_is_answered_and_learnt_from),
        cmocka_unit_test(a_tcp_segment_goes_up_without_its_padding),
        cmocka_unit_test(a_tagged_port_takes_and_sends_its_vlan_only),
        cmocka_unit_test(a_path_uses_the_peers_own_address_until_arp_answers),
        cmocka_unit_test(what_is_not_on_the_link_goes_to_the_gateway),
        cmocka_unit_test(an_answer_to_a_stranger_asks_nobody_and_remembers_nobody),
        cmocka_unit_test(segments_without_a_next_hop_wait_for_it),
        cmocka_unit_test(a_neighbour_that_never_answers_is_asked_three_times_and_forgotten),
        cmocka_unit_test(an_icmp_error_about_our_segment_is_handed_up),
        cmocka_unit_test(echo_requests_above_the_limit_are_dropped),
        cmocka_unit_test(what_one_worker_learns_the_others_know),
        cmocka_unit_test(what_the_port_does_not_take_waits_in_order),
        cmocka_unit_test(a_port_that_takes_nothing_holds_back_tcp_first_and_then_everything),
        cmocka_unit_test(a_full_batch_is_sent_before_it_overflows),
        cmocka_unit_test(bad_ipv4_frames_are_dropped_each_under_its_reason),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
