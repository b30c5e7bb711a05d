/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/bench/generator/popularity.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "include/assert_policy.h"

#define SINGLE_RANKS 512u
#define BUCKETS_PER_DOUBLING 256u
#define BUCKETS_MAX (SINGLE_RANKS + BUCKETS_PER_DOUBLING * 24u) /* 2^9 << 23 reaches 2^32 */
#define TWO_TO_64 18446744073709551616.0

/* (b^(1-theta) - a^(1-theta)) / (1-theta), which is ln(b/a) for theta 1, without losing digits. */
static double integral_of_weights(double a, double b, double theta)
{
    double exponent = 1.0 - theta;
    double ratio_log = log(b / a);
    if (fabs(exponent) * ratio_log < 1e-12)
        return pow(a, exponent) * ratio_log;
    return pow(a, exponent) * expm1(exponent * ratio_log) / exponent;
}

/*
 * The sum of i^-theta for the `count` ranks from `first_rank` (rank r has i = r + 1): midpoint rule
 * with its first correction (Euler-Maclaurin); from 512 on the rest is below 1e-12 of the sum.
 */
static double sum_of_weights(uint32_t first_rank, uint32_t count, double theta)
{
    if (count == 1)
        return pow(first_rank + 1.0, -theta);
    double a = first_rank + 0.5;
    double b = a + count;
    double slope_change = -theta * (pow(b, -theta - 1) - pow(a, -theta - 1));
    return integral_of_weights(a, b, theta) - slope_change / 24;
}

static uint32_t bucket_ranks(struct popularity_bucket *buckets, uint32_t keys)
{
    uint32_t count = 0;
    uint64_t rank = 0, width = 1;
    while (rank < keys) {
        if (rank >= SINGLE_RANKS && (rank & (rank - 1)) == 0)
            width = rank / BUCKETS_PER_DOUBLING;
        uint64_t left = keys - rank;
        ASSERT(count < BUCKETS_MAX);
        buckets[count].first_rank = (uint32_t)rank;
        buckets[count++].rank_count = (uint32_t)(left < width ? left : width);
        rank += width;
    }
    return count;
}

/* Vose: every bucket that is short of an even share gets the rest of it from one that has more. */
static void build_aliases(struct popularity_bucket *buckets, uint32_t count, double *share,
                          uint32_t *order)
{
    uint32_t small = 0, large = count; /* two stacks in one array, from both ends */
    for (uint32_t i = 0; i < count; i++)
        order[share[i] < 1.0 ? small++ : --large] = i;
    while (small > 0 && large < count) {
        uint32_t poor = order[--small], rich = order[large++];
        buckets[poor].own_below = (uint64_t)(share[poor] * TWO_TO_64);
        buckets[poor].alias = rich;
        share[rich] -= 1.0 - share[poor];
        order[share[rich] < 1.0 ? small++ : --large] = rich;
    }
    while (small > 0 || large < count) { /* a full share, but for rounding */
        uint32_t whole = small > 0 ? order[--small] : order[large++];
        buckets[whole].own_below = UINT64_MAX;
        buckets[whole].alias = whole;
    }
}

static int zipf_init(struct popularity *popularity, double theta)
{
    popularity->buckets = calloc(BUCKETS_MAX, sizeof(*popularity->buckets));
    double *share = calloc(BUCKETS_MAX, sizeof(*share));
    uint32_t *order = calloc(BUCKETS_MAX, sizeof(*order));
    int error = popularity->buckets && share && order ? 0 : -ENOMEM;
    if (!error) {
        uint32_t count = bucket_ranks(popularity->buckets, popularity->keys);
        double total = 0;
        for (uint32_t i = 0; i < count; i++) {
            const struct popularity_bucket *bucket = &popularity->buckets[i];
            share[i] = sum_of_weights(bucket->first_rank, bucket->rank_count, theta);
            total += share[i];
        }
        for (uint32_t i = 0; i < count; i++)
            share[i] *= count / total;
        build_aliases(popularity->buckets, count, share, order);
        popularity->bucket_count = count;
    } else {
        popularity_destroy(popularity);
    }
    free(order);
    free(share);
    return error;
}

static uint64_t greatest_common_divisor(uint64_t a, uint64_t b)
{
    while (b != 0) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Near the golden section, whose multiples never come close together. */
static uint64_t scramble_multiplier(uint32_t keys)
{
    uint64_t multiplier = (uint64_t)(keys * 0.6180339887498949) + 1;
    while (greatest_common_divisor(multiplier, keys) != 1)
        multiplier++;
    return multiplier;
}

int popularity_init(struct popularity *popularity, const struct plan *plan)
{
    memset(popularity, 0, sizeof(*popularity));
    if (plan->keys == 0 || plan->keys > POPULARITY_KEYS_MAX)
        return -EINVAL;
    popularity->kind = plan->popularity;
    popularity->keys = (uint32_t)plan->keys;
    popularity->reciprocal = UINT64_MAX / plan->keys;
    popularity->multiplier = scramble_multiplier(popularity->keys);
    if (plan->popularity == PLAN_HOT_SET) {
        if (plan->hot_keys == 0 || plan->hot_keys >= plan->keys || plan->hot_permille > 1000)
            return -EINVAL;
        popularity->hot_keys = (uint32_t)plan->hot_keys;
        popularity->hot_below = plan->hot_permille == 1000
                                    ? UINT64_MAX
                                    : (uint64_t)(plan->hot_permille / 1000.0 * TWO_TO_64);
    }
    if (plan->popularity == PLAN_ZIPF)
        return zipf_init(popularity, plan->zipf_theta);
    return 0;
}

void popularity_destroy(struct popularity *popularity)
{
    free(popularity->buckets);
    popularity->buckets = NULL;
    popularity->bucket_count = 0;
}
