/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bulletin.h - what one worker tells all the others: a log of the last notes, overwritten in a
 *     circle.
 *
 * Purpose:   neighbours and ICMP errors arrive at whichever worker the port chose; every worker
 *            may need them. Nobody waits: a reader that falls a whole log behind has lost notes,
 *            and each kind of note is one whose loss heals (the question is asked again, the
 *            error comes again).
 * Ownership: the board is made before the workers and destroyed after them; each log has one
 *            writer.
 * Threading: one writer per log, any number of readers, each with cursors of its own.
 * Units:     notes.
 * Errors:    bulletin_read counts notes that were overwritten before it came.
 * Source:    a sequence lock over a ring (Boehm, "Can seqlocks get along with programming
 *            language memory models?", 2012): begun before the slot is written, written after.
 */
#ifndef GANNET_BULLETIN_H
#define GANNET_BULLETIN_H

#include <stdint.h>

struct bulletin_board;
struct bulletin_reader;

#define BULLETIN_NOTE_BYTES 64u
#define BULLETIN_NOTES 256u /* per worker */

struct bulletin_board *bulletin_board_create(uint32_t worker_count);
void bulletin_board_destroy(struct bulletin_board *board);

/* Reads every worker's log but its own. */
struct bulletin_reader *bulletin_reader_create(struct bulletin_board *board, uint32_t worker_index);
void bulletin_reader_destroy(struct bulletin_reader *reader);

/* Worker `worker_index` only. A note is BULLETIN_NOTE_BYTES of the caller's making. */
void bulletin_post(struct bulletin_board *board, uint32_t worker_index, const void *note);

/* At most `limit` notes into `out`; returns how many. Bounded by one pass over the workers. */
uint32_t bulletin_read(struct bulletin_reader *reader, void *out, uint32_t limit,
                       uint64_t *lost_count);

#endif
