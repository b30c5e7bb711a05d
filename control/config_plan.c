/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/config_plan.h"

#include <inttypes.h>

#include "control/config_keys.h"

#define PACKET_BYTES 2432u /* a 2 KiB data room, headroom and the descriptor */
#define OPERATION_BYTES 2048u
#define CONNECTION_BYTES 512u

static uint64_t mib_of(uint64_t bytes)
{
    return (bytes + (1u << 20) - 1) >> 20;
}

/* auto is one worker; see workers.cores. */
uint32_t config_worker_count(const struct server_config *config)
{
    return config->workers.cores.is_auto ? 1 : config->workers.cores.core_count;
}

struct config_memory config_memory_estimate(const struct server_config *config,
                                            uint32_t worker_count)
{
    struct config_memory memory = {
        .packets_mib = mib_of(worker_count * config->memory.packets * PACKET_BYTES),
        .operations_mib = mib_of(worker_count * config->workers.operations * OPERATION_BYTES),
        .cache_mib = worker_count * config->cache.memory_mib,
        .connections_mib = mib_of(worker_count * config->tcp.connections * CONNECTION_BYTES),
        .values_mib = config->memory.values_mib,
        .index_mib = config->store.index_memory_mib,
    };
    memory.pages_mib = memory.packets_mib + memory.operations_mib + memory.cache_mib +
                       memory.connections_mib + memory.values_mib;
    return memory;
}

static void print_threads(FILE *file, const struct server_config *config)
{
    char workers[512], control[512], poll[64], io[64];
    config_cores_text(&config->workers.cores, workers, sizeof(workers));
    config_cores_text(&config->control.cores, control, sizeof(control));
    config_choice_name(&config_key_table[CONFIG_KEY_workers_poll], config->workers.poll, poll,
                       sizeof(poll));
    config_choice_name(&config_key_table[CONFIG_KEY_control_io], config->control.io, io,
                       sizeof(io));
    fprintf(file, "workers      %u on cores %s, %s polling\n", config_worker_count(config), workers,
            poll);
    fprintf(file, "control      %" PRIu64 " thread%s on cores %s, io %s\n", config->control.threads,
            config->control.threads == 1 ? "" : "s", control, io);
}

static void print_ports(FILE *file, const struct server_config *config)
{
    uint32_t worker_count = config_worker_count(config);
    for (uint32_t i = 0; i < config->ports_count; i++) {
        const struct config_ports *port = &config->ports[i];
        uint64_t queues = port->queues ? port->queues : worker_count;
        fprintf(file, "port %u       %s, %" PRIu64 " queue%s, mtu %" PRIu64 ", offloads %s\n", i,
                port->device, queues, queues == 1 ? "" : "s", port->mtu, port->offloads);
        if (queues < worker_count)
            fprintf(file,
                    "             fewer queues than workers: flows are dispatched in software\n");
        if (port->vlan)
            fprintf(file, "             VLAN %" PRIu64 "\n", port->vlan);
        if (port->ipv4[0])
            fprintf(file, "             %s, gateway %s\n", port->ipv4,
                    port->gateway[0] ? port->gateway : "none");
        if (config_ipv6_is_formed(port))
            fprintf(file, "             IPv6 address and gateway: from a router's advertisements "
                          "(the log says which)\n");
        else if (port->ipv6[0])
            fprintf(file, "             %s, gateway %s\n", port->ipv6,
                    port->gateway6[0] ? port->gateway6 : "none");
        if (port->kernel_interface[0])
            fprintf(file,
                    "             what is not ours goes to the kernel's interface %s, at most "
                    "%" PRIu64 " frames/s each way; TCP ports of ours that the kernel serves: %s\n",
                    port->kernel_interface, config->network.kernel_per_s, port->kernel_ports);
    }
    fprintf(file, "listeners   ");
    for (uint32_t i = 0; i < config->listeners_count; i++)
        fprintf(file, " %" PRIu64, config->listeners[i].port);
    fprintf(file, "%s\nadmin        %s\n", config->listeners_count ? "" : " none",
            config->admin.listen);
}

static void print_memory(FILE *file, const struct server_config *config)
{
    struct config_memory memory = config_memory_estimate(config, config_worker_count(config));
    char pages[64];
    config_choice_name(&config_key_table[CONFIG_KEY_memory_pages], config->memory.pages, pages,
                       sizeof(pages));
    fprintf(file,
            "memory       %" PRIu64 " MiB at start (pages: %s): packets %" PRIu64
            ", values %" PRIu64 ", cache %" PRIu64 ", connections %" PRIu64 ", operations %" PRIu64
            "\n",
            memory.pages_mib, pages, memory.packets_mib, memory.values_mib, memory.cache_mib,
            memory.connections_mib, memory.operations_mib);
    fprintf(file, "             and up to %" PRIu64 " MiB of ordinary memory for the index\n",
            memory.index_mib);
}

static void print_store(FILE *file, const struct server_config *config)
{
    fprintf(file, "store        %s\n", config->store.directory);
    if (config->store.sync == CONFIG_SYNC_COMMIT)
        fprintf(file, "loss window  none: an acknowledged write is on disk\n");
    else
        fprintf(file,
                "loss window  %" PRIu64
                " ms: writes acknowledged in that time may be lost by a power cut\n",
                config->store.sync_interval_ms);
}

/* Where it differs from what the store says for all. */
static void print_loss_window(FILE *file, const struct server_config *config,
                              const struct config_namespaces *space)
{
    bool is_interval = space->sync == CONFIG_NAMESPACE_SYNC_STORE
                           ? config->store.sync == CONFIG_SYNC_INTERVAL
                           : space->sync == CONFIG_NAMESPACE_SYNC_INTERVAL;
    if (space->sync == CONFIG_NAMESPACE_SYNC_STORE && space->write_policy != CONFIG_WRITE_BEHIND)
        return;
    if (is_interval)
        fprintf(file, "             loss window %" PRIu64 " ms", config->store.sync_interval_ms);
    else
        fprintf(file, "             loss window none");
    if (space->write_policy == CONFIG_WRITE_BEHIND)
        fprintf(file,
                ", and what is accepted and not committed: at most %" PRIu64
                " KiB per control thread, accepted within %" PRIu64 " ms",
                config->store.behind_kib, config->store.behind_ms);
    fprintf(file, "\n");
}

static void print_service(FILE *file, const struct server_config *config)
{
    for (uint32_t i = 0; i < config->namespaces_count; i++) {
        const struct config_namespaces *space = &config->namespaces[i];
        uint64_t largest =
            space->value_max < config->http.body_max ? space->value_max : config->http.body_max;
        fprintf(file, "namespace    %s, values up to %" PRIu64 " bytes, ", space->name, largest);
        if (space->ttl_s)
            fprintf(file, "kept %" PRIu64 " s unless they say otherwise\n", space->ttl_s);
        else
            fprintf(file, "kept for ever unless they say otherwise\n");
        print_loss_window(file, config, space);
    }
    for (uint32_t i = 0; i < config->routes_count; i++) {
        char backend[64];
        config_choice_name(&config_key_table[CONFIG_KEY_routes_backend], config->routes[i].backend,
                           backend, sizeof(backend));
        fprintf(file, "route        %s to %s\n", config->routes[i].path, backend);
    }
}

void config_print_plan(FILE *file, const struct server_config *config)
{
    print_threads(file, config);
    print_ports(file, config);
    print_memory(file, config);
    print_store(file, config);
    print_service(file, config);
}
