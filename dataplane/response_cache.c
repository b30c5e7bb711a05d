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

#include "dataplane/cache_part.h"
#include "include/counters.h"
#include "include/key_hash.h"
#include "include/log.h"
#include "include/model_bug.h"

/* Of the budget: an entry of 16 + 128 bytes takes 176, and a table three quarters full has room. */
#define BYTES_PER_SLOT 128u
#define SEGMENTS_WANTED 64u
#define WORKERS_MAX 128u
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
/* Counters of neighbouring RCU threads share a pair of lines: workers take every other one. */
#define QSBR_STRIDE (uint32_t)(GUARD_BYTES / sizeof(struct rte_rcu_qsbr_cnt))
#define GUESS_LINES 4u /* of an entry, to load ahead: header, key, a small value */

/* All that a reader needs of a part. NULL until its worker has attached. */
struct part_view {
    _Atomic(struct cache_pair *) table;
    uint64_t pair_count;
};

struct response_cache {
    uint32_t workers;
    struct rte_rcu_qsbr *qsbr;
    struct response_cache_config config;
    struct cache_part *parts[WORKERS_MAX];
    alignas(CACHE_LINE_BYTES) struct part_view views[];
};

/* --- what readers do --------------------------------------------------------------- */

static inline const struct part_view *view_of(const struct response_cache *cache, uint64_t hash)
{
    return &cache->views[key_hash_owner(hash, cache->workers)];
}

/* Acquire pairs with the release in response_cache_attach: pair_count is there before the table. */
static inline struct cache_pair *view_table(const struct part_view *view)
{
    return atomic_load_explicit(&view->table, memory_order_acquire);
}

const struct cache_bucket *response_cache_bucket(const struct response_cache *cache, uint64_t hash)
{
    const struct part_view *view = view_of(cache, hash);
    const struct cache_pair *table = view_table(view);
    if (UNLIKELY(table == NULL))
        return NULL;
    const struct cache_pair *pair = &table[pair_index(hash, view->pair_count)];
    const struct cache_bucket *bucket = (const struct cache_bucket *)&pair->slots[first_line(hash)];
    prefetch_read(bucket);
    return bucket;
}

const struct cache_entry *response_cache_guess(const struct cache_bucket *bucket, uint64_t hash)
{
    if (UNLIKELY(bucket == NULL))
        return NULL;
    uint32_t matches = line_matches(bucket->slots, tag_of(hash));
    if (UNLIKELY(matches == 0)) { /* absent, or in the other line: rare, but not to be waited for */
        prefetch_read((const void *)((uintptr_t)bucket ^ sizeof(*bucket)));
        return NULL;
    }
    /* Acquire pairs with the release in cache_slot_publish. */
    const struct cache_entry *entry = slot_entry(atomic_load_explicit(
        &bucket->slots[(uint32_t)__builtin_ctz(matches)], memory_order_acquire));
    for (uint32_t line = 0; line < GUESS_LINES; line++)
        prefetch_read((const char *)entry + line * CACHE_LINE_BYTES);
    return entry;
}

static void mark_as_read(const struct cache_entry *found)
{
    /* Only the first reader since the mark was cleared writes: a hot line stays shared. */
    _Atomic uint8_t *recency = &((struct cache_entry *)(uintptr_t)found)->recency;
    if (UNLIKELY(atomic_load_explicit(recency, memory_order_relaxed) == 0))
        atomic_store_explicit(recency, 1, memory_order_relaxed);
}

/* Found in the table, at one moment or another of this round. An absence always expires. */
static const struct cache_entry *entry_read(const struct cache_entry *found, uint64_t wall_ms)
{
    if (UNLIKELY(cache_entry_extras(found) & (CACHE_ENTRY_EXPIRES | CACHE_ENTRY_STALE)) &&
        (entry_is_absence(found) || entry_is_expired(found, wall_ms)))
        return NULL;
    mark_as_read(found);
    return found;
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
    return entry_read(entry, wall_ms);
}

const struct cache_entry *response_cache_lookup_stale(const struct response_cache *cache,
                                                      uint64_t hash, const void *key,
                                                      uint32_t key_bytes, uint64_t wall_ms)
{
    const struct part_view *view = view_of(cache, hash);
    struct cache_pair *table = view_table(view);
    struct cache_entry *entry;
    if (table == NULL || !table_find(table, view->pair_count, hash, key, key_bytes, &entry))
        return NULL;
    bool is_value = !entry_is_absence(entry) && !entry_is_over(entry, wall_ms);
    return is_value && entry_is_stale(entry) ? entry : NULL;
}

const struct cache_entry *response_cache_confirm(const struct cache_entry *guess, uint64_t hash,
                                                 const void *key, uint32_t key_bytes,
                                                 uint64_t wall_ms)
{
    return LIKELY(entry_is_for(guess, hash, key, key_bytes)) ? entry_read(guess, wall_ms) : NULL;
}

bool response_cache_is_absent(const struct response_cache *cache, uint64_t hash, const void *key,
                              uint32_t key_bytes, uint64_t wall_ms)
{
    const struct part_view *view = view_of(cache, hash);
    struct cache_pair *table = view_table(view);
    struct cache_entry *entry;
    if (UNLIKELY(table == NULL) ||
        !table_find(table, view->pair_count, hash, key, key_bytes, &entry) ||
        !entry_is_absence(entry) || entry_is_expired(entry, wall_ms))
        return false;
    mark_as_read(entry);
    return true;
}

/* --- reclamation: the owner from here on ----------------------------------------------------- */

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
        if (entry->owner_flags & ENTRY_HAS_BLOB)
            blob_let_go(part, cache_entry_blob(entry));
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

/*
 * As rte_rcu_qsbr_check, but without its plain read of acked_token, which the checks of other
 * owners write: that is a race by the letter of C11, and a sanitizer says so.
 */
static bool everyone_passed(struct response_cache *cache, uint64_t token)
{
    return __rte_rcu_qsbr_check_all(cache->qsbr, token, false) == 1;
}

/* What every worker has let go, a bounded number of it; then one token for all that is new. */
static void reclaim_some(struct response_cache *cache, struct cache_part *part)
{
    for (uint32_t i = 0; i < RECLAIMED_PER_ROUND; i++) {
        if (part->retired_tail == part->retired_with_token)
            break;
        const struct retired *oldest = &part->retired[part->retired_tail & part->retired_mask];
        if (oldest->token > part->passed_token) {
            if (!everyone_passed(cache, oldest->token))
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
        cache_slot_clear(part, slot);
}

static void mark_stale(struct cache_part *part, const struct shard_operation *operation)
{
    struct cache_entry *entry;
    if (part_find(part, operation, &entry))
        atomic_fetch_or_explicit(&entry->extras, CACHE_ENTRY_STALE, memory_order_relaxed);
}

static void refuse(struct cache_part *part, const struct shard_operation *operation)
{
    count(part->counters, COUNTER_CACHE_REFUSED);
    if (!MODEL_BUG(REFUSED_FILL_STAYS))
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
    cache_entry_evict(part, slot_entry(atomic_load_explicit(slot, memory_order_relaxed)), wall_ms);
    return slot;
}

static bool make_room(struct cache_part *part, uint64_t blob_bytes, uint64_t wall_ms)
{
    if (blob_bytes == 0) {
        cache_evict_until(part, 0, STEPS_PER_SMALL_FILL, wall_ms);
        return true;
    }
    if (blob_bytes > part->budget_bytes / BLOB_BYTES_DIVISOR ||
        part->retired_blob_bytes > part->budget_bytes / RETIRED_BYTES_DIVISOR)
        return false;
    cache_evict_until(part, blob_bytes, STEPS_PER_LARGE_FILL, wall_ms);
    if (cache_room_bytes(part) >= (int64_t)blob_bytes)
        return true;
    part->wanted_bytes = blob_bytes; /* the next rounds go on evicting; a later fill will fit */
    return false;
}

/* Its fixed part: how large the rest is follows from it. */
static void shape_entry(struct cache_entry *shape, const struct shard_operation *operation)
{
    uint64_t modified_at_s = operation->modified_at_ms / 1000;
    uint8_t extras = 0;
    *shape = (struct cache_entry){
        .hash = operation->cache_hash,
        .version = operation->version,
        .modified_at_s = (uint32_t)(modified_at_s < UINT32_MAX ? modified_at_s : UINT32_MAX),
        .value_bytes = operation->value_bytes,
        .key_bytes = operation->key_bytes,
        .attributes_code = cache_attributes_code(operation->bytes + operation->key_bytes,
                                                 operation->attributes_bytes),
        .owner_flags = ENTRY_IS_LIVE,
    };
    if (operation->expires_at_ms != 0) {
        extras |= CACHE_ENTRY_EXPIRES;
        shape->extra_bytes += sizeof(operation->expires_at_ms);
    }
    if (operation->value) {
        extras |= CACHE_ENTRY_BLOB;
        shape->extra_bytes += sizeof(operation->value);
        shape->owner_flags |= ENTRY_HAS_BLOB;
    }
    atomic_init(&shape->extras, extras);
}

/* They stand behind each other in an operation too. */
static void copy_key_to_value(struct cache_entry *entry, const struct shard_operation *operation)
{
    uint32_t key_bytes = operation->key_bytes;
    uint32_t own_bytes = cache_entry_own_attributes_bytes(entry);
    uint8_t *key = entry->bytes + entry->extra_bytes;
    memcpy(key, operation->bytes, key_bytes + own_bytes);
    if (!operation->value)
        memcpy(key + key_bytes + own_bytes,
               operation->bytes + key_bytes + operation->attributes_bytes, operation->value_bytes);
}

static struct cache_entry *entry_make(struct cache_part *part, enum cache_queue_name queue,
                                      const struct shard_operation *operation)
{
    struct cache_entry shape;
    shape_entry(&shape, operation);
    struct cache_entry *entry =
        cache_log_append(part, queue, entry_bytes(&shape), FREE_SEGMENTS_RESERVE);
    if (!entry)
        return NULL;
    memcpy(entry, &shape, sizeof(shape));
    uint8_t *out = entry->bytes;
    if (operation->expires_at_ms != 0) {
        memcpy(out, &operation->expires_at_ms, sizeof(operation->expires_at_ms));
        out += sizeof(operation->expires_at_ms);
    }
    if (operation->value) {
        memcpy(out, &operation->value, sizeof(operation->value));
        blob_hold(operation->value);
        part->segments.queues[queue].live_blob_bytes += operation->value->capacity_bytes;
    }
    copy_key_to_value(entry, operation);
    part->entry_count++;
    part->absent_count += entry_is_absence(entry);
    part->expiring_count += entry_expires(entry);
    return entry;
}

/*
 * Never newer by older; the same version is the same value. An absence has no version: what comes
 * last on the key's ring is the newest.
 */
static bool keeps_order(const struct cache_entry *old, const struct shard_operation *operation)
{
    if (MODEL_BUG(ABSENCE_STAYS) && entry_is_absence(old))
        return false;
    return operation->version == 0 || old->version < operation->version ||
           MODEL_BUG(OLDER_REPLACES_NEWER);
}

static void fill(struct response_cache *cache, struct cache_part *part,
                 const struct shard_operation *operation, uint64_t wall_ms)
{
    if (operation->expires_at_ms != 0 && operation->expires_at_ms <= wall_ms) {
        invalidate(part, operation);
        return;
    }
    uint64_t blob_bytes = operation->value ? operation->value->capacity_bytes : 0;
    bool is_one_absence_too_many =
        operation->version == 0 && part->absent_count >= cache->config.absent_max;
    if (operation->value_bytes > cache->config.value_bytes_max || is_one_absence_too_many ||
        !make_room(part, blob_bytes, wall_ms)) {
        refuse(part, operation);
        return;
    }
    struct cache_entry *old = NULL;
    _Atomic uint64_t *slot = part_find(part, operation, &old); /* now: making room may move it */
    if (slot && !keeps_order(old, operation)) {
        /* the same version is the same value, and not stale any more */
        if (old->version == operation->version && entry_is_stale(old))
            atomic_fetch_and_explicit(&old->extras, (uint8_t)~CACHE_ENTRY_STALE,
                                      memory_order_relaxed);
        return;
    }
    enum cache_queue_name queue = CACHE_QUEUE_NEW;
    if (slot ? entry_queue(part, old) == CACHE_QUEUE_KEPT
             : cache_ghost_recall(part, operation->cache_hash))
        queue = CACHE_QUEUE_KEPT;
    struct cache_entry *entry = entry_make(part, queue, operation);
    if (!entry) {
        refuse(part, operation);
        return;
    }
    if (slot) {
        atomic_init(&entry->recency, atomic_load_explicit(&old->recency, memory_order_relaxed));
        cache_slot_publish(slot, entry->hash, entry);
        cache_entry_retire(part, old);
    } else {
        cache_slot_publish(slot_take(part, entry->hash, wall_ms), entry->hash, entry);
    }
    count(part->counters, COUNTER_CACHE_FILLS);
}

void response_cache_apply(struct response_cache *cache, uint32_t worker,
                          const struct shard_operation *operation, uint64_t wall_ms)
{
    struct cache_part *part = cache->parts[worker];
    ASSERT_HOT(key_hash_owner(operation->cache_hash, cache->workers) == worker);
    if (!part->table)
        return; /* no memory at start: nothing is cached here */
    ASSERT_HOT(operation->cache_action != SHARD_CACHE_ABSENT || operation->expires_at_ms != 0);
    if (operation->cache_action == SHARD_CACHE_FILL ||
        operation->cache_action == SHARD_CACHE_ABSENT)
        fill(cache, part, operation, wall_ms);
    else if (operation->cache_action == SHARD_CACHE_INVALIDATE)
        invalidate(part, operation);
    else if (operation->cache_action == SHARD_CACHE_MARK_STALE)
        mark_stale(part, operation);
}

/* --- rounds --------------------------------------------------------------------------------------
 */

/*
 * Looks at a few slots for entries past their time, if any entry has one. The next few, and the
 * line of slots after them, are loaded for the next round.
 */
static void sweep_some(struct cache_part *part, uint64_t wall_ms)
{
    if (part->expiring_count == 0)
        return;
    _Atomic uint64_t *slots = part->table[0].slots;
    uint64_t slot_count = part->pair_count * SLOTS_PER_PAIR;
    uint64_t at = part->sweep_at;
    for (uint32_t i = 0; i < SWEPT_PER_ROUND; i++) {
        const struct cache_entry *entry =
            slot_entry(atomic_load_explicit(&slots[at + i], memory_order_relaxed));
        if (entry && entry_is_over(entry, wall_ms)) {
            count(part->counters, COUNTER_CACHE_EXPIRED);
            cache_slot_clear(part, &slots[at + i]);
        }
    }
    at = at + SWEPT_PER_ROUND < slot_count ? at + SWEPT_PER_ROUND : 0;
    for (uint32_t i = 0; i < SWEPT_PER_ROUND; i++)
        prefetch_read(slot_entry(atomic_load_explicit(&slots[at + i], memory_order_relaxed)));
    prefetch_read(&slots[at + SWEPT_PER_ROUND < slot_count ? at + SWEPT_PER_ROUND : 0]);
    part->sweep_at = at;
}
static_assert(SLOTS_PER_PAIR % SWEPT_PER_ROUND == 0, "a sweep step stays inside the table");

static void status_publish(struct cache_part *part)
{
    uint64_t segments_used = part->segments.count - part->segments.free_count;
    const uint64_t values[] = {part->entry_count, segments_used << part->segments.shift,
                               cache_live_blob_bytes(part), part->retired_blob_bytes};
    for (uint32_t i = 0; i < ARRAY_COUNT(values); i++)
        atomic_store_explicit(&part->status[i], values[i], memory_order_relaxed);
}

void response_cache_maintain(struct response_cache *cache, uint32_t worker, uint64_t wall_ms)
{
    struct cache_part *part = cache->parts[worker];
    if (!part->table)
        return;
    reclaim_some(cache, part);
    cache_evict_until(part, part->wanted_bytes, STEPS_PER_ROUND, wall_ms);
    if (cache_room_bytes(part) >= (int64_t)part->wanted_bytes)
        part->wanted_bytes = 0;
    sweep_some(part, wall_ms);
    status_publish(part);
}

uint64_t response_cache_shrink(struct response_cache *cache, uint32_t worker, uint64_t bytes)
{
    struct cache_part *part = cache->parts[worker];
    if (!part->table)
        return 0;
    uint64_t before = cache_live_blob_bytes(part);
    for (uint32_t steps = 0; steps < STEPS_PER_SHRINK; steps++) {
        uint64_t now = cache_live_blob_bytes(part);
        if (now == 0 || before - now >= bytes || !cache_evict_step(part, 0))
            break;
    }
    return before - cache_live_blob_bytes(part);
}

void response_cache_quiescent(struct response_cache *cache, uint32_t worker)
{
    rte_rcu_qsbr_quiescent(cache->qsbr, worker * QSBR_STRIDE);
}

void response_cache_offline(struct response_cache *cache, uint32_t worker)
{
    rte_rcu_qsbr_thread_offline(cache->qsbr, worker * QSBR_STRIDE);
}

void response_cache_online(struct response_cache *cache, uint32_t worker)
{
    rte_rcu_qsbr_thread_online(cache->qsbr, worker * QSBR_STRIDE);
}

/* --- start and stop
 * ------------------------------------------------------------------------------- */

static size_t round_up(size_t bytes, size_t unit)
{
    ASSERT((unit & (unit - 1)) == 0);
    return (bytes + unit - 1) & ~(unit - 1);
}

static uint32_t segment_bytes_for(uint64_t budget)
{
    uint32_t bytes = SEGMENT_BYTES_MAX;
    while (bytes > SEGMENT_BYTES_MIN && budget < (uint64_t)bytes * SEGMENTS_WANTED)
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
    uint32_t qsbr_threads = config->workers * QSBR_STRIDE;
    size_t qsbr_bytes = rte_rcu_qsbr_get_memsize(qsbr_threads);
    struct response_cache *cache =
        aligned_alloc(CACHE_LINE_BYTES, round_up(bytes, CACHE_LINE_BYTES));
    if (!cache)
        return -ENOMEM;
    memset(cache, 0, bytes);
    cache->workers = config->workers;
    cache->config = *config;
    cache->qsbr = aligned_alloc(GUARD_BYTES, round_up(qsbr_bytes, GUARD_BYTES));
    bool is_complete = cache->qsbr && rte_rcu_qsbr_init(cache->qsbr, qsbr_threads) == 0;
    for (uint32_t worker = 0; worker < config->workers && is_complete; worker++) {
        cache->parts[worker] =
            aligned_alloc(GUARD_BYTES, round_up(sizeof(struct cache_part), GUARD_BYTES));
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
    rte_rcu_qsbr_thread_register(cache->qsbr, worker * QSBR_STRIDE);
    rte_rcu_qsbr_thread_online(cache->qsbr, worker * QSBR_STRIDE);
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
