/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * whole_file.h - a file that a configuration names, read at once.
 *
 * Purpose:   keys, schemas: small files that are parsed from memory.
 * Ownership: the text is the caller's, to be freed.
 * Threading: any.
 * Units:     bytes.
 * Errors:    NULL after naming the key, the file, and what is allowed.
 * Source:    none.
 */
#ifndef GANNET_WHOLE_FILE_H
#define GANNET_WHOLE_FILE_H

#include <stddef.h>

#include "control/config_file.h"

/* `key` is the configuration's, for the error. */
char *whole_file_read(const char *path, const char *key, size_t bytes_max, size_t *bytes,
                      struct config_errors *errors);

#endif
