/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/timer_wheel.h"
#include "include/compiler.h"
#include "include/random.h"

#define TIMERS 200u

static uint32_t random_distance(struct random *random)
{
    return 1 + random_below(random, 1u << (1 + random_below(random, 28)));
}

/* Every timer fires exactly once, never early, and in the first advance that reaches its tick. */
static void timers_fire_like_those_of_a_list(void **state)
{
    (void)state;
    struct random random = {42};
    for (uint32_t start = 0xffff0000; start != 0x10000 + 0x4000; start += 0x4000) {
        struct timer_wheel *wheel = timer_wheel_create(TIMERS, start);
        assert_non_null(wheel);
        uint32_t deadline[TIMERS];
        bool is_armed[TIMERS] = {false};
        uint32_t now = start;
        for (int step = 0; step < 1000; step++) {
            uint32_t index = random_below(&random, TIMERS);
            if (random_chance(&random, 200)) {
                timer_wheel_cancel(wheel, index);
                is_armed[index] = false;
            } else {
                deadline[index] = now + random_distance(&random);
                timer_wheel_arm(wheel, index, deadline[index]);
                is_armed[index] = true;
            }
            uint32_t ticks;
            bool has_next = timer_wheel_next(wheel, now, &ticks);
            for (uint32_t i = 0; i < TIMERS; i++)
                if (is_armed[i] && (!has_next || ticks > deadline[i] - now))
                    fail_msg("timer %u at %u, but the wheel would sleep longer", i, deadline[i]);
            now += random_chance(&random, 500) ? random_below(&random, 4)
                                               : random_distance(&random) / 4;
            uint32_t fired[7];
            uint32_t count;
            do {
                count = timer_wheel_advance(wheel, now, fired, ARRAY_COUNT(fired));
                for (uint32_t i = 0; i < count; i++) {
                    if (!is_armed[fired[i]] || (int32_t)(now - deadline[fired[i]]) < 0)
                        fail_msg("timer %u fired early or twice", fired[i]);
                    is_armed[fired[i]] = false;
                }
            } while (count == ARRAY_COUNT(fired));
            for (uint32_t i = 0; i < TIMERS; i++)
                if (is_armed[i] && (int32_t)(now - deadline[i]) >= 0)
                    fail_msg("timer %u did not fire: due %u, now %u", i, deadline[i], now);
        }
        timer_wheel_destroy(wheel);
    }
}

static void a_timer_in_the_past_fires_with_the_next_tick(void **state)
{
    (void)state;
    struct timer_wheel *wheel = timer_wheel_create(1, 1000);
    uint32_t fired;
    timer_wheel_arm(wheel, 0, 10);
    assert_int_equal(timer_wheel_advance(wheel, 1000, &fired, 1), 0);
    assert_int_equal(timer_wheel_advance(wheel, 1001, &fired, 1), 1);
    uint32_t ticks;
    assert_false(timer_wheel_next(wheel, 1001, &ticks));
    timer_wheel_destroy(wheel);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_fire_like_those_of_a_list),
        cmocka_unit_test(a_timer_in_the_past_fires_with_the_next_tick),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
