/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * directory_sync.h - makes names in the data directory durable, with one sync at a time.
 *
 * Purpose:   a sync that fails loses every name that was not durable, others' too. When two overlap
 *            and only one fails, the other's success says nothing about its names. So a sync begins
 *            when the one before it is known to have ended, and covers all that wait then.
 * Ownership: what waits stays its job's; it is completed like any other I/O of its store.
 * Threading: each store has a list of its own; whose turn it is is in the set, under a mutex.
 * Units:     _ns monotone.
 * Errors:    the result of a waiting operation is 0 or a negative errno; after one failure it is
 *            -EIO for ever.
 * Source:    DECISIONS.md 34.
 */
#ifndef GANNET_DIRECTORY_SYNC_H
#define GANNET_DIRECTORY_SYNC_H

#include "control/store_log.h"

/* Completes with kind and job when all names that were made before this call are durable. */
void directory_sync_wait(struct store *store, struct store_io *io, enum store_io_kind kind,
                         void *job);

void directory_sync_advance(struct store *store);
void directory_sync_done(struct store *store);
uint64_t directory_sync_next_deadline_ns(const struct store *store);

/* When the store goes: others do not wait for its turn. */
void directory_sync_detach(struct store *store);

#endif
