/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * nic_arguments.h - the command line that DPDK is started with, made from the config.
 *
 * Purpose:   a pure function: what DPDK is told can be tested, and printed.
 * Ownership: the arguments are a value; the strings live in it.
 * Threading: any.
 * Units:     MiB.
 * Errors:    -E2BIG when there are more workers or ports than arguments hold.
 * Source:    DPDK 22.11, "EAL parameters". --no-huge and --in-memory exclude each other there.
 */
#ifndef GANNET_NIC_ARGUMENTS_H
#define GANNET_NIC_ARGUMENTS_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

struct nic_runtime_config;

#define NIC_ARGUMENTS_MAX 48u
#define NIC_ARGUMENTS_TEXT_BYTES 8192u

struct nic_arguments {
    int count;
    uint32_t text_bytes;
    char *values[NIC_ARGUMENTS_MAX + 1];
    char text[NIC_ARGUMENTS_TEXT_BYTES];
};

/*
 * `allowed`: the CPUs of this process; DPDK's own threads take those without a worker.
 * `file_prefix`: see nic_leftovers.h.
 */
int nic_arguments_make(const struct nic_runtime_config *config, const cpu_set_t *allowed,
                       const char *file_prefix, struct nic_arguments *out);

/* A device is a PCI address, perhaps with driver arguments behind a comma, or a vdev string. */
bool nic_device_is_pci(const char *device);
/* The name DPDK gives the port: the device up to its first comma. */
void nic_device_name(const char *device, char *out, uint32_t bytes);
/* The name DPDK gives the kernel interface beside a port (ports.kernel_interface). */
void nic_kernel_device_name(uint32_t port_index, char *out, uint32_t bytes);

#endif
