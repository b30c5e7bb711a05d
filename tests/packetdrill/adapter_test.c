/* SPDX-License-Identifier: BSD-3-Clause */
/* The library as its runner sees it: table, clock, settings, calls on the thread that made it. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "include/compiler.h"
#include "tests/packetdrill/driver.h"
#include "tests/support/frames.h"

#define MS 1000u

static struct driver driver;

#define CALL(function, ...) driver.table.function(driver.table.userdata, __VA_ARGS__)

#define ASSERT_ERROR(call, number)                                                                 \
    do {                                                                                           \
        errno = 0;                                                                                 \
        assert_int_equal(call, -1);                                                                \
        assert_int_equal(errno, number);                                                           \
    } while (0)

static void start(const char *flags)
{
    driver_start(&driver, DRIVER_IPV4, flags);
}

static void make_non_blocking(int fd)
{
    assert_int_equal(CALL(fcntl, fd, F_SETFL, O_RDWR | O_NONBLOCK), 0);
}

/* ---- table, clock, settings ---- */

static void every_slot_is_filled_and_nothing_else_is_exported(void **state)
{
    (void)state;
    void *slots[33];
    int pipe_ends[2];
    start(NULL);
    memcpy(slots, &driver.table, sizeof(slots));
    for (size_t i = 0; i < ARRAY_COUNT(slots); i++)
        if (slots[i] == NULL)
            fail_msg("slot %zu is empty", i);
    assert_null(driver_symbol("tcp_input"));
    assert_null(driver_symbol("network_transmit"));
    ASSERT_ERROR(CALL(pipe, pipe_ends), ENOSYS);
    ASSERT_ERROR(CALL(splice, 0, NULL, 1, NULL, 1, 0), ENOSYS);
    ASSERT_ERROR(CALL(read, 12345, pipe_ends, 1), EBADF);
    ASSERT_ERROR(CALL(socket, AF_UNIX, SOCK_STREAM, 0), EAFNOSUPPORT);
    driver_stop(&driver);
}

static void the_clock_moves_as_its_runner_moves_it(void **state)
{
    (void)state;
    start(NULL);
    uint64_t start_us = driver_now_us(&driver);
    assert_true(start_us >= 1000000000000u);
    for (uint64_t i = 1; i <= 250; i++)
        assert_int_equal(driver_now_us(&driver), start_us + i);
    assert_int_equal(CALL(usleep, 12345), 0);
    assert_int_equal(driver_now_us(&driver), start_us + 251 + 12345);
    driver_stop(&driver); /* and nothing was ever sent by itself */
}

static void what_cannot_be_set_ends_the_process_with_a_message(void **state)
{
    (void)state;
    static const struct {
        const char *flags, *message;
    } cases[] = {
        {"mtu=1500,colour=red", "colour=red: unknown key"},
        {"mtu", "mtu=: a key needs a value"},
        {"colour=", "colour=: unknown key"},
        {"mtu=10", "mtu=10: allowed 296..9000 (default 1500)"},
        {"iw=ten", "iw=ten: allowed 1..64"},
        {"ecn=1", "ecn=1: allowed 0..0"},
        {"syncookies=1", "syncookies=1: allowed auto, always, never"},
        {"cc=bbr", "cc=bbr: allowed cubic, newreno"},
        {"pcap=/nowhere/at/all", "pcap=/nowhere/at/all: No such file"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        int ends[2], status;
        char message[512] = "";
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        if (child == 0) {
            dup2(ends[1], STDERR_FILENO);
            driver_init_table(cases[i].flags, &driver.table);
            _exit(0);
        }
        close(ends[1]);
        ssize_t length = read(ends[0], message, sizeof(message) - 1);
        close(ends[0]);
        assert_int_equal(waitpid(child, &status, 0), child);
        if (length <= 0 || !strstr(message, cases[i].message) || !WIFEXITED(status) ||
            WEXITSTATUS(status) == 0)
            fail_msg("flags %s: status %d, message: %s", cases[i].flags, status, message);
    }
}

static uint32_t first_sequence(const char *flags)
{
    start(flags);
    int listener = driver_listen(&driver);
    driver_handshake(&driver, NULL, 0, 1 * MS);
    uint32_t iss = driver.host_iss;
    int fd = driver_accept(&driver, listener);
    assert_int_equal(CALL(close, fd), 0);
    driver_expect(&driver, FIN | ACK, 1, 1, 0);
    driver_reset(&driver, 1);
    assert_int_equal(CALL(close, listener), 0);
    driver_stop(&driver);
    return iss;
}

static int next_descriptor(void)
{
    int fd = open("/dev/null", O_RDONLY);
    close(fd);
    return fd;
}

static void scripts_of_one_process_start_afresh(void **state)
{
    (void)state;
    uint32_t first = first_sequence("seed=5");
    int descriptor = next_descriptor();
    for (int i = 0; i < 20; i++)
        assert_int_equal(first_sequence("seed=5"), first);
    assert_int_not_equal(first_sequence("seed=6"), first);
    assert_int_equal(next_descriptor(), descriptor);
}

static void packets_of_both_directions_are_captured(void **state)
{
    (void)state;
    char name[] = "/tmp/gannet-packetdrill-XXXXXX", flags[64];
    uint32_t words[6 + 4];
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    snprintf(flags, sizeof(flags), "pcap=%s", name);
    start(flags);
    driver_inject(&driver, (struct injected){.flags = SYN});
    driver_expect(&driver, RST | ACK, 0, 1, 0);
    driver_stop(&driver);
    assert_int_equal(read(fd, words, sizeof(words)), sizeof(words));
    assert_int_equal(words[0], 0xa1b2c3d4);
    assert_int_equal(words[5], 101);
    assert_int_equal(words[6], 1000000); /* seconds */
    assert_int_equal(words[8], 40);
    assert_int_equal(lseek(fd, 0, SEEK_END), 24 + 2 * (16 + 40));
    close(fd);
    unlink(name);
}

/* ---- opening ---- */

static void a_segment_to_nobody_is_reset(void **state)
{
    (void)state;
    static const enum driver_family families[] = {DRIVER_IPV4, DRIVER_IPV6};
    for (size_t i = 0; i < ARRAY_COUNT(families); i++) {
        driver_start(&driver, families[i], NULL);
        driver_inject(&driver, (struct injected){.flags = SYN});
        driver_expect(&driver, RST | ACK, 0, 1, 0);
        driver_inject(&driver, (struct injected){.flags = ACK, .seq = 7, .ack = 99});
        driver_expect(&driver, RST, 99, 0, 0);
        driver_reset(&driver, 7); /* a reset is never answered */
        driver_stop(&driver);
    }
}

static void options_are_in_the_order_of_linux(void **state)
{
    (void)state;
    static const struct {
        const char *what, *flags;
        uint8_t offered[24], offered_bytes;
        uint8_t kinds[12]; /* of the SYN-ACK, each NOP too; 0 ends */
    } cases[] = {
        {"everything",
         NULL,
         {2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 3, 232, 0, 0, 0, 0, 1, 3, 3, 7},
         20,
         {2, 4, 8, 1, 3}},
        {"no timestamps", NULL, {2, 4, 5, 0xb4, 1, 1, 4, 2, 1, 3, 3, 7}, 12, {2, 1, 1, 4, 1, 3}},
        {"no timestamps by setting",
         "ts=0",
         {2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 3, 232, 0, 0, 0, 0, 1, 3, 3, 7},
         20,
         {2, 1, 1, 4, 1, 3}},
        {"no SACK",
         "sack=0",
         {2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 3, 232, 0, 0, 0, 0, 1, 3, 3, 7},
         20,
         {2, 1, 1, 8, 1, 3}},
        {"MSS alone", NULL, {2, 4, 5, 0xb4}, 4, {2}},
        {"none", NULL, {0}, 0, {2}},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        start(cases[i].flags);
        int listener = driver_listen(&driver);
        driver_inject(&driver, (struct injected){.flags = SYN,
                                                 .options = cases[i].offered,
                                                 .option_bytes = cases[i].offered_bytes});
        driver.echo_expected = 1000;
        struct sent_segment sent = driver_expect(&driver, SYN | ACK, 0, 1, 0);
        size_t kind = 0;
        for (uint32_t at = 0; at < sent.option_bytes; kind++) {
            if (sent.options[at] != cases[i].kinds[kind])
                fail_msg("case '%s': option %zu is %u", cases[i].what, kind, sent.options[at]);
            at += sent.options[at] == 1 ? 1u : sent.options[at + 1];
        }
        if (cases[i].kinds[kind] != 0)
            fail_msg("case '%s': option %u is not there", cases[i].what, cases[i].kinds[kind]);
        assert_int_equal(frame_get16(sent.options + 2), 1460);
        assert_int_equal(sent.window, 65535);
        if (cases[i].offered_bytes >= 12)
            assert_int_equal(sent.options[sent.option_bytes - 1], 8); /* the window scale */
        driver_reset(&driver, 1);
        assert_int_equal(CALL(close, listener), 0);
        driver_stop(&driver);
    }
}

static void a_syn_ack_is_sent_again_until_it_is_given_up(void **state)
{
    (void)state;
    start("rcvbuf=,sndbuf=,,"); /* nothing said */
    int listener = driver_listen(&driver);
    uint64_t first_us = driver_now_us(&driver);
    driver_inject(&driver, (struct injected){.flags = SYN});
    for (uint32_t tries = 0; tries <= 3; tries++) {
        struct sent_segment sent = driver_expect(&driver, SYN | ACK, 0, 1, 0);
        driver_expect_at(&driver, &sent, first_us + ((1u << tries) - 1) * 1250u * MS);
    }
    struct sent_segment sent;
    uint32_t more = 0;
    while (driver_take(&driver, &sent))
        more++;
    assert_in_range(more, 1, 10);
    CALL(close, listener);
    driver_stop(&driver);
}

static void a_socket_for_both_families_names_an_ipv4_peer_as_mapped(void **state)
{
    (void)state;
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    struct sockaddr_in6 own = {.sin6_family = AF_INET6, .sin6_port = htons(DRIVER_SERVER_PORT)};
    struct sockaddr_in6 peer;
    socklen_t length = sizeof(peer);
    start(NULL);
    memcpy(&own.sin6_addr, mapped, sizeof(mapped));
    memcpy(own.sin6_addr.s6_addr + sizeof(mapped), driver.host, 4);
    int listener = CALL(socket, AF_INET6, SOCK_STREAM, 0);
    assert_int_equal(CALL(bind, listener, (const void *)&own, sizeof(own)), 0);
    assert_int_equal(CALL(listen, listener, 5), 0);
    driver_handshake(&driver, NULL, 0, 1 * MS);
    int fd = CALL(accept, listener, (void *)&peer, &length);
    assert_true(fd >= 0);
    assert_int_equal(length, sizeof(peer));
    assert_memory_equal(&peer.sin6_addr, mapped, sizeof(mapped));
    assert_memory_equal(peer.sin6_addr.s6_addr + sizeof(mapped), driver.peer, 4);
    driver_reset(&driver, 1);
    CALL(close, fd);
    CALL(close, listener);
    driver_stop(&driver);
}

static void a_cookie_opens_a_connection_as_well(void **state)
{
    (void)state;
    static const uint8_t offered[] = {2, 4,   5, 0xb4, 4, 2, 8, 10, 0, 0,
                                      3, 232, 0, 0,    0, 0, 1, 3,  3, 7};
    start("syncookies=always");
    int listener = driver_listen(&driver);
    driver_handshake(&driver, offered, sizeof(offered), 100 * MS);
    assert_true(driver.uses_timestamps);
    int fd = driver_accept(&driver, listener);
    driver_sends(&driver, 1, 1, 100);
    driver_expect(&driver, ACK, 1, 101, 0);
    driver_reads(&driver, fd, 0, 100);
    driver_reset(&driver, 101);
    CALL(close, fd);
    CALL(close, listener);
    driver_stop(&driver);
}

static void accept_names_the_peer(void **state)
{
    (void)state;
    static const enum driver_family families[] = {DRIVER_IPV4, DRIVER_IPV6};
    for (size_t i = 0; i < ARRAY_COUNT(families); i++) {
        driver_start(&driver, families[i], NULL);
        int listener = driver_listen(&driver);
        struct sockaddr_in ipv4;
        struct sockaddr_in6 ipv6;
        bool is_ipv4 = families[i] == DRIVER_IPV4;
        socklen_t length = is_ipv4 ? sizeof(ipv4) : sizeof(ipv6);
        struct sockaddr *address = is_ipv4 ? (void *)&ipv4 : (void *)&ipv6;
        make_non_blocking(listener);
        assert_int_equal(CALL(fcntl, listener, F_GETFL, 0), O_RDWR | O_NONBLOCK);
        ASSERT_ERROR(CALL(accept, listener, address, &length), EAGAIN);
        driver_handshake(&driver, NULL, 0, 10 * MS);
        int fd = CALL(accept, listener, address, &length);
        assert_true(fd >= 0 && fd != listener);
        assert_true(fcntl(fd, F_GETFD) >= 0); /* a real one */
        assert_int_equal(CALL(fcntl, fd, F_GETFL, 0), O_RDWR);
        if (is_ipv4) {
            assert_int_equal(length, sizeof(ipv4));
            assert_int_equal(ipv4.sin_family, AF_INET);
            assert_int_equal(ntohs(ipv4.sin_port), driver.peer_port);
            assert_memory_equal(&ipv4.sin_addr, driver.peer, 4);
        } else {
            assert_int_equal(length, sizeof(ipv6));
            assert_int_equal(ipv6.sin6_family, AF_INET6);
            assert_int_equal(ntohs(ipv6.sin6_port), driver.peer_port);
            assert_memory_equal(&ipv6.sin6_addr, driver.peer, 16);
        }
        driver_reset(&driver, 1);
        assert_int_equal(CALL(close, fd), 0);
        ASSERT_ERROR(fcntl(fd, F_GETFD), EBADF); /* closed for real too */
        driver_stop(&driver);
    }
}

static void a_socket_connects_and_learns_how_it_ended(void **state)
{
    (void)state;
    start(NULL);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(driver.peer_port)};
    memcpy(&address.sin_addr, driver.peer, 4);
    const struct sockaddr *peer = (const void *)&address;
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons(driver.host_port)};
    memcpy(&own.sin_addr, driver.host, 4);
    int error;
    socklen_t length = sizeof(error);

    int fd = CALL(socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(CALL(bind, fd, (const void *)&own, sizeof(own)), 0);
    ASSERT_ERROR(CALL(connect, fd, peer, sizeof(address)), EINPROGRESS);
    ASSERT_ERROR(CALL(connect, fd, peer, sizeof(address)), EALREADY);
    driver_expect(&driver, SYN, 0, 0, 0);
    struct pollfd poll = {.fd = fd, .events = POLLOUT};
    assert_int_equal(CALL(poll, &poll, 1, 0), 0);
    driver_inject(&driver, (struct injected){.flags = SYN | ACK, .ack = 1});
    driver_expect(&driver, ACK, 1, 1, 0);
    assert_int_equal(CALL(poll, &poll, 1, 0), 1);
    assert_int_equal(CALL(getsockopt, fd, SOL_SOCKET, SO_ERROR, &error, &length), 0);
    assert_int_equal(error, 0);
    ASSERT_ERROR(CALL(connect, fd, peer, sizeof(address)), EISCONN);
    driver_reset(&driver, 1);
    assert_int_equal(CALL(close, fd), 0);

    fd = CALL(socket, AF_INET, SOCK_STREAM, 0); /* blocks: the clock runs until it gives up */
    assert_int_equal(CALL(bind, fd, (const void *)&own, sizeof(own)), 0);
    uint64_t begun_us = driver_now_us(&driver);
    ASSERT_ERROR(CALL(connect, fd, peer, sizeof(address)), ETIMEDOUT);
    assert_in_range(driver_now_us(&driver) - begun_us, 60u * 1000000u, 200u * 1000000u);
    driver.uses_timestamps = false;
    for (int tries = 0; tries < 7; tries++)
        driver_expect(&driver, SYN, 0, 0, 0);
    assert_int_equal(CALL(close, fd), 0);
    driver_stop(&driver);
}

/* ---- readiness ---- */

static void poll_waits_in_virtual_time(void **state)
{
    (void)state;
    start(NULL);
    int fd = driver_connected(&driver);
    struct pollfd polls[2] = {{.fd = fd, .events = POLLIN}, {.fd = -1}};
    uint64_t now_us = driver_now_us(&driver);
    assert_int_equal(CALL(poll, polls, 2, 2500), 0);
    assert_in_range(driver_now_us(&driver) - now_us, 2500 * MS, 2500 * MS + 2);
    ASSERT_ERROR(CALL(poll, polls, 2, -1), EAGAIN); /* nothing could ever happen */
    driver_sends(&driver, 1, 1, 10);
    driver_expect(&driver, ACK, 1, 11, 0);
    polls[0].events = POLLIN | POLLOUT;
    assert_int_equal(CALL(poll, polls, 2, -1), 1);
    assert_int_equal(polls[0].revents, POLLIN | POLLOUT);
    driver_inject(&driver, (struct injected){.flags = FIN | ACK, .seq = 11, .ack = 1});
    driver_expect(&driver, ACK, 1, 12, 0);
    polls[0].events = POLLRDHUP;
    polls[1].fd = 4321;
    assert_int_equal(CALL(poll, polls, 2, -1), 2);
    assert_int_equal(polls[0].revents, POLLRDHUP);
    assert_int_equal(polls[1].revents, POLLNVAL);
    driver_reset(&driver, 12);
    CALL(close, fd);
    driver_stop(&driver);
}

static void epoll_tells_levels_edges_and_single_shots(void **state)
{
    (void)state;
    start(NULL);
    int fd = driver_connected(&driver), set = CALL(epoll_create, 1);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = 77}, got;
    assert_true(set >= 0);
    ASSERT_ERROR(CALL(epoll_ctl, set, EPOLL_CTL_MOD, fd, &event), ENOENT);
    assert_int_equal(CALL(epoll_ctl, set, EPOLL_CTL_ADD, fd, &event), 0);
    ASSERT_ERROR(CALL(epoll_ctl, set, EPOLL_CTL_ADD, fd, &event), EEXIST);
    assert_int_equal(CALL(epoll_wait, set, &got, 1, 10), 0);
    driver_sends(&driver, 1, 1, 10);
    driver_expect(&driver, ACK, 1, 11, 0);
    for (int i = 0; i < 2; i++) { /* a level stays */
        assert_int_equal(CALL(epoll_wait, set, &got, 1, 0), 1);
        assert_int_equal(got.events, EPOLLIN);
        assert_int_equal(got.data.u32, 77);
    }
    event.events = EPOLLIN | EPOLLET;
    assert_int_equal(CALL(epoll_ctl, set, EPOLL_CTL_MOD, fd, &event), 0);
    assert_int_equal(CALL(epoll_wait, set, &got, 1, 0), 1); /* an edge is told once */
    assert_int_equal(CALL(epoll_wait, set, &got, 1, 0), 0);
    driver_sends(&driver, 11, 1, 10);
    driver_expect(&driver, ACK, 1, 21, 0);
    assert_int_equal(CALL(epoll_wait, set, &got, 1, 0), 1);
    event.events = EPOLLIN | EPOLLONESHOT;
    assert_int_equal(CALL(epoll_ctl, set, EPOLL_CTL_MOD, fd, &event), 0);
    assert_int_equal(CALL(epoll_wait, set, &got, 1, 0), 1);
    driver_sends(&driver, 21, 1, 10);
    driver_expect(&driver, ACK, 1, 31, 0);
    assert_int_equal(CALL(epoll_wait, set, &got, 1, 0), 0);
    assert_int_equal(CALL(epoll_ctl, set, EPOLL_CTL_DEL, fd, NULL), 0);
    driver_reads(&driver, fd, 0, 30);
    driver_reset(&driver, 31);
    CALL(close, fd);
    assert_int_equal(CALL(close, set), 0);
    driver_stop(&driver);
}

/* A test that failed half way. */
static int abandon(void **state)
{
    (void)state;
    driver_abandon(&driver);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(every_slot_is_filled_and_nothing_else_is_exported, abandon),
        cmocka_unit_test_teardown(the_clock_moves_as_its_runner_moves_it, abandon),
        cmocka_unit_test_teardown(what_cannot_be_set_ends_the_process_with_a_message, abandon),
        cmocka_unit_test_teardown(scripts_of_one_process_start_afresh, abandon),
        cmocka_unit_test_teardown(packets_of_both_directions_are_captured, abandon),
        cmocka_unit_test_teardown(a_segment_to_nobody_is_reset, abandon),
        cmocka_unit_test_teardown(options_are_in_the_order_of_linux, abandon),
        cmocka_unit_test_teardown(a_syn_ack_is_sent_again_until_it_is_given_up, abandon),
        cmocka_unit_test_teardown(a_socket_for_both_families_names_an_ipv4_peer_as_mapped, abandon),
        cmocka_unit_test_teardown(a_cookie_opens_a_connection_as_well, abandon),
        cmocka_unit_test_teardown(accept_names_the_peer, abandon),
        cmocka_unit_test_teardown(a_socket_connects_and_learns_how_it_ended, abandon),
        cmocka_unit_test_teardown(poll_waits_in_virtual_time, abandon),
        cmocka_unit_test_teardown(epoll_tells_levels_edges_and_single_shots, abandon),
    };
    driver_load();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
