/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who waits for what, on a disk that is as slow as each case needs: write_policy and sync of single
 * namespaces, what the cache is told, what reads show meanwhile; large values, shared reads, and
 * absences. tests/sim/store_interval_sim.c has the crashes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "include/compiler.h"
#include "include/counters.h"
#include "include/log.h"
#include "tests/sim/store_harness.h"

#define VALUE_BYTES 900u
#define DISK_US 20u
#define STALLED_US 100000u /* at most */
#define HANGING_US 10000000u

static struct harness harness;
static uint32_t answered_count;
static struct {
    uint8_t status, cache_action;
    uint64_t version;
    uint32_t number; /* of the value */
} last;

static void on_answer(void *context, struct shard_operation *operation)
{
    (void)context;
    static uint8_t value[64u << 10];
    answered_count++;
    last.status = operation->status;
    last.cache_action = operation->cache_action;
    last.version = operation->version;
    last.number = 0;
    if (operation->verb == SHARD_GET && operation->status == SHARD_OK) {
        harness_copy_value(operation, value);
        memcpy(&last.number, value, sizeof(last.number));
    }
}

static void disk_takes(uint32_t us)
{
    for (uint32_t code = 0; code < IO_CODE_COUNT; code++)
        io_simulator_set_latency_us(harness.sim, (enum io_code)code, us);
}

static void open_store(uint32_t behind_kib, uint32_t behind_ms)
{
    log_set_level((enum log_level) - 1); /* failures are made on purpose */
    harness_init(&harness, 1);
    harness.answer = on_answer;
    harness.config.store.behind_kib = behind_kib;
    harness.config.store.behind_ms = behind_ms;
    harness.config.store.sync_interval_ms = 60000;
    disk_takes(DISK_US);
    assert_int_equal(harness_open(&harness, 1), 0);
    harness_idle(&harness, UINT64_C(50000000)); /* spare segments are made */
    answered_count = 0;
}

static void close_store(void)
{
    harness_close(&harness);
    harness_destroy(&harness);
}

static void ask(enum shard_verb verb, uint32_t key, uint32_t number, enum shard_write_policy policy,
                enum shard_sync sync)
{
    char name[32];
    static uint8_t value[VALUE_BYTES];
    uint32_t bytes = (uint32_t)snprintf(name, sizeof(name), "ns%ckey-%u", 0, key);
    struct shard_operation *operation = harness_operation(&harness, verb, name, bytes);
    assert_non_null(operation);
    operation->write_policy = (uint8_t)policy;
    operation->sync = (uint8_t)sync;
    memcpy(value, &number, sizeof(number));
    if (verb == SHARD_PUT)
        harness_set_value(&harness, operation, value, VALUE_BYTES);
    harness_submit(&harness, operation);
}

static void put(uint32_t key, uint32_t number, enum shard_write_policy policy)
{
    ask(SHARD_PUT, key, number, policy, SHARD_SYNC_OF_STORE);
}

static uint32_t get(uint32_t key)
{
    uint32_t before = answered_count;
    ask(SHARD_GET, key, 0, SHARD_WRITE_THROUGH, SHARD_SYNC_OF_STORE);
    for (uint32_t i = 0; i < 1000 && answered_count == before; i++)
        harness_round(&harness);
    assert_int_equal(answered_count, before + 1);
    return last.number;
}

static void a_write_through_is_answered_when_durable_and_fills_the_cache(void **state)
{
    (void)state;
    open_store(512, 1000);
    put(1, 11, SHARD_WRITE_THROUGH);
    harness_round(&harness);
    assert_int_equal(answered_count, 0);
    assert_true(harness_settle(&harness));
    assert_int_equal(last.status, SHARD_CREATED);
    assert_int_equal(last.cache_action, SHARD_CACHE_FILL);
    close_store();
}

static void a_write_around_is_answered_when_durable_and_leaves_the_cache(void **state)
{
    (void)state;
    open_store(512, 1000);
    put(1, 11, SHARD_WRITE_AROUND);
    harness_round(&harness);
    assert_int_equal(answered_count, 0);
    assert_true(harness_settle(&harness));
    assert_int_equal(last.status, SHARD_CREATED);
    assert_int_equal(last.cache_action, SHARD_CACHE_INVALIDATE);
    assert_int_equal(get(1), 11);
    assert_int_equal(last.cache_action, SHARD_CACHE_FILL);
    close_store();
}

static void a_write_behind_is_answered_at_once_and_every_read_shows_it(void **state)
{
    (void)state;
    open_store(512, 1000);
    put(1, 11, SHARD_WRITE_THROUGH);
    assert_true(harness_settle(&harness));
    disk_takes(STALLED_US);
    answered_count = 0;
    put(1, 12, SHARD_WRITE_BEHIND);
    harness_round(&harness);
    assert_int_equal(answered_count, 1);
    assert_int_equal(last.status, SHARD_OK);
    assert_int_equal(last.cache_action, SHARD_CACHE_INVALIDATE);
    assert_int_equal(get(1), 12);
    assert_int_equal(last.cache_action, SHARD_CACHE_NOTHING); /* it may still be lost */
    ask(SHARD_DELETE, 1, 0, SHARD_WRITE_BEHIND, SHARD_SYNC_OF_STORE);
    harness_round(&harness);
    assert_int_equal(last.status, SHARD_OK);
    assert_int_equal(get(1), 0);
    assert_int_equal(last.status, SHARD_NOT_FOUND);
    assert_int_equal(last.cache_action, SHARD_CACHE_NOTHING);
    put(1, 13, SHARD_WRITE_BEHIND);
    harness_idle(&harness, UINT64_C(1000000000));
    assert_int_equal(get(1), 13);
    assert_int_equal(last.cache_action, SHARD_CACHE_FILL); /* durable by now */
    close_store();
}

static void a_condition_sees_what_was_accepted(void **state)
{
    (void)state;
    open_store(512, 1000);
    disk_takes(STALLED_US);
    put(1, 11, SHARD_WRITE_BEHIND);
    harness_round(&harness);
    uint64_t version = last.version;
    char name[32];
    uint32_t bytes = (uint32_t)snprintf(name, sizeof(name), "ns%ckey-1", 0);
    struct shard_operation *operation = harness_operation(&harness, SHARD_PUT, name, bytes);
    operation->write_policy = SHARD_WRITE_BEHIND;
    operation->condition = SHARD_IF_ABSENT;
    harness_set_value(&harness, operation, (const uint8_t *)"twelve", 6);
    harness_submit(&harness, operation);
    harness_round(&harness);
    assert_int_equal(answered_count, 2);
    assert_int_equal(last.status, SHARD_CONDITION_FAILED);
    assert_int_equal(last.version, version);
    close_store();
}

static void behind_is_bounded_by_bytes(void **state)
{
    (void)state;
    open_store(4, 1000);
    disk_takes(STALLED_US);
    for (uint32_t key = 0; key < 10; key++)
        put(key, 100 + key, SHARD_WRITE_BEHIND);
    for (uint32_t i = 0; i < 20; i++)
        harness_round(&harness);
    assert_int_equal(answered_count, 4); /* of less than 1 KiB each */
    assert_true(harness_settle(&harness));
    assert_int_equal(answered_count, 10);
    close_store();
}

static void behind_is_bounded_by_time(void **state)
{
    (void)state;
    open_store(512, 20);
    disk_takes(STALLED_US);
    put(0, 100, SHARD_WRITE_BEHIND);
    harness_idle(&harness, UINT64_C(10000000));
    put(1, 101, SHARD_WRITE_BEHIND);
    harness_round(&harness);
    assert_int_equal(answered_count, 2);
    harness_idle(&harness, UINT64_C(15000000));
    put(2, 102, SHARD_WRITE_BEHIND);
    harness_round(&harness);
    assert_int_equal(answered_count, 2); /* the first one has waited for 25 ms */
    assert_true(harness_settle(&harness));
    assert_int_equal(answered_count, 3);
    close_store();
}

static void a_drain_commits_what_was_accepted(void **state)
{
    (void)state;
    open_store(512, 1000);
    for (uint32_t key = 0; key < 20; key++)
        put(key, 100 + key, SHARD_WRITE_BEHIND);
    harness_round(&harness);
    assert_int_equal(answered_count, 20);
    assert_false(store_is_idle(harness.stores[0]));
    harness_close(&harness);
    assert_int_equal(harness_open(&harness, 1), 0);
    for (uint32_t key = 0; key < 20; key++)
        assert_int_equal(get(key), 100 + key);
    close_store();
}

static void a_failed_commit_counts_what_is_lost_and_reads_show_what_is_there(void **state)
{
    (void)state;
    open_store(512, 1000);
    put(1, 11, SHARD_WRITE_BEHIND);
    harness_idle(&harness, UINT64_C(100000000));
    uint64_t lost_before = harness.counters->values[COUNTER_STORE_BEHIND_LOST];
    io_simulator_fail_sync_at(harness.sim, 0);
    put(1, 12, SHARD_WRITE_BEHIND);
    harness_round(&harness);
    assert_int_equal(last.status, SHARD_OK);
    harness_idle(&harness, UINT64_C(100000000));
    assert_int_equal(harness.counters->values[COUNTER_STORE_BEHIND_LOST], lost_before + 1);
    assert_int_equal(get(1), 11);
    put(1, 13, SHARD_WRITE_BEHIND);
    harness_round(&harness);
    assert_int_equal(last.status, SHARD_READ_ONLY);
    close_store();
}

/* The sync of an interval namespace is a minute away: only a commit namespace brings it forward. */
static void namespaces_wait_for_their_own_sync_only(void **state)
{
    (void)state;
    open_store(512, 1000);
    io_simulator_set_latency_us(harness.sim, IO_SYNC_DATA, STALLED_US);
    ask(SHARD_PUT, 1, 11, SHARD_WRITE_THROUGH, SHARD_SYNC_INTERVAL);
    harness_idle(&harness, UINT64_C(1000000));
    assert_int_equal(answered_count, 1);
    ask(SHARD_PUT, 2, 12, SHARD_WRITE_THROUGH, SHARD_SYNC_COMMIT);
    harness_idle(&harness, UINT64_C(1000000));
    assert_int_equal(answered_count, 1);
    harness_idle(&harness, UINT64_C(250000000));
    assert_int_equal(answered_count, 2);
    assert_int_equal(harness.stores[0]->stream.durable_sequence,
                     harness.stores[0]->stream.written_sequence);
    close_store();
}

/* A large value takes many steps on the disk; a small one behind it does not wait for them. */
static void a_large_value_does_not_delay_small_ones(void **state)
{
    (void)state;
    static uint8_t large[60u << 10];
    open_store(512, 1000);
    char name[32];
    uint32_t bytes = (uint32_t)snprintf(name, sizeof(name), "ns%clarge", 0);
    struct shard_operation *operation = harness_operation(&harness, SHARD_PUT, name, bytes);
    harness_set_value(&harness, operation, large, sizeof(large));
    harness_submit(&harness, operation);
    harness_round(&harness);
    put(1, 11, SHARD_WRITE_THROUGH);
    ask(SHARD_GET, 2, 0, SHARD_WRITE_THROUGH, SHARD_SYNC_OF_STORE);
    for (uint32_t i = 0; i < 1000 && answered_count < 2; i++)
        harness_round(&harness);
    assert_int_equal(answered_count, 2);
    assert_int_equal(harness.in_flight, 1); /* the large one */
    assert_true(harness_settle(&harness));
    close_store();
}

static void put_large(uint32_t number, uint32_t bytes, uint64_t deadline_ns)
{
    static uint8_t large[60u << 10];
    char name[32];
    uint32_t name_bytes = (uint32_t)snprintf(name, sizeof(name), "ns%ckey-1", 0);
    struct shard_operation *operation = harness_operation(&harness, SHARD_PUT, name, name_bytes);
    operation->deadline_ns = deadline_ns;
    memcpy(large, &number, sizeof(number));
    harness_set_value(&harness, operation, large, bytes);
    harness_submit(&harness, operation);
}

/* The large value before it in the job was given up, but the second write was there first. */
static void writes_of_a_key_keep_their_order_when_a_large_one_runs_into_its_deadline(void **state)
{
    (void)state;
    open_store(512, 1000);
    disk_takes(STALLED_US);
    uint64_t soon = io_now_ns(harness.loops[0]) + UINT64_C(10000000);
    put_large(11, 60u << 10, soon);
    put_large(12, 59u << 10, UINT64_MAX);
    harness_idle(&harness, UINT64_C(20000000));
    assert_int_equal(answered_count, 1);
    assert_int_equal(last.status, SHARD_DEADLINE);
    put(1, 13, SHARD_WRITE_THROUGH);
    assert_true(harness_settle(&harness));
    disk_takes(DISK_US);
    assert_int_equal(get(1), 13);
    close_store();
}

/* Reads of a value that is on disk only: after a restart. */
static void reopen(void)
{
    harness_close(&harness);
    assert_int_equal(harness_open(&harness, 1), 0);
    answered_count = 0;
}

static void many_reads_of_a_key_are_one_disk_read_and_do_not_depend_on_the_first(void **state)
{
    (void)state;
    open_store(512, 1000);
    put(1, 11, SHARD_WRITE_THROUGH);
    assert_true(harness_settle(&harness));
    reopen();
    disk_takes(HANGING_US);
    uint64_t reads_before = harness.counters->values[COUNTER_STORE_READS];
    for (uint32_t i = 0; i < 10; i++) {
        char name[32];
        uint32_t bytes = (uint32_t)snprintf(name, sizeof(name), "ns%ckey-1", 0);
        struct shard_operation *operation = harness_operation(&harness, SHARD_GET, name, bytes);
        if (i == 0) /* the one that began the read does not wait for it */
            operation->deadline_ns = io_now_ns(harness.loops[0]) + UINT64_C(10000000);
        harness_submit(&harness, operation);
    }
    harness_idle(&harness, UINT64_C(50000000));
    assert_int_equal(answered_count, 1);
    assert_int_equal(last.status, SHARD_DEADLINE);
    assert_true(harness_settle(&harness));
    assert_int_equal(answered_count, 10);
    assert_int_equal(last.status, SHARD_OK);
    assert_int_equal(last.number, 11);
    assert_int_equal(harness.counters->values[COUNTER_STORE_READS], reads_before + 1);
    close_store();
}

/* A write whose operation was given back may still land: nobody would tell a cache. */
static void an_absence_is_not_remembered_while_a_write_of_the_key_may_still_land(void **state)
{
    (void)state;
    open_store(512, 1000);
    assert_int_equal(get(1), 0);
    assert_int_equal(last.cache_action, SHARD_CACHE_ABSENT);
    disk_takes(STALLED_US);
    char name[32];
    uint32_t bytes = (uint32_t)snprintf(name, sizeof(name), "ns%ckey-1", 0);
    struct shard_operation *operation = harness_operation(&harness, SHARD_PUT, name, bytes);
    operation->deadline_ns = io_now_ns(harness.loops[0]) + UINT64_C(10000000);
    harness_set_value(&harness, operation, (const uint8_t *)"late", 4);
    harness_submit(&harness, operation);
    harness_idle(&harness, UINT64_C(20000000));
    assert_int_equal(last.status, SHARD_DEADLINE);
    assert_int_equal(last.cache_action, SHARD_CACHE_INVALIDATE);
    get(1);
    assert_int_equal(last.status, SHARD_NOT_FOUND);
    assert_int_equal(last.cache_action, SHARD_CACHE_INVALIDATE);
    harness_idle(&harness, UINT64_C(1000000000));
    get(1);
    assert_int_equal(last.status, SHARD_OK);
    close_store();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_write_through_is_answered_when_durable_and_fills_the_cache),
        cmocka_unit_test(a_write_around_is_answered_when_durable_and_leaves_the_cache),
        cmocka_unit_test(a_write_behind_is_answered_at_once_and_every_read_shows_it),
        cmocka_unit_test(a_condition_sees_what_was_accepted),
        cmocka_unit_test(behind_is_bounded_by_bytes),
        cmocka_unit_test(behind_is_bounded_by_time),
        cmocka_unit_test(a_drain_commits_what_was_accepted),
        cmocka_unit_test(a_failed_commit_counts_what_is_lost_and_reads_show_what_is_there),
        cmocka_unit_test(namespaces_wait_for_their_own_sync_only),
        cmocka_unit_test(a_large_value_does_not_delay_small_ones),
        cmocka_unit_test(writes_of_a_key_keep_their_order_when_a_large_one_runs_into_its_deadline),
        cmocka_unit_test(many_reads_of_a_key_are_one_disk_read_and_do_not_depend_on_the_first),
        cmocka_unit_test(an_absence_is_not_remembered_while_a_write_of_the_key_may_still_land),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
