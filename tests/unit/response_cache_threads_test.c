/* SPDX-License-Identifier: BSD-3-Clause */
/* Run under -Dsanitize=thread as well: every worker writes its own part and reads all of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/response_cache.h"
#include "include/counters.h"
#include "include/key_hash.h"
#include "include/random.h"
#include "include/shard_operation.h"

enum { WORKERS = 3, KEYS = 1500, ROUNDS = 6000, READS_PER_ROUND = 32, HELD = 8 };

#define SEED UINT64_C(77)
#define WALL_MS UINT64_C(1000)

struct worker {
    uint32_t index;
    struct blob_stock *stock;
    struct counters *counters;
    struct random random;
    uint64_t last_seen[KEYS];
    uint64_t hits;
    struct blob *held[HELD]; /* values kept longer than a round, as a slow client does */
    struct shard_operation operation;
    const char *wrong;
};

static struct response_cache *cache;
static struct blob_pool *pool;
static struct worker workers[WORKERS];

static uint32_t key_make(uint8_t *text, uint32_t key)
{
    memcpy(text, "threads", 8);
    memcpy(text + 8, &key, sizeof(key));
    return 12;
}

static uint8_t value_byte(uint32_t key, uint64_t version, uint32_t at)
{
    return (uint8_t)((key * 131 + version * 17 + at) * UINT64_C(0x9e3779b97f4a7c15) >> 56);
}

static uint32_t value_length(uint32_t key, uint64_t version)
{
    return (version + key) % 5 == 0 ? 3000 + (uint32_t)(version % 3000) : (uint32_t)(version % 900);
}

static void write_one(struct worker *worker, uint32_t key, uint64_t version)
{
    struct shard_operation *operation = &worker->operation;
    memset(operation, 0, offsetof(struct shard_operation, bytes));
    operation->key_bytes = (uint16_t)key_make(operation->bytes, key);
    operation->cache_hash = key_hash_cache(operation->bytes, operation->key_bytes, SEED);
    if (key_hash_owner(operation->cache_hash, WORKERS) != worker->index)
        return;
    operation->version = version;
    operation->cache_action = SHARD_CACHE_FILL;
    operation->value_bytes = value_length(key, version);
    if (random_chance(&worker->random, 100)) {
        operation->cache_action = SHARD_CACHE_INVALIDATE;
    } else if (operation->value_bytes > operation_inline_room(operation)) {
        operation->value = blob_create(worker->stock, operation->value_bytes);
        if (!operation->value)
            operation->cache_action = SHARD_CACHE_INVALIDATE;
    }
    uint8_t value[6000];
    for (uint32_t i = 0; i < operation->value_bytes; i++)
        value[i] = value_byte(key, version, i);
    if (operation->value)
        blob_append(operation->value, value, operation->value_bytes);
    else if (operation->cache_action == SHARD_CACHE_FILL)
        memcpy(operation_inline_value(operation), value, operation->value_bytes);
    response_cache_apply(cache, worker->index, operation, WALL_MS);
    if (operation->value)
        blob_release(worker->stock, operation->value);
}

static bool entry_is_right(const struct cache_entry *entry, uint32_t key)
{
    if (entry->value_bytes != value_length(key, entry->version))
        return false;
    for (uint32_t i = 0; i < entry->value_bytes; i++) {
        uint32_t run_bytes;
        uint8_t byte = cache_entry_blob(entry) ? *blob_run(cache_entry_blob(entry), i, &run_bytes)
                                               : cache_entry_inline_value(entry)[i];
        if (byte != value_byte(key, entry->version, i))
            return false;
    }
    return true;
}

static void read_one(struct worker *worker, uint32_t key)
{
    uint8_t text[12];
    uint32_t bytes = key_make(text, key);
    uint64_t hash = key_hash_cache(text, bytes, SEED);
    const struct cache_entry *guess =
        response_cache_guess(response_cache_bucket(cache, hash), hash);
    const struct cache_entry *entry = response_cache_confirm(guess, hash, text, bytes, WALL_MS);
    if (!entry)
        entry = response_cache_lookup(cache, hash, text, bytes, WALL_MS);
    if (!entry)
        return;
    worker->hits++;
    if (entry->version < worker->last_seen[key])
        worker->wrong = "a version went backwards";
    if (!entry_is_right(entry, key))
        worker->wrong = "a value does not belong to its version";
    worker->last_seen[key] = entry->version;
    if (cache_entry_blob(entry)) {
        uint32_t slot = random_below(&worker->random, HELD);
        blob_hold(cache_entry_blob(entry));
        if (worker->held[slot])
            blob_release(worker->stock, worker->held[slot]);
        worker->held[slot] = cache_entry_blob(entry);
    }
}

static uint32_t skewed_key(struct worker *worker)
{
    uint32_t bound = 1 + random_below(&worker->random, KEYS);
    return random_below(&worker->random, bound);
}

static void *worker_body(void *argument)
{
    struct worker *worker = argument;
    response_cache_attach(cache, worker->index, worker->stock, worker->counters);
    for (uint64_t round = 1; round <= ROUNDS && !worker->wrong; round++) {
        for (uint32_t i = 0; i < READS_PER_ROUND; i++)
            read_one(worker, skewed_key(worker));
        for (uint32_t i = 0; i < 12; i++)
            write_one(worker, skewed_key(worker), round * 12 + i);
        response_cache_quiescent(cache, worker->index);
        response_cache_maintain(cache, worker->index, WALL_MS);
        if (random_chance(&worker->random, 10)) {
            response_cache_offline(cache, worker->index);
            sched_yield();
            response_cache_online(cache, worker->index);
        }
    }
    for (uint32_t i = 0; i < HELD; i++)
        if (worker->held[i])
            blob_release(worker->stock, worker->held[i]);
    response_cache_offline(cache, worker->index);
    return NULL;
}

static void readers_never_see_torn_or_older_values(void **state)
{
    (void)state;
    struct response_cache_config config = {WORKERS, 512 << 10, 100000, SEED, 1000};
    assert_int_equal(blob_pool_create(8 << 20, WORKERS, &pool), 0);
    size_t free_bytes = blob_pool_free_bytes(pool);
    assert_int_equal(response_cache_create(&config, &cache), 0);
    pthread_t threads[WORKERS];
    for (uint32_t i = 0; i < WORKERS; i++) {
        workers[i].index = i;
        workers[i].random.state = i + 1;
        workers[i].stock = blob_stock_create(pool);
        workers[i].counters = counters_register("cache threads");
    }
    for (uint32_t i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, worker_body, &workers[i]), 0);
    uint64_t hits = 0, evictions = 0, refused = 0, fills = 0;
    for (uint32_t i = 0; i < WORKERS; i++) {
        pthread_join(threads[i], NULL);
        if (workers[i].wrong)
            fail_msg("worker %u: %s", i, workers[i].wrong);
        hits += workers[i].hits;
        evictions += workers[i].counters->values[COUNTER_CACHE_EVICTIONS];
        refused += workers[i].counters->values[COUNTER_CACHE_REFUSED];
        fills += workers[i].counters->values[COUNTER_CACHE_FILLS];
    }
    print_message("%u hits, %u fills, %u evictions, %u refused\n", (unsigned)hits, (unsigned)fills,
                  (unsigned)evictions, (unsigned)refused);
    assert_true(hits > WORKERS * ROUNDS * 4);
    assert_true(evictions > 1000); /* memory was recycled under the readers */
    response_cache_destroy(cache);
    for (uint32_t i = 0; i < WORKERS; i++)
        blob_stock_destroy(workers[i].stock);
    assert_int_equal(blob_pool_free_bytes(pool), free_bytes);
    blob_pool_destroy(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers_never_see_torn_or_older_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
