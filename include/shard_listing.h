/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * shard_listing.h - what SHARD_LIST asks and answers: the next keys of a control thread, in order.
 *
 * Purpose:   a walk over a namespace in key order, a bounded piece at a time, that needs nothing
 *            remembered between the pieces.
 * Ownership: the answer is the operation's value blob; whoever holds the operation holds it.
 * Threading: none; plain bytes.
 * Units:     bytes; _ms wall.
 * Errors:    SHARD_NO_MEMORY: no value memory for the answer. Nothing else is refused.
 * Source:    ARCHITECTURE.md, "What makes reads linearizable".
 *
 * Asked: the key is the prefix, "namespace\0" and whatever the names begin with; the inline value
 * is how the first key that is wanted goes on behind that prefix. A walk that has seen K goes on
 * at K and a zero byte, the next key there can be. `shard_hash` names the control thread, by any of
 * its virtual shards: listing_shard_hash.
 * Answered: entries of struct listing_entry, each followed by the bytes of its name (the key behind
 * "namespace\0") and zeros to a multiple of 8. When the last one is LISTING_CONTINUES it is no key
 * but the place up to which this answer is complete; without it there is nothing behind the answer.
 * An answer may hold only that: an operation looks at a bounded number of index entries, whether
 * they are visible or not.
 * A key is listed when its newest committed version is a value whose time has not ended; a write
 * that is accepted and not yet committed does not count.
 */
#ifndef GANNET_SHARD_LISTING_H
#define GANNET_SHARD_LISTING_H

#include <assert.h>
#include <stdint.h>

#include "include/shard_operation.h"

#define LISTING_ENTRIES_MAX 128u
#define LISTING_BYTES_MAX 16384u /* of an answer */
#define LISTING_FROM_BYTES_MAX (KEY_BYTES_MAX + 1u)

enum listing_flag {
    LISTING_CONTINUES = 1,
};

struct listing_entry {
    uint64_t version;
    uint64_t expires_at_ms; /* 0: never */
    uint16_t name_bytes;
    uint16_t flags; /* enum listing_flag */
    uint32_t reserved;
};

static_assert(sizeof(struct listing_entry) == 24, "no hidden padding");
static_assert(LISTING_FROM_BYTES_MAX <= OPERATION_INLINE_BYTES, "prefix and the rest fit");

static inline uint32_t listing_entry_bytes(uint32_t name_bytes)
{
    return (uint32_t)((sizeof(struct listing_entry) + name_bytes + 7u) & ~7u);
}

static inline const uint8_t *listing_name(const struct listing_entry *entry)
{
    return (const uint8_t *)(entry + 1);
}

/* Routes to a control thread: its first virtual shard. */
static inline uint64_t listing_shard_hash(uint32_t control_index)
{
    return (uint64_t)control_index << 56;
}

#endif
