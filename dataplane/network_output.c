/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "dataplane/arp.h"
#include "dataplane/checksum.h"
#include "dataplane/dispatch.h"
#include "dataplane/ethernet.h"
#include "dataplane/kernel_path.h"
#include "dataplane/nd.h"
#include "dataplane/network_state.h"
#include "include/assert_policy.h"
#include "include/counters.h"

#define QUESTIONS_PER_ROUND 16u
#define NOTES_PER_ROUND 16u

static const uint8_t no_mac[6];

/* ---- batches ---- */

/* What the port did not take last time was captured then. */
static NO_INLINE void capture_burst(struct network *network, struct network_port *port,
                                    uint32_t burst)
{
    uint32_t old = port->tx_captured < burst ? port->tx_captured : burst;
    network_capture(network, (uint8_t)(port - network->ports), CAPTURE_SENT,
                    port->tx + port->tx_first + old, burst - old);
    port->tx_captured = burst;
}

static void flush_port(struct network *network, struct network_port *port)
{
    uint32_t sent = 0;
    while (port->tx_first < port->tx_end) {
        struct packet **first = port->tx + port->tx_first;
        uint32_t burst = port->tx_end - port->tx_first;
        if (burst > NIC_BURST_MAX)
            burst = NIC_BURST_MAX;
        bool is_captured = capture_ring_may_be_on(network->capture);
        if (UNLIKELY(is_captured))
            capture_burst(network, port, burst);
        uint32_t taken = port->dispatch ? dispatch_transmit(port->dispatch, network->worker_index,
                                                            port->queue, first, burst)
                                        : nic_transmit(port->queue, first, burst);
        sent += taken;
        port->tx_first += taken;
        if (UNLIKELY(is_captured))
            port->tx_captured -= taken;
        if (taken < burst)
            break;
    }
    port->is_full = port->tx_first < port->tx_end;
    if (LIKELY(!port->is_full))
        port->tx_first = port->tx_end = port->tx_captured = 0;
    /* a member's packets are counted by the worker that sends them */
    if (!port->dispatch || dispatch_is_owner(port->dispatch, network->worker_index))
        count_many(network->counters, COUNTER_PORT_TX_PACKETS, sent);
}

/* The array's end is reached. False: it is full of packets that the port does not take. */
static NO_INLINE bool make_room(struct network *network, struct network_port *port)
{
    flush_port(network, port);
    uint32_t waiting = port->tx_end - port->tx_first;
    memmove(port->tx, port->tx + port->tx_first, waiting * sizeof(port->tx[0]));
    port->tx_first = 0;
    port->tx_end = waiting;
    return waiting < NETWORK_TX_BATCH;
}

static void append(struct network *network, struct network_port *port, struct packet *packet)
{
    if (UNLIKELY(port->tx_end == NETWORK_TX_BATCH) && !make_room(network, port)) {
        bool is_member =
            port->dispatch && !dispatch_is_owner(port->dispatch, network->worker_index);
        count(network->counters, is_member ? COUNTER_DISPATCH_TX_REFUSED : COUNTER_PORT_TX_REFUSED);
        packet_free(packet);
        return;
    }
    port->tx[port->tx_end++] = packet;
    if (port->tx_end == NETWORK_TX_FLUSH_AT && !port->is_full) /* a full one: once a round */
        flush_port(network, port);
}

bool network_has_room(const struct network *network, uint8_t port_index)
{
    const struct network_port *port = &network->ports[port_index];
    return port->tx_end - port->tx_first < NETWORK_TX_BATCH - NETWORK_TX_TCP_ROOM;
}

/* ---- frames of our own ---- */

static void put_link_header(struct network_port *port, struct packet *packet, uint16_t type,
                            const uint8_t mac[6])
{
    uint8_t *header = packet_prepend(packet, port->link_header_bytes);
    ethernet_write(header, mac, port->mac, port->vlan, type);
    packet_reset_offloads(packet);
}

void network_send_frame(struct network *network, uint8_t port_index, struct packet *packet,
                        uint16_t type, const uint8_t mac[6])
{
    struct network_port *port = &network->ports[port_index];
    put_link_header(port, packet, type, mac);
    append(network, port, packet);
}

void network_send_ipv4(struct network *network, uint8_t port_index, struct packet *packet,
                       const uint8_t source[4], const uint8_t destination[4], uint8_t protocol,
                       const uint8_t mac[6])
{
    uint8_t *header = packet_prepend(packet, IPV4_HEADER_BYTES);
    ipv4_write(header, source, destination, protocol);
    ipv4_finish(header, packet_first_bytes(packet));
    network_send_frame(network, port_index, packet, ETHERNET_TYPE_IPV4, mac);
}

void network_send_ipv6(struct network *network, uint8_t port_index, struct packet *packet,
                       const uint8_t source[16], const uint8_t destination[16], uint8_t hop_limit,
                       const uint8_t mac[6])
{
    uint16_t payload_bytes = packet_first_bytes(packet);
    uint8_t *header = packet_prepend(packet, IPV6_HEADER_BYTES);
    ipv6_write(header, source, destination, IP_PROTOCOL_ICMPV6, hop_limit);
    ipv6_finish(header, payload_bytes);
    network_send_frame(network, port_index, packet, ETHERNET_TYPE_IPV6, mac);
}

/* Whatever `packet` held is replaced. */
void network_send_arp(struct network *network, uint8_t port_index, struct packet *packet,
                      uint16_t operation, const uint8_t source_ip[4], const uint8_t target_mac[6],
                      const uint8_t target_ip[4], const uint8_t mac[6])
{
    struct network_port *port = &network->ports[port_index];
    packet_trim(packet, packet_first_bytes(packet));
    arp_write(packet_append(packet, ARP_BYTES), (enum arp_operation)operation, port->mac, source_ip,
              target_mac, target_ip);
    network_send_frame(network, port_index, packet, ETHERNET_TYPE_ARP, mac);
}

struct packet *network_own_packet(struct network *network)
{
    struct packet *packet = packet_alloc(network->pool);
    if (!packet)
        count(network->counters, COUNTER_PACKET_ALLOCATION_FAILED);
    return packet;
}

void network_send_nd(struct network *network, uint8_t port_index, uint8_t type, uint8_t flags,
                     const uint8_t target[16], const uint8_t source[16],
                     const uint8_t destination[16], const uint8_t mac[6])
{
    struct packet *packet = network_own_packet(network);
    if (!packet)
        return;
    nd_write(packet_append(packet, ND_MESSAGE_BYTES), type, flags, target,
             network->ports[port_index].mac, source, destination);
    network_send_ipv6(network, port_index, packet, source, destination, ND_HOP_LIMIT, mac);
}

void network_send_address_check(struct network *network, uint8_t port_index,
                                const uint8_t target[16])
{
    static const uint8_t nobody[16];
    uint8_t group[16], mac[6];
    struct packet *packet = network_own_packet(network);
    if (!packet)
        return;
    ipv6_solicited_group_of(target, group);
    ethernet_group_of_ipv6(group, mac);
    nd_write_address_check(packet_append(packet, ND_ADDRESS_CHECK_BYTES), target, group);
    network_send_ipv6(network, port_index, packet, nobody, group, ND_HOP_LIMIT, mac);
}

/* ---- asking ---- */

static void ask_ipv4(struct network *network, const struct neighbour_question *question)
{
    struct packet *packet = network_own_packet(network);
    if (!packet)
        return;
    const uint8_t *mac =
        ethernet_address_is_zero(question->mac) ? ethernet_broadcast : question->mac;
    const uint8_t *source = network->ports[question->key.port_index].ipv4.address;
    network_send_arp(network, question->key.port_index, packet, ARP_REQUEST, source, no_mac,
                     question->key.ip, mac);
}

static void ask_ipv6(struct network *network, const struct neighbour_question *question)
{
    struct network_port *port = &network->ports[question->key.port_index];
    const uint8_t *target = question->key.ip;
    uint8_t destination[16], mac[6];
    memcpy(destination, target, 16);
    memcpy(mac, question->mac, 6);
    if (ethernet_address_is_zero(mac)) {
        ipv6_solicited_group_of(target, destination);
        ethernet_group_of_ipv6(destination, mac);
    }
    const uint8_t *source = ipv6_is_link_local(target) ? port->ipv6.link_local : port->ipv6.global;
    network_send_nd(network, question->key.port_index, ND_SOLICITATION, 0, target, source,
                    destination, mac);
}

static void ask_what_is_due(struct network *network)
{
    struct neighbour_question questions[QUESTIONS_PER_ROUND];
    struct neighbour_failures failures;
    uint32_t question_count = neighbour_due(network->neighbours, network->now_ns, questions,
                                            QUESTIONS_PER_ROUND, &failures);
    for (uint32_t i = 0; i < question_count; i++) {
        if (questions[i].key.ip_version == 4)
            ask_ipv4(network, &questions[i]);
        else
            ask_ipv6(network, &questions[i]);
        count(network->counters, COUNTER_NETWORK_ADDRESS_REQUESTS);
    }
    count_many(network->counters, COUNTER_NETWORK_NEIGHBOURS_FAILED, failures.neighbour_count);
    count_many(network->counters, COUNTER_NETWORK_HELD_DROPPED, failures.packet_count);
    for (uint32_t i = 0; i < failures.packet_count; i++)
        packet_free(failures.packets[i]);
}

bool network_learn(struct network *network, const struct neighbour_news *news)
{
    struct neighbour_held released;
    bool has_changed = neighbour_learn(network->neighbours, news, network->now_ns, &released);
    for (uint32_t i = 0; i < released.count; i++) {
        memcpy(packet_data(released.packets[i]), news->mac, 6);
        append(network, &network->ports[news->key.port_index], released.packets[i]);
    }
    return has_changed;
}

void network_raise_icmp_error(struct network *network, const struct network_icmp_error *error)
{
    if (network->icmp_error_count == NETWORK_ICMP_ERRORS_MAX) {
        count_drop(network->counters, DROP_ICMP_RATE_LIMITED);
        return;
    }
    network->icmp_errors[network->icmp_error_count++] = *error;
}

/* ---- paths ---- */

/* The address on the link that leads to `remote`; false when there is none. */
static bool next_hop(const struct network_port *port, const struct network_flow *flow,
                     struct neighbour_key *key, bool *is_gateway)
{
    *key = (struct neighbour_key){.ip_version = flow->ip_version, .port_index = flow->port_index};
    *is_gateway = false;
    if (flow->ip_version == 4) {
        if (ipv4_is_zero(port->ipv4.address))
            return false;
        *is_gateway = !ipv4_is_on_link(flow->remote, port->ipv4.address, port->ipv4_prefix_bits);
        memcpy(key->ip, *is_gateway ? port->gateway4 : flow->remote, 4);
        return !*is_gateway || !ipv4_is_zero(port->gateway4);
    }
    if (ipv6_is_zero(port->ipv6.global))
        return false;
    *is_gateway = !ipv6_is_link_local(flow->remote) &&
                  !ipv6_is_on_link(flow->remote, port->ipv6.global, port->ipv6_prefix_bits);
    memcpy(key->ip, *is_gateway ? port->gateway6 : flow->remote, 16);
    return !*is_gateway || !ipv6_is_zero(port->gateway6);
}

static void write_header(const struct network_port *port, const struct network_flow *flow,
                         const uint8_t mac[6], struct network_header *out)
{
    bool is_ipv4 = flow->ip_version == 4;
    out->network_offset = ethernet_write(out->bytes, mac, port->mac, port->vlan,
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
}

enum network_path_status network_path(struct network *network, const struct network_flow *flow,
                                      struct network_header *out)
{
    ASSERT_HOT(flow->port_index < network->port_count);
    const struct network_port *port = &network->ports[flow->port_index];
    struct neighbour_key key;
    bool is_gateway;
    if (!next_hop(port, flow, &key, &is_gateway))
        return NETWORK_PATH_NONE;
    struct neighbour *neighbour =
        neighbour_resolve(network->neighbours, &key, flow->peer_mac, is_gateway, network->now_ns);
    if (!neighbour) { /* overload: the address the peer's frames come from will do */
        count(network->counters, COUNTER_NETWORK_NEIGHBOURS_REFUSED);
        write_header(port, flow, flow->peer_mac, out);
        return NETWORK_PATH_RESOLVING;
    }
    bool is_usable = neighbour_is_usable(neighbour);
    write_header(port, flow, is_usable ? neighbour_mac(neighbour) : flow->peer_mac, out);
    return is_usable ? NETWORK_PATH_READY : NETWORK_PATH_RESOLVING;
}

bool network_answer_mac(struct network *network, const struct network_flow *flow, uint8_t mac[6])
{
    struct neighbour_key key;
    bool is_gateway;
    memcpy(mac, flow->peer_mac, 6);
    if (!next_hop(&network->ports[flow->port_index], flow, &key, &is_gateway))
        return false;
    const struct neighbour *neighbour = neighbour_find(network->neighbours, &key);
    if (!neighbour || !neighbour_is_usable(neighbour))
        return false;
    memcpy(mac, neighbour_mac(neighbour), 6);
    return true;
}

uint32_t network_generation(const struct network *network)
{
    return neighbour_generation(network->neighbours);
}

/* ---- send ---- */

/* A packet whose next hop was unknown when its header was written: by now it may be known. */
static NO_INLINE void hold_or_send(struct network *network, uint8_t port_index,
                                   struct packet *packet)
{
    struct network_port *port = &network->ports[port_index];
    uint8_t *frame = packet_data(packet);
    const uint8_t *ip = frame + port->link_header_bytes;
    struct network_flow flow = {.ip_version = ip[0] >> 4, .port_index = port_index};
    struct neighbour_key key;
    bool is_gateway;
    if (flow.ip_version == 4)
        memcpy(flow.remote, ip + offsetof(struct ipv4_header, destination), 4);
    else
        memcpy(flow.remote, ip + offsetof(struct ipv6_header, destination), 16);
    struct neighbour *neighbour = NULL;
    if (next_hop(port, &flow, &key, &is_gateway))
        neighbour =
            neighbour_resolve(network->neighbours, &key, no_mac, is_gateway, network->now_ns);
    if (neighbour && neighbour_is_usable(neighbour)) {
        memcpy(frame, neighbour_mac(neighbour), 6);
        append(network, port, packet);
        return;
    }
    struct packet *lost = neighbour ? neighbour_hold(neighbour, packet) : packet;
    if (lost) {
        count(network->counters, COUNTER_NETWORK_HELD_DROPPED);
        packet_free(lost);
    }
}

void network_transmit(struct network *network, uint8_t port_index, struct packet *packet,
                      bool is_addressed)
{
    ASSERT_HOT(port_index < network->port_count);
    if (UNLIKELY(!is_addressed && ethernet_address_is_zero(packet_data(packet))))
        hold_or_send(network, port_index, packet);
    else
        append(network, &network->ports[port_index], packet);
}

/* Both ways, at most a burst each. While the port is full the kernel's frames stay with it. */
static void serve_kernel(struct network *network, uint8_t port_index)
{
    struct network_port *port = &network->ports[port_index];
    struct packet *frames[KERNEL_PATH_BURST];
    kernel_path_send(port->kernel, network->now_ns, network->counters);
    if (!network_has_room(network, port_index))
        return;
    uint32_t count = kernel_path_receive(port->kernel, network->now_ns, network->counters, frames);
    for (uint32_t i = 0; i < count; i++) {
        packet_reset_offloads(frames[i]);
        append(network, port, frames[i]);
    }
}

void network_flush(struct network *network)
{
    if (neighbour_is_due(network->neighbours, network->now_ns))
        ask_what_is_due(network); /* what this round wants to know should not wait for the next */
    for (uint32_t i = 0; i < network->port_count; i++) {
        struct network_port *port = &network->ports[i];
        if (UNLIKELY(port->kernel != NULL) && network->worker_index == KERNEL_PATH_OWNER)
            serve_kernel(network, (uint8_t)i);
        if (port->tx_end > 0)
            flush_port(network, port);
        if (port->dispatch)
            dispatch_flush(port->dispatch, network->worker_index, port->queue, network->counters);
    }
}

uint32_t network_unsent(const struct network *network, uint8_t port_index)
{
    return network->ports[port_index].tx_end - network->ports[port_index].tx_first;
}

uint32_t network_offloads(const struct network *network, uint8_t port_index)
{
    return network->ports[port_index].offloads;
}

uint16_t network_mtu(const struct network *network, uint8_t port_index, uint8_t ip_version)
{
    const struct network_port *port = &network->ports[port_index];
    return ip_version == 6 ? port->mtu6 : port->mtu;
}

uint32_t network_port_count(const struct network *network)
{
    return network->port_count;
}

/* ---- time ---- */

static void take_away(struct network *network, const struct network_taken *taken)
{
    if (ipv6_is_zero(taken->formed))
        network_give_up_address(network, taken->port_index, taken->ip_version);
    else
        network_give_up_formed(network, taken->port_index, taken->formed);
}

static void read_bulletin(struct network *network)
{
    struct network_note notes[NOTES_PER_ROUND];
    uint64_t lost_count;
    uint32_t note_count = bulletin_read(network->reader, notes, NOTES_PER_ROUND, &lost_count);
    for (uint32_t i = 0; i < note_count; i++) {
        switch (notes[i].kind) {
        case NETWORK_NOTE_NEIGHBOUR:
            network_learn(network, &notes[i].neighbour);
            break;
        case NETWORK_NOTE_ICMP_ERROR:
            network_raise_icmp_error(network, &notes[i].icmp_error);
            break;
        case NETWORK_NOTE_ADDRESS_TAKEN:
            take_away(network, &notes[i].taken);
            break;
        case NETWORK_NOTE_PREFIX:
            network_take_prefix(network, &notes[i].prefix);
            break;
        default:
            network_take_router(network, &notes[i].router);
            break;
        }
    }
    if (lost_count > 0)
        count_many(network->counters, COUNTER_NETWORK_NEWS_LOST, lost_count);
}

void network_timers(struct network *network, uint64_t now_ns)
{
    network->now_ns = now_ns;
    if (UNLIKELY(now_ns >= network->next_chores_ns))
        network_do_chores(network);
    if (network->reader)
        read_bulletin(network);
    if (neighbour_is_due(network->neighbours, now_ns))
        ask_what_is_due(network);
}
