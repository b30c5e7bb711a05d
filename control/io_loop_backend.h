/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * io_loop_backend.h - what a back end of the I/O loop provides; private to control/io_loop*.c.
 *
 * Purpose:   io_loop.c keeps the depth limit and the order of completions; a back end starts
 *            operations and finds out when they are done.
 * Ownership: a back end embeds struct io_loop as its first member.
 * Threading: as io_loop.h; only finished operations cross threads, inside the thread pool.
 * Units:     as io_loop.h.
 * Errors:    as io_loop.h.
 * Source:    none.
 */
#ifndef GANNET_IO_LOOP_BACKEND_H
#define GANNET_IO_LOOP_BACKEND_H

#include "control/io_loop.h"

struct io_backend_calls {
    const char *name;
    void (*destroy)(struct io_loop *loop); /* everything has completed, or the loop is dead */
    void (*submit)(struct io_loop *loop, struct io_operation *operation);
    void (*flush)(struct io_loop *loop);
    void (*collect)(struct io_loop *loop); /* io_loop_finish for all that is done; never blocks */
    void (*wait)(struct io_loop *loop, uint64_t timeout_ns); /* collects when it wakes */
    bool (*is_dead)(const struct io_loop *loop); /* crashed: nothing completes any more */
    int (*list_directory)(struct io_loop *loop, const char *path, io_directory_entry entry,
                          void *context);
    int (*make_directory)(struct io_loop *loop, const char *path, uint32_t mode);
    int64_t (*file_size)(struct io_loop *loop, int fd);
    int64_t (*file_links)(struct io_loop *loop, int fd);
    int (*free_space)(struct io_loop *loop, int fd, uint64_t *bytes);
    int (*lock)(struct io_loop *loop, int fd);
    uint64_t (*now_ns)(struct io_loop *loop);
    uint64_t (*wall_ms)(struct io_loop *loop);
    uint64_t (*random_u64)(struct io_loop *loop);
};

/* A list of operations in order, through their `next`. */
struct io_queue {
    struct io_operation *first, *last;
};

static inline void io_queue_push(struct io_queue *queue, struct io_operation *operation)
{
    operation->next = NULL;
    if (queue->last)
        queue->last->next = operation;
    else
        queue->first = operation;
    queue->last = operation;
}

static inline struct io_operation *io_queue_pop(struct io_queue *queue)
{
    struct io_operation *operation = queue->first;
    if (!operation)
        return NULL;
    queue->first = operation->next;
    if (!queue->first)
        queue->last = NULL;
    operation->next = NULL;
    return operation;
}

struct io_loop {
    const struct io_backend_calls *calls;
    uint32_t depth_max;
    uint32_t in_flight_count; /* submitted and not reaped */
    uint32_t finished_count;  /* of these: done, waiting in `finished` */
    struct io_queue finished;
    int wake_fd;
    uint32_t setup_flags; /* io_uring's */
    /*
     * The wake-up was seen, perhaps by io_reap between the caller's announcement and its io_wait:
     * remembered, so that this io_wait still returns at once.
     */
    bool was_woken;
};

static inline void io_loop_finish(struct io_loop *loop, struct io_operation *operation,
                                  int64_t result)
{
    operation->result = result;
    io_queue_push(&loop->finished, operation);
    loop->finished_count++;
}

/* wake_fd was readable: empties it and remembers. */
void io_loop_note_wake(struct io_loop *loop);

/* The real operating system, blocking: shared by the back ends that use it. */
int64_t io_system_run(const struct io_operation *operation);
int io_system_list_directory(struct io_loop *loop, const char *path, io_directory_entry entry,
                             void *context);
int io_system_make_directory(struct io_loop *loop, const char *path, uint32_t mode);
int64_t io_system_file_size(struct io_loop *loop, int fd);
int64_t io_system_file_links(struct io_loop *loop, int fd);
int io_system_free_space(struct io_loop *loop, int fd, uint64_t *bytes);
int io_system_lock(struct io_loop *loop, int fd);
uint64_t io_system_now_ns(struct io_loop *loop);
uint64_t io_system_wall_ms(struct io_loop *loop);
uint64_t io_system_random_u64(struct io_loop *loop);
bool io_system_is_dead(const struct io_loop *loop);

static inline bool io_code_is_write(uint8_t code)
{
    return code == IO_WRITE || code == IO_WRITE_DURABLE;
}

/* Those that a disk must have finished before they complete. */
static inline bool io_code_is_sync(uint8_t code)
{
    return code == IO_WRITE_DURABLE || code == IO_SYNC_DATA || code == IO_SYNC_ALL;
}

/* The length that IO_ALLOCATE ends at and IO_TRUNCATE cuts to. */
static inline uint64_t io_end_offset(const struct io_operation *operation)
{
    return operation->offset + operation->bytes;
}

int io_uring_loop_create(const struct io_loop_config *config, struct io_loop **loop);
int io_threads_loop_create(const struct io_loop_config *config, struct io_loop **loop);

#endif
