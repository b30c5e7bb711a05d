/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * nic.h - ports and queues: bursts in, bursts out. nic_dpdk.c is the only user of ethdev;
 *     simulations and tests link another implementation of this header.
 *
 * Purpose:   one RX and one TX queue per worker, the offloads that were agreed at start, and the
 *            capability plan.
 * Ownership: received packets belong to the caller; transmitted ones to the port.
 * Threading: one struct nic_queue per worker and port; start and stop on the main thread.
 * Units:     packets, bytes.
 * Errors:    nic_transmit returns how many the port took; the rest stays with the caller, to be
 *            offered again. A packet the driver can never send is taken, freed and counted.
 * Source:    DPDK 22.11 rte_ethdev.h.
 */
#ifndef GANNET_NIC_H
#define GANNET_NIC_H

#include <stdbool.h>
#include <stdint.h>

struct packet;

#define NIC_BURST_MAX 64u

/* What a port does for us; each one absent has a software fallback. */
enum nic_offload {
    NIC_RX_CHECKSUM = 1u << 0, /* IPv4, TCP verified on receive */
    NIC_TX_IPV4_CHECKSUM = 1u << 1,
    NIC_TX_TCP_CHECKSUM = 1u << 2,
    NIC_TX_SEGMENTATION = 1u << 3,  /* TSO */
    NIC_TX_MULTI_SEGMENT = 1u << 4, /* chained mbufs: without it large values are copied */
    NIC_RX_RSS_HASH = 1u << 5,
};

struct nic_queue; /* one worker's pair of queues on one port */

uint32_t nic_receive(struct nic_queue *queue, struct packet **out, uint32_t limit);
uint32_t nic_transmit(struct nic_queue *queue, struct packet **packets, uint32_t packet_count);
uint32_t nic_offloads(const struct nic_queue *queue); /* enum nic_offload bits in force */
uint16_t nic_mtu(const struct nic_queue *queue);
const uint8_t *nic_mac(const struct nic_queue *queue); /* 6 bytes */

#endif
