/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * packet_ring.h - packets on their way from one worker to another.
 *
 * Purpose:   software dispatch and the kernel's interface: one ring per direction and pair.
 * Ownership: a pushed packet belongs to the ring, a popped one to the worker that popped it.
 * Threading: one producer, one consumer; each side keeps what it last saw of the other's index.
 * Units:     packets.
 * Errors:    a full ring refuses: packet_ring_push is false and the packet is still the caller's.
 * Source:    none.
 */
#ifndef GANNET_PACKET_RING_H
#define GANNET_PACKET_RING_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "dataplane/packet.h"
#include "include/assert_policy.h"
#include "include/compiler.h"

struct packet_ring {
    alignas(GUARD_BYTES) _Atomic uint32_t tail; /* producer writes */
    uint32_t head_seen;
    alignas(GUARD_BYTES) _Atomic uint32_t head; /* consumer writes */
    uint32_t tail_seen;
    alignas(GUARD_BYTES) uint32_t mask;
    struct packet **slots;
};

/* On a zeroed ring; `size` is a power of two. False when memory is short. */
static inline bool packet_ring_init(struct packet_ring *ring, uint32_t size)
{
    ASSERT(size > 0 && (size & (size - 1)) == 0);
    ring->mask = size - 1;
    ring->slots = calloc(size, sizeof(ring->slots[0]));
    return ring->slots != NULL;
}

static inline bool packet_ring_push(struct packet_ring *ring, struct packet *packet)
{
    uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed); /* we own tail */
    if (tail - ring->head_seen > ring->mask) {
        /* Acquire pairs with packet_ring_pop's release of head: the slot's last reader is finished.
         */
        ring->head_seen = atomic_load_explicit(&ring->head, memory_order_acquire);
        if (tail - ring->head_seen > ring->mask)
            return false;
    }
    ring->slots[tail & ring->mask] = packet;
    /* Release pairs with packet_ring_pop's acquire of tail: slot and packet are visible before the
     * index. */
    atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
    return true;
}

static inline uint32_t packet_ring_pop(struct packet_ring *ring, struct packet **out,
                                       uint32_t limit)
{
    uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed); /* we own head */
    if (ring->tail_seen - head < limit)
        ring->tail_seen = atomic_load_explicit(&ring->tail, memory_order_acquire);
    uint32_t count = ring->tail_seen - head;
    ASSERT_HOT(count <= ring->mask + 1);
    if (count > limit)
        count = limit;
    for (uint32_t i = 0; i < count; i++)
        out[i] = ring->slots[(head + i) & ring->mask];
    if (count > 0)
        atomic_store_explicit(&ring->head, head + count, memory_order_release);
    return count;
}

static inline bool packet_ring_is_empty(const struct packet_ring *ring)
{
    return atomic_load_explicit(&ring->head, memory_order_relaxed) ==
           atomic_load_explicit(&ring->tail, memory_order_acquire);
}

/* Frees what the ring still holds: after both its users have ended. */
static inline void packet_ring_free(struct packet_ring *ring)
{
    struct packet *packet;
    while (ring->slots && packet_ring_pop(ring, &packet, 1) == 1)
        packet_free(packet);
    free(ring->slots);
}

#endif
