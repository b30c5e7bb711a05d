/* SPDX-License-Identifier: BSD-3-Clause */
/* The table: each call takes a turn, and errno is set after it. */
#include "tests/packetdrill/adapter.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/packet_pool.h"
#include "dataplane/tcp_input.h"
#include "include/assert_policy.h"
#include "include/counters.h"
#include "tests/packetdrill/calls.h"
#include "tests/packetdrill/capture.h"
#include "tests/packetdrill/environment.h"
#include "tests/packetdrill/packetdrill_interface.h"

#define ROUNDS_MAX 100000u /* a stack that never comes to rest is our bug */

void adapter_settle(struct adapter *adapter)
{
    uint64_t now_ns = adapter_now_ns(adapter);
    for (uint32_t round = 0; round < ROUNDS_MAX; round++) {
        tcp_timers_run(adapter->tcp, now_ns);
        endpoints_collect(adapter);
        tcp_output(adapter->tcp, now_ns);
        if (tcp_next_timer_ns(adapter->tcp) > now_ns)
            return;
    }
    UNREACHABLE();
}

/* ---- a call's frame ---- */

static struct adapter *begin(void *userdata)
{
    struct adapter *adapter = userdata;
    turns_enter(&adapter->turns);
    return adapter;
}

/* What a call returns for `result`, which is negative for an error. */
static ssize_t end(struct adapter *adapter, ssize_t result)
{
    turns_leave(&adapter->turns);
    if (result >= 0)
        return result;
    errno = (int)-result;
    return -1;
}

static int not_supported(void)
{
    errno = ENOSYS;
    return -1;
}

/* ---- sockets ---- */

static int table_socket(void *userdata, int domain, int type, int protocol)
{
    struct adapter *adapter = begin(userdata);
    return (int)end(adapter, call_socket(adapter, domain, type, protocol));
}

static int table_bind(void *userdata, int fd, const struct sockaddr *address, socklen_t length)
{
    struct adapter *adapter = begin(userdata);
    return (int)end(adapter, call_bind(adapter, fd, address, length));
}

static int table_listen(void *userdata, int fd, int backlog)
{
    struct adapter *adapter = begin(userdata);
    return (int)end(adapter, call_listen(adapter, fd, backlog));
}

static int table_accept(void *userdata, int fd, struct sockaddr *address, socklen_t *length)
{
    struct adapter *adapter = begin(userdata);
    return (int)end(adapter, call_accept(adapter, fd, address, length));
}

static int table_connect(void *userdata, int fd, const struct sockaddr *address, socklen_t length)
{
    struct adapter *adapter = begin(userdata);
    return (int)end(adapter, call_connect(adapter, fd, address, length));
}

static int table_close(void *userdata, int fd)
{
    struct adapter *adapter = begin(userdata);
    return (int)end(adapter, call_close(adapter, fd));
}

static int table_shutdown(void *userdata, int fd, int how)
{
    struct adapter *adapter = begin(userdata);
    return (int)end(adapter, call_shutdown(adapter, fd, how));
}

static int table_fcntl(void *userdata, int fd, int command, ...)
{
    va_list rest;
    va_start(rest, command);
    int argument = va_arg(rest, int);
    va_end(rest);
    struct adapter *adapter = begin(userdata);
    return (int)end(adapter, call_fcntl(adapter, fd, command, argument));
}

static int table_ioctl(void *userdata, int fd, unsigned long request, ...)
{
    va_list rest;
    va_start(rest, request);
    int *argument = va_arg(rest, int *);
    va_end(rest);
    struct adapter *adapter = begin(userdata);
    return (int)end(adapter, call_ioctl(adapter, fd, request, argument));
}

static int table_getsockopt(void *userdata, int fd, int level, int name, void *value,
                            socklen_t *length)
{
    struct adapter *adapter = begin(userdata);
    return (int)end(adapter, call_getsockopt(adapter, fd, level, name, value, length));
}

static int table_setsockopt(void *userdata, int fd, int level, int name, const void *value,
                            socklen_t length)
{
    struct adapter *adapter = begin(userdata);
    return (int)end(adapter, call_setsockopt(adapter, fd, level, name, value, length));
}

/* ---- streams ---- */

static ssize_t receive_parts(void *userdata, int fd, const struct iovec *parts, size_t part_count,
                             int flags)
{
    struct adapter *adapter = begin(userdata);
    return end(adapter, call_receive(adapter, fd, parts, part_count, flags));
}

static ssize_t table_recv(void *userdata, int fd, void *bytes, size_t length, int flags)
{
    struct iovec whole = {bytes, length};
    return receive_parts(userdata, fd, &whole, 1, flags);
}

static ssize_t table_read(void *userdata, int fd, void *bytes, size_t length)
{
    return table_recv(userdata, fd, bytes, length, 0);
}

static ssize_t table_readv(void *userdata, int fd, const struct iovec *parts, int part_count)
{
    return receive_parts(userdata, fd, parts, (size_t)part_count, 0);
}

static ssize_t table_recvfrom(void *userdata, int fd, void *bytes, size_t length, int flags,
                              struct sockaddr *address, socklen_t *address_length)
{
    if (address && address_length)
        *address_length = 0; /* a connected stream names nobody */
    return table_recv(userdata, fd, bytes, length, flags);
}

static ssize_t table_recvmsg(void *userdata, int fd, struct msghdr *message, int flags)
{
    ssize_t result = receive_parts(userdata, fd, message->msg_iov, message->msg_iovlen, flags);
    if (result >= 0) {
        message->msg_flags = 0;
        message->msg_controllen = 0;
        message->msg_namelen = 0;
    }
    return result;
}

static ssize_t send_parts(void *userdata, int fd, const struct iovec *parts, size_t part_count,
                          int flags)
{
    struct adapter *adapter = begin(userdata);
    return end(adapter, call_send(adapter, fd, parts, part_count, flags));
}

static ssize_t table_send(void *userdata, int fd, const void *bytes, size_t length, int flags)
{
    struct iovec whole = {(void *)(uintptr_t)bytes, length};
    return send_parts(userdata, fd, &whole, 1, flags);
}

static ssize_t table_write(void *userdata, int fd, const void *bytes, size_t length)
{
    return table_send(userdata, fd, bytes, length, 0);
}

static ssize_t table_writev(void *userdata, int fd, const struct iovec *parts, int part_count)
{
    return send_parts(userdata, fd, parts, (size_t)part_count, 0);
}

/* A connected stream has its address: another one is ignored, as in Linux. */
static ssize_t table_sendto(void *userdata, int fd, const void *bytes, size_t length, int flags,
                            const struct sockaddr *address, socklen_t address_length)
{
    (void)address, (void)address_length;
    return table_send(userdata, fd, bytes, length, flags);
}

static ssize_t table_sendmsg(void *userdata, int fd, const struct msghdr *message, int flags)
{
    return send_parts(userdata, fd, message->msg_iov, message->msg_iovlen, flags);
}

/* ---- readiness ---- */

static int table_poll(void *userdata, struct pollfd *fds, nfds_t fd_count, int timeout_ms)
{
    struct adapter *adapter = begin(userdata);
    return (int)end(adapter, call_poll(adapter, fds, fd_count, timeout_ms));
}

static int table_epoll_create(void *userdata, int size)
{
    struct adapter *adapter = begin(userdata);
    return (int)end(adapter, size > 0 ? call_epoll_create(adapter) : -EINVAL);
}

static int table_epoll_ctl(void *userdata, int epoll, int operation, int fd,
                           struct epoll_event *event)
{
    struct adapter *adapter = begin(userdata);
    return (int)end(adapter, call_epoll_ctl(adapter, epoll, operation, fd, event));
}

static int table_epoll_wait(void *userdata, int epoll, struct epoll_event *events, int event_limit,
                            int timeout_ms)
{
    struct adapter *adapter = begin(userdata);
    return (int)end(adapter, call_epoll_wait(adapter, epoll, events, event_limit, timeout_ms));
}

static int table_pipe(void *userdata, int fds[2])
{
    (void)userdata, (void)fds;
    return not_supported();
}

static int table_splice(void *userdata, int from, loff_t *from_offset, int to, loff_t *to_offset,
                        size_t length, unsigned flags)
{
    (void)userdata, (void)from, (void)from_offset, (void)to, (void)to_offset, (void)length;
    (void)flags;
    return not_supported();
}

/* ---- packets and time ---- */

static int table_netdev_send(void *userdata, const void *packet, size_t length)
{
    struct adapter *adapter = begin(userdata);
    struct packet *segment;
    struct network_icmp_error error;
    switch (wire_inject(&adapter->wire, packet, length, &segment, &error)) {
    case WIRE_SEGMENT:
        tcp_input(adapter->tcp, &segment, 1, adapter_now_ns(adapter));
        break;
    case WIRE_ICMP_ERROR:
        tcp_icmp_error(adapter->tcp, &error.flow, error.local_port, error.remote_port,
                       error.sequence, error.new_mtu, adapter_now_ns(adapter));
        break;
    case WIRE_NOTHING:
        break;
    }
    adapter_settle(adapter);
    virtual_clock_wake_ready(adapter);
    return (int)end(adapter, 0);
}

static int table_netdev_receive(void *userdata, void *packet, size_t *length, long long *time_us)
{
    struct adapter *adapter = begin(userdata);
    uint64_t limit_us = adapter->clock.now_us + CLOCK_PATIENCE_US, sent_us;
    while (!wire_has_packet(&adapter->wire) && virtual_clock_run_next(adapter, limit_us))
        continue;
    if (wire_has_packet(&adapter->wire)) {
        size_t room = *length;
        size_t whole = wire_take(&adapter->wire, packet, room, &sent_us);
        *length = whole < room ? whole : room;
        *time_us = (long long)sent_us;
    } else {
        *length = 0; /* there will never be one: the script fails here */
        *time_us = (long long)adapter->clock.now_us;
    }
    return (int)end(adapter, 0);
}

static int table_usleep(void *userdata, useconds_t us)
{
    struct adapter *adapter = begin(userdata);
    virtual_clock_run_until(adapter, adapter->clock.now_us + us);
    return (int)end(adapter, 0);
}

/* Every look at the clock takes a microsecond: the runner waits by looking at it. */
static int table_gettimeofday(void *userdata, struct timeval *time, struct timezone *zone)
{
    struct adapter *adapter = begin(userdata);
    uint64_t now_us = adapter->clock.now_us;
    (void)zone;
    time->tv_sec = (time_t)(now_us / 1000000);
    time->tv_usec = (suseconds_t)(now_us % 1000000);
    virtual_clock_run_until(adapter, now_us + 1);
    virtual_clock_hand_back(adapter);
    return (int)end(adapter, 0);
}

/* ---- a script's life ---- */

static void table_free(void *userdata)
{
    struct adapter *adapter = begin(userdata);
    adapter->is_ending = true;
    virtual_clock_wake_ready(adapter);
    for (uint32_t i = 0; i < ENDPOINTS_MAX; i++) {
        adapter->endpoints.all[i].fd = -1; /* the runner has closed them, or will */
        endpoint_destroy(&adapter->endpoints.all[i]);
    }
    tcp_stack_destroy(adapter->tcp);
    wire_empty(&adapter->wire);
    ASSERT(packet_pool_used(adapter->wire.pool) == 0);
    capture_close(adapter->wire.capture);
    turns_leave(&adapter->turns);
    turns_destroy(&adapter->turns);
    free(adapter);
}

static void fill_table(struct packetdrill_interface *table, struct adapter *adapter)
{
    *table = (struct packetdrill_interface){
        .userdata = adapter,
        .free = table_free,
        .socket = table_socket,
        .bind = table_bind,
        .listen = table_listen,
        .accept = table_accept,
        .connect = table_connect,
        .read = table_read,
        .readv = table_readv,
        .recv = table_recv,
        .recvfrom = table_recvfrom,
        .recvmsg = table_recvmsg,
        .write = table_write,
        .writev = table_writev,
        .send = table_send,
        .sendto = table_sendto,
        .sendmsg = table_sendmsg,
        .fcntl = table_fcntl,
        .ioctl = table_ioctl,
        .close = table_close,
        .shutdown = table_shutdown,
        .getsockopt = table_getsockopt,
        .setsockopt = table_setsockopt,
        .poll = table_poll,
        .netdev_send = table_netdev_send,
        .netdev_receive = table_netdev_receive,
        .usleep = table_usleep,
        .gettimeofday = table_gettimeofday,
        .epoll_create = table_epoll_create,
        .epoll_ctl = table_epoll_ctl,
        .epoll_wait = table_epoll_wait,
        .pipe = table_pipe,
        .splice = table_splice,
    };
}

static void start_stack(struct adapter *adapter)
{
    const struct settings *settings = &adapter->settings;
    uint32_t packet_count;
    adapter->wire = (struct network){
        .pool = environment_packets((uint16_t)settings->mtu, &packet_count),
        .counters = environment_counters(),
        .now_us = &adapter->clock.now_us,
        .capture = settings->pcap[0] != '\0' ? capture_open(settings->pcap) : NULL,
        .mtu = (uint16_t)settings->mtu,
    };
    settings_apply(settings, &adapter->tcp_defaults);
    adapter->tcp_defaults.packets_held_max = packet_count / 4 * 3;
    adapter->tcp_defaults.packets = adapter->wire.pool;
    adapter->tcp_defaults.network = &adapter->wire;
    adapter->tcp_defaults.counters = adapter->wire.counters;
    adapter->tcp_config = adapter->tcp_defaults;
    int result = tcp_stack_create(&adapter->tcp_config, adapter_now_ns(adapter), &adapter->tcp);
    if (result != 0) {
        fprintf(stderr, "gannet: no stack: %s\n", strerror(-result));
        exit(EXIT_FAILURE);
    }
}

__attribute__((visibility("default"))) void
packetdrill_interface_init(const char *flags, struct packetdrill_interface *table)
{
    struct adapter *adapter = calloc(1, sizeof(*adapter));
    ASSERT(adapter);
    turns_init(&adapter->turns);
    virtual_clock_init(&adapter->clock);
    settings_read(flags, &adapter->settings);
    start_stack(adapter);
    fill_table(table, adapter);
}
