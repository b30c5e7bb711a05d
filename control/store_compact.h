/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * store_compact.h - gives the space of what is dead back to the file system, without a server.
 *
 * Purpose:   `gannet store compact`.
 * Ownership: none; the directory is locked meanwhile.
 * Threading: one thread.
 * Units:     percent, bytes.
 * Errors:    enum store_tool_status, with the reason in `text` or in the log.
 * Source:    shard_compaction.h: it is the engine's own compaction, at full speed.
 */
#ifndef GANNET_STORE_COMPACT_H
#define GANNET_STORE_COMPACT_H

#include <stdint.h>

#include "control/store_verify.h"
#include "control/text_buffer.h"

#define STORE_COMPACT_DEAD_PERCENT 10u

/* Every segment with at least this share of dead bytes. */
enum store_tool_status store_compact(const char *path, uint32_t dead_percent,
                                     struct text_buffer *text);

#endif
