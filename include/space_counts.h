/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * space_counts.h - how many values each namespace holds, and their bytes.
 *
 * Purpose:   the store counts where its index changes; whoever describes namespaces reads.
 * Ownership: the store's set.
 * Threading: any number of threads add and read; only a name's first value takes a lock.
 * Units:     values; bytes of values, without keys and fields.
 * Errors:    names beyond SPACES_COUNTED_MAX are not counted, and space_counts_read says so.
 * Source:    none.
 *
 * A reader sees every value that was added before it began, and of those being added meanwhile some
 * or none. Names are learned from keys and never forgotten, so that what a namespace holds that is
 * not configured any more is seen too.
 */
#ifndef GANNET_SPACE_COUNTS_H
#define GANNET_SPACE_COUNTS_H

#include <stdbool.h>
#include <stdint.h>

#include "include/shard_operation.h"

#define SPACES_COUNTED_MAX 512u

struct space_counts;

struct space_count {
    char name[NAMESPACE_NAME_BYTES_MAX + 1];
    uint64_t keys, value_bytes;
};

int space_counts_create(struct space_counts **counts);
void space_counts_destroy(struct space_counts *counts);

/* `key`: "namespace\0key". Threads with different `stripe` do not disturb each other. */
void space_counts_add(struct space_counts *counts, uint32_t stripe, const void *key,
                      uint32_t key_bytes, int64_t keys, int64_t value_bytes);

/* False: there were too many names to count this one. */
bool space_counts_read(const struct space_counts *counts, const char *name,
                       struct space_count *out);

/* All names, in turn: *at begins as 0. False at the end. */
bool space_counts_next(const struct space_counts *counts, uint32_t *at, struct space_count *out);

#endif
