/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A cable that is bad in a chosen way: carries frames between two interfaces of a namespace by
 * raw sockets, through tests/support/virtual_wire.h in real time. Stops with SIGTERM; prints what
 * it carried.
 *
 *   link_shim INTERFACE INTERFACE [loss=PERMILLE] [delay_us=N] [jitter_us=N] [reorder=PERMILLE]
 *             [reorder_us=N] [duplicate=PERMILLE] [corrupt=PERMILLE] [rate_mbit=N] [queue=FRAMES]
 *             [seed=N]
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/virtual_wire.h"

#define SIDES 2
#define BURST 64
#define SOCKET_BYTES (16 << 20)

static sig_atomic_t should_stop;

static void stop(int number)
{
    (void)number;
    should_stop = 1;
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int open_interface(const char *name)
{
    struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
    int one = 1, room = SOCKET_BYTES;
    int wire = socket(AF_PACKET, SOCK_RAW, 0); /* hears nothing before it is bound */
    address.sll_ifindex = (int)if_nametoindex(name);
    if (wire < 0 || address.sll_ifindex == 0 ||
        setsockopt(wire, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) != 0 ||
        setsockopt(wire, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) != 0 ||
        setsockopt(wire, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) != 0 ||
        bind(wire, (struct sockaddr *)&address, sizeof(address)) != 0) {
        fprintf(stderr, "link_shim: %s: %s\n", name, strerror(errno));
        exit(1);
    }
    return wire;
}

/* NAME=NUMBER into the configuration; false: no such name. */
static bool set_option(struct virtual_wire_config *config, const char *text)
{
    const char *equals = strchr(text, '=');
    if (!equals)
        return false;
    char *end;
    uint64_t value = strtoull(equals + 1, &end, 10);
    size_t length = (size_t)(equals - text);
    if (*end != '\0' || end == equals + 1)
        return false;
    const struct {
        const char *name;
        uint32_t *permille;
        uint64_t *microseconds;
    } options[] = {
        {"loss", &config->loss_permille, NULL},
        {"reorder", &config->reorder_permille, NULL},
        {"duplicate", &config->duplicate_permille, NULL},
        {"corrupt", &config->corrupt_permille, NULL},
        {"queue", &config->queue_frames, NULL},
        {"delay_us", NULL, &config->delay_ns},
        {"jitter_us", NULL, &config->jitter_ns},
        {"reorder_us", NULL, &config->reorder_ns},
    };
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        if (strlen(options[i].name) != length || strncmp(options[i].name, text, length) != 0)
            continue;
        if (options[i].permille)
            *options[i].permille = (uint32_t)value;
        else
            *options[i].microseconds = value * 1000;
        return true;
    }
    if (length == 4 && strncmp(text, "seed", 4) == 0)
        config->seed = value;
    else if (length == 9 && strncmp(text, "rate_mbit", 9) == 0 && value > 0)
        config->ns_per_byte = 8000 / value;
    else
        return false;
    return true;
}

static uint64_t take(struct virtual_wire *wire, int side, int from)
{
    static uint8_t bytes[WIRE_FRAME_BYTES_MAX];
    uint64_t count = 0;
    for (; count < BURST; count++) {
        ssize_t length = recv(from, bytes, sizeof(bytes), MSG_DONTWAIT | MSG_TRUNC);
        if (length <= 0 || (size_t)length > sizeof(bytes))
            break;
        virtual_wire_send(wire, side, bytes, (uint32_t)length, now_ns());
    }
    return count;
}

static uint64_t deliver(struct virtual_wire *wire, const int sockets[SIDES])
{
    static uint8_t bytes[WIRE_FRAME_BYTES_MAX];
    uint64_t count = 0;
    uint32_t length;
    bool found = true;
    while (found) {
        found = false;
        for (int to = 0; to < SIDES; to++)
            while (virtual_wire_receive(wire, to, now_ns(), bytes, &length)) {
                found = true;
                count += send(sockets[to], bytes, length, 0) == (ssize_t)length;
            }
    }
    return count;
}

static void wait_for_work(const struct virtual_wire *wire, const int sockets[SIDES])
{
    struct pollfd inputs[SIDES] = {{.fd = sockets[0], .events = POLLIN},
                                   {.fd = sockets[1], .events = POLLIN}};
    uint64_t due_ns = virtual_wire_next_ns(wire), now = now_ns();
    uint64_t wait_ns = due_ns <= now ? 0 : due_ns - now;
    if (wait_ns > 100000000)
        wait_ns = 100000000;
    struct timespec timeout = {.tv_nsec = (long)wait_ns};
    ppoll(inputs, SIDES, &timeout, NULL);
}

int main(int argc, char **argv)
{
    struct virtual_wire_config config = {.seed = now_ns()};
    for (int i = 3; i < argc; i++)
        if (!set_option(&config, argv[i])) {
            fprintf(stderr, "link_shim: unknown option %s\n", argv[i]);
            return 2;
        }
    if (argc < 3) {
        fprintf(stderr, "usage: link_shim INTERFACE INTERFACE [OPTION=NUMBER]...\n");
        return 2;
    }
    struct sigaction action = {.sa_handler = stop};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    prctl(PR_SET_TIMERSLACK, 1); /* delays are meant to the microsecond */
    int sockets[SIDES] = {open_interface(argv[1]), open_interface(argv[2])};
    struct virtual_wire *wire = virtual_wire_create(&config);
    uint64_t taken = 0, delivered = 0;
    printf("ready\n");
    fflush(stdout);
    while (!should_stop) {
        wait_for_work(wire, sockets);
        for (int side = 0; side < SIDES; side++)
            taken += take(wire, side, sockets[side]);
        delivered += deliver(wire, sockets);
    }
    printf("taken %llu delivered %llu\n", (unsigned long long)taken, (unsigned long long)delivered);
    virtual_wire_destroy(wire);
    return 0;
}
