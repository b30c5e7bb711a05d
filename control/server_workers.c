/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>

#include "control/access_log.h"
#include "control/server.h"
#include "dataplane/nic_dpdk.h"
#include "include/counters.h"

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
    server->networks[index] = nic_runtime_network(
        server->nic, index, server->worker_counters[index], server->captures[index]);
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
        .limited = server->limited[index],
        .index = index,
        .now_ns = clock_now_ns(),
        .random_seed = random_u64(&server->random),
    };
    return core_create(&config, &server->cores[index]);
}

void server_workers_set_phase(struct server *server, enum core_phase phase)
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

void server_workers_stop(struct server *server)
{
    server_workers_set_phase(server, CORE_STOPPED);
    nic_runtime_join(server->nic);
    for (uint32_t i = 0; i < server->worker_count; i++) {
        core_destroy(server->cores[i]);
        if (server->networks[i])
            network_destroy(server->networks[i]);
    }
}

int server_workers_start(struct server *server)
{
    int result = 0;
    server->shared.server = &server->config;
    server->shared.wall_clock = &server->wall_clock;
    for (uint32_t i = 0; i < server->worker_count && result == 0; i++)
        result = start_one_worker(server, i);
    for (uint32_t i = 0; i < server->worker_count && result == 0; i++)
        result = nic_runtime_launch(server->nic, i, run_worker, server->cores[i]);
    if (result != 0)
        server_workers_stop(server);
    return result;
}

uint32_t server_open_connections(const struct server *server)
{
    uint32_t open = 0;
    for (uint32_t i = 0; i < server->worker_count; i++)
        open += atomic_load_explicit(&server->cores[i]->open_connections, memory_order_relaxed);
    return open;
}
