/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connections opened, asked once and closed, as fast as this machine's kernel does it: one thread,
 * epoll, few system calls. And a server as bare as that, to compare others with.
 *
 *   open_close ask ADDRESS PORT PATH IN_FLIGHT SECONDS fin|rst
 *   open_close serve PORT
 *
 * fin: asks for Connection: close, waits for the server's FIN and closes. rst: closes with
 * SO_LINGER 0 when the answer is there, so that the server gets a RST. Prints
 * "opened N answered N failed N seconds S"; the server answers a fixed 200 and closes.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EVENTS 256
#define ALL (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET) /* asked for once, never changed */

static const char answer[] =
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nvalue";

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

static unsigned long number(const char *text, unsigned long most)
{
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value == 0 || value > most) {
        fprintf(stderr, "open_close: %s: a number from 1 to %lu is wanted\n", text, most);
        exit(2);
    }
    return value;
}

static int watch(int poller, int socket_, uint32_t events, uint64_t data)
{
    struct epoll_event event = {.events = events, .data.u64 = data};
    return epoll_ctl(poller, EPOLL_CTL_ADD, socket_, &event);
}

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- ask ---- */

struct asker {
    struct sockaddr_in to;
    char request[512];
    size_t request_bytes;
    bool resets;
    int poller;
    uint64_t opened, answered, failed;
};

static void open_one(struct asker *asker)
{
    int one = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (one < 0)
        die("socket");
    if (connect(one, (struct sockaddr *)&asker->to, sizeof(asker->to)) != 0 && errno != EINPROGRESS)
        die("connect");
    if (watch(asker->poller, one, ALL, (uint64_t)one) != 0)
        die("epoll_ctl");
    asker->opened++;
}

static void end_one(struct asker *asker, int one, bool is_answered)
{
    asker->answered += is_answered;
    asker->failed += !is_answered;
    if (asker->resets && is_answered)
        setsockopt(one, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1},
                   sizeof(struct linger));
    close(one);
}

/* True: this one is done with. */
static bool go_on(struct asker *asker, bool *has_asked, bool *has_answer, int one, uint32_t events)
{
    char bytes[4096];
    if (events & EPOLLERR) {
        end_one(asker, one, false);
        return true;
    }
    if ((events & EPOLLOUT) && !*has_asked) {
        *has_asked = true;
        if (send(one, asker->request, asker->request_bytes, 0) != (ssize_t)asker->request_bytes) {
            end_one(asker, one, false);
            return true;
        }
    }
    if (!(events & EPOLLIN))
        return false;
    ssize_t got = recv(one, bytes, sizeof(bytes), 0);
    if (got > 0) /* a small answer comes in one piece */
        *has_answer = memcmp(bytes, "HTTP/1.1 200", 12) == 0;
    if (got > 0 && !asker->resets && !(events & EPOLLRDHUP))
        return false;
    end_one(asker, one, *has_answer);
    return true;
}

static int ask(char **word)
{
    static bool has_asked[1 << 16], has_answer[1 << 16];
    struct epoll_event events[EVENTS];
    struct asker asker = {
        .to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)number(word[1], UINT16_MAX))},
        .resets = strcmp(word[5], "rst") == 0,
        .poller = epoll_create1(0)};
    inet_pton(AF_INET, word[0], &asker.to.sin_addr);
    asker.request_bytes = (size_t)snprintf(asker.request, sizeof(asker.request),
                                           "GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n", word[2],
                                           asker.resets ? "" : "Connection: close\r\n");
    unsigned long in_flight = number(word[3], 10000);
    double begin = now_s(), end = begin + (double)number(word[4], 3600);
    for (unsigned long i = 0; i < in_flight; i++)
        open_one(&asker);
    while (asker.answered + asker.failed < asker.opened) {
        int count = epoll_wait(asker.poller, events, EVENTS, 1000);
        bool is_over = now_s() >= end;
        if (count <= 0 && is_over)
            break;
        for (int i = 0; i < count; i++) {
            int one = (int)events[i].data.u64;
            if (!go_on(&asker, &has_asked[one], &has_answer[one], one, events[i].events))
                continue;
            has_asked[one] = has_answer[one] = false;
            if (!is_over)
                open_one(&asker);
        }
    }
    asker.failed = asker.opened - asker.answered;
    printf("opened %lu answered %lu failed %lu seconds %.3f\n", asker.opened, asker.answered,
           asker.failed, now_s() - begin);
    return asker.failed > 0;
}

/* ---- serve ---- */

static void take_all(int poller, int listener)
{
    int one;
    while ((one = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0)
        watch(poller, one, EPOLLIN | EPOLLET, (uint64_t)one);
}

static int serve(uint16_t port)
{
    char bytes[4096];
    struct epoll_event events[EVENTS];
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    int poller = epoll_create1(0), listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(listener, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(listener, 4096) != 0)
        die("listen");
    watch(poller, listener, EPOLLIN, (uint64_t)listener);
    for (;;) {
        int count = epoll_wait(poller, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            int one = (int)events[i].data.u64;
            if (one == listener) {
                take_all(poller, listener);
                continue;
            }
            if (recv(one, bytes, sizeof(bytes), 0) > 0)
                send(one, answer, sizeof(answer) - 1, 0);
            close(one);
        }
    }
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    if (argc == 3 && strcmp(argv[1], "serve") == 0)
        return serve((uint16_t)number(argv[2], UINT16_MAX));
    if (argc == 8 && strcmp(argv[1], "ask") == 0)
        return ask(argv + 2);
    fputs("open_close ask ADDRESS PORT PATH IN_FLIGHT SECONDS fin|rst\nopen_close serve PORT\n",
          stderr);
    return 2;
}
