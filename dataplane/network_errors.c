/* SPDX-License-Identifier: BSD-3-Clause */
/* ICMP errors that we send: about packets that were to us and that we have no use for. */
#include <string.h>

#include "dataplane/icmp.h"
#include "dataplane/network_state.h"
#include "include/counters.h"

#define IPV4_QUOTED_BYTES_MAX 548u /* RFC 1812 4.3.2.3: the error fits 576 bytes */
#define IPV6_QUOTED_BYTES_MAX (IPV6_MTU_MIN - IPV6_HEADER_BYTES - ICMP_HEADER_BYTES)

/* Of the packet complained about; its answer goes the other way. */
struct ends {
    uint8_t local[16], remote[16];
};

static struct ends ends_of(uint8_t ip_version, const uint8_t *ip)
{
    struct ends ends = {0};
    if (ip_version == 4) {
        memcpy(ends.remote, ip + offsetof(struct ipv4_header, source), 4);
        memcpy(ends.local, ip + offsetof(struct ipv4_header, destination), 4);
    } else {
        memcpy(ends.remote, ip + offsetof(struct ipv6_header, source), 16);
        memcpy(ends.local, ip + offsetof(struct ipv6_header, destination), 16);
    }
    return ends;
}

/* RFC 4443 2.4 (e): never to a group or to nobody; RFC 1122 3.2.2: only about first fragments. */
static bool is_answerable(uint8_t ip_version, const struct ends *ends)
{
    return ip_version == 4 || (!ipv6_is_zero(ends->remote) && !ipv6_is_multicast(ends->local));
}

void network_complain(struct network *network, const struct network_complaint *complaint)
{
    const uint8_t *frame = packet_data(complaint->packet);
    const uint8_t *ip = frame + complaint->network_offset;
    bool is_ipv4 = complaint->ip_version == 4;
    uint32_t quoted = packet_first_bytes(complaint->packet) - complaint->network_offset;
    uint32_t most = is_ipv4 ? IPV4_QUOTED_BYTES_MAX : IPV6_QUOTED_BYTES_MAX;
    struct ends ends = ends_of(complaint->ip_version, ip);
    if (!is_answerable(complaint->ip_version, &ends) ||
        !rate_limit_allows(&network->error_limit, network->now_ns))
        return;
    struct packet *packet = network_own_packet(network);
    if (!packet)
        return;
    if (quoted > most)
        quoted = most;
    uint8_t *out = packet_append(packet, (uint16_t)(ICMP_HEADER_BYTES + quoted));
    memcpy(out + ICMP_HEADER_BYTES, ip, quoted);
    icmp_write_error(complaint->ip_version, out, complaint->type, complaint->code,
                     complaint->parameter, (uint16_t)quoted, ends.local, ends.remote);
    count(network->counters, COUNTER_NETWORK_ERRORS_SENT);
    if (is_ipv4)
        network_send_ipv4(network, complaint->port_index, packet, ends.local, ends.remote,
                          IP_PROTOCOL_ICMP, frame + 6);
    else
        network_send_ipv6(network, complaint->port_index, packet, ends.local, ends.remote,
                          IP_TTL_DEFAULT, frame + 6);
}
