/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cycles per cache lookup, hash not included: one hot key, 100,000 and 10 million keys, alone and
 * in batches of 64 with the two prefetch stages. The least of many rounds. Build without
 * -Dhot_asserts. `bench_cache --large` adds the 10 million (4 GB of memory).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/response_cache.h"
#include "include/assert_policy.h"
#include "include/clock.h"
#include "include/counters.h"
#include "include/key_hash.h"
#include "include/random.h"
#include "include/shard_operation.h"

#define BATCH 64u
#define LOOKUPS (1u << 17)
#define ROUNDS 12u
#define KEY_BYTES 20u
#define VALUE_BYTES 100u

static inline uint64_t cycles_now(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#else
    return clock_now_ns();
#endif
}

static struct response_cache *cache;
static uint8_t keys[LOOKUPS][KEY_BYTES];
static uint64_t hashes[LOOKUPS];

static void key_make(uint8_t *key, uint64_t number)
{
    memcpy(key, "bench\0user/profile/", 12);
    memcpy(key + 12, &number, sizeof(number));
}

static void fill(uint64_t number)
{
    static struct shard_operation operation;
    key_make(operation.bytes, number);
    operation.key_bytes = KEY_BYTES;
    operation.cache_hash = key_hash_cache(operation.bytes, KEY_BYTES, 1);
    operation.cache_action = SHARD_CACHE_FILL;
    operation.version = 1;
    operation.value_bytes = VALUE_BYTES;
    response_cache_apply(cache, 0, &operation, 0);
    if (number % 32 == 0) {
        response_cache_quiescent(cache, 0);
        response_cache_maintain(cache, 0, 0);
    }
}

static uint64_t look_up_alone(void)
{
    uint64_t found = 0;
    for (uint32_t i = 0; i < LOOKUPS; i++)
        found += response_cache_lookup(cache, hashes[i], keys[i], KEY_BYTES, 0) != NULL;
    return found;
}

static uint64_t look_up_in_batches(void)
{
    const struct cache_bucket *buckets[BATCH];
    const struct cache_entry *guesses[BATCH];
    uint64_t found = 0;
    for (uint32_t at = 0; at < LOOKUPS; at += BATCH) {
        for (uint32_t i = 0; i < BATCH; i++)
            buckets[i] = response_cache_bucket(cache, hashes[at + i]);
        for (uint32_t i = 0; i < BATCH; i++)
            guesses[i] = response_cache_guess(buckets[i], hashes[at + i]);
        for (uint32_t i = 0; i < BATCH; i++)
            found += response_cache_confirm(guesses[i], hashes[at + i], keys[at + i], KEY_BYTES,
                                            0) != NULL ||
                     response_cache_lookup(cache, hashes[at + i], keys[at + i], KEY_BYTES, 0);
    }
    return found;
}

static double least_cycles(uint64_t (*look_up)(void), uint64_t *found)
{
    uint64_t least = UINT64_MAX;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        uint64_t began = cycles_now();
        *found = look_up();
        uint64_t took = cycles_now() - began;
        least = took < least ? took : least;
    }
    return (double)least / LOOKUPS;
}

static void bench(uint64_t key_count, uint64_t part_bytes, struct counters *counters)
{
    struct response_cache_config config = {1, part_bytes, 1 << 20, 1, 0};
    ASSERT(response_cache_create(&config, &cache) == 0);
    response_cache_attach(cache, 0, NULL, counters);
    for (uint64_t number = 0; number < key_count; number++)
        fill(number);
    response_cache_maintain(cache, 0, 0);
    struct random random = {key_count};
    for (uint32_t i = 0; i < LOOKUPS; i++) {
        key_make(keys[i], random_u64(&random) % key_count);
        hashes[i] = key_hash_cache(keys[i], KEY_BYTES, 1);
    }
    struct response_cache_status status;
    response_cache_status(cache, 0, &status);
    uint64_t found_alone, found_batched;
    double alone = least_cycles(look_up_alone, &found_alone);
    double batched = least_cycles(look_up_in_batches, &found_batched);
    double overhead =
        (double)status.entry_bytes / (double)status.entries - (KEY_BYTES + VALUE_BYTES);
    printf("%9" PRIu64 " keys: %6.1f cycles alone, %6.1f in batches of %u; %.1f %% found; "
           "%.1f bytes an entry beyond key and value\n",
           key_count, alone, batched, BATCH, 100.0 * (double)found_batched / LOOKUPS, overhead);
    ASSERT(found_alone == found_batched);
    response_cache_destroy(cache);
}

int main(int count, char **arguments)
{
    bool is_large = count > 1 && strcmp(arguments[1], "--large") == 0;
    struct counters *counters = counters_register("bench");
    bench(1, 1 << 20, counters);
    bench(1000, 1 << 20, counters);
    bench(100000, UINT64_C(48) << 20, counters);
    if (is_large)
        bench(10000000, UINT64_C(4300) << 20, counters);
    return 0;
}
