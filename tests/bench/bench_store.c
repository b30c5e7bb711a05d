/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The embedded store on a real disk: durable PUTs per second, recovery time, memory per key.
 *
 *   bench_store DIRECTORY [operations in flight] [value bytes] [seconds] [keys to load]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/config_file.h"
#include "control/io_loop.h"
#include "control/store.h"
#include "include/blob.h"
#include "include/clock.h"
#include "include/counters.h"
#include "include/key_hash.h"
#include "include/log.h"
#include "include/random.h"
#include "include/server_config.h"
#include "include/shard_operation.h"

struct bench {
    struct server_config config;
    struct io_loop *loop;
    struct blob_pool *pool;
    struct blob_stock *stock;
    struct counters *counters;
    struct store_set *set;
    struct store *store;
    uint64_t done_count, failed_count;
};

static void must(int status, const char *what)
{
    if (status >= 0)
        return;
    fprintf(stderr, "%s: %s\n", what, strerror(-status));
    exit(1);
}

static uint64_t open_store(struct bench *bench)
{
    uint64_t started_ns = clock_now_ns();
    must(store_set_open(&bench->config, bench->loop, &bench->set), "open");
    uint64_t took_ns = clock_now_ns() - started_ns;
    must(store_attach(bench->set, 0, bench->loop, bench->stock, bench->counters, &bench->store),
         "attach");
    return took_ns;
}

static void close_store(struct bench *bench)
{
    store_detach(bench->store);
    store_set_close(bench->set);
}

static void submit_put(struct bench *bench, struct shard_operation *operation, uint64_t key,
                       uint32_t value_bytes)
{
    operation->verb = SHARD_PUT;
    operation->condition = SHARD_ALWAYS;
    operation->value = NULL;
    operation->attributes_bytes = 0;
    operation->expires_at_ms = 0;
    operation->deadline_ns = UINT64_MAX;
    operation->key_bytes =
        (uint16_t)snprintf((char *)operation->bytes, 64, "bench%cuser/%012" PRIu64, 0, key);
    operation->shard_hash = key_hash_shard(operation->bytes, operation->key_bytes);
    operation->value_bytes = value_bytes;
    memset(operation_inline_value(operation), (int)key, value_bytes);
    store_submit(bench->store, operation);
}

/* One round as the control loop does it. Returns operations that came back. */
static uint32_t round_once(struct bench *bench, struct shard_operation **done, uint32_t limit)
{
    struct io_operation *completed[64];
    uint32_t n;
    while ((n = io_reap(bench->loop, completed, 64)) > 0)
        for (uint32_t i = 0; i < n; i++)
            store_complete(bench->store, completed[i]);
    store_advance(bench->store);
    uint32_t count = store_reap(bench->store, done, limit);
    for (uint32_t i = 0; i < count; i++) {
        bench->done_count++;
        bench->failed_count += done[i]->status > SHARD_CREATED;
    }
    return count;
}

static void wait_a_while(struct bench *bench)
{
    uint64_t now_ns = clock_now_ns(), next_ns = store_next_deadline_ns(bench->store);
    uint64_t timeout_ns = next_ns <= now_ns ? 0 : next_ns - now_ns;
    io_wait(bench->loop, timeout_ns < 1000000 ? timeout_ns : 1000000);
}

/* Keeps `depth` PUTs in flight until the time or the number is over. Returns nanoseconds. */
static uint64_t put_load(struct bench *bench, struct shard_operation *operations, uint32_t depth,
                         uint32_t value_bytes, uint64_t until_ns, uint64_t put_count,
                         bool is_random)
{
    struct shard_operation *done[1024];
    struct random random = {42};
    uint64_t started_ns = clock_now_ns(), submitted = 0, in_flight = 0;
    bench->done_count = bench->failed_count = 0;
    for (uint32_t i = 0; i < depth && submitted < put_count; i++, in_flight++)
        submit_put(bench, &operations[i], is_random ? random_below(&random, 1000000) : submitted++,
                   value_bytes);
    while (in_flight > 0) {
        uint32_t count = round_once(bench, done, 1024);
        bool is_over = submitted >= put_count || clock_now_ns() >= until_ns;
        for (uint32_t i = 0; i < count; i++) {
            in_flight--;
            if (is_over)
                continue;
            submit_put(bench, done[i], is_random ? random_below(&random, 1000000) : submitted++,
                       value_bytes);
            in_flight++;
        }
        if (count > 0)
            store_advance(bench->store);
        else
            wait_a_while(bench);
    }
    return clock_now_ns() - started_ns;
}

static void print_counters(const struct bench *bench)
{
    uint64_t commits = bench->counters->values[COUNTER_STORE_COMMITS];
    uint64_t writes = bench->counters->values[COUNTER_STORE_COMMITTED_WRITES];
    if (commits > 0)
        printf("  %" PRIu64 " commits, %" PRIu64 " writes in each, %" PRIu64 " us each\n", commits,
               writes / commits,
               bench->counters->histogram_sums[HISTOGRAM_COMMIT_NS] / commits / 1000);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr,
                "usage: bench_store DIRECTORY [in flight] [value bytes] [seconds] [keys]\n");
        return 2;
    }
    uint32_t depth = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 256;
    uint32_t value_bytes = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 128;
    uint64_t seconds = argc > 4 ? strtoull(argv[4], NULL, 10) : 5;
    uint64_t keys = argc > 5 ? strtoull(argv[5], NULL, 10) : 1000000;
    struct bench bench = {0};
    config_defaults(&bench.config);
    snprintf(bench.config.store.directory, sizeof(bench.config.store.directory), "%s", argv[1]);
    bench.counters = counters_register("bench");
    struct io_loop_config loop_config = {.depth_max = 64, .wake_fd = -1};
    must(io_loop_create(&loop_config, &bench.loop), "loop");
    must(blob_pool_create(16u << 20, 2, &bench.pool), "pool");
    bench.stock = blob_stock_create(bench.pool);
    struct shard_operation *operations =
        aligned_alloc(CACHE_LINE_BYTES, depth * sizeof(operations[0]));
    memset(operations, 0, depth * sizeof(operations[0]));

    open_store(&bench);
    uint64_t took_ns = put_load(&bench, operations, depth, value_bytes,
                                clock_now_ns() + seconds * NS_PER_S, UINT64_MAX, true);
    printf("durable PUT, %u in flight, %u B, %s: %" PRIu64 " per second, %" PRIu64 " failed\n",
           depth, value_bytes, io_loop_backend_name(bench.loop),
           bench.done_count * NS_PER_S / took_ns, bench.failed_count);
    print_counters(&bench);

    took_ns = put_load(&bench, operations, depth, value_bytes, UINT64_MAX, keys, false);
    struct store_status status;
    store_set_status(bench.set, &status);
    printf("loaded %" PRIu64 " keys in %" PRIu64 " ms; index %" PRIu64 " MiB, %" PRIu64
           " bytes per key (23-byte keys); disk %" PRIu64 " MiB, live %" PRIu64 " MiB\n",
           status.keys, took_ns / NS_PER_MS, status.index_bytes >> 20,
           status.index_bytes / (status.keys ? status.keys : 1), status.disk_bytes >> 20,
           status.live_bytes >> 20);
    close_store(&bench);
    took_ns = open_store(&bench);
    store_set_status(bench.set, &status);
    printf("recovered %" PRIu64 " keys in %" PRIu64 " ms; index %" PRIu64 " MiB\n", status.keys,
           took_ns / NS_PER_MS, status.index_bytes >> 20);
    close_store(&bench);
    free(operations);
    blob_stock_destroy(bench.stock);
    blob_pool_destroy(bench.pool);
    io_loop_destroy(bench.loop);
    return bench.failed_count == 0 ? 0 : 1;
}
