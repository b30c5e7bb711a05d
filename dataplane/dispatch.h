/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dispatch.h - software dispatch: a port with fewer queues than workers still serves all of
 *     them.
 *
 * Purpose:   worker w < queue_count owns queue w and serves the workers w, w + queue_count, ...:
 *            it passes them their flows' frames over rings and sends what they hand back.
 * Ownership: a pushed packet belongs to the ring, a popped one to the worker that popped it.
 * Threading: each ring has one producer and one consumer: owner to member (receive), member to
 *            owner (send). dispatch_create and _destroy on the main thread.
 * Units:     packets.
 * Errors:    a full ring refuses: the caller counts DISPATCH_FULL or DISPATCH_TX_REFUSED and
 *            frees.
 * Source:    Which worker gets a flow is a hash of its addresses and ports, seeded per boot. What
 *            has no ports (ARP, ICMP, fragments) goes to the queue's owner; neighbours and ICMP
 *            errors reach the other workers over the bulletin board, with and without RSS.
 */
#ifndef GANNET_DISPATCH_H
#define GANNET_DISPATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "include/key_hash.h"

struct counters;
struct dispatch;
struct nic_queue;
struct packet;
struct sleeper;

/* ring_packets is rounded up to a power of two. NULL when memory is short. */
struct dispatch *dispatch_create(uint32_t worker_count, uint32_t queue_count, uint32_t ring_packets,
                                 const struct siphash_key *key);
/* Frees what the rings still hold: after every worker has ended. */
void dispatch_destroy(struct dispatch *dispatch);

/* How a worker that is asleep gets to know: set before the workers start. NULL: it polls. */
void dispatch_set_sleeper(struct dispatch *dispatch, uint32_t worker, struct sleeper *sleeper);

bool dispatch_is_owner(const struct dispatch *dispatch, uint32_t worker);

/*
 * Up to `limit` (at most NIC_BURST_MAX) frames for `worker`. An owner polls its queue once and
 * pushes what is not its own; a member pops.
 */
uint32_t dispatch_receive(struct dispatch *dispatch, uint32_t worker, struct nic_queue *queue,
                          struct packet **frames, uint32_t limit, struct counters *counters);

/*
 * Takes the first n of `packets` and returns n, as nic_transmit does. A member's go to its owner's
 * ring.
 */
uint32_t dispatch_transmit(struct dispatch *dispatch, uint32_t worker, struct nic_queue *queue,
                           struct packet **packets, uint32_t count);

/* End of a round. An owner sends what its members handed in (at most one burst each) and wakes
 * members it pushed to; a member wakes its owner. */
void dispatch_flush(struct dispatch *dispatch, uint32_t worker, struct nic_queue *queue,
                    struct counters *counters);

/* False: the queue of a frame says which workers it may belong to, and fragments have another. */
bool dispatch_has_one_queue(const struct dispatch *dispatch);
/*
 * A frame that became readable only now, put together from fragments by the owner of the only
 * queue. True: it was another worker's, and is gone.
 */
bool dispatch_pass_on(struct dispatch *dispatch, uint32_t owner, struct packet *frame,
                      struct counters *counters);

/* Is there something for this worker? Part of the re-check before it sleeps. */
bool dispatch_has_work(const struct dispatch *dispatch, uint32_t worker);

/* The worker that a frame belongs to, among the members of `owner`. For tests and the owner. */
uint32_t dispatch_worker_of(const struct dispatch *dispatch, uint32_t owner, const uint8_t *frame,
                            uint32_t length);

#endif
