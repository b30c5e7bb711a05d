/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * api_settings.h - a snapshot of what may change while the server runs, with what is derived from
 * it.
 *
 * Purpose:   everything that a reload replaces is made here, off the workers, in one piece.
 * Ownership: the caller's until it is given to a board (include/live_settings.h).
 * Threading: any; workers only read the result.
 * Units:     bytes.
 * Errors:    -ENOMEM, or -EINVAL with a sentence in `problem`.
 * Source:    none.
 */
#ifndef GANNET_API_SETTINGS_H
#define GANNET_API_SETTINGS_H

#include <stddef.h>

#include "include/live_settings.h"

/* Takes `keys` (NULL: none) over, also when it fails. */
int api_settings_create(const struct server_config *config, struct api_keys *keys, char *problem,
                        size_t problem_bytes, struct live_settings **settings);
void api_settings_destroy(struct live_settings *settings);

/* A board whose first snapshot is of that configuration; the same errors. */
int api_settings_board_create(const struct server_config *config, struct api_keys *keys,
                              uint32_t reader_count, char *problem, size_t problem_bytes,
                              struct live_board **board);

#endif
