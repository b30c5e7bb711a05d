/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/shard_index.h"
#include "include/random.h"
#include "include/shard_operation.h"

#define KEYS 6000u

struct reference {
    uint8_t key[KEY_BYTES_MAX];
    uint32_t key_bytes;
    uint64_t version; /* 0: not in the index */
};

static struct reference references[KEYS];

static int compare_references(const void *a, const void *b)
{
    const struct reference *left = a, *right = b;
    uint32_t shorter = left->key_bytes < right->key_bytes ? left->key_bytes : right->key_bytes;
    int order = memcmp(left->key, right->key, shorter);
    return order != 0 ? order
                      : (left->key_bytes > right->key_bytes) - (left->key_bytes < right->key_bytes);
}

/* Short and long keys, shared prefixes of every length, prefixes of other keys, zero bytes. */
static void make_keys(struct random *random)
{
    for (uint32_t i = 0; i < KEYS; i++) {
        struct reference *reference = &references[i];
        uint32_t kind = random_below(random, 8);
        if (i > 0 && kind == 0) {
            *reference = references[random_below(random, i)];
            uint32_t room = KEY_BYTES_MAX - reference->key_bytes;
            uint32_t more = room > 0 ? 1 + random_below(random, room < 900 ? room : 900) : 0;
            for (uint32_t at = 0; at < more; at++)
                reference->key[reference->key_bytes++] = (uint8_t)random_below(random, 2);
        } else if (kind == 1) {
            memset(reference->key, 'p', 1000);
            reference->key_bytes = 1000 + 8;
            uint64_t tail = random_u64(random);
            memcpy(reference->key + 1000, &tail, 8);
        } else {
            reference->key_bytes =
                (uint32_t)snprintf((char *)reference->key, KEY_BYTES_MAX, "ns%cuser/%08x", 0,
                                   (uint32_t)random_u64(random));
        }
        reference->version = 0;
    }
    qsort(references, KEYS, sizeof(references[0]), compare_references);
    uint32_t unique = 1;
    for (uint32_t i = 1; i < KEYS; i++)
        if (compare_references(&references[i], &references[unique - 1]) != 0)
            references[unique++] = references[i];
    for (uint32_t i = unique; i < KEYS; i++)
        references[i].key_bytes = 0;
}

static void check_iteration(const struct shard_index *index, uint32_t from)
{
    uint8_t found[KEY_BYTES_MAX];
    uint32_t found_bytes;
    uint32_t expected = from;
    while (expected < KEYS &&
           (references[expected].key_bytes == 0 || references[expected].version == 0))
        expected++;
    struct index_entry *entry = shard_index_next(
        index, references[from].key, references[from].key_bytes, false, found, &found_bytes);
    if (expected == KEYS) {
        assert_null(entry);
        return;
    }
    assert_non_null(entry);
    assert_int_equal(found_bytes, references[expected].key_bytes);
    assert_memory_equal(found, references[expected].key, found_bytes);
    assert_true(entry->version == references[expected].version);
}

static void behaves_like_a_sorted_map_under_random_changes(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct random random = {seed};
        struct index_memory memory = {0};
        struct shard_index index;
        shard_index_init(&index, &memory);
        make_keys(&random);
        for (uint32_t step = 0; step < 60000; step++) {
            uint32_t at = random_below(&random, KEYS);
            struct reference *reference = &references[at];
            if (reference->key_bytes == 0)
                continue;
            /* phases of growth and of shrinking */
            bool grows = (step / 10000) % 2 == 0;
            if (random_chance(&random, grows ? 800 : 200)) {
                struct index_entry *entry =
                    shard_index_insert(&index, reference->key, reference->key_bytes);
                assert_non_null(entry);
                assert_true(entry->version == reference->version);
                entry->version = reference->version = step + 1;
            } else {
                bool was_there = shard_index_erase(&index, reference->key, reference->key_bytes);
                assert_true(was_there == (reference->version != 0));
                reference->version = 0;
            }
            if (step % 64 == 0)
                check_iteration(&index, at);
            if (step % 5000 == 0)
                shard_index_verify(&index);
        }
        for (uint32_t i = 0; i < KEYS; i++) {
            struct index_entry *entry =
                references[i].key_bytes == 0
                    ? NULL
                    : shard_index_find(&index, references[i].key, references[i].key_bytes);
            assert_true((entry != NULL) == (references[i].version != 0));
        }
        for (uint32_t i = 0; i < KEYS; i++)
            if (references[i].version != 0)
                assert_true(shard_index_erase(&index, references[i].key, references[i].key_bytes));
        assert_null(index.root);
        assert_int_equal(atomic_load(&memory.used_bytes), 0);
        index_memory_destroy(&memory);
    }
}

static void ascending_keys_take_little_more_than_their_entries(void **state)
{
    (void)state;
    struct index_memory memory = {0};
    struct shard_index index;
    shard_index_init(&index, &memory);
    enum { COUNT = 100000 };
    for (uint32_t i = 0; i < COUNT; i++) {
        char key[32];
        int bytes = snprintf(key, sizeof(key), "demo/user/%010u", i);
        assert_non_null(shard_index_insert(&index, key, (uint32_t)bytes));
    }
    shard_index_verify(&index);
    assert_true(memory.used_bytes / COUNT < 64);
    shard_index_clear(&index);
    assert_int_equal(atomic_load(&memory.used_bytes), 0);
    index_memory_destroy(&memory);
}

static void random_keys_cost_at_most_64_bytes_beyond_the_key(void **state)
{
    (void)state;
    struct index_memory memory = {0};
    struct shard_index index;
    shard_index_init(&index, &memory);
    struct random random = {7};
    enum { COUNT = 100000 };
    uint64_t key_bytes_total = 0;
    for (uint32_t i = 0; i < COUNT; i++) {
        char key[40];
        int bytes =
            snprintf(key, sizeof(key), "demo/%016llx", (unsigned long long)random_u64(&random));
        key_bytes_total += (uint64_t)bytes;
        assert_non_null(shard_index_insert(&index, key, (uint32_t)bytes));
    }
    uint64_t beyond = (memory.used_bytes - key_bytes_total) / COUNT;
    print_message("%llu bytes beyond a 21-byte random key\n", (unsigned long long)beyond);
    assert_true(beyond <= 64);
    shard_index_clear(&index);
    index_memory_destroy(&memory);
}

static void a_full_account_refuses_new_keys_and_changes_nothing(void **state)
{
    (void)state;
    struct index_memory memory = {.limit_bytes = 64 * 1024};
    struct shard_index index;
    shard_index_init(&index, &memory);
    struct random random = {11};
    uint64_t key = 0;
    uint32_t inserted = 0;
    for (;;) {
        key = random_u64(&random);
        if (shard_index_insert(&index, &key, sizeof(key)) == NULL)
            break;
        inserted++;
    }
    assert_true(memory.used_bytes <= memory.limit_bytes);
    assert_true(inserted > 500);
    assert_int_equal(index.entry_count, inserted);
    assert_null(shard_index_find(&index, &key, sizeof(key)));
    shard_index_verify(&index);
    random = (struct random){11};
    for (uint32_t i = 0; i < inserted; i++) {
        key = random_u64(&random);
        assert_non_null(shard_index_insert(&index, &key, sizeof(key))); /* known keys still work */
    }
    for (uint32_t i = 0; i < inserted / 2; i++) {
        uint8_t found[KEY_BYTES_MAX];
        uint32_t found_bytes;
        assert_non_null(shard_index_next(&index, "", 0, false, found, &found_bytes));
        assert_true(shard_index_erase(&index, found, found_bytes));
    }
    key = 1;
    assert_non_null(shard_index_insert(&index, &key, sizeof(key))); /* room came back */
    shard_index_clear(&index);
    index_memory_destroy(&memory);
}

/* Growing never stops the world: an insert splits at most one page of each level, and the root. */
static void the_largest_insert_makes_a_few_pages_however_many_keys_there_are(void **state)
{
    (void)state;
    struct index_memory memory = {0};
    struct shard_index index;
    struct random random = {11};
    uint64_t pages_most = 0;
    shard_index_init(&index, &memory);
    for (uint32_t i = 0; i < 200000; i++) {
        char key[32];
        uint32_t key_bytes = (uint32_t)snprintf(key, sizeof(key), "ns%c%016llx", 0,
                                                (unsigned long long)random_u64(&random));
        uint64_t before = atomic_load(&memory.used_bytes);
        assert_non_null(shard_index_insert(&index, key, key_bytes));
        uint64_t pages = (atomic_load(&memory.used_bytes) - before) / INDEX_PAGE_BYTES;
        if (pages > pages_most)
            pages_most = pages;
    }
    assert_in_range(pages_most, 1, 4); /* three levels and a new root */
    shard_index_clear(&index);
    index_memory_destroy(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(behaves_like_a_sorted_map_under_random_changes),
        cmocka_unit_test(ascending_keys_take_little_more_than_their_entries),
        cmocka_unit_test(random_keys_cost_at_most_64_bytes_beyond_the_key),
        cmocka_unit_test(the_largest_insert_makes_a_few_pages_however_many_keys_there_are),
        cmocka_unit_test(a_full_account_refuses_new_keys_and_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
