/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>

#include "control/thread_pin.h"
#include "include/log.h"
#include "include/server_config.h"

static cpu_set_t at_start;

static int restore(void **state)
{
    (void)state;
    return sched_setaffinity(0, sizeof(at_start), &at_start);
}

static cpu_set_t now(void)
{
    cpu_set_t cores;
    assert_int_equal(sched_getaffinity(0, sizeof(cores), &cores), 0);
    return cores;
}

static uint16_t allowed_core(uint32_t index)
{
    for (uint16_t core = 0; core < CPU_SETSIZE; core++)
        if (CPU_ISSET(core, &at_start) && index-- == 0)
            return core;
    fail_msg("no such core");
    return 0;
}

static void a_list_is_taken_as_it_is(void **state)
{
    (void)state;
    struct core_list cores = {.core_count = 1, .cores = {allowed_core(0)}};
    assert_int_equal(thread_pin(&cores), 0);
    cpu_set_t pinned = now();
    assert_int_equal(CPU_COUNT(&pinned), 1);
    assert_true(CPU_ISSET(cores.cores[0], &pinned));
}

static void an_empty_list_changes_nothing(void **state)
{
    (void)state;
    struct core_list none = {0};
    assert_int_equal(thread_pin(&none), 0);
    assert_int_equal(thread_pin_one(&none, 3), 0);
    cpu_set_t same = now();
    assert_true(CPU_EQUAL(&same, &at_start));
}

static void threads_go_round_the_list(void **state)
{
    (void)state;
    if (CPU_COUNT(&at_start) < 2)
        skip();
    struct core_list cores = {.core_count = 2, .cores = {allowed_core(0), allowed_core(1)}};
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(thread_pin_one(&cores, i), 0);
        cpu_set_t pinned = now();
        assert_int_equal(CPU_COUNT(&pinned), 1);
        assert_true(CPU_ISSET(cores.cores[i % 2], &pinned));
    }
    assert_int_equal(thread_pin(&cores), 0); /* from one core back to both */
    cpu_set_t both = now();
    assert_int_equal(CPU_COUNT(&both), 2);
}

static void one_that_never_interrupts_says_so_to_the_scheduler(void **state)
{
    (void)state;
    assert_int_equal(sched_getscheduler(0), SCHED_OTHER);
    thread_never_interrupts();
    assert_int_equal(sched_getscheduler(0), SCHED_BATCH);
    struct sched_param none = {0};
    assert_int_equal(sched_setscheduler(0, SCHED_OTHER, &none), 0);
}

static void a_core_that_is_not_there_is_refused(void **state)
{
    (void)state;
    struct core_list cores = {.core_count = 2, .cores = {allowed_core(0), 1000}};
    log_set_level((enum log_level) - 1);
    assert_int_equal(thread_pin(&cores), -EINVAL);
    cores.cores[1] = 60000;
    assert_int_equal(thread_pin(&cores), -EINVAL);
    log_set_level(LOG_LEVEL_INFO);
    cpu_set_t same = now();
    assert_true(CPU_EQUAL(&same, &at_start));
}

static void long_names_are_cut(void **state)
{
    (void)state;
    char name[16];
    thread_name("worker0");
    pthread_getname_np(pthread_self(), name, sizeof(name));
    assert_string_equal(name, "worker0");
    thread_name("a-name-longer-than-the-kernel-keeps");
    pthread_getname_np(pthread_self(), name, sizeof(name));
    assert_string_equal(name, "a-name-longer-t");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_list_is_taken_as_it_is, restore),
        cmocka_unit_test_teardown(an_empty_list_changes_nothing, restore),
        cmocka_unit_test_teardown(threads_go_round_the_list, restore),
        cmocka_unit_test_teardown(a_core_that_is_not_there_is_refused, restore),
        cmocka_unit_test(one_that_never_interrupts_says_so_to_the_scheduler),
        cmocka_unit_test(long_names_are_cut),
    };
    sched_getaffinity(0, sizeof(at_start), &at_start);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
