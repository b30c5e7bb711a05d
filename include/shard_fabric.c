/* SPDX-License-Identifier: BSD-3-Clause */
#include "include/shard_fabric.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "include/key_hash.h"
#include "include/shard_listing.h"

static void *create_credits(size_t count, size_t bytes_each)
{
    size_t bytes = (count * bytes_each + GUARD_BYTES - 1) / GUARD_BYTES * GUARD_BYTES;
    void *credits = aligned_alloc(GUARD_BYTES, bytes);
    if (credits)
        memset(credits, 0, bytes);
    return credits;
}

static bool create_ring(struct message_ring **ring, uint32_t capacity)
{
    *ring = message_ring_create(capacity);
    return *ring != NULL;
}

/* What a client of the store needs: a worker or a task thread. */
static int create_client(struct shard_fabric *fabric, uint32_t client)
{
    uint32_t own = shard_fabric_operations_of(fabric, client);
    for (uint32_t c = 0; c < fabric->control_count; c++)
        if (!create_ring(&fabric->request[client][c], own))
            return -ENOMEM;
    for (uint32_t owner = 0; owner < fabric->worker_count; owner++)
        if (owner != client && !create_ring(&fabric->home[owner][client], own))
            return -ENOMEM;
    fabric->operations[client] = create_credits(own, sizeof(struct shard_operation));
    return fabric->operations[client] ? sleeper_init(&fabric->client_sleepers[client]) : -ENOMEM;
}

static int create_worker_tasks(struct shard_fabric *fabric, uint32_t worker)
{
    uint32_t own = fabric->shape.tasks_per_worker;
    for (uint32_t t = 0; t < fabric->task_thread_count; t++)
        if (!create_ring(&fabric->task_request[worker][t], own) ||
            !create_ring(&fabric->task_reply[t][worker], own))
            return -ENOMEM;
    fabric->tasks[worker] = create_credits(own, sizeof(struct api_task));
    return own == 0 || fabric->tasks[worker] ? 0 : -ENOMEM;
}

static int create_control(struct shard_fabric *fabric, uint32_t control)
{
    const struct shard_fabric_shape *shape = &fabric->shape;
    uint32_t all = shape->operations_per_worker * shape->workers +
                   shape->operations_per_task_thread * shape->task_threads;
    for (uint32_t w = 0; w < fabric->worker_count; w++)
        if (!create_ring(&fabric->reply[control][w], all))
            return -ENOMEM;
    return sleeper_init(&fabric->control_sleepers[control]);
}

static int create_parts(struct shard_fabric *fabric)
{
    int result = 0;
    for (uint32_t client = 0; client < fabric->client_count && result == 0; client++)
        result = create_client(fabric, client);
    for (uint32_t w = 0; w < fabric->worker_count && result == 0; w++)
        result = create_worker_tasks(fabric, w);
    for (uint32_t c = 0; c < fabric->control_count && result == 0; c++)
        result = create_control(fabric, c);
    return result;
}

int shard_fabric_create(const struct shard_fabric_shape *shape, struct shard_fabric **out)
{
    if (shape->workers == 0 || shape->workers > FABRIC_WORKERS_MAX || shape->controls == 0 ||
        shape->controls > FABRIC_CONTROLS_MAX || shape->task_threads > FABRIC_TASK_THREADS_MAX ||
        shape->workers + shape->task_threads > FABRIC_CLIENTS_MAX ||
        shape->operations_per_worker == 0)
        return -EINVAL;
    struct shard_fabric *fabric = aligned_alloc(GUARD_BYTES, sizeof(*fabric));
    if (!fabric)
        return -ENOMEM;
    memset(fabric, 0, sizeof(*fabric));
    fabric->shape = *shape;
    fabric->worker_count = shape->workers;
    fabric->control_count = shape->controls;
    fabric->task_thread_count = shape->task_threads;
    fabric->client_count = shape->workers + shape->task_threads;
    for (uint32_t i = 0; i < FABRIC_CLIENTS_MAX; i++)
        fabric->client_sleepers[i].event_fd = -1;
    for (uint32_t i = 0; i < FABRIC_CONTROLS_MAX; i++)
        fabric->control_sleepers[i].event_fd = -1;

    int result = create_parts(fabric);
    if (result != 0) {
        shard_fabric_destroy(fabric);
        return result;
    }
    *out = fabric;
    return 0;
}

void shard_fabric_destroy(struct shard_fabric *fabric)
{
    if (!fabric)
        return;
    for (uint32_t client = 0; client < fabric->client_count; client++) {
        for (uint32_t c = 0; c < fabric->control_count; c++)
            message_ring_destroy(fabric->request[client][c]);
        for (uint32_t owner = 0; owner < fabric->worker_count; owner++)
            message_ring_destroy(fabric->home[owner][client]);
        free(fabric->operations[client]);
        sleeper_destroy(&fabric->client_sleepers[client]);
    }
    for (uint32_t w = 0; w < fabric->worker_count; w++) {
        for (uint32_t c = 0; c < fabric->control_count; c++)
            message_ring_destroy(fabric->reply[c][w]);
        for (uint32_t t = 0; t < fabric->task_thread_count; t++) {
            message_ring_destroy(fabric->task_request[w][t]);
            message_ring_destroy(fabric->task_reply[t][w]);
        }
        free(fabric->tasks[w]);
    }
    for (uint32_t c = 0; c < fabric->control_count; c++)
        sleeper_destroy(&fabric->control_sleepers[c]);
    free(fabric);
}

void shard_fabric_send(struct shard_fabric *fabric, struct shard_operation *operation,
                       uint32_t client, uint64_t cache_hash_seed, const struct round_time *time,
                       uint64_t *controls_to_wake)
{
    const uint8_t *key = operation_key(operation);
    operation->origin_worker = (uint8_t)client;
    operation->shard_hash = key_hash_shard(key, operation->key_bytes);
    operation->cache_hash = key_hash_cache(key, operation->key_bytes, cache_hash_seed);
    uint32_t control = shard_fabric_control_of(fabric, operation->shard_hash);
    operation->control_index = (uint8_t)control;
    operation->owner_worker = (uint8_t)key_hash_owner(operation->cache_hash, fabric->worker_count);
    operation->wall_ms = time->wall_ms;
    operation->started_ns = time->now_ns;
    message_ring_push(fabric->request[client][control], operation); /* given away */
    *controls_to_wake |= UINT64_C(1) << control;
}

void shard_fabric_send_to_control(struct shard_fabric *fabric, struct shard_operation *operation,
                                  uint32_t client, uint32_t control, const struct round_time *time,
                                  uint64_t *controls_to_wake)
{
    operation->origin_worker = (uint8_t)client;
    operation->shard_hash = listing_shard_hash(control);
    operation->control_index = (uint8_t)control;
    operation->owner_worker = (uint8_t)(control % fabric->worker_count); /* only passes it on */
    operation->wall_ms = time->wall_ms;
    operation->started_ns = time->now_ns;
    message_ring_push(fabric->request[client][control], operation); /* given away */
    *controls_to_wake |= UINT64_C(1) << control;
}
