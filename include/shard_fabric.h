/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * shard_fabric.h - every ring and sleeper between workers and control threads, wired once at start.
 *
 * Purpose:   request[worker][control], reply[control][owner], home[owner][origin]: the three hops
 *            of an operation. One FIFO per pair, so what a control thread decided first arrives
 *            first at the worker that owns the key's cache part.
 * Ownership: the fabric lives from before the threads start until after they ended.
 * Threading: each ring has the producer and the consumer that its indices name.
 * Units:     operations.
 * Errors:    create returns a negative errno.
 * Source:    ARCHITECTURE.md, "What makes reads linearizable".
 */
#ifndef GANNET_SHARD_FABRIC_H
#define GANNET_SHARD_FABRIC_H

#include <stdint.h>

#include "include/message_ring.h"
#include "include/shard_operation.h"
#include "include/wakeup.h"

#define FABRIC_WORKERS_MAX 64u
#define FABRIC_CONTROLS_MAX 64u

struct shard_fabric {
    uint32_t worker_count;
    uint32_t control_count;
    uint32_t operations_per_worker;
    struct message_ring *request[FABRIC_WORKERS_MAX][FABRIC_CONTROLS_MAX];
    struct message_ring *reply[FABRIC_CONTROLS_MAX][FABRIC_WORKERS_MAX];
    struct message_ring
        *home[FABRIC_WORKERS_MAX][FABRIC_WORKERS_MAX]; /* none from a worker to itself */
    struct sleeper worker_sleepers[FABRIC_WORKERS_MAX];
    struct sleeper control_sleepers[FABRIC_CONTROLS_MAX];
    struct shard_operation *operations[FABRIC_WORKERS_MAX]; /* each worker's array of credits */
};

int shard_fabric_create(uint32_t workers, uint32_t controls, uint32_t operations_per_worker,
                        struct shard_fabric **fabric);
void shard_fabric_destroy(struct shard_fabric *fabric);

/* Which control thread owns a virtual shard. */
static inline uint32_t shard_fabric_control_of(const struct shard_fabric *fabric,
                                               uint64_t shard_hash)
{
    return shard_of_hash(shard_hash) % fabric->control_count;
}

#endif
