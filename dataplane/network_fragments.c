/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fragments in and out of the network layer. A datagram that could have come in one frame goes on
 * as if it had; of longer ones only an echo request is of use, and its reply leaves in the same
 * pieces.
 */
#include <string.h>

#include "dataplane/checksum.h"
#include "dataplane/ethernet.h"
#include "dataplane/icmp.h"
#include "dataplane/ip_fragments.h"
#include "dataplane/network_state.h"
#include "dataplane/packet_build.h"
#include "include/assert_policy.h"

#define IPV4_MORE_FRAGMENTS 0x2000u

struct packet *network_reassemble(struct network *network, struct packet *packet,
                                  const struct ip_fragment *where)
{
    struct ip_fragments_result result =
        ip_fragments_take(network->fragments, packet, where, network->now_ns);
    counter_bump(&network->counters->drops[result.why], result.refused_count);
    counter_bump(&network->counters->drops[DROP_IP_FRAGMENT_EXPIRED], result.expired_count);
    if (result.whole)
        count(network->counters, COUNTER_NETWORK_DATAGRAMS_REASSEMBLED);
    return result.whole;
}

void network_expire_fragments(struct network *network)
{
    if (network->fragments)
        counter_bump(&network->counters->drops[DROP_IP_FRAGMENT_EXPIRED],
                     ip_fragments_expire(network->fragments, network->now_ns));
}

/* ---- echo of what does not fit one buffer ---- */

/* A long datagram: its first piece has the headers, the others are payload alone. */
struct long_echo {
    struct network_port *port;
    struct ip_view view;
    uint16_t network_offset;
    uint8_t port_index;
    uint8_t ip_version;
    uint8_t local[16], remote[16]; /* the reply's source and destination */
    uint8_t mac[6];
};

/* False: not an echo request to us alone. Looks at the first piece only. */
static bool read_request(struct long_echo *echo, const struct packet *whole)
{
    const uint8_t *ip = packet_data(whole) + echo->network_offset;
    uint32_t length = packet_bytes(whole) - echo->network_offset;
    memcpy(echo->mac, packet_data(whole) + 6, 6);
    if (echo->ip_version == 4) {
        if (ipv4_parse(ip, length, &echo->port->ipv4, true, &echo->view) != DROP_NONE ||
            echo->view.protocol != IP_PROTOCOL_ICMP)
            return false;
        memcpy(echo->remote, ip + offsetof(struct ipv4_header, source), 4);
        memcpy(echo->local, ip + offsetof(struct ipv4_header, destination), 4);
    } else {
        /* further headers could reach into the next piece, which the parser does not see */
        if (ip[offsetof(struct ipv6_header, next_header)] != IP_PROTOCOL_ICMPV6 ||
            ipv6_parse(ip, length, &echo->port->ipv6, &echo->view) != DROP_NONE)
            return false;
        memcpy(echo->remote, ip + offsetof(struct ipv6_header, source), 16);
        memcpy(echo->local, ip + offsetof(struct ipv6_header, destination), 16);
        if (ipv6_is_multicast(echo->local) || ipv6_is_zero(echo->remote))
            return false;
    }
    uint32_t headers = (uint32_t)echo->network_offset + echo->view.transport_offset;
    return packet_first_bytes(whole) >= headers + ICMP_HEADER_BYTES &&
           icmp_is_echo_request(echo->ip_version, packet_data(whole) + headers);
}

/* Every piece but the last is a multiple of 8 bytes: the sum goes on from one to the next. */
static bool is_checksum_good(const struct long_echo *echo, const struct packet *whole)
{
    uint32_t skipped = (uint32_t)echo->network_offset + echo->view.transport_offset;
    uint32_t sum = 0;
    if (echo->ip_version == 6) {
        sum = checksum_pseudo_ipv6(echo->remote, echo->local, IP_PROTOCOL_ICMPV6);
        sum = checksum_add_number(sum, echo->view.transport_bytes);
    }
    for (const struct packet *piece = whole; piece; piece = packet_chain_next(piece)) {
        sum = checksum_add(sum, packet_data(piece) + skipped, packet_first_bytes(piece) - skipped);
        skipped = 0;
    }
    return checksum_finish(sum) == 0;
}

static bool do_pieces_fit(const struct long_echo *echo, const struct packet *whole)
{
    uint32_t headers =
        echo->ip_version == 4 ? IPV4_HEADER_BYTES : IPV6_HEADER_BYTES + IPV6_FRAGMENT_HEADER_BYTES;
    for (const struct packet *piece = packet_chain_next(whole); piece;
         piece = packet_chain_next(piece))
        if (packet_first_bytes(piece) + headers > echo->port->mtu)
            return false;
    return packet_first_bytes(whole) - echo->network_offset - echo->view.transport_offset +
               headers <=
           echo->port->mtu;
}

static void put_ipv4_fragment(const struct long_echo *echo, struct packet *piece, uint32_t id,
                              uint32_t offset, bool has_more)
{
    uint8_t *header = packet_prepend(piece, IPV4_HEADER_BYTES);
    be16_t identification = be16_make((uint16_t)id);
    be16_t field = be16_make((uint16_t)(offset / 8 | (has_more ? IPV4_MORE_FRAGMENTS : 0)));
    ipv4_write(header, echo->local, echo->remote, IP_PROTOCOL_ICMP);
    memcpy(header + offsetof(struct ipv4_header, identification), &identification, 2);
    memcpy(header + offsetof(struct ipv4_header, flags_and_offset), &field, 2);
    ipv4_finish(header, packet_first_bytes(piece));
}

static void put_ipv6_fragment(const struct long_echo *echo, struct packet *piece, uint32_t id,
                              uint32_t offset, bool has_more)
{
    uint8_t *header = packet_prepend(piece, IPV6_FRAGMENT_HEADER_BYTES);
    ipv6_write_fragment(header, IP_PROTOCOL_ICMPV6, (uint16_t)offset, has_more, id);
    uint16_t payload_bytes = packet_first_bytes(piece);
    header = packet_prepend(piece, IPV6_HEADER_BYTES);
    ipv6_write(header, echo->local, echo->remote, IPV6_FRAGMENT, IP_TTL_DEFAULT);
    ipv6_finish(header, payload_bytes);
}

static void send_pieces(struct network *network, const struct long_echo *echo,
                        struct packet *packet)
{
    uint32_t offset = 0;
    uint32_t id = network->fragment_id++;
    while (packet) {
        struct packet *rest = packet_chain_cut(packet);
        uint32_t bytes = packet_first_bytes(packet);
        if (echo->ip_version == 4)
            put_ipv4_fragment(echo, packet, id, offset, rest != NULL);
        else
            put_ipv6_fragment(echo, packet, id, offset, rest != NULL);
        network_send_frame(network, echo->port_index, packet,
                           echo->ip_version == 4 ? ETHERNET_TYPE_IPV4 : ETHERNET_TYPE_IPV6,
                           echo->mac);
        offset += bytes;
        packet = rest;
    }
}

void network_echo_long(struct network *network, uint8_t port_index, struct packet *whole,
                       uint8_t ip_version, uint16_t network_offset)
{
    struct long_echo echo = {.port = &network->ports[port_index],
                             .network_offset = network_offset,
                             .port_index = port_index,
                             .ip_version = ip_version};
    if (!read_request(&echo, whole) || !do_pieces_fit(&echo, whole)) {
        network_drop(network, whole, DROP_IP_DATAGRAM_LONG);
        return;
    }
    if (!is_checksum_good(&echo, whole)) {
        network_drop(network, whole, DROP_ICMP_MALFORMED);
        return;
    }
    if (!rate_limit_allows(&network->echo_limit, network->now_ns)) {
        network_drop(network, whole, DROP_ICMP_RATE_LIMITED);
        return;
    }
    packet_skip(whole, (uint16_t)(network_offset + echo.view.transport_offset));
    icmp_turn_echo(ip_version, packet_data(whole)); /* the addresses change places: the same sum */
    count(network->counters, COUNTER_NETWORK_ECHO_REPLIES);
    send_pieces(network, &echo, whole);
}
