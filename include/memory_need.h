/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * memory_need.h - how much memory a configuration asks of DPDK: told before start, reserved at
 * start.
 *
 * Purpose:   preflight compares it with the free hugepages; the start without hugepages reserves
 *            it.
 * Ownership: none.
 * Threading: any.
 * Units:     bytes.
 * Errors:    none.
 * Source:    sizes of struct packet (192 B) with its room, rounded up by the mempool's own
 *            overhead.
 */
#ifndef GANNET_MEMORY_NEED_H
#define GANNET_MEMORY_NEED_H

#include <stdbool.h>
#include <stdint.h>

#include "include/server_config.h"

#define MEMORY_NEED_PACKET_BYTES 512u     /* header lines, headroom, mempool overhead */
#define MEMORY_NEED_DESCRIPTOR_BYTES 320u /* a packet without room */
#define MEMORY_NEED_ROOM_MIN_BYTES 2048u
#define MEMORY_NEED_RESERVE_BYTES (UINT64_C(64) << 20) /* drivers' rings, DPDK itself, alignment */

/* What must come from DPDK in any case: packets and the values ports send from. */
static inline uint64_t memory_need_devices(const struct server_config *config,
                                           uint32_t worker_count)
{
    uint64_t room = MEMORY_NEED_ROOM_MIN_BYTES;
    for (uint32_t i = 0; i < config->ports_count; i++)
        if (config->ports[i].mtu + 128 > room)
            room = config->ports[i].mtu + 128;
    uint64_t per_packet = room + MEMORY_NEED_PACKET_BYTES + MEMORY_NEED_DESCRIPTOR_BYTES;
    return worker_count * config->memory.packets * per_packet + (config->memory.values_mib << 20) +
           MEMORY_NEED_RESERVE_BYTES;
}

/* With hugepages the caches take them too. */
static inline uint64_t memory_need_hugepages(const struct server_config *config,
                                             uint32_t worker_count)
{
    return memory_need_devices(config, worker_count) +
           worker_count * (config->cache.memory_mib << 20);
}

#endif
