/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the disk or the file system does that is neither a crash nor rot of a record: files that
 * cannot be preallocated, a close that is interrupted, a read that fails once, a copy of the
 * superblock that is lost or was never written, a disk that is nearly full.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "include/compiler.h"
#include "include/counters.h"
#include "include/log.h"
#include "tests/sim/store_harness.h"

#define SMALL_BYTES 900u
#define LARGE_BYTES 20000u /* an extent in the harness */
#define SECOND_NS UINT64_C(1000000000)

static struct harness harness;
static uint32_t answered_count;
static enum shard_status last_status;
static uint64_t last_version;

static void on_answer(void *context, struct shard_operation *operation)
{
    (void)context;
    answered_count++;
    last_status = (enum shard_status)operation->status;
    last_version = operation->version;
}

static void make_store(void)
{
    log_set_level((enum log_level) - 1); /* failures are made on purpose */
    harness_init(&harness, 1);
    harness.answer = on_answer;
    answered_count = 0;
}

static void open_store(void)
{
    make_store();
    assert_int_equal(harness_open(&harness, 1), 0);
}

static void close_store(void)
{
    harness_close(&harness);
    harness_destroy(&harness);
}

static enum shard_status ask(enum shard_verb verb, uint32_t key, uint32_t value_bytes)
{
    static uint8_t value[LARGE_BYTES];
    char name[32];
    uint32_t bytes = (uint32_t)snprintf(name, sizeof(name), "ns%ckey-%u", 0, key);
    struct shard_operation *operation = harness_operation(&harness, verb, name, bytes);
    assert_non_null(operation);
    memset(value, (int)key, sizeof(value));
    if (verb == SHARD_PUT)
        harness_set_value(&harness, operation, value, value_bytes);
    harness_submit(&harness, operation);
    assert_true(harness_settle(&harness));
    return last_status;
}

static void a_file_system_without_preallocation_is_written_all_the_same(void **state)
{
    (void)state;
    make_store();
    io_simulator_refuse(harness.sim, IO_ALLOCATE, EOPNOTSUPP, UINT32_MAX);
    assert_int_equal(harness_open(&harness, 1), 0);
    assert_int_equal(ask(SHARD_PUT, 1, SMALL_BYTES), SHARD_CREATED);
    assert_int_equal(ask(SHARD_PUT, 2, LARGE_BYTES), SHARD_CREATED);
    for (uint32_t key = 3; key < 300; key++)
        assert_int_equal(ask(SHARD_PUT, key, SMALL_BYTES), SHARD_CREATED);
    harness_crash(&harness, IO_CRASH_DROP);
    assert_int_equal(harness_open(&harness, 1), 0);
    for (uint32_t key = 1; key < 300; key++)
        assert_int_equal(ask(SHARD_GET, key, 0), SHARD_OK);
    close_store();
}

/* Linux has closed the descriptor then: to close it again would be to close another's. */
static void an_interrupted_close_is_not_repeated(void **state)
{
    (void)state;
    open_store();
    io_simulator_refuse(harness.sim, IO_CLOSE, EINTR, UINT32_MAX);
    assert_int_equal(ask(SHARD_PUT, 1, LARGE_BYTES), SHARD_CREATED);
    assert_int_equal(ask(SHARD_GET, 1, 0), SHARD_OK);
    for (uint32_t key = 2; key < 300; key++)
        ask(SHARD_PUT, key, SMALL_BYTES);
    for (uint32_t key = 1; key < 300; key++)
        ask(SHARD_DELETE, key, 0);
    harness_idle(&harness, 30 * SECOND_NS); /* compaction removes segments */
    struct store_status status;
    store_set_status(harness.set, &status);
    assert_true(status.disk_bytes <= 6 * harness.sizes.segment_bytes);
    io_simulator_clear_faults(harness.sim);
    close_store();
}

static void a_read_that_fails_once_does_not_end_compaction(void **state)
{
    (void)state;
    open_store();
    for (uint32_t key = 0; key < 300; key++)
        ask(SHARD_PUT, key, SMALL_BYTES);
    io_simulator_refuse(harness.sim, IO_READ, EIO, 1);
    for (uint32_t key = 0; key < 300; key++)
        ask(SHARD_DELETE, key, 0);
    harness_idle(&harness, 30 * SECOND_NS);
    struct store_status status;
    store_set_status(harness.set, &status);
    assert_int_equal(status.quarantined_segments, 0);
    assert_true(status.disk_bytes <= 6 * harness.sizes.segment_bytes);
    close_store();
}

static void large_values_leave_the_reserve_alone(void **state)
{
    (void)state;
    make_store();
    harness.config.store.space_reserve_mib = 1;
    io_simulator_set_capacity(harness.sim, 3u << 20);
    assert_int_equal(harness_open(&harness, 1), 0);
    harness_idle(&harness, SECOND_NS);
    uint32_t key = 0;
    while (key < 200 && ask(SHARD_PUT, key, LARGE_BYTES) == SHARD_CREATED)
        key++;
    assert_true(key > 10 && key < 200);
    assert_int_equal(last_status, SHARD_STORE_FULL);
    uint64_t free_bytes;
    assert_int_equal(io_free_space(harness.loops[0], harness.set->directory_fd, &free_bytes), 0);
    assert_true(free_bytes >= 1u << 20);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(ask(SHARD_DELETE, i, 0), SHARD_OK);
    harness_idle(&harness, SECOND_NS);
    assert_int_equal(ask(SHARD_PUT, 500, LARGE_BYTES), SHARD_CREATED);
    close_store();
}

/* The other copy says less: an epoch that has been used, and a clean end that was not the last. */
static void the_newest_superblock_may_be_lost(void **state)
{
    (void)state;
    open_store();
    harness_close(&harness);
    assert_int_equal(harness_open(&harness, 1), 0);
    uint64_t epoch = harness.set->epoch;
    assert_int_equal(ask(SHARD_PUT, 1, LARGE_BYTES), SHARD_CREATED);
    assert_int_equal(ask(SHARD_PUT, 2, SMALL_BYTES), SHARD_CREATED);
    uint64_t version = last_version;
    assert_int_equal(ask(SHARD_DELETE, 2, 0), SHARD_OK);
    harness_idle(&harness, SECOND_NS);
    const char *newest = harness.set->super->sequence % 2 == 1 ? "data/SUPER.1" : "data/SUPER.0";
    harness_crash(&harness, IO_CRASH_KEEP);
    assert_true(io_simulator_flip_bit(harness.sim, newest, 100, 1));
    assert_int_equal(harness_open(&harness, 1), 0);
    assert_true(harness.set->epoch > epoch);
    assert_int_equal(ask(SHARD_PUT, 3, LARGE_BYTES), SHARD_CREATED);
    assert_int_equal(ask(SHARD_GET, 1, 0), SHARD_OK);
    assert_int_equal(ask(SHARD_PUT, 2, SMALL_BYTES), SHARD_CREATED);
    assert_true(last_version > version);
    close_store();
}

/*
 * The process ends, the machine does not: the page cache shows a superblock that is not on the
 * disk. The other copy is then the only one, and the start must not risk it.
 */
static void a_superblock_that_only_the_page_cache_has_is_not_relied_on(void **state)
{
    (void)state;
    int status = -1;
    for (uint64_t crash = 0; status < 0; crash++) { /* until it opens before it crashes */
        open_store();
        io_simulator_refuse(harness.sim, IO_SYNC_DATA, EIO, 1);
        harness.stores[0]->wants_versions = true;
        harness_idle(&harness, SECOND_NS);
        assert_int_equal(atomic_load(&harness.set->failed_streams), 1);
        io_simulator_clear_faults(harness.sim);
        harness_close(&harness);
        io_simulator_crash_after(harness.sim, crash);
        status = harness_open(&harness, 1);
        if (status < 0)
            harness_drop_loops(&harness);
        harness_crash(&harness, IO_CRASH_TRASH);
        assert_int_equal(harness_open(&harness, 1), 0);
        close_store();
    }
}

/* The copy that a failed write may have harmed is written again, not the only good one. */
static void after_a_failed_superblock_another_thread_leaves_the_good_copy_alone(void **state)
{
    (void)state;
    bool is_written = false;
    for (uint64_t crash = 0; !is_written; crash++) { /* until it is durable before the crash */
        make_store();
        assert_int_equal(harness_open(&harness, 2), 0);
        uint64_t sequence = harness.set->super->sequence;
        io_simulator_refuse(harness.sim, IO_SYNC_DATA, EIO, 1);
        harness.stores[0]->wants_versions = true;
        harness_idle(&harness, SECOND_NS);
        assert_int_equal(atomic_load(&harness.set->failed_streams), 1);
        assert_int_equal(harness.set->super->sequence, sequence);
        io_simulator_crash_after(harness.sim, crash);
        harness.stores[1]->wants_versions = true;
        harness_idle(&harness, SECOND_NS);
        is_written = !io_simulator_is_crashed(harness.sim);
        harness_crash(&harness, IO_CRASH_TRASH);
        assert_int_equal(harness_open(&harness, 2), 0);
        close_store();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_system_without_preallocation_is_written_all_the_same),
        cmocka_unit_test(an_interrupted_close_is_not_repeated),
        cmocka_unit_test(a_read_that_fails_once_does_not_end_compaction),
        cmocka_unit_test(large_values_leave_the_reserve_alone),
        cmocka_unit_test(the_newest_superblock_may_be_lost),
        cmocka_unit_test(a_superblock_that_only_the_page_cache_has_is_not_relied_on),
        cmocka_unit_test(after_a_failed_superblock_another_thread_leaves_the_good_copy_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
