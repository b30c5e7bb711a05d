/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scrub_extent.h - the scrubber's second half: large values, each in a file of its own.
 *
 * Purpose:   a large value that has rotted is found while there is a backup to mend it from.
 * Ownership: the store's scrubber; a file is open for one window at a time, so that a store that
 *            closes finds nothing open, and a value that is overwritten meanwhile gives its space
 *            back.
 * Threading: each control thread takes the values of its own shards.
 * Units:     bytes.
 * Errors:    a value that cannot be read or does not match is read once more; then it is counted
 *            (STORE_SCRUB_DAMAGE) and logged. Nothing is quarantined: reads of it fail by
 *            themselves.
 * Source:    store_scrub.h
 */
#ifndef GANNET_SCRUB_EXTENT_H
#define GANNET_SCRUB_EXTENT_H

#include "control/store_log.h"

int scrub_extent_attach(struct store *store);
void scrub_extent_detach(struct store *store);

/*
 * Begins with the next window. Returns its bytes; 0: no value is left, the next call begins with
 * the first one again.
 */
uint32_t scrub_extent_start(struct store *store);
void scrub_extent_step_done(struct store *store, struct store_io *io);

#endif
