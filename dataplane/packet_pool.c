/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/packet_pool.h"

#include <rte_mbuf.h>

#include "dataplane/packet.h"
#include "include/assert_policy.h"

#define CACHE_PACKETS 256u /* four bursts: the shared ring is touched once per several rounds */
#define LINK_HEADER_BYTES                                                                          \
    22u /* Ethernet, VLAN and what some ports leave of the frame check sequence */

uint16_t packet_room_for_mtu(uint16_t mtu)
{
    uint32_t room = ((uint32_t)mtu + LINK_HEADER_BYTES + CACHE_LINE_BYTES - 1) &
                    ~(uint32_t)(CACHE_LINE_BYTES - 1);
    return (uint16_t)(room > PACKET_ROOM_BYTES ? room : PACKET_ROOM_BYTES);
}

struct rte_mempool *packet_pool_create(const char *name, uint32_t count, int socket,
                                       uint16_t room_bytes)
{
    ASSERT(room_bytes == 0 || room_bytes >= PACKET_ROOM_BYTES);
    uint32_t cache = CACHE_PACKETS;
    while (cache > 0 && cache * 8 > count) /* a small pool must not sit in its cache */
        cache /= 2;
    uint32_t data_bytes = room_bytes ? PACKET_HEADROOM_BYTES + room_bytes : 0;
    /* A stack: the packets freed last are warm. DPDK's default, a ring, hands out the coldest. */
    return rte_pktmbuf_pool_create_by_ops(name, count, cache, PACKET_PRIVATE_BYTES,
                                          (uint16_t)data_bytes, socket, "stack");
}

void packet_pool_destroy(struct rte_mempool *pool)
{
    rte_mempool_free(pool);
}

uint32_t packet_pool_used(const struct rte_mempool *pool)
{
    return rte_mempool_in_use_count(pool);
}

uint32_t packet_pool_size(const struct rte_mempool *pool)
{
    return pool->size;
}
