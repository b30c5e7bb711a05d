/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/packetdrill/endpoints.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/tcp.h"
#include "include/assert_policy.h"
#include "include/counters.h"
#include "tests/packetdrill/adapter.h"

#define READY_BATCH 64u

/* ---- the table ---- */

struct endpoint *endpoint_create(struct adapter *adapter, enum endpoint_kind kind)
{
    struct endpoint_table *table = &adapter->endpoints;
    for (uint32_t i = 0; i < ENDPOINTS_MAX; i++) {
        struct endpoint *endpoint = &table->all[i];
        if (endpoint->kind != ENDPOINT_FREE)
            continue;
        *endpoint = (struct endpoint){.kind = kind, .fd = -1, .number = ++table->next_number};
        return endpoint;
    }
    return NULL;
}

int endpoint_open_descriptor(struct endpoint *endpoint)
{
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    endpoint->fd = fd;
    return fd;
}

void endpoint_destroy(struct endpoint *endpoint)
{
    if (endpoint->fd >= 0)
        close(endpoint->fd);
    free(endpoint->interests);
    *endpoint = (struct endpoint){.kind = ENDPOINT_FREE};
}

struct endpoint *endpoint_find(struct adapter *adapter, int fd, enum endpoint_kind kind)
{
    for (uint32_t i = 0; i < ENDPOINTS_MAX; i++) {
        struct endpoint *endpoint = &adapter->endpoints.all[i];
        if (endpoint->kind == kind && endpoint->fd == fd && fd >= 0)
            return endpoint;
    }
    return NULL;
}

/* ---- what the stack tells ---- */

static bool accepts_for(const struct endpoint *listener, const struct network_flow *flow,
                        uint16_t port)
{
    static const uint8_t any[16];
    if (listener->kind != ENDPOINT_STREAM || listener->state != ENDPOINT_LISTENING ||
        listener->local_port != port ||
        (listener->family == AF_INET ? 4 : 6) < flow->ip_version) /* IPv6 takes both */
        return false;
    return memcmp(listener->local, any, sizeof(any)) == 0 ||
           memcmp(listener->local, flow->local, sizeof(any)) == 0;
}

static struct endpoint *listener_for(struct adapter *adapter, const struct network_flow *flow,
                                     uint16_t port)
{
    for (uint32_t i = 0; i < ENDPOINTS_MAX; i++)
        if (accepts_for(&adapter->endpoints.all[i], flow, port))
            return &adapter->endpoints.all[i];
    return NULL;
}

static void queue_for_accept(struct endpoint *listener, struct endpoint *endpoint)
{
    struct endpoint **end = &listener->queue;
    while (*end)
        end = &(*end)->queue_next;
    *end = endpoint;
    listener->event_serial++;
}

static struct endpoint *opened(struct adapter *adapter, struct tcp_connection *connection)
{
    struct network_flow flow;
    uint16_t local_port, remote_port;
    tcp_connection_flow(connection, &flow, &local_port, &remote_port);
    struct endpoint *listener = listener_for(adapter, &flow, local_port);
    struct endpoint *endpoint = listener ? endpoint_create(adapter, ENDPOINT_STREAM) : NULL;
    if (!endpoint) { /* closed meanwhile, or nobody takes them off */
        tcp_abort(adapter->tcp, connection);
        return NULL;
    }
    endpoint->state = ENDPOINT_CONNECTED;
    endpoint->family = listener->family;
    endpoint->options = listener->options;
    endpoint->flow = flow;
    endpoint->local_port = local_port;
    endpoint->remote_port = remote_port;
    endpoint->connection = connection;
    memcpy(endpoint->local, flow.local, sizeof(endpoint->local));
    tcp_set_user(connection, (uint64_t)(uintptr_t)endpoint);
    queue_for_accept(listener, endpoint);
    return endpoint;
}

/* The stack does not say why a connection ended; its counters do. */
static int error_of_the_end(const struct adapter *adapter, const struct endpoint *endpoint)
{
    const struct endpoint_table *table = &adapter->endpoints;
    const struct counters *counters = adapter->tcp_config.counters;
    if (counters->values[COUNTER_TCP_RESETS_RECEIVED] != table->resets_seen) {
        if (endpoint->state == ENDPOINT_CONNECTING)
            return ECONNREFUSED;
        return endpoint->has_peer_closed && !endpoint->is_write_shut ? EPIPE : ECONNRESET;
    }
    if (counters->values[COUNTER_TCP_TIMEOUTS] != table->timeouts_seen)
        return ETIMEDOUT;
    return endpoint->state == ENDPOINT_CONNECTING ? EHOSTUNREACH : 0;
}

static void happened(struct adapter *adapter, struct tcp_connection *connection)
{
    uint32_t events = tcp_events(connection);
    struct endpoint *endpoint = (struct endpoint *)(uintptr_t)tcp_user(connection);
    if (!endpoint && (events & TCP_EVENT_OPENED) && !(events & TCP_EVENT_GONE))
        endpoint = opened(adapter, connection);
    if (!endpoint) { /* its socket was closed: nobody will read what still comes */
        if (!(events & TCP_EVENT_GONE) && tcp_receive_bytes(connection) > 0)
            tcp_abort(adapter->tcp, connection);
        return;
    }
    endpoint->event_serial++;
    if (events & TCP_EVENT_PEER_CLOSED)
        endpoint->has_peer_closed = true;
    if ((events & TCP_EVENT_OPENED) && endpoint->state == ENDPOINT_CONNECTING)
        endpoint->state = ENDPOINT_CONNECTED;
    if (events & TCP_EVENT_GONE) {
        endpoint->error = error_of_the_end(adapter, endpoint);
        endpoint->connection = NULL;
        if (endpoint->state == ENDPOINT_CONNECTING)
            endpoint->state = ENDPOINT_FRESH;
    }
}

void endpoints_collect(struct adapter *adapter)
{
    struct endpoint_table *table = &adapter->endpoints;
    struct tcp_connection *ready[READY_BATCH];
    uint32_t count;
    while ((count = tcp_take_ready(adapter->tcp, ready, READY_BATCH)) > 0)
        for (uint32_t i = 0; i < count; i++)
            happened(adapter, ready[i]);
    const struct counters *counters = adapter->tcp_config.counters;
    table->resets_seen = counters->values[COUNTER_TCP_RESETS_RECEIVED];
    table->timeouts_seen = counters->values[COUNTER_TCP_TIMEOUTS];
    for (uint32_t i = 0; i < ENDPOINTS_MAX; i++) {
        struct endpoint *endpoint = &table->all[i];
        if (endpoint->wants_room && endpoint_is_writable(adapter, endpoint)) {
            endpoint->wants_room = false;
            endpoint->event_serial++;
        }
    }
}

void endpoint_let_go(struct adapter *adapter, struct endpoint *endpoint, bool is_reset)
{
    struct tcp_connection *connection = endpoint->connection;
    if (!connection)
        return;
    endpoint->connection = NULL;
    tcp_set_user(connection, 0);
    if (is_reset)
        tcp_abort(adapter->tcp, connection);
    else
        tcp_close(adapter->tcp, connection);
}

/* ---- what may be asked ---- */

uint32_t endpoint_receive_bytes(const struct endpoint *endpoint)
{
    return endpoint->connection ? tcp_receive_bytes(endpoint->connection) : 0;
}

static uint32_t send_buffer_bytes(const struct adapter *adapter, const struct endpoint *endpoint)
{
    uint32_t budget = adapter->tcp_config.send_budget_bytes;
    uint32_t asked = (uint32_t)endpoint->options.send_buffer_bytes;
    return asked != 0 && asked < budget ? asked : budget;
}

uint32_t endpoint_send_room(const struct adapter *adapter, const struct endpoint *endpoint)
{
    if (!endpoint->connection)
        return 0;
    uint32_t buffer = send_buffer_bytes(adapter, endpoint);
    uint32_t used = tcp_unacknowledged(endpoint->connection);
    return used < buffer ? buffer - used : 0;
}

bool endpoint_is_readable(const struct endpoint *endpoint)
{
    if (endpoint->state == ENDPOINT_LISTENING)
        return endpoint->queue != NULL;
    if (endpoint->state == ENDPOINT_CONNECTING)
        return false;
    return !endpoint->connection || endpoint->has_peer_closed || endpoint->is_read_shut ||
           tcp_receive_bytes(endpoint->connection) > 0;
}

/* As in Linux when a third of the buffer is free, so that a writer is not woken for every byte. */
bool endpoint_is_writable(const struct adapter *adapter, const struct endpoint *endpoint)
{
    if (endpoint->state == ENDPOINT_LISTENING || endpoint->state == ENDPOINT_CONNECTING)
        return false;
    return !endpoint->connection || endpoint->is_write_shut ||
           endpoint_send_room(adapter, endpoint) >= send_buffer_bytes(adapter, endpoint) / 3;
}

short endpoint_poll_events(const struct adapter *adapter, const struct endpoint *endpoint)
{
    int events = 0;
    if (endpoint_is_readable(endpoint))
        events |= POLLIN | POLLRDNORM;
    if (endpoint_is_writable(adapter, endpoint))
        events |= POLLOUT | POLLWRNORM;
    if (endpoint->state != ENDPOINT_LISTENING && endpoint->state != ENDPOINT_CONNECTING) {
        bool is_gone = !endpoint->connection;
        bool is_read_over = is_gone || endpoint->has_peer_closed || endpoint->is_read_shut;
        if (is_read_over && endpoint->state == ENDPOINT_CONNECTED)
            events |= POLLRDHUP;
        if (is_gone || (is_read_over && endpoint->is_write_shut))
            events |= POLLHUP;
    }
    if (endpoint->error != 0)
        events |= POLLERR;
    return (short)events;
}

/* ---- addresses ---- */

static void map_ipv4(const uint8_t ipv4[4], uint8_t out[16])
{
    memset(out, 0, 16);
    out[10] = out[11] = 0xff;
    memcpy(out + 12, ipv4, 4);
}

void endpoint_address(int family, const struct network_flow *flow, uint16_t port,
                      struct sockaddr *address, socklen_t *length)
{
    struct sockaddr_in ipv4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    bool is_ipv4 = family == AF_INET;
    if (!address || !length)
        return;
    memcpy(&ipv4.sin_addr, flow->remote, 4);
    if (flow->ip_version == 4)
        map_ipv4(flow->remote, ipv6.sin6_addr.s6_addr);
    else
        memcpy(&ipv6.sin6_addr, flow->remote, 16);
    socklen_t whole = is_ipv4 ? sizeof(ipv4) : sizeof(ipv6);
    memcpy(address, is_ipv4 ? (const void *)&ipv4 : (const void *)&ipv6,
           *length < whole ? *length : whole);
    *length = whole;
}
