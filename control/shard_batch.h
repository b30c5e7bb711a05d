/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * shard_batch.h - the records of one frame while it is filled, and who waits for them.
 *
 * Purpose:   what group commit gathers: records in their place, answers, and the keys they concern.
 * Ownership: a batch owns its frame buffer; operations in it belong to the store.
 * Threading: the store's thread.
 * Units:     bytes.
 * Errors:    NULL without memory; adding beyond what batch_has_room allows is a bug.
 * Source:    ARCHITECTURE.md, "Embedded engine".
 */
#ifndef GANNET_SHARD_BATCH_H
#define GANNET_SHARD_BATCH_H

#include "control/store_log.h"
#include "include/assert_policy.h"

struct batch *batch_create(uint32_t frame_bytes_max); /* to be reset before its first use */
void batch_destroy(struct batch *batch);
void batch_reset(struct batch *batch);

static inline struct frame_header *batch_header(struct batch *batch)
{
    return (struct frame_header *)batch->frame;
}

static inline struct record_header *batch_record(const struct batch *batch,
                                                 const struct batch_entry *entry)
{
    ASSERT_HOT(entry->record_offset != 0);
    return (struct record_header *)(batch->frame + entry->record_offset);
}

/* The newest write of the key in this batch. */
const struct batch_entry *batch_find(const struct batch *batch, uint64_t shard_hash,
                                     const uint8_t *key, uint32_t key_bytes);

/* The newest write of the key that was answered when it was accepted. */
const struct batch_entry *batch_find_accepted(const struct batch *batch, uint64_t shard_hash,
                                              const uint8_t *key, uint32_t key_bytes);

bool batch_has_room(const struct store *store, const struct batch *batch, uint32_t record_bytes);
struct batch_entry *batch_add(struct batch *batch, enum batch_entry_kind kind,
                              struct shard_operation *operation, enum shard_status status);
/* Room for a record at the end of the frame; everything but the key and what follows it is zero. */
struct record_header *batch_add_record(struct batch *batch, struct batch_entry *entry,
                                       uint32_t record_bytes);
/* The entry is found by its key from now on. */
void batch_link(struct batch *batch, struct batch_entry *entry, uint64_t shard_hash);

#endif
