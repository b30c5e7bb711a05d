/* SPDX-License-Identifier: BSD-3-Clause */
#include "include/shard_fabric.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int create_rings(struct shard_fabric *fabric)
{
    uint32_t own = fabric->operations_per_worker;
    uint32_t all = own * fabric->worker_count;
    for (uint32_t w = 0; w < fabric->worker_count; w++) {
        for (uint32_t c = 0; c < fabric->control_count; c++) {
            fabric->request[w][c] = message_ring_create(own);
            fabric->reply[c][w] = message_ring_create(all);
            if (!fabric->request[w][c] || !fabric->reply[c][w])
                return -ENOMEM;
        }
        for (uint32_t other = 0; other < fabric->worker_count; other++) {
            if (other == w)
                continue;
            fabric->home[w][other] = message_ring_create(own);
            if (!fabric->home[w][other])
                return -ENOMEM;
        }
        size_t bytes = (size_t)own * sizeof(struct shard_operation);
        fabric->operations[w] = aligned_alloc(GUARD_BYTES, bytes);
        if (!fabric->operations[w])
            return -ENOMEM;
        memset(fabric->operations[w], 0, bytes);
    }
    return 0;
}

static int create_sleepers(struct shard_fabric *fabric)
{
    int result = 0;
    for (uint32_t w = 0; w < fabric->worker_count && result == 0; w++)
        result = sleeper_init(&fabric->worker_sleepers[w]);
    for (uint32_t c = 0; c < fabric->control_count && result == 0; c++)
        result = sleeper_init(&fabric->control_sleepers[c]);
    return result;
}

int shard_fabric_create(uint32_t workers, uint32_t controls, uint32_t operations_per_worker,
                        struct shard_fabric **out)
{
    if (workers == 0 || workers > FABRIC_WORKERS_MAX || controls == 0 ||
        controls > FABRIC_CONTROLS_MAX || operations_per_worker == 0)
        return -EINVAL;
    struct shard_fabric *fabric = aligned_alloc(GUARD_BYTES, sizeof(*fabric));
    if (!fabric)
        return -ENOMEM;
    memset(fabric, 0, sizeof(*fabric));
    fabric->worker_count = workers;
    fabric->control_count = controls;
    fabric->operations_per_worker = operations_per_worker;
    for (uint32_t i = 0; i < FABRIC_WORKERS_MAX; i++)
        fabric->worker_sleepers[i].event_fd = -1;
    for (uint32_t i = 0; i < FABRIC_CONTROLS_MAX; i++)
        fabric->control_sleepers[i].event_fd = -1;

    int result = create_rings(fabric);
    if (result == 0)
        result = create_sleepers(fabric);
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
    for (uint32_t w = 0; w < fabric->worker_count; w++) {
        for (uint32_t c = 0; c < fabric->control_count; c++) {
            message_ring_destroy(fabric->request[w][c]);
            message_ring_destroy(fabric->reply[c][w]);
        }
        for (uint32_t other = 0; other < fabric->worker_count; other++)
            message_ring_destroy(fabric->home[w][other]);
        free(fabric->operations[w]);
        sleeper_destroy(&fabric->worker_sleepers[w]);
    }
    for (uint32_t c = 0; c < fabric->control_count; c++)
        sleeper_destroy(&fabric->control_sleepers[c]);
    free(fabric);
}
