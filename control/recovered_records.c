/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/recovered_records.h"

#include <stdlib.h>
#include <string.h>

#include "include/assert_policy.h"

static_assert(RECOVERED_BYTES_PER_SHARD >
                  sizeof(struct recovered_record) + KEY_BYTES_MAX + sizeof(struct extent_pointer),
              "an empty list takes any record");

static uint32_t copy_bytes(uint32_t key_bytes, uint32_t flags)
{
    uint64_t pointer_bytes = flags & RECORD_EXTENT ? sizeof(struct extent_pointer) : 0;
    return (uint32_t)round_up_to(offsetof(struct recovered_record, key) + key_bytes + pointer_bytes,
                                 sizeof(uint64_t));
}

void recovered_extent(const struct recovered_record *record, struct extent_pointer *pointer)
{
    memcpy(pointer, record->key + record->key_bytes, sizeof(*pointer));
}

void recovered_records_destroy(struct recovered_records *records)
{
    for (uint32_t shard = 0; shard < VIRTUAL_SHARDS; shard++)
        free(records->lists[shard].bytes);
    *records = (struct recovered_records){0};
}

bool recovered_records_add(struct recovered_records *records, const struct record_header *record,
                           uint32_t segment_id, uint64_t offset)
{
    struct recovered_list *list = &records->lists[record->virtual_shard];
    uint32_t bytes = copy_bytes(record->key_bytes, record->flags);
    if (list->bytes == NULL)
        list->bytes = malloc(RECOVERED_BYTES_PER_SHARD);
    if (list->bytes == NULL || list->used_bytes + bytes > RECOVERED_BYTES_PER_SHARD)
        return false;
    struct recovered_record *copy = (void *)(list->bytes + list->used_bytes);
    *copy = (struct recovered_record){
        .version = record->version,
        .expires_at_ms = record->expires_at_ms,
        .segment_id = segment_id,
        .offset_units = (uint32_t)(offset / RECORD_ALIGN_BYTES),
        .record_bytes = record->record_bytes,
        .value_bytes = record->value_bytes,
        .key_bytes = record->key_bytes,
        .flags = record->flags,
    };
    if (record->flags & RECORD_EXTENT) {
        struct extent_pointer pointer;
        record_extent(record, &pointer);
        memcpy(copy->key + record->key_bytes, &pointer, sizeof(pointer));
    }
    memcpy(copy->key, record_key(record), record->key_bytes);
    list->used_bytes += bytes;
    list->count++;
    records->count++;
    return true;
}

static uint32_t shared_bytes(const struct recovered_record *a, const struct recovered_record *b,
                             uint32_t limit)
{
    uint32_t shared = 0;
    while (shared < limit && shared < b->key_bytes && a->key[shared] == b->key[shared])
        shared++;
    return shared;
}

static uint64_t key_head(const struct recovered_record *record, uint32_t from)
{
    uint64_t head = 0;
    uint32_t left = record->key_bytes - from;
    memcpy(&head, record->key + from, left < sizeof(head) ? left : sizeof(head));
    return __builtin_bswap64(head);
}

static int compare_sorted(const void *left, const void *right)
{
    const struct sorted_record *a = left, *b = right;
    if (a->head != b->head)
        return a->head < b->head ? -1 : 1;
    uint32_t a_bytes = a->record->key_bytes, b_bytes = b->record->key_bytes;
    int order = memcmp(a->record->key, b->record->key, a_bytes < b_bytes ? a_bytes : b_bytes);
    return order != 0 ? order : (a_bytes > b_bytes) - (a_bytes < b_bytes);
}

struct sorted_record *recovered_records_sort(const struct recovered_records *records,
                                             uint32_t shard)
{
    const struct recovered_list *list = &records->lists[shard];
    struct sorted_record *sorted = calloc(list->count + 1u, sizeof(sorted[0]));
    if (sorted == NULL)
        return NULL;
    uint32_t at = 0, shared = KEY_BYTES_MAX;
    for (uint32_t i = 0; i < list->count; i++) {
        const struct recovered_record *record = (const void *)(list->bytes + at);
        sorted[i].record = record;
        shared = i == 0 ? record->key_bytes : shared_bytes(sorted[0].record, record, shared);
        at += copy_bytes(record->key_bytes, record->flags);
    }
    ASSERT(at == list->used_bytes);
    for (uint32_t i = 0; i < list->count; i++)
        sorted[i].head = key_head(sorted[i].record, shared);
    qsort(sorted, list->count, sizeof(sorted[0]), compare_sorted);
    return sorted;
}

void recovered_records_clear(struct recovered_records *records)
{
    for (uint32_t shard = 0; shard < VIRTUAL_SHARDS; shard++)
        records->lists[shard].used_bytes = records->lists[shard].count = 0;
    records->count = 0;
}
