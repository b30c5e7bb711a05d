/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/nic_leftovers.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "include/assert_policy.h"

#define PREFIX "gannet-"
#define NAMES_MAX 64u /* servers with the same pid, each in a namespace of its own */

void nic_runtime_base(char *out, uint32_t bytes)
{
    const char *base = getenv("RUNTIME_DIRECTORY"); /* systemd's */
    if (!base)
        base = getuid() == 0 ? "/var/run" : getenv("XDG_RUNTIME_DIR");
    snprintf(out, bytes, "%s/dpdk", base ? base : "/tmp");
}

/* ---- runtime directories ---- */

/* The directory's lock, or -1: somebody lives there, or it is none. */
static int lock_open(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* False when the directory was removed by a server that cleans up, before it was locked. */
static bool is_still_there(int fd, const char *path)
{
    struct stat ours, current;
    return fstat(fd, &ours) == 0 && stat(path, &current) == 0 && ours.st_ino == current.st_ino &&
           ours.st_dev == current.st_dev;
}

/* Removes a directory of plain files whose lock is held, and gives the lock back. */
static void directory_close(int fd, const char *path)
{
    DIR *directory = fdopendir(fd);
    if (!directory) {
        close(fd);
        return;
    }
    for (struct dirent *entry; (entry = readdir(directory));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            unlinkat(fd, entry->d_name, 0);
    rmdir(path);
    closedir(directory);
}

int nic_prefix_open(const char *base, int pid, struct nic_prefix *out)
{
    *out = (struct nic_prefix){.lock_fd = -1};
    if (mkdir(base, 0700) != 0 && errno != EEXIST)
        return -errno;
    for (uint32_t i = 0; i < NAMES_MAX; i++) {
        int length = i == 0 ? snprintf(out->name, sizeof(out->name), PREFIX "%d", pid)
                            : snprintf(out->name, sizeof(out->name), PREFIX "%d-%u", pid, i);
        ASSERT(length > 0 && (size_t)length < sizeof(out->name));
        length = snprintf(out->path, sizeof(out->path), "%s/%s", base, out->name);
        if (length < 0 || (size_t)length >= sizeof(out->path))
            return -ENAMETOOLONG;
        if (mkdir(out->path, 0700) != 0 && errno != EEXIST)
            return -errno;
        out->lock_fd = lock_open(out->path);
        if (out->lock_fd >= 0 && is_still_there(out->lock_fd, out->path))
            return 0;
        if (out->lock_fd >= 0)
            close(out->lock_fd);
        out->lock_fd = -1;
    }
    return -EBUSY;
}

void nic_prefix_close(struct nic_prefix *prefix)
{
    if (prefix->path[0] == '\0' || prefix->lock_fd < 0)
        return;
    directory_close(prefix->lock_fd, prefix->path);
    prefix->lock_fd = -1;
}

uint32_t nic_leftovers_close(const char *base)
{
    uint32_t count = 0;
    DIR *directory = opendir(base);
    if (!directory)
        return 0;
    for (struct dirent *entry; (entry = readdir(directory));) {
        char path[PATH_MAX];
        int length = snprintf(path, sizeof(path), "%s/%s", base, entry->d_name);
        if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) != 0 || length < 0 ||
            (size_t)length >= sizeof(path))
            continue;
        int fd = lock_open(path);
        if (fd < 0)
            continue;
        directory_close(fd, path);
        count++;
    }
    closedir(directory);
    return count;
}

/* ---- sockets ---- */

/* The value of `name` among a device's arguments; false when it is not there or does not fit. */
static bool argument_of(const char *device, const char *name, char *out, uint32_t bytes)
{
    size_t name_bytes = strlen(name);
    for (const char *at = strchr(device, ','); at; at = strchr(at + 1, ',')) {
        if (strncmp(at + 1, name, name_bytes) != 0 || at[1 + name_bytes] != '=')
            continue;
        const char *value = at + 1 + name_bytes + 1;
        size_t length = strcspn(value, ",");
        if (length == 0 || length >= bytes)
            return false;
        memcpy(out, value, length);
        out[length] = '\0';
        return true;
    }
    return false;
}

bool nic_socket_path(const char *device, char *out, uint32_t bytes)
{
    char word[16];
    if (strncmp(device, "net_memif", 9) == 0)
        return argument_of(device, "role", word, sizeof(word)) &&
               (strcmp(word, "server") == 0 || strcmp(word, "master") == 0) &&
               argument_of(device, "socket-abstract", word, sizeof(word)) &&
               strcmp(word, "no") == 0 && argument_of(device, "socket", out, bytes);
    if (strncmp(device, "net_vhost", 9) == 0 || strncmp(device, "eth_vhost", 9) == 0)
        return !(argument_of(device, "client", word, sizeof(word)) && strcmp(word, "1") == 0) &&
               argument_of(device, "iface", out, bytes);
    return false;
}

bool nic_socket_close_stale(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat status;
    if (strlen(path) >= sizeof(address.sun_path) || lstat(path, &status) != 0 ||
        !S_ISSOCK(status.st_mode))
        return false;
    memcpy(address.sun_path, path, strlen(path));
    /* Neither driver's type: a live listener answers EPROTOTYPE and notices nothing. */
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool is_stale = connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 &&
                    errno == ECONNREFUSED;
    close(fd);
    return is_stale && unlink(path) == 0;
}
