/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * config_plan.h - what a configuration would run, in the words of an operator.
 *
 * Purpose:   the output of `gannet check`: workers, ports, memory, limits, what a crash may lose.
 * Ownership: none.
 * Threading: any; no state.
 * Units:     MiB, rounded up.
 * Errors:    none.
 * Source:    none.
 */
#ifndef GANNET_CONFIG_PLAN_H
#define GANNET_CONFIG_PLAN_H

#include <stdint.h>
#include <stdio.h>

#include "include/server_config.h"

/* worker_count: after `auto` was resolved. */
struct config_memory {
    uint64_t packets_mib, operations_mib, cache_mib, connections_mib; /* over all workers */
    uint64_t values_mib;
    uint64_t index_mib; /* ordinary memory, at most */
    uint64_t pages_mib; /* what is reserved at start: everything but the index */
};

uint32_t config_worker_count(const struct server_config *config);
struct config_memory config_memory_estimate(const struct server_config *config,
                                            uint32_t worker_count);
void config_print_plan(FILE *file, const struct server_config *config);

#endif
