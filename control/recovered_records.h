/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * recovered_records.h - what recovery found in the log and has not put into the index yet.
 *
 * Purpose:   the log has keys in the order they were written; put into a large index like that,
 *            nearly every record costs a page that is in no cache. Gathered per shard and sorted
 *            by key, records of one page come one after the other.
 * Ownership: copies of everything the index needs; freed by recovered_records_destroy.
 * Threading: one thread adds; afterwards different threads may sort and read different shards.
 * Units:     bytes.
 * Errors:    add returns false when a list is full or memory is short; sort returns NULL without
 *            memory.
 * Source:    DECISIONS.md, "Recovery sorts what it finds".
 */
#ifndef GANNET_RECOVERED_RECORDS_H
#define GANNET_RECOVERED_RECORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "control/shard_format.h"

#define RECOVERED_BYTES_PER_SHARD (512u << 10) /* all shards: 128 MiB, touched only when used */

struct recovered_record {
    uint64_t version;
    uint64_t expires_at_ms;
    uint32_t segment_id;
    uint32_t offset_units;
    uint32_t record_bytes;
    uint32_t value_bytes;
    uint16_t key_bytes;
    uint8_t flags; /* enum record_flag */
    uint8_t key[]; /* with RECORD_EXTENT: a struct extent_pointer behind it */
};

void recovered_extent(const struct recovered_record *record, struct extent_pointer *pointer);

struct recovered_list {
    uint8_t *bytes;
    uint32_t used_bytes;
    uint32_t count;
};

struct recovered_records {
    struct recovered_list lists[VIRTUAL_SHARDS];
    uint64_t count;
};

struct sorted_record {
    uint64_t head; /* the bytes behind what all keys of the list share, big-endian */
    const struct recovered_record *record;
};

void recovered_records_destroy(struct recovered_records *records);

/* False: apply and clear first; false again: no memory. */
bool recovered_records_add(struct recovered_records *records, const struct record_header *record,
                           uint32_t segment_id, uint64_t offset);

/* The records of the shard by key, lists[shard].count of them; to be freed by the caller. */
struct sorted_record *recovered_records_sort(const struct recovered_records *records,
                                             uint32_t shard);

void recovered_records_clear(struct recovered_records *records);

#endif
