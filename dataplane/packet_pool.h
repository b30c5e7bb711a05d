/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * packet_pool.h - one worker's packets.
 *
 * Purpose:   a DPDK mempool whose elements are struct packet.
 * Ownership: made on the main thread before the worker starts, destroyed after it ended.
 * Threading: allocation by the owner; freeing by any worker thread (software dispatch does).
 * Units:     bytes.
 * Errors:    NULL when memory is short.
 * Source:    DPDK 22.11 rte_pktmbuf_pool_create; each worker's free list stays in its own lcore
 *            cache.
 */
#ifndef GANNET_PACKET_POOL_H
#define GANNET_PACKET_POOL_H

#include <stdint.h>

struct rte_mempool;

/* Room for one frame of that MTU without chaining; at least PACKET_ROOM_BYTES. */
uint16_t packet_room_for_mtu(uint16_t mtu);

/*
 * `socket` is a NUMA node, -1 for any. room_bytes: see packet_room_for_mtu; 0 makes packets without
 * room of their own, to which value bytes are attached.
 */
struct rte_mempool *packet_pool_create(const char *name, uint32_t count, int socket,
                                       uint16_t room_bytes);
void packet_pool_destroy(struct rte_mempool *pool);

/* Packets not in the pool right now: what leak checks compare. Walks the caches: not for the hot
 * path. */
uint32_t packet_pool_used(const struct rte_mempool *pool);
uint32_t packet_pool_size(const struct rte_mempool *pool);

#endif
