/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/task_loop.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "control/loop_thread.h"
#include "control/schema_set.h"
#include "control/task_jobs.h"
#include "control/task_once.h"
#include "control/task_run.h"
#include "include/assert_policy.h"
#include "include/blob.h"
#include "include/counters.h"
#include "include/server_config.h"
#include "include/shard_fabric.h"

#define BATCH 64u
#define SLEEP_NS_MAX (500 * NS_PER_MS) /* the heartbeat moves at least this often */

struct task_loop {
    alignas(GUARD_BYTES) struct task_loop_config config;
    struct loop_thread thread;
    struct blob_stock *stock;
    struct counters *counters;
    struct round_time time;
    uint32_t client; /* our index among the fabric's clients */
    struct shard_operation *free_operations;
    uint32_t runs_under_way;
    struct job_table *jobs;
    struct task_once *once;                  /* of the runs that have an Idempotency-Key */
    struct task_run *waiting, **waiting_end; /* for an operation, in order */
    uint32_t waiting_count;
    uint64_t controls_to_wake;
    uint64_t workers_to_wake;
    _Atomic uint64_t heartbeat;
};

static const struct task_kind *const kinds[API_TASK_KIND_COUNT] = {
    [API_TASK_COUNTER] = &task_counter,
    [API_TASK_FIELDS] = &task_fields,
    [API_TASK_PATCH] = &task_patch,
    [API_TASK_LIST] = &task_list,
    [API_TASK_BULK_GET] = &task_bulk_get,
    [API_TASK_BULK_PUT] = &task_bulk_put,
    [API_TASK_BULK_DELETE] = &task_bulk_delete,
    [API_TASK_PURGE] = &task_purge,
    [API_TASK_CHECK] = &task_check,
    [API_TASK_JOB] = &task_job,
    [API_TASK_JOB_CANCEL] = &task_job_cancel,
    [API_TASK_JOB_RESULT] = &task_job_result,
};

struct blob_stock *task_loop_stock(struct task_loop *loop)
{
    return loop->stock;
}

struct job_table *task_loop_jobs(struct task_loop *loop)
{
    return loop->jobs;
}

uint32_t task_loop_jobs_running(const struct task_loop *loop)
{
    return jobs_running(loop->jobs);
}

/* ---- operations ---- */

static void wait_for_operation(struct task_run *run)
{
    struct task_loop *loop = run->loop;
    if (run->is_waiting)
        return;
    count(loop->counters, COUNTER_TASK_WAITS);
    run->is_waiting = true;
    run->next = NULL;
    *loop->waiting_end = run;
    loop->waiting_end = &run->next;
    loop->waiting_count++;
}

struct shard_operation *task_operation(struct task_run *run, enum shard_verb verb, const void *key,
                                       uint32_t key_bytes)
{
    struct task_loop *loop = run->loop;
    struct shard_operation *operation = loop->free_operations;
    if (run->operations_under_way == TASK_OPERATIONS_EACH)
        return NULL; /* the next answer brings it on */
    if (!operation) {
        wait_for_operation(run);
        return NULL;
    }
    loop->free_operations = operation->next;
    memset(operation, 0, offsetof(struct shard_operation, bytes));
    uint64_t deadline_ns = loop->time.now_ns + run->server->store.request_timeout_ms * NS_PER_MS;
    if (deadline_ns > run->task->deadline_ns)
        deadline_ns = run->task->deadline_ns;
    operation->verb = (uint8_t)verb;
    operation->sync = run->task->sync;
    operation->write_policy = run->task->write_policy;
    operation->connection = (uintptr_t)run;
    operation->deadline_ns = deadline_ns;
    operation->key_bytes = (uint16_t)key_bytes;
    memcpy(operation_key(operation), key, key_bytes);
    run->operations_under_way++;
    return operation;
}

static void give_back(struct task_run *run, struct shard_operation *operation)
{
    struct task_loop *loop = run->loop;
    if (operation->value)
        blob_release(loop->stock, operation->value);
    operation->value = NULL;
    operation->next = loop->free_operations;
    loop->free_operations = operation;
    run->operations_under_way--;
}

void task_drop(struct task_run *run, struct shard_operation *operation)
{
    give_back(run, operation);
}

void task_send(struct task_run *run, struct shard_operation *operation)
{
    struct task_loop *loop = run->loop;
    count(loop->counters, COUNTER_SHARD_REQUESTS);
    shard_fabric_send(loop->config.fabric, operation, loop->client, loop->config.cache_hash_seed,
                      &loop->time, &loop->controls_to_wake);
}

void task_send_to_control(struct task_run *run, struct shard_operation *operation, uint32_t control)
{
    struct task_loop *loop = run->loop;
    count(loop->counters, COUNTER_SHARD_REQUESTS);
    shard_fabric_send_to_control(loop->config.fabric, operation, loop->client, control, &loop->time,
                                 &loop->controls_to_wake);
}

uint32_t task_control_count(const struct task_run *run)
{
    return run->loop->config.fabric->control_count;
}

bool task_is_late(const struct task_run *run)
{
    return run->loop->time.now_ns >= run->task->deadline_ns ||
           (run->job && job_is_cancelled(run->job));
}

enum http_problem task_late_problem(const struct task_run *run)
{
    bool is_cancelled = run->job && job_is_cancelled(run->job);
    return is_cancelled ? HTTP_PROBLEM_JOB_CANCELLED : HTTP_PROBLEM_STORE_TIMEOUT;
}

void task_count(struct task_run *run, uint32_t counter)
{
    count(run->loop->counters, (enum counter)counter);
}

void task_count_repeat(struct task_run *run)
{
    count(run->loop->counters, COUNTER_TASK_REPEATS);
}

/* ---- runs ---- */

static void send_home(struct task_loop *loop, struct api_task *task)
{
    loop->workers_to_wake |= UINT64_C(1) << task->origin_worker;
    message_ring_push(loop->config.fabric->task_reply[loop->config.index][task->origin_worker],
                      task);
}

static void end_run(struct task_run *run)
{
    struct task_loop *loop = run->loop;
    if (run->kind->end)
        run->kind->end(run);
    if (run->once)
        once_end(run->once, &loop->once);
    if (run->job)
        jobs_end(loop->jobs, run->job, loop->stock, loop->time.now_ns);
    else
        send_home(loop, run->task);
    schema_set_release(run->schemas);
    text_buffer_clear(&run->fields);
    text_buffer_clear(&run->body);
    free(run->state);
    free(run);
    loop->runs_under_way--;
}

static enum task_progress start(struct task_run *run)
{
    if (!api_task_has_idempotency_key(run->task))
        return run->kind->start(run);
    run->once = once_begin(run, &run->loop->once);
    return run->once ? TASK_GOES_ON : TASK_DONE;
}

static enum task_progress go_on(struct task_run *run)
{
    bool is_once = run->once && once_is_asked(run->once);
    return is_once ? once_go_on(run) : run->kind->go_on(run);
}

static enum task_progress take(struct task_run *run, struct shard_operation *operation)
{
    if (run->once && once_is_asked(run->once))
        return once_take(run, operation);
    if (!operation->companion || operation->companion->status != SHARD_CONDITION_FAILED)
        return run->kind->take(run, operation);
    once_was_done(run);
    return TASK_GOES_ON;
}

/* What a kind said: goes on with the next step, or ends when nothing is under way any more. */
static void progress(struct task_run *run, enum task_progress said)
{
    if (said == TASK_GOES_ON && !run->is_done)
        said = go_on(run);
    if (said == TASK_DONE && !run->is_done && run->once && once_finish(run) == TASK_GOES_ON)
        said = go_on(run);
    run->is_done |= said == TASK_DONE;
    ASSERT(run->is_done || run->operations_under_way > 0 || run->is_waiting);
    if (run->is_done && run->operations_under_way == 0 && !run->is_waiting)
        end_run(run);
}

/* Answers the request with 202; the job's own task, or NULL: it is refused. */
static struct api_task *begin_job(struct task_loop *loop, struct api_task *task, struct job **job)
{
    struct task_run asked = {.task = task, .loop = loop, .server = loop->config.server};
    struct api_task *own = jobs_begin(loop->jobs, &asked, loop->time.now_ns, job);
    text_buffer_clear(&asked.fields);
    text_buffer_clear(&asked.body);
    send_home(loop, task);
    return own;
}

static void start_run(struct task_loop *loop, struct api_task *task)
{
    const struct task_kind *kind = kinds[task->kind];
    struct task_run *run = calloc(1, sizeof(*run));
    void *state = calloc(1, kind->state_bytes);
    struct job *job = NULL;
    if (!run || !state) {
        task->problem = HTTP_PROBLEM_OVERLOADED;
        send_home(loop, task);
        task = NULL;
    } else if (task->is_job) {
        task = begin_job(loop, task, &job);
    }
    if (!task) {
        free(run);
        free(state);
        return;
    }
    *run = (struct task_run){
        .task = task, .kind = kind, .loop = loop, .server = loop->config.server, .state = state};
    run->job = job;
    if (job)
        jobs_attach(job, run);
    run->schemas = schema_board_hold(loop->config.schemas);
    run->schema = schema_set_find(run->schemas, task->namespace_index);
    loop->runs_under_way++;
    progress(run, start(run));
}

static uint32_t take_tasks(struct task_loop *loop)
{
    struct shard_fabric *fabric = loop->config.fabric;
    struct api_task *batch[BATCH];
    uint32_t taken = 0;
    if (loop_thread_should_stop(&loop->thread))
        return 0;
    for (uint32_t worker = 0; worker < fabric->worker_count; worker++) {
        uint32_t got =
            message_ring_pop(fabric->task_request[worker][loop->config.index], batch, BATCH);
        for (uint32_t i = 0; i < got; i++)
            start_run(loop, batch[i]);
        taken += got;
    }
    return taken;
}

static void take_answer(struct shard_operation *operation)
{
    struct task_run *run = (struct task_run *)(uintptr_t)operation->connection;
    enum task_progress said = run->is_done ? TASK_DONE : take(run, operation);
    if (operation->companion)
        give_back(run, operation->companion);
    give_back(run, operation);
    progress(run, said);
}

static uint32_t take_answers(struct task_loop *loop)
{
    struct shard_fabric *fabric = loop->config.fabric;
    struct shard_operation *batch[BATCH];
    uint32_t taken = 0;
    for (uint32_t owner = 0; owner < fabric->worker_count; owner++) {
        uint32_t got = message_ring_pop(fabric->home[owner][loop->client], batch, BATCH);
        for (uint32_t i = 0; i < got; i++)
            take_answer(batch[i]);
        taken += got;
    }
    return taken;
}

/* Those that waited for an operation, in order, while there are any; who needs two waits again. */
static void serve_waiting(struct task_loop *loop)
{
    for (uint32_t turns = loop->waiting_count; turns > 0 && loop->free_operations; turns--) {
        struct task_run *run = loop->waiting;
        loop->waiting_count--;
        loop->waiting = run->next;
        if (!loop->waiting)
            loop->waiting_end = &loop->waiting;
        run->is_waiting = false;
        progress(run, run->is_done ? TASK_DONE : TASK_GOES_ON);
    }
}

uint32_t task_loop_run_once(struct task_loop *loop, const struct round_time *time)
{
    struct shard_fabric *fabric = loop->config.fabric;
    loop->time = *time;
    if (UNLIKELY(loop_thread_should_stop(&loop->thread)))
        jobs_cancel_all(loop->jobs);
    jobs_sweep(loop->jobs, loop->stock, time->now_ns);
    uint32_t work = take_answers(loop);
    serve_waiting(loop);
    work += take_tasks(loop);
    shard_fabric_wake_controls(fabric, loop->controls_to_wake);
    shard_fabric_wake_clients(fabric, loop->workers_to_wake);
    loop->controls_to_wake = 0;
    loop->workers_to_wake = 0;
    atomic_fetch_add_explicit(&loop->heartbeat, 1, memory_order_relaxed);
    return work;
}

static bool has_input(const struct task_loop *loop)
{
    const struct shard_fabric *fabric = loop->config.fabric;
    for (uint32_t worker = 0; worker < fabric->worker_count; worker++)
        if (message_ring_depth(fabric->task_request[worker][loop->config.index]) > 0 ||
            message_ring_depth(fabric->home[worker][loop->client]) > 0)
            return true;
    return false;
}

bool task_loop_is_idle(const struct task_loop *loop)
{
    return loop->runs_under_way == 0 && !has_input(loop);
}

/* ---- life ---- */

static void close_parts(struct task_loop *loop)
{
    jobs_destroy(loop->jobs, loop->stock);
    loop->jobs = NULL;
    if (loop->stock)
        blob_stock_destroy(loop->stock);
    loop->stock = NULL;
}

static int open_parts(struct task_loop *loop)
{
    struct shard_fabric *fabric = loop->config.fabric;
    loop->client = fabric->worker_count + loop->config.index;
    loop->waiting_end = &loop->waiting;
    struct shard_operation *operations = fabric->operations[loop->client];
    for (uint32_t i = shard_fabric_operations_of(fabric, loop->client); i-- > 0;) {
        operations[i].next = loop->free_operations;
        loop->free_operations = &operations[i];
    }
    loop->counters = loop->config.counters;
    loop->stock = blob_stock_create(loop->config.blobs);
    loop->jobs = jobs_create(loop->config.server, loop->config.index);
    return loop->counters && loop->stock && loop->jobs ? 0 : -ENOMEM;
}

static struct task_loop *allocate(const struct task_loop_config *config)
{
    size_t bytes = (sizeof(struct task_loop) + GUARD_BYTES - 1) / GUARD_BYTES * GUARD_BYTES;
    struct task_loop *loop = aligned_alloc(GUARD_BYTES, bytes);
    if (!loop)
        return NULL;
    memset(loop, 0, bytes);
    loop->config = *config;
    return loop;
}

int task_loop_create(const struct task_loop_config *config, struct task_loop **out)
{
    struct task_loop *loop = allocate(config);
    if (!loop)
        return -ENOMEM;
    int result = open_parts(loop);
    if (result != 0) {
        task_loop_destroy(loop);
        return result;
    }
    *out = loop;
    return 0;
}

void task_loop_destroy(struct task_loop *loop)
{
    if (!loop)
        return;
    close_parts(loop);
    free(loop);
}

/* ---- as a thread ---- */

static void sleep_until_input(struct task_loop *loop)
{
    struct sleeper *sleeper = &loop->config.fabric->client_sleepers[loop->client];
    struct timespec timeout = {.tv_nsec = SLEEP_NS_MAX};
    sleeper_announce(sleeper);
    if (!has_input(loop) && !loop_thread_should_stop(&loop->thread)) {
        struct pollfd input = {.fd = sleeper->event_fd, .events = POLLIN};
        ppoll(&input, 1, &timeout, NULL); /* EINTR is one more idle round */
    }
    sleeper_awake(sleeper);
}

static int open_on_thread(void *context, const char *thread_name)
{
    struct task_loop *loop = context;
    if (!loop->config.counters)
        loop->config.counters = counters_register(thread_name);
    return open_parts(loop);
}

/* Told to stop it takes no more tasks; those under way end within their deadlines. */
static void run_thread(void *context)
{
    struct task_loop *loop = context;
    while (!loop_thread_should_stop(&loop->thread) || loop->runs_under_way > 0) {
        struct round_time time = {.now_ns = clock_now_ns(),
                                  .wall_ms = wall_clock_read(loop->config.wall_clock)};
        if (task_loop_run_once(loop, &time) == 0)
            sleep_until_input(loop);
    }
}

static void close_on_thread(void *context)
{
    close_parts(context);
}

int task_loop_start(const struct task_loop_config *config, struct task_loop **out)
{
    static const struct loop_thread_body body = {open_on_thread, run_thread, close_on_thread};
    struct task_loop *loop = allocate(config);
    if (!loop)
        return -ENOMEM;
    int result = loop_thread_start(&loop->thread, "task", config->index,
                                   &config->server->tasks.cores, &body, loop);
    if (result != 0)
        free(loop);
    else
        *out = loop;
    return result;
}

void task_loop_stop(struct task_loop *loop)
{
    if (!loop)
        return;
    loop_thread_stop(&loop->thread, &loop->config.fabric->client_sleepers[loop->client]);
    free(loop);
}

uint64_t task_loop_heartbeat(const struct task_loop *loop)
{
    return atomic_load_explicit(&loop->heartbeat, memory_order_relaxed);
}
