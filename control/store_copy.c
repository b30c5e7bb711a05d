/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/store_copy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPY_BYTES (1u << 20)

static int fail(struct text_buffer *why, const char *path, const char *what, int error)
{
    text_format(why, "%s: %s: %s\n", path, what, strerror(error));
    return -error;
}

/* Files only: a directory in it is not ours. */
static int remove_directory(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    if (directory == NULL)
        return errno == ENOENT ? 0 : -errno;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
        if (entry->d_type != DT_DIR)
            unlinkat(fd, entry->d_name, 0);
    closedir(directory);
    return rmdir(path) < 0 ? -errno : 0;
}

static bool is_free(const char *path)
{
    struct stat status;
    if (stat(path, &status) < 0)
        return errno == ENOENT;
    DIR *directory = opendir(path);
    uint32_t count = 0;
    while (directory != NULL && readdir(directory) != NULL)
        count++;
    if (directory != NULL)
        closedir(directory);
    return directory != NULL && count == 2; /* "." and ".." */
}

int store_target_begin(struct store_target *target, const char *path, struct text_buffer *why)
{
    *target = (struct store_target){.directory_fd = -1};
    size_t bytes = strlen(path);
    while (bytes > 1 && path[bytes - 1] == '/')
        bytes--;
    if (bytes + sizeof(".partial") > sizeof(target->partial))
        return fail(why, path, "cannot be made", ENAMETOOLONG);
    memcpy(target->path, path, bytes);
    memcpy(target->partial, path, bytes);
    memcpy(target->partial + bytes, ".partial", sizeof(".partial"));
    if (!is_free(target->path))
        return fail(why, target->path, "must be a new name or an empty directory", EEXIST);
    int status = remove_directory(target->partial);
    if (status < 0)
        return fail(why, target->partial, "cannot be removed", -status);
    if (mkdir(target->partial, 0700) < 0)
        return fail(why, target->partial, "cannot be made", errno);
    target->directory_fd = open(target->partial, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return target->directory_fd < 0 ? fail(why, target->partial, "cannot be opened", errno) : 0;
}

static int sync_parent(const char *path)
{
    char parent[PATH_MAX];
    memcpy(parent, path, strlen(path) + 1);
    char *slash = strrchr(parent, '/');
    if (slash != NULL)
        *slash = '\0';
    const char *name = slash == NULL ? "." : parent[0] == '\0' ? "/" : parent;
    int fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int status = fd < 0 || fsync(fd) < 0 ? -errno : 0;
    if (fd >= 0)
        close(fd);
    return status;
}

int store_target_finish(struct store_target *target, struct text_buffer *why)
{
    int status = fsync(target->directory_fd) < 0 ? -errno : 0;
    if (status == 0 && rename(target->partial, target->path) < 0)
        status = -errno;
    if (status == 0)
        status = sync_parent(target->path);
    if (status < 0) {
        fail(why, target->path, "cannot be finished", -status);
        store_target_abandon(target);
        return status;
    }
    close(target->directory_fd);
    return 0;
}

void store_target_abandon(struct store_target *target)
{
    if (target->directory_fd >= 0) {
        close(target->directory_fd);
        remove_directory(target->partial);
    }
    target->directory_fd = -1;
}

static int create(const struct store_target *target, const char *name)
{
    int fd = openat(target->directory_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return fd < 0 ? -errno : fd;
}

static int write_all(int fd, const uint8_t *bytes, uint64_t count)
{
    while (count > 0) {
        ssize_t result = write(fd, bytes, count < COPY_BYTES ? count : COPY_BYTES);
        if (result < 0 && errno == EINTR)
            continue;
        if (result <= 0)
            return result < 0 ? -errno : -EIO;
        bytes += result;
        count -= (uint64_t)result;
    }
    return 0;
}

static int close_synced(int fd, int status)
{
    if (status == 0 && fsync(fd) < 0)
        status = -errno;
    if (close(fd) < 0 && status == 0)
        status = -errno;
    return status;
}

int store_target_write(struct store_target *target, const char *name, const uint8_t *bytes,
                       uint64_t count, uint64_t total, struct text_buffer *why)
{
    int fd = create(target, name);
    int status = fd < 0 ? fd : write_all(fd, bytes, count);
    if (status == 0 && ftruncate(fd, (off_t)total) < 0)
        status = -errno;
    if (fd >= 0)
        status = close_synced(fd, status);
    target->copied_count++;
    target->copied_bytes += count;
    return status < 0 ? fail(why, name, "cannot be written", -status) : 0;
}

void store_target_forget(struct store_target *target, const char *name)
{
    unlinkat(target->directory_fd, name, 0);
}

int store_target_link(struct store_target *target, int from_directory, const char *name)
{
    if (linkat(from_directory, name, target->directory_fd, name, 0) < 0)
        return -errno;
    target->linked_count++;
    return 0;
}

/* copy_file_range shares blocks on btrfs and xfs; where it is refused, bytes are moved. */
static int copy_bytes(int from, int to, uint64_t *copied_bytes)
{
    static uint8_t buffer[COPY_BYTES];
    bool is_refused = false;
    for (;;) {
        ssize_t result;
        if (!is_refused) {
            result = copy_file_range(from, NULL, to, NULL, COPY_BYTES * 64u, 0);
            is_refused = result < 0 && errno != EINTR;
            if (is_refused)
                continue;
        } else {
            result = read(from, buffer, sizeof(buffer));
            int status = result > 0 ? write_all(to, buffer, (uint64_t)result) : 0;
            if (status < 0)
                return status;
        }
        if (result < 0 && errno != EINTR)
            return -errno;
        if (result == 0)
            return 0;
        *copied_bytes += result > 0 ? (uint64_t)result : 0;
    }
}

int store_target_copy(struct store_target *target, int from_directory, const char *name,
                      struct text_buffer *why)
{
    int from = openat(from_directory, name, O_RDONLY | O_CLOEXEC);
    int status = from < 0 ? -errno : 0;
    int to = status == 0 ? create(target, name) : -1;
    if (status == 0)
        status = to < 0 ? to : copy_bytes(from, to, &target->copied_bytes);
    if (to >= 0)
        status = close_synced(to, status);
    if (from >= 0)
        close(from);
    target->copied_count++;
    return status < 0 ? fail(why, name, "cannot be copied", -status) : 0;
}
