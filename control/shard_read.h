/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * shard_read.h - GETs: from the newest frames in memory, or by one disk read that all waiters
 * share.
 *
 * Purpose:   answer with the newest durable version at the moment of the answer, never with an
 *            older one.
 * Ownership: a read job owns its buffer and blob; a waiter's memory is never the target of an I/O,
 *            so
 *            an operation can be given back at its deadline while the read goes on.
 * Threading: the store's thread.
 * Units:     bytes; _ns monotone; _ms wall.
 * Errors:    a failed or mismatching read is repeated once, then SHARD_IO_ERROR or SHARD_CORRUPT.
 * Source:    ARCHITECTURE.md, "What makes reads linearizable": late fill, late join.
 */
#ifndef GANNET_SHARD_READ_H
#define GANNET_SHARD_READ_H

#include "control/store_log.h"

int read_attach(struct store *store);
void read_detach(struct store *store);
void read_submit(struct store *store, struct shard_operation *operation);
void read_record_done(struct store *store, struct read_job *job);
void read_step_done(struct store *store, struct read_job *job);
void read_lane_done(struct store *store, struct read_job *job, struct extent_lane *lane);
void read_advance(struct store *store);
void read_check_deadlines(struct store *store);

#endif
