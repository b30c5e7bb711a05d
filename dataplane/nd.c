/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/nd.h"

#include "dataplane/checksum.h"
#include "dataplane/ethernet.h"
#include "dataplane/ipv6.h"

#define FIXED_BYTES 24u
#define OPTION_SOURCE_LINK 1u
#define OPTION_TARGET_LINK 2u
#define OPTION_BYTES 8u

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
    uint32_t sum = checksum_pseudo_ipv6(source, destination, IP_PROTOCOL_ICMPV6);
    sum = checksum_add_number(sum, ND_MESSAGE_BYTES);
    uint16_t checksum = checksum_finish(checksum_add(sum, out, ND_MESSAGE_BYTES));
    memcpy(out + 2, &checksum, 2);
}
