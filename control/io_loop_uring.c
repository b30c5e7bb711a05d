/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The io_uring back end: one ring per thread, created on it.
 *
 * No links: a short write would silently break a chain, and a write that is not linked has no order
 * with a sync that follows it. The caller submits the sync when the write's completion is whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "control/io_loop_backend.h"
#include "include/assert_policy.h"
#include "include/clock.h"
#include "include/log.h"

#define WAKE_TAG 1u     /* user_data of the poll on wake_fd: never a pointer */
#define POLL_ENTRIES 1u /* that poll has a submission slot of its own */
#define CQ_FACTOR 4u    /* completions may pile up between two reaps without overflowing */
/* fsync always runs on a kernel worker; more of them than this only queue up in the device. */
#define KERNEL_WORKERS_MAX 8u

struct uring_loop {
    struct io_loop base;
    struct io_uring ring;
    bool is_poll_armed;
};

/*
 * Newest first; the kernel answers EINVAL to flags it does not know. DEFER_TASKRUN and
 * SINGLE_ISSUER came with 6.1 and 6.0, COOP_TASKRUN and TASKRUN_FLAG with 5.19, SUBMIT_ALL
 * with 5.18. TASKRUN_FLAG is what makes looking at the completion queue without a system call safe.
 */
static const unsigned flag_ladder[] = {
    IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_COOP_TASKRUN |
        IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
    IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_COOP_TASKRUN |
        IORING_SETUP_TASKRUN_FLAG,
    IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL,
    IORING_SETUP_CQSIZE,
};

static struct uring_loop *of(struct io_loop *loop)
{
    return (struct uring_loop *)loop;
}

static struct io_uring_sqe *next_sqe(struct uring_loop *self)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&self->ring);
    ASSERT(sqe); /* the ring has a slot for every operation that depth_max allows */
    memset(sqe, 0, sizeof(*sqe));
    return sqe;
}

static void arm_wake_poll(struct uring_loop *self)
{
    if (self->is_poll_armed || self->base.wake_fd < 0)
        return;
    struct io_uring_sqe *sqe = next_sqe(self);
    io_uring_prep_poll_multishot(sqe, self->base.wake_fd, POLLIN);
    io_uring_sqe_set_data64(sqe, WAKE_TAG);
    self->is_poll_armed = true;
}

static void prepare(struct io_uring_sqe *sqe, const struct io_operation *op)
{
    switch ((enum io_code)op->code) {
    case IO_READ:
        io_uring_prep_read(sqe, op->fd, op->buffer, op->bytes, op->offset);
        break;
    case IO_WRITE:
        io_uring_prep_write(sqe, op->fd, op->buffer, op->bytes, op->offset);
        break;
    case IO_WRITE_DURABLE:
        io_uring_prep_write(sqe, op->fd, op->buffer, op->bytes, op->offset);
        sqe->rw_flags = RWF_DSYNC;
        break;
    case IO_SYNC_DATA:
        io_uring_prep_fsync(sqe, op->fd, IORING_FSYNC_DATASYNC);
        break;
    case IO_SYNC_ALL:
        io_uring_prep_fsync(sqe, op->fd, 0);
        break;
    case IO_OPEN:
        io_uring_prep_openat(sqe, op->directory_fd, op->path, op->open_flags | O_CLOEXEC, op->mode);
        break;
    case IO_CLOSE:
        io_uring_prep_close(sqe, op->fd);
        break;
    case IO_ALLOCATE:
        io_uring_prep_fallocate(sqe, op->fd, 0, (off_t)op->offset, (off_t)op->bytes);
        break;
    case IO_RENAME:
        io_uring_prep_renameat(sqe, op->directory_fd, op->path, op->directory_fd, op->other_path,
                               0);
        break;
    case IO_UNLINK:
        io_uring_prep_unlinkat(sqe, op->directory_fd, op->path, 0);
        break;
    case IO_LINK:
        io_uring_prep_linkat(sqe, op->directory_fd, op->path, op->directory_fd, op->other_path, 0);
        break;
    case IO_ACCEPT:
        io_uring_prep_accept(sqe, op->fd, NULL, NULL, SOCK_CLOEXEC);
        break;
    case IO_RECEIVE:
        io_uring_prep_recv(sqe, op->fd, op->buffer, op->bytes, 0);
        break;
    case IO_SEND:
        io_uring_prep_send(sqe, op->fd, op->buffer, op->bytes, MSG_NOSIGNAL);
        break;
    case IO_TRUNCATE: /* uring_submit does it */
    case IO_CODE_COUNT:
        UNREACHABLE();
    }
}

static void uring_submit(struct io_loop *loop, struct io_operation *operation)
{
    /* Linux 6.1 has no IORING_OP_FTRUNCATE (it came with 6.9): done here and now. It is rare. */
    if (operation->code == IO_TRUNCATE) {
        io_loop_finish(loop, operation, io_system_run(operation));
        return;
    }
    struct io_uring_sqe *sqe = next_sqe(of(loop));
    prepare(sqe, operation);
    io_uring_sqe_set_data(sqe, operation);
}

/* The kernel is short of memory or of completion slots: what was not taken stays in the ring. */
static bool is_passing(int status)
{
    return status == -EAGAIN || status == -EBUSY || status == -EINTR;
}

static void uring_flush(struct io_loop *loop)
{
    struct uring_loop *self = of(loop);
    arm_wake_poll(self);
    if (io_uring_sq_ready(&self->ring) == 0)
        return;
    int status = io_uring_submit(&self->ring);
    ASSERT(status >= 0 || is_passing(status));
}

static void uring_collect(struct io_loop *loop)
{
    struct uring_loop *self = of(loop);
    struct io_uring_cqe *batch[64];
    unsigned count;
    /* Enters the kernel only when it has flagged work for us (TASKRUN_FLAG). */
    while ((count = io_uring_peek_batch_cqe(&self->ring, batch, ARRAY_COUNT(batch))) > 0) {
        for (unsigned i = 0; i < count; i++) {
            if (batch[i]->user_data == WAKE_TAG) {
                self->is_poll_armed = (batch[i]->flags & IORING_CQE_F_MORE) != 0;
                io_loop_note_wake(loop);
            } else {
                io_loop_finish(loop, io_uring_cqe_get_data(batch[i]), batch[i]->res);
            }
        }
        io_uring_cq_advance(&self->ring, count);
    }
}

static void uring_wait(struct io_loop *loop, uint64_t timeout_ns)
{
    struct uring_loop *self = of(loop);
    struct __kernel_timespec timeout = {.tv_sec = (int64_t)(timeout_ns / NS_PER_S),
                                        .tv_nsec = (long long)(timeout_ns % NS_PER_S)};
    struct io_uring_cqe *cqe = NULL;
    arm_wake_poll(self); /* a terminated multishot poll is armed again before every sleep */
    int status = io_uring_submit_and_wait_timeout(&self->ring, &cqe, 1, &timeout, NULL);
    ASSERT(status >= 0 || status == -ETIME || is_passing(status));
    uring_collect(loop);
}

static void uring_destroy(struct io_loop *loop)
{
    io_uring_queue_exit(&of(loop)->ring);
    free(loop);
}

static const struct io_backend_calls uring_calls = {
    .name = "io_uring",
    .destroy = uring_destroy,
    .submit = uring_submit,
    .flush = uring_flush,
    .collect = uring_collect,
    .wait = uring_wait,
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

static int open_ring(struct io_uring *ring, const struct io_loop_config *config)
{
    unsigned entries = config->depth_max + POLL_ENTRIES;
    int status = -EINVAL;
    for (size_t i = 0; i < ARRAY_COUNT(flag_ladder) && status == -EINVAL; i++) {
        if (flag_ladder[i] & config->refused_flags)
            continue;
        struct io_uring_params parameters = {.flags = flag_ladder[i],
                                             .cq_entries = entries * CQ_FACTOR};
        status = io_uring_queue_init_params(entries, ring, &parameters);
    }
    return status;
}

/* A kernel without one of these is as good as a kernel without io_uring. */
static int check_kernel(struct io_uring *ring, const struct io_loop_config *config)
{
    static const int needed[] = {
        IORING_OP_READ,     IORING_OP_WRITE,     IORING_OP_FSYNC,    IORING_OP_OPENAT,
        IORING_OP_CLOSE,    IORING_OP_FALLOCATE, IORING_OP_RENAMEAT, IORING_OP_UNLINKAT,
        IORING_OP_LINKAT,   IORING_OP_ACCEPT,    IORING_OP_RECV,     IORING_OP_SEND,
        IORING_OP_POLL_ADD,
    };
    uint32_t features = ring->features & ~config->refused_features;
    if ((features & IORING_FEAT_EXT_ARG) == 0) /* waiting with a timeout, Linux 5.11 */
        return -ENOSYS;
    struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
    if (!probe)
        return -ENOSYS;
    int status = 0;
    for (size_t i = 0; i < ARRAY_COUNT(needed); i++)
        if (!io_uring_opcode_supported(probe, needed[i]))
            status = -ENOSYS;
    io_uring_free_probe(probe);
    return status;
}

int io_uring_loop_create(const struct io_loop_config *config, struct io_loop **loop)
{
    struct uring_loop *self = calloc(1, sizeof(*self));
    if (!self)
        return -ENOMEM;
    self->base = (struct io_loop){
        .calls = &uring_calls, .depth_max = config->depth_max, .wake_fd = config->wake_fd};
    int status = open_ring(&self->ring, config);
    if (status < 0)
        goto free_loop;
    status = check_kernel(&self->ring, config);
    if (status < 0)
        goto close_ring;
    unsigned workers_max[2] = {KERNEL_WORKERS_MAX, KERNEL_WORKERS_MAX};
    status = io_uring_register_iowq_max_workers(&self->ring, workers_max);
    if (status < 0) /* before Linux 5.15 there is no cap: it works, with more kernel threads */
        log_debug("io: cannot cap io_uring's kernel workers: %s", strerror(-status));
    self->base.setup_flags = self->ring.flags;
    *loop = &self->base;
    return 0;

close_ring:
    io_uring_queue_exit(&self->ring);
free_loop:
    free(self);
    return status;
}
