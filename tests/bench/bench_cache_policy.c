/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hit ratios of eviction policies on made traces, and of the real cache beside them: the number of
 * entries is that which the real cache holds. Prints one row per trace; see DECISIONS.md.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/response_cache.h"
#include "include/assert_policy.h"
#include "include/compiler.h"
#include "include/counters.h"
#include "include/key_hash.h"
#include "include/random.h"
#include "include/shard_operation.h"

#define KEYS 200000u
#define REQUESTS 2000000u
#define IDS_MAX (KEYS + REQUESTS) /* scanned keys are new ones each time */
#define NONE UINT32_MAX
#define ENTRY_VALUE_BYTES 200u
#define HEAD_BYTES 110u

static uint32_t trace[REQUESTS];
static double cumulative[KEYS];

/* Requests by rank; permuted, so that neighbours in rank are no neighbours in hash. */
static void trace_make(double exponent, uint32_t scan_percent, uint64_t seed)
{
    struct random random = {seed};
    double sum = 0;
    for (uint32_t i = 0; i < KEYS; i++)
        cumulative[i] = sum += 1 / pow(i + 1, exponent);
    uint32_t fresh = KEYS;
    for (uint32_t i = 0; i < REQUESTS; i++) {
        /* scans come in runs of a thousand, as a crawler or a backup makes them */
        if (scan_percent > 0 && i / 1000 % 100 < scan_percent) {
            trace[i] = fresh++;
            continue;
        }
        double wanted = (double)(random_u64(&random) >> 11) / (double)(UINT64_C(1) << 53) * sum;
        uint32_t low = 0, high = KEYS - 1;
        while (low < high) {
            uint32_t middle = (low + high) / 2;
            if (cumulative[middle] < wanted)
                low = middle + 1;
            else
                high = middle;
        }
        trace[i] = low;
    }
}

/* --- lists of ids ---------------------------------------------------------------------------- */

struct list {
    uint32_t newest, oldest, count;
};

static uint32_t newer[IDS_MAX], older[IDS_MAX];
static uint8_t where[IDS_MAX], mark[IDS_MAX]; /* which list an id is on; 0: none */

static void list_clear(struct list *list)
{
    list->newest = list->oldest = NONE;
    list->count = 0;
}

static void list_push(struct list *list, uint32_t id, uint8_t name)
{
    newer[id] = NONE;
    older[id] = list->newest;
    if (list->newest != NONE)
        newer[list->newest] = id;
    else
        list->oldest = id;
    list->newest = id;
    list->count++;
    where[id] = name;
}

static void list_remove(struct list *list, uint32_t id)
{
    if (newer[id] != NONE)
        older[newer[id]] = older[id];
    else
        list->newest = older[id];
    if (older[id] != NONE)
        newer[older[id]] = newer[id];
    else
        list->oldest = newer[id];
    list->count--;
    where[id] = 0;
}

/* --- policies: each answers whether the id was there, and makes it be there ------------------ */

static struct list first, second, ghost;
static uint32_t hand, capacity;

static void policy_reset(uint32_t entries)
{
    memset(where, 0, sizeof(where));
    memset(mark, 0, sizeof(mark));
    list_clear(&first);
    list_clear(&second);
    list_clear(&ghost);
    hand = NONE;
    capacity = entries;
}

static bool fifo(uint32_t id)
{
    if (where[id])
        return true;
    if (first.count == capacity)
        list_remove(&first, first.oldest);
    list_push(&first, id, 1);
    return false;
}

static bool lru(uint32_t id)
{
    bool is_hit = where[id] != 0;
    if (is_hit)
        list_remove(&first, id);
    else if (first.count == capacity)
        list_remove(&first, first.oldest);
    list_push(&first, id, 1);
    return is_hit;
}

static bool sieve(uint32_t id)
{
    if (where[id]) {
        mark[id] = 1;
        return true;
    }
    if (first.count == capacity) {
        uint32_t at = hand != NONE ? hand : first.oldest;
        while (mark[at]) {
            mark[at] = 0;
            at = newer[at] != NONE ? newer[at] : first.oldest;
        }
        hand = newer[at];
        list_remove(&first, at);
    }
    list_push(&first, id, 1);
    mark[id] = 0;
    return false;
}

static void s3_evict(void)
{
    while (first.count + second.count >= capacity) {
        if (first.count > capacity / 10) {
            uint32_t id = first.oldest;
            list_remove(&first, id);
            if (mark[id] > 0) {
                mark[id] = 0;
                list_push(&second, id, 2);
            } else {
                list_push(&ghost, id, 3);
                if (ghost.count > capacity)
                    list_remove(&ghost, ghost.oldest);
            }
        } else {
            uint32_t id = second.oldest;
            list_remove(&second, id);
            if (mark[id] > 0) {
                mark[id]--;
                list_push(&second, id, 2);
            }
        }
    }
}

static bool s3_fifo_marked(uint32_t id, uint8_t mark_max)
{
    if (where[id] == 1 || where[id] == 2) {
        if (mark[id] < mark_max)
            mark[id]++;
        return true;
    }
    bool was_ghost = where[id] == 3;
    if (was_ghost)
        list_remove(&ghost, id);
    s3_evict();
    mark[id] = 0;
    list_push(was_ghost ? &second : &first, id, was_ghost ? 2 : 1);
    return false;
}

static bool s3_fifo_1_bit(uint32_t id)
{
    return s3_fifo_marked(id, 1);
}

static bool s3_fifo_2_bits(uint32_t id)
{
    return s3_fifo_marked(id, 3);
}

/* --- the real one ---------------------------------------------------------------------------- */

static struct response_cache *cache;
static struct counters *counters;

static void real_open(uint64_t part_bytes)
{
    struct response_cache_config config = {1, part_bytes, 1 << 20, 1};
    ASSERT(response_cache_create(&config, &cache) == 0);
    response_cache_attach(cache, 0, NULL, counters);
}

static bool real(uint32_t id)
{
    static struct shard_operation operation;
    static uint8_t head[HEAD_BYTES];
    static uint32_t calls;
    memcpy(operation.bytes, "b\0id", 4);
    memcpy(operation.bytes + 4, &id, sizeof(id));
    operation.key_bytes = 8;
    operation.cache_hash = key_hash_cache(operation.bytes, 8, 1);
    operation.cache_action = SHARD_CACHE_FILL;
    operation.version = 1;
    operation.value_bytes = ENTRY_VALUE_BYTES;
    bool is_hit = response_cache_lookup(cache, operation.cache_hash, operation.bytes, 8, 0) != NULL;
    if (!is_hit)
        response_cache_apply(cache, 0, &operation, head, HEAD_BYTES, 0);
    if (++calls % 32 == 0) {
        response_cache_quiescent(cache, 0);
        response_cache_maintain(cache, 0, 0);
    }
    return is_hit;
}

static double hit_percent(bool (*policy)(uint32_t id))
{
    uint32_t hits = 0, counted = 0;
    for (uint32_t i = 0; i < REQUESTS; i++) {
        bool is_hit = policy(trace[i]);
        if (i < REQUESTS / 4 || trace[i] >= KEYS) /* warm-up; scanned keys cannot hit */
            continue;
        hits += is_hit;
        counted++;
    }
    return 100.0 * hits / counted;
}

int main(void)
{
    static const struct {
        const char *name;
        double exponent;
        uint32_t scan_percent;
    } traces[] = {
        {"zipf 0.9", 0.9, 0},
        {"zipf 1.0", 1.0, 0},
        {"zipf 1.1", 1.1, 0},
        {"zipf 0.9, 30 % scan", 0.9, 30},
        {"zipf 1.0, 30 % scan", 1.0, 30},
        {"zipf 1.1, 30 % scan", 1.1, 30},
    };
    static const struct {
        const char *name;
        bool (*access)(uint32_t id);
    } policies[] = {{"fifo", fifo},
                    {"lru", lru},
                    {"sieve", sieve},
                    {"s3-fifo 2 bits", s3_fifo_2_bits},
                    {"s3-fifo 1 bit", s3_fifo_1_bit}};
    static const uint64_t part_bytes[] = {1 << 20, 8 << 20};
    counters = counters_register("bench");
    bool is_better = true;
    printf("%-10s %-22s", "entries", "trace");
    for (size_t p = 0; p < ARRAY_COUNT(policies); p++)
        printf(" %15s", policies[p].name);
    printf(" %15s\n", "response_cache");
    for (size_t size = 0; size < ARRAY_COUNT(part_bytes); size++) {
        for (size_t t = 0; t < ARRAY_COUNT(traces); t++) {
            trace_make(traces[t].exponent, traces[t].scan_percent, 7);
            real_open(part_bytes[size]);
            double ours = hit_percent(real);
            struct response_cache_status status;
            response_cache_status(cache, 0, &status);
            response_cache_destroy(cache);
            printf("%-10" PRIu64 " %-22s", status.entries, traces[t].name);
            double of_fifo = 0;
            for (size_t p = 0; p < ARRAY_COUNT(policies); p++) {
                policy_reset((uint32_t)status.entries);
                double percent = hit_percent(policies[p].access);
                of_fifo = p == 0 ? percent : of_fifo;
                printf(" %14.2f%%", percent);
            }
            printf(" %14.2f%%\n", ours);
            is_better = is_better && ours > of_fifo;
        }
    }
    if (!is_better)
        printf("worse than fifo somewhere: not acceptable\n");
    return is_better ? 0 : 1;
}
