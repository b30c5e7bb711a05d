/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * storm.h - what happens beside the load, on the same core and port: a flood of spoofed SYNs, and
 *     newcomers, each of which opens a connection, asks once and leaves.
 *
 * Purpose:   does the server still serve those who were there before, and those who come honestly?
 * Ownership: the storm owns the newcomers' generator; the load's belongs to the caller and outlives
 *            it, as do network and packets.
 * Threading: one core; instead of generator_run_once, never beside it.
 * Units:     _ns on the caller's monotone clock.
 * Errors:    storm_create: 0 or a negative errno. A newcomer that is not served within
 *            STORM_NEWCOMER_NS of when it was due does not count as served.
 * Source:    RFC 4987.
 */
#ifndef GANNET_BENCH_STORM_H
#define GANNET_BENCH_STORM_H

#include "tests/bench/generator/generator.h"

#define STORM_NEWCOMER_NS UINT64_C(3000000000)

struct storm;

/* How many addresses after those of the load the newcomers take. */
uint32_t storm_addresses(const struct plan *plan);

int storm_create(const struct generator_config *config, struct generator *load, struct storm **out);
void storm_destroy(struct storm *storm);

/* One round of all of them. */
uint32_t storm_run_once(struct storm *storm, uint64_t now_ns);

/* Beside generator_run, generator_stop, generator_measure_begin and _end of the load. */
void storm_run(struct storm *storm, uint64_t now_ns);
void storm_stop(struct storm *storm);
bool storm_is_stopped(const struct storm *storm);
void storm_measure_begin(struct storm *storm, uint64_t now_ns);
/* Adds what was measured to the load's result. */
void storm_measure_end(struct storm *storm, uint64_t now_ns);

#endif
