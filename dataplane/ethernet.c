/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/ethernet.h"

const uint8_t ethernet_broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

/* Groups are only sorted coarsely here: whether we belong to one is decided by the IP destination.
 */
static bool is_ip_group(const uint8_t address[6])
{
    return (address[0] == 0x33 && address[1] == 0x33) ||
           (address[0] == 0x01 && address[1] == 0x00 && address[2] == 0x5e) ||
           ethernet_address_equal(address, ethernet_broadcast);
}

enum drop_reason ethernet_parse(const uint8_t *frame, uint32_t length, const uint8_t mac[6],
                                uint16_t vlan, uint16_t stripped_vlan, struct ethernet_view *view)
{
    if (length < ETHERNET_HEADER_BYTES)
        return DROP_ETHERNET_SHORT;
    struct ethernet_header header;
    memcpy(&header, frame, sizeof(header));
    view->is_group = (header.destination[0] & 1) != 0;
    if (view->is_group ? !is_ip_group(header.destination)
                       : !ethernet_address_equal(header.destination, mac))
        return DROP_ETHERNET_NOT_OURS;
    if (header.source[0] & 1) /* a group cannot send; answering would go to the group */
        return DROP_ETHERNET_SOURCE_BAD;

    uint16_t tag = stripped_vlan;
    view->type = be16_load(header.type);
    view->network_offset = ETHERNET_HEADER_BYTES;
    if (view->type == ETHERNET_TYPE_VLAN && stripped_vlan == 0) {
        if (length < ETHERNET_HEADER_BYTES + ETHERNET_VLAN_BYTES)
            return DROP_ETHERNET_SHORT;
        be16_t control, type;
        memcpy(&control, frame + ETHERNET_HEADER_BYTES, sizeof(control));
        memcpy(&type, frame + ETHERNET_HEADER_BYTES + 2, sizeof(type));
        tag = be16_load(control);
        view->type = be16_load(type);
        view->network_offset += ETHERNET_VLAN_BYTES;
    }
    return (tag & ETHERNET_VLAN_ID_MASK) == vlan ? DROP_NONE : DROP_VLAN_NOT_OURS;
}

void ethernet_insert_vlan(uint8_t *room, uint16_t tag)
{
    be16_t type = be16_make(ETHERNET_TYPE_VLAN);
    be16_t control = be16_make(tag);
    memmove(room, room + ETHERNET_VLAN_BYTES, 12); /* both addresses */
    memcpy(room + 12, &type, 2);
    memcpy(room + 14, &control, 2);
}

uint8_t ethernet_write(uint8_t *out, const uint8_t destination[6], const uint8_t source[6],
                       uint16_t vlan, uint16_t type)
{
    memcpy(out, destination, 6);
    memcpy(out + 6, source, 6);
    be16_t wire_type = be16_make(type);
    if (vlan == 0) {
        memcpy(out + 12, &wire_type, 2);
        return ETHERNET_HEADER_BYTES;
    }
    be16_t tag_type = be16_make(ETHERNET_TYPE_VLAN);
    be16_t control = be16_make(vlan);
    memcpy(out + 12, &tag_type, 2);
    memcpy(out + 14, &control, 2);
    memcpy(out + 16, &wire_type, 2);
    return ETHERNET_HEADER_BYTES + ETHERNET_VLAN_BYTES;
}
