/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * environment.h - what of DPDK a stack needs, started once for the life of the process.
 *
 * Purpose:   ordinary pages, no port, no busy thread, the caller's thread left as it was; a pool
 *            of packets and a block of counters.
 * Ownership: pools and counters live as long as the process; one script at a time uses them.
 * Threading: any thread, one at a time.
 * Units:     bytes.
 * Errors:    prints why and ends the process: the runner knows no other way.
 * Source:    rte_eal_init of DPDK 22.11.
 */
#ifndef GANNET_PACKETDRILL_ENVIRONMENT_H
#define GANNET_PACKETDRILL_ENVIRONMENT_H

#include <stdint.h>

struct counters;
struct rte_mempool;

#define ENVIRONMENT_MTU_MAX 9000u

struct rte_mempool *environment_packets(uint16_t mtu, uint32_t *packet_count); /* all free */
struct counters *environment_counters(void);                                   /* all zero */

#endif
