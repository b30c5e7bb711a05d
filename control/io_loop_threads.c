/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The thread-pool back end, for places where io_uring is forbidden (containers) or invisible to a
 * tool (ThreadSanitizer). Files block pool threads; sockets are polled by the loop's own thread, so
 * that a silent client never occupies a pool thread.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "control/io_loop_backend.h"
#include "include/assert_policy.h"
#include "include/clock.h"

#define POOL_THREADS_MAX 8u
#define FIXED_POLLS 2u /* wake_fd and done_fd */

struct threads_loop {
    struct io_loop base;
    /* the loop's thread only */
    struct io_queue unstarted;  /* submitted, not flushed */
    struct io_queue on_sockets; /* waiting for readiness */
    struct pollfd *polls;       /* FIXED_POLLS, then one per waiting socket operation */
    uint32_t thread_count;
    pthread_t threads[POOL_THREADS_MAX];
    int done_fd; /* eventfd: pool threads write, the loop's thread polls */
    /* shared with the pool, under `mutex` */
    pthread_mutex_t mutex;
    pthread_cond_t has_work;
    struct io_queue work;
    struct io_queue done;
    bool is_stopping;
};

static struct threads_loop *of(struct io_loop *loop)
{
    return (struct threads_loop *)loop;
}

static bool is_socket_operation(const struct io_operation *operation)
{
    return operation->code == IO_ACCEPT || operation->code == IO_RECEIVE ||
           operation->code == IO_SEND;
}

static void announce_done(struct threads_loop *self)
{
    uint64_t one = 1;
    ssize_t ignored = write(self->done_fd, &one, sizeof(one));
    (void)ignored; /* a full counter wakes the loop as well */
}

static void *pool_thread_run(void *argument)
{
    struct threads_loop *self = argument;
    pthread_setname_np(pthread_self(), "io-pool");
    pthread_mutex_lock(&self->mutex);
    for (;;) {
        struct io_operation *operation = io_queue_pop(&self->work);
        if (operation) {
            pthread_mutex_unlock(&self->mutex);
            operation->result = io_system_run(operation);
            pthread_mutex_lock(&self->mutex);
            io_queue_push(&self->done, operation);
            announce_done(self);
        } else if (self->is_stopping) {
            break;
        } else {
            pthread_cond_wait(&self->has_work, &self->mutex);
        }
    }
    pthread_mutex_unlock(&self->mutex);
    return NULL;
}

static void threads_submit(struct io_loop *loop, struct io_operation *operation)
{
    io_queue_push(&of(loop)->unstarted, operation);
}

static void threads_flush(struct io_loop *loop)
{
    struct threads_loop *self = of(loop);
    struct io_operation *operation;
    if (!self->unstarted.first)
        return;
    pthread_mutex_lock(&self->mutex);
    while ((operation = io_queue_pop(&self->unstarted)) != NULL) {
        if (is_socket_operation(operation)) {
            io_queue_push(&self->on_sockets, operation);
        } else {
            io_queue_push(&self->work, operation);
            pthread_cond_signal(&self->has_work);
        }
    }
    pthread_mutex_unlock(&self->mutex);
}

/* Fills the poll table from the waiting socket operations, in their order. */
static nfds_t fill_polls(struct threads_loop *self)
{
    nfds_t count = FIXED_POLLS;
    self->polls[0] = (struct pollfd){.fd = self->base.wake_fd, .events = POLLIN};
    self->polls[1] = (struct pollfd){.fd = self->done_fd, .events = POLLIN};
    for (struct io_operation *op = self->on_sockets.first; op; op = op->next) {
        ASSERT(count < FIXED_POLLS + self->base.depth_max);
        self->polls[count++] =
            (struct pollfd){.fd = op->fd, .events = op->code == IO_SEND ? POLLOUT : POLLIN};
    }
    return count;
}

static void run_ready_sockets(struct threads_loop *self)
{
    struct io_queue waiting = self->on_sockets;
    struct io_operation *operation;
    self->on_sockets = (struct io_queue){0};
    for (nfds_t i = FIXED_POLLS; (operation = io_queue_pop(&waiting)) != NULL; i++) {
        int64_t result = self->polls[i].revents ? io_system_run(operation) : -EAGAIN;
        if (result == -EAGAIN)
            io_queue_push(&self->on_sockets, operation);
        else
            io_loop_finish(&self->base, operation, result);
    }
}

static void take_done(struct threads_loop *self)
{
    uint64_t count;
    ssize_t ignored = read(self->done_fd, &count, sizeof(count));
    (void)ignored;
    struct io_operation *operation;
    pthread_mutex_lock(&self->mutex);
    while ((operation = io_queue_pop(&self->done)) != NULL)
        io_loop_finish(&self->base, operation, operation->result);
    pthread_mutex_unlock(&self->mutex);
}

static void poll_and_take(struct threads_loop *self, const struct timespec *timeout)
{
    nfds_t count = fill_polls(self);
    if (ppoll(self->polls, count, timeout, NULL) <= 0)
        return; /* nothing, or a signal */
    if (self->polls[0].revents)
        io_loop_note_wake(&self->base);
    if (self->polls[1].revents)
        take_done(self);
    run_ready_sockets(self);
}

static void threads_collect(struct io_loop *loop)
{
    static const struct timespec no_time;
    poll_and_take(of(loop), &no_time);
}

static void threads_wait(struct io_loop *loop, uint64_t timeout_ns)
{
    struct timespec timeout = {.tv_sec = (time_t)(timeout_ns / NS_PER_S),
                               .tv_nsec = (long)(timeout_ns % NS_PER_S)};
    threads_flush(loop);
    poll_and_take(of(loop), &timeout);
}

static void stop_pool(struct threads_loop *self)
{
    pthread_mutex_lock(&self->mutex);
    self->is_stopping = true;
    pthread_cond_broadcast(&self->has_work);
    pthread_mutex_unlock(&self->mutex);
    for (uint32_t i = 0; i < self->thread_count; i++)
        pthread_join(self->threads[i], NULL);
}

static void threads_destroy(struct io_loop *loop)
{
    struct threads_loop *self = of(loop);
    stop_pool(self);
    pthread_cond_destroy(&self->has_work);
    pthread_mutex_destroy(&self->mutex);
    if (self->done_fd >= 0)
        close(self->done_fd);
    free(self->polls);
    free(self);
}

static const struct io_backend_calls threads_calls = {
    .name = "threads",
    .destroy = threads_destroy,
    .submit = threads_submit,
    .flush = threads_flush,
    .collect = threads_collect,
    .wait = threads_wait,
    .is_dead = io_system_is_dead,
    .list_directory = io_system_list_directory,
    .make_directory = io_system_make_directory,
    .file_size = io_system_file_size,
    .file_links = io_system_file_links,
    .free_space = io_system_free_space,
    .lock = io_system_lock,
    .now_ns = io_system_now_ns,
    .wall_ms = io_system_wall_ms,
    .random_u64 = io_system_random_u64,
};

/* Signals belong to the threads that expect them. */
static int start_pool(struct threads_loop *self)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    uint32_t wanted =
        self->base.depth_max < POOL_THREADS_MAX ? self->base.depth_max : POOL_THREADS_MAX;
    int status = 0;
    while (self->thread_count < wanted && status == 0) {
        status = pthread_create(&self->threads[self->thread_count], NULL, pool_thread_run, self);
        if (status == 0)
            self->thread_count++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return self->thread_count > 0 ? 0 : -status; /* fewer threads are slower, not wrong */
}

int io_threads_loop_create(const struct io_loop_config *config, struct io_loop **loop)
{
    struct threads_loop *self = calloc(1, sizeof(*self));
    if (!self)
        return -ENOMEM;
    self->base = (struct io_loop){
        .calls = &threads_calls, .depth_max = config->depth_max, .wake_fd = config->wake_fd};
    pthread_mutex_init(&self->mutex, NULL);
    pthread_cond_init(&self->has_work, NULL);
    int status = -ENOMEM;
    self->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    self->polls = calloc(FIXED_POLLS + config->depth_max, sizeof(*self->polls));
    if (self->done_fd < 0)
        status = -errno;
    else if (self->polls)
        status = start_pool(self);
    if (status < 0) {
        threads_destroy(&self->base);
        return status;
    }
    *loop = &self->base;
    return 0;
}
