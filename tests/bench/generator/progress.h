/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * progress.h - the line on a terminal that says how a run is going.
 *
 * Purpose:   once per second: what runs, rate, errors, connections.
 * Ownership: plain data; the stream belongs to the caller.
 * Threading: the main thread; it reads the cores' relaxed counters.
 * Units:     nanoseconds, requests per second.
 * Errors:    none: a line that cannot be written is lost.
 * Source:    none.
 */
#ifndef GANNET_BENCH_PROGRESS_H
#define GANNET_BENCH_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "tests/bench/generator/plan.h"
#include "tests/bench/generator/result.h"

struct progress {
    FILE *stream; /* NULL: silent */
    uint64_t printed_ns, printed_responses;
    bool has_line; /* something stands on the terminal's line */
};

/* Silent when the plan says so or `stream` is not a terminal. */
void progress_init(struct progress *progress, const struct plan *plan, FILE *stream,
                   uint64_t now_ns);
/* As often as you like; prints once per second. `phase`: "warm-up", "run 2 of 5", ... */
void progress_update(struct progress *progress, const char *phase,
                     const struct result_progress *cores, uint32_t core_count, uint64_t now_ns);
/* Clears the line, so that the next output starts on an empty one. */
void progress_end(struct progress *progress);

#endif
