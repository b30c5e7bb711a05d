/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * task_run.h - one task while a task thread works on it, and what a kind of task is.
 *
 * Purpose:   a kind is a start, a step and an end; everything else (credits, waiting, blobs, the
 *            way home) is done here and in task_loop.c.
 * Ownership: the run belongs to its task thread; `state` to the kind, freed by the loop after
 *            end().
 * Threading: one task thread.
 * Units:     bytes; _ns monotone, _ms wall.
 * Errors:    task_fail: the answer is a problem document.
 * Source:    ARCHITECTURE.md, "Tasks".
 *
 * How a kind is written: start() reads the request. go_on() sends the operations that can be sent
 * now; it is called after start, after each take, and again when a credit that was missing is free.
 * take() reads one answer. Whichever returns TASK_DONE, after task_fail or task_finish, ends it;
 * answers still under way are then awaited and thrown away.
 */
#ifndef GANNET_TASK_RUN_H
#define GANNET_TASK_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/text_buffer.h"
#include "include/api_task.h"
#include "include/compiler.h"
#include "include/http_problem.h"
#include "include/http_text.h"
#include "include/shard_operation.h"

#define ONCE_ANSWER_BYTES_MAX (ATTRIBUTES_BYTES_MAX - 24u)

struct job;
struct json_schema;
struct schema_set;
struct server_config;
struct task_loop;
struct task_once;
struct task_run;

enum task_progress {
    TASK_GOES_ON = 0,
    TASK_DONE,
};

struct task_kind {
    size_t state_bytes;
    enum task_progress (*start)(struct task_run *run);
    enum task_progress (*go_on)(struct task_run *run);
    enum task_progress (*take)(struct task_run *run, struct shard_operation *operation);
    void (*end)(struct task_run *run); /* frees what state points at; NULL: nothing does */
};

/* One file each. */
extern const struct task_kind task_counter;
extern const struct task_kind task_fields;
extern const struct task_kind task_patch;
extern const struct task_kind task_list;
extern const struct task_kind task_bulk_get;
extern const struct task_kind task_bulk_put;
extern const struct task_kind task_bulk_delete;
extern const struct task_kind task_purge;
extern const struct task_kind task_check;
extern const struct task_kind task_job;
extern const struct task_kind task_job_cancel;
extern const struct task_kind task_job_result;

/* Operations of one task under way at a time: the others of its thread get their share. */
#define TASK_OPERATIONS_EACH 32u

struct task_run {
    struct api_task *task;
    const struct task_kind *kind;
    struct task_loop *loop;
    const struct server_config *server; /* as the process started: for what no reload changes */
    struct schema_set *schemas;         /* held while it runs */
    const struct json_schema *schema;   /* what the namespace's values must fit; NULL: anything */
    struct task_once *once;             /* of a task with an Idempotency-Key (task_once.h) */
    void *state;                        /* zeroed, state_bytes of it */
    struct text_buffer fields;          /* "Name: value\r\n" ... of the answer */
    struct text_buffer body;            /* of the answer */
    struct job *job;                    /* NULL: its client waits for it */
    uint64_t items_done, items_total;   /* of what can be counted; for who asks about a job */
    uint32_t operations_under_way;
    bool is_done;    /* but answers of operations are still awaited */
    bool is_waiting; /* for a credit, in the loop's queue */
    struct task_run *next;
};

/* ---- the request ---- */

/* The raw value of a query parameter; false when it is not there. */
bool task_parameter(const struct task_run *run, const char *name, struct http_slice *value);
/* All of the body with a zero byte behind it, to be freed; NULL: no memory. */
char *task_body_copy(const struct task_run *run);

/* The request's condition, for a value of that version; 0: there is none. */
bool task_condition_holds(const struct api_task *task, uint64_t version);

/* ---- store operations ---- */

/*
 * Key and routing set, everything else zero. NULL: no credit, or TASK_OPERATIONS_EACH are under
 * way: return TASK_GOES_ON, go_on comes again. Must be sent.
 */
struct shard_operation *task_operation(struct task_run *run, enum shard_verb verb, const void *key,
                                       uint32_t key_bytes);
/* False: no value memory; the operation cannot be sent then and must be given to task_drop. */
bool task_operation_set_value(struct task_run *run, struct shard_operation *operation,
                              const void *attributes, uint32_t attributes_bytes, const void *value,
                              uint32_t value_bytes);
void task_send(struct task_run *run, struct shard_operation *operation);
void task_drop(struct task_run *run, struct shard_operation *operation);
/*
 * Before the one write of a task: with an Idempotency-Key its answer (run->fields, run->body, the
 * ETag left out) is committed with it. False: no credit; drop the write, go_on comes again.
 */
bool task_add_companion(struct task_run *run, struct shard_operation *write, uint16_t status);
/* What was read, with a zero byte behind it, to be freed; NULL: no memory. */
char *task_value_copy(const struct shard_operation *operation);
/* For SHARD_LIST: to this control thread, whatever the key. */
void task_send_to_control(struct task_run *run, struct shard_operation *operation,
                          uint32_t control);
uint32_t task_control_count(const struct task_run *run);
void task_count_repeat(struct task_run *run);
void task_count(struct task_run *run, uint32_t counter);
/* The task's time is over, or it was cancelled: what has not been begun is not begun any more. */
bool task_is_late(const struct task_run *run);
enum http_problem task_late_problem(const struct task_run *run); /* which of the two */

/* ---- the answer; all return TASK_DONE ---- */

PRINTF_LIKE(3, 4)
enum task_progress task_fail(struct task_run *run, enum http_problem problem, const char *format,
                             ...);
/* Behind task_fail: more members for its document, each with a comma before it, then "}\n". */
void task_fail_members(struct task_run *run, const struct text_buffer *members);
/* As the operation ended: its problem, and the current version when a condition failed. */
enum task_progress task_fail_as(struct task_run *run, const struct shard_operation *operation);
/* With run->fields and run->body. */
enum task_progress task_finish(struct task_run *run, uint16_t status);

#endif
