/* SPDX-License-Identifier: BSD-3-Clause */
/* read and write, and the rest of their families. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "dataplane/packet.h"
#include "dataplane/tcp.h"
#include "tests/packetdrill/adapter.h"
#include "tests/packetdrill/calls.h"

#define RECEIVE_FLAGS (MSG_PEEK | MSG_DONTWAIT | MSG_WAITALL | MSG_TRUNC | MSG_NOSIGNAL)
#define SEND_FLAGS (MSG_DONTWAIT | MSG_NOSIGNAL | MSG_MORE | MSG_EOR)

static ssize_t parts_bytes(const struct iovec *parts, size_t part_count)
{
    size_t total = 0;
    if (part_count > IOV_MAX)
        return -EINVAL;
    for (size_t i = 0; i < part_count; i++) {
        if (parts[i].iov_len > SSIZE_MAX - total)
            return -EINVAL;
        total += parts[i].iov_len;
    }
    return (ssize_t)total;
}

static bool waits(const struct endpoint *endpoint, int flags)
{
    return !(endpoint->file_flags & O_NONBLOCK) && !(flags & MSG_DONTWAIT);
}

/* ---- receiving ---- */

static bool read_is_ready(struct adapter *adapter, const void *what)
{
    const struct endpoint *endpoint = endpoint_find(adapter, *(const int *)what, ENDPOINT_STREAM);
    return !endpoint || endpoint_is_readable(endpoint);
}

/* From `skip` bytes on what waits; -EFAULT when there is a part without memory for it. */
static ssize_t copy_parts(const struct tcp_connection *connection, uint32_t skip, uint32_t length,
                          const struct iovec *parts, size_t part_count)
{
    uint32_t copied = 0;
    for (size_t i = 0; i < part_count && copied < length; i++) {
        uint32_t part = length - copied;
        if (parts[i].iov_len < part)
            part = (uint32_t)parts[i].iov_len;
        if (part == 0)
            continue;
        if (!parts[i].iov_base)
            return copied > 0 ? (ssize_t)copied : -EFAULT;
        copied += tcp_receive_peek(connection, skip + copied, parts[i].iov_base, part);
    }
    return (ssize_t)copied;
}

static ssize_t receive_now(struct adapter *adapter, struct endpoint *endpoint,
                           const struct iovec *parts, size_t part_count, uint32_t wanted, int flags)
{
    uint32_t here = endpoint_receive_bytes(endpoint);
    if (here == 0) {
        int error = endpoint->error;
        endpoint->error = 0;
        if (error != 0)
            return -error;
        return endpoint_is_readable(endpoint) ? 0 : -EAGAIN;
    }
    uint32_t length = here < wanted ? here : wanted;
    ssize_t taken = flags & MSG_TRUNC
                        ? (ssize_t)length /* as in Linux: thrown away */
                        : copy_parts(endpoint->connection, 0, length, parts, part_count);
    if (taken > 0 && !(flags & MSG_PEEK)) {
        tcp_receive_consume(adapter->tcp, endpoint->connection, (uint32_t)taken);
        adapter_settle(adapter);
    }
    return taken;
}

/* MSG_WAITALL: until as much is there as is wanted, or as can come. */
struct read_all {
    int fd;
    uint32_t wanted;
};

static bool read_all_is_ready(struct adapter *adapter, const void *what)
{
    const struct read_all *all = what;
    const struct endpoint *endpoint = endpoint_find(adapter, all->fd, ENDPOINT_STREAM);
    if (!endpoint || !endpoint->connection || endpoint->has_peer_closed || endpoint->is_read_shut)
        return true;
    return tcp_receive_bytes(endpoint->connection) >= all->wanted;
}

static int wait_to_receive(struct adapter *adapter, int fd, uint32_t wanted, int flags)
{
    struct read_all all = {.fd = fd, .wanted = wanted};
    if (!(flags & MSG_WAITALL))
        return virtual_clock_wait(adapter, read_is_ready, &fd, CLOCK_NEVER_US);
    /* no more than the window lets come */
    if (all.wanted > adapter->tcp_config.receive_window_bytes / 2)
        all.wanted = adapter->tcp_config.receive_window_bytes / 2;
    return virtual_clock_wait(adapter, read_all_is_ready, &all, CLOCK_NEVER_US);
}

ssize_t call_receive(struct adapter *adapter, int fd, const struct iovec *parts, size_t part_count,
                     int flags)
{
    struct endpoint *endpoint = endpoint_find(adapter, fd, ENDPOINT_STREAM);
    ssize_t total = parts_bytes(parts, part_count);
    if (!endpoint)
        return -EBADF;
    if (total < 0)
        return total;
    if (flags & ~RECEIVE_FLAGS)
        return flags & MSG_ERRQUEUE ? -EAGAIN : -EINVAL;
    if (endpoint->state != ENDPOINT_CONNECTED && endpoint->error == 0)
        return -ENOTCONN;
    uint32_t wanted = total > INT32_MAX ? INT32_MAX : (uint32_t)total;
    if (wanted == 0)
        return 0;
    if (waits(endpoint, flags)) {
        int result = wait_to_receive(adapter, fd, wanted, flags);
        if (result != 0)
            return result;
        endpoint = endpoint_find(adapter, fd, ENDPOINT_STREAM);
        if (!endpoint)
            return -EBADF;
    }
    return receive_now(adapter, endpoint, parts, part_count, wanted, flags);
}

/* ---- sending ---- */

/* Reads through an iovec, a piece at a time. */
struct source {
    const struct iovec *part;
    size_t offset;
};

static void source_copy(struct source *source, uint8_t *out, uint32_t length)
{
    while (length > 0) {
        size_t here = source->part->iov_len - source->offset;
        if (here == 0) {
            source->part++;
            source->offset = 0;
            continue;
        }
        if (here > length)
            here = length;
        memcpy(out, (const uint8_t *)source->part->iov_base + source->offset, here);
        source->offset += here;
        out += here;
        length -= (uint32_t)here;
    }
}

/* Onto the last packet while that has room and has not left, else into a new one. */
static uint32_t queue_some(struct adapter *adapter, struct tcp_connection *connection,
                           struct source *source, uint32_t length)
{
    uint32_t segment_bytes = tcp_payload_max(connection);
    struct packet *packet = tcp_send_tail(connection, 1);
    if (packet) {
        uint32_t room = segment_bytes - packet_first_bytes(packet);
        uint32_t part = length < room ? length : room;
        if (part > packet_tail_room(packet))
            part = packet_tail_room(packet);
        source_copy(source, packet_append(packet, (uint16_t)part), part);
        tcp_send_tail_grew(adapter->tcp, connection, (uint16_t)part);
        return part;
    }
    packet = tcp_packet(adapter->tcp);
    if (!packet)
        return 0;
    uint32_t part = length < segment_bytes ? length : segment_bytes;
    source_copy(source, packet_append(packet, (uint16_t)part), part);
    tcp_send_packet(adapter->tcp, connection, packet);
    return part;
}

/* As much as fits; 0: nothing. */
static uint32_t send_now(struct adapter *adapter, struct endpoint *endpoint, struct source *source,
                         uint32_t wanted)
{
    uint32_t room = endpoint_send_room(adapter, endpoint);
    uint32_t length = wanted < room ? wanted : room;
    uint32_t queued = 0, part;
    while (queued < length &&
           (part = queue_some(adapter, endpoint->connection, source, length - queued)) > 0)
        queued += part;
    if (queued > 0)
        tcp_send_push(endpoint->connection);
    endpoint->wants_room |= queued < wanted;
    adapter_settle(adapter);
    return queued;
}

static bool write_is_ready(struct adapter *adapter, const void *what)
{
    const struct endpoint *endpoint = endpoint_find(adapter, *(const int *)what, ENDPOINT_STREAM);
    return !endpoint || endpoint_is_writable(adapter, endpoint);
}

static int send_is_refused(struct endpoint *endpoint)
{
    int error = endpoint->error;
    endpoint->error = 0;
    if (error != 0)
        return -error;
    if (endpoint->state != ENDPOINT_CONNECTED || !endpoint->connection || endpoint->is_write_shut)
        return -EPIPE;
    return 0;
}

static bool has_memory(const struct iovec *parts, size_t part_count)
{
    for (size_t i = 0; i < part_count; i++)
        if (!parts[i].iov_base && parts[i].iov_len > 0)
            return false;
    return true;
}

static ssize_t send_all(struct adapter *adapter, int fd, struct source *source, uint32_t wanted,
                        int flags)
{
    uint32_t done = 0;
    for (;;) {
        struct endpoint *endpoint = endpoint_find(adapter, fd, ENDPOINT_STREAM);
        int result = endpoint ? send_is_refused(endpoint) : -EBADF;
        if (result != 0)
            return done > 0 ? (ssize_t)done : result;
        done += send_now(adapter, endpoint, source, wanted - done);
        if (done == wanted)
            return (ssize_t)done;
        if (!waits(endpoint, flags))
            return done > 0 ? (ssize_t)done : -EAGAIN;
        result = virtual_clock_wait(adapter, write_is_ready, &fd, CLOCK_NEVER_US);
        if (result != 0)
            return done > 0 ? (ssize_t)done : result;
    }
}

ssize_t call_send(struct adapter *adapter, int fd, const struct iovec *parts, size_t part_count,
                  int flags)
{
    struct endpoint *endpoint = endpoint_find(adapter, fd, ENDPOINT_STREAM);
    ssize_t total = parts_bytes(parts, part_count);
    if (!endpoint)
        return -EBADF;
    if (total < 0)
        return total;
    if (flags & ~SEND_FLAGS)
        return -EOPNOTSUPP;
    if (endpoint->state == ENDPOINT_CONNECTING) {
        if (!waits(endpoint, flags))
            return -EAGAIN;
        int result = virtual_clock_wait(adapter, write_is_ready, &fd, CLOCK_NEVER_US);
        if (result != 0)
            return result;
    }
    if (!has_memory(parts, part_count))
        return -EFAULT;
    struct source source = {.part = parts};
    uint32_t wanted = total > INT32_MAX ? INT32_MAX : (uint32_t)total;
    return send_all(adapter, fd, &source, wanted, flags);
}
