/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * report_figures.h - the inside of a report: which figures there are, and their median and spread.
 *
 * Purpose:   the tables that the text, the JSON and the comparison are made from.
 * Ownership: see report.h.
 * Threading: the main thread.
 * Units:     in the figure's name and unit.
 * Errors:    none.
 * Source:    none.
 */
#ifndef GANNET_BENCH_REPORT_FIGURES_H
#define GANNET_BENCH_REPORT_FIGURES_H

#include "tests/bench/generator/report.h"

#define REPORT_FORMAT "gannet-bench result 1"
#define REPORT_CPU_SHARE_MIN 0.94  /* of its core; a run with less is left out */
#define REPORT_BUSY_SHARE_HIGH 0.9 /* above, the client may be what was measured */
#define REPORT_LATE_SHARE_HIGH 0.01

enum report_figure {
    FIGURE_THROUGHPUT = 0,
    FIGURE_P50,
    FIGURE_P90,
    FIGURE_P99,
    FIGURE_P999,
    FIGURE_P9999,
    FIGURE_MAX,
    FIGURE_CALM_P99, /* of requests that no stall and no silence touched */
    FIGURE_COUNT,
};

struct figure_name {
    const char *json, *label, *unit;
    double divisor; /* from the JSON's unit to the shown one */
};
extern const struct figure_name figure_names[FIGURE_COUNT];

/* The counts of struct result that a report keeps of each run, by name. */
struct count_name {
    const char *json;
    size_t offset;
};
#define REPORT_COUNTS 26u
extern const struct count_name count_names[REPORT_COUNTS];
extern const char *const error_names[RESULT_ERROR_COUNT];

struct report_run {
    bool is_valid;
    double figures[FIGURE_COUNT];
    double busy_share, cpu_share, seconds, bytes_per_response, mean_ns;
    uint64_t counts[REPORT_COUNTS];
    uint64_t errors[RESULT_ERROR_COUNT];
};

struct machine {
    char cpu[96], kernel[96], huge_pages[64];
    uint32_t cores;
};

struct report {
    const struct plan *plan;
    time_t when;
    struct machine machine;
    uint32_t step_count;
    uint32_t run_counts[PLAN_RATE_STEPS_MAX];
    struct report_run runs[PLAN_RATE_STEPS_MAX][PLAN_RUNS_MAX];
};

struct spread {
    uint32_t count; /* of the runs that count; 0: the rest means nothing */
    double median, min, max;
};

/* A run with less of its cores is left out; 0: the kernel may take what it likes. */
double report_cpu_share_min(const struct report *report);
struct spread report_spread(const struct report *report, uint32_t step, enum report_figure figure);
uint64_t report_errors(const struct report *report, uint32_t step);
void machine_read(struct machine *machine);
void report_print_table(const struct report *report, FILE *out);
/* 0 or a negative errno. */
int report_print_json(const struct report *report, FILE *out);

#endif
