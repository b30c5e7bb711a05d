/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wakeup.h - how a thread that polls rings goes to sleep, and how a producer wakes it, without
 *            losing one.
 *
 * Purpose:   a sleeping consumer is woken by one eventfd write; a busy one never costs a syscall.
 *            Who shares a core with a consumer lets it run.
 * Ownership: the consumer owns the sleeper; producers hold a pointer to it.
 * Threading: sleeper_* by the consumer only; wake by any thread.
 * Units:     nanoseconds.
 * Errors:    none: a failed eventfd write means the counter is full, and then the sleeper wakes
 *            anyway.
 * Source:    Dekker's handshake. Each side writes its word, passes a seq_cst fence, then reads the
 *            other's.
 *            Without the fences the store buffer hides one side's write and a wake-up is lost
 *            (tests/unit/wakeup_stress_test.c shows it when they are compiled out).
 */
#ifndef GANNET_WAKEUP_H
#define GANNET_WAKEUP_H

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "include/compiler.h"

struct sleeper {
    alignas(GUARD_BYTES) _Atomic uint32_t is_asleep;
    int event_fd;
};

#ifdef GANNET_WAKEUP_WITHOUT_FENCES /* the stress test proves that it would notice */
#define WAKEUP_FENCE() atomic_signal_fence(memory_order_seq_cst)
#else
#define WAKEUP_FENCE() atomic_thread_fence(memory_order_seq_cst)
#endif

/* 0 or a negative errno. */
static inline int sleeper_init(struct sleeper *sleeper)
{
    atomic_store_explicit(&sleeper->is_asleep, 0, memory_order_relaxed);
    sleeper->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return sleeper->event_fd < 0 ? -errno : 0;
}

static inline void sleeper_destroy(struct sleeper *sleeper)
{
    if (sleeper->event_fd >= 0)
        close(sleeper->event_fd);
    sleeper->event_fd = -1;
}

/*
 * Consumer: announce sleep. After this the caller checks every input once more, and then either
 * sleeps on event_fd (poll, or an io_uring multishot poll) or calls sleeper_awake.
 */
static inline void sleeper_announce(struct sleeper *sleeper)
{
    atomic_store_explicit(&sleeper->is_asleep, 1, memory_order_relaxed);
    WAKEUP_FENCE(); /* pairs with the fence in wake_if_asleep */
}

/* Consumer: awake again, for whatever reason. Drains the eventfd so that the next sleep is a real
 * one. */
static inline void sleeper_awake(struct sleeper *sleeper)
{
    if (atomic_exchange_explicit(&sleeper->is_asleep, 0, memory_order_relaxed) == 0) {
        /* A producer took the flag, so it wrote (or is about to write) the eventfd. */
        uint64_t count;
        ssize_t ignored = read(sleeper->event_fd, &count, sizeof(count));
        (void)ignored;
    }
}

/* Producer: call once per round after the last enqueue to this consumer. */
static inline void wake_if_asleep(struct sleeper *sleeper)
{
    WAKEUP_FENCE(); /* pairs with the fence in sleeper_announce */
    if (atomic_load_explicit(&sleeper->is_asleep, memory_order_relaxed) == 0)
        return;
    if (atomic_exchange_explicit(&sleeper->is_asleep, 0, memory_order_relaxed) == 1) {
        uint64_t one = 1;
        ssize_t ignored = write(sleeper->event_fd, &one, sizeof(one));
        (void)ignored;
    }
}

/* Who was woken and waits for this core has it now (sched(7)); nothing if nobody waits. */
static inline void give_way(void)
{
    sched_yield();
}

#endif
