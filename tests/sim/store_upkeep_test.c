/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a store does by itself while nobody looks: finds rot, gives space back, counts what it
 * writes, and waits for a disk that is full of work.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "include/counters.h"
#include "include/log.h"
#include "tests/sim/store_harness.h"

#define FIRST_SEGMENT "data/seg-00000000.log"
#define VALUE_BYTES 900u
#define LARGE_BYTES 70000u /* an extent; several windows of the scrubber */
#define BUNCH 30u          /* fills most of a frame */
#define SECOND_NS UINT64_C(1000000000)

static struct harness harness;
static uint32_t value_bytes;
static uint32_t found_count, corrupt_count, absent_count;
static uint64_t counted_before[COUNTER_COUNT];

static void on_answer(void *context, struct shard_operation *operation)
{
    (void)context;
    found_count += operation->verb == SHARD_GET && operation->status == SHARD_OK;
    corrupt_count += operation->status == SHARD_CORRUPT;
    absent_count += operation->status == SHARD_NOT_FOUND;
}

static uint64_t counted(enum counter counter)
{
    return harness.counters->values[counter] - counted_before[counter];
}

static void open_store(uint64_t scrub_mib_per_s)
{
    log_set_level((enum log_level) - 1); /* damage is made on purpose */
    harness_init(&harness, 1);
    harness.answer = on_answer;
    harness.config.store.scrub_mib_per_s = scrub_mib_per_s;
    assert_int_equal(harness_open(&harness, 1), 0);
    for (uint32_t counter = 0; counter < COUNTER_COUNT; counter++)
        counted_before[counter] = harness.counters->values[counter];
    found_count = corrupt_count = absent_count = 0;
    value_bytes = VALUE_BYTES;
}

static void close_store(void)
{
    harness_close(&harness);
    harness_destroy(&harness);
}

static uint32_t ask(enum shard_verb verb, uint32_t key, uint64_t expires_at_ms)
{
    static uint8_t value[LARGE_BYTES];
    char name[32];
    uint32_t bytes = (uint32_t)snprintf(name, sizeof(name), "ns%ckey-%u", 0, key);
    struct shard_operation *operation = harness_operation(&harness, verb, name, bytes);
    assert_non_null(operation);
    if (verb == SHARD_PUT) {
        memset(value, (int)key, sizeof(value));
        operation->expires_at_ms = expires_at_ms;
        harness_set_value(&harness, operation, value, value_bytes);
    }
    harness_submit(&harness, operation);
    return bytes + (verb == SHARD_PUT ? value_bytes : 0);
}

/* Keys 0 to count - 1, a bunch at a time. Returns their bytes, values included. */
static uint64_t ask_all(enum shard_verb verb, uint32_t count, uint64_t expires_at_ms)
{
    uint64_t bytes = 0;
    for (uint32_t key = 0; key < count; key++) {
        bytes += ask(verb, key, expires_at_ms);
        if (key % BUNCH == BUNCH - 1)
            assert_true(harness_settle(&harness));
    }
    assert_true(harness_settle(&harness));
    return bytes;
}

static struct store_status status_now(void)
{
    struct store_status status;
    store_set_status(harness.set, &status);
    return status;
}

static void the_scrubber_finds_a_flipped_bit_and_intact_keys_are_still_read(void **state)
{
    (void)state;
    open_store(8);
    ask_all(SHARD_PUT, 300, 0);
    assert_true(io_simulator_flip_bit(harness.sim, FIRST_SEGMENT, SEGMENT_DATA_OFFSET + 500, 3));
    harness_idle(&harness, 3 * SECOND_NS);
    assert_int_equal(counted(COUNTER_STORE_SCRUB_DAMAGE), 1);
    assert_int_equal(status_now().quarantined_segments, 1);
    assert_true(status_now().scrub_pass_ms > 0);
    ask_all(SHARD_GET, 300, 0);
    assert_int_equal(corrupt_count, 1);
    assert_int_equal(found_count, 299);
    ask_all(SHARD_PUT, 300, 0); /* what was damaged is mended by writing it again */
    ask_all(SHARD_GET, 300, 0);
    assert_int_equal(found_count, 299 + 300);
    close_store();
}

static void a_quarantined_segment_is_never_recycled_and_others_are(void **state)
{
    (void)state;
    open_store(8);
    ask_all(SHARD_PUT, 300, 0);
    assert_true(io_simulator_flip_bit(harness.sim, FIRST_SEGMENT, SEGMENT_DATA_OFFSET + 500, 3));
    harness_idle(&harness, 3 * SECOND_NS);
    uint8_t before[BLOCK_BYTES], after[BLOCK_BYTES];
    io_simulator_read(harness.sim, FIRST_SEGMENT, before, sizeof(before));
    uint64_t disk_bytes = status_now().disk_bytes;
    for (uint32_t i = 0; i < 20; i++)
        ask_all(SHARD_PUT, 300, 0);
    harness_idle(&harness, 3 * SECOND_NS);
    assert_int_equal(io_simulator_read(harness.sim, FIRST_SEGMENT, after, sizeof(after)),
                     sizeof(after));
    assert_memory_equal(before, after, sizeof(before));
    assert_int_equal(status_now().quarantined_segments, 1);
    assert_true(status_now().disk_bytes < 3 * disk_bytes);
    close_store();
}

static void the_scrubber_keeps_to_its_rate_and_ends_its_pass(void **state)
{
    (void)state;
    open_store(1);
    uint64_t opened_ns = io_now_ns(harness.loops[0]);
    ask_all(SHARD_PUT, 900, 0);
    uint64_t used_bytes = status_now().live_bytes;
    harness_idle(&harness, opened_ns + SECOND_NS + SECOND_NS / 4 - io_now_ns(harness.loops[0]));
    assert_true(counted(COUNTER_STORE_SCRUBBED_BYTES) > 0);
    assert_true(counted(COUNTER_STORE_SCRUBBED_BYTES) <=
                (1u << 20) / 4 + 2 * harness.sizes.frame_bytes_max);
    assert_int_equal(status_now().scrub_pass_ms, 0);
    harness_idle(&harness, 2 * SECOND_NS);
    assert_true(counted(COUNTER_STORE_SCRUBBED_BYTES) > used_bytes / 10 * 9);
    assert_int_equal(counted(COUNTER_STORE_SCRUB_DAMAGE), 0);
    assert_true(status_now().scrub_pass_ms > 0);
    uint64_t read_bytes = counted(COUNTER_STORE_SCRUBBED_BYTES);
    harness_idle(&harness, 60 * SECOND_NS); /* the next pass is due in an hour */
    assert_int_equal(counted(COUNTER_STORE_SCRUBBED_BYTES), read_bytes);
    close_store();
}

static void extent_name(char name[64], uint64_t epoch, uint32_t number)
{
    snprintf(name, 64, "data/ext-%016llx", (unsigned long long)(epoch << 32 | number));
}

static void the_scrubber_finds_a_flipped_bit_in_a_large_value(void **state)
{
    (void)state;
    char name[64];
    open_store(8);
    value_bytes = LARGE_BYTES;
    ask_all(SHARD_PUT, 5, 0);
    harness_idle(&harness, 5 * SECOND_NS);
    assert_int_equal(counted(COUNTER_STORE_SCRUB_DAMAGE), 0);
    assert_true(counted(COUNTER_STORE_SCRUBBED_BYTES) >= 5 * LARGE_BYTES);
    assert_true(status_now().scrub_pass_ms > 0);
    harness_close(&harness);
    assert_int_equal(harness_open(&harness, 1), 0);
    extent_name(name, harness.set->epoch - 1, 2);
    assert_true(io_simulator_flip_bit(harness.sim, name, LARGE_BYTES - 1, 0));
    harness_idle(&harness, 5 * SECOND_NS);
    assert_int_equal(counted(COUNTER_STORE_SCRUB_DAMAGE), 1);
    ask_all(SHARD_GET, 5, 0);
    assert_int_equal(corrupt_count, 1);
    assert_int_equal(found_count, 4);
    close_store();
}

static void a_large_value_that_is_replaced_while_it_is_scrubbed_is_no_damage(void **state)
{
    (void)state;
    open_store(1);
    value_bytes = LARGE_BYTES;
    ask_all(SHARD_PUT, 5, 0);
    for (uint32_t i = 0; i < 100; i++) {
        ask_all(SHARD_PUT, 5, 0);
        harness_idle(&harness, SECOND_NS / 50);
    }
    ask_all(SHARD_DELETE, 5, 0);
    harness_idle(&harness, 5 * SECOND_NS);
    assert_true(counted(COUNTER_STORE_SCRUBBED_BYTES) > LARGE_BYTES);
    assert_int_equal(counted(COUNTER_STORE_SCRUB_DAMAGE), 0);
    close_store();
}

/* The active segment and the spares that are always kept. */
static uint64_t bytes_of_an_empty_store(void)
{
    uint64_t spares = harness.set->table.reserve_count + harness.thread_count;
    return (spares + 1) * harness.sizes.segment_bytes;
}

static void a_store_that_was_emptied_gives_its_space_back_while_idle(void **state)
{
    (void)state;
    open_store(0);
    ask_all(SHARD_PUT, 900, 0);
    assert_true(status_now().disk_bytes > 14 * harness.sizes.segment_bytes);
    ask_all(SHARD_DELETE, 900, 0);
    harness_idle(&harness, 30 * SECOND_NS);
    assert_int_equal(status_now().keys, 0);
    assert_true(status_now().disk_bytes <= bytes_of_an_empty_store() + 64u * 1024);
    close_store();
}

static void what_has_expired_gives_its_space_back_while_idle(void **state)
{
    (void)state;
    open_store(0);
    ask_all(SHARD_PUT, 900, io_wall_ms(harness.loops[0]) + 10000);
    uint64_t disk_bytes = status_now().disk_bytes;
    harness_idle(&harness, 5 * SECOND_NS);
    assert_true(status_now().disk_bytes >= disk_bytes);
    harness_idle(&harness, 40 * SECOND_NS);
    assert_int_equal(status_now().keys, 0);
    assert_true(status_now().disk_bytes <= bytes_of_an_empty_store() + 64u * 1024);
    close_store();
}

/* Their records may lie in the active segment for months: the files go without compaction. */
static void the_files_of_expired_large_values_go_while_idle(void **state)
{
    (void)state;
    char name[64];
    open_store(0);
    value_bytes = LARGE_BYTES;
    ask_all(SHARD_PUT, 5, io_wall_ms(harness.loops[0]) + 10000);
    harness_idle(&harness, 5 * SECOND_NS);
    extent_name(name, harness.set->epoch, 4);
    assert_true(io_simulator_file_bytes(harness.sim, name) > 0);
    assert_true(status_now().live_bytes > 5 * LARGE_BYTES);
    harness_idle(&harness, 10 * SECOND_NS);
    assert_true(io_simulator_file_bytes(harness.sim, name) < 0);
    assert_int_equal(status_now().keys, 0);
    assert_true(status_now().live_bytes < LARGE_BYTES);
    harness_crash(&harness, IO_CRASH_DROP);
    io_simulator_jump_wall_ms(harness.sim, -20000); /* the log knows how late it was */
    assert_int_equal(harness_open(&harness, 1), 0);
    ask_all(SHARD_GET, 5, 0);
    assert_int_equal(absent_count, 5);
    ask_all(SHARD_PUT, 5, 0);
    ask_all(SHARD_GET, 5, 0);
    assert_int_equal(found_count, 5);
    close_store();
}

/* At its usual pace the sweep would look at 5,000 keys in this time. */
static void many_expired_keys_are_noticed_faster_than_a_few(void **state)
{
    (void)state;
    open_store(0);
    value_bytes = 16;
    harness.set->compact_dead_percent = 101; /* compaction would notice them as well */
    uint64_t expires_at_ms = io_wall_ms(harness.loops[0]) + 60000;
    ask_all(SHARD_PUT, 30000, expires_at_ms);
    assert_int_equal(status_now().keys, 30000);
    uint64_t left_ms = expires_at_ms - io_wall_ms(harness.loops[0]);
    harness_idle(&harness, left_ms * (SECOND_NS / 1000) + SECOND_NS / 2);
    assert_int_equal(status_now().keys, 0);
    close_store();
}

static void write_amplification_can_be_read_from_the_counters(void **state)
{
    (void)state;
    open_store(0);
    uint64_t accepted = ask_all(SHARD_PUT, 300, 0);
    assert_int_equal(counted(COUNTER_STORE_BYTES_COMPACTED), 0);
    for (uint32_t i = 0; i < 20; i++)
        accepted += ask_all(SHARD_PUT, 200, 0);
    harness_idle(&harness, 5 * SECOND_NS);
    assert_int_equal(counted(COUNTER_STORE_BYTES_ACCEPTED), accepted);
    uint64_t compacted = counted(COUNTER_STORE_BYTES_COMPACTED);
    uint64_t written = counted(COUNTER_STORE_BYTES_WRITTEN);
    assert_true(compacted > 0);
    assert_true(written > accepted + compacted);
    assert_true(written < 2 * accepted);
    assert_true(counted(COUNTER_STORE_BYTES_PREPARED) >= harness.sizes.segment_bytes);
    close_store();
}

static void a_disk_full_of_work_makes_requests_wait_and_never_the_thread(void **state)
{
    (void)state;
    open_store(0);
    ask_all(SHARD_PUT, 300, 0);
    io_simulator_set_latency_us(harness.sim, IO_READ, 1000000);
    uint64_t now_ns = io_now_ns(harness.loops[0]);
    for (uint32_t key = 0; key < HARNESS_OPERATIONS; key++)
        ask(SHARD_GET, key, 0);
    store_advance(harness.stores[0]);
    assert_int_equal(io_now_ns(harness.loops[0]), now_ns); /* submitting took no time */
    assert_true(harness.stores[0]->io_count > 16);
    assert_true(io_in_flight(harness.loops[0]) <= 16);
    assert_true(harness_settle(&harness));
    assert_int_equal(found_count, HARNESS_OPERATIONS);
    close_store();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_scrubber_finds_a_flipped_bit_and_intact_keys_are_still_read),
        cmocka_unit_test(a_quarantined_segment_is_never_recycled_and_others_are),
        cmocka_unit_test(the_scrubber_keeps_to_its_rate_and_ends_its_pass),
        cmocka_unit_test(the_scrubber_finds_a_flipped_bit_in_a_large_value),
        cmocka_unit_test(a_large_value_that_is_replaced_while_it_is_scrubbed_is_no_damage),
        cmocka_unit_test(the_files_of_expired_large_values_go_while_idle),
        cmocka_unit_test(many_expired_keys_are_noticed_faster_than_a_few),
        cmocka_unit_test(a_store_that_was_emptied_gives_its_space_back_while_idle),
        cmocka_unit_test(what_has_expired_gives_its_space_back_while_idle),
        cmocka_unit_test(write_amplification_can_be_read_from_the_counters),
        cmocka_unit_test(a_disk_full_of_work_makes_requests_wait_and_never_the_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
