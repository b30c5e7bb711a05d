/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A server that speaks everything below TCP and nothing above: ping answers, segments are dropped.
 * link_probe DEVICE IPV4/BITS IPV6/BITS WORKERS SECONDS; "huge" as a sixth word uses hugepages.
 */
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/network.h"
#include "dataplane/nic_dpdk.h"
#include "dataplane/packet.h"
#include "include/clock.h"
#include "include/counters.h"
#include "include/log.h"
#include "include/server_config.h"

static _Atomic bool should_stop;

struct worker {
    struct network *network;
};

static int run(void *argument)
{
    struct network *network = ((struct worker *)argument)->network;
    while (!atomic_load_explicit(&should_stop, memory_order_relaxed)) {
        struct packet *frames[NIC_BURST_MAX], *segments[NIC_BURST_MAX];
        uint64_t now_ns = clock_now_ns();
        uint32_t count = network_receive(network, 0, frames, NIC_BURST_MAX);
        uint32_t up = network_input(network, 0, frames, count, now_ns, segments);
        for (uint32_t i = 0; i < up; i++)
            packet_free(segments[i]);
        network_timers(network, now_ns);
        network_flush(network);
        if (count == 0)
            usleep(200);
    }
    return 0;
}

static void fill(struct server_config *config, char **arguments)
{
    struct config_ports *port = &config->ports[0];
    config->memory.packets = 4096;
    config->memory.values_mib = 16;
    config->network.neighbours = 64;
    config->network.icmp_per_s = 1000;
    config->network.dispatch_ring = 256;
    config->network.fragments = CONFIG_FRAGMENTS_REASSEMBLE;
    config->network.fragment_packets = 64;
    config->network.fragment_timeout_ms = 1000;
    config->ports_count = 1;
    port->rx_descriptors = port->tx_descriptors = 256;
    port->mtu = 1500;
    snprintf(port->device, sizeof(port->device), "%s", arguments[1]);
    snprintf(port->ipv4, sizeof(port->ipv4), "%s", arguments[2]);
    snprintf(port->ipv6, sizeof(port->ipv6), "%s", arguments[3]);
    snprintf(port->offloads, sizeof(port->offloads), "auto");
}

static void stop_now(int signal_number)
{
    (void)signal_number;
    atomic_store_explicit(&should_stop, true, memory_order_relaxed);
}

static void report(struct nic_runtime *runtime)
{
    struct nic_statistics statistics;
    nic_port_statistics(runtime, 0, &statistics);
    printf("%s %s link %s: rx %llu tx %llu missed %llu\n", statistics.device, statistics.driver,
           statistics.is_link_up ? "up" : "down", (unsigned long long)statistics.rx_packets,
           (unsigned long long)statistics.tx_packets, (unsigned long long)statistics.rx_missed);
    struct counters *const *blocks;
    uint32_t block_count = counters_blocks(&blocks);
    for (uint32_t i = 0; i < block_count; i++)
        for (uint32_t why = 1; why < DROP_REASON_COUNT; why++)
            if (blocks[i]->drops[why] > 0)
                printf("dropped %s: %llu\n", drop_reason_names[why],
                       (unsigned long long)blocks[i]->drops[why]);
}

int main(int argument_count, char **arguments)
{
    static struct server_config config;
    static struct worker workers[CORES_MAX];
    uint16_t cores[CORES_MAX] = {0};
    struct nic_runtime *runtime;
    if (argument_count < 6) {
        fprintf(stderr, "link_probe DEVICE IPV4/BITS IPV6/BITS WORKERS SECONDS [huge]\n");
        return 2;
    }
    uint32_t worker_count = (uint32_t)strtoul(arguments[4], NULL, 10);
    unsigned seconds = (unsigned)strtoul(arguments[5], NULL, 10);
    for (uint32_t i = 0; i < worker_count; i++)
        cores[i] = (uint16_t)(i % (uint32_t)sysconf(_SC_NPROCESSORS_ONLN));
    fill(&config, arguments);
    log_set_level(LOG_LEVEL_INFO);
    struct nic_runtime_config nic = {.server = &config,
                                     .worker_count = worker_count,
                                     .worker_cores = cores,
                                     .use_hugepages = argument_count > 6,
                                     .random_seed = 1,
                                     .siphash_key = {1, 2}};
    if (nic_runtime_start(&nic, &runtime) != 0)
        return 1;
    signal(SIGTERM, stop_now);
    signal(SIGALRM, stop_now);
    alarm(seconds);
    for (uint32_t i = 0; i < worker_count; i++) {
        workers[i].network = nic_runtime_network(runtime, i, counters_register("worker"), NULL);
        if (!workers[i].network || nic_runtime_launch(runtime, i, run, &workers[i]) != 0)
            return 1;
    }
    printf("ready\n");
    fflush(stdout);
    nic_runtime_join(runtime);
    report(runtime);
    for (uint32_t i = 0; i < worker_count; i++)
        network_destroy(workers[i].network);
    nic_runtime_stop(runtime);
    return 0;
}
