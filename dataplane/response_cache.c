/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A part is a table of line pairs in front of a log of entries.
 *
 * Table: a key may sit in any of the 16 slots of one pair of cache lines, first choice the line its
 * hash names. A slot is a 16-bit tag and a 48-bit address, so one 64-bit release store publishes,
 * replaces or removes an entry. When all 16 are taken, one of the 16 is evicted: the table is
 * bounded and a lookup never follows a chain.
 *
 * Log: see cache_segments.h. Eviction is S3-FIFO: new entries go through a small queue, those asked
 * for again move to the kept queue, and a fingerprint table remembers what left the small queue.
 * The oldest segment of a queue is worked through entry by entry, a few per fill and per round.
 *
 * Reclamation: an unpublished entry stays where it is until its segment has no living entry and
 * every worker has passed a quiescent point. References to blobs are given back on their own,
 * through the same queue of retired things; when too many wait there, a reference goes with its
 * segment.
 */
#include "dataplane/response_cache.h"

#include <errno.h>
#include <inttypes.h>
#include <rte_eal.h>
#include <rte_lcore.h>
#include <rte_rcu_qsbr.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/cache_segments.h"
#include "include/assert_policy.h"
#include "include/counters.h"
#include "include/log.h"
#include "include/memory_region.h"
#include "include/shard_operation.h"

#define SLOTS_PER_LINE 8u
#define SLOTS_PER_PAIR (2 * SLOTS_PER_LINE)
#define ADDRESS_MASK ((UINT64_C(1) << 48) - 1)
#define GHOSTS_PER_PAIR 8u
#define BYTES_PER_SLOT                                                                             \
    160u /* of budget: entries are rarely smaller, their heads alone are 110 bytes */
#define SEGMENTS_WANTED 64u
#define WORKERS_MAX 128u

#define NEW_QUEUE_DIVISOR 10u    /* S3-FIFO's small queue: a tenth */
#define RETIRED_BLOBS_MAX 1024u  /* waiting for a grace period one by one */
#define RETIRED_BYTES_DIVISOR 4u /* of the budget may be blobs that wait for a grace period */
#define BLOB_BYTES_DIVISOR 2u    /* of the budget is the most that one value may cost */
#define FREE_SEGMENTS_RESERVE 2u /* for moving entries out of a segment that is to be freed */
#define FREE_SEGMENTS_MIN 3u
#define FREE_SEGMENTS_DIVISOR 32u

#define STEPS_PER_SMALL_FILL 8u /* entries looked at for eviction */
#define STEPS_PER_LARGE_FILL 256u
#define STEPS_PER_ROUND 32u
#define STEPS_PER_SHRINK 1024u
#define RECLAIMED_PER_ROUND 64u
#define SWEPT_PER_ROUND 4u

#define OWNER_FLAGS 0u      /* owner_bytes[OWNER_FLAGS] */
#define ENTRY_IS_LIVE 0x1u  /* published */
#define ENTRY_HAS_BLOB 0x2u /* this copy holds the cache's reference */

#define ENTRY_BYTES_MAX                                                                            \
    (sizeof(struct cache_entry) + OPERATION_INLINE_BYTES + CACHE_HEAD_BYTES_MAX + SEGMENT_ALIGNMENT)

static_assert(offsetof(struct cache_entry, bytes) == 56, "an entry's fixed cost");
static_assert(ENTRY_BYTES_MAX <= SEGMENT_BYTES_MIN / 2, "two of the largest fit any segment");

struct cache_pair {
    alignas(2 * CACHE_LINE_BYTES) _Atomic uint64_t slots[SLOTS_PER_PAIR];
};
static_assert(sizeof(struct cache_pair) == 2 * CACHE_LINE_BYTES, "two lines");

/* All that a reader needs of a part. NULL until its worker has attached. */
struct part_view {
    _Atomic(struct cache_pair *) table;
    uint64_t pair_count;
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
    struct blob_stock *stock;
    struct counters *counters;
    struct memory_region region;
    _Atomic uint64_t status[4]; /* entries, segment bytes in use, live blob bytes, waiting bytes */
};

struct response_cache {
    uint32_t workers;
    struct rte_rcu_qsbr *qsbr;
    struct response_cache_config config;
    struct cache_part *parts[WORKERS_MAX];
    alignas(CACHE_LINE_BYTES) struct part_view views[];
};

/* --- the table: what readers do --------------------------------------------------------------- */

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

/* Which slots of a line carry the tag. Acquire pairs with the owner's release in slot_publish. */
static inline uint32_t line_matches(const _Atomic uint64_t *line, uint16_t tag)
{
    uint32_t matches = 0;
    for (uint32_t i = 0; i < SLOTS_PER_LINE; i++)
        matches |= (uint32_t)(atomic_load_explicit(&line[i], memory_order_acquire) >> 48 == tag)
                   << i;
    return matches;
}

static inline bool entry_is_for(const struct cache_entry *entry, uint64_t hash, const void *key,
                                uint32_t key_bytes)
{
    return entry && entry->hash == hash && entry->key_bytes == key_bytes &&
           memcmp(entry->bytes, key, key_bytes) == 0;
}

static inline bool entry_is_expired(const struct cache_entry *entry, uint64_t wall_ms)
{
    return entry->expires_at_ms != 0 && entry->expires_at_ms <= wall_ms;
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

static inline const struct part_view *view_of(const struct response_cache *cache, uint64_t hash)
{
    return &cache->views[response_cache_owner_of(hash, cache->workers)];
}

/* Acquire pairs with the release in response_cache_attach: pair_count is there before the table. */
static inline struct cache_pair *view_table(const struct part_view *view)
{
    return atomic_load_explicit(&view->table, memory_order_acquire);
}

void response_cache_prefetch_bucket(const struct response_cache *cache, uint64_t hash)
{
    const struct part_view *view = view_of(cache, hash);
    const struct cache_pair *table = view_table(view);
    if (LIKELY(table != NULL))
        prefetch_read(&table[pair_index(hash, view->pair_count)].slots[first_line(hash)]);
}

void response_cache_prefetch_entry(const struct response_cache *cache, uint64_t hash)
{
    const struct part_view *view = view_of(cache, hash);
    const struct cache_pair *table = view_table(view);
    if (UNLIKELY(table == NULL))
        return;
    const struct cache_pair *pair = &table[pair_index(hash, view->pair_count)];
    uint32_t line = first_line(hash);
    uint32_t matches = line_matches(&pair->slots[line], tag_of(hash));
    if (UNLIKELY(matches ==
                 0)) { /* absent, or in the second line: rare, but not to be waited for */
        prefetch_read(&pair->slots[line ^ SLOTS_PER_LINE]);
        return;
    }
    const _Atomic uint64_t *slot = &pair->slots[line + (uint32_t)__builtin_ctz(matches)];
    const char *entry = (const char *)slot_entry(atomic_load_explicit(slot, memory_order_acquire));
    prefetch_read(entry);
    prefetch_read(entry + CACHE_LINE_BYTES);
}

const struct cache_entry *response_cache_lookup(const struct response_cache *cache, uint64_t hash,
                                                const void *key, uint32_t key_bytes,
                                                uint64_t wall_ms)
{
    const struct part_view *view = view_of(cache, hash);
    struct cache_pair *table = view_table(view);
    struct cache_entry *entry;
    if (UNLIKELY(table == NULL) ||
        !table_find(table, view->pair_count, hash, key, key_bytes, &entry))
        return NULL;
    if (UNLIKELY(entry_is_expired(entry, wall_ms)))
        return NULL;
    /* Only the first reader since the mark was cleared writes: a hot line stays shared. */
    if (UNLIKELY(atomic_load_explicit(&entry->recency, memory_order_relaxed) == 0))
        atomic_store_explicit(&entry->recency, 1, memory_order_relaxed);
    return entry;
}

/* --- entries and what is retired: the owner from here on ----------------------------------------
 */

static uint32_t entry_bytes(const struct cache_entry *entry)
{
    size_t bytes = sizeof(*entry) + entry->key_bytes + entry->head_bytes +
                   (entry->value ? 0 : entry->value_bytes);
    return (uint32_t)((bytes + SEGMENT_ALIGNMENT - 1) & ~(size_t)(SEGMENT_ALIGNMENT - 1));
}

static enum cache_queue_name entry_queue(const struct cache_part *part,
                                         const struct cache_entry *entry)
{
    return part->segments.segments[cache_segments_index(&part->segments, entry)].queue;
}

static void retired_push(struct cache_part *part, struct blob *blob, uint32_t segment)
{
    ASSERT(part->retired_head - part->retired_tail <= part->retired_mask);
    part->retired[part->retired_head++ & part->retired_mask] =
        (struct retired){.blob = blob, .segment = segment};
}

/* The cache's reference: a reader that found the entry may still take one of its own this round. */
static void entry_retire_blob(struct cache_part *part, struct cache_entry *entry)
{
    uint32_t segment = cache_segments_index(&part->segments, entry);
    part->segments.queues[part->segments.segments[segment].queue].live_blob_bytes -=
        entry->value->capacity_bytes;
    part->retired_blob_bytes += entry->value->capacity_bytes;
    if (part->retired_blobs == RETIRED_BLOBS_MAX) {
        part->segments.segments[segment].held_blobs++;
        return;
    }
    part->retired_blobs++;
    entry->owner_bytes[OWNER_FLAGS] &= (uint8_t)~ENTRY_HAS_BLOB;
    retired_push(part, entry->value, SEGMENT_NONE);
}

/* The entry is no longer in the table: readers of this round may still look at it. */
static void entry_retire(struct cache_part *part, struct cache_entry *entry)
{
    entry->owner_bytes[OWNER_FLAGS] &= (uint8_t)~ENTRY_IS_LIVE;
    if (entry->owner_bytes[OWNER_FLAGS] & ENTRY_HAS_BLOB)
        entry_retire_blob(part, entry);
    part->entry_count--;
    uint32_t segment = cache_segments_index(&part->segments, entry);
    if (cache_segments_forget(&part->segments, entry, entry_bytes(entry)))
        retired_push(part, NULL, segment);
}

static void blob_let_go(struct cache_part *part, struct blob *blob)
{
    part->retired_blob_bytes -= blob->capacity_bytes;
    blob_release(part->stock, blob);
}

static void segment_release_held_blobs(struct cache_part *part, uint32_t index)
{
    const struct cache_segment *segment = &part->segments.segments[index];
    uint8_t *start = cache_segments_start(&part->segments, index);
    for (uint32_t at = 0; at < segment->used_bytes;) {
        struct cache_entry *entry = (struct cache_entry *)(start + at);
        at += entry_bytes(entry);
        if (entry->owner_bytes[OWNER_FLAGS] & ENTRY_HAS_BLOB)
            blob_let_go(part, entry->value);
    }
}

static void reclaim(struct cache_part *part, const struct retired *retired)
{
    if (retired->blob) {
        part->retired_blobs--;
        blob_let_go(part, retired->blob);
        return;
    }
    struct cache_segment *segment = &part->segments.segments[retired->segment];
    if (segment->held_blobs > 0) {
        segment_release_held_blobs(part, retired->segment);
        segment->held_blobs = 0;
    }
    cache_segments_recycle(&part->segments, retired->segment);
}

/* What every worker has let go, a bounded number of it; then one token for all that is new. */
static void reclaim_some(struct response_cache *cache, struct cache_part *part)
{
    for (uint32_t i = 0; i < RECLAIMED_PER_ROUND; i++) {
        if (part->retired_tail == part->retired_with_token)
            break;
        const struct retired *oldest = &part->retired[part->retired_tail & part->retired_mask];
        if (oldest->token > part->passed_token) {
            if (rte_rcu_qsbr_check(cache->qsbr, oldest->token, false) != 1)
                break;
            part->passed_token = oldest->token;
        }
        reclaim(part, oldest);
        part->retired_tail++;
    }
    if (part->retired_with_token == part->retired_head)
        return;
    uint64_t token = rte_rcu_qsbr_start(cache->qsbr);
    while (part->retired_with_token != part->retired_head)
        part->retired[part->retired_with_token++ & part->retired_mask].token = token;
}

/* --- eviction ------------------------------------------------------------------------------------
 */

static void *log_append(struct cache_part *part, enum cache_queue_name queue, uint32_t bytes,
                        uint32_t reserve)
{
    void *address = cache_segments_append(&part->segments, queue, bytes, reserve);
    uint32_t sealed;
    if (address || part->segments.queues[queue].open_segment == SEGMENT_NONE)
        return address;
    if (cache_segments_seal(&part->segments, queue, &sealed))
        retired_push(part, NULL, sealed);
    return cache_segments_append(&part->segments, queue, bytes, reserve);
}

static uint16_t *ghost_bucket(const struct cache_part *part, uint64_t hash)
{
    return &part->ghosts[pair_index(hash, part->pair_count) * GHOSTS_PER_PAIR];
}

static uint16_t ghost_fingerprint(uint64_t hash)
{
    return (uint16_t)(tag_of(hash) ^ (hash >> 49)) | 1;
}

static void ghost_remember(struct cache_part *part, uint64_t hash)
{
    uint16_t *bucket = ghost_bucket(part, hash);
    memmove(&bucket[1], &bucket[0], (GHOSTS_PER_PAIR - 1) * sizeof(bucket[0]));
    bucket[0] = ghost_fingerprint(hash);
}

static bool ghost_recall(struct cache_part *part, uint64_t hash)
{
    uint16_t *bucket = ghost_bucket(part, hash);
    uint16_t fingerprint = ghost_fingerprint(hash);
    for (uint32_t i = 0; i < GHOSTS_PER_PAIR; i++) {
        if (bucket[i] == fingerprint) {
            bucket[i] = 0;
            return true;
        }
    }
    return false;
}

/* The slot that points at exactly this entry. */
static _Atomic uint64_t *slot_of(struct cache_part *part, const struct cache_entry *entry)
{
    struct cache_pair *pair = &part->table[pair_index(entry->hash, part->pair_count)];
    uint64_t wanted = slot_make(entry->hash, entry);
    for (uint32_t i = 0; i < SLOTS_PER_PAIR; i++)
        if (atomic_load_explicit(&pair->slots[i], memory_order_relaxed) == wanted)
            return &pair->slots[i];
    UNREACHABLE(); /* a live entry is in the table */
}

static void slot_publish(_Atomic uint64_t *slot, uint64_t hash, const struct cache_entry *entry)
{
    /* Release pairs with the acquire in line_matches: the entry is complete before it is found. */
    atomic_store_explicit(slot, slot_make(hash, entry), memory_order_release);
}

static void slot_clear(struct cache_part *part, _Atomic uint64_t *slot)
{
    struct cache_entry *entry = slot_entry(atomic_load_explicit(slot, memory_order_relaxed));
    atomic_store_explicit(slot, 0, memory_order_release);
    entry_retire(part, entry);
}

/* Copies all but the recency mark, which readers may be writing. */
static void entry_copy(struct cache_entry *to, const struct cache_entry *from, uint32_t bytes)
{
    const size_t mark = offsetof(struct cache_entry, recency);
    memcpy(to, from, mark);
    atomic_init(&to->recency, 0);
    memcpy((char *)to + mark + 1, (const char *)from + mark + 1, bytes - mark - 1);
}

/* Moves a living entry to the newest end of `queue`; false when there is no room for the copy. */
static bool entry_move(struct cache_part *part, struct cache_entry *entry,
                       enum cache_queue_name queue)
{
    uint32_t bytes = entry_bytes(entry);
    struct cache_entry *copy = log_append(part, queue, bytes, 0);
    if (!copy)
        return false;
    entry_copy(copy, entry, bytes);
    if (entry->owner_bytes[OWNER_FLAGS] & ENTRY_HAS_BLOB) { /* the copy has the reference now */
        struct cache_queue *queues = part->segments.queues;
        queues[entry_queue(part, entry)].live_blob_bytes -= entry->value->capacity_bytes;
        queues[queue].live_blob_bytes += entry->value->capacity_bytes;
        entry->owner_bytes[OWNER_FLAGS] &= (uint8_t)~ENTRY_HAS_BLOB;
    }
    slot_publish(slot_of(part, entry), entry->hash, copy);
    part->entry_count++;
    entry_retire(part, entry);
    return true;
}

static void entry_evict(struct cache_part *part, struct cache_entry *entry, uint64_t wall_ms)
{
    bool is_expired = entry_is_expired(entry, wall_ms);
    count(part->counters, is_expired ? COUNTER_CACHE_EXPIRED : COUNTER_CACHE_EVICTIONS);
    if (!is_expired && entry_queue(part, entry) == CACHE_QUEUE_NEW)
        ghost_remember(part, entry->hash);
    slot_clear(part, slot_of(part, entry));
}

static uint64_t queue_bytes(const struct cache_part *part, enum cache_queue_name name)
{
    const struct cache_queue *queue = &part->segments.queues[name];
    return ((uint64_t)queue->segment_count << part->segments.shift) + queue->live_blob_bytes;
}

static uint64_t live_blob_bytes(const struct cache_part *part)
{
    return part->segments.queues[CACHE_QUEUE_NEW].live_blob_bytes +
           part->segments.queues[CACHE_QUEUE_KEPT].live_blob_bytes;
}

/* Budget not used by what is published. What waits for a grace period counts as free: it will be.
 */
static int64_t room_bytes(const struct cache_part *part)
{
    uint64_t used = queue_bytes(part, CACHE_QUEUE_NEW) + queue_bytes(part, CACHE_QUEUE_KEPT);
    return (int64_t)part->budget_bytes - (int64_t)used;
}

/* The queue's oldest segment, sealed so that it can be emptied. SEGMENT_NONE when it has nothing.
 */
static uint32_t queue_oldest_sealed(struct cache_part *part, enum cache_queue_name name)
{
    struct cache_queue *queue = &part->segments.queues[name];
    if (queue->oldest != SEGMENT_NONE && queue->oldest == queue->open_segment) {
        uint32_t sealed;
        if (cache_segments_seal(&part->segments, name, &sealed))
            retired_push(part, NULL, sealed);
    }
    return queue->oldest;
}

static uint32_t eviction_choose(struct cache_part *part, struct cache_queue **queue)
{
    bool is_new_too_long =
        queue_bytes(part, CACHE_QUEUE_NEW) > part->budget_bytes / NEW_QUEUE_DIVISOR;
    enum cache_queue_name name = is_new_too_long ? CACHE_QUEUE_NEW : CACHE_QUEUE_KEPT;
    uint32_t segment = queue_oldest_sealed(part, name);
    if (segment == SEGMENT_NONE) {
        name = name == CACHE_QUEUE_NEW ? CACHE_QUEUE_KEPT : CACHE_QUEUE_NEW;
        segment = queue_oldest_sealed(part, name);
    }
    *queue = &part->segments.queues[name];
    return segment;
}

/*
 * Deals with the next entry of the oldest segment: moves it on when it was asked for, or when its
 * segment is mostly dead bytes and copying the living frees more than it takes. False: nothing
 * left.
 */
static bool evict_step(struct cache_part *part, uint64_t wall_ms)
{
    struct cache_queue *queue;
    uint32_t index = eviction_choose(part, &queue);
    if (index == SEGMENT_NONE)
        return false;
    const struct cache_segment *segment = &part->segments.segments[index];
    if (queue->scan_offset == 0)
        queue->is_compacting = segment->live_bytes < segment->used_bytes / 2;
    ASSERT(queue->scan_offset < segment->used_bytes); /* some living entry is still ahead */
    uint8_t *start = cache_segments_start(&part->segments, index);
    struct cache_entry *entry = (struct cache_entry *)(start + queue->scan_offset);
    queue->scan_offset += entry_bytes(entry);
    if (queue->scan_offset < segment->used_bytes) {
        uint64_t next_hash = ((struct cache_entry *)(start + queue->scan_offset))->hash;
        prefetch_read(
            &part->table[pair_index(next_hash, part->pair_count)].slots[first_line(next_hash)]);
    }
    if (!(entry->owner_bytes[OWNER_FLAGS] & ENTRY_IS_LIVE))
        return true;
    bool was_asked_for = atomic_load_explicit(&entry->recency, memory_order_relaxed) != 0;
    bool stays = was_asked_for || (queue->is_compacting && !entry->value);
    enum cache_queue_name to = was_asked_for ? CACHE_QUEUE_KEPT : segment->queue;
    if (stays && !entry_is_expired(entry, wall_ms)) {
        if (entry_move(part, entry, to))
            return true;
        if (part->segments.retired_count > 0) { /* room for the copy is on its way: come again */
            queue->scan_offset -= entry_bytes(entry);
            return false;
        }
    }
    entry_evict(part, entry, wall_ms);
    return true;
}

static void evict_until(struct cache_part *part, uint64_t wanted_bytes, uint32_t steps,
                        uint64_t wall_ms)
{
    int64_t target =
        (int64_t)(wanted_bytes + ((uint64_t)part->free_target << part->segments.shift));
    while (room_bytes(part) < target && steps-- > 0 && evict_step(part, wall_ms))
        ;
}

/* --- fills ---------------------------------------------------------------------------------------
 */

static _Atomic uint64_t *part_find(struct cache_part *part, const struct shard_operation *operation,
                                   struct cache_entry **entry)
{
    return table_find(part->table, part->pair_count, operation->cache_hash, operation->bytes,
                      operation->key_bytes, entry);
}

static void invalidate(struct cache_part *part, const struct shard_operation *operation)
{
    struct cache_entry *entry;
    _Atomic uint64_t *slot = part_find(part, operation, &entry);
    if (slot)
        slot_clear(part, slot);
}

static void refuse(struct cache_part *part, const struct shard_operation *operation)
{
    count(part->counters, COUNTER_CACHE_REFUSED);
    invalidate(part, operation);
}

/* A free slot of the key's pair, made free if need be: the first entry nobody asked for, in turn.
 */
static _Atomic uint64_t *slot_take(struct cache_part *part, uint64_t hash, uint64_t wall_ms)
{
    struct cache_pair *pair = &part->table[pair_index(hash, part->pair_count)];
    uint32_t line = first_line(hash);
    for (uint32_t i = 0; i < SLOTS_PER_PAIR; i++)
        if (atomic_load_explicit(&pair->slots[i ^ line], memory_order_relaxed) == 0)
            return &pair->slots[i ^ line];
    _Atomic uint64_t *slot = NULL;
    for (uint32_t i = 0; i < SLOTS_PER_PAIR; i++) {
        slot = &pair->slots[part->victim_rotation++ % SLOTS_PER_PAIR];
        struct cache_entry *entry = slot_entry(atomic_load_explicit(slot, memory_order_relaxed));
        if (atomic_load_explicit(&entry->recency, memory_order_relaxed) == 0)
            break;
        atomic_store_explicit(&entry->recency, 0, memory_order_relaxed);
    }
    entry_evict(part, slot_entry(atomic_load_explicit(slot, memory_order_relaxed)), wall_ms);
    return slot;
}

static bool make_room(struct cache_part *part, uint64_t blob_bytes, uint64_t wall_ms)
{
    if (blob_bytes == 0) {
        evict_until(part, 0, STEPS_PER_SMALL_FILL, wall_ms);
        return true;
    }
    if (blob_bytes > part->budget_bytes / BLOB_BYTES_DIVISOR ||
        part->retired_blob_bytes > part->budget_bytes / RETIRED_BYTES_DIVISOR)
        return false;
    evict_until(part, blob_bytes, STEPS_PER_LARGE_FILL, wall_ms);
    if (room_bytes(part) >= (int64_t)blob_bytes)
        return true;
    part->wanted_bytes = blob_bytes; /* the next rounds go on evicting; a later fill will fit */
    return false;
}

static struct cache_entry *entry_make(struct cache_part *part, enum cache_queue_name queue,
                                      const struct shard_operation *operation, const uint8_t *head,
                                      uint32_t head_bytes)
{
    struct cache_entry shape = {
        .hash = operation->cache_hash,
        .version = operation->version,
        .expires_at_ms = operation->expires_at_ms,
        .modified_at_ms = operation->modified_at_ms,
        .value = operation->value,
        .value_bytes = operation->value_bytes,
        .key_bytes = operation->key_bytes,
        .head_bytes = (uint16_t)head_bytes,
    };
    shape.owner_bytes[OWNER_FLAGS] = ENTRY_IS_LIVE | (shape.value ? ENTRY_HAS_BLOB : 0);
    struct cache_entry *entry = log_append(part, queue, entry_bytes(&shape), FREE_SEGMENTS_RESERVE);
    if (!entry)
        return NULL;
    memcpy(entry, &shape, sizeof(shape));
    memcpy(entry->bytes, operation->bytes, operation->key_bytes);
    memcpy(entry->bytes + operation->key_bytes, head, head_bytes);
    if (shape.value) {
        blob_hold(shape.value);
        part->segments.queues[queue].live_blob_bytes += shape.value->capacity_bytes;
    } else {
        memcpy(entry->bytes + operation->key_bytes + head_bytes,
               operation->bytes + operation->key_bytes + operation->attributes_bytes,
               operation->value_bytes);
    }
    part->entry_count++;
    return entry;
}

static void fill(struct response_cache *cache, struct cache_part *part,
                 const struct shard_operation *operation, const uint8_t *head, uint32_t head_bytes,
                 uint64_t wall_ms)
{
    if (operation->expires_at_ms != 0 && operation->expires_at_ms <= wall_ms) {
        invalidate(part, operation);
        return;
    }
    uint64_t blob_bytes = operation->value ? operation->value->capacity_bytes : 0;
    if (operation->value_bytes > cache->config.value_bytes_max ||
        !make_room(part, blob_bytes, wall_ms)) {
        refuse(part, operation);
        return;
    }
    struct cache_entry *old = NULL;
    _Atomic uint64_t *slot = part_find(part, operation, &old); /* now: making room may move it */
    if (slot && old->version >= operation->version)
        return; /* never newer by older; the same version is the same value */
    enum cache_queue_name queue = CACHE_QUEUE_NEW;
    if (slot ? entry_queue(part, old) == CACHE_QUEUE_KEPT
             : ghost_recall(part, operation->cache_hash))
        queue = CACHE_QUEUE_KEPT;
    struct cache_entry *entry = entry_make(part, queue, operation, head, head_bytes);
    if (!entry) {
        refuse(part, operation);
        return;
    }
    if (slot) {
        atomic_init(&entry->recency, atomic_load_explicit(&old->recency, memory_order_relaxed));
        slot_publish(slot, entry->hash, entry);
        entry_retire(part, old);
    } else {
        slot_publish(slot_take(part, entry->hash, wall_ms), entry->hash, entry);
    }
    count(part->counters, COUNTER_CACHE_FILLS);
}

void response_cache_apply(struct response_cache *cache, uint32_t worker,
                          const struct shard_operation *operation, const uint8_t *head,
                          uint32_t head_bytes, uint64_t wall_ms)
{
    struct cache_part *part = cache->parts[worker];
    ASSERT_HOT(response_cache_owner_of(operation->cache_hash, cache->workers) == worker);
    ASSERT(head_bytes <= CACHE_HEAD_BYTES_MAX);
    if (!part->table)
        return; /* no memory at start: nothing is cached here */
    if (operation->cache_action == SHARD_CACHE_FILL)
        fill(cache, part, operation, head, head_bytes, wall_ms);
    else if (operation->cache_action == SHARD_CACHE_INVALIDATE)
        invalidate(part, operation);
}

/* --- rounds --------------------------------------------------------------------------------------
 */

/* Looks at a few slots for entries past their time; loads the next few for the next round. */
static void sweep_some(struct cache_part *part, uint64_t wall_ms)
{
    _Atomic uint64_t *slots = part->table[0].slots;
    uint64_t slot_count = part->pair_count * SLOTS_PER_PAIR;
    uint64_t at = part->sweep_at;
    for (uint32_t i = 0; i < SWEPT_PER_ROUND; i++) {
        const struct cache_entry *entry =
            slot_entry(atomic_load_explicit(&slots[at + i], memory_order_relaxed));
        if (entry && entry_is_expired(entry, wall_ms)) {
            count(part->counters, COUNTER_CACHE_EXPIRED);
            slot_clear(part, &slots[at + i]);
        }
    }
    at = at + SWEPT_PER_ROUND < slot_count ? at + SWEPT_PER_ROUND : 0;
    for (uint32_t i = 0; i < SWEPT_PER_ROUND; i++)
        prefetch_read(slot_entry(atomic_load_explicit(&slots[at + i], memory_order_relaxed)));
    part->sweep_at = at;
}
static_assert(SLOTS_PER_PAIR % SWEPT_PER_ROUND == 0, "a sweep step stays inside the table");

static void status_publish(struct cache_part *part)
{
    uint64_t segments_used = part->segments.count - part->segments.free_count;
    const uint64_t values[] = {part->entry_count, segments_used << part->segments.shift,
                               live_blob_bytes(part), part->retired_blob_bytes};
    for (uint32_t i = 0; i < ARRAY_COUNT(values); i++)
        atomic_store_explicit(&part->status[i], values[i], memory_order_relaxed);
}

void response_cache_maintain(struct response_cache *cache, uint32_t worker, uint64_t wall_ms)
{
    struct cache_part *part = cache->parts[worker];
    if (!part->table)
        return;
    reclaim_some(cache, part);
    evict_until(part, part->wanted_bytes, STEPS_PER_ROUND, wall_ms);
    if (room_bytes(part) >= (int64_t)part->wanted_bytes)
        part->wanted_bytes = 0;
    sweep_some(part, wall_ms);
    status_publish(part);
}

uint64_t response_cache_shrink(struct response_cache *cache, uint32_t worker, uint64_t bytes)
{
    struct cache_part *part = cache->parts[worker];
    if (!part->table)
        return 0;
    uint64_t before = live_blob_bytes(part);
    for (uint32_t steps = 0; steps < STEPS_PER_SHRINK; steps++) {
        uint64_t now = live_blob_bytes(part);
        if (now == 0 || before - now >= bytes || !evict_step(part, 0))
            break;
    }
    return before - live_blob_bytes(part);
}

void response_cache_quiescent(struct response_cache *cache, uint32_t worker)
{
    rte_rcu_qsbr_quiescent(cache->qsbr, worker);
}

void response_cache_offline(struct response_cache *cache, uint32_t worker)
{
    rte_rcu_qsbr_thread_offline(cache->qsbr, worker);
}

void response_cache_online(struct response_cache *cache, uint32_t worker)
{
    rte_rcu_qsbr_thread_online(cache->qsbr, worker);
}

/* --- start and stop
 * ------------------------------------------------------------------------------- */

static size_t round_up(size_t bytes, size_t unit)
{
    return (bytes + unit - 1) / unit * unit;
}

static uint32_t segment_bytes_for(uint64_t budget)
{
    uint32_t bytes = SEGMENT_BYTES_MAX;
    while (bytes > SEGMENT_BYTES_MIN && budget / bytes < SEGMENTS_WANTED)
        bytes /= 2;
    return bytes;
}

static uint32_t retired_slots(uint64_t segment_count)
{
    uint32_t slots = 2 * RETIRED_BLOBS_MAX;
    while (slots < segment_count + RETIRED_BLOBS_MAX)
        slots *= 2;
    return slots;
}

/* Cuts the part's budget into table, fingerprints, queue of retired, segment records, segments. */
static int part_create(struct cache_part *part, uint64_t budget, int socket)
{
    uint32_t segment_bytes = segment_bytes_for(budget);
    uint64_t pair_count = budget / (BYTES_PER_SLOT * SLOTS_PER_PAIR);
    uint32_t slots = retired_slots(budget / segment_bytes);
    size_t table_bytes = pair_count * sizeof(struct cache_pair);
    size_t ghosts_bytes = round_up(pair_count * GHOSTS_PER_PAIR * sizeof(uint16_t), 64);
    size_t retired_bytes = slots * sizeof(struct retired);
    size_t records_bytes = round_up(budget / segment_bytes * sizeof(struct cache_segment), 64);
    size_t front = table_bytes + ghosts_bytes + retired_bytes + records_bytes;
    size_t arena_at = round_up(front, 4096);
    if (arena_at >= budget || (budget - arena_at) / segment_bytes < 2 * FREE_SEGMENTS_MIN)
        return -EINVAL;
    if (memory_region_create(&part->region, "cache", budget, SEGMENT_BYTES_MAX, socket,
                             MEMORY_FOR_THREADS))
        return -ENOMEM;
    uint8_t *base = part->region.base;
    memset(base, 0, front);
    part->table = (struct cache_pair *)base;
    part->pair_count = pair_count;
    part->ghosts = (uint16_t *)(base + table_bytes);
    part->retired = (struct retired *)(base + table_bytes + ghosts_bytes);
    part->retired_mask = slots - 1;
    uint32_t segment_count = (uint32_t)((budget - arena_at) / segment_bytes);
    cache_segments_init(&part->segments, base + arena_at,
                        (struct cache_segment *)(base + table_bytes + ghosts_bytes + retired_bytes),
                        segment_count, segment_bytes);
    part->budget_bytes = (uint64_t)segment_count * segment_bytes;
    part->free_target = segment_count / FREE_SEGMENTS_DIVISOR;
    if (part->free_target < FREE_SEGMENTS_MIN)
        part->free_target = FREE_SEGMENTS_MIN;
    return 0;
}

static void part_destroy(struct cache_part *part)
{
    if (!part)
        return;
    if (part->table) {
        for (; part->retired_tail != part->retired_head; part->retired_tail++) {
            struct blob *blob = part->retired[part->retired_tail & part->retired_mask].blob;
            if (blob)
                blob_release(part->stock, blob);
        }
        for (uint32_t segment = 0; segment < part->segments.count; segment++)
            if (part->segments.segments[segment].state != SEGMENT_FREE)
                segment_release_held_blobs(part, segment);
        memory_region_destroy(&part->region);
    }
    free(part);
}

int response_cache_create(const struct response_cache_config *config, struct response_cache **out)
{
    if (config->workers == 0 || config->workers > WORKERS_MAX ||
        config->part_memory_bytes < RESPONSE_CACHE_PART_BYTES_MIN)
        return -EINVAL;
    size_t bytes = sizeof(struct response_cache) + config->workers * sizeof(struct part_view);
    size_t qsbr_bytes = rte_rcu_qsbr_get_memsize(config->workers);
    struct response_cache *cache =
        aligned_alloc(CACHE_LINE_BYTES, round_up(bytes, CACHE_LINE_BYTES));
    if (!cache)
        return -ENOMEM;
    memset(cache, 0, bytes);
    cache->workers = config->workers;
    cache->config = *config;
    cache->qsbr = aligned_alloc(CACHE_LINE_BYTES, round_up(qsbr_bytes, CACHE_LINE_BYTES));
    bool is_complete = cache->qsbr && rte_rcu_qsbr_init(cache->qsbr, config->workers) == 0;
    for (uint32_t worker = 0; worker < config->workers && is_complete; worker++) {
        cache->parts[worker] =
            aligned_alloc(CACHE_LINE_BYTES, round_up(sizeof(struct cache_part), CACHE_LINE_BYTES));
        is_complete = cache->parts[worker] != NULL;
        if (is_complete)
            memset(cache->parts[worker], 0, sizeof(struct cache_part));
    }
    if (!is_complete) {
        response_cache_destroy(cache);
        return -ENOMEM;
    }
    *out = cache;
    return 0;
}

void response_cache_destroy(struct response_cache *cache)
{
    if (!cache)
        return;
    for (uint32_t worker = 0; worker < cache->workers; worker++)
        part_destroy(cache->parts[worker]);
    free(cache->qsbr);
    free(cache);
}

void response_cache_attach(struct response_cache *cache, uint32_t worker, struct blob_stock *stock,
                           struct counters *counters)
{
    struct cache_part *part = cache->parts[worker];
    part->stock = stock;
    part->counters = counters;
    int socket = rte_socket_count() > 1 ? (int)rte_socket_id() : MEMORY_SOCKET_ANY;
    int result = part_create(part, cache->config.part_memory_bytes, socket);
    if (result)
        log_line(LOG_LEVEL_ERROR,
                 "worker %u runs without a cache: no memory for %" PRIu64 " bytes: %s", worker,
                 cache->config.part_memory_bytes, strerror(-result));
    else if (!part->region.is_from_dpdk && rte_socket_count() > 0 && rte_eal_has_hugepages())
        log_line(LOG_LEVEL_WARNING,
                 "worker %u: hugepages ran out: its cache of %" PRIu64
                 " bytes is in ordinary pages",
                 worker, cache->config.part_memory_bytes);
    rte_rcu_qsbr_thread_register(cache->qsbr, worker);
    rte_rcu_qsbr_thread_online(cache->qsbr, worker);
    cache->views[worker].pair_count = part->pair_count;
    /* Release pairs with view_table's acquire: other workers may be reading already. */
    atomic_store_explicit(&cache->views[worker].table, part->table, memory_order_release);
}

void response_cache_status(const struct response_cache *cache, uint32_t worker,
                           struct response_cache_status *status)
{
    const _Atomic uint64_t *from = cache->parts[worker]->status;
    status->entries = atomic_load_explicit(&from[0], memory_order_relaxed);
    status->entry_bytes = atomic_load_explicit(&from[1], memory_order_relaxed);
    status->blob_bytes = atomic_load_explicit(&from[2], memory_order_relaxed);
    status->waiting_bytes = atomic_load_explicit(&from[3], memory_order_relaxed);
}
