/* SPDX-License-Identifier: BSD-3-Clause */
/* socket, bind, listen, accept, connect, shutdown, close. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "dataplane/tcp.h"
#include "tests/packetdrill/adapter.h"
#include "tests/packetdrill/calls.h"

#define EPHEMERAL_PORT_MIN 32768u
#define EPHEMERAL_PORT_MAX 60999u

static const uint8_t host_ipv4[4] = {198, 51, 100, 1}; /* of whoever connects without a bind */
static const uint8_t host_ipv6[16] = {0x20, 1, 0x0d, 0xb8, 0, 0xff, [15] = 1};

int call_socket(struct adapter *adapter, int domain, int type, int protocol)
{
    if (domain != AF_INET && domain != AF_INET6)
        return -EAFNOSUPPORT;
    if ((type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) != SOCK_STREAM ||
        (protocol != 0 && protocol != IPPROTO_TCP))
        return -EPROTONOSUPPORT;
    struct endpoint *endpoint = endpoint_create(adapter, ENDPOINT_STREAM);
    if (!endpoint)
        return -EMFILE;
    endpoint->family = domain;
    endpoint->file_flags = O_RDWR | (type & SOCK_NONBLOCK ? O_NONBLOCK : 0);
    int fd = endpoint_open_descriptor(endpoint);
    if (fd < 0)
        endpoint_destroy(endpoint);
    return fd;
}

/* An address of the socket's family; IPv4 in IPv6 becomes IPv4. */
static int parse_address(const struct endpoint *endpoint, const struct sockaddr *address,
                         socklen_t length, uint8_t ip[16], uint8_t *ip_version, uint16_t *port)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    struct sockaddr_in ipv4;
    struct sockaddr_in6 ipv6;
    if (!address)
        return -EFAULT;
    if (length < (endpoint->family == AF_INET ? sizeof(ipv4) : sizeof(ipv6)))
        return -EINVAL;
    if (address->sa_family != endpoint->family)
        return -EAFNOSUPPORT;
    memset(ip, 0, 16);
    if (endpoint->family == AF_INET) {
        memcpy(&ipv4, address, sizeof(ipv4));
        memcpy(ip, &ipv4.sin_addr, 4);
        *ip_version = 4;
        *port = ntohs(ipv4.sin_port);
        return 0;
    }
    memcpy(&ipv6, address, sizeof(ipv6));
    *port = ntohs(ipv6.sin6_port);
    *ip_version = memcmp(&ipv6.sin6_addr, mapped, sizeof(mapped)) == 0 ? 4 : 6;
    if (*ip_version == 4)
        memcpy(ip, ipv6.sin6_addr.s6_addr + sizeof(mapped), 4);
    else
        memcpy(ip, &ipv6.sin6_addr, 16);
    return 0;
}

static bool port_is_taken(const struct adapter *adapter, uint16_t port)
{
    for (uint32_t i = 0; i < ENDPOINTS_MAX; i++) {
        const struct endpoint *other = &adapter->endpoints.all[i];
        if (other->kind == ENDPOINT_STREAM && other->local_port == port)
            return true;
    }
    return false;
}

static uint16_t free_port(struct adapter *adapter)
{
    uint16_t port;
    do {
        uint16_t *next = &adapter->endpoints.next_port;
        *next = *next < EPHEMERAL_PORT_MIN || *next >= EPHEMERAL_PORT_MAX ? EPHEMERAL_PORT_MIN
                                                                          : (uint16_t)(*next + 1);
        port = *next;
    } while (port_is_taken(adapter, port)); /* there are more ports than sockets */
    return port;
}

static bool listens_on(const struct adapter *adapter, uint16_t port)
{
    for (uint32_t i = 0; i < ENDPOINTS_MAX; i++) {
        const struct endpoint *other = &adapter->endpoints.all[i];
        if (other->kind == ENDPOINT_STREAM && other->local_port == port &&
            other->state == ENDPOINT_LISTENING)
            return true;
    }
    return false;
}

int call_bind(struct adapter *adapter, int fd, const struct sockaddr *address, socklen_t length)
{
    struct endpoint *endpoint = endpoint_find(adapter, fd, ENDPOINT_STREAM);
    uint8_t ip[16], ip_version;
    uint16_t port;
    if (!endpoint)
        return -EBADF;
    int result = parse_address(endpoint, address, length, ip, &ip_version, &port);
    if (result != 0)
        return result;
    if (endpoint->local_port != 0)
        return -EINVAL;
    if (port != 0 && listens_on(adapter, port))
        return -EADDRINUSE;
    endpoint->local_port = port != 0 ? port : free_port(adapter);
    memcpy(endpoint->local, ip, sizeof(ip));
    return 0;
}

int call_listen(struct adapter *adapter, int fd, int backlog)
{
    struct endpoint *endpoint = endpoint_find(adapter, fd, ENDPOINT_STREAM);
    (void)backlog; /* the table of endpoints is the bound */
    if (!endpoint)
        return -EBADF;
    if (endpoint->state == ENDPOINT_LISTENING)
        return 0;
    if (endpoint->state != ENDPOINT_FRESH)
        return -EINVAL;
    if (endpoint->local_port == 0)
        endpoint->local_port = free_port(adapter);
    if (listens_on(adapter, endpoint->local_port) ||
        !tcp_listen(adapter->tcp, endpoint->local_port))
        return -EADDRINUSE;
    endpoint->state = ENDPOINT_LISTENING;
    return 0;
}

/* ---- accept ---- */

static bool accept_is_ready(struct adapter *adapter, const void *what)
{
    const struct endpoint *listener = endpoint_find(adapter, *(const int *)what, ENDPOINT_STREAM);
    return !listener || endpoint_is_readable(listener);
}

int call_accept(struct adapter *adapter, int fd, struct sockaddr *address, socklen_t *length)
{
    struct endpoint *listener;
    while ((listener = endpoint_find(adapter, fd, ENDPOINT_STREAM)) != NULL) {
        if (listener->state != ENDPOINT_LISTENING)
            return -EINVAL;
        struct endpoint *endpoint = listener->queue;
        if (endpoint) {
            int new_fd = endpoint_open_descriptor(endpoint);
            if (new_fd < 0)
                return new_fd;
            listener->queue = endpoint->queue_next;
            endpoint->file_flags = O_RDWR;
            endpoint_address(endpoint->family, &endpoint->flow, endpoint->remote_port, address,
                             length);
            return new_fd;
        }
        if (listener->file_flags & O_NONBLOCK)
            return -EAGAIN;
        int result = virtual_clock_wait(adapter, accept_is_ready, &fd, CLOCK_NEVER_US);
        if (result != 0)
            return result;
    }
    return -EBADF;
}

/* ---- connect ---- */

static bool connect_is_ready(struct adapter *adapter, const void *what)
{
    const struct endpoint *endpoint = endpoint_find(adapter, *(const int *)what, ENDPOINT_STREAM);
    return !endpoint || endpoint->state != ENDPOINT_CONNECTING;
}

static int begin_connect(struct adapter *adapter, struct endpoint *endpoint,
                         const struct network_flow *flow, uint16_t remote_port)
{
    if (endpoint->local_port == 0)
        endpoint->local_port = free_port(adapter);
    struct tcp_connection *connection =
        tcp_connect(adapter->tcp, flow, endpoint->local_port, remote_port, adapter_now_ns(adapter));
    if (!connection)
        return -EADDRNOTAVAIL;
    tcp_set_user(connection, (uint64_t)(uintptr_t)endpoint);
    endpoint->connection = connection;
    endpoint->flow = *flow;
    endpoint->remote_port = remote_port;
    endpoint->state = ENDPOINT_CONNECTING;
    adapter_settle(adapter);
    return 0;
}

static int wait_for_connect(struct adapter *adapter, int fd)
{
    int result = virtual_clock_wait(adapter, connect_is_ready, &fd, CLOCK_NEVER_US);
    struct endpoint *endpoint = endpoint_find(adapter, fd, ENDPOINT_STREAM);
    if (result != 0)
        return result;
    if (!endpoint)
        return -EBADF;
    result = -endpoint->error;
    endpoint->error = 0;
    return result;
}

int call_connect(struct adapter *adapter, int fd, const struct sockaddr *address, socklen_t length)
{
    static const uint8_t any[16];
    struct endpoint *endpoint = endpoint_find(adapter, fd, ENDPOINT_STREAM);
    struct network_flow flow = {0};
    uint16_t remote_port;
    if (!endpoint)
        return -EBADF;
    int result =
        parse_address(endpoint, address, length, flow.remote, &flow.ip_version, &remote_port);
    if (result != 0)
        return result;
    if (endpoint->state == ENDPOINT_CONNECTING)
        return -EALREADY;
    if (endpoint->state != ENDPOINT_FRESH)
        return endpoint->state == ENDPOINT_CONNECTED ? -EISCONN : -EOPNOTSUPP;
    if (endpoint->error != 0) { /* of the last try */
        result = -endpoint->error;
        endpoint->error = 0;
        return result;
    }
    if (memcmp(endpoint->local, any, sizeof(any)) != 0)
        memcpy(flow.local, endpoint->local, sizeof(any));
    else
        memcpy(flow.local, flow.ip_version == 4 ? host_ipv4 : host_ipv6,
               flow.ip_version == 4 ? sizeof(host_ipv4) : sizeof(host_ipv6));
    result = begin_connect(adapter, endpoint, &flow, remote_port);
    if (result != 0)
        return result;
    return endpoint->file_flags & O_NONBLOCK ? -EINPROGRESS : wait_for_connect(adapter, fd);
}

/* ---- the end ---- */

static void stop_listening(struct adapter *adapter, struct endpoint *listener)
{
    while (listener->queue) { /* never accepted: as in Linux reset */
        struct endpoint *endpoint = listener->queue;
        listener->queue = endpoint->queue_next;
        endpoint_let_go(adapter, endpoint, true);
        endpoint_destroy(endpoint);
    }
    tcp_stop_listening(adapter->tcp, listener->local_port);
    listener->state = ENDPOINT_FRESH;
}

int call_shutdown(struct adapter *adapter, int fd, int how)
{
    struct endpoint *endpoint = endpoint_find(adapter, fd, ENDPOINT_STREAM);
    if (!endpoint)
        return -EBADF;
    if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR)
        return -EINVAL;
    if (endpoint->state == ENDPOINT_LISTENING && how != SHUT_WR) {
        stop_listening(adapter, endpoint);
    } else if (endpoint->state != ENDPOINT_CONNECTED || !endpoint->connection) {
        return -ENOTCONN;
    } else {
        endpoint->is_read_shut |= how != SHUT_WR;
        if (how != SHUT_RD && !endpoint->is_write_shut) {
            endpoint->is_write_shut = true;
            tcp_close(adapter->tcp, endpoint->connection);
        }
    }
    endpoint->event_serial++;
    adapter_settle(adapter);
    virtual_clock_wake_ready(adapter);
    return 0;
}

static void close_stream(struct adapter *adapter, struct endpoint *endpoint)
{
    if (endpoint->state == ENDPOINT_LISTENING) {
        stop_listening(adapter, endpoint);
        return;
    }
    bool is_abortive = endpoint->options.linger.l_onoff && endpoint->options.linger.l_linger == 0;
    bool has_unread = endpoint_receive_bytes(endpoint) > 0; /* RFC 2525 2.17 */
    endpoint_let_go(adapter, endpoint, is_abortive || has_unread);
}

int call_close(struct adapter *adapter, int fd)
{
    struct endpoint *endpoint = endpoint_find(adapter, fd, ENDPOINT_STREAM);
    if (endpoint)
        close_stream(adapter, endpoint);
    else
        endpoint = endpoint_find(adapter, fd, ENDPOINT_EPOLL);
    if (!endpoint)
        return -EBADF;
    endpoint_destroy(endpoint);
    adapter_settle(adapter);
    virtual_clock_wake_ready(adapter);
    return 0;
}
