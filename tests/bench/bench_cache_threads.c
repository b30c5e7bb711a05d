/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cycles per lookup on one reader's core while others read or write the same cache part: what
 * sharing a cache without locks costs its readers. A reader looks keys up in batches, as a worker
 * does with a round of requests; the writer replaces entries of the same keys at a given rate.
 *
 *   bench_cache_threads [reader's core] [other thread's core]
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/response_cache.h"
#include "include/assert_policy.h"
#include "include/clock.h"
#include "include/compiler.h"
#include "include/counters.h"
#include "include/key_hash.h"
#include "include/random.h"
#include "include/shard_operation.h"

#define WORKERS 3u /* the owner of the part, and two that only read */
#define OWNER 0u
#define SEED 1u
#define BATCH 32u
#define VALUE_BYTES 128u
#define SECONDS 1u
#define RUNS 3u

static struct response_cache *cache;
static uint32_t key_count, owned_count;
static uint32_t *owned; /* keys that belong to the owner's part */
static _Atomic bool is_over;

struct reader {
    uint32_t worker, core;
    uint64_t lookups, hits, cycles;
};

struct writer {
    uint32_t core;
    uint64_t per_second;
    uint64_t written;
};

static inline uint64_t cycles(void)
{
    return __builtin_ia32_rdtsc();
}

static void run_on(uint32_t core)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    ASSERT(pthread_setaffinity_np(pthread_self(), sizeof(set), &set) == 0);
}

static uint32_t key_make(uint8_t *bytes, uint32_t key)
{
    memcpy(bytes, "bench\0threads", 13);
    memcpy(bytes + 13, &key, sizeof(key));
    return 17;
}

static void write_one(uint32_t key, uint64_t version)
{
    static struct shard_operation operation;
    operation.key_bytes = (uint16_t)key_make(operation.bytes, key);
    operation.cache_hash = key_hash_cache(operation.bytes, operation.key_bytes, SEED);
    operation.cache_action = SHARD_CACHE_FILL;
    operation.version = version;
    operation.value_bytes = VALUE_BYTES;
    response_cache_apply(cache, OWNER, &operation, 1);
}

static void owner_round(void)
{
    response_cache_maintain(cache, OWNER, 1);
    response_cache_quiescent(cache, OWNER);
}

static void fill(void)
{
    for (uint32_t i = 0; i < owned_count; i++) {
        write_one(owned[i], 1);
        owner_round();
    }
}

static void read_batch(struct reader *reader, struct random *random)
{
    uint8_t keys[BATCH][32];
    uint64_t hashes[BATCH];
    uint32_t length = 0;
    for (uint32_t i = 0; i < BATCH; i++)
        length = key_make(keys[i], owned[random_u64(random) % owned_count]);
    const struct cache_bucket *buckets[BATCH];
    const struct cache_entry *guesses[BATCH];
    uint64_t start = cycles();
    for (uint32_t i = 0; i < BATCH; i++) {
        hashes[i] = key_hash_cache(keys[i], length, SEED);
        buckets[i] = response_cache_bucket(cache, hashes[i]);
    }
    for (uint32_t i = 0; i < BATCH; i++)
        guesses[i] = response_cache_guess(buckets[i], hashes[i]);
    uint64_t versions = 0;
    for (uint32_t i = 0; i < BATCH; i++) {
        const struct cache_entry *entry =
            response_cache_confirm(guesses[i], hashes[i], keys[i], length, 1);
        if (!entry)
            entry = response_cache_lookup(cache, hashes[i], keys[i], length, 1);
        if (entry) {
            versions += entry->version;
            reader->hits++;
        }
    }
    response_cache_quiescent(cache, reader->worker);
    reader->cycles += cycles() - start;
    reader->lookups += BATCH;
    ASSERT(versions > 0); /* the entries are read, and some are there */
}

static void *reader_body(void *argument)
{
    struct reader *reader = argument;
    struct random random = {.state = reader->worker};
    run_on(reader->core);
    response_cache_online(cache, reader->worker);
    while (!atomic_load_explicit(&is_over, memory_order_relaxed))
        read_batch(reader, &random);
    response_cache_offline(cache, reader->worker);
    return NULL;
}

static void *writer_body(void *argument)
{
    struct writer *writer = argument;
    struct random random = {.state = 99};
    uint64_t start_ns = clock_now_ns(), version = 2;
    run_on(writer->core);
    response_cache_online(cache, OWNER);
    while (!atomic_load_explicit(&is_over, memory_order_relaxed)) {
        uint64_t due = (clock_now_ns() - start_ns) * writer->per_second / NS_PER_S;
        for (uint32_t i = 0; i < BATCH && writer->written < due; i++, writer->written++)
            write_one(owned[random_u64(&random) % owned_count], version++);
        owner_round();
    }
    response_cache_offline(cache, OWNER);
    return NULL;
}

struct scene {
    const char *name;
    bool has_second_reader, has_writer;
    uint64_t writes_per_second;
};

/* One run; cycles per lookup of the first reader. */
static double run(const struct scene *scene, uint32_t core, uint32_t other, uint64_t *written,
                  double *hit_percent)
{
    struct reader first = {.worker = 1, .core = core}, second = {.worker = 2, .core = other};
    struct writer writer = {.core = other, .per_second = scene->writes_per_second};
    pthread_t threads[3];
    uint32_t count = 0;
    atomic_store(&is_over, false);
    response_cache_offline(cache, OWNER);
    pthread_create(&threads[count++], NULL, reader_body, &first);
    if (scene->has_second_reader)
        pthread_create(&threads[count++], NULL, reader_body, &second);
    if (scene->has_writer)
        pthread_create(&threads[count++], NULL, writer_body, &writer);
    struct timespec pause = {.tv_sec = SECONDS};
    nanosleep(&pause, NULL);
    atomic_store(&is_over, true);
    for (uint32_t i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    response_cache_online(cache, OWNER);
    *written = writer.written / SECONDS;
    *hit_percent = 100.0 * (double)first.hits / (double)first.lookups;
    return (double)first.cycles / (double)first.lookups;
}

static int compare_doubles(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static void measure(uint64_t part_bytes, uint32_t keys, uint32_t core, uint32_t other)
{
    static const struct scene scenes[] = {
        {.name = "1 reader"},
        {.name = "2 readers", .has_second_reader = true},
        {.name = "reader, idle writer", .has_writer = true},
        {.name = "reader, 1 k writes/s", .has_writer = true, .writes_per_second = 1000},
        {.name = "reader, 100 k writes/s", .has_writer = true, .writes_per_second = 100000},
    };
    struct response_cache_config config = {WORKERS, part_bytes, 1 << 20, SEED, 0};
    ASSERT(response_cache_create(&config, &cache) == 0);
    for (uint32_t i = 0; i < WORKERS; i++)
        response_cache_attach(cache, i, NULL, counters_register("bench"));
    key_count = keys;
    owned_count = 0;
    for (uint32_t key = 0; key < key_count; key++) {
        uint8_t bytes[32];
        uint32_t length = key_make(bytes, key);
        if (key_hash_owner(key_hash_cache(bytes, length, SEED), WORKERS) == OWNER)
            owned[owned_count++] = key;
    }
    response_cache_online(cache, OWNER);
    fill();
    for (size_t s = 0; s < ARRAY_COUNT(scenes); s++) {
        double each[RUNS], hit_percent = 0;
        uint64_t written = 0;
        for (uint32_t i = 0; i < RUNS; i++)
            each[i] = run(&scenes[s], core, other, &written, &hit_percent);
        qsort(each, RUNS, sizeof(each[0]), compare_doubles);
        printf("%8u keys, %-23s %6.1f cycles per lookup (%.1f to %.1f), %5.1f %% hits, "
               "%7llu writes/s\n",
               owned_count, scenes[s].name, each[RUNS / 2], each[0], each[RUNS - 1], hit_percent,
               (unsigned long long)written);
    }
    response_cache_offline(cache, OWNER);
    response_cache_destroy(cache);
}

int main(int count, char **values)
{
    uint32_t core = count > 1 ? (uint32_t)strtoull(values[1], NULL, 10) : 0;
    uint32_t other = count > 2 ? (uint32_t)strtoull(values[2], NULL, 10) : 1;
    owned = calloc(3000000, sizeof(*owned));
    if (!owned)
        return 1;
    measure(4 << 20, 3000, core, other);      /* fits the core's own cache */
    measure(512 << 20, 1500000, core, other); /* fits none */
    free(owned);
    return 0;
}
