/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/config_reload.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct server_config running, fresh;
static struct record_slots slots;
static struct config_errors left, errors;

static void name_spaces(struct server_config *config, const char *const *names)
{
    memset(config->namespaces, 0, sizeof(config->namespaces));
    config->namespaces_count = 0;
    for (; *names; names++) {
        struct config_namespaces *space = &config->namespaces[config->namespaces_count++];
        snprintf(space->name, sizeof(space->name), "%s", *names);
        space->value_max = 1000;
    }
}

static int start(void **state)
{
    (void)state;
    config_defaults(&running);
    name_spaces(&running, (const char *const[]){"a", "b", "c", NULL});
    running.listeners_count = 1;
    running.listeners[0].port = 80;
    record_slots_init(&slots, &running);
    fresh = running;
    return 0;
}

static int merge(void)
{
    return config_reload_merge("f.yaml", &running, &slots, &fresh, &left, &errors);
}

static void what_can_be_reloaded_is_taken(void **state)
{
    (void)state;
    fresh.http.body_max = 4096;
    fresh.http.idle_timeout_ms = 100;
    fresh.admin.log_level = 3;
    fresh.routes_count = 1;
    snprintf(fresh.routes[0].path, sizeof(fresh.routes[0].path), "/echo/");
    assert_int_equal(merge(), 0);
    assert_int_equal(left.count, 0);
    assert_int_equal(fresh.http.body_max, 4096);
    assert_int_equal(fresh.http.idle_timeout_ms, 100);
    assert_int_equal(fresh.admin.log_level, 3);
    assert_int_equal(fresh.routes_count, 1);
}

static void what_takes_a_restart_is_named_and_stays(void **state)
{
    (void)state;
    fresh.tcp.connections = 1024;
    fresh.listeners[0].port = 8080;
    snprintf(fresh.store.directory, sizeof(fresh.store.directory), "/elsewhere");
    fresh.workers.cores.is_auto = false;
    fresh.workers.cores.core_count = 2;
    fresh.workers.cores.cores[0] = 3;
    fresh.workers.cores.cores[1] = 4;
    assert_int_equal(merge(), 0);
    static const char *const expected[] = {
        "workers.cores = 3-4: takes a restart; it stays auto",
        "tcp.connections = 1024: takes a restart; it stays 65536",
        "store.directory = \"/elsewhere\": takes a restart; it stays \"var/data\"",
        "listeners[0].port = 8080: takes a restart; it stays 80",
    };
    assert_int_equal(left.count, ARRAY_COUNT(expected));
    for (uint32_t i = 0; i < ARRAY_COUNT(expected); i++)
        assert_string_equal(left.lines[i], expected[i]);
    assert_memory_equal(&fresh, &running, sizeof(fresh));
}

static void more_listeners_take_a_restart(void **state)
{
    (void)state;
    fresh.listeners[fresh.listeners_count++].port = 81;
    assert_int_equal(merge(), 0);
    assert_int_equal(left.count, 1);
    assert_string_equal(left.lines[0],
                        "listeners: 2 instead of 1 takes a restart; they stay as they are");
    assert_int_equal(fresh.listeners_count, 1);
    assert_int_equal(fresh.listeners[0].port, 80);
}

static void a_value_must_fit_what_stays(void **state)
{
    (void)state;
    fresh.memory.values_mib = 1024;
    fresh.http.body_memory_mib = 512; /* good in its own file */
    assert_int_equal(merge(), -EINVAL);
    assert_int_equal(errors.count, 1);
    assert_non_null(strstr(errors.lines[0], "f.yaml: http.body_memory_mib: bodies come out of"));
}

static void namespaces_keep_their_numbers(void **state)
{
    (void)state;
    name_spaces(&fresh, (const char *const[]){"d", "c", "a", NULL});
    assert_int_equal(merge(), 0);
    static const char *const expected[] = {"a", "", "c", "d"};
    assert_int_equal(fresh.namespaces_count, ARRAY_COUNT(expected));
    for (uint32_t i = 0; i < ARRAY_COUNT(expected); i++)
        assert_string_equal(fresh.namespaces[i].name, expected[i]);

    running = fresh; /* b comes back, and has its number again */
    name_spaces(&fresh, (const char *const[]){"b", NULL});
    assert_int_equal(merge(), 0);
    assert_string_equal(fresh.namespaces[1].name, "b");
    config_reload_compact(&fresh);
    assert_int_equal(fresh.namespaces_count, 1);
    assert_string_equal(fresh.namespaces[0].name, "b");
}

static void too_many_names_since_the_start_are_refused(void **state)
{
    (void)state;
    for (uint32_t round = 0; round < 2; round++) {
        fresh.namespaces_count = 200;
        for (uint32_t i = 0; i < 200; i++)
            snprintf(fresh.namespaces[i].name, sizeof(fresh.namespaces[i].name), "n%u-%u", round,
                     i);
        int result = merge();
        assert_int_equal(result, round == 0 ? 0 : -EINVAL);
    }
    assert_non_null(strstr(errors.lines[0], "more than 256 names of namespaces"));
}

static void rate_limits_keep_their_numbers(void **state)
{
    (void)state;
    static const char *const before[] = {"ip", "key"}, *const after[] = {"key", "new"};
    running.rate_limits_count = fresh.rate_limits_count = 2;
    memset(fresh.rate_limits, 0, sizeof(fresh.rate_limits));
    for (uint32_t i = 0; i < 2; i++) {
        snprintf(running.rate_limits[i].name, sizeof(running.rate_limits[i].name), "%s", before[i]);
        fresh.rate_limits[i] = (struct config_rate_limits){.quota = 10 + i, .window_s = 1};
        snprintf(fresh.rate_limits[i].name, sizeof(fresh.rate_limits[i].name), "%s", after[i]);
    }
    record_slots_init(&slots, &running);
    assert_int_equal(merge(), 0);
    assert_int_equal(fresh.rate_limits_count, 3);
    assert_string_equal(fresh.rate_limits[0].name, "");
    assert_string_equal(fresh.rate_limits[1].name, "key");
    assert_int_equal(fresh.rate_limits[1].quota, 10);
    assert_string_equal(fresh.rate_limits[2].name, "new");
    config_reload_compact(&fresh);
    assert_int_equal(fresh.rate_limits_count, 2);
    assert_string_equal(fresh.rate_limits[1].name, "new");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_can_be_reloaded_is_taken, start),
        cmocka_unit_test_setup(what_takes_a_restart_is_named_and_stays, start),
        cmocka_unit_test_setup(more_listeners_take_a_restart, start),
        cmocka_unit_test_setup(a_value_must_fit_what_stays, start),
        cmocka_unit_test_setup(namespaces_keep_their_numbers, start),
        cmocka_unit_test_setup(too_many_names_since_the_start_are_refused, start),
        cmocka_unit_test_setup(rate_limits_keep_their_numbers, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
