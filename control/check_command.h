/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * check_command.h - `gannet check` and `gannet key new`: what needs no server.
 *
 * Purpose:   commands that print and end.
 * Ownership: nothing stays.
 * Threading: the main thread.
 * Units:     none.
 * Errors:    the exit status, after saying why.
 * Source:    none.
 */
#ifndef GANNET_CHECK_COMMAND_H
#define GANNET_CHECK_COMMAND_H

#include "control/command_line.h"
#include "include/api_keys.h"

int check_command(const struct command_line *line);
int key_new_command(const char *name, const uint8_t random[API_KEY_RANDOM_BYTES]);

#endif
