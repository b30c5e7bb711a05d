/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls that block: the second thread sleeps, and returns at the time of what woke it. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include <cmocka.h>

#include "include/compiler.h"
#include "tests/packetdrill/driver.h"

#define MS 1000u
#define ROUNDS 100

static struct driver driver;

#define CALL(function, ...) driver.table.function(driver.table.userdata, __VA_ARGS__)

/* What the second thread does, and when on the virtual clock it was done. */
struct blocking_call {
    ssize_t (*call)(int fd);
    int fd;
    pthread_t thread;
    _Atomic pid_t thread_id; /* 0: not begun */
    ssize_t result;
    int error;
    uint64_t returned_us;
};

/* The runner's second thread: the call, then the time; dawdling shows who does not wait for it. */
static void *run_call(void *argument)
{
    struct blocking_call *blocking = argument;
    atomic_store(&blocking->thread_id, (pid_t)syscall(SYS_gettid));
    blocking->result = blocking->call(blocking->fd);
    blocking->error = errno;
    usleep(200);
    blocking->returned_us = driver_now_us(&driver);
    return NULL;
}

static bool sleeps(pid_t thread_id)
{
    char name[64], text[512] = "";
    snprintf(name, sizeof(name), "/proc/self/task/%d/stat", thread_id);
    FILE *file = fopen(name, "r");
    if (!file)
        return false;
    size_t length = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[length] = '\0';
    const char *state = strrchr(text, ')');
    return state && state[2] == 'S';
}

/* As the runner does: begin, then wait until the thread sleeps in the call. */
static void begin(struct blocking_call *blocking, ssize_t (*call)(int fd), int fd)
{
    *blocking = (struct blocking_call){.call = call, .fd = fd};
    assert_int_equal(pthread_create(&blocking->thread, NULL, run_call, blocking), 0);
    while (atomic_load(&blocking->thread_id) == 0 || !sleeps(blocking->thread_id))
        usleep(20);
}

static void end_at(struct blocking_call *blocking, ssize_t result, uint64_t time_us)
{
    pthread_join(blocking->thread, NULL);
    assert_int_equal(blocking->result, result);
    if (blocking->returned_us < time_us || blocking->returned_us > time_us + 2)
        fail_msg("returned at %lu us, woken at %lu", blocking->returned_us, time_us);
}

static uint8_t received[100000];

static ssize_t call_accept(int fd)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);
    return CALL(accept, fd, (struct sockaddr *)&address, &length) >= 0 ? 0 : -1;
}

static ssize_t call_read(int fd)
{
    return CALL(read, fd, received, sizeof(received));
}

static ssize_t call_write(int fd)
{
    static uint8_t bytes[20000];
    driver_fill(bytes, 0, sizeof(bytes));
    return CALL(write, fd, bytes, sizeof(bytes));
}

static ssize_t call_poll(int fd)
{
    struct pollfd poll = {.fd = fd, .events = POLLIN};
    return CALL(poll, &poll, 1, 50);
}

static void a_blocked_accept_returns_when_the_handshake_ends(void **state)
{
    (void)state;
    struct blocking_call blocking;
    for (int round = 0; round < ROUNDS; round++) {
        driver_start(&driver, DRIVER_IPV4, NULL);
        int listener = driver_listen(&driver);
        begin(&blocking, call_accept, listener);
        driver_inject(&driver, (struct injected){.flags = SYN});
        driver_expect(&driver, SYN | ACK, 0, 1, 0);
        CALL(usleep, 10 * MS);
        uint64_t woken_us = driver_now_us(&driver) + 1;
        driver_inject(&driver, (struct injected){.flags = ACK, .seq = 1, .ack = 1});
        CALL(usleep,
             1000 * MS); /* must not begin before the other thread has looked at the clock */
        end_at(&blocking, 0, woken_us);
        driver_reset(&driver, 1);
        driver_stop(&driver);
    }
}

static void a_blocked_read_returns_when_data_comes(void **state)
{
    (void)state;
    struct blocking_call blocking;
    driver_start(&driver, DRIVER_IPV4, NULL);
    int fd = driver_connected(&driver);
    uint32_t seq = 1;
    for (int round = 0; round < ROUNDS; round++, seq += 100) {
        begin(&blocking, call_read, fd);
        CALL(usleep, 10 * MS);
        uint64_t woken_us = driver_now_us(&driver) + 1;
        driver_inject(&driver,
                      (struct injected){.flags = ACK, .seq = seq, .ack = 1, .length = 100});
        CALL(usleep, 500 * MS);
        end_at(&blocking, 100, woken_us);
        driver_check_pattern(received, seq - 1, 100);
        struct sent_segment sent = driver_expect(&driver, ACK, 1, seq + 100, 0);
        driver_expect_at(&driver, &sent, woken_us);
    }
    driver_reset(&driver, seq);
    CALL(close, fd);
    driver_stop(&driver);
}

static void a_blocked_write_returns_when_there_is_room(void **state)
{
    (void)state;
    struct blocking_call blocking;
    int size = 8000;
    driver_start(&driver, DRIVER_IPV4, NULL);
    int fd = driver_connected(&driver);
    assert_int_equal(CALL(setsockopt, fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
    begin(&blocking, call_write, fd);
    uint64_t woken_us = 0;
    for (uint32_t acked = 0; acked < 20000;) { /* the reader of what is written */
        struct sent_segment sent;
        assert_true(driver_take(&driver, &sent));
        assert_int_equal(sent.seq, 1 + acked);
        acked += sent.length;
        CALL(usleep, 1 * MS);
        woken_us = acked <= 12000 + 1460 ? driver_now_us(&driver) + 1 : woken_us;
        driver_inject(&driver, (struct injected){.flags = ACK, .seq = 1, .ack = 1 + acked});
    }
    pthread_join(blocking.thread, NULL);
    assert_int_equal(blocking.result, 20000);
    assert_in_range(blocking.returned_us, woken_us - 4 * MS, woken_us + 4 * MS);
    driver_reset(&driver, 1);
    CALL(close, fd);
    driver_stop(&driver);
}

static void a_blocked_poll_returns_at_its_deadline(void **state)
{
    (void)state;
    struct blocking_call blocking;
    driver_start(&driver, DRIVER_IPV4, NULL);
    int fd = driver_connected(&driver);
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t begun_us = driver_now_us(&driver) + 1;
        begin(&blocking, call_poll, fd);
        CALL(usleep, 2000 * MS);
        end_at(&blocking, 0, begun_us + 50 * MS);
    }
    driver_reset(&driver, 1);
    CALL(close, fd);
    driver_stop(&driver);
}

static void a_close_and_the_end_wake_who_sleeps(void **state)
{
    (void)state;
    struct blocking_call blocking;
    driver_start(&driver, DRIVER_IPV4, NULL);
    int fd = driver_connected(&driver);
    begin(&blocking, call_read, fd);
    assert_int_equal(CALL(close, fd), 0);
    pthread_join(blocking.thread, NULL);
    assert_int_equal(blocking.result, -1);
    assert_int_equal(blocking.error, EBADF);
    driver_expect(&driver, FIN | ACK, 1, 1, 0);
    driver_reset(&driver, 1);
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
        cmocka_unit_test_teardown(a_blocked_accept_returns_when_the_handshake_ends, abandon),
        cmocka_unit_test_teardown(a_blocked_read_returns_when_data_comes, abandon),
        cmocka_unit_test_teardown(a_blocked_write_returns_when_there_is_room, abandon),
        cmocka_unit_test_teardown(a_blocked_poll_returns_at_its_deadline, abandon),
        cmocka_unit_test_teardown(a_close_and_the_end_wake_who_sleeps, abandon),
    };
    driver_load();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
