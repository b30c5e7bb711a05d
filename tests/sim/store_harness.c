/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/sim/store_harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/config_file.h"
#include "control/segment_maker.h"
#include "control/shard_commit.h"
#include "control/shard_compaction.h"
#include "control/shard_extent.h"
#include "control/shard_read.h"
#include "include/assert_policy.h"
#include "include/blob.h"
#include "include/counters.h"
#include "include/key_hash.h"
#include "include/log.h"

#define ROUND_NS UINT64_C(50000)

void harness_init(struct harness *harness, uint64_t seed)
{
    *harness = (struct harness){0};
    static struct counters *counters;
    if (counters == NULL)
        counters = counters_register("simulation");
    harness->counters = counters;
    harness->sim = io_simulator_create(seed);
    config_defaults(&harness->config);
    memcpy(harness->config.store.directory, "data", 5);
    /* both ways to a durable commit, and now and then the measurement that chooses one */
    harness->config.store.sync_method = seed % 16 == 13     ? CONFIG_SYNC_METHOD_AUTO
                                        : seed / 2 % 2 == 1 ? CONFIG_SYNC_METHOD_DSYNC
                                                            : CONFIG_SYNC_METHOD_FDATASYNC;
    harness->config.store.space_reserve_mib = 0;
    harness->config.store.compact_mib_per_s = 1000;
    harness->config.store.scrub_mib_per_s = 0;
    harness->sizes = (struct store_sizes){
        .segment_bytes = 64u << 10,
        .frame_bytes_max = 32u << 10,
        .recent_bytes = 32u << 10,
        .version_block = 16,
        .extent_value_bytes_min = 12000,
    };
    ASSERT(blob_pool_create(8u << 20, 2, &harness->pool) == 0);
    harness->stock = blob_stock_create(harness->pool);
    for (uint32_t i = 0; i < HARNESS_OPERATIONS; i++) {
        struct shard_operation *operation = aligned_alloc(CACHE_LINE_BYTES, sizeof(*operation));
        operation->next = harness->free_operations;
        harness->free_operations = operation;
    }
}

void harness_destroy(struct harness *harness)
{
    ASSERT(harness->set == NULL && harness->in_flight == 0);
    while (harness->free_operations != NULL) {
        struct shard_operation *operation = harness->free_operations;
        harness->free_operations = operation->next;
        free(operation);
    }
    blob_stock_destroy(harness->stock);
    ASSERT(blob_pool_free_bytes(harness->pool) == blob_pool_total_bytes(harness->pool));
    blob_pool_destroy(harness->pool);
    io_simulator_destroy(harness->sim);
}

void harness_give_back(struct harness *harness, struct shard_operation *operation)
{
    if (operation->value != NULL)
        blob_release(harness->stock, operation->value);
    operation->next = harness->free_operations;
    harness->free_operations = operation;
    harness->in_flight--;
}

void harness_drop_loops(struct harness *harness)
{
    for (uint32_t i = 0; i < HARNESS_THREADS_MAX; i++) {
        if (harness->loops[i] != NULL)
            io_loop_destroy(harness->loops[i]);
        harness->loops[i] = NULL;
    }
}

int harness_open(struct harness *harness, uint32_t thread_count)
{
    struct io_loop_config loop_config = {
        .backend = IO_BACKEND_SIMULATOR, .depth_max = 16, .wake_fd = -1};
    harness->thread_count = thread_count;
    harness->config.control.threads = thread_count;
    for (uint32_t i = 0; i < thread_count; i++)
        ASSERT(io_simulator_loop(harness->sim, &loop_config, &harness->loops[i]) == 0);
    int status =
        store_set_open_sized(&harness->config, &harness->sizes, harness->loops[0], &harness->set);
    if (status < 0)
        return status;
    for (uint32_t i = 0; i < thread_count; i++)
        ASSERT(store_attach(harness->set, i, harness->loops[i], harness->stock, harness->counters,
                            &harness->stores[i]) == 0);
    return 0;
}

void harness_close(struct harness *harness)
{
    for (uint32_t i = 0; i < harness->thread_count; i++) {
        store_detach(harness->stores[i]);
        harness->stores[i] = NULL;
    }
    store_set_close(harness->set);
    harness->set = NULL;
    harness_drop_loops(harness);
}

static void forget_list(struct harness *harness, struct operation_list *list)
{
    struct shard_operation *operation;
    while ((operation = operation_list_pop(list)) != NULL)
        harness_give_back(harness, operation);
}

static void forget_batch(struct harness *harness, struct batch *batch)
{
    for (uint32_t i = 0; i < batch->entry_count; i++)
        if (batch->entries[i].operation != NULL)
            harness_give_back(harness, batch->entries[i].operation);
    batch->entry_count = 0;
}

/* Takes every operation out of a store that will never answer it. */
static void forget_operations(struct harness *harness, struct store *store)
{
    forget_list(harness, &store->arrivals);
    forget_list(harness, &store->extent_queue);
    forget_list(harness, &store->read_queue);
    forget_list(harness, &store->done);
    forget_batch(harness, store->stream.open);
    forget_batch(harness, store->stream.flying);
    for (uint32_t i = 0; i < store->read_jobs_count; i++) {
        struct read_job *job = &store->read_jobs[i];
        if (job->state == READ_FREE)
            continue;
        forget_list(harness, &job->waiters);
        if (job->copy.blob != NULL)
            blob_release(harness->stock, job->copy.blob);
    }
    for (uint32_t i = 0; i < EXTENT_JOBS_MAX; i++) {
        struct extent_job *job = &store->extent_jobs[i];
        if (job->state == EXTENT_FREE)
            continue;
        forget_list(harness, &job->followers);
        if (job->operation != NULL && job->state != EXTENT_READY)
            harness_give_back(harness, job->operation);
        if (job->copy.blob != NULL)
            blob_release(harness->stock, job->copy.blob);
    }
}

void harness_crash(struct harness *harness, enum io_crash_mode mode)
{
    io_simulator_crash(harness->sim, mode);
    if (harness->set == NULL) {
        harness_drop_loops(harness);
        return;
    }
    for (uint32_t i = 0; i < harness->thread_count; i++) {
        forget_operations(harness, harness->stores[i]);
        harness->stores[i]->held_count = 0;
        store_detach(harness->stores[i]);
        harness->stores[i] = NULL;
    }
    store_set_close(harness->set);
    harness->set = NULL;
    harness_drop_loops(harness);
    ASSERT(harness->in_flight == 0);
}

struct shard_operation *harness_operation(struct harness *harness, enum shard_verb verb,
                                          const void *key, uint32_t key_bytes)
{
    struct shard_operation *operation = harness->free_operations;
    if (operation == NULL)
        return NULL;
    harness->free_operations = operation->next;
    harness->in_flight++;
    memset(operation, 0, sizeof(*operation));
    operation->verb = (uint8_t)verb;
    operation->key_bytes = (uint16_t)key_bytes;
    memcpy(operation_key(operation), key, key_bytes);
    operation->shard_hash = key_hash_shard(key, key_bytes);
    operation->deadline_ns = UINT64_MAX;
    return operation;
}

void harness_set_value(struct harness *harness, struct shard_operation *operation,
                       const uint8_t *value, uint32_t value_bytes)
{
    operation->value_bytes = value_bytes;
    if (value_bytes <= operation_inline_room(operation)) {
        memcpy(operation_inline_value(operation), value, value_bytes);
        return;
    }
    operation->value = blob_create(harness->stock, value_bytes);
    ASSERT(operation->value != NULL);
    blob_append(operation->value, value, value_bytes);
}

uint8_t *harness_copy_value(struct shard_operation *operation, uint8_t *out)
{
    if (operation->value != NULL)
        blob_copy_out(operation->value, 0, out, operation->value_bytes);
    else
        memcpy(out, operation_inline_value(operation), operation->value_bytes);
    return out;
}

void harness_submit(struct harness *harness, struct shard_operation *operation)
{
    uint32_t thread = shard_of_hash(operation->shard_hash) % harness->thread_count;
    store_submit(harness->stores[thread], operation);
}

static void reap(struct harness *harness, struct store *store)
{
    struct shard_operation *done[16];
    uint32_t n;
    while ((n = store_reap(store, done, 16)) > 0) {
        for (uint32_t i = 0; i < n; i++) {
            if (harness->answer != NULL)
                harness->answer(harness->context, done[i]);
            harness_give_back(harness, done[i]);
        }
    }
}

static uint64_t run_threads(struct harness *harness)
{
    uint64_t next = UINT64_MAX;
    for (uint32_t i = 0; i < harness->thread_count; i++) {
        struct io_operation *completed[16];
        uint32_t n;
        while ((n = io_reap(harness->loops[i], completed, 16)) > 0)
            for (uint32_t c = 0; c < n; c++)
                store_complete(harness->stores[i], completed[c]);
        store_advance(harness->stores[i]);
        reap(harness, harness->stores[i]);
        uint64_t due = store_next_deadline_ns(harness->stores[i]);
        next = due < next ? due : next;
    }
    return next;
}

void harness_round(struct harness *harness)
{
    run_threads(harness);
    for (uint32_t i = 0; i < harness->thread_count; i++)
        io_wait(harness->loops[i], ROUND_NS / harness->thread_count);
}

bool harness_settle(struct harness *harness)
{
    for (uint32_t round = 0; round < 2000000; round++) {
        if (io_simulator_is_crashed(harness->sim))
            return false;
        if (harness->in_flight == 0)
            return true;
        harness_round(harness);
    }
    return false;
}

static uint64_t entry_value_bytes(const struct store_set *set, uint32_t shard,
                                  const struct index_entry *entry)
{
    uint8_t key[8];
    if ((index_entry_flags(entry) & INDEX_EXTENT) == 0)
        return index_entry_value_bytes(entry);
    store_extent_key(key, entry->version);
    return extent_entry_bytes(shard_index_find(&set->extents[shard], key, sizeof(key)));
}

void harness_check_counts(const struct harness *harness)
{
    const struct store_set *set = harness->set;
    struct space_counts *found;
    ASSERT(space_counts_create(&found) == 0);
    for (uint32_t shard = 0; shard < VIRTUAL_SHARDS; shard++) {
        uint8_t key[KEY_BYTES_MAX];
        uint32_t key_bytes = 0;
        uint64_t values = 0;
        const struct index_entry *entry;
        while ((entry = shard_index_next(&set->indexes[shard], key, key_bytes, key_bytes > 0, key,
                                         &key_bytes)) != NULL) {
            if (!index_entry_is_value(entry))
                continue;
            values++;
            space_counts_add(found, 0, key, key_bytes, 1,
                             (int64_t)entry_value_bytes(set, shard, entry));
        }
        ASSERT(atomic_load(&set->key_count[shard]) == values);
    }
    struct space_count counted, expected;
    for (uint32_t at = 0; space_counts_next(set->space_counts, &at, &counted);) {
        ASSERT(space_counts_read(found, counted.name, &expected));
        ASSERT(counted.keys == expected.keys && counted.value_bytes == expected.value_bytes);
    }
    space_counts_destroy(found);
}

void harness_idle(struct harness *harness, uint64_t ns)
{
    uint64_t until = io_now_ns(harness->loops[0]) + ns;
    while (io_now_ns(harness->loops[0]) < until && !io_simulator_is_crashed(harness->sim)) {
        uint64_t next = run_threads(harness);
        uint64_t now = io_now_ns(harness->loops[0]);
        uint64_t pause = next <= now ? 1000 : next - now;
        if (pause > until - now)
            pause = until - now + 1;
        for (uint32_t i = 0; i < harness->thread_count; i++)
            io_wait(harness->loops[i], pause / harness->thread_count + 1);
    }
}
