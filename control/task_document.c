/* SPDX-License-Identifier: BSD-3-Clause */
/* Also PUT in a namespace with a schema: the body is looked at here, the worker stores it. */
#include "control/task_document.h"

#include <stdlib.h>

#include "include/counters.h"
#include "include/server_config.h"

#define DECODE_FLAGS (JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL)

json_t *task_document_parse(struct task_run *run, const char *what, const char *text, size_t bytes)
{
    json_error_t error;
    json_t *document = json_loadb(text, bytes, DECODE_FLAGS, &error);
    if (!document)
        task_fail(run, HTTP_PROBLEM_NOT_JSON, "%s: line %d, column %d: %s", what, error.line,
                  error.column, error.text);
    return document;
}

/* ---- schemas ---- */

struct schema_report task_schema_report(const struct task_run *run)
{
    return (struct schema_report){.steps_max = run->server->tasks.schema_steps,
                                  .violations_max = (uint32_t)run->server->tasks.schema_violations};
}

static enum http_problem judge(struct task_run *run, const json_t *document,
                               struct schema_report *report)
{
    switch (json_schema_check(run->schema, document, report)) {
    case SCHEMA_VIOLATED:
        task_count(run, COUNTER_SCHEMA_VIOLATIONS);
        return HTTP_PROBLEM_SCHEMA_VIOLATION;
    case SCHEMA_TOO_COSTLY:
        task_count(run, COUNTER_SCHEMA_TOO_COSTLY);
        return HTTP_PROBLEM_SCHEMA_TOO_COSTLY;
    case SCHEMA_FITS:
        break;
    }
    return HTTP_PROBLEM_NONE;
}

enum http_problem task_text_judge(struct task_run *run, const void *text, size_t bytes,
                                  struct schema_report *report)
{
    if (!run->schema)
        return HTTP_PROBLEM_NONE;
    json_t *document = json_loadb(text, bytes, DECODE_FLAGS, NULL);
    if (!document)
        return HTTP_PROBLEM_NOT_JSON;
    enum http_problem problem = judge(run, document, report);
    json_decref(document);
    return problem;
}

static void name_violations(struct task_run *run, const struct schema_report *report)
{
    struct text_buffer text = {0};
    text_format(&text, ",\"errors\":[");
    text_add(&text, report->violations.bytes, report->violations.used_bytes);
    text_format(&text, "],\"more_errors\":%s}\n", report->has_more ? "true" : "false");
    task_fail_members(run, &text);
    text_buffer_clear(&text);
}

enum task_progress task_document_check(struct task_run *run, const json_t *document)
{
    if (!run->schema)
        return TASK_GOES_ON;
    if (!document)
        return task_fail(run, HTTP_PROBLEM_OVERLOADED, "no memory");
    struct schema_report report = task_schema_report(run);
    enum http_problem problem = judge(run, document, &report);
    if (problem == HTTP_PROBLEM_SCHEMA_VIOLATION)
        name_violations(run, &report);
    text_buffer_clear(&report.violations);
    if (problem == HTTP_PROBLEM_NONE)
        return TASK_GOES_ON;
    return task_fail(run, problem,
                     problem == HTTP_PROBLEM_SCHEMA_VIOLATION
                         ? "errors says where and why"
                         : "see tasks.schema_steps; it may also lie too deep");
}

/* ---- PUT ---- */

static enum task_progress start(struct task_run *run)
{
    char *text = task_body_copy(run);
    if (!text)
        return task_fail(run, HTTP_PROBLEM_OVERLOADED, "no memory");
    json_t *document = task_document_parse(run, "the value", text, api_task_body_bytes(run->task));
    free(text);
    if (!document)
        return TASK_DONE;
    task_document_check(run, document);
    json_decref(document);
    return TASK_DONE;
}

const struct task_kind task_check = {.state_bytes = 1, .start = start};
