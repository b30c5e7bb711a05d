/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The program: commands, and the order in which a server starts and stops. The only file that sees
 * both sides.
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
#include "control/admin.h"
#include "control/check_command.h"
#include "control/command_line.h"
#include "control/config_file.h"
#include "control/control_loop.h"
#include "control/heartbeat.h"
#include "control/io_loop.h"
#include "control/preflight.h"
#include "control/server_settings.h"
#include "control/service_notify.h"
#include "control/stats_export.h"
#include "control/store.h"
#include "control/store_command.h"
#include "control/task_loop.h"
#include "control/top_command.h"
#include "dataplane/core_loop.h"
#include "dataplane/network.h"
#include "dataplane/nic_dpdk.h"
#include "dataplane/packet_pool.h"
#include "dataplane/response_cache.h"
#include "include/blob.h"
#include "include/clock.h"
#include "include/counters.h"
#include "include/log.h"
#include "include/random.h"
#include "include/server_config.h"
#include "include/shard_fabric.h"
#include "include/trace_ring.h"

#define WATCH_INTERVAL_NS (100 * NS_PER_MS)

struct server {
    const char *config_path;
    struct server_config config; /* as started; what a reload changes is in `settings` */
    struct server_settings *settings;
    uint32_t worker_count;
    uint16_t worker_cores[CORES_MAX];
    bool has_hugepages;
    sigset_t signals;
    struct random random;
    struct wall_clock wall_clock;
    struct core_shared shared;
    struct nic_runtime *nic;
    struct store_set *stores;
    struct io_loop *recovery_io;
    struct control_loop *controls[FABRIC_CONTROLS_MAX];
    struct task_loop *task_threads[FABRIC_TASK_THREADS_MAX];
    struct core *cores[FABRIC_WORKERS_MAX];
    struct network *networks[FABRIC_WORKERS_MAX];
    struct blob_stock *stocks[FABRIC_WORKERS_MAX];
    struct access_log *access_log;
    struct trace_choice trace_choice;
    struct trace_ring *traces[FABRIC_WORKERS_MAX];
    struct counters *worker_counters[FABRIC_WORKERS_MAX];
    struct admin *admin;
    struct heartbeat worker_beats[FABRIC_WORKERS_MAX];
    struct heartbeat control_beats[FABRIC_CONTROLS_MAX];
    struct heartbeat task_beats[FABRIC_TASK_THREADS_MAX];
    bool is_link_down[NETWORK_PORTS_MAX];
    _Atomic uint32_t link_downs[NETWORK_PORTS_MAX];
    uint32_t addresses_taken; /* as logged: network_addresses_taken */
    struct stats_source sources[11];
    _Atomic(const char *) hanging; /* what hangs, or NULL */
    _Atomic bool is_ready;
    _Atomic bool wants_drain;
};

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

static void stop_memory(struct server *server)
{
    for (uint32_t i = 0; i < server->worker_count; i++)
        blob_stock_destroy(server->stocks[i]);
    blob_pool_destroy(server->shared.blobs);
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

static void stop_cache(struct server *server)
{
    response_cache_destroy(server->shared.cache);
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
    if (result != 0)
        io_loop_destroy(server->recovery_io);
    return result;
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

/* Workers are made on the main thread and then run on their lcores until they are stopped. */
static int run_worker(void *argument)
{
    struct core *core = argument;
    core_run(core);
    return 0;
}

static void stop_traces(struct server *server)
{
    for (uint32_t i = 0; i < server->worker_count; i++)
        trace_ring_destroy(server->traces[i]);
}

static int start_traces(struct server *server)
{
    uint32_t events = (uint32_t)server->config.trace.events;
    for (uint32_t i = 0; events > 0 && i < server->worker_count; i++) {
        server->traces[i] = trace_ring_create(events, &server->trace_choice);
        if (!server->traces[i]) {
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

static int start_one_worker(struct server *server, uint32_t index)
{
    char name[16];
    snprintf(name, sizeof(name), "worker%u", index % 1000);
    server->worker_counters[index] = counters_register(name);
    if (!server->worker_counters[index])
        return -ENOMEM;
    server->networks[index] =
        nic_runtime_network(server->nic, index, server->worker_counters[index]);
    if (!server->networks[index])
        return -ENOMEM;
    nic_runtime_set_sleeper(server->nic, index, &server->shared.fabric->client_sleepers[index]);
    struct core_config config = {
        .shared = &server->shared,
        .network = server->networks[index],
        .packets = nic_runtime_packets(server->nic, index),
        .descriptors = nic_runtime_descriptors(server->nic, index),
        .stock = server->stocks[index],
        .counters = server->worker_counters[index],
        .trace = server->traces[index],
        .access_ring = access_log_ring(server->access_log, index),
        .index = index,
        .now_ns = clock_now_ns(),
        .random_seed = random_u64(&server->random),
    };
    return core_create(&config, &server->cores[index]);
}

static void set_worker_phase(struct server *server, enum core_phase phase)
{
    for (uint32_t i = 0; i < server->worker_count; i++) {
        if (!server->cores[i])
            continue;
        /* Release pairs with the acquire in the core's loop. */
        atomic_store_explicit(&server->cores[i]->wanted_phase, (uint32_t)phase,
                              memory_order_release);
        wake_if_asleep(&server->shared.fabric->client_sleepers[i]);
    }
}

static void stop_workers(struct server *server)
{
    set_worker_phase(server, CORE_STOPPED);
    nic_runtime_join(server->nic);
    for (uint32_t i = 0; i < server->worker_count; i++) {
        core_destroy(server->cores[i]);
        if (server->networks[i])
            network_destroy(server->networks[i]);
    }
}

static int start_workers(struct server *server)
{
    int result = 0;
    server->shared.server = &server->config;
    server->shared.wall_clock = &server->wall_clock;
    for (uint32_t i = 0; i < server->worker_count && result == 0; i++)
        result = start_one_worker(server, i);
    for (uint32_t i = 0; i < server->worker_count && result == 0; i++)
        result = nic_runtime_launch(server->nic, i, run_worker, server->cores[i]);
    if (result != 0)
        stop_workers(server);
    return result;
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

static void write_port_counter(struct text_buffer *text, const char *name, const char *device,
                               const char *direction, uint64_t value)
{
    const struct stats_label labels[] = {{"device", device}, {"event", direction}};
    stats_sample(text, name, labels, ARRAY_COUNT(labels), value);
}

static void write_ports(void *context, struct text_buffer *text, const char *name)
{
    const struct server *server = context;
    for (uint32_t port = 0; port < nic_port_count(server->nic); port++) {
        struct nic_statistics port_is;
        nic_port_statistics(server->nic, port, &port_is);
        write_port_counter(text, name, port_is.device, "rx_packets", port_is.rx_packets);
        write_port_counter(text, name, port_is.device, "rx_bytes", port_is.rx_bytes);
        write_port_counter(text, name, port_is.device, "rx_missed", port_is.rx_missed);
        write_port_counter(text, name, port_is.device, "rx_errors", port_is.rx_errors);
        write_port_counter(text, name, port_is.device, "rx_no_packets", port_is.rx_no_packets);
        write_port_counter(text, name, port_is.device, "tx_packets", port_is.tx_packets);
        write_port_counter(text, name, port_is.device, "tx_bytes", port_is.tx_bytes);
        write_port_counter(text, name, port_is.device, "tx_errors", port_is.tx_errors);
        write_port_counter(text, name, port_is.device, "link_downs", server->link_downs[port]);
    }
}

static void write_ring_depths(void *context, struct text_buffer *text, const char *name)
{
    const struct shard_fabric *fabric = ((const struct server *)context)->shared.fabric;
    for (uint32_t control = 0; control < fabric->control_count; control++) {
        uint32_t requests = 0, replies = 0;
        for (uint32_t client = 0; client < fabric->client_count; client++)
            requests += message_ring_depth(fabric->request[client][control]);
        for (uint32_t worker = 0; worker < fabric->worker_count; worker++)
            replies += message_ring_depth(fabric->reply[control][worker]);
        char index[12];
        snprintf(index, sizeof(index), "%u", control);
        const struct stats_label in[] = {{"control", index}, {"ring", "request"}};
        const struct stats_label out[] = {{"control", index}, {"ring", "reply"}};
        stats_sample(text, name, in, ARRAY_COUNT(in), requests);
        stats_sample(text, name, out, ARRAY_COUNT(out), replies);
    }
}

static void write_connections(void *context, struct text_buffer *text, const char *name)
{
    const struct server *server = context;
    for (uint32_t i = 0; i < server->worker_count; i++) {
        const struct stats_label labels[] = {{"thread", server->worker_counters[i]->thread_name}};
        stats_sample(
            text, name, labels, 1,
            atomic_load_explicit(&server->cores[i]->open_connections, memory_order_relaxed));
    }
}

static void write_tcp_tables(void *context, struct text_buffer *text, const char *name)
{
    static const char *const whats[CORE_LEVEL_COUNT] = {
        [CORE_LEVEL_HALF_OPEN] = "half_open",
        [CORE_LEVEL_TIME_WAIT] = "time_wait",
        [CORE_LEVEL_PACKETS_HELD] = "packets_held",
        [CORE_LEVEL_OUT_OF_ORDER] = "out_of_order",
    };
    const struct server *server = context;
    for (uint32_t i = 0; i < server->worker_count; i++)
        for (uint32_t level = 0; level < CORE_LEVEL_COUNT; level++) {
            const struct stats_label labels[] = {
                {"thread", server->worker_counters[i]->thread_name}, {"what", whats[level]}};
            stats_sample(
                text, name, labels, ARRAY_COUNT(labels),
                atomic_load_explicit(&server->cores[i]->levels[level], memory_order_relaxed));
        }
}

static void write_packets(void *context, struct text_buffer *text, const char *name)
{
    const struct server *server = context;
    for (uint32_t i = 0; i < server->worker_count; i++) {
        const char *thread = server->worker_counters[i]->thread_name;
        const struct rte_mempool *pool = nic_runtime_packets(server->nic, i);
        const struct stats_label used[] = {{"thread", thread}, {"what", "used"}};
        const struct stats_label total[] = {{"thread", thread}, {"what", "total"}};
        stats_sample(text, name, used, ARRAY_COUNT(used), packet_pool_used(pool));
        stats_sample(text, name, total, ARRAY_COUNT(total), packet_pool_size(pool));
    }
}

static void write_store(void *context, struct text_buffer *text, const char *name)
{
    struct store_status status;
    store_set_status(((const struct server *)context)->stores, &status);
    const struct {
        const char *what;
        uint64_t value;
    } values[] = {
        {"keys", status.keys},
        {"index_bytes", status.index_bytes},
        {"live_bytes", status.live_bytes},
        {"dead_bytes", status.dead_bytes},
        {"disk_bytes", status.disk_bytes},
        {"failed_shards", status.failed_shards},
        {"is_full", status.is_full},
    };
    for (size_t i = 0; i < ARRAY_COUNT(values); i++) {
        const struct stats_label labels[] = {{"what", values[i].what}};
        stats_sample(text, name, labels, 1, values[i].value);
    }
}

static void write_sync_method(void *context, struct text_buffer *text, const char *name)
{
    struct store_status status;
    store_set_status(((const struct server *)context)->stores, &status);
    const struct stats_label labels[] = {{"method", status.sync_method}};
    stats_sample(text, name, labels, 1, 1);
}

static void write_sync_probe(void *context, struct text_buffer *text, const char *name)
{
    struct store_status status;
    store_set_status(((const struct server *)context)->stores, &status);
    const struct stats_label fdatasync[] = {{"method", "fdatasync"}};
    const struct stats_label dsync[] = {{"method", "dsync"}};
    stats_sample(text, name, fdatasync, 1, status.sync_fdatasync_us);
    stats_sample(text, name, dsync, 1, status.sync_dsync_us);
}

static void write_cache(void *context, struct text_buffer *text, const char *name)
{
    const struct server *server = context;
    for (uint32_t i = 0; i < server->worker_count; i++) {
        struct response_cache_status status;
        response_cache_status(server->shared.cache, i, &status);
        const struct {
            const char *what;
            uint64_t value;
        } values[] = {
            {"entries", status.entries},
            {"entry_bytes", status.entry_bytes},
            {"blob_bytes", status.blob_bytes},
            {"waiting_bytes", status.waiting_bytes},
        };
        for (size_t k = 0; k < ARRAY_COUNT(values); k++) {
            const struct stats_label labels[] = {
                {"thread", server->worker_counters[i]->thread_name}, {"what", values[k].what}};
            stats_sample(text, name, labels, ARRAY_COUNT(labels), values[k].value);
        }
    }
}

static void write_value_memory(void *context, struct text_buffer *text, const char *name)
{
    const struct blob_pool *blobs = ((const struct server *)context)->shared.blobs;
    const struct stats_label total[] = {{"what", "total"}};
    const struct stats_label unused[] = {{"what", "free"}};
    stats_sample(text, name, total, 1, blob_pool_total_bytes(blobs));
    stats_sample(text, name, unused, 1, blob_pool_free_bytes(blobs));
}

static void write_config(void *context, struct text_buffer *text)
{
    server_settings_write(((struct server *)context)->settings, text);
}

static bool reload(void *context, struct text_buffer *said)
{
    struct server *server = context;
    access_log_reopen(server->access_log);
    return server_settings_reload(server->settings, said);
}

static bool hold_files(void *context, uint64_t seconds, struct text_buffer *text)
{
    struct store_set *stores = ((struct server *)context)->stores;
    uint64_t uuid[2], epoch;
    bool is_held = store_set_hold(stores, seconds == 0 ? 0 : clock_now_ns() + seconds * NS_PER_S);
    store_set_identity(stores, uuid, &epoch);
    text_format(text, "%s %016" PRIx64 "%016" PRIx64 " %" PRIu64 "\n", is_held ? "held" : "not yet",
                uuid[0], uuid[1], epoch);
    return is_held;
}

static bool choose_trace(void *context, const char *client)
{
    bool is_known = trace_choose(&((struct server *)context)->trace_choice, client);
    if (is_known)
        log_info("tracing %s", client);
    return is_known;
}

static void write_trace(void *context, enum trace_format format, struct text_buffer *text)
{
    struct server *server = context;
    uint64_t wall_ns = wall_clock_read(&server->wall_clock) * NS_PER_MS;
    trace_export(server->traces, server->worker_count, format, wall_ns - clock_now_ns(), text);
}

/* By the main thread only, so that the heartbeats' memory needs no lock. */
static const char *find_hanging_thread(struct server *server)
{
    static const char *const hangs[] = {"a worker hangs", "a control thread hangs",
                                        "a task thread hangs"};
    uint64_t now_ns = clock_now_ns();
    const char *found = NULL;
    for (uint32_t i = 0; i < server->worker_count; i++)
        if (!heartbeat_goes_on(
                &server->worker_beats[i],
                atomic_load_explicit(&server->cores[i]->rounds, memory_order_relaxed), now_ns))
            found = hangs[0];
    for (uint32_t i = 0; i < server->config.control.threads; i++)
        if (!heartbeat_goes_on(&server->control_beats[i],
                               control_loop_heartbeat(server->controls[i]), now_ns))
            found = hangs[1];
    for (uint32_t i = 0; i < server->config.tasks.threads; i++)
        if (!heartbeat_goes_on(&server->task_beats[i], task_loop_heartbeat(server->task_threads[i]),
                               now_ns))
            found = hangs[2];
    return found;
}

static bool is_alive(void *context, const char **why)
{
    struct server *server = context;
    const char *hanging = atomic_load_explicit(&server->hanging, memory_order_relaxed);
    *why = hanging;
    return hanging == NULL;
}

static bool is_ready(void *context, const char **why)
{
    struct server *server = context;
    if (!is_alive(context, why))
        return false;
    *why = "starting or draining";
    return atomic_load_explicit(&server->is_ready, memory_order_relaxed);
}

static void ask_for_drain(void *context)
{
    atomic_store_explicit(&((struct server *)context)->wants_drain, true, memory_order_relaxed);
}

static int start_admin(struct server *server)
{
    server->sources[0] = (struct stats_source){
        "gannet_port_events_total", "what the port counted itself", true, write_ports, server};
    server->sources[1] = (struct stats_source){
        "gannet_ring_depth", "operations waiting in rings, summed over workers and task threads",
        false, write_ring_depths, server};
    server->sources[2] = (struct stats_source){"gannet_connections", "open connections per worker",
                                               false, write_connections, server};
    server->sources[3] =
        (struct stats_source){"gannet_store", "the store as a whole", false, write_store, server};
    server->sources[4] = (struct stats_source){"gannet_value_memory_bytes",
                                               "memory for bodies and large cache entries", false,
                                               write_value_memory, server};
    server->sources[5] = (struct stats_source){
        "gannet_cache", "what each worker's cache part holds", false, write_cache, server};
    server->sources[6] = (struct stats_source){
        "gannet_store_sync_method", "always 1; the label says how commits become durable", false,
        write_sync_method, server};
    server->sources[7] = (struct stats_source){
        "gannet_store_sync_probe_us",
        "one small commit by each method, measured at the first start; 0: it was not", false,
        write_sync_probe, server};
    server->sources[8] = (struct stats_source){
        "gannet_config", "reloads: the generation in effect, and files that were refused", false,
        server_settings_write_stats, server->settings};
    server->sources[9] = (struct stats_source){
        "gannet_tcp_tables", "entries of TCP's bounded tables and queues in use, per worker", false,
        write_tcp_tables, server};
    server->sources[10] = (struct stats_source){
        "gannet_packets", "packets of each worker's pool, the port's receive ring included", false,
        write_packets, server};
    struct admin_hooks hooks = {.context = server,
                                .is_alive = is_alive,
                                .is_ready = is_ready,
                                .write_config = write_config,
                                .start_drain = ask_for_drain,
                                .reload = reload,
                                .hold_files = hold_files,
                                .choose_trace =
                                    server->config.trace.events > 0 ? choose_trace : NULL,
                                .write_trace = write_trace,
                                .sources = server->sources,
                                .source_count = ARRAY_COUNT(server->sources)};
    return admin_start(server->config.admin.listen, (enum io_backend)server->config.control.io,
                       &hooks, &server->admin);
}

static void stop_admin(struct server *server)
{
    if (server->admin)
        admin_stop(server->admin);
}

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
    {"value memory", start_memory, stop_memory},
    {"cache", start_cache, stop_cache},
    {"rings", start_fabric, stop_fabric},
    {"store", start_store, stop_store},
    {"control threads", start_controls, stop_controls},
    {"trace rings", start_traces, stop_traces},
    {"access log", start_access_log, stop_access_log},
    {"workers", start_workers, stop_workers},
    {"task threads", start_tasks, stop_tasks}, /* stopped while the workers bring answers home */
    {"admin socket", start_admin, stop_admin},
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

/* A link that comes back may lead to another switch: the workers say again where they are. */
static void watch_links(struct server *server)
{
    for (uint32_t port = 0; port < nic_port_count(server->nic); port++) {
        bool is_up = nic_port_link_is_up(server->nic, port);
        if (is_up == !server->is_link_down[port])
            continue;
        server->is_link_down[port] = !is_up;
        const char *device = server->config.ports[port].device;
        if (!is_up) {
            server->link_downs[port]++;
            log_warning("port %u (%s): the link is down; connections wait", port, device);
            continue;
        }
        log_info("port %u (%s): the link is up", port, device);
        for (uint32_t i = 0; i < server->worker_count; i++)
            network_link_came_up(server->networks[i], (uint8_t)port);
    }
}

static void watch_addresses(struct server *server)
{
    uint32_t taken = network_addresses_taken(server->networks[0]);
    uint32_t news = taken & ~server->addresses_taken;
    server->addresses_taken = taken;
    for (uint32_t port = 0; news != 0 && port < nic_port_count(server->nic); port++) {
        const struct config_ports *config = &server->config.ports[port];
        if (news >> (port * 2) & 1)
            log_error("port %u: another station has ports.ipv4 = %s already: we do not use it; "
                      "give one of them another address and restart",
                      port, config->ipv4);
        if (news >> (port * 2 + 1) & 1)
            log_error("port %u: another station has ports.ipv6 = %s, or our link-local address, "
                      "already: we do not use them; change one and restart",
                      port, config->ipv6);
    }
}

static void watch(struct server *server, struct service_notify *notify)
{
    watch_links(server);
    watch_addresses(server);
    server_settings_collect(server->settings);
    const char *hanging = find_hanging_thread(server);
    const char *before = atomic_exchange_explicit(&server->hanging, hanging, memory_order_relaxed);
    if (hanging && !before)
        log_error("%s: no progress for %" PRIu64 " s", hanging, (uint64_t)HANG_S);
    if (!hanging)
        service_notify_alive(notify);
}

static uint32_t open_connections(const struct server *server)
{
    uint32_t open = 0;
    for (uint32_t i = 0; i < server->worker_count; i++)
        open += atomic_load_explicit(&server->cores[i]->open_connections, memory_order_relaxed);
    return open;
}

/* Answers under way are finished; a second signal or the deadline ends it. */
static void drain(struct server *server)
{
    uint64_t timeout_ms = server_settings_drain_timeout_ms(server->settings);
    uint64_t end_ns = clock_now_ns() + timeout_ms * NS_PER_MS;
    struct timespec interval = {.tv_nsec = 5 * NS_PER_MS};
    atomic_store_explicit(&server->is_ready, false, memory_order_relaxed);
    set_worker_phase(server, CORE_DRAINING);
    uint64_t first_look_ns = clock_now_ns() + 20 * NS_PER_MS; /* the workers count once per round */
    while (clock_now_ns() < end_ns) {
        if (sigtimedwait(&server->signals, NULL, &interval) > 0) {
            log_warning("second signal: %u connections are cut off", open_connections(server));
            return;
        }
        if (clock_now_ns() > first_look_ns && open_connections(server) == 0)
            return;
    }
    log_warning("drain: %u connections were still open after %" PRIu64 " ms",
                open_connections(server), timeout_ms);
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
            reload(&server, NULL);
        watch(&server, &notify);
    }
    log_info("stopping: no new connections, %u open", open_connections(&server));
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
        return store_command_run(line.store_word_count, line.store_words, clock_system_wall_ms());
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
