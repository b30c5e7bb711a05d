/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * keys_file.h - access.keys_file: reading it, and making a key for it.
 *
 * Purpose:   from a text file with hashes to the table that workers look into.
 * Ownership: the table is the caller's: free().
 * Threading: any; no state.
 * Units:     bytes.
 * Errors:    -EINVAL and a line "FILE: line N: what is wrong" among the errors.
 * Source:    none.
 */
#ifndef GANNET_KEYS_FILE_H
#define GANNET_KEYS_FILE_H

#include <stdio.h>

#include "control/config_file.h"
#include "include/api_keys.h"

#define KEYS_FILE_BYTES_MAX (4u << 20)

/* *keys is NULL where the configuration names no file. Adds to `errors`. */
MUST_USE int keys_file_read(const struct server_config *config, struct api_keys **keys,
                            struct config_errors *errors);

/* `gannet key new NAME`: the key, which is nowhere else, and the line that lets it in. */
void keys_file_print_new(FILE *file, const char *name, const uint8_t random[API_KEY_RANDOM_BYTES]);

#endif
