/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * task_client.h - a worker's side of the way to the task threads and back.
 *
 * Purpose:   take a task (a credit), send it to a task thread, get it back with its answer.
 * Ownership: a task taken belongs to the caller until it is sent or released; one that
 *            task_client_poll returned belongs to the caller again.
 * Threading: one client per worker, used by that worker only.
 * Units:     tasks; _ns monotone.
 * Errors:    task_client_take returns NULL when all are in use; the caller answers 503.
 * Source:    ARCHITECTURE.md, "Tasks".
 */
#ifndef GANNET_TASK_CLIENT_H
#define GANNET_TASK_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "include/clock.h"

struct api_task;
struct blob_stock;
struct counters;
struct shard_fabric;
struct task_client;

struct task_client_config {
    struct shard_fabric *fabric;
    struct blob_stock *stock;
    struct counters *counters;
    uint32_t worker;
};

int task_client_create(const struct task_client_config *config, struct task_client **client);
void task_client_destroy(struct task_client *client);

/* Zeroed but for its bytes; NULL when none is left. */
struct api_task *task_client_take(struct task_client *client);

/* Gives it back, with the body and the answer it may still hold. */
void task_client_release(struct task_client *client, struct api_task *task);

/* Tasks of one key go to one thread, in order; so do those of one Idempotency-Key. */
void task_client_send(struct task_client *client, struct api_task *task,
                      const struct round_time *time);

uint32_t task_client_poll(struct task_client *client, struct api_task **done, uint32_t limit);

/* End of round: one wake-up per thread that got something. */
void task_client_flush(struct task_client *client);

bool task_client_has_input(const struct task_client *client);
uint32_t task_client_in_flight(const struct task_client *client);

#endif
