/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sync_probe.h - how commits of this data directory become durable: fdatasync or durable writes.
 *
 * Purpose:   the two differ by a factor of up to thirty between disks, in either direction, so the
 *            first start measures both and the superblock remembers which one was faster.
 * Ownership: the set; before the control threads start.
 * Threading: one thread.
 * Units:     _us.
 * Errors:    0 or a negative errno after a log line. No spare segment to try it on: fdatasync,
 *            and the next start measures.
 * Source:    fdatasync after a write of preallocated, zeroed blocks is a flush of the disk's cache;
 *            a durable write is one command where the disk has forced unit access (FUA), else the
 *            kernel's own flush after the write, without the way through a kernel thread.
 */
#ifndef GANNET_SYNC_PROBE_H
#define GANNET_SYNC_PROBE_H

#include "control/store_log.h"

/*
 * Sets set->sync_method as configured, as recorded, or by measuring. A method that is configured
 * makes the record void: `auto` measures again afterwards (a directory that moved to another disk).
 */
int sync_method_choose(struct store_set *set, struct io_loop *loop);

const char *sync_method_name(const struct store_set *set); /* "interval", "fdatasync", "dsync" */

#endif
