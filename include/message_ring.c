/* SPDX-License-Identifier: BSD-3-Clause */
#include "include/message_ring.h"

#include <rte_ring.h>
#include <stdlib.h>

#include "include/assert_policy.h"

/* struct message_ring is never defined: it is the rte_ring itself under a name of ours. */
static struct rte_ring *inner(struct message_ring *ring)
{
    return (struct rte_ring *)ring;
}

struct message_ring *message_ring_create(uint32_t capacity)
{
    uint32_t slots = 2;
    while (slots <= capacity) /* an rte_ring of n slots holds n - 1 */
        slots *= 2;
    ssize_t bytes = rte_ring_get_memsize(slots);
    if (bytes < 0)
        return NULL;
    size_t rounded = ((size_t)bytes + GUARD_BYTES - 1) / GUARD_BYTES * GUARD_BYTES;
    struct rte_ring *ring = aligned_alloc(GUARD_BYTES, rounded);
    if (!ring)
        return NULL;
    if (rte_ring_init(ring, "message_ring", slots, RING_F_SP_ENQ | RING_F_SC_DEQ) != 0) {
        free(ring);
        return NULL;
    }
    return (struct message_ring *)ring;
}

void message_ring_destroy(struct message_ring *ring)
{
    free(inner(ring));
}

void message_ring_push(struct message_ring *ring, void *message)
{
    int result = rte_ring_sp_enqueue(inner(ring), message);
    ASSERT(result == 0); /* capacity covers every message that exists */
}

uint32_t message_ring_pop(struct message_ring *ring, void *out, uint32_t limit)
{
    return rte_ring_sc_dequeue_burst(inner(ring), out, limit, NULL);
}

uint32_t message_ring_depth(const struct message_ring *ring)
{
    return rte_ring_count((const struct rte_ring *)ring);
}
