/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * connection_table.h - flow hash to connection index: one cache line per bucket, fixed size.
 *
 * Purpose:   finds candidates by a 16-bit tag; the caller compares addresses and ports.
 * Ownership: the table owns its buckets; indices are the caller's.
 * Threading: one owner.
 * Units:     entries.
 * Errors:    create returns -ENOMEM when memory is short. Inserting cannot fail: there's room for
 *            twice the promised entries, and a full bucket spills into the next one.
 * Source:    overflow counts instead of tombstones after Folly's F14 (Bronson, Shi 2019).
 */
#ifndef GANNET_CONNECTION_TABLE_H
#define GANNET_CONNECTION_TABLE_H

#include <assert.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "include/compiler.h"

#define CONNECTION_BUCKET_SLOTS 10u
#define CONNECTION_NOT_FOUND UINT32_MAX

struct connection_bucket {
    alignas(CACHE_LINE_BYTES) uint16_t tags[CONNECTION_BUCKET_SLOTS];
    uint16_t used;     /* one bit per slot */
    uint16_t overflow; /* entries that belong here or before and went past this full bucket */
    uint32_t indices[CONNECTION_BUCKET_SLOTS];
};

static_assert(sizeof(struct connection_bucket) == CACHE_LINE_BYTES, "one line per bucket");
static_assert(offsetof(struct connection_bucket, tags) == 0 && CONNECTION_BUCKET_SLOTS <= 16,
              "the tags are compared as two vectors");

struct connection_table {
    struct connection_bucket *buckets;
    uint32_t bucket_mask;
};

/* Walks the candidates of one hash. */
struct connection_cursor {
    uint32_t bucket;
    uint16_t matches; /* slots of the current bucket still to be looked at */
    uint16_t tag;
    uint32_t buckets_left;
};

int connection_table_create(struct connection_table *table, uint32_t entries_max);
void connection_table_destroy(struct connection_table *table);
void connection_table_insert(struct connection_table *table, uint32_t hash, uint32_t index);
/* The entry must be there. */
void connection_table_remove(struct connection_table *table, uint32_t hash, uint32_t index);
/* Gives an entry that is there another index. */
void connection_table_replace(struct connection_table *table, uint32_t hash, uint32_t index,
                              uint32_t by);

static inline uint16_t connection_tag(uint32_t hash)
{
    return (uint16_t)(hash >> 16);
}

static inline void connection_table_prefetch(const struct connection_table *table, uint32_t hash)
{
    prefetch_read(&table->buckets[hash & table->bucket_mask]);
}

/* One bit per slot that is in use and has the tag. */
static inline uint16_t connection_bucket_matches(const struct connection_bucket *bucket,
                                                 uint16_t tag)
{
#ifdef __SSE2__
    /* Two vectors of eight words hold the tags; what follows them is masked out by `used`. */
    const __m128i *words = (const __m128i *)(const void *)bucket->tags;
    __m128i wanted = _mm_set1_epi16((short)tag);
    __m128i low = _mm_cmpeq_epi16(_mm_load_si128(words), wanted);
    __m128i high = _mm_cmpeq_epi16(_mm_load_si128(words + 1), wanted);
    uint32_t matches = (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(low, high));
#else
    uint32_t matches = 0;
    for (uint32_t slot = 0; slot < CONNECTION_BUCKET_SLOTS; slot++)
        matches |= (uint32_t)(bucket->tags[slot] == tag) << slot;
#endif
    return (uint16_t)(matches & bucket->used);
}

static inline struct connection_cursor connection_table_begin(const struct connection_table *table,
                                                              uint32_t hash)
{
    struct connection_cursor cursor = {
        .bucket = hash & table->bucket_mask,
        .tag = connection_tag(hash),
        .buckets_left = table->bucket_mask,
    };
    cursor.matches = connection_bucket_matches(&table->buckets[cursor.bucket], cursor.tag);
    return cursor;
}

static inline uint32_t connection_table_next(const struct connection_table *table,
                                             struct connection_cursor *cursor)
{
    for (;;) {
        const struct connection_bucket *bucket = &table->buckets[cursor->bucket];
        if (cursor->matches) {
            uint32_t slot = (uint32_t)__builtin_ctz(cursor->matches);
            cursor->matches &= (uint16_t)(cursor->matches - 1);
            return bucket->indices[slot];
        }
        if (LIKELY(bucket->overflow == 0) || cursor->buckets_left == 0)
            return CONNECTION_NOT_FOUND;
        cursor->buckets_left--;
        cursor->bucket = (cursor->bucket + 1) & table->bucket_mask;
        cursor->matches = connection_bucket_matches(&table->buckets[cursor->bucket], cursor->tag);
    }
}

#endif
