/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ethernet.h - Ethernet and VLAN headers: parsing and writing.
 *
 * Purpose:   tells what a frame carries and whether it is for us.
 * Ownership: none: works on bytes.
 * Threading: any.
 * Units:     bytes.
 * Errors:    ethernet_parse returns the drop reason; DROP_NONE is success.
 * Source:    RFC 894, RFC 2464 section 7 (IPv6 groups), IEEE 802.1Q.
 */
#ifndef GANNET_ETHERNET_H
#define GANNET_ETHERNET_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "include/byte_order.h"
#include "include/counters.h"

#define ETHERNET_HEADER_BYTES 14u
#define ETHERNET_VLAN_BYTES 4u
#define ETHERNET_TYPE_IPV4 0x0800u
#define ETHERNET_TYPE_ARP 0x0806u
#define ETHERNET_TYPE_VLAN 0x8100u
#define ETHERNET_TYPE_IPV6 0x86ddu
#define ETHERNET_VLAN_ID_MASK 0x0fffu

struct ethernet_header {
    uint8_t destination[6];
    uint8_t source[6];
    be16_t type;
};
static_assert(sizeof(struct ethernet_header) == ETHERNET_HEADER_BYTES, "wire format");

struct ethernet_view {
    uint16_t type;           /* behind the VLAN tag */
    uint16_t network_offset; /* 14 or 18 */
    bool is_group;           /* sent to broadcast or multicast */
};

extern const uint8_t ethernet_broadcast[6];

static inline bool ethernet_address_equal(const uint8_t a[6], const uint8_t b[6])
{
    return memcmp(a, b, 6) == 0;
}

static inline bool ethernet_address_is_zero(const uint8_t address[6])
{
    uint32_t high;
    uint16_t low;
    memcpy(&high, address, 4);
    memcpy(&low, address + 4, 2);
    return (high | low) == 0;
}

/* An address a single station may have. */
static inline bool ethernet_address_is_station(const uint8_t address[6])
{
    return (address[0] & 1) == 0 && !ethernet_address_is_zero(address);
}

/* The group an IPv6 multicast address is sent to: 33:33 and its last four bytes. */
static inline void ethernet_group_of_ipv6(const uint8_t group[16], uint8_t out[6])
{
    out[0] = out[1] = 0x33;
    memcpy(out + 2, group + 12, 4);
}

/*
 * `vlan` is the one we serve, 0 for untagged frames (priority tags are accepted there);
 * `stripped_vlan` is the tag the port has taken off already, 0 for none.
 */
enum drop_reason ethernet_parse(const uint8_t *frame, uint32_t length, const uint8_t mac[6],
                                uint16_t vlan, uint16_t stripped_vlan, struct ethernet_view *view);

/* Puts a tag into a frame in front of which there are 4 bytes of room, at `room`: there it begins
 * afterwards. */
void ethernet_insert_vlan(uint8_t *room, uint16_t tag);

/* Writes 14 bytes, or 18 with a VLAN; returns how many. */
uint8_t ethernet_write(uint8_t *out, const uint8_t destination[6], const uint8_t source[6],
                       uint16_t vlan, uint16_t type);

#endif
