/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dataplane/nic_leftovers.h"
#include "include/compiler.h"

static char base[64];

static int make_base(void **state)
{
    (void)state;
    snprintf(base, sizeof(base), "/tmp/gannet-leftovers-XXXXXX");
    return mkdtemp(base) ? 0 : -1;
}

/* Fails when a test leaves anything behind. */
static int remove_base(void **state)
{
    (void)state;
    return rmdir(base);
}

static void path_of(char *out, size_t bytes, const char *name)
{
    snprintf(out, bytes, "%s/%s", base, name);
}

static bool exists(const char *name)
{
    char path[128];
    struct stat status;
    path_of(path, sizeof(path), name);
    return lstat(path, &status) == 0;
}

static void make_file(const char *name)
{
    char path[128];
    path_of(path, sizeof(path), name);
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
}

static void a_prefix_is_removed_with_everything_in_it(void **state)
{
    (void)state;
    struct nic_prefix prefix;
    assert_int_equal(nic_prefix_open(base, 42, &prefix), 0);
    assert_string_equal(prefix.name, "gannet-42");
    make_file("gannet-42/config");
    make_file("gannet-42/.lock");
    nic_prefix_close(&prefix);
    assert_false(exists("gannet-42"));
    nic_prefix_close(&prefix); /* once is enough, twice does no harm */
}

static void two_servers_with_the_same_pid_do_not_share_a_name(void **state)
{
    (void)state;
    struct nic_prefix first, second;
    assert_int_equal(nic_prefix_open(base, 1, &first), 0);
    assert_int_equal(nic_prefix_open(base, 1, &second), 0); /* pid 1 of another container */
    assert_string_equal(second.name, "gannet-1-1");
    assert_int_equal(nic_leftovers_close(base), 0); /* both live */
    nic_prefix_close(&first);
    nic_prefix_close(&second);
}

/* A server in a process of its own, which waits to be killed. Returns its pid. */
static pid_t start_server(int pid_it_believes)
{
    int ready[2];
    char byte;
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct nic_prefix prefix;
        if (nic_prefix_open(base, pid_it_believes, &prefix) == 0 && write(ready[1], "r", 1) == 1)
            for (;;)
                pause();
        _exit(1);
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return child;
}

static void kill_server(pid_t child)
{
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

static void what_a_killed_server_left_goes_and_what_a_living_one_has_stays(void **state)
{
    (void)state;
    /* the names say nothing about the pids: as seen from another pid namespace */
    pid_t killed = start_server(1000001), living = start_server(1000002);
    make_file("gannet-1000001/dump_0");
    make_file("gannet-1000002/dump_0");
    make_file("unrelated");
    kill_server(killed);
    assert_true(exists("gannet-1000001"));
    assert_int_equal(nic_leftovers_close(base), 1);
    assert_false(exists("gannet-1000001"));
    assert_true(exists("gannet-1000002/dump_0"));
    kill_server(living);
    assert_int_equal(nic_leftovers_close(base), 1);
    assert_false(exists("gannet-1000002"));
    assert_true(exists("unrelated"));
    char path[128];
    path_of(path, sizeof(path), "unrelated");
    assert_int_equal(unlink(path), 0);
}

static void a_file_or_a_link_in_place_of_a_directory_is_left_alone(void **state)
{
    (void)state;
    char path[128], target[128];
    make_file("gannet-7");
    path_of(path, sizeof(path), "gannet-8");
    path_of(target, sizeof(target), "elsewhere");
    assert_int_equal(mkdir(target, 0700), 0);
    make_file("elsewhere/precious");
    assert_int_equal(symlink(target, path), 0);
    assert_int_equal(nic_leftovers_close(base), 0);
    assert_true(exists("gannet-7") && exists("elsewhere/precious"));
    static const char *const names[] = {"gannet-7", "gannet-8", "elsewhere/precious"};
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        path_of(path, sizeof(path), names[i]);
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(rmdir(target), 0);
}

static void only_listening_devices_have_a_socket(void **state)
{
    (void)state;
    static const struct {
        const char *device, *path; /* NULL: none */
    } cases[] = {
        {"net_memif0,role=server,socket=/run/m.sock,socket-abstract=no", "/run/m.sock"},
        {"net_memif0,socket-abstract=no,socket=/run/m.sock,role=server,id=3", "/run/m.sock"},
        {"net_memif0,role=server,socket=/run/m.sock", NULL}, /* abstract: dies with its owner */
        {"net_memif0,role=client,socket=/run/m.sock,socket-abstract=no", NULL},
        {"net_memif0,socket=/run/m.sock,socket-abstract=no", NULL}, /* client is the default */
        {"net_memif0,role=server,socket-abstract=no", NULL},
        {"net_vhost0,iface=/run/v.sock,queues=2", "/run/v.sock"},
        {"net_vhost0,iface=/run/v.sock,client=0", "/run/v.sock"},
        {"net_vhost0,iface=/run/v.sock,client=1", NULL},
        {"net_af_packet0,iface=/run/v.sock", NULL},
        {"net_vhost0", NULL},
        {"net_vhost0,iface=", NULL},
        {"0000:01:00.0", NULL},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        char path[64] = "";
        bool has_one = nic_socket_path(cases[i].device, path, sizeof(path));
        if (has_one != (cases[i].path != NULL) || (has_one && strcmp(path, cases[i].path) != 0))
            fail_msg("%s: '%s'", cases[i].device, path);
    }
}

static int listen_on(const char *path, int type)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    assert_in_range(strlen(path), 1, sizeof(address.sun_path) - 1);
    memcpy(address.sun_path, path, strlen(path));
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 1), 0);
    return fd;
}

static void a_socket_is_removed_once_nobody_listens(void **state)
{
    (void)state;
    static const int types[] = {SOCK_SEQPACKET, SOCK_STREAM}; /* memif, vhost */
    for (size_t i = 0; i < ARRAY_COUNT(types); i++) {
        char path[128];
        path_of(path, sizeof(path), "port.sock");
        int fd = listen_on(path, types[i]);
        assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
        assert_false(nic_socket_close_stale(path));
        assert_true(exists("port.sock"));
        assert_int_equal(accept(fd, NULL, NULL), -1); /* the listener was not even disturbed */
        close(fd);
        assert_true(nic_socket_close_stale(path));
        assert_false(exists("port.sock"));
        assert_false(nic_socket_close_stale(path)); /* nothing there */
    }
    char path[128];
    make_file("port.sock"); /* not a socket: somebody mistyped, it is not ours to remove */
    path_of(path, sizeof(path), "port.sock");
    assert_false(nic_socket_close_stale(path));
    assert_int_equal(unlink(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_prefix_is_removed_with_everything_in_it),
        cmocka_unit_test(two_servers_with_the_same_pid_do_not_share_a_name),
        cmocka_unit_test(what_a_killed_server_left_goes_and_what_a_living_one_has_stays),
        cmocka_unit_test(a_file_or_a_link_in_place_of_a_directory_is_left_alone),
        cmocka_unit_test(only_listening_devices_have_a_socket),
        cmocka_unit_test(a_socket_is_removed_once_nobody_listens),
    };
    return cmocka_run_group_tests(tests, make_base, remove_base);
}
