/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * GET keys?prefix=&limit=&cursor=&fields=&names=: the next keys in order. What the index knows
 * (name, ETag, expiration) costs no read; for size, content type, metadata and time of change each
 * value's record is read, several at a time, but never a large value itself.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "control/json_text.h"
#include "control/list_cursor.h"
#include "control/task_collection.h"
#include "control/task_walk.h"
#include "include/counters.h"
#include "include/server_config.h"

#define LIST_OPERATIONS_MAX 256u  /* a page may be short, but it comes */
#define PAGE_BYTES_MAX (2u << 20) /* of names and attributes as they will be written, about */
#define LINK_BYTES_MAX 3000u      /* a longer one is left out; the body has the cursor */
#define NUMBER_OF_KEY 0u          /* versions[] of a SHARD_STAT: for which key it asks */

enum list_field {
    FIELD_NAME = 1,
    FIELD_ETAG = 2,
    FIELD_EXPIRATION = 4,
    FIELD_SIZE = 8,
    FIELD_CONTENT_TYPE = 16,
    FIELD_METADATA = 32,
    FIELD_MODIFIED = 64,
};

#define FIELDS_OF_INDEX (FIELD_NAME | FIELD_ETAG | FIELD_EXPIRATION)
#define FIELDS_DEFAULT FIELDS_OF_INDEX

struct list_key {
    uint8_t *name; /* then the attributes */
    uint32_t name_bytes, attributes_bytes;
    uint64_t version, expires_at_ms, modified_at_ms;
    uint32_t value_bytes;
    bool is_gone; /* deleted or expired since the index was asked */
    enum http_problem problem;
};

struct list {
    struct task_walk walk;
    uint32_t fields, limit;
    bool is_percent;
    bool is_walked; /* the page's keys are known */
    struct list_key *keys;
    uint32_t count, stats_sent;
    uint32_t page_bytes;
};

/* ---- the request ---- */

static const struct {
    const char *name;
    uint32_t field;
} field_names[] = {
    {"name", FIELD_NAME},
    {"etag", FIELD_ETAG},
    {"expiration", FIELD_EXPIRATION},
    {"size", FIELD_SIZE},
    {"content_type", FIELD_CONTENT_TYPE},
    {"metadata", FIELD_METADATA},
    {"modified", FIELD_MODIFIED},
};

static uint32_t field_of(struct http_slice name)
{
    for (uint32_t i = 0; i < ARRAY_COUNT(field_names); i++)
        if (http_slice_is(name, field_names[i].name))
            return field_names[i].field;
    return 0;
}

static enum task_progress read_fields(struct task_run *run, struct list *list)
{
    struct http_slice rest;
    list->fields = FIELDS_DEFAULT;
    if (!task_parameter(run, "fields", &rest))
        return TASK_GOES_ON;
    list->fields = FIELD_NAME;
    for (bool is_last = false; !is_last;) {
        const uint8_t *comma = memchr(rest.at, ',', rest.bytes);
        is_last = comma == NULL;
        struct http_slice name = {rest.at, is_last ? rest.bytes : (uint32_t)(comma - rest.at)};
        uint32_t field = field_of(name);
        if (field == 0)
            return task_fail(run, HTTP_PROBLEM_BAD_PARAMETER,
                             "fields: allowed is a list of name, etag, expiration, size, "
                             "content_type, metadata and modified, with commas");
        list->fields |= field;
        if (!is_last)
            rest = (struct http_slice){comma + 1, rest.bytes - name.bytes - 1};
    }
    return TASK_GOES_ON;
}

static enum task_progress read_limit(struct task_run *run, struct list *list)
{
    struct http_slice text;
    uint64_t limit = run->server->bulk.list_max;
    if (task_parameter(run, "limit", &text) &&
        (!http_parse_decimal(text, &limit) || limit == 0 || limit > run->server->bulk.list_max)) {
        task_count(run, COUNTER_BULK_LIMITS_REFUSED);
        return task_fail(run, HTTP_PROBLEM_BAD_LIMIT,
                         "limit: allowed is 1 to %" PRIu64 " (bulk.list_max)",
                         run->server->bulk.list_max);
    }
    list->limit = (uint32_t)limit;
    return TASK_GOES_ON;
}

/* "namespace\0prefix"; TASK_DONE after task_fail. */
static enum task_progress read_prefix(struct task_run *run, uint8_t key[KEY_BYTES_MAX],
                                      uint32_t *key_bytes)
{
    struct http_slice encoded;
    uint32_t prefix_bytes = 0;
    *key_bytes = run->task->key_bytes;
    memcpy(key, api_task_key(run->task), *key_bytes);
    if (task_parameter(run, "prefix", &encoded) &&
        !http_percent_decode(encoded, key + *key_bytes, USER_KEY_BYTES_MAX, &prefix_bytes))
        return task_fail(run, HTTP_PROBLEM_BAD_PARAMETER,
                         "prefix: allowed are 0 to 1024 bytes, percent-encoded");
    *key_bytes += prefix_bytes;
    return TASK_GOES_ON;
}

static enum task_progress begin_walk(struct task_run *run, struct list *list)
{
    uint8_t key[KEY_BYTES_MAX], after[USER_KEY_BYTES_MAX];
    uint32_t key_bytes, after_bytes = 0;
    struct http_slice cursor;
    if (read_prefix(run, key, &key_bytes) == TASK_DONE)
        return TASK_DONE;
    bool has_cursor = task_parameter(run, "cursor", &cursor) && cursor.bytes > 0;
    if (has_cursor &&
        !list_cursor_read(cursor.at, cursor.bytes, key, key_bytes, after, &after_bytes))
        return task_fail(run, HTTP_PROBLEM_BAD_CURSOR,
                         "cursor: not one that this server gave for this namespace and prefix; "
                         "begin again without it");
    list->keys = calloc(list->limit, sizeof(*list->keys));
    if (list->keys == NULL ||
        !walk_begin(&list->walk, run, key, key_bytes, has_cursor ? after : NULL, after_bytes,
                    LIST_OPERATIONS_MAX))
        return task_fail(run, HTTP_PROBLEM_OVERLOADED, "no memory for the list");
    return TASK_GOES_ON;
}

static enum task_progress start(struct task_run *run)
{
    struct list *list = run->state;
    if (read_fields(run, list) == TASK_DONE || read_limit(run, list) == TASK_DONE ||
        collection_names(run, &list->is_percent) == TASK_DONE)
        return TASK_DONE;
    return begin_walk(run, list);
}

/* ---- the answer ---- */

static void add_key(struct text_buffer *text, const struct list *list, const struct list_key *key)
{
    bool is_marked = !list->is_percent && !text_is_utf8(key->name, key->name_bytes);
    text_format(text, "{\"name\":");
    collection_add_name(text, key->name, key->name_bytes, list->is_percent || is_marked);
    if (is_marked)
        text_format(text, ",\"encoding\":\"percent\"");
    if (list->fields & FIELD_ETAG)
        text_format(text, ",\"etag\":\"%" PRIu64 "\"", key->version);
    if ((list->fields & FIELD_EXPIRATION) && key->expires_at_ms != 0)
        text_format(text, ",\"expiration\":%" PRIu64, key->expires_at_ms / 1000);
    if (key->problem != HTTP_PROBLEM_NONE) {
        text_format(text, ",\"error\":{");
        collection_add_problem(text, key->problem);
        text_format(text, "}}");
        return;
    }
    if (list->fields & FIELD_SIZE)
        text_format(text, ",\"size\":%u", key->value_bytes);
    if (list->fields & FIELD_MODIFIED)
        text_format(text, ",\"modified\":%" PRIu64, key->modified_at_ms / 1000);
    if (list->fields & FIELD_CONTENT_TYPE)
        collection_add_content_type(text, key->name + key->name_bytes, key->attributes_bytes);
    if (list->fields & FIELD_METADATA)
        collection_add_metadata(text, key->name + key->name_bytes, key->attributes_bytes);
    text_format(text, "}");
}

/* The same request with the next cursor. */
static void add_link(struct task_run *run, const char *cursor)
{
    static const char *const kept[] = {"prefix", "limit", "fields", "names"};
    struct text_buffer link = {0};
    struct http_slice value;
    text_format(&link, "Link: </v1/ns/");
    percent_add(&link, (const char *)api_task_key(run->task), api_task_space_bytes(run->task) - 1);
    text_format(&link, "/keys?cursor=%s", cursor);
    for (uint32_t i = 0; i < ARRAY_COUNT(kept); i++) {
        if (!task_parameter(run, kept[i], &value))
            continue;
        text_format(&link, "&%s=", kept[i]);
        text_add(&link, (const char *)value.at, value.bytes);
    }
    text_format(&link, ">; rel=\"next\"\r\n");
    if (link.used_bytes <= LINK_BYTES_MAX)
        text_add(&run->fields, link.bytes, link.used_bytes);
    text_buffer_clear(&link);
}

static void add_end(struct task_run *run, const struct list *list)
{
    if (walk_is_complete(&list->walk)) {
        text_format(&run->body, "],\"list_complete\":true}\n");
        return;
    }
    struct text_buffer cursor = {0};
    list_cursor_add(&cursor, list->walk.key, list->walk.key_bytes, list->walk.place,
                    list->walk.place_bytes);
    if (!cursor.is_cut) {
        text_format(&run->body, "],\"list_complete\":false,\"cursor\":\"%s\"}\n", cursor.bytes);
        add_link(run, cursor.bytes);
    }
    run->body.is_cut |= cursor.is_cut;
    text_buffer_clear(&cursor);
}

static enum task_progress answer(struct task_run *run)
{
    const struct list *list = run->state;
    const char *comma = "";
    text_format(&run->fields, "Content-Type: application/json\r\nCache-Control: no-store\r\n");
    text_format(&run->body, "{\"keys\":[");
    for (uint32_t i = 0; i < list->count; i++) {
        if (list->keys[i].is_gone)
            continue;
        text_format(&run->body, "%s", comma);
        add_key(&run->body, list, &list->keys[i]);
        comma = ",";
    }
    add_end(run, list);
    return task_finish(run, 200);
}

/* ---- keys and their records ---- */

static bool page_is_full(const struct list *list)
{
    return list->count == list->limit || list->page_bytes >= PAGE_BYTES_MAX;
}

/* False: no memory. */
static bool take_keys(struct list *list)
{
    const struct listing_entry *entry;
    while (!page_is_full(list) && (entry = walk_next(&list->walk)) != NULL) {
        struct list_key *key = &list->keys[list->count];
        key->name = malloc(entry->name_bytes + 1u);
        if (key->name == NULL)
            return false;
        memcpy(key->name, listing_name(entry), entry->name_bytes);
        key->name_bytes = entry->name_bytes;
        key->version = entry->version;
        key->expires_at_ms = entry->expires_at_ms;
        list->count++;
        list->page_bytes += 3u * entry->name_bytes + 100u;
        if (list->fields & (FIELD_METADATA | FIELD_CONTENT_TYPE))
            list->page_bytes += ATTRIBUTES_BYTES_MAX;
    }
    list->is_walked = page_is_full(list) || walk_is_over(&list->walk);
    return true;
}

static void ask_for_records(struct task_run *run, struct list *list)
{
    uint8_t bytes[KEY_BYTES_MAX];
    memcpy(bytes, list->walk.key, list->walk.namespace_bytes);
    while (list->stats_sent < list->count) {
        const struct list_key *key = &list->keys[list->stats_sent];
        memcpy(bytes + list->walk.namespace_bytes, key->name, key->name_bytes);
        struct shard_operation *operation =
            task_operation(run, SHARD_STAT, bytes, list->walk.namespace_bytes + key->name_bytes);
        if (operation == NULL)
            return;
        operation->versions[NUMBER_OF_KEY] = list->stats_sent++;
        task_send(run, operation);
    }
}

static enum task_progress go_on(struct task_run *run)
{
    struct list *list = run->state;
    if (!list->is_walked) {
        if (!take_keys(list))
            return task_fail(run, HTTP_PROBLEM_OVERLOADED, "no memory for the list");
        if (!list->is_walked) {
            walk_ask(&list->walk, run);
            return TASK_GOES_ON;
        }
    }
    if (list->fields & ~(uint32_t)FIELDS_OF_INDEX)
        ask_for_records(run, list);
    else
        list->stats_sent = list->count;
    bool is_ready = list->stats_sent == list->count && run->operations_under_way == 0;
    return is_ready ? answer(run) : TASK_GOES_ON;
}

static enum task_progress take_record(struct task_run *run, struct shard_operation *operation)
{
    struct list *list = run->state;
    struct list_key *key = &list->keys[operation->versions[NUMBER_OF_KEY]];
    key->is_gone = operation->status == SHARD_NOT_FOUND;
    if (operation->status != SHARD_OK) {
        key->problem = http_problem_of_shard(operation->status);
        return TASK_GOES_ON;
    }
    uint8_t *bytes = realloc(key->name, (size_t)key->name_bytes + operation->attributes_bytes + 1);
    if (bytes == NULL)
        return task_fail(run, HTTP_PROBLEM_OVERLOADED, "no memory for the list");
    memcpy(bytes + key->name_bytes, operation_attributes(operation), operation->attributes_bytes);
    key->name = bytes;
    key->attributes_bytes = operation->attributes_bytes;
    key->version = operation->version;
    key->expires_at_ms = operation->expires_at_ms;
    key->modified_at_ms = operation->modified_at_ms;
    key->value_bytes = operation->value_bytes;
    return TASK_GOES_ON;
}

static enum task_progress take(struct task_run *run, struct shard_operation *operation)
{
    struct list *list = run->state;
    if (operation->verb == SHARD_STAT)
        return take_record(run, operation);
    enum shard_status status = walk_take(&list->walk, operation);
    return status == SHARD_OK
               ? TASK_GOES_ON
               : task_fail(run, http_problem_of_shard((uint8_t)status), "listing failed");
}

static void end(struct task_run *run)
{
    struct list *list = run->state;
    walk_end(&list->walk);
    for (uint32_t i = 0; list->keys != NULL && i < list->count; i++)
        free(list->keys[i].name);
    free(list->keys);
}

const struct task_kind task_list = {sizeof(struct list), start, go_on, take, end};
