/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/packetdrill/wire.h"

#include <stdlib.h>
#include <string.h>

#include "dataplane/checksum.h"
#include "dataplane/ethernet.h"
#include "dataplane/icmp.h"
#include "dataplane/ipv4.h"
#include "dataplane/ipv6.h"
#include "dataplane/packet_build.h"
#include "include/assert_policy.h"
#include "include/counters.h"
#include "tests/packetdrill/capture.h"

static const uint8_t our_mac[6] = {2, 0, 0, 0, 0, 1}, peer_mac[6] = {2, 0, 0, 0, 0, 2};

struct wire_packet {
    struct wire_packet *next;
    uint64_t sent_us;
    size_t length;
    uint8_t bytes[];
};

/* ---- network.h: what TCP asks of the layers below ---- */

uint32_t network_generation(const struct network *network)
{
    (void)network;
    return 0; /* every neighbour is known and stays */
}

uint32_t network_port_count(const struct network *network)
{
    (void)network;
    return 1;
}

uint32_t network_offloads(const struct network *network, uint8_t port_index)
{
    (void)network, (void)port_index;
    return 0; /* the stack sums and cuts by itself */
}

uint16_t network_mtu(const struct network *network, uint8_t port_index, uint8_t ip_version)
{
    (void)port_index, (void)ip_version;
    return network->mtu;
}

bool network_has_room(const struct network *network, uint8_t port_index)
{
    (void)network, (void)port_index;
    return true;
}

enum network_path_status network_path(struct network *network, const struct network_flow *flow,
                                      struct network_header *out)
{
    (void)network;
    bool is_ipv4 = flow->ip_version == 4;
    memset(out, 0, sizeof(*out));
    out->network_offset = ethernet_write(out->bytes, peer_mac, our_mac, 0,
                                         is_ipv4 ? ETHERNET_TYPE_IPV4 : ETHERNET_TYPE_IPV6);
    uint8_t *ip = out->bytes + out->network_offset;
    if (is_ipv4) {
        ipv4_write(ip, flow->local, flow->remote, IP_PROTOCOL_TCP);
        out->header_bytes = (uint8_t)(out->network_offset + IPV4_HEADER_BYTES);
        out->pseudo_sum = checksum_pseudo_ipv4(flow->local, flow->remote, IP_PROTOCOL_TCP);
    } else {
        ipv6_write(ip, flow->local, flow->remote, IP_PROTOCOL_TCP, IP_TTL_DEFAULT);
        out->header_bytes = (uint8_t)(out->network_offset + IPV6_HEADER_BYTES);
        out->pseudo_sum = checksum_pseudo_ipv6(flow->local, flow->remote, IP_PROTOCOL_TCP);
    }
    out->ip_version = flow->ip_version;
    return NETWORK_PATH_READY;
}

bool network_answer_mac(struct network *network, const struct network_flow *flow, uint8_t mac[6])
{
    (void)network, (void)flow;
    memcpy(mac, peer_mac, 6);
    return true;
}

bool network_give_to_kernel(struct network *network, struct packet *segment, uint16_t tcp_port)
{
    (void)network, (void)segment, (void)tcp_port;
    return false; /* nobody is behind us */
}

void network_flow_of(const struct packet *segment, struct network_flow *flow)
{
    const uint8_t *frame = packet_data(segment);
    const uint8_t *ip = frame + segment->rx.network_offset;
    *flow = (struct network_flow){.ip_version = segment->rx.ip_version};
    memcpy(flow->peer_mac, frame + offsetof(struct ethernet_header, source), 6);
    if (flow->ip_version == 4) {
        memcpy(flow->local, ip + offsetof(struct ipv4_header, destination), 4);
        memcpy(flow->remote, ip + offsetof(struct ipv4_header, source), 4);
    } else {
        memcpy(flow->local, ip + offsetof(struct ipv6_header, destination), 16);
        memcpy(flow->remote, ip + offsetof(struct ipv6_header, source), 16);
    }
}

static uint32_t copy_out(const struct packet *packet, uint32_t skip, uint8_t *out)
{
    uint32_t copied = 0;
    for (; packet; packet = packet_chain_next(packet)) {
        uint32_t length = packet_first_bytes(packet) - skip;
        memcpy(out + copied, packet_data(packet) + skip, length);
        copied += length;
        skip = 0;
    }
    return copied;
}

/* Copied at once, so that what waits here takes nothing from the stack's pool. */
void network_transmit(struct network *network, uint8_t port_index, struct packet *packet,
                      bool is_addressed)
{
    (void)port_index;
    (void)is_addressed;
    ASSERT(packet_bytes(packet) > ETHERNET_HEADER_BYTES);
    size_t length = packet_bytes(packet) - ETHERNET_HEADER_BYTES;
    ASSERT(length <= network->mtu);
    struct wire_packet *sent = malloc(sizeof(*sent) + length);
    ASSERT(sent);
    *sent = (struct wire_packet){.sent_us = *network->now_us, .length = length};
    ASSERT(copy_out(packet, ETHERNET_HEADER_BYTES, sent->bytes) == length);
    if (network->last)
        network->last->next = sent;
    else
        network->first = sent;
    network->last = sent;
    packet_free(packet);
    capture_packet(network->capture, sent->sent_us, sent->bytes, length);
}

/* ---- out to the script ---- */

bool wire_has_packet(const struct network *wire)
{
    return wire->first != NULL;
}

size_t wire_take(struct network *wire, void *packet, size_t room, uint64_t *sent_us)
{
    struct wire_packet *sent = wire->first;
    ASSERT(sent);
    size_t length = sent->length;
    if (room > 0)
        memcpy(packet, sent->bytes, length < room ? length : room);
    *sent_us = sent->sent_us;
    wire->first = sent->next;
    if (!wire->first)
        wire->last = NULL;
    free(sent);
    return length;
}

void wire_empty(struct network *wire)
{
    uint64_t ignored_us;
    while (wire_has_packet(wire))
        wire_take(wire, NULL, 0, &ignored_us);
}

/* ---- in from the script ---- */

/* As a port delivers a frame larger than a buffer: a chain. NULL: no packet is left. */
static struct packet *frame_of(struct network *wire, const uint8_t *bytes, size_t length)
{
    struct packet *head = packet_alloc(wire->pool), *last = head;
    if (!head)
        return NULL;
    ethernet_write(packet_append(head, ETHERNET_HEADER_BYTES), our_mac, peer_mac, 0,
                   bytes[0] >> 4 == 4 ? ETHERNET_TYPE_IPV4 : ETHERNET_TYPE_IPV6);
    for (size_t at = 0; at < length;) {
        if (packet_tail_room(last) == 0) {
            struct packet *more = packet_alloc(wire->pool);
            if (!more) {
                packet_free(head);
                return NULL;
            }
            head->mbuf.nb_segs++;
            last->mbuf.next = &more->mbuf;
            last = more;
        }
        size_t part = length - at < packet_tail_room(last) ? length - at : packet_tail_room(last);
        memcpy(packet_data(last) + last->mbuf.data_len, bytes + at, part);
        last->mbuf.data_len = (uint16_t)(last->mbuf.data_len + part);
        head->mbuf.pkt_len += (uint32_t)part;
        at += part;
    }
    return head;
}

/* Whoever is written to is us. */
static enum drop_reason parse_ip(const uint8_t *ip, uint32_t length, struct ip_view *view)
{
    if (length >= IPV4_HEADER_BYTES && ip[0] >> 4 == 4) {
        struct ipv4_addresses ours = {.broadcast = {255, 255, 255, 255}};
        memcpy(ours.address, ip + offsetof(struct ipv4_header, destination), 4);
        return ipv4_parse(ip, length, &ours, false, view);
    }
    if (length >= IPV6_HEADER_BYTES && ip[0] >> 4 == 6) {
        struct ipv6_addresses ours = {.link_local = {0xfe, 0x80}};
        memcpy(ours.global, ip + offsetof(struct ipv6_header, destination), 16);
        return ipv6_parse(ip, length, &ours, view);
    }
    return DROP_IP_MALFORMED;
}

static enum drop_reason icmp_error_of(const uint8_t *ip, const struct ip_view *view,
                                      struct network_icmp_error *error)
{
    uint8_t version = ip[0] >> 4;
    const uint8_t *bytes = ip + view->transport_offset;
    enum icmp_kind kind;
    struct icmp_error parsed;
    enum drop_reason why = icmp_parse(version, ip, bytes, view->transport_bytes, &kind);
    if (why == DROP_NONE && kind != ICMP_KIND_ERROR)
        why = DROP_ICMP_UNUSED;
    if (why == DROP_NONE)
        why = icmp_parse_error(version, bytes, view->transport_bytes, &parsed);
    if (why != DROP_NONE)
        return why;
    *error = (struct network_icmp_error){
        .flow = {.ip_version = version},
        .local_port = parsed.local_port,
        .remote_port = parsed.remote_port,
        .sequence = parsed.sequence,
        .new_mtu = parsed.new_mtu,
    };
    memcpy(error->flow.local, parsed.local, 16);
    memcpy(error->flow.remote, parsed.remote, 16);
    return DROP_NONE;
}

static enum wire_verdict drop(struct network *wire, struct packet *packet, enum drop_reason why)
{
    count_drop(wire->counters, why);
    if (packet)
        packet_free(packet);
    return WIRE_NOTHING;
}

enum wire_verdict wire_inject(struct network *wire, const void *packet, size_t length,
                              struct packet **segment, struct network_icmp_error *error)
{
    const uint8_t *ip = packet;
    struct ip_view view;
    capture_packet(wire->capture, *wire->now_us, packet, length);
    enum drop_reason why =
        length <= UINT16_MAX ? parse_ip(ip, (uint32_t)length, &view) : DROP_IP_MALFORMED;
    if (why != DROP_NONE)
        return drop(wire, NULL, why);
    if (view.protocol == (ip[0] >> 4 == 4 ? IP_PROTOCOL_ICMP : IP_PROTOCOL_ICMPV6)) {
        why = icmp_error_of(ip, &view, error);
        return why == DROP_NONE ? WIRE_ICMP_ERROR : drop(wire, NULL, why);
    }
    struct packet *frame = frame_of(wire, ip, length);
    if (!frame)
        return drop(wire, NULL, DROP_TCP_PACKETS_SHORT);
    if (view.protocol != IP_PROTOCOL_TCP)
        return drop(wire, frame, DROP_IP_PROTOCOL_UNKNOWN);
    frame->rx = (struct packet_rx){
        .network_offset = ETHERNET_HEADER_BYTES,
        .transport_offset = (uint16_t)(ETHERNET_HEADER_BYTES + view.transport_offset),
        .payload_bytes = view.transport_bytes,
        .ip_version = ip[0] >> 4,
    };
    *segment = frame;
    return WIRE_SEGMENT;
}
