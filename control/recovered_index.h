/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * recovered_index.h - puts what recovery finds in the log into the index.
 *
 * Purpose:   gathers records (recovered_records.h), applies them sorted, on several threads, each
 *            with its own shards.
 * Ownership: the caller's; the indexes are the set's.
 * Threading: one thread calls; its helpers end before a call returns.
 * Units:     bytes.
 * Errors:    is_short_of_memory is set and stays: the index is not complete then.
 * Source:    DECISIONS.md, "Recovery sorts what it finds".
 */
#ifndef GANNET_RECOVERED_INDEX_H
#define GANNET_RECOVERED_INDEX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "control/recovered_records.h"

struct segment;
struct store_set;

struct recovered_index {
    struct store_set *set;
    struct recovered_records records;
    uint64_t version_max[VIRTUAL_SHARDS];
    uint64_t record_count;
    _Atomic uint64_t tombstone_count; /* seen, whether they still are the newest or not */
    _Atomic bool is_short_of_memory;
};

/* Of records of one key the newest counts, in whatever order they come. */
void recovered_index_add(struct recovered_index *recovered, const struct segment *segment,
                         uint64_t offset, const struct record_header *record);
/* Everything that was added is in the index afterwards. */
void recovered_index_settle(struct recovered_index *recovered);
void recovered_index_destroy(struct recovered_index *recovered);

#endif
