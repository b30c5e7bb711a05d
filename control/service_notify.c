/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/service_notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MESSAGE_BYTES_MAX 512

/* A number and nothing else; 0 where there is none. */
static uint64_t number_from(const char *variable)
{
    const char *text = getenv(variable);
    if (!text || text[0] < '0' || text[0] > '9')
        return 0;
    char *end;
    errno = 0;
    uint64_t value = strtoull(text, &end, 10);
    return errno != 0 || *end != '\0' ? 0 : value;
}

static int connect_to(int socket_fd, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(path);
    if ((path[0] != '/' && path[0] != '@') || length < 2)
        return -EINVAL;
    if (length >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    memcpy(address.sun_path, path, length);
    if (path[0] == '@') /* an abstract name: begins with a zero byte and has no end mark */
        address.sun_path[0] = '\0';
    socklen_t bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    return connect(socket_fd, (struct sockaddr *)&address, bytes) < 0 ? -errno : 0;
}

int service_notify_open(struct service_notify *notify)
{
    *notify = (struct service_notify){.socket_fd = -1};
    const char *path = getenv("NOTIFY_SOCKET");
    if (!path || path[0] == '\0')
        return 0;
    int socket_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (socket_fd < 0)
        return -errno;
    int status = connect_to(socket_fd, path);
    if (status < 0) {
        close(socket_fd);
        return status;
    }
    notify->socket_fd = socket_fd;
    uint64_t watched_pid = number_from("WATCHDOG_PID"); /* unset: it means us */
    if (watched_pid == 0 || watched_pid == (uint64_t)getpid())
        notify->watchdog_us = number_from("WATCHDOG_USEC");
    return 0;
}

void service_notify_close(struct service_notify *notify)
{
    if (notify->socket_fd >= 0)
        close(notify->socket_fd);
    notify->socket_fd = -1;
}

static int send_text(const struct service_notify *notify, const char *text)
{
    if (notify->socket_fd < 0)
        return 0;
    /* A full queue must not stop the thread that watches all others. */
    ssize_t sent = send(notify->socket_fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
    return sent < 0 ? -errno : 0;
}

int service_notify_ready(const struct service_notify *notify)
{
    return send_text(notify, "READY=1");
}

int service_notify_stopping(const struct service_notify *notify)
{
    return send_text(notify, "STOPPING=1");
}

int service_notify_alive(const struct service_notify *notify)
{
    return send_text(notify, "WATCHDOG=1");
}

int service_notify_status(const struct service_notify *notify, const char *text)
{
    char message[MESSAGE_BYTES_MAX];
    if (strchr(text, '\n'))
        return -EINVAL;
    int bytes = snprintf(message, sizeof(message), "STATUS=%s", text);
    return bytes < 0 || (size_t)bytes >= sizeof(message) ? -EMSGSIZE : send_text(notify, message);
}
