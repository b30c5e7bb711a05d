/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/admin.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/admin_request.h"
#include "control/text_buffer.h"
#include "control/thread_pin.h"
#include "include/assert_policy.h"
#include "include/clock.h"
#include "include/log.h"

#define DEADLINE_NS (ADMIN_DEADLINE_S * NS_PER_S)
#define ACCEPT_RETRY_NS (100 * NS_PER_MS) /* after an accept that failed, such as EMFILE */
#define SEND_BYTES_MAX (1u << 20)
#define LISTEN_BACKLOG 64

enum connection_state {
    CONNECTION_FREE = 0,
    CONNECTION_RECEIVING,
    CONNECTION_SENDING,
    /* All is sent and our side is closed: wait for the client's end, or it may lose the answer. */
    CONNECTION_LINGERING,
};

struct connection {
    enum connection_state state;
    int fd;
    bool is_shut; /* the deadline has passed: what is pending will come back soon */
    uint64_t deadline_ns;
    uint32_t head_bytes;
    char head[ADMIN_HEAD_BYTES_MAX];
    struct text_buffer answer;
    size_t sent_bytes;
    struct io_operation operation; /* one at a time */
};

struct admin {
    struct admin_hooks hooks;
    enum io_backend backend;
    int listen_fd;
    uint16_t port;
    int wake_fd;
    _Atomic bool is_stopping;
    pthread_t thread;
    /* the thread only */
    struct io_loop *loop;
    struct io_operation accepting;
    bool is_accepting;
    uint64_t accept_after_ns;
    struct connection connections[ADMIN_CONNECTIONS_MAX];
    /* how the thread's start went */
    int start_status;
    bool has_started;
    pthread_mutex_t mutex;
    pthread_cond_t started;
};

/* ------------------------------------------------------------------ connections */

static void submit(struct admin *admin, struct connection *connection, enum io_code code,
                   void *buffer, uint32_t bytes)
{
    connection->operation = (struct io_operation){.code = (uint8_t)code,
                                                  .fd = connection->fd,
                                                  .buffer = buffer,
                                                  .bytes = bytes,
                                                  .owner = connection};
    bool has_room = io_submit(admin->loop, &connection->operation);
    ASSERT(has_room); /* depth: one per connection, and the accept */
}

static void receive_more(struct admin *admin, struct connection *connection)
{
    submit(admin, connection, IO_RECEIVE, connection->head + connection->head_bytes,
           ADMIN_HEAD_BYTES_MAX - connection->head_bytes);
}

static void send_more(struct admin *admin, struct connection *connection)
{
    size_t left = connection->answer.used_bytes - connection->sent_bytes;
    submit(admin, connection, IO_SEND, connection->answer.bytes + connection->sent_bytes,
           left < SEND_BYTES_MAX ? (uint32_t)left : SEND_BYTES_MAX);
}

static void connection_open(struct admin *admin, int fd, uint64_t now_ns)
{
    for (uint32_t i = 0; i < ADMIN_CONNECTIONS_MAX; i++) {
        struct connection *connection = &admin->connections[i];
        if (connection->state != CONNECTION_FREE)
            continue;
        connection->state = CONNECTION_RECEIVING;
        connection->fd = fd;
        connection->is_shut = false;
        connection->deadline_ns = now_ns + DEADLINE_NS;
        connection->head_bytes = 0;
        connection->sent_bytes = 0;
        receive_more(admin, connection);
        return;
    }
    UNREACHABLE(); /* nothing is accepted while all are in use */
}

static void connection_close(struct connection *connection)
{
    close(connection->fd);
    text_buffer_clear(&connection->answer);
    connection->state = CONNECTION_FREE;
}

static bool has_free_connection(const struct admin *admin)
{
    for (uint32_t i = 0; i < ADMIN_CONNECTIONS_MAX; i++)
        if (admin->connections[i].state == CONNECTION_FREE)
            return true;
    return false;
}

/* Passing trouble; the deadline bounds how often. */
static bool is_passing(int64_t result)
{
    return result == -EINTR || result == -EAGAIN;
}

static void on_received(struct admin *admin, struct connection *connection, int64_t result)
{
    if (is_passing(result)) {
        receive_more(admin, connection);
        return;
    }
    if (result <= 0) { /* gone, or out of time, before the request was whole */
        connection_close(connection);
        return;
    }
    connection->head_bytes += (uint32_t)result;
    if (admin_head_is_complete(connection->head, connection->head_bytes)) {
        admin_answer(&admin->hooks, connection->head, connection->head_bytes, &connection->answer);
    } else if (connection->head_bytes == ADMIN_HEAD_BYTES_MAX) {
        admin_answer_status(431, &connection->answer);
    } else {
        receive_more(admin, connection);
        return;
    }
    if (connection->answer.is_cut) { /* no memory even for an error */
        connection_close(connection);
        return;
    }
    connection->state = CONNECTION_SENDING;
    send_more(admin, connection);
}

static void on_sent(struct admin *admin, struct connection *connection, int64_t result)
{
    if (result <= 0 && !is_passing(result)) {
        connection_close(connection);
        return;
    }
    if (result > 0)
        connection->sent_bytes += (size_t)result;
    if (connection->sent_bytes < connection->answer.used_bytes) {
        send_more(admin, connection);
        return;
    }
    text_buffer_clear(&connection->answer);
    shutdown(connection->fd, SHUT_WR);
    connection->state = CONNECTION_LINGERING;
    connection->head_bytes = 0; /* what still comes is thrown away, up to the deadline */
    receive_more(admin, connection);
}

static void on_lingered(struct admin *admin, struct connection *connection, int64_t result)
{
    if (result > 0 || is_passing(result))
        receive_more(admin, connection);
    else
        connection_close(connection);
}

static void on_completed(struct admin *admin, struct io_operation *operation)
{
    struct connection *connection = operation->owner;
    switch (connection->state) {
    case CONNECTION_RECEIVING:
        on_received(admin, connection, operation->result);
        return;
    case CONNECTION_SENDING:
        on_sent(admin, connection, operation->result);
        return;
    case CONNECTION_LINGERING:
        on_lingered(admin, connection, operation->result);
        return;
    case CONNECTION_FREE:
        break;
    }
    UNREACHABLE();
}

static void on_accepted(struct admin *admin, int64_t result, uint64_t now_ns)
{
    admin->is_accepting = false;
    if (result >= 0)
        connection_open(admin, (int)result, now_ns);
    else if (!is_passing(result) && result != -ECONNABORTED)
        admin->accept_after_ns = now_ns + ACCEPT_RETRY_NS;
}

/* ------------------------------------------------------------------ the thread */

static void accept_more(struct admin *admin, uint64_t now_ns)
{
    if (admin->is_accepting || now_ns < admin->accept_after_ns || !has_free_connection(admin))
        return;
    admin->accepting = (struct io_operation){.code = IO_ACCEPT, .fd = admin->listen_fd};
    admin->is_accepting = io_submit(admin->loop, &admin->accepting);
}

/* Ends what is late: a shut socket completes its pending operation. Returns the next deadline. */
static uint64_t shut_late(struct admin *admin, uint64_t now_ns)
{
    uint64_t next_ns = UINT64_MAX;
    for (uint32_t i = 0; i < ADMIN_CONNECTIONS_MAX; i++) {
        struct connection *connection = &admin->connections[i];
        if (connection->state == CONNECTION_FREE || connection->is_shut)
            continue;
        if (connection->deadline_ns <= now_ns) {
            connection->is_shut = true;
            shutdown(connection->fd, SHUT_RDWR);
        } else if (connection->deadline_ns < next_ns) {
            next_ns = connection->deadline_ns;
        }
    }
    return next_ns;
}

static void run_round(struct admin *admin)
{
    uint64_t now_ns = io_now_ns(admin->loop);
    uint64_t next_ns = shut_late(admin, now_ns);
    accept_more(admin, now_ns);
    if (!admin->is_accepting && admin->accept_after_ns > now_ns && admin->accept_after_ns < next_ns)
        next_ns = admin->accept_after_ns;
    io_wait(admin->loop, next_ns == UINT64_MAX ? UINT64_MAX : next_ns - now_ns);
    struct io_operation *done[ADMIN_CONNECTIONS_MAX + 1];
    uint32_t count = io_reap(admin->loop, done, ARRAY_COUNT(done));
    now_ns = io_now_ns(admin->loop);
    for (uint32_t i = 0; i < count; i++)
        if (done[i] == &admin->accepting)
            on_accepted(admin, done[i]->result, now_ns);
        else
            on_completed(admin, done[i]);
}

/* Shut sockets complete what is pending; nothing new is started. */
static void close_all(struct admin *admin)
{
    shutdown(admin->listen_fd, SHUT_RDWR);
    for (uint32_t i = 0; i < ADMIN_CONNECTIONS_MAX; i++)
        if (admin->connections[i].state != CONNECTION_FREE)
            shutdown(admin->connections[i].fd, SHUT_RDWR);
    while (io_in_flight(admin->loop) > 0) {
        struct io_operation *done;
        io_wait(admin->loop, NS_PER_S);
        while (io_reap(admin->loop, &done, 1) > 0)
            if (done == &admin->accepting && done->result >= 0)
                close((int)done->result);
    }
    for (uint32_t i = 0; i < ADMIN_CONNECTIONS_MAX; i++)
        if (admin->connections[i].state != CONNECTION_FREE)
            connection_close(&admin->connections[i]);
}

static void *admin_run(void *argument)
{
    struct admin *admin = argument;
    thread_name("admin");
    struct io_loop_config config = {.backend = admin->backend,
                                    .depth_max = ADMIN_CONNECTIONS_MAX + 1,
                                    .wake_fd = admin->wake_fd};
    int status = io_loop_create(&config, &admin->loop); /* on the thread that will use it */
    pthread_mutex_lock(&admin->mutex);
    admin->start_status = status;
    admin->has_started = true;
    pthread_cond_signal(&admin->started);
    pthread_mutex_unlock(&admin->mutex);
    if (status < 0)
        return NULL;
    while (!atomic_load_explicit(&admin->is_stopping, memory_order_acquire))
        run_round(admin);
    close_all(admin);
    io_loop_destroy(admin->loop);
    return NULL;
}

/* ------------------------------------------------------------------ start and stop */

/* getaddrinfo takes 99999 for 34463. */
static bool is_port(const char *text)
{
    char *end;
    unsigned long port = strtoul(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && port <= UINT16_MAX;
}

/* "address:port" or "[address]:port": numbers only, no name server decides. */
static int parse_address(const char *text, struct sockaddr_storage *address, socklen_t *bytes)
{
    char host[64];
    const char *colon = strrchr(text, ':');
    const char *end = colon;
    if (!colon || colon == text || !is_port(colon + 1))
        return -EINVAL;
    if (text[0] == '[' && colon[-1] == ']') {
        text++;
        end--;
    }
    if ((size_t)(end - text) >= sizeof(host))
        return -EINVAL;
    memcpy(host, text, (size_t)(end - text));
    host[end - text] = '\0';
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                             .ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    if (getaddrinfo(host, colon + 1, &hints, &found) != 0)
        return -EINVAL;
    memcpy(address, found->ai_addr, found->ai_addrlen);
    *bytes = found->ai_addrlen;
    freeaddrinfo(found);
    return 0;
}

static bool is_loopback(const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *ipv4 = (const struct sockaddr_in *)address;
        return ntohl(ipv4->sin_addr.s_addr) >> 24 == 127;
    }
    return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)address)->sin6_addr);
}

static uint16_t bound_port(int fd)
{
    struct sockaddr_storage address;
    socklen_t bytes = sizeof(address);
    if (getsockname(fd, (struct sockaddr *)&address, &bytes) < 0)
        return 0;
    return ntohs(address.ss_family == AF_INET ? ((struct sockaddr_in *)&address)->sin_port
                                              : ((struct sockaddr_in6 *)&address)->sin6_port);
}

/*
 * The listening socket or a negative errno. Blocking: io_uring waits for readiness by itself. Who
 * talks to whom is not for everybody who reaches another address than loopback.
 */
static int open_listener(const char *text, struct admin_hooks *hooks)
{
    struct sockaddr_storage address;
    socklen_t bytes;
    int yes = 1;
    int status = parse_address(text, &address, &bytes);
    if (status < 0)
        return status;
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    if (bind(fd, (struct sockaddr *)&address, bytes) < 0 || listen(fd, LISTEN_BACKLOG) < 0) {
        status = -errno;
        close(fd);
        return status;
    }
    if (!is_loopback(&address)) {
        log_warning("admin.listen = %s: anyone who reaches this address can read the metrics and "
                    "configuration, and drain and reload the server; there is no /trace, no "
                    "/capture, no /limited and no /hold here",
                    text);
        hooks->choose_trace = NULL;
        hooks->write_limited = NULL;
        hooks->start_capture = NULL;
        hooks->hold_files = NULL;
    }
    return fd;
}

static void admin_free(struct admin *admin)
{
    if (admin->listen_fd >= 0)
        close(admin->listen_fd);
    if (admin->wake_fd >= 0)
        close(admin->wake_fd);
    pthread_cond_destroy(&admin->started);
    pthread_mutex_destroy(&admin->mutex);
    free(admin);
}

/* Starts the thread and waits until its loop is there or is not. Signals are for other threads. */
static int start_thread(struct admin *admin)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int status = -pthread_create(&admin->thread, NULL, admin_run, admin);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (status < 0)
        return status;
    pthread_mutex_lock(&admin->mutex);
    while (!admin->has_started)
        pthread_cond_wait(&admin->started, &admin->mutex);
    pthread_mutex_unlock(&admin->mutex);
    if (admin->start_status < 0)
        pthread_join(admin->thread, NULL);
    return admin->start_status;
}

int admin_start(const char *listen, enum io_backend backend, const struct admin_hooks *hooks,
                struct admin **out)
{
    *out = NULL;
    if (strcmp(listen, "none") == 0)
        return 0;
    struct admin *admin = calloc(1, sizeof(*admin));
    if (!admin)
        return -ENOMEM;
    admin->hooks = *hooks;
    admin->backend = backend;
    pthread_mutex_init(&admin->mutex, NULL);
    pthread_cond_init(&admin->started, NULL);
    admin->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int status = admin->wake_fd < 0 ? -errno : 0;
    admin->listen_fd = open_listener(listen, &admin->hooks);
    if (status == 0 && admin->listen_fd < 0)
        status = admin->listen_fd;
    if (status == 0) {
        admin->port = bound_port(admin->listen_fd);
        status = start_thread(admin);
    }
    if (status < 0) {
        log_error("admin.listen = %s: %s", listen,
                  status == -EINVAL ? "not an address and port, such as 127.0.0.1:9090"
                                    : strerror(-status));
        admin_free(admin);
        return status;
    }
    *out = admin;
    return 0;
}

void admin_stop(struct admin *admin)
{
    if (!admin)
        return;
    uint64_t one = 1;
    atomic_store_explicit(&admin->is_stopping, true, memory_order_release);
    ssize_t ignored = write(admin->wake_fd, &one, sizeof(one));
    (void)ignored; /* a full counter wakes the thread as well */
    pthread_join(admin->thread, NULL);
    admin_free(admin);
}

uint16_t admin_port(const struct admin *admin)
{
    return admin->port;
}
