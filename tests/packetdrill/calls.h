/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * calls.h - the socket calls behind the table, each as POSIX has it.
 *
 * Purpose:   one function a call; the table's functions take a turn around them (adapter.c).
 * Ownership: none.
 * Threading: inside a turn; those that wait let others in meanwhile.
 * Units:     as in POSIX.
 * Errors:    a negative errno.
 * Source:    POSIX.1-2017; where it leaves a choice, Linux.
 */
#ifndef GANNET_PACKETDRILL_CALLS_H
#define GANNET_PACKETDRILL_CALLS_H

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

struct adapter;

/* ---- open_calls.c ---- */
int call_socket(struct adapter *adapter, int domain, int type, int protocol);
int call_bind(struct adapter *adapter, int fd, const struct sockaddr *address, socklen_t length);
int call_listen(struct adapter *adapter, int fd, int backlog);
int call_accept(struct adapter *adapter, int fd, struct sockaddr *address, socklen_t *length);
int call_connect(struct adapter *adapter, int fd, const struct sockaddr *address, socklen_t length);
int call_shutdown(struct adapter *adapter, int fd, int how);
int call_close(struct adapter *adapter, int fd);

/* ---- stream_calls.c ---- */
ssize_t call_receive(struct adapter *adapter, int fd, const struct iovec *parts, size_t part_count,
                     int flags);
ssize_t call_send(struct adapter *adapter, int fd, const struct iovec *parts, size_t part_count,
                  int flags);

/* ---- option_calls.c ---- */
int call_setsockopt(struct adapter *adapter, int fd, int level, int name, const void *value,
                    socklen_t length);
int call_getsockopt(struct adapter *adapter, int fd, int level, int name, void *value,
                    socklen_t *length);
int call_fcntl(struct adapter *adapter, int fd, int command, int argument);
int call_ioctl(struct adapter *adapter, int fd, unsigned long request, int *argument);

/* ---- poll_calls.c ---- */
int call_poll(struct adapter *adapter, struct pollfd *fds, nfds_t fd_count, int timeout_ms);
int call_epoll_create(struct adapter *adapter);
int call_epoll_ctl(struct adapter *adapter, int epoll, int operation, int fd,
                   const struct epoll_event *event);
int call_epoll_wait(struct adapter *adapter, int epoll, struct epoll_event *events, int event_limit,
                    int timeout_ms);

#endif
