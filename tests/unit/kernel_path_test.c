/* SPDX-License-Identifier: BSD-3-Clause */
/* The exception path: which frames the kernel gets, what comes back from it, and both bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "dataplane/kernel_path.h"
#include "dataplane/network.h"
#include "dataplane/network_state.h"
#include "dataplane/packet.h"
#include "include/compiler.h"
#include "include/counters.h"
#include "include/port_set.h"
#include "tests/support/dpdk_environment.h"
#include "tests/support/fake_nic.h"
#include "tests/support/frames.h"

#define SECOND_NS UINT64_C(1000000000)
#define WORKERS 2u
#define FRAMES_PER_S 1000000u

static const uint8_t kernel_ipv4[4] = {192, 0, 2, 11};
static const uint8_t kernel_ipv6[16] = {0x20, 1, 0x0d, 0xb8, [15] = 0x11};
static const uint8_t broadcast[6] = {255, 255, 255, 255, 255, 255};

/* Two workers on one port with a kernel interface beside it; worker 0 is at the interface. */
struct rig {
    struct rte_mempool *pool;
    struct fake_nic *port, *interface;
    struct kernel_path *path;
    struct network *networks[WORKERS];
    struct counters *counters;
    uint64_t now_ns;
};

static struct counters *counters_for_test;

static void rig_up_at(struct rig *rig, uint32_t frames_per_s)
{
    struct fake_nic_config nic = {.queue_count = WORKERS, .depth = 1024, .mtu = 1500};
    static struct port_set ports;
    memcpy(nic.mac, frames_our_mac, 6);
    rig->pool = dpdk_environment_pool(4095);
    rig->port = fake_nic_create(&nic);
    nic.queue_count = 1;
    rig->interface = fake_nic_create(&nic);
    rig->counters = counters_for_test;
    memset(rig->counters->drops, 0, sizeof(rig->counters->drops));
    memset(rig->counters->values, 0, sizeof(rig->counters->values));
    rig->now_ns = 100 * SECOND_NS;
    assert_int_equal(port_set_parse("22", &ports), 0);
    rig->path = kernel_path_create(
        &(struct kernel_path_config){.interface = fake_nic_queue(rig->interface, 0),
                                     .tcp_ports = &ports,
                                     .worker_count = WORKERS,
                                     .frames_per_s = frames_per_s});
    assert_non_null(rig->path);
    for (uint32_t worker = 0; worker < WORKERS; worker++) {
        struct network_port_config port = {.queue = fake_nic_queue(rig->port, worker),
                                           .kernel = rig->path,
                                           .mtu = 1500,
                                           .ipv4_prefix_bits = 24,
                                           .ipv6_prefix_bits = 64};
        memcpy(port.ipv4, frames_our_ipv4, 4);
        memcpy(port.ipv6, frames_our_ipv6, 16);
        rig->networks[worker] = network_create(&(struct network_config){.ports = &port,
                                                                        .port_count = 1,
                                                                        .worker_index = worker,
                                                                        .neighbour_count = 64,
                                                                        .icmp_per_s = 100,
                                                                        .pool = rig->pool,
                                                                        .counters = rig->counters,
                                                                        .key = {1, 2}});
        assert_non_null(rig->networks[worker]);
    }
}

static void rig_up(struct rig *rig)
{
    rig_up_at(rig, FRAMES_PER_S);
}

static void rig_down(struct rig *rig)
{
    for (uint32_t worker = 0; worker < WORKERS; worker++)
        network_destroy(rig->networks[worker]);
    kernel_path_destroy(rig->path);
    fake_nic_destroy(rig->port);
    fake_nic_destroy(rig->interface);
    dpdk_environment_pool_check_and_free(rig->pool);
}

static struct packet *packet_from(struct rig *rig, const struct frame_bytes *frame)
{
    struct packet *packet = packet_alloc(rig->pool);
    assert_non_null(packet);
    memcpy(packet_append(packet, frame->length), frame->bytes, frame->length);
    return packet;
}

/* One round of a worker's network layer; how many TCP segments came up (and were freed). */
static uint32_t round_of(struct rig *rig, uint32_t worker)
{
    struct packet *frames[NIC_BURST_MAX], *segments[NIC_BURST_MAX];
    struct network *network = rig->networks[worker];
    uint32_t count = network_receive(network, 0, frames, NIC_BURST_MAX);
    uint32_t up = network_input(network, 0, frames, count, rig->now_ns, segments);
    for (uint32_t i = 0; i < up; i++)
        packet_free(segments[i]);
    network_flush(network);
    return up;
}

static bool take(struct fake_nic *nic, struct frame_bytes *frame)
{
    struct packet *packet;
    if (fake_nic_take(nic, 0, &packet, 1) == 0)
        return false;
    frame->length = packet_first_bytes(packet);
    memcpy(frame->bytes, packet_data(packet), frame->length);
    packet_free(packet);
    return true;
}

static uint32_t take_all(struct fake_nic *nic)
{
    struct frame_bytes ignored;
    uint32_t count = 0;
    while (take(nic, &ignored))
        count++;
    return count;
}

static uint64_t drops_in(const struct rig *rig)
{
    uint64_t drops = 0;
    for (uint32_t i = 0; i < DROP_REASON_COUNT; i++)
        drops += rig->counters->drops[i];
    return drops;
}

/* ---- who gets which frame ---- */

static void to_ipv4(struct frame_bytes *frame, const uint8_t *destination, unsigned protocol)
{
    uint8_t tcp[64];
    uint32_t length = bytes_tcp(tcp, 40000, 80, 1, 0x02, 8);
    frame_ipv4(frame, frames_peer_ipv4, destination, protocol, tcp, length);
}

static void echo_to(struct frame_bytes *frame, const uint8_t *destination, unsigned type)
{
    uint8_t echo[64];
    uint32_t length = bytes_echo(echo, type, 16);
    frame_ipv4(frame, frames_peer_ipv4, destination, 1, echo, length);
}

static void icmpv6_to(struct frame_bytes *frame, const uint8_t *destination, uint8_t type,
                      const uint8_t *target)
{
    uint8_t message[32] = {type};
    uint32_t length = 24;
    if (type == 136)
        message[4] = 0x60;
    memcpy(message + 8, target, 16);
    message[24] = type == 135 ? 1 : 2;
    message[25] = 1;
    memcpy(message + 26, frames_peer_mac, 6);
    length += 8;
    uint16_t sum = slow_icmpv6(frames_peer_ipv6, destination, message, length);
    message[2] = (uint8_t)(sum >> 8);
    message[3] = (uint8_t)sum;
    frame_ipv6(frame, frames_peer_ipv6, destination, 58, 255, message, length);
}

static void solicited_group(const uint8_t *address, uint8_t group[16])
{
    static const uint8_t prefix[13] = {0xff, 2, [11] = 1, 0xff};
    memcpy(group, prefix, 13);
    memcpy(group + 13, address + 13, 3);
}

static const uint8_t lldp_mac[6] = {1, 0x80, 0xc2, 0, 0, 0x0e};
static const uint8_t other_mac[6] = {2, 0, 0, 0, 0, 0x55};
static const uint8_t everybody[4] = {255, 255, 255, 255};
static const uint8_t all_routers[16] = {0xff, 2, [15] = 2};

static void comes_from_us(struct frame_bytes *frame)
{
    memcpy(frame->bytes + 6, frames_our_mac, 6);
}

static void has_a_wrong_checksum(struct frame_bytes *frame)
{
    frame->bytes[24] ^= 1;
}

static void claims_our_address(struct frame_bytes *frame)
{
    memcpy(frame->bytes + 28, frames_our_ipv4, 4);
}

enum receiver { KERNEL, OURS, NOBODY, ANSWERED };
enum shape { IPV4, ECHO, ARP, ICMPV6, SOLICITATION, BARE };

struct case_of_frame {
    const char *what;
    enum receiver receiver;
    enum shape shape;
    unsigned number; /* IP protocol, ICMP type, ARP operation or EtherType */
    const uint8_t *address;
    const uint8_t *mac; /* instead of ours */
    void (*spoil)(struct frame_bytes *frame);
};

static const struct case_of_frame frames_for[] = {
    {"TCP to another address", KERNEL, IPV4, 6, kernel_ipv4, NULL, NULL},
    {"UDP to our address", KERNEL, IPV4, 17, frames_our_ipv4, NULL, NULL},
    {"a broadcast, as DHCP answers with", KERNEL, IPV4, 17, everybody, broadcast, NULL},
    {"an ARP request for the kernel's address", KERNEL, ARP, 1, kernel_ipv4, broadcast, NULL},
    {"an ARP reply to the kernel's address", KERNEL, ARP, 2, kernel_ipv4, NULL, NULL},
    {"an ARP reply to our address, perhaps shared", KERNEL, ARP, 2, frames_our_ipv4, NULL, NULL},
    {"an echo request to the kernel's address", KERNEL, ECHO, 8, kernel_ipv4, NULL, NULL},
    {"an echo reply: we never ask", KERNEL, ECHO, 0, frames_our_ipv4, NULL, NULL},
    {"a solicitation for the kernel's address", KERNEL, SOLICITATION, 135, kernel_ipv6, NULL, NULL},
    {"an advertisement, as both ask for", KERNEL, ICMPV6, 136, frames_our_ipv6, NULL, NULL},
    {"IPv6 to a group that we are not in", KERNEL, ICMPV6, 133, all_routers, NULL, NULL},
    {"a router's advertisement", KERNEL, ICMPV6, 134, frames_our_ipv6, NULL, NULL},
    {"LLDP", KERNEL, BARE, 0x88cc, NULL, lldp_mac, NULL},
    {"an EtherType that we do not know", KERNEL, BARE, 0x88f7, NULL, NULL, NULL},
    {"another VLAN", KERNEL, BARE, 0x8100, NULL, NULL, NULL},
    {"an ARP request for our address", ANSWERED, ARP, 1, frames_our_ipv4, broadcast, NULL},
    {"an echo request to our address", ANSWERED, ECHO, 8, frames_our_ipv4, NULL, NULL},
    {"a solicitation for our address", ANSWERED, SOLICITATION, 135, frames_our_ipv6, NULL, NULL},
    {"TCP to our address", OURS, IPV4, 6, frames_our_ipv4, NULL, NULL},
    {"another station's", NOBODY, IPV4, 6, kernel_ipv4, other_mac, NULL},
    {"our own, brought back by the link", NOBODY, IPV4, 6, kernel_ipv4, NULL, comes_from_us},
    {"a wrong header checksum", NOBODY, IPV4, 6, kernel_ipv4, NULL, has_a_wrong_checksum},
    {"too short for IP", NOBODY, BARE, 0x0800, NULL, NULL, NULL},
    {"an ARP from our address", NOBODY, ARP, 1, kernel_ipv4, broadcast, claims_our_address},
};

static void build(const struct case_of_frame *which, struct frame_bytes *frame)
{
    uint8_t group[16];
    switch (which->shape) {
    case IPV4:
        to_ipv4(frame, which->address, which->number);
        break;
    case ECHO:
        echo_to(frame, which->address, which->number);
        break;
    case ARP:
        frame_arp(frame, frames_our_mac, which->number, frames_peer_mac, frames_peer_ipv4,
                  which->address);
        break;
    case ICMPV6:
        icmpv6_to(frame, which->address, (uint8_t)which->number, frames_peer_ipv6);
        break;
    case SOLICITATION:
        solicited_group(which->address, group);
        icmpv6_to(frame, group, (uint8_t)which->number, which->address);
        break;
    case BARE:
        frame_ethernet(frame, frames_our_mac, frames_peer_mac, which->number);
        frame_put32(frame, 0x00070800);
        break;
    }
    if (which->mac)
        memcpy(frame->bytes, which->mac, 6);
    if (which->spoil)
        which->spoil(frame);
}

static void every_frame_reaches_whom_it_is_for(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(frames_for); i++) {
        const struct case_of_frame *which = &frames_for[i];
        struct frame_bytes frame, got;
        struct rig rig;
        rig_up(&rig);
        build(which, &frame);
        assert_true(fake_nic_inject(rig.port, 0, packet_from(&rig, &frame)));
        uint32_t segments = round_of(&rig, 0);
        bool has_reached_kernel = take(rig.interface, &got);
        uint32_t answers = take_all(rig.port);
        if (has_reached_kernel != (which->receiver == KERNEL) ||
            segments != (which->receiver == OURS) || answers != (which->receiver == ANSWERED) ||
            drops_in(&rig) != (which->receiver == NOBODY))
            fail_msg("case '%s': kernel %d, segments %u, answers %u, drops %u", which->what,
                     has_reached_kernel, segments, answers, (unsigned)drops_in(&rig));
        if (has_reached_kernel) {
            assert_int_equal(got.length, frame.length);
            assert_memory_equal(got.bytes, frame.bytes, frame.length);
            assert_int_equal(rig.counters->values[COUNTER_KERNEL_FRAMES_GIVEN], 1);
        }
        rig_down(&rig);
    }
}

static void what_an_arp_reply_says_both_know(void **state)
{
    (void)state;
    struct rig rig;
    struct frame_bytes frame;
    struct network_header header;
    struct network_flow flow = {.ip_version = 4};
    rig_up(&rig);
    memcpy(flow.local, frames_our_ipv4, 4);
    memcpy(flow.remote, frames_peer_ipv4, 4);
    assert_int_equal(network_path(rig.networks[0], &flow, &header), NETWORK_PATH_RESOLVING);
    frame_arp(&frame, frames_our_mac, 2, frames_peer_mac, frames_peer_ipv4, frames_our_ipv4);
    assert_true(fake_nic_inject(rig.port, 0, packet_from(&rig, &frame)));
    round_of(&rig, 0);
    assert_int_equal(network_path(rig.networks[0], &flow, &header), NETWORK_PATH_READY);
    assert_memory_equal(header.bytes, frames_peer_mac, 6);
    assert_int_equal(take_all(rig.interface), 1);
    rig_down(&rig);
}

static void an_icmp_error_is_taken_note_of_and_passed_on(void **state)
{
    (void)state;
    struct rig rig;
    struct frame_bytes frame, inner;
    struct network_icmp_error error;
    uint8_t message[64] = {3, 3}, tcp[64];
    rig_up(&rig);
    uint32_t length = bytes_tcp(tcp, 80, 40000, 77, 0x10, 0);
    frame_ipv4(&inner, frames_our_ipv4, frames_peer_ipv4, 6, tcp, length);
    memcpy(message + 8, inner.bytes + 14, 28);
    uint16_t sum = slow_fold(slow_sum(0, message, 36));
    message[2] = (uint8_t)(sum >> 8);
    message[3] = (uint8_t)sum;
    frame_ipv4(&frame, frames_peer_ipv4, frames_our_ipv4, 1, message, 36);
    assert_true(fake_nic_inject(rig.port, 0, packet_from(&rig, &frame)));
    round_of(&rig, 0);
    assert_int_equal(network_take_icmp_errors(rig.networks[0], &error, 1), 1);
    assert_int_equal(error.sequence, 77);
    assert_int_equal(take_all(rig.interface), 1);
    rig_down(&rig);
}

static void a_tag_that_the_port_took_off_is_put_back(void **state)
{
    (void)state;
    struct rig rig;
    struct frame_bytes frame, got;
    rig_up(&rig);
    to_ipv4(&frame, kernel_ipv4, 6);
    struct packet *packet = packet_from(&rig, &frame);
    packet->mbuf.ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
    packet->mbuf.vlan_tci = 0x6123;
    assert_true(fake_nic_inject(rig.port, 0, packet));
    round_of(&rig, 0);
    assert_true(take(rig.interface, &got));
    assert_int_equal(got.length, frame.length + 4);
    assert_memory_equal(got.bytes, frame.bytes, 12);
    static const uint8_t tag[4] = {0x81, 0x00, 0x61, 0x23};
    assert_memory_equal(got.bytes + 12, tag, 4);
    assert_memory_equal(got.bytes + 16, frame.bytes + 12, frame.length - 12u);
    rig_down(&rig);
}

static void a_segment_without_a_listener_is_the_kernels_if_it_serves_the_port(void **state)
{
    (void)state;
    struct rig rig;
    struct frame_bytes frame;
    uint8_t tcp[64];
    rig_up(&rig);
    for (uint32_t i = 0; i < 2; i++) {
        uint16_t port = i == 0 ? 22 : 23;
        struct packet *packet, *segment;
        uint32_t length = bytes_tcp(tcp, 40000, port, 1, 0x02, 0);
        frame_ipv4(&frame, frames_peer_ipv4, frames_our_ipv4, 6, tcp, length);
        packet = packet_from(&rig, &frame);
        assert_int_equal(network_input(rig.networks[0], 0, &packet, 1, rig.now_ns, &segment), 1);
        if (network_give_to_kernel(rig.networks[0], segment, port) != (i == 0))
            fail_msg("port %u", port);
        if (i == 1)
            packet_free(segment);
    }
    network_flush(rig.networks[0]);
    assert_int_equal(take_all(rig.interface), 1);
    rig_down(&rig);
}

/* ---- back from the kernel ---- */

static void inject_from_kernel(struct rig *rig, uint32_t count)
{
    struct frame_bytes frame;
    frame_arp(&frame, broadcast, 1, frames_our_mac, kernel_ipv4, frames_peer_ipv4);
    for (uint32_t i = 0; i < count; i++) {
        struct packet *packet = packet_from(rig, &frame);
        packet->mbuf.ol_flags |= RTE_MBUF_F_RX_IP_CKSUM_GOOD;
        assert_true(fake_nic_inject(rig->interface, 0, packet));
    }
}

static void what_the_kernel_sends_goes_out_untouched(void **state)
{
    (void)state;
    struct rig rig;
    struct frame_bytes frame, got;
    rig_up(&rig);
    frame_arp(&frame, broadcast, 1, frames_our_mac, kernel_ipv4, frames_peer_ipv4);
    inject_from_kernel(&rig, 1);
    round_of(&rig, 1); /* not at the interface */
    assert_int_equal(take_all(rig.port), 0);
    round_of(&rig, 0);
    struct packet *packet;
    assert_int_equal(fake_nic_take(rig.port, 0, &packet, 1), 1);
    assert_int_equal(packet->mbuf.ol_flags, 0); /* what a port said on the way in is not a wish */
    got.length = packet_first_bytes(packet);
    memcpy(got.bytes, packet_data(packet), got.length);
    packet_free(packet);
    assert_int_equal(got.length, frame.length);
    assert_memory_equal(got.bytes, frame.bytes, frame.length);
    assert_int_equal(rig.counters->values[COUNTER_KERNEL_FRAMES_TAKEN], 1);
    rig_down(&rig);
}

static void a_full_port_leaves_the_kernels_frames_where_they_are(void **state)
{
    (void)state;
    struct rig rig;
    rig_up(&rig);
    fake_nic_limit_transmit(rig.port, 0);
    inject_from_kernel(&rig, 1023);
    for (uint32_t i = 0; i < 200; i++) {
        rig.now_ns += SECOND_NS / 1000;
        round_of(&rig, 0);
    }
    uint64_t taken = rig.counters->values[COUNTER_KERNEL_FRAMES_TAKEN];
    assert_in_range(taken, NETWORK_TX_BATCH - NETWORK_TX_TCP_ROOM,
                    NETWORK_TX_BATCH - NETWORK_TX_TCP_ROOM + KERNEL_PATH_BURST);
    assert_int_equal(rig.counters->values[COUNTER_PORT_TX_REFUSED], 0);
    rig_down(&rig);
}

/* ---- bounds ---- */

static void give(struct rig *rig, uint32_t worker, uint32_t count)
{
    struct frame_bytes frame;
    to_ipv4(&frame, kernel_ipv4, 17);
    for (uint32_t i = 0; i < count; i++) {
        struct packet *packet = packet_from(rig, &frame), *segment;
        assert_int_equal(network_input(rig->networks[worker], 0, &packet, 1, rig->now_ns, &segment),
                         0);
    }
}

static void a_round_gives_and_takes_one_burst_at_most(void **state)
{
    (void)state;
    struct rig rig;
    rig_up(&rig);
    give(&rig, 0, 3 * KERNEL_PATH_BURST);
    inject_from_kernel(&rig, 3 * KERNEL_PATH_BURST);
    round_of(&rig, 0);
    assert_int_equal(take_all(rig.interface), KERNEL_PATH_BURST);
    assert_int_equal(take_all(rig.port), KERNEL_PATH_BURST);
    assert_true(network_has_work(rig.networks[0])); /* no sleep with frames on both sides */
    round_of(&rig, 0);
    round_of(&rig, 0);
    assert_int_equal(take_all(rig.interface), 2 * KERNEL_PATH_BURST);
    assert_int_equal(take_all(rig.port), 2 * KERNEL_PATH_BURST);
    round_of(&rig, 0);
    assert_false(network_has_work(rig.networks[0]));
    rig_down(&rig);
}

static void a_flood_is_refused_and_counted_once_per_frame(void **state)
{
    (void)state;
    struct rig rig;
    rig_up(&rig);
    give(&rig, 0, 1000);
    assert_int_equal(rig.counters->drops[DROP_KERNEL_REFUSED], 1000 - KERNEL_PATH_RING);
    assert_int_equal(drops_in(&rig), 1000 - KERNEL_PATH_RING);
    for (uint32_t i = 0; i < 100; i++)
        round_of(&rig, 0);
    assert_int_equal(take_all(rig.interface), KERNEL_PATH_RING);
    rig_down(&rig); /* and no packet is missing */
}

static void frames_that_nobody_came_for_are_freed(void **state)
{
    (void)state;
    struct rig rig;
    rig_up(&rig);
    give(&rig, 0, 5);
    give(&rig, 1, 7);
    rig_down(&rig);
}

static void both_directions_keep_to_the_rate(void **state)
{
    (void)state;
    enum { PER_S = 10000, ROUNDS = 2000 };
    struct rig rig;
    uint32_t given = 0, taken = 0, waiting = 0;
    rig_up_at(&rig, PER_S);
    for (uint32_t i = 0; i < ROUNDS; i++) { /* two seconds, a millisecond each */
        give(&rig, 0, KERNEL_PATH_BURST);
        inject_from_kernel(&rig, 2 * KERNEL_PATH_BURST - waiting);
        round_of(&rig, 0);
        given += take_all(rig.interface);
        uint32_t taken_now = take_all(rig.port);
        taken += taken_now;
        waiting = 2 * KERNEL_PATH_BURST - taken_now;
        rig.now_ns += SECOND_NS / 1000;
    }
    assert_in_range(given, 2 * PER_S, 2 * PER_S + 300);
    assert_in_range(taken, 2 * PER_S, 2 * PER_S + 300);
    rig_down(&rig);
}

static void a_frame_that_the_interface_refuses_does_not_stand_in_the_way(void **state)
{
    (void)state;
    struct rig rig;
    rig_up(&rig);
    fake_nic_limit_transmit(rig.interface,
                            2); /* a call takes two: the third is the stumbling one */
    give(&rig, 0, 8);
    round_of(&rig, 0);
    assert_int_equal(rig.counters->values[COUNTER_KERNEL_FRAMES_GIVEN], 6);
    assert_int_equal(rig.counters->drops[DROP_KERNEL_REFUSED], 2);
    assert_int_equal(take_all(rig.interface), 6);
    rig_down(&rig);
}

static void every_worker_gets_its_turn_at_the_interface(void **state)
{
    (void)state;
    struct rig rig;
    struct frame_bytes frame;
    uint32_t of_worker[WORKERS] = {0};
    rig_up(&rig);
    for (uint32_t worker = 0; worker < WORKERS; worker++)
        for (uint32_t i = 0; i < KERNEL_PATH_RING; i++) {
            to_ipv4(&frame, kernel_ipv4, 17);
            frame.bytes[frame.length - 1] = (uint8_t)worker;
            struct packet *packet = packet_from(&rig, &frame), *segment;
            network_input(rig.networks[worker], 0, &packet, 1, rig.now_ns, &segment);
        }
    assert_true(network_has_work(rig.networks[0]));
    assert_false(network_has_work(rig.networks[1])); /* theirs is the owner's work */
    for (uint32_t i = 0; i < 4; i++)
        round_of(&rig, 0);
    while (take(rig.interface, &frame))
        of_worker[frame.bytes[frame.length - 1]]++;
    assert_int_equal(of_worker[0], 2 * KERNEL_PATH_BURST);
    assert_int_equal(of_worker[1], 2 * KERNEL_PATH_BURST);
    rig_down(&rig);
}

static int set_up(void **state)
{
    (void)state;
    dpdk_environment_start();
    counters_for_test = counters_register("test");
    return counters_for_test ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_frame_reaches_whom_it_is_for),
        cmocka_unit_test(what_an_arp_reply_says_both_know),
        cmocka_unit_test(an_icmp_error_is_taken_note_of_and_passed_on),
        cmocka_unit_test(a_tag_that_the_port_took_off_is_put_back),
        cmocka_unit_test(a_segment_without_a_listener_is_the_kernels_if_it_serves_the_port),
        cmocka_unit_test(what_the_kernel_sends_goes_out_untouched),
        cmocka_unit_test(a_full_port_leaves_the_kernels_frames_where_they_are),
        cmocka_unit_test(a_round_gives_and_takes_one_burst_at_most),
        cmocka_unit_test(a_flood_is_refused_and_counted_once_per_frame),
        cmocka_unit_test(frames_that_nobody_came_for_are_freed),
        cmocka_unit_test(both_directions_keep_to_the_rate),
        cmocka_unit_test(a_frame_that_the_interface_refuses_does_not_stand_in_the_way),
        cmocka_unit_test(every_worker_gets_its_turn_at_the_interface),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
