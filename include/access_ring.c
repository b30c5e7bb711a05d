/* SPDX-License-Identifier: BSD-3-Clause */
#include "include/access_ring.h"

#include <stdlib.h>
#include <string.h>

struct access_ring *access_ring_create(uint32_t records)
{
    uint64_t size = 1;
    while (size < records)
        size *= 2;
    struct access_ring *ring = aligned_alloc(GUARD_BYTES, sizeof(*ring));
    if (!ring)
        return NULL;
    memset(ring, 0, sizeof(*ring));
    ring->mask = size - 1;
    ring->records = calloc(size, sizeof(ring->records[0]));
    if (ring->records)
        return ring;
    free(ring);
    return NULL;
}

void access_ring_destroy(struct access_ring *ring)
{
    if (!ring)
        return;
    free(ring->records);
    free(ring);
}

struct access_record *access_ring_claim(struct access_ring *ring)
{
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed); /* we own head */
    if (head - ring->tail_seen > ring->mask) {
        /* Acquire pairs with the release in access_ring_take: the reader is done with it. */
        ring->tail_seen = atomic_load_explicit(&ring->tail, memory_order_acquire);
        if (head - ring->tail_seen > ring->mask)
            return NULL;
    }
    return &ring->records[head & ring->mask];
}

void access_ring_commit(struct access_ring *ring)
{
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    /* Release pairs with the acquire in access_ring_oldest: the record is whole. */
    atomic_store_explicit(&ring->head, head + 1, memory_order_release);
}

const struct access_record *access_ring_oldest(const struct access_ring *ring)
{
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed); /* we own tail */
    if (tail == atomic_load_explicit(&ring->head, memory_order_acquire))
        return NULL;
    return &ring->records[tail & ring->mask];
}

void access_ring_take(struct access_ring *ring)
{
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
}
