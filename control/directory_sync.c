/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/directory_sync.h"

#include <errno.h>

#include "control/planted_bugs.h"
#include "include/assert_policy.h"

#define TURN_CHECK_NS (100 * UINT64_C(1000)) /* a sync takes about as long, or much longer */

static uint64_t bit_of(const struct store *store)
{
    return UINT64_C(1) << store->thread_index;
}

static bool take_turn(struct store *store)
{
    struct directory_turn *turn = &store->set->directory_turn;
    pthread_mutex_lock(&turn->mutex);
    bool is_ours = turn->holder == 0 || turn->holder == bit_of(store);
    if (is_ours) {
        turn->holder = bit_of(store);
        turn->waiting &= ~bit_of(store);
    } else {
        turn->waiting |= bit_of(store);
    }
    pthread_mutex_unlock(&turn->mutex);
    return is_ours;
}

/* To the next thread that waits, so that none does for ever. */
static void pass_turn(struct store *store)
{
    struct directory_turn *turn = &store->set->directory_turn;
    pthread_mutex_lock(&turn->mutex);
    if (turn->holder == bit_of(store)) {
        uint64_t below_or_equal = (bit_of(store) << 1) - 1;
        uint64_t above = turn->waiting & ~below_or_equal;
        uint64_t candidates = above != 0 ? above : turn->waiting;
        turn->holder = candidates & -candidates;
        turn->waiting &= ~turn->holder;
    }
    pthread_mutex_unlock(&turn->mutex);
}

static void start(struct store *store)
{
    struct directory_sync *sync = &store->directory_sync;
    sync->covered = sync->waiting_head;
    sync->waiting_head = sync->waiting_tail = NULL;
    sync->io.operation = (struct io_operation){.code = IO_SYNC_ALL, .fd = store->set->directory_fd};
    store_io_start(store, &sync->io, STORE_IO_DIRECTORY, NULL);
}

/* A store that closes acknowledges nothing any more, so it need not wait. */
void directory_sync_advance(struct store *store)
{
    struct directory_sync *sync = &store->directory_sync;
    if (sync->waiting_head == NULL || sync->covered != NULL)
        return;
    if (take_turn(store) || store->is_closing || planted_bug(PLANTED_DIRECTORY_TOGETHER))
        start(store);
    else
        sync->turn_check_ns = store->now_ns + TURN_CHECK_NS;
}

void directory_sync_wait(struct store *store, struct store_io *io, enum store_io_kind kind,
                         void *job)
{
    struct directory_sync *sync = &store->directory_sync;
    io->kind = kind;
    io->job = job;
    io->next = NULL;
    if (sync->waiting_tail != NULL)
        sync->waiting_tail->next = io;
    else
        sync->waiting_head = io;
    sync->waiting_tail = io;
    directory_sync_advance(store);
}

void directory_sync_done(struct store *store)
{
    struct directory_sync *sync = &store->directory_sync;
    struct store_set *set = store->set;
    int64_t result = sync->io.operation.result;
    if (result == -EINTR || result == -EAGAIN) {
        store_io_start(store, &sync->io, STORE_IO_DIRECTORY, NULL);
        return;
    }
    if (result < 0)
        store_directory_failed(set, (int)result);
    else if (atomic_load(&set->directory_failed))
        result = -EIO; /* what an earlier one lost, this one did not save */
    struct store_io *io = sync->covered;
    sync->covered = NULL;
    pass_turn(store);
    while (io != NULL) {
        struct store_io *next = io->next;
        io->operation.result = result;
        store_io_done(store, io);
        io = next;
    }
    directory_sync_advance(store);
}

uint64_t directory_sync_next_deadline_ns(const struct store *store)
{
    const struct directory_sync *sync = &store->directory_sync;
    return sync->waiting_head != NULL && sync->covered == NULL ? sync->turn_check_ns : UINT64_MAX;
}

void directory_sync_detach(struct store *store)
{
    struct directory_turn *turn = &store->set->directory_turn;
    pass_turn(store);
    pthread_mutex_lock(&turn->mutex);
    turn->waiting &= ~bit_of(store);
    pthread_mutex_unlock(&turn->mutex);
}
