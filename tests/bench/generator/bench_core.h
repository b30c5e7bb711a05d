/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench_core.h - the thread of one core: rounds, and what the main thread wants next.
 *
 * Purpose:   the only place of gannet-bench's hot path that reads a clock, once per round.
 * Ownership: the core owns its generator or responder.
 * Threading: bench_core_run on the core's own thread; the main thread writes the order and reads
 *            the atomics. After an order was carried out by all cores, the generator's result is
 *            the main thread's until the next BENCH_MEASURE.
 * Units:     nanoseconds.
 * Errors:    none.
 * Source:    none.
 */
#ifndef GANNET_BENCH_CORE_H
#define GANNET_BENCH_CORE_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "include/compiler.h"

struct generator;
struct responder;
struct storm;

enum bench_order_kind {
    BENCH_PAUSE = 0,
    BENCH_LOAD,
    BENCH_RUN,
    BENCH_MEASURE,
    BENCH_MEASURE_END,
    BENCH_STOP, /* resets the connections */
    BENCH_EXIT, /* the thread ends */
};

/* Written by the main thread alone, read by all cores. */
struct bench_order {
    alignas(GUARD_BYTES) _Atomic uint32_t number; /* grows with every order */
    enum bench_order_kind kind;
    uint64_t rate_per_s;
};

struct bench_core {
    alignas(GUARD_BYTES) const struct bench_order *order;
    struct generator *generator; /* NULL: this core responds */
    struct storm *storm;         /* NULL: nothing happens beside the load */
    struct responder *responder;
    uint64_t busy_ns, cpu_start_ns;
    uint64_t rest_ns; /* slept after a round without work; 0: it polls */

    /* read by the main thread */
    alignas(GUARD_BYTES) _Atomic uint32_t done; /* number of the order carried out last */
    _Atomic bool is_connected, is_loaded, is_stopped;
    _Atomic uint64_t answers; /* of a responder */
};

/* The thread: an argument of nic_runtime_launch. */
int bench_core_run(void *core);

#endif
