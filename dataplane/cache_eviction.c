/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/cache_part.h"

#include "include/counters.h"

#define NEW_QUEUE_DIVISOR 10u /* S3-FIFO's small queue: a tenth of the budget */

/* --- what leaves the table ------------------------------------------------------------------ */

void cache_retired_push(struct cache_part *part, struct blob *blob, uint32_t segment)
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
        cache_entry_blob(entry)->capacity_bytes;
    part->retired_blob_bytes += cache_entry_blob(entry)->capacity_bytes;
    if (part->retired_blobs == RETIRED_BLOBS_MAX) {
        part->segments.segments[segment].held_blobs++;
        return;
    }
    part->retired_blobs++;
    entry->owner_flags &= (uint8_t)~ENTRY_HAS_BLOB;
    cache_retired_push(part, cache_entry_blob(entry), SEGMENT_NONE);
}

void cache_entry_retire(struct cache_part *part, struct cache_entry *entry)
{
    entry->owner_flags &= (uint8_t)~ENTRY_IS_LIVE;
    if (entry->owner_flags & ENTRY_HAS_BLOB)
        entry_retire_blob(part, entry);
    part->entry_count--;
    part->absent_count -= entry_is_absence(entry);
    part->expiring_count -= entry_expires(entry);
    uint32_t segment = cache_segments_index(&part->segments, entry);
    if (cache_segments_forget(&part->segments, entry, entry_bytes(entry)))
        cache_retired_push(part, NULL, segment);
}

/* --- eviction ------------------------------------------------------------------------------------
 */

void *cache_log_append(struct cache_part *part, enum cache_queue_name queue, uint32_t bytes,
                       uint32_t reserve)
{
    void *address = cache_segments_append(&part->segments, queue, bytes, reserve);
    uint32_t sealed;
    if (address || part->segments.queues[queue].open_segment == SEGMENT_NONE)
        return address;
    if (cache_segments_seal(&part->segments, queue, &sealed))
        cache_retired_push(part, NULL, sealed);
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

bool cache_ghost_recall(struct cache_part *part, uint64_t hash)
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

void cache_slot_clear(struct cache_part *part, _Atomic uint64_t *slot)
{
    struct cache_entry *entry = slot_entry(atomic_load_explicit(slot, memory_order_relaxed));
    atomic_store_explicit(slot, 0, memory_order_release);
    cache_entry_retire(part, entry);
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
    struct cache_entry *copy = cache_log_append(part, queue, bytes, 0);
    if (!copy)
        return false;
    entry_copy(copy, entry, bytes);
    if (entry->owner_flags & ENTRY_HAS_BLOB) { /* the copy has the reference now */
        struct cache_queue *queues = part->segments.queues;
        queues[entry_queue(part, entry)].live_blob_bytes -= cache_entry_blob(entry)->capacity_bytes;
        queues[queue].live_blob_bytes += cache_entry_blob(entry)->capacity_bytes;
        entry->owner_flags &= (uint8_t)~ENTRY_HAS_BLOB;
    }
    cache_slot_publish(slot_of(part, entry), entry->hash, copy);
    part->entry_count++;
    part->absent_count += entry_is_absence(copy);
    part->expiring_count += entry_expires(copy);
    cache_entry_retire(part, entry);
    return true;
}

void cache_entry_evict(struct cache_part *part, struct cache_entry *entry, uint64_t wall_ms)
{
    bool is_expired = entry_is_over(entry, wall_ms);
    count(part->counters, is_expired ? COUNTER_CACHE_EXPIRED : COUNTER_CACHE_EVICTIONS);
    if (!is_expired && entry_queue(part, entry) == CACHE_QUEUE_NEW)
        ghost_remember(part, entry->hash);
    cache_slot_clear(part, slot_of(part, entry));
}

static uint64_t queue_bytes(const struct cache_part *part, enum cache_queue_name name)
{
    const struct cache_queue *queue = &part->segments.queues[name];
    return ((uint64_t)queue->segment_count << part->segments.shift) + queue->live_blob_bytes;
}

uint64_t cache_live_blob_bytes(const struct cache_part *part)
{
    return part->segments.queues[CACHE_QUEUE_NEW].live_blob_bytes +
           part->segments.queues[CACHE_QUEUE_KEPT].live_blob_bytes;
}

int64_t cache_room_bytes(const struct cache_part *part)
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
            cache_retired_push(part, NULL, sealed);
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
bool cache_evict_step(struct cache_part *part, uint64_t wall_ms)
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
    if (!(entry->owner_flags & ENTRY_IS_LIVE))
        return true;
    bool was_asked_for = atomic_load_explicit(&entry->recency, memory_order_relaxed) != 0;
    bool stays = was_asked_for || (queue->is_compacting && !cache_entry_has_blob(entry));
    enum cache_queue_name to = was_asked_for ? CACHE_QUEUE_KEPT : segment->queue;
    if (stays && !entry_is_expired(entry, wall_ms)) {
        if (entry_move(part, entry, to))
            return true;
        if (part->segments.retired_count > 0) { /* room for the copy is on its way: come again */
            queue->scan_offset -= entry_bytes(entry);
            return false;
        }
    }
    cache_entry_evict(part, entry, wall_ms);
    return true;
}

void cache_evict_until(struct cache_part *part, uint64_t wanted_bytes, uint32_t steps,
                       uint64_t wall_ms)
{
    int64_t target =
        (int64_t)(wanted_bytes + ((uint64_t)part->free_target << part->segments.shift));
    while (cache_room_bytes(part) < target && steps-- > 0 && cache_evict_step(part, wall_ms))
        ;
}
