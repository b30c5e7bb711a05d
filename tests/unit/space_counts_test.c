/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "include/space_counts.h"

#define THREADS 4u
#define ADDS 20000u

static struct space_counts *counts;

static int make(void **state)
{
    (void)state;
    return space_counts_create(&counts);
}

static int drop(void **state)
{
    (void)state;
    space_counts_destroy(counts);
    return 0;
}

static void add(const char *name, uint32_t stripe, int64_t keys, int64_t value_bytes)
{
    char key[NAMESPACE_NAME_BYTES_MAX + 16];
    int bytes = snprintf(key, sizeof(key), "%s%ckey", name, 0);
    space_counts_add(counts, stripe, key, (uint32_t)bytes, keys, value_bytes);
}

static void assert_counted(const char *name, uint64_t keys, uint64_t value_bytes)
{
    struct space_count found;
    assert_true(space_counts_read(counts, name, &found));
    assert_string_equal(found.name, name);
    assert_int_equal(found.keys, keys);
    assert_int_equal(found.value_bytes, value_bytes);
}

static void each_name_has_its_own_sum_over_all_stripes(void **state)
{
    (void)state;
    char longest[NAMESPACE_NAME_BYTES_MAX + 1];
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    add("demo", 0, 1, 100);
    add("demo", 255, 1, 23);
    add("demo2", 0, 1, 5);
    add(longest, 3, 1, 7);
    add("demo", 1, -1, -100); /* another stripe than the one that counted it */
    assert_counted("demo", 1, 23);
    assert_counted("demo2", 1, 5);
    assert_counted(longest, 1, 7);
    assert_counted("never", 0, 0);
}

static void a_key_without_a_namespace_is_not_counted(void **state)
{
    (void)state;
    struct space_count found;
    uint32_t at = 0;
    char endless[2 * NAMESPACE_NAME_BYTES_MAX];
    memset(endless, 'x', sizeof(endless));
    space_counts_add(counts, 0, endless, sizeof(endless), 1, 1);
    space_counts_add(counts, 0, "short", 5, 1, 1);
    space_counts_add(counts, 0, "\0key", 4, 1, 1);
    assert_false(space_counts_next(counts, &at, &found));
    assert_false(space_counts_read(counts, "", &found));
}

static void names_beyond_the_bound_are_said_not_to_be_counted(void **state)
{
    (void)state;
    char name[16];
    for (uint32_t i = 0; i <= SPACES_COUNTED_MAX; i++) {
        snprintf(name, sizeof(name), "space-%u", i);
        add(name, i, 1, i);
    }
    struct space_count found;
    assert_false(space_counts_read(counts, name, &found));
    assert_false(space_counts_read(counts, "never", &found));
    assert_counted("space-0", 1, 0);
    assert_counted("space-511", 1, 511);
    uint32_t at = 0, listed = 0;
    while (space_counts_next(counts, &at, &found))
        listed++;
    assert_int_equal(listed, SPACES_COUNTED_MAX);
}

static void *add_much(void *argument)
{
    uint32_t thread = *(uint32_t *)argument;
    char name[16];
    for (uint32_t i = 0; i < ADDS; i++) {
        snprintf(name, sizeof(name), "space-%u", i % 100);
        add(name, thread, 1, 10);
    }
    return NULL;
}

static void threads_that_meet_new_names_together_lose_nothing(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    uint32_t numbers[THREADS] = {0, 1, 2, 2}; /* two of one stripe */
    for (uint32_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, add_much, &numbers[i]), 0);
    for (uint32_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    uint32_t at = 0, listed = 0;
    struct space_count found;
    while (space_counts_next(counts, &at, &found)) {
        assert_int_equal(found.keys, THREADS * ADDS / 100);
        assert_int_equal(found.value_bytes, THREADS * ADDS / 10);
        listed++;
    }
    assert_int_equal(listed, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_name_has_its_own_sum_over_all_stripes, make, drop),
        cmocka_unit_test_setup_teardown(a_key_without_a_namespace_is_not_counted, make, drop),
        cmocka_unit_test_setup_teardown(names_beyond_the_bound_are_said_not_to_be_counted, make,
                                        drop),
        cmocka_unit_test_setup_teardown(threads_that_meet_new_names_together_lose_nothing, make,
                                        drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
