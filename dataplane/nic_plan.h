/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * nic_plan.h - what a port can do and what the config asks for -> what will be done, and said.
 *
 * Purpose:   a pure function, so that the fallback of every missing capability is tested without
 *            hardware.
 * Ownership: the plan is a value.
 * Threading: any.
 * Units:     bytes, descriptors, queues.
 * Errors:    -EINVAL with one sentence in plan->error that names the key to change.
 * Source:    DPDK 22.11 rte_ethdev.h, struct rte_eth_dev_info.
 */
#ifndef GANNET_NIC_PLAN_H
#define GANNET_NIC_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/nic.h"
#include "include/server_config.h"

struct network_port_config;

/* What the driver reports. */
struct nic_capabilities {
    char driver[32];
    uint32_t offloads; /* enum nic_offload */
    uint32_t rx_queues_max, tx_queues_max;
    /* Frames of one flow always arrive on one queue: by RSS, or because the driver says so. */
    bool spreads_flows;
    uint16_t mtu_min, mtu_max;
    uint16_t rx_descriptors_min, rx_descriptors_max, rx_descriptors_align;
    uint16_t tx_descriptors_min, tx_descriptors_max, tx_descriptors_align;
};

#define NIC_PLAN_SENTENCES_MAX 16u
#define NIC_PLAN_SENTENCE_BYTES 192u

struct nic_plan {
    uint32_t offloads; /* to be switched on */
    uint32_t queue_count;
    bool needs_dispatch; /* fewer queues than workers: dispatch.h */
    uint16_t mtu;
    uint16_t rx_descriptors, tx_descriptors;
    uint32_t sentence_count;
    char sentences[NIC_PLAN_SENTENCES_MAX][NIC_PLAN_SENTENCE_BYTES];
    char error[NIC_PLAN_SENTENCE_BYTES];
};

int nic_plan_make(uint32_t port_index, const struct nic_capabilities *capabilities,
                  const struct config_ports *config, uint32_t worker_count, struct nic_plan *plan);

/* Packets one worker needs so that full rings and caches leave it some to work with. */
uint32_t nic_plan_packets_needed(const struct nic_plan *plans, uint32_t plan_count);

/*
 * The addresses of a port's config in binary. `error`: NIC_PLAN_SENTENCE_BYTES, filled on -EINVAL.
 */
int nic_plan_addresses(uint32_t port_index, const struct config_ports *config,
                       struct network_port_config *out, char *error);

/* Which bits a value of ports.offloads allows. -EINVAL for a word that is not one of them. */
int nic_plan_parse_offloads(const char *text, uint32_t *allowed);

#endif
