/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/bench/generator/latency.h"

#include <string.h>

#include "include/assert_policy.h"

#define PERMYRIAD 10000u

void latency_reset(struct latency *latency)
{
    memset(latency, 0, sizeof(*latency));
    latency->min_ns = UINT64_MAX;
}

void latency_merge(struct latency *into, const struct latency *from)
{
    into->count += from->count;
    into->sum_ns += from->sum_ns;
    if (from->max_ns > into->max_ns)
        into->max_ns = from->max_ns;
    if (from->min_ns < into->min_ns)
        into->min_ns = from->min_ns;
    for (uint32_t i = 0; i < LATENCY_BUCKETS; i++)
        into->buckets[i] += from->buckets[i];
}

/* The largest value that counts in this bucket, so that a quantile is never understated. */
static uint64_t bucket_last_ns(uint32_t bucket)
{
    uint64_t row = bucket >> LATENCY_LINEAR_BITS;
    if (row == 0)
        return bucket;
    uint64_t column = bucket & ((1u << LATENCY_LINEAR_BITS) - 1);
    return (((1ull << LATENCY_LINEAR_BITS) + column + 1) << (row - 1)) - 1;
}

uint64_t latency_quantile_ns(const struct latency *latency, uint32_t permyriad)
{
    ASSERT(permyriad <= PERMYRIAD);
    if (latency->count == 0)
        return 0;
    __uint128_t product = (__uint128_t)latency->count * permyriad;
    uint64_t wanted = (uint64_t)((product + PERMYRIAD - 1) / PERMYRIAD);
    uint64_t seen = 0;
    for (uint32_t i = 0; i < LATENCY_BUCKETS - 1; i++) {
        seen += latency->buckets[i];
        if (seen >= wanted && seen > 0) {
            uint64_t last_ns = bucket_last_ns(i);
            return last_ns < latency->max_ns ? last_ns : latency->max_ns;
        }
    }
    return latency->max_ns; /* the last bucket has no end */
}

uint64_t latency_count_until(const struct latency *latency, uint64_t ns)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i <= latency_bucket(ns); i++)
        count += latency->buckets[i];
    return count;
}
