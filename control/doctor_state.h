/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * doctor_state.h - what the checks of doctor have in common.
 *
 * Purpose:   private to doctor*.c.
 * Ownership: none.
 * Threading: main thread.
 * Units:     none.
 * Errors:    none.
 * Source:    none.
 */
#ifndef GANNET_DOCTOR_STATE_H
#define GANNET_DOCTOR_STATE_H

#include "control/doctor.h"
#include "control/preflight_state.h"

struct doctor {
    struct preflight machine; /* for reading; its findings are not the report's */
    const struct doctor_probes *probes;
    struct doctor_report *report;
    bool has_numa;
    struct preflight_node nodes[PREFLIGHT_NODES_MAX];
};

PRINTF_LIKE(6, 7)
void doctor_add(struct doctor *doctor, enum doctor_state state, const char *check,
                const char *wanted, const char *command, const char *found, ...);

PRINTF_LIKE(3, 4)
void doctor_change(struct doctor *doctor, const char *value, const char *path, ...);

/* The first line of a file, without its end; false: there is no such file. */
PRINTF_LIKE(4, 5)
bool doctor_read(const struct doctor *doctor, char *out, size_t bytes, const char *path, ...);

/* "1-3,6" */
void doctor_list(const bool *set, uint32_t count, char *out, size_t bytes);

/* Workers that never sleep suffer from whatever else runs on their core. */
bool doctor_is_busy(const struct doctor *doctor);

typedef void doctor_check(struct doctor *doctor);

doctor_check doctor_allowed_cores, doctor_shared_cores, doctor_siblings, doctor_isolation,
    doctor_governor, doctor_interrupts, doctor_steal; /* doctor_cores.c */
doctor_check doctor_hugepages, doctor_transparent_pages,
    doctor_numa_balancing; /* doctor_memory.c */
doctor_check doctor_locked_memory;
doctor_check doctor_ports, doctor_port_nodes, doctor_links, doctor_addresses; /* doctor_device.c */
doctor_check doctor_io_uring, doctor_clock, doctor_open_files, doctor_nmi_watchdog,
    doctor_admin_port;     /* doctor_kernel.c */
doctor_check doctor_store; /* doctor_disk.c */

#endif
