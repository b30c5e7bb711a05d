/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * virtual_clock.h - one clock for the stack and the runner, and the calls that wait for it.
 *
 * Purpose:   time passes when the runner says so, or when nothing else can happen. Every timer runs
 *            at its own time, in order. A call that waits does so without real time passing.
 * Ownership: a waiting call's record is on its thread's stack.
 * Threading: inside a turn. The thread that made the clock never sleeps: it moves the clock. Any
 *            other thread sleeps, and when its call becomes ready the clock and whoever moves it
 *            stand still until that thread has asked for the time, or sleeps again: else the time
 *            at which the call returned would be a matter of luck.
 * Units:     microseconds, from a large start.
 * Errors:    negative errno.
 * Source:    none.
 */
#ifndef GANNET_PACKETDRILL_VIRTUAL_CLOCK_H
#define GANNET_PACKETDRILL_VIRTUAL_CLOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define CLOCK_START_US UINT64_C(1000000000000)
#define CLOCK_NEVER_US UINT64_MAX
#define CLOCK_PATIENCE_US UINT64_C(3600000000) /* nothing for so long: nothing will come */

struct adapter;
struct waiting_call;

struct virtual_clock {
    uint64_t now_us;
    pthread_t mover; /* the thread that never sleeps */
    struct waiting_call *waiting;
    pthread_t handed_to; /* while is_handing_over: who holds the clock */
    bool is_handing_over, is_handed_back;
};

void virtual_clock_init(struct virtual_clock *clock);

/* Runs what is due until then; afterwards the clock says at least so. */
void virtual_clock_run_until(struct adapter *adapter, uint64_t until_us);
/* Jumps to the next thing that is due and runs it. False: nothing is, up to the limit. */
bool virtual_clock_run_next(struct adapter *adapter, uint64_t limit_us);

/* After anything that may have made a sleeping call ready. */
void virtual_clock_wake_ready(struct adapter *adapter);
/* The calling thread has asked for the time: if the clock was handed to it, it goes on. */
void virtual_clock_hand_back(struct adapter *adapter);

/* Asked again and again until true; `fd` may have been closed meanwhile, which is ready too. */
typedef bool is_ready_function(struct adapter *adapter, const void *what);

/* 0: ready. -ETIMEDOUT: the deadline came first. -EAGAIN: nothing is pending that could help. */
int virtual_clock_wait(struct adapter *adapter, is_ready_function *is_ready, const void *what,
                       uint64_t deadline_us);

#endif
