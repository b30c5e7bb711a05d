/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/limit_table.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define INTERVAL (LIMIT_TICKS_PER_S / 10) /* ten requests a second */
#define TAG(n) ((uint64_t)(n) << 42)      /* clients of one bucket differ in the upper bits */
#define START_NS (1000 * NS_PER_S)

static struct limit_table *table;

static int create(void **state)
{
    (void)state;
    return limit_table_create(1024, &table);
}

static int destroy(void **state)
{
    (void)state;
    limit_table_destroy(table);
    return 0;
}

static struct limit_outcome charge(uint64_t hash, uint64_t now_ns, uint64_t burst)
{
    return limit_table_charge(table, hash, now_ns, INTERVAL, burst * INTERVAL);
}

static uint32_t charge_times(uint64_t hash, uint64_t now_ns, uint64_t burst, uint32_t times)
{
    uint32_t taken = 0;
    for (uint32_t i = 0; i < times; i++)
        taken += charge(hash, now_ns, burst).is_taken;
    return taken;
}

static void a_silent_client_has_its_whole_burst_and_no_more(void **state)
{
    (void)state;
    assert_int_equal(charge_times(TAG(7), START_NS, 5, 20), 5);
    assert_int_equal(charge_times(TAG(8), START_NS, 5, 20), 5);
}

static void one_request_comes_back_in_each_interval(void **state)
{
    (void)state;
    assert_int_equal(charge_times(TAG(7), START_NS, 5, 5), 5);
    assert_false(charge(TAG(7), START_NS + NS_PER_S / 10 - NS_PER_US, 5).is_taken);
    assert_true(charge(TAG(7), START_NS + NS_PER_S / 10, 5).is_taken);
    assert_false(charge(TAG(7), START_NS + NS_PER_S / 10, 5).is_taken);
    assert_int_equal(charge_times(TAG(7), START_NS + NS_PER_S, 5, 20), 5);
}

static void what_was_paid_ahead_is_told(void **state)
{
    (void)state;
    assert_int_equal(charge(TAG(7), START_NS, 5).ahead, INTERVAL);
    assert_int_equal(charge(TAG(7), START_NS, 5).ahead, 2 * INTERVAL);
    assert_int_equal(limit_table_look(table, TAG(7), START_NS, INTERVAL, 5 * INTERVAL).ahead,
                     2 * INTERVAL);
    assert_int_equal(charge_times(TAG(7), START_NS, 5, 10), 3);
    struct limit_outcome refused = charge(TAG(7), START_NS, 5);
    assert_false(refused.is_taken);
    assert_int_equal(refused.ahead, 5 * INTERVAL);
}

static void a_refund_is_one_request_more(void **state)
{
    (void)state;
    assert_int_equal(charge_times(TAG(7), START_NS, 5, 10), 5);
    limit_table_refund(table, TAG(7), START_NS, INTERVAL);
    assert_int_equal(charge_times(TAG(7), START_NS, 5, 10), 1);
    limit_table_refund(table, TAG(9), START_NS, INTERVAL); /* nobody: nothing happens */
    assert_int_equal(charge_times(TAG(9), START_NS, 5, 10), 5);
}

static void a_limit_that_became_shallower_forgives_the_rest(void **state)
{
    (void)state;
    assert_int_equal(charge_times(TAG(7), START_NS, 1000, 1000), 1000);
    assert_int_equal(charge(TAG(7), START_NS, 5).ahead, 5 * INTERVAL);
    assert_true(charge(TAG(7), START_NS + NS_PER_S, 5).is_taken == false);
}

static void a_full_bucket_forgets_who_owes_least(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= 8; i++)
        assert_int_equal(charge_times(TAG(i), START_NS, 100, 10 * (uint32_t)i), 10 * i);
    struct limit_outcome ninth = charge(TAG(9), START_NS, 100);
    assert_true(ninth.is_taken && ninth.has_evicted);
    assert_int_equal(charge(TAG(8), START_NS, 100).ahead, 81 * INTERVAL); /* is remembered */
    /* The first one has its quota again, and the ninth, with one request, gives way to it. */
    struct limit_outcome first = charge(TAG(1), START_NS, 100);
    assert_true(first.has_evicted);
    assert_int_equal(first.ahead, INTERVAL);
}

static void a_place_whose_time_has_passed_is_taken_without_a_loss(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= 8; i++)
        charge(TAG(i), START_NS, 5);
    assert_false(charge(TAG(9), START_NS + NS_PER_S, 5).has_evicted);
    assert_int_equal(limit_table_sweep(table, START_NS + NS_PER_S), 1);
    assert_int_equal(limit_table_sweep(table, START_NS + 2 * NS_PER_S), 0);
}

/* 42 bits of ticks are three days: a swept table never mistakes the past for the future. */
static void time_goes_on_past_the_width_of_a_word(void **state)
{
    (void)state;
    uint64_t now_ns = START_NS;
    for (uint32_t hour = 0; hour < 24 * 9; hour++) {
        assert_int_equal(charge_times(TAG(7), now_ns, 5, 20), 5);
        charge(TAG(8) + hour, now_ns, 5); /* never comes back */
        now_ns += 3600 * NS_PER_S;
        assert_int_equal(limit_table_sweep(table, now_ns), 0);
    }
}

/* ---- several workers ---------------------------- */

#define THREADS 4u
#define CHARGES 200000u
#define QUOTA 600000u

static pthread_barrier_t gate;

static void *charge_away(void *argument)
{
    uint32_t *taken = argument;
    pthread_barrier_wait(&gate);
    for (uint32_t i = 0; i < CHARGES; i++) {
        struct limit_outcome outcome = charge(TAG(7), START_NS, QUOTA);
        taken[0] += outcome.is_taken && !outcome.is_contended;
        taken[1] += outcome.is_contended;
    }
    return NULL;
}

static void all_workers_together_take_exactly_the_quota(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    uint32_t taken[THREADS][16] = {{0}}, counted = 0;
    pthread_barrier_init(&gate, NULL, THREADS);
    for (uint32_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, charge_away, taken[i]), 0);
    for (uint32_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        counted += taken[i][0];
    }
    pthread_barrier_destroy(&gate);
    /* Those let through in a crowd were not counted; the rest is exact to the last one. */
    counted += charge_times(TAG(7), START_NS, QUOTA, QUOTA);
    assert_int_equal(counted, QUOTA);
}

int main(void)
{
#define ONE(test) cmocka_unit_test_setup_teardown(test, create, destroy)
    const struct CMUnitTest tests[] = {
        ONE(a_silent_client_has_its_whole_burst_and_no_more),
        ONE(one_request_comes_back_in_each_interval),
        ONE(what_was_paid_ahead_is_told),
        ONE(a_refund_is_one_request_more),
        ONE(a_limit_that_became_shallower_forgives_the_rest),
        ONE(a_full_bucket_forgets_who_owes_least),
        ONE(a_place_whose_time_has_passed_is_taken_without_a_loss),
        ONE(time_goes_on_past_the_width_of_a_word),
        ONE(all_workers_together_take_exactly_the_quota),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
