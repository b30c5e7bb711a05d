/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/store_log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/directory_sync.h"
#include "control/planted_bugs.h"
#include "control/scrub_extent.h"
#include "control/segment_maker.h"
#include "control/shard_commit.h"
#include "control/shard_compaction.h"
#include "control/shard_extent.h"
#include "control/shard_list.h"
#include "control/shard_read.h"
#include "control/shard_recovery.h"
#include "control/shard_watch.h"
#include "control/store_scrub.h"
#include "control/store_super.h"
#include "control/sync_probe.h"
#include "include/assert_policy.h"
#include "include/counters.h"
#include "include/log.h"
#include "include/server_config.h"

#ifdef GANNET_PLANTED_BUGS
enum planted_bug planted_bug_active;
#endif

#define EXPECTED_LINES 6u /* of an operation: its fields, the key, a small value */

/* ---- lists ---- */

void operation_list_append(struct operation_list *list, struct shard_operation *operation)
{
    operation->next = NULL;
    if (list->tail != NULL)
        list->tail->next = operation;
    else
        list->head = operation;
    list->tail = operation;
    list->count++;
}

struct shard_operation *operation_list_pop(struct operation_list *list)
{
    struct shard_operation *operation = list->head;
    if (operation == NULL)
        return NULL;
    list->head = operation->next;
    if (list->head == NULL)
        list->tail = NULL;
    list->count--;
    operation->next = NULL;
    return operation;
}

/* ---- I/O ---- */

static void backlog_append(struct store *store, struct store_io *io)
{
    io->next = NULL;
    if (store->backlog_tail != NULL)
        store->backlog_tail->next = io;
    else
        store->backlog_head = io;
    store->backlog_tail = io;
}

void store_io_start(struct store *store, struct store_io *io, enum store_io_kind kind, void *job)
{
    io->kind = kind;
    io->job = job;
    io->operation.owner_kind = STORE_IO;
    io->operation.owner = io;
    store->io_count++;
    bool is_commit = kind == STORE_IO_COMMIT_WRITE || kind == STORE_IO_COMMIT_SYNC;
    if ((store->backlog_head == NULL || is_commit) && io_submit(store->loop, &io->operation))
        return;
    backlog_append(store, io);
}

static void backlog_submit(struct store *store)
{
    while (store->backlog_head != NULL) {
        struct store_io *io = store->backlog_head;
        if (!io_submit(store->loop, &io->operation))
            return;
        store->backlog_head = io->next;
        if (store->backlog_head == NULL)
            store->backlog_tail = NULL;
    }
}

static void transfer_submit(struct store *store, struct store_transfer *transfer)
{
    struct io_operation *operation = &transfer->io.operation;
    operation->buffer = transfer->buffer + transfer->done_bytes;
    operation->offset = transfer->offset + transfer->done_bytes;
    operation->bytes = transfer->total_bytes - transfer->done_bytes;
    store_io_start(store, &transfer->io, transfer->io.kind, transfer->io.job);
}

void store_transfer_start(struct store *store, struct store_transfer *transfer,
                          enum store_io_kind kind, void *job, enum io_code code, int fd,
                          uint8_t *buffer, uint64_t offset, uint32_t bytes)
{
    transfer->buffer = buffer;
    transfer->offset = offset;
    transfer->total_bytes = bytes;
    transfer->done_bytes = 0;
    transfer->retry_count = 0;
    transfer->io.kind = kind;
    transfer->io.job = job;
    transfer->io.operation = (struct io_operation){.code = (uint8_t)code, .fd = fd};
    transfer_submit(store, transfer);
}

/*
 * Short results go on from the last whole block (O_DIRECT needs that); no progress is an error in
 * the end.
 */
enum transfer_state store_transfer_continue(struct store *store, struct store_transfer *transfer,
                                            int *error)
{
    int64_t result = transfer->io.operation.result;
    bool is_transient = result == -EINTR || result == -EAGAIN;
    if (result < 0 && !is_transient) {
        *error = (int)result;
        return TRANSFER_FAILED;
    }
    if (result > 0) {
        transfer->done_bytes += (uint32_t)result;
        ASSERT(transfer->done_bytes <= transfer->total_bytes);
        if (transfer->done_bytes == transfer->total_bytes || planted_bug(PLANTED_SHORT_WRITE))
            return TRANSFER_DONE;
        transfer->done_bytes &= ~(BLOCK_BYTES - 1);
    }
    if (result < (int64_t)BLOCK_BYTES && ++transfer->retry_count > TRANSFER_RETRIES_MAX) {
        *error = result < 0 ? (int)result : -EIO;
        return TRANSFER_FAILED;
    }
    transfer_submit(store, transfer);
    return TRANSFER_MORE;
}

bool store_disk_has_room(struct store *store, uint64_t bytes)
{
    uint64_t free_bytes;
    const struct store_set *set = store->set;
    if (io_free_space(store->loop, set->directory_fd, &free_bytes) < 0)
        return true; /* then the allocation itself will tell */
    return free_bytes >= set->space_reserve_bytes + bytes;
}

void store_directory_failed(struct store_set *set, int error)
{
    if (!atomic_exchange(&set->directory_failed, true))
        log_error("store: sync of the directory %s failed: %s. No new segments and no values "
                  "above 64 KiB until restart",
                  set->directory, strerror(-error));
}

struct store_cleanup {
    struct store_io io;
    struct store_cleanup *next, **previous;
    uint64_t after_sequence; /* of the stream: must be durable before the file goes */
    bool is_counted;         /* as a removal: a record names the file */
    char name[FILE_NAME_BYTES];
};

static struct store_cleanup *cleanup_create(const char *name)
{
    struct store_cleanup *cleanup = calloc(1, sizeof(*cleanup));
    if (cleanup != NULL) /* else the next start removes the file */
        memcpy(cleanup->name, name, FILE_NAME_BYTES);
    return cleanup;
}

static void cleanup_start(struct store *store, struct store_cleanup *cleanup)
{
    cleanup->io.operation = (struct io_operation){
        .code = IO_UNLINK, .directory_fd = store->set->directory_fd, .path = cleanup->name};
    cleanup->next = store->cleanups;
    cleanup->previous = &store->cleanups;
    if (cleanup->next != NULL)
        cleanup->next->previous = &cleanup->next;
    store->cleanups = cleanup;
    store_io_start(store, &cleanup->io, STORE_IO_CLEANUP, cleanup);
}

void store_cleanup_file(struct store *store, const char *name)
{
    struct store_cleanup *cleanup = cleanup_create(name);
    if (cleanup != NULL)
        cleanup_start(store, cleanup);
}

/* Until that frame is durable a crash may bring the record back that names the file. */
static void cleanup_file_after(struct store *store, const char *name, uint64_t sequence)
{
    struct store_cleanup *cleanup = cleanup_create(name);
    if (cleanup == NULL)
        return;
    cleanup->after_sequence = sequence;
    if (store->late_cleanups_last != NULL)
        store->late_cleanups_last->next = cleanup;
    else
        store->late_cleanups = cleanup;
    store->late_cleanups_last = cleanup;
}

static void start_late_cleanups(struct store *store)
{
    struct store_cleanup *cleanup;
    while ((cleanup = store->late_cleanups) != NULL &&
           (cleanup->after_sequence <= store->stream.durable_sequence ||
            planted_bug(PLANTED_FREE_UNSYNCED)) &&
           store_begin_removal(store->set, store->now_ns)) {
        store->late_cleanups = cleanup->next;
        if (store->late_cleanups == NULL)
            store->late_cleanups_last = NULL;
        cleanup->is_counted = true;
        cleanup_start(store, cleanup);
    }
}

/* Without removing them: the next start does. */
static void forget_late_cleanups(struct store *store)
{
    struct store_cleanup *cleanup;
    while ((cleanup = store->late_cleanups) != NULL) {
        store->late_cleanups = cleanup->next;
        free(cleanup);
    }
}

static void cleanup_forget(struct store_cleanup *cleanup)
{
    *cleanup->previous = cleanup->next;
    if (cleanup->next != NULL)
        cleanup->next->previous = cleanup->previous;
    free(cleanup);
}

void store_extent_key(uint8_t key[8], uint64_t version)
{
    uint64_t swapped = __builtin_bswap64(version);
    memcpy(key, &swapped, 8);
}

static void drop_extent(struct store *store, uint32_t shard, uint64_t version,
                        uint64_t after_sequence)
{
    uint8_t key[8];
    char name[FILE_NAME_BYTES];
    store_extent_key(key, version);
    struct index_entry *entry = shard_index_find(&store->set->extents[shard], key, sizeof(key));
    ASSERT(entry != NULL);
    atomic_fetch_sub_explicit(&store->set->extent_bytes,
                              round_up_to(extent_entry_bytes(entry), BLOCK_BYTES),
                              memory_order_relaxed);
    extent_file_name(name, entry->version);
    shard_index_erase(&store->set->extents[shard], key, sizeof(key));
    cleanup_file_after(store, name, after_sequence);
}

static uint64_t value_bytes_of(const struct store_set *set, uint32_t shard,
                               const struct index_entry *entry)
{
    if ((index_entry_flags(entry) & INDEX_EXTENT) == 0)
        return index_entry_value_bytes(entry);
    uint8_t key[8];
    store_extent_key(key, entry->version);
    const struct index_entry *extent = shard_index_find(&set->extents[shard], key, sizeof(key));
    return extent == NULL ? 0 : extent_entry_bytes(extent); /* a recovery that has no memory */
}

void store_count_value(struct store_set *set, uint32_t shard, const void *key, uint32_t key_bytes,
                       const struct index_entry *entry, enum value_change change)
{
    int64_t value_bytes = (int64_t)value_bytes_of(set, shard, entry);
    atomic_fetch_add_explicit(&set->key_count[shard], (uint64_t)(int64_t)change,
                              memory_order_relaxed);
    space_counts_add(set->space_counts, shard, key, key_bytes, change, change * value_bytes);
}

/* What supersedes it is written, but with sync: interval not durable yet. */
void store_drop_extent(struct store *store, uint32_t shard, uint64_t version)
{
    drop_extent(store, shard, version, store->stream.written_sequence);
}

void store_drop_expired_extent(struct store *store, uint32_t shard, uint64_t version)
{
    drop_extent(store, shard, version, commit_next_sequence(store));
}

/* One wall clock for the process that never goes back: its maximum is in every frame. */
uint64_t store_wall_ms(struct store *store, uint64_t at_least_ms)
{
    uint64_t wall_ms = io_wall_ms(store->loop);
    if (at_least_ms > wall_ms)
        wall_ms = at_least_ms;
    uint64_t floor = atomic_load_explicit(&store->set->wall_ms_floor, memory_order_relaxed);
    while (floor < wall_ms &&
           !atomic_compare_exchange_weak_explicit(&store->set->wall_ms_floor, &floor, wall_ms,
                                                  memory_order_relaxed, memory_order_relaxed))
        ;
    return floor > wall_ms ? floor : wall_ms;
}

/* ---- the set ---- */

static struct store_sizes sizes_of(const struct server_config *config)
{
    struct store_sizes sizes = {
        .segment_bytes = config->store.segment_mib << 20,
        .frame_bytes_max = 1u << 20,
        .recent_bytes = 8u << 20,
        .version_block = 1u << 20,
        .extent_value_bytes_min = EXTENT_VALUE_BYTES_MIN,
    };
    if (sizes.frame_bytes_max > sizes.segment_bytes / 4)
        sizes.frame_bytes_max = (uint32_t)(sizes.segment_bytes / 4);
    return sizes;
}

int store_set_open(const struct server_config *config, struct io_loop *loop, struct store_set **set)
{
    struct store_sizes sizes = sizes_of(config);
    return store_set_open_sized(config, &sizes, loop, set);
}

static struct store_set *set_create(const struct server_config *config,
                                    const struct store_sizes *sizes)
{
    struct store_set *set = calloc(1, sizeof(*set));
    if (set == NULL)
        return NULL;
    set->super = aligned_alloc(BLOCK_BYTES, sizeof(*set->super));
    if (set->super == NULL || space_counts_create(&set->space_counts) < 0 ||
        segment_table_init(&set->table) < 0) {
        free(set->super);
        space_counts_destroy(set->space_counts);
        free(set);
        return NULL;
    }
    pthread_mutex_init(&set->super_mutex, NULL);
    pthread_mutex_init(&set->compaction.mutex, NULL);
    pthread_mutex_init(&set->directory_turn.mutex, NULL);
    set->sizes = *sizes;
    set->thread_count = (uint32_t)config->control.threads;
    set->read_jobs_count = config->control.io_depth < READ_JOBS_MAX
                               ? (uint32_t)config->control.io_depth
                               : READ_JOBS_MAX;
    set->is_interval_sync = config->store.sync == CONFIG_SYNC_INTERVAL;
    set->sync_method_wanted = (uint8_t)config->store.sync_method;
    set->quarantines = config->store.on_corruption == CONFIG_CORRUPTION_QUARANTINE;
    set->watches_max = (uint32_t)config->store.watches;
    set->sync_interval_ns = config->store.sync_interval_ms * UINT64_C(1000000);
    set->behind_ns = config->store.behind_ms * UINT64_C(1000000);
    set->behind_bytes = config->store.behind_kib << 10;
    set->space_reserve_bytes = config->store.space_reserve_mib << 20;
    set->compact_dead_percent = (uint32_t)config->store.compact_dead_percent;
    set->compact_bytes_per_s = config->store.compact_mib_per_s << 20;
    set->scrub_bytes_per_s = config->store.scrub_mib_per_s << 20;
    set->table.compaction_count = set->thread_count;
    set->table.reserve_count = set->thread_count + 1;
    memcpy(set->directory, config->store.directory, sizeof(config->store.directory));
    set->directory_fd = set->lock_fd = set->super_fds[0] = set->super_fds[1] = -1;
    for (uint32_t shard = 0; shard < VIRTUAL_SHARDS; shard++) {
        shard_index_init(&set->indexes[shard], &set->index_memory);
        shard_index_init(&set->extents[shard], &set->index_memory);
    }
    return set;
}

static void set_destroy(struct store_set *set)
{
    for (uint32_t shard = 0; shard < VIRTUAL_SHARDS; shard++) {
        shard_index_clear(&set->indexes[shard]);
        shard_index_clear(&set->extents[shard]);
    }
    index_memory_destroy(&set->index_memory);
    segment_table_destroy(&set->table);
    space_counts_destroy(set->space_counts);
    pthread_mutex_destroy(&set->super_mutex);
    pthread_mutex_destroy(&set->compaction.mutex);
    pthread_mutex_destroy(&set->directory_turn.mutex);
    free(set->super);
    free(set);
}

int store_set_open_sized(const struct server_config *config, const struct store_sizes *sizes,
                         struct io_loop *loop, struct store_set **set)
{
    ASSERT(sizes->frame_bytes_max % BLOCK_BYTES == 0 &&
           sizes->recent_bytes >= sizes->frame_bytes_max);
    ASSERT(sizes->segment_bytes >= SEGMENT_DATA_OFFSET + sizes->frame_bytes_max + BLOCK_BYTES);
    *set = set_create(config, sizes);
    if (*set == NULL)
        return -ENOMEM;
    int status = shard_recovery_run(*set, loop);
    if (status < 0) {
        shard_recovery_close_files(*set, loop);
        set_destroy(*set);
        *set = NULL;
        return status;
    }
    (*set)->index_memory.limit_bytes = config->store.index_memory_mib << 20;
    return 0;
}

void store_set_close(struct store_set *set)
{
    ASSERT(atomic_load(&set->attached_count) == 0);
    ASSERT(set->directory_fd < 0); /* the last store_detach closed the files */
    set_destroy(set);
}

/* ---- a thread's store ---- */

int store_attach(struct store_set *set, uint32_t thread_index, struct io_loop *loop,
                 struct blob_stock *stock, struct counters *counters, struct store **store)
{
    ASSERT(thread_index < set->thread_count);
    struct store *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return -ENOMEM;
    made->set = set;
    made->thread_index = thread_index;
    made->loop = loop;
    made->stock = stock;
    made->counters = counters;
    made->read_jobs_count = set->read_jobs_count;
    made->now_ns = io_now_ns(loop);
    int status = commit_attach(made);
    if (status == 0)
        status = read_attach(made);
    if (status == 0)
        status = extent_attach(made);
    if (status == 0)
        status = list_attach(made);
    if (status == 0)
        status = segment_maker_init(&made->maker);
    if (status == 0)
        status = compaction_attach(made);
    if (status == 0)
        status = scrub_attach(made);
    set->stores[thread_index] = made;
    atomic_fetch_add(&set->attached_count, 1);
    *store = made;
    if (status < 0) {
        store_detach(made);
        *store = NULL;
    }
    return status;
}

/*
 * Everything in flight comes back before memory goes; another's completions cannot be among them.
 */
static void wait_for_io(struct store *store)
{
    struct io_operation *completed[16];
    while (store->io_count > 0) {
        uint64_t before_ns = io_now_ns(store->loop);
        backlog_submit(store);
        io_wait(store->loop, UINT64_C(10000000));
        uint32_t n = io_reap(store->loop, completed, 16);
        if (n == 0 && io_now_ns(store->loop) == before_ns)
            return; /* time stands still on a simulated machine that crashed */
        for (uint32_t i = 0; i < n; i++)
            if (completed[i]->owner_kind == STORE_IO)
                store_complete(store, completed[i]);
    }
}

/* Writes what is open, and the covering frame. */
static void close_stream(struct store *store)
{
    struct stream *stream = &store->stream;
    if (stream->is_failed || stream->segment == NULL)
        return;
    for (uint32_t round = 0; round < 8 && !commit_is_idle(store); round++) {
        commit_advance(store);
        start_late_cleanups(store);
        wait_for_io(store);
    }
}

void store_detach(struct store *store)
{
    struct store_set *set = store->set;
    struct io_loop *loop = store->loop;
    store->is_closing = true;
    directory_sync_advance(store);
    if (store->compactor.window != NULL) { /* attached completely */
        wait_for_io(store);
        store->now_ns = UINT64_MAX / 2; /* whatever is due later is due now */
        close_stream(store);
    }
    bool is_clean = commit_is_idle(store) && !store->stream.is_failed && store->held_count == 0;
    directory_sync_detach(store);
    commit_detach(store);
    read_detach(store);
    extent_detach(store);
    list_detach(store);
    segment_maker_destroy(&store->maker);
    compaction_detach(store);
    scrub_detach(store);
    while (store->cleanups != NULL)
        cleanup_forget(store->cleanups);
    forget_late_cleanups(store);
    set->stores[store->thread_index] = NULL;
    free(store);
    if (!is_clean)
        atomic_store(&set->has_ended_badly, true);
    if (atomic_fetch_sub(&set->attached_count, 1) == 1)
        shard_recovery_close(set, loop);
}

void store_expect(const struct store *store, struct shard_operation *const *operations,
                  uint32_t count)
{
    ASSERT(count <= STORE_EXPECT_MAX);
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *bytes = (const uint8_t *)operations[i];
        for (uint32_t line = 0; line < EXPECTED_LINES; line++)
            __builtin_prefetch(bytes + line * CACHE_LINE_BYTES);
    }
    const struct index_node *pages[STORE_EXPECT_MAX];
    for (uint32_t i = 0; i < count; i++)
        pages[i] = shard_index_top(&store->set->indexes[shard_of_hash(operations[i]->shard_hash)]);
    for (bool is_above = true; is_above;) {
        is_above = false;
        for (uint32_t i = 0; i < count; i++)
            shard_index_prefetch_cell(pages[i], operation_key(operations[i]),
                                      operations[i]->key_bytes);
        for (uint32_t i = 0; i < count; i++)
            is_above |= shard_index_prefetch_below(&pages[i], operation_key(operations[i]),
                                                   operations[i]->key_bytes);
    }
}

void store_submit(struct store *store, struct shard_operation *operation)
{
    ASSERT(operation->verb < SHARD_VERB_COUNT);
    ASSERT_HOT(shard_of_hash(operation->shard_hash) % store->set->thread_count ==
               store->thread_index);
    if (store->held_count++ == 0)
        store->deadline_check_ns = 0;
    operation->owner_private[0] = NULL;
    if (operation->verb == SHARD_GET || operation->verb == SHARD_STAT)
        read_submit(store, operation);
    else if (operation->verb == SHARD_WATCH)
        watch_submit(store, operation);
    else if (operation->verb == SHARD_LIST)
        list_submit(store, operation);
    else if (operation->verb == SHARD_PURGE)
        store_answer(store, operation, SHARD_OK, (enum shard_cache_action)operation->cache_action);
    else if (extent_takes(store, operation))
        extent_submit(store, operation);
    else
        commit_submit(store, operation);
}

void store_answer(struct store *store, struct shard_operation *operation, enum shard_status status,
                  enum shard_cache_action action)
{
    ASSERT_HOT(store->held_count > 0);
    store->held_count--;
    operation->status = (uint8_t)status;
    operation->cache_action = (uint8_t)action;
    operation_list_append(&store->done, operation);
}

void store_complete(struct store *store, struct io_operation *completed)
{
    ASSERT(completed->owner_kind == STORE_IO && store->io_count > 0);
    store->io_count--;
    store_io_done(store, completed->owner);
}

void store_io_done(struct store *store, struct store_io *io)
{
    switch (io->kind) {
    case STORE_IO_COMMIT_WRITE:
        commit_write_done(store);
        break;
    case STORE_IO_COMMIT_SYNC:
        commit_sync_done(store);
        break;
    case STORE_IO_READ: {
        struct read_job *job = io->job;
        if (io == &job->transfer.io)
            read_record_done(store, job);
        else if (io == &job->step)
            read_step_done(store, job);
        else
            read_lane_done(store, job, CONTAINER_OF(io, struct extent_lane, transfer.io));
        break;
    }
    case STORE_IO_EXTENT_STEP:
        extent_step_done(store, io->job);
        break;
    case STORE_IO_EXTENT_LANE:
        extent_lane_done(store, io->job, CONTAINER_OF(io, struct extent_lane, transfer.io));
        break;
    case STORE_IO_SPARE:
        segment_maker_step_done(store);
        break;
    case STORE_IO_SUPER:
        if (io->job == &store->super_sync)
            super_sync_done(store);
        else
            super_write_done(store);
        break;
    case STORE_IO_CLEANUP:
        if (((struct store_cleanup *)io->job)->is_counted)
            store_end_removal(store->set);
        cleanup_forget(io->job);
        break;
    case STORE_IO_COMPACT_READ:
        compaction_read_done(store);
        break;
    case STORE_IO_COMPACT_FREE:
        compaction_free_done(store, io);
        break;
    case STORE_IO_DIRECTORY:
        directory_sync_done(store);
        break;
    case STORE_IO_SCRUB:
        scrub_read_done(store);
        break;
    case STORE_IO_SCRUB_EXTENT:
        scrub_extent_step_done(store, io);
        break;
    }
}

static void check_deadlines(struct store *store)
{
    if (store->held_count == 0 || store->now_ns < store->deadline_check_ns)
        return;
    store->deadline_check_ns = store->now_ns + DEADLINE_CHECK_NS;
    commit_check_deadlines(store);
    read_check_deadlines(store);
    extent_check_deadlines(store);
    watch_check_deadlines(store);
}

void store_advance(struct store *store)
{
    store->now_ns = io_now_ns(store->loop);
    backlog_submit(store);
    check_deadlines(store);
    super_advance(store);
    directory_sync_advance(store);
    segment_maker_advance(store);
    extent_advance(store);
    compaction_advance(store);
    scrub_advance(store);
    commit_advance(store);
    start_late_cleanups(store);
    read_advance(store);
    backlog_submit(store);
    io_flush(store->loop);
}

uint32_t store_reap(struct store *store, struct shard_operation **out, uint32_t limit)
{
    uint32_t count = 0;
    while (count < limit && store->done.head != NULL)
        out[count++] = operation_list_pop(&store->done);
    return count;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t store_next_deadline_ns(const struct store *store)
{
    if (store->done.head != NULL)
        return 0;
    uint64_t next = commit_next_deadline_ns(store);
    next = earlier(next, segment_maker_next_deadline_ns(store));
    next = earlier(next, compaction_next_deadline_ns(store));
    next = earlier(next, scrub_next_deadline_ns(store));
    next = earlier(next, directory_sync_next_deadline_ns(store));
    if (store->held_count > 0)
        next = earlier(next, store->deadline_check_ns);
    return next;
}

bool store_is_idle(const struct store *store)
{
    if (store->held_count > store->watch_count || store->done.head != NULL)
        return false; /* who only waits for news does not keep a drain waiting */
    /* compaction commits for itself; it does not keep a drain waiting */
    return commit_is_idle(store) || store->compactor.pending_copies > 0;
}

void store_set_status(const struct store_set *set, struct store_status *status)
{
    struct segment_table_sums sums;
    segment_table_sum((struct segment_table *)&set->table, &sums);
    *status = (struct store_status){
        .index_bytes = atomic_load(&set->index_memory.used_bytes),
        .live_bytes = sums.live_bytes + atomic_load(&set->extent_bytes),
        .dead_bytes = sums.dead_bytes,
        .disk_bytes = sums.disk_bytes + atomic_load(&set->extent_bytes),
        .quarantined_segments = sums.quarantined_count,
        .sync_method = sync_method_name(set),
        .sync_fdatasync_us = set->super->sync_fdatasync_us,
        .sync_dsync_us = set->super->sync_dsync_us,
        .failed_shards = atomic_load(&set->failed_streams),
        .is_full = atomic_load(&set->table.is_full),
    };
    for (uint32_t shard = 0; shard < VIRTUAL_SHARDS; shard++)
        status->keys += atomic_load_explicit(&set->key_count[shard], memory_order_relaxed);
    status->scrub_pass_ms = UINT64_MAX;
    for (uint32_t thread = 0; thread < set->thread_count; thread++)
        status->scrub_pass_ms =
            earlier(status->scrub_pass_ms, atomic_load(&set->scrub_pass_ms[thread]));
}

const struct space_counts *store_set_space_counts(const struct store_set *set)
{
    return set->space_counts;
}

bool store_set_hold(struct store_set *set, uint64_t until_ns)
{
    atomic_store(&set->hold_until_ns, until_ns);
    return until_ns == 0 || atomic_load(&set->removals) == 0;
}

void store_set_identity(const struct store_set *set, uint64_t uuid_words[2], uint64_t *epoch)
{
    uuid_words[0] = set->uuid.words[0];
    uuid_words[1] = set->uuid.words[1];
    *epoch = set->epoch;
}
