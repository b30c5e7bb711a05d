/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stats_export.h - every counter, histogram and gauge as Prometheus text.
 *
 * Purpose:   the body of /metrics.
 * Ownership: the text belongs to the caller; sources are borrowed for the call.
 * Threading: any; counters are read while their threads write them.
 * Units:     counters as in counters.def; histograms in seconds, as Prometheus wants them.
 * Errors:    text->is_cut when it would be larger than TEXT_BUFFER_BYTES_MAX.
 * Source:    Prometheus text exposition format 0.0.4.
 */
#ifndef GANNET_STATS_EXPORT_H
#define GANNET_STATS_EXPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "control/text_buffer.h"

struct stats_label {
    const char *name;
    const char *value; /* escaped on the way out */
};

/* Something that is not in a counter block: ring depths, store status, port counters. */
struct stats_source {
    const char *name; /* complete: "gannet_store_keys" */
    const char *help;
    bool is_counter; /* only ever grows; otherwise a gauge */
    /* Calls stats_sample once for each set of labels. */
    void (*write)(void *context, struct text_buffer *text, const char *name);
    void *context;
};

void stats_sample(struct text_buffer *text, const char *name, const struct stats_label *labels,
                  uint32_t label_count, uint64_t value);

void stats_export(struct text_buffer *text, const struct stats_source *sources,
                  uint32_t source_count);

#endif
