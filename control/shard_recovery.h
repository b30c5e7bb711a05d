/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * shard_recovery.h - opening and closing a data directory.
 *
 * Purpose:   rebuild every index from the segments; tell a torn tail from damage to acknowledged
 *            data.
 * Ownership: fills in struct store_set; the segment table owns the descriptors from then on.
 * Threading: before the control threads start (run) and by the last one to detach (close).
 * Units:     bytes; _ms wall.
 * Errors:    0 or a negative errno after a log line that names the file and what to do.
 * Source:    Alagappan et al., "Protocol-aware recovery", FAST 2018: crash and corruption must be
 *            told
 *            apart. RocksDB cannot (its log does not carry the synced position); our frames do.
 *
 * Rules:
 * - A segment's frames are valid up to the first that fails. If any later frame of the segment says
 *   that the failed one had been synced (durable_sequence), acknowledged data is damaged: refuse,
 *   or
 *   salvage and quarantine, as configured. Otherwise it is a torn tail: nobody was told that it is
 *   there.
 * - A seal is written and synced at the end of every segment found open, before anything is served:
 *   a torn frame can never come back to life.
 * - Everything read is synced before it is served: after kill -9 it may have been in caches only.
 * - Doing all this twice, or half and then again, gives the same result.
 */
#ifndef GANNET_SHARD_RECOVERY_H
#define GANNET_SHARD_RECOVERY_H

#include "control/store_log.h"

int shard_recovery_run(struct store_set *set, struct io_loop *loop);
/* Marks the directory as cleanly closed if every stream ended well; closes files. */
void shard_recovery_close(struct store_set *set, struct io_loop *loop);
void shard_recovery_close_files(struct store_set *set, struct io_loop *loop);

#endif
