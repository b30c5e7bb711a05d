/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * shard_compaction.h - gives space back: copies what is live out of a victim and recycles it.
 *
 * Purpose:   bounded space, and deletes and expiries that stay deleted.
 * Ownership: one victim at a time in the whole process (store_set.compaction); every thread copies
 *            the records of its own virtual shards, the last one to finish frees the segment.
 * Threading: each store on its thread; the shared part under its mutex.
 * Units:     bytes; _ns monotone.
 * Errors:    a victim that cannot be read is quarantined; a free that fails stops compaction.
 * Source:    log cleaning after Rosenblum and Ousterhout, TOCS 1992.
 *
 * Why a tombstone may go: the index counts, for every key, the PUT records on disk that are not its
 * newest (stale_puts). Freeing a segment lowers the count for each such record in it. A tombstone
 * (or
 * an expired value) with none left shadows nothing and is dropped. The counts run ahead of the free
 * by
 * one victim at most, and nothing dropped on their word leaves the disk before the next victim is
 * freed, which happens after this one's free is durable. Recovery counts afresh.
 */
#ifndef GANNET_SHARD_COMPACTION_H
#define GANNET_SHARD_COMPACTION_H

#include "control/store_log.h"

int compaction_attach(struct store *store);
void compaction_detach(struct store *store);
void compaction_advance(struct store *store);
void compaction_read_done(struct store *store);
void compaction_free_done(struct store *store, struct store_io *io);
/* A relocated record became durable (whatever became of its key meanwhile). */
void compaction_copy_done(struct store *store);
/* The stream failed: no more copies, nothing is freed any more. */
void compaction_stop(struct store *store);
uint64_t compaction_next_deadline_ns(const struct store *store);

#endif
