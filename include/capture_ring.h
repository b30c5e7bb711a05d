/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * capture_ring.h - whole frames that a filter chose, on their way from a worker to a file.
 *
 * Purpose:   a worker copies frames that it receives and sends into its own ring; the admin thread
 *            publishes the filter and empties the rings. While nothing is captured a worker pays
 *            one load and one comparison per burst.
 * Ownership: a ring belongs to one worker, its records between claim and commit too, and to the
 *            reader between oldest and take.
 * Threading: one writer and one reader per ring; one writer of the filter.
 * Units:     bytes; _ns monotone.
 * Errors:    create returns NULL when memory is short. A full ring takes nothing: `lost` counts.
 * Source:    a ring of variable records, as in access_ring.h.
 */
#ifndef GANNET_CAPTURE_RING_H
#define GANNET_CAPTURE_RING_H

#include <assert.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "include/compiler.h"
#include "include/published.h"

enum capture_direction { CAPTURE_RECEIVED = 1, CAPTURE_SENT = 2 };

#define CAPTURE_PROTOCOL_ARP 256u /* beside IP's protocol numbers */

/* Zero is "any", but for snap_bytes and until_ns. */
struct capture_filter {
    uint64_t until_ns;   /* nothing is captured from then on: nobody fetches it any more */
    uint8_t address[16]; /* of the client: source of what comes in, destination of what goes out */
    uint32_t snap_bytes; /* of each frame at most */
    uint16_t port;       /* on either side */
    uint16_t protocol;
    uint8_t ip_version;
    uint8_t prefix_bits; /* of the address */
    uint8_t directions;  /* enum capture_direction, or both */
};
static_assert(sizeof(struct capture_filter) == 40, "fits into struct published");

struct capture_record {
    uint64_t time_ns;
    uint32_t kept_bytes, whole_bytes;
    uint32_t filter_version; /* of the filter that chose it */
    uint8_t direction;
    uint8_t port_index;
    uint8_t bytes[];
};

struct capture_ring {
    /* the worker's */
    const struct published *filter_published;
    uint32_t off_version; /* of the filter that says "nothing" */
    uint32_t filter_version;
    struct capture_filter filter;
    uint64_t claimed; /* where the record under way begins */
    uint64_t mask;
    uint8_t *bytes;
    /* written by the worker, read by the reader */
    alignas(GUARD_BYTES) _Atomic uint64_t head;
    _Atomic uint64_t lost; /* frames that found no room */
    /* the reader's */
    alignas(GUARD_BYTES) _Atomic uint64_t tail;
};

/* `bytes` is rounded up to a power of two; its memory is touched when it is used. */
struct capture_ring *capture_ring_create(uint64_t bytes, const struct published *filter);
void capture_ring_destroy(struct capture_ring *ring);

/* Once per burst: false is "nothing is captured". */
static inline bool capture_ring_may_be_on(const struct capture_ring *ring)
{
    return published_version(ring->filter_published) != ring->off_version;
}

/* After it may be: the filter in force, or NULL. */
const struct capture_filter *capture_ring_filter(struct capture_ring *ring, uint64_t now_ns);

/* Room for a record with so many bytes; NULL, and counted: the ring is full. */
struct capture_record *capture_ring_claim(struct capture_ring *ring, uint32_t kept_bytes);
void capture_ring_commit(struct capture_ring *ring);

/* The oldest record, or NULL; it stays until it is taken. */
const struct capture_record *capture_ring_oldest(struct capture_ring *ring);
void capture_ring_take(struct capture_ring *ring);

#endif
