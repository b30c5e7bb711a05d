/* SPDX-License-Identifier: BSD-3-Clause */
/* The program: commands, and the order in which a server starts and stops. The only file that sees both sides. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "control/admin.h"
#include "control/command_line.h"
#include "control/config_file.h"
#include "control/control_loop.h"
#include "control/io_loop.h"
#include "control/preflight.h"
#include "control/service_notify.h"
#include "control/stats_export.h"
#include "control/store.h"
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

#define HANG_NS (5 * NS_PER_S) /* a thread whose heartbeat stands still this long hangs */
#define WATCH_INTERVAL_NS (100 * NS_PER_MS)

struct heartbeat {
    uint64_t last_count;
    uint64_t moved_ns;
};

struct server {
    const char *config_path;
    struct server_config config;
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
    struct core *cores[FABRIC_WORKERS_MAX];
    struct network *networks[FABRIC_WORKERS_MAX];
    struct counters *worker_counters[FABRIC_WORKERS_MAX];
    struct admin *admin;
    struct heartbeat worker_beats[FABRIC_WORKERS_MAX];
    struct heartbeat control_beats[FABRIC_CONTROLS_MAX];
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
    /* Blocked in every thread: the main thread takes them with sigtimedwait. */
    return -pthread_sigmask(SIG_BLOCK, &server->signals, NULL);
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

static int start_memory(struct server *server)
{
    uint32_t threads = server->worker_count + (uint32_t)server->config.control.threads + 1;
    return blob_pool_create(server->config.memory.values_mib << 20, threads, &server->shared.blobs);
}

static void stop_memory(struct server *server)
{
    blob_pool_destroy(server->shared.blobs);
}

static int start_cache(struct server *server)
{
    struct response_cache_config config = {
        .workers = server->worker_count,
        .part_memory_bytes = server->config.cache.memory_mib << 20,
        .value_bytes_max = (uint32_t)server->config.cache.value_max,
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
    return shard_fabric_create(server->worker_count, (uint32_t)server->config.control.threads,
                               (uint32_t)server->config.workers.operations, &server->shared.fabric);
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
    struct core_config config = {
        .shared = &server->shared,
        .network = server->networks[index],
        .packets = nic_runtime_packets(server->nic, index),
        .descriptors = nic_runtime_descriptors(server->nic, index),
        .counters = server->worker_counters[index],
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
        wake_if_asleep(&server->shared.fabric->worker_sleepers[i]);
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
