/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * generator.h - one core's load: connections, requests, answers judged. One call is one round.
 *
 * Purpose:   a closed loop (a connection asks again when it was answered) or an open one (requests
 *            fall due whatever the server does), on Gannet's own TCP with active open.
 * Ownership: the generator owns its clients and its TCP stack; network, pools, counters and
 *            popularity belong to the caller and outlive it.
 * Threading: one core. generator_result is stable from generator_measure_end to the next
 *            generator_measure_begin; progress may be read at any time.
 * Units:     _ns on the caller's monotone clock.
 * Errors:    generator_create: 0 or a negative errno. What goes wrong with requests is counted
 *            in the result, each once.
 * Source:    open loop: latency counts from when a request was due, so that what waited behind a
 *            stall is seen (Tene, "coordinated omission"). Requests that are due and find no free
 *            pipeline slot wait as what they are: due times not yet drawn. So the backlog has no
 *            length to bound, and none of it is lost until the step ends.
 */
#ifndef GANNET_BENCH_GENERATOR_H
#define GANNET_BENCH_GENERATOR_H

#include <stdbool.h>
#include <stdint.h>

#include "include/key_hash.h"
#include "tests/bench/generator/plan.h"
#include "tests/bench/generator/popularity.h"
#include "tests/bench/generator/result.h"

struct counters;
struct generator;
struct network;
struct packet;
struct rte_mempool;

struct generator_config {
    const struct plan *plan;
    const struct popularity *popularity;
    struct network *network;
    struct rte_mempool *packets;
    struct counters *counters;
    struct result_progress *progress;
    uint32_t core_index, core_count;
    uint64_t now_ns;
    uint32_t first_endpoint; /* where the search for free ports begins */
    struct siphash_key key;  /* sequence numbers and flow hashes */
};

#define GENERATOR_PORTS_PER_ADDRESS 60000u

/* How many local addresses the plan takes. */
uint32_t generator_addresses(const struct plan *plan);

int generator_create(const struct generator_config *config, struct generator **out);
void generator_destroy(struct generator *generator);

/* Returns how much there was to do; 0 means idle. */
uint32_t generator_run_once(struct generator *generator, uint64_t now_ns);
/*
 * The round without its port, for several generators on one network: the caller receives, hands
 * each its segments, all of which it consumes, and flushes in the end.
 */
uint32_t generator_advance(struct generator *generator, struct packet **segments, uint32_t count,
                           uint64_t now_ns);

/* Nothing new is sent; what is under way is answered. The state after creation. */
void generator_pause(struct generator *generator);
/* PUTs this core's share of the keys, once each. */
void generator_load(struct generator *generator);
bool generator_is_loaded(const struct generator *generator);
/* The load of the plan; `rate_per_s` of all cores for an open loop. */
void generator_run(struct generator *generator, uint64_t rate_per_s, uint64_t now_ns);
/* Resets all connections, as fast as the port takes the resets. */
void generator_stop(struct generator *generator);
bool generator_is_stopped(const struct generator *generator);

/* All connections of the plan stand (never with `closes`: they come and go; then always true). */
bool generator_is_connected(const struct generator *generator);
uint32_t generator_open_count(const struct generator *generator);
uint32_t generator_in_flight(const struct generator *generator); /* requests */

void generator_measure_begin(struct generator *generator, uint64_t now_ns);
void generator_measure_end(struct generator *generator, uint64_t now_ns);
struct result *generator_result(struct generator *generator);

/* When the next request of an open loop is due; UINT64_MAX when none is. */
uint64_t generator_next_due_ns(const struct generator *generator);

#endif
