/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * store_files.h - a data directory, or a backup of one, as a tool sees it: names, lock, bytes.
 *
 * Purpose:   `gannet store ...` works on directories that the engine has not opened, or that
 *            another process has open.
 * Ownership: store_files owns descriptors and lists until store_files_close.
 * Threading: one thread; waits for the disk.
 * Units:     bytes.
 * Errors:    0, or a negative errno with a sentence in `why`.
 * Source:    ARCHITECTURE.md, "On disk".
 */
#ifndef GANNET_STORE_FILES_H
#define GANNET_STORE_FILES_H

#include <stdbool.h>
#include <stdint.h>

#include "control/store_reader.h"
#include "control/text_buffer.h"

#define STORE_BACKUP_SUPER "SUPER.BACKUP" /* in place of SUPER.0 and SUPER.1: no server opens it */

struct store_files {
    const char *path;
    int directory_fd, lock_fd;
    bool is_backup;
    bool is_in_use; /* another process has it open and may write */
    struct reader_super super;
    uint8_t super_block[READER_BLOCK_BYTES]; /* of `super` */
    uint32_t super_copies_whole;
    uint64_t *segments; /* ids, ascending */
    uint32_t segment_count, segment_room;
    uint64_t *extents;
    uint32_t extent_count, extent_room;
};

enum store_files_lock {
    STORE_FILES_SHARED,    /* no server starts meanwhile; one that runs is noticed (is_in_use) */
    STORE_FILES_EXCLUSIVE, /* -EBUSY when another process has it open */
};

int store_files_open(struct store_files *files, const char *path, enum store_files_lock lock,
                     struct text_buffer *why);
void store_files_close(struct store_files *files);

/* The directory of a running server changes: look again. */
int store_files_list(struct store_files *files, struct text_buffer *why);
int store_files_read_super(struct store_files *files, struct text_buffer *why);

/* A whole file in memory, as long as it is now; free() it. Blocks that cannot be read (tried twice)
 * are zeros and counted. -ENOENT: it is gone. */
struct store_file_bytes {
    uint8_t *bytes;
    uint64_t count;
    uint64_t unreadable_bytes, unreadable_offset;
};
int store_files_read(const struct store_files *files, const char *name,
                     struct store_file_bytes *file);

#define STORE_NAME_BYTES 32u
void store_segment_name(char name[STORE_NAME_BYTES], uint64_t id);
void store_extent_name(char name[STORE_NAME_BYTES], uint64_t id);

#endif
