/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * store.h - one control thread's view of the storage layer: submit operations, reap answers.
 *
 * Purpose:   the control loop knows only this; the embedded log (or a distributed engine) is behind
 *            it.
 * Ownership: store_submit takes the operation; store_reap gives it back with status, version and
 *            value.
 *            A value blob handed out with a GET carries a reference for the receiver. The blob of a
 *            PUT stays attached for the cache owner.
 * Threading: one store per control thread; struct store_set is shared and set up before they start.
 * Units:     bytes; _ns monotone, _ms wall.
 * Errors:    store_submit never refuses: refusals come back as a status through store_reap.
 * Source:    ARCHITECTURE.md, "What makes reads linearizable".
 *
 * Promises that the callers rely on:
 * - Answers of one key are reaped in the order in which they took effect (the ring to the cache
 *   owner keeps that order).
 * - A GET is answered with the newest durable version at the moment it is reaped; check and reap
 *   are
 *   one step, so a fill can never be older than a write reaped before it.
 * - A write is reaped after its commit is durable (sync: commit), or failed.
 * - A condition is evaluated against the newest pending version; its answer waits for that
 *   version's
 *   commit and fails with it.
 */
#ifndef GANNET_STORE_H
#define GANNET_STORE_H

#include <stdbool.h>
#include <stdint.h>

struct blob_stock;
struct counters;
struct io_loop;
struct io_operation;
struct server_config;
struct shard_operation;
struct space_counts;
struct store;
struct store_set;

/*
 * Opens the directory, takes its lock, recovers every virtual shard. `loop` is used for recovery
 * only. 0, or a negative errno after a log line that says what is wrong and what to do.
 */
int store_set_open(const struct server_config *config, struct io_loop *loop,
                   struct store_set **set);
void store_set_close(struct store_set *set);

/* On the control thread: the part of the set that thread `thread_index` of `thread_count` owns. */
int store_attach(struct store_set *set, uint32_t thread_index, struct io_loop *loop,
                 struct blob_stock *stock, struct counters *counters, struct store **store);
void store_detach(struct store *store);

#define STORE_EXPECT_MAX 64u
/*
 * These will be submitted next: starts loading what that reads, which other threads wrote last or
 * nobody did for long.
 */
void store_expect(const struct store *store, struct shard_operation *const *operations,
                  uint32_t count);

void store_submit(struct store *store, struct shard_operation *operation);

/* A completion of the loop that belongs to the store (owner_kind STORE_IO). */
#define STORE_IO 1
void store_complete(struct store *store, struct io_operation *completed);

/* Starts what is due: the next group commit, reads, compaction steps, deadlines. Once per round. */
void store_advance(struct store *store);

/* Answered operations; `out` is filled in order. */
uint32_t store_reap(struct store *store, struct shard_operation **out, uint32_t limit);

/* When store_advance next has something to do by itself (UINT64_MAX: only after input). */
uint64_t store_next_deadline_ns(const struct store *store);

/* Drain: no new work is coming; false while anything is still pending or unsynced. */
bool store_is_idle(const struct store *store);

/* For /metrics and /readyz; any thread. */
struct store_status {
    uint64_t keys;
    uint64_t index_bytes;
    uint64_t live_bytes, dead_bytes, disk_bytes;
    const char *sync_method;                   /* of commits: "fdatasync", "dsync", or "interval" */
    uint32_t sync_fdatasync_us, sync_dsync_us; /* one commit, as measured; 0: it was not */
    uint32_t quarantined_segments;             /* damaged: read where they can be */
    uint64_t scrub_pass_ms; /* wall; when all of the last complete pass had ended; 0: none yet */
    uint32_t failed_shards; /* read-only because of an I/O error */
    bool is_full;           /* refuses PUT with 507 */
};
void store_set_status(const struct store_set *set, struct store_status *status);
/* What each namespace holds; values that have expired count until the next sweep finds them. */
const struct space_counts *store_set_space_counts(const struct store_set *set);

/*
 * Until then no file of the store is removed and no segment recycled (a backup is reading them); 0
 * ends it. Any thread. False: a removal that began before is still under way; ask again.
 */
bool store_set_hold(struct store_set *set, uint64_t until_ns);
/* Whose files they are: for the one who asked. */
void store_set_identity(const struct store_set *set, uint64_t uuid_words[2], uint64_t *epoch);

#endif
