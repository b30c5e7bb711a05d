/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * io_loop.h - the one seam for I/O: submit operations, reap completions, ask for time.
 *
 * Purpose:   everything the store does to the outside world goes through here, so that the same
 *            engine runs on io_uring, on a thread pool, and on a simulated disk that crashes.
 * Ownership: the caller owns the io_operation and its buffer until it is reaped.
 * Threading: one loop belongs to one thread. The io_uring back end creates its ring on that thread.
 * Units:     bytes; _ns monotone.
 * Errors:    io_submit returns false when depth_max operations are in flight (the caller keeps the
 *            operation and submits it after the next reap). Results are counts or negative errno.
 *            Short reads and writes are reported as they are: going on is the caller's decision.
 * Source:    liburing 2.3; io_uring_setup(2) for the flags and the order of fallbacks.
 */
#ifndef GANNET_IO_LOOP_H
#define GANNET_IO_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum io_backend {
    IO_BACKEND_AUTO = 0, /* io_uring, or threads where the kernel refuses it */
    IO_BACKEND_URING,
    IO_BACKEND_THREADS,
    IO_BACKEND_SIMULATOR,
};

enum io_code {
    IO_READ = 0, /* fd, buffer, bytes, offset */
    IO_WRITE,    /* fd, buffer, bytes, offset */
    /*
     * The same (RWF_DSYNC): what the result counts is durable when it completes, with the metadata
     * needed to read it back. It says nothing about any other write, not even of the same file.
     */
    IO_WRITE_DURABLE,
    IO_SYNC_DATA, /* fd: fdatasync */
    IO_SYNC_ALL,  /* fd: fsync (a directory, or a file whose length matters) */
    IO_OPEN,      /* path (relative to directory_fd), open_flags, mode -> fd */
    IO_CLOSE,     /* fd; it is gone whatever the result says: never repeated */
    IO_ALLOCATE,  /* fd, offset, bytes: fallocate, extends the file */
    IO_TRUNCATE,  /* fd, offset + bytes: the new length (a length over 4 GiB needs the offset) */
    IO_RENAME,    /* path -> other_path, both relative to directory_fd */
    IO_UNLINK,    /* path, relative to directory_fd */
    IO_LINK,      /* path -> other_path: hard link */
    IO_ACCEPT,    /* fd -> connected socket (admin thread only) */
    IO_RECEIVE,   /* fd, buffer, bytes */
    IO_SEND,      /* fd, buffer, bytes */
    IO_CODE_COUNT,
};

struct io_operation {
    uint8_t code;       /* enum io_code */
    uint8_t owner_kind; /* the submitter's own tag for what this operation belongs to */
    uint16_t flags;
    int fd;
    int directory_fd;
    int open_flags;
    uint32_t mode;
    uint32_t bytes;
    uint64_t offset;
    void *buffer;
    const char *path;
    const char *other_path;
    int64_t result; /* count, descriptor, or negative errno; valid once reaped */
    void *owner;
    struct io_operation *next;
};

#define IO_DEPTH_LIMIT 4096u /* io_uring takes up to 32,768 entries; nobody needs so many */

struct io_loop;

struct io_loop_config {
    enum io_backend backend;
    uint32_t depth_max; /* operations in flight; also keeps submission from blocking in the block
                           layer */
    int wake_fd; /* a non-blocking eventfd that ends io_wait early, or -1; the loop empties it */
    /* Tests: IORING_SETUP_* flags and IORING_FEAT_* features to do without, as an older kernel. */
    uint32_t refused_flags, refused_features;
};

/* On the thread that will use it. 0 or a negative errno, with a log line that says what is missing.
 */
int io_loop_create(const struct io_loop_config *config, struct io_loop **loop);
void io_loop_destroy(struct io_loop *loop); /* waits for what is in flight */

/* Which back end AUTO chose, for the log and /metrics: "io_uring" or "threads". */
const char *io_loop_backend_name(const struct io_loop *loop);

/* The IORING_SETUP_* flags in use; 0 without io_uring. */
uint32_t io_loop_setup_flags(const struct io_loop *loop);

/* Queues one operation; it starts at the next io_flush, io_reap or io_wait. */
bool io_submit(struct io_loop *loop, struct io_operation *operation);
void io_flush(struct io_loop *loop);

/* Completed operations, in the order they completed; never blocks. */
uint32_t io_reap(struct io_loop *loop, struct io_operation **out, uint32_t limit);

/* Blocks until a completion is there, wake_fd is readable, or `timeout_ns` passed. */
void io_wait(struct io_loop *loop, uint64_t timeout_ns);

uint32_t io_in_flight(const struct io_loop *loop);

/*
 * Start-up and recovery: submits, waits, returns the result. Only when nothing else is in flight.
 * EINTR and EAGAIN are tried again, a bounded number of times. -ECANCELED when a simulated disk
 * crashed.
 */
int64_t io_run(struct io_loop *loop, struct io_operation *operation);

/*
 * io_run in two halves, for work in between: under the same conditions, but tried once only. The
 * second half may return -ECANCELED with the operation still in flight.
 */
void io_begin(struct io_loop *loop, struct io_operation *operation);
int64_t io_end(struct io_loop *loop, struct io_operation *operation);

/* Names in a directory (recovery only; not "." and ".."). 0 or negative errno. */
typedef void (*io_directory_entry)(void *context, const char *name);
int io_list_directory(struct io_loop *loop, const char *path, io_directory_entry entry,
                      void *context);
int io_make_directory(struct io_loop *loop, const char *path, uint32_t mode);
int64_t io_file_size(struct io_loop *loop, int fd);  /* bytes or negative errno */
int64_t io_file_links(struct io_loop *loop, int fd); /* names of the file, or negative errno */
int io_free_space(struct io_loop *loop, int fd, uint64_t *bytes);
int io_lock(struct io_loop *loop,
            int fd); /* exclusive, not waiting: 0, -EWOULDBLOCK, or another errno */

/* Time and randomness come through the seam as well. */
uint64_t io_now_ns(struct io_loop *loop);
uint64_t io_wall_ms(struct io_loop *loop);
uint64_t io_random_u64(struct io_loop *loop);

#endif
