/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * store_command.h - the words after `gannet store`.
 *
 * Purpose:   verify, backup, restore, inspect and compact a data directory.
 * Ownership: the words are the caller's.
 * Threading: the process does nothing else.
 * Units:     _ms wall.
 * Errors:    the exit status: enum store_tool_status in store_verify.h.
 * Source:    none.
 */
#ifndef GANNET_STORE_COMMAND_H
#define GANNET_STORE_COMMAND_H

#include <stdint.h>
#include <stdio.h>

int store_command_run(int word_count, char *const words[], uint64_t now_ms);
void store_command_print_help(FILE *file);

#endif
