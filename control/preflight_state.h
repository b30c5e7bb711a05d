/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * preflight_state.h - reading a machine: shared by preflight (what a start needs) and doctor (what
 *     could be better).
 *
 * Purpose:   private to preflight*.c, doctor_*.c and machine_fit.c.
 * Ownership: none.
 * Threading: main thread.
 * Units:     none.
 * Errors:    readers return false when a file is not there.
 * Source:    none.
 */
#ifndef GANNET_PREFLIGHT_STATE_H
#define GANNET_PREFLIGHT_STATE_H

#include <net/if.h>

#include "control/preflight.h"
#include "include/compiler.h"

#define PREFLIGHT_PATH_MAX 4096u
#define PREFLIGHT_FILE_BYTES 65536u
#define PREFLIGHT_NODES_MAX 16u
#define PREFLIGHT_CPUS_MAX 1024u

/* A NUMA node, and the hugepages that the configuration wants there. */
struct preflight_node {
    bool exists;
    bool cpus[PREFLIGHT_CPUS_MAX];
    uint64_t total_2m, free_2m, free_1g;
    uint64_t need_bytes;
};

struct preflight {
    const struct server_config *config;
    const char *root;
    struct preflight_result *result;
};

/* Adds a finding; the texts are formatted by the caller. */
void preflight_add(struct preflight *preflight, enum preflight_severity severity, const char *what,
                   const char *command);

PRINTF_LIKE(4, 5)
bool preflight_read(const struct preflight *preflight, char *out, size_t bytes, const char *path,
                    ...);
PRINTF_LIKE(3, 4)
bool preflight_read_number(const struct preflight *preflight, uint64_t *out, const char *path, ...);
PRINTF_LIKE(2, 3) bool preflight_exists(const struct preflight *preflight, const char *path, ...);

/* Does this process run as root? From /proc/self/status, as everything else. */
bool preflight_is_root(const struct preflight *preflight);

/* The rest of the line that begins with `label`; NULL when there is none. */
const char *preflight_line_of(const char *text, const char *label);
/* "0-3,8" into a set; what is not a list ends it. */
void preflight_parse_cpus(const char *text, bool cpus[PREFLIGHT_CPUS_MAX]);

/* The cores of the workers into the result; findings for those that cannot be used. */
void preflight_cores(struct preflight *preflight);
/* After the cores. False: a kernel without NUMA, node 0 stands for all memory. */
bool preflight_nodes(const struct preflight *preflight, struct preflight_node *nodes);
uint32_t preflight_node_of_core(const struct preflight_node *nodes, uint32_t core);

/* preflight_device.c: every port of the config. */
void preflight_devices(struct preflight *preflight);
/* "0000:3b:00.0" or without the domain, arguments behind it or not; the address in full. */
bool preflight_is_pci(const char *text, char address[16]);
/* The last part of what "driver" and the like point at; empty when there is none. */
void preflight_pci_link(const struct preflight *preflight, const char *address, const char *name,
                        char *out, size_t bytes);
#define PREFLIGHT_INTERFACES_MAX 8u /* of one device */
/* The kernel's interfaces on a PCI device; returns how many. */
uint32_t preflight_pci_interfaces(const struct preflight *preflight, const char *address,
                                  char names[][IFNAMSIZ], uint32_t most);
/* What this machine is reached by over these interfaces. Main thread. */
enum { PREFLIGHT_DEFAULT_ROUTE = 0x1, PREFLIGHT_SSH_SESSION = 0x2 };
uint32_t preflight_own_traffic(const struct preflight *preflight, char names[][IFNAMSIZ],
                               uint32_t count);
/* The value of name=... in a vdev string. */
bool preflight_vdev_argument(const char *device, const char *name, char *out, size_t bytes);

#endif
