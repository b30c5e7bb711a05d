/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * packetdrill_interface.h - the table through which packetdrill drives a stack in a shared library.
 *
 * Purpose:   the binary interface of `packetdrill --so_filename`, written from its description.
 * Ownership: the runner owns the table, packetdrill_interface_init fills all of it.
 * Threading: two threads of the runner call in: the one that called init, and one for calls that a
 *            script lets block.
 * Units:     microseconds of a virtual clock that the library owns.
 * Errors:    as the POSIX call of the same name: -1 and errno. Init prints why and exits.
 * Source:    packetdrill, options --so_filename and --so_flags.
 */
#ifndef GANNET_PACKETDRILL_INTERFACE_H
#define GANNET_PACKETDRILL_INTERFACE_H

#include <assert.h>
#include <poll.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

struct packetdrill_interface {
    void *userdata; /* the first argument of every function */
    void (*free)(void *userdata);

    int (*socket)(void *userdata, int domain, int type, int protocol);
    int (*bind)(void *userdata, int fd, const struct sockaddr *address, socklen_t length);
    int (*listen)(void *userdata, int fd, int backlog);
    int (*accept)(void *userdata, int fd, struct sockaddr *address, socklen_t *length);
    int (*connect)(void *userdata, int fd, const struct sockaddr *address, socklen_t length);

    ssize_t (*read)(void *userdata, int fd, void *bytes, size_t length);
    ssize_t (*readv)(void *userdata, int fd, const struct iovec *parts, int part_count);
    ssize_t (*recv)(void *userdata, int fd, void *bytes, size_t length, int flags);
    ssize_t (*recvfrom)(void *userdata, int fd, void *bytes, size_t length, int flags,
                        struct sockaddr *address, socklen_t *address_length);
    ssize_t (*recvmsg)(void *userdata, int fd, struct msghdr *message, int flags);

    ssize_t (*write)(void *userdata, int fd, const void *bytes, size_t length);
    ssize_t (*writev)(void *userdata, int fd, const struct iovec *parts, int part_count);
    ssize_t (*send)(void *userdata, int fd, const void *bytes, size_t length, int flags);
    ssize_t (*sendto)(void *userdata, int fd, const void *bytes, size_t length, int flags,
                      const struct sockaddr *address, socklen_t address_length);
    ssize_t (*sendmsg)(void *userdata, int fd, const struct msghdr *message, int flags);

    int (*fcntl)(void *userdata, int fd, int command, ...);
    int (*ioctl)(void *userdata, int fd, unsigned long request, ...);
    int (*close)(void *userdata, int fd);
    int (*shutdown)(void *userdata, int fd, int how);
    int (*getsockopt)(void *userdata, int fd, int level, int name, void *value, socklen_t *length);
    int (*setsockopt)(void *userdata, int fd, int level, int name, const void *value,
                      socklen_t length);
    int (*poll)(void *userdata, struct pollfd *fds, nfds_t fd_count, int timeout_ms);

    /* One IP packet to the stack, and the next one from it. */
    int (*netdev_send)(void *userdata, const void *packet, size_t length);
    int (*netdev_receive)(void *userdata, void *packet, size_t *length, long long *time_us);
    int (*usleep)(void *userdata, useconds_t us);
    int (*gettimeofday)(void *userdata, struct timeval *time, struct timezone *zone);

    int (*epoll_create)(void *userdata, int size);
    int (*epoll_ctl)(void *userdata, int epoll, int operation, int fd, struct epoll_event *event);
    int (*epoll_wait)(void *userdata, int epoll, struct epoll_event *events, int event_limit,
                      int timeout_ms);
    int (*pipe)(void *userdata, int fds[2]);
    int (*splice)(void *userdata, int from, loff_t *from_offset, int to, loff_t *to_offset,
                  size_t length, unsigned flags);
};

static_assert(sizeof(struct packetdrill_interface) == 264, "33 pointers");
static_assert(offsetof(struct packetdrill_interface, netdev_send) == 24 * sizeof(void *) &&
                  offsetof(struct packetdrill_interface, splice) == 32 * sizeof(void *),
              "in the runner's order");

void packetdrill_interface_init(const char *flags, struct packetdrill_interface *table);

#endif
