/* SPDX-License-Identifier: BSD-3-Clause */
#include "include/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define LINE_BYTES_MAX 1024

static _Atomic int level_limit = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&level_limit, (int)level, memory_order_relaxed);
}

void log_line(enum log_level level, const char *format, ...)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    static const int priorities[] = {3, 4, 6, 7}; /* syslog(3) */
    if ((int)level > atomic_load_explicit(&level_limit, memory_order_relaxed))
        return;

    char line[LINE_BYTES_MAX];
    size_t used = 0;
    if (getenv("JOURNAL_STREAM")) {
        used = (size_t)snprintf(line, sizeof(line), "<%d>", priorities[level]);
    } else {
        struct timespec now;
        struct tm utc;
        clock_gettime(CLOCK_REALTIME, &now);
        gmtime_r(&now.tv_sec, &utc);
        used = strftime(line, sizeof(line), "%Y-%m-%dT%H:%M:%S", &utc);
        used +=
            (size_t)snprintf(line + used, sizeof(line) - used, ".%03ldZ ", now.tv_nsec / 1000000);
    }
    used += (size_t)snprintf(line + used, sizeof(line) - used, "%s: ", names[level]);

    va_list arguments;
    va_start(arguments, format);
    int body = vsnprintf(line + used, sizeof(line) - used - 1, format, arguments);
    va_end(arguments);
    if (body > 0)
        used += (size_t)body < sizeof(line) - used - 1 ? (size_t)body : sizeof(line) - used - 2;
    line[used++] = '\n';
    ssize_t ignored = write(STDERR_FILENO, line, used);
    (void)ignored;
}
