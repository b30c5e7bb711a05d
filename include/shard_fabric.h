/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * shard_fabric.h - every ring and sleeper between workers, control threads and task threads.
 *
 * Purpose:   request[client][control], reply[control][owner], home[owner][client]: the three hops
 *            of an operation, wired once at start. One FIFO per pair, so what a control thread
 *            decided first arrives first at the worker that owns the key's cache part. Clients are
 *            the workers and, behind them, the task threads. task_request[worker][thread] and
 *            task_reply[thread][worker]: the two hops of a task.
 * Ownership: the fabric lives from before the threads start until after they ended.
 * Threading: each ring has the producer and the consumer that its indices name.
 * Units:     operations, tasks.
 * Errors:    create returns a negative errno.
 * Source:    ARCHITECTURE.md, "What makes reads linearizable".
 */
#ifndef GANNET_SHARD_FABRIC_H
#define GANNET_SHARD_FABRIC_H

#include <stdint.h>

#include "include/api_task.h"
#include "include/clock.h"
#include "include/message_ring.h"
#include "include/shard_operation.h"
#include "include/wakeup.h"

#define FABRIC_WORKERS_MAX 64u
#define FABRIC_CONTROLS_MAX 64u
#define FABRIC_TASK_THREADS_MAX 16u
#define FABRIC_CLIENTS_MAX 64u /* workers and task threads together: one bit each in a word */

struct shard_fabric_shape {
    uint32_t workers;
    uint32_t controls;
    uint32_t task_threads; /* may be 0 */
    uint32_t operations_per_worker;
    uint32_t operations_per_task_thread;
    uint32_t tasks_per_worker;
};

struct shard_fabric {
    uint32_t worker_count;
    uint32_t control_count;
    uint32_t task_thread_count;
    uint32_t client_count; /* worker_count + task_thread_count */
    struct shard_fabric_shape shape;
    struct message_ring *request[FABRIC_CLIENTS_MAX][FABRIC_CONTROLS_MAX];
    struct message_ring *reply[FABRIC_CONTROLS_MAX][FABRIC_WORKERS_MAX];
    struct message_ring
        *home[FABRIC_WORKERS_MAX][FABRIC_CLIENTS_MAX]; /* none from a worker to itself */
    struct message_ring *task_request[FABRIC_WORKERS_MAX][FABRIC_TASK_THREADS_MAX];
    struct message_ring *task_reply[FABRIC_TASK_THREADS_MAX][FABRIC_WORKERS_MAX];
    struct sleeper client_sleepers[FABRIC_CLIENTS_MAX];
    struct sleeper control_sleepers[FABRIC_CONTROLS_MAX];
    struct shard_operation *operations[FABRIC_CLIENTS_MAX]; /* each client's array of credits */
    struct api_task *tasks[FABRIC_WORKERS_MAX];             /* each worker's array of credits */
};

int shard_fabric_create(const struct shard_fabric_shape *shape, struct shard_fabric **fabric);
void shard_fabric_destroy(struct shard_fabric *fabric);

static inline uint32_t shard_fabric_operations_of(const struct shard_fabric *fabric,
                                                  uint32_t client)
{
    return client < fabric->worker_count ? fabric->shape.operations_per_worker
                                         : fabric->shape.operations_per_task_thread;
}

/* Which control thread owns a virtual shard. */
static inline uint32_t shard_fabric_control_of(const struct shard_fabric *fabric,
                                               uint64_t shard_hash)
{
    return shard_of_hash(shard_hash) % fabric->control_count;
}

/* One wake-up for each client whose bit is set: call it at the end of a round. */
static inline void shard_fabric_wake_clients(struct shard_fabric *fabric, uint64_t clients)
{
    while (clients != 0) {
        wake_if_asleep(&fabric->client_sleepers[__builtin_ctzll(clients)]);
        clients &= clients - 1;
    }
}

static inline void shard_fabric_wake_controls(struct shard_fabric *fabric, uint64_t controls)
{
    while (controls != 0) {
        wake_if_asleep(&fabric->control_sleepers[__builtin_ctzll(controls)]);
        controls &= controls - 1;
    }
}

/*
 * The operation's key is set: fills in hashes and routing and gives it to its control thread, whose
 * bit in `controls_to_wake` is set.
 */
void shard_fabric_send(struct shard_fabric *fabric, struct shard_operation *operation,
                       uint32_t client, uint64_t cache_hash_seed, const struct round_time *time,
                       uint64_t *controls_to_wake);

/* The same for an operation that belongs to a control thread and to no key's cache owner. */
void shard_fabric_send_to_control(struct shard_fabric *fabric, struct shard_operation *operation,
                                  uint32_t client, uint32_t control, const struct round_time *time,
                                  uint64_t *controls_to_wake);

#endif
