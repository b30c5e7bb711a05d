/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * log.h - leveled text log to standard error, one line per event, never from a worker's round.
 *
 * Purpose:   what an operator reads: starts, stops, failures, refusals that last.
 * Ownership: none.
 * Threading: any thread that may sleep; a line is written with one write(2), so lines do not mix.
 * Units:     none.
 * Errors:    none; what cannot be written is lost.
 * Source:    systemd reads the "<n>" prefix as a priority (sd-daemon(3)); it is added only under
 *            systemd.
 */
#ifndef GANNET_LOG_H
#define GANNET_LOG_H

#include "include/compiler.h"

enum log_level {
    LOG_LEVEL_ERROR = 0,
    LOG_LEVEL_WARNING,
    LOG_LEVEL_INFO,
    LOG_LEVEL_DEBUG,
};

void log_set_level(enum log_level level);
PRINTF_LIKE(2, 3) void log_line(enum log_level level, const char *format, ...);

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
