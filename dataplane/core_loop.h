/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * core_loop.h - READ FIRST: one worker and one round of its poll loop.
 *
 * Purpose:   the table of contents of the dataplane: receive, TCP, HTTP, store answers, transmit.
 * Ownership: a core owns its stack, its API state, its cache part and its packets, for life.
 * Threading: core_run_once by the worker's own thread (or by a simulation, one core after another);
 *            the fields under "shared" may be read and set by the main thread.
 * Units:     _ns monotone, _us in the configuration.
 * Errors:    create returns a negative errno.
 * Source:    run to completion in batches, after IX and Seastar; see ARCHITECTURE.md.
 */
#ifndef GANNET_CORE_LOOP_H
#define GANNET_CORE_LOOP_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "include/clock.h"
#include "include/compiler.h"
#include "include/key_hash.h"

struct access_ring;
struct api_handler;
struct blob_pool;
struct blob_stock;
struct counters;
struct limit_table;
struct limited_clients;
struct live_board;
struct live_settings;
struct network;
struct packet;
struct response_cache;
struct rte_mempool;
struct server_config;
struct shard_client;
struct shard_fabric;
struct sleeper;
struct space_counts;
struct task_client;
struct tcp_stack;
struct trace_ring;

enum core_level {
    CORE_LEVEL_HALF_OPEN = 0,
    CORE_LEVEL_TIME_WAIT,
    CORE_LEVEL_PACKETS_HELD,
    CORE_LEVEL_OUT_OF_ORDER,
    CORE_LEVEL_COUNT,
};

enum core_phase {
    CORE_SERVING = 0,
    CORE_DRAINING, /* no new connections; the open ones are closed after their answer */
    CORE_STOPPED,
};

/* What all cores of a process share, and what makes runs repeatable. */
struct core_shared {
    const struct server_config *server; /* as started: what a reload does not change */
    struct live_board *live;            /* what it does; worker i is its reader i */
    struct shard_fabric *fabric;
    struct response_cache *cache;
    struct blob_pool *blobs;
    struct wall_clock *wall_clock;
    uint64_t cache_hash_seed;
    struct siphash_key siphash_key;
    struct limit_table *limits; /* who has asked how much */
    const struct space_counts *space_counts;
};

struct core {
    const struct core_shared *shared;
    struct round_time time;
    struct network *network;
    struct tcp_stack *tcp;
    struct api_handler *api;
    struct shard_client *shards;
    struct task_client *tasks;
    struct blob_stock *stock;
    const struct live_settings *settings;
    struct counters *counters;
    struct sleeper *sleeper;
    uint32_t index;
    enum core_phase phase;
    uint64_t idle_since_ns;
    uint64_t levels_shown_ns;
    uint64_t yielded_ns;
    uint32_t rx_burst; /* frames taken from a port this round: adapts, at most workers.rx_burst */
    uint32_t full_rounds; /* in a row, in which a port had all of them */

    /* shared with the main thread */
    alignas(GUARD_BYTES) _Atomic uint32_t wanted_phase; /* enum core_phase */
    _Atomic uint32_t open_connections;
    _Atomic uint32_t levels[CORE_LEVEL_COUNT]; /* a millisecond old at most while it works */
    _Atomic uint32_t is_running;
    _Atomic uint64_t rounds; /* heartbeat */
};

struct core_config {
    const struct core_shared *shared;
    struct network *network; /* its ports and addresses are set up */
    struct rte_mempool *packets;
    struct rte_mempool *descriptors; /* packets without room of their own, for value bytes */
    uint64_t now_ns;
    struct blob_stock
        *stock; /* outlives the core and the cache, whose entries go back through it */
    struct counters *counters;
    struct trace_ring *trace;        /* outlives the core; NULL: none */
    struct access_ring *access_ring; /* outlives the core; NULL: no access log */
    struct limited_clients *limited; /* outlives the core; NULL: nobody asks */
    uint32_t index;
    uint64_t random_seed;
};

int core_create(const struct core_config *config, struct core **core);
void core_destroy(struct core *core);

/* One round at the given time. Returns how much there was to do; 0 means idle. */
uint32_t core_run_once(struct core *core, const struct round_time *time);

/* The thread: rounds until the main thread wants it to stop; sleeps if it may and nothing comes. */
void core_run(struct core *core);

#endif
