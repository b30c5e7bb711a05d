/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * task_document.h - JSON documents in tasks: parsed, and held against the namespace's schema.
 *
 * Purpose:   whoever writes a value (PUT, PATCH, a counter, bulk) asks here whether it may.
 * Ownership: a document is the caller's, to be released with json_decref.
 * Threading: one task thread.
 * Units:     bytes.
 * Errors:    after task_fail, or as a problem.
 * Source:    RFC 8259; RFC 9457 section 3.1 (members of a problem).
 */
#ifndef GANNET_TASK_DOCUMENT_H
#define GANNET_TASK_DOCUMENT_H

#include <jansson.h>

#include "control/json_schema.h"
#include "control/task_run.h"

/* NULL after task_fail: "WHAT: line 1, column 2: ...". */
json_t *task_document_parse(struct task_run *run, const char *what, const char *text, size_t bytes);

/* TASK_DONE after task_fail, with the violations: it does not fit. */
enum task_progress task_document_check(struct task_run *run, const json_t *document);

/* For many values of one request; HTTP_PROBLEM_NONE: it may be written. */
struct schema_report task_schema_report(const struct task_run *run);
enum http_problem task_text_judge(struct task_run *run, const void *text, size_t bytes,
                                  struct schema_report *report);

#endif
