/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * shard_accept.h - write_policy: behind: writes answered when their shard has accepted them.
 *
 * Purpose:   an accepted write has its version and its place in the open batch, and is what every
 *            read of the key shows from now on; its commit follows at once and is not waited for.
 *            Until then no cache holds it: what is lost with a failed commit is nowhere.
 * Ownership: the batch owns the record; the operation goes home with the answer.
 * Threading: the store's thread.
 * Units:     bytes; _ns monotone.
 * Errors:    beyond store.behind_kib or store.behind_ms a write waits for its commit like others.
 * Source:    ARCHITECTURE.md, "What a crash may lose".
 */
#ifndef GANNET_SHARD_ACCEPT_H
#define GANNET_SHARD_ACCEPT_H

#include "control/store_log.h"

/* `entry` of the open batch is complete: answers its operation now, if policy and bounds allow. */
void accept_write(struct store *store, struct batch_entry *entry, uint32_t record_bytes);

/* The newest accepted write of the key that is not in the index yet; NULL: none. */
const struct record_header *accept_find(const struct store *store,
                                        struct shard_operation *operation);

/* The batch's commit failed: what was accepted is lost. */
void accept_report_loss(struct store *store, const struct batch *batch);

#endif
