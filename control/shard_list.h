/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * shard_list.h - SHARD_LIST: the keys of a thread's virtual shards, merged into one order.
 *
 * Purpose:   the next keys behind a place, from all indexes of this thread, within bounds.
 * Ownership: the lister owns its heads; they mean nothing between operations.
 * Threading: the store's thread.
 * Units:     index entries; bytes.
 * Errors:    SHARD_NO_MEMORY when value memory for the answer is short.
 * Source:    include/shard_listing.h.
 *
 * Work is bounded by VIRTUAL_SHARDS index searches to begin with and LIST_STEPS_MAX to go on with.
 */
#ifndef GANNET_SHARD_LIST_H
#define GANNET_SHARD_LIST_H

#include "control/store_log.h"

#define LIST_STEPS_MAX 256u /* index entries looked at, listed or not */

struct lister;

int list_attach(struct store *store);
void list_detach(struct store *store);
void list_submit(struct store *store, struct shard_operation *operation);

#endif
