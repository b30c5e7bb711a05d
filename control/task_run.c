/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/task_run.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/task_loop.h"
#include "include/blob.h"
#include "include/server_config.h"

bool task_parameter(const struct task_run *run, const char *name, struct http_slice *value)
{
    struct http_slice query = {api_task_query(run->task), run->task->query_bytes};
    return http_query_parameter(query, name, value);
}

static char *copy_of_blob(const struct blob *blob, uint32_t bytes)
{
    char *copy = malloc((size_t)bytes + 1);
    if (!copy)
        return NULL;
    if (bytes > 0)
        blob_copy_out(blob, 0, copy, bytes);
    copy[bytes] = '\0';
    return copy;
}

char *task_body_copy(const struct task_run *run)
{
    return copy_of_blob(run->task->body, api_task_body_bytes(run->task));
}

char *task_value_copy(const struct shard_operation *operation)
{
    if (operation->value)
        return copy_of_blob(operation->value, operation->value_bytes);
    char *copy = malloc((size_t)operation->value_bytes + 1);
    if (!copy)
        return NULL;
    memcpy(copy, operation->bytes + operation->key_bytes + operation->attributes_bytes,
           operation->value_bytes);
    copy[operation->value_bytes] = '\0';
    return copy;
}

bool task_operation_set_value(struct task_run *run, struct shard_operation *operation,
                              const void *attributes, uint32_t attributes_bytes, const void *value,
                              uint32_t value_bytes)
{
    if (attributes_bytes > 0)
        memcpy(operation->bytes + operation->key_bytes, attributes, attributes_bytes);
    operation->attributes_bytes = (uint16_t)attributes_bytes;
    operation->value_bytes = value_bytes;
    if (value_bytes <= operation_inline_room(operation)) {
        if (value_bytes > 0)
            memcpy(operation_inline_value(operation), value, value_bytes);
        return true;
    }
    operation->value = blob_create(task_loop_stock(run->loop), value_bytes);
    if (!operation->value)
        return false;
    blob_append(operation->value, value, value_bytes);
    return true;
}

bool task_condition_holds(const struct api_task *task, uint64_t version)
{
    bool is_named = false;
    for (uint32_t i = 0; i < task->version_count; i++)
        is_named |= task->versions[i] == version;
    switch ((enum shard_condition)task->condition) {
    case SHARD_IF_PRESENT:
        return version != 0;
    case SHARD_IF_ABSENT:
        return version == 0;
    case SHARD_IF_VERSION_IN:
        return version != 0 && is_named;
    case SHARD_IF_VERSION_NOT:
        return !is_named;
    case SHARD_ALWAYS:
        break;
    }
    return true;
}

enum task_progress task_fail(struct task_run *run, enum http_problem problem, const char *format,
                             ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(run->task->detail, sizeof(run->task->detail), format, arguments);
    va_end(arguments);
    run->task->problem = (uint8_t)problem;
    return TASK_DONE;
}

void task_fail_members(struct task_run *run, const struct text_buffer *members)
{
    uint32_t bytes = (uint32_t)members->used_bytes;
    if (members->is_cut)
        return; /* the problem goes without them, as it does when there is no memory */
    run->task->answer = blob_create(task_loop_stock(run->loop), bytes);
    if (run->task->answer)
        blob_append(run->task->answer, members->bytes, bytes);
}

enum task_progress task_fail_as(struct task_run *run, const struct shard_operation *operation)
{
    run->task->problem = (uint8_t)http_problem_of_shard(operation->status);
    if (operation->status == SHARD_CONDITION_FAILED)
        run->task->current_version = operation->version;
    return TASK_DONE;
}

enum task_progress task_finish(struct task_run *run, uint16_t status)
{
    struct api_task *task = run->task;
    uint32_t body_bytes = task->is_head ? 0 : (uint32_t)run->body.used_bytes;
    uint32_t bytes = (uint32_t)run->fields.used_bytes + body_bytes;
    if (run->fields.is_cut || run->body.is_cut)
        return task_fail(run, HTTP_PROBLEM_ANSWER_TOO_LARGE, "ask for less at a time");
    task->status = status;
    task->answer_body_bytes = (uint32_t)run->body.used_bytes;
    task->answer_fields_bytes = (uint32_t)run->fields.used_bytes;
    if (bytes == 0)
        return TASK_DONE;
    task->answer = blob_create(task_loop_stock(run->loop), bytes);
    if (!task->answer)
        return task_fail(run, HTTP_PROBLEM_OVERLOADED,
                         "no memory for the answer; see memory.values_mib");
    blob_append(task->answer, run->fields.bytes, (uint32_t)run->fields.used_bytes);
    blob_append(task->answer, run->body.bytes, body_bytes);
    return TASK_DONE;
}
