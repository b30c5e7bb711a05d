/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wire.h - a network.h for the script's side of the wire: IP packets in, IP packets out.
 *
 * Purpose:   stands in for ports, Ethernet, ARP and neighbour discovery. IP and ICMP are parsed by
 *            the product's own code; TCP sees frames with an Ethernet header it did not ask for.
 * Ownership: packets that wait to be taken belong to the wire.
 * Threading: one at a time.
 * Units:     microseconds, bytes.
 * Errors:    what is not for TCP, or wrong, is dropped and counted, as a port would.
 * Source:    dataplane/network.h.
 */
#ifndef GANNET_PACKETDRILL_WIRE_H
#define GANNET_PACKETDRILL_WIRE_H

#include <stdio.h>

#include "dataplane/network.h"

struct counters;
struct packet;
struct rte_mempool;
struct wire_packet;

struct network {
    struct rte_mempool *pool;
    struct counters *counters;
    const uint64_t *now_us; /* the virtual clock */
    FILE *capture;
    uint16_t mtu;
    struct wire_packet *first, *last; /* sent by the stack, not yet taken */
};

/* What the script's packet turned out to be. */
enum wire_verdict {
    WIRE_NOTHING = 0, /* dropped */
    WIRE_SEGMENT,
    WIRE_ICMP_ERROR,
};

/* The host has every destination address of an injected packet. *segment is the caller's. */
enum wire_verdict wire_inject(struct network *wire, const void *packet, size_t length,
                              struct packet **segment, struct network_icmp_error *error);

bool wire_has_packet(const struct network *wire);
/* The oldest packet the stack sent: at most `room` bytes of it; returns its length. */
size_t wire_take(struct network *wire, void *packet, size_t room, uint64_t *sent_us);
void wire_empty(struct network *wire);

#endif
