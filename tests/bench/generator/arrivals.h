/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * arrivals.h - when the next request of an open loop falls due, whatever the server does.
 *
 * Purpose:   due times whose average is the asked rate, over any length of run.
 * Ownership: plain data, one per core and step.
 * Threading: its core only.
 * Units:     nanoseconds on the caller's clock; the rate is that of all cores together.
 * Errors:    none; a rate above 0 is the caller's promise.
 * Source:    constant: whole nanoseconds, the remainder carried (Bresenham), cores interleaved.
 *            Poisson: gaps -ln(u) * mean; the sum over cores is Poisson again. Due times are
 *            summed in double from the start, which keeps 0.01 ns over a day.
 */
#ifndef GANNET_BENCH_ARRIVALS_H
#define GANNET_BENCH_ARRIVALS_H

#include <math.h>
#include <stdint.h>

#include "include/random.h"
#include "tests/bench/generator/plan.h"

struct arrivals {
    enum plan_arrivals kind;
    uint64_t due_ns; /* of the next request */
    uint64_t start_ns;
    double mean_gap_ns, passed_ns;                 /* Poisson */
    uint64_t gap_ns, remainder, carry, rate_per_s; /* constant */
};

/* A random exponential number with mean 1. */
static inline double arrivals_exponential(struct random *random)
{
    double between_0_and_1 = ((double)(random_u64(random) >> 12) + 0.5) * 0x1p-52;
    return -log(between_0_and_1);
}

/* The request at due_ns was taken: when is the next? */
static inline void arrivals_advance(struct arrivals *arrivals, struct random *random)
{
    if (arrivals->kind == PLAN_POISSON) {
        arrivals->passed_ns += arrivals_exponential(random) * arrivals->mean_gap_ns;
        arrivals->due_ns = arrivals->start_ns + (uint64_t)arrivals->passed_ns;
        return;
    }
    arrivals->due_ns += arrivals->gap_ns;
    arrivals->carry += arrivals->remainder;
    if (arrivals->carry >= arrivals->rate_per_s) {
        arrivals->carry -= arrivals->rate_per_s;
        arrivals->due_ns++;
    }
}

/* Core `core_index` of `core_count` that share `rate_per_s`; nothing is due before start_ns. */
void arrivals_init(struct arrivals *arrivals, enum plan_arrivals kind, uint64_t rate_per_s,
                   uint32_t core_index, uint32_t core_count, uint64_t start_ns,
                   struct random *random);

#endif
