/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/task_jobs.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "control/task_loop.h"
#include "include/assert_policy.h"
#include "include/clock.h"
#include "include/counters.h"
#include "include/server_config.h"

#define RANDOM_BYTES ((JOB_NAME_BYTES - 2) / 2)
#define RETRY_AFTER "Retry-After: 1\r\n"

struct job {
    char name[JOB_NAME_BYTES + 1];
    char client[CLIENT_NAME_BYTES_MAX + 1];
    struct api_task *task;      /* with the result, once it is done */
    const struct task_run *run; /* NULL: it is done */
    bool is_cancelled;
    uint64_t created_ms;
    uint64_t done_ns;
    uint64_t items_done, items_total;
};

struct job_table {
    const struct server_config *server;
    uint32_t thread;
    uint32_t room;
    _Atomic uint32_t running;
    uint64_t result_bytes;
    struct job *jobs[]; /* NULL: free */
};

/* ---- life of the table ---- */

struct job_table *jobs_create(const struct server_config *server, uint32_t thread)
{
    uint32_t room = (uint32_t)server->jobs.kept;
    struct job_table *table = calloc(1, sizeof(*table) + room * sizeof(struct job *));
    if (!table)
        return NULL;
    table->server = server;
    table->thread = thread;
    table->room = room;
    return table;
}

static uint64_t result_bytes(const struct job *job)
{
    return job->task->answer ? job->task->answer->capacity_bytes : 0;
}

static void forget(struct job_table *table, uint32_t slot, struct blob_stock *stock)
{
    struct job *job = table->jobs[slot];
    ASSERT(job->run == NULL);
    table->result_bytes -= result_bytes(job);
    if (job->task->answer)
        blob_release(stock, job->task->answer);
    free(job->task);
    free(job);
    table->jobs[slot] = NULL;
}

void jobs_destroy(struct job_table *table, struct blob_stock *stock)
{
    for (uint32_t slot = 0; table && slot < table->room; slot++)
        if (table->jobs[slot])
            forget(table, slot, stock);
    free(table);
}

/* The one that was done first; `room` when none is done. */
static uint32_t oldest_result(const struct job_table *table)
{
    uint32_t oldest = table->room;
    for (uint32_t slot = 0; slot < table->room; slot++) {
        const struct job *job = table->jobs[slot];
        if (job && !job->run &&
            (oldest == table->room || job->done_ns < table->jobs[oldest]->done_ns))
            oldest = slot;
    }
    return oldest;
}

static uint32_t free_slot(const struct job_table *table)
{
    uint32_t slot = 0;
    while (slot < table->room && table->jobs[slot])
        slot++;
    return slot;
}

void jobs_sweep(struct job_table *table, struct blob_stock *stock, uint64_t now_ns)
{
    uint64_t kept_ns = table->server->jobs.result_ttl_s * NS_PER_S;
    for (uint32_t slot = 0; slot < table->room; slot++) {
        const struct job *job = table->jobs[slot];
        if (job && !job->run && now_ns - job->done_ns >= kept_ns)
            forget(table, slot, stock);
    }
}

void jobs_cancel_all(struct job_table *table)
{
    for (uint32_t slot = 0; slot < table->room; slot++)
        if (table->jobs[slot])
            table->jobs[slot]->is_cancelled = true;
}

uint32_t jobs_running(const struct job_table *table)
{
    return atomic_load_explicit(&table->running, memory_order_relaxed);
}

/* ---- answers about a job ---- */

static const char *state_of(const struct job *job)
{
    if (job->run)
        return job->is_cancelled ? "cancelling" : "running";
    return job->is_cancelled ? "cancelled" : "done";
}

static enum task_progress answer_status(struct task_run *run, const struct job *job,
                                        uint16_t status)
{
    uint64_t done = job->run ? job->run->items_done : job->items_done;
    uint64_t total = job->run ? job->run->items_total : job->items_total;
    text_format(&run->fields, "Content-Type: application/json\r\nCache-Control: no-store\r\n");
    text_format(&run->body,
                "{\"job\":\"%s\",\"state\":\"%s\",\"created\":%" PRIu64 ",\"done\":%" PRIu64,
                job->name, state_of(job), job->created_ms / 1000, done);
    if (total > 0)
        text_format(&run->body, ",\"total\":%" PRIu64, total);
    text_format(&run->body, "}\n");
    return task_finish(run, status);
}

/* "idempotency key\0client": what is behind the zero byte. */
static void read_client(const struct api_task *task, char client[CLIENT_NAME_BYTES_MAX + 1])
{
    const char *scope = (const char *)api_task_scope(task);
    size_t before = strnlen(scope, task->scope_bytes) + 1;
    size_t bytes = task->scope_bytes > before ? task->scope_bytes - before : 0;
    ASSERT(bytes <= CLIENT_NAME_BYTES_MAX);
    memcpy(client, scope + before, bytes);
    client[bytes] = '\0';
}

/* Of another client is as not at all. */
static uint32_t find(const struct job_table *table, const struct api_task *task)
{
    char client[CLIENT_NAME_BYTES_MAX + 1];
    read_client(task, client);
    for (uint32_t slot = 0; slot < table->room; slot++) {
        const struct job *job = table->jobs[slot];
        if (job && task->key_bytes == JOB_NAME_BYTES &&
            memcmp(job->name, api_task_key(task), JOB_NAME_BYTES) == 0 &&
            strcmp(job->client, client) == 0)
            return slot;
    }
    return table->room;
}

static enum task_progress fail_unknown(struct task_run *run)
{
    return task_fail(run, HTTP_PROBLEM_NO_JOB,
                     "none of that name is known here to this client; a restart forgets all");
}

static enum task_progress show_job(struct task_run *run)
{
    const struct job_table *table = task_loop_jobs(run->loop);
    uint32_t slot = find(table, run->task);
    if (slot == table->room)
        return fail_unknown(run);
    const struct job *job = table->jobs[slot];
    if (job->run) {
        text_format(&run->fields, RETRY_AFTER);
        return answer_status(run, job, 200);
    }
    text_format(&run->fields, "Location: /v1/jobs/%s/result\r\n", job->name);
    return answer_status(run, job, 303);
}

static enum task_progress cancel_job(struct task_run *run)
{
    struct job_table *table = task_loop_jobs(run->loop);
    uint32_t slot = find(table, run->task);
    if (slot == table->room)
        return fail_unknown(run);
    struct job *job = table->jobs[slot];
    if (!job->run) {
        forget(table, slot, task_loop_stock(run->loop));
        return task_finish(run, 204);
    }
    if (!job->is_cancelled)
        task_count(run, COUNTER_JOBS_CANCELLED);
    job->is_cancelled = true;
    text_format(&run->fields, RETRY_AFTER);
    return answer_status(run, job, 202);
}

/* What the request itself would have been answered. */
static enum task_progress show_result(struct task_run *run)
{
    const struct job_table *table = task_loop_jobs(run->loop);
    uint32_t slot = find(table, run->task);
    if (slot == table->room)
        return fail_unknown(run);
    if (table->jobs[slot]->run)
        return task_fail(run, HTTP_PROBLEM_JOB_RUNNING, "its result comes when it is done");
    const struct api_task *done = table->jobs[slot]->task;
    struct api_task *task = run->task;
    if (done->answer)
        blob_hold(done->answer);
    task->answer = done->answer;
    task->answer_fields_bytes = done->answer_fields_bytes;
    task->answer_body_bytes = done->answer_body_bytes;
    task->status = done->status;
    task->problem = done->problem;
    task->current_version = done->current_version;
    memcpy(task->detail, done->detail, sizeof(task->detail));
    return TASK_DONE;
}

const struct task_kind task_job = {1, show_job, NULL, NULL, NULL};
const struct task_kind task_job_cancel = {1, cancel_job, NULL, NULL, NULL};
const struct task_kind task_job_result = {1, show_result, NULL, NULL, NULL};

/* ---- life of a job ---- */

static bool make_name(uint32_t thread, char name[JOB_NAME_BYTES + 1])
{
    uint8_t bytes[RANDOM_BYTES];
    /* lint-allow: randomness: nobody may guess a name, and no replay depends on it */
    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
        return false;
    snprintf(name, JOB_NAME_BYTES + 1, "%02x", thread);
    for (uint32_t i = 0; i < RANDOM_BYTES; i++)
        snprintf(name + 2 + 2 * i, 3, "%02x", bytes[i]);
    return true;
}

/* The request's task goes home with 202: the job's is a copy, which takes the body over. */
static struct job *make_job(struct job_table *table, struct api_task *asked, uint64_t now_ns)
{
    struct job *job = calloc(1, sizeof(*job));
    struct api_task *task = aligned_alloc(CACHE_LINE_BYTES, sizeof(*task));
    if (!job || !task || !make_name(table->thread, job->name)) {
        free(job);
        free(task);
        return NULL;
    }
    memcpy(task, asked, sizeof(*task));
    asked->body = NULL;
    task->deadline_ns = now_ns + table->server->jobs.timeout_s * NS_PER_S;
    job->task = task;
    job->created_ms = asked->wall_ms;
    read_client(asked, job->client);
    return job;
}

static uint32_t make_room(struct job_table *table, struct task_run *run)
{
    uint32_t slot = free_slot(table);
    if (slot < table->room)
        return slot;
    slot = oldest_result(table);
    if (slot == table->room)
        return slot;
    task_count(run, COUNTER_JOBS_FORGOTTEN);
    forget(table, slot, task_loop_stock(run->loop));
    return slot;
}

struct api_task *jobs_begin(struct job_table *table, struct task_run *run, uint64_t now_ns,
                            struct job **out)
{
    uint32_t slot = make_room(table, run);
    struct job *job = slot < table->room ? make_job(table, run->task, now_ns) : NULL;
    if (!job) {
        task_count(run, COUNTER_JOBS_REFUSED);
        task_fail(run, HTTP_PROBLEM_OVERLOADED, "as many jobs run as are kept; see jobs.kept");
        return NULL;
    }
    table->jobs[slot] = job;
    atomic_fetch_add_explicit(&table->running, 1, memory_order_relaxed);
    task_count(run, COUNTER_JOBS);
    job->run = run; /* for the answer: it runs */
    if (run->task->prefers_job)
        text_format(&run->fields, "Preference-Applied: respond-async\r\n");
    text_format(&run->fields, "Location: /v1/jobs/%s\r\n" RETRY_AFTER, job->name);
    answer_status(run, job, 202);
    *out = job;
    return job->task;
}

void jobs_attach(struct job *job, const struct task_run *run)
{
    job->run = run;
}

void jobs_end(struct job_table *table, struct job *job, struct blob_stock *stock, uint64_t now_ns)
{
    job->items_done = job->run->items_done;
    job->items_total = job->run->items_total;
    job->run = NULL;
    job->done_ns = now_ns;
    atomic_fetch_sub_explicit(&table->running, 1, memory_order_relaxed);
    if (job->task->body)
        blob_release(stock, job->task->body);
    job->task->body = NULL;
    table->result_bytes += result_bytes(job);
    while (table->result_bytes > table->server->jobs.results_kib << 10)
        forget(table, oldest_result(table), stock);
}

bool job_is_cancelled(const struct job *job)
{
    return job->is_cancelled;
}
