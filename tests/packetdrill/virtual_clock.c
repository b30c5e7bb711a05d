/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/packetdrill/virtual_clock.h"

#include <errno.h>

#include "include/assert_policy.h"
#include "tests/packetdrill/adapter.h"

struct waiting_call {
    struct waiting_call *next;
    pthread_t thread;
    is_ready_function *is_ready;
    const void *what;
    uint64_t deadline_us;
    bool is_awake;
};

void virtual_clock_init(struct virtual_clock *clock)
{
    *clock = (struct virtual_clock){.now_us = CLOCK_START_US, .mover = pthread_self()};
}

static uint64_t next_due_us(const struct adapter *adapter)
{
    uint64_t due_ns = tcp_next_timer_ns(adapter->tcp);
    uint64_t due_us = due_ns == UINT64_MAX ? CLOCK_NEVER_US : (due_ns + 999) / 1000;
    if (adapter->clock.is_handing_over) /* whoever moves the clock looks at the others later */
        return due_us;
    for (const struct waiting_call *call = adapter->clock.waiting; call; call = call->next)
        if (call->deadline_us < due_us)
            due_us = call->deadline_us;
    return due_us;
}

bool virtual_clock_run_next(struct adapter *adapter, uint64_t limit_us)
{
    struct virtual_clock *clock = &adapter->clock;
    uint64_t due_us = next_due_us(adapter);
    if (due_us > limit_us)
        return false;
    if (due_us > clock->now_us)
        clock->now_us = due_us;
    adapter_settle(adapter);
    virtual_clock_wake_ready(adapter);
    return true;
}

void virtual_clock_run_until(struct adapter *adapter, uint64_t until_us)
{
    while (virtual_clock_run_next(adapter, until_us))
        continue;
    if (adapter->clock.now_us < until_us)
        adapter->clock.now_us = until_us;
}

/* ---- calls that wait ---- */

static bool is_over(struct adapter *adapter, const struct waiting_call *call)
{
    return adapter->is_ending || adapter->clock.now_us >= call->deadline_us ||
           call->is_ready(adapter, call->what);
}

static struct waiting_call *take_one_that_is_over(struct adapter *adapter)
{
    for (struct waiting_call **at = &adapter->clock.waiting; *at; at = &(*at)->next) {
        struct waiting_call *call = *at;
        if (is_over(adapter, call)) {
            *at = call->next;
            return call;
        }
    }
    return NULL;
}

void virtual_clock_wake_ready(struct adapter *adapter)
{
    struct virtual_clock *clock = &adapter->clock;
    struct waiting_call *call;
    if (clock->is_handing_over) /* whoever was woken does this: one after the other */
        return;
    while ((call = take_one_that_is_over(adapter)) != NULL) {
        clock->handed_to = call->thread;
        clock->is_handed_back = false;
        clock->is_handing_over = true;
        turns_signal(&adapter->turns, &call->is_awake);
        turns_wait(&adapter->turns, &clock->is_handed_back);
        clock->is_handing_over = false;
    }
}

void virtual_clock_hand_back(struct adapter *adapter)
{
    struct virtual_clock *clock = &adapter->clock;
    if (clock->is_handing_over && pthread_equal(clock->handed_to, pthread_self()))
        turns_signal(&adapter->turns, &clock->is_handed_back);
}

static int wait_asleep(struct adapter *adapter, struct waiting_call *call)
{
    call->next = adapter->clock.waiting;
    adapter->clock.waiting = call;
    virtual_clock_hand_back(adapter);
    turns_wait(&adapter->turns, &call->is_awake);
    if (adapter->is_ending) { /* the runner will not ask for the time any more */
        virtual_clock_hand_back(adapter);
        return -EBADF;
    }
    return call->is_ready(adapter, call->what) ? 0 : -ETIMEDOUT;
}

static int wait_moving(struct adapter *adapter, struct waiting_call *call)
{
    uint64_t patience_us = adapter->clock.now_us + CLOCK_PATIENCE_US;
    uint64_t limit_us = call->deadline_us < patience_us ? call->deadline_us : patience_us;
    while (!call->is_ready(adapter, call->what)) {
        if (virtual_clock_run_next(adapter, limit_us))
            continue;
        if (call->deadline_us == CLOCK_NEVER_US)
            return -EAGAIN;
        virtual_clock_run_until(adapter, call->deadline_us);
        return call->is_ready(adapter, call->what) ? 0 : -ETIMEDOUT;
    }
    return 0;
}

int virtual_clock_wait(struct adapter *adapter, is_ready_function *is_ready, const void *what,
                       uint64_t deadline_us)
{
    struct waiting_call call = {
        .thread = pthread_self(), .is_ready = is_ready, .what = what, .deadline_us = deadline_us};
    if (pthread_equal(adapter->clock.mover, call.thread))
        return wait_moving(adapter, &call);
    return is_over(adapter, &call) ? (is_ready(adapter, what) ? 0 : -ETIMEDOUT)
                                   : wait_asleep(adapter, &call);
}
