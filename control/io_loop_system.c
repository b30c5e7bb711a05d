/* SPDX-License-Identifier: BSD-3-Clause */
/* The operating system's blocking calls, one per operation: for the thread pool, and for start-up.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include "control/io_loop_backend.h"
#include "include/assert_policy.h"
#include "include/clock.h"

static ssize_t write_durably(const struct io_operation *op)
{
    struct iovec all = {.iov_base = op->buffer, .iov_len = op->bytes};
    return pwritev2(op->fd, &all, 1, (off_t)op->offset, RWF_DSYNC);
}

static int64_t call_system(const struct io_operation *op)
{
    switch ((enum io_code)op->code) {
    case IO_READ:
        return pread(op->fd, op->buffer, op->bytes, (off_t)op->offset);
    case IO_WRITE:
        return pwrite(op->fd, op->buffer, op->bytes, (off_t)op->offset);
    case IO_WRITE_DURABLE:
        return write_durably(op);
    case IO_SYNC_DATA:
        return fdatasync(op->fd);
    case IO_SYNC_ALL:
        return fsync(op->fd);
    case IO_OPEN:
        return openat(op->directory_fd, op->path, op->open_flags | O_CLOEXEC, op->mode);
    case IO_CLOSE:
        return close(op->fd);
    case IO_ALLOCATE:
        return fallocate(op->fd, 0, (off_t)op->offset, (off_t)op->bytes);
    case IO_TRUNCATE:
        return ftruncate(op->fd, (off_t)io_end_offset(op));
    case IO_RENAME:
        return renameat(op->directory_fd, op->path, op->directory_fd, op->other_path);
    case IO_UNLINK:
        return unlinkat(op->directory_fd, op->path, 0);
    case IO_LINK:
        return linkat(op->directory_fd, op->path, op->directory_fd, op->other_path, 0);
    case IO_ACCEPT:
        return accept4(op->fd, NULL, NULL, SOCK_CLOEXEC);
    case IO_RECEIVE:
        return recv(op->fd, op->buffer, op->bytes, MSG_DONTWAIT);
    case IO_SEND:
        return send(op->fd, op->buffer, op->bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
    case IO_CODE_COUNT:
        break;
    }
    UNREACHABLE();
}

int64_t io_system_run(const struct io_operation *operation)
{
    int64_t result = call_system(operation);
    return result < 0 ? -errno : result;
}

int io_system_list_directory(struct io_loop *loop, const char *path, io_directory_entry entry,
                             void *context)
{
    (void)loop;
    DIR *directory = opendir(path);
    if (!directory)
        return -errno;
    struct dirent *found;
    errno = 0; /* readdir tells its errors from the end only by errno */
    while ((found = readdir(directory)) != NULL) {
        if (strcmp(found->d_name, ".") != 0 && strcmp(found->d_name, "..") != 0)
            entry(context, found->d_name);
        errno = 0;
    }
    int status = -errno;
    closedir(directory);
    return status;
}

int io_system_make_directory(struct io_loop *loop, const char *path, uint32_t mode)
{
    (void)loop;
    return mkdir(path, mode) < 0 ? -errno : 0;
}

int64_t io_system_file_size(struct io_loop *loop, int fd)
{
    (void)loop;
    struct stat facts;
    return fstat(fd, &facts) < 0 ? -errno : facts.st_size;
}

int64_t io_system_file_links(struct io_loop *loop, int fd)
{
    (void)loop;
    struct stat facts;
    return fstat(fd, &facts) < 0 ? -errno : (int64_t)facts.st_nlink;
}

int io_system_free_space(struct io_loop *loop, int fd, uint64_t *bytes)
{
    (void)loop;
    struct statvfs facts;
    if (fstatvfs(fd, &facts) < 0)
        return -errno;
    *bytes = (uint64_t)facts.f_bavail * facts.f_frsize;
    return 0;
}

int io_system_lock(struct io_loop *loop, int fd)
{
    (void)loop;
    return flock(fd, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
}

uint64_t io_system_now_ns(struct io_loop *loop)
{
    (void)loop;
    return clock_now_ns();
}

uint64_t io_system_wall_ms(struct io_loop *loop)
{
    (void)loop;
    return clock_system_wall_ms();
}

uint64_t io_system_random_u64(struct io_loop *loop)
{
    (void)loop;
    uint64_t value = 0;
    ssize_t got = getrandom(&value, sizeof(value), 0);
    ASSERT(got == (ssize_t)sizeof(value)); /* up to 256 bytes are never cut short (getrandom(2)) */
    return value;
}

bool io_system_is_dead(const struct io_loop *loop)
{
    (void)loop;
    return false;
}
