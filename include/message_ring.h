/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * message_ring.h - the one queue between threads: a typed wrapper over DPDK's rte_ring.
 *
 * Purpose:   carries pointers to messages (struct shard_operation, struct api_task), in order, from
 *            exactly one producer to one consumer.
 * Ownership: pushing gives the message away; popping takes it.
 * Threading: single producer, single consumer (no thread ever waits for a preempted peer, as it can
 *            with multi-producer rings).
 * Units:     messages.
 * Errors:    push cannot fail: capacity is at least the number of messages that exist (each is a
 *            credit on every ring it will cross), so a full ring is our bug.
 * Source:    DPDK 22.11 rte_ring, lib/ring/rte_ring_c11_pvt.h for the ordering.
 */
#ifndef GANNET_MESSAGE_RING_H
#define GANNET_MESSAGE_RING_H

#include <stdint.h>

struct message_ring;

/* capacity: the most messages that can ever be in it. NULL when memory is short. */
struct message_ring *message_ring_create(uint32_t capacity);
void message_ring_destroy(struct message_ring *ring);

void message_ring_push(struct message_ring *ring, void *message);

/* Up to `limit` into `out`, an array of pointers to what this ring carries; returns how many. */
uint32_t message_ring_pop(struct message_ring *ring, void *out, uint32_t limit);

/* Either side; exact only for the side that asks about what it has done itself. */
uint32_t message_ring_depth(const struct message_ring *ring);

#endif
