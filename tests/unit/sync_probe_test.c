/* SPDX-License-Identifier: BSD-3-Clause */
/* How commits become durable: measured once, remembered, overruled by configuration. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "include/compiler.h"
#include "include/log.h"
#include "tests/sim/store_harness.h"

static void use(struct harness *harness, uint32_t fdatasync_us, uint32_t dsync_us)
{
    harness_init(harness, 1);
    harness->config.store.sync_method = CONFIG_SYNC_METHOD_AUTO;
    io_simulator_set_latency_us(harness->sim, IO_SYNC_DATA, fdatasync_us);
    io_simulator_set_latency_us(harness->sim, IO_WRITE_DURABLE, dsync_us);
}

static struct store_status open_and_close(struct harness *harness)
{
    struct store_status status;
    assert_int_equal(harness_open(harness, 1), 0);
    store_set_status(harness->set, &status);
    harness_close(harness);
    return status;
}

static void the_faster_method_is_chosen(void **state)
{
    (void)state;
    static const struct {
        uint32_t fdatasync_us, dsync_us;
        const char *expected;
    } cases[] = {{400, 40, "dsync"}, {40, 2000, "fdatasync"}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct harness harness;
        use(&harness, cases[i].fdatasync_us, cases[i].dsync_us);
        struct store_status status = open_and_close(&harness);
        assert_string_equal(status.sync_method, cases[i].expected);
        assert_true(status.sync_fdatasync_us > 0 && status.sync_dsync_us > 0);
        assert_int_equal(status.sync_dsync_us < status.sync_fdatasync_us, i == 0);
        harness_destroy(&harness);
    }
}

static void it_is_measured_once_and_again_after_a_method_was_configured(void **state)
{
    (void)state;
    struct harness harness;
    use(&harness, 400, 40);
    struct store_status first = open_and_close(&harness);
    /* the disk changes its mind; the record does not, not even after a crash */
    io_simulator_set_latency_us(harness.sim, IO_SYNC_DATA, 40);
    io_simulator_set_latency_us(harness.sim, IO_WRITE_DURABLE, 2000);
    assert_int_equal(harness_open(&harness, 1), 0);
    harness_crash(&harness, IO_CRASH_DROP);
    struct store_status second = open_and_close(&harness);
    assert_string_equal(second.sync_method, "dsync");
    assert_int_equal(second.sync_dsync_us, first.sync_dsync_us);

    harness.config.store.sync_method = CONFIG_SYNC_METHOD_DSYNC;
    struct store_status third = open_and_close(&harness);
    assert_string_equal(third.sync_method, "dsync");
    assert_int_equal(third.sync_dsync_us, 0);
    harness.config.store.sync_method = CONFIG_SYNC_METHOD_AUTO;
    assert_string_equal(open_and_close(&harness).sync_method, "fdatasync");
    harness_destroy(&harness);
}

static void a_configured_method_is_used_whatever_is_faster(void **state)
{
    (void)state;
    struct harness harness;
    use(&harness, 2000, 40);
    harness.config.store.sync_method = CONFIG_SYNC_METHOD_FDATASYNC;
    struct store_status status = open_and_close(&harness);
    assert_string_equal(status.sync_method, "fdatasync");
    assert_int_equal(status.sync_fdatasync_us, 0); /* nothing was measured */
    harness.config.store.sync = CONFIG_SYNC_INTERVAL;
    harness.config.store.sync_method = CONFIG_SYNC_METHOD_AUTO;
    assert_string_equal(open_and_close(&harness).sync_method, "interval");
    harness_destroy(&harness);
}

/* The operations of an undisturbed first start before the first durable write. */
static uint64_t operations_before_the_probe(void)
{
    struct harness harness;
    use(&harness, 400, 40);
    harness.config.store.sync_method = CONFIG_SYNC_METHOD_FDATASYNC;
    uint64_t first = io_simulator_operations(harness.sim);
    assert_int_equal(harness_open(&harness, 1), 0);
    uint64_t count = io_simulator_operations(harness.sim) - first;
    harness_crash(&harness, IO_CRASH_DROP);
    harness_destroy(&harness);
    return count;
}

static void where_durable_writes_are_refused_it_is_fdatasync(void **state)
{
    (void)state;
    struct harness harness;
    uint64_t at = operations_before_the_probe();
    use(&harness, 400, 40);
    io_simulator_fault_at(harness.sim, at, IO_FAULT_ERROR, EOPNOTSUPP);
    assert_string_equal(open_and_close(&harness).sync_method, "fdatasync");
    harness_destroy(&harness);

    use(&harness, 400, 40);
    harness.config.store.sync_method = CONFIG_SYNC_METHOD_DSYNC; /* then the start says so */
    io_simulator_fault_at(harness.sim, at, IO_FAULT_ERROR, EOPNOTSUPP);
    assert_int_equal(harness_open(&harness, 1), -EOPNOTSUPP);
    harness_drop_loops(&harness);
    harness_destroy(&harness);
}

static void on_a_full_disk_nothing_is_measured(void **state)
{
    (void)state;
    struct harness harness;
    use(&harness, 400, 40);
    io_simulator_set_capacity(harness.sim, 40u << 10); /* no room for a segment */
    struct store_status status = open_and_close(&harness);
    assert_string_equal(status.sync_method, "fdatasync");
    assert_int_equal(status.sync_dsync_us, 0);
    io_simulator_set_capacity(harness.sim, 64u << 20);
    assert_string_equal(open_and_close(&harness).sync_method, "dsync");
    harness_destroy(&harness);
}

int main(void)
{
    log_set_level((enum log_level) - 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_faster_method_is_chosen),
        cmocka_unit_test(it_is_measured_once_and_again_after_a_method_was_configured),
        cmocka_unit_test(a_configured_method_is_used_whatever_is_faster),
        cmocka_unit_test(where_durable_writes_are_refused_it_is_fdatasync),
        cmocka_unit_test(on_a_full_disk_nothing_is_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
