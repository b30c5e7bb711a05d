/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/top_command.h"

#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "control/config_file.h"
#include "control/metrics_text.h"
#include "control/text_buffer.h"
#include "include/clock.h"
#include "include/server_config.h"

#define ANSWER_LIMIT_S 5
#define CLEAR "\033[H\033[2J"

static _Atomic bool is_interrupted;

static void on_signal(int number)
{
    (void)number;
    atomic_store(&is_interrupted, true);
}

/* 127.0.0.1:9090 or [::1]:9090; a connected socket or a negative errno. */
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
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    if (getaddrinfo(host, colon + 1, &hints, &found) != 0)
        return -EINVAL;
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct timeval limit = {.tv_sec = ANSWER_LIMIT_S};
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

/* The body of /metrics, or a negative errno. */
static int fetch(const char *address, struct text_buffer *text)
{
    static const char request[] = "GET /metrics HTTP/1.0\r\n\r\n";
    char bytes[16384];
    ssize_t count;
    int fd = connect_to(address);
    if (fd < 0)
        return fd;
    count = send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL);
    while (count > 0 && (count = recv(fd, bytes, sizeof(bytes), 0)) > 0)
        text_add(text, bytes, (size_t)count);
    int status = count < 0 ? -errno : 0;
    close(fd);
    if (status == 0 && (!text->bytes || strncmp(text->bytes, "HTTP/1.", 7) != 0 ||
                        strncmp(text->bytes + 8, " 200", 4) != 0))
        status = -EPROTO;
    return status;
}

struct moment {
    struct text_buffer text;
    struct metrics_snapshot snapshot;
    uint64_t taken_ns;
};

static int take(const char *address, struct moment *moment)
{
    text_buffer_clear(&moment->text);
    int status = fetch(address, &moment->text);
    moment->taken_ns = clock_now_ns();
    if (status == 0)
        metrics_read(moment->text.bytes, &moment->snapshot);
    return status;
}

static int complain(const char *address, int status)
{
    const char *why = strerror(-status);
    if (status == -EPROTO)
        why = "something else than gannet's admin interface answers there";
    else if (status == -EINVAL)
        why = "that is no address such as 127.0.0.1:9090 or [::1]:9090";
    else if (status == -ECONNREFUSED)
        why = "nobody listens there; is the server up, and is this its admin.listen?";
    fprintf(stderr, "gannet top: %s: %s\n", address, why);
    return EXIT_FAILURE;
}

static void show(const char *address, const struct moment *before, const struct moment *after,
                 bool is_terminal)
{
    struct text_buffer text = {0};
    if (is_terminal)
        text_format(&text, CLEAR "%s  ", address);
    top_show(&text, &before->snapshot, &after->snapshot,
             (double)(after->taken_ns - before->taken_ns) / (double)NS_PER_S);
    fputs(text.bytes ? text.bytes : "", stdout);
    fflush(stdout);
    text_buffer_clear(&text);
}

static int run(const char *address, bool is_once)
{
    static struct moment moments[2];
    bool is_terminal = !is_once && isatty(STDOUT_FILENO);
    struct sigaction action = {.sa_handler = on_signal}; /* without SA_RESTART: nanosleep ends */
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    int status = take(address, &moments[0]);
    for (uint32_t i = 1; status == 0 && !atomic_load(&is_interrupted); i++) {
        nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
        if (atomic_load(&is_interrupted))
            break;
        status = take(address, &moments[i % 2]);
        if (status == 0)
            show(address, &moments[(i - 1) % 2], &moments[i % 2], is_terminal);
        if (is_once)
            break;
    }
    for (uint32_t i = 0; i < 2; i++)
        text_buffer_clear(&moments[i].text);
    return status == 0 ? EXIT_SUCCESS : complain(address, status);
}

int top_command(const char *where, bool is_once)
{
    static struct server_config config;
    struct config_errors errors;
    config_defaults(&config);
    if (where && access(where, F_OK) != 0)
        return run(where, is_once);
    if (where && config_read(where, &config, &errors) != 0) {
        config_errors_print(stderr, &errors);
        return EXIT_FAILURE;
    }
    return run(config.admin.listen, is_once);
}
