/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * command_line.h - what the words after `gannet` ask for.
 *
 * Purpose:   which command, and its arguments; store, capture, doctor and tune read their own
 *            words. Nothing else is configured here.
 * Ownership: config_path and words point into argv.
 * Threading: any; no state.
 * Units:     none.
 * Errors:    -EINVAL with one line of text; the caller prints it and exits 2.
 * Source:    none.
 */
#ifndef GANNET_COMMAND_LINE_H
#define GANNET_COMMAND_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "include/compiler.h"

enum command {
    COMMAND_SERVE = 0,
    COMMAND_CHECK,
    COMMAND_TOP,
    COMMAND_KEYS,
    COMMAND_STORE,
    COMMAND_CAPTURE,
    COMMAND_DOCTOR,
    COMMAND_TUNE,
    COMMAND_KEY_NEW,
    COMMAND_VERSION,
    COMMAND_HELP,
};

struct command_line {
    enum command command;
    const char *config_path; /* serve and check; top: or an address, or NULL */
    bool is_offline;         /* check: the file only, not this machine */
    bool is_once;            /* top */
    char *const *words; /* store, capture, doctor, tune: what follows; they read it themselves */
    int word_count;
    const char *name; /* key new: the client's */
};

MUST_USE int command_line_parse(int argument_count, char *const arguments[],
                                struct command_line *out, char *error, size_t error_bytes);
void command_line_print_help(FILE *file);
void command_line_print_version(FILE *file);

#endif
