/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * metrics_text.h - reads what /metrics writes: for programs that show it to a person.
 *
 * Purpose:   samples by name and labels, and quantiles of a histogram between two moments.
 * Ownership: a snapshot points into the text it was read from, which is changed and outlives it.
 * Threading: none.
 * Units:     as in the text.
 * Errors:    lines that are no samples are left out; of more than METRICS_SAMPLES_MAX the rest is.
 * Source:    Prometheus text format 0.0.4, as far as stats_export.c uses it.
 */
#ifndef GANNET_METRICS_TEXT_H
#define GANNET_METRICS_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define METRICS_SAMPLES_MAX 8192u

struct metrics_sample {
    const char *name;
    const char *labels; /* between the braces; "" when there are none */
    double value;
};

struct metrics_snapshot {
    uint32_t sample_count;
    struct metrics_sample samples[METRICS_SAMPLES_MAX];
};

/* Cuts `text` into pieces. */
void metrics_read(char *text, struct metrics_snapshot *snapshot);

/* The sum of all samples of this name; `label`: of those with it, such as status="200"; or NULL. */
double metrics_sum(const struct metrics_snapshot *snapshot, const char *name, const char *label);

/* The value of one label, "" when there is none. */
void metrics_label(const struct metrics_sample *sample, const char *label, char *value,
                   size_t value_bytes);

/*
 * The bound (le) below which `share` of what was counted between the two moments lies; negative:
 * nothing was counted. `name` without _bucket.
 */
double metrics_quantile(const struct metrics_snapshot *before, const struct metrics_snapshot *after,
                        const char *name, double share);

#endif
