/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * shard_extent.h - values above 64 KiB: written to a file of their own before the log points to
 * them.
 *
 * Purpose:   a big write never delays a small commit: only its pointer travels through the log.
 * Ownership: a job holds its own reference to the value's blob, so its operation can be given back.
 * Threading: the store's thread.
 * Units:     bytes.
 * Errors:    ENOSPC answers SHARD_STORE_FULL; any other failure makes the stream read-only.
 * Source:    ARCHITECTURE.md, "Embedded engine".
 *
 * Order: write, sync the file, sync the directory, commit the pointer. The file goes when the
 * record
 * that replaced it is durable; what a crash leaves without a pointer is removed at the next start.
 */
#ifndef GANNET_SHARD_EXTENT_H
#define GANNET_SHARD_EXTENT_H

#include "control/store_log.h"

int extent_attach(struct store *store);
void extent_detach(struct store *store);

/* A PUT above the limit, or any write of a key whose large PUT is still under way. */
bool extent_takes(struct store *store, struct shard_operation *operation);
void extent_submit(struct store *store, struct shard_operation *operation);
void extent_step_done(struct store *store, struct extent_job *job);
void extent_lane_done(struct store *store, struct extent_job *job, struct extent_lane *lane);
void extent_advance(struct store *store);
void extent_check_deadlines(struct store *store);

/* The finished extent of a PUT at its evaluation; false: it has none. */
bool extent_of(struct shard_operation *operation, struct extent_pointer *pointer);
/* The pointer is in the log (release), or never will be (abandon: the file is removed). */
void extent_release(struct store *store, struct shard_operation *operation);
void extent_abandon(struct store *store, struct shard_operation *operation);

/* Between a blob and a file, EXTENT_LANES transfers at a time; also for reads. */
bool extent_copy_init(struct extent_copy *copy);
void extent_copy_destroy(struct extent_copy *copy);
void extent_copy_start(struct store *store, struct extent_copy *copy, uint32_t value_bytes,
                       bool is_write, enum store_io_kind kind, void *job);
/* After a lane's completion. True: all is done, or failed (copy->error). */
bool extent_copy_continue(struct store *store, struct extent_copy *copy, struct extent_lane *lane,
                          enum store_io_kind kind, void *job);
uint64_t extent_checksum(const struct store_uuid *uuid, uint64_t extent_id, const struct blob *blob,
                         uint32_t value_bytes);

#endif
