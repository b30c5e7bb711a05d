/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/shard_accept.h"

#include "control/planted_bugs.h"
#include "control/shard_batch.h"
#include "include/counters.h"
#include "include/log.h"

/* Since when accepted writes have waited for their commit; now, if none does. */
static uint64_t waiting_since_ns(const struct store *store, uint64_t now_ns)
{
    const struct stream *stream = &store->stream;
    if (stream->flying->accepted_count > 0)
        return stream->flying->accepted_since_ns;
    if (stream->open->accepted_count > 0)
        return stream->open->accepted_since_ns;
    return now_ns;
}

static bool is_within_bounds(const struct store *store, uint32_t record_bytes, uint64_t now_ns)
{
    const struct stream *stream = &store->stream;
    uint64_t waiting_bytes =
        (uint64_t)stream->open->accepted_bytes + stream->flying->accepted_bytes;
    return waiting_bytes + record_bytes <= store->set->behind_bytes &&
           now_ns - waiting_since_ns(store, now_ns) <= store->set->behind_ns;
}

void accept_write(struct store *store, struct batch_entry *entry, uint32_t record_bytes)
{
    struct batch *batch = store->stream.open;
    struct shard_operation *operation = entry->operation;
    if (operation->write_policy != SHARD_WRITE_BEHIND)
        return;
    uint64_t now_ns = io_now_ns(store->loop); /* the round's time is from before the thread slept */
    if (!is_within_bounds(store, record_bytes, now_ns)) {
        count(store->counters, COUNTER_STORE_BEHIND_WAITS);
        return;
    }
    if (batch->accepted_count++ == 0)
        batch->accepted_since_ns = now_ns;
    batch->accepted_bytes += record_bytes;
    entry->is_accepted = true;
    entry->operation = NULL;
    store_answer(store, operation, (enum shard_status)entry->status, SHARD_CACHE_INVALIDATE);
}

const struct record_header *accept_find(const struct store *store,
                                        struct shard_operation *operation)
{
    const struct stream *stream = &store->stream;
    if (stream->open->accepted_count + stream->flying->accepted_count == 0 ||
        planted_bug(PLANTED_HIDE_ACCEPTED))
        return NULL;
    const struct batch *batch = stream->open;
    const uint8_t *key = operation_key(operation);
    const struct batch_entry *entry =
        batch_find_accepted(batch, operation->shard_hash, key, operation->key_bytes);
    if (entry == NULL) {
        batch = stream->flying;
        entry = batch_find_accepted(batch, operation->shard_hash, key, operation->key_bytes);
    }
    return entry == NULL ? NULL : batch_record(batch, entry);
}

void accept_report_loss(struct store *store, const struct batch *batch)
{
    if (batch->accepted_count == 0)
        return;
    count_many(store->counters, COUNTER_STORE_BEHIND_LOST, batch->accepted_count);
    log_error("store: %u acknowledged writes of namespaces with write_policy: behind are lost: "
              "their commit failed",
              batch->accepted_count);
}
