/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/shard_evaluate.h"

#include <string.h>

#include "control/planted_bugs.h"
#include "control/shard_accept.h"
#include "control/shard_batch.h"
#include "control/shard_extent.h"
#include "include/assert_policy.h"

/* ---- evaluation: the newest pending state decides ---- */

struct key_state {
    bool exists;
    uint64_t version;
    struct index_entry *entry;         /* durable state; NULL: none, or not looked up */
    const struct batch_entry *pending; /* in `batch`; NULL: durable state */
    struct batch *batch;
};

static const struct batch_entry *find_pending(const struct store *store, uint64_t shard_hash,
                                              const uint8_t *key, uint32_t key_bytes,
                                              struct batch **batch)
{
    const struct stream *stream = &store->stream;
    *batch = stream->open;
    const struct batch_entry *entry = batch_find(stream->open, shard_hash, key, key_bytes);
    if (entry == NULL) {
        *batch = stream->flying;
        entry = batch_find(stream->flying, shard_hash, key, key_bytes);
    }
    return entry;
}

bool evaluate_is_pending(const struct store *store, uint64_t shard_hash, const uint8_t *key,
                         uint32_t key_bytes)
{
    struct batch *batch;
    return find_pending(store, shard_hash, key, key_bytes, &batch) != NULL;
}

static struct key_state key_state_of(struct store *store, struct shard_operation *operation,
                                     uint64_t wall_ms)
{
    struct key_state state = {0};
    const uint8_t *key = operation_key(operation);
    state.pending =
        find_pending(store, operation->shard_hash, key, operation->key_bytes, &state.batch);
    if (state.pending != NULL) {
        const struct record_header *record = batch_record(state.batch, state.pending);
        state.exists = record_is_put(record) &&
                       (record->expires_at_ms == 0 || record->expires_at_ms > wall_ms);
        state.version = state.exists ? record->version : 0;
        return state;
    }
    struct shard_index *index = &store->set->indexes[shard_of_hash(operation->shard_hash)];
    state.entry = shard_index_find(index, key, operation->key_bytes);
    state.exists = index_entry_is_visible(state.entry, wall_ms);
    state.version = state.exists ? state.entry->version : 0;
    return state;
}

static bool version_is_listed(const struct shard_operation *operation, uint64_t version)
{
    for (uint32_t i = 0; i < operation->version_count && i < SHARD_CONDITION_VERSIONS_MAX; i++)
        if (operation->versions[i] == version)
            return true;
    return false;
}

static bool condition_holds(const struct shard_operation *operation, const struct key_state *state)
{
    switch ((enum shard_condition)operation->condition) {
    case SHARD_ALWAYS:
        return true;
    case SHARD_IF_PRESENT:
        return state->exists;
    case SHARD_IF_ABSENT:
        return !state->exists;
    case SHARD_IF_VERSION_IN:
        return state->exists && version_is_listed(operation, state->version);
    case SHARD_IF_VERSION_NOT:
        return !state->exists || !version_is_listed(operation, state->version);
    }
    return false;
}

/*
 * Answers that change nothing; one that rests on a pending write shares that write's fate, unless
 * everybody may see that write already.
 */
static bool answer_without_write(struct store *store, struct shard_operation *operation,
                                 const struct key_state *state, enum shard_status status)
{
    if (state->pending != NULL && !state->pending->is_accepted) {
        struct batch *batch = state->batch;
        if (batch->entry_count == BATCH_ENTRIES_MAX)
            batch = store->stream.open; /* later is as good */
        if (batch->entry_count == BATCH_ENTRIES_MAX)
            return false;
        operation->version = state->version;
        extent_abandon(store, operation);
        batch_add(batch, BATCH_ANSWER, operation, status);
        return true;
    }
    operation->version = state->version;
    extent_abandon(store, operation);
    store_answer(store, operation, status, SHARD_CACHE_NOTHING);
    return true;
}

enum space { SPACE_OK, SPACE_WAIT, SPACE_FULL };

/* The bytes of the active segment that frames may still take: one block is kept for the seal. */
uint64_t evaluate_segment_room(const struct stream *stream)
{
    return stream->segment == NULL ? 0
                                   : stream->segment->bytes - BLOCK_BYTES - stream->append_offset;
}

/*
 * PUT leaves the reserve alone, DELETE its last part: compaction must always find a segment to copy
 * into, or nothing would ever become free again.
 */
static enum space space_for(struct store *store, enum shard_verb verb, uint32_t record_bytes)
{
    const struct stream *stream = &store->stream;
    const struct segment_table *table = &store->set->table;
    uint32_t untouchable = verb == SHARD_PUT ? table->reserve_count : table->compaction_count;
    uint64_t needed = frame_bytes(stream->open->payload_bytes + record_bytes);
    bool may_use_segment = stream->spares_when_taken > untouchable;
    if (may_use_segment && evaluate_segment_room(stream) >= needed)
        return SPACE_OK;
    if (atomic_load(&table->spare_count) > untouchable)
        return SPACE_OK;
    return atomic_load(&table->is_full) ? SPACE_FULL : SPACE_WAIT;
}

/* The next version of the shard; 0: the reserved ones are used up, more are on their way. */
static uint64_t version_take(struct store *store, uint32_t shard)
{
    struct store_set *set = store->set;
    uint64_t version = set->next_version[shard];
    uint64_t ceiling = atomic_load_explicit(&set->ceilings[shard], memory_order_acquire);
    if (ceiling - version < set->sizes.version_block / 2)
        store->wants_versions = true;
    if (version >= ceiling)
        return 0;
    set->next_version[shard]++;
    return version;
}

static void record_fill(struct record_header *record, struct shard_operation *operation,
                        const struct extent_pointer *extent)
{
    record->version = operation->version;
    record->key_bytes = operation->key_bytes;
    record->virtual_shard = shard_of_hash(operation->shard_hash);
    record->modified_at_ms = operation->modified_at_ms;
    uint8_t *at = (uint8_t *)(record + 1);
    memcpy(at, operation_key(operation), operation->key_bytes);
    if (operation->verb == SHARD_DELETE) {
        record->flags = RECORD_DELETE;
        return;
    }
    record->flags = RECORD_PUT;
    record->expires_at_ms = operation->expires_at_ms;
    record->attributes_bytes = operation->attributes_bytes;
    record->value_bytes = operation->value_bytes;
    at += operation->key_bytes;
    memcpy(at, operation_attributes(operation), operation->attributes_bytes);
    at += operation->attributes_bytes;
    if (extent != NULL) {
        record->flags |= RECORD_EXTENT;
        memcpy(at, extent, sizeof(*extent));
    } else if (operation->value != NULL) {
        blob_copy_out(operation->value, 0, at, operation->value_bytes);
    } else {
        memcpy(at, operation_inline_value(operation), operation->value_bytes);
    }
}

static uint32_t write_record_bytes(const struct shard_operation *operation, bool has_extent)
{
    if (operation->verb == SHARD_DELETE)
        return record_bytes_for(operation->key_bytes, 0, 0);
    return record_bytes_for(operation->key_bytes, operation->attributes_bytes,
                            has_extent ? (uint32_t)sizeof(struct extent_pointer)
                                       : operation->value_bytes);
}

/*
 * Memory for what the commit will change is taken now, so that the commit itself cannot fail.
 * A placeholder entry is invisible until then. Returns the entry, `known` if that is not NULL.
 */
static struct index_entry *index_prepare(struct store *store, struct shard_operation *operation,
                                         const struct extent_pointer *extent, uint64_t version,
                                         struct index_entry *known)
{
    uint32_t shard = shard_of_hash(operation->shard_hash);
    struct shard_index *index = &store->set->indexes[shard];
    const uint8_t *key = operation_key(operation);
    if (extent != NULL) {
        uint8_t extent_key[8];
        store_extent_key(extent_key, version);
        struct index_entry *entry =
            shard_index_insert(&store->set->extents[shard], extent_key, sizeof(extent_key));
        if (entry == NULL)
            return NULL;
        extent_entry_fill(entry, extent, operation->value_bytes);
    }
    struct index_entry *entry =
        known != NULL ? known : shard_index_insert(index, key, operation->key_bytes);
    if (entry != NULL && entry->sizes_flags == 0)
        index_entry_set(entry, 0, 0, INDEX_PLACEHOLDER);
    if (entry == NULL && extent != NULL) {
        uint8_t extent_key[8];
        store_extent_key(extent_key, version);
        shard_index_erase(&store->set->extents[shard], extent_key, sizeof(extent_key));
    }
    return entry;
}

static bool is_done_when_durable(const struct store *store, const struct shard_operation *operation)
{
    if (operation->sync == SHARD_SYNC_OF_STORE)
        return !store->set->is_interval_sync;
    return operation->sync == SHARD_SYNC_COMMIT;
}

bool evaluate_refuse(struct store *store, struct shard_operation *operation,
                     enum shard_status status)
{
    extent_abandon(store, operation);
    store_answer(store, operation, status, SHARD_CACHE_NOTHING);
    return true;
}

/* ---- a PUT's companion (shard_operation.h) ---- */

static uint32_t companion_bytes(const struct shard_operation *operation)
{
    return operation->companion == NULL ? 0 : write_record_bytes(operation->companion, false);
}

/* Its placeholder; false: no memory. It may change the shape of the index. */
static bool companion_prepare(struct store *store, struct shard_operation *operation)
{
    return operation->companion == NULL ||
           index_prepare(store, operation->companion, NULL, 0, NULL) != NULL;
}

/* The PUT was refused after all. */
static void companion_forget(struct store *store, struct shard_operation *operation)
{
    struct shard_operation *companion = operation->companion;
    if (companion == NULL)
        return;
    const uint8_t *key = operation_key(companion);
    struct shard_index *index = &store->set->indexes[shard_of_hash(companion->shard_hash)];
    const struct index_entry *entry = shard_index_find(index, key, companion->key_bytes);
    if (entry != NULL && (index_entry_flags(entry) & INDEX_PLACEHOLDER) &&
        !evaluate_is_pending(store, companion->shard_hash, key, companion->key_bytes))
        shard_index_erase(index, key, companion->key_bytes);
}

/* Behind its PUT, whose version it follows. There is room, and its entry is found by its key. */
static void companion_add(struct store *store, const struct shard_operation *operation,
                          uint32_t record_bytes)
{
    struct shard_operation *companion = operation->companion;
    if (companion == NULL || planted_bug(PLANTED_LEAVE_COMPANION))
        return;
    struct batch *batch = store->stream.open;
    companion->version = operation->version + 1;
    companion->modified_at_ms = operation->modified_at_ms;
    struct batch_entry *entry = batch_add(batch, BATCH_WRITE, NULL, SHARD_CREATED);
    record_fill(batch_add_record(batch, entry, record_bytes), companion, NULL);
    batch_link(batch, entry, companion->shard_hash);
}

static bool companion_is_there(struct store *store, struct shard_operation *operation,
                               uint64_t wall_ms, struct key_state *state)
{
    if (operation->companion == NULL)
        return false;
    ASSERT(operation->verb == SHARD_PUT &&
           shard_of_hash(operation->companion->shard_hash) == shard_of_hash(operation->shard_hash));
    *state = key_state_of(store, operation->companion, wall_ms);
    if (state->exists)
        operation->companion->status = SHARD_CONDITION_FAILED;
    return state->exists;
}

/* Of a PUT and its companion, one after the other; 0: they are on their way. */
static uint64_t versions_take(struct store *store, const struct shard_operation *operation)
{
    uint32_t shard = shard_of_hash(operation->shard_hash);
    uint64_t version = version_take(store, shard);
    if (version == 0 || operation->companion == NULL || version_take(store, shard) != 0)
        return version;
    return 0; /* the first is never given out, which harms nobody */
}

static bool has_room(const struct store *store, const struct shard_operation *operation,
                     uint32_t bytes)
{
    const struct batch *batch = store->stream.open;
    return batch_has_room(store, batch, bytes) &&
           (operation->companion == NULL || batch->entry_count + 1 < BATCH_ENTRIES_MAX);
}

static bool evaluate_write(struct store *store, struct shard_operation *operation,
                           const struct key_state *state, uint64_t wall_ms)
{
    struct stream *stream = &store->stream;
    struct extent_pointer pointer;
    bool has_extent = extent_of(operation, &pointer);
    uint32_t record_bytes = write_record_bytes(operation, has_extent);
    uint32_t beside_bytes = companion_bytes(operation);
    if (!has_room(store, operation, record_bytes + beside_bytes))
        return false;
    enum space space =
        space_for(store, (enum shard_verb)operation->verb, record_bytes + beside_bytes);
    if (space == SPACE_WAIT)
        return false;
    if (space == SPACE_FULL)
        return evaluate_refuse(store, operation, SHARD_STORE_FULL);
    uint32_t shard = shard_of_hash(operation->shard_hash);
    uint64_t version = versions_take(store, operation);
    if (version == 0)
        return false;
    struct index_entry *index_entry = state->entry;
    if (operation->verb == SHARD_PUT) {
        if (!companion_prepare(store, operation))
            return evaluate_refuse(store, operation, SHARD_INDEX_FULL);
        index_entry = index_prepare(store, operation, has_extent ? &pointer : NULL, version,
                                    operation->companion == NULL ? state->entry : NULL);
        if (index_entry == NULL) {
            companion_forget(store, operation);
            return evaluate_refuse(store, operation, SHARD_INDEX_FULL);
        }
    }
    operation->version = version;
    operation->modified_at_ms = wall_ms;
    enum shard_status status =
        operation->verb == SHARD_PUT && !state->exists ? SHARD_CREATED : SHARD_OK;
    struct batch_entry *entry = batch_add(stream->open, BATCH_WRITE, operation, status);
    record_fill(batch_add_record(stream->open, entry, record_bytes), operation,
                has_extent ? &pointer : NULL);
    batch_link(stream->open, entry, operation->shard_hash);
    entry->index_entry = index_entry;
    entry->index_shape = store->set->indexes[shard].shape;
    companion_add(store, operation, beside_bytes);
    stream->open->needs_sync |= is_done_when_durable(store, operation);
    if (has_extent)
        extent_release(store, operation);
    else
        accept_write(store, entry, record_bytes);
    if (planted_bug(PLANTED_ACKNOWLEDGE_EARLY) && entry->operation != NULL) {
        entry->operation = NULL;
        store_answer(store, operation, status, SHARD_CACHE_FILL);
    }
    return true;
}

/* True: the operation is on its way. False: it must wait, and everything behind it. */
static bool evaluate(struct store *store, struct shard_operation *operation)
{
    if (store->stream.is_failed)
        return evaluate_refuse(store, operation, SHARD_READ_ONLY);
    uint64_t wall_ms = store_wall_ms(store, operation->wall_ms);
    struct key_state state;
    if (UNLIKELY(companion_is_there(store, operation, wall_ms, &state)))
        return answer_without_write(store, operation, &state, SHARD_CONDITION_FAILED);
    state = key_state_of(store, operation, wall_ms);
    if (!condition_holds(operation, &state))
        return answer_without_write(store, operation, &state, SHARD_CONDITION_FAILED);
    if (operation->verb == SHARD_DELETE && !state.exists)
        return answer_without_write(store, operation, &state, SHARD_NOT_FOUND);
    return evaluate_write(store, operation, &state, wall_ms);
}

void evaluate_arrivals(struct store *store)
{
    while (store->arrivals.head != NULL) {
        /* taken off first: evaluation links it into other lists */
        struct shard_operation *operation = operation_list_pop(&store->arrivals);
        if (evaluate(store, operation))
            continue;
        operation->next = store->arrivals.head;
        store->arrivals.head = operation;
        if (store->arrivals.tail == NULL)
            store->arrivals.tail = operation;
        store->arrivals.count++;
        return;
    }
}
