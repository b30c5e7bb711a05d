/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/test_network.h"

#include <string.h>

#include "dataplane/checksum.h"
#include "include/assert_policy.h"

#define ETHERNET_BYTES 14u
#define VLAN_BYTES 4u

uint32_t network_generation(const struct network *network)
{
    return network->generation;
}

uint32_t network_port_count(const struct network *network)
{
    return 1 + network->more_ports;
}

uint32_t network_offloads(const struct network *network, uint8_t port_index)
{
    (void)port_index;
    return network->offloads;
}

uint16_t network_mtu(const struct network *network, uint8_t port_index, uint8_t ip_version)
{
    (void)port_index;
    (void)ip_version;
    return network->mtu;
}

bool network_has_room(const struct network *network, uint8_t port_index)
{
    (void)port_index;
    if (network->room_questions)
        ++*network->room_questions;
    return !network->is_full;
}

bool network_give_to_kernel(struct network *network, struct packet *segment, uint16_t tcp_port)
{
    if (network->kernel_port == 0 || network->kernel_port != tcp_port)
        return false;
    network->kernel_segments++;
    packet_free(segment);
    return true;
}

void network_transmit(struct network *network, uint8_t port_index, struct packet *packet,
                      bool is_addressed)
{
    (void)port_index;
    (void)is_addressed;
    ASSERT(network->out_count < TEST_NETWORK_OUT_MAX);
    network->out[network->out_count++] = packet;
}

uint32_t test_network_take(struct network *network, struct packet **out, uint32_t limit)
{
    ASSERT(limit >= network->out_count);
    uint32_t count = network->out_count;
    memcpy(out, network->out, count * sizeof(*out));
    network->out_count = 0;
    return count;
}

static bool is_set(const uint8_t mac[6])
{
    static const uint8_t zero[6];
    return memcmp(mac, zero, 6) != 0;
}

enum network_path_status network_path(struct network *network, const struct network_flow *flow,
                                      struct network_header *out)
{
    memset(out, 0, sizeof(*out));
    if (network->is_resolving)
        return NETWORK_PATH_NONE;
    uint8_t *at = out->bytes;
    memcpy(at, is_set(network->next_hop_mac) ? network->next_hop_mac : flow->peer_mac, 6);
    at[6] = 2;
    if (is_set(network->mac))
        memcpy(at + 6, network->mac, 6);
    out->network_offset = network->is_vlan ? ETHERNET_BYTES + VLAN_BYTES : ETHERNET_BYTES;
    if (network->is_vlan) {
        at[12] = 0x81;
        at[15] = 7;
    }
    at += out->network_offset;
    at[-2] = flow->ip_version == 4 ? 0x08 : 0x86;
    at[-1] = flow->ip_version == 4 ? 0x00 : 0xdd;
    if (flow->ip_version == 4) {
        at[0] = 0x45;
        at[6] = 0x40; /* do not fragment */
        at[8] = 64;
        at[9] = 6;
        memcpy(at + 12, flow->local, 4);
        memcpy(at + 16, flow->remote, 4);
        out->pseudo_sum = checksum_pseudo_ipv4(at + 12, at + 16, 6);
        out->header_bytes = (uint8_t)(out->network_offset + 20);
    } else {
        at[0] = 0x60;
        at[6] = 6;
        at[7] = 64;
        memcpy(at + 8, flow->local, 16);
        memcpy(at + 24, flow->remote, 16);
        out->pseudo_sum = checksum_pseudo_ipv6(at + 8, at + 24, 6);
        out->header_bytes = (uint8_t)(out->network_offset + 40);
    }
    out->ip_version = flow->ip_version;
    return network->has_stand_in ? NETWORK_PATH_RESOLVING : NETWORK_PATH_READY;
}

bool network_answer_mac(struct network *network, const struct network_flow *flow, uint8_t mac[6])
{
    memcpy(mac, is_set(network->next_hop_mac) ? network->next_hop_mac : flow->peer_mac, 6);
    return !network->is_resolving && !network->has_stand_in;
}

void network_flow_of(const struct packet *segment, struct network_flow *flow)
{
    const uint8_t *frame = packet_data(segment);
    const uint8_t *ip = frame + segment->rx.network_offset;
    memset(flow, 0, sizeof(*flow));
    flow->ip_version = segment->rx.ip_version;
    flow->port_index = segment->rx.port_index;
    memcpy(flow->peer_mac, frame + 6, 6);
    if (flow->ip_version == 4) {
        memcpy(flow->remote, ip + 12, 4);
        memcpy(flow->local, ip + 16, 4);
    } else {
        memcpy(flow->remote, ip + 8, 16);
        memcpy(flow->local, ip + 24, 16);
    }
}

static bool accepts_ipv4(const struct network *network, struct packet *packet, const uint8_t *ip,
                         uint32_t have)
{
    uint32_t total = (uint32_t)(ip[2] << 8 | ip[3]);
    if (have < 20 || ip[0] != 0x45 || checksum_of(ip, 20) != 0 || total < 40 || total > have ||
        ip[9] != 6 || memcmp(ip + 16, network->local4, 4) != 0)
        return false;
    packet->rx.ip_version = 4;
    packet->rx.transport_offset = (uint16_t)(packet->rx.network_offset + 20);
    packet->rx.payload_bytes = (uint16_t)(total - 20);
    return true;
}

static bool accepts_ipv6(const struct network *network, struct packet *packet, const uint8_t *ip,
                         uint32_t have)
{
    uint32_t payload = (uint32_t)(ip[4] << 8 | ip[5]);
    if (have < 60 || ip[0] >> 4 != 6 || payload < 20 || payload + 40 > have || ip[6] != 6 ||
        memcmp(ip + 24, network->local6, 16) != 0)
        return false;
    packet->rx.ip_version = 6;
    packet->rx.transport_offset = (uint16_t)(packet->rx.network_offset + 40);
    packet->rx.payload_bytes = (uint16_t)payload;
    return true;
}

bool test_network_accepts(const struct network *network, struct packet *packet)
{
    const uint8_t *frame = packet_data(packet);
    uint32_t length = packet_bytes(packet);
    memset(&packet->rx, 0, sizeof(packet->rx));
    packet->rx.network_offset = network->is_vlan ? ETHERNET_BYTES + VLAN_BYTES : ETHERNET_BYTES;
    if (length < packet->rx.network_offset + 40u)
        return false;
    if (is_set(network->mac) && memcmp(frame, network->mac, 6) != 0)
        return false;
    const uint8_t *ip = frame + packet->rx.network_offset;
    uint32_t type = (uint32_t)(ip[-2] << 8 | ip[-1]);
    uint32_t have = length - packet->rx.network_offset;
    if (type == 0x0800)
        return accepts_ipv4(network, packet, ip, have);
    return type == 0x86dd && accepts_ipv6(network, packet, ip, have);
}
