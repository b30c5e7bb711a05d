/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * preflight_state.h - shared by preflight.c (cores, memory) and preflight_device.c (ports).
 *
 * Purpose:   private to these two files.
 * Ownership: none.
 * Threading: main thread.
 * Units:     none.
 * Errors:    readers return false when a file is not there.
 * Source:    none.
 */
#ifndef GANNET_PREFLIGHT_STATE_H
#define GANNET_PREFLIGHT_STATE_H

#include "control/preflight.h"
#include "include/compiler.h"

#define PREFLIGHT_FILE_BYTES 65536u

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

/* preflight_device.c: every port of the config. */
void preflight_devices(struct preflight *preflight);

#endif
