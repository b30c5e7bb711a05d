/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * JSON values: PATCH with a merge patch (RFC 7396), by compare-and-set; GET ?fields=a,b.c, which
 * answers with these members only. What a patched value has beside its document (type, Meta-*,
 * expiry) stays as it is.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "control/json_write.h"
#include "control/task_document.h"

#define REPEATS_MAX 64u
#define FIELDS_MAX 64u /* names in ?fields= */
#define DEPTH_MAX 16u  /* parts of a name */

/* NULL after task_fail. */
static json_t *parse_value(struct task_run *run, const struct shard_operation *operation)
{
    char *text = task_value_copy(operation);
    json_t *document = NULL;
    if (text)
        document = task_document_parse(run, "the stored value", text, operation->value_bytes);
    else
        task_fail(run, HTTP_PROBLEM_OVERLOADED, "no memory");
    free(text);
    return document;
}

/* The document into the answer's body. False: no memory, or too large for an answer. */
static bool write_document(struct task_run *run, const json_t *document)
{
    text_buffer_clear(&run->body);
    json_add_value(&run->body, document);
    return !run->body.is_cut;
}

static enum task_progress ask(struct task_run *run)
{
    struct shard_operation *operation =
        task_operation(run, SHARD_GET, api_task_key(run->task), run->task->key_bytes);
    if (operation)
        task_send(run, operation);
    return TASK_GOES_ON;
}

/* ---- PATCH ---- */

struct patch {
    json_t *changes;
    uint32_t repeats;
    bool is_merged; /* run->body is the new document */
    uint64_t version, expires_at_ms;
    uint16_t attributes_bytes;
    uint8_t attributes[ATTRIBUTES_BYTES_MAX];
};

/* RFC 7396 section 2; the parser bounds the depth. Takes over `target`, returns the result. */
static json_t *merge(json_t *target, json_t *changes)
{
    const char *name;
    json_t *change;
    if (!json_is_object(changes)) {
        json_decref(target);
        return json_incref(changes);
    }
    if (!json_is_object(target)) {
        json_decref(target);
        target = json_object();
    }
    json_object_foreach(changes, name, change)
    {
        if (json_is_null(change))
            json_object_del(target, name);
        else
            json_object_set_new(target, name,
                                merge(json_incref(json_object_get(target, name)), change));
    }
    return target;
}

static enum task_progress patch_start(struct task_run *run)
{
    struct patch *patch = run->state;
    char *text = task_body_copy(run);
    if (!text)
        return task_fail(run, HTTP_PROBLEM_OVERLOADED, "no memory");
    patch->changes = task_document_parse(run, "the patch", text, api_task_body_bytes(run->task));
    free(text);
    return patch->changes ? TASK_GOES_ON : TASK_DONE;
}

static enum task_progress patch_write(struct task_run *run)
{
    const struct patch *patch = run->state;
    struct shard_operation *operation =
        task_operation(run, SHARD_PUT, api_task_key(run->task), run->task->key_bytes);
    if (!operation)
        return TASK_GOES_ON;
    operation->condition = SHARD_IF_VERSION_IN;
    operation->version_count = 1;
    operation->versions[0] = patch->version;
    operation->expires_at_ms = patch->expires_at_ms;
    if (!task_operation_set_value(run, operation, patch->attributes, patch->attributes_bytes,
                                  run->body.bytes, (uint32_t)run->body.used_bytes)) {
        task_drop(run, operation);
        return task_fail(run, HTTP_PROBLEM_OVERLOADED,
                         "no memory for values; see memory.values_mib");
    }
    if (task_add_companion(run, operation, 204))
        task_send(run, operation);
    else
        task_drop(run, operation);
    return TASK_GOES_ON;
}

static enum task_progress patch_go_on(struct task_run *run)
{
    const struct patch *patch = run->state;
    if (run->operations_under_way > 0)
        return TASK_GOES_ON;
    return patch->is_merged ? patch_write(run) : ask(run);
}

static enum task_progress patch_take_read(struct task_run *run, struct shard_operation *operation)
{
    struct patch *patch = run->state;
    uint64_t version = operation->status == SHARD_OK ? operation->version : 0;
    if (operation->status != SHARD_OK && operation->status != SHARD_NOT_FOUND)
        return task_fail_as(run, operation);
    if (!task_condition_holds(run->task, version)) {
        run->task->current_version = version;
        return task_fail(run, HTTP_PROBLEM_PRECONDITION_FAILED, "the condition does not hold");
    }
    if (version == 0)
        return task_fail(run, HTTP_PROBLEM_NOT_FOUND, "there is nothing to patch; PUT makes it");
    json_t *document = parse_value(run, operation);
    if (!document)
        return TASK_DONE;
    document = merge(document, patch->changes);
    enum task_progress said = task_document_check(run, document);
    bool is_written = said == TASK_GOES_ON && write_document(run, document);
    json_decref(document);
    if (said == TASK_DONE)
        return said;
    if (!is_written || run->body.used_bytes > run->task->value_max)
        return task_fail(run, HTTP_PROBLEM_BODY_TOO_LARGE,
                         "the patched value would be larger than the namespace's value_max");
    patch->is_merged = true;
    patch->version = version;
    patch->expires_at_ms = operation->expires_at_ms;
    patch->attributes_bytes = operation->attributes_bytes;
    memcpy(patch->attributes, operation_attributes(operation), operation->attributes_bytes);
    return TASK_GOES_ON;
}

static enum task_progress patch_take_written(struct task_run *run,
                                             const struct shard_operation *operation)
{
    struct patch *patch = run->state;
    if (operation->status == SHARD_OK || operation->status == SHARD_CREATED) {
        text_buffer_clear(&run->body);
        text_format(&run->fields, "ETag: \"%" PRIu64 "\"\r\n", operation->version);
        return task_finish(run, 204);
    }
    if (operation->status != SHARD_CONDITION_FAILED)
        return task_fail_as(run, operation);
    if (++patch->repeats == REPEATS_MAX)
        return task_fail(run, HTTP_PROBLEM_CONTENTION, "gave up after %u attempts", REPEATS_MAX);
    task_count_repeat(run);
    patch->is_merged = false;
    return TASK_GOES_ON;
}

static enum task_progress patch_take(struct task_run *run, struct shard_operation *operation)
{
    return operation->verb == SHARD_GET ? patch_take_read(run, operation)
                                        : patch_take_written(run, operation);
}

static void patch_end(struct task_run *run)
{
    json_decref(((struct patch *)run->state)->changes);
}

const struct task_kind task_patch = {sizeof(struct patch), patch_start, patch_go_on, patch_take,
                                     patch_end};

/* ---- GET ?fields= ---- */

struct field_name {
    uint32_t part_count;
    const char *parts[DEPTH_MAX];
};

struct fields {
    char *names; /* decoded; the parts of `name` end with zero bytes in it */
    uint32_t name_count;
    struct field_name name[FIELDS_MAX];
};

/* Cuts "a,b.c" into names and parts, where it lies. False: too many of either, or an empty one. */
static bool cut_names(struct fields *fields)
{
    char *rest = fields->names, *part_rest;
    for (char *name; (name = strsep(&rest, ",")) != NULL;) {
        if (fields->name_count == FIELDS_MAX)
            return false;
        struct field_name *field = &fields->name[fields->name_count++];
        part_rest = name;
        for (char *part; (part = strsep(&part_rest, ".")) != NULL;) {
            if (*part == '\0' || field->part_count == DEPTH_MAX)
                return false;
            field->parts[field->part_count++] = part;
        }
    }
    return true;
}

static enum task_progress fields_start(struct task_run *run)
{
    struct fields *fields = run->state;
    struct http_slice encoded = {0};
    uint32_t bytes = 0;
    task_parameter(run, "fields", &encoded);
    fields->names = malloc((size_t)encoded.bytes + 1);
    if (!fields->names)
        return task_fail(run, HTTP_PROBLEM_OVERLOADED, "no memory");
    bool is_text = http_percent_decode(encoded, (uint8_t *)fields->names, encoded.bytes, &bytes);
    fields->names[bytes] = '\0';
    if (!is_text || strlen(fields->names) != bytes || !cut_names(fields))
        return task_fail(run, HTTP_PROBLEM_BAD_PARAMETER,
                         "fields: allowed are 1 to %u names such as a,b.c of 1 to %u parts",
                         FIELDS_MAX, DEPTH_MAX);
    return TASK_GOES_ON;
}

static enum task_progress fields_go_on(struct task_run *run)
{
    return run->operations_under_way > 0 ? TASK_GOES_ON : ask(run);
}

/* Adds what the name leads to in `from` to `to`, of the same kind; in arrays, in each element. */
static void add_field(json_t *to, const json_t *from, const struct field_name *name, uint32_t part)
{
    size_t index;
    json_t *element;
    if (json_is_array(from)) {
        json_array_foreach(from, index, element)
        {
            if (json_array_size(to) <= index)
                json_array_append_new(to, json_is_array(element) ? json_array() : json_object());
            if (json_is_object(element) || json_is_array(element))
                add_field(json_array_get(to, index), element, name, part);
        }
        return;
    }
    json_t *member = json_object_get(from, name->parts[part]);
    if (!member)
        return;
    if (part + 1 == name->part_count) {
        json_object_set(to, name->parts[part], member);
        return;
    }
    if (!json_is_object(member) && !json_is_array(member))
        return; /* the name goes deeper than the value */
    json_t *inner = json_object_get(to, name->parts[part]);
    if (!inner) {
        inner = json_is_array(member) ? json_array() : json_object();
        json_object_set_new(to, name->parts[part], inner);
    }
    if (inner != member) /* all of it may be in already, by a shorter name */
        add_field(inner, member, name, part + 1);
}

static json_t *project(const json_t *document, const struct fields *fields)
{
    json_t *picked = json_is_array(document) ? json_array() : json_object();
    for (uint32_t i = 0; i < fields->name_count; i++)
        add_field(picked, document, &fields->name[i], 0);
    return picked;
}

/* The worker answers, as for any other value; without the fields when it will not send them. */
static enum task_progress finish_fields(struct task_run *run,
                                        const struct shard_operation *operation)
{
    run->task->current_version = operation->version;
    run->task->modified_at_ms = operation->modified_at_ms;
    run->task->expires_at_ms = operation->expires_at_ms;
    return task_finish(run, 200);
}

static enum task_progress answer_fields(struct task_run *run,
                                        const struct shard_operation *operation)
{
    json_t *document = parse_value(run, operation);
    if (!document)
        return TASK_DONE;
    if (!json_is_object(document) && !json_is_array(document)) {
        json_decref(document);
        return task_fail(run, HTTP_PROBLEM_NOT_JSON, "the value is neither an object nor an array");
    }
    json_t *picked = project(document, run->state);
    bool is_written = write_document(run, picked);
    json_decref(picked);
    json_decref(document);
    return is_written ? finish_fields(run, operation)
                      : task_fail(run, HTTP_PROBLEM_ANSWER_TOO_LARGE, "ask for fewer fields");
}

static enum task_progress fields_take(struct task_run *run, struct shard_operation *operation)
{
    const struct api_task *task = run->task;
    if (operation->status != SHARD_OK)
        return task_fail_as(run, operation);
    return task_condition_holds(task, operation->version) ? answer_fields(run, operation)
                                                          : finish_fields(run, operation);
}

static void fields_end(struct task_run *run)
{
    free(((struct fields *)run->state)->names);
}

const struct task_kind task_fields = {sizeof(struct fields), fields_start, fields_go_on,
                                      fields_take, fields_end};
