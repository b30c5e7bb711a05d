/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * config_file.h - reads a YAML file and the hardware file it includes into struct server_config.
 *
 * Purpose:   the only way a configuration gets in, and the ways it is shown.
 * Ownership: the caller owns config and errors (about 60 KiB and 10 KiB); nothing else stays.
 * Threading: any; no state.
 * Units:     as in include/config_keys.def.
 * Errors:    0 or -EINVAL; every finding is one line "file:line: section.key = value: allowed ...".
 *            After an error config holds what could be read: do not serve with it.
 * Source:    YAML 1.1 by libyaml's event interface, without anchors, tags and further documents.
 */
#ifndef GANNET_CONFIG_FILE_H
#define GANNET_CONFIG_FILE_H

#include <stdint.h>
#include <stdio.h>

#include "include/compiler.h"
#include "include/server_config.h"

#define CONFIG_ERRORS_MAX 20u
#define CONFIG_ERROR_BYTES 512u
#define CONFIG_FILE_BYTES_MAX (1u << 20)
#define CONFIG_INCLUDE_DEPTH_MAX 4u

struct config_errors {
    uint32_t count; /* found; only the first CONFIG_ERRORS_MAX are kept */
    char lines[CONFIG_ERRORS_MAX][CONFIG_ERROR_BYTES];
};

void config_defaults(struct server_config *config);

/* Reads path and what it includes, over the defaults, and checks all of it. */
MUST_USE int config_read(const char *path, struct server_config *config,
                         struct config_errors *errors);

/* What `gannet serve` needs beyond a valid file: a port with an address, a listener, a
 * namespace or route. A hardware part alone fails here. path is named in the errors. */
MUST_USE int config_check_complete(const char *path, const struct server_config *config,
                                   struct config_errors *errors);

/* Adds one line; for other checks that report with the same list. */
PRINTF_LIKE(2, 3) void config_error_add(struct config_errors *errors, const char *format, ...);
void config_errors_print(FILE *file, const struct config_errors *errors);

/* Effective values as YAML that config_read reads back to the same configuration. */
void config_print(FILE *file, const struct server_config *config);

/* Markdown: every key with its range, default and sentence. */
void config_print_reference(FILE *file);

#endif
