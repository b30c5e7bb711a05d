/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/admin_client.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "control/config_file.h"
#include "control/text_buffer.h"
#include "include/server_config.h"

/* 127.0.0.1:9090, [::1]:9090 or localhost:9090; a connected socket or a negative errno. */
static int connect_to(const char *address)
{
    char host[128];
    const char *colon = strrchr(address, ':');
    size_t length = colon ? (size_t)(colon - address) : 0;
    if (!colon || length >= sizeof(host))
        return -EINVAL;
    bool has_brackets = length >= 2 && address[0] == '[' && address[length - 1] == ']';
    snprintf(host, sizeof(host), "%.*s", (int)(has_brackets ? length - 2 : length),
             address + has_brackets);
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    if (getaddrinfo(host, colon + 1, &hints, &found) != 0)
        return -EINVAL;
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct timeval limit = {.tv_sec = ADMIN_CLIENT_LIMIT_S};
    int status = fd < 0 ? -errno : 0;
    if (status == 0) {
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
        status = connect(fd, found->ai_addr, found->ai_addrlen) == 0 ? 0 : -errno;
    }
    freeaddrinfo(found);
    if (status == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return status;
}

static int exchange(const char *address, const char *request, struct text_buffer *answer)
{
    char bytes[16384];
    int fd = connect_to(address);
    if (fd < 0)
        return fd;
    int length = snprintf(bytes, sizeof(bytes), "%s HTTP/1.1\r\nHost: gannet\r\n\r\n", request);
    ssize_t count = send(fd, bytes, (size_t)length, MSG_NOSIGNAL);
    while (count > 0 && (count = recv(fd, bytes, sizeof(bytes), 0)) > 0)
        text_add(answer, bytes, (size_t)count);
    int status = count < 0 ? -errno : 0;
    close(fd);
    return status;
}

/* The whole body, as its length says? */
static bool is_whole(const char *head, const char *head_end, size_t answer_bytes)
{
    static const char field[] = "\r\nContent-Length: ";
    const char *length = strstr(head, field);
    return length && length < head_end &&
           strtoull(length + sizeof(field) - 1, NULL, 10) ==
               answer_bytes - (size_t)(head_end + 4 - head);
}

const char *admin_client_find(const char *where)
{
    static struct server_config config; /* main thread, once */
    struct config_errors errors;
    config_defaults(&config);
    if (where && access(where, F_OK) != 0)
        return where;
    if (where && config_read(where, &config, &errors) != 0) {
        config_errors_print(stderr, &errors);
        return NULL;
    }
    return config.admin.listen;
}

int admin_client_ask(const char *address, const char *request, struct text_buffer *body)
{
    struct text_buffer answer = {0};
    int http_status = 0;
    int status = exchange(address, request, &answer);
    const char *head_end = answer.bytes ? strstr(answer.bytes, "\r\n\r\n") : NULL;
    if (status == 0 &&
        (answer.is_cut || !head_end || !is_whole(answer.bytes, head_end, answer.used_bytes) ||
         sscanf(answer.bytes, "HTTP/1.%*1[01] %3d", &http_status) != 1))
        status = -EPROTO;
    if (status == 0)
        text_add(body, head_end + 4, answer.used_bytes - (size_t)(head_end + 4 - answer.bytes));
    text_buffer_clear(&answer);
    return status == 0 ? http_status : status;
}

const char *admin_client_reason(int status)
{
    switch (status) {
    case -EPROTO:
        return "something else than gannet's admin interface answers there";
    case -EINVAL:
        return "that is no address such as 127.0.0.1:9090 or [::1]:9090";
    case -ECONNREFUSED:
        return "nobody listens there; is the server up, and is this its admin.listen?";
    case -EAGAIN:
        return "it does not answer";
    default:
        return strerror(-status);
    }
}
