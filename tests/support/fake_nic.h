/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fake_nic.h - another implementation of nic.h: queues in memory, capabilities as you like.
 *
 * Purpose:   the network layer, the core loop and a whole server without a port. The test is the
 *            wire: it injects what arrives and takes what was sent.
 * Ownership: injected packets belong to the nic until received; taken ones to the test.
 * Threading: one thread per queue.
 * Units:     packets, bytes.
 * Errors:    a full queue refuses, as hardware does.
 * Source:    none.
 */
#ifndef GANNET_FAKE_NIC_H
#define GANNET_FAKE_NIC_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/nic.h"

struct fake_nic;
struct packet;
struct rte_mempool;

struct fake_nic_config {
    uint32_t queue_count;
    uint32_t offloads; /* enum nic_offload */
    uint32_t depth;    /* packets each queue holds, a power of two */
    uint16_t mtu;
    uint8_t mac[6];
};

struct fake_nic *fake_nic_create(const struct fake_nic_config *config);
/* Frees what is still queued. */
void fake_nic_destroy(struct fake_nic *nic);
struct nic_queue *fake_nic_queue(struct fake_nic *nic, uint32_t index);

/*
 * The wire delivers a frame to a queue. False: the ring is full and the packet is still the
 * caller's. With NIC_RX_CHECKSUM the packet says what a card found out about its checksums.
 */
bool fake_nic_inject(struct fake_nic *nic, uint32_t queue, struct packet *packet);
/* What was handed to nic_transmit, as it was handed over, in order. */
uint32_t fake_nic_take(struct fake_nic *nic, uint32_t queue, struct packet **out, uint32_t limit);
/* From now on nic_transmit takes at most this many packets per call. */
void fake_nic_limit_transmit(struct fake_nic *nic, uint32_t packets_per_call);

/*
 * What a card would put on the wire for a packet that fake_nic_take returned: checksums computed
 * where the packet asks for it and the port has the offload, TSO cut up, chains copied together.
 * Consumes the packet; the frames come from `pool`. An offload that was asked for but not agreed
 * on, or a chain without NIC_TX_MULTI_SEGMENT, is our bug and asserts. Returns how many frames; at
 * most `limit`.
 */
uint32_t fake_nic_wire_frames(const struct fake_nic *nic, struct packet *packet,
                              struct rte_mempool *pool, struct packet **out, uint32_t limit);

#endif
