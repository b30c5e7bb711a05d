/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/task_walk.h"

#include <stdlib.h>
#include <string.h>

#include "control/task_loop.h"
#include "control/task_run.h"
#include "include/assert_policy.h"
#include "include/blob.h"

/* What one control thread answered last. */
struct walk_source {
    uint8_t *bytes; /* NULL: not asked yet */
    uint32_t count, at;
    bool is_asked;  /* an operation is under way */
    bool continues; /* there may be more behind `end` */
    uint32_t end_bytes;
    uint8_t end[USER_KEY_BYTES_MAX];
};

bool walk_begin(struct task_walk *walk, const struct task_run *run, const uint8_t *key,
                uint32_t key_bytes, const uint8_t *after, uint32_t after_bytes, uint32_t operations)
{
    const uint8_t *separator = memchr(key, 0, key_bytes);
    ASSERT(separator != NULL && after_bytes <= USER_KEY_BYTES_MAX);
    walk->source_count = task_control_count(run);
    walk->sources = calloc(walk->source_count, sizeof(*walk->sources));
    walk->operations_left = operations;
    walk->key_bytes = key_bytes;
    walk->namespace_bytes = (uint32_t)(separator - key) + 1;
    memcpy(walk->key, key, key_bytes);
    walk->has_place = after != NULL;
    if (after != NULL) {
        walk->place_bytes = after_bytes;
        memcpy(walk->place, after, after_bytes);
    }
    return walk->sources != NULL;
}

void walk_end(struct task_walk *walk)
{
    for (uint32_t i = 0; walk->sources != NULL && i < walk->source_count; i++)
        free(walk->sources[i].bytes);
    free(walk->sources);
    walk->sources = NULL;
}

/* ---- order ---- */

static bool name_is_before(const uint8_t *a, uint32_t a_bytes, const uint8_t *b, uint32_t b_bytes)
{
    int order = memcmp(a, b, a_bytes < b_bytes ? a_bytes : b_bytes);
    return order != 0 ? order < 0 : a_bytes < b_bytes;
}

static const struct listing_entry *source_peek(const struct walk_source *source)
{
    return source->at < source->count
               ? (const struct listing_entry *)(const void *)(source->bytes + source->at)
               : NULL;
}

static bool source_is_used_up(const struct walk_source *source)
{
    return source->at == source->count && (source->bytes == NULL || source->continues);
}

/* ---- questions and answers ---- */

/* How the first wanted key goes on behind the prefix: the place, and a zero byte. */
static uint32_t rest_of(const struct task_walk *walk, const uint8_t *place, uint32_t place_bytes,
                        uint8_t *rest)
{
    uint32_t prefix_bytes = walk->key_bytes - walk->namespace_bytes;
    ASSERT(place_bytes >= prefix_bytes);
    memcpy(rest, place + prefix_bytes, place_bytes - prefix_bytes);
    rest[place_bytes - prefix_bytes] = 0;
    return place_bytes - prefix_bytes + 1;
}

static bool source_ask(struct task_walk *walk, struct task_run *run, uint32_t index)
{
    const struct walk_source *source = &walk->sources[index];
    uint8_t rest[USER_KEY_BYTES_MAX + 1];
    uint32_t rest_bytes = 0;
    if (source->bytes != NULL)
        rest_bytes = rest_of(walk, source->end, source->end_bytes, rest);
    else if (walk->has_place)
        rest_bytes = rest_of(walk, walk->place, walk->place_bytes, rest);
    struct shard_operation *operation = task_operation(run, SHARD_LIST, walk->key, walk->key_bytes);
    if (operation == NULL)
        return false;
    /* prefix and the rest always fit into an operation: no memory is needed */
    task_operation_set_value(run, operation, NULL, 0, rest, rest_bytes);
    task_send_to_control(run, operation, index);
    return true;
}

void walk_ask(struct task_walk *walk, struct task_run *run)
{
    for (uint32_t i = 0; i < walk->source_count && walk->operations_left > 0; i++) {
        struct walk_source *source = &walk->sources[i];
        if (source->is_asked || !source_is_used_up(source))
            continue;
        if (!source_ask(walk, run, i))
            return;
        source->is_asked = true;
        walk->operations_left--;
    }
}

/* The last entry may be the place where the answer ends, and no key. */
static void source_find_end(struct walk_source *source, uint32_t bytes)
{
    source->continues = false;
    source->count = bytes;
    for (uint32_t at = 0; at < bytes;) {
        const struct listing_entry *entry =
            (const struct listing_entry *)(const void *)(source->bytes + at);
        if (entry->flags & LISTING_CONTINUES) {
            source->continues = true;
            source->count = at;
            source->end_bytes = entry->name_bytes;
            memcpy(source->end, listing_name(entry), entry->name_bytes);
        }
        at += listing_entry_bytes(entry->name_bytes);
    }
}

enum shard_status walk_take(struct task_walk *walk, const struct shard_operation *operation)
{
    struct walk_source *source = &walk->sources[operation->control_index];
    ASSERT(operation->verb == SHARD_LIST && source->is_asked);
    source->is_asked = false;
    if (operation->status != SHARD_OK)
        return (enum shard_status)operation->status;
    uint8_t *bytes = malloc(operation->value_bytes + 1u);
    if (bytes == NULL)
        return SHARD_NO_MEMORY;
    blob_copy_out(operation->value, 0, bytes, operation->value_bytes);
    free(source->bytes);
    source->bytes = bytes;
    source->at = 0;
    source_find_end(source, operation->value_bytes);
    return SHARD_OK;
}

/* ---- keys ---- */

/* Up to where all answers reach: the nearest end of one that is used up. False: to the end. */
static bool reach_of(const struct task_walk *walk, const uint8_t **end, uint32_t *end_bytes,
                     bool *is_known)
{
    bool has_end = false;
    *is_known = true;
    for (uint32_t i = 0; i < walk->source_count; i++) {
        const struct walk_source *source = &walk->sources[i];
        *is_known &= source->bytes != NULL;
        if (source->bytes == NULL || !source_is_used_up(source))
            continue;
        if (!has_end || name_is_before(source->end, source->end_bytes, *end, *end_bytes)) {
            *end = source->end;
            *end_bytes = source->end_bytes;
        }
        has_end = true;
    }
    return has_end;
}

static void place_set(struct task_walk *walk, const uint8_t *name, uint32_t name_bytes)
{
    walk->has_place = true;
    walk->place_bytes = name_bytes;
    memcpy(walk->place, name, name_bytes);
}

const struct listing_entry *walk_next(struct task_walk *walk)
{
    const uint8_t *end = NULL;
    uint32_t end_bytes = 0;
    bool is_known;
    bool has_end = reach_of(walk, &end, &end_bytes, &is_known);
    if (!is_known)
        return NULL;
    struct walk_source *first = NULL;
    for (uint32_t i = 0; i < walk->source_count; i++) {
        struct walk_source *source = &walk->sources[i];
        const struct listing_entry *entry = source_peek(source);
        if (entry == NULL)
            continue;
        const struct listing_entry *best = first != NULL ? source_peek(first) : NULL;
        if (best == NULL || name_is_before(listing_name(entry), entry->name_bytes,
                                           listing_name(best), best->name_bytes))
            first = source;
    }
    const struct listing_entry *entry = first != NULL ? source_peek(first) : NULL;
    if (has_end &&
        (entry == NULL || name_is_before(end, end_bytes, listing_name(entry), entry->name_bytes))) {
        place_set(walk, end, end_bytes); /* nothing more up to there */
        return NULL;
    }
    if (entry != NULL) {
        place_set(walk, listing_name(entry), entry->name_bytes);
        first->at += listing_entry_bytes(entry->name_bytes);
    }
    return entry;
}

bool walk_is_complete(const struct task_walk *walk)
{
    for (uint32_t i = 0; i < walk->source_count; i++)
        if (walk->sources[i].at < walk->sources[i].count || source_is_used_up(&walk->sources[i]))
            return false;
    return true;
}

bool walk_is_over(const struct task_walk *walk)
{
    if (walk_is_complete(walk))
        return true;
    for (uint32_t i = 0; i < walk->source_count; i++)
        if (walk->sources[i].is_asked)
            return false;
    return walk->operations_left == 0;
}
