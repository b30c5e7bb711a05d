/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * popularity.h - which key the next request asks for.
 *
 * Purpose:   uniform, Zipf and hot-set key choice over up to 2^32 - 1 keys: a few nanoseconds, no
 *            division, no logarithm, no table that grows with the number of keys.
 * Ownership: popularity_init takes memory, popularity_destroy gives it back.
 * Threading: constant after popularity_init: every core reads the same one with its own random.
 * Units:     keys 0..keys-1; rank 0 is the most popular.
 * Errors:    popularity_init: -ENOMEM, or -EINVAL for what plan_parse would have refused.
 * Source:    Zipf: ranks are grouped into buckets, alone while rank < 512, then 256 per doubling;
 *            a bucket is drawn by Walker's alias method (Vose 1991) with the exact sum of its
 *            ranks' weights, then a rank in it evenly. The first 512 ranks and every bucket are
 *            exact, and one rank is off by at most theta/512 (0.2 % at theta 0.99). Draws do not
 *            repeat. Scramble: multiplication by a number prime to `keys` (Knuth, TAOCP 6.4): a
 *            bijection that puts popular keys far apart, the same for every seed: they stay hot.
 */
#ifndef GANNET_BENCH_POPULARITY_H
#define GANNET_BENCH_POPULARITY_H

#include <stdint.h>

#include "include/random.h"
#include "tests/bench/generator/plan.h"

#define POPULARITY_KEYS_MAX UINT32_MAX

struct popularity_bucket {
    uint64_t own_below; /* of 2^64: this bucket, else the alias */
    uint32_t alias;
    uint32_t first_rank;
    uint32_t rank_count;
};

struct popularity {
    enum plan_popularity kind;
    uint32_t keys;
    uint32_t hot_keys;
    uint64_t hot_below;              /* of 2^64 */
    uint64_t multiplier, reciprocal; /* of the scramble: floor(2^64 / keys) */
    struct popularity_bucket *buckets;
    uint32_t bucket_count;
};

int popularity_init(struct popularity *popularity, const struct plan *plan);
void popularity_destroy(struct popularity *popularity);

static inline uint32_t popularity_scale(uint64_t random, uint64_t bound)
{
    return (uint32_t)(((__uint128_t)random * bound) >> 64);
}

static inline uint32_t popularity_rank(const struct popularity *popularity, struct random *random)
{
    uint64_t draw = random_u64(random);
    if (popularity->kind == PLAN_UNIFORM)
        return popularity_scale(draw, popularity->keys);
    if (popularity->kind == PLAN_HOT_SET) {
        uint32_t hot = popularity->hot_keys;
        if (draw < popularity->hot_below)
            return popularity_scale(random_u64(random), hot);
        return hot + popularity_scale(random_u64(random), popularity->keys - hot);
    }
    /* The whole part of the product chooses a bucket; its fraction is still an even draw. */
    __uint128_t product = (__uint128_t)draw * popularity->bucket_count;
    const struct popularity_bucket *bucket = &popularity->buckets[(uint64_t)(product >> 64)];
    if ((uint64_t)product >= bucket->own_below)
        bucket = &popularity->buckets[bucket->alias];
    if (bucket->rank_count == 1)
        return bucket->first_rank;
    return bucket->first_rank + popularity_scale(random_u64(random), bucket->rank_count);
}

/* rank * multiplier mod keys, by the reciprocal: the quotient is at most one too small. */
static inline uint32_t popularity_scramble(const struct popularity *popularity, uint32_t rank)
{
    uint64_t product = rank * popularity->multiplier;
    uint64_t quotient = (uint64_t)(((__uint128_t)product * popularity->reciprocal) >> 64);
    uint64_t key = product - quotient * popularity->keys;
    return (uint32_t)(key >= popularity->keys ? key - popularity->keys : key);
}

static inline uint32_t popularity_key(const struct popularity *popularity, struct random *random)
{
    return popularity_scramble(popularity, popularity_rank(popularity, random));
}

#endif
