/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The embedded store on a real disk, without a network: durable PUTs per second, reads per second,
 * recovery time, memory per key. One thread. Keys are the namespace and 16 bytes.
 *
 *   bench_store DIRECTORY put  IN_FLIGHT VALUE_BYTES SECONDS KEYS    random keys below KEYS
 *   bench_store DIRECTORY load KEYS VALUE_BYTES                      every key below KEYS once
 *   bench_store DIRECTORY read IN_FLIGHT SECONDS KEYS                random keys below KEYS
 *   bench_store DIRECTORY open                                       recovery only
 *
 * Each opens what an earlier one left and says how long that took.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

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

#define DEPTH_MAX 4096u
#define SUBMIT_BATCH STORE_EXPECT_MAX

struct bench {
    struct server_config config;
    struct io_loop *loop;
    struct blob_pool *pool;
    struct blob_stock *stock;
    struct counters *counters;
    struct store_set *set;
    struct store *store;
    uint64_t done_count, failed_count;
    struct shard_operation *operations;
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

/* Scatters consecutive numbers, so that loading is not in key order. */
static uint64_t scattered(uint64_t number)
{
    return number * UINT64_C(0x9e3779b97f4a7c15);
}

static void make_operation(struct shard_operation *operation, enum shard_verb verb, uint64_t key,
                           uint32_t value_bytes)
{
    operation->verb = (uint8_t)verb;
    operation->condition = SHARD_ALWAYS;
    operation->value = NULL;
    operation->attributes_bytes = 0;
    operation->expires_at_ms = 0;
    operation->deadline_ns = UINT64_MAX;
    operation->key_bytes =
        (uint16_t)snprintf((char *)operation->bytes, 64, "bench%c%016" PRIx64, 0, scattered(key));
    operation->shard_hash = key_hash_shard(operation->bytes, operation->key_bytes);
    operation->value_bytes = value_bytes;
    if (verb == SHARD_PUT)
        memset(operation_inline_value(operation), (int)key, value_bytes);
}

/* What is asked of the store, and for how long. */
struct load {
    enum shard_verb verb;
    uint32_t depth, value_bytes;
    uint64_t until_ns;    /* or */
    uint64_t until_count; /* whatever comes first */
    uint64_t key_count;
    bool is_random;
    struct random random;
    uint64_t submitted;
};

/* As the control loop hands them over. */
static void submit(struct bench *bench, struct load *load, struct shard_operation **operations,
                   uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint64_t key =
            load->is_random ? random_u64(&load->random) % load->key_count : load->submitted;
        make_operation(operations[i], load->verb, key, load->value_bytes);
        load->submitted++;
    }
    for (uint32_t at = 0; at < count; at += SUBMIT_BATCH) {
        uint32_t part = count - at < SUBMIT_BATCH ? count - at : SUBMIT_BATCH;
        store_expect(bench->store, operations + at, part);
        for (uint32_t i = 0; i < part; i++)
            store_submit(bench->store, operations[at + i]);
    }
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

/* Keeps load->depth operations in flight until the time or the number is over. Nanoseconds. */
static uint64_t run_load(struct bench *bench, struct load *load)
{
    static struct shard_operation *done[DEPTH_MAX];
    uint64_t started_ns = clock_now_ns();
    uint32_t in_flight = 0;
    bench->done_count = bench->failed_count = 0;
    for (uint32_t i = 0; i < load->depth && i < load->until_count; i++)
        done[in_flight++] = &bench->operations[i];
    submit(bench, load, done, in_flight);
    while (in_flight > 0) {
        uint32_t count = round_once(bench, done, DEPTH_MAX);
        in_flight -= count;
        uint64_t left = load->until_count - load->submitted;
        if (clock_now_ns() >= load->until_ns)
            left = 0;
        uint32_t again = count < left ? count : (uint32_t)left;
        submit(bench, load, done, again);
        in_flight += again;
        if (count == 0)
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

static void print_status(const struct bench *bench)
{
    struct store_status status;
    store_set_status(bench->set, &status);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("  %" PRIu64 " keys; index %" PRIu64 " MiB, %" PRIu64 " bytes per key (22-byte keys); "
           "resident at most %ld MiB; disk %" PRIu64 " MiB, live %" PRIu64 " MiB\n",
           status.keys, status.index_bytes >> 20,
           status.index_bytes / (status.keys ? status.keys : 1), usage.ru_maxrss >> 10,
           status.disk_bytes >> 20, status.live_bytes >> 20);
}

static void print_rate(const struct bench *bench, const char *what, const struct load *load,
                       uint64_t took_ns)
{
    printf("%s, %u in flight, %s: %" PRIu64 " per second, %" PRIu64 " failed\n", what, load->depth,
           io_loop_backend_name(bench->loop), bench->done_count * NS_PER_S / took_ns,
           bench->failed_count);
    print_counters(bench);
}

static uint64_t number(int argc, char **argv, int at, uint64_t fallback)
{
    return argc > at ? strtoull(argv[at], NULL, 10) : fallback;
}

static struct load load_of(int argc, char **argv)
{
    struct load load = {.depth = 256,
                        .value_bytes = 128,
                        .until_ns = UINT64_MAX,
                        .until_count = UINT64_MAX,
                        .verb = SHARD_PUT,
                        .random = {42}};
    int seconds_at = 0;
    if (strcmp(argv[2], "put") == 0) {
        load.value_bytes = (uint32_t)number(argc, argv, 4, 128);
        seconds_at = 5;
    } else if (strcmp(argv[2], "read") == 0) {
        load.verb = SHARD_GET;
        seconds_at = 4;
    } else {
        load.until_count = number(argc, argv, 3, 1000000);
        load.value_bytes = (uint32_t)number(argc, argv, 4, 128);
    }
    if (seconds_at > 0) {
        load.depth = (uint32_t)number(argc, argv, 3, 256);
        load.until_ns = clock_now_ns() + number(argc, argv, seconds_at, 5) * NS_PER_S;
        load.key_count = number(argc, argv, seconds_at + 1, 1000000);
        load.is_random = true;
    }
    if (load.depth > DEPTH_MAX)
        load.depth = DEPTH_MAX;
    return load;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: bench_store DIRECTORY put|load|read|open [numbers]: see the "
                        "beginning of bench_store.c\n");
        return 2;
    }
    struct bench bench = {0};
    config_defaults(&bench.config);
    snprintf(bench.config.store.directory, sizeof(bench.config.store.directory), "%s", argv[1]);
    if (strcmp(argv[2], "read") == 0) /* as deep as asked for, all of it on the disk */
        bench.config.control.io_depth = number(argc, argv, 3, 256);
    bench.counters = counters_register("bench");
    struct io_loop_config loop_config = {.depth_max = (uint32_t)bench.config.control.io_depth,
                                         .wake_fd = -1};
    must(io_loop_create(&loop_config, &bench.loop), "loop");
    must(blob_pool_create(16u << 20, 2, &bench.pool), "pool");
    bench.stock = blob_stock_create(bench.pool);
    size_t bytes = DEPTH_MAX * sizeof(bench.operations[0]);
    bench.operations = aligned_alloc(CACHE_LINE_BYTES, bytes);
    memset(bench.operations, 0, bytes);

    uint64_t took_ns = open_store(&bench);
    printf("opened in %" PRIu64 " ms\n", took_ns / NS_PER_MS);
    if (strcmp(argv[2], "open") != 0) {
        struct load load = load_of(argc, argv);
        took_ns = run_load(&bench, &load);
        print_rate(&bench, argv[2], &load, took_ns);
    }
    print_status(&bench);
    close_store(&bench);
    free(bench.operations);
    blob_stock_destroy(bench.stock);
    blob_pool_destroy(bench.pool);
    io_loop_destroy(bench.loop);
    return bench.failed_count == 0 ? 0 : 1;
}
