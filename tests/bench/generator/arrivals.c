/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/bench/generator/arrivals.h"

#include "include/assert_policy.h"

#define NS_PER_SECOND 1000000000ull

void arrivals_init(struct arrivals *arrivals, enum plan_arrivals kind, uint64_t rate_per_s,
                   uint32_t core_index, uint32_t core_count, uint64_t start_ns,
                   struct random *random)
{
    ASSERT(rate_per_s > 0);
    ASSERT(core_index < core_count);
    /* A core's gap is core_count / rate_per_s seconds, as a quotient and what is left over. */
    *arrivals = (struct arrivals){
        .kind = kind,
        .due_ns = start_ns,
        .start_ns = start_ns,
        .mean_gap_ns = (double)(NS_PER_SECOND * core_count) / (double)rate_per_s,
        .gap_ns = NS_PER_SECOND * core_count / rate_per_s,
        .remainder = NS_PER_SECOND * core_count % rate_per_s,
        .rate_per_s = rate_per_s,
    };
    if (kind == PLAN_POISSON)
        arrivals_advance(arrivals, random); /* the first gap is random too */
    else
        arrivals->due_ns += NS_PER_SECOND * core_index / rate_per_s;
}
