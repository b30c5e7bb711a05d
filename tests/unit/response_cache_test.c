/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/response_cache.h"
#include "include/counters.h"
#include "include/key_hash.h"
#include "include/random.h"
#include "include/shard_operation.h"

#define SEED UINT64_C(0x5eed)
#define VALUE_BYTES_MAX (512u << 10)
#define ABSENT_MAX 20u
#define KEY_TEXT_BYTES 40
#define NOW_MS UINT64_C(1000000)

struct fixture {
    struct response_cache *cache;
    struct blob_pool *pool;
    struct blob_stock *stock;
    struct counters *counters;
    struct shard_operation operation;
    size_t pool_free_bytes;
};

static struct fixture fixture;

static void open_cache(uint64_t part_bytes, uint32_t workers)
{
    memset(&fixture, 0, sizeof(fixture));
    assert_int_equal(blob_pool_create(16 << 20, 2, &fixture.pool), 0);
    fixture.stock = blob_stock_create(fixture.pool);
    fixture.pool_free_bytes = blob_pool_free_bytes(fixture.pool);
    fixture.counters = counters_register("cache test");
    assert_non_null(fixture.counters);
    struct response_cache_config config = {
        .workers = workers,
        .part_memory_bytes = part_bytes,
        .value_bytes_max = VALUE_BYTES_MAX,
        .hash_seed = SEED,
        .absent_max = ABSENT_MAX,
    };
    assert_int_equal(response_cache_create(&config, &fixture.cache), 0);
    for (uint32_t worker = 0; worker < workers; worker++)
        response_cache_attach(fixture.cache, worker, fixture.stock, fixture.counters);
}

/* Every test ends here: the cache gives every blob reference back. */
static void close_cache(void)
{
    response_cache_destroy(fixture.cache);
    blob_stock_destroy(fixture.stock);
    assert_int_equal(blob_pool_free_bytes(fixture.pool), fixture.pool_free_bytes);
    blob_pool_destroy(fixture.pool);
}

static uint64_t counted(enum counter counter)
{
    return fixture.counters->values[counter];
}

static uint8_t value_byte(uint64_t key, uint64_t version, uint32_t at)
{
    return (uint8_t)((key * 31 + version * 7 + at) * UINT64_C(0x9e3779b97f4a7c15) >> 56);
}

static uint32_t key_make(char *text, uint64_t key)
{
    return (uint32_t)snprintf(text, KEY_TEXT_BYTES, "test%ckey-%llu", 0, (unsigned long long)key);
}

static uint64_t key_hash(uint64_t key)
{
    char text[KEY_TEXT_BYTES];
    uint32_t bytes = key_make(text, key);
    return key_hash_cache(text, bytes, SEED);
}

static const struct cache_entry *lookup(uint64_t key, uint64_t wall_ms)
{
    char text[KEY_TEXT_BYTES];
    uint32_t bytes = key_make(text, key);
    uint64_t hash = key_hash_cache(text, bytes, SEED);
    const struct cache_entry *guess =
        response_cache_guess(response_cache_bucket(fixture.cache, hash), hash);
    const struct cache_entry *confirmed = response_cache_confirm(guess, hash, text, bytes, wall_ms);
    const struct cache_entry *found =
        response_cache_lookup(fixture.cache, hash, text, bytes, wall_ms);
    assert_true(!confirmed || confirmed == found); /* nothing happened in between */
    return found;
}

#define MODIFIED_S UINT64_C(784111777)

/* Of every second key a common one, of the others lines of their own. */
static const char *attributes_of(uint64_t key)
{
    return key % 2 == 0 ? "Content-Type: text/plain\r\n"
                        : "Content-Type: text/plain\r\nMeta-Owner: alice\r\n";
}

static struct shard_operation *operation_for(uint64_t key, uint64_t version,
                                             enum shard_cache_action action)
{
    struct shard_operation *operation = &fixture.operation;
    memset(operation, 0, sizeof(*operation));
    operation->key_bytes = (uint16_t)key_make((char *)operation->bytes, key);
    operation->cache_hash = key_hash_cache(operation->bytes, operation->key_bytes, SEED);
    operation->attributes_bytes = (uint16_t)strlen(attributes_of(key));
    memcpy(operation_attributes(operation), attributes_of(key), operation->attributes_bytes);
    operation->modified_at_ms = MODIFIED_S * 1000 + 999;
    operation->version = version;
    operation->cache_action = (uint8_t)action;
    return operation;
}

static void apply(const struct shard_operation *operation, uint64_t wall_ms)
{
    response_cache_apply(fixture.cache, 0, operation, wall_ms);
}

static void fill_expiring(uint64_t key, uint64_t version, uint32_t value_bytes,
                          uint64_t expires_at_ms)
{
    struct shard_operation *operation = operation_for(key, version, SHARD_CACHE_FILL);
    operation->value_bytes = value_bytes;
    operation->expires_at_ms = expires_at_ms;
    if (value_bytes <= operation_inline_room(operation)) {
        for (uint32_t i = 0; i < value_bytes; i++)
            operation_inline_value(operation)[i] = value_byte(key, version, i);
        apply(operation, NOW_MS);
        return;
    }
    struct blob *blob = blob_create(fixture.stock, value_bytes);
    assert_non_null(blob);
    for (uint32_t i = 0; i < value_bytes; i++) {
        uint8_t byte = value_byte(key, version, i);
        blob_append(blob, &byte, 1);
    }
    operation->value = blob;
    apply(operation, NOW_MS);
    blob_release(fixture.stock, blob);
}

static void fill(uint64_t key, uint64_t version, uint32_t value_bytes)
{
    fill_expiring(key, version, value_bytes, 0);
}

static void invalidate(uint64_t key, uint64_t version)
{
    apply(operation_for(key, version, SHARD_CACHE_INVALIDATE), NOW_MS);
}

static void round_end(uint64_t wall_ms)
{
    response_cache_quiescent(fixture.cache, 0);
    response_cache_maintain(fixture.cache, 0, wall_ms);
}

static void rounds(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        round_end(NOW_MS);
}

static void assert_holds(uint64_t key, uint64_t version, uint32_t value_bytes)
{
    const struct cache_entry *entry = lookup(key, NOW_MS);
    assert_non_null(entry);
    assert_int_equal(entry->version, version);
    assert_int_equal(entry->value_bytes, value_bytes);
    assert_int_equal(entry->modified_at_s, MODIFIED_S);
    struct http_slice kept = cache_entry_attributes(entry);
    assert_int_equal(kept.bytes, strlen(attributes_of(key)));
    assert_memory_equal(kept.at, attributes_of(key), kept.bytes);
    for (uint32_t i = 0; i < value_bytes; i++) {
        uint32_t run_bytes;
        uint8_t byte = cache_entry_blob(entry) ? *blob_run(cache_entry_blob(entry), i, &run_bytes)
                                               : cache_entry_inline_value(entry)[i];
        if (byte != value_byte(key, version, i))
            fail_msg("key %u version %u: byte %u differs", (unsigned)key, (unsigned)version, i);
    }
}

static uint32_t count_present(uint64_t first, uint64_t count)
{
    uint32_t present = 0;
    for (uint64_t key = first; key < first + count; key++)
        present += lookup(key, NOW_MS) != NULL;
    return present;
}

static void a_filled_key_is_found_with_its_head_and_value(void **state)
{
    (void)state;
    open_cache(4 << 20, 1);
    static const uint32_t sizes[] = {0, 1, 100, 1800, 1900, 5000, 100000};
    for (uint32_t i = 0; i < ARRAY_COUNT(sizes); i++)
        fill(i, i + 1, sizes[i]);
    for (uint32_t i = 0; i < ARRAY_COUNT(sizes); i++)
        assert_holds(i, i + 1, sizes[i]);
    assert_null(lookup(99, NOW_MS));
    assert_int_equal(counted(COUNTER_CACHE_FILLS), ARRAY_COUNT(sizes));
    close_cache();
}

static void a_newer_version_replaces_and_an_older_one_never_does(void **state)
{
    (void)state;
    open_cache(4 << 20, 1);
    static const uint32_t sizes[] = {10, 3000}; /* inline and blob */
    for (uint32_t i = 0; i < ARRAY_COUNT(sizes); i++) {
        fill(i, 5, sizes[i]);
        fill(i, 7, sizes[i] + 1);
        assert_holds(i, 7, sizes[i] + 1);
        fill(i, 6, sizes[i]);
        assert_holds(i, 7, sizes[i] + 1);
        fill(i, 7, sizes[i]); /* the same version is the same value */
        assert_holds(i, 7, sizes[i] + 1);
    }
    close_cache();
}

static void an_invalidated_key_is_gone_and_can_come_back(void **state)
{
    (void)state;
    open_cache(4 << 20, 1);
    fill(1, 1, 10);
    fill(2, 1, 5000);
    invalidate(1, 2);
    invalidate(2, 2);
    invalidate(3, 2); /* never was there */
    assert_null(lookup(1, NOW_MS));
    assert_null(lookup(2, NOW_MS));
    fill(1, 3, 20);
    assert_holds(1, 3, 20);
    close_cache();
}

static const struct cache_entry *lookup_stale(uint64_t key, uint64_t wall_ms)
{
    char text[KEY_TEXT_BYTES];
    uint32_t bytes = key_make(text, key);
    return response_cache_lookup_stale(fixture.cache, key_hash(key), text, bytes, wall_ms);
}

static void a_stale_entry_is_found_by_who_asks_for_it_until_a_fill_confirms_it(void **state)
{
    (void)state;
    open_cache(4 << 20, 1);
    fill(1, 5, 100);
    fill_expiring(2, 6, 100, NOW_MS + 1000);
    assert_null(lookup_stale(1, NOW_MS)); /* fresh */
    for (uint32_t twice = 0; twice < 2; twice++)
        for (uint64_t key = 1; key <= 3; key++)
            apply(operation_for(key, 0, SHARD_CACHE_MARK_STALE), NOW_MS);
    for (uint64_t key = 1; key <= 2; key++) {
        assert_null(lookup(key, NOW_MS));
        assert_non_null(lookup_stale(key, NOW_MS));
        assert_int_equal(lookup_stale(key, NOW_MS)->version, 4 + key);
    }
    assert_null(lookup_stale(3, NOW_MS));
    assert_true(cache_entry_expires_at_ms(lookup_stale(2, NOW_MS)) == NOW_MS + 1000);
    assert_null(lookup_stale(2, NOW_MS + 1000)); /* stale never outlives its time */
    rounds(10000);
    assert_non_null(lookup_stale(1, NOW_MS)); /* nobody swept it */
    fill(1, 5, 100);
    fill_expiring(2, 6, 100, NOW_MS + 1000);
    assert_holds(1, 5, 100);
    assert_holds(2, 6, 100);
    assert_null(lookup(2, NOW_MS + 1000));
    assert_null(lookup_stale(1, NOW_MS));
    apply(operation_for(1, 0, SHARD_CACHE_MARK_STALE), NOW_MS);
    fill(1, 4, 100); /* late and older: confirms nothing */
    assert_null(lookup(1, NOW_MS));
    fill(1, 7, 50);
    assert_holds(1, 7, 50);
    apply(operation_for(1, 0, SHARD_CACHE_MARK_STALE), NOW_MS);
    invalidate(1, 8);
    assert_null(lookup_stale(1, NOW_MS)); /* deleted is deleted */
    close_cache();
}

static void what_changed_nothing_leaves_the_cache_alone(void **state)
{
    (void)state;
    open_cache(4 << 20, 1);
    fill(1, 4, 10);
    apply(operation_for(1, 9, SHARD_CACHE_NOTHING), NOW_MS);
    assert_holds(1, 4, 10);
    close_cache();
}

static void remember_absence(uint64_t key, uint64_t expires_at_ms)
{
    struct shard_operation *operation = operation_for(key, 0, SHARD_CACHE_ABSENT);
    operation->expires_at_ms = expires_at_ms;
    response_cache_apply(fixture.cache, 0, operation, NOW_MS);
}

static bool is_absent(uint64_t key, uint64_t wall_ms)
{
    char text[KEY_TEXT_BYTES];
    uint32_t bytes = key_make(text, key);
    return response_cache_is_absent(fixture.cache, key_hash(key), text, bytes, wall_ms);
}

static void an_absence_is_known_until_its_time_and_is_never_taken_for_a_value(void **state)
{
    (void)state;
    open_cache(4 << 20, 1);
    fill(2, 5, 10);
    remember_absence(1, NOW_MS + 100);
    assert_true(is_absent(1, NOW_MS + 99));
    assert_null(lookup(1, NOW_MS));
    assert_false(is_absent(1, NOW_MS + 100));
    assert_false(is_absent(2, NOW_MS)); /* a value */
    assert_false(is_absent(3, NOW_MS)); /* nothing is known */
    close_cache();
}

static void whatever_the_ring_brings_last_replaces_value_and_absence(void **state)
{
    (void)state;
    open_cache(4 << 20, 1);
    remember_absence(1, NOW_MS + 100);
    fill(1, 5, 10);
    assert_holds(1, 5, 10);
    assert_false(is_absent(1, NOW_MS));
    remember_absence(1, NOW_MS + 100); /* it was deleted: an absence has no version */
    assert_null(lookup(1, NOW_MS));
    assert_true(is_absent(1, NOW_MS));
    invalidate(1, 9);
    assert_false(is_absent(1, NOW_MS));
    close_cache();
}

static void no_more_absences_than_allowed_are_remembered(void **state)
{
    (void)state;
    open_cache(4 << 20, 1);
    for (uint64_t key = 0; key < ABSENT_MAX + 5; key++)
        remember_absence(key, NOW_MS + 100);
    assert_true(is_absent(ABSENT_MAX - 1, NOW_MS));
    assert_false(is_absent(ABSENT_MAX, NOW_MS));
    assert_int_equal(counted(COUNTER_CACHE_REFUSED), 5);
    fill(0, 1, 10); /* one is a value now: there is room for another */
    remember_absence(ABSENT_MAX, NOW_MS + 100);
    assert_true(is_absent(ABSENT_MAX, NOW_MS));
    close_cache();
}

static void an_absence_refused_for_its_number_still_removes_the_value(void **state)
{
    (void)state;
    open_cache(4 << 20, 1);
    for (uint64_t key = 0; key < ABSENT_MAX; key++)
        remember_absence(key, NOW_MS + 100);
    fill(500, 1, 10);
    remember_absence(500, NOW_MS + 100);
    assert_null(lookup(500, NOW_MS));
    close_cache();
}

static void an_expired_entry_is_not_found_and_is_swept(void **state)
{
    (void)state;
    open_cache(1 << 20, 1);
    fill_expiring(1, 1, 10, NOW_MS + 100);
    fill_expiring(2, 1, 9000, NOW_MS + 100);
    assert_non_null(lookup(1, NOW_MS + 99));
    assert_null(lookup(1, NOW_MS + 100));
    for (uint32_t i = 0; i < 10000 && counted(COUNTER_CACHE_EXPIRED) < 2; i++)
        round_end(NOW_MS + 100);
    assert_int_equal(counted(COUNTER_CACHE_EXPIRED), 2);
    rounds(4);
    struct response_cache_status status;
    response_cache_status(fixture.cache, 0, &status);
    assert_int_equal(status.entries, 0);
    assert_int_equal(status.blob_bytes + status.waiting_bytes, 0);

    fill_expiring(3, 1, 10, NOW_MS + 100);
    fill_expiring(3, 2, 10, NOW_MS); /* expired on arrival: takes the older one away */
    assert_null(lookup(3, NOW_MS));
    close_cache();
}

static void values_too_large_are_refused_and_invalidate(void **state)
{
    (void)state;
    open_cache(512 << 10, 1);
    static const uint32_t sizes[] = {VALUE_BYTES_MAX + 1, 300 << 10}; /* the limit; half a part */
    for (uint32_t i = 0; i < ARRAY_COUNT(sizes); i++) {
        fill(i, 1, 10);
        fill(i, 2, sizes[i]);
        assert_null(lookup(i, NOW_MS)); /* the older value must not stay */
        assert_int_equal(counted(COUNTER_CACHE_REFUSED), i + 1);
    }
    close_cache();
}

static void the_budget_holds_whatever_is_filled(void **state)
{
    (void)state;
    open_cache(1 << 20, 1);
    struct random random = {7};
    struct response_cache_status status;
    for (uint64_t step = 1; step < 20000; step++) {
        uint32_t value_bytes = random_below(&random, 1u << (4 + random_below(&random, 13)));
        uint64_t key = random_below(&random, 3000);
        fill(key, step, value_bytes);
        const struct cache_entry *entry = lookup(key, NOW_MS);
        if (entry)
            assert_int_equal(entry->version, step);
        if (step % 8 == 0)
            round_end(NOW_MS);
        response_cache_status(fixture.cache, 0, &status);
        assert_true(status.entry_bytes + status.blob_bytes <= 1 << 20);
        assert_true(status.waiting_bytes <= (1 << 20) / 2);
    }
    assert_true(counted(COUNTER_CACHE_EVICTIONS) > 5000);
    assert_true(counted(COUNTER_CACHE_REFUSED) < 200);
    close_cache();
}

static void most_of_the_budget_holds_entries(void **state)
{
    (void)state;
    open_cache(8 << 20, 1);
    const uint32_t value_bytes = 200, keys = 60000;
    for (uint64_t key = 0; key < keys; key++) {
        fill(key * 2, 1, value_bytes); /* with common field lines */
        if (key % 16 == 0)
            round_end(NOW_MS);
    }
    char text[KEY_TEXT_BYTES];
    uint64_t payload =
        count_present(0, keys * 2) * (uint64_t)(value_bytes + key_make(text, keys * 2));
    print_message("payload is %u %% of the budget\n", (unsigned)(payload * 100 / (8 << 20)));
    assert_true(payload * 100 / (8 << 20) >= 65);
    close_cache();
}

static void common_field_lines_take_no_room(void **state)
{
    (void)state;
    open_cache(1 << 20, 1);
    fill(2, 1, 100);
    fill(3, 1, 100);
    const struct cache_entry *common = lookup(2, NOW_MS), *own = lookup(3, NOW_MS);
    assert_ptr_equal(cache_entry_inline_value(common), cache_entry_key(common) + common->key_bytes);
    assert_ptr_equal(cache_entry_inline_value(own),
                     cache_entry_key(own) + own->key_bytes + strlen(attributes_of(3)));
    assert_holds(2, 1, 100);
    assert_holds(3, 1, 100);
    close_cache();
}

static void keys_asked_for_survive_a_scan(void **state)
{
    (void)state;
    open_cache(2 << 20, 1);
    const uint32_t hot = 500;
    for (uint64_t key = 0; key < hot; key++)
        fill(key, 1, 200);
    for (uint64_t key = hot; key < 100000; key++) {
        fill(key, 1, 200);
        lookup(key % hot, NOW_MS);
        if (key % 16 == 0)
            round_end(NOW_MS);
    }
    assert_int_equal(count_present(0, hot), hot);
    close_cache();
}

/* A worker that never passes a quiescent point: fills are refused, nothing older stays, nothing
 * breaks. */
static void a_stalled_reader_leads_to_refusals_not_to_stale_values(void **state)
{
    (void)state;
    open_cache(1 << 20, 1);
    struct response_cache_config config = {2, 1 << 20, VALUE_BYTES_MAX, SEED, 0};
    struct response_cache *two;
    assert_int_equal(response_cache_create(&config, &two), 0);
    struct response_cache *one = fixture.cache;
    fixture.cache = two;
    response_cache_attach(two, 0, fixture.stock, fixture.counters);
    response_cache_attach(two, 1, fixture.stock, fixture.counters); /* online, and silent */

    uint64_t keys[64], version = 1;
    uint32_t found = 0;
    for (uint64_t key = 0; found < ARRAY_COUNT(keys); key++)
        if (key_hash_owner(key_hash(key), 2) == 0)
            keys[found++] = key;
    for (; version < 500 && counted(COUNTER_CACHE_REFUSED) < 100; version++) {
        for (uint32_t i = 0; i < ARRAY_COUNT(keys); i++) {
            fill(keys[i], version, i % 2 ? 1500 : 5000);
            const struct cache_entry *entry = lookup(keys[i], NOW_MS);
            assert_true(!entry || entry->version == version);
        }
        round_end(NOW_MS);
    }
    assert_true(counted(COUNTER_CACHE_REFUSED) >= 100);
    for (uint32_t i = 0; i < 64;
         i++) { /* it sleeps: what waited is reclaimed and fills work again */
        response_cache_offline(two, 1);
        round_end(NOW_MS);
    }
    fill(keys[0], version, 5000);
    assert_holds(keys[0], version, 5000);
    response_cache_online(two, 1);
    response_cache_destroy(two);
    fixture.cache = one;
    close_cache();
}

/* More blobs retired in one round than the queue holds: the rest goes with its segment, none is
 * lost. */
static void a_full_reclaim_queue_loses_no_blob(void **state)
{
    (void)state;
    open_cache(32 << 20, 1);
    const uint64_t keys = 1500;
    for (uint64_t key = 0; key < keys; key++) {
        fill(key, 1, 4000);
        round_end(NOW_MS);
    }
    assert_int_equal(count_present(0, keys), keys);
    for (uint64_t key = 0; key < keys; key++)
        invalidate(key, 2);
    rounds(100);
    struct response_cache_status status;
    response_cache_status(fixture.cache, 0, &status);
    assert_int_equal(status.entries, 0);
    assert_in_range(status.waiting_bytes, 1, 600 * 4096);
    for (uint64_t key = 0; key < 60000; key++) { /* rotate the segments */
        fill(key, 3, 1000);
        if (key % 8 == 0)
            round_end(NOW_MS);
    }
    rounds(100);
    response_cache_status(fixture.cache, 0, &status);
    assert_int_equal(status.waiting_bytes, 0);
    close_cache();
}

static void a_reader_may_hold_a_value_beyond_its_eviction(void **state)
{
    (void)state;
    open_cache(4 << 20, 1);
    fill(1, 1, 20000);
    const struct cache_entry *entry = lookup(1, NOW_MS);
    struct blob *value = cache_entry_blob(entry);
    blob_hold(value);
    invalidate(1, 2);
    rounds(8);
    uint32_t run_bytes;
    assert_int_equal(*blob_run(value, 19999, &run_bytes), value_byte(1, 1, 19999));
    assert_int_equal(value->references, 1); /* the cache's own is gone */
    blob_release(fixture.stock, value);
    close_cache();
}

static void shrinking_gives_value_memory_back(void **state)
{
    (void)state;
    open_cache(8 << 20, 1);
    for (uint64_t key = 0; key < 40; key++)
        fill(key, 1, 100000);
    size_t before = blob_pool_free_bytes(fixture.pool);
    uint64_t let_go = response_cache_shrink(fixture.cache, 0, 1 << 20);
    assert_true(let_go >= 1 << 20);
    rounds(16);
    assert_true(blob_pool_free_bytes(fixture.pool) + (20u * 32768) >= before + let_go);
    assert_true(count_present(0, 40) < 40);
    close_cache();
}

static void a_key_overwritten_for_ever_costs_the_others_nothing(void **state)
{
    (void)state;
    open_cache(2 << 20, 1);
    for (uint64_t key = 0; key < 1000; key++)
        fill(key, 1, 300);
    for (uint64_t version = 2; version < 50000; version++) {
        fill(5000, version, 1000);
        if (version % 8 == 0)
            round_end(NOW_MS);
    }
    assert_holds(5000, 49999, 1000);
    assert_int_equal(count_present(0, 1000), 1000);
    assert_int_equal(counted(COUNTER_CACHE_REFUSED), 0);
    close_cache();
}

static void configurations_that_cannot_work_are_refused(void **state)
{
    (void)state;
    static const struct response_cache_config configs[] = {
        {0, 1 << 20, 100, SEED, 0},
        {1000, 1 << 20, 100, SEED, 0},
        {1, RESPONSE_CACHE_PART_BYTES_MIN - 1, 100, SEED, 0},
    };
    struct response_cache *cache;
    for (uint32_t i = 0; i < ARRAY_COUNT(configs); i++)
        assert_int_equal(response_cache_create(&configs[i], &cache), -EINVAL);
    open_cache(RESPONSE_CACHE_PART_BYTES_MIN, 1); /* the smallest works */
    fill(1, 1, 1000);
    assert_holds(1, 1, 1000);
    close_cache();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_filled_key_is_found_with_its_head_and_value),
        cmocka_unit_test(a_newer_version_replaces_and_an_older_one_never_does),
        cmocka_unit_test(an_invalidated_key_is_gone_and_can_come_back),
        cmocka_unit_test(a_stale_entry_is_found_by_who_asks_for_it_until_a_fill_confirms_it),
        cmocka_unit_test(what_changed_nothing_leaves_the_cache_alone),
        cmocka_unit_test(an_absence_is_known_until_its_time_and_is_never_taken_for_a_value),
        cmocka_unit_test(whatever_the_ring_brings_last_replaces_value_and_absence),
        cmocka_unit_test(no_more_absences_than_allowed_are_remembered),
        cmocka_unit_test(an_absence_refused_for_its_number_still_removes_the_value),
        cmocka_unit_test(an_expired_entry_is_not_found_and_is_swept),
        cmocka_unit_test(values_too_large_are_refused_and_invalidate),
        cmocka_unit_test(the_budget_holds_whatever_is_filled),
        cmocka_unit_test(most_of_the_budget_holds_entries),
        cmocka_unit_test(common_field_lines_take_no_room),
        cmocka_unit_test(keys_asked_for_survive_a_scan),
        cmocka_unit_test(a_stalled_reader_leads_to_refusals_not_to_stale_values),
        cmocka_unit_test(a_full_reclaim_queue_loses_no_blob),
        cmocka_unit_test(a_reader_may_hold_a_value_beyond_its_eviction),
        cmocka_unit_test(shrinking_gives_value_memory_back),
        cmocka_unit_test(a_key_overwritten_for_ever_costs_the_others_nothing),
        cmocka_unit_test(configurations_that_cannot_work_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
