/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * shard_watch.h - SHARD_WATCH: reads that wait until a value is no longer what the client knows.
 *
 * Purpose:   a client that has version 17 hears of 18 when it is committed, without asking again
 *            and again.
 * Ownership: a waiting operation belongs to the store. It leaves as a SHARD_GET.
 * Threading: one control thread.
 * Units:     _ns monotone.
 * Errors:    SHARD_BUSY when store.watches wait already.
 * Source:    long polling: RFC 6202 section 2; the field Prefer: wait is RFC 7240 4.3.
 *
 * versions[] holds what the client knows, deadline_ns when it wants an answer in any case. A value
 * that expires meanwhile is noticed at the deadline.
 */
#ifndef GANNET_SHARD_WATCH_H
#define GANNET_SHARD_WATCH_H

#include "control/store_log.h"

void watch_submit(struct store *store, struct shard_operation *operation);
/* A write of this key became visible. Costs nothing while nobody waits. */
void watch_wake(struct store *store, const void *key, uint32_t key_bytes);
void watch_check_deadlines(struct store *store);

#endif
