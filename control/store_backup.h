/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * store_backup.h - a consistent copy of a store, stopped or running, and the way back.
 *
 * Purpose:   `gannet store backup` and `gannet store restore`.
 * Ownership: none.
 * Threading: one thread; memory for one segment.
 * Units:     _ms wall.
 * Errors:    enum store_tool_status, with the reason in `text`.
 * Source:    ARCHITECTURE.md, "Operating the store".
 *
 * A backup is a directory with the sealed segments and the extents (hard links where it lies on the
 * same file system), the written part of the open segments, and the superblock as SUPER.BACKUP, so
 * that no server takes it for its data.
 *
 * Of a running server: it holds still for as long as the tool renews its request (POST /hold on the
 * admin socket): nothing is removed or recycled. Then whatever was acknowledged before the tool
 * began is in files that only grow. Segments are read first, extents listed afterwards: every
 * extent that a copied record names is there.
 */
#ifndef GANNET_STORE_BACKUP_H
#define GANNET_STORE_BACKUP_H

#include <stdint.h>

#include "control/store_verify.h"
#include "control/text_buffer.h"

struct store_backup_request {
    const char *from, *to;
    const char *base;  /* an earlier backup whose equal files are linked, or NULL */
    const char *admin; /* address of the admin socket of a server that runs on `from` */
};

enum store_tool_status store_backup(const struct store_backup_request *request,
                                    struct text_buffer *text);

/*
 * Versions (ETags) go on far above any that the store can have issued since the backup: for every
 * millisecond since then 65,536 per virtual shard, and 2^32 more. A second restore of one backup
 * starts above what the first one can have issued, too.
 */
enum store_tool_status store_restore(const char *from, const char *to, uint64_t now_ms,
                                     struct text_buffer *text);

#endif
