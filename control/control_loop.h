/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * control_loop.h - one control thread: operations in from workers, through the store, out to the
 * owners of cache parts.
 *
 * Purpose:   the only place where the rings, the store and the I/O loop of a control thread meet.
 * Ownership: an operation belongs to this thread from the pop until the push to its cache owner.
 * Threading: start, stop and heartbeat from the main thread. A loop made by control_loop_create has
 *            no thread: a simulation turns it, round by round.
 * Units:     operations; _ns monotone.
 * Errors:    start returns a negative errno; the reason is in the log.
 * Source:    ARCHITECTURE.md, "Control threads".
 */
#ifndef GANNET_CONTROL_LOOP_H
#define GANNET_CONTROL_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct blob_pool;
struct control_loop;
struct counters;
struct io_loop;
struct server_config;
struct shard_fabric;
struct store_set;

struct control_loop_config {
    const struct server_config *server;
    struct shard_fabric *fabric;
    struct blob_pool *blobs;
    struct store_set *stores;
    uint32_t index;            /* which control thread */
    struct io_loop *io;        /* NULL: made as control.io says; else the caller's, kept open */
    struct counters *counters; /* NULL: a thread registers its own */
};

/* Starts the thread; returns when its loop runs, or a negative errno when it could not start. */
int control_loop_start(const struct control_loop_config *config, struct control_loop **loop);

/* After the workers stopped: finishes what is pending, syncs, ends the thread. */
void control_loop_stop(struct control_loop *loop);

/* The same loop without a thread. `counters` must be set. Destroy it when it is idle. */
int control_loop_create(const struct control_loop_config *config, struct control_loop **loop);
void control_loop_destroy(struct control_loop *loop);

/* One round: requests in, disk completions, the store's own work, answers out. Returns how much. */
uint32_t control_loop_run_once(struct control_loop *loop);

bool control_loop_is_idle(const struct control_loop *loop); /* nothing pending, all of it synced */
uint64_t control_loop_next_ns(const struct control_loop *loop); /* the next round's own deadline */

/* Counts rounds; a value that stands still for seconds means the thread hangs. */
uint64_t control_loop_heartbeat(const struct control_loop *loop);

#endif
