/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/segment_maker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/directory_sync.h"
#include "include/assert_policy.h"
#include "include/counters.h"
#include "include/log.h"

#define ZERO_BYTES (1u << 20)
#define ALLOCATE_BYTES_MAX (1u << 30)

int segment_maker_init(struct segment_maker *maker)
{
    maker->state = MAKER_IDLE;
    maker->fd = -1;
    maker->buffer = aligned_alloc(BLOCK_BYTES, ZERO_BYTES);
    if (maker->buffer == NULL)
        return -ENOMEM;
    memset(maker->buffer, 0, ZERO_BYTES);
    return 0;
}

void segment_maker_destroy(struct segment_maker *maker)
{
    free(maker->buffer);
}

uint32_t segment_spares_wanted(const struct store_set *set)
{
    return set->table.reserve_count + set->thread_count;
}

static struct io_operation write_operation(const struct segment_maker *maker, uint64_t offset,
                                           uint32_t bytes)
{
    return (struct io_operation){.code = IO_WRITE,
                                 .fd = maker->fd,
                                 .buffer = maker->buffer,
                                 .offset = offset,
                                 .bytes = bytes};
}

/* The operation of the current state. */
static struct io_operation maker_operation(const struct store_set *set, struct segment_maker *maker)
{
    const struct segment *segment = maker->segment;
    uint64_t left = segment->bytes - maker->offset;
    switch ((enum maker_state)maker->state) {
    case MAKER_OPEN:
        return (struct io_operation){.code = IO_OPEN,
                                     .directory_fd = set->directory_fd,
                                     .path = maker->new_name,
                                     .open_flags =
                                         O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | set->direct_flag,
                                     .mode = 0600};
    case MAKER_ALLOCATE:
        return (struct io_operation){
            .code = IO_ALLOCATE,
            .fd = maker->fd,
            .offset = maker->offset,
            .bytes = (uint32_t)(left < ALLOCATE_BYTES_MAX ? left : ALLOCATE_BYTES_MAX)};
    case MAKER_ZERO:
        return write_operation(maker, maker->offset,
                               (uint32_t)(left < ZERO_BYTES ? left : ZERO_BYTES));
    case MAKER_HEADER:
        segment_header_make((struct segment_header *)(void *)maker->buffer, &set->uuid, segment->id,
                            maker->generation, segment->bytes, set->epoch);
        return write_operation(maker, maker->generation % 2 * BLOCK_BYTES, BLOCK_BYTES);
    case MAKER_SYNC:
        return (struct io_operation){.code = IO_SYNC_ALL, .fd = maker->fd};
    case MAKER_RENAME:
        return (struct io_operation){.code = IO_RENAME,
                                     .directory_fd = set->directory_fd,
                                     .path = maker->new_name,
                                     .other_path = maker->name};
    case MAKER_SYNC_DIRECTORY:
        return (struct io_operation){.code = IO_SYNC_ALL, .fd = set->directory_fd};
    case MAKER_UNDO_CLOSE:
        return (struct io_operation){.code = IO_CLOSE, .fd = maker->fd};
    case MAKER_UNDO_UNLINK:
        return (struct io_operation){
            .code = IO_UNLINK, .directory_fd = set->directory_fd, .path = maker->new_name};
    case MAKER_IDLE:
        break;
    }
    UNREACHABLE();
}

static bool maker_begin(struct store_set *set, struct segment_maker *maker)
{
    maker->segment = segment_table_new(&set->table);
    if (maker->segment == NULL)
        return false;
    maker->segment->bytes = set->sizes.segment_bytes;
    /* higher than anything this id may have had before: links to old lives never match */
    uint64_t fresh = set->epoch << 32;
    maker->generation =
        maker->segment->generation >= fresh ? maker->segment->generation + 1 : fresh;
    maker->offset = 0;
    maker->retry_count = 0;
    maker->error = 0;
    maker->fd = -1;
    memset(maker->buffer, 0, BLOCK_BYTES);
    segment_file_name(maker->name, maker->segment->id);
    snprintf(maker->new_name, sizeof(maker->new_name), "seg-%08x.new", maker->segment->id);
    maker->state = MAKER_OPEN;
    return true;
}

static void maker_undo(struct store_set *set, struct segment_maker *maker, int error)
{
    if (maker->error == 0)
        maker->error = error;
    if (maker->state == MAKER_SYNC_DIRECTORY) /* at once: it may have lost others' names too */
        store_directory_failed(set, error);
    if (maker->state < MAKER_UNDO_CLOSE && maker->fd >= 0)
        maker->state = MAKER_UNDO_CLOSE;
    else if (maker->state < MAKER_UNDO_UNLINK)
        maker->state = MAKER_UNDO_UNLINK;
    else
        maker->state = MAKER_IDLE;
}

static void maker_advance_offset(struct segment_maker *maker, uint64_t bytes,
                                 enum maker_state following)
{
    maker->offset += bytes;
    if (maker->offset < maker->segment->bytes)
        return;
    maker->offset = 0;
    maker->state = (uint8_t)following;
}

/* Takes one result; the state says what comes next, MAKER_IDLE that it is over. */
static void maker_result(struct store_set *set, struct segment_maker *maker,
                         const struct io_operation *done)
{
    int64_t result = done->result;
    bool is_undoing = maker->state >= MAKER_UNDO_CLOSE;
    if (maker->state == MAKER_UNDO_CLOSE)
        result = 0;
    if (maker->state == MAKER_ALLOCATE && result == -EOPNOTSUPP)
        result = 0; /* the zeros will do */
    bool is_transient = result == -EINTR || result == -EAGAIN;
    bool is_write = maker->state == MAKER_ZERO || maker->state == MAKER_HEADER;
    bool is_short = is_write && result >= 0 && result < (int64_t)done->bytes;
    if (is_transient || (is_short && result < (int64_t)BLOCK_BYTES)) {
        if (++maker->retry_count > TRANSFER_RETRIES_MAX)
            maker_undo(set, maker, -EIO);
        return;
    }
    if (result < 0 || is_undoing) {
        maker_undo(set, maker, result < 0 ? (int)result : 0);
        return;
    }
    switch ((enum maker_state)maker->state) {
    case MAKER_OPEN:
        maker->fd = (int)result;
        maker->state = MAKER_ALLOCATE;
        return;
    case MAKER_ALLOCATE:
        maker_advance_offset(maker, done->bytes, MAKER_ZERO);
        return;
    case MAKER_ZERO:
        maker_advance_offset(maker, (uint64_t)result & ~(uint64_t)(BLOCK_BYTES - 1), MAKER_HEADER);
        return;
    case MAKER_HEADER:
        maker->state = MAKER_SYNC;
        return;
    case MAKER_SYNC:
        maker->state = MAKER_RENAME;
        return;
    case MAKER_RENAME:
        maker->state = MAKER_SYNC_DIRECTORY;
        return;
    default:
        maker->state = MAKER_IDLE;
        return;
    }
}

static void maker_finish(struct store_set *set, struct segment_maker *maker)
{
    if (maker->error != 0) {
        if (!atomic_exchange(&set->table.is_full, true))
            log_warning("store: no new segment in %s: %s. New values are refused until there is "
                        "space; reads and deletes go on",
                        set->directory, strerror(-maker->error));
        return;
    }
    struct segment *segment = maker->segment;
    segment->fd = maker->fd;
    segment->generation = maker->generation;
    segment_table_put_spare(&set->table, segment);
}

int segment_maker_run(struct store_set *set, struct io_loop *loop, struct segment_maker *maker)
{
    if (!maker_begin(set, maker))
        return -ENOMEM;
    while (maker->state != MAKER_IDLE) {
        struct io_operation operation = maker_operation(set, maker);
        operation.result = store_run(loop, &operation);
        if (operation.result == -ECANCELED)
            return -ECANCELED;
        maker_result(set, maker, &operation);
    }
    maker_finish(set, maker);
    return maker->error;
}

/* ---- beside the server's work ---- */

static bool claim(struct store_set *set)
{
    struct segment_table *table = &set->table;
    pthread_mutex_lock(&table->mutex);
    bool is_claimed =
        !table->is_making && atomic_load(&table->spare_count) < segment_spares_wanted(set);
    if (is_claimed)
        table->is_making = true;
    pthread_mutex_unlock(&table->mutex);
    return is_claimed;
}

static void unclaim(struct store_set *set)
{
    pthread_mutex_lock(&set->table.mutex);
    set->table.is_making = false;
    pthread_mutex_unlock(&set->table.mutex);
}

static void maker_submit(struct store *store)
{
    if (store->maker.state == MAKER_SYNC_DIRECTORY) {
        directory_sync_wait(store, &store->maker.io, STORE_IO_SPARE, NULL);
        return;
    }
    store->maker.io.operation = maker_operation(store->set, &store->maker);
    store_io_start(store, &store->maker.io, STORE_IO_SPARE, NULL);
}

void segment_maker_advance(struct store *store)
{
    struct store_set *set = store->set;
    if (store->maker.state != MAKER_IDLE || store->is_closing ||
        atomic_load(&set->directory_failed) || store->now_ns < store->maker_retry_ns ||
        atomic_load(&set->table.spare_count) >= segment_spares_wanted(set) || !claim(set))
        return;
    store->maker_retry_ns = store->now_ns + SPARE_RETRY_NS;
    if (!store_disk_has_room(store, set->sizes.segment_bytes)) {
        store->maker.error = -ENOSPC;
        maker_finish(set, &store->maker);
        unclaim(set);
        return;
    }
    if (!maker_begin(set, &store->maker)) {
        unclaim(set);
        return;
    }
    maker_submit(store);
}

void segment_maker_step_done(struct store *store)
{
    const struct io_operation *done = &store->maker.io.operation;
    if (done->code == IO_WRITE && done->result > 0)
        count_many(store->counters, COUNTER_STORE_BYTES_PREPARED, (uint64_t)done->result);
    maker_result(store->set, &store->maker, done);
    if (store->maker.state != MAKER_IDLE) {
        maker_submit(store);
        return;
    }
    maker_finish(store->set, &store->maker);
    if (store->maker.error == 0)
        store->maker_retry_ns = store->now_ns;
    unclaim(store->set);
}

uint64_t segment_maker_next_deadline_ns(const struct store *store)
{
    const struct store_set *set = store->set;
    if (store->maker.state != MAKER_IDLE || store->is_closing ||
        atomic_load(&set->directory_failed) ||
        atomic_load(&set->table.spare_count) >= segment_spares_wanted(set))
        return UINT64_MAX;
    return store->maker_retry_ns;
}
