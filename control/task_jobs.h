/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * task_jobs.h - jobs: tasks whose client does not wait, and what became of them.
 *
 * Purpose:   a client is told at once where it can look (202), and looks when it likes.
 * Ownership: the table owns its jobs, each with a task of its own, its result with it.
 * Threading: one task thread; jobs_running may be called from anywhere.
 * Units:     bytes; _ns monotone, _ms wall.
 * Errors:    a full table refuses the job: 503.
 * Source:    RFC 7240 section 4.1 (respond-async), RFC 9110 section 15.3.3 (202);
 *            ARCHITECTURE.md, "Jobs".
 */
#ifndef GANNET_TASK_JOBS_H
#define GANNET_TASK_JOBS_H

#include <stdbool.h>
#include <stdint.h>

#include "control/task_run.h"

struct job;
struct job_table;
struct server_config;

/* `thread` is in each job's name, so that questions about it come here. NULL: no memory. */
struct job_table *jobs_create(const struct server_config *server, uint32_t thread);
/* No job is running. */
void jobs_destroy(struct job_table *table, struct blob_stock *stock);

/*
 * The request's answer (202, or why not) goes into run->task; the job's own task, which is to be
 * run, is returned. NULL: there is no room.
 */
struct api_task *jobs_begin(struct job_table *table, struct task_run *run, uint64_t now_ns,
                            struct job **job);
/* It runs from now on: so that others can see how far it is. */
void jobs_attach(struct job *job, const struct task_run *run);
/* Its task has its answer; `run` goes. */
void jobs_end(struct job_table *table, struct job *job, struct blob_stock *stock, uint64_t now_ns);
bool job_is_cancelled(const struct job *job);

/* Results whose time is over go. */
void jobs_sweep(struct job_table *table, struct blob_stock *stock, uint64_t now_ns);
/* The thread ends: all stop where they are. */
void jobs_cancel_all(struct job_table *table);
uint32_t jobs_running(const struct job_table *table);

/* For the kinds of task that ask about a job (task_loop.c). */
struct job_table *task_loop_jobs(struct task_loop *loop);

#endif
