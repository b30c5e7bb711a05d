/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/network.h"

#include <stdlib.h>
#include <string.h>

#include "dataplane/arp.h"
#include "dataplane/checksum.h"
#include "dataplane/dispatch.h"
#include "dataplane/ethernet.h"
#include "dataplane/icmp.h"
#include "dataplane/ip_fragments.h"
#include "dataplane/kernel_path.h"
#include "dataplane/mld.h"
#include "dataplane/nd.h"
#include "dataplane/network_state.h"
#include "include/assert_policy.h"
#include "include/counters.h"

#define TCP_HEADER_BYTES 20u
#define PREFETCH_AHEAD 6u
#define ICMP_BURST 32u

/* ---- creation ---- */

static void set_up_port(struct network_port *port, const struct network_port_config *config)
{
    *port = (struct network_port){
        .queue = config->queue,
        .dispatch = config->dispatch,
        .kernel = config->kernel,
        .offloads = nic_offloads(config->queue),
        .mtu = config->mtu,
        .vlan = config->vlan,
        .link_header_bytes =
            config->vlan ? ETHERNET_HEADER_BYTES + ETHERNET_VLAN_BYTES : ETHERNET_HEADER_BYTES,
        .ipv4_prefix_bits = config->ipv4_prefix_bits,
        .ipv6_prefix_bits = config->ipv6_prefix_bits,
    };
    memcpy(port->mac, nic_mac(config->queue), 6);
    memcpy(port->ipv4.address, config->ipv4, 4);
    port->ipv4.further = config->ipv4_further;
    ipv4_broadcast_of(config->ipv4, config->ipv4_prefix_bits, port->ipv4.broadcast);
    memcpy(port->gateway4, config->gateway4, 4);
    memcpy(port->ipv6.global, config->ipv6, 16);
    ipv6_link_local_of(port->mac, port->ipv6.link_local);
    memcpy(port->gateway6, config->gateway6, 16);
    port->mtu6 = config->mtu;
    port->learns_router6 = config->learns_router6;
    port->forms_address6 = config->forms_address6;
    if (config->forms_address6 && ipv6_is_zero(config->ipv6))
        memcpy(port->ipv6.global, port->ipv6.link_local, 16); /* until one is formed */
    /* until the first chores */
    port->link = (struct network_link){
        .report_at_ns = UINT64_MAX, .next_step_ns = UINT64_MAX, .defend_after_ns = UINT64_MAX};
}

struct network *network_create(const struct network_config *config)
{
    ASSERT(config->port_count > 0 && config->port_count <= NETWORK_PORTS_MAX);
    struct network *network = aligned_alloc(CACHE_LINE_BYTES, sizeof(*network));
    if (!network)
        return NULL;
    *network = (struct network){
        .counters = config->counters,
        .port_count = config->port_count,
        .worker_index = config->worker_index,
        .pool = config->pool,
        .board = config->board,
        .capture = network_capture_or_none(config->capture),
        .echo_limit = rate_limit_make(config->icmp_per_s, ICMP_BURST),
        .error_limit = rate_limit_make(config->icmp_per_s, ICMP_BURST),
        .checks_addresses = config->checks_addresses,
        .random = {config->random_seed},
        .fragment_id = (uint32_t)config->random_seed,
    };
    for (uint32_t i = 0; i < config->port_count; i++)
        set_up_port(&network->ports[i], &config->ports[i]);
    network->neighbours = neighbour_table_create(config->neighbour_count, &config->key);
    if (config->board)
        network->reader = bulletin_reader_create(config->board, config->worker_index);
    if (config->fragment_packets > 0)
        network->fragments =
            ip_fragments_create(config->fragment_packets, config->fragment_timeout_ns);
    if (!network->neighbours || (config->board && !network->reader) ||
        (config->fragment_packets > 0 && !network->fragments)) {
        network_destroy(network);
        return NULL;
    }
    return network;
}

void network_use_icmp_rate(struct network *network, uint32_t icmp_per_s)
{
    uint64_t echo_paid_ns = network->echo_limit.paid_until_ns;
    uint64_t error_paid_ns = network->error_limit.paid_until_ns;
    network->echo_limit = network->error_limit = rate_limit_make(icmp_per_s, ICMP_BURST);
    network->echo_limit.paid_until_ns = echo_paid_ns;
    network->error_limit.paid_until_ns = error_paid_ns;
}

void network_destroy(struct network *network)
{
    if (!network)
        return;
    for (uint32_t i = 0; i < network->port_count; i++)
        for (uint32_t packet = network->ports[i].tx_first; packet < network->ports[i].tx_end;
             packet++)
            packet_free(network->ports[i].tx[packet]);
    ip_fragments_destroy(network->fragments);
    neighbour_table_destroy(network->neighbours);
    bulletin_reader_destroy(network->reader);
    free(network);
}

/* ---- receive ---- */

uint32_t network_receive(struct network *network, uint8_t port_index, struct packet **frames,
                         uint32_t limit)
{
    ASSERT_HOT(port_index < network->port_count && limit <= NIC_BURST_MAX);
    struct network_port *port = &network->ports[port_index];
    uint32_t count = port->dispatch
                         ? dispatch_receive(port->dispatch, network->worker_index, port->queue,
                                            frames, limit, network->counters)
                         : nic_receive(port->queue, frames, limit);
    if (count > 0)
        count_many(network->counters, COUNTER_PORT_RX_PACKETS, count);
    return count;
}

bool network_has_work(const struct network *network)
{
    for (uint32_t i = 0; i < network->port_count; i++) {
        const struct network_port *port = &network->ports[i];
        if (port->tx_end > 0 ||
            (port->dispatch && dispatch_has_work(port->dispatch, network->worker_index)) ||
            (port->kernel && network->worker_index == KERNEL_PATH_OWNER &&
             kernel_path_has_work(port->kernel)))
            return true;
    }
    return false;
}

/* A frame on its way through the layers. */
struct frame {
    struct packet *packet;
    struct network_port *port;
    const uint8_t *bytes; /* of the frame */
    const uint8_t *ip;
    struct ethernet_view ethernet;
    struct ip_view view;
    uint8_t port_index;
    uint8_t ip_version;
    bool is_reassembled; /* it came in fragments */
};

/* What became of a frame: zero is "a TCP segment for the caller". */
enum verdict {
    VERDICT_SEGMENT = 0,
    VERDICT_DROPPED,  /* counted and freed */
    VERDICT_CONSUMED, /* answered: the packet is on its way out */
};

/* ---- the kernel's share ---- */

/* The frame as it came over the wire, so with the tag that the port took off. */
static void give_to_kernel(struct network *network, struct network_port *port,
                           struct packet *packet)
{
    uint16_t tag = packet_stripped_vlan(packet);
    if (tag != 0)
        ethernet_insert_vlan(packet_prepend(packet, ETHERNET_VLAN_BYTES), tag);
    packet_reset_offloads(packet);
    if (!kernel_path_give(port->kernel, network->worker_index, packet))
        network_drop(network, packet, DROP_KERNEL_REFUSED);
}

/* Nothing is wrong with the frame, it is only not for us. */
static bool is_for_kernel(const struct frame *frame, enum drop_reason why)
{
    switch (why) {
    case DROP_ETHERNET_NOT_OURS:
        if (!frame->ethernet.is_group)
            return false; /* another station's */
        break;
    case DROP_ETHERNET_TYPE_UNKNOWN:
    case DROP_VLAN_NOT_OURS:
    case DROP_IP_NOT_OURS:
    case DROP_IP_PROTOCOL_UNKNOWN:
    case DROP_ARP_NOT_OURS:
    case DROP_ICMP_UNUSED:
        break;
    default:
        return false;
    }
    /* our own address as the source: a frame of the kernel that the link brought back */
    return !ethernet_address_equal(frame->bytes + 6, frame->port->mac);
}

static NO_INLINE enum verdict drop(struct network *network, struct frame *frame,
                                   enum drop_reason why)
{
    if (frame->port->kernel && is_for_kernel(frame, why)) {
        give_to_kernel(network, frame->port, frame->packet);
        return VERDICT_CONSUMED;
    }
    network_drop(network, frame->packet, why);
    return VERDICT_DROPPED;
}

/* A message that was taken note of and needs no answer: the kernel may have waited for it as well.
 */
static enum verdict finish(struct network *network, struct frame *frame)
{
    if (frame->port->kernel)
        give_to_kernel(network, frame->port, frame->packet);
    else
        packet_free(frame->packet);
    return VERDICT_CONSUMED;
}

bool network_give_to_kernel(struct network *network, struct packet *segment, uint16_t tcp_port)
{
    struct network_port *port = &network->ports[segment->rx.port_index];
    if (port->kernel == NULL || !kernel_path_serves(port->kernel, tcp_port))
        return false;
    give_to_kernel(network, port, segment);
    return true;
}

/* Tells the own table and the other workers. */
static void learn_and_tell(struct network *network, const struct neighbour_news *news)
{
    network_learn(network, news);
    if (!network->board)
        return;
    struct network_note note = {.kind = NETWORK_NOTE_NEIGHBOUR, .neighbour = *news};
    note.neighbour.may_create = false; /* they ask for themselves when they need it */
    bulletin_post(network->board, network->worker_index, &note);
}

/* ---- ARP ---- */

static enum verdict arp_input(struct network *network, struct frame *frame)
{
    struct arp_packet arp;
    struct network_port *port = frame->port;
    enum drop_reason why = arp_parse(
        frame->ip, packet_first_bytes(frame->packet) - frame->ethernet.network_offset, &arp);
    if (why != DROP_NONE)
        return drop(network, frame, why);
    if (ipv4_is_zero(port->ipv4.address) || ethernet_address_equal(arp.sender_mac, port->mac))
        return drop(network, frame, DROP_ARP_NOT_OURS);
    if (ipv4_is_ours(&port->ipv4, arp.sender_ip)) {
        network_conflict(network, frame->port_index, 4);
        return drop(network, frame, DROP_ARP_CONFLICT);
    }

    bool is_for_us = ipv4_is_ours(&port->ipv4, arp.target_ip);
    bool is_request = be16_load(arp.operation) == ARP_REQUEST;
    if (!ipv4_is_zero(arp.sender_ip) && /* zero: RFC 5227 probe */
        ipv4_is_on_link(arp.sender_ip, port->ipv4.address, port->ipv4_prefix_bits)) {
        struct neighbour_news news = {
            .key = {.ip_version = 4, .port_index = frame->port_index},
            .is_answer = is_for_us && !is_request,
            .is_override = true,
            .may_create = is_for_us && is_request,
        };
        memcpy(news.key.ip, arp.sender_ip, 4);
        memcpy(news.mac, arp.sender_mac, 6);
        learn_and_tell(network, &news);
    }
    if (!is_for_us)
        return drop(network, frame, DROP_ARP_NOT_OURS);
    if (!is_request)
        return finish(network, frame);
    count(network->counters, COUNTER_NETWORK_ADDRESS_REPLIES);
    network_send_arp(network, frame->port_index, frame->packet, ARP_REPLY, arp.target_ip,
                     arp.sender_mac, arp.sender_ip, arp.sender_mac);
    return VERDICT_CONSUMED;
}

/* ---- neighbour discovery ---- */

static void nd_learn(struct network *network, const struct frame *frame, const uint8_t ip[16],
                     const struct nd_message *message)
{
    bool is_solicitation = message->type == ND_SOLICITATION;
    struct neighbour_news news = {
        .key = {.ip_version = 6, .port_index = frame->port_index},
        .is_answer = (message->flags & ND_FLAG_SOLICITED) != 0,
        .is_override = is_solicitation || (message->flags & ND_FLAG_OVERRIDE) != 0,
        .may_create = is_solicitation,
    };
    memcpy(news.key.ip, ip, 16);
    memcpy(news.mac, message->link_address, 6);
    learn_and_tell(network, &news);
}

static enum verdict nd_answer(struct network *network, struct frame *frame,
                              const struct nd_message *message)
{
    struct ipv6_header ip;
    uint8_t mac[6];
    memcpy(&ip, frame->ip, sizeof(ip));
    memcpy(mac, frame->bytes + 6, 6);
    bool is_check = ipv6_is_zero(ip.source); /* duplicate address detection: tell everybody */
    if (is_check) {
        memcpy(ip.source, ipv6_all_nodes, 16);
        ethernet_group_of_ipv6(ipv6_all_nodes, mac);
    } else if (message->has_link_address) {
        memcpy(mac, message->link_address, 6);
    }
    struct packet *packet = frame->packet;
    packet_trim(packet, packet_first_bytes(packet));
    nd_write(packet_append(packet, ND_MESSAGE_BYTES), ND_ADVERTISEMENT,
             (uint8_t)((is_check ? 0 : ND_FLAG_SOLICITED) |
                       (network_is_checking(network, frame->port_index) ? 0 : ND_FLAG_OVERRIDE)),
             message->target, frame->port->mac, message->target, ip.source);
    count(network->counters, COUNTER_NETWORK_ADDRESS_REPLIES);
    network_send_ipv6(network, frame->port_index, packet, message->target, ip.source, ND_HOP_LIMIT,
                      mac);
    return VERDICT_CONSUMED;
}

/* RFC 4862 5.4.3 and 5.4.4: an address that we check is somebody else's, or about to be. */
static enum verdict formed_check_input(struct network *network, struct frame *frame,
                                       const struct nd_message *message)
{
    uint8_t source[16];
    memcpy(source, frame->ip + offsetof(struct ipv6_header, source), 16);
    bool is_conflict = message->type == ND_ADVERTISEMENT || ipv6_is_zero(source);
    if (!is_conflict || ethernet_address_equal(frame->bytes + 6, frame->port->mac))
        return drop(network, frame, DROP_ARP_NOT_OURS);
    network_formed_conflict(network, frame->port_index, message->target);
    return drop(network, frame, DROP_ARP_CONFLICT);
}

static enum verdict nd_input(struct network *network, struct frame *frame, const uint8_t *bytes)
{
    struct nd_message message;
    if (frame->is_reassembled || frame->view.has_fragment_header)
        return drop(network, frame, DROP_ND_FRAGMENTED);
    enum drop_reason why = nd_parse(frame->ip, bytes, frame->view.transport_bytes, &message);
    if (why != DROP_NONE)
        return drop(network, frame, why);
    if (UNLIKELY(network_is_checking_formed(frame->port, message.target)))
        return formed_check_input(network, frame, &message);
    bool is_ours = ipv6_is_ours(message.target, &frame->port->ipv6);
    if (message.type == ND_ADVERTISEMENT) {
        if (is_ours) {
            if (!ethernet_address_equal(frame->bytes + 6, frame->port->mac))
                network_conflict(network, frame->port_index, 6);
            return drop(network, frame, DROP_ARP_CONFLICT);
        }
        if (message.has_link_address)
            nd_learn(network, frame, message.target, &message);
        return finish(network, frame);
    }
    if (!is_ours)
        return drop(network, frame, DROP_ARP_NOT_OURS);
    if (message.has_link_address) {
        uint8_t source[16];
        memcpy(source, frame->ip + offsetof(struct ipv6_header, source), 16);
        nd_learn(network, frame, source, &message);
    }
    return nd_answer(network, frame, &message);
}

static void tell_prefixes(struct network *network, uint8_t port_index,
                          const struct nd_router *router)
{
    for (uint32_t i = 0; i < router->prefix_count; i++) {
        struct network_note note = {
            .kind = NETWORK_NOTE_PREFIX,
            .prefix = {.port_index = port_index, .prefix = router->prefixes[i]}};
        network_take_prefix(network, &note.prefix);
        if (network->board)
            bulletin_post(network->board, network->worker_index, &note);
    }
}

static enum verdict router_input(struct network *network, struct frame *frame, const uint8_t *bytes)
{
    struct nd_router router;
    struct network_note note = {.kind = NETWORK_NOTE_ROUTER};
    if (!frame->port->learns_router6)
        return drop(network, frame, DROP_ICMP_UNUSED);
    if (frame->is_reassembled || frame->view.has_fragment_header)
        return drop(network, frame, DROP_ND_FRAGMENTED);
    enum drop_reason why = nd_parse_router(frame->ip, bytes, frame->view.transport_bytes, &router);
    if (why != DROP_NONE)
        return drop(network, frame, why);
    note.router.port_index = frame->port_index;
    note.router.lifetime_s = router.lifetime_s;
    note.router.mtu = router.mtu;
    memcpy(note.router.address, frame->ip + offsetof(struct ipv6_header, source), 16);
    network_take_router(network, &note.router);
    if (network->board)
        bulletin_post(network->board, network->worker_index, &note);
    if (frame->port->forms_address6)
        tell_prefixes(network, frame->port_index, &router);
    if (router.has_link_address) {
        struct neighbour_news news = {.key = {.ip_version = 6, .port_index = frame->port_index},
                                      .is_override = true};
        memcpy(news.key.ip, note.router.address, 16);
        memcpy(news.mac, router.link_address, 6);
        learn_and_tell(network, &news);
    }
    return finish(network, frame);
}

/* ---- multicast listener discovery ---- */

static enum verdict group_query_input(struct network *network, struct frame *frame,
                                      const uint8_t *bytes)
{
    struct mld_query query;
    enum drop_reason why = mld_parse_query(frame->ip, bytes, frame->view.transport_bytes, &query);
    if (why != DROP_NONE)
        return drop(network, frame, why);
    network_group_query(network, frame->port_index, &query);
    return finish(network, frame);
}

/* ---- ICMP ---- */

static enum verdict echo_input(struct network *network, struct frame *frame)
{
    if (!rate_limit_allows(&network->echo_limit, network->now_ns))
        return drop(network, frame, DROP_ICMP_RATE_LIMITED);
    struct packet *packet = frame->packet;
    struct network_port *port = frame->port;
    uint8_t peer_mac[6], peer[16], local[16] = {0};
    uint16_t length = frame->view.transport_bytes;
    if (length + (frame->ip_version == 4 ? IPV4_HEADER_BYTES : IPV6_HEADER_BYTES) > port->mtu)
        return drop(network, frame, DROP_IP_DATAGRAM_LONG); /* af_packet puts IPv4 together */
    memcpy(peer_mac, frame->bytes + 6, 6);
    if (frame->ip_version == 4) {
        memcpy(peer, frame->ip + offsetof(struct ipv4_header, source), 4);
        memcpy(local, frame->ip + offsetof(struct ipv4_header, destination), 4);
    } else {
        memcpy(peer, frame->ip + offsetof(struct ipv6_header, source), 16);
        memcpy(local, frame->ip + offsetof(struct ipv6_header, destination), 16);
        if (ipv6_is_multicast(local))
            memcpy(local, ipv6_is_link_local(peer) ? port->ipv6.link_local : port->ipv6.global, 16);
        if (ipv6_is_zero(peer))
            return drop(network, frame, DROP_IP_SOURCE_BAD);
    }
    packet_skip(packet, (uint16_t)(frame->ethernet.network_offset + frame->view.transport_offset));
    packet_trim(packet, (uint16_t)(packet_first_bytes(packet) - length));
    icmp_make_echo_reply(frame->ip_version, packet_data(packet), length, local, peer);
    count(network->counters, COUNTER_NETWORK_ECHO_REPLIES);
    if (frame->ip_version == 4)
        network_send_ipv4(network, frame->port_index, packet, local, peer, IP_PROTOCOL_ICMP,
                          peer_mac);
    else
        network_send_ipv6(network, frame->port_index, packet, local, peer, IP_TTL_DEFAULT,
                          peer_mac);
    return VERDICT_CONSUMED;
}

static bool is_our_address(const struct network_port *port, uint8_t ip_version,
                           const uint8_t address[16])
{
    if (ip_version == 4)
        return ipv4_is_ours(&port->ipv4, address);
    return ipv6_is_ours(address, &port->ipv6);
}

/* Which worker's connection it is about is unknown: everybody is told, its owner takes it. */
static enum verdict error_input(struct network *network, struct frame *frame, const uint8_t *bytes)
{
    struct icmp_error parsed;
    enum drop_reason why =
        icmp_parse_error(frame->ip_version, bytes, frame->view.transport_bytes, &parsed);
    if (why != DROP_NONE)
        return drop(network, frame, why);
    if (!is_our_address(frame->port, frame->ip_version, parsed.local))
        return drop(network, frame, DROP_IP_NOT_OURS);
    if (!rate_limit_allows(&network->error_limit, network->now_ns))
        return drop(network, frame, DROP_ICMP_RATE_LIMITED);
    struct network_note note = {
        .kind = NETWORK_NOTE_ICMP_ERROR,
        .icmp_error = {.flow = {.ip_version = frame->ip_version, .port_index = frame->port_index},
                       .local_port = parsed.local_port,
                       .remote_port = parsed.remote_port,
                       .sequence = parsed.sequence,
                       .new_mtu = parsed.new_mtu},
    };
    memcpy(note.icmp_error.flow.local, parsed.local, 16);
    memcpy(note.icmp_error.flow.remote, parsed.remote, 16);
    network_raise_icmp_error(network, &note.icmp_error);
    if (network->board)
        bulletin_post(network->board, network->worker_index, &note);
    return finish(network, frame);
}

static enum verdict icmp_input(struct network *network, struct frame *frame)
{
    enum icmp_kind kind;
    const uint8_t *bytes = frame->ip + frame->view.transport_offset;
    enum drop_reason why =
        icmp_parse(frame->ip_version, frame->ip, bytes, frame->view.transport_bytes, &kind);
    if (why != DROP_NONE)
        return drop(network, frame, why);
    switch (kind) {
    case ICMP_KIND_ECHO_REQUEST:
        return echo_input(network, frame);
    case ICMP_KIND_NEIGHBOUR:
        return nd_input(network, frame, bytes);
    case ICMP_KIND_ROUTER:
        return router_input(network, frame, bytes);
    case ICMP_KIND_GROUP_QUERY:
        return group_query_input(network, frame, bytes);
    case ICMP_KIND_ERROR:
        return error_input(network, frame, bytes);
    case ICMP_KIND_OTHER:
        break;
    }
    return drop(network, frame, DROP_ICMP_UNUSED);
}

/* ---- IP ---- */

/*
 * Fragments carry no ports: they come to whichever worker their addresses lead to, and the segment
 * made of them may be another's. Where the port chooses by ports itself nobody can say whose.
 */
static enum verdict reassembled_segment(struct network *network, struct frame *frame)
{
    struct dispatch *dispatch = frame->port->dispatch;
    if (!network->board) /* there is one worker */
        return VERDICT_SEGMENT;
    if (!dispatch || !dispatch_has_one_queue(dispatch))
        return drop(network, frame, DROP_IP_FRAGMENT_ELSEWHERE);
    bool is_gone =
        dispatch_pass_on(dispatch, network->worker_index, frame->packet, network->counters);
    return is_gone ? VERDICT_CONSUMED : VERDICT_SEGMENT;
}

/* The segment goes up: what TCP needs to know, and no padding behind it. */
static enum verdict tcp_segment(struct network *network, struct frame *frame)
{
    struct packet *packet = frame->packet;
    uint16_t network_offset = frame->ethernet.network_offset;
    uint16_t transport_offset = (uint16_t)(network_offset + frame->view.transport_offset);
    uint32_t end = (uint32_t)transport_offset + frame->view.transport_bytes;
    if (frame->ethernet.is_group)
        return drop(network, frame, DROP_ETHERNET_NOT_OURS); /* RFC 1122 3.3.6 */
    if (frame->view.transport_bytes < TCP_HEADER_BYTES)
        return drop(network, frame, DROP_TCP_MALFORMED);
    packet_trim(packet, (uint16_t)(packet_first_bytes(packet) - end));
    packet->rx.network_offset = network_offset;
    packet->rx.transport_offset = transport_offset;
    packet->rx.payload_bytes = frame->view.transport_bytes;
    packet->rx.ip_version = frame->ip_version;
    packet->rx.port_index = frame->port_index;
    return LIKELY(!frame->is_reassembled) ? VERDICT_SEGMENT : reassembled_segment(network, frame);
}

static enum verdict whole_input(struct network *network, uint8_t port_index, struct packet **packet,
                                const struct ip_fragment *where);

/* `*packet` is another one afterwards when a datagram became whole. */
static enum verdict fragment_input(struct network *network, struct frame *frame,
                                   struct packet **packet)
{
    struct ip_fragment where = {.network_offset = frame->ethernet.network_offset,
                                .header_bytes = frame->view.transport_offset,
                                .ip_version = frame->ip_version};
    if (!network->fragments || frame->is_reassembled)
        return drop(network, frame, DROP_IP_FRAGMENT);
    if (frame->ip_version == 6) {
        packet_skip(frame->packet,
                    ipv6_cut_to_fragment(packet_data(frame->packet), where.network_offset,
                                         frame->view.transport_offset));
        where.header_bytes = IPV6_HEADER_BYTES + IPV6_FRAGMENT_HEADER_BYTES;
    }
    struct packet *whole = network_reassemble(network, frame->packet, &where);
    if (!whole)
        return VERDICT_CONSUMED;
    *packet = whole;
    return whole_input(network, frame->port_index, packet, &where);
}

static void complain(struct network *network, const struct frame *frame, uint8_t type, uint8_t code,
                     uint32_t parameter)
{
    struct network_complaint complaint = {.packet = frame->packet,
                                          .network_offset = frame->ethernet.network_offset,
                                          .port_index = frame->port_index,
                                          .ip_version = frame->ip_version,
                                          .type = type,
                                          .code = code,
                                          .parameter = parameter};
    if (!frame->ethernet.is_group && !frame->port->kernel)
        network_complain(network, &complaint);
}

/* RFC 1122 3.2.2.1, RFC 4443 3.1 and 3.4: so that nobody waits for what is not there. */
static enum verdict unknown_protocol(struct network *network, struct frame *frame)
{
    bool is_udp = frame->view.protocol == IP_PROTOCOL_UDP;
    if (frame->ip_version == 4)
        complain(network, frame, ICMP4_UNREACHABLE,
                 is_udp ? ICMP4_CODE_NO_PORT : ICMP4_CODE_NO_PROTOCOL, 0);
    else if (is_udp)
        complain(network, frame, ICMP6_UNREACHABLE, ICMP6_CODE_NO_PORT, 0);
    else if (frame->view.protocol != IPV6_NO_NEXT_HEADER)
        complain(network, frame, ICMP6_PARAMETER_PROBLEM, IPV6_PROBLEM_NEXT_HEADER - 1,
                 frame->view.protocol_at);
    return drop(network, frame, DROP_IP_PROTOCOL_UNKNOWN);
}

static enum verdict ip_input(struct network *network, struct frame *frame, uint32_t length,
                             struct packet **packet)
{
    struct network_port *port = frame->port;
    enum drop_reason why;
    if (frame->ip_version == 4) {
        enum packet_checksum checksum = port->offloads & NIC_RX_CHECKSUM
                                            ? packet_ipv4_checksum(frame->packet)
                                            : PACKET_CHECKSUM_UNKNOWN;
        if (UNLIKELY(checksum == PACKET_CHECKSUM_BAD))
            return drop(network, frame, DROP_IP_CHECKSUM_BAD);
        why = ipv4_parse(frame->ip, length, &port->ipv4, checksum == PACKET_CHECKSUM_GOOD,
                         &frame->view);
    } else {
        why = ipv6_parse(frame->ip, length, &port->ipv6, &frame->view);
        if (UNLIKELY(frame->view.problem != IPV6_PROBLEM_NONE))
            complain(network, frame, ICMP6_PARAMETER_PROBLEM, (uint8_t)(frame->view.problem - 1),
                     frame->view.problem_at);
    }
    if (UNLIKELY(why == DROP_IP_FRAGMENT))
        return fragment_input(network, frame, packet);
    if (UNLIKELY(why != DROP_NONE))
        return drop(network, frame, why);
    if (LIKELY(frame->view.protocol == IP_PROTOCOL_TCP))
        return tcp_segment(network, frame);
    if (frame->view.protocol == (frame->ip_version == 4 ? IP_PROTOCOL_ICMP : IP_PROTOCOL_ICMPV6))
        return icmp_input(network, frame);
    return unknown_protocol(network, frame);
}

static enum verdict frame_input(struct network *network, uint8_t port_index,
                                struct packet **packet_in, bool is_reassembled)
{
    struct packet *packet = *packet_in;
    struct frame frame = {.packet = packet,
                          .port = &network->ports[port_index],
                          .port_index = port_index,
                          .is_reassembled = is_reassembled};
    frame.bytes = packet_data(packet);
    if (UNLIKELY(packet_is_chained(packet)) && !packet_make_linear(packet))
        return drop(network, &frame, DROP_FRAME_CHAINED);
    enum drop_reason why =
        ethernet_parse(frame.bytes, packet_first_bytes(packet), frame.port->mac, frame.port->vlan,
                       packet_stripped_vlan(packet), &frame.ethernet);
    if (UNLIKELY(why != DROP_NONE))
        return drop(network, &frame, why);
    frame.ip = frame.bytes + frame.ethernet.network_offset;
    switch (frame.ethernet.type) {
    case ETHERNET_TYPE_IPV4:
        frame.ip_version = 4;
        break;
    case ETHERNET_TYPE_IPV6:
        frame.ip_version = 6;
        break;
    case ETHERNET_TYPE_ARP:
        return arp_input(network, &frame);
    default:
        return drop(network, &frame, DROP_ETHERNET_TYPE_UNKNOWN);
    }
    return ip_input(network, &frame,
                    (uint32_t)packet_first_bytes(packet) - frame.ethernet.network_offset,
                    packet_in);
}

/* What could have come in one frame goes on as if it had: once more from the start. */
static enum verdict whole_input(struct network *network, uint8_t port_index, struct packet **packet,
                                const struct ip_fragment *where)
{
    uint32_t ip_bytes = packet_bytes(*packet) - where->network_offset;
    if (ip_bytes > network->ports[port_index].mtu || !packet_make_linear(*packet)) {
        network_echo_long(network, port_index, *packet, where->ip_version, where->network_offset);
        return VERDICT_CONSUMED;
    }
    return frame_input(network, port_index, packet, true);
}

/*
 * The usual frame, checked in one go: untagged, to our address, IPv4 without options or fragments,
 * TCP. False: it is another one or a wrong one, and frame_input looks at it step by step.
 */
static inline bool is_usual_segment(const struct network_port *port, uint8_t port_index,
                                    struct packet *packet)
{
    const uint8_t *frame = packet_data(packet);
    const uint8_t *at = frame + ETHERNET_HEADER_BYTES;
    const uint32_t headers = ETHERNET_HEADER_BYTES + IPV4_HEADER_BYTES + TCP_HEADER_BYTES;
    struct ethernet_header link;
    struct ipv4_header ip;
    if (packet_is_chained(packet) || packet_first_bytes(packet) < headers || port->vlan != 0 ||
        packet_stripped_vlan(packet) != 0)
        return false;
    memcpy(&link, frame, sizeof(link));
    memcpy(&ip, at, sizeof(ip));
    uint32_t total = be16_load(ip.total_bytes);
    bool is_usual =
        be16_load(link.type) == ETHERNET_TYPE_IPV4 && !(link.source[0] & 1) &&
        ethernet_address_equal(link.destination, port->mac) && ip.version_and_words == 0x45 &&
        ip.protocol == IP_PROTOCOL_TCP && total >= IPV4_HEADER_BYTES + TCP_HEADER_BYTES &&
        total <= packet_first_bytes(packet) - ETHERNET_HEADER_BYTES &&
        !(be16_load(ip.flags_and_offset) & IPV4_FRAGMENT_MASK) &&
        ipv4_is_ours(&port->ipv4, ip.destination) && !ipv4_is_source_bad(ip.source, &port->ipv4);
    if (!is_usual)
        return false;
    enum packet_checksum checksum = packet_ipv4_checksum(packet);
    if (checksum == PACKET_CHECKSUM_BAD ||
        (checksum == PACKET_CHECKSUM_UNKNOWN && checksum_of(at, IPV4_HEADER_BYTES) != 0))
        return false;
    packet_trim(packet, (uint16_t)(packet_first_bytes(packet) - ETHERNET_HEADER_BYTES - total));
    packet->rx.network_offset = ETHERNET_HEADER_BYTES;
    packet->rx.transport_offset = ETHERNET_HEADER_BYTES + IPV4_HEADER_BYTES;
    packet->rx.payload_bytes = (uint16_t)(total - IPV4_HEADER_BYTES);
    packet->rx.ip_version = 4;
    packet->rx.port_index = port_index;
    return true;
}

static void prefetch_frame(const struct packet *packet)
{
    prefetch_read(packet_data(packet));
    prefetch_write(&packet->rx);
}

/* The segment in the frame, or in a datagram that it completed; NULL when none goes up. */
static NO_INLINE struct packet *unusual_input(struct network *network, uint8_t port_index,
                                              struct packet *frame)
{
    return frame_input(network, port_index, &frame, false) == VERDICT_SEGMENT ? frame : NULL;
}

uint32_t network_input(struct network *network, uint8_t port_index, struct packet **frames,
                       uint32_t count, uint64_t now_ns, struct packet **segments)
{
    ASSERT_HOT(port_index < network->port_count && count <= NIC_BURST_MAX);
    const struct network_port *port = &network->ports[port_index];
    uint32_t segment_count = 0;
    network->now_ns = now_ns;
    if (UNLIKELY(capture_ring_may_be_on(network->capture)))
        network_capture(network, port_index, CAPTURE_RECEIVED, frames, count);
    for (uint32_t i = 0; i < count && i < PREFETCH_AHEAD; i++)
        prefetch_frame(frames[i]);
    for (uint32_t i = 0; i < count; i++) {
        struct packet *frame = frames[i]; /* read before `segments`, which may be the same array */
        if (i + PREFETCH_AHEAD < count)
            prefetch_frame(frames[i + PREFETCH_AHEAD]);
        if (UNLIKELY(!is_usual_segment(port, port_index, frame)))
            frame = unusual_input(network, port_index, frame);
        if (LIKELY(frame))
            segments[segment_count++] = frame;
    }
    return segment_count;
}

void network_flow_of(const struct packet *segment, struct network_flow *flow)
{
    const uint8_t *frame = packet_data(segment);
    const uint8_t *ip = frame + segment->rx.network_offset;
    *flow = (struct network_flow){.ip_version = segment->rx.ip_version,
                                  .port_index = segment->rx.port_index};
    memcpy(flow->peer_mac, frame + 6, 6);
    if (flow->ip_version == 4) {
        memcpy(flow->local, ip + offsetof(struct ipv4_header, destination), 4);
        memcpy(flow->remote, ip + offsetof(struct ipv4_header, source), 4);
    } else {
        memcpy(flow->local, ip + offsetof(struct ipv6_header, destination), 16);
        memcpy(flow->remote, ip + offsetof(struct ipv6_header, source), 16);
    }
}

uint32_t network_take_icmp_errors(struct network *network, struct network_icmp_error *out,
                                  uint32_t limit)
{
    uint32_t count = network->icmp_error_count < limit ? network->icmp_error_count : limit;
    memcpy(out, network->icmp_errors, count * sizeof(out[0]));
    network->icmp_error_count = 0;
    return count;
}
