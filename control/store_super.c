/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/store_super.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "control/shard_commit.h"
#include "include/assert_policy.h"
#include "include/log.h"

static const char *const super_names[2] = {"SUPER.0", "SUPER.1"};
static const char *const new_name = "SUPER.new";

static int open_copies(struct store_set *set, struct io_loop *loop)
{
    for (uint32_t copy = 0; copy < 2; copy++) {
        struct io_operation open = {.code = IO_OPEN,
                                    .directory_fd = set->directory_fd,
                                    .path = super_names[copy],
                                    .open_flags = O_RDWR | O_CREAT | O_CLOEXEC,
                                    .mode = 0600};
        int64_t fd = store_run(loop, &open);
        if (fd < 0) {
            log_error("store: cannot open %s/%s: %s", set->directory, super_names[copy],
                      strerror((int)-fd));
            return (int)fd;
        }
        set->super_fds[copy] = (int)fd;
    }
    return 0;
}

/* 0, -EBADMSG for anything but a whole valid block, -EPROTONOSUPPORT, or an I/O error. */
static int read_copy(const struct store_set *set, struct io_loop *loop, uint32_t copy,
                     struct superblock *super)
{
    uint32_t done_bytes = 0;
    while (done_bytes < sizeof(*super)) {
        struct io_operation read = {.code = IO_READ,
                                    .fd = set->super_fds[copy],
                                    .buffer = (uint8_t *)super + done_bytes,
                                    .offset = done_bytes,
                                    .bytes = (uint32_t)sizeof(*super) - done_bytes};
        int64_t result = store_run(loop, &read);
        if (result < 0)
            return (int)result;
        if (result == 0)
            return -EBADMSG;
        done_bytes += (uint32_t)result;
    }
    return superblock_check(super);
}

int super_load(struct store_set *set, struct io_loop *loop, bool has_segments, bool *is_alone)
{
    int status = open_copies(set, loop);
    if (status < 0)
        return status;
    struct superblock *other = aligned_alloc(BLOCK_BYTES, sizeof(*other));
    if (other == NULL)
        return -ENOMEM;
    int first = read_copy(set, loop, 0, set->super);
    int second = read_copy(set, loop, 1, other);
    if (second == 0 && (first != 0 || other->sequence > set->super->sequence))
        memcpy(set->super, other, sizeof(*other));
    free(other);
    *is_alone = (first == 0) != (second == 0);
    if (first == -EPROTONOSUPPORT || second == -EPROTONOSUPPORT) {
        log_error("store: %s was written by a newer version of Gannet; this one reads format %u",
                  set->directory, FORMAT_MAJOR);
        return -EPROTONOSUPPORT;
    }
    if (first == 0 || second == 0)
        return 0;
    if (first != -EBADMSG || second != -EBADMSG) {
        log_error("store: cannot read %s/SUPER.*: %s", set->directory,
                  strerror(first != -EBADMSG ? -first : -second));
        return first != -EBADMSG ? first : second;
    }
    if (has_segments) {
        log_error("store: both copies of the superblock in %s are damaged but there are segments; "
                  "restore the directory from a backup",
                  set->directory);
        return -EBADMSG;
    }
    return -ENOENT;
}

void super_create(struct store_set *set, struct io_loop *loop)
{
    struct superblock *super = set->super;
    memset(super, 0, sizeof(*super));
    super->magic = SUPERBLOCK_MAGIC;
    super->format_major = FORMAT_MAJOR;
    super->format_minor = FORMAT_MINOR;
    super->virtual_shards = VIRTUAL_SHARDS;
    super->uuid.words[0] = io_random_u64(loop);
    super->uuid.words[1] = io_random_u64(loop);
    for (uint32_t shard = 0; shard < VIRTUAL_SHARDS; shard++)
        super->version_ceilings[shard] = 1; /* 0 means "absent" */
}

static void seal_next(struct store_set *set)
{
    set->super->sequence++;
    set->super->wall_ms = atomic_load(&set->wall_ms_floor);
    superblock_seal(set->super);
}

static int write_copy(const struct store_set *set, struct io_loop *loop, int fd)
{
    struct superblock *super = set->super;
    for (uint32_t done_bytes = 0; done_bytes < sizeof(*super);) {
        struct io_operation write = {.code = IO_WRITE,
                                     .fd = fd,
                                     .buffer = (uint8_t *)super + done_bytes,
                                     .offset = done_bytes,
                                     .bytes = (uint32_t)sizeof(*super) - done_bytes};
        int64_t result = store_run(loop, &write);
        if (result <= 0)
            return result < 0 ? (int)result : -EIO;
        done_bytes += (uint32_t)result;
    }
    struct io_operation sync = {.code = IO_SYNC_ALL, .fd = fd};
    int64_t result = store_run(loop, &sync);
    return result < 0 ? (int)result : 0;
}

int super_store(struct store_set *set, struct io_loop *loop)
{
    seal_next(set);
    return write_copy(set, loop, set->super_fds[set->super->sequence % 2]);
}

int super_replace(struct store_set *set, struct io_loop *loop)
{
    seal_next(set);
    struct io_operation open = {.code = IO_OPEN,
                                .directory_fd = set->directory_fd,
                                .path = new_name,
                                .open_flags = O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC,
                                .mode = 0600};
    int64_t fd = store_run(loop, &open);
    if (fd < 0)
        return (int)fd;
    uint32_t copy = set->super->sequence % 2;
    struct io_operation close = {.code = IO_CLOSE, .fd = set->super_fds[copy]};
    set->super_fds[copy] = (int)fd;
    store_run(loop, &close);
    int status = write_copy(set, loop, (int)fd);
    struct io_operation rename = {.code = IO_RENAME,
                                  .directory_fd = set->directory_fd,
                                  .path = new_name,
                                  .other_path = super_names[copy]};
    return status < 0 ? status : (int)store_run(loop, &rename);
}

/* ---- more versions while running ---- */

static void raise_ceilings(struct store *store)
{
    struct store_set *set = store->set;
    uint64_t block = set->sizes.version_block;
    for (uint32_t shard = store->thread_index; shard < VIRTUAL_SHARDS; shard += set->thread_count)
        if (set->wanted_ceilings[shard] - set->next_version[shard] < block)
            set->wanted_ceilings[shard] = set->next_version[shard] + 2 * block;
}

static bool claim(struct store *store)
{
    struct store_set *set = store->set;
    pthread_mutex_lock(&set->super_mutex);
    raise_ceilings(store);
    bool is_claimed = !set->super_is_writing;
    if (is_claimed) {
        set->super_is_writing = true;
        memcpy(set->super->version_ceilings, set->wanted_ceilings, sizeof(set->wanted_ceilings));
        seal_next(set);
    }
    pthread_mutex_unlock(&set->super_mutex);
    return is_claimed;
}

void super_advance(struct store *store)
{
    struct store_set *set = store->set;
    if (!store->wants_versions || !claim(store))
        return;
    store->wants_versions = false;
    store_transfer_start(store, &store->super_write, STORE_IO_SUPER, NULL, IO_WRITE,
                         set->super_fds[set->super->sequence % 2], (uint8_t *)set->super, 0,
                         (uint32_t)sizeof(*set->super));
}

static void unclaim(struct store_set *set)
{
    pthread_mutex_lock(&set->super_mutex);
    set->super_is_writing = false;
    pthread_mutex_unlock(&set->super_mutex);
}

/* This copy may be lost: another thread's next write goes there again, the other copy is good. */
static void give_up(struct store *store, const char *what, int error)
{
    struct store_set *set = store->set;
    pthread_mutex_lock(&set->super_mutex);
    set->super->sequence--;
    set->super_is_writing = false;
    pthread_mutex_unlock(&set->super_mutex);
    commit_fail(store, what, error);
}

void super_write_done(struct store *store)
{
    int error;
    switch (store_transfer_continue(store, &store->super_write, &error)) {
    case TRANSFER_MORE:
        return;
    case TRANSFER_FAILED:
        give_up(store, "superblock write", error);
        return;
    case TRANSFER_DONE:
        break;
    }
    store->super_sync.operation =
        (struct io_operation){.code = IO_SYNC_DATA, .fd = store->super_write.io.operation.fd};
    store_io_start(store, &store->super_sync, STORE_IO_SUPER, &store->super_sync);
}

void super_sync_done(struct store *store)
{
    struct store_set *set = store->set;
    int64_t result = store->super_sync.operation.result;
    if (result < 0) {
        give_up(store, "superblock sync", (int)result);
        return;
    }
    for (uint32_t shard = 0; shard < VIRTUAL_SHARDS; shard++)
        atomic_store_explicit(&set->ceilings[shard], set->super->version_ceilings[shard],
                              memory_order_release);
    unclaim(set);
}
