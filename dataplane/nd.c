/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/nd.h"

#include "dataplane/checksum.h"
#include "dataplane/ethernet.h"
#include "dataplane/ipv6.h"

#define FIXED_BYTES 24u
#define OPTION_SOURCE_LINK 1u
#define OPTION_TARGET_LINK 2u
#define OPTION_PREFIX 3u
#define OPTION_MTU 5u
#define OPTION_BYTES 8u
#define OPTION_PREFIX_BYTES 32u
#define ROUTER_FIXED_BYTES 16u
#define PREFIX_ON_LINK 0x80u
#define PREFIX_AUTONOMOUS 0x40u

static void put_checksum(uint8_t *out, uint16_t bytes, const uint8_t source[16],
                         const uint8_t destination[16])
{
    uint32_t sum = checksum_pseudo_ipv6(source, destination, IP_PROTOCOL_ICMPV6);
    uint16_t checksum = checksum_finish(checksum_add(checksum_add_number(sum, bytes), out, bytes));
    memcpy(out + 2, &checksum, 2);
}

/* RFC 4861 7.1: an option of length zero makes the whole message invalid. */
static bool read_options(const uint8_t *options, uint32_t length, uint8_t wanted,
                         struct nd_message *out)
{
    uint32_t at = 0;
    while (at < length) {
        if (at + 2 > length || options[at + 1] == 0)
            return false;
        uint32_t bytes = options[at + 1] * 8u;
        if (at + bytes > length)
            return false;
        if (options[at] == wanted && bytes == OPTION_BYTES &&
            ethernet_address_is_station(options + at + 2)) {
            out->has_link_address = true;
            memcpy(out->link_address, options + at + 2, 6);
        }
        at += bytes;
    }
    return true;
}

/* RFC 4861 7.1.1: somebody checks whether the address is free (duplicate address detection). */
static bool is_address_check_valid(const struct ipv6_header *ip, const struct nd_message *message)
{
    uint8_t group[16];
    ipv6_solicited_group_of(message->target, group);
    return ipv6_equal(ip->destination, group) && !message->has_link_address;
}

enum drop_reason nd_parse(const uint8_t *ip, const uint8_t *bytes, uint32_t length,
                          struct nd_message *out)
{
    struct ipv6_header header;
    memcpy(&header, ip, sizeof(header));
    *out = (struct nd_message){0};
    if (length < FIXED_BYTES || header.hop_limit != ND_HOP_LIMIT || bytes[1] != 0)
        return DROP_ICMP_MALFORMED;
    out->type = bytes[0];
    memcpy(out->target, bytes + 8, 16);
    if (ipv6_is_multicast(out->target))
        return DROP_ICMP_MALFORMED;
    bool is_solicitation = out->type == ND_SOLICITATION;
    if (!read_options(bytes + FIXED_BYTES, length - FIXED_BYTES,
                      is_solicitation ? OPTION_SOURCE_LINK : OPTION_TARGET_LINK, out))
        return DROP_ICMP_MALFORMED;
    if (is_solicitation) {
        if (ipv6_is_zero(header.source) && !is_address_check_valid(&header, out))
            return DROP_ICMP_MALFORMED;
        return DROP_NONE;
    }
    out->flags = bytes[4] & (ND_FLAG_SOLICITED | ND_FLAG_OVERRIDE);
    if (ipv6_is_multicast(header.destination) && (out->flags & ND_FLAG_SOLICITED))
        return DROP_ICMP_MALFORMED;
    return DROP_NONE;
}

void nd_write(uint8_t *out, uint8_t type, uint8_t flags, const uint8_t target[16],
              const uint8_t link_address[6], const uint8_t source[16],
              const uint8_t destination[16])
{
    memset(out, 0, ND_MESSAGE_BYTES);
    out[0] = type;
    out[4] = flags;
    memcpy(out + 8, target, 16);
    out[FIXED_BYTES] = type == ND_SOLICITATION ? OPTION_SOURCE_LINK : OPTION_TARGET_LINK;
    out[FIXED_BYTES + 1] = 1; /* in units of 8 bytes */
    memcpy(out + FIXED_BYTES + 2, link_address, 6);
    put_checksum(out, ND_MESSAGE_BYTES, source, destination);
}

void nd_write_address_check(uint8_t *out, const uint8_t target[16], const uint8_t group[16])
{
    static const uint8_t nobody[16];
    memset(out, 0, ND_ADDRESS_CHECK_BYTES);
    out[0] = ND_SOLICITATION;
    memcpy(out + 8, target, 16);
    put_checksum(out, ND_ADDRESS_CHECK_BYTES, nobody, group);
}

/* ---- routers ---- */

static void read_prefix(const uint8_t *option, struct nd_router *out)
{
    be32_t valid, preferred;
    if (!(option[3] & PREFIX_AUTONOMOUS) || out->prefix_count == ND_PREFIXES_MAX)
        return;
    struct nd_prefix *prefix = &out->prefixes[out->prefix_count++];
    prefix->bits = option[2];
    prefix->is_on_link = option[3] & PREFIX_ON_LINK;
    memcpy(&valid, option + 4, 4);
    memcpy(&preferred, option + 8, 4);
    prefix->valid_s = be32_load(valid);
    prefix->preferred_s = be32_load(preferred);
    memcpy(prefix->prefix, option + 16, 16);
}

static void read_router_option(const uint8_t *option, uint32_t bytes, struct nd_router *out)
{
    if (option[0] == OPTION_SOURCE_LINK && bytes == OPTION_BYTES &&
        ethernet_address_is_station(option + 2)) {
        out->has_link_address = true;
        memcpy(out->link_address, option + 2, 6);
    } else if (option[0] == OPTION_MTU && bytes == OPTION_BYTES) {
        be32_t mtu;
        memcpy(&mtu, option + 4, 4);
        out->mtu = (uint16_t)(be32_load(mtu) > UINT16_MAX ? UINT16_MAX : be32_load(mtu));
    } else if (option[0] == OPTION_PREFIX && bytes == OPTION_PREFIX_BYTES) {
        read_prefix(option, out);
    }
}

enum drop_reason nd_parse_router(const uint8_t *ip, const uint8_t *bytes, uint32_t length,
                                 struct nd_router *out)
{
    struct ipv6_header header;
    be16_t lifetime;
    memcpy(&header, ip, sizeof(header));
    *out = (struct nd_router){0};
    /* RFC 4861 6.1.2 */
    if (length < ROUTER_FIXED_BYTES || header.hop_limit != ND_HOP_LIMIT || bytes[1] != 0 ||
        !ipv6_is_link_local(header.source))
        return DROP_ICMP_MALFORMED;
    memcpy(&lifetime, bytes + 6, 2);
    out->lifetime_s = be16_load(lifetime);
    for (uint32_t at = ROUTER_FIXED_BYTES; at < length;) {
        if (at + 2 > length || bytes[at + 1] == 0 || at + bytes[at + 1] * 8u > length)
            return DROP_ICMP_MALFORMED;
        read_router_option(bytes + at, bytes[at + 1] * 8u, out);
        at += bytes[at + 1] * 8u;
    }
    return DROP_NONE;
}

void nd_write_router_solicitation(uint8_t *out, const uint8_t link_address[6],
                                  const uint8_t source[16], const uint8_t destination[16])
{
    memset(out, 0, ND_ROUTER_SOLICITATION_BYTES);
    out[0] = ND_ROUTER_SOLICITATION;
    out[8] = OPTION_SOURCE_LINK;
    out[9] = 1;
    memcpy(out + 10, link_address, 6);
    put_checksum(out, ND_ROUTER_SOLICITATION_BYTES, source, destination);
}
