/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * segment_maker.h - makes a spare segment: allocated, zeroed, with its header, under its final
 * name.
 *
 * Purpose:   the same steps run at start (waiting) and beside the server's work (one at a time).
 * Ownership: a maker belongs to one store, or to recovery.
 * Threading: one maker works at a time in the process (segment_table.is_making).
 * Units:     bytes.
 * Errors:    no space sets the table's is_full; the half-made file is removed.
 * Source:    Zeroed before use, since a write into an unwritten extent costs a journal commit per
 *            sync (ScyllaDB's commit log does the same).
 */
#ifndef GANNET_SEGMENT_MAKER_H
#define GANNET_SEGMENT_MAKER_H

#include "control/store_log.h"

int segment_maker_init(struct segment_maker *maker);
void segment_maker_destroy(struct segment_maker *maker);

/* Waits until it is done. 0 or a negative errno. */
int segment_maker_run(struct store_set *set, struct io_loop *loop, struct segment_maker *maker);

/* Starts one when the table is short of spares. */
void segment_maker_advance(struct store *store);
void segment_maker_step_done(struct store *store);
uint64_t segment_maker_next_deadline_ns(const struct store *store);

/* Spares wanted: one for each stream, and the reserve. */
uint32_t segment_spares_wanted(const struct store_set *set);

#endif
