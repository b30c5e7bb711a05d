/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * store_harness.h - a whole store on a simulated machine: threads, disk, time, all from one seed.
 *
 * Purpose:   tests submit operations and advance; nothing here knows what the right answer is.
 * Ownership: the harness owns machine, store and operations.
 * Threading: one thread plays all control threads in turn.
 * Units:     virtual _ns and _ms.
 * Errors:    harness_open returns what store_set_open returned.
 * Source:    ARCHITECTURE.md, "How it is verified".
 */
#ifndef GANNET_STORE_HARNESS_H
#define GANNET_STORE_HARNESS_H

#include <stdbool.h>
#include <stdint.h>

#include "control/io_simulator.h"
#include "control/store.h"
#include "control/store_log.h"
#include "include/server_config.h"
#include "include/shard_operation.h"

#define HARNESS_THREADS_MAX 4u
#define HARNESS_OPERATIONS 64u

struct harness {
    struct io_simulator *sim;
    struct server_config config;
    struct store_sizes sizes;
    struct blob_pool *pool;
    struct blob_stock *stock;
    struct counters *counters;
    struct store_set *set; /* NULL: closed */
    struct io_loop *loops[HARNESS_THREADS_MAX];
    struct store *stores[HARNESS_THREADS_MAX];
    uint32_t thread_count;
    struct shard_operation *free_operations;
    uint32_t in_flight;
    /* called for every answer; the operation is taken back afterwards */
    void (*answer)(void *context, struct shard_operation *operation);
    void *context;
    uint64_t wall_ms;
};

void harness_init(struct harness *harness, uint64_t seed);
void harness_destroy(struct harness *harness);

int harness_open(struct harness *harness, uint32_t thread_count);
void harness_close(struct harness *harness);
/* Power loss: the store's memory goes, unanswered operations are taken back unanswered. */
void harness_crash(struct harness *harness, enum io_crash_mode mode);
/* Forgets the store of a machine that died in harness_open. */
void harness_drop_loops(struct harness *harness);

/* NULL: all are in flight. The caller fills in verb, key, ... and submits. */
struct shard_operation *harness_operation(struct harness *harness, enum shard_verb verb,
                                          const void *key, uint32_t key_bytes);
void harness_set_value(struct harness *harness, struct shard_operation *operation,
                       const uint8_t *value, uint32_t value_bytes);
void harness_submit(struct harness *harness, struct shard_operation *operation);
/* An operation that the test itself reaped, with the value it may hold. */
void harness_give_back(struct harness *harness, struct shard_operation *operation);
uint8_t *harness_copy_value(struct shard_operation *operation, uint8_t *out);

/* One round of every thread and a little time. */
void harness_round(struct harness *harness);
/* Until nothing is in flight. False: it does not end (or the machine crashed). */
bool harness_settle(struct harness *harness);
/* The counts of shards and namespaces are what a walk of the index finds; else it aborts. */
void harness_check_counts(const struct harness *harness);
/* Idle rounds for so long. */
void harness_idle(struct harness *harness, uint64_t ns);

#endif
