/* SPDX-License-Identifier: BSD-3-Clause */
/* The admin socket over real loopback connections, with polite, slow, rude and silent clients. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/admin.h"
#include "control/admin_request.h"
#include "include/clock.h"
#include "include/counters.h"
#include "include/log.h"
#include "include/random.h"

#define ANSWER_BYTES_MAX (1u << 20)

static _Atomic bool is_alive_now = true, is_ready_now = true;
static _Atomic uint32_t drain_count;
static _Atomic uint32_t config_bytes = 100;
static _Atomic bool has_bad_file;

static bool is_alive(void *context, const char **why)
{
    (void)context;
    *why = "worker0 has not been heard of for 3 s";
    return is_alive_now;
}

static bool is_ready(void *context, const char **why)
{
    (void)context;
    *why = "recovering";
    return is_ready_now;
}

static void write_config(void *context, struct text_buffer *text)
{
    (void)context;
    for (uint32_t i = 0; i < config_bytes; i++)
        text_add(text, "c", 1);
}

static bool reload(void *context, struct text_buffer *said)
{
    (void)context;
    text_format(said, has_bad_file ? "f.yaml:3: bad\n" : "in effect\n");
    return !has_bad_file;
}

static void start_drain(void *context)
{
    (void)context;
    drain_count++;
}

static char traced_client[64];

static bool choose_trace(void *context, const char *client)
{
    (void)context;
    snprintf(traced_client, sizeof(traced_client), "%s", client);
    return strcmp(client, "nobody") != 0;
}

static void write_trace(void *context, enum trace_format format, struct text_buffer *text)
{
    (void)context;
    if (format == TRACE_FORMAT_PCAP)
        text_add(text, "p\0cap", 5);
    else
        text_format(text, "a trace\n");
}

static const struct admin_hooks hooks = {.is_alive = is_alive,
                                         .is_ready = is_ready,
                                         .write_config = write_config,
                                         .start_drain = start_drain,
                                         .reload = reload,
                                         .choose_trace = choose_trace,
                                         .write_trace = write_trace};

static int connect_to(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval most = {.tv_sec = 20};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof(most));
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

/* All until the server closes; the caller's buffer ends in a zero byte. */
static size_t read_all(int fd, char *answer, size_t room)
{
    size_t used = 0;
    ssize_t got;
    while (used + 1 < room && (got = read(fd, answer + used, room - 1 - used)) > 0)
        used += (size_t)got;
    answer[used] = '\0';
    close(fd);
    return used;
}

/* Returns the status; the length that the head promises must be the length that came. */
static int ask(uint16_t port, const char *request, char *answer)
{
    int fd = connect_to(port);
    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
    size_t used = read_all(fd, answer, ANSWER_BYTES_MAX);
    int status = 0;
    assert_int_equal(sscanf(answer, "HTTP/1.1 %d ", &status), 1);
    const char *body = strstr(answer, "\r\n\r\n");
    const char *length = strstr(answer, "\r\nContent-Length: ");
    assert_non_null(body);
    assert_non_null(length);
    assert_int_equal(strtoul(length + 18, NULL, 10), used - (size_t)(body + 4 - answer));
    assert_non_null(strstr(answer, "\r\nConnection: close\r\n"));
    return status;
}

static const char *body_of(const char *answer)
{
    return strstr(answer, "\r\n\r\n") + 4;
}

static struct admin *start(enum io_backend backend)
{
    struct admin *admin = NULL;
    assert_int_equal(admin_start("127.0.0.1:0", backend, &hooks, &admin), 0);
    assert_true(admin_port(admin) != 0);
    return admin;
}

static void endpoints_answer_on_both_backends(void **state)
{
    (void)state;
    static const enum io_backend backends[] = {IO_BACKEND_AUTO, IO_BACKEND_THREADS};
    char *answer = malloc(ANSWER_BYTES_MAX);
    for (size_t i = 0; i < ARRAY_COUNT(backends); i++) {
        struct admin *admin = start(backends[i]);
        uint16_t port = admin_port(admin);
        assert_int_equal(ask(port, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", answer), 200);
        assert_int_equal(ask(port, "GET /readyz?verbose HTTP/1.0\r\n\r\n", answer), 200);
        is_alive_now = is_ready_now = false;
        assert_int_equal(ask(port, "GET /healthz HTTP/1.1\r\n\r\n", answer), 503);
        assert_non_null(strstr(answer, "worker0 has not been heard of"));
        assert_int_equal(ask(port, "GET /readyz HTTP/1.1\r\n\r\n", answer), 503);
        assert_non_null(strstr(answer, "recovering"));
        is_alive_now = is_ready_now = true;
        assert_int_equal(ask(port, "GET /metrics HTTP/1.1\r\n\r\n", answer), 200);
        assert_non_null(strstr(answer, "\r\nContent-Type: text/plain; version=0.0.4"));
        assert_non_null(strstr(answer, "# TYPE gannet_cache_hits_total counter\n"));
        assert_int_equal(ask(port, "POST /reload HTTP/1.1\r\n\r\n", answer), 200);
        assert_string_equal(body_of(answer), "in effect\n");
        has_bad_file = true;
        assert_int_equal(ask(port, "POST /reload HTTP/1.1\r\n\r\n", answer), 422);
        assert_string_equal(body_of(answer), "f.yaml:3: bad\n");
        has_bad_file = false;
        drain_count = 0;
        assert_int_equal(ask(port, "POST /drain HTTP/1.1\r\nContent-Length: 0\r\n\r\n", answer),
                         202);
        assert_int_equal(drain_count, 1);
        admin_stop(admin);
    }
    free(answer);
}

static void a_trace_is_chosen_and_told_in_both_formats(void **state)
{
    (void)state;
    struct admin *admin = start(IO_BACKEND_AUTO);
    char *answer = malloc(ANSWER_BYTES_MAX);
    uint16_t port = admin_port(admin);
    assert_int_equal(ask(port, "POST /trace?client=2001:db8::7 HTTP/1.1\r\n\r\n", answer), 200);
    assert_string_equal(traced_client, "2001:db8::7");
    assert_non_null(strstr(answer, "tracing 2001:db8::7\n"));
    assert_int_equal(ask(port, "GET /trace HTTP/1.1\r\n\r\n", answer), 200);
    assert_non_null(strstr(answer, "\r\n\r\na trace\n"));
    assert_int_equal(ask(port, "GET /trace?format=text HTTP/1.1\r\n\r\n", answer), 200);
    assert_non_null(strstr(answer, "\r\n\r\na trace\n"));
    assert_int_equal(ask(port, "GET /trace?format=pcap HTTP/1.1\r\n\r\n", answer), 200);
    assert_non_null(strstr(answer, "Content-Type: application/vnd.tcpdump.pcap\r\n"));
    assert_memory_equal(strstr(answer, "\r\n\r\n") + 4, "p\0cap", 5);

    char request[512]; /* a query that is too long is none */
    snprintf(request, sizeof(request), "POST /trace?client=%0300d HTTP/1.1\r\n\r\n", 1);
    assert_int_equal(ask(port, request, answer), 400);
    assert_string_equal(traced_client, "2001:db8::7");
    free(answer);
    admin_stop(admin);
}

static void a_trace_needs_tracing_and_loopback(void **state)
{
    (void)state;
    struct admin_hooks without = hooks;
    char *answer = malloc(ANSWER_BYTES_MAX);
    without.choose_trace = NULL;
    for (uint32_t i = 0; i < 2; i++) {
        struct admin *admin = NULL;
        assert_int_equal(admin_start(i == 0 ? "127.0.0.1:0" : "0.0.0.0:0", IO_BACKEND_AUTO,
                                     i == 0 ? &without : &hooks, &admin),
                         0);
        uint16_t port = admin_port(admin);
        assert_int_equal(ask(port, "POST /trace?client=::1 HTTP/1.1\r\n\r\n", answer), 404);
        assert_int_equal(ask(port, "GET /trace HTTP/1.1\r\n\r\n", answer), 404);
        admin_stop(admin);
    }
    free(answer);
}

static void an_answer_larger_than_the_socket_buffers_arrives_whole(void **state)
{
    (void)state;
    struct admin *admin = start(IO_BACKEND_AUTO);
    size_t room = 9u << 20;
    char *answer = malloc(room);
    config_bytes = 8u << 20;
    int fd = connect_to(admin_port(admin));
    assert_int_equal(write(fd, "GET /config HTTP/1.1\r\n\r\n", 24), 24);
    usleep(50000); /* the buffers are full now */
    size_t used = read_all(fd, answer, room);
    assert_non_null(strstr(answer, "Content-Length: 8388608\r\n"));
    assert_int_equal(used, (size_t)(strstr(answer, "\r\n\r\n") + 4 - answer) + (8u << 20));
    config_bytes = TEXT_BUFFER_BYTES_MAX; /* too long to be told: an error, not a part of it */
    assert_int_equal(ask(admin_port(admin), "GET /config HTTP/1.1\r\n\r\n", answer), 500);
    config_bytes = 100;
    free(answer);
    admin_stop(admin);
}

static void wrong_requests_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *what, *request;
        int expected;
    } cases[] = {
        {"unknown path", "GET /nothing HTTP/1.1\r\n\r\n", 404},
        {"longer path", "GET /healthzz HTTP/1.1\r\n\r\n", 404},
        {"POST to a GET", "POST /metrics HTTP/1.1\r\n\r\n", 405},
        {"GET of reload", "GET /reload HTTP/1.1\r\n\r\n", 405},
        {"reload from a web page", "POST /reload HTTP/1.1\r\nOrigin: http://evil\r\n\r\n", 403},
        {"GET of drain", "GET /drain HTTP/1.1\r\n\r\n", 405},
        {"a trace of nobody", "POST /trace?client=nobody HTTP/1.1\r\n\r\n", 400},
        {"a trace without a client", "POST /trace HTTP/1.1\r\n\r\n", 400},
        {"a trace of another thing", "POST /trace?clients=1 HTTP/1.1\r\n\r\n", 400},
        {"a trace as something else", "GET /trace?format=html HTTP/1.1\r\n\r\n", 400},
        {"a trace by a parameter too many", "GET /trace?format=text&x HTTP/1.1\r\n\r\n", 400},
        {"a trace for a web page", "POST /trace?client=::1 HTTP/1.1\r\nOrigin: x\r\n\r\n", 403},
        {"from a web page", "POST /drain HTTP/1.1\r\noRIGIN: http://evil\r\n\r\n", 403},
        {"no version", "GET /healthz\r\n\r\n", 400},
        {"wrong version", "GET /healthz HTTP/2.0\r\n\r\n", 400},
        {"two spaces", "GET  /healthz HTTP/1.1\r\n\r\n", 400},
        {"no method", " /healthz HTTP/1.1\r\n\r\n", 400},
        {"absolute form", "GET http://x/healthz HTTP/1.1\r\n\r\n", 400},
        {"control character", "GET /heal\x01thz HTTP/1.1\r\n\r\n", 400},
        {"high byte", "GET /heal\xffthz HTTP/1.1\r\n\r\n", 400},
        {"only a line end", "\r\n\r\n", 400},
        {"only spaces", "   \r\n\r\n", 400},
        {"a space at the end", "GET \r\n\r\n", 400},
    };
    struct admin *admin = start(IO_BACKEND_AUTO);
    char *answer = malloc(ANSWER_BYTES_MAX);
    drain_count = 0;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        int status = ask(admin_port(admin), cases[i].request, answer);
        if (status != cases[i].expected)
            fail_msg("case '%s': %d", cases[i].what, status);
    }
    assert_int_equal(drain_count, 0);
    assert_int_equal(ask(admin_port(admin), "DELETE /metrics HTTP/1.1\r\n\r\n", answer), 405);
    assert_non_null(strstr(answer, "\r\nAllow: GET\r\n"));
    assert_int_equal(ask(admin_port(admin), "PUT /trace HTTP/1.1\r\n\r\n", answer), 405);
    assert_non_null(strstr(answer, "\r\nAllow: GET, POST\r\n"));
    char long_head[ADMIN_HEAD_BYTES_MAX + 1];
    memset(long_head, 'a', sizeof(long_head));
    long_head[sizeof(long_head) - 1] = '\0';
    assert_int_equal(ask(admin_port(admin), long_head, answer), 431);
    free(answer);
    admin_stop(admin);
}

static void a_request_may_come_byte_by_byte(void **state)
{
    (void)state;
    struct admin *admin = start(IO_BACKEND_AUTO);
    static const char request[] = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    char answer[1024];
    int fd = connect_to(admin_port(admin));
    for (size_t i = 0; i + 1 < sizeof(request); i++) {
        assert_int_equal(write(fd, &request[i], 1), 1);
        usleep(500);
    }
    read_all(fd, answer, sizeof(answer));
    assert_memory_equal(answer, "HTTP/1.1 200 ", 13);
    admin_stop(admin);
}

/* All slots are taken by silence; whoever comes then is served when their time is over. */
static void silent_clients_are_ended_at_the_deadline(void **state)
{
    (void)state;
    static const enum io_backend backends[] = {IO_BACKEND_AUTO, IO_BACKEND_THREADS};
    struct admin *admins[2];
    int silent[2][ADMIN_CONNECTIONS_MAX];
    char *answer = malloc(ANSWER_BYTES_MAX);
    uint64_t before_ns = clock_now_ns();
    for (size_t b = 0; b < 2; b++) {
        admins[b] = start(backends[b]);
        for (uint32_t i = 0; i < ADMIN_CONNECTIONS_MAX; i++) {
            silent[b][i] = connect_to(admin_port(admins[b]));
            if (i % 2)
                assert_int_equal(write(silent[b][i], "GET /hea", 8), 8);
        }
    }
    for (size_t b = 0; b < 2; b++)
        assert_int_equal(ask(admin_port(admins[b]), "GET /healthz HTTP/1.1\r\n\r\n", answer), 200);
    uint64_t waited_ns = clock_now_ns() - before_ns;
    assert_true(waited_ns > (ADMIN_DEADLINE_S - 1) * NS_PER_S);
    assert_true(waited_ns < 3 * ADMIN_DEADLINE_S * NS_PER_S);
    for (size_t b = 0; b < 2; b++) {
        for (uint32_t i = 0; i < ADMIN_CONNECTIONS_MAX; i++)
            assert_int_equal(read_all(silent[b][i], answer, ANSWER_BYTES_MAX), 0);
        admin_stop(admins[b]);
    }
    free(answer);
}

static void stopping_does_not_wait_for_clients(void **state)
{
    (void)state;
    struct admin *admin = start(IO_BACKEND_AUTO);
    int silent = connect_to(admin_port(admin)), greedy = connect_to(admin_port(admin));
    config_bytes = 8u << 20;
    assert_int_equal(write(greedy, "GET /config HTTP/1.1\r\n\r\n", 24), 24); /* never reads */
    usleep(50000);
    uint64_t before_ns = clock_now_ns();
    admin_stop(admin);
    assert_true(clock_now_ns() - before_ns < 2 * NS_PER_S);
    config_bytes = 100;
    close(silent);
    close(greedy);
}

/* Random bytes with just enough sense in them; the answer functions must cope with all of it. */
static void garbage_is_answered_or_waited_for(void **state)
{
    (void)state;
    static const char alphabet[] = "GETPOS /drainmetrics?HTTP/1.1:\r\n\r\n\r\n\n\n  \x00\xff";
    struct random random = {.state = 1};
    drain_count = 0;
    for (uint32_t run = 0; run < 200000; run++) {
        uint32_t count = random_below(&random, 64);
        char *exact = malloc(count + 1); /* exact size: a sanitizer sees a read beyond it */
        for (uint32_t i = 0; i < count; i++)
            exact[i] = alphabet[random_below(&random, sizeof(alphabet) - 1)];
        char *end = realloc(exact, count ? count : 1);
        struct text_buffer answer = {0};
        if (admin_head_is_complete(end, count)) {
            admin_answer(&hooks, end, count, &answer);
            assert_false(answer.is_cut);
            assert_memory_equal(answer.bytes, "HTTP/1.1 ", 9);
        }
        text_buffer_clear(&answer);
        free(end);
    }
    assert_int_equal(drain_count, 0);
}

static void addresses_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *listen;
        int expected;
    } cases[] = {
        {"", -EINVAL},      {"127.0.0.1", -EINVAL},          {"127.0.0.1:", -EINVAL},
        {":9090", -EINVAL}, {"localhost:0", -EINVAL},        {"127.0.0.1:99999", -EINVAL},
        {"[::1]:0", 0},     {"192.0.2.1:0", -EADDRNOTAVAIL}, {"1.2.3.4.5:80", -EINVAL},
    };
    log_set_level((enum log_level) - 1);
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct admin *admin;
        int status = admin_start(cases[i].listen, IO_BACKEND_AUTO, &hooks, &admin);
        if (status != cases[i].expected)
            fail_msg("case '%s': %d", cases[i].listen, status);
        assert_true((admin != NULL) == (status == 0));
        admin_stop(admin);
    }
    struct admin *none = (struct admin *)1;
    assert_int_equal(admin_start("none", IO_BACKEND_AUTO, &hooks, &none), 0);
    assert_null(none);
    struct admin *first = start(IO_BACKEND_AUTO), *second;
    char taken[32];
    snprintf(taken, sizeof(taken), "127.0.0.1:%u", admin_port(first));
    assert_int_equal(admin_start(taken, IO_BACKEND_AUTO, &hooks, &second), -EADDRINUSE);
    admin_stop(first);
    log_set_level(LOG_LEVEL_INFO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(endpoints_answer_on_both_backends),
        cmocka_unit_test(a_trace_is_chosen_and_told_in_both_formats),
        cmocka_unit_test(a_trace_needs_tracing_and_loopback),
        cmocka_unit_test(an_answer_larger_than_the_socket_buffers_arrives_whole),
        cmocka_unit_test(wrong_requests_are_refused),
        cmocka_unit_test(a_request_may_come_byte_by_byte),
        cmocka_unit_test(silent_clients_are_ended_at_the_deadline),
        cmocka_unit_test(stopping_does_not_wait_for_clients),
        cmocka_unit_test(garbage_is_answered_or_waited_for),
        cmocka_unit_test(addresses_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
