/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/shard_commit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/planted_bugs.h"
#include "control/shard_accept.h"
#include "control/shard_batch.h"
#include "control/shard_compaction.h"
#include "control/shard_evaluate.h"
#include "control/shard_extent.h"
#include "control/shard_watch.h"
#include "include/assert_policy.h"
#include "include/counters.h"
#include "include/key_hash.h"
#include "include/log.h"

#define APPLY_AHEAD 8u /* index entries are loaded this many writes before they change */

/* ---- set up ---- */

int commit_attach(struct store *store)
{
    struct stream *stream = &store->stream;
    const struct store_sizes *sizes = &store->set->sizes;
    stream->open = batch_create(sizes->frame_bytes_max);
    stream->flying = batch_create(sizes->frame_bytes_max);
    stream->empty_frame = aligned_alloc(BLOCK_BYTES, BLOCK_BYTES);
    stream->recent = malloc(sizes->recent_bytes);
    stream->is_covered = true;
    stream->previous_segment_id = UINT32_MAX;
    bool is_complete = stream->open && stream->flying && stream->empty_frame && stream->recent;
    return is_complete ? 0 : -ENOMEM;
}

void commit_detach(struct store *store)
{
    struct stream *stream = &store->stream;
    batch_destroy(stream->open);
    batch_destroy(stream->flying);
    free(stream->empty_frame);
    free(stream->recent);
}

void commit_submit(struct store *store, struct shard_operation *operation)
{
    operation_list_append(&store->arrivals, operation);
    if (store->arrivals.head == operation)
        evaluate_arrivals(store);
}

bool commit_relocate(struct store *store, const struct record_header *record, uint32_t segment_id,
                     uint32_t offset_units, bool as_delete)
{
    struct batch *batch = store->stream.open;
    uint32_t record_bytes =
        as_delete ? record_bytes_for(record->key_bytes, 0, 0) : record->record_bytes;
    if (!batch_has_room(store, batch, record_bytes))
        return false;
    bool was_put = as_delete && record_is_put(record);
    count_many(store->counters, COUNTER_STORE_BYTES_COMPACTED, record_bytes);
    batch->needs_sync |= !store->set->is_interval_sync; /* the victim goes when it is durable */
    struct batch_entry *entry = batch_add(batch, BATCH_RELOCATION, NULL, was_put);
    entry->old_segment_id = segment_id;
    entry->old_offset_units = offset_units;
    struct record_header *copy = batch_add_record(batch, entry, record_bytes);
    if (!as_delete) {
        memcpy(copy, record, record_bytes);
        return true;
    }
    copy->version = record->version;
    copy->modified_at_ms = record->modified_at_ms;
    copy->key_bytes = record->key_bytes;
    copy->virtual_shard = record->virtual_shard;
    copy->flags = RECORD_DELETE;
    memcpy(copy + 1, record_key(record), record->key_bytes);
    return true;
}

/* ---- frames ---- */

/*
 * A durable write promises nothing about earlier ones: it will do where all of those are durable.
 */
static bool may_write_durably(const struct store *store)
{
    const struct stream *stream = &store->stream;
    return store->set->sync_method == SYNC_METHOD_DSYNC && stream->needs_sync &&
           (stream->durable_sequence == stream->written_sequence ||
            planted_bug(PLANTED_DURABLE_ALONE));
}

static void start_frame(struct store *store, uint8_t *frame, uint32_t payload_bytes,
                        uint32_t record_count, uint32_t flags)
{
    struct stream *stream = &store->stream;
    struct segment *segment = stream->segment;
    struct frame_header *header = (struct frame_header *)frame;
    uint64_t total_bytes = frame_bytes(payload_bytes);
    ASSERT(stream->append_offset + total_bytes <= segment->bytes);
    stream->sequence++;
    if (stream->append_offset == SEGMENT_DATA_OFFSET)
        stream->first_sequence = stream->sequence;
    memset(header, 0, sizeof(*header));
    memset(frame + sizeof(*header) + payload_bytes, 0,
           total_bytes - sizeof(*header) - payload_bytes);
    header->magic = FRAME_MAGIC;
    header->format_major = FORMAT_MAJOR;
    header->stream = (uint16_t)store->thread_index;
    header->segment_id = segment->id;
    header->record_count = record_count;
    header->generation = segment->generation;
    header->epoch = store->set->epoch;
    header->sequence = stream->sequence;
    header->durable_sequence = stream->durable_sequence;
    header->previous_checksum = stream->previous_checksum;
    header->wall_ms = store_wall_ms(store, 0);
    header->previous_generation = stream->previous_generation;
    header->previous_end_offset = stream->previous_end_offset;
    header->previous_segment_id = stream->previous_segment_id;
    header->payload_bytes = payload_bytes;
    header->first_sequence = stream->first_sequence;
    header->flags = flags;
    struct format_place place = {store->set->uuid, segment->generation, stream->append_offset,
                                 segment->id};
    frame_seal(frame, &place);
    stream->previous_checksum = header->checksum;
    stream->is_sealing = (flags & FRAME_SEAL) != 0;
    stream->is_counted = record_count > 0;
    stream->needs_sync = !stream->is_counted || stream->flying->needs_sync;
    stream->is_durable_write = may_write_durably(store);
    stream->state = STREAM_WRITING;
    stream->commit_started_ns = store->now_ns;
    bool is_durable = stream->is_durable_write && !planted_bug(PLANTED_DROP_DSYNC);
    store_transfer_start(store, &stream->write, STORE_IO_COMMIT_WRITE, NULL,
                         is_durable ? IO_WRITE_DURABLE : IO_WRITE, segment->fd, frame,
                         stream->append_offset, (uint32_t)total_bytes);
    stream->append_offset += total_bytes;
    count_many(store->counters, COUNTER_STORE_BYTES_WRITTEN, total_bytes);
}

static bool take_segment(struct store *store)
{
    struct stream *stream = &store->stream;
    stream->segment = segment_table_take_spare(&store->set->table, &stream->spares_when_taken);
    if (stream->segment == NULL)
        return false;
    stream->append_offset = SEGMENT_DATA_OFFSET;
    stream->previous_checksum = 0;
    stream->recent_begin = stream->recent_end = SEGMENT_DATA_OFFSET;
    return true;
}

uint64_t commit_next_sequence(struct store *store)
{
    struct stream *stream = &store->stream;
    if (stream->is_covered) {
        stream->is_covered = false;
        stream->cover_due_ns = store->now_ns + COVER_AFTER_NS;
    }
    return stream->sequence + 1;
}

/* Makes sure that a frame of this size fits. False: not now (a seal or a spare is on its way). */
static bool prepare_segment(struct store *store, uint32_t payload_bytes)
{
    struct stream *stream = &store->stream;
    if (stream->segment == NULL)
        return take_segment(store);
    if (evaluate_segment_room(stream) >= frame_bytes(payload_bytes))
        return true;
    if (atomic_load(&store->set->table.spare_count) > 0 && !stream->sync_in_flight)
        start_frame(store, stream->empty_frame, 0, 0, FRAME_SEAL);
    return false;
}

static void start_commit(struct store *store)
{
    struct stream *stream = &store->stream;
    if (!prepare_segment(store, stream->open->payload_bytes))
        return;
    struct batch *batch = stream->open;
    stream->open = stream->flying;
    stream->flying = batch;
    start_frame(store, batch->frame, batch->payload_bytes, batch->record_count, 0);
}

static void start_cover(struct store *store)
{
    if (prepare_segment(store, 0))
        start_frame(store, store->stream.empty_frame, 0, 0, 0);
}

static void start_sync(struct store *store)
{
    struct stream *stream = &store->stream;
    stream->sync.operation = (struct io_operation){.code = IO_SYNC_DATA, .fd = stream->segment->fd};
    store_io_start(store, &stream->sync, STORE_IO_COMMIT_SYNC, NULL);
}

/* Frames that were done when they were written are durable some time. */
static void start_interval_sync(struct store *store)
{
    struct stream *stream = &store->stream;
    stream->sync_in_flight = true;
    stream->sync_covers_sequence = stream->written_sequence;
    start_sync(store);
}

/* Written, and nothing that waits for its own sync: that one will do for these as well. */
static bool interval_sync_is_wanted(const struct stream *stream)
{
    return !stream->sync_in_flight && stream->written_sequence > stream->durable_sequence &&
           stream->state != STREAM_SYNCING && stream->segment != NULL;
}

void commit_advance(struct store *store)
{
    struct stream *stream = &store->stream;
    evaluate_arrivals(store);
    if (stream->is_failed)
        return;
    if (interval_sync_is_wanted(stream) && store->now_ns >= stream->sync_due_ns &&
        !planted_bug(PLANTED_FORGET_INTERVAL) &&
        (stream->state == STREAM_IDLE || stream->is_counted))
        start_interval_sync(store);
    if (stream->state != STREAM_IDLE)
        return;
    if (stream->open->record_count > 0)
        start_commit(store);
    else if (!stream->is_covered && store->now_ns >= stream->cover_due_ns)
        start_cover(store);
    else
        return;
    evaluate_arrivals(store); /* there is room again */
}

/* ---- the commit is durable: make it visible ---- */

/* What the key's newest record was is now superseded. */
static void supersede(struct store *store, const struct record_header *record,
                      struct index_entry *entry)
{
    uint32_t shard = record->virtual_shard;
    uint32_t flags = index_entry_flags(entry);
    if (flags & INDEX_PLACEHOLDER)
        return;
    struct segment *segment = segment_table_get(&store->set->table, entry->segment_id);
    if ((flags & INDEX_EXPIRED) == 0)
        segment_live_subtract(segment, index_entry_bytes(entry));
    if (flags & INDEX_TOMBSTONE)
        return;
    entry->stale_puts++;
    if (index_entry_is_value(entry))
        store_count_value(store->set, shard, record_key(record), record->key_bytes, entry,
                          VALUE_IS_GONE);
    if (flags & INDEX_EXTENT)
        store_drop_extent(store, shard, entry->version);
}

static void apply_write(struct store *store, const struct batch_entry *write,
                        const struct record_header *record, uint64_t frame_offset)
{
    struct segment *segment = store->stream.segment;
    uint32_t shard = record->virtual_shard;
    struct shard_index *index = &store->set->indexes[shard];
    struct index_entry *entry = write->index_entry;
    if (entry == NULL || write->index_shape != index->shape)
        entry = shard_index_find(index, record_key(record), record->key_bytes);
    ASSERT(entry != NULL);
    supersede(store, record, entry);
    uint32_t flags = 0;
    if (!record_is_put(record))
        flags = INDEX_TOMBSTONE;
    else if (record->flags & RECORD_EXTENT)
        flags = INDEX_EXTENT;
    entry->version = record->version;
    entry->expires_at_ms = record->expires_at_ms;
    entry->segment_id = segment->id;
    entry->offset_units = (uint32_t)((frame_offset + write->record_offset) / RECORD_ALIGN_BYTES);
    index_entry_set(entry, record->record_bytes, record_inline_bytes(record), flags);
    segment_live_add(segment, record->record_bytes);
    if (record->flags & RECORD_EXTENT)
        atomic_fetch_add_explicit(&store->set->extent_bytes,
                                  round_up_to(record->value_bytes, BLOCK_BYTES),
                                  memory_order_relaxed);
    if (record_is_put(record))
        store_count_value(store->set, shard, record_key(record), record->key_bytes, entry,
                          VALUE_IS_THERE);
    count_many(store->counters, COUNTER_STORE_BYTES_ACCEPTED,
               record->key_bytes + record->attributes_bytes + record->value_bytes);
}

/* The copy takes the old record's place, unless the key has changed since. */
static void apply_relocation(struct store *store, const struct batch_entry *relocation,
                             const struct record_header *record, uint64_t frame_offset)
{
    bool put_became_delete = relocation->status != 0;
    struct index_entry *entry = shard_index_find(&store->set->indexes[record->virtual_shard],
                                                 record_key(record), record->key_bytes);
    compaction_copy_done(store);
    if (entry == NULL)
        return;
    bool has_moved = entry->segment_id != relocation->old_segment_id ||
                     entry->offset_units != relocation->old_offset_units ||
                     (index_entry_flags(entry) & INDEX_PLACEHOLDER) != 0;
    if (has_moved && !planted_bug(PLANTED_RELOCATE_BLINDLY)) {
        /* a stale copy replaces a stale copy; only a value that became a tombstone counts less */
        if (put_became_delete && entry->stale_puts > 0)
            entry->stale_puts--;
        return;
    }
    struct segment_table *table = &store->set->table;
    uint32_t flags = index_entry_flags(entry);
    if ((flags & INDEX_EXPIRED) == 0)
        segment_live_subtract(segment_table_get(table, entry->segment_id),
                              index_entry_bytes(entry));
    if (put_became_delete) {
        if (index_entry_is_value(entry))
            store_count_value(store->set, record->virtual_shard, record_key(record),
                              record->key_bytes, entry, VALUE_IS_GONE);
        if (flags & INDEX_EXTENT)
            store_drop_extent(store, record->virtual_shard, entry->version);
        flags = INDEX_TOMBSTONE;
        entry->expires_at_ms = 0;
    }
    entry->segment_id = store->stream.segment->id;
    entry->offset_units =
        (uint32_t)((frame_offset + relocation->record_offset) / RECORD_ALIGN_BYTES);
    index_entry_set(entry, record->record_bytes, record_inline_bytes(record), flags);
    if ((flags & INDEX_EXPIRED) == 0)
        segment_live_add(store->stream.segment, record->record_bytes);
}

static void remember_frame(struct stream *stream, uint32_t ring_bytes, const uint8_t *frame,
                           uint64_t offset, uint64_t bytes)
{
    ASSERT(bytes <= ring_bytes);
    for (uint64_t done = 0; done < bytes;) {
        uint64_t at = (offset + done) % ring_bytes;
        uint64_t part = bytes - done < ring_bytes - at ? bytes - done : ring_bytes - at;
        memcpy(stream->recent + at, frame + done, part);
        done += part;
    }
    stream->recent_end = offset + bytes;
    if (stream->recent_end - stream->recent_begin > ring_bytes)
        stream->recent_begin = stream->recent_end - ring_bytes;
}

bool commit_read_recent(const struct store *store, const struct index_entry *entry, uint8_t *out)
{
    const struct stream *stream = &store->stream;
    uint64_t offset = (uint64_t)entry->offset_units * RECORD_ALIGN_BYTES;
    uint32_t bytes = index_entry_bytes(entry), ring_bytes = store->set->sizes.recent_bytes;
    if (stream->segment == NULL || stream->segment->id != entry->segment_id ||
        offset < stream->recent_begin || offset + bytes > stream->recent_end)
        return false;
    for (uint32_t done = 0; done < bytes;) {
        uint64_t at = (offset + done) % ring_bytes;
        uint64_t part = bytes - done < ring_bytes - at ? bytes - done : ring_bytes - at;
        memcpy(out + done, stream->recent + at, part);
        done += (uint32_t)part;
    }
    return true;
}

static void answer_entry(struct store *store, const struct batch_entry *entry)
{
    struct shard_operation *operation = entry->operation;
    if (operation == NULL)
        return;
    enum shard_cache_action action = SHARD_CACHE_NOTHING;
    if (entry->kind == BATCH_WRITE)
        action = operation->verb == SHARD_PUT && operation->write_policy == SHARD_WRITE_THROUGH
                     ? SHARD_CACHE_FILL
                     : SHARD_CACHE_INVALIDATE;
    store_answer(store, operation, (enum shard_status)entry->status, action);
}

static void apply_and_tell(struct store *store, const struct batch_entry *entry,
                           const struct record_header *record, uint64_t frame_offset)
{
    apply_write(store, entry, record, frame_offset);
    watch_wake(store, record_key(record), record->key_bytes);
}

static void finish_batch(struct store *store)
{
    struct stream *stream = &store->stream;
    struct batch *batch = stream->flying;
    uint64_t total_bytes = frame_bytes(batch->payload_bytes);
    uint64_t frame_offset = stream->append_offset - total_bytes;
    ASSERT(batch_header(batch)->sequence == stream->sequence);
    remember_frame(stream, store->set->sizes.recent_bytes, batch->frame, frame_offset, total_bytes);
    for (uint32_t i = 0; i < batch->entry_count; i++) {
        const struct batch_entry *entry = &batch->entries[i];
        if (i + APPLY_AHEAD < batch->entry_count && batch->entries[i + APPLY_AHEAD].index_entry)
            __builtin_prefetch(batch->entries[i + APPLY_AHEAD].index_entry, 1);
        if (entry->kind == BATCH_WRITE)
            apply_and_tell(store, entry, batch_record(batch, entry), frame_offset);
        else if (entry->kind == BATCH_RELOCATION)
            apply_relocation(store, entry, batch_record(batch, entry), frame_offset);
        answer_entry(store, entry);
    }
    count(store->counters, COUNTER_STORE_COMMITS);
    count_many(store->counters, COUNTER_STORE_COMMITTED_WRITES, batch->write_count);
    histogram_record(store->counters, HISTOGRAM_COMMIT_NS,
                     store->now_ns - stream->commit_started_ns);
    batch_reset(batch);
}

static void finish_seal(struct store *store)
{
    struct stream *stream = &store->stream;
    stream->previous_segment_id = stream->segment->id;
    stream->previous_generation = stream->segment->generation;
    stream->previous_end_offset = stream->append_offset;
    segment_table_set_state(&store->set->table, stream->segment, SEGMENT_SEALED);
    stream->segment = NULL;
    stream->is_covered = true;
}

static void finish_frame(struct store *store)
{
    struct stream *stream = &store->stream;
    stream->state = STREAM_IDLE;
    atomic_store_explicit(&stream->segment->used_bytes, stream->append_offset,
                          memory_order_relaxed);
    if (stream->is_sealing) {
        finish_seal(store);
    } else if (stream->is_counted) {
        finish_batch(store);
        stream->is_covered = false;
        stream->cover_due_ns = store->now_ns + COVER_AFTER_NS;
    } else {
        stream->is_covered = true;
    }
    evaluate_arrivals(store);
}

void commit_write_done(struct store *store)
{
    struct stream *stream = &store->stream;
    int error;
    switch (store_transfer_continue(store, &stream->write, &error)) {
    case TRANSFER_MORE:
        return;
    case TRANSFER_FAILED:
        commit_fail(store, "write", error);
        return;
    case TRANSFER_DONE:
        break;
    }
    stream->written_sequence = stream->sequence;
    if (stream->is_failed)
        return;
    if (stream->is_durable_write) {
        stream->durable_sequence = stream->sequence;
        finish_frame(store);
        return;
    }
    if (stream->needs_sync && !planted_bug(PLANTED_SKIP_SYNC)) {
        stream->state = STREAM_SYNCING;
        if (!stream->sync_in_flight) /* else after it: it began before this write had ended */
            start_sync(store);
        return;
    }
    if (stream->sync_due_ns <= store->now_ns)
        stream->sync_due_ns = store->now_ns + store->set->sync_interval_ns;
    finish_frame(store);
}

void commit_sync_done(struct store *store)
{
    struct stream *stream = &store->stream;
    int64_t result = stream->sync.operation.result;
    if (result < 0) {
        stream->sync_in_flight = false;
        commit_fail(store, "sync", (int)result);
        return;
    }
    if (stream->sync_in_flight) {
        stream->sync_in_flight = false;
        stream->durable_sequence = stream->sync_covers_sequence;
        if (stream->state == STREAM_SYNCING)
            start_sync(store);
        return;
    }
    if (stream->is_failed) /* by something else meanwhile: its batch is answered */
        return;
    stream->durable_sequence = stream->sequence;
    finish_frame(store);
}

/* ---- failure and deadlines ---- */

static void fail_batch(struct store *store, struct batch *batch, enum shard_status write_status,
                       enum shard_cache_action write_action)
{
    accept_report_loss(store, batch);
    for (uint32_t i = 0; i < batch->entry_count; i++) {
        struct batch_entry *entry = &batch->entries[i];
        struct shard_operation *operation = entry->operation;
        entry->operation = NULL;
        if (operation != NULL)
            store_answer(store, operation, write_status,
                         entry->kind == BATCH_WRITE ? write_action : SHARD_CACHE_NOTHING);
    }
    batch_reset(batch);
}

void commit_fail(struct store *store, const char *what, int error)
{
    struct stream *stream = &store->stream;
    if (!stream->is_failed) {
        stream->is_failed = true;
        atomic_fetch_add(&store->set->failed_streams, 1);
        log_error("store: %s of segment %08x failed: %s. Writes of control thread %u are refused "
                  "until restart; reads go on",
                  what, stream->segment != NULL ? stream->segment->id : UINT32_MAX,
                  strerror(-error), store->thread_index);
    }
    compaction_stop(store);
    fail_batch(store, stream->flying, SHARD_OUTCOME_UNKNOWN, SHARD_CACHE_INVALIDATE);
    fail_batch(store, stream->open, SHARD_READ_ONLY, SHARD_CACHE_NOTHING);
    stream->state = STREAM_IDLE;
    stream->is_covered = true;
    evaluate_arrivals(store);
}

static void abandon_late_entries(struct store *store, struct batch *batch)
{
    for (uint32_t i = 0; i < batch->entry_count; i++) {
        struct batch_entry *entry = &batch->entries[i];
        struct shard_operation *operation = entry->operation;
        if (operation == NULL || operation->deadline_ns > store->now_ns)
            continue;
        entry->operation = NULL;
        bool is_write = entry->kind == BATCH_WRITE;
        batch->abandoned_count += is_write;
        store_answer(store, operation, SHARD_DEADLINE,
                     is_write ? SHARD_CACHE_INVALIDATE : SHARD_CACHE_NOTHING);
    }
}

void commit_check_deadlines(struct store *store)
{
    struct operation_list waiting = store->arrivals;
    store->arrivals = (struct operation_list){0};
    struct shard_operation *operation;
    while ((operation = operation_list_pop(&waiting)) != NULL) {
        if (operation->deadline_ns > store->now_ns)
            operation_list_append(&store->arrivals, operation);
        else
            evaluate_refuse(store, operation, SHARD_DEADLINE);
    }
    abandon_late_entries(store, store->stream.flying);
    abandon_late_entries(store, store->stream.open);
}

bool commit_forbids_fill(const struct store *store, struct shard_operation *operation)
{
    const struct stream *stream = &store->stream;
    if (stream->open->abandoned_count + stream->flying->abandoned_count == 0)
        return false;
    return evaluate_is_pending(store, operation->shard_hash, operation_key(operation),
                               operation->key_bytes);
}

uint64_t commit_next_deadline_ns(const struct store *store)
{
    const struct stream *stream = &store->stream;
    uint64_t next = UINT64_MAX;
    if (stream->is_failed)
        return next;
    if (!stream->is_covered && stream->state == STREAM_IDLE)
        next = stream->cover_due_ns;
    if (interval_sync_is_wanted(stream) && stream->sync_due_ns < next)
        next = stream->sync_due_ns;
    return next;
}

bool commit_is_idle(const struct store *store)
{
    const struct stream *stream = &store->stream;
    return stream->is_failed ||
           (stream->state == STREAM_IDLE && stream->open->entry_count == 0 && stream->is_covered &&
            !stream->sync_in_flight && stream->durable_sequence == stream->written_sequence);
}
