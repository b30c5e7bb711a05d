/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/sim/store_listing.h"

#include <stdlib.h>
#include <string.h>

#include "include/assert_policy.h"
#include "include/blob.h"

static void answer_parse(struct listing_answer *answer, uint32_t bytes)
{
    const struct listing_entry *previous = NULL;
    for (uint32_t at = 0; at < bytes;) {
        const struct listing_entry *entry =
            (const struct listing_entry *)(const void *)(answer->bytes + at);
        ASSERT(!answer->continues && at + listing_entry_bytes(entry->name_bytes) <= bytes);
        at += listing_entry_bytes(entry->name_bytes);
        if (entry->flags & LISTING_CONTINUES) {
            answer->continues = true;
            answer->end = listing_name(entry);
            answer->end_bytes = entry->name_bytes;
            continue;
        }
        ASSERT(entry->flags == 0 && entry->version != 0 && answer->count < LISTING_ENTRIES_MAX);
        if (previous != NULL) {
            uint32_t shared =
                previous->name_bytes < entry->name_bytes ? previous->name_bytes : entry->name_bytes;
            int order = memcmp(listing_name(previous), listing_name(entry), shared);
            ASSERT(order < 0 || (order == 0 && previous->name_bytes < entry->name_bytes));
        }
        previous = entry;
        answer->entries[answer->count++] = entry;
    }
}

void listing_ask(struct harness *harness, uint32_t thread, const char *space, const void *prefix,
                 uint32_t prefix_bytes, const void *from, uint32_t from_bytes,
                 struct listing_answer *answer)
{
    uint8_t key[KEY_BYTES_MAX];
    uint32_t space_bytes = (uint32_t)strlen(space) + 1;
    memcpy(key, space, space_bytes);
    memcpy(key + space_bytes, prefix, prefix_bytes);
    struct shard_operation *operation =
        harness_operation(harness, SHARD_LIST, key, space_bytes + prefix_bytes);
    ASSERT(operation != NULL && (from_bytes == 0 || from_bytes >= prefix_bytes));
    if (from_bytes > 0)
        harness_set_value(harness, operation, (const uint8_t *)from + prefix_bytes,
                          from_bytes - prefix_bytes);
    operation->shard_hash = listing_shard_hash(thread);
    store_submit(harness->stores[thread], operation);
    struct shard_operation *done;
    ASSERT(store_reap(harness->stores[thread], &done, 1) == 1 && done == operation);
    ASSERT(done->status == SHARD_OK && done->value_bytes <= LISTING_BYTES_MAX);
    *answer = (struct listing_answer){.bytes = malloc(done->value_bytes + 1)};
    harness_copy_value(done, answer->bytes);
    uint32_t bytes = done->value_bytes;
    harness_give_back(harness, done);
    answer_parse(answer, bytes);
}

void listing_answer_free(struct listing_answer *answer)
{
    free(answer->bytes);
    *answer = (struct listing_answer){0};
}

void listing_walk_begin(struct listing_walk *walk, const char *space, const void *prefix,
                        uint32_t prefix_bytes)
{
    memset(walk, 0, sizeof(*walk));
    walk->space = space;
    memcpy(walk->prefix, prefix, prefix_bytes);
    walk->prefix_bytes = prefix_bytes;
}

void listing_walk_end(struct listing_walk *walk)
{
    for (uint32_t i = 0; i < HARNESS_THREADS_MAX; i++)
        listing_answer_free(&walk->answers[i]);
}

/* The thread's next entry, asked for if need be; NULL: it has no more. */
static const struct listing_entry *walk_peek(struct listing_walk *walk, struct harness *harness,
                                             uint32_t thread)
{
    struct listing_answer *answer = &walk->answers[thread];
    bool must_ask = !walk->is_begun && answer->bytes == NULL;
    while (must_ask || (walk->at[thread] == answer->count && answer->continues)) {
        uint8_t from[USER_KEY_BYTES_MAX + 1];
        uint32_t from_bytes = 0;
        if (!must_ask) {
            memcpy(from, answer->end, answer->end_bytes);
            from[answer->end_bytes] = 0;
            from_bytes = answer->end_bytes + 1;
        }
        must_ask = false;
        listing_answer_free(answer);
        listing_ask(harness, thread, walk->space, walk->prefix, walk->prefix_bytes, from,
                    from_bytes, answer);
        walk->at[thread] = 0;
        walk->operation_count++;
    }
    return walk->at[thread] < answer->count ? answer->entries[walk->at[thread]] : NULL;
}

static bool entry_is_before(const struct listing_entry *a, const struct listing_entry *b)
{
    uint32_t shared = a->name_bytes < b->name_bytes ? a->name_bytes : b->name_bytes;
    int order = memcmp(listing_name(a), listing_name(b), shared);
    return order != 0 ? order < 0 : a->name_bytes < b->name_bytes;
}

bool listing_walk_next(struct listing_walk *walk, struct harness *harness)
{
    const struct listing_entry *first = NULL;
    uint32_t first_thread = 0;
    for (uint32_t thread = 0; thread < harness->thread_count; thread++) {
        const struct listing_entry *entry = walk_peek(walk, harness, thread);
        if (entry != NULL && (first == NULL || entry_is_before(entry, first))) {
            first = entry;
            first_thread = thread;
        }
    }
    walk->is_begun = true;
    if (first == NULL)
        return false;
    walk->at[first_thread]++;
    walk->entry = *first;
    walk->name_bytes = first->name_bytes;
    memcpy(walk->name, listing_name(first), first->name_bytes);
    return true;
}
