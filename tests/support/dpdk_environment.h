/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dpdk_environment.h - DPDK in a test program, without hugepages and without files left behind.
 *
 * Purpose:   rings, pools and mbufs for tests and simulations.
 * Ownership: process-wide; started once, cleaned up at exit.
 * Threading: call from the main thread.
 * Units:     MiB.
 * Errors:    the program ends when DPDK does not start: no test could tell anything.
 * Source:    DPDK 22.11 rte_eal_init.
 */
#ifndef GANNET_DPDK_ENVIRONMENT_H
#define GANNET_DPDK_ENVIRONMENT_H

#include <stdint.h>

struct rte_mempool;

void dpdk_environment_start(void);

/* A pool with a name of its own; ends the program when there is no memory. */
struct rte_mempool *dpdk_environment_pool(uint32_t count);
/* Fails the program loudly when packets of the pool are missing, then frees it. */
void dpdk_environment_pool_check_and_free(struct rte_mempool *pool);

#endif
