/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/frame_filter.h"

#include <string.h>

#include "dataplane/ethernet.h"
#include "dataplane/ipv4.h"
#include "dataplane/ipv6.h"
#include "include/byte_order.h"

#define ARP_BYTES 28u

/* What a filter asks about, as far as the frame has it. */
struct frame_view {
    const uint8_t *source, *destination; /* 4 or 16 bytes; NULL: it has no addresses */
    const uint8_t *ports;                /* source and destination; NULL: it has none */
    uint16_t protocol;
    uint8_t ip_version;
};

static uint16_t read16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static void see_ports(struct frame_view *view, const uint8_t *at, uint32_t left)
{
    if (left >= 4 && (view->protocol == IP_PROTOCOL_TCP || view->protocol == IP_PROTOCOL_UDP))
        view->ports = at;
}

static void see_ipv4(struct frame_view *view, const uint8_t *at, uint32_t left)
{
    uint32_t header_bytes = left > 0 ? (at[0] & 15u) * 4u : 0;
    if (left < IPV4_HEADER_BYTES || header_bytes < IPV4_HEADER_BYTES)
        return;
    view->ip_version = 4;
    view->protocol = at[9];
    view->source = at + 12;
    view->destination = at + 16;
    bool is_later_fragment = (read16(at + 6) & 0x1fff) != 0;
    if (!is_later_fragment && left > header_bytes)
        see_ports(view, at + header_bytes, left - header_bytes);
}

/* Ports behind extension headers are not looked for. */
static void see_ipv6(struct frame_view *view, const uint8_t *at, uint32_t left)
{
    if (left < IPV6_HEADER_BYTES)
        return;
    view->ip_version = 6;
    view->protocol = at[6];
    view->source = at + 8;
    view->destination = at + 24;
    see_ports(view, at + IPV6_HEADER_BYTES, left - IPV6_HEADER_BYTES);
}

static void see_arp(struct frame_view *view, const uint8_t *at, uint32_t left)
{
    if (left < ARP_BYTES)
        return;
    view->ip_version = 4;
    view->protocol = CAPTURE_PROTOCOL_ARP;
    view->source = at + 14;
    view->destination = at + 24;
}

static void see(struct frame_view *view, const uint8_t *bytes, uint32_t left)
{
    uint32_t offset = ETHERNET_HEADER_BYTES;
    if (left < offset)
        return;
    uint16_t type = read16(bytes + 12);
    if (type == ETHERNET_TYPE_VLAN && left >= offset + ETHERNET_VLAN_BYTES) {
        type = read16(bytes + 16);
        offset += ETHERNET_VLAN_BYTES;
    }
    if (type == ETHERNET_TYPE_IPV4)
        see_ipv4(view, bytes + offset, left - offset);
    else if (type == ETHERNET_TYPE_IPV6)
        see_ipv6(view, bytes + offset, left - offset);
    else if (type == ETHERNET_TYPE_ARP)
        see_arp(view, bytes + offset, left - offset);
}

static bool is_in_prefix(const uint8_t *address, const uint8_t *prefix, uint32_t bits)
{
    uint32_t whole = bits / 8, rest = bits % 8;
    return memcmp(address, prefix, whole) == 0 &&
           (rest == 0 || (address[whole] ^ prefix[whole]) >> (8 - rest) == 0);
}

static bool is_client(const struct capture_filter *filter, const struct frame_view *view,
                      enum capture_direction direction)
{
    const uint8_t *client = direction == CAPTURE_RECEIVED ? view->source : view->destination;
    return view->ip_version == filter->ip_version &&
           is_in_prefix(client, filter->address, filter->prefix_bits);
}

static bool is_protocol(uint16_t wanted, uint16_t protocol)
{
    if (wanted == IP_PROTOCOL_ICMP && protocol == IP_PROTOCOL_ICMPV6)
        return true;
    return wanted == protocol;
}

bool frame_filter_wants(const struct capture_filter *filter, enum capture_direction direction,
                        const uint8_t *bytes, uint32_t byte_count)
{
    struct frame_view view = {0};
    if (!(filter->directions & direction))
        return false;
    see(&view, bytes, byte_count);
    if (filter->protocol != 0 && !is_protocol(filter->protocol, view.protocol))
        return false;
    if (filter->ip_version != 0 && !is_client(filter, &view, direction))
        return false;
    return filter->port == 0 || (view.ports && (read16(view.ports) == filter->port ||
                                                read16(view.ports + 2) == filter->port));
}
