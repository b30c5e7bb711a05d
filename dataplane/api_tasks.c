/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests that become tasks: handed over when they are complete, answered when they come back. */
#include <string.h>

#include "dataplane/api_condition.h"
#include "dataplane/api_state.h"
#include "dataplane/task_client.h"
#include "include/api_task.h"
#include "include/counters.h"
#include "include/server_config.h"

bool task_must_look(const struct api_request *request)
{
    return (request->task == API_TASK_PATCH || request->task == API_TASK_COUNTER) &&
           !condition_fits_operation(request);
}

/* Not for those whose conditions the worker looks at itself, before or after. */
static void set_condition(const struct api_request *request, uint64_t seen_version,
                          struct api_task *task)
{
    if (request->task == API_TASK_CHECK)
        return;
    if (condition_fits_operation(request))
        condition_for_shard(request, &task->condition, &task->version_count, task->versions);
    else if (task_must_look(request))
        condition_expect(seen_version, &task->condition, &task->version_count, task->versions);
}

void task_begin(struct api_handler *handler, struct http_connection *http, uint64_t seen_version)
{
    const struct api_request *request = &http->request;
    struct api_task *task = task_client_take(handler->config.tasks);
    if (!task) {
        answer_problem(handler, http->tcp, request, HTTP_PROBLEM_OVERLOADED,
                       "every task is in use; see tasks.active", 0);
        return;
    }
    uint64_t timeout_ms = handler->config.server->tasks.timeout_ms;
    task->connection = tcp_handle(http->tcp);
    task->deadline_ns = handler->time.now_ns + timeout_ms * NS_PER_MS;
    task->expires_at_ms = request->expires_at_ms;
    task->kind = request->task;
    task->is_head = request->method == HTTP_HEAD;
    const struct config_namespaces *space =
        &handler->config.server->namespaces[request->namespace_index];
    task->value_max = space->value_max;
    task->ttl_s = space->ttl_s;
    task->sync = (uint8_t)space->sync;
    task->write_policy = (uint8_t)space->write_policy;
    task->key_bytes = request->key_bytes;
    task->attributes_bytes = request->attributes_bytes;
    task->query_bytes = request->query_bytes;
    task->scope_bytes = request->scope_bytes;
    memcpy(task->bytes, request->bytes,
           (size_t)request->key_bytes + request->attributes_bytes + request->query_bytes +
               request->scope_bytes);
    task->namespace_index = request->namespace_index;
    set_condition(request, seen_version, task);
    task->is_job = request->is_job;
    task->prefers_job = request->prefers_job;
    task->body = http->body;
    task->body_reserved_bytes = http->body ? http->body->capacity_bytes : 0;
    http->body = NULL;
    http->state = HTTP_WAITING_TASK;
    http->task = task;
    /* A little longer than the task's own limit: its answer is better than our guess. */
    connection_deadline(handler, http->tcp, timeout_ms + timeout_ms / 8);
    task_client_send(handler->config.tasks, task, &handler->time);
}

/* The members that were asked for are a value like any other: conditions, parts, caches. */
static void answer_fields(struct api_handler *handler, struct http_connection *http,
                          const struct api_task *task)
{
    static const char type[] = "Content-Type: application/json\r\n";
    struct value_view value = {
        .version = task->current_version,
        .modified_at_ms = task->modified_at_ms,
        .expires_at_ms = task->expires_at_ms,
        .attributes = (const uint8_t *)type,
        .attributes_bytes = sizeof(type) - 1,
        .value_bytes = task->answer_body_bytes,
        .blob = task->answer,
    };
    answer_value(handler, http->tcp, &http->request, &value, "fwd=bypass");
}

static void answer_task(struct api_handler *handler, struct http_connection *http,
                        struct api_task *task)
{
    if (task->problem == HTTP_PROBLEM_PRECONDITION_FAILED && task_must_look(&http->request))
        task->problem = HTTP_PROBLEM_WRITE_CONFLICT; /* the condition was ours: what was seen */
    if (task->problem != HTTP_PROBLEM_NONE)
        answer_task_problem(handler, http->tcp, &http->request, task);
    else if (task->kind == API_TASK_FIELDS)
        answer_fields(handler, http, task);
    else
        answer_document(handler, http->tcp, &http->request, task);
}

/* The body fits the schema: it comes back, and the write goes on as any other. */
static void store_checked(struct api_handler *handler, struct http_connection *http,
                          struct api_task *task)
{
    http->body = task->body;
    task->body = NULL;
    ask_store(handler, http);
}

void api_take_task(struct api_handler *handler, struct api_task *task)
{
    struct tcp_connection *tcp = tcp_find(handler->config.tcp, task->connection);
    struct http_connection *http = tcp ? connection_state(tcp) : NULL;
    bool is_wanted = http && http->task == task;
    bool is_stored =
        is_wanted && task->kind == API_TASK_CHECK && task->problem == HTTP_PROBLEM_NONE;
    if (!is_stored) /* a job has taken its body over */
        body_memory_release(handler, task->body_reserved_bytes);
    if (is_wanted)
        http->task = NULL;
    if (is_stored)
        store_checked(handler, http, task);
    else if (is_wanted)
        answer_task(handler, http, task);
    task_client_release(handler->config.tasks, task);
}
