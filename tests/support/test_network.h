/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_network.h - a network.h without a link layer: frames out into an array, frames in checked.
 *
 * Purpose:   TCP tests and simulations need no ARP, no ports and no wire.
 * Ownership: packets that were taken belong to the caller.
 * Threading: none.
 * Units:     bytes.
 * Errors:    test_network_accepts is false for frames that a real link layer would drop.
 * Source:    dataplane/network.h.
 */
#ifndef GANNET_TEST_NETWORK_H
#define GANNET_TEST_NETWORK_H

#include "dataplane/network.h"

#define TEST_NETWORK_OUT_MAX 65536u

struct network {
    uint8_t local4[4];
    uint8_t local6[16];
    uint8_t mac[6];          /* ours: frames to another are not accepted; zero: any is */
    uint8_t next_hop_mac[6]; /* of everybody; zero: that of the flow */
    uint16_t mtu;
    uint32_t offloads;
    uint32_t generation;
    bool is_resolving; /* network_path answers RESOLVING, without a header */
    bool has_stand_in; /* network_path answers RESOLVING, with an address that may do */
    bool is_vlan;
    bool is_full;             /* network_has_room answers false */
    uint8_t more_ports;       /* beside the one */
    uint32_t *room_questions; /* counts calls of network_has_room, where one is given */
    uint16_t kernel_port;     /* the TCP port that the kernel serves; 0: none */
    uint32_t kernel_segments; /* given to it, and freed */
    uint32_t out_count;
    struct packet *out[TEST_NETWORK_OUT_MAX];
};

/* Sets packet->rx as the link layer does. False: a real one would have dropped the frame. */
bool test_network_accepts(const struct network *network, struct packet *packet);

/* Takes what was sent; returns how many. */
uint32_t test_network_take(struct network *network, struct packet **out, uint32_t limit);

#endif
