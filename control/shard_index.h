/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * shard_index.h - the ordered in-memory index of one virtual shard: key -> where its newest record
 * is.
 *
 * Purpose:   point lookups for reads and writes, ordered iteration for listing and sweeps.
 * Ownership: the index owns its nodes; entry pointers live until the next insert or erase.
 * Threading: one thread at a time; the shared memory account is atomic.
 * Units:     bytes.
 * Errors:    insert returns NULL when the account is exhausted; nothing changed then.
 * Source:    B+-tree of 4 KiB slotted pages with a common prefix per page and separators cut to the
 *            shortest that still separates (Bayer, Unterauer: Prefix B-Trees, TODS 1977). No
 *            operation touches more than one path: growing never stops the world.
 *
 * Memory per key: a 32-byte entry, an 8-byte slot, the key beyond the page's prefix, rounded to 8,
 * at a fill of 69 % (random inserts) to 100 % (ascending inserts).
 */
#ifndef GANNET_SHARD_INDEX_H
#define GANNET_SHARD_INDEX_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "control/index_memory.h"

enum index_flag {
    INDEX_PLACEHOLDER = 1, /* a write of a new key is under way: holds memory, not visible */
    INDEX_TOMBSTONE = 2,   /* deleted; kept while older records of the key are on disk */
    INDEX_EXPIRED = 4,     /* as a tombstone, but the record on disk is the expired value itself */
    INDEX_EXTENT = 8,      /* the value is in an extent */
};

/* What a record has beside its value: 11 bits of an entry; the record has 17. */
#define INDEX_OVERHEAD_BYTES_MAX 2047u

struct index_entry {
    uint64_t version;
    uint64_t expires_at_ms; /* 0: never */
    uint32_t segment_id;
    uint32_t offset_units; /* of RECORD_ALIGN_BYTES */
    uint32_t sizes_flags;  /* record's bytes << 15 | other than the value << 4 | flags */
    uint32_t stale_puts;   /* older PUT records of this key still on disk */
};

static_assert(sizeof(struct index_entry) == 32, "memory per key is a documented figure");

static inline uint32_t index_entry_bytes(const struct index_entry *entry)
{
    return entry->sizes_flags >> 15;
}

/* Not of a value in an extent: its entry there knows. */
static inline uint32_t index_entry_value_bytes(const struct index_entry *entry)
{
    return index_entry_bytes(entry) - (entry->sizes_flags >> 4 & INDEX_OVERHEAD_BYTES_MAX);
}

static inline uint32_t index_entry_flags(const struct index_entry *entry)
{
    return entry->sizes_flags & 15u;
}

/* `value_bytes`: of them, those of the value itself. */
static inline void index_entry_set(struct index_entry *entry, uint32_t record_bytes,
                                   uint32_t value_bytes, uint32_t flags)
{
    entry->sizes_flags = record_bytes << 15 | (record_bytes - value_bytes) << 4 | flags;
}

/* A value that can be read, as far as the index knows; whether it expired is for the caller. */
static inline bool index_entry_is_value(const struct index_entry *entry)
{
    return (entry->sizes_flags & (INDEX_PLACEHOLDER | INDEX_TOMBSTONE | INDEX_EXPIRED)) == 0;
}

struct index_node;

struct shard_index {
    struct index_node *root;     /* NULL: empty */
    struct index_memory *memory; /* shared by all indexes of a store */
    uint64_t entry_count;
    uint64_t shape; /* changes whenever entries may have moved: with each insert and erase */
};

void shard_index_init(struct shard_index *index, struct index_memory *memory);
void shard_index_clear(struct shard_index *index);

/* NULL: not there. */
struct index_entry *shard_index_find(const struct shard_index *index, const void *key,
                                     uint32_t key_bytes);

/*
 * The way of a find or an insert, a step for each of many keys before the next: what a step reads
 * was loaded while the other keys took theirs. From the top page (NULL: empty) its cell for the
 * key, then the page below, until that is false: the page is a leaf, and its cell the entry.
 */
const struct index_node *shard_index_top(const struct shard_index *index);
void shard_index_prefetch_cell(const struct index_node *page, const void *key, uint32_t key_bytes);
bool shard_index_prefetch_below(const struct index_node **page, const void *key,
                                uint32_t key_bytes);

/* The entry of the key, zeroed if it is new. NULL: no memory. */
struct index_entry *shard_index_insert(struct shard_index *index, const void *key,
                                       uint32_t key_bytes);

/* False: was not there. */
bool shard_index_erase(struct shard_index *index, const void *key, uint32_t key_bytes);

/*
 * The first key after `key` (or at it, unless `is_exclusive`); key_bytes 0 starts at the beginning.
 * Copies the key to `found` (room for KEY_BYTES_MAX). NULL at the end.
 */
struct index_entry *shard_index_next(const struct shard_index *index, const void *key,
                                     uint32_t key_bytes, bool is_exclusive, uint8_t *found,
                                     uint32_t *found_bytes);

/* For tests: structure, order, accounting of every node. Aborts on a violation. */
void shard_index_verify(const struct shard_index *index);

#endif
