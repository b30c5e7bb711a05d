/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/recovered_index.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "control/planted_bugs.h"
#include "control/store_log.h"
#include "include/log.h"

#define THREADS_MAX 8u
#define RECORDS_PER_THREAD_MIN 20000u /* fewer are done before a thread has begun */

static void supersede(struct store_set *set, uint32_t shard, const struct recovered_record *record,
                      struct index_entry *entry)
{
    uint32_t flags = index_entry_flags(entry);
    segment_live_subtract(segment_table_get(&set->table, entry->segment_id),
                          index_entry_bytes(entry));
    if (flags & INDEX_TOMBSTONE)
        return;
    entry->stale_puts++;
    store_count_value(set, shard, record->key, record->key_bytes, entry, VALUE_IS_GONE);
    if (flags & INDEX_EXTENT) {
        uint8_t key[8];
        store_extent_key(key, entry->version);
        shard_index_erase(&set->extents[shard], key, sizeof(key));
    }
}

static bool note_extent(struct store_set *set, uint32_t shard,
                        const struct recovered_record *record)
{
    uint8_t key[8];
    store_extent_key(key, record->version);
    struct index_entry *entry = shard_index_insert(&set->extents[shard], key, sizeof(key));
    if (entry == NULL)
        return false;
    struct extent_pointer pointer;
    recovered_extent(record, &pointer);
    extent_entry_fill(entry, &pointer, record->value_bytes);
    entry->stale_puts = record->expires_at_ms != 0;
    return true;
}

static bool is_put(const struct recovered_record *record)
{
    return (record->flags & RECORD_PUT) != 0;
}

/*
 * Of two copies of one version (a relocation that was cut short) either will do; a delete wins,
 * since compaction turns expired values into deletes of the same version.
 */
static bool is_newer(const struct recovered_record *record, const struct index_entry *entry)
{
    if (record->version != entry->version)
        return (record->version > entry->version) != planted_bug(PLANTED_RECOVER_OLDEST);
    return !is_put(record) && (index_entry_flags(entry) & INDEX_TOMBSTONE) == 0;
}

/* False: no memory. */
static bool apply_record(struct store_set *set, uint32_t shard,
                         const struct recovered_record *record)
{
    struct index_entry *entry =
        shard_index_insert(&set->indexes[shard], record->key, record->key_bytes);
    if (entry == NULL)
        return false;
    bool is_known = entry->sizes_flags != 0;
    if (is_known && !is_newer(record, entry)) {
        entry->stale_puts += is_put(record);
        return true;
    }
    if (is_known)
        supersede(set, shard, record, entry);
    uint32_t flags = is_put(record) ? 0 : INDEX_TOMBSTONE;
    if (record->flags & RECORD_EXTENT)
        flags |= INDEX_EXTENT;
    entry->version = record->version;
    entry->expires_at_ms = record->expires_at_ms;
    entry->segment_id = record->segment_id;
    entry->offset_units = record->offset_units;
    bool is_extent = (flags & INDEX_EXTENT) != 0;
    index_entry_set(entry, record->record_bytes, is_extent ? 0 : record->value_bytes, flags);
    struct segment *segment = segment_table_get(&set->table, record->segment_id);
    ASSERT(segment != NULL); /* it is where the record was found */
    segment_live_add(segment, record->record_bytes);
    if (is_extent && !note_extent(set, shard, record))
        return false;
    if (is_put(record))
        store_count_value(set, shard, record->key, record->key_bytes, entry, VALUE_IS_THERE);
    return true;
}

static void apply_shard(struct recovered_index *recovered, uint32_t shard)
{
    uint32_t count = recovered->records.lists[shard].count;
    if (count == 0)
        return;
    struct sorted_record *sorted = recovered_records_sort(&recovered->records, shard);
    bool is_complete = sorted != NULL;
    uint64_t tombstones = 0;
    for (uint32_t i = 0; is_complete && i < count; i++) {
        const struct recovered_record *record = sorted[i].record;
        if (record->version > recovered->version_max[shard])
            recovered->version_max[shard] = record->version;
        tombstones += !is_put(record);
        is_complete = apply_record(recovered->set, shard, record);
    }
    free(sorted);
    atomic_fetch_add(&recovered->tombstone_count, tombstones);
    if (!is_complete)
        atomic_store(&recovered->is_short_of_memory, true);
}

/* ---- helpers ---- */

struct helper {
    struct recovered_index *recovered;
    uint32_t first_shard, step;
    pthread_t thread;
};

static void *helper_main(void *argument)
{
    const struct helper *helper = argument;
    for (uint32_t shard = helper->first_shard; shard < VIRTUAL_SHARDS; shard += helper->step)
        apply_shard(helper->recovered, shard);
    return NULL;
}

static uint32_t threads_wanted(uint64_t record_count)
{
    cpu_set_t cpus;
    uint32_t count =
        sched_getaffinity(0, sizeof(cpus), &cpus) == 0 ? (uint32_t)CPU_COUNT(&cpus) : 1;
    uint64_t useful = record_count / RECORDS_PER_THREAD_MIN + 1;
    if (count > useful)
        count = (uint32_t)useful;
    return count > THREADS_MAX ? THREADS_MAX : count;
}

void recovered_index_settle(struct recovered_index *recovered)
{
    struct helper helpers[THREADS_MAX];
    bool has_thread[THREADS_MAX] = {false};
    uint32_t count = threads_wanted(recovered->records.count);
    for (uint32_t i = 0; i < count; i++)
        helpers[i] = (struct helper){.recovered = recovered, .first_shard = i, .step = count};
    for (uint32_t i = 1; i < count; i++)
        has_thread[i] = pthread_create(&helpers[i].thread, NULL, helper_main, &helpers[i]) == 0;
    for (uint32_t i = 0; i < count; i++)
        if (!has_thread[i])
            helper_main(&helpers[i]);
    for (uint32_t i = 1; i < count; i++)
        if (has_thread[i])
            pthread_join(helpers[i].thread, NULL);
    recovered->record_count += recovered->records.count;
    recovered_records_clear(&recovered->records);
}

void recovered_index_add(struct recovered_index *recovered, const struct segment *segment,
                         uint64_t offset, const struct record_header *record)
{
    if (recovered_records_add(&recovered->records, record, segment->id, offset))
        return;
    recovered_index_settle(recovered);
    if (!recovered_records_add(&recovered->records, record, segment->id, offset))
        atomic_store(&recovered->is_short_of_memory, true);
}

void recovered_index_destroy(struct recovered_index *recovered)
{
    recovered_records_destroy(&recovered->records);
}
