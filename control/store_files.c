/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/store_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_BYTES (1u << 20)

static int fail(struct text_buffer *why, int error, const char *path, const char *what)
{
    text_format(why, "%s: %s%s%s\n", path, what, error != 0 ? ": " : "",
                error != 0 ? strerror(error) : "");
    return error != 0 ? -error : -EINVAL;
}

void store_segment_name(char name[STORE_NAME_BYTES], uint64_t id)
{
    snprintf(name, STORE_NAME_BYTES, "seg-%08" PRIx64 ".log", id);
}

void store_extent_name(char name[STORE_NAME_BYTES], uint64_t id)
{
    snprintf(name, STORE_NAME_BYTES, "ext-%016" PRIx64, id);
}

/* ---- names ---- */

static bool list_add(uint64_t **ids, uint32_t *count, uint32_t *room, uint64_t id)
{
    if (*count == *room) {
        uint32_t more = *room == 0 ? 64 : *room * 2;
        uint64_t *grown = realloc(*ids, more * sizeof(**ids));
        if (grown == NULL)
            return false;
        *ids = grown;
        *room = more;
    }
    (*ids)[(*count)++] = id;
    return true;
}

static int compare_ids(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static void sort(uint64_t *ids, uint32_t count)
{
    if (count > 0)
        qsort(ids, count, sizeof(ids[0]), compare_ids);
}

int store_files_list(struct store_files *files, struct text_buffer *why)
{
    int fd = openat(files->directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    if (directory == NULL)
        return fail(why, errno, files->path, "cannot be listed");
    files->segment_count = files->extent_count = 0;
    bool has_room = true;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        uint32_t segment_id;
        uint64_t extent_id;
        if (reader_segment_name(entry->d_name, &segment_id))
            has_room &=
                list_add(&files->segments, &files->segment_count, &files->segment_room, segment_id);
        else if (reader_extent_name(entry->d_name, &extent_id))
            has_room &=
                list_add(&files->extents, &files->extent_count, &files->extent_room, extent_id);
    }
    closedir(directory);
    sort(files->segments, files->segment_count);
    sort(files->extents, files->extent_count);
    return has_room ? 0 : fail(why, ENOMEM, files->path, "cannot be listed");
}

/* ---- bytes ---- */

/* One piece; what cannot be read after a second try is zero. */
static void read_piece(int fd, struct store_file_bytes *file, uint64_t offset, uint64_t bytes)
{
    for (uint32_t failures = 0; bytes > 0;) {
        ssize_t result = pread(fd, file->bytes + offset, bytes, (off_t)offset);
        if (result > 0) {
            offset += (uint64_t)result;
            bytes -= (uint64_t)result;
        } else if (result == 0) { /* it became shorter meanwhile */
            memset(file->bytes + offset, 0, bytes);
            return;
        } else if (errno != EINTR && ++failures > 1) {
            uint64_t block = READER_BLOCK_BYTES - offset % READER_BLOCK_BYTES;
            block = block < bytes ? block : bytes;
            memset(file->bytes + offset, 0, block);
            if (file->unreadable_bytes == 0)
                file->unreadable_offset = offset;
            file->unreadable_bytes += block;
            offset += block;
            bytes -= block;
            failures = 0;
        }
    }
}

int store_files_read(const struct store_files *files, const char *name,
                     struct store_file_bytes *file)
{
    *file = (struct store_file_bytes){0};
    struct stat status;
    int fd = openat(files->directory_fd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int error = fstat(fd, &status) < 0 ? errno : S_ISREG(status.st_mode) ? 0 : EINVAL;
    if (error == 0) {
        file->count = (uint64_t)status.st_size;
        file->bytes = malloc(file->count > 0 ? file->count : 1);
        error = file->bytes == NULL ? ENOMEM : 0;
    }
    for (uint64_t offset = 0; error == 0 && offset < file->count; offset += READ_BYTES) {
        uint64_t left = file->count - offset;
        read_piece(fd, file, offset, left < READ_BYTES ? left : READ_BYTES);
    }
    close(fd);
    return -error;
}

/* ---- superblock and lock ---- */

static void take_super(struct store_files *files, const char *name)
{
    struct store_file_bytes file;
    struct reader_super super;
    if (store_files_read(files, name, &file) < 0)
        return;
    reader_super(file.bytes, file.count, &super);
    if (super.is_valid) {
        files->super_copies_whole++;
        if (!files->super.is_valid || super.sequence > files->super.sequence) {
            files->super = super;
            memcpy(files->super_block, file.bytes, READER_BLOCK_BYTES);
        }
    }
    free(file.bytes);
}

static bool exists(const struct store_files *files, const char *name)
{
    return faccessat(files->directory_fd, name, F_OK, 0) == 0;
}

int store_files_read_super(struct store_files *files, struct text_buffer *why)
{
    files->super = (struct reader_super){0};
    files->super_copies_whole = 0;
    files->is_backup = exists(files, STORE_BACKUP_SUPER);
    if (files->is_backup) {
        take_super(files, STORE_BACKUP_SUPER);
    } else {
        take_super(files, "SUPER.0");
        take_super(files, "SUPER.1");
    }
    bool is_there = files->is_backup || exists(files, "SUPER.0") || exists(files, "SUPER.1");
    if (!is_there)
        return fail(why, 0, files->path,
                    "is not a store: there is no SUPER.0, SUPER.1 or " STORE_BACKUP_SUPER);
    if (!files->super.is_valid) {
        fail(why, 0, files->path, "no copy of the superblock is whole: restore it from a backup");
        return -EBADMSG;
    }
    if (!files->super.is_supported) {
        text_format(why,
                    "%s: format %u.%u, incompatible features %#x: this version reads format %u\n",
                    files->path, files->super.format_major, files->super.format_minor,
                    files->super.features_incompatible, READER_FORMAT_MAJOR);
        return -EPROTONOSUPPORT;
    }
    return 0;
}

static int take_lock(struct store_files *files, enum store_files_lock lock, struct text_buffer *why)
{
    files->lock_fd = openat(files->directory_fd, "LOCK", O_RDONLY | O_CLOEXEC);
    if (files->lock_fd < 0)
        return 0; /* never opened by a server, or not for us: reading still works */
    int operation = lock == STORE_FILES_EXCLUSIVE ? LOCK_EX : LOCK_SH;
    files->is_in_use = flock(files->lock_fd, operation | LOCK_NB) < 0;
    if (files->is_in_use && lock == STORE_FILES_EXCLUSIVE) {
        fail(why, 0, files->path, "is in use by another process");
        return -EBUSY;
    }
    return 0;
}

int store_files_open(struct store_files *files, const char *path, enum store_files_lock lock,
                     struct text_buffer *why)
{
    *files = (struct store_files){.path = path, .directory_fd = -1, .lock_fd = -1};
    files->directory_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (files->directory_fd < 0)
        return fail(why, errno, path, "cannot be opened");
    int status = store_files_list(files, why);
    if (status == 0)
        status = take_lock(files, lock, why);
    if (status == 0)
        status = store_files_read_super(files, why);
    if (status < 0)
        store_files_close(files);
    return status;
}

void store_files_close(struct store_files *files)
{
    if (files->lock_fd >= 0)
        close(files->lock_fd);
    if (files->directory_fd >= 0)
        close(files->directory_fd);
    free(files->segments);
    free(files->extents);
    *files = (struct store_files){.directory_fd = -1, .lock_fd = -1};
}
