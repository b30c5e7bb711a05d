/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/service_notify.h"
#include "include/compiler.h"

/* Plays systemd: a datagram socket under `path` ("@..." is abstract). */
static int listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path));
    if (path[0] == '@')
        address.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    socklen_t bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    assert_int_equal(bind(fd, (struct sockaddr *)&address, bytes), 0);
    setenv("NOTIFY_SOCKET", path, 1);
    return fd;
}

static void expect_datagram(int fd, const char *expected)
{
    char text[600] = {0};
    ssize_t bytes = recv(fd, text, sizeof(text) - 1, 0);
    assert_int_equal(bytes, strlen(expected));
    assert_string_equal(text, expected);
}

static void each_state_is_one_datagram(void **state)
{
    (void)state;
    char in_files[64], abstract[64];
    snprintf(in_files, sizeof(in_files), "/tmp/service_notify_test.%d", (int)getpid());
    snprintf(abstract, sizeof(abstract), "@service_notify_test.%d", (int)getpid());
    const char *const paths[] = {in_files, abstract};
    for (size_t i = 0; i < ARRAY_COUNT(paths); i++) {
        struct service_notify notify;
        int manager = listen_at(paths[i]);
        assert_int_equal(service_notify_open(&notify), 0);
        assert_int_equal(service_notify_ready(&notify), 0);
        expect_datagram(manager, "READY=1");
        assert_int_equal(service_notify_alive(&notify), 0);
        expect_datagram(manager, "WATCHDOG=1");
        assert_int_equal(service_notify_status(&notify, "recovering 12 %"), 0);
        expect_datagram(manager, "STATUS=recovering 12 %");
        assert_int_equal(service_notify_status(&notify, "a\nREADY=1"), -EINVAL);
        assert_int_equal(service_notify_stopping(&notify), 0);
        expect_datagram(manager, "STOPPING=1");
        service_notify_close(&notify);
        close(manager);
    }
    unlink(in_files);
}

static void a_status_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    struct service_notify notify = {.socket_fd = -1};
    char text[1000];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_int_equal(service_notify_status(&notify, text), -EMSGSIZE);
}

static void without_a_manager_nothing_happens(void **state)
{
    (void)state;
    struct service_notify notify;
    unsetenv("NOTIFY_SOCKET");
    assert_int_equal(service_notify_open(&notify), 0);
    assert_int_equal(notify.socket_fd, -1);
    assert_int_equal(service_notify_ready(&notify), 0);
    assert_int_equal(service_notify_alive(&notify), 0);
}

static void a_wrong_socket_is_an_error(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        int expected;
    } cases[] = {
        {"relative", -EINVAL},
        {"@", -EINVAL},
        {"/nobody/listens/here", -ENOENT},
        {"/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         -ENAMETOOLONG},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct service_notify notify;
        setenv("NOTIFY_SOCKET", cases[i].path, 1);
        if (service_notify_open(&notify) != cases[i].expected)
            fail_msg("case '%s'", cases[i].path);
        assert_int_equal(notify.socket_fd, -1);
    }
}

static void the_watchdog_is_for_the_process_it_names(void **state)
{
    (void)state;
    char path[64], our_pid[16];
    snprintf(path, sizeof(path), "@service_notify_watchdog.%d", (int)getpid());
    snprintf(our_pid, sizeof(our_pid), "%d", (int)getpid());
    const struct {
        const char *what, *usec, *pid;
        uint64_t expected;
    } cases[] = {
        {"ours", "10000000", our_pid, 10000000},
        {"anybody's", "5000", NULL, 5000},
        {"another process's", "5000", "1", 0},
        {"none", NULL, NULL, 0},
        {"not a number", "5s", NULL, 0},
        {"negative", "-5", NULL, 0},
        {"too large", "99999999999999999999", NULL, 0},
    };
    int manager = listen_at(path);
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct service_notify notify;
        unsetenv("WATCHDOG_USEC");
        unsetenv("WATCHDOG_PID");
        if (cases[i].usec)
            setenv("WATCHDOG_USEC", cases[i].usec, 1);
        if (cases[i].pid)
            setenv("WATCHDOG_PID", cases[i].pid, 1);
        assert_int_equal(service_notify_open(&notify), 0);
        if (notify.watchdog_us != cases[i].expected)
            fail_msg("case '%s'", cases[i].what);
        service_notify_close(&notify);
    }
    close(manager);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_state_is_one_datagram),
        cmocka_unit_test(a_status_that_does_not_fit_is_refused),
        cmocka_unit_test(without_a_manager_nothing_happens),
        cmocka_unit_test(a_wrong_socket_is_an_error),
        cmocka_unit_test(the_watchdog_is_for_the_process_it_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
