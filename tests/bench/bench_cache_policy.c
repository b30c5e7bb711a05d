/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Miss ratios of eviction policies on made traces, and of the real cache beside them. All entries
 * have one size, so that as many entries as the real cache holds are as many bytes, overhead
 * included. LRU, SIEVE (Zhang et al., NSDI 2024) and S3-FIFO (Yang et al., SOSP 2023) are written
 * from the papers. Prints one row per trace and size; see DECISIONS.md.
 *
 *   bench_cache_policy [FILE]     the same as JSON into FILE: {workload, policy, cache_fraction,
 *                                 miss_ratio}, cache_fraction = entries / keys
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
#define REQUESTS_PER_MS 10u /* of the traces' own time */
#define TTL_REQUESTS 100000u
#define SHIFT_REQUESTS 100000u    /* how often popularity moves on */
#define SHIFT_KEYS 997u           /* ... and by how much */
#define IDS_MAX (KEYS + REQUESTS) /* scanned keys are new ones each time */
#define NONE UINT32_MAX
#define ENTRY_VALUE_BYTES 200u

struct workload {
    const char *name;
    double exponent;
    uint32_t scan_percent;
    bool is_shifting; /* every SHIFT_REQUESTS the SHIFT_KEYS most popular give way to others */
    bool has_ttl;     /* every second key lives for TTL_REQUESTS */
};

static uint32_t trace[REQUESTS];
static double cumulative[KEYS];
static uint32_t now; /* the request under way */

/* Requests by rank; permuted, so that neighbours in rank are no neighbours in hash. */
static void trace_make(const struct workload *workload, uint64_t seed)
{
    struct random random = {seed};
    double sum = 0;
    for (uint32_t i = 0; i < KEYS; i++)
        cumulative[i] = sum += 1 / pow(i + 1, workload->exponent);
    uint32_t fresh = KEYS;
    for (uint32_t i = 0; i < REQUESTS; i++) {
        /* scans come in runs of a thousand, as a crawler or a backup makes them */
        if (workload->scan_percent > 0 && i / 1000 % 100 < workload->scan_percent) {
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
        if (workload->is_shifting)
            low = (low + i / SHIFT_REQUESTS * SHIFT_KEYS) % KEYS;
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
static uint32_t dies_at[IDS_MAX]; /* request that finds it expired; 0: never */

static bool may_expire(uint32_t id)
{
    return id < KEYS && id % 2 == 1;
}

static void policy_reset(uint32_t entries)
{
    memset(where, 0, sizeof(where));
    memset(mark, 0, sizeof(mark));
    list_clear(&first);
    list_clear(&second);
    list_clear(&ghost);
    hand = NONE;
    capacity = entries;
    memset(dies_at, 0, sizeof(dies_at));
}

/* What has expired is as good as absent: it is taken out before the policy looks. */
static void expire(uint32_t id)
{
    if (where[id] == 0 || where[id] == 3 || dies_at[id] == 0 || now < dies_at[id])
        return;
    if (hand == id)
        hand = newer[id];
    list_remove(where[id] == 1 ? &first : &second, id);
    mark[id] = 0;
    dies_at[id] = 0;
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
static bool has_ttl;

static void real_open(uint64_t part_bytes)
{
    struct response_cache_config config = {1, part_bytes, 1 << 20, 1, 0};
    ASSERT(response_cache_create(&config, &cache) == 0);
    response_cache_attach(cache, 0, NULL, counters);
}

static bool real(uint32_t id)
{
    static struct shard_operation operation;
    static uint32_t calls;
    memcpy(operation.bytes, "b\0id", 4);
    memcpy(operation.bytes + 4, &id, sizeof(id));
    operation.key_bytes = 8;
    operation.cache_hash = key_hash_cache(operation.bytes, 8, 1);
    operation.cache_action = SHARD_CACHE_FILL;
    operation.version = 1 + now;
    operation.value_bytes = ENTRY_VALUE_BYTES;
    uint64_t wall_ms = 1 + now / REQUESTS_PER_MS;
    operation.expires_at_ms =
        has_ttl && may_expire(id) ? wall_ms + TTL_REQUESTS / REQUESTS_PER_MS : 0;
    bool is_hit =
        response_cache_lookup(cache, operation.cache_hash, operation.bytes, 8, wall_ms) != NULL;
    if (!is_hit)
        response_cache_apply(cache, 0, &operation, wall_ms);
    if (++calls % 32 == 0) {
        response_cache_quiescent(cache, 0);
        response_cache_maintain(cache, 0, wall_ms);
    }
    return is_hit;
}

/* Of all requests behind the warm-up; scanned keys cannot hit and count as they are. */
static double miss_ratio(bool (*policy)(uint32_t id))
{
    uint32_t misses = 0;
    for (now = 0; now < REQUESTS; now++) {
        uint32_t id = trace[now];
        if (has_ttl && policy != real)
            expire(id);
        bool is_hit = policy(id);
        if (!is_hit && has_ttl && may_expire(id))
            dies_at[id] = now + TTL_REQUESTS;
        misses += now >= REQUESTS / 4 && !is_hit;
    }
    return misses / (REQUESTS * 0.75);
}

static const struct workload workloads[] = {
    {.name = "zipf 0.9", .exponent = 0.9},
    {.name = "zipf 1.0", .exponent = 1.0},
    {.name = "zipf 1.1", .exponent = 1.1},
    {.name = "zipf 0.9, 30 % scan", .exponent = 0.9, .scan_percent = 30},
    {.name = "zipf 1.0, 30 % scan", .exponent = 1.0, .scan_percent = 30},
    {.name = "zipf 1.1, 30 % scan", .exponent = 1.1, .scan_percent = 30},
    {.name = "zipf 1.0, shifting", .exponent = 1.0, .is_shifting = true},
    {.name = "zipf 1.0, half with TTL", .exponent = 1.0, .has_ttl = true},
};

static const struct {
    const char *name;
    bool (*access)(uint32_t id);
} policies[] = {{"fifo", fifo},
                {"lru", lru},
                {"sieve", sieve},
                {"s3-fifo", s3_fifo_2_bits},
                {"s3-fifo 1 bit", s3_fifo_1_bit}};

enum { LRU = 1, SIEVE = 2, S3_FIFO = 3 };

struct verdict {
    uint32_t rows, above_lru, above_best;
    double above_best_max;
};

static void print_json(FILE *json, const char *workload, const char *policy, double fraction,
                       double ratio)
{
    static const char *separator = "[";
    if (!json)
        return;
    fprintf(json,
            "%s\n{\"workload\": \"%s\", \"policy\": \"%s\", \"cache_fraction\": %.4f, "
            "\"miss_ratio\": %.5f}",
            separator, workload, policy, fraction, ratio);
    separator = ",";
}

static void compare(const struct workload *workload, uint64_t part_bytes, FILE *json,
                    struct verdict *verdict)
{
    has_ttl = workload->has_ttl;
    trace_make(workload, 7);
    real_open(part_bytes);
    double ours = miss_ratio(real);
    struct response_cache_status status;
    response_cache_status(cache, 0, &status);
    response_cache_destroy(cache);
    double fraction = (double)status.entries / KEYS;
    double each = (double)part_bytes / (double)status.entries - 8 - ENTRY_VALUE_BYTES;
    printf("%7" PRIu64 " %-24s", status.entries, workload->name);
    double ratios[ARRAY_COUNT(policies)];
    for (size_t p = 0; p < ARRAY_COUNT(policies); p++) {
        policy_reset((uint32_t)status.entries);
        ratios[p] = miss_ratio(policies[p].access);
        print_json(json, workload->name, policies[p].name, fraction, ratios[p]);
        printf(" %13.2f%%", 100 * ratios[p]);
    }
    print_json(json, workload->name, "gannet", fraction, ours);
    printf(" %13.2f%% %9.1f\n", 100 * ours, each);
    double best = fmin(ratios[LRU], fmin(ratios[SIEVE], ratios[S3_FIFO]));
    verdict->rows++;
    verdict->above_lru += ours > ratios[LRU];
    verdict->above_best += ours > best;
    verdict->above_best_max = fmax(verdict->above_best_max, ours - best);
}

/* New keys until the part has been turned over: what an entry takes of all its memory, then. */
static void print_overhead(uint64_t part_bytes)
{
    has_ttl = false;
    real_open(part_bytes);
    for (uint32_t id = 0; id < 2 * part_bytes / ENTRY_VALUE_BYTES; id++)
        real(id);
    struct response_cache_status status;
    response_cache_status(cache, 0, &status);
    response_cache_destroy(cache);
    double each = (double)part_bytes / (double)status.entries - 8 - ENTRY_VALUE_BYTES;
    printf("%4" PRIu64 " MiB, full: %" PRIu64 " entries, overhead %.1f bytes\n", part_bytes >> 20,
           status.entries, each);
}

int main(int count, char **values)
{
    static const uint64_t part_bytes[] = {1 << 20, 4 << 20, 8 << 20, 24 << 20};
    FILE *json = count > 1 ? fopen(values[1], "w") : NULL;
    struct verdict verdict = {0};
    counters = counters_register("bench");
    printf("%7s %-24s", "entries", "miss ratio");
    for (size_t p = 0; p < ARRAY_COUNT(policies); p++)
        printf(" %14s", policies[p].name);
    printf(" %14s %9s\n", "gannet", "overhead");
    for (size_t size = 0; size < ARRAY_COUNT(part_bytes); size++)
        for (size_t w = 0; w < ARRAY_COUNT(workloads); w++)
            compare(&workloads[w], part_bytes[size], json, &verdict);
    if (json) {
        fprintf(json, "\n]\n");
        fclose(json);
    }
    for (uint64_t mib = 16; mib <= 256; mib *= 4)
        print_overhead(mib << 20);
    printf("overhead: bytes of cache memory per entry beyond key and value\n");
    printf("%u rows; above LRU in %u; above the best of LRU, SIEVE and S3-FIFO in %u, by at most "
           "%.2f points\n",
           verdict.rows, verdict.above_lru, verdict.above_best, 100 * verdict.above_best_max);
    return verdict.above_lru == 0 ? 0 : 1;
}
