/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/shard_batch.h"

#include <stdlib.h>
#include <string.h>

void batch_reset(struct batch *batch)
{
    batch->payload_bytes = batch->record_count = batch->entry_count = 0;
    batch->write_count = batch->abandoned_count = 0;
    batch->accepted_bytes = batch->accepted_count = 0;
    batch->needs_sync = false;
    memset(batch->buckets, 0, sizeof(batch->buckets));
}

struct batch *batch_create(uint32_t frame_bytes_max)
{
    struct batch *batch = calloc(1, sizeof(*batch));
    if (batch == NULL)
        return NULL;
    batch->frame = aligned_alloc(BLOCK_BYTES, frame_bytes_max);
    if (batch->frame == NULL) {
        free(batch);
        return NULL;
    }
    return batch;
}

void batch_destroy(struct batch *batch)
{
    if (batch != NULL)
        free(batch->frame);
    free(batch);
}

static uint32_t batch_bucket(uint64_t shard_hash)
{
    return (uint32_t)(shard_hash % BATCH_BUCKETS);
}

static const struct batch_entry *find(const struct batch *batch, uint64_t shard_hash,
                                      const uint8_t *key, uint32_t key_bytes, bool accepted_only)
{
    uint32_t at = batch->buckets[batch_bucket(shard_hash)];
    while (at != 0) {
        const struct batch_entry *entry = &batch->entries[at - 1];
        const struct record_header *record = batch_record(batch, entry);
        if (record->key_bytes == key_bytes && memcmp(record_key(record), key, key_bytes) == 0 &&
            (entry->is_accepted || !accepted_only))
            return entry;
        at = entry->next_in_bucket;
    }
    return NULL;
}

/* The newest write of the key in this batch. */
const struct batch_entry *batch_find(const struct batch *batch, uint64_t shard_hash,
                                     const uint8_t *key, uint32_t key_bytes)
{
    return find(batch, shard_hash, key, key_bytes, false);
}

const struct batch_entry *batch_find_accepted(const struct batch *batch, uint64_t shard_hash,
                                              const uint8_t *key, uint32_t key_bytes)
{
    return batch->accepted_count == 0 ? NULL : find(batch, shard_hash, key, key_bytes, true);
}

bool batch_has_room(const struct store *store, const struct batch *batch, uint32_t record_bytes)
{
    return batch->entry_count < BATCH_ENTRIES_MAX &&
           sizeof(struct frame_header) + batch->payload_bytes + record_bytes <=
               store->set->sizes.frame_bytes_max;
}

struct batch_entry *batch_add(struct batch *batch, enum batch_entry_kind kind,
                              struct shard_operation *operation, enum shard_status status)
{
    ASSERT(batch->entry_count < BATCH_ENTRIES_MAX);
    struct batch_entry *entry = &batch->entries[batch->entry_count++];
    *entry = (struct batch_entry){
        .operation = operation, .kind = (uint8_t)kind, .status = (uint8_t)status};
    return entry;
}

/* Room for a record at the end of the frame; everything but the key and what follows it is zero. */
struct record_header *batch_add_record(struct batch *batch, struct batch_entry *entry,
                                       uint32_t record_bytes)
{
    entry->record_offset = (uint32_t)sizeof(struct frame_header) + batch->payload_bytes;
    batch->payload_bytes += record_bytes;
    batch->record_count++;
    struct record_header *record = batch_record(batch, entry);
    memset(record, 0, sizeof(*record));
    memset((uint8_t *)record + record_bytes - RECORD_ALIGN_BYTES, 0, RECORD_ALIGN_BYTES);
    record->record_bytes = record_bytes;
    return record;
}

void batch_link(struct batch *batch, struct batch_entry *entry, uint64_t shard_hash)
{
    uint16_t *bucket = &batch->buckets[batch_bucket(shard_hash)];
    entry->next_in_bucket = *bucket;
    *bucket = (uint16_t)(entry - batch->entries + 1);
    batch->write_count++;
}
