/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * report.h - what all runs of a plan measured: kept, summed up, written down, compared.
 *
 * Purpose:   the median of the runs with its spread, as a table and as JSON; two of them compared.
 * Ownership: report_create takes the plan by reference, report_destroy gives everything else back.
 * Threading: the main thread.
 * Units:     in the names of the figures; JSON repeats them.
 * Errors:    0 or a negative errno inside; report_finish and report_compare print what is wrong.
 * Source:    JSON: Jansson. The fields are described in README.md beside this file.
 */
#ifndef GANNET_BENCH_REPORT_H
#define GANNET_BENCH_REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include "tests/bench/generator/plan.h"
#include "tests/bench/generator/result.h"

struct report;

/* `when`: the start, for the heading. NULL: no memory. */
struct report *report_create(const struct plan *plan, time_t when);
void report_destroy(struct report *report);

/* One run of step `step` (open loop: an index into plan->rates_per_s; else 0), cores added up. */
void report_add_run(struct report *report, uint32_t step, const struct result *sum);

/* True when a run had errors, or a step has no run that counts. */
bool report_has_failures(const struct report *report);

/*
 * Table or JSON to `out` and the JSON file, as the plan asks. If the file cannot be written, the
 * JSON goes to `out`, so that the measurement is not lost, and the result is negative.
 */
int report_finish(const struct report *report, FILE *out, FILE *errors);

/* Figure by figure; 0, or 2 after printing what is wrong with one of the files. */
int report_compare(const char *const paths[2], FILE *out, FILE *errors);

#endif
