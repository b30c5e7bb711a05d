/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cache_part.h - inside of the response cache: one part's table and log, and its eviction.
 *
 * Purpose:   what response_cache.c (readers, fills, rounds) and cache_eviction.c share.
 * Ownership: the part's worker owns everything; readers follow slots only.
 * Threading: the inline table functions are for readers as well; all others are the owner's.
 * Units:     bytes; _ms wall.
 * Errors:    none; refusals are decided in response_cache.c.
 * Source:    response_cache.c says how it fits together.
 */
#ifndef GANNET_CACHE_PART_H
#define GANNET_CACHE_PART_H

#include <assert.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "dataplane/cache_segments.h"
#include "dataplane/response_cache.h"
#include "include/assert_policy.h"
#include "include/bytes_equal.h"
#include "include/compiler.h"
#include "include/memory_region.h"
#include "include/shard_operation.h"

#if defined(__SANITIZE_THREAD__)
#define CACHE_SANITIZES_THREADS /* it does not know that vectors of whole slots are meant */
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CACHE_SANITIZES_THREADS
#endif
#endif
#if defined(__SSE4_1__)
#include <smmintrin.h>
#endif

#define SLOTS_PER_LINE 8u
#define SLOTS_PER_PAIR (2 * SLOTS_PER_LINE)
#define ADDRESS_MASK ((UINT64_C(1) << 48) - 1)
#define GHOSTS_PER_PAIR 8u

#define RETIRED_BLOBS_MAX 1024u /* waiting for a grace period one by one */

/* cache_entry.owner_flags */
#define ENTRY_IS_LIVE 0x1u  /* published */
#define ENTRY_HAS_BLOB 0x2u /* this copy holds the cache's reference */

#define EXTRA_BYTES_MAX (sizeof(uint64_t) + sizeof(struct blob *))
#define ENTRY_BYTES_MAX                                                                            \
    (sizeof(struct cache_entry) + EXTRA_BYTES_MAX + OPERATION_INLINE_BYTES + SEGMENT_ALIGNMENT)

static_assert(offsetof(struct cache_entry, bytes) == 32, "an entry's fixed cost");
static_assert(ENTRY_BYTES_MAX <= SEGMENT_BYTES_MIN / 2, "two of the largest fit any segment");

struct cache_pair {
    alignas(2 * CACHE_LINE_BYTES) _Atomic uint64_t slots[SLOTS_PER_PAIR];
};
static_assert(sizeof(struct cache_pair) == 2 * CACHE_LINE_BYTES, "two lines");

/* One line of a pair, as readers hold it between two stages. */
struct cache_bucket {
    _Atomic uint64_t slots[SLOTS_PER_LINE];
};

struct retired {
    struct blob *blob; /* NULL: a segment */
    uint32_t segment;
    uint64_t token;
};

struct cache_part {
    struct cache_pair *table;
    uint64_t pair_count;
    uint16_t *ghosts;
    struct cache_segments segments;
    uint64_t budget_bytes; /* of all segments: entries and blobs together */
    uint64_t wanted_bytes; /* a value was refused for want of this much */
    uint32_t free_target;
    uint32_t victim_rotation;
    uint64_t sweep_at;

    struct retired *retired; /* ring; from `retired_tail` on, tokens up to `retired_with_token` */
    uint32_t retired_mask;
    uint32_t retired_head, retired_tail, retired_with_token;
    uint32_t retired_blobs;
    uint64_t retired_blob_bytes;
    uint64_t passed_token;

    uint64_t entry_count;
    uint64_t absent_count;   /* of them: absences */
    uint64_t expiring_count; /* of them: with an end */
    struct blob_stock *stock;
    struct counters *counters;
    struct memory_region region;
    _Atomic uint64_t status[4]; /* entries, segment bytes in use, live blob bytes, waiting bytes */
};

/* --- the table, for readers and owner --- */

static inline uint16_t tag_of(uint64_t hash)
{
    uint16_t tag = (uint16_t)(hash >> 32); /* not the owner's bits, not the bucket's */
    return tag ? tag : 1;
}

static inline struct cache_entry *slot_entry(uint64_t slot)
{
    return (struct cache_entry *)(uintptr_t)(slot & ADDRESS_MASK);
}

static inline uint64_t slot_make(uint64_t hash, const struct cache_entry *entry)
{
    uint64_t address = (uint64_t)(uintptr_t)entry;
    ASSERT_HOT((address & ~ADDRESS_MASK) == 0);
    return (uint64_t)tag_of(hash) << 48 | address;
}

static inline uint64_t pair_index(uint64_t hash, uint64_t pair_count)
{
    return ((hash & UINT32_MAX) * pair_count) >> 32;
}

static inline uint32_t first_line(uint64_t hash)
{
    return (hash >> 48) & 1 ? SLOTS_PER_LINE : 0;
}

/*
 * Which slots of a line carry the tag: a hint. Whoever follows one loads the slot again, with
 * acquire, and compares what it finds.
 */
#if defined(__SSE4_1__) && !defined(CACHE_SANITIZES_THREADS)
static inline uint32_t line_matches(const _Atomic uint64_t *line, uint16_t tag)
{
    /* Each half of a vector is one slot, whole: aligned words of 8 bytes are never torn here. */
    const __m128 *at = (const __m128 *)(const void *)line;
    __m128i low = _mm_castps_si128(_mm_shuffle_ps(at[0], at[1], _MM_SHUFFLE(3, 1, 3, 1)));
    __m128i high = _mm_castps_si128(_mm_shuffle_ps(at[2], at[3], _MM_SHUFFLE(3, 1, 3, 1)));
    __m128i tags = _mm_packus_epi32(_mm_srli_epi32(low, 16), _mm_srli_epi32(high, 16));
    __m128i equal = _mm_cmpeq_epi16(tags, _mm_set1_epi16((int16_t)tag));
    return (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(equal, _mm_setzero_si128()));
}
#else
static inline uint32_t line_matches(const _Atomic uint64_t *line, uint16_t tag)
{
    uint32_t matches = 0;
#pragma GCC unroll 8
    for (uint32_t i = 0; i < SLOTS_PER_LINE; i++)
        matches |= (uint32_t)(atomic_load_explicit(&line[i], memory_order_relaxed) >> 48 == tag)
                   << i;
    return matches;
}
#endif

static inline bool entry_is_for(const struct cache_entry *entry, uint64_t hash, const void *key,
                                uint32_t key_bytes)
{
    return entry && entry->hash == hash && entry->key_bytes == key_bytes &&
           bytes_equal(cache_entry_key(entry), key, key_bytes);
}

static inline bool entry_is_absence(const struct cache_entry *entry)
{
    return entry->version == 0;
}

static inline bool entry_expires(const struct cache_entry *entry)
{
    return (cache_entry_extras(entry) & CACHE_ENTRY_EXPIRES) != 0;
}

/* Not to be served: its time has ended, or it is stale. */
static inline bool entry_is_expired(const struct cache_entry *entry, uint64_t wall_ms)
{
    uint8_t extras = cache_entry_extras(entry);
    return UNLIKELY(extras & (CACHE_ENTRY_EXPIRES | CACHE_ENTRY_STALE)) &&
           (extras & CACHE_ENTRY_STALE || cache_entry_expires_at_ms(entry) <= wall_ms);
}

static inline bool entry_is_stale(const struct cache_entry *entry)
{
    return (cache_entry_extras(entry) & CACHE_ENTRY_STALE) != 0;
}

/* Its time has ended, stale or not. */
static inline bool entry_is_over(const struct cache_entry *entry, uint64_t wall_ms)
{
    uint64_t expires_at_ms = cache_entry_expires_at_ms(entry);
    return expires_at_ms != 0 && expires_at_ms <= wall_ms;
}

/* The slot that holds the key; `*found` is its entry. A reader may see the slot change afterwards.
 */
static inline _Atomic uint64_t *table_find(struct cache_pair *table, uint64_t pair_count,
                                           uint64_t hash, const void *key, uint32_t key_bytes,
                                           struct cache_entry **found)
{
    struct cache_pair *pair = &table[pair_index(hash, pair_count)];
    uint32_t line = first_line(hash);
    for (uint32_t side = 0; side < 2; side++, line ^= SLOTS_PER_LINE) {
        uint32_t matches = line_matches(&pair->slots[line], tag_of(hash));
        for (; matches; matches &= matches - 1) {
            _Atomic uint64_t *slot = &pair->slots[line + (uint32_t)__builtin_ctz(matches)];
            *found = slot_entry(atomic_load_explicit(slot, memory_order_acquire));
            if (LIKELY(entry_is_for(*found, hash, key, key_bytes)))
                return slot;
        }
    }
    return NULL;
}

/* --- entries, for the owner --- */

static inline uint32_t entry_bytes(const struct cache_entry *entry)
{
    size_t bytes = sizeof(*entry) + entry->extra_bytes + entry->key_bytes +
                   cache_entry_own_attributes_bytes(entry) +
                   (cache_entry_has_blob(entry) ? 0 : entry->value_bytes);
    return (uint32_t)((bytes + SEGMENT_ALIGNMENT - 1) & ~(size_t)(SEGMENT_ALIGNMENT - 1));
}

static inline enum cache_queue_name entry_queue(const struct cache_part *part,
                                                const struct cache_entry *entry)
{
    return part->segments.segments[cache_segments_index(&part->segments, entry)].queue;
}

/* Queues a blob reference (NULL: a segment) until every worker passed a quiescent point. */
void cache_retired_push(struct cache_part *part, struct blob *blob, uint32_t segment);

/* The entry is no longer in the table: readers of this round may still look at it. */
void cache_entry_retire(struct cache_part *part, struct cache_entry *entry);

static inline void cache_slot_publish(_Atomic uint64_t *slot, uint64_t hash,
                                      const struct cache_entry *entry)
{
    /* Release pairs with the acquire of who follows a slot: complete before it is found. */
    atomic_store_explicit(slot, slot_make(hash, entry), memory_order_release);
}

/* Unpublishes what the slot points at. */
void cache_slot_clear(struct cache_part *part, _Atomic uint64_t *slot);

/* Room at the newest end of a queue; leaves `reserve` segments free. NULL when there is none. */
void *cache_log_append(struct cache_part *part, enum cache_queue_name queue, uint32_t bytes,
                       uint32_t reserve);

/* --- eviction: cache_eviction.c --- */

/* Whether the key was evicted a short while ago, unread; forgets it. */
bool cache_ghost_recall(struct cache_part *part, uint64_t hash);

uint64_t cache_live_blob_bytes(const struct cache_part *part);

/* Budget not used by what is published; what waits for a grace period counts as free. */
int64_t cache_room_bytes(const struct cache_part *part);

void cache_entry_evict(struct cache_part *part, struct cache_entry *entry, uint64_t wall_ms);

/* Deals with one entry. False: nothing left to evict, or none before a grace period ends. */
bool cache_evict_step(struct cache_part *part, uint64_t wall_ms);

/* Steps until `wanted_bytes` and the part's free segments are there, or `steps` are done. */
void cache_evict_until(struct cache_part *part, uint64_t wanted_bytes, uint32_t steps,
                       uint64_t wall_ms);

#endif
