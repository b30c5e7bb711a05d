/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/icmp.h"

#include <string.h>

#include "dataplane/checksum.h"
#include "dataplane/ipv4.h"
#include "dataplane/ipv6.h"
#include "dataplane/mld.h"
#include "dataplane/nd.h"

#define EMBEDDED_TCP_BYTES 8u /* all that RFC 792 promises: ports and sequence number */
#define IPV4_MTU_MIN 68u      /* RFC 791 */

static enum icmp_kind kind_of(uint8_t ip_version, uint8_t type)
{
    if (ip_version == 4) {
        if (type == ICMP4_ECHO_REQUEST)
            return ICMP_KIND_ECHO_REQUEST;
        return type == ICMP4_UNREACHABLE ? ICMP_KIND_ERROR : ICMP_KIND_OTHER;
    }
    switch (type) {
    case ICMP6_ECHO_REQUEST:
        return ICMP_KIND_ECHO_REQUEST;
    case ICMP6_UNREACHABLE:
    case ICMP6_TOO_BIG:
        return ICMP_KIND_ERROR;
    case MLD_QUERY:
        return ICMP_KIND_GROUP_QUERY;
    case ND_ROUTER_ADVERTISEMENT:
        return ICMP_KIND_ROUTER;
    case ND_SOLICITATION:
    case ND_ADVERTISEMENT:
        return ICMP_KIND_NEIGHBOUR;
    default:
        return ICMP_KIND_OTHER;
    }
}

enum drop_reason icmp_parse(uint8_t ip_version, const uint8_t *ip, const uint8_t *bytes,
                            uint16_t length, enum icmp_kind *kind)
{
    if (length < ICMP_HEADER_BYTES)
        return DROP_ICMP_MALFORMED;
    uint32_t sum = 0;
    if (ip_version == 6) {
        sum = checksum_pseudo_ipv6(ip + offsetof(struct ipv6_header, source),
                                   ip + offsetof(struct ipv6_header, destination),
                                   IP_PROTOCOL_ICMPV6);
        sum = checksum_add_number(sum, length);
    }
    if (checksum_finish(checksum_add(sum, bytes, length)) != 0)
        return DROP_ICMP_MALFORMED;
    *kind = kind_of(ip_version, bytes[0]);
    return DROP_NONE;
}

bool icmp_is_echo_request(uint8_t ip_version, const uint8_t *bytes)
{
    return bytes[0] == (ip_version == 4 ? ICMP4_ECHO_REQUEST : ICMP6_ECHO_REQUEST);
}

void icmp_turn_echo(uint8_t ip_version, uint8_t *bytes)
{
    uint16_t before, after, checksum;
    memcpy(&before, bytes, 2);
    bytes[0] = ip_version == 4 ? ICMP4_ECHO_REPLY : ICMP6_ECHO_REPLY;
    memcpy(&after, bytes, 2);
    memcpy(&checksum, bytes + 2, 2);
    checksum = checksum_update(checksum, before, after);
    memcpy(bytes + 2, &checksum, 2);
}

void icmp_make_echo_reply(uint8_t ip_version, uint8_t *bytes, uint16_t length,
                          const uint8_t source[16], const uint8_t destination[16])
{
    icmp_turn_echo(ip_version, bytes);
    if (ip_version == 4)
        return;
    /* a request to a group is answered from another address than it was sent to */
    memset(bytes + 2, 0, 2);
    uint32_t sum = checksum_pseudo_ipv6(source, destination, IP_PROTOCOL_ICMPV6);
    uint16_t checksum =
        checksum_finish(checksum_add(checksum_add_number(sum, length), bytes, length));
    memcpy(bytes + 2, &checksum, 2);
}

void icmp_write_error(uint8_t ip_version, uint8_t *out, uint8_t type, uint8_t code,
                      uint32_t parameter, uint16_t quoted_bytes, const uint8_t source[16],
                      const uint8_t destination[16])
{
    be32_t wire = be32_make(parameter);
    uint16_t length = (uint16_t)(ICMP_HEADER_BYTES + quoted_bytes);
    uint32_t sum = 0;
    out[0] = type;
    out[1] = code;
    memset(out + 2, 0, 2);
    memcpy(out + 4, &wire, 4);
    if (ip_version == 6) {
        sum = checksum_pseudo_ipv6(source, destination, IP_PROTOCOL_ICMPV6);
        sum = checksum_add_number(sum, length);
    }
    uint16_t checksum = checksum_finish(checksum_add(sum, out, length));
    memcpy(out + 2, &checksum, 2);
}

/* RFC 1191 section 7: routers that name no MTU; the next common value below what was too big. */
static uint16_t plateau_below(uint16_t total_bytes)
{
    static const uint16_t plateaus[] = {8166, 4352, 2002, 1492, 1006, 508, 296, IPV4_MTU_MIN};
    for (size_t i = 0; i < ARRAY_COUNT(plateaus); i++)
        if (plateaus[i] < total_bytes)
            return plateaus[i];
    return IPV4_MTU_MIN;
}

static void read_ports(const uint8_t *tcp, struct icmp_error *out)
{
    be16_t source, destination;
    be32_t sequence;
    memcpy(&source, tcp, 2);
    memcpy(&destination, tcp + 2, 2);
    memcpy(&sequence, tcp + 4, 4);
    out->local_port = be16_load(source);
    out->remote_port = be16_load(destination);
    out->sequence = be32_load(sequence);
}

static enum drop_reason parse_error_ipv4(const uint8_t *bytes, uint16_t length,
                                         struct icmp_error *out)
{
    struct ipv4_header header;
    if (length < ICMP_HEADER_BYTES + IPV4_HEADER_BYTES)
        return DROP_ICMP_MALFORMED;
    const uint8_t *embedded = bytes + ICMP_HEADER_BYTES;
    memcpy(&header, embedded, sizeof(header));
    uint32_t header_bytes = (header.version_and_words & 0x0fu) * 4u;
    if (header.version_and_words >> 4 != 4 || header_bytes < IPV4_HEADER_BYTES)
        return DROP_ICMP_MALFORMED;
    if (header.protocol != IP_PROTOCOL_TCP)
        return DROP_ICMP_UNUSED;
    if (length < ICMP_HEADER_BYTES + header_bytes + EMBEDDED_TCP_BYTES)
        return DROP_ICMP_MALFORMED;
    memcpy(out->local, header.source, 4);
    memcpy(out->remote, header.destination, 4);
    read_ports(embedded + header_bytes, out);
    if (bytes[1] == ICMP4_CODE_TOO_BIG) {
        be16_t mtu;
        memcpy(&mtu, bytes + 6, 2);
        out->new_mtu = be16_load(mtu);
        if (out->new_mtu == 0)
            out->new_mtu = plateau_below(be16_load(header.total_bytes));
        if (out->new_mtu < IPV4_MTU_MIN)
            return DROP_ICMP_MALFORMED;
    }
    return DROP_NONE;
}

static enum drop_reason parse_error_ipv6(const uint8_t *bytes, uint16_t length,
                                         struct icmp_error *out)
{
    struct ipv6_header header;
    /* our segments carry no extension headers: TCP follows at once */
    if (length < ICMP_HEADER_BYTES + IPV6_HEADER_BYTES + EMBEDDED_TCP_BYTES)
        return DROP_ICMP_MALFORMED;
    const uint8_t *embedded = bytes + ICMP_HEADER_BYTES;
    memcpy(&header, embedded, sizeof(header));
    if (embedded[0] >> 4 != 6)
        return DROP_ICMP_MALFORMED;
    if (header.next_header != IP_PROTOCOL_TCP)
        return DROP_ICMP_UNUSED;
    memcpy(out->local, header.source, 16);
    memcpy(out->remote, header.destination, 16);
    read_ports(embedded + IPV6_HEADER_BYTES, out);
    if (bytes[0] == ICMP6_TOO_BIG) {
        be32_t mtu;
        memcpy(&mtu, bytes + 4, 4);
        uint32_t value = be32_load(mtu);
        if (value <
            IPV6_MTU_MIN) /* RFC 8201 4: must not go below it, and fragments are not needed */
            return DROP_ICMP_MALFORMED;
        out->new_mtu = (uint16_t)(value > UINT16_MAX ? UINT16_MAX : value);
    }
    return DROP_NONE;
}

enum drop_reason icmp_parse_error(uint8_t ip_version, const uint8_t *bytes, uint16_t length,
                                  struct icmp_error *out)
{
    *out = (struct icmp_error){0};
    return ip_version == 4 ? parse_error_ipv4(bytes, length, out)
                           : parse_error_ipv6(bytes, length, out);
}
