/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The program: commands, and the order in which a server starts and stops. What is a room of its
 * own is in the server_*.c (server.h); no other files see both sides.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>

#include "control/access_log.h"
#include "control/capture_command.h"
#include "control/check_command.h"
#include "control/command_line.h"
#include "control/config_file.h"
#include "control/control_loop.h"
#include "control/doctor_command.h"
#include "control/io_loop.h"
#include "control/preflight.h"
#include "control/server.h"
#include "control/server_settings.h"
#include "control/service_notify.h"
#include "control/store.h"
#include "control/store_command.h"
#include "control/task_loop.h"
#include "control/top_command.h"
#include "dataplane/limit_table.h"
#include "dataplane/limited_clients.h"
#include "dataplane/nic_dpdk.h"
#include "dataplane/response_cache.h"
#include "include/blob.h"
#include "include/log.h"
#include "include/shard_fabric.h"
#include "include/trace_ring.h"

#define WATCH_INTERVAL_NS (100 * NS_PER_MS)

/* ---- starting ---- */

static int start_signals(struct server *server)
{
    sigemptyset(&server->signals);
    sigaddset(&server->signals, SIGTERM);
    sigaddset(&server->signals, SIGINT);
    sigaddset(&server->signals, SIGHUP);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGIO, SIG_IGN); /* comes instead when too many of the TAP driver's signals wait */
    /* Blocked in every thread: the main thread takes them with sigtimedwait. */
    return -pthread_sigmask(SIG_BLOCK, &server->signals, NULL);
}

/* One descriptor per log segment: as many as this process may have. */
static int start_limits(struct server *server)
{
    (void)server;
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return -errno;
    files.rlim_cur = files.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &files) != 0 ? -errno : 0;
}

static int start_randomness(struct server *server)
{
    uint64_t seeds[4];
    if (getrandom(seeds, sizeof(seeds), 0) != (ssize_t)sizeof(seeds))
        return -EIO;
    server->random.state = seeds[0];
    server->shared.cache_hash_seed = seeds[1];
    server->shared.siphash_key = (struct siphash_key){seeds[2], seeds[3]};
    return 0;
}

static int start_preflight(struct server *server)
{
    struct preflight_result result;
    preflight_run(&server->config, "", &result);
    preflight_print(stderr, &result);
    if (result.error_count > 0)
        return -EINVAL;
    server->has_hugepages = result.use_hugepages;
    server->worker_count = result.worker_count;
    memcpy(server->worker_cores, result.worker_cores, sizeof(result.worker_cores));
    return 0;
}

static int start_ports(struct server *server)
{
    struct nic_runtime_config config = {
        .server = &server->config,
        .worker_count = server->worker_count,
        .worker_cores = server->worker_cores,
        .use_hugepages = server->has_hugepages,
        .random_seed = random_u64(&server->random),
        .siphash_key = server->shared.siphash_key,
    };
    return nic_runtime_start(&config, &server->nic);
}

static void stop_ports(struct server *server)
{
    nic_runtime_stop(server->nic);
}

static int start_settings(struct server *server)
{
    int result = server_settings_create(server->config_path, &server->config, server->worker_count,
                                        &server->settings);
    if (result == 0)
        server->shared.live = server_settings_board(server->settings);
    return result;
}

static void stop_settings(struct server *server)
{
    server_settings_destroy(server->settings);
}

static void stop_rate_limits(struct server *server)
{
    for (uint32_t i = 0; i < server->worker_count; i++)
        limited_clients_destroy(server->limited[i]);
    limit_table_destroy(server->shared.limits);
}

/* Always: a reload may bring the first rate limit. Pages that nobody touches cost nothing. */
static int start_rate_limits(struct server *server)
{
    int result = limit_table_create(server->config.limits.clients, &server->shared.limits);
    for (uint32_t i = 0; i < server->worker_count && result == 0; i++) {
        server->limited[i] = limited_clients_create();
        result = server->limited[i] ? 0 : -ENOMEM;
    }
    if (result != 0)
        stop_rate_limits(server);
    return result;
}

static int start_memory(struct server *server)
{
    uint32_t threads = server->worker_count + (uint32_t)server->config.control.threads +
                       (uint32_t)server->config.tasks.threads + 1;
    int result =
        blob_pool_create(server->config.memory.values_mib << 20, threads, &server->shared.blobs);
    for (uint32_t i = 0; i < server->worker_count && result == 0; i++) {
        server->stocks[i] = blob_stock_create(server->shared.blobs);
        result = server->stocks[i] ? 0 : -ENOMEM;
    }
    return result;
}

static int start_cache(struct server *server)
{
    struct response_cache_config config = {
        .workers = server->worker_count,
        .part_memory_bytes = server->config.cache.memory_mib << 20,
        .value_bytes_max = (uint32_t)server->config.cache.value_max,
        .absent_max = (uint32_t)server->config.cache.absent_entries,
        .hash_seed = server->shared.cache_hash_seed,
    };
    return response_cache_create(&config, &server->shared.cache);
}

static int start_fabric(struct server *server)
{
    struct shard_fabric_shape shape = {
        .workers = server->worker_count,
        .controls = (uint32_t)server->config.control.threads,
        .task_threads = (uint32_t)server->config.tasks.threads,
        .operations_per_worker = (uint32_t)server->config.workers.operations,
        .operations_per_task_thread = (uint32_t)server->config.tasks.operations,
        .tasks_per_worker = (uint32_t)server->config.tasks.active};
    return shard_fabric_create(&shape, &server->shared.fabric);
}

static void stop_fabric(struct server *server)
{
    shard_fabric_destroy(server->shared.fabric);
}

static int start_store(struct server *server)
{
    struct io_loop_config config = {.backend = (enum io_backend)server->config.control.io,
                                    .depth_max = (uint32_t)server->config.control.io_depth,
                                    .wake_fd = -1};
    int result = io_loop_create(&config, &server->recovery_io);
    if (result != 0)
        return result;
    result = store_set_open(&server->config, server->recovery_io, &server->stores);
    if (result != 0) {
        io_loop_destroy(server->recovery_io);
        return result;
    }
    server->shared.space_counts = store_set_space_counts(server->stores);
    return 0;
}

static void stop_store(struct server *server)
{
    store_set_close(server->stores);
    io_loop_destroy(server->recovery_io);
}

static void stop_controls(struct server *server)
{
    for (uint32_t i = 0; i < FABRIC_CONTROLS_MAX; i++) {
        control_loop_stop(server->controls[i]);
        server->controls[i] = NULL;
    }
}

static int start_controls(struct server *server)
{
    for (uint32_t i = 0; i < server->config.control.threads; i++) {
        struct control_loop_config config = {.server = &server->config,
                                             .fabric = server->shared.fabric,
                                             .blobs = server->shared.blobs,
                                             .stores = server->stores,
                                             .index = i};
        int result = control_loop_start(&config, &server->controls[i]);
        if (result != 0) {
            stop_controls(server);
            return result;
        }
    }
    return 0;
}

static void stop_traces(struct server *server)
{
    for (uint32_t i = 0; i < server->worker_count; i++) {
        trace_ring_destroy(server->traces[i]);
        capture_ring_destroy(server->captures[i]);
    }
}

static int start_traces(struct server *server)
{
    uint32_t events = (uint32_t)server->config.trace.events;
    uint64_t capture_bytes = server->config.capture.ring_kib << 10;
    for (uint32_t i = 0; i < server->worker_count; i++) {
        if (events > 0)
            server->traces[i] = trace_ring_create(events, &server->trace_choice);
        if (capture_bytes > 0)
            server->captures[i] = capture_ring_create(capture_bytes, &server->capture_filter);
        if ((events > 0 && !server->traces[i]) || (capture_bytes > 0 && !server->captures[i])) {
            stop_traces(server);
            return -ENOMEM;
        }
    }
    return 0;
}

static int start_access_log(struct server *server)
{
    return access_log_start(&server->config, server->worker_count, &server->access_log);
}

static void stop_access_log(struct server *server)
{
    access_log_stop(server->access_log);
}

static void stop_tasks(struct server *server)
{
    for (uint32_t i = 0; i < FABRIC_TASK_THREADS_MAX; i++) {
        task_loop_stop(server->task_threads[i]);
        server->task_threads[i] = NULL;
    }
}

static int start_tasks(struct server *server)
{
    for (uint32_t i = 0; i < server->config.tasks.threads; i++) {
        struct task_loop_config config = {.server = &server->config,
                                          .fabric = server->shared.fabric,
                                          .blobs = server->shared.blobs,
                                          .schemas = server_settings_schemas(server->settings),
                                          .wall_clock = &server->wall_clock,
                                          .cache_hash_seed = server->shared.cache_hash_seed,
                                          .index = i};
        int result = task_loop_start(&config, &server->task_threads[i]);
        if (result != 0) {
            stop_tasks(server);
            return result;
        }
    }
    return 0;
}

/* ---- what /metrics and the probes ask ---- */

/* ---- the order of things ---- */

/* clang-format off */
static const struct {
    const char *what;
    int (*start)(struct server *server);
    void (*stop)(struct server *server); /* in the opposite order */
} steps[] = {
    {"signals", start_signals, NULL},
    {"limits of this process", start_limits, NULL},
    {"randomness", start_randomness, NULL},
    {"checks of this machine", start_preflight, NULL},
    {"ports", start_ports, stop_ports},
    {"settings", start_settings, stop_settings},
    {"rate limits", start_rate_limits, stop_rate_limits},
    /* These two end with the process: rte_free() writes zeros over all that it is given. */
    {"value memory", start_memory, NULL},
    {"cache", start_cache, NULL},
    {"rings", start_fabric, stop_fabric},
    {"store", start_store, stop_store},
    {"control threads", start_controls, stop_controls},
    {"trace and capture rings", start_traces, stop_traces},
    {"access log", start_access_log, stop_access_log},
    {"workers", server_workers_start, server_workers_stop},
    {"task threads", start_tasks, stop_tasks}, /* stopped while the workers bring answers home */
    {"admin socket", server_admin_start, server_admin_stop},
};
/* clang-format on */

static void stop_steps(struct server *server, size_t started)
{
    while (started-- > 0)
        if (steps[started].stop)
            steps[started].stop(server);
}

static int start_steps(struct server *server)
{
    for (size_t i = 0; i < ARRAY_COUNT(steps); i++) {
        int result = steps[i].start(server);
        if (result != 0) {
            log_error("could not start: %s: %s", steps[i].what, strerror(-result));
            stop_steps(server, i);
            return result;
        }
    }
    return 0;
}

static void announce(const struct server *server, uint64_t started_ns)
{
    for (uint32_t i = 0; i < server->config.ports_count; i++) {
        const struct config_ports *port = &server->config.ports[i];
        for (uint32_t k = 0; k < server->config.listeners_count; k++)
            log_info("serving http://%.*s:%" PRIu64 " on %s", (int)strcspn(port->ipv4, "/"),
                     port->ipv4, server->config.listeners[k].port, port->device);
    }
    log_info("ready in %" PRIu64 " ms: %u worker%s, %" PRIu64 " control thread%s, admin on %s",
             (clock_now_ns() - started_ns) / NS_PER_MS, server->worker_count,
             server->worker_count == 1 ? "" : "s", server->config.control.threads,
             server->config.control.threads == 1 ? "" : "s", server->config.admin.listen);
}

/* The next signal, 0 when the interval passed, SIGTERM when the admin socket asked for a drain. */
static int wait_for_signal(struct server *server)
{
    struct timespec interval = {.tv_nsec = WATCH_INTERVAL_NS};
    uint64_t end_ns = clock_now_ns() + WATCH_INTERVAL_NS;
    int signal_number;
    do /* the TAP driver has signals of its own, one per frame */
        signal_number = sigtimedwait(&server->signals, NULL, &interval);
    while (signal_number < 0 && errno == EINTR && clock_now_ns() < end_ns);
    if (atomic_exchange_explicit(&server->wants_drain, false, memory_order_relaxed))
        return SIGTERM;
    return signal_number < 0 ? 0 : signal_number;
}

static uint32_t running_jobs(const struct server *server)
{
    uint32_t running = 0;
    for (uint32_t i = 0; i < server->config.tasks.threads; i++)
        running += task_loop_jobs_running(server->task_threads[i]);
    return running;
}

/* Answers and jobs under way are finished; a second signal or the deadline ends it. */
static void drain(struct server *server)
{
    uint64_t timeout_ms = server_settings_drain_timeout_ms(server->settings);
    uint64_t end_ns = clock_now_ns() + timeout_ms * NS_PER_MS;
    struct timespec interval = {.tv_nsec = 5 * NS_PER_MS};
    atomic_store_explicit(&server->is_ready, false, memory_order_relaxed);
    server_workers_set_phase(server, CORE_DRAINING);
    uint64_t first_look_ns = clock_now_ns() + 20 * NS_PER_MS; /* the workers count once per round */
    while (clock_now_ns() < end_ns) {
        if (sigtimedwait(&server->signals, NULL, &interval) > 0) {
            log_warning("second signal: %u connections are cut off",
                        server_open_connections(server));
            return;
        }
        if (clock_now_ns() > first_look_ns && server_open_connections(server) == 0 &&
            running_jobs(server) == 0)
            return;
    }
    log_warning("drain: %u connections were still open and %u jobs running after %" PRIu64 " ms",
                server_open_connections(server), running_jobs(server), timeout_ms);
}

static int serve(const char *config_path)
{
    uint64_t started_ns = clock_now_ns();
    static struct server server;
    struct config_errors errors;
    server.config_path = config_path;
    if (config_read(config_path, &server.config, &errors) != 0 ||
        config_check_complete(config_path, &server.config, &errors) != 0) {
        config_errors_print(stderr, &errors);
        return EXIT_FAILURE;
    }
    log_set_level((enum log_level)server.config.admin.log_level);

    struct service_notify notify;
    if (service_notify_open(&notify) != 0)
        log_warning("NOTIFY_SOCKET cannot be used: the service manager hears nothing from us");
    if (start_steps(&server) != 0)
        return EXIT_FAILURE;
    announce(&server, started_ns);
    atomic_store_explicit(&server.is_ready, true, memory_order_relaxed);
    service_notify_ready(&notify);

    int signal_number;
    while ((signal_number = wait_for_signal(&server)) == 0 || signal_number == SIGHUP) {
        if (signal_number == SIGHUP)
            server_reload(&server, NULL);
        server_watch(&server, &notify);
    }
    log_info("stopping: no new connections, %u open", server_open_connections(&server));
    service_notify_stopping(&notify);
    drain(&server);
    stop_steps(&server, ARRAY_COUNT(steps));
    service_notify_close(&notify);
    log_info("stopped");
    return EXIT_SUCCESS;
}

int main(int argument_count, char *arguments[])
{
    struct command_line line;
    char error[512];
    uint8_t key[API_KEY_RANDOM_BYTES];
    if (command_line_parse(argument_count, arguments, &line, error, sizeof(error)) != 0) {
        fprintf(stderr, "gannet: %s\n", error);
        return EXIT_FAILURE;
    }
    switch (line.command) {
    case COMMAND_SERVE:
        return serve(line.config_path);
    case COMMAND_CHECK:
        return check_command(&line);
    case COMMAND_TOP:
        return top_command(line.config_path, line.is_once);
    case COMMAND_KEYS:
        config_print_reference(stdout);
        break;
    case COMMAND_STORE:
        return store_command_run(line.word_count, line.words, clock_system_wall_ms());
    case COMMAND_DOCTOR:
        return doctor_command_run(line.word_count, line.words);
    case COMMAND_TUNE:
        return tune_command_run(line.word_count, line.words);
    case COMMAND_CAPTURE:
        return capture_command_run(line.word_count, line.words);
    case COMMAND_KEY_NEW:
        return getrandom(key, sizeof(key), 0) == (ssize_t)sizeof(key)
                   ? key_new_command(line.name, key)
                   : EXIT_FAILURE;
    case COMMAND_VERSION:
        command_line_print_version(stdout);
        break;
    case COMMAND_HELP:
        command_line_print_help(stdout);
        break;
    }
    return EXIT_SUCCESS;
}
