/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * store_scrub.h - reads sealed segments and large values again, slowly and for ever, and says when
 * one has rotted.
 *
 * Purpose:   damage is found while there is a backup to mend it from, not when the key is wanted.
 * Ownership: a store's scrubber owns its window; a segment is held for one read at a time, so that
 *            compaction hardly waits for it.
 * Threading: each control thread takes the segments whose id modulo the threads is its index, then
 *            the large values of its shards (scrub_extent.h).
 * Units:     bytes, _ns.
 * Errors:    a read that fails or does not match is tried once more; then it is counted
 *            (STORE_SCRUB_DAMAGE), logged, and the segment is quarantined.
 * Source:    Bairavasundaram et al., "An analysis of data corruption in the storage stack", FAST
 *            2008: most of it is found by scrubbing.
 */
#ifndef GANNET_STORE_SCRUB_H
#define GANNET_STORE_SCRUB_H

#include "control/store_log.h"

int scrub_attach(struct store *store);
void scrub_detach(struct store *store);
void scrub_advance(struct store *store);
void scrub_read_done(struct store *store);
uint64_t scrub_next_deadline_ns(const struct store *store);

#endif
