/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * virtual_link.h - a wire between two stacks that loses, delays, reorders and damages frames.
 *
 * Purpose:   everything a network does to TCP, from one seed, in virtual time. It plays the port:
 *            it finishes checksums and cuts large frames where the stack left that to the port, and
 *            holds on to sent packets for a while, as a transmit ring does.
 * Ownership: takes transmitted packets and frees them; delivered ones belong to the caller.
 * Threading: none.
 * Units:     nanoseconds, permille.
 * Errors:    virtual_link_deliver drops frames when the receiver's pool is empty, as a port does.
 * Source:    none.
 */
#ifndef GANNET_VIRTUAL_LINK_H
#define GANNET_VIRTUAL_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "include/random.h"
#include "tests/support/test_network.h"

struct rte_mempool;
struct virtual_link;

struct virtual_link_config {
    uint64_t seed;
    uint32_t loss_permille, duplicate_permille, corrupt_permille, reorder_permille;
    uint64_t delay_ns, jitter_ns;
    uint64_t reorder_ns;   /* what a reordered frame is late by, at most */
    uint64_t ns_per_byte;  /* bandwidth */
    uint32_t queue_frames; /* of the bottleneck; more are lost */
    uint64_t hold_ns;      /* how long the port keeps a sent packet, at most */
    bool is_traced;
};

struct virtual_link *virtual_link_create(const struct virtual_link_config *config);
void virtual_link_destroy(struct virtual_link *link);

/* An ICMP "packet too big" that a router in between sends: the head of what it did not forward. */
struct virtual_link_too_big {
    int to; /* the side that sent the packet */
    uint16_t mtu;
    uint16_t local_port, remote_port;
    uint32_t sequence;
};

/* IP packets that are longer do not arrive; 0: every length does. */
void virtual_link_set_path_mtu(struct virtual_link *link, uint16_t mtu);
/* The oldest of at most 64 that wait; false: none. */
bool virtual_link_take_too_big(struct virtual_link *link, struct virtual_link_too_big *out);
/* From now on nothing arrives that has this port of side 0. */
void virtual_link_cut(struct virtual_link *link, uint16_t port);

/* Takes what `network` sent; side 0 sends to side 1 and the other way round. */
void virtual_link_collect(struct virtual_link *link, int side, struct network *network,
                          uint64_t now_ns);
/* Frames due at `side` by now, as packets of `pool`, already accepted by `network`. */
uint32_t virtual_link_deliver(struct virtual_link *link, int side, const struct network *network,
                              struct rte_mempool *pool, uint64_t now_ns, struct packet **out,
                              uint32_t limit);
/* When the next frame arrives anywhere; UINT64_MAX: the wire is empty. */
uint64_t virtual_link_next_ns(const struct virtual_link *link);
/* Frees packets whose time in the port is over. */
void virtual_link_release(struct virtual_link *link, uint64_t now_ns);

#endif
