/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/store_hold.h"

#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define ANSWER_BYTES 2048u
#define TRIES 100u /* while a removal that had begun comes to its end */
#define TRY_US 50000
#define TIMEOUT_S 5

/* "host:port" or "[host]:port". */
static int connect_to(const char *admin)
{
    char host[128];
    const char *colon = strrchr(admin, ':');
    bool has_brackets = colon != NULL && admin[0] == '[' && colon[-1] == ']';
    if (colon == NULL || (size_t)(colon - admin) >= sizeof(host))
        return -EINVAL;
    snprintf(host, sizeof(host), "%.*s", (int)(colon - admin) - (has_brackets ? 2 : 0),
             admin + (has_brackets ? 1 : 0));
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    if (getaddrinfo(host, colon + 1, &hints, &found) != 0)
        return -EINVAL;
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval timeout = {.tv_sec = TIMEOUT_S};
    int error = fd < 0 ? errno : 0;
    if (error == 0) {
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
        if (connect(fd, found->ai_addr, found->ai_addrlen) < 0)
            error = errno;
    }
    freeaddrinfo(found);
    if (error != 0 && fd >= 0)
        close(fd);
    return error != 0 ? -error : fd;
}

/* The whole answer as text; its connection ends with it. */
static int exchange(const char *admin, const char *request, char *answer)
{
    int fd = connect_to(admin);
    if (fd < 0)
        return fd;
    size_t used = 0;
    ssize_t result = send(fd, request, strlen(request), MSG_NOSIGNAL);
    while (result > 0 && used + 1 < ANSWER_BYTES) {
        result = recv(fd, answer + used, ANSWER_BYTES - 1 - used, 0);
        used += result > 0 ? (size_t)result : 0;
    }
    int status = result < 0 ? -errno : 0;
    answer[used] = '\0';
    close(fd);
    return status;
}

int store_hold_ask(const char *admin, uint32_t seconds, struct store_hold *hold,
                   struct text_buffer *why)
{
    char request[128], answer[ANSWER_BYTES];
    snprintf(request, sizeof(request), "POST /hold?seconds=%u HTTP/1.1\r\nHost: gannet\r\n\r\n",
             seconds);
    for (uint32_t attempt = 0; attempt < TRIES; attempt++) {
        int status = exchange(admin, request, answer);
        if (status < 0) {
            text_format(why,
                        "the server that has it open does not answer at %s: %s (--admin says "
                        "where it listens)\n",
                        admin, strerror(-status));
            return status;
        }
        const char *body = strstr(answer, "\r\n\r\n");
        bool is_held = strncmp(answer, "HTTP/1.1 200 ", 13) == 0 && body != NULL &&
                       sscanf(body + 4, "held %16" SCNx64 "%16" SCNx64 " %" SCNu64,
                              &hold->uuid.words[0], &hold->uuid.words[1], &hold->epoch) == 3;
        if (is_held)
            return 0;
        if (strncmp(answer, "HTTP/1.1 503 ", 13) != 0) {
            text_format(why, "the server at %s does not hold its files: %.60s\n", admin, answer);
            return -EPROTO;
        }
        usleep(TRY_US);
    }
    text_format(why, "the server at %s does not come to rest\n", admin);
    return -EBUSY;
}
