/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * shard_evaluate.h - from a write that arrived to its record in the open batch, or to its refusal.
 *
 * Purpose:   conditions, space, versions and memory are decided once, against the newest pending
 *            state, in the order of arrival; what is in the batch can no longer fail by itself.
 * Ownership: operations stay with the store until answered; their records are copied here.
 * Threading: the store's thread.
 * Units:     bytes; _ms wall.
 * Errors:    a refused operation is answered with its status.
 * Source:    ARCHITECTURE.md, "Embedded engine".
 */
#ifndef GANNET_SHARD_EVALUATE_H
#define GANNET_SHARD_EVALUATE_H

#include "control/store_log.h"

/* store->arrivals, in order, until one must wait for room, space or versions. */
void evaluate_arrivals(struct store *store);

/* Answers it with nothing changed; true. */
bool evaluate_refuse(struct store *store, struct shard_operation *operation,
                     enum shard_status status);

/* A write of the key is in a batch that is not committed yet. */
bool evaluate_is_pending(const struct store *store, uint64_t shard_hash, const uint8_t *key,
                         uint32_t key_bytes);

/* The bytes of the active segment that frames may still take: one block is kept for the seal. */
uint64_t evaluate_segment_room(const struct stream *stream);

#endif
