/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/recovered_index.h"
#include "control/store_log.h"
#include "include/key_hash.h"
#include "include/random.h"

enum { KEYS = 40000, VERSIONS = 3, SEGMENT = 5, RECORD_BYTES = 128 };

struct fixture {
    struct store_set *set;
    struct segment *segment;
    struct recovered_index *recovered;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct store_set *set = calloc(1, sizeof(*set));
    assert_int_equal(segment_table_init(&set->table), 0);
    for (uint32_t shard = 0; shard < VIRTUAL_SHARDS; shard++) {
        shard_index_init(&set->indexes[shard], &set->index_memory);
        shard_index_init(&set->extents[shard], &set->index_memory);
    }
    fixture->set = set;
    fixture->segment = segment_table_add(&set->table, SEGMENT);
    fixture->recovered = calloc(1, sizeof(*fixture->recovered));
    fixture->recovered->set = set;
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    recovered_index_destroy(fixture->recovered);
    index_memory_destroy(&fixture->set->index_memory);
    segment_table_destroy(&fixture->set->table);
    free(fixture->recovered);
    free(fixture->set);
    free(fixture);
    return 0;
}

static uint32_t make_key(char key[32], uint32_t number)
{
    return (uint32_t)snprintf(key, 32, "demo/key-%u", number);
}

static void add(struct fixture *fixture, const char *key, uint32_t key_bytes, uint64_t version,
                uint8_t flags)
{
    uint8_t bytes[256] __attribute__((aligned(8))) = {0};
    struct record_header *record = (struct record_header *)(void *)bytes;
    record->version = version;
    record->flags = flags;
    record->key_bytes = (uint16_t)key_bytes;
    record->record_bytes = RECORD_BYTES;
    record->virtual_shard = shard_of_hash(key_hash_shard(key, key_bytes));
    memcpy(record + 1, key, key_bytes);
    if (flags & RECORD_EXTENT) {
        struct extent_pointer pointer = {.extent_id = version + 1000};
        memcpy((uint8_t *)(record + 1) + key_bytes, &pointer, sizeof(pointer));
    }
    recovered_index_add(fixture->recovered, fixture->segment, version * 8, record);
}

static struct index_entry *find(struct fixture *fixture, const char *key, uint32_t key_bytes)
{
    uint32_t shard = shard_of_hash(key_hash_shard(key, key_bytes));
    return shard_index_find(&fixture->set->indexes[shard], key, key_bytes);
}

/* More records than one thread gets to itself, every key three times, in no order. */
static void the_newest_of_many_records_counts_whatever_came_first(void **state)
{
    struct fixture *fixture = *state;
    static uint32_t order[KEYS * VERSIONS];
    struct random random = {3};
    for (uint32_t i = 0; i < KEYS * VERSIONS; i++) {
        uint32_t other = random_below(&random, i + 1);
        order[i] = order[other];
        order[other] = i;
    }
    char key[32];
    for (uint32_t i = 0; i < KEYS * VERSIONS; i++) {
        uint32_t bytes = make_key(key, order[i] % KEYS);
        add(fixture, key, bytes, 1 + order[i] / KEYS, RECORD_PUT);
    }
    recovered_index_settle(fixture->recovered);
    assert_false(atomic_load(&fixture->recovered->is_short_of_memory));
    assert_int_equal(fixture->recovered->record_count, KEYS * VERSIONS);
    for (uint32_t i = 0; i < KEYS; i++) {
        const struct index_entry *entry = find(fixture, key, make_key(key, i));
        assert_non_null(entry);
        assert_int_equal(entry->version, VERSIONS);
        assert_int_equal(entry->stale_puts, VERSIONS - 1);
        assert_int_equal(entry->segment_id, SEGMENT);
        assert_int_equal(entry->offset_units, VERSIONS);
    }
    assert_int_equal(atomic_load(&fixture->segment->live_bytes), (uint64_t)KEYS * RECORD_BYTES);
    for (uint32_t shard = 0; shard < VIRTUAL_SHARDS; shard++) {
        shard_index_verify(&fixture->set->indexes[shard]);
        assert_int_equal(fixture->recovered->version_max[shard], VERSIONS);
    }
}

static void a_delete_wins_over_a_value_of_its_version(void **state)
{
    struct fixture *fixture = *state;
    for (uint32_t delete_first = 0; delete_first < 2; delete_first++) {
        char key[32];
        uint32_t bytes = make_key(key, delete_first);
        add(fixture, key, bytes, 9, delete_first ? RECORD_DELETE : RECORD_PUT);
        add(fixture, key, bytes, 9, delete_first ? RECORD_PUT : RECORD_DELETE);
        recovered_index_settle(fixture->recovered);
        const struct index_entry *entry = find(fixture, key, bytes);
        assert_int_equal(index_entry_flags(entry), INDEX_TOMBSTONE);
        assert_int_equal(entry->stale_puts, 1);
    }
    assert_int_equal(atomic_load(&fixture->recovered->tombstone_count), 2);
}

static void only_the_newest_value_keeps_its_extent(void **state)
{
    struct fixture *fixture = *state;
    char key[32];
    uint32_t bytes = make_key(key, 1);
    add(fixture, key, bytes, 1, RECORD_PUT | RECORD_EXTENT);
    recovered_index_settle(fixture->recovered);
    add(fixture, key, bytes, 2, RECORD_PUT | RECORD_EXTENT);
    recovered_index_settle(fixture->recovered);
    struct shard_index *extents = &fixture->set->extents[shard_of_hash(key_hash_shard(key, bytes))];
    assert_int_equal(extents->entry_count, 1);
    uint8_t extent_key[8];
    store_extent_key(extent_key, 2);
    assert_int_equal(shard_index_find(extents, extent_key, 8)->version, 1002);
}

/* A list holds 512 KiB: long keys of one shard fill it several times. */
static void a_full_list_is_applied_and_goes_on(void **state)
{
    struct fixture *fixture = *state;
    enum { COUNT = 30000 };
    char key[32];
    uint32_t used = 0;
    for (uint32_t i = 0; used < COUNT; i++) {
        uint32_t bytes = make_key(key, i);
        if (shard_of_hash(key_hash_shard(key, bytes)) != 77)
            continue;
        add(fixture, key, bytes, 1, RECORD_PUT);
        used++;
    }
    recovered_index_settle(fixture->recovered);
    assert_int_equal(fixture->set->indexes[77].entry_count, COUNT);
    assert_int_equal(fixture->recovered->record_count, COUNT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_newest_of_many_records_counts_whatever_came_first,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_delete_wins_over_a_value_of_its_version, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(only_the_newest_value_keeps_its_extent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_list_is_applied_and_goes_on, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
