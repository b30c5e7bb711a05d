/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * task_loop.h - one task thread: tasks in from workers, operations out to control threads, answers
 *               back.
 *
 * Purpose:   a client of the store like a worker, for requests that a worker should not serve
 *            itself. Reads and writes go the same way as a worker's, so they are linearizable.
 * Ownership: a task belongs to this thread from the pop until it is pushed home.
 * Threading: start, stop and heartbeat from the main thread. A loop made by task_loop_create has no
 *            thread: a simulation turns it, round by round.
 * Units:     tasks; _ns monotone.
 * Errors:    start returns a negative errno; the reason is in the log.
 * Source:    ARCHITECTURE.md, "Tasks".
 */
#ifndef GANNET_TASK_LOOP_H
#define GANNET_TASK_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "include/clock.h"

struct blob_pool;
struct blob_stock;
struct counters;
struct schema_board;
struct server_config;
struct shard_fabric;
struct task_loop;

struct task_loop_config {
    const struct server_config *server;
    struct shard_fabric *fabric;
    struct blob_pool *blobs;
    struct schema_board *schemas;
    struct wall_clock *wall_clock; /* of the thread; a loop without one gets its time */
    uint64_t cache_hash_seed;
    uint32_t index;            /* which task thread */
    struct counters *counters; /* NULL: a thread registers its own */
};

/* Starts the thread; returns when its loop runs, or a negative errno when it could not start. */
int task_loop_start(const struct task_loop_config *config, struct task_loop **loop);

/* While the workers still run: takes no more tasks, finishes those under way, ends the thread. */
void task_loop_stop(struct task_loop *loop);

/* The same loop without a thread. `counters` must be set. Destroy it when it is idle. */
int task_loop_create(const struct task_loop_config *config, struct task_loop **loop);
void task_loop_destroy(struct task_loop *loop);

/* One round. Returns how much there was to do. */
uint32_t task_loop_run_once(struct task_loop *loop, const struct round_time *time);

bool task_loop_is_idle(const struct task_loop *loop);

/* From any thread, between start and stop: how many jobs are not done. */
uint32_t task_loop_jobs_running(const struct task_loop *loop);

/* Counts rounds; a value that stands still for seconds means the thread hangs. */
uint64_t task_loop_heartbeat(const struct task_loop *loop);

struct blob_stock *task_loop_stock(struct task_loop *loop); /* for task_run.c */

#endif
