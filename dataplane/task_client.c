/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/task_client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "include/api_task.h"
#include "include/assert_policy.h"
#include "include/counters.h"
#include "include/key_hash.h"
#include "include/shard_fabric.h"

struct task_client {
    struct task_client_config config;
    struct api_task *free_list;
    uint32_t in_flight;
    uint32_t next_thread; /* round robin over reply rings, so that none starves the others */
    uint64_t clients_to_wake;
};

int task_client_create(const struct task_client_config *config, struct task_client **out)
{
    struct task_client *client = calloc(1, sizeof(*client));
    if (!client)
        return -ENOMEM;
    client->config = *config;
    struct api_task *tasks = config->fabric->tasks[config->worker];
    for (uint32_t i = config->fabric->shape.tasks_per_worker; i-- > 0;) {
        tasks[i].next = client->free_list;
        client->free_list = &tasks[i];
    }
    *out = client;
    return 0;
}

void task_client_destroy(struct task_client *client)
{
    free(client);
}

struct api_task *task_client_take(struct task_client *client)
{
    struct api_task *task = client->free_list;
    if (!task) {
        count(client->config.counters, COUNTER_TASK_NO_CREDIT);
        return NULL;
    }
    client->free_list = task->next;
    client->in_flight++;
    memset(task, 0, offsetof(struct api_task, bytes));
    task->origin_worker = (uint8_t)client->config.worker;
    return task;
}

static void release_blob(struct task_client *client, struct blob **blob)
{
    if (*blob)
        blob_release(client->config.stock, *blob);
    *blob = NULL;
}

void task_client_release(struct task_client *client, struct api_task *task)
{
    ASSERT_HOT(task->origin_worker == client->config.worker);
    release_blob(client, &task->body);
    release_blob(client, &task->answer);
    task->next = client->free_list;
    client->free_list = task;
    client->in_flight--;
}

static uint32_t hex_digit(uint8_t c)
{
    return c >= 'a' && c <= 'f' ? c - 'a' + 10u : c - (uint32_t)'0';
}

/* A job's name begins with the number of its thread; what is no name is nowhere, so anywhere. */
static uint8_t thread_of(const struct api_task *task, uint32_t thread_count)
{
    const uint8_t *key = api_task_key(task);
    if (task->kind >= API_TASK_JOB && task->kind <= API_TASK_JOB_RESULT) {
        uint32_t thread = task->key_bytes >= 2 ? 16 * hex_digit(key[0]) + hex_digit(key[1]) : 0;
        return (uint8_t)(thread < thread_count ? thread : 0);
    }
    uint64_t hash = api_task_has_idempotency_key(task)
                        ? key_hash_shard(api_task_scope(task), task->scope_bytes)
                        : key_hash_shard(key, task->key_bytes);
    return (uint8_t)key_hash_owner(hash, thread_count);
}

void task_client_send(struct task_client *client, struct api_task *task,
                      const struct round_time *time)
{
    struct shard_fabric *fabric = client->config.fabric;
    task->thread = thread_of(task, fabric->task_thread_count);
    task->wall_ms = time->wall_ms;
    count(client->config.counters, COUNTER_TASKS);
    client->clients_to_wake |= UINT64_C(1) << (fabric->worker_count + task->thread);
    message_ring_push(fabric->task_request[client->config.worker][task->thread], task);
}

uint32_t task_client_poll(struct task_client *client, struct api_task **done, uint32_t limit)
{
    struct shard_fabric *fabric = client->config.fabric;
    uint32_t got = 0;
    for (uint32_t i = 0; i < fabric->task_thread_count && got < limit; i++) {
        uint32_t thread = client->next_thread;
        client->next_thread = thread + 1 < fabric->task_thread_count ? thread + 1 : 0;
        got += message_ring_pop(fabric->task_reply[thread][client->config.worker], done + got,
                                limit - got);
    }
    return got;
}

void task_client_flush(struct task_client *client)
{
    shard_fabric_wake_clients(client->config.fabric, client->clients_to_wake);
    client->clients_to_wake = 0;
}

bool task_client_has_input(const struct task_client *client)
{
    const struct shard_fabric *fabric = client->config.fabric;
    for (uint32_t thread = 0; thread < fabric->task_thread_count; thread++)
        if (message_ring_depth(fabric->task_reply[thread][client->config.worker]) > 0)
            return true;
    return false;
}

uint32_t task_client_in_flight(const struct task_client *client)
{
    return client->in_flight;
}
