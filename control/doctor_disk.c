/* SPDX-License-Identifier: BSD-3-Clause */
/* The store's directory: the file system, its room, and what a commit would cost there. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "control/doctor_state.h"
#include "control/io_loop.h"
#include "include/clock.h"

#define MIB (UINT64_C(1) << 20)
#define BLOCK_BYTES 4096u
#define SYNCS 9u
#define SYNC_US_SLOW 5000u

/* ---- probes ---- */

static const struct {
    uint32_t magic;
    const char *name;
    bool is_not_durable;
} file_systems[] = {
    {0xef53, "ext4", false},         {0x58465342, "xfs", false},  {0x9123683e, "btrfs", false},
    {0x2fc12fc1, "zfs", false},      {0xf2f52010, "f2fs", false}, {0x01021994, "tmpfs", true},
    {0x858458f6, "ramfs", true},     {0x6969, "nfs", true},       {0xff534d42, "cifs", true},
    {0x794c7630, "overlayfs", true}, {0x65735546, "fuse", true},
};

/* The directory, or, while it is not there, the one it would be made in. */
static void existing(const char *directory, char path[PATH_MAX])
{
    snprintf(path, PATH_MAX, "%s", directory);
    while (access(path, F_OK) != 0) {
        char *slash = strrchr(path, '/');
        if (!slash) {
            snprintf(path, PATH_MAX, ".");
            return;
        }
        slash[slash == path] = '\0';
    }
}

static int compare(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

/* A file without a name: nothing is left of it, whatever happens. */
static uint64_t measure_sync(int fd)
{
    alignas(BLOCK_BYTES) static uint8_t block[BLOCK_BYTES];
    uint64_t times[SYNCS];
    for (uint32_t i = 0; i < SYNCS; i++) {
        uint64_t begin_ns = clock_now_ns();
        if (pwrite(fd, block, sizeof(block), (off_t)i * BLOCK_BYTES) != (ssize_t)sizeof(block) ||
            fdatasync(fd) != 0)
            return 0;
        times[i] = (clock_now_ns() - begin_ns) / NS_PER_US;
    }
    qsort(times, SYNCS, sizeof(times[0]), compare);
    return times[SYNCS / 2] > 0 ? times[SYNCS / 2] : 1;
}

static int probe_disk(const char *directory, struct doctor_disk *disk)
{
    char path[PATH_MAX];
    struct statfs info;
    *disk = (struct doctor_disk){0};
    existing(directory, path);
    if (statfs(path, &info) != 0)
        return -errno;
    snprintf(disk->file_system, sizeof(disk->file_system), "0x%lx", (unsigned long)info.f_type);
    for (size_t i = 0; i < ARRAY_COUNT(file_systems); i++)
        if ((uint32_t)info.f_type == file_systems[i].magic) {
            snprintf(disk->file_system, sizeof(disk->file_system), "%s", file_systems[i].name);
            disk->is_not_durable = file_systems[i].is_not_durable;
        }
    disk->free_bytes = (uint64_t)info.f_bavail * (uint64_t)info.f_bsize;
    int fd = open(path, O_TMPFILE | O_RDWR | O_DIRECT | O_CLOEXEC, 0600);
    disk->has_direct = fd >= 0;
    if (fd < 0)
        fd = open(path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    disk->sync_us = measure_sync(fd);
    close(fd);
    return 0;
}

static int probe_io_uring(void)
{
    struct io_loop *loop;
    struct io_loop_config config = {.backend = IO_BACKEND_URING, .depth_max = 4, .wake_fd = -1};
    int result = io_loop_create(&config, &loop);
    if (result == 0)
        io_loop_destroy(loop);
    return result;
}

const struct doctor_probes doctor_real_probes = {.io_uring = probe_io_uring, .disk = probe_disk};

/* ---- checks ---- */

static void say_room(struct doctor *doctor, const struct doctor_disk *disk)
{
    const struct server_config *config = doctor->machine.config;
    /* each control thread: a segment that is written, one in advance, one to compact into */
    uint64_t need_mib =
        config->store.space_reserve_mib + 3 * config->control.threads * config->store.segment_mib;
    uint64_t free_mib = disk->free_bytes / MIB;
    if (free_mib >= need_mib)
        doctor_add(doctor, DOCTOR_OK, "store space", "", "",
                   "%" PRIu64 " MiB free, an empty store needs %" PRIu64, free_mib, need_mib);
    else
        doctor_add(doctor, DOCTOR_ERROR, "store space",
                   "room for three segments of each control thread, and space_reserve_mib",
                   "free space, or a smaller store.segment_mib, or another store.directory",
                   "%" PRIu64 " MiB free, an empty store needs %" PRIu64, free_mib, need_mib);
}

static void say_sync(struct doctor *doctor, const struct doctor_disk *disk)
{
    if (disk->sync_us == 0)
        doctor_add(doctor, DOCTOR_ERROR, "store commits", "a file that can be written and synced",
                   "ls -ld on store.directory, and dmesg",
                   "a file there cannot be written and synced");
    else if (disk->sync_us > SYNC_US_SLOW)
        doctor_add(doctor, DOCTOR_WARNING, "store commits", "below 5 ms",
                   "a disk with power-loss protection; or store.sync: interval, which may lose the "
                   "last writes",
                   "a small write and fdatasync takes %" PRIu64 " us", disk->sync_us);
    else
        doctor_add(doctor, DOCTOR_OK, "store commits", "", "",
                   "a small write and fdatasync takes %" PRIu64 " us (the middle of %u)",
                   disk->sync_us, SYNCS);
}

void doctor_store(struct doctor *doctor)
{
    const char *directory = doctor->machine.config->store.directory;
    struct doctor_disk disk;
    int result = doctor->probes->disk(directory, &disk);
    if (result != 0) {
        doctor_add(doctor, DOCTOR_ERROR, "store directory", "a directory that can be written",
                   "mkdir, chown, or another store.directory", "%.200s: %s", directory,
                   strerror(-result));
        return;
    }
    if (disk.is_not_durable)
        doctor_add(doctor, DOCTOR_WARNING, "store directory",
                   "ext4 or xfs on a disk of this machine", "another store.directory",
                   "%.150s is on %s: what is acknowledged may not survive", directory,
                   disk.file_system);
    else
        doctor_add(doctor, disk.has_direct ? DOCTOR_OK : DOCTOR_WARNING, "store directory",
                   "a file system with O_DIRECT: reads go through the page cache",
                   "another store.directory", "%.150s is on %s, O_DIRECT %s", directory,
                   disk.file_system, disk.has_direct ? "works" : "does not work");
    say_room(doctor, &disk);
    say_sync(doctor, &disk);
}
