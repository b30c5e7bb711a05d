/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/top_command.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "control/admin_client.h"
#include "control/metrics_text.h"
#include "control/text_buffer.h"
#include "include/clock.h"

#define CLEAR "\033[H\033[2J"

static _Atomic bool is_interrupted;

static void on_signal(int number)
{
    (void)number;
    atomic_store(&is_interrupted, true);
}

struct moment {
    struct text_buffer text;
    struct metrics_snapshot snapshot;
    uint64_t taken_ns;
};

static int take(const char *address, struct moment *moment)
{
    text_buffer_clear(&moment->text);
    int status = admin_client_ask(address, "GET /metrics", &moment->text);
    moment->taken_ns = clock_now_ns();
    if (status != 200)
        return status < 0 ? status : -EPROTO;
    metrics_read(moment->text.bytes, &moment->snapshot);
    return 0;
}

static int complain(const char *address, int status)
{
    fprintf(stderr, "gannet top: %s: %s\n", address, admin_client_reason(status));
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
    const char *address = admin_client_find(where);
    return address ? run(address, is_once) : EXIT_FAILURE;
}
