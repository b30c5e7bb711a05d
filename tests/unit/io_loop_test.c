/* SPDX-License-Identifier: BSD-3-Clause */
/* One conformance suite over every back end of the I/O loop, and the fallback where io_uring is
 * forbidden. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <pthread.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/io_loop.h"
#include "control/io_simulator.h"
#include "include/clock.h"
#include "include/compiler.h"
#include "include/log.h"

#define DEPTH 8u

struct fixture {
    enum io_backend backend;
    struct io_simulator *sim;
    struct io_loop *loop;
    int wake_fd;
    char directory[64];
    int directory_fd;
};

static int64_t run(struct fixture *f, struct io_operation operation)
{
    return io_run(f->loop, &operation);
}

static int64_t open_file(struct fixture *f, const char *path, int open_flags)
{
    return run(f, (struct io_operation){.code = IO_OPEN,
                                        .directory_fd = f->directory_fd,
                                        .path = path,
                                        .open_flags = open_flags,
                                        .mode = 0600});
}

static int64_t write_at(struct fixture *f, int fd, uint64_t offset, const char *text)
{
    return run(f, (struct io_operation){.code = IO_WRITE,
                                        .fd = fd,
                                        .offset = offset,
                                        .buffer = (void *)(uintptr_t)text,
                                        .bytes = (uint32_t)strlen(text)});
}

static int64_t read_at(struct fixture *f, int fd, uint64_t offset, void *buffer, uint32_t bytes)
{
    return run(f,
               (struct io_operation){
                   .code = IO_READ, .fd = fd, .offset = offset, .buffer = buffer, .bytes = bytes});
}

static int64_t close_file(struct fixture *f, int64_t fd)
{
    return run(f, (struct io_operation){.code = IO_CLOSE, .fd = (int)fd});
}

static int64_t name_operation(struct fixture *f, enum io_code code, const char *path,
                              const char *other)
{
    return run(f, (struct io_operation){.code = (uint8_t)code,
                                        .directory_fd = f->directory_fd,
                                        .path = path,
                                        .other_path = other});
}

static int create_loop(struct fixture *f, enum io_backend backend, uint32_t refused_flags)
{
    f->backend = backend;
    f->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct io_loop_config config = {.backend = backend,
                                    .depth_max = DEPTH,
                                    .wake_fd = f->wake_fd,
                                    .refused_flags = refused_flags};
    snprintf(f->directory, sizeof(f->directory), "/tmp/io_loop_test.XXXXXX");
    if (backend == IO_BACKEND_SIMULATOR) {
        f->sim = io_simulator_create(42);
        io_simulator_loop(f->sim, &config, &f->loop);
        snprintf(f->directory, sizeof(f->directory), "/data");
        assert_int_equal(io_make_directory(f->loop, f->directory, 0700), 0);
    } else {
        assert_int_equal(io_loop_create(&config, &f->loop), 0);
        assert_non_null(mkdtemp(f->directory));
    }
    f->directory_fd = AT_FDCWD;
    f->directory_fd = (int)open_file(f, f->directory, O_RDONLY | O_DIRECTORY);
    assert_true(f->directory_fd >= 0);
    return 0;
}

static void unlink_entry(void *context, const char *name)
{
    struct fixture *f = context;
    assert_int_equal(unlinkat(f->directory_fd, name, 0), 0);
}

static void destroy_loop(struct fixture *f)
{
    if (!f->sim) {
        io_list_directory(f->loop, f->directory, unlink_entry, f);
        rmdir(f->directory);
    }
    close_file(f, f->directory_fd);
    io_loop_destroy(f->loop);
    io_simulator_destroy(f->sim);
    close(f->wake_fd);
}

/* Every conformance test below runs on every back end, and on io_uring as older kernels have it. */
static void on_each_backend(void (*check)(struct fixture *))
{
    static const struct {
        enum io_backend backend;
        uint32_t refused_flags;
    } cases[] = {
        {IO_BACKEND_URING, 0},
        {IO_BACKEND_URING, IORING_SETUP_DEFER_TASKRUN}, /* before Linux 6.1 */
        {IO_BACKEND_URING, IORING_SETUP_COOP_TASKRUN},  /* before 5.19 */
        {IO_BACKEND_URING, IORING_SETUP_SUBMIT_ALL},    /* before 5.18 */
        {IO_BACKEND_THREADS, 0},
        {IO_BACKEND_SIMULATOR, 0},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct fixture f = {0};
        create_loop(&f, cases[i].backend, cases[i].refused_flags);
        print_message("    on %s, flags 0x%x\n", io_loop_backend_name(f.loop),
                      io_loop_setup_flags(f.loop));
        check(&f);
        destroy_loop(&f);
    }
}

static void check_read_back(struct fixture *f)
{
    char buffer[64];
    int fd = (int)open_file(f, "file", O_RDWR | O_CREAT | O_EXCL);
    assert_true(fd >= 0);
    assert_int_equal(write_at(f, fd, 0, "hello world"), 11);
    assert_int_equal(write_at(f, fd, 6, "there"), 5);
    assert_int_equal(read_at(f, fd, 0, buffer, 11), 11);
    assert_memory_equal(buffer, "hello there", 11);
    assert_int_equal(read_at(f, fd, 6, buffer, 64), 5); /* short at the end of the file */
    assert_int_equal(read_at(f, fd, 11, buffer, 64), 0);
    assert_int_equal(read_at(f, fd, 5000, buffer, 64), 0);
    assert_int_equal(write_at(f, fd, 100, "!"), 1); /* a hole reads as zeros */
    assert_int_equal(read_at(f, fd, 50, buffer, 51), 51);
    assert_int_equal(buffer[0], 0);
    assert_int_equal(buffer[50], '!');
    assert_int_equal(run(f, (struct io_operation){.code = IO_SYNC_DATA, .fd = fd}), 0);
    assert_int_equal(run(f, (struct io_operation){.code = IO_SYNC_ALL, .fd = fd}), 0);
    assert_int_equal(run(f, (struct io_operation){.code = IO_SYNC_ALL, .fd = f->directory_fd}), 0);
    assert_int_equal(io_file_size(f->loop, fd), 101);
    char durable[] = "durable";
    assert_int_equal(
        run(f,
            (struct io_operation){
                .code = IO_WRITE_DURABLE, .fd = fd, .offset = 3, .buffer = durable, .bytes = 7}),
        7);
    assert_int_equal(read_at(f, fd, 0, buffer, 11), 11);
    assert_memory_equal(buffer, "heldurablee", 11);
    assert_int_equal(close_file(f, fd), 0);
    assert_int_equal(read_at(f, fd, 0, buffer, 1), -EBADF);
}

static void check_names(struct fixture *f)
{
    assert_int_equal(open_file(f, "missing", O_RDONLY), -ENOENT);
    int64_t fd = open_file(f, "a", O_RDWR | O_CREAT);
    assert_int_equal(write_at(f, (int)fd, 0, "A"), 1);
    assert_int_equal(close_file(f, fd), 0);
    assert_int_equal(open_file(f, "a", O_RDWR | O_CREAT | O_EXCL), -EEXIST);
    assert_int_equal(open_file(f, "a", O_RDONLY | O_DIRECTORY), -ENOTDIR);
    assert_int_equal(name_operation(f, IO_RENAME, "a", "b"), 0);
    assert_int_equal(name_operation(f, IO_RENAME, "a", "b"), -ENOENT);
    assert_int_equal(name_operation(f, IO_LINK, "b", "c"), 0);
    assert_int_equal(name_operation(f, IO_LINK, "b", "c"), -EEXIST);
    assert_int_equal(name_operation(f, IO_UNLINK, "b", NULL), 0);
    assert_int_equal(name_operation(f, IO_UNLINK, "b", NULL), -ENOENT);
    char byte = 0;
    fd = open_file(f, "c", O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(read_at(f, (int)fd, 0, &byte, 1), 1);
    assert_int_equal(byte, 'A');
    assert_int_equal(write_at(f, (int)fd, 0, "x"), -EBADF); /* opened for reading */
    assert_int_equal(name_operation(f, IO_UNLINK, "c", NULL), 0);
    assert_int_equal(read_at(f, (int)fd, 0, &byte, 1), 1); /* open files outlive their names */
    assert_int_equal(close_file(f, fd), 0);
}

static void count_entry(void *context, const char *name)
{
    (void)name;
    ++*(int *)context;
}

static void check_sizes(struct fixture *f)
{
    int fd = (int)open_file(f, "file", O_RDWR | O_CREAT);
    assert_int_equal(run(f, (struct io_operation){.code = IO_ALLOCATE, .fd = fd, .bytes = 1 << 20}),
                     0);
    assert_int_equal(io_file_size(f->loop, fd), 1 << 20);
    assert_int_equal(run(f, (struct io_operation){.code = IO_TRUNCATE, .fd = fd, .bytes = 4097}),
                     0);
    assert_int_equal(io_file_size(f->loop, fd), 4097);
    uint64_t large = UINT64_C(5) << 30; /* longer than `bytes` can say: offset + bytes */
    assert_int_equal(run(f, (struct io_operation){.code = IO_TRUNCATE, .fd = fd, .offset = large}),
                     0);
    assert_true(io_file_size(f->loop, fd) == (int64_t)large);
    assert_int_equal(run(f, (struct io_operation){.code = IO_TRUNCATE, .fd = fd}), 0);
    assert_int_equal(io_file_size(f->loop, fd), 0);
    uint64_t free_bytes = 0;
    assert_int_equal(io_free_space(f->loop, fd, &free_bytes), 0);
    assert_true(free_bytes > 0);
    assert_int_equal(io_file_links(f->loop, fd), 1);
    assert_int_equal(name_operation(f, IO_LINK, "file", "other"), 0);
    assert_int_equal(io_file_links(f->loop, fd), 2);
    assert_int_equal(name_operation(f, IO_UNLINK, "other", NULL), 0);
    assert_int_equal(io_file_links(f->loop, fd), 1);
    int entries = 0;
    assert_int_equal(io_list_directory(f->loop, f->directory, count_entry, &entries), 0);
    assert_int_equal(entries, 1);
    assert_int_equal(io_list_directory(f->loop, "/missing/directory", count_entry, &entries),
                     -ENOENT);
    assert_int_equal(io_make_directory(f->loop, f->directory, 0700), -EEXIST);
    close_file(f, fd);
}

static void check_lock(struct fixture *f)
{
    int64_t first = open_file(f, "LOCK", O_RDWR | O_CREAT);
    int64_t second = open_file(f, "LOCK", O_RDWR);
    assert_int_equal(io_lock(f->loop, (int)first), 0);
    assert_int_equal(io_lock(f->loop, (int)first), 0); /* it is ours already */
    assert_int_equal(io_lock(f->loop, (int)second), -EWOULDBLOCK);
    close_file(f, first);
    assert_int_equal(io_lock(f->loop, (int)second), 0);
    close_file(f, second);
}

static void check_depth(struct fixture *f)
{
    static char bytes[DEPTH + 1];
    struct io_operation writes[DEPTH + 1];
    int fd = (int)open_file(f, "file", O_RDWR | O_CREAT);
    for (uint32_t round = 0; round < 50; round++) {
        for (uint32_t i = 0; i < DEPTH + 1; i++) {
            writes[i] = (struct io_operation){
                .code = IO_WRITE, .fd = fd, .offset = i, .buffer = &bytes[i], .bytes = 1};
            assert_true(io_submit(f->loop, &writes[i]) == (i < DEPTH));
        }
        assert_int_equal(io_in_flight(f->loop), DEPTH);
        uint32_t seen_mask = 0;
        while (io_in_flight(f->loop) > 0) {
            struct io_operation *out[3];
            io_wait(f->loop, NS_PER_S);
            uint32_t count = io_reap(f->loop, out, 3);
            for (uint32_t i = 0; i < count; i++) {
                assert_int_equal(out[i]->result, 1);
                seen_mask |= 1u << (out[i] - writes);
            }
        }
        assert_int_equal(seen_mask, (1u << DEPTH) - 1); /* each once, none twice */
    }
    close_file(f, fd);
}

static uint64_t waited_ns(struct fixture *f, uint64_t timeout_ns)
{
    uint64_t before = io_now_ns(f->loop);
    io_wait(f->loop, timeout_ns);
    return io_now_ns(f->loop) - before;
}

static void wake(struct fixture *f)
{
    uint64_t one = 1;
    assert_int_equal(write(f->wake_fd, &one, sizeof(one)), sizeof(one));
}

static void check_wake(struct fixture *f)
{
    struct io_operation *none;
    assert_true(waited_ns(f, 20 * NS_PER_MS) >= 19 * NS_PER_MS);
    for (uint32_t i = 0; i < 100; i++) { /* before the wait */
        wake(f);
        assert_true(waited_ns(f, 30 * NS_PER_S) < 10 * NS_PER_S);
    }
    for (uint32_t i = 0; i < 100; i++) { /* io_reap in between must not swallow the wake-up */
        wake(f);
        assert_int_equal(io_reap(f->loop, &none, 1), 0);
        assert_true(waited_ns(f, 30 * NS_PER_S) < 10 * NS_PER_S);
    }
    wake(f);
    waited_ns(f, NS_PER_S);
    io_wait(f->loop, NS_PER_MS); /* one late return is allowed, a storm of them is not */
    assert_true(waited_ns(f, 20 * NS_PER_MS) >= 19 * NS_PER_MS);
}

static void *wake_later(void *argument)
{
    usleep(20000);
    wake(argument);
    return NULL;
}

static void check_random_and_time(struct fixture *f)
{
    uint64_t now = io_now_ns(f->loop), wall = io_wall_ms(f->loop);
    assert_true(io_random_u64(f->loop) != io_random_u64(f->loop));
    io_wait(f->loop, 5 * NS_PER_MS);
    assert_true(io_now_ns(f->loop) >= now + 4 * NS_PER_MS);
    assert_true(io_wall_ms(f->loop) >= wall + 3 && io_wall_ms(f->loop) < wall + 60000);
}

static void what_was_written_is_read_back(void **state)
{
    (void)state;
    on_each_backend(check_read_back);
}

static void names_follow_rename_link_and_unlink(void **state)
{
    (void)state;
    on_each_backend(check_names);
}

static void files_grow_and_shrink(void **state)
{
    (void)state;
    on_each_backend(check_sizes);
}

static void a_lock_is_taken_once(void **state)
{
    (void)state;
    on_each_backend(check_lock);
}

static void the_depth_is_limited_and_every_completion_arrives_once(void **state)
{
    (void)state;
    on_each_backend(check_depth);
}

static void a_wait_ends_by_timeout_or_wake_up(void **state)
{
    (void)state;
    on_each_backend(check_wake);
}

static void time_moves_and_random_numbers_differ(void **state)
{
    (void)state;
    on_each_backend(check_random_and_time);
}

static void another_thread_ends_a_wait(void **state)
{
    (void)state;
    static const enum io_backend backends[] = {IO_BACKEND_URING, IO_BACKEND_THREADS};
    for (size_t i = 0; i < ARRAY_COUNT(backends); i++) {
        struct fixture f = {0};
        create_loop(&f, backends[i], 0);
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, wake_later, &f), 0);
        uint64_t waited = waited_ns(&f, 30 * NS_PER_S);
        assert_true(waited >= 10 * NS_PER_MS && waited < 10 * NS_PER_S);
        pthread_join(thread, NULL);
        destroy_loop(&f);
    }
}

static struct io_operation *next_completion(struct io_loop *loop)
{
    struct io_operation *done = NULL;
    while (io_reap(loop, &done, 1) == 0)
        io_wait(loop, NS_PER_S);
    return done;
}

/* Silent clients must not keep others from being served, nor the loop from ending. */
static void sockets_are_accepted_read_and_written(void **state)
{
    (void)state;
    static const enum io_backend backends[] = {IO_BACKEND_URING, IO_BACKEND_THREADS};
    for (size_t i = 0; i < ARRAY_COUNT(backends); i++) {
        struct fixture f = {0};
        create_loop(&f, backends[i], 0);
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
        socklen_t length = sizeof(address);
        int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(bind(listener, (struct sockaddr *)&address, length), 0);
        assert_int_equal(listen(listener, 8), 0);
        getsockname(listener, (struct sockaddr *)&address, &length);

        struct io_operation accepting = {.code = IO_ACCEPT, .fd = listener};
        assert_true(io_submit(f.loop, &accepting));
        io_wait(f.loop, 5 * NS_PER_MS);
        assert_int_equal(connect(client, (struct sockaddr *)&address, length), 0);
        assert_ptr_equal(next_completion(f.loop), &accepting);
        int server = (int)accepting.result;
        assert_true(server >= 0);

        char buffer[16];
        struct io_operation receiving = {
            .code = IO_RECEIVE, .fd = server, .buffer = buffer, .bytes = sizeof(buffer)};
        assert_true(io_submit(f.loop, &receiving));
        assert_true(io_submit(f.loop, &accepting)); /* nobody comes: ended by shutdown below */
        assert_int_equal(write(client, "ping", 4), 4);
        assert_ptr_equal(next_completion(f.loop), &receiving);
        assert_int_equal(receiving.result, 4);
        assert_memory_equal(buffer, "ping", 4);

        struct io_operation sending = {.code = IO_SEND, .fd = server, .buffer = buffer, .bytes = 4};
        assert_true(io_submit(f.loop, &sending));
        assert_ptr_equal(next_completion(f.loop), &sending);
        assert_int_equal(sending.result, 4);
        assert_int_equal(read(client, buffer, sizeof(buffer)), 4);

        assert_true(io_submit(f.loop, &receiving));
        close(client);
        assert_ptr_equal(next_completion(f.loop), &receiving);
        assert_int_equal(receiving.result, 0);
        shutdown(listener, SHUT_RDWR);
        assert_ptr_equal(next_completion(f.loop), &accepting);
        assert_int_equal(accepting.result, -EINVAL);
        close(server);
        close(listener);
        destroy_loop(&f);
    }
}

static void a_wrong_configuration_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        struct io_loop_config config;
    } cases[] = {
        {"no depth", {.backend = IO_BACKEND_THREADS, .depth_max = 0, .wake_fd = -1}},
        {"too deep", {.depth_max = IO_DEPTH_LIMIT + 1, .wake_fd = -1}},
        {"blocking wake_fd", {.depth_max = 8, .wake_fd = STDERR_FILENO}},
        {"simulator", {.backend = IO_BACKEND_SIMULATOR, .depth_max = 8, .wake_fd = -1}},
    };
    log_set_level((enum log_level) - 1);
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct io_loop *loop;
        if (io_loop_create(&cases[i].config, &loop) != -EINVAL)
            fail_msg("case '%s'", cases[i].what);
        assert_null(loop);
    }
    log_set_level(LOG_LEVEL_INFO);
}

static void each_older_kernel_gets_the_newest_flags_it_knows(void **state)
{
    (void)state;
    const uint32_t first = IORING_SETUP_CQSIZE, second = first | IORING_SETUP_SUBMIT_ALL;
    const uint32_t third = second | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG;
    const struct {
        const char *what;
        uint32_t refused, expected;
    } cases[] = {
        {"6.0", IORING_SETUP_DEFER_TASKRUN, third},
        {"5.19", IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SINGLE_ISSUER, third},
        {"5.18", IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG, second},
        {"5.15", IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SUBMIT_ALL, first},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct io_loop_config config = {.backend = IO_BACKEND_URING,
                                        .depth_max = DEPTH,
                                        .wake_fd = -1,
                                        .refused_flags = cases[i].refused};
        struct io_loop *loop;
        assert_int_equal(io_loop_create(&config, &loop), 0);
        if (io_loop_setup_flags(loop) != cases[i].expected)
            fail_msg("Linux %s: flags 0x%x", cases[i].what, io_loop_setup_flags(loop));
        io_loop_destroy(loop);
    }
}

static void a_kernel_too_old_for_io_uring_gets_threads(void **state)
{
    (void)state;
    static const struct {
        uint32_t flags, features;
        int error;
    } cases[] = {
        {IORING_SETUP_CQSIZE, 0, -EINVAL},
        {0, IORING_FEAT_EXT_ARG, -ENOSYS}, /* before Linux 5.11 */
    };
    log_set_level((enum log_level) - 1);
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct io_loop_config config = {.backend = IO_BACKEND_URING,
                                        .depth_max = DEPTH,
                                        .wake_fd = -1,
                                        .refused_flags = cases[i].flags,
                                        .refused_features = cases[i].features};
        struct io_loop *loop;
        assert_int_equal(io_loop_create(&config, &loop), cases[i].error);
        config.backend = IO_BACKEND_AUTO;
        assert_int_equal(io_loop_create(&config, &loop), 0);
        assert_string_equal(io_loop_backend_name(loop), "threads");
        assert_int_equal(io_loop_setup_flags(loop), 0);
        io_loop_destroy(loop);
    }
    log_set_level(LOG_LEVEL_INFO);
}

/* In a child: the filter cannot be taken off again. Exit codes name the step that failed. */
static int run_without_io_uring(uint32_t error)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    if (!filter || seccomp_rule_add(filter, SCMP_ACT_ERRNO(error), SCMP_SYS(io_uring_setup), 0) ||
        seccomp_load(filter))
        return 10;
    struct io_loop_config config = {.backend = IO_BACKEND_URING, .depth_max = 4, .wake_fd = -1};
    struct io_loop *loop;
    if (io_loop_create(&config, &loop) != -(int)error)
        return 11;
    config.backend = IO_BACKEND_AUTO;
    if (io_loop_create(&config, &loop) != 0)
        return 12;
    if (strcmp(io_loop_backend_name(loop), "threads") != 0)
        return 13;
    struct io_operation opening = {
        .code = IO_OPEN, .directory_fd = AT_FDCWD, .path = "/dev/null", .open_flags = O_RDONLY};
    if (io_run(loop, &opening) < 0)
        return 14;
    io_loop_destroy(loop);
    seccomp_release(filter);
    return 0;
}

static void where_io_uring_is_forbidden_threads_take_over(void **state)
{
    (void)state;
    static const uint32_t errors[] = {EPERM, ENOSYS};
    for (size_t i = 0; i < ARRAY_COUNT(errors); i++) {
        pid_t child = fork();
        if (child == 0)
            _exit(run_without_io_uring(errors[i]));
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_read_back),
        cmocka_unit_test(names_follow_rename_link_and_unlink),
        cmocka_unit_test(files_grow_and_shrink),
        cmocka_unit_test(a_lock_is_taken_once),
        cmocka_unit_test(the_depth_is_limited_and_every_completion_arrives_once),
        cmocka_unit_test(a_wait_ends_by_timeout_or_wake_up),
        cmocka_unit_test(time_moves_and_random_numbers_differ),
        cmocka_unit_test(another_thread_ends_a_wait),
        cmocka_unit_test(sockets_are_accepted_read_and_written),
        cmocka_unit_test(a_wrong_configuration_is_refused),
        cmocka_unit_test(each_older_kernel_gets_the_newest_flags_it_knows),
        cmocka_unit_test(a_kernel_too_old_for_io_uring_gets_threads),
        cmocka_unit_test(where_io_uring_is_forbidden_threads_take_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
