/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * clock.h - the only source of time. Threads read it once per round and pass the value down.
 *
 * Purpose:   monotone nanoseconds for timers, wall milliseconds for TTL and dates.
 * Ownership: none; struct round_time belongs to the thread that fills it.
 * Threading: any.
 * Units:     _ns since an arbitrary start (CLOCK_MONOTONIC); _ms since 1970 (wall).
 * Errors:    none.
 * Source:    the TSC is read through the vDSO: about 20 ns once per round, and correct in virtual
 *            machines.
 */
#ifndef GANNET_CLOCK_H
#define GANNET_CLOCK_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

#include "include/compiler.h"

#define NS_PER_US UINT64_C(1000)
#define NS_PER_MS UINT64_C(1000000)
#undef NS_PER_S /* DPDK's rte_cycles.h defines it too, to the same value */
#define NS_PER_S UINT64_C(1000000000)

/* Simulations build this by hand; nothing below the loop ever reads a clock. */
struct round_time {
    uint64_t now_ns;  /* monotone */
    uint64_t wall_ms; /* wall clock made monotone for the life of the process (clock_wall_ms) */
};

static inline uint64_t clock_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* The process's one wall clock: it never goes back, whatever happens to the system's. */
struct wall_clock {
    alignas(GUARD_BYTES) _Atomic uint64_t newest_ms; /* written by any thread */
};

static inline uint64_t clock_system_wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / NS_PER_MS;
}

static inline uint64_t wall_clock_read(struct wall_clock *clock)
{
    uint64_t now_ms = clock_system_wall_ms();
    uint64_t newest_ms = atomic_load_explicit(&clock->newest_ms, memory_order_relaxed);
    while (now_ms > newest_ms) /* the shared line is written at most once a millisecond */
        if (atomic_compare_exchange_weak_explicit(&clock->newest_ms, &newest_ms, now_ms,
                                                  memory_order_relaxed, memory_order_relaxed))
            return now_ms;
    return newest_ms;
}

#endif
