/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "control/loop_thread.h"
#include "include/log.h"
#include "include/server_config.h"

/* A loop that sleeps until it is told to stop, and remembers what was called. */
struct loop {
    struct loop_thread thread;
    struct sleeper sleeper;
    int open_result;
    char name[16];
    uint32_t opened, ran, closed;
};

static const struct core_list any_core;

static int loop_open(void *context, const char *thread_name)
{
    struct loop *loop = context;
    loop->opened++;
    memcpy(loop->name, thread_name, sizeof(loop->name));
    return loop->open_result;
}

static void loop_run(void *context)
{
    struct loop *loop = context;
    loop->ran++;
    while (!loop_thread_should_stop(&loop->thread)) {
        sleeper_announce(&loop->sleeper);
        struct pollfd input = {.fd = loop->sleeper.event_fd, .events = POLLIN};
        if (!loop_thread_should_stop(&loop->thread))
            poll(&input, 1, 10000);
        sleeper_awake(&loop->sleeper);
    }
}

static void loop_close(void *context)
{
    ((struct loop *)context)->closed++;
}

static const struct loop_thread_body body = {loop_open, loop_run, loop_close};

static void a_thread_runs_under_its_name_until_it_is_woken_to_stop(void **state)
{
    (void)state;
    static struct loop loop;
    assert_int_equal(sleeper_init(&loop.sleeper), 0);
    assert_int_equal(loop_thread_start(&loop.thread, "control", 12, &any_core, &body, &loop), 0);
    assert_string_equal(loop.name, "control12");
    assert_int_equal(loop.closed, 0);
    loop_thread_stop(&loop.thread, &loop.sleeper);
    assert_int_equal(loop.ran, 1);
    assert_int_equal(loop.closed, 1);
    sleeper_destroy(&loop.sleeper);
}

static void parts_that_do_not_open_are_closed_and_end_the_start(void **state)
{
    (void)state;
    static struct loop loop = {.open_result = -ENOMEM};
    assert_int_equal(loop_thread_start(&loop.thread, "task", 0, &any_core, &body, &loop), -ENOMEM);
    assert_int_equal(loop.opened, 1);
    assert_int_equal(loop.ran, 0);
    assert_int_equal(loop.closed, 1);
}

static void a_core_that_is_not_there_ends_the_start_before_anything_opens(void **state)
{
    (void)state;
    static struct loop loop;
    static const struct core_list nowhere = {.core_count = 1, .cores = {9999}};
    assert_int_equal(loop_thread_start(&loop.thread, "task", 0, &nowhere, &body, &loop), -EINVAL);
    assert_int_equal(loop.opened, 0);
    assert_int_equal(loop.closed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_runs_under_its_name_until_it_is_woken_to_stop),
        cmocka_unit_test(parts_that_do_not_open_are_closed_and_end_the_start),
        cmocka_unit_test(a_core_that_is_not_there_ends_the_start_before_anything_opens),
    };
    log_set_level(LOG_LEVEL_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
