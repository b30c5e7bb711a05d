/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/shard_extent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include "control/directory_sync.h"
#include "control/shard_commit.h"
#include "include/assert_policy.h"
#include "include/counters.h"
#include "include/log.h"

/* ---- copying ---- */

bool extent_copy_init(struct extent_copy *copy)
{
    for (uint32_t i = 0; i < EXTENT_LANES; i++) {
        copy->lanes[i].bounce = aligned_alloc(BLOCK_BYTES, BLOCK_BYTES);
        if (copy->lanes[i].bounce == NULL)
            return false;
    }
    return true;
}

void extent_copy_destroy(struct extent_copy *copy)
{
    for (uint32_t i = 0; i < EXTENT_LANES; i++)
        free(copy->lanes[i].bounce);
}

/*
 * The next contiguous run of whole blocks, or the last partial block through the lane's own buffer.
 */
static void lane_start(struct store *store, struct extent_copy *copy, struct extent_lane *lane,
                       enum store_io_kind kind, void *job)
{
    uint32_t left = copy->value_bytes - copy->next_offset;
    uint32_t run_bytes;
    uint8_t *run = blob_run(copy->blob, copy->next_offset, &run_bytes);
    uint32_t bytes = left < run_bytes ? left : run_bytes;
    lane->value_offset = copy->next_offset;
    uint8_t *buffer = run;
    if (bytes >= BLOCK_BYTES) {
        bytes &= ~(BLOCK_BYTES - 1);
    } else {
        buffer = lane->bounce;
        memset(buffer, 0, BLOCK_BYTES);
        if (copy->is_write)
            memcpy(buffer, run, bytes);
    }
    lane->value_bytes = bytes;
    lane->is_active = true;
    copy->active_lanes++;
    copy->next_offset += bytes;
    store_transfer_start(store, &lane->transfer, kind, job, copy->is_write ? IO_WRITE : IO_READ,
                         copy->fd, buffer, lane->value_offset,
                         (uint32_t)round_up_to(bytes, BLOCK_BYTES));
}

static void lanes_fill(struct store *store, struct extent_copy *copy, enum store_io_kind kind,
                       void *job)
{
    for (uint32_t i = 0; i < EXTENT_LANES; i++)
        if (copy->error == 0 && !copy->lanes[i].is_active && copy->next_offset < copy->value_bytes)
            lane_start(store, copy, &copy->lanes[i], kind, job);
}

void extent_copy_start(struct store *store, struct extent_copy *copy, uint32_t value_bytes,
                       bool is_write, enum store_io_kind kind, void *job)
{
    copy->value_bytes = value_bytes;
    copy->next_offset = copy->active_lanes = 0;
    copy->error = 0;
    copy->is_write = is_write;
    lanes_fill(store, copy, kind, job);
}

bool extent_copy_continue(struct store *store, struct extent_copy *copy, struct extent_lane *lane,
                          enum store_io_kind kind, void *job)
{
    int error;
    enum transfer_state state = store_transfer_continue(store, &lane->transfer, &error);
    if (state == TRANSFER_MORE)
        return false;
    lane->is_active = false;
    copy->active_lanes--;
    if (state == TRANSFER_FAILED) {
        copy->error = error;
    } else if (!copy->is_write && lane->transfer.buffer == lane->bounce) {
        uint32_t run_bytes;
        memcpy(blob_run(copy->blob, lane->value_offset, &run_bytes), lane->bounce,
               lane->value_bytes);
    }
    lanes_fill(store, copy, kind, job);
    return copy->active_lanes == 0;
}

uint64_t extent_checksum(const struct store_uuid *uuid, uint64_t extent_id, const struct blob *blob,
                         uint32_t value_bytes)
{
    XXH3_state_t state;
    XXH3_INITSTATE(&state);
    XXH3_64bits_reset_withSeed(&state, extent_seed(uuid, extent_id));
    for (uint32_t done = 0; done < value_bytes;) {
        uint32_t run_bytes;
        const uint8_t *run = blob_run(blob, done, &run_bytes);
        uint32_t part = value_bytes - done < run_bytes ? value_bytes - done : run_bytes;
        XXH3_64bits_update(&state, run, part);
        done += part;
    }
    return XXH3_64bits_digest(&state);
}

/* ---- writing ---- */

int extent_attach(struct store *store)
{
    store->extent_jobs = calloc(EXTENT_JOBS_MAX, sizeof(store->extent_jobs[0]));
    if (store->extent_jobs == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < EXTENT_JOBS_MAX; i++)
        if (!extent_copy_init(&store->extent_jobs[i].copy))
            return -ENOMEM;
    return 0;
}

void extent_detach(struct store *store)
{
    for (uint32_t i = 0; store->extent_jobs != NULL && i < EXTENT_JOBS_MAX; i++)
        extent_copy_destroy(&store->extent_jobs[i].copy);
    free(store->extent_jobs);
}

static bool is_large(const struct store *store, const struct shard_operation *operation)
{
    return operation->verb == SHARD_PUT && operation->value != NULL &&
           operation->value_bytes >= store->set->sizes.extent_value_bytes_min;
}

static bool same_key(struct shard_operation *a, struct shard_operation *b)
{
    return a->shard_hash == b->shard_hash && a->key_bytes == b->key_bytes &&
           memcmp(operation_key(a), operation_key(b), a->key_bytes) == 0;
}

static struct extent_job *job_of_key(struct store *store, struct shard_operation *operation)
{
    for (uint32_t i = 0; store->extent_jobs_busy > 0 && i < EXTENT_JOBS_MAX; i++) {
        struct extent_job *job = &store->extent_jobs[i];
        if (job->state != EXTENT_FREE && job->operation != NULL &&
            same_key(job->operation, operation))
            return job;
    }
    return NULL;
}

static bool key_is_queued(struct store *store, struct shard_operation *operation)
{
    struct shard_operation *queued = store->extent_queue.head;
    while (queued != NULL && !same_key(queued, operation))
        queued = queued->next;
    return queued != NULL;
}

bool extent_takes(struct store *store, struct shard_operation *operation)
{
    return is_large(store, operation) || job_of_key(store, operation) != NULL ||
           key_is_queued(store, operation);
}

static void step(struct store *store, struct extent_job *job, enum extent_state state,
                 struct io_operation operation)
{
    job->state = (uint8_t)state;
    job->step.operation = operation;
    store_io_start(store, &job->step, STORE_IO_EXTENT_STEP, job);
}

static void job_start(struct store *store, struct extent_job *job,
                      struct shard_operation *operation)
{
    struct store_set *set = store->set;
    job->operation = operation;
    job->followers = (struct operation_list){0};
    job->error = 0;
    job->extent_id = atomic_fetch_add(&set->next_extent_id, 1);
    job->copy.blob = operation->value;
    job->copy.fd = -1;
    job->copy.value_bytes = operation->value_bytes;
    blob_hold(job->copy.blob);
    job->checksum =
        extent_checksum(&set->uuid, job->extent_id, operation->value, operation->value_bytes);
    extent_file_name(job->name, job->extent_id);
    store->extent_jobs_busy++;
    step(store, job, EXTENT_OPEN,
         (struct io_operation){.code = IO_OPEN,
                               .directory_fd = set->directory_fd,
                               .path = job->name,
                               .open_flags =
                                   O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | set->direct_flag,
                               .mode = 0600});
}

static struct extent_job *job_free(struct store *store)
{
    for (uint32_t i = 0; i < EXTENT_JOBS_MAX; i++)
        if (store->extent_jobs[i].state == EXTENT_FREE)
            return &store->extent_jobs[i];
    return NULL;
}

/* False: it must wait for a job. */
static bool try_start(struct store *store, struct shard_operation *operation)
{
    operation->owner_private[0] = NULL;
    struct extent_job *same = job_of_key(store, operation);
    if (same != NULL) {
        operation_list_append(&same->followers, operation);
        return true;
    }
    if (is_large(store, operation) && atomic_load(&store->set->directory_failed)) {
        store_answer(store, operation, SHARD_READ_ONLY, SHARD_CACHE_NOTHING);
        return true;
    }
    if (!is_large(store, operation) || store->stream.is_failed) {
        commit_submit(store, operation);
        return true;
    }
    struct extent_job *job = job_free(store);
    if (job == NULL)
        return false;
    if (store_disk_has_room(store, operation->value_bytes))
        job_start(store, job, operation);
    else
        store_answer(store, operation, SHARD_STORE_FULL, SHARD_CACHE_NOTHING);
    return true;
}

/* Writes of a key keep their order: those that follow its job come before those in the queue. */
void extent_submit(struct store *store, struct shard_operation *operation)
{
    bool is_behind = store->extent_queue.head != NULL &&
                     (key_is_queued(store, operation) || job_of_key(store, operation) == NULL);
    if (is_behind || !try_start(store, operation))
        operation_list_append(&store->extent_queue, operation);
}

void extent_advance(struct store *store)
{
    while (store->extent_queue.head != NULL) {
        struct shard_operation *operation = operation_list_pop(&store->extent_queue);
        if (try_start(store, operation))
            continue;
        operation->next = store->extent_queue.head;
        store->extent_queue.head = operation;
        if (store->extent_queue.tail == NULL)
            store->extent_queue.tail = operation;
        store->extent_queue.count++;
        return;
    }
}

/* Before everything that waits: later writes of the key find them there. */
static void queue_followers(struct store *store, struct extent_job *job)
{
    struct operation_list *queue = &store->extent_queue;
    if (job->followers.head != NULL) {
        job->followers.tail->next = queue->head;
        if (queue->head == NULL)
            queue->tail = job->followers.tail;
        queue->head = job->followers.head;
        queue->count += job->followers.count;
    }
    job->followers = (struct operation_list){0};
}

static void job_release(struct store *store, struct extent_job *job)
{
    if (job->copy.blob != NULL)
        blob_release(store->stock, job->copy.blob);
    job->copy.blob = NULL;
    queue_followers(store, job);
    job->operation = NULL;
    job->state = EXTENT_FREE;
    store->extent_jobs_busy--;
    extent_advance(store);
}

bool extent_of(struct shard_operation *operation, struct extent_pointer *pointer)
{
    struct extent_job *job = operation->owner_private[0];
    if (operation->verb != SHARD_PUT || job == NULL)
        return false;
    *pointer = (struct extent_pointer){job->extent_id, job->checksum};
    return true;
}

static struct extent_job *detach_job(struct shard_operation *operation)
{
    struct extent_job *job = operation->verb == SHARD_PUT ? operation->owner_private[0] : NULL;
    operation->owner_private[0] = NULL;
    return job;
}

void extent_release(struct store *store, struct shard_operation *operation)
{
    struct extent_job *job = detach_job(operation);
    ASSERT(job != NULL && job->state == EXTENT_READY);
    job_release(store, job);
}

void extent_abandon(struct store *store, struct shard_operation *operation)
{
    struct extent_job *job = detach_job(operation);
    if (job == NULL)
        return;
    ASSERT(job->state == EXTENT_READY);
    store_cleanup_file(store, job->name);
    job_release(store, job);
}

static void job_failed(struct store *store, struct extent_job *job)
{
    struct shard_operation *operation = job->operation;
    bool is_full = job->error == -ENOSPC || job->error == -EDQUOT || job->error == -EFBIG;
    store_cleanup_file(store, job->name);
    if (job->error != 0 && !is_full && !atomic_load(&store->set->directory_failed))
        commit_fail(store, "extent write", job->error);
    if (operation != NULL)
        store_answer(store, operation, is_full ? SHARD_STORE_FULL : SHARD_READ_ONLY,
                     SHARD_CACHE_NOTHING);
    job_release(store, job);
}

static void job_abort(struct store *store, struct extent_job *job, int error)
{
    job->error = error;
    if (job->copy.fd < 0) {
        job_failed(store, job);
        return;
    }
    step(store, job, EXTENT_ABORT_CLOSE,
         (struct io_operation){.code = IO_CLOSE, .fd = job->copy.fd});
}

static void job_ready(struct store *store, struct extent_job *job)
{
    struct shard_operation *operation = job->operation;
    job->state = EXTENT_READY;
    count_many(store->counters, COUNTER_STORE_BYTES_WRITTEN,
               round_up_to(job->copy.value_bytes, BLOCK_BYTES));
    if (operation == NULL) { /* given back at its deadline: nothing was written */
        store_cleanup_file(store, job->name);
        job_release(store, job);
        return;
    }
    operation->owner_private[0] = job;
    commit_submit(store, operation);
}

void extent_step_done(struct store *store, struct extent_job *job)
{
    int64_t result = job->step.operation.result;
    if (job->state == EXTENT_ABORT_CLOSE) {
        job_failed(store, job);
        return;
    }
    bool is_allocated_by_writing = job->state == EXTENT_ALLOCATE && result == -EOPNOTSUPP;
    if (job->state == EXTENT_CLOSE || is_allocated_by_writing)
        result = 0;
    if (result == -EINTR || result == -EAGAIN) {
        store_io_start(store, &job->step, STORE_IO_EXTENT_STEP, job);
        return;
    }
    if (result < 0) {
        job_abort(store, job, (int)result);
        return;
    }
    int fd = job->copy.fd;
    uint32_t value_bytes = job->copy.value_bytes;
    switch ((enum extent_state)job->state) {
    case EXTENT_OPEN:
        job->copy.fd = (int)result;
        step(store, job, EXTENT_ALLOCATE,
             (struct io_operation){.code = IO_ALLOCATE,
                                   .fd = (int)result,
                                   .bytes = (uint32_t)round_up_to(value_bytes, BLOCK_BYTES)});
        return;
    case EXTENT_ALLOCATE:
        job->state = EXTENT_COPY;
        extent_copy_start(store, &job->copy, value_bytes, true, STORE_IO_EXTENT_LANE, job);
        return;
    case EXTENT_SYNC:
        step(store, job, EXTENT_CLOSE, (struct io_operation){.code = IO_CLOSE, .fd = fd});
        return;
    case EXTENT_CLOSE:
        job->copy.fd = -1;
        job->state = EXTENT_SYNC_DIRECTORY;
        directory_sync_wait(store, &job->step, STORE_IO_EXTENT_STEP, job);
        return;
    case EXTENT_SYNC_DIRECTORY:
        job_ready(store, job);
        return;
    default:
        UNREACHABLE();
    }
}

void extent_lane_done(struct store *store, struct extent_job *job, struct extent_lane *lane)
{
    if (!extent_copy_continue(store, &job->copy, lane, STORE_IO_EXTENT_LANE, job))
        return;
    if (job->copy.error != 0)
        job_abort(store, job, job->copy.error);
    else
        step(store, job, EXTENT_SYNC,
             (struct io_operation){.code = IO_SYNC_ALL, .fd = job->copy.fd});
}

static void give_back_late(struct store *store, struct operation_list *list)
{
    struct operation_list all = *list;
    *list = (struct operation_list){0};
    struct shard_operation *operation;
    while ((operation = operation_list_pop(&all)) != NULL) {
        if (operation->deadline_ns > store->now_ns)
            operation_list_append(list, operation);
        else
            store_answer(store, operation, SHARD_DEADLINE, SHARD_CACHE_NOTHING);
    }
}

void extent_check_deadlines(struct store *store)
{
    give_back_late(store, &store->extent_queue);
    for (uint32_t i = 0; store->extent_jobs_busy > 0 && i < EXTENT_JOBS_MAX; i++) {
        struct extent_job *job = &store->extent_jobs[i];
        if (job->state == EXTENT_FREE)
            continue;
        give_back_late(store, &job->followers);
        struct shard_operation *operation = job->operation;
        if (job->state != EXTENT_READY && operation != NULL &&
            operation->deadline_ns <= store->now_ns) {
            job->operation = NULL;
            queue_followers(store, job);
            store_answer(store, operation, SHARD_DEADLINE, SHARD_CACHE_NOTHING);
        }
    }
}
