/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * task_once.h - Idempotency-Key: a request that comes again gets the first answer again.
 *
 * Purpose:   what a client's key stood for, and its answer, are kept in the store beside the
 *            values; whoever tries again without knowing how it ended does nothing twice.
 * Ownership: the loop's, one for each task with a key, from start_run to end_run.
 * Threading: one task thread: all tasks of a key go to the same (task_client.c).
 * Units:     bytes; _ms wall.
 * Errors:    as any task; 409 while the first is under way, 422 for another request.
 * Source:    draft-ietf-httpapi-idempotency-key-header; ARCHITECTURE.md, "Requests that come
 *            again".
 *
 * A claim says which request a key stands for. A write of one value carries its answer as its
 * companion (shard_operation.h): both survive a crash, or neither. Of what touches many keys the
 * answer is written into the claim when all is done.
 */
#ifndef GANNET_TASK_ONCE_H
#define GANNET_TASK_ONCE_H

#include "control/task_run.h"

struct task_once;

/* Of a task that has a key. NULL after task_fail: the key is in use, or there is no memory. */
struct task_once *once_begin(struct task_run *run, struct task_once **all);
void once_end(struct task_once *once, struct task_once **all);

/*
 * It is what is asked now, not the task's kind: the answer is looked for, or being written down.
 * Steps as those of a kind (task_run.h); TASK_DONE: the task has its answer.
 */
bool once_is_asked(const struct task_once *once);
enum task_progress once_go_on(struct task_run *run);
enum task_progress once_take(struct task_run *run, struct shard_operation *operation);

/* The kind has ended; TASK_GOES_ON: its answer is written down first. */
enum task_progress once_finish(struct task_run *run);

/* A write of the kind came home: its companion was there already, so it was done before. */
void once_was_done(struct task_run *run);

#endif
