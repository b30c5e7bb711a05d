/* SPDX-License-Identifier: BSD-3-Clause */
/* Open connections through the library: data, closing, options, and what goes wrong on the way. */
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>

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

/* ---- data ---- */

static void data_is_read_in_every_way(void **state)
{
    (void)state;
    start(NULL);
    int fd = driver_connected(&driver);
    uint8_t bytes[4000], more[4000];
    int waiting;
    make_non_blocking(fd);
    ASSERT_ERROR(CALL(read, fd, bytes, sizeof(bytes)), EAGAIN);
    driver_sends(&driver, 1, 1, 1000);
    driver_expect(&driver, ACK, 1, 1001, 0); /* at once */
    assert_int_equal(CALL(ioctl, fd, SIOCINQ, &waiting), 0);
    assert_int_equal(waiting, 1000);
    assert_int_equal(CALL(recv, fd, bytes, 100, MSG_PEEK), 100);
    driver_check_pattern(bytes, 0, 100);
    ASSERT_ERROR(CALL(read, fd, NULL, 100), EFAULT);
    assert_int_equal(CALL(read, fd, bytes, 100), 100);
    driver_check_pattern(bytes, 0, 100);
    struct iovec parts[3] = {{bytes, 50}, {NULL, 0}, {more, 150}};
    assert_int_equal(CALL(readv, fd, parts, 3), 200);
    driver_check_pattern(bytes, 100, 50);
    driver_check_pattern(more, 150, 150);
    struct msghdr message = {
        .msg_iov = parts, .msg_iovlen = 1, .msg_flags = -1, .msg_controllen = 99};
    assert_int_equal(CALL(recvmsg, fd, &message, 0), 50);
    assert_int_equal(message.msg_flags, 0);
    assert_int_equal(message.msg_controllen, 0);
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);
    assert_int_equal(
        CALL(recvfrom, fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&address, &length), 650);
    driver_check_pattern(bytes, 350, 650);
    driver_inject(&driver, (struct injected){.flags = FIN | ACK, .seq = 1001, .ack = 1});
    driver_expect(&driver, ACK, 1, 1002, 0);
    assert_int_equal(CALL(read, fd, bytes, sizeof(bytes)), 0);
    assert_int_equal(CALL(read, fd, bytes, sizeof(bytes)), 0);
    assert_int_equal(CALL(close, fd), 0);
    driver_expect(&driver, FIN | ACK, 1, 1002, 0);
    driver_acknowledges(&driver, 1002, 2);
    driver_stop(&driver);
}

static void a_merged_segment_is_taken_whole(void **state)
{
    (void)state;
    start(NULL);
    int fd = driver_connected(&driver);
    driver_sends(&driver, 1, 1, 10000);
    driver_expect(&driver, ACK, 1, 10001, 0);
    driver_reads(&driver, fd, 0, 10000);
    driver_sends(&driver, 10001, 1, 60000);
    driver_expect(&driver, ACK, 1, 70001, 0);
    driver_reads(&driver, fd, 10000, 60000);
    driver_reset(&driver, 70001);
    CALL(close, fd);
    driver_stop(&driver);
}

static void a_write_leaves_before_it_returns_and_ends_with_push(void **state)
{
    (void)state;
    start("iw=3");
    int fd = driver_connected(&driver);
    uint64_t now_us = driver_now_us(&driver);
    driver_writes(&driver, fd, 0, 4000);
    driver_writes(&driver, fd, 4000, 2000);
    for (uint32_t i = 0; i < 2; i++) {
        struct sent_segment sent = driver_expect(&driver, ACK, 1 + 1460 * i, 1, 1460);
        driver_expect_at(&driver, &sent, now_us);
    }
    driver_expect(&driver, ACK | PSH, 2921, 1, 1080); /* the write's last byte */
    driver_expect_silence(&driver, 20 * MS);          /* the initial window is used up */
    int waiting;
    assert_int_equal(CALL(ioctl, fd, SIOCOUTQ, &waiting), 0);
    assert_int_equal(waiting, 6000);
    assert_int_equal(CALL(ioctl, fd, SIOCOUTQNSD, &waiting), 0);
    assert_int_equal(waiting, 2000 - 1460); /* the silence ended with a probe of new data */
    driver_reset(&driver, 1);
    CALL(close, fd);
    driver_stop(&driver);
}

static void the_end_of_a_write_is_pushed_although_more_follows(void **state)
{
    (void)state;
    start("iw=2");
    int fd = driver_connected(&driver);
    driver_writes(&driver, fd, 0, 4000);
    driver_writes(&driver, fd, 4000, 2000); /* its beginning fills the last segment of the first */
    driver_expect(&driver, ACK, 1, 1, 1460);
    driver_expect(&driver, ACK, 1461, 1, 1460);
    driver_acknowledges(&driver, 1, 2921);
    driver_expect(&driver, ACK | PSH, 2921, 1, 1460);
    driver_expect(&driver, ACK, 4381, 1, 1460);
    driver_expect(&driver, ACK | PSH, 5841, 1, 160);
    driver_acknowledges(&driver, 1, 6001);
    driver_reset(&driver, 1);
    CALL(close, fd);
    driver_stop(&driver);
}

static void acknowledgements_release_more(void **state)
{
    (void)state;
    start("iw=2");
    int fd = driver_connected(&driver);
    driver_writes(&driver, fd, 0, 5 * 1460);
    driver_expect(&driver, ACK, 1, 1, 1460);
    driver_expect(&driver, ACK, 1461, 1, 1460);
    CALL(usleep, 50 * MS);
    driver_acknowledges(&driver, 1, 2921);
    driver_expect(&driver, ACK, 2921, 1, 1460);
    driver_expect(&driver, ACK, 4381, 1, 1460);
    driver_expect(&driver, ACK | PSH, 5841, 1, 1460);
    driver_acknowledges(&driver, 1, 7301);
    driver_reset(&driver, 1);
    CALL(close, fd);
    driver_stop(&driver);
}

static void timestamps_are_kept_and_echoed(void **state)
{
    (void)state;
    static const uint8_t offered[] = {2, 4,   5, 0xb4, 4, 2, 8, 10, 0, 0,
                                      3, 232, 0, 0,    0, 0, 1, 3,  3, 7};
    start(NULL);
    int listener = driver_listen(&driver);
    driver_handshake(&driver, offered, sizeof(offered), 100 * MS);
    assert_true(driver.uses_timestamps);
    int fd = driver_accept(&driver, listener);
    CALL(close, listener);
    driver.timestamp = 9000;
    driver_sends(&driver, 1, 1, 500);
    driver_expect(&driver, ACK, 1, 501, 0);
    CALL(usleep, 1000 * MS);
    driver.timestamp = 9500;
    driver_sends(&driver, 1001, 1, 500); /* a hole: echoes the older one, reports the block */
    struct sent_segment sent = driver_expect(&driver, ACK, 1, 501, 0);
    assert_int_equal(sent.option_bytes, 24);
    driver.timestamp = 9600;
    driver_sends(&driver, 501, 1, 500);
    driver_expect(&driver, ACK, 1, 1501, 0);
    driver_reads(&driver, fd, 0, 1500);
    driver_writes(&driver, fd, 0, 1448);
    driver_expect(&driver, ACK | PSH, 1, 1501, 1448);
    driver_reset(&driver, 1501);
    CALL(close, fd);
    driver_stop(&driver);
}

static void what_is_lost_is_sent_again(void **state)
{
    (void)state;
    start(NULL);
    int fd = driver_connected(&driver); /* a round trip of 100 ms */
    uint64_t now_us = driver_now_us(&driver);
    driver_writes(&driver, fd, 0, 1000);
    driver_expect(&driver, ACK | PSH, 1, 1, 1000);
    struct sent_segment probe = driver_expect(&driver, ACK | PSH, 1, 1, 1000);
    driver_expect_at(&driver, &probe, now_us + 241 * MS); /* two round trips and a delayed ACK */
    struct sent_segment again = driver_expect(&driver, ACK | PSH, 1, 1, 1000);
    assert_in_range(again.time_us - probe.time_us, 250 * MS, 350 * MS); /* srtt + 4 rttvar */
    driver_acknowledges(&driver, 1, 1001);
    driver_reset(&driver, 1);
    CALL(close, fd);
    driver_stop(&driver);
}

static void acknowledgements_wait_as_long_as_they_are_told(void **state)
{
    (void)state;
    start("delack_us=40000,rcvbuf=65535"); /* a window that has nothing to open */
    int fd = driver_connected(&driver);
    uint64_t now_us = driver_now_us(&driver);
    driver_sends(&driver, 1, 1, 1000);
    struct sent_segment sent = driver_expect(&driver, ACK, 1, 1001, 0);
    driver_expect_at(&driver, &sent, now_us + 40 * MS);
    now_us = driver_now_us(&driver);
    driver_sends(&driver, 1001, 1, 1460);
    driver_sends(&driver, 2461, 1, 1460); /* the second one: at once */
    sent = driver_expect(&driver, ACK, 1, 3921, 0);
    driver_expect_at(&driver, &sent, now_us);
    driver_reset(&driver, 3921);
    CALL(close, fd);
    driver_stop(&driver);
}

static void a_full_send_buffer_takes_a_part(void **state)
{
    (void)state;
    start(NULL);
    int fd = driver_connected(&driver);
    static uint8_t bytes[20000];
    int size = 8000;
    driver_fill(bytes, 0, sizeof(bytes));
    make_non_blocking(fd);
    assert_int_equal(CALL(setsockopt, fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
    assert_int_equal(CALL(write, fd, bytes, sizeof(bytes)), 8000);
    ASSERT_ERROR(CALL(write, fd, bytes + 8000, 1), EAGAIN);
    struct pollfd poll = {.fd = fd, .events = POLLOUT};
    assert_int_equal(CALL(poll, &poll, 1, 0), 0);
    for (uint32_t at = 0; at < 7300; at += 1460)
        driver_expect(&driver, ACK, 1 + at, 1, 1460);
    driver_expect(&driver, ACK | PSH, 7301, 1, 700);
    driver_acknowledges(&driver, 1, 8001);
    assert_int_equal(CALL(poll, &poll, 1, 0), 1);
    assert_int_equal(poll.revents, POLLOUT);
    struct iovec parts[2] = {{bytes + 8000, 10}, {bytes + 8010, 30}};
    assert_int_equal(CALL(writev, fd, parts, 2), 40);
    driver_expect(&driver, ACK | PSH, 8001, 1, 40);
    driver_acknowledges(&driver, 1, 8041);
    driver_reset(&driver, 1);
    CALL(close, fd);
    driver_stop(&driver);
}

/* ---- closing ---- */

static void a_half_closed_socket_still_reads(void **state)
{
    (void)state;
    start(NULL);
    int fd = driver_connected(&driver);
    assert_int_equal(CALL(shutdown, fd, SHUT_WR), 0);
    driver_expect(&driver, FIN | ACK, 1, 1, 0);
    ASSERT_ERROR(CALL(write, fd, "x", 1), EPIPE);
    driver_acknowledges(&driver, 1, 2);
    driver_sends(&driver, 1, 2, 700);
    driver_expect(&driver, ACK, 2, 701, 0);
    driver_reads(&driver, fd, 0, 700);
    driver_inject(&driver, (struct injected){.flags = FIN | ACK, .seq = 701, .ack = 2});
    driver_expect(&driver, ACK, 2, 702, 0);
    uint8_t byte;
    assert_int_equal(CALL(read, fd, &byte, 1), 0);
    ASSERT_ERROR(CALL(shutdown, fd, SHUT_WR), ENOTCONN);
    assert_int_equal(CALL(close, fd), 0);
    driver_stop(&driver);
}

static void a_close_that_loses_data_resets(void **state)
{
    (void)state;
    static const struct linger none = {.l_onoff = 1, .l_linger = 0};
    start(NULL);
    int fd = driver_connected(&driver); /* data that was not read */
    driver_sends(&driver, 1, 1, 100);
    driver_expect(&driver, ACK, 1, 101, 0);
    assert_int_equal(CALL(close, fd), 0);
    driver_expect(&driver, RST | ACK, 1, 101, 0);
    driver_stop(&driver);

    start(NULL);
    fd = driver_connected(&driver); /* as the application wishes */
    assert_int_equal(CALL(setsockopt, fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none)), 0);
    assert_int_equal(CALL(close, fd), 0);
    driver_expect(&driver, RST | ACK, 1, 1, 0);
    driver_stop(&driver);

    start(NULL);
    fd = driver_connected(&driver); /* data for nobody */
    assert_int_equal(CALL(close, fd), 0);
    driver_expect(&driver, FIN | ACK, 1, 1, 0);
    driver_acknowledges(&driver, 1, 2);
    driver_sends(&driver, 1, 2, 100);
    driver_expect(&driver, RST | ACK, 2, 101, 0);
    driver_stop(&driver);

    start(NULL);
    int listener = driver_listen(&driver); /* opened, never accepted */
    driver_handshake(&driver, NULL, 0, 1 * MS);
    assert_int_equal(CALL(close, listener), 0);
    driver_expect(&driver, RST | ACK, 1, 1, 0);
    driver_stop(&driver);
}

static void a_reset_is_told_once(void **state)
{
    (void)state;
    start(NULL);
    int fd = driver_connected(&driver);
    struct pollfd poll = {.fd = fd, .events = POLLIN};
    uint8_t byte;
    driver_reset(&driver, 1);
    assert_int_equal(CALL(poll, &poll, 1, -1), 1);
    assert_int_equal(poll.revents, POLLIN | POLLERR | POLLHUP);
    ASSERT_ERROR(CALL(read, fd, &byte, 1), ECONNRESET);
    assert_int_equal(CALL(read, fd, &byte, 1), 0);
    ASSERT_ERROR(CALL(write, fd, &byte, 1), EPIPE);
    assert_int_equal(CALL(close, fd), 0);
    ASSERT_ERROR(CALL(close, fd), EBADF);
    driver_stop(&driver);
}

/* ---- what is narrower, longer, slower ---- */

static void too_big_is_sent_again_in_smaller_pieces(void **state)
{
    (void)state;
    static const struct {
        enum driver_family family;
        uint16_t mtu;
        uint32_t before, after;
    } cases[] = {{DRIVER_IPV4, 1200, 1460, 1160}, {DRIVER_IPV6, 1300, 1440, 1240}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        driver_start(&driver, cases[i].family, NULL);
        int fd = driver_connected(&driver);
        uint32_t before = cases[i].before, after = cases[i].after;
        driver_writes(&driver, fd, 0, before);
        driver_expect(&driver, ACK | PSH, 1, 1, before);
        driver_inject_icmp(&driver, 900000, cases[i].mtu); /* about nothing we sent */
        driver_expect_silence(&driver, 10);
        driver_acknowledges(&driver, 1, 1 + before);
        driver_reset(&driver, 1);
        driver_stop(&driver);

        driver_start(&driver, cases[i].family, NULL);
        fd = driver_connected(&driver);
        driver_writes(&driver, fd, 0, before);
        driver_expect(&driver, ACK | PSH, 1, 1, before);
        uint64_t now_us = driver_now_us(&driver);
        driver_inject_icmp(&driver, 1, cases[i].mtu);
        struct sent_segment sent = driver_expect(&driver, ACK, 1, 1, after);
        driver_expect_at(&driver, &sent, now_us);
        driver_expect(&driver, ACK | PSH, 1 + after, 1, before - after);
        driver_inject_icmp(&driver, 1, 0); /* unreachable: a soft error */
        driver_acknowledges(&driver, 1, 1 + before);
        driver_reset(&driver, 1);
        CALL(close, fd);
        driver_stop(&driver);
    }
}

static void set_number(int fd, int level, int name, int value)
{
    int got = 0;
    socklen_t length = sizeof(got);
    assert_int_equal(CALL(setsockopt, fd, level, name, &value, sizeof(value)), 0);
    assert_int_equal(CALL(getsockopt, fd, level, name, &got, &length), 0);
    assert_int_equal(length, sizeof(got));
    bool is_buffer = level == SOL_SOCKET && (name == SO_RCVBUF || name == SO_SNDBUF);
    assert_int_equal(got, is_buffer ? 2 * value : value);
}

static uint32_t word_at(const uint8_t *bytes, uint32_t offset)
{
    uint32_t word;
    memcpy(&word, bytes + offset, sizeof(word));
    return word;
}

static void socket_options_reach_the_stack(void **state)
{
    (void)state;
    uint8_t info[280];
    static const uint8_t usual[] = {2, 4, 5, 0xb4, 1, 1, 4, 2, 1, 3, 3, 7};
    start(NULL);
    int listener = driver_listen(&driver), value = 1;
    ASSERT_ERROR(CALL(setsockopt, listener, SOL_SOCKET, SO_BROADCAST, &value, sizeof(value)),
                 ENOPROTOOPT);
    ASSERT_ERROR(CALL(setsockopt, listener, IPPROTO_TCP, 4711, &value, sizeof(value)), ENOPROTOOPT);
    ASSERT_ERROR(CALL(setsockopt, listener, IPPROTO_TCP, TCP_MAXSEG, &value, sizeof(value)),
                 EINVAL);
    set_number(listener, SOL_SOCKET, SO_REUSEADDR, 1);
    set_number(listener, IPPROTO_TCP, TCP_NODELAY, 1);
    set_number(listener, IPPROTO_TCP, TCP_MAXSEG, 1000);
    set_number(listener, SOL_SOCKET, SO_RCVBUF, 20000);
    driver_inject(&driver,
                  (struct injected){.flags = SYN, .options = usual, .option_bytes = sizeof(usual)});
    struct sent_segment sent = driver_expect(&driver, SYN | ACK, 0, 1, 0);
    assert_int_equal(frame_get16(sent.options + 2), 1000);
    assert_int_equal(sent.window, 20000);
    driver_acknowledges(&driver, 1, 1);
    int fd = driver_accept(&driver, listener);
    CALL(close, listener);
    socklen_t info_bytes = sizeof(info);
    assert_int_equal(CALL(getsockopt, fd, IPPROTO_TCP, TCP_INFO, info, &info_bytes), 0);
    assert_int_equal(word_at(info, 84), 1000); /* what was announced */
    driver_writes(&driver, fd, 0, 1500);
    driver_expect(&driver, ACK, 1, 1, 1000);
    driver_expect(&driver, ACK | PSH, 1001, 1, 500);
    driver_acknowledges(&driver, 1, 1501);
    driver_reset(&driver, 1);
    CALL(close, fd);
    driver_stop(&driver);
}

static void a_silent_peer_is_given_up_in_time(void **state)
{
    (void)state;
    start(NULL);
    int fd = driver_connected(&driver);
    uint8_t byte;
    set_number(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 3000);
    uint64_t now_us = driver_now_us(&driver);
    driver_writes(&driver, fd, 0, 1);
    ASSERT_ERROR(CALL(read, fd, &byte, 1), ETIMEDOUT); /* the clock runs while it waits */
    assert_in_range(driver_now_us(&driver) - now_us, 3000 * MS, 6000 * MS);
    struct sent_segment sent;
    do
        assert_true(driver_take(&driver, &sent));
    while (!(sent.flags & RST));
    CALL(close, fd);
    driver_stop(&driver);
}

static void an_idle_peer_is_asked_and_given_up(void **state)
{
    (void)state;
    start(NULL);
    int fd = driver_connected(&driver);
    set_number(fd, IPPROTO_TCP, TCP_KEEPIDLE, 30);
    set_number(fd, IPPROTO_TCP, TCP_KEEPINTVL, 5);
    set_number(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
    set_number(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    uint64_t now_us = driver_now_us(&driver);
    struct sent_segment sent = driver_expect(&driver, ACK, 0, 1, 0);
    driver_expect_at(&driver, &sent, now_us + 30000 * MS);
    driver_acknowledges(&driver, 1, 1); /* it is there: all over again */
    now_us = driver_now_us(&driver);
    for (uint32_t probe = 0; probe < 3; probe++) {
        sent = driver_expect(&driver, ACK, 0, 1, 0);
        driver_expect_at(&driver, &sent, now_us + (30 + 5 * probe) * 1000u * MS);
    }
    sent = driver_expect(&driver, RST | ACK, 1, 1, 0);
    driver_expect_at(&driver, &sent, now_us + 45000 * MS);
    uint8_t byte;
    ASSERT_ERROR(CALL(read, fd, &byte, 1), ETIMEDOUT);
    CALL(close, fd);
    driver_stop(&driver);
}

static void tcp_info_is_laid_out_as_in_linux(void **state)
{
    (void)state;
    uint8_t info[400];
    socklen_t length = sizeof(info);
    start(NULL);
    int fd = driver_connected(&driver);
    driver_writes(&driver, fd, 0, 4000);
    memset(info, 0xff, sizeof(info));
    assert_int_equal(CALL(getsockopt, fd, IPPROTO_TCP, TCP_INFO, info, &length), 0);
    assert_int_equal(length, 280);
    assert_int_equal(info[0], 1);                       /* ESTABLISHED */
    assert_int_equal(info[1], 0);                       /* Open */
    assert_int_equal(info[5], 2 | 4);                   /* SACK, window scale */
    assert_int_equal(info[6], 8 << 4 | 7);              /* ours, the peer's */
    assert_in_range(word_at(info, 8), 299000, 302000);  /* RTO: 100 ms + 4 * 50 ms */
    assert_int_equal(word_at(info, 16), 1460);          /* snd_mss */
    assert_int_equal(word_at(info, 24), 3);             /* unacked */
    assert_in_range(word_at(info, 68), 100000, 101000); /* rtt */
    assert_int_equal(word_at(info, 76), 0x7fffffff);    /* no ssthresh yet */
    assert_int_equal(word_at(info, 80), 10);            /* cwnd */
    assert_int_equal(word_at(info, 84), 1460);          /* advmss */
    assert_int_equal(word_at(info, 88), 3);             /* reordering */
    assert_int_equal(info[280], 0xff);
    for (uint32_t at = 0; at < 4000; at += 1460)
        driver_expect(&driver, at < 2920 ? ACK : ACK | PSH, 1 + at, 1, at < 2920 ? 1460 : 1080);
    CALL(usleep, 100 * MS);
    driver_acknowledges(&driver, 1, 4001);
    length = 10; /* only what is asked for */
    assert_int_equal(CALL(getsockopt, fd, IPPROTO_TCP, TCP_INFO, info, &length), 0);
    assert_int_equal(length, 10);
    driver_reset(&driver, 1);
    length = sizeof(info);
    assert_int_equal(CALL(getsockopt, fd, IPPROTO_TCP, TCP_INFO, info, &length), 0);
    assert_int_equal(info[0], 7); /* CLOSE */
    CALL(close, fd);
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
        cmocka_unit_test_teardown(data_is_read_in_every_way, abandon),
        cmocka_unit_test_teardown(a_merged_segment_is_taken_whole, abandon),
        cmocka_unit_test_teardown(a_write_leaves_before_it_returns_and_ends_with_push, abandon),
        cmocka_unit_test_teardown(the_end_of_a_write_is_pushed_although_more_follows, abandon),
        cmocka_unit_test_teardown(acknowledgements_release_more, abandon),
        cmocka_unit_test_teardown(timestamps_are_kept_and_echoed, abandon),
        cmocka_unit_test_teardown(what_is_lost_is_sent_again, abandon),
        cmocka_unit_test_teardown(acknowledgements_wait_as_long_as_they_are_told, abandon),
        cmocka_unit_test_teardown(a_full_send_buffer_takes_a_part, abandon),
        cmocka_unit_test_teardown(a_half_closed_socket_still_reads, abandon),
        cmocka_unit_test_teardown(a_close_that_loses_data_resets, abandon),
        cmocka_unit_test_teardown(a_reset_is_told_once, abandon),
        cmocka_unit_test_teardown(too_big_is_sent_again_in_smaller_pieces, abandon),
        cmocka_unit_test_teardown(socket_options_reach_the_stack, abandon),
        cmocka_unit_test_teardown(a_silent_peer_is_given_up_in_time, abandon),
        cmocka_unit_test_teardown(an_idle_peer_is_asked_and_given_up, abandon),
        cmocka_unit_test_teardown(tcp_info_is_laid_out_as_in_linux, abandon),
    };
    driver_load();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
