/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/connection_table.h"
#include "include/random.h"

#define ENTRIES 1000u

static bool finds(const struct connection_table *table, uint32_t hash, uint32_t index)
{
    struct connection_cursor cursor = connection_table_begin(table, hash);
    uint32_t found;
    while ((found = connection_table_next(table, &cursor)) != CONNECTION_NOT_FOUND)
        if (found == index)
            return true;
    return false;
}

/* `hash_bits` few: most entries share a bucket and spill; tags repeat as well. */
static void run(uint32_t hash_mask)
{
    struct connection_table table;
    assert_int_equal(connection_table_create(&table, ENTRIES), 0);
    struct random random = {7};
    uint32_t hashes[ENTRIES];
    bool is_there[ENTRIES] = {false};
    for (int step = 0; step < 20000; step++) {
        uint32_t index = random_below(&random, ENTRIES);
        if (is_there[index]) {
            connection_table_remove(&table, hashes[index], index);
        } else {
            hashes[index] = (uint32_t)random_u64(&random) & hash_mask;
            connection_table_insert(&table, hashes[index], index);
        }
        is_there[index] = !is_there[index];
        uint32_t probe = random_below(&random, ENTRIES);
        if (is_there[probe])
            assert_true(finds(&table, hashes[probe], probe));
        else
            assert_false(finds(&table, (uint32_t)random_u64(&random) & hash_mask, probe));
    }
    for (uint32_t i = 0; i < ENTRIES; i++) {
        if (!is_there[i])
            continue;
        assert_true(finds(&table, hashes[i], i));
        connection_table_remove(&table, hashes[i], i);
        assert_false(finds(&table, hashes[i], i));
    }
    for (uint32_t i = 0; i <= table.bucket_mask; i++) { /* nothing is left, no count went wrong */
        assert_int_equal(table.buckets[i].used, 0);
        assert_int_equal(table.buckets[i].overflow, 0);
    }
    connection_table_destroy(&table);
}

static void what_is_there_is_found_and_nothing_else(void **state)
{
    (void)state;
    run(UINT32_MAX);
}

static void full_buckets_spill_and_recover(void **state)
{
    (void)state;
    run(0x00030007);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_there_is_found_and_nothing_else),
        cmocka_unit_test(full_buckets_spill_and_recover),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
