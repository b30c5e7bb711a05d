/* SPDX-License-Identifier: BSD-3-Clause */
/* setsockopt, getsockopt, fcntl, ioctl. */
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>

#include "dataplane/tcp.h"
#include "include/compiler.h"
#include "tests/packetdrill/adapter.h"
#include "tests/packetdrill/calls.h"
#include "tests/packetdrill/tcp_info.h"

#define KEEPALIVE_IDLE_S 7200
#define KEEPALIVE_INTERVAL_S 75
#define KEEPALIVE_PROBES 9
#define MSS_DEFAULT_BYTES 536
#define BUFFER_FACTOR 2 /* Linux counts its own bookkeeping too, and shows it */

/* An option that is a number in struct endpoint_options. */
struct number_option {
    int level, name;
    size_t offset;
    int least, most;
    int fallback; /* shown for zero */
    int shown_factor;
};

#define OPTION(level, name, member, least, most, fallback, factor)                                 \
    {                                                                                              \
        level, name, offsetof(struct endpoint_options, member), least, most, fallback, factor      \
    }

static const struct number_option number_options[] = {
    OPTION(SOL_SOCKET, SO_REUSEADDR, reuse_address, 0, INT32_MAX, 0, 1),
    OPTION(SOL_SOCKET, SO_SNDBUF, send_buffer_bytes, 2048, 1 << 28, 0, BUFFER_FACTOR),
    OPTION(SOL_SOCKET, SO_RCVBUF, receive_buffer_bytes, 1024, 1 << 28, 0, BUFFER_FACTOR),
    OPTION(SOL_SOCKET, SO_KEEPALIVE, keepalive, 0, INT32_MAX, 0, 1),
    OPTION(IPPROTO_TCP, TCP_NODELAY, no_delay, 0, INT32_MAX, 0, 1),
    OPTION(IPPROTO_TCP, TCP_MAXSEG, segment_bytes_max, 88, 32767, MSS_DEFAULT_BYTES, 1),
    OPTION(IPPROTO_TCP, TCP_USER_TIMEOUT, user_timeout_ms, 0, INT32_MAX, 0, 1),
    OPTION(IPPROTO_TCP, TCP_KEEPIDLE, keepalive_idle_s, 1, 32767, KEEPALIVE_IDLE_S, 1),
    OPTION(IPPROTO_TCP, TCP_KEEPINTVL, keepalive_interval_s, 1, 32767, KEEPALIVE_INTERVAL_S, 1),
    OPTION(IPPROTO_TCP, TCP_KEEPCNT, keepalive_probes, 1, 127, KEEPALIVE_PROBES, 1),
};

static const struct number_option *number_option(int level, int name)
{
    for (size_t i = 0; i < ARRAY_COUNT(number_options); i++)
        if (number_options[i].level == level && number_options[i].name == name)
            return &number_options[i];
    return NULL;
}

static int *option_value(struct endpoint *endpoint, const struct number_option *option)
{
    return (int *)((char *)&endpoint->options + option->offset);
}

/*
 * The stack has one configuration for all connections, a script one connection: what its sockets
 * set becomes the configuration.
 */
static void configure_stack(struct adapter *adapter, const struct endpoint_options *options)
{
    struct tcp_stack_config *config = &adapter->tcp_config;
    *config = adapter->tcp_defaults;
    int idle_s = options->keepalive_idle_s ? options->keepalive_idle_s : KEEPALIVE_IDLE_S;
    int interval_s =
        options->keepalive_interval_s ? options->keepalive_interval_s : KEEPALIVE_INTERVAL_S;
    if (options->receive_buffer_bytes)
        config->receive_window_bytes = (uint32_t)options->receive_buffer_bytes;
    if (options->user_timeout_ms)
        config->user_timeout_ms = (uint32_t)options->user_timeout_ms;
    config->mss_max_bytes = (uint16_t)options->segment_bytes_max;
    config->keepalive_ms = options->keepalive ? (uint32_t)idle_s * 1000 : 0;
    config->keepalive_interval_ms = (uint32_t)interval_s * 1000;
    config->keepalive_probes =
        (uint8_t)(options->keepalive_probes ? options->keepalive_probes : KEEPALIVE_PROBES);
    tcp_stack_retune(adapter->tcp, config, adapter_now_ns(adapter));
    adapter_settle(adapter);
}

static int set_linger(struct endpoint *endpoint, const void *value, socklen_t length)
{
    if (length < sizeof(struct linger))
        return -EINVAL;
    memcpy(&endpoint->options.linger, value, sizeof(struct linger));
    return 0;
}

int call_setsockopt(struct adapter *adapter, int fd, int level, int name, const void *value,
                    socklen_t length)
{
    struct endpoint *endpoint = endpoint_find(adapter, fd, ENDPOINT_STREAM);
    const struct number_option *option = number_option(level, name);
    int number;
    if (!endpoint)
        return -EBADF;
    if (level == SOL_SOCKET && name == SO_LINGER)
        return value ? set_linger(endpoint, value, length) : -EFAULT;
    if (!option)
        return -ENOPROTOOPT;
    if (!value)
        return -EFAULT;
    if (length < sizeof(number))
        return -EINVAL;
    memcpy(&number, value, sizeof(number));
    if (level == SOL_SOCKET && number < option->least)
        number = option->least; /* buffers: Linux takes what it can */
    if (number < option->least || number > option->most)
        return -EINVAL;
    *option_value(endpoint, option) = number;
    configure_stack(adapter, &endpoint->options);
    return 0;
}

static int give(void *value, socklen_t *length, const void *from, socklen_t from_bytes)
{
    if (*length > from_bytes)
        *length = from_bytes;
    memcpy(value, from, *length);
    return 0;
}

static int shown_number(struct adapter *adapter, struct endpoint *endpoint,
                        const struct number_option *option)
{
    int number = *option_value(endpoint, option);
    if (option->name == TCP_MAXSEG && option->level == IPPROTO_TCP && endpoint->connection)
        return tcp_payload_max(endpoint->connection);
    if (number == 0 && option->name == SO_SNDBUF && option->level == SOL_SOCKET)
        number = (int)adapter->tcp_config.send_budget_bytes;
    if (number == 0 && option->name == SO_RCVBUF && option->level == SOL_SOCKET)
        number = (int)adapter->tcp_config.receive_window_bytes;
    if (number == 0)
        number = option->fallback;
    return number * option->shown_factor;
}

int call_getsockopt(struct adapter *adapter, int fd, int level, int name, void *value,
                    socklen_t *length)
{
    struct endpoint *endpoint = endpoint_find(adapter, fd, ENDPOINT_STREAM);
    const struct number_option *option = number_option(level, name);
    struct linux_tcp_info info;
    int number;
    if (!endpoint)
        return -EBADF;
    if (!value || !length)
        return -EFAULT;
    if (level == IPPROTO_TCP && name == TCP_INFO) {
        tcp_info_of(adapter, endpoint, &info);
        return give(value, length, &info, sizeof(info));
    }
    if (level == SOL_SOCKET && name == SO_LINGER)
        return give(value, length, &endpoint->options.linger, sizeof(struct linger));
    if (option)
        number = shown_number(adapter, endpoint, option);
    else if (level != SOL_SOCKET)
        return -ENOPROTOOPT;
    else if (name == SO_TYPE)
        number = SOCK_STREAM;
    else if (name == SO_ACCEPTCONN)
        number = endpoint->state == ENDPOINT_LISTENING;
    else if (name == SO_ERROR)
        number = endpoint->error;
    else
        return -ENOPROTOOPT;
    if (level == SOL_SOCKET && name == SO_ERROR)
        endpoint->error = 0;
    return give(value, length, &number, sizeof(number));
}

int call_fcntl(struct adapter *adapter, int fd, int command, int argument)
{
    struct endpoint *endpoint = endpoint_find(adapter, fd, ENDPOINT_STREAM);
    if (!endpoint)
        return -EBADF;
    switch (command) {
    case F_GETFL:
        return endpoint->file_flags;
    case F_SETFL:
        endpoint->file_flags = O_RDWR | (argument & O_NONBLOCK);
        return 0;
    case F_GETFD:
        return FD_CLOEXEC;
    case F_SETFD:
        return 0;
    default:
        return -EINVAL;
    }
}

int call_ioctl(struct adapter *adapter, int fd, unsigned long request, int *argument)
{
    struct endpoint *endpoint = endpoint_find(adapter, fd, ENDPOINT_STREAM);
    struct linux_tcp_info info;
    if (!endpoint)
        return -EBADF;
    if (!argument)
        return -EFAULT;
    if (endpoint->state == ENDPOINT_LISTENING && request != FIONBIO)
        return -EINVAL;
    switch (request) {
    case SIOCINQ:
        *argument = (int)endpoint_receive_bytes(endpoint);
        return 0;
    case SIOCOUTQ:
        *argument = endpoint->connection ? (int)tcp_unacknowledged(endpoint->connection) : 0;
        return 0;
    case SIOCOUTQNSD:
        tcp_info_of(adapter, endpoint, &info);
        *argument = (int)info.unsent_bytes;
        return 0;
    case FIONBIO:
        endpoint->file_flags = O_RDWR | (*argument ? O_NONBLOCK : 0);
        return 0;
    default:
        return -ENOTTY;
    }
}
