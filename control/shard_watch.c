/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/shard_watch.h"

#include <string.h>

#include "control/shard_read.h"
#include "include/clock.h"
#include "include/counters.h"
#include "include/key_hash.h"

/* What the read at the end of the wait may take. */
#define READ_TIME_NS (1 * NS_PER_S)

static struct operation_list *bucket_of(struct store *store, uint64_t shard_hash)
{
    return &store->watches[shard_hash % WATCH_BUCKETS]; /* the top bits choose the shard */
}

/* The key's value, when it is of a version that the client has; else NULL. */
static const struct index_entry *
known_entry(struct store *store, const struct shard_operation *operation, uint64_t wall_ms)
{
    const struct index_entry *entry =
        shard_index_find(&store->set->indexes[shard_of_hash(operation->shard_hash)],
                         operation->bytes, operation->key_bytes);
    if (!index_entry_is_visible(entry, wall_ms))
        return NULL;
    for (uint32_t i = 0; i < operation->version_count; i++)
        if (operation->versions[i] == entry->version)
            return entry;
    return NULL;
}

static void read_now(struct store *store, struct shard_operation *operation)
{
    operation->verb = SHARD_GET;
    operation->started_ns = store->now_ns; /* the wait is not the store's time */
    if (operation->deadline_ns < store->now_ns + READ_TIME_NS)
        operation->deadline_ns = store->now_ns + READ_TIME_NS;
    read_submit(store, operation);
}

/* That the value's time is over is news too, and nobody writes it: the wait ends then. */
static void end_by_expiry(const struct store *store, struct shard_operation *operation,
                          const struct index_entry *entry, uint64_t wall_ms)
{
    if (entry->expires_at_ms == 0)
        return;
    uint64_t expires_ns = store->now_ns + (entry->expires_at_ms - wall_ms) * NS_PER_MS;
    if (expires_ns < operation->deadline_ns)
        operation->deadline_ns = expires_ns;
}

void watch_submit(struct store *store, struct shard_operation *operation)
{
    uint64_t wall_ms = store_wall_ms(store, operation->wall_ms);
    const struct index_entry *entry = known_entry(store, operation, wall_ms);
    if (!entry) {
        read_now(store, operation);
        return;
    }
    if (store->watch_count == store->set->watches_max) {
        count(store->counters, COUNTER_STORE_WATCHES_FULL);
        store_answer(store, operation, SHARD_BUSY, SHARD_CACHE_NOTHING);
        return;
    }
    store->watch_count++;
    end_by_expiry(store, operation, entry, wall_ms);
    operation_list_append(bucket_of(store, operation->shard_hash), operation);
}

static bool is_of_key(const struct shard_operation *operation, const void *key, uint32_t key_bytes)
{
    return operation->key_bytes == key_bytes && memcmp(operation->bytes, key, key_bytes) == 0;
}

void watch_wake(struct store *store, const void *key, uint32_t key_bytes)
{
    if (store->watch_count == 0)
        return;
    struct operation_list *bucket = bucket_of(store, key_hash_shard(key, key_bytes));
    struct operation_list waiting = *bucket;
    struct shard_operation *operation;
    *bucket = (struct operation_list){0};
    while ((operation = operation_list_pop(&waiting)) != NULL) {
        if (is_of_key(operation, key, key_bytes)) {
            store->watch_count--;
            read_now(store, operation);
        } else {
            operation_list_append(bucket, operation);
        }
    }
}

void watch_check_deadlines(struct store *store)
{
    for (uint32_t i = 0; i < WATCH_BUCKETS && store->watch_count > 0; i++) {
        struct operation_list waiting = store->watches[i];
        struct shard_operation *operation;
        store->watches[i] = (struct operation_list){0};
        while ((operation = operation_list_pop(&waiting)) != NULL) {
            if (operation->deadline_ns <= store->now_ns) {
                store->watch_count--;
                read_now(store, operation);
            } else {
                operation_list_append(&store->watches[i], operation);
            }
        }
    }
}
