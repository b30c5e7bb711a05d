/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/io_loop.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "control/io_loop_backend.h"
#include "include/assert_policy.h"
#include "include/log.h"

#define RUN_TRIES_MAX 100 /* of an operation that EINTR or EAGAIN stopped */
#define WAIT_NS_MAX (UINT64_C(3600) * 1000000000ull) /* kernel timers overflow near UINT64_MAX */

static int check_config(const struct io_loop_config *config)
{
    if (config->depth_max == 0 || config->depth_max > IO_DEPTH_LIMIT) {
        log_error("io: depth_max = %u: allowed 1..%u operations", config->depth_max,
                  IO_DEPTH_LIMIT);
        return -EINVAL;
    }
    if (config->wake_fd >= 0) {
        int flags = fcntl(config->wake_fd, F_GETFL);
        if (flags < 0 || (flags & O_NONBLOCK) == 0) {
            log_error("io: the wake-up descriptor must be a non-blocking eventfd");
            return flags < 0 ? -errno : -EINVAL;
        }
    }
    return 0;
}

int io_loop_create(const struct io_loop_config *config, struct io_loop **loop)
{
    *loop = NULL;
    int status = check_config(config);
    if (status < 0)
        return status;
    if (config->backend == IO_BACKEND_SIMULATOR) {
        log_error("io: a simulated loop is made by io_simulator_loop");
        return -EINVAL;
    }
    if (config->backend == IO_BACKEND_AUTO || config->backend == IO_BACKEND_URING) {
        status = io_uring_loop_create(config, loop);
        if (status == 0)
            return 0;
        if (config->backend == IO_BACKEND_URING) {
            log_error("io: io_uring is not available: %s (control.io: threads works without it)",
                      strerror(-status));
            return status;
        }
        log_warning("io: io_uring is not available (%s): using a pool of threads instead",
                    strerror(-status));
    }
    status = io_threads_loop_create(config, loop);
    if (status < 0)
        log_error("io: cannot start the I/O threads: %s", strerror(-status));
    return status;
}

void io_loop_destroy(struct io_loop *loop)
{
    if (!loop)
        return;
    while (loop->finished_count < loop->in_flight_count && !loop->calls->is_dead(loop))
        loop->calls->wait(loop, WAIT_NS_MAX);
    loop->calls->destroy(loop);
}

const char *io_loop_backend_name(const struct io_loop *loop)
{
    return loop->calls->name;
}

uint32_t io_loop_setup_flags(const struct io_loop *loop)
{
    return loop->setup_flags;
}

bool io_submit(struct io_loop *loop, struct io_operation *operation)
{
    ASSERT(operation->code < IO_CODE_COUNT);
    if (loop->in_flight_count == loop->depth_max)
        return false;
    loop->in_flight_count++;
    operation->next = NULL;
    loop->calls->submit(loop, operation);
    return true;
}

void io_flush(struct io_loop *loop)
{
    loop->calls->flush(loop);
}

uint32_t io_reap(struct io_loop *loop, struct io_operation **out, uint32_t limit)
{
    if (loop->calls->is_dead(loop))
        return 0;
    loop->calls->flush(loop);
    loop->calls->collect(loop);
    uint32_t count = 0;
    while (count < limit && loop->finished.first) {
        out[count++] = io_queue_pop(&loop->finished);
        ASSERT(loop->finished_count > 0 && loop->in_flight_count > 0);
        loop->finished_count--;
        loop->in_flight_count--;
    }
    return count;
}

void io_wait(struct io_loop *loop, uint64_t timeout_ns)
{
    loop->calls->flush(loop);
    loop->calls->collect(loop);
    if (loop->finished_count == 0 && !loop->was_woken && timeout_ns > 0)
        loop->calls->wait(loop, timeout_ns < WAIT_NS_MAX ? timeout_ns : WAIT_NS_MAX);
    loop->was_woken = false;
}

void io_loop_note_wake(struct io_loop *loop)
{
    uint64_t count;
    ssize_t ignored = read(loop->wake_fd, &count, sizeof(count));
    (void)ignored; /* EAGAIN: the caller emptied it first */
    loop->was_woken = true;
}

uint32_t io_in_flight(const struct io_loop *loop)
{
    return loop->in_flight_count;
}

void io_begin(struct io_loop *loop, struct io_operation *operation)
{
    ASSERT(loop->in_flight_count == 0);
    io_submit(loop, operation);
    io_flush(loop);
}

int64_t io_end(struct io_loop *loop, struct io_operation *operation)
{
    struct io_operation *done = NULL;
    while (io_reap(loop, &done, 1) == 0) {
        if (loop->calls->is_dead(loop))
            return -ECANCELED;
        io_wait(loop, WAIT_NS_MAX);
    }
    ASSERT(done == operation);
    return operation->result;
}

int64_t io_run(struct io_loop *loop, struct io_operation *operation)
{
    for (uint32_t tries = 1;; tries++) {
        io_begin(loop, operation);
        int64_t result = io_end(loop, operation);
        bool is_transient = (result == -EINTR || result == -EAGAIN) && operation->code != IO_CLOSE;
        if (!is_transient || tries == RUN_TRIES_MAX)
            return result;
    }
}

int io_list_directory(struct io_loop *loop, const char *path, io_directory_entry entry,
                      void *context)
{
    return loop->calls->list_directory(loop, path, entry, context);
}

int io_make_directory(struct io_loop *loop, const char *path, uint32_t mode)
{
    return loop->calls->make_directory(loop, path, mode);
}

int64_t io_file_size(struct io_loop *loop, int fd)
{
    return loop->calls->file_size(loop, fd);
}

int64_t io_file_links(struct io_loop *loop, int fd)
{
    return loop->calls->file_links(loop, fd);
}

int io_free_space(struct io_loop *loop, int fd, uint64_t *bytes)
{
    return loop->calls->free_space(loop, fd, bytes);
}

int io_lock(struct io_loop *loop, int fd)
{
    return loop->calls->lock(loop, fd);
}

uint64_t io_now_ns(struct io_loop *loop)
{
    return loop->calls->now_ns(loop);
}

uint64_t io_wall_ms(struct io_loop *loop)
{
    return loop->calls->wall_ms(loop);
}

uint64_t io_random_u64(struct io_loop *loop)
{
    return loop->calls->random_u64(loop);
}
