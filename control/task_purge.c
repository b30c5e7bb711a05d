/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * POST purge {"keys":[...]} or {"prefix":"cart/"}, each with "soft":true or without: values stay,
 * what the caches hold of them goes. By prefix the keys are walked; a walk that takes too long
 * answers with a cursor to go on from.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "control/list_cursor.h"
#include "control/task_collection.h"
#include "control/task_walk.h"
#include "include/counters.h"

struct purge {
    bool is_percent, is_soft, is_walk;
    struct key_set set;
    uint32_t sent; /* of set */
    struct task_walk walk;
    bool has_key; /* taken from the walk, not yet sent */
    uint32_t key_bytes;
    uint8_t key[KEY_BYTES_MAX];
    uint64_t purged, failed;
    enum http_problem problem; /* of one that failed */
};

/* ---- the request ---- */

/* The prefix is spelt as a key is, but may be empty. */
static enum task_progress start_walk(struct task_run *run, const json_t *prefix,
                                     const json_t *cursor)
{
    struct purge *purge = run->state;
    uint8_t after[USER_KEY_BYTES_MAX];
    uint32_t after_bytes = 0, prefix_bytes = 0;
    struct http_slice text = {(const uint8_t *)json_string_value(prefix),
                              (uint32_t)json_string_length(prefix)};
    purge->key_bytes = run->task->key_bytes;
    memcpy(purge->key, api_task_key(run->task), purge->key_bytes);
    bool fits = json_is_string(prefix) && text.bytes <= 3 * USER_KEY_BYTES_MAX;
    if (fits && purge->is_percent) {
        fits = http_percent_decode(text, purge->key + purge->key_bytes, USER_KEY_BYTES_MAX,
                                   &prefix_bytes);
    } else if (fits && (fits = text.bytes <= USER_KEY_BYTES_MAX)) {
        memcpy(purge->key + purge->key_bytes, text.at, text.bytes);
        prefix_bytes = text.bytes;
    }
    if (!fits)
        return task_fail(run, HTTP_PROBLEM_BAD_DOCUMENT, "prefix is a text of 0 to 1024 bytes");
    purge->key_bytes += prefix_bytes;
    if (cursor != NULL && !list_cursor_read((const uint8_t *)json_string_value(cursor),
                                            (uint32_t)json_string_length(cursor), purge->key,
                                            purge->key_bytes, after, &after_bytes))
        return task_fail(run, HTTP_PROBLEM_BAD_CURSOR,
                         "cursor: not one that this server gave for this namespace and prefix");
    purge->is_walk = true;
    if (walk_begin(&purge->walk, run, purge->key, purge->key_bytes, cursor != NULL ? after : NULL,
                   after_bytes, UINT32_MAX))
        return TASK_GOES_ON;
    return task_fail(run, HTTP_PROBLEM_OVERLOADED, "no memory for the walk");
}

static enum task_progress read_document(struct task_run *run, const json_t *body)
{
    struct purge *purge = run->state;
    const json_t *keys = json_object_get(body, "keys");
    const json_t *prefix = json_object_get(body, "prefix");
    const json_t *soft = json_object_get(body, "soft");
    const json_t *cursor = json_object_get(body, "cursor");
    purge->is_soft = json_is_true(soft);
    if (collection_check_members(run, body, "keys, prefix, soft, cursor") == TASK_DONE)
        return TASK_DONE;
    if ((keys == NULL) == (prefix == NULL))
        return task_fail(run, HTTP_PROBLEM_BAD_DOCUMENT, "keys or prefix is needed, not both");
    if (soft != NULL && !json_is_boolean(soft))
        return task_fail(run, HTTP_PROBLEM_BAD_DOCUMENT, "soft is true or false");
    if (cursor != NULL && (!json_is_string(cursor) || prefix == NULL))
        return task_fail(run, HTTP_PROBLEM_BAD_DOCUMENT, "cursor is a text, and goes with prefix");
    if (prefix != NULL)
        return start_walk(run, prefix, cursor);
    return collection_keys_read(run, keys, purge->is_percent, &purge->set);
}

static enum task_progress start(struct task_run *run)
{
    struct purge *purge = run->state;
    if (collection_names(run, &purge->is_percent) == TASK_DONE)
        return TASK_DONE;
    json_t *body = collection_body(run);
    if (body == NULL)
        return TASK_DONE;
    enum task_progress progress = read_document(run, body);
    json_decref(body);
    return progress;
}

/* ---- operations ---- */

/* The next key to purge, kept until it could be sent. */
static bool next_key(struct purge *purge)
{
    if (purge->has_key)
        return true;
    if (!purge->is_walk) {
        if (purge->sent == purge->set.count)
            return false;
        const struct collection_key *key = &purge->set.keys[purge->sent++];
        purge->key_bytes = key->key_bytes;
        memcpy(purge->key, key->bytes, key->key_bytes);
    } else {
        const struct listing_entry *entry = walk_next(&purge->walk);
        if (entry == NULL)
            return false;
        uint32_t space_bytes = purge->walk.namespace_bytes;
        purge->key_bytes = space_bytes + entry->name_bytes;
        memcpy(purge->key, purge->walk.key, space_bytes);
        memcpy(purge->key + space_bytes, listing_name(entry), entry->name_bytes);
    }
    purge->has_key = true;
    return true;
}

/* False: no operation can be sent now. */
static bool send_purges(struct task_run *run)
{
    struct purge *purge = run->state;
    run->items_total = purge->set.count; /* of a walk nobody knows */
    while (next_key(purge)) {
        if (!purge->is_walk && task_is_late(run)) {
            purge->failed++;
            purge->problem = task_late_problem(run);
            purge->has_key = false;
            continue;
        }
        struct shard_operation *operation =
            task_operation(run, SHARD_PURGE, purge->key, purge->key_bytes);
        if (operation == NULL)
            return false;
        operation->cache_action = purge->is_soft ? SHARD_CACHE_MARK_STALE : SHARD_CACHE_INVALIDATE;
        task_send(run, operation);
        purge->has_key = false;
    }
    return true;
}

/* ---- the answer ---- */

static enum task_progress answer(struct task_run *run)
{
    const struct purge *purge = run->state;
    bool is_complete = !purge->is_walk || walk_is_complete(&purge->walk);
    if (purge->failed > 0 && purge->purged == 0)
        return task_fail(run, purge->problem, "nothing was purged");
    text_format(&run->fields, "Content-Type: application/json\r\nCache-Control: no-store\r\n");
    text_format(&run->body, "{\"purged\":%" PRIu64 ",\"unprocessed\":%" PRIu64 ",\"complete\":%s",
                purge->purged, purge->failed, is_complete ? "true" : "false");
    if (!is_complete) {
        text_format(&run->body, ",\"cursor\":\"");
        list_cursor_add(&run->body, purge->walk.key, purge->walk.key_bytes, purge->walk.place,
                        purge->walk.place_bytes);
        text_format(&run->body, "\"");
    }
    text_format(&run->body, "}\n");
    return task_finish(run, 200);
}

static enum task_progress go_on(struct task_run *run)
{
    struct purge *purge = run->state;
    if (!send_purges(run))
        return TASK_GOES_ON;
    bool is_over = !purge->is_walk || walk_is_over(&purge->walk) ||
                   (task_is_late(run) && purge->walk.has_place);
    if (!is_over)
        walk_ask(&purge->walk, run);
    else if (run->operations_under_way == 0)
        return answer(run);
    return TASK_GOES_ON;
}

static enum task_progress take(struct task_run *run, struct shard_operation *operation)
{
    struct purge *purge = run->state;
    if (operation->verb == SHARD_LIST) {
        enum shard_status status = walk_take(&purge->walk, operation);
        return status == SHARD_OK
                   ? TASK_GOES_ON
                   : task_fail(run, http_problem_of_shard((uint8_t)status), "listing failed");
    }
    run->items_done++;
    if (operation->status == SHARD_OK) {
        purge->purged++;
        return TASK_GOES_ON;
    }
    purge->failed++;
    purge->problem = http_problem_of_shard(operation->status);
    return TASK_GOES_ON;
}

static void end(struct task_run *run)
{
    struct purge *purge = run->state;
    key_set_free(&purge->set);
    walk_end(&purge->walk);
}

const struct task_kind task_purge = {sizeof(struct purge), start, go_on, take, end};
