/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * store_copy.h - a directory that is made aside, filled, synced, and named in one step.
 *
 * Purpose:   backup and restore never leave half a result under the name that was asked for.
 * Ownership: the target owns its descriptor until store_target_finish or store_target_abandon.
 * Threading: one thread; waits for the disk.
 * Units:     bytes.
 * Errors:    0, or a negative errno with a sentence in `why`.
 * Source:    Pillai et al., "All file systems are not created equal", OSDI 2014: sync the files,
 *            sync the directory, rename, sync the parent.
 */
#ifndef GANNET_STORE_COPY_H
#define GANNET_STORE_COPY_H

#include <limits.h>
#include <stdint.h>

#include "control/text_buffer.h"

struct store_target {
    char path[PATH_MAX], partial[PATH_MAX]; /* the name asked for; PATH.partial */
    int directory_fd;
    uint64_t linked_count, copied_count, copied_bytes;
};

/* `path` must not exist or be an empty directory. What a killed run left in PATH.partial goes. */
int store_target_begin(struct store_target *target, const char *path, struct text_buffer *why);
int store_target_finish(struct store_target *target, struct text_buffer *why);
void store_target_abandon(struct store_target *target);

/* A file of `total` bytes that begins with these; the rest is zeros. */
int store_target_write(struct store_target *target, const char *name, const uint8_t *bytes,
                       uint64_t count, uint64_t total, struct text_buffer *why);
/* What was written or linked before, if anything: it is going to be taken again. */
void store_target_forget(struct store_target *target, const char *name);
/* A hard link to the file of this name in another directory. -EXDEV and others: copy it instead. */
int store_target_link(struct store_target *target, int from_directory, const char *name);
/* A copy that shares blocks where the file system can do that. */
int store_target_copy(struct store_target *target, int from_directory, const char *name,
                      struct text_buffer *why);

#endif
