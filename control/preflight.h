/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * preflight.h - before DPDK starts: what is missing on this machine, and the command that mends
 *     it.
 *
 * Purpose:   DPDK's own messages name neither the config key nor the remedy; ours do. Also
 *            settles what depends on the machine: which cores the workers get and whether there
 *            are hugepages for them.
 * Ownership: the result is a value.
 * Threading: main thread.
 * Units:     bytes, pages.
 * Errors:    findings of severity PREFLIGHT_ERROR: the server must not start.
 * Source:    /sys and /proc (sysfs(5), proc(5)); nothing is changed, only read.
 */
#ifndef GANNET_PREFLIGHT_H
#define GANNET_PREFLIGHT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "include/server_config.h"

#define PREFLIGHT_FINDINGS_MAX 64u

enum preflight_severity {
    PREFLIGHT_NOTE = 0, /* works, and this is how */
    PREFLIGHT_WARNING,  /* works, less well */
    PREFLIGHT_ERROR,    /* does not work */
};

struct preflight_finding {
    enum preflight_severity severity;
    char what[256];
    char command[256]; /* what mends it; empty when no command does */
};

struct preflight_result {
    uint32_t error_count;
    uint32_t finding_count;
    struct preflight_finding findings[PREFLIGHT_FINDINGS_MAX];
    bool use_hugepages;
    uint32_t worker_count;
    uint16_t worker_cores[CORES_MAX];
};

/*
 * `root` stands in front of /sys, /proc and /dev: "" is this machine, tests bring a tree of their
 * own.
 */
void preflight_run(const struct server_config *config, const char *root,
                   struct preflight_result *result);

void preflight_print(FILE *out, const struct preflight_result *result);

#endif
