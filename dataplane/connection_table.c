/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/connection_table.h"

#include <errno.h>
#include <stdlib.h>

#include "include/assert_policy.h"
#include "include/memory_region.h"

#define FULL ((1u << CONNECTION_BUCKET_SLOTS) - 1)

int connection_table_create(struct connection_table *table, uint32_t entries_max)
{
    uint32_t bucket_count = 1;
    while ((uint64_t)bucket_count * (CONNECTION_BUCKET_SLOTS / 2) < entries_max)
        bucket_count *= 2;
    size_t bytes = (size_t)bucket_count * sizeof(struct connection_bucket);
    table->buckets = memory_lines_create(bytes);
    if (!table->buckets)
        return -ENOMEM;
    table->bucket_mask = bucket_count - 1;
    return 0;
}

void connection_table_destroy(struct connection_table *table)
{
    free(table->buckets);
    table->buckets = NULL;
}

void connection_table_insert(struct connection_table *table, uint32_t hash, uint32_t index)
{
    uint32_t at = hash & table->bucket_mask;
    while (table->buckets[at].used == FULL) {
        ASSERT(table->buckets[at].overflow < UINT16_MAX);
        table->buckets[at].overflow++;
        at = (at + 1) & table->bucket_mask;
        ASSERT(at != (hash & table->bucket_mask));
    }
    struct connection_bucket *bucket = &table->buckets[at];
    uint32_t slot = (uint32_t)__builtin_ctz(~(uint32_t)bucket->used);
    bucket->used |= (uint16_t)(1u << slot);
    bucket->tags[slot] = connection_tag(hash);
    bucket->indices[slot] = index;
}

/* The slot of an entry that must be there; its bucket in *at. */
static uint32_t entry_find(const struct connection_table *table, uint32_t hash, uint32_t index,
                           uint32_t *at)
{
    for (*at = hash & table->bucket_mask;; *at = (*at + 1) & table->bucket_mask) {
        const struct connection_bucket *bucket = &table->buckets[*at];
        uint32_t matches = connection_bucket_matches(bucket, connection_tag(hash));
        for (; matches; matches &= matches - 1) {
            uint32_t slot = (uint32_t)__builtin_ctz(matches);
            if (bucket->indices[slot] == index)
                return slot;
        }
        ASSERT(bucket->overflow > 0);
    }
}

void connection_table_remove(struct connection_table *table, uint32_t hash, uint32_t index)
{
    uint32_t at;
    uint32_t slot = entry_find(table, hash, index, &at);
    table->buckets[at].used &= (uint16_t) ~(1u << slot);
    for (uint32_t passed = hash & table->bucket_mask; passed != at;
         passed = (passed + 1) & table->bucket_mask)
        table->buckets[passed].overflow--;
}

void connection_table_replace(struct connection_table *table, uint32_t hash, uint32_t index,
                              uint32_t by)
{
    uint32_t at;
    uint32_t slot = entry_find(table, hash, index, &at);
    table->buckets[at].indices[slot] = by;
}
