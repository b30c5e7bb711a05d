/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames into the network layer: two bytes of length, then the frame, until the input ends. */
#include "dataplane/arp.h"
#include "dataplane/dispatch.h"
#include "dataplane/ethernet.h"
#include "dataplane/icmp.h"
#include "dataplane/ipv4.h"
#include "dataplane/ipv6.h"
#include "dataplane/mld.h"
#include "dataplane/nd.h"
#include "dataplane/network.h"
#include "dataplane/packet.h"
#include "dataplane/packet_pool.h"
#include "include/counters.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/support/dpdk_environment.h"
#include "tests/support/fake_nic.h"
#include "tests/support/frames.h"

static struct rte_mempool *pool;
static struct counters *counters;

static struct network *make_network(struct fake_nic *nic)
{
    struct network_port_config port = {.queue = fake_nic_queue(nic, 0),
                                       .mtu = 1500,
                                       .learns_router6 = true,
                                       .forms_address6 = true,
                                       .ipv4_prefix_bits = 24,
                                       .ipv6_prefix_bits = 64};
    memcpy(port.ipv4, frames_our_ipv4, 4);
    memcpy(port.ipv6, frames_our_ipv6, 16);
    struct network *network =
        network_create(&(struct network_config){.ports = &port,
                                                .port_count = 1,
                                                .neighbour_count = 64,
                                                .icmp_per_s = 1000,
                                                .checks_addresses = true,
                                                .fragment_packets = 16,
                                                .fragment_timeout_ns = UINT64_C(3000000000),
                                                .pool = pool,
                                                .counters = counters});
    ASSERT(network != NULL);
    return network;
}

/* What came up must lie inside its packet, or TCP would read beyond it. */
static void check_segment(const struct packet *segment)
{
    struct network_flow flow;
    ASSERT(segment->rx.payload_bytes >= 20);
    ASSERT(segment->rx.transport_offset + segment->rx.payload_bytes == packet_first_bytes(segment));
    network_flow_of(segment, &flow);
    ASSERT(flow.ip_version == 4 || flow.ip_version == 6);
}

/*
 * A packet has room behind its frame, where a sanitizer sees no over-read: the parsers once more,
 * on bytes that end where the frame ends.
 */
static void parse_exactly(const uint8_t *frame, uint16_t length)
{
    static struct dispatch *dispatch;
    if (!dispatch)
        dispatch = dispatch_create(3, 1, 8, &(const struct siphash_key){1, 2});
    uint8_t *exact = malloc(length ? length : 1);
    ASSERT(exact != NULL && dispatch != NULL);
    memcpy(exact, frame, length);
    ASSERT(dispatch_worker_of(dispatch, 0, exact, length) < 3);
    if (length >= ETHERNET_HEADER_BYTES) {
        struct ipv4_addresses ours4 = {.broadcast = {192, 0, 2, 255}};
        struct ipv6_addresses ours6 = {0};
        struct arp_packet arp;
        struct icmp_error error;
        struct nd_message nd;
        struct nd_router router;
        struct mld_query query;
        struct ip_view view;
        enum icmp_kind kind;
        const uint8_t *ip = exact + ETHERNET_HEADER_BYTES;
        uint32_t bytes = length - ETHERNET_HEADER_BYTES;
        memcpy(ours4.address, frames_our_ipv4, 4);
        memcpy(ours6.global, frames_our_ipv6, 16);
        arp_parse(ip, bytes, &arp);
        if (ipv4_parse(ip, bytes, &ours4, true, &view) == DROP_NONE) {
            ASSERT((uint32_t)view.transport_offset + view.transport_bytes <= bytes);
            icmp_parse(4, ip, ip + view.transport_offset, view.transport_bytes, &kind);
            icmp_parse_error(4, ip + view.transport_offset, view.transport_bytes, &error);
        }
        if (ipv6_parse(ip, bytes, &ours6, &view) == DROP_NONE) {
            ASSERT((uint32_t)view.transport_offset + view.transport_bytes <= bytes);
            icmp_parse(6, ip, ip + view.transport_offset, view.transport_bytes, &kind);
            icmp_parse_error(6, ip + view.transport_offset, view.transport_bytes, &error);
            nd_parse(ip, ip + view.transport_offset, view.transport_bytes, &nd);
            nd_parse_router(ip, ip + view.transport_offset, view.transport_bytes, &router);
            mld_parse_query(ip, ip + view.transport_offset, view.transport_bytes, &query);
        }
    }
    free(exact);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t now_ns = UINT64_C(1000000000);
    struct packet *sent;
    if (!pool) {
        dpdk_environment_start();
        pool = dpdk_environment_pool(255);
        counters = counters_register("fuzz");
    }
    struct fake_nic_config config = {.queue_count = 1, .depth = 64, .mtu = 1500};
    memcpy(config.mac, frames_our_mac, 6);
    struct fake_nic *nic = fake_nic_create(&config);
    struct network *network = make_network(nic);
    while (size > 2) {
        uint16_t length = (uint16_t)((data[0] << 8 | data[1]) % 1515);
        data += 2;
        size -= 2;
        if (length > size)
            length = (uint16_t)size;
        parse_exactly(data, length);
        struct packet *frame = packet_alloc(pool), *segment;
        ASSERT(frame != NULL);
        memcpy(packet_append(frame, length), data, length);
        data += length;
        size -= length;
        now_ns += UINT64_C(100000000);
        if (network_input(network, 0, &frame, 1, now_ns, &segment) == 1) {
            check_segment(segment);
            packet_free(segment);
        }
        network_timers(network, now_ns);
        network_flush(network);
        while (fake_nic_take(nic, 0, &sent, 1) == 1)
            packet_free(sent);
    }
    network_destroy(network);
    fake_nic_destroy(nic);
    ASSERT(packet_pool_used(pool) == 0);
    return 0;
}
