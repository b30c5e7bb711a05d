/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/shard_list.h"

#include <stdlib.h>
#include <string.h>

#include "include/assert_policy.h"
#include "include/blob.h"
#include "include/counters.h"
#include "include/shard_listing.h"

/* The next index entry of one virtual shard that the merge has not taken yet. */
struct list_head {
    const struct index_entry *entry;
    uint32_t key_bytes;
    uint8_t shard;
    uint8_t key[KEY_BYTES_MAX];
};

/* A heap of heads, the smallest key first. */
struct lister {
    uint32_t count;
    struct list_head *heap[VIRTUAL_SHARDS];
    struct list_head heads[VIRTUAL_SHARDS];
};

struct list_answer {
    struct blob *blob;
    uint32_t namespace_bytes; /* "namespace\0": not part of a name */
    uint32_t entry_count;
};

int list_attach(struct store *store)
{
    store->lister = calloc(1, sizeof(*store->lister));
    return store->lister != NULL ? 0 : -ENOMEM;
}

void list_detach(struct store *store)
{
    free(store->lister);
}

/* ---- the merge ---- */

static bool head_is_before(const struct list_head *a, const struct list_head *b)
{
    int order = memcmp(a->key, b->key, a->key_bytes < b->key_bytes ? a->key_bytes : b->key_bytes);
    return order != 0 ? order < 0 : a->key_bytes < b->key_bytes;
}

static void heap_sink(struct lister *lister, uint32_t at)
{
    struct list_head *moved = lister->heap[at];
    for (uint32_t child; (child = 2 * at + 1) < lister->count; at = child) {
        if (child + 1 < lister->count &&
            head_is_before(lister->heap[child + 1], lister->heap[child]))
            child++;
        if (!head_is_before(lister->heap[child], moved))
            break;
        lister->heap[at] = lister->heap[child];
    }
    lister->heap[at] = moved;
}

/* Moves a head to the next index entry at `key`, or behind it. False: none has the prefix. */
static bool head_seek(struct store *store, struct list_head *head, const uint8_t *key,
                      uint32_t key_bytes, bool is_exclusive,
                      const struct shard_operation *operation)
{
    head->entry = shard_index_next(&store->set->indexes[head->shard], key, key_bytes, is_exclusive,
                                   head->key, &head->key_bytes);
    return head->entry != NULL && head->key_bytes >= operation->key_bytes &&
           memcmp(head->key, operation->bytes, operation->key_bytes) == 0;
}

static void heap_fill(struct store *store, const struct shard_operation *operation)
{
    struct lister *lister = store->lister;
    uint32_t from_bytes = operation->key_bytes + operation->value_bytes; /* one behind the other */
    lister->count = 0;
    for (uint32_t shard = store->thread_index; shard < VIRTUAL_SHARDS;
         shard += store->set->thread_count) {
        struct list_head *head = &lister->heads[lister->count];
        head->shard = (uint8_t)shard;
        if (head_seek(store, head, operation->bytes, from_bytes, false, operation))
            lister->heap[lister->count++] = head;
    }
    for (uint32_t at = lister->count / 2; at-- > 0;)
        heap_sink(lister, at);
}

/* The smallest head goes on to its shard's next key. */
static void heap_step(struct store *store, const struct shard_operation *operation)
{
    struct lister *lister = store->lister;
    struct list_head *head = lister->heap[0];
    uint8_t key[KEY_BYTES_MAX];
    uint32_t key_bytes = head->key_bytes;
    memcpy(key, head->key, key_bytes);
    if (!head_seek(store, head, key, key_bytes, true, operation))
        lister->heap[0] = lister->heap[--lister->count];
    if (lister->count > 0)
        heap_sink(lister, 0);
}

/* ---- the answer ---- */

static void answer_append(struct list_answer *answer, const struct list_head *head,
                          enum listing_flag flags)
{
    static const uint8_t zeros[8];
    uint32_t name_bytes = head->key_bytes - answer->namespace_bytes;
    struct listing_entry entry = {.name_bytes = (uint16_t)name_bytes, .flags = (uint16_t)flags};
    if (flags == 0) {
        entry.version = head->entry->version;
        entry.expires_at_ms = head->entry->expires_at_ms;
        answer->entry_count++;
    }
    blob_append(answer->blob, &entry, sizeof(entry));
    blob_append(answer->blob, head->key + answer->namespace_bytes, name_bytes);
    blob_append(answer->blob, zeros,
                listing_entry_bytes(name_bytes) - (uint32_t)sizeof(entry) - name_bytes);
}

/* For one more entry of any length, and the place where the answer ends. */
static bool answer_has_room(const struct list_answer *answer)
{
    return answer->entry_count < LISTING_ENTRIES_MAX &&
           answer->blob->length_bytes + 2 * listing_entry_bytes(USER_KEY_BYTES_MAX) <=
               LISTING_BYTES_MAX;
}

static uint32_t namespace_bytes_of(const struct shard_operation *operation)
{
    const uint8_t *end = memchr(operation->bytes, 0, operation->key_bytes);
    ASSERT(end != NULL);
    return (uint32_t)(end - operation->bytes) + 1;
}

static void list_keys(struct store *store, const struct shard_operation *operation,
                      struct list_answer *answer)
{
    struct lister *lister = store->lister;
    uint64_t wall_ms = store_wall_ms(store, operation->wall_ms);
    uint32_t steps = 0;
    heap_fill(store, operation);
    while (lister->count > 0) {
        const struct list_head *head = lister->heap[0];
        steps++;
        if (index_entry_is_visible(head->entry, wall_ms))
            answer_append(answer, head, 0);
        if (!answer_has_room(answer) || steps == LIST_STEPS_MAX) {
            answer_append(answer, head, LISTING_CONTINUES);
            break;
        }
        heap_step(store, operation);
    }
    count_many(store->counters, COUNTER_STORE_LIST_STEPS, steps);
}

void list_submit(struct store *store, struct shard_operation *operation)
{
    ASSERT(operation->attributes_bytes == 0 && operation->value == NULL);
    struct list_answer answer = {.blob = blob_create(store->stock, LISTING_BYTES_MAX),
                                 .namespace_bytes = namespace_bytes_of(operation)};
    if (answer.blob == NULL) {
        operation->value_bytes = 0;
        store_answer(store, operation, SHARD_NO_MEMORY, SHARD_CACHE_NOTHING);
        return;
    }
    list_keys(store, operation, &answer);
    operation->value = answer.blob;
    operation->value_bytes = answer.blob->length_bytes;
    store_answer(store, operation, SHARD_OK, SHARD_CACHE_NOTHING);
}
