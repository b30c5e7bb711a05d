/* SPDX-License-Identifier: BSD-3-Clause */
/* The store against a reference map, on a full disk, and on a disk that rots. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/compiler.h"
#include "include/log.h"
#include "include/random.h"
#include "tests/sim/store_listing.h"
#include "tests/support/depth.h"

#define OPERATIONS_IN_CI 20000u
#define STEPS_PER_START 400u
#define KEYS 60u
#define VALUE_BYTES_MAX 20000u

struct answer {
    bool is_there;
    enum shard_status status;
    enum shard_cache_action cache_action;
    uint64_t version, expires_at_ms;
    uint32_t value_bytes;
    uint8_t value[VALUE_BYTES_MAX];
};

static void keep_answer(void *context, struct shard_operation *operation)
{
    struct answer *answer = context;
    answer->is_there = true;
    answer->status = (enum shard_status)operation->status;
    answer->cache_action = (enum shard_cache_action)operation->cache_action;
    answer->version = operation->version;
    answer->expires_at_ms = operation->expires_at_ms;
    answer->value_bytes = operation->value_bytes;
    if (operation->verb == SHARD_GET && operation->status == SHARD_OK)
        harness_copy_value(operation, answer->value);
}

static struct answer answer;

static void use(struct harness *harness, uint64_t seed)
{
    harness_init(harness, seed);
    harness->answer = keep_answer;
    harness->context = &answer;
}

static struct shard_operation *make(struct harness *harness, enum shard_verb verb, uint32_t key)
{
    char name[32];
    int bytes = snprintf(name, sizeof(name), "ns%cmodel-%u", 0, key);
    return harness_operation(harness, verb, name, (uint32_t)bytes);
}

static void finish(struct harness *harness, struct shard_operation *operation)
{
    answer.is_there = false;
    harness_submit(harness, operation);
    assert_true(harness_settle(harness));
    assert_true(answer.is_there);
}

static void fill(uint8_t *value, uint32_t bytes, uint64_t seed)
{
    struct random random = {seed};
    for (uint32_t i = 0; i < bytes; i++)
        value[i] = (uint8_t)random_u64(&random);
}

static enum shard_status put(struct harness *harness, uint32_t key, uint32_t bytes, uint64_t seed)
{
    static uint8_t value[VALUE_BYTES_MAX];
    struct shard_operation *operation = make(harness, SHARD_PUT, key);
    fill(value, bytes, seed);
    harness_set_value(harness, operation, value, bytes);
    finish(harness, operation);
    return answer.status;
}

static enum shard_status get(struct harness *harness, uint32_t key)
{
    finish(harness, make(harness, SHARD_GET, key));
    return answer.status;
}

/* ---- the reference ---- */

struct reference {
    bool exists;
    uint64_t version, expires_at_ms, seed;
    uint32_t bytes;
};

static bool condition_holds(const struct shard_operation *operation, bool exists, uint64_t version)
{
    bool is_listed = false;
    for (uint32_t i = 0; i < operation->version_count; i++)
        is_listed |= operation->versions[i] == version;
    switch (operation->condition) {
    case SHARD_IF_PRESENT:
        return exists;
    case SHARD_IF_ABSENT:
        return !exists;
    case SHARD_IF_VERSION_IN:
        return exists && is_listed;
    case SHARD_IF_VERSION_NOT:
        return !exists || !is_listed;
    default:
        return true;
    }
}

static void model_step(struct harness *harness, struct reference *references, uint64_t *version_max,
                       struct random *random, uint64_t step)
{
    static uint8_t value[VALUE_BYTES_MAX];
    uint32_t key = random_below(random, KEYS);
    struct reference *reference = &references[key];
    uint64_t wall_ms = io_wall_ms(harness->loops[0]);
    bool exists = reference->exists &&
                  (reference->expires_at_ms == 0 || reference->expires_at_ms > wall_ms + 2);
    bool is_on_the_edge = reference->exists && !exists && reference->expires_at_ms > wall_ms;
    if (is_on_the_edge)
        return; /* it may expire while the operation is under way */
    enum shard_verb verb = (enum shard_verb)random_below(random, 3);
    struct shard_operation *operation = make(harness, verb, key);
    if (verb == SHARD_GET) {
        finish(harness, operation);
        assert_int_equal(answer.status, exists ? SHARD_OK : SHARD_NOT_FOUND);
        if (exists) {
            fill(value, reference->bytes, reference->seed);
            assert_int_equal(answer.value_bytes, reference->bytes);
            assert_memory_equal(answer.value, value, reference->bytes);
            assert_true(answer.version == reference->version);
            assert_true(answer.expires_at_ms == reference->expires_at_ms);
            assert_int_equal(answer.cache_action, SHARD_CACHE_FILL);
        }
        return;
    }
    operation->condition = (uint8_t)(random_chance(random, 400) ? random_below(random, 5) : 0);
    if (operation->condition >= SHARD_IF_VERSION_IN) {
        operation->version_count = 2;
        operation->versions[0] = reference->version + (random_chance(random, 500) ? 0 : 1000);
        operation->versions[1] = 77777777;
    }
    bool holds = condition_holds(operation, exists, reference->version);
    uint32_t bytes =
        random_chance(random, 50) ? 12000 + random_below(random, 8000) : random_below(random, 2500);
    if (verb == SHARD_PUT) {
        if (random_chance(random, 200))
            operation->expires_at_ms = wall_ms + 5 + random_below(random, 200);
        fill(value, bytes, step);
        harness_set_value(harness, operation, value, bytes);
    }
    uint64_t expires_at_ms = operation->expires_at_ms;
    finish(harness, operation);
    if (!holds) {
        assert_int_equal(answer.status, SHARD_CONDITION_FAILED);
        assert_true(answer.version == (exists ? reference->version : 0));
        assert_int_equal(answer.cache_action, SHARD_CACHE_NOTHING);
    } else if (verb == SHARD_DELETE) {
        assert_int_equal(answer.status, exists ? SHARD_OK : SHARD_NOT_FOUND);
        if (exists)
            assert_int_equal(answer.cache_action, SHARD_CACHE_INVALIDATE);
        reference->exists = false;
    } else {
        assert_int_equal(answer.status, exists ? SHARD_OK : SHARD_CREATED);
        assert_true(answer.version > version_max[key]); /* grows across delete and restart */
        version_max[key] = answer.version;
        *reference = (struct reference){true, answer.version, expires_at_ms, step, bytes};
    }
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* All keys that begin so, in order; one that expires about now may be there or not. */
static void check_listing(struct harness *harness, const struct reference *references,
                          const char *prefix)
{
    char expected[KEYS][16];
    const struct reference *by_name[KEYS];
    uint32_t count = 0;
    uint64_t wall_ms = io_wall_ms(harness->loops[0]);
    for (uint32_t key = 0; key < KEYS; key++) {
        const struct reference *reference = &references[key];
        char name[16];
        snprintf(name, sizeof(name), "model-%u", key);
        bool is_past = reference->expires_at_ms != 0 && reference->expires_at_ms + 2 < wall_ms;
        if (reference->exists && !is_past && strncmp(name, prefix, strlen(prefix)) == 0)
            memcpy(expected[count++], name, sizeof(name));
    }
    qsort(expected, count, sizeof(expected[0]), compare_names);
    for (uint32_t i = 0; i < count; i++)
        by_name[i] = &references[strtoul(expected[i] + sizeof("model-") - 1, NULL, 10)];
    struct listing_walk walk;
    listing_walk_begin(&walk, "ns", prefix, (uint32_t)strlen(prefix));
    uint32_t at = 0;
    while (listing_walk_next(&walk, harness)) {
        char name[32] = {0};
        memcpy(name, walk.name, walk.name_bytes < 31 ? walk.name_bytes : 31);
        while (at < count && strcmp(expected[at], name) != 0 && by_name[at]->expires_at_ms != 0 &&
               by_name[at]->expires_at_ms <= wall_ms + 2)
            at++;
        if (at == count || strcmp(expected[at], name) != 0)
            fail_msg("listed %s, expected %s", name, at == count ? "the end" : expected[at]);
        assert_true(walk.entry.version == by_name[at]->version);
        assert_true(walk.entry.expires_at_ms == by_name[at]->expires_at_ms);
        at++;
    }
    while (at < count && by_name[at]->expires_at_ms != 0 &&
           by_name[at]->expires_at_ms <= wall_ms + 2)
        at++;
    if (at != count)
        fail_msg("%s is missing", expected[at]);
    listing_walk_end(&walk);
}

#define SWEPT_AFTER_NS UINT64_C(3000000000)
#define SWEEP_MS_MAX 2500u

/* Values that expired a moment ago may be counted. */
static void check_counts(struct harness *harness, const struct reference *references)
{
    struct space_count counted, least = {0}, most = {0};
    harness_idle(harness, SWEPT_AFTER_NS);
    uint64_t wall_ms = io_wall_ms(harness->loops[0]);
    for (uint32_t key = 0; key < KEYS; key++) {
        const struct reference *reference = &references[key];
        uint64_t expires_at_ms =
            reference->expires_at_ms == 0 ? (UINT64_MAX >> 1) : reference->expires_at_ms;
        if (!reference->exists || expires_at_ms + SWEEP_MS_MAX < wall_ms)
            continue;
        most.keys++;
        most.value_bytes += reference->bytes;
        if (expires_at_ms <= wall_ms)
            continue;
        least.keys++;
        least.value_bytes += reference->bytes;
    }
    assert_true(space_counts_read(store_set_space_counts(harness->set), "ns", &counted));
    assert_in_range(counted.keys, least.keys, most.keys);
    assert_in_range(counted.value_bytes, least.value_bytes, most.value_bytes);
    harness_check_counts(harness);
}

static void answers_like_a_map_over_restarts_with_1_4_and_2_threads(void **state)
{
    (void)state;
    static const uint32_t thread_counts[] = {1, 4, 2, 3, 1, 4};
    uint64_t first = depth_of("GANNET_SEED", 1), seeds = 1;
    if (!depth_is_set("GANNET_SEED"))
        seeds = depth_of("GANNET_OPERATIONS", OPERATIONS_IN_CI) /
                    (ARRAY_COUNT(thread_counts) * STEPS_PER_START) +
                1;
    for (uint64_t seed = first; seed < first + seeds; seed++) {
        struct harness harness;
        struct random random = {seed};
        print_message("seed %llu\n", (unsigned long long)seed); /* the last one is what failed */
        static struct reference references[KEYS];
        static uint64_t version_max[KEYS];
        memset(references, 0, sizeof(references));
        memset(version_max, 0, sizeof(version_max));
        use(&harness, seed);
        harness.config.store.compact_dead_percent = 30;
        for (uint32_t start = 0; start < ARRAY_COUNT(thread_counts); start++) {
            assert_int_equal(harness_open(&harness, thread_counts[start]), 0);
            harness_check_counts(&harness);
            for (uint64_t step = 1; step <= STEPS_PER_START; step++) {
                model_step(&harness, references, version_max, &random, start * 1000 + step);
                if (random_chance(&random, 20))
                    check_listing(&harness, references,
                                  random_chance(&random, 500) ? "" : "model-1");
                if (!random_chance(&random, 20))
                    continue;
                if (random_chance(&random, 300))
                    io_simulator_jump_wall_ms(harness.sim, 100);
                else
                    harness_idle(&harness, UINT64_C(60000000));
                check_listing(&harness, references, "");
            }
            check_counts(&harness, references);
            if (start % 2 == 0)
                harness_close(&harness);
            else
                harness_crash(&harness, IO_CRASH_DROP);
        }
        harness_destroy(&harness);
    }
}

static void a_failed_condition_waits_for_the_write_it_depends_on(void **state)
{
    (void)state;
    struct harness harness;
    use(&harness, 3);
    assert_int_equal(harness_open(&harness, 1), 0);
    struct shard_operation *first = make(&harness, SHARD_PUT, 1);
    struct shard_operation *second = make(&harness, SHARD_PUT, 1);
    harness_set_value(&harness, first, (const uint8_t *)"one", 3);
    harness_set_value(&harness, second, (const uint8_t *)"two", 3);
    second->condition = SHARD_IF_ABSENT;
    store_submit(harness.stores[0], first);
    store_submit(harness.stores[0], second);
    struct shard_operation *done[4];
    assert_int_equal(store_reap(harness.stores[0], done, 4), 0); /* not before the commit */
    io_simulator_fail_sync_at(harness.sim, 0);
    answer.is_there = false;
    assert_true(harness_settle(&harness));
    assert_int_equal(answer.status, SHARD_OUTCOME_UNKNOWN); /* it failed with it */
    assert_int_equal(put(&harness, 2, 10, 1), SHARD_READ_ONLY);
    assert_int_equal(get(&harness, 2), SHARD_NOT_FOUND); /* reads go on */
    struct store_status status;
    store_set_status(harness.set, &status);
    assert_int_equal(status.failed_shards, 1);
    harness_close(&harness);
    harness_destroy(&harness);
}

static void a_full_disk_refuses_values_and_comes_back_after_deletes(void **state)
{
    (void)state;
    struct harness harness;
    use(&harness, 5);
    io_simulator_set_capacity(harness.sim, 900u << 10);
    assert_int_equal(harness_open(&harness, 1), 0);
    for (uint32_t round = 0; round < 5; round++) {
        uint32_t stored = 0;
        while (stored < 2000 && put(&harness, stored, 3000, stored) <= SHARD_CREATED)
            stored++;
        assert_int_equal(answer.status, SHARD_STORE_FULL);
        assert_true(stored > 50);
        for (uint32_t key = 0; key < stored; key++)
            assert_int_equal(get(&harness, key), SHARD_OK);
        for (uint32_t key = 0; key < stored; key++) {
            /* deletes have a reserve; when it is used up they wait for compaction, too */
            finish(&harness, make(&harness, SHARD_DELETE, key));
            for (uint32_t tries = 0; answer.status == SHARD_STORE_FULL && tries < 50; tries++) {
                harness_idle(&harness, UINT64_C(300000000));
                finish(&harness, make(&harness, SHARD_DELETE, key));
            }
            assert_int_equal(answer.status, SHARD_OK);
        }
        harness_idle(&harness, UINT64_C(5000000000));
        struct store_status status;
        store_set_status(harness.set, &status);
        assert_false(status.is_full);
        assert_int_equal(status.keys, 0);
        if (round == 2) {
            harness_close(&harness);
            assert_int_equal(harness_open(&harness, 1), 0);
        }
    }
    harness_close(&harness);
    harness_destroy(&harness);
}

static void a_full_index_refuses_new_keys_only(void **state)
{
    (void)state;
    struct harness harness;
    use(&harness, 6);
    assert_int_equal(harness_open(&harness, 1), 0);
    assert_int_equal(put(&harness, 1, 10, 1), SHARD_CREATED);
    harness.set->index_memory.limit_bytes = 1;
    uint32_t key = 2;
    while (key < 3000 && put(&harness, key, 10, 1) == SHARD_CREATED)
        key++;
    assert_int_equal(answer.status, SHARD_INDEX_FULL);
    assert_int_equal(put(&harness, 1, 20, 2), SHARD_OK);
    assert_int_equal(get(&harness, 1), SHARD_OK);
    finish(&harness, make(&harness, SHARD_DELETE, 1));
    assert_int_equal(answer.status, SHARD_OK);
    harness_close(&harness);
    harness_destroy(&harness);
}

static void a_late_read_is_given_back_while_the_disk_hangs(void **state)
{
    (void)state;
    struct harness harness;
    use(&harness, 7);
    assert_int_equal(harness_open(&harness, 1), 0);
    for (uint32_t key = 0; key < 40; key++)
        assert_int_equal(put(&harness, key, 3000, key), SHARD_CREATED);
    struct shard_operation *operation = make(&harness, SHARD_GET, 0);
    operation->deadline_ns = io_now_ns(harness.loops[0]) - 1;
    finish(&harness, operation);
    assert_int_equal(answer.status, SHARD_DEADLINE);
    assert_int_equal(answer.cache_action, SHARD_CACHE_NOTHING);
    harness_close(&harness);
    harness_destroy(&harness);
}

/* ---- rot ---- */

static uint32_t fill_for_rot(struct harness *harness)
{
    harness->config.store.compact_dead_percent = 101; /* everything stays where it is */
    assert_int_equal(harness_open(harness, 1), 0);
    for (uint32_t key = 0; key < 30; key++)
        assert_int_equal(put(harness, key, key == 7 ? 15000 : 100 + key * 37, key), SHARD_CREATED);
    for (uint32_t key = 0; key < 10; key++)
        assert_int_equal(put(harness, key, 500, key + 1000), SHARD_OK);
    finish(harness, make(harness, SHARD_DELETE, 20));
    harness_idle(harness, UINT64_C(50000000));
    harness_close(harness);
    return 30;
}

/* Every value is right, or the answer says clearly that it is not. */
static void check_rot(struct harness *harness, uint32_t keys, const char *path, uint64_t bit)
{
    static uint8_t value[VALUE_BYTES_MAX];
    for (uint32_t key = 0; key < keys; key++) {
        enum shard_status status = get(harness, key);
        if (status == SHARD_CORRUPT)
            continue;
        if (status != (key == 20 ? SHARD_NOT_FOUND : SHARD_OK))
            fail_msg("%s bit %llu: key %u answered %u", path, (unsigned long long)bit, key, status);
        if (status != SHARD_OK)
            continue;
        uint32_t bytes = key < 10 ? 500 : 100 + key * 37;
        fill(value, bytes, key < 10 ? key + 1000 : key);
        if (answer.value_bytes != bytes || memcmp(answer.value, value, bytes) != 0)
            fail_msg("%s bit %llu: key %u has wrong bytes", path, (unsigned long long)bit, key);
    }
}

static void a_flipped_bit_is_an_error_or_does_not_matter(void **state)
{
    (void)state;
    struct harness harness;
    struct random random = {99};
    use(&harness, 8);
    harness.sizes.extent_value_bytes_min = 12000;
    uint32_t keys = fill_for_rot(&harness);
    struct io_disk_image *image = io_simulator_snapshot(harness.sim);
    static const char *const paths[] = {"data/seg-00000000.log", "data/seg-00000001.log",
                                        "data/SUPER.0", "data/SUPER.1"};
    uint32_t refused = 0, flips = 3000;
    if (depth_of("GANNET_OPERATIONS", OPERATIONS_IN_CI) < OPERATIONS_IN_CI)
        flips = 600; /* an open is slow under a sanitizer */
    for (uint32_t i = 0; i < flips; i++) {
        io_simulator_restore(harness.sim, image);
        const char *path = paths[i % 16 < 12 ? 0 : i % 4];
        int64_t bytes = io_simulator_file_bytes(harness.sim, path);
        assert_true(bytes > 0);
        uint64_t bit = i < 1000 && i % 16 < 12 ? (uint64_t)8192 * 8 + i * 5
                                               : random_u64(&random) % ((uint64_t)bytes * 8);
        assert_true(io_simulator_flip_bit(harness.sim, path, bit / 8, (uint32_t)(bit % 8)));
        int status = harness_open(&harness, 1 + i % 3);
        if (status < 0) {
            if (status != -EBADMSG && status != -EPROTONOSUPPORT)
                fail_msg("%s bit %llu: %s", path, (unsigned long long)bit, strerror(-status));
            harness_drop_loops(&harness);
            refused++;
            continue;
        }
        check_rot(&harness, keys, path, bit);
        harness_close(&harness);
    }
    assert_true(refused > flips / 10); /* most of the segment is data: its damage must be noticed */
    io_disk_image_destroy(image);
    harness_destroy(&harness);
}

static void a_bit_that_flips_while_running_is_never_served(void **state)
{
    (void)state;
    struct harness harness;
    struct random random = {17};
    use(&harness, 9);
    uint32_t keys = fill_for_rot(&harness);
    struct io_disk_image *image = io_simulator_snapshot(harness.sim);
    for (uint32_t i = 0; i < 200; i++) {
        io_simulator_restore(harness.sim, image);
        assert_int_equal(harness_open(&harness, 2), 0);
        for (uint32_t flips = 0; flips < 20; flips++)
            io_simulator_flip_bit(harness.sim, "data/seg-00000000.log",
                                  8192 + random_below(&random, 40000), random_below(&random, 8));
        check_rot(&harness, keys, "running", i);
        harness_close(&harness);
    }
    io_disk_image_destroy(image);
    harness_destroy(&harness);
}

static void quarantine_goes_on_without_the_damaged_records(void **state)
{
    (void)state;
    struct harness harness;
    use(&harness, 10);
    fill_for_rot(&harness);
    io_simulator_flip_bit(harness.sim, "data/seg-00000000.log", 8192 + 128 + 60, 3);
    assert_int_equal(harness_open(&harness, 1), -EBADMSG);
    harness_drop_loops(&harness);
    harness.config.store.on_corruption = CONFIG_CORRUPTION_QUARANTINE;
    for (uint32_t start = 0; start < 2; start++) {
        assert_int_equal(harness_open(&harness, 1), 0);
        assert_int_equal(get(&harness, 15), SHARD_OK);
        assert_int_equal(put(&harness, 100 + start, 10, 1), SHARD_CREATED);
        harness_close(&harness);
    }
    harness_destroy(&harness);
}

static void a_truncated_segment_is_refused(void **state)
{
    (void)state;
    struct harness harness;
    use(&harness, 11);
    uint32_t keys = fill_for_rot(&harness);
    struct io_disk_image *image = io_simulator_snapshot(harness.sim);
    for (uint64_t bytes = 0; bytes < 65536; bytes += 997) {
        io_simulator_restore(harness.sim, image);
        io_simulator_truncate(harness.sim, "data/seg-00000000.log", bytes);
        int status = harness_open(&harness, 1);
        if (status == 0) {
            check_rot(&harness, keys, "truncated", bytes);
            harness_close(&harness);
            fail_msg("a segment of %llu bytes was accepted", (unsigned long long)bytes);
        }
        assert_int_equal(status, -EBADMSG);
        harness_drop_loops(&harness);
    }
    io_disk_image_destroy(image);
    harness_destroy(&harness);
}

static void a_second_process_is_refused(void **state)
{
    (void)state;
    struct harness harness;
    use(&harness, 12);
    assert_int_equal(harness_open(&harness, 1), 0);
    struct io_loop_config loop_config = {
        .backend = IO_BACKEND_SIMULATOR, .depth_max = 16, .wake_fd = -1};
    struct io_loop *loop;
    struct store_set *set;
    assert_int_equal(io_simulator_loop(harness.sim, &loop_config, &loop), 0);
    assert_int_equal(store_set_open_sized(&harness.config, &harness.sizes, loop, &set),
                     -EWOULDBLOCK);
    io_loop_destroy(loop);
    harness_close(&harness);
    harness_destroy(&harness);
}

int main(void)
{
    log_set_level((enum log_level) - 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_like_a_map_over_restarts_with_1_4_and_2_threads),
        cmocka_unit_test(a_failed_condition_waits_for_the_write_it_depends_on),
        cmocka_unit_test(a_full_disk_refuses_values_and_comes_back_after_deletes),
        cmocka_unit_test(a_full_index_refuses_new_keys_only),
        cmocka_unit_test(a_late_read_is_given_back_while_the_disk_hangs),
        cmocka_unit_test(a_flipped_bit_is_an_error_or_does_not_matter),
        cmocka_unit_test(a_bit_that_flips_while_running_is_never_served),
        cmocka_unit_test(quarantine_goes_on_without_the_damaged_records),
        cmocka_unit_test(a_truncated_segment_is_refused),
        cmocka_unit_test(a_second_process_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
