/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/shard_client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/response_cache.h"
#include "include/assert_policy.h"
#include "include/counters.h"
#include "include/shard_fabric.h"

#define POLL_BATCH 32u

struct shard_client {
    struct shard_client_config config;
    struct shard_operation *free_list;
    uint32_t in_flight;
    uint32_t next_source; /* round robin over rings, so that none starves the others */
    uint64_t controls_to_wake;
    uint64_t clients_to_wake;
};

static_assert(FABRIC_CLIENTS_MAX <= 64 && FABRIC_CONTROLS_MAX <= 64, "one bit each");

int shard_client_create(const struct shard_client_config *config, struct shard_client **out)
{
    struct shard_client *client =
        aligned_alloc(GUARD_BYTES, (sizeof(*client) + GUARD_BYTES - 1) / GUARD_BYTES * GUARD_BYTES);
    if (!client)
        return -ENOMEM;
    memset(client, 0, sizeof(*client));
    client->config = *config;
    struct shard_operation *operations = config->fabric->operations[config->worker];
    for (uint32_t i = config->fabric->shape.operations_per_worker; i-- > 0;) {
        operations[i].next = client->free_list;
        client->free_list = &operations[i];
    }
    *out = client;
    return 0;
}

void shard_client_destroy(struct shard_client *client)
{
    free(client);
}

struct shard_operation *shard_client_take(struct shard_client *client)
{
    struct shard_operation *operation = client->free_list;
    if (!operation) {
        count(client->config.counters, COUNTER_SHARD_NO_CREDIT);
        return NULL;
    }
    client->free_list = operation->next;
    client->in_flight++;
    memset(operation, 0, offsetof(struct shard_operation, bytes));
    operation->origin_worker = (uint8_t)client->config.worker;
    return operation;
}

void shard_client_release(struct shard_client *client, struct shard_operation *operation)
{
    ASSERT_HOT(operation->origin_worker == client->config.worker);
    if (operation->value) {
        blob_release(client->config.stock, operation->value);
        operation->value = NULL;
    }
    operation->next = client->free_list;
    client->free_list = operation;
    client->in_flight--;
}

void shard_client_send(struct shard_client *client, struct shard_operation *operation,
                       const struct round_time *time)
{
    shard_fabric_send(client->config.fabric, operation, client->config.worker,
                      client->config.cache_hash_seed, time, &client->controls_to_wake);
    count(client->config.counters, COUNTER_SHARD_REQUESTS);
}

/*
 * The cache first, then the answer: nobody may see the answer while an older value is still cached.
 */
static void apply_as_owner(struct shard_client *client, struct shard_operation *operation,
                           const struct round_time *time)
{
    if (operation->cache_action == SHARD_CACHE_NOTHING)
        return;
    if (operation->cache_action == SHARD_CACHE_ABSENT) {
        operation->expires_at_ms = time->wall_ms + client->config.absent_ttl_ms;
        if (client->config.absent_ttl_ms == 0)
            operation->cache_action = SHARD_CACHE_INVALIDATE; /* an expired value, perhaps */
    }
    response_cache_apply(client->config.cache, client->config.worker, operation, time->wall_ms);
}

/* Where the cache has the keys, and what it has there, loaded for all of them at once. */
static void expect_in_cache(const struct shard_client *client,
                            struct shard_operation *const *operations, uint32_t count)
{
    const struct cache_bucket *buckets[POLL_BATCH];
    for (uint32_t i = 0; i < count; i++)
        buckets[i] = response_cache_bucket(client->config.cache, operations[i]->cache_hash);
    for (uint32_t i = 0; i < count; i++)
        response_cache_guess(buckets[i], operations[i]->cache_hash);
}

static uint32_t poll_control(struct shard_client *client, uint32_t control,
                             const struct round_time *time, struct shard_operation **home,
                             uint32_t limit)
{
    struct shard_fabric *fabric = client->config.fabric;
    uint32_t worker = client->config.worker;
    struct shard_operation *batch[POLL_BATCH];
    uint32_t homed = 0;
    uint32_t got = message_ring_pop(fabric->reply[control][worker], batch,
                                    limit < POLL_BATCH ? limit : POLL_BATCH);
    expect_in_cache(client, batch, got);
    for (uint32_t i = 0; i < got; i++) {
        struct shard_operation *operation = batch[i];
        apply_as_owner(client, operation, time);
        uint32_t origin = operation->origin_worker;
        if (origin == worker) {
            home[homed++] = operation;
        } else {
            message_ring_push(fabric->home[worker][origin], operation); /* given away */
            client->clients_to_wake |= UINT64_C(1) << origin;
        }
    }
    return homed;
}

uint32_t shard_client_poll(struct shard_client *client, const struct round_time *time,
                           struct shard_operation **home, uint32_t limit)
{
    struct shard_fabric *fabric = client->config.fabric;
    uint32_t worker = client->config.worker;
    uint32_t sources = fabric->control_count + fabric->worker_count;
    uint32_t homed = 0;
    uint32_t source = client->next_source;
    for (uint32_t i = 0; i < sources && homed < limit; i++) {
        if (source < fabric->control_count) {
            homed += poll_control(client, source, time, home + homed, limit - homed);
        } else if (source - fabric->control_count != worker) {
            homed += message_ring_pop(fabric->home[source - fabric->control_count][worker],
                                      home + homed, limit - homed);
        }
        source = source + 1 < sources ? source + 1 : 0;
    }
    client->next_source = source;
    for (uint32_t i = 0; i < homed; i++)
        histogram_record(client->config.counters, HISTOGRAM_STORE_NS,
                         time->now_ns - home[i]->started_ns);
    return homed;
}

void shard_client_flush(struct shard_client *client)
{
    shard_fabric_wake_controls(client->config.fabric, client->controls_to_wake);
    shard_fabric_wake_clients(client->config.fabric, client->clients_to_wake);
    client->controls_to_wake = 0;
    client->clients_to_wake = 0;
}

bool shard_client_has_input(const struct shard_client *client)
{
    const struct shard_fabric *fabric = client->config.fabric;
    uint32_t worker = client->config.worker;
    for (uint32_t control = 0; control < fabric->control_count; control++)
        if (message_ring_depth(fabric->reply[control][worker]) > 0)
            return true;
    for (uint32_t other = 0; other < fabric->worker_count; other++)
        if (other != worker && message_ring_depth(fabric->home[other][worker]) > 0)
            return true;
    return false;
}

uint32_t shard_client_in_flight(const struct shard_client *client)
{
    return client->in_flight;
}
