/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * trace_ring.h - the last TCP segments of one client, kept by each worker, for a person to look at.
 *
 * Purpose:   a worker writes an event per segment of the chosen client into its own ring; the
 *            admin thread chooses the client and copies the rings. With none chosen a worker pays
 *            one load per batch.
 * Ownership: a ring belongs to one worker; the choice to the admin thread. Both outlive it.
 * Threading: one writer per ring and one of the choice. Copies may be taken at any time by any
 *            thread: what was overwritten while it was copied is left out.
 * Units:     _ns monotone.
 * Errors:    trace_ring_create returns NULL when memory is short. A full ring forgets its oldest.
 * Source:    a sequence lock (published.h) of which the ring's head is the sequence.
 */
#ifndef GANNET_TRACE_RING_H
#define GANNET_TRACE_RING_H

#include <assert.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "include/compiler.h"
#include "include/published.h"

enum trace_kind {
    TRACE_RECEIVED = 0,
    TRACE_SENT,
    TRACE_SENT_AGAIN, /* a retransmission, or a probe that repeats data */
    TRACE_DROPPED,    /* the segment that was received last, and why */
    TRACE_STATE,      /* state_before became state_after; no segment of its own */
};

/* Addresses in network order, IPv4 in the first 4 bytes; the rest in host order. */
struct trace_event {
    uint64_t time_ns;
    uint8_t local[16], remote[16];
    uint32_t sequence, acknowledgement;
    uint32_t payload_bytes;
    uint16_t local_port, remote_port;
    uint16_t window; /* as in the header: not scaled */
    uint8_t ip_version;
    uint8_t kind; /* enum trace_kind */
    uint8_t tcp_flags;
    uint8_t state_before, state_after; /* trace_state_names */
    uint8_t drop_reason;               /* enum drop_reason */
};

#define TRACE_EVENT_WORDS 8u
static_assert(sizeof(struct trace_event) == TRACE_EVENT_WORDS * 8, "an event is a cache line");

extern const char *const trace_state_names[]; /* by enum tcp_state */
#define TRACE_STATE_COUNT 11u

/* ---- which client ---- */

struct trace_client {
    uint8_t address[16]; /* network order */
    uint8_t ip_version;  /* 0: nobody */
};

struct trace_choice {
    struct published published;
};

/* Network order; ip_version 0 chooses nobody. */
void trace_choice_set(struct trace_choice *choice, uint8_t ip_version, const uint8_t address[16]);

/* ---- the ring ---- */

struct trace_ring {
    /* the worker's */
    const struct trace_choice *choice;
    uint32_t version_seen;
    bool is_on;
    struct trace_client client;
    uint64_t mask;
    _Atomic uint64_t (*slots)[TRACE_EVENT_WORDS];
    /* read by others */
    alignas(GUARD_BYTES) _Atomic uint64_t head; /* events ever written */
};

/* `events` is rounded up to a power of two; its memory is touched when it is used. */
struct trace_ring *trace_ring_create(uint32_t events, const struct trace_choice *choice);
void trace_ring_destroy(struct trace_ring *ring);

/* Private: the choice has changed. */
void trace_ring_look_again(struct trace_ring *ring, uint32_t version);

/* Once per batch, by the worker: is a client chosen? */
static inline bool trace_ring_is_on(struct trace_ring *ring)
{
    uint32_t version = published_version(&ring->choice->published);
    if (UNLIKELY(version != ring->version_seen))
        trace_ring_look_again(ring, version);
    return ring->is_on;
}

/* Is this its address? IPv4 addresses: 4 bytes. */
bool trace_ring_wants(const struct trace_ring *ring, uint8_t ip_version, const uint8_t *address);

void trace_ring_write(struct trace_ring *ring, const struct trace_event *event);

/* The newest `limit` events or fewer, oldest first; returns how many. */
uint32_t trace_ring_copy(const struct trace_ring *ring, struct trace_event *out, uint32_t limit);

#endif
