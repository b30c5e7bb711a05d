/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two workers and two control threads, all real, over a log on disk: the whole way of an operation.
 * Each worker remembers the newest version it was told of, per key, and may never see an older one.
 * Run under -Dsanitize=thread as well.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/config_file.h"
#include "control/control_loop.h"
#include "control/io_loop.h"
#include "control/store.h"
#include "dataplane/response_cache.h"
#include "dataplane/shard_client.h"
#include "include/blob.h"
#include "include/clock.h"
#include "include/counters.h"
#include "include/key_hash.h"
#include "include/log.h"
#include "include/random.h"
#include "include/shard_fabric.h"

enum { WORKERS = 2, CONTROLS = 2, KEYS = 40, REQUESTS = 1500, UNDER_WAY_MAX = 8 };

#define CACHE_SEED UINT64_C(7)
#define LARGE_VALUE_BYTES 5000u

struct worker {
    uint32_t index;
    struct shard_client *client;
    struct blob_stock *stock;
    struct counters *counters;
    struct random random;
    uint32_t under_way, answered, sent, hits;
    bool is_busy[KEYS]; /* one request of ours per key at a time: what we know is in order */
    uint64_t known[KEYS];
    const char *wrong;
};

static struct server_config config;
static struct shard_fabric *fabric;
static struct response_cache *cache;
static struct blob_pool *pool;
static struct worker workers[WORKERS];
static struct wall_clock wall_clock;
static _Atomic uint32_t finished;

static uint16_t key_make(uint8_t *out, uint32_t key)
{
    return (uint16_t)(snprintf((char *)out, 32, "threads%c%u", 0, key));
}

static void attach_value(struct worker *worker, struct shard_operation *operation)
{
    operation->value_bytes = 100;
    if (random_chance(&worker->random, 100))
        operation->value = blob_create(worker->stock, LARGE_VALUE_BYTES);
    if (!operation->value) {
        memset(operation_inline_value(operation), 'v', operation->value_bytes);
        return;
    }
    uint8_t bytes[LARGE_VALUE_BYTES];
    memset(bytes, 'V', sizeof(bytes));
    blob_append(operation->value, bytes, sizeof(bytes));
    operation->value_bytes = sizeof(bytes);
}

static void know(struct worker *worker, uint32_t key, uint64_t version)
{
    if (version < worker->known[key])
        worker->wrong = "a version older than one that was known before";
    worker->known[key] = version;
}

static bool read_cached(struct worker *worker, uint32_t key, uint64_t wall_ms)
{
    uint8_t text[32];
    uint16_t bytes = key_make(text, key);
    const struct cache_entry *entry =
        response_cache_lookup(cache, key_hash_cache(text, bytes, CACHE_SEED), text, bytes, wall_ms);
    if (!entry)
        return false;
    know(worker, key, entry->version);
    worker->hits++;
    return true;
}

static void send_one(struct worker *worker, const struct round_time *time)
{
    uint32_t key = random_below(&worker->random, KEYS);
    if (worker->is_busy[key])
        return;
    uint32_t kind = random_below(&worker->random, 10);
    worker->sent++;
    if (kind < 7 && read_cached(worker, key, time->wall_ms)) {
        worker->answered++;
        return;
    }
    struct shard_operation *operation = shard_client_take(worker->client);
    assert_non_null(operation); /* UNDER_WAY_MAX is below the number of credits */
    operation->verb = kind < 7 ? SHARD_GET : kind < 9 ? SHARD_PUT : SHARD_DELETE;
    operation->connection = key;
    operation->deadline_ns = time->now_ns + 60 * NS_PER_S;
    operation->key_bytes = key_make(operation->bytes, key);
    if (operation->verb == SHARD_PUT)
        attach_value(worker, operation);
    worker->is_busy[key] = true;
    worker->under_way++;
    shard_client_send(worker->client, operation, time);
}

static void take_answer(struct worker *worker, struct shard_operation *operation)
{
    uint32_t key = (uint32_t)operation->connection;
    bool is_gone = operation->status == SHARD_NOT_FOUND;
    if (operation->status != SHARD_OK && operation->status != SHARD_CREATED && !is_gone)
        worker->wrong = "a status that a healthy store does not give";
    if (!is_gone) /* what is gone has no version: a later one is larger all the same */
        know(worker, key, operation->version);
    worker->is_busy[key] = false;
    worker->under_way--;
    worker->answered++;
    shard_client_release(worker->client, operation);
}

static void *worker_main(void *argument)
{
    struct worker *worker = argument;
    bool is_finished = false;
    response_cache_attach(cache, worker->index, worker->stock, worker->counters);
    response_cache_online(cache, worker->index);
    /* Finished workers go on turning: they own half of the cache. */
    while (atomic_load_explicit(&finished, memory_order_acquire) < WORKERS) {
        struct shard_operation *home[16];
        struct round_time time = {clock_now_ns(), wall_clock_read(&wall_clock)};
        uint32_t got = shard_client_poll(worker->client, &time, home, 16);
        for (uint32_t i = 0; i < got; i++)
            take_answer(worker, home[i]);
        while (worker->sent < REQUESTS && worker->under_way < UNDER_WAY_MAX &&
               !random_chance(&worker->random, 200))
            send_one(worker, &time);
        shard_client_flush(worker->client);
        response_cache_maintain(cache, worker->index, time.wall_ms);
        response_cache_quiescent(cache, worker->index);
        if (!is_finished && worker->answered >= REQUESTS) {
            is_finished = true;
            atomic_fetch_add_explicit(&finished, 1, memory_order_release);
        }
        if (got == 0)
            sched_yield();
    }
    response_cache_offline(cache, worker->index);
    return NULL;
}

static void make_world(enum config_io io, const char *directory)
{
    memset(workers, 0, sizeof(workers));
    atomic_store(&finished, 0);
    config_defaults(&config);
    config.control.threads = CONTROLS;
    config.control.io = io;
    config.store.segment_mib = 4;
    snprintf(config.store.directory, sizeof(config.store.directory), "%s", directory);
    assert_int_equal(blob_pool_create(16u << 20, WORKERS + CONTROLS + 1, &pool), 0);
    assert_int_equal(shard_fabric_create(
                         &(struct shard_fabric_shape){.workers = WORKERS,
                                                      .controls = CONTROLS,
                                                      .operations_per_worker = 2 * UNDER_WAY_MAX},
                         &fabric),
                     0);
    struct response_cache_config cache_config = {.workers = WORKERS,
                                                 .part_memory_bytes = 1u << 20,
                                                 .value_bytes_max = 65536,
                                                 .hash_seed = CACHE_SEED};
    assert_int_equal(response_cache_create(&cache_config, &cache), 0);
    for (uint32_t i = 0; i < WORKERS; i++) {
        struct worker *worker = &workers[i];
        worker->index = i;
        worker->random.state = i + 1;
        worker->stock = blob_stock_create(pool);
        worker->counters = counters_register("worker");
        struct shard_client_config client = {.fabric = fabric,
                                             .cache = cache,
                                             .stock = worker->stock,
                                             .counters = worker->counters,
                                             .worker = i,
                                             .cache_hash_seed = CACHE_SEED};
        assert_int_equal(shard_client_create(&client, &worker->client), 0);
    }
}

static void end_world(void)
{
    response_cache_destroy(cache);
    for (uint32_t i = 0; i < WORKERS; i++) {
        assert_int_equal(shard_client_in_flight(workers[i].client), 0);
        shard_client_destroy(workers[i].client);
        blob_stock_destroy(workers[i].stock);
    }
    shard_fabric_destroy(fabric);
    blob_pool_destroy(pool);
}

static void run_threads(enum config_io io)
{
    char directory[] = "/tmp/control_loop_threads.XXXXXX";
    assert_non_null(mkdtemp(directory));
    make_world(io, directory);
    struct io_loop_config io_config = {
        .backend = (enum io_backend)io, .depth_max = 64, .wake_fd = -1};
    struct io_loop *recovery;
    struct store_set *stores;
    struct control_loop *controls[CONTROLS];
    assert_int_equal(io_loop_create(&io_config, &recovery), 0);
    assert_int_equal(store_set_open(&config, recovery, &stores), 0);
    for (uint32_t i = 0; i < CONTROLS; i++) {
        struct control_loop_config control = {
            .server = &config, .fabric = fabric, .blobs = pool, .stores = stores, .index = i};
        assert_int_equal(control_loop_start(&control, &controls[i]), 0);
    }
    pthread_t threads[WORKERS];
    for (uint32_t i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, worker_main, &workers[i]), 0);
    for (uint32_t i = 0; i < WORKERS; i++)
        pthread_join(threads[i], NULL);
    for (uint32_t i = 0; i < CONTROLS; i++)
        control_loop_stop(controls[i]);
    store_set_close(stores);
    io_loop_destroy(recovery);
    char command[64];
    snprintf(command, sizeof(command), "rm -rf %s", directory);
    assert_int_equal(system(command), 0);
    for (uint32_t i = 0; i < WORKERS; i++) {
        if (workers[i].wrong)
            fail_msg("worker %u: %s", i, workers[i].wrong);
        assert_true(workers[i].hits > 0);
    }
    end_world();
}

static void no_worker_sees_an_older_version_over_threads(void **state)
{
    (void)state;
    run_threads(CONFIG_IO_THREADS);
}

static void no_worker_sees_an_older_version_over_io_uring(void **state)
{
    (void)state;
    run_threads(CONFIG_IO_AUTO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_worker_sees_an_older_version_over_threads),
        cmocka_unit_test(no_worker_sees_an_older_version_over_io_uring),
    };
    log_set_level(LOG_LEVEL_WARNING);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
