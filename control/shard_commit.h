/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * shard_commit.h - group commit: writes become frames, frames become durable, then visible.
 *
 * Purpose:   one frame in flight and one open; everything that arrives during a flush shares the
 *            next.
 * Ownership: operations stay with the store until answered; their records are copied at evaluation.
 * Threading: the store's thread.
 * Units:     bytes; _ns monotone; _ms wall.
 * Errors:    a failed write or sync makes the stream read-only until restart: what was in flight is
 *            answered SHARD_OUTCOME_UNKNOWN, everything later SHARD_READ_ONLY. Nothing is retried
 *            as
 *            if nothing had happened (Rebello et al., USENIX ATC 2020).
 * Source:    ARCHITECTURE.md, "Embedded engine".
 */
#ifndef GANNET_SHARD_COMMIT_H
#define GANNET_SHARD_COMMIT_H

#include "control/store_log.h"

int commit_attach(struct store *store);
void commit_detach(struct store *store);

/* A PUT (with its extent finished, if it has one: owner_private[0] is the job) or a DELETE. */
void commit_submit(struct store *store, struct shard_operation *operation);

/* Evaluates arrivals, starts the next frame, covering frame, or interval sync. */
void commit_advance(struct store *store);
void commit_write_done(struct store *store);
void commit_sync_done(struct store *store);

/* A write of the key is on its way and its operation was given back: no fill of a cache. */
bool commit_forbids_fill(const struct store *store, struct shard_operation *operation);

/*
 * Compaction: a copy of `record`, which lies at the place given, joins the open batch; as a DELETE
 * if `as_delete`. False: no room now.
 */
bool commit_relocate(struct store *store, const struct record_header *record, uint32_t segment_id,
                     uint32_t offset_units, bool as_delete);

/* Answers SHARD_DEADLINE where the deadline has passed. */
void commit_check_deadlines(struct store *store);

/* Copies a record out of the newest frames. False: not there. */
bool commit_read_recent(const struct store *store, const struct index_entry *entry, uint8_t *out);

/* Of the next frame, which is written soon even if nobody writes: its time is not before now. */
uint64_t commit_next_sequence(struct store *store);

uint64_t commit_next_deadline_ns(const struct store *store);
bool commit_is_idle(const struct store *store);

void commit_fail(struct store *store, const char *what, int error);

#endif
