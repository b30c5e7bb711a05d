/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * POST bulk/get, PUT bulk, POST bulk/delete: the same operation on many keys, several at a time.
 * Each key is an operation of its own: there is no transaction. A document that is not right is
 * refused as a whole before the first operation; afterwards every key is named in the answer, with
 * what became of it. When nothing could be done, the answer is a problem.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "control/bulk_item.h"
#include "control/json_text.h"
#include "control/task_collection.h"
#include "control/task_document.h"
#include "include/counters.h"
#include "include/server_config.h"

#define NUMBER_OF_KEY (SHARD_CONDITION_VERSIONS_MAX - 1u) /* versions[]: for which key it asks */

struct bulk_result {
    bool is_done; /* it was found, written or deleted; or it is missing, which is an answer, too */
    bool is_missing;
    bool is_new;
    enum http_problem problem; /* of one that is not done */
    uint64_t version, expires_at_ms;
    char *value;      /* of a get */
    char *violations; /* of a put: of the schema, in JSON; NULL: none */
    uint32_t value_bytes;
    uint16_t attributes_bytes;
    uint8_t *attributes;
};

struct bulk {
    struct key_set set;
    struct bulk_result *results; /* of set.keys */
    uint32_t sent;
    bool is_percent;
    bool wants_base64;
    json_t *document; /* of a put: the values are in it until they are sent */
    uint64_t answer_bytes;
    struct schema_report report; /* of a put */
};

/* ---- the request ---- */

static enum task_progress make_results(struct task_run *run)
{
    struct bulk *bulk = run->state;
    run->items_total = bulk->set.count;
    bulk->results = calloc(bulk->set.count, sizeof(*bulk->results));
    if (bulk->results != NULL)
        return TASK_GOES_ON;
    return task_fail(run, HTTP_PROBLEM_OVERLOADED, "no memory for the results");
}

static enum task_progress start_keys(struct task_run *run)
{
    struct bulk *bulk = run->state;
    if (collection_names(run, &bulk->is_percent) == TASK_DONE)
        return TASK_DONE;
    json_t *body = collection_body(run);
    if (body == NULL)
        return TASK_DONE;
    const json_t *base64 = json_object_get(body, "base64");
    bulk->wants_base64 = json_is_true(base64);
    bool is_get = run->task->kind == API_TASK_BULK_GET;
    enum task_progress progress =
        collection_check_members(run, body, is_get ? "keys, base64" : "keys");
    if (progress == TASK_GOES_ON)
        progress =
            collection_keys_read(run, json_object_get(body, "keys"), bulk->is_percent, &bulk->set);
    if (progress == TASK_GOES_ON && base64 != NULL && !json_is_boolean(base64))
        progress = task_fail(run, HTTP_PROBLEM_BAD_DOCUMENT, "base64 is true or false");
    json_decref(body);
    return progress == TASK_GOES_ON ? make_results(run) : TASK_DONE;
}

static enum task_progress check_item(struct task_run *run, size_t at)
{
    struct bulk *bulk = run->state;
    const json_t *json = json_array_get(bulk->document, at);
    struct bulk_item item;
    const char *reason = bulk_item_read(json, run->task->wall_ms, 0, &item);
    bulk_item_free(&item);
    if (reason == NULL && collection_key_read(run, json_object_get(json, "key"), bulk->is_percent,
                                              &bulk->set, &reason))
        return TASK_GOES_ON;
    return task_fail(run, HTTP_PROBLEM_BAD_DOCUMENT, "value number %zu: %s", at + 1, reason);
}

static enum task_progress start_put(struct task_run *run)
{
    struct bulk *bulk = run->state;
    if (collection_names(run, &bulk->is_percent) == TASK_DONE)
        return TASK_DONE;
    bulk->report = task_schema_report(run);
    bulk->document = collection_body(run);
    if (bulk->document == NULL)
        return TASK_DONE;
    if (!json_is_array(bulk->document))
        return task_fail(run, HTTP_PROBLEM_BAD_DOCUMENT, "an array of values is needed");
    size_t count = json_array_size(bulk->document);
    if (collection_check_count(run, count) == TASK_DONE)
        return TASK_DONE;
    bulk->set.keys = calloc(count, sizeof(*bulk->set.keys));
    if (bulk->set.keys == NULL)
        return task_fail(run, HTTP_PROBLEM_OVERLOADED, "no memory for the keys");
    for (size_t at = 0; at < count; at++)
        if (check_item(run, at) == TASK_DONE)
            return TASK_DONE;
    const struct collection_key *twice = key_set_sort(&bulk->set, false);
    if (twice != NULL)
        return task_fail(run, HTTP_PROBLEM_BAD_DOCUMENT,
                         "value number %u: its key is there twice, so which value stays is open",
                         twice->number + 1);
    return make_results(run);
}

/* ---- operations ---- */

static enum http_problem judge_item(struct task_run *run, const struct bulk_item *item,
                                    struct bulk_result *result)
{
    struct bulk *bulk = run->state;
    if (item->value_bytes > run->task->value_max)
        return HTTP_PROBLEM_BODY_TOO_LARGE;
    enum http_problem problem = task_text_judge(run, item->value, item->value_bytes, &bulk->report);
    result->violations = bulk->report.violations.bytes;
    bulk->report.violations = (struct text_buffer){0};
    return problem;
}

/* False: it could not be sent, and has its result. */
static bool fill_put(struct task_run *run, struct shard_operation *operation, uint32_t number)
{
    struct bulk *bulk = run->state;
    const json_t *json = json_array_get(bulk->document, bulk->set.keys[number].number);
    struct bulk_item item;
    bulk_item_read(json, run->task->wall_ms, run->task->ttl_s, &item);
    operation->expires_at_ms = item.expires_at_ms;
    enum http_problem problem = judge_item(run, &item, &bulk->results[number]);
    if (problem == HTTP_PROBLEM_NONE &&
        !task_operation_set_value(run, operation, item.attributes, item.attributes_bytes,
                                  item.value, (uint32_t)item.value_bytes))
        problem = HTTP_PROBLEM_OVERLOADED;
    bulk_item_free(&item);
    bulk->results[number].problem = problem;
    return problem == HTTP_PROBLEM_NONE;
}

static void send_operations(struct task_run *run, enum shard_verb verb)
{
    struct bulk *bulk = run->state;
    while (bulk->sent < bulk->set.count) {
        const struct collection_key *key = &bulk->set.keys[bulk->sent];
        if (task_is_late(run)) {
            bulk->results[bulk->sent++].problem = task_late_problem(run);
            continue;
        }
        struct shard_operation *operation = task_operation(run, verb, key->bytes, key->key_bytes);
        if (operation == NULL)
            return;
        uint32_t number = bulk->sent++;
        operation->versions[NUMBER_OF_KEY] = number;
        if (verb != SHARD_PUT || fill_put(run, operation, number))
            task_send(run, operation);
        else
            task_drop(run, operation);
    }
}

static void keep_value(struct task_run *run, struct bulk_result *result,
                       struct shard_operation *operation)
{
    struct bulk *bulk = run->state;
    bulk->answer_bytes += operation->value_bytes;
    if (bulk->answer_bytes > run->server->bulk.answer_max) {
        bulk->answer_bytes -= operation->value_bytes;
        task_count(run, COUNTER_BULK_ANSWERS_FULL);
        result->problem = HTTP_PROBLEM_ANSWER_TOO_LARGE;
        return;
    }
    result->value = task_value_copy(operation);
    result->attributes = malloc(operation->attributes_bytes + 1u);
    if (result->value == NULL || result->attributes == NULL) {
        result->problem = HTTP_PROBLEM_OVERLOADED;
        return;
    }
    memcpy(result->attributes, operation_attributes(operation), operation->attributes_bytes);
    result->attributes_bytes = operation->attributes_bytes;
    result->value_bytes = operation->value_bytes;
    result->is_done = true;
}

static enum task_progress take(struct task_run *run, struct shard_operation *operation)
{
    struct bulk *bulk = run->state;
    struct bulk_result *result = &bulk->results[operation->versions[NUMBER_OF_KEY]];
    run->items_done++;
    result->version = operation->version;
    result->expires_at_ms = operation->expires_at_ms;
    result->is_new = operation->status == SHARD_CREATED;
    result->is_missing = operation->status == SHARD_NOT_FOUND;
    if (operation->status == SHARD_OK && operation->verb == SHARD_GET) {
        keep_value(run, result, operation);
        return TASK_GOES_ON;
    }
    result->is_done = operation->status == SHARD_OK || result->is_new || result->is_missing;
    if (!result->is_done)
        result->problem = http_problem_of_shard(operation->status);
    return TASK_GOES_ON;
}

/* ---- the answer ---- */

static const char *comma_at(uint32_t *count)
{
    return (*count)++ == 0 ? "" : ",";
}

static void add_name(struct task_run *run, uint32_t number)
{
    const struct bulk *bulk = run->state;
    const struct collection_key *key = &bulk->set.keys[number];
    collection_add_name(&run->body, collection_name(key), key->name_bytes, bulk->is_percent);
}

static void add_value(struct task_run *run, const struct bulk_result *result)
{
    const struct bulk *bulk = run->state;
    bool is_base64 = bulk->wants_base64 || !text_is_utf8(result->value, result->value_bytes);
    text_format(&run->body, "{\"value\":");
    if (is_base64) {
        text_format(&run->body, "\"");
        base64_add(&run->body, result->value, result->value_bytes);
        text_format(&run->body, "\",\"base64\":true");
    } else {
        json_add_string(&run->body, result->value, result->value_bytes);
    }
    text_format(&run->body, ",\"etag\":\"%" PRIu64 "\"", result->version);
    if (result->expires_at_ms != 0)
        text_format(&run->body, ",\"expiration\":%" PRIu64, result->expires_at_ms / 1000);
    collection_add_content_type(&run->body, result->attributes, result->attributes_bytes);
    collection_add_metadata(&run->body, result->attributes, result->attributes_bytes);
    text_format(&run->body, "}");
}

static void add_missing(struct task_run *run)
{
    const struct bulk *bulk = run->state;
    uint32_t added = 0;
    text_format(&run->body, ",\"missing\":[");
    for (uint32_t i = 0; i < bulk->set.count; i++) {
        if (!bulk->results[i].is_missing)
            continue;
        text_format(&run->body, "%s", comma_at(&added));
        add_name(run, i);
    }
    text_format(&run->body, "]");
}

static void add_unprocessed(struct task_run *run)
{
    const struct bulk *bulk = run->state;
    uint32_t added = 0;
    text_format(&run->body, ",\"unprocessed\":[");
    for (uint32_t i = 0; i < bulk->set.count; i++) {
        if (bulk->results[i].is_done)
            continue;
        text_format(&run->body, "%s{\"key\":", comma_at(&added));
        add_name(run, i);
        text_format(&run->body, ",");
        collection_add_problem(&run->body, bulk->results[i].problem);
        if (bulk->results[i].violations)
            text_format(&run->body, ",\"errors\":[%s]", bulk->results[i].violations);
        text_format(&run->body, "}");
    }
    text_format(&run->body, "]}\n");
}

static void add_done(struct task_run *run, enum shard_verb verb)
{
    const struct bulk *bulk = run->state;
    uint32_t added = 0;
    for (uint32_t i = 0; i < bulk->set.count; i++) {
        const struct bulk_result *result = &bulk->results[i];
        if (!result->is_done || result->is_missing)
            continue;
        text_format(&run->body, "%s", comma_at(&added));
        add_name(run, i);
        if (verb == SHARD_DELETE)
            continue;
        text_format(&run->body, ":");
        if (verb == SHARD_GET)
            add_value(run, result);
        else
            text_format(&run->body, "{\"etag\":\"%" PRIu64 "\",\"created\":%s}", result->version,
                        result->is_new ? "true" : "false");
    }
}

/* The problem that all keys have, when none was processed; NONE when one was. */
static enum http_problem common_problem(const struct bulk *bulk)
{
    enum http_problem problem = bulk->results[0].problem;
    for (uint32_t i = 0; i < bulk->set.count; i++) {
        if (bulk->results[i].is_done)
            return HTTP_PROBLEM_NONE;
        if (bulk->results[i].problem != problem)
            problem = HTTP_PROBLEM_OVERLOADED;
    }
    return problem;
}

static enum task_progress answer(struct task_run *run, enum shard_verb verb)
{
    static const char *const begin[] = {[SHARD_GET] = "{\"values\":{",
                                        [SHARD_PUT] = "{\"written\":{",
                                        [SHARD_DELETE] = "{\"deleted\":["};
    const struct bulk *bulk = run->state;
    enum http_problem problem = common_problem(bulk);
    if (problem != HTTP_PROBLEM_NONE) {
        add_unprocessed(run);
        task_fail(run, problem, "none of the %u keys could be processed", bulk->set.count);
        task_fail_members(run, &run->body);
        return TASK_DONE;
    }
    text_format(&run->fields, "Content-Type: application/json\r\nCache-Control: no-store\r\n");
    text_format(&run->body, "%s", begin[verb]);
    add_done(run, verb);
    text_format(&run->body, "%s", verb == SHARD_DELETE ? "]" : "}");
    if (verb != SHARD_PUT)
        add_missing(run);
    add_unprocessed(run);
    return task_finish(run, 200);
}

static enum task_progress go_on(struct task_run *run, enum shard_verb verb)
{
    const struct bulk *bulk = run->state;
    send_operations(run, verb);
    bool is_ready = bulk->sent == bulk->set.count && run->operations_under_way == 0;
    return is_ready ? answer(run, verb) : TASK_GOES_ON;
}

static enum task_progress go_on_get(struct task_run *run)
{
    return go_on(run, SHARD_GET);
}

static enum task_progress go_on_put(struct task_run *run)
{
    return go_on(run, SHARD_PUT);
}

static enum task_progress go_on_delete(struct task_run *run)
{
    return go_on(run, SHARD_DELETE);
}

static void end(struct task_run *run)
{
    struct bulk *bulk = run->state;
    for (uint32_t i = 0; bulk->results != NULL && i < bulk->set.count; i++) {
        free(bulk->results[i].value);
        free(bulk->results[i].violations);
        free(bulk->results[i].attributes);
    }
    free(bulk->results);
    key_set_free(&bulk->set);
    json_decref(bulk->document);
}

const struct task_kind task_bulk_get = {sizeof(struct bulk), start_keys, go_on_get, take, end};
const struct task_kind task_bulk_put = {sizeof(struct bulk), start_put, go_on_put, take, end};
const struct task_kind task_bulk_delete = {sizeof(struct bulk), start_keys, go_on_delete, take,
                                           end};
