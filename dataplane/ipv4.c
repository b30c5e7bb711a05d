/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/ipv4.h"

#include "dataplane/checksum.h"

enum drop_reason ipv4_parse(const uint8_t *bytes, uint32_t length,
                            const struct ipv4_addresses *addresses, bool is_checksum_verified,
                            struct ip_view *view)
{
    if (length < IPV4_HEADER_BYTES)
        return DROP_IP_MALFORMED;
    struct ipv4_header header;
    memcpy(&header, bytes, sizeof(header));
    uint16_t header_bytes = (uint16_t)((header.version_and_words & 0x0f) * 4);
    uint16_t total_bytes = be16_load(header.total_bytes);
    if (header.version_and_words >> 4 != 4 || header_bytes < IPV4_HEADER_BYTES ||
        total_bytes < header_bytes || total_bytes > length)
        return DROP_IP_MALFORMED;
    if (!is_checksum_verified && checksum_of(bytes, header_bytes) != 0)
        return DROP_IP_CHECKSUM_BAD;
    if (!ipv4_is_ours(addresses, header.destination))
        return DROP_IP_NOT_OURS;
    if (ipv4_is_source_bad(header.source, addresses))
        return DROP_IP_SOURCE_BAD;
    view->transport_offset = header_bytes;
    view->transport_bytes = (uint16_t)(total_bytes - header_bytes);
    view->protocol = header.protocol;
    view->hop_limit = header.ttl;
    return be16_load(header.flags_and_offset) & IPV4_FRAGMENT_MASK ? DROP_IP_FRAGMENT : DROP_NONE;
}

void ipv4_write(uint8_t *out, const uint8_t source[4], const uint8_t destination[4],
                uint8_t protocol)
{
    struct ipv4_header header = {
        .version_and_words = 0x45,
        .flags_and_offset = be16_make(IPV4_DONT_FRAGMENT),
        .ttl = IP_TTL_DEFAULT,
        .protocol = protocol,
    };
    memcpy(header.source, source, 4);
    memcpy(header.destination, destination, 4);
    memcpy(out, &header, sizeof(header));
}

void ipv4_finish(uint8_t *header, uint16_t total_bytes)
{
    be16_t wire = be16_make(total_bytes);
    uint16_t zero = 0;
    memcpy(header + offsetof(struct ipv4_header, total_bytes), &wire, 2);
    memcpy(header + offsetof(struct ipv4_header, checksum), &zero, 2);
    uint16_t checksum = checksum_of(header, IPV4_HEADER_BYTES);
    memcpy(header + offsetof(struct ipv4_header, checksum), &checksum, 2);
}

static uint32_t host_bits(uint8_t prefix_bits)
{
    return prefix_bits >= 32 ? 0 : UINT32_MAX >> prefix_bits;
}

bool ipv4_is_on_link(const uint8_t a[4], const uint8_t b[4], uint8_t prefix_bits)
{
    be32_t left, right;
    memcpy(&left, a, 4);
    memcpy(&right, b, 4);
    return ((be32_load(left) ^ be32_load(right)) & ~host_bits(prefix_bits)) == 0;
}

void ipv4_broadcast_of(const uint8_t address[4], uint8_t prefix_bits, uint8_t out[4])
{
    be32_t wire;
    memcpy(&wire, address, 4);
    /* a /31 or /32 has no broadcast address (RFC 3021) */
    uint32_t broadcast = prefix_bits >= 31 ? UINT32_MAX : be32_load(wire) | host_bits(prefix_bits);
    wire = be32_make(broadcast);
    memcpy(out, &wire, 4);
}
