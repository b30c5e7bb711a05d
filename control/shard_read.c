/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/shard_read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "control/planted_bugs.h"
#include "control/shard_accept.h"
#include "control/shard_commit.h"
#include "control/shard_extent.h"
#include "include/assert_policy.h"
#include "include/counters.h"
#include "include/log.h"

#define READ_ATTEMPTS_MAX 2u

int read_attach(struct store *store)
{
    store->read_jobs = calloc(store->read_jobs_count, sizeof(store->read_jobs[0]));
    if (store->read_jobs == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < store->read_jobs_count; i++) {
        struct read_job *job = &store->read_jobs[i];
        job->buffer = aligned_alloc(BLOCK_BYTES, READ_BUFFER_BYTES); /* touched only when used */
        if (job->buffer == NULL || !extent_copy_init(&job->copy))
            return -ENOMEM;
        job->next = store->read_jobs_free;
        store->read_jobs_free = job;
    }
    return 0;
}

void read_detach(struct store *store)
{
    for (uint32_t i = 0; store->read_jobs != NULL && i < store->read_jobs_count; i++) {
        free(store->read_jobs[i].buffer);
        extent_copy_destroy(&store->read_jobs[i].copy);
    }
    free(store->read_jobs);
}

static struct index_entry *find_entry(struct store *store, struct shard_operation *operation)
{
    return shard_index_find(&store->set->indexes[shard_of_hash(operation->shard_hash)],
                            operation_key(operation), operation->key_bytes);
}

/* Copies a checked record into the operation. False: no value memory. */
static bool deliver(struct store *store, struct shard_operation *operation,
                    const struct record_header *record, struct blob *blob)
{
    operation->version = record->version;
    operation->expires_at_ms = record->expires_at_ms;
    operation->modified_at_ms = record->modified_at_ms;
    operation->attributes_bytes = record->attributes_bytes;
    operation->value_bytes = record->value_bytes;
    memcpy(operation_attributes(operation), record_attributes(record), record->attributes_bytes);
    if (operation->verb == SHARD_STAT)
        return true;
    if (blob != NULL) {
        blob_hold(blob);
        operation->value = blob;
        return true;
    }
    if (record->value_bytes <= operation_inline_room(operation)) {
        operation->value = NULL;
        memcpy(operation_inline_value(operation), record_value(record), record->value_bytes);
        return true;
    }
    operation->value = blob_create(store->stock, record->value_bytes);
    if (operation->value != NULL)
        blob_append(operation->value, record_value(record), record->value_bytes);
    return operation->value != NULL;
}

static void answer_no_memory(struct store *store, struct shard_operation *operation)
{
    operation->attributes_bytes = 0;
    operation->value_bytes = 0;
    store_answer(store, operation, SHARD_NO_MEMORY, SHARD_CACHE_NOTHING);
}

static void answer_value(struct store *store, struct shard_operation *operation,
                         const struct record_header *record, struct blob *blob)
{
    if (!deliver(store, operation, record, blob)) {
        answer_no_memory(store, operation);
        return;
    }
    if (operation->verb == SHARD_STAT) {
        store_answer(store, operation, SHARD_OK, SHARD_CACHE_NOTHING);
        return;
    }
    /* A write of this key outlived its operation: nobody would tell the cache when it lands. */
    bool forbids_fill = commit_forbids_fill(store, operation);
    store_answer(store, operation, SHARD_OK,
                 forbids_fill ? SHARD_CACHE_INVALIDATE : SHARD_CACHE_FILL);
}

static void answer_absent(struct store *store, struct shard_operation *operation,
                          enum shard_cache_action action)
{
    operation->version = 0;
    operation->value = NULL;
    operation->value_bytes = 0;
    operation->attributes_bytes = 0;
    store_answer(store, operation, SHARD_NOT_FOUND, action);
}

/*
 * What was accepted and is not in the index yet is what everybody sees, but no cache holds it: it
 * may still be lost. False: nothing of the key is in that state.
 */
static bool answer_accepted(struct store *store, struct shard_operation *operation,
                            uint64_t wall_ms)
{
    const struct record_header *record = accept_find(store, operation);
    if (record == NULL)
        return false;
    bool is_expired = record->expires_at_ms != 0 && record->expires_at_ms <= wall_ms;
    if (!record_is_put(record) || is_expired)
        answer_absent(store, operation, SHARD_CACHE_NOTHING);
    else if (deliver(store, operation, record, NULL))
        store_answer(store, operation, SHARD_OK, SHARD_CACHE_NOTHING);
    else
        answer_no_memory(store, operation);
    return true;
}

static struct read_job **bucket_of(struct store *store, uint64_t version)
{
    return &store->read_buckets[version % READ_BUCKETS];
}

/* Versions are unique in a shard only. */
static struct read_job *job_of(struct store *store, const struct index_entry *entry)
{
    struct read_job *job = *bucket_of(store, entry->version);
    while (job != NULL && (job->version != entry->version || job->segment_id != entry->segment_id ||
                           job->offset_units != entry->offset_units))
        job = job->next;
    return job;
}

/* A free one, now under way. NULL: all are. */
static struct read_job *job_take(struct store *store, uint64_t version)
{
    struct read_job *job = store->read_jobs_free, **bucket = bucket_of(store, version);
    if (job == NULL)
        return NULL;
    store->read_jobs_free = job->next;
    store->read_jobs_busy++;
    job->version = version;
    job->next = *bucket;
    *bucket = job;
    return job;
}

static void job_put_back(struct store *store, struct read_job *job)
{
    struct read_job **at = bucket_of(store, job->version);
    while (*at != job)
        at = &(*at)->next;
    *at = job->next;
    job->state = READ_FREE;
    job->next = store->read_jobs_free;
    store->read_jobs_free = job;
    store->read_jobs_busy--;
}

static uint64_t job_offset(const struct read_job *job)
{
    return (uint64_t)job->offset_units * RECORD_ALIGN_BYTES;
}

static void job_read_record(struct store *store, struct read_job *job)
{
    uint64_t begin = job_offset(job) & ~(uint64_t)(BLOCK_BYTES - 1);
    uint64_t end = round_up_to(job_offset(job) + job->record_bytes, BLOCK_BYTES);
    ASSERT(end - begin <= READ_BUFFER_BYTES);
    job->state = READ_RECORD;
    count(store->counters, COUNTER_STORE_READS);
    store_transfer_start(store, &job->transfer, STORE_IO_READ, job, IO_READ, job->segment->fd,
                         job->buffer, begin, (uint32_t)(end - begin));
}

static void job_start(struct store *store, struct read_job *job, const struct index_entry *entry)
{
    job->segment_id = entry->segment_id;
    job->offset_units = entry->offset_units;
    job->record_bytes = index_entry_bytes(entry);
    job->segment = segment_table_get(&store->set->table, entry->segment_id);
    job->attempt_count = 0;
    job->waiters = (struct operation_list){0};
    job->copy.blob = NULL;
    job->copy.fd = -1;
    atomic_fetch_add(&job->segment->readers, 1); /* keeps it from being recycled */
    job_read_record(store, job);
}

static bool answer_from_memory(struct store *store, struct shard_operation *operation,
                               const struct index_entry *entry)
{
    if ((index_entry_flags(entry) & INDEX_EXTENT) && operation->verb != SHARD_STAT)
        return false; /* the pointer is in memory, the value is not */
    uint8_t record[RECORD_BYTES_MAX + RECORD_ALIGN_BYTES]
        __attribute__((aligned(RECORD_ALIGN_BYTES)));
    if (!commit_read_recent(store, entry, record))
        return false;
    answer_value(store, operation, (const struct record_header *)(void *)record, NULL);
    return true;
}

void read_submit(struct store *store, struct shard_operation *operation)
{
    uint64_t wall_ms = store_wall_ms(store, operation->wall_ms);
    if (answer_accepted(store, operation, wall_ms))
        return;
    struct index_entry *entry = find_entry(store, operation);
    if (!index_entry_is_visible(entry, wall_ms)) {
        bool forbids_fill = commit_forbids_fill(store, operation);
        answer_absent(store, operation, forbids_fill ? SHARD_CACHE_INVALIDATE : SHARD_CACHE_ABSENT);
        return;
    }
    if (answer_from_memory(store, operation, entry))
        return;
    struct read_job *job = job_of(store, entry);
    if (job == NULL) {
        job = job_take(store, entry->version);
        if (job == NULL) {
            operation_list_append(&store->read_queue, operation);
            return;
        }
        job_start(store, job, entry);
    }
    operation_list_append(&job->waiters, operation);
}

/* Check and answer are one step: what the index says now decides, not what it said at the start. */
static void job_answer(struct store *store, struct read_job *job, struct shard_operation *operation)
{
    struct index_entry *entry = find_entry(store, operation);
    uint64_t wall_ms = store_wall_ms(store, operation->wall_ms);
    bool is_current = index_entry_is_visible(entry, wall_ms) && entry->version == job->version &&
                      accept_find(store, operation) == NULL;
    if (planted_bug(PLANTED_LATE_FILL) && job->status == SHARD_OK)
        is_current = true;
    if (!is_current)
        read_submit(store, operation); /* overtaken by a write, a delete, or the clock */
    else if (job->status == SHARD_OK)
        answer_value(store, operation, job->record, job->copy.blob);
    else
        store_answer(store, operation, job->status, SHARD_CACHE_NOTHING);
}

static void job_answer_waiters(struct store *store, struct read_job *job)
{
    struct operation_list waiters = job->waiters;
    job->waiters = (struct operation_list){0};
    struct shard_operation *operation;
    while ((operation = operation_list_pop(&waiters)) != NULL)
        job_answer(store, job, operation);
}

/* The record is there: who asked for no more does not wait. False: nobody is left. */
static bool job_answer_stats(struct store *store, struct read_job *job)
{
    struct operation_list waiters = job->waiters;
    job->waiters = (struct operation_list){0};
    job->status = SHARD_OK;
    struct shard_operation *operation;
    while ((operation = operation_list_pop(&waiters)) != NULL) {
        if (operation->verb == SHARD_STAT)
            job_answer(store, job, operation);
        else
            operation_list_append(&job->waiters, operation);
    }
    return job->waiters.head != NULL;
}

static void job_finish(struct store *store, struct read_job *job, enum shard_status status)
{
    job->status = status;
    job_answer_waiters(store, job);
    if (job->copy.blob != NULL)
        blob_release(store->stock, job->copy.blob);
    job->copy.blob = NULL;
    segment_release(job->segment);
    job_put_back(store, job);
}

/* Somebody waits for exactly this version, and it still is the key's. */
static bool job_is_wanted(struct store *store, const struct read_job *job)
{
    if (job->waiters.head == NULL)
        return false;
    const struct index_entry *entry = find_entry(store, job->waiters.head);
    return entry != NULL && index_entry_is_value(entry) && entry->version == job->version;
}

static void job_retry(struct store *store, struct read_job *job, enum shard_status status)
{
    if (!job_is_wanted(store, job)) {
        job_finish(store, job, status);
        return;
    }
    if (++job->attempt_count < READ_ATTEMPTS_MAX) {
        job_read_record(store, job);
        return;
    }
    log_error("store: reading segment %08x at %llu failed twice: %s", job->segment_id,
              (unsigned long long)job_offset(job),
              status == SHARD_CORRUPT ? "the bytes do not match their checksum" : "I/O error");
    if (job->state == READ_RECORD)
        segment_table_quarantine(&store->set->table, job->segment);
    job_finish(store, job, status);
}

static void job_open_extent(struct store *store, struct read_job *job)
{
    struct extent_pointer pointer;
    record_extent(job->record, &pointer);
    extent_file_name(job->name, pointer.extent_id);
    job->state = READ_EXTENT_OPEN;
    job->step.operation =
        (struct io_operation){.code = IO_OPEN,
                              .directory_fd = store->set->directory_fd,
                              .path = job->name,
                              .open_flags = O_RDONLY | O_CLOEXEC | store->set->direct_flag};
    store_io_start(store, &job->step, STORE_IO_READ, job);
}

void read_record_done(struct store *store, struct read_job *job)
{
    int error;
    enum transfer_state state = store_transfer_continue(store, &job->transfer, &error);
    if (state == TRANSFER_MORE)
        return;
    if (state == TRANSFER_FAILED) {
        job_retry(store, job, SHARD_IO_ERROR);
        return;
    }
    const uint8_t *bytes = job->buffer + job_offset(job) % BLOCK_BYTES;
    struct format_place place = {store->set->uuid, job->segment->generation, job_offset(job),
                                 job->segment_id};
    job->record = (const struct record_header *)(const void *)bytes;
    if (!record_check(bytes, job->record_bytes, &place) || job->record->version != job->version ||
        job->record->record_bytes != job->record_bytes || !record_is_put(job->record))
        job_retry(store, job, SHARD_CORRUPT);
    else if ((job->record->flags & RECORD_EXTENT) && job_answer_stats(store, job))
        job_open_extent(store, job);
    else
        job_finish(store, job, SHARD_OK);
}

static void job_copy_extent(struct store *store, struct read_job *job, int fd)
{
    job->copy.fd = fd;
    job->copy.blob = blob_create(store->stock, job->record->value_bytes);
    job->status = job->copy.blob == NULL ? SHARD_NO_MEMORY : SHARD_OK;
    if (job->status == SHARD_OK) {
        job->copy.blob->length_bytes = job->record->value_bytes;
        job->state = READ_EXTENT_COPY;
        extent_copy_start(store, &job->copy, job->record->value_bytes, false, STORE_IO_READ, job);
        return;
    }
    job->state = READ_EXTENT_CLOSE;
    job->step.operation = (struct io_operation){.code = IO_CLOSE, .fd = fd};
    store_io_start(store, &job->step, STORE_IO_READ, job);
}

void read_step_done(struct store *store, struct read_job *job)
{
    int64_t result = job->step.operation.result;
    if (job->state == READ_EXTENT_CLOSE) {
        if (job->status == SHARD_OK || job->status == SHARD_NO_MEMORY) {
            job_finish(store, job, job->status);
            return;
        }
        if (job->copy.blob != NULL)
            blob_release(store->stock, job->copy.blob);
        job->copy.blob = NULL;
        job_retry(store, job, job->status);
        return;
    }
    ASSERT(job->state == READ_EXTENT_OPEN);
    if (result < 0)
        job_retry(store, job, result == -ENOENT ? SHARD_CORRUPT : SHARD_IO_ERROR);
    else
        job_copy_extent(store, job, (int)result);
}

void read_lane_done(struct store *store, struct read_job *job, struct extent_lane *lane)
{
    if (!extent_copy_continue(store, &job->copy, lane, STORE_IO_READ, job))
        return;
    struct extent_pointer pointer;
    record_extent(job->record, &pointer);
    if (job->copy.error != 0)
        job->status = SHARD_IO_ERROR;
    else if (extent_checksum(&store->set->uuid, pointer.extent_id, job->copy.blob,
                             job->record->value_bytes) != pointer.checksum)
        job->status = SHARD_CORRUPT;
    job->state = READ_EXTENT_CLOSE;
    job->step.operation = (struct io_operation){.code = IO_CLOSE, .fd = job->copy.fd};
    store_io_start(store, &job->step, STORE_IO_READ, job);
}

void read_advance(struct store *store)
{
    while (store->read_queue.head != NULL && store->read_jobs_busy < store->read_jobs_count)
        read_submit(store, operation_list_pop(&store->read_queue));
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

void read_check_deadlines(struct store *store)
{
    give_back_late(store, &store->read_queue);
    for (uint32_t i = 0; store->read_jobs_busy > 0 && i < store->read_jobs_count; i++)
        if (store->read_jobs[i].state != READ_FREE)
            give_back_late(store, &store->read_jobs[i].waiters);
}
