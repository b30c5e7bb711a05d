/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * nic_dpdk.h - DPDK as a whole: its environment, the ports, the workers' pools and threads.
 *
 * Purpose:   from a checked config to running ports in one call, and back without a trace.
 * Ownership: the runtime owns ports and pools; networks it makes belong to the caller and die
 *            before it.
 * Threading: main thread, but for nic.h's queue functions.
 * Units:     packets, bytes.
 * Errors:    0 or a negative errno; the sentence is logged where it is known.
 * Source:    DPDK 22.11 EAL and ethdev.
 */
#ifndef GANNET_NIC_DPDK_H
#define GANNET_NIC_DPDK_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/nic.h"
#include "include/key_hash.h"

struct capture_ring;
struct counters;
struct network;
struct nic_runtime;
struct rte_mempool;
struct server_config;
struct sleeper;

struct nic_runtime_config {
    const struct server_config *server;
    uint32_t worker_count;
    const uint16_t *worker_cores;
    bool use_hugepages;
    uint64_t random_seed; /* the RSS key comes from it */
    struct siphash_key siphash_key;
};

/* Once per process: DPDK cannot be started twice. */
int nic_runtime_start(const struct nic_runtime_config *config, struct nic_runtime **out);
/* After every worker has ended and every network was destroyed. */
void nic_runtime_stop(struct nic_runtime *runtime);

/* One worker's network layer over all ports; `capture` may be NULL. NULL when memory is short. */
struct network *nic_runtime_network(struct nic_runtime *runtime, uint32_t worker,
                                    struct counters *counters, struct capture_ring *capture);
struct rte_mempool *nic_runtime_packets(struct nic_runtime *runtime, uint32_t worker);
/* Packets without room of their own, to which value bytes are attached. */
struct rte_mempool *nic_runtime_descriptors(struct nic_runtime *runtime, uint32_t worker);
/* How software dispatch wakes a worker; before the workers are launched. */
void nic_runtime_set_sleeper(struct nic_runtime *runtime, uint32_t worker, struct sleeper *sleeper);

/* Runs function(argument) on the worker's pinned thread. */
int nic_runtime_launch(struct nic_runtime *runtime, uint32_t worker, int (*function)(void *),
                       void *argument);
/* Waits until every launched function has returned. */
void nic_runtime_join(struct nic_runtime *runtime);

/* Everything a port counts itself; frames it lost never reach our own counters. */
struct nic_statistics {
    char device[64];
    char driver[32];
    bool is_link_up;
    uint32_t link_mbit_per_s; /* 0: unknown */
    uint64_t rx_packets, rx_bytes;
    uint64_t tx_packets, tx_bytes;
    uint64_t rx_missed;     /* no free descriptor: the workers were too slow */
    uint64_t rx_errors;     /* refused by the hardware */
    uint64_t rx_no_packets; /* the packet pool was empty */
    uint64_t tx_errors;
};

/* Asks the driver: for the main thread. */
bool nic_port_link_is_up(const struct nic_runtime *runtime, uint32_t port);
uint32_t nic_port_count(const struct nic_runtime *runtime);
void nic_port_statistics(const struct nic_runtime *runtime, uint32_t port,
                         struct nic_statistics *out);

#endif
