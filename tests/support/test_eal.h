/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_eal.h - DPDK for test programs: no hugepages, no devices, no files left behind.
 *
 * Purpose:   pools of packets in unit tests and simulations.
 * Ownership: one call per process.
 * Threading: main thread.
 * Units:     MiB.
 * Errors:    ends the process.
 * Source:    DPDK 22.11 EAL options.
 */
#ifndef GANNET_TEST_EAL_H
#define GANNET_TEST_EAL_H

void test_eal_start(const char *megabytes);

#endif
