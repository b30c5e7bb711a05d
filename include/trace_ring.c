/* SPDX-License-Identifier: BSD-3-Clause */
#include "include/trace_ring.h"

#include <stdlib.h>
#include <string.h>

#include "include/assert_policy.h"

const char *const trace_state_names[] = {
    "closed",     "listen",     "syn-sent", "syn-received", "established", "fin-wait-1",
    "fin-wait-2", "close-wait", "closing",  "last-ack",     "time-wait",
};
static_assert(ARRAY_COUNT(trace_state_names) == TRACE_STATE_COUNT, "one name per state");

/* ---- which client ---- */

void trace_choice_set(struct trace_choice *choice, uint8_t ip_version, const uint8_t address[16])
{
    struct trace_client client = {.ip_version = ip_version};
    memcpy(client.address, address, ip_version == 4 ? 4 : ip_version == 6 ? 16 : 0);
    published_set(&choice->published, &client, sizeof(client));
}

void trace_ring_look_again(struct trace_ring *ring, uint32_t version)
{
    if (!published_take(&ring->choice->published, version, &ring->client, sizeof(ring->client)))
        return; /* the next batch will see it whole */
    ring->version_seen = version;
    ring->is_on = ring->client.ip_version != 0;
}

bool trace_ring_wants(const struct trace_ring *ring, uint8_t ip_version, const uint8_t *address)
{
    return ring->is_on && ring->client.ip_version == ip_version &&
           memcmp(address, ring->client.address, ip_version == 4 ? 4 : 16) == 0;
}

/* ---- the ring ---- */

struct trace_ring *trace_ring_create(uint32_t events, const struct trace_choice *choice)
{
    ASSERT(events > 0);
    struct trace_ring *ring = aligned_alloc(GUARD_BYTES, sizeof(*ring));
    if (!ring)
        return NULL;
    memset(ring, 0, sizeof(*ring));
    uint64_t size = 1;
    while (size < events)
        size *= 2;
    ring->choice = choice;
    ring->mask = size - 1;
    ring->slots = calloc(size, sizeof(ring->slots[0]));
    if (!ring->slots) {
        free(ring);
        return NULL;
    }
    return ring;
}

void trace_ring_destroy(struct trace_ring *ring)
{
    if (!ring)
        return;
    free(ring->slots);
    free(ring);
}

void trace_ring_write(struct trace_ring *ring, const struct trace_event *event)
{
    uint64_t words[TRACE_EVENT_WORDS];
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed); /* we own head */
    _Atomic uint64_t *slot = ring->slots[head & ring->mask];
    memcpy(words, event, sizeof(words));
    /* Release fence pairs with the acquire fence in trace_ring_copy: who reads a word of this event
     * in an old slot also reads a head that says the old one is gone. */
    atomic_thread_fence(memory_order_release);
    for (uint32_t i = 0; i < TRACE_EVENT_WORDS; i++)
        atomic_store_explicit(&slot[i], words[i], memory_order_relaxed);
    /* Release pairs with trace_ring_copy's acquire: the event is there before the head says so. */
    atomic_store_explicit(&ring->head, head + 1, memory_order_release);
}

uint32_t trace_ring_copy(const struct trace_ring *ring, struct trace_event *out, uint32_t limit)
{
    uint64_t end = atomic_load_explicit(&ring->head, memory_order_acquire);
    uint64_t most = ring->mask + 1 < limit ? ring->mask + 1 : limit;
    uint64_t first = end > most ? end - most : 0;
    for (uint64_t at = first; at < end; at++) {
        uint64_t words[TRACE_EVENT_WORDS];
        const _Atomic uint64_t *slot = ring->slots[at & ring->mask];
        for (uint32_t i = 0; i < TRACE_EVENT_WORDS; i++)
            words[i] = atomic_load_explicit(&slot[i], memory_order_relaxed);
        memcpy(&out[at - first], words, sizeof(words));
    }
    atomic_thread_fence(memory_order_acquire); /* pairs with trace_ring_write's release fence */
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    /* Whole are those whose slot was not begun anew: of head + 1 - size and later. */
    uint64_t whole = head >= ring->mask ? head - ring->mask : 0;
    uint64_t lost = whole > first ? whole - first : 0;
    if (lost >= end - first)
        return 0;
    memmove(out, out + lost, (end - first - lost) * sizeof(*out));
    return (uint32_t)(end - first - lost);
}
