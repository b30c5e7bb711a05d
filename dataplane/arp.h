/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * arp.h - ARP packets for Ethernet and IPv4: reading and writing.
 *
 * Purpose:   wire format only; what is learned from it is neighbour.h's.
 * Ownership: none: works on bytes.
 * Threading: any.
 * Units:     bytes.
 * Errors:    arp_parse returns the drop reason; DROP_NONE is success.
 * Source:    RFC 826, RFC 5227 (announcements, conflicts).
 */
#ifndef GANNET_ARP_H
#define GANNET_ARP_H

#include <stdint.h>

#include "include/byte_order.h"
#include "include/counters.h"

#define ARP_BYTES 28u

enum arp_operation {
    ARP_REQUEST = 1,
    ARP_REPLY = 2,
};

struct arp_packet {
    be16_t hardware_type;
    be16_t protocol_type;
    uint8_t hardware_bytes;
    uint8_t protocol_bytes;
    be16_t operation;
    uint8_t sender_mac[6];
    uint8_t sender_ip[4];
    uint8_t target_mac[6];
    uint8_t target_ip[4];
};
static_assert(sizeof(struct arp_packet) == ARP_BYTES, "wire format");

/* Copies the packet out; its lengths and types were checked, its addresses were not. */
enum drop_reason arp_parse(const uint8_t *bytes, uint32_t length, struct arp_packet *out);

void arp_write(uint8_t *out, enum arp_operation operation, const uint8_t sender_mac[6],
               const uint8_t sender_ip[4], const uint8_t target_mac[6], const uint8_t target_ip[4]);

#endif
