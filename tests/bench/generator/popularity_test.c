/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "include/compiler.h"
#include "tests/bench/generator/popularity.h"

#define DRAWS 4000000u

static void assert_near(double value, double wanted, double tolerance)
{
    if (!(fabs(value - wanted) <= tolerance))
        fail_msg("%g instead of %g +- %g", value, wanted, tolerance);
}

static struct popularity make(enum plan_popularity kind, uint64_t keys, double theta)
{
    struct plan plan = {.popularity = kind, .keys = keys, .zipf_theta = theta};
    struct popularity popularity;
    assert_int_equal(popularity_init(&popularity, &plan), 0);
    return popularity;
}

/* The exact probability of every rank, from the alias table: no draws, no tolerance for luck. */
static double *rank_probabilities(const struct popularity *popularity)
{
    double *probability = calloc(popularity->keys, sizeof(*probability));
    assert_non_null(probability);
    for (uint32_t i = 0; i < popularity->bucket_count; i++) {
        const struct popularity_bucket *own = &popularity->buckets[i];
        const struct popularity_bucket *alias = &popularity->buckets[own->alias];
        double kept = (double)own->own_below * 0x1p-64;
        for (uint32_t n = 0; n < own->rank_count; n++)
            probability[own->first_rank + n] += kept / own->rank_count / popularity->bucket_count;
        for (uint32_t n = 0; n < alias->rank_count; n++)
            probability[alias->first_rank + n] +=
                (1 - kept) / alias->rank_count / popularity->bucket_count;
    }
    return probability;
}

static void zipf_gives_every_rank_its_probability(void **state)
{
    (void)state;
    static const struct {
        uint64_t keys;
        double theta;
    } cases[] = {{1, 0.99},       {2, 1.0},       {511, 0.99},
                 {513, 1.5},      {100000, 0.5},  {100000, 1.0},
                 {1000003, 0.99}, {1000003, 1.5}, {1000003, 1.0 + 1e-9}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct popularity popularity = make(PLAN_ZIPF, cases[i].keys, cases[i].theta);
        double *probability = rank_probabilities(&popularity);
        double total = 0, cumulated = 0, wanted = 0, farthest = 0;
        for (uint64_t rank = cases[i].keys; rank-- > 0;)
            total += pow((double)rank + 1, -cases[i].theta);
        for (uint64_t rank = 0; rank < cases[i].keys; rank++) {
            double exact = pow((double)rank + 1, -cases[i].theta) / total;
            double allowed = rank < 512 ? 1e-8 : cases[i].theta / 500;
            if (fabs(probability[rank] / exact - 1) > allowed)
                fail_msg("%ju keys, theta %g, rank %ju: %g instead of %g", (uintmax_t)cases[i].keys,
                         cases[i].theta, (uintmax_t)rank, probability[rank], exact);
            cumulated += probability[rank];
            wanted += exact;
            farthest = fmax(farthest, fabs(cumulated - wanted));
        }
        if (farthest > 1e-5) /* the Kolmogorov-Smirnov distance of the two distributions */
            fail_msg("%ju keys, theta %g: distance %g", (uintmax_t)cases[i].keys, cases[i].theta,
                     farthest);
        free(probability);
        popularity_destroy(&popularity);
    }
}

/* Chi-square over the first ranks and the powers of two beyond; sigma = sqrt(2 * degrees). */
static void zipf_draws_follow_the_distribution(void **state)
{
    (void)state;
    static const double thetas[] = {0.5, 0.99, 1.0, 1.5};
    enum { KEYS = 10000000, HEAD = 64, CELLS = HEAD + 25 };
    for (size_t i = 0; i < ARRAY_COUNT(thetas); i++) {
        struct popularity popularity = make(PLAN_ZIPF, KEYS, thetas[i]);
        double expected[CELLS] = {0}, total = 0;
        uint32_t seen[CELLS] = {0};
        for (uint32_t rank = KEYS; rank-- > 0;) {
            uint32_t cell = rank < HEAD ? rank : HEAD + 31 - (uint32_t)__builtin_clz(rank);
            expected[cell] += pow(rank + 1.0, -thetas[i]);
        }
        for (uint32_t cell = 0; cell < CELLS; cell++)
            total += expected[cell];
        struct random random = {2026};
        for (uint32_t n = 0; n < DRAWS; n++) {
            uint32_t rank = popularity_rank(&popularity, &random);
            assert_true(rank < KEYS);
            seen[rank < HEAD ? rank : HEAD + 31 - (uint32_t)__builtin_clz(rank)]++;
        }
        double chi_square = 0;
        uint32_t degrees = 0;
        for (uint32_t cell = 0; cell < CELLS; cell++) {
            double want = expected[cell] / total * DRAWS;
            if (want < 5)
                continue;
            chi_square += (seen[cell] - want) * (seen[cell] - want) / want;
            degrees++;
        }
        if (chi_square > degrees + 4 * sqrt(2.0 * degrees))
            fail_msg("theta %g: chi-square %g with %u cells", thetas[i], chi_square, degrees);
        popularity_destroy(&popularity);
    }
}

static void draws_do_not_repeat_and_reach_the_tail(void **state)
{
    (void)state;
    struct popularity popularity = make(PLAN_ZIPF, 100000000, 0.99);
    struct random random = {5};
    uint32_t beyond = 0, highest = 0;
    for (uint32_t n = 0; n < DRAWS; n++) {
        uint32_t rank = popularity_rank(&popularity, &random);
        beyond += rank >= 10000000;
        highest = rank > highest ? rank : highest;
    }
    /* ln(10) / (ln(1e8) + 0.577) and a little more, as theta is below 1 */
    assert_near((double)beyond / DRAWS, 0.133, 0.003);
    assert_true(highest > 99990000);
    popularity_destroy(&popularity);
}

static void a_hot_set_gets_its_share(void **state)
{
    (void)state;
    struct plan plan = {
        .popularity = PLAN_HOT_SET, .keys = 1000, .hot_keys = 100, .hot_permille = 900};
    struct popularity popularity;
    assert_int_equal(popularity_init(&popularity, &plan), 0);
    struct random random = {11};
    uint32_t seen[1000] = {0}, hot = 0;
    for (uint32_t n = 0; n < DRAWS; n++) {
        uint32_t rank = popularity_rank(&popularity, &random);
        assert_true(rank < 1000);
        seen[rank]++;
        hot += rank < 100;
    }
    assert_near((double)hot / DRAWS, 0.9, 0.001);
    for (uint32_t rank = 0; rank < 1000; rank++) {
        double want = rank < 100 ? DRAWS * 0.9 / 100 : DRAWS * 0.1 / 900;
        if (fabs(seen[rank] - want) > 6 * sqrt(want))
            fail_msg("rank %u: %u instead of %g", rank, seen[rank], want);
    }
}

static void uniform_keys_are_all_equally_likely(void **state)
{
    (void)state;
    struct popularity popularity = make(PLAN_UNIFORM, 1000, 0);
    struct random random = {12};
    uint32_t seen[1000] = {0};
    for (uint32_t n = 0; n < DRAWS; n++)
        seen[popularity_key(&popularity, &random)]++;
    for (uint32_t key = 0; key < 1000; key++)
        assert_near(seen[key], DRAWS / 1000.0, 6 * sqrt(DRAWS / 1000.0));
}

static void the_scramble_is_a_bijection(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {1, 2, 3, 4, 6, 10, 97, 256, 1000, 65536, 65537, 1000000};
    for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
        struct popularity popularity = make(PLAN_UNIFORM, sizes[i], 0);
        uint8_t *used = calloc(sizes[i], 1);
        assert_non_null(used);
        for (uint32_t rank = 0; rank < sizes[i]; rank++) {
            uint32_t key = popularity_scramble(&popularity, rank);
            if (key >= sizes[i] || used[key]++)
                fail_msg("%u keys: rank %u gives %u", sizes[i], rank, key);
        }
        free(used);
    }
}

static void the_scramble_is_exact_at_the_largest_sizes(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {100000000, UINT32_MAX - 1, UINT32_MAX};
    for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
        struct popularity popularity = make(PLAN_UNIFORM, sizes[i], 0);
        for (uint32_t n = 0; n < 100000; n++) {
            uint32_t rank = n % 2 ? n : sizes[i] - 1 - n;
            __uint128_t product = (__uint128_t)rank * popularity.multiplier;
            assert_int_equal(popularity_scramble(&popularity, rank),
                             (uint64_t)(product % sizes[i]));
        }
    }
}

/* The golden section: neighbours in rank are never neighbours in key. */
static void popular_keys_are_spread(void **state)
{
    (void)state;
    struct popularity popularity = make(PLAN_ZIPF, 1000000, 0.99);
    for (uint32_t a = 0; a < 100; a++)
        for (uint32_t b = a + 1; b < 100; b++)
            assert_true(abs((int)popularity_scramble(&popularity, a) -
                            (int)popularity_scramble(&popularity, b)) > 3000);
    popularity_destroy(&popularity);
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    static const struct plan plans[] = {
        {.keys = 0},
        {.keys = 1ull << 32},
        {.keys = 10, .popularity = PLAN_HOT_SET, .hot_keys = 10, .hot_permille = 900},
        {.keys = 10, .popularity = PLAN_HOT_SET, .hot_keys = 0, .hot_permille = 900},
        {.keys = 10, .popularity = PLAN_HOT_SET, .hot_keys = 1, .hot_permille = 1001},
    };
    for (size_t i = 0; i < ARRAY_COUNT(plans); i++) {
        struct popularity popularity;
        if (popularity_init(&popularity, &plans[i]) == 0)
            fail_msg("case %zu was accepted", i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zipf_gives_every_rank_its_probability),
        cmocka_unit_test(zipf_draws_follow_the_distribution),
        cmocka_unit_test(draws_do_not_repeat_and_reach_the_tail),
        cmocka_unit_test(a_hot_set_gets_its_share),
        cmocka_unit_test(uniform_keys_are_all_equally_likely),
        cmocka_unit_test(the_scramble_is_a_bijection),
        cmocka_unit_test(the_scramble_is_exact_at_the_largest_sizes),
        cmocka_unit_test(popular_keys_are_spread),
        cmocka_unit_test(what_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
