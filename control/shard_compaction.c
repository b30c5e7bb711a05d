/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/shard_compaction.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/directory_sync.h"
#include "control/planted_bugs.h"
#include "control/segment_maker.h"
#include "control/shard_commit.h"
#include "control/shard_evaluate.h"
#include "include/assert_policy.h"
#include "include/counters.h"
#include "include/key_hash.h"
#include "include/log.h"

#define SWEEP_INTERVAL_NS (100 * UINT64_C(1000000))
#define SWEEP_KEYS 1024u
#define SWEEP_SOON_NS (5 * UINT64_C(1000000)) /* where there is more to find: 200,000 keys/s */
#define SWEEP_SOON_KEYS (SWEEP_KEYS / 8)
#define FULL_DEAD_PERCENT 5u /* when the disk is full even a little is worth it */
#define RECHECK_NS (50 * UINT64_C(1000000))

static uint32_t window_bytes_max(const struct store *store)
{
    return store->set->sizes.frame_bytes_max;
}

int compaction_attach(struct store *store)
{
    struct compactor *compactor = &store->compactor;
    compactor->window = aligned_alloc(BLOCK_BYTES, window_bytes_max(store));
    compactor->sweep_shard = store->thread_index;
    return compactor->window != NULL ? 0 : -ENOMEM;
}

void compaction_detach(struct store *store)
{
    free(store->compactor.window);
}

void compaction_stop(struct store *store)
{
    struct compaction_shared *shared = &store->set->compaction;
    pthread_mutex_lock(&shared->mutex);
    shared->is_stopped = true;
    pthread_mutex_unlock(&shared->mutex);
    store->compactor.pending_copies = 0;
    store->compactor.state = COMPACT_IDLE;
}

void compaction_copy_done(struct store *store)
{
    if (store->compactor.pending_copies > 0)
        store->compactor.pending_copies--;
}

/* ---- one thread's pass over the victim ---- */

static void read_window(struct store *store)
{
    struct compactor *compactor = &store->compactor;
    struct segment *victim = compactor->victim;
    uint64_t left = atomic_load(&victim->used_bytes) - compactor->next_offset;
    uint64_t bytes = left < window_bytes_max(store) ? left : window_bytes_max(store);
    compactor->window_offset = compactor->next_offset;
    compactor->window_bytes = (uint32_t)bytes;
    compactor->frame_at = 0;
    compactor->record_at = 0;
    compactor->state = COMPACT_READING;
    compactor->due_ns =
        store->now_ns + bytes * UINT64_C(1000000000) / store->set->compact_bytes_per_s;
    store_transfer_start(store, &compactor->read, STORE_IO_COMPACT_READ, NULL, IO_READ, victim->fd,
                         compactor->window, compactor->window_offset, (uint32_t)bytes);
}

static void give_up_victim(struct store *store, const char *what)
{
    struct compactor *compactor = &store->compactor;
    struct compaction_shared *shared = &store->set->compaction;
    log_error("store: segment %08x near %llu: %s. It is left as it is, and nothing is compacted "
              "until restart",
              compactor->victim->id,
              (unsigned long long)(compactor->window_offset + compactor->frame_at), what);
    pthread_mutex_lock(&shared->mutex);
    shared->is_stopped = true;
    pthread_mutex_unlock(&shared->mutex);
    segment_table_set_state(&store->set->table, compactor->victim, SEGMENT_QUARANTINED);
    compactor->state = COMPACT_IDLE;
}

void compaction_read_done(struct store *store)
{
    int error;
    enum transfer_state state = store_transfer_continue(store, &store->compactor.read, &error);
    if (state == TRANSFER_MORE)
        return;
    if (store->compactor.state != COMPACT_READING)
        return; /* stopped meanwhile */
    if (state == TRANSFER_DONE)
        store->compactor.state = COMPACT_COPYING;
    else if (store->compactor.has_failed_once)
        give_up_victim(store, strerror(-error));
    else
        read_window(store);
    store->compactor.has_failed_once = state == TRANSFER_FAILED;
}

/* The entry goes, unless a write of the key is under way: that one needs its memory. */
static void drop_entry(struct store *store, const struct record_header *record,
                       struct index_entry *entry)
{
    struct store_set *set = store->set;
    uint32_t flags = index_entry_flags(entry), shard = record->virtual_shard;
    const uint8_t *key = record_key(record);
    if ((flags & INDEX_EXPIRED) == 0)
        segment_live_subtract(segment_table_get(&set->table, entry->segment_id),
                              index_entry_bytes(entry));
    if (index_entry_is_value(entry))
        store_count_value(set, shard, key, record->key_bytes, entry, VALUE_IS_GONE);
    if (flags & INDEX_EXTENT)
        store_drop_expired_extent(store, shard, entry->version);
    if (evaluate_is_pending(store, key_hash_shard(key, record->key_bytes), key,
                            record->key_bytes)) {
        *entry = (struct index_entry){0};
        index_entry_set(entry, 0, 0, INDEX_PLACEHOLDER);
    } else {
        shard_index_erase(&set->indexes[shard], key, record->key_bytes);
    }
}

static void pass_stale_put(struct store *store, const struct record_header *record,
                           struct index_entry *entry)
{
    if (entry == NULL || entry->stale_puts == 0)
        return;
    entry->stale_puts--;
    if (entry->stale_puts == 0 && (index_entry_flags(entry) & INDEX_TOMBSTONE))
        drop_entry(store, record, entry);
}

/* False: there is no room in the open batch; come back. */
static bool relocate(struct store *store, const struct record_header *record, uint64_t offset,
                     bool as_delete)
{
    if (!commit_relocate(store, record, store->compactor.victim->id,
                         (uint32_t)(offset / RECORD_ALIGN_BYTES), as_delete))
        return false;
    store->compactor.pending_copies++;
    return true;
}

static bool pass_record(struct store *store, const struct record_header *record, uint64_t offset)
{
    struct store_set *set = store->set;
    if (record->virtual_shard % set->thread_count != store->thread_index)
        return true;
    struct index_entry *entry = shard_index_find(&set->indexes[record->virtual_shard],
                                                 record_key(record), record->key_bytes);
    bool is_newest = entry != NULL && (index_entry_flags(entry) & INDEX_PLACEHOLDER) == 0 &&
                     entry->segment_id == store->compactor.victim->id &&
                     entry->offset_units == offset / RECORD_ALIGN_BYTES;
    if (!is_newest) {
        if (record_is_put(record))
            pass_stale_put(store, record, entry);
        return true;
    }
    bool is_dead = !index_entry_is_visible(entry, store_wall_ms(store, 0));
    if (!is_dead)
        return relocate(store, record, offset, false);
    bool shadows_nothing = entry->stale_puts == 0 || planted_bug(PLANTED_DROP_TOMBSTONE);
    if (shadows_nothing || (record_is_put(record) && planted_bug(PLANTED_EXPIRY_FORGOTTEN))) {
        drop_entry(store, record, entry);
        return true;
    }
    return relocate(store, record, offset, true);
}

/* The frame at frame_at, complete in the window and as it was written. */
static bool open_frame(struct store *store)
{
    struct compactor *compactor = &store->compactor;
    const struct frame_header *header =
        (const struct frame_header *)(const void *)(compactor->window + compactor->frame_at);
    struct format_place place = {store->set->uuid, compactor->victim->generation,
                                 compactor->window_offset + compactor->frame_at,
                                 compactor->victim->id};
    if (compactor->window_bytes - compactor->frame_at < BLOCK_BYTES ||
        !frame_header_check(header, &place))
        return false;
    compactor->frame_payload_end =
        compactor->frame_at + (uint32_t)sizeof(*header) + header->payload_bytes;
    return true;
}

/* 1: one frame is done; 0: no room now; -1: damaged. */
static int copy_frame(struct store *store)
{
    struct compactor *compactor = &store->compactor;
    while (compactor->record_at < compactor->frame_payload_end) {
        const uint8_t *bytes = compactor->window + compactor->record_at;
        const struct record_header *record = (const struct record_header *)(const void *)bytes;
        uint64_t offset = compactor->window_offset + compactor->record_at;
        struct format_place place = {store->set->uuid, compactor->victim->generation, offset,
                                     compactor->victim->id};
        if (!record_check(bytes, compactor->frame_payload_end - compactor->record_at, &place))
            return -1;
        if (!pass_record(store, record, offset))
            return 0;
        compactor->record_at += record->record_bytes;
    }
    return 1;
}

static void copy_window(struct store *store)
{
    struct compactor *compactor = &store->compactor;
    for (;;) {
        uint32_t left = compactor->window_bytes - compactor->frame_at;
        if (left == 0)
            break;
        if (!open_frame(store)) {
            give_up_victim(store, "a frame does not match its checksum");
            return;
        }
        const struct frame_header *header =
            (const struct frame_header *)(const void *)(compactor->window + compactor->frame_at);
        uint64_t total_bytes = frame_bytes(header->payload_bytes);
        if (total_bytes > left) {
            if (compactor->frame_at == 0) {
                give_up_victim(store, "a frame is longer than any this configuration can read");
                return;
            }
            break;
        }
        if (compactor->record_at <= compactor->frame_at)
            compactor->record_at = compactor->frame_at + (uint32_t)sizeof(*header);
        int status = copy_frame(store);
        if (status == 0)
            return;
        if (status < 0) {
            give_up_victim(store, "a record does not match its checksum");
            return;
        }
        compactor->frame_at += (uint32_t)total_bytes;
    }
    compactor->next_offset = compactor->window_offset + compactor->frame_at;
    compactor->state = COMPACT_COPYING;
    compactor->window_bytes = compactor->frame_at = 0;
}

/* ---- the shared victim ---- */

/*
 * What this thread copied or saw superseded must be durable before the victim goes: a crash would
 * take both. With sync: interval that is later than when it was applied.
 */
static bool pass_is_durable(struct store *store)
{
    struct compactor *compactor = &store->compactor;
    const struct stream *stream = &store->stream;
    if (planted_bug(PLANTED_EARLY_FREE))
        return true;
    if (compactor->pending_copies > 0)
        return false;
    if (compactor->wait_sequence == 0)
        compactor->wait_sequence = stream->written_sequence;
    return stream->durable_sequence >= compactor->wait_sequence ||
           planted_bug(PLANTED_FREE_UNSYNCED);
}

static bool find_victim(struct store *store)
{
    struct store_set *set = store->set;
    struct compaction_shared *shared = &set->compaction;
    struct compactor *compactor = &store->compactor;
    pthread_mutex_lock(&shared->mutex);
    if (!shared->is_stopped && shared->victim == NULL) {
        bool is_full = atomic_load(&set->table.is_full);
        struct segment *victim = segment_table_take_victim(
            &set->table, is_full ? FULL_DEAD_PERCENT : set->compact_dead_percent);
        if (victim != NULL) {
            shared->victim = victim;
            shared->round++;
            shared->threads_left = set->thread_count;
        }
    }
    bool is_new =
        !shared->is_stopped && shared->victim != NULL && compactor->round != shared->round;
    if (is_new) {
        compactor->round = shared->round;
        compactor->victim = shared->victim;
    }
    pthread_mutex_unlock(&shared->mutex);
    return is_new;
}

/* This thread has nothing left in the victim. The last one frees it. */
static void finish_pass(struct store *store)
{
    struct compaction_shared *shared = &store->set->compaction;
    pthread_mutex_lock(&shared->mutex);
    bool is_last = --shared->threads_left == 0 && !shared->is_stopped;
    pthread_mutex_unlock(&shared->mutex);
    store->compactor.state = is_last ? COMPACT_FREEING : COMPACT_IDLE;
    store->compactor.due_ns = store->now_ns;
}

static void free_finished(struct store *store)
{
    struct compaction_shared *shared = &store->set->compaction;
    pthread_mutex_lock(&shared->mutex);
    shared->victim = NULL;
    pthread_mutex_unlock(&shared->mutex);
    store_end_removal(store->set);
    store->compactor.state = COMPACT_IDLE;
    store->compactor.due_ns = store->now_ns; /* the next one, if there is one */
}

/* A segment that a backup shares (a hard link) is never written again: it goes, that name stays. */
static bool wants_unlink(const struct store *store)
{
    const struct store_set *set = store->set;
    return atomic_load(&set->table.spare_count) >= segment_spares_wanted(set) ||
           store->compactor.victim->bytes != set->sizes.segment_bytes ||
           io_file_links(store->loop, store->compactor.victim->fd) != 1;
}

/* Copies are durable, nobody reads: the segment begins a new life, durably, or goes away. */
static void start_free(struct store *store)
{
    struct store_set *set = store->set;
    struct compactor *compactor = &store->compactor;
    struct segment *victim = compactor->victim;
    if (atomic_load(&victim->readers) > 0)
        return;
    if (!store_begin_removal(set, store->now_ns)) {
        compactor->due_ns = store->now_ns + RECHECK_NS;
        return;
    }
    ASSERT(atomic_load(&victim->live_bytes) == 0 || planted_bug(PLANTED_EARLY_FREE));
    compactor->due_ns = UINT64_MAX;
    if (wants_unlink(store)) {
        segment_file_name(compactor->name, victim->id);
        compactor->free_step = COMPACT_UNLINK;
        compactor->header_sync.operation = (struct io_operation){
            .code = IO_UNLINK, .directory_fd = set->directory_fd, .path = compactor->name};
        store_io_start(store, &compactor->header_sync, STORE_IO_COMPACT_FREE, NULL);
        return;
    }
    uint64_t generation = victim->generation + (planted_bug(PLANTED_SAME_GENERATION) ? 0 : 1);
    compactor->free_step = COMPACT_WRITE_HEADER;
    segment_header_make((struct segment_header *)(void *)compactor->window, &set->uuid, victim->id,
                        generation, victim->bytes, set->epoch);
    store_transfer_start(store, &compactor->header_write, STORE_IO_COMPACT_FREE, NULL, IO_WRITE,
                         victim->fd, compactor->window, generation % 2 * BLOCK_BYTES, BLOCK_BYTES);
}

static void free_failed(struct store *store, int error)
{
    log_error("store: recycling segment %08x failed: %s. Nothing is compacted until restart",
              store->compactor.victim->id, strerror(-error));
    store_end_removal(store->set);
    compaction_stop(store);
}

static void free_sync(struct store *store, enum compact_free_step following, enum io_code code,
                      int fd)
{
    struct compactor *compactor = &store->compactor;
    compactor->free_step = (uint8_t)following;
    compactor->header_sync.operation = (struct io_operation){.code = (uint8_t)code, .fd = fd};
    store_io_start(store, &compactor->header_sync, STORE_IO_COMPACT_FREE, NULL);
}

void compaction_free_done(struct store *store, struct store_io *io)
{
    struct compactor *compactor = &store->compactor;
    struct segment *victim = compactor->victim;
    int error = 0;
    if (io == &compactor->header_write.io) {
        enum transfer_state state =
            store_transfer_continue(store, &compactor->header_write, &error);
        if (state == TRANSFER_MORE)
            return;
        if (state == TRANSFER_DONE)
            error = 0;
    } else if (io->operation.result < 0 && compactor->free_step != COMPACT_CLOSE) {
        error = (int)io->operation.result;
    }
    if (compactor->state != COMPACT_FREEING) { /* stopped meanwhile */
        store_end_removal(store->set);
        return;
    }
    if (error != 0) {
        free_failed(store, error);
        return;
    }
    switch ((enum compact_free_step)compactor->free_step) {
    case COMPACT_WRITE_HEADER:
        count_many(store->counters, COUNTER_STORE_BYTES_PREPARED, BLOCK_BYTES);
        free_sync(store, COMPACT_SYNC_HEADER, IO_SYNC_DATA, victim->fd);
        return;
    case COMPACT_SYNC_HEADER:
        if (!planted_bug(PLANTED_SAME_GENERATION))
            victim->generation++;
        segment_table_put_spare(&store->set->table, victim);
        break;
    case COMPACT_UNLINK:
        compactor->free_step = COMPACT_SYNC_DIRECTORY;
        directory_sync_wait(store, &compactor->header_sync, STORE_IO_COMPACT_FREE, NULL);
        return;
    case COMPACT_SYNC_DIRECTORY:
        free_sync(store, COMPACT_CLOSE, IO_CLOSE, victim->fd);
        return;
    case COMPACT_CLOSE:
        victim->fd = -1; /* whatever close said */
        atomic_store(&victim->used_bytes, 0);
        segment_table_set_state(&store->set->table, victim, SEGMENT_ABSENT);
        break;
    }
    free_finished(store);
}

/* ---- expiry ---- */

/* It stops counting as live, so that its segment becomes a victim; a large value goes at once. */
static void expire(struct store *store, uint32_t shard, const uint8_t *key, uint32_t key_bytes,
                   struct index_entry *entry)
{
    struct store_set *set = store->set;
    uint32_t flags = index_entry_flags(entry);
    segment_live_subtract(segment_table_get(&set->table, entry->segment_id),
                          index_entry_bytes(entry));
    store_count_value(set, shard, key, key_bytes, entry, VALUE_IS_GONE);
    if (flags & INDEX_EXTENT)
        store_drop_expired_extent(store, shard, entry->version);
    index_entry_set(entry, index_entry_bytes(entry), index_entry_value_bytes(entry),
                    (flags & ~(uint32_t)INDEX_EXTENT) | INDEX_EXPIRED);
}

static void sweep(struct store *store)
{
    struct compactor *compactor = &store->compactor;
    struct store_set *set = store->set;
    if (store->now_ns < compactor->sweep_due_ns)
        return;
    compactor->sweep_due_ns = store->now_ns + SWEEP_INTERVAL_NS;
    uint64_t wall_ms = store_wall_ms(store, 0);
    uint32_t shards_left = VIRTUAL_SHARDS / set->thread_count + 1, expired_count = 0;
    for (uint32_t i = 0; i < SWEEP_KEYS && shards_left > 0; i++) {
        struct index_entry *entry = shard_index_next(
            &set->indexes[compactor->sweep_shard], compactor->sweep_key, compactor->sweep_key_bytes,
            compactor->sweep_key_bytes > 0, compactor->sweep_key, &compactor->sweep_key_bytes);
        if (entry == NULL) {
            compactor->sweep_key_bytes = 0;
            compactor->sweep_shard += set->thread_count;
            if (compactor->sweep_shard >= VIRTUAL_SHARDS)
                compactor->sweep_shard = store->thread_index;
            shards_left--;
            continue;
        }
        if (!index_entry_is_value(entry) || index_entry_is_visible(entry, wall_ms))
            continue;
        expire(store, compactor->sweep_shard, compactor->sweep_key, compactor->sweep_key_bytes,
               entry);
        expired_count++;
    }
    if (expired_count >= SWEEP_SOON_KEYS)
        compactor->sweep_due_ns = store->now_ns + SWEEP_SOON_NS;
}

void compaction_advance(struct store *store)
{
    struct compactor *compactor = &store->compactor;
    if (store->is_closing || store->stream.is_failed)
        return;
    sweep(store);
    switch ((enum compact_state)compactor->state) {
    case COMPACT_IDLE:
        if (store->now_ns < compactor->due_ns)
            return;
        compactor->due_ns = store->now_ns + RECHECK_NS;
        if (!find_victim(store))
            return;
        compactor->next_offset = SEGMENT_DATA_OFFSET;
        compactor->window_bytes = 0;
        compactor->state = COMPACT_COPYING;
        compactor->due_ns = store->now_ns;
        return;
    case COMPACT_READING:
        return;
    case COMPACT_COPYING:
        if (compactor->window_bytes > 0) {
            copy_window(store);
        } else if (store->now_ns >= compactor->due_ns) {
            compactor->wait_sequence = 0;
            if (compactor->next_offset >= atomic_load(&compactor->victim->used_bytes))
                compactor->state = COMPACT_WAITING;
            else
                read_window(store);
        }
        return;
    case COMPACT_WAITING:
        if (pass_is_durable(store))
            finish_pass(store);
        return;
    case COMPACT_FREEING:
        if (store->now_ns >= compactor->due_ns)
            start_free(store);
        return;
    }
}

uint64_t compaction_next_deadline_ns(const struct store *store)
{
    const struct compactor *compactor = &store->compactor;
    if (store->is_closing || store->stream.is_failed)
        return UINT64_MAX;
    uint64_t next = compactor->sweep_due_ns;
    switch ((enum compact_state)compactor->state) {
    case COMPACT_READING:
        return next;
    case COMPACT_IDLE:
    case COMPACT_COPYING:
    case COMPACT_FREEING:
        return compactor->due_ns < next ? compactor->due_ns : next;
    case COMPACT_WAITING:
        /* else the commit or the sync that it waits for makes its own round */
        return compactor->pending_copies == 0 &&
                       store->stream.durable_sequence == store->stream.written_sequence
                   ? 0
                   : next;
    }
    return next;
}
