/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * store_super.h - the superblock: identity, epoch, version ceilings, in two copies written in turn.
 *
 * Purpose:   what must survive so that no version is ever issued twice and no format is misread.
 * Ownership: the set; one thread writes at a time.
 * Threading: any store may need more versions; whoever finds no write under way does it for all.
 * Units:     bytes.
 * Errors:    0 or a negative errno; a failed write at run time makes the stream read-only.
 * Source:    two copies as in ZFS' labels: a torn write never hurts the valid one.
 */
#ifndef GANNET_STORE_SUPER_H
#define GANNET_STORE_SUPER_H

#include "control/store_log.h"

/*
 * Reads both copies, the newer valid one into set->super; `is_alone`: the other is not valid, and
 * may have been the newer one. 0; -ENOENT: a new directory; else refused, with a log line.
 */
int super_load(struct store_set *set, struct io_loop *loop, bool has_segments, bool *is_alone);
/* Identity of a new store. */
void super_create(struct store_set *set, struct io_loop *loop);
/* Writes set->super with the next sequence and waits until it is durable. */
int super_store(struct store_set *set, struct io_loop *loop);
/*
 * As the first one of a process: what reads show of the newer copy may be in the page cache only,
 * so the older one is replaced by a rename, which never harms it. The directory must be synced
 * after.
 */
int super_replace(struct store_set *set, struct io_loop *loop);

void super_advance(struct store *store);
void super_write_done(struct store *store);
void super_sync_done(struct store *store);

#endif
