/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/arp.h"

#include "dataplane/ethernet.h"

#define HARDWARE_ETHERNET 1u

enum drop_reason arp_parse(const uint8_t *bytes, uint32_t length, struct arp_packet *out)
{
    if (length < ARP_BYTES)
        return DROP_ARP_MALFORMED;
    memcpy(out, bytes, sizeof(*out));
    uint16_t operation = be16_load(out->operation);
    if (be16_load(out->hardware_type) != HARDWARE_ETHERNET || out->hardware_bytes != 6 ||
        be16_load(out->protocol_type) != ETHERNET_TYPE_IPV4 || out->protocol_bytes != 4)
        return DROP_ARP_MALFORMED;
    if (operation != ARP_REQUEST && operation != ARP_REPLY)
        return DROP_ARP_MALFORMED;
    if (!ethernet_address_is_station(out->sender_mac))
        return DROP_ARP_MALFORMED;
    return DROP_NONE;
}

void arp_write(uint8_t *out, enum arp_operation operation, const uint8_t sender_mac[6],
               const uint8_t sender_ip[4], const uint8_t target_mac[6], const uint8_t target_ip[4])
{
    struct arp_packet packet = {
        .hardware_type = be16_make(HARDWARE_ETHERNET),
        .protocol_type = be16_make(ETHERNET_TYPE_IPV4),
        .hardware_bytes = 6,
        .protocol_bytes = 4,
        .operation = be16_make((uint16_t)operation),
    };
    memcpy(packet.sender_mac, sender_mac, 6);
    memcpy(packet.sender_ip, sender_ip, 4);
    memcpy(packet.target_mac, target_mac, 6);
    memcpy(packet.target_ip, target_ip, 4);
    memcpy(out, &packet, sizeof(packet));
}
