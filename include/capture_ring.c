/* SPDX-License-Identifier: BSD-3-Clause */
#include "include/capture_ring.h"

#include <stdlib.h>
#include <string.h>

#include "include/assert_policy.h"

#define SKIP UINT32_MAX /* kept_bytes of what fills the end of the ring, up to its beginning */
#define ALIGNMENT 8u

struct capture_ring *capture_ring_create(uint64_t bytes, const struct published *filter)
{
    struct capture_ring *ring = aligned_alloc(GUARD_BYTES, sizeof(*ring));
    if (!ring)
        return NULL;
    memset(ring, 0, sizeof(*ring));
    uint64_t size = 4096;
    while (size < bytes)
        size *= 2;
    ring->filter_published = filter;
    ring->mask = size - 1;
    ring->bytes = malloc(size);
    if (!ring->bytes) {
        free(ring);
        return NULL;
    }
    return ring;
}

void capture_ring_destroy(struct capture_ring *ring)
{
    if (!ring)
        return;
    free(ring->bytes);
    free(ring);
}

const struct capture_filter *capture_ring_filter(struct capture_ring *ring, uint64_t now_ns)
{
    uint32_t version = published_version(ring->filter_published);
    if (version != ring->filter_version) {
        if (!published_take(ring->filter_published, version, &ring->filter, sizeof(ring->filter)))
            return NULL; /* the next burst will see it whole */
        ring->filter_version = version;
        if (ring->filter.until_ns == 0)
            ring->off_version = version;
    }
    return now_ns < ring->filter.until_ns ? &ring->filter : NULL;
}

static uint64_t record_bytes(uint32_t kept_bytes)
{
    uint64_t bytes = offsetof(struct capture_record, bytes) + (uint64_t)kept_bytes;
    return (bytes + ALIGNMENT - 1) & ~(uint64_t)(ALIGNMENT - 1);
}

static struct capture_record *record_at(const struct capture_ring *ring, uint64_t at)
{
    return (struct capture_record *)(ring->bytes + (at & ring->mask));
}

/* What is left of the ring before it begins anew. */
static uint64_t bytes_to_end(const struct capture_ring *ring, uint64_t at)
{
    return ring->mask + 1 - (at & ring->mask);
}

static void set_kept_bytes(struct capture_ring *ring, uint64_t at, uint32_t kept_bytes)
{
    /* the end of the ring may be shorter than a record: its first 16 bytes hold it, or nothing */
    if (bytes_to_end(ring, at) >= offsetof(struct capture_record, whole_bytes))
        record_at(ring, at)->kept_bytes = kept_bytes;
}

struct capture_record *capture_ring_claim(struct capture_ring *ring, uint32_t kept_bytes)
{
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed); /* we own head */
    /* Acquire pairs with the release in take: what the reader has left may be written. */
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
    uint64_t need = record_bytes(kept_bytes);
    uint64_t skip = bytes_to_end(ring, head) < need ? bytes_to_end(ring, head) : 0;
    if (head - tail + skip + need > ring->mask + 1) {
        atomic_store_explicit(&ring->lost,
                              atomic_load_explicit(&ring->lost, memory_order_relaxed) + 1,
                              memory_order_relaxed);
        return NULL;
    }
    if (skip > 0)
        set_kept_bytes(ring, head, SKIP);
    ring->claimed = head + skip;
    struct capture_record *record = record_at(ring, ring->claimed);
    record->kept_bytes = kept_bytes;
    record->filter_version = ring->filter_version;
    return record;
}

void capture_ring_commit(struct capture_ring *ring)
{
    uint64_t end = ring->claimed + record_bytes(record_at(ring, ring->claimed)->kept_bytes);
    /* Release pairs with the acquire in oldest: the record is there before the head says so. */
    atomic_store_explicit(&ring->head, end, memory_order_release);
}

const struct capture_record *capture_ring_oldest(struct capture_ring *ring)
{
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed); /* we own tail */
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
    if (tail == head)
        return NULL;
    uint64_t left = bytes_to_end(ring, tail);
    if (left < offsetof(struct capture_record, whole_bytes) ||
        record_at(ring, tail)->kept_bytes == SKIP) {
        tail += left;
        atomic_store_explicit(&ring->tail, tail, memory_order_release);
    }
    return record_at(ring, tail);
}

void capture_ring_take(struct capture_ring *ring)
{
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    tail += record_bytes(record_at(ring, tail)->kept_bytes);
    atomic_store_explicit(&ring->tail, tail, memory_order_release);
}
