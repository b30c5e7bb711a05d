/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * latency.h - a histogram of latencies that loses no more than 0.1 %.
 *
 * Purpose:   p50 to p99.99 and the maximum of millions of samples, in fixed memory.
 * Ownership: plain data.
 * Threading: one writer.
 * Units:     nanoseconds; beyond LATENCY_NS_MAX counts in the last bucket, latency.max_ns is exact.
 * Errors:    none.
 * Source:    HdrHistogram (Gil Tene): buckets double, each divided linearly.
 */
#ifndef GANNET_BENCH_LATENCY_H
#define GANNET_BENCH_LATENCY_H

#include <stdint.h>

#define LATENCY_LINEAR_BITS 10u /* 1,024 steps per doubling */
#define LATENCY_DOUBLINGS 27u   /* 1 us .. 137 s */
#define LATENCY_NS_MAX (1ull << (LATENCY_LINEAR_BITS + LATENCY_DOUBLINGS))
#define LATENCY_BUCKETS ((LATENCY_DOUBLINGS + 1u) << LATENCY_LINEAR_BITS)

struct latency {
    uint64_t count, sum_ns, min_ns, max_ns;
    uint64_t buckets[LATENCY_BUCKETS];
};

void latency_reset(struct latency *latency);
void latency_merge(struct latency *into, const struct latency *from);
/* The value that `permyriad` of 10,000 samples do not exceed (9,900 is p99); 0 when empty. */
uint64_t latency_quantile_ns(const struct latency *latency, uint32_t permyriad);
/* How many took no longer than `ns`, give or take what shares its bucket. */
uint64_t latency_count_until(const struct latency *latency, uint64_t ns);

static inline uint32_t latency_bucket(uint64_t ns)
{
    if (ns < 1ull << LATENCY_LINEAR_BITS)
        return (uint32_t)ns;
    if (ns >= LATENCY_NS_MAX)
        return LATENCY_BUCKETS - 1;
    uint32_t shift = 63u - (uint32_t)__builtin_clzll(ns) - LATENCY_LINEAR_BITS;
    return ((shift + 1) << LATENCY_LINEAR_BITS) +
           (uint32_t)((ns >> shift) - (1ull << LATENCY_LINEAR_BITS));
}

static inline void latency_record(struct latency *latency, uint64_t ns)
{
    latency->count++;
    latency->sum_ns += ns;
    if (ns > latency->max_ns)
        latency->max_ns = ns;
    if (ns < latency->min_ns)
        latency->min_ns = ns;
    latency->buckets[latency_bucket(ns)]++;
}

#endif
