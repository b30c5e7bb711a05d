/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/stats_export.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "include/clock.h"
#include "include/counters.h"

#define METRIC_NAME_BYTES_MAX 128

/*
 * Bounds at powers of two, where our buckets have edges, so that the counts are exact. `le`
 * includes its bound, so each is one below 2^n.
 */
#define LE_EXPONENT_FIRST 10u /* 1 us, 1 KiB */
#define LE_EXPONENT_LAST 33u  /* 8.6 s, 8 GiB */
static_assert(HISTOGRAM_STEPS_PER_OCTAVE == 8, "edges below assume 2^3 steps");

static const struct {
    const char *name, *help;
    bool is_bytes; /* else nanoseconds, shown as seconds */
} histogram_texts[HISTOGRAM_COUNT] = {
    [HISTOGRAM_REQUEST_NS] = {"gannet_request_seconds",
                              "request complete to answer queued, as the worker sees it"},
    [HISTOGRAM_STORE_NS] = {"gannet_store_seconds",
                            "operation sent to a control thread until back"},
    [HISTOGRAM_COMMIT_NS] = {"gannet_commit_seconds", "one group commit, write and sync"},
    [HISTOGRAM_ROUND_NS] = {"gannet_round_seconds", "one busy round of a worker"},
    [HISTOGRAM_TCP_ROUND_TRIP_NS] = {"gannet_tcp_round_trip_seconds",
                                     "segment sent to acknowledged; each worker's first of every "
                                     "millisecond"},
    [HISTOGRAM_TCP_WINDOW_AT_LOSS_BYTES] = {"gannet_tcp_window_at_loss_bytes",
                                            "congestion window when a loss was noticed", true},
    [HISTOGRAM_TCP_WINDOW_AT_CLOSE_BYTES] = {"gannet_tcp_window_at_close_bytes",
                                             "congestion window of connections that ended", true},
};

static uint64_t load(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static void add_escaped(struct text_buffer *text, const char *value, bool is_label)
{
    for (; *value; value++) {
        if (*value == '\n')
            text_add(text, "\\n", 2);
        else if (*value == '\\')
            text_add(text, "\\\\", 2);
        else if (*value == '"' && is_label)
            text_add(text, "\\\"", 2);
        else
            text_add(text, value, 1);
    }
}

static void add_header(struct text_buffer *text, const char *name, const char *help,
                       const char *type)
{
    text_format(text, "# HELP %s ", name);
    add_escaped(text, help, false);
    text_format(text, "\n# TYPE %s %s\n", name, type);
}

void stats_sample(struct text_buffer *text, const char *name, const struct stats_label *labels,
                  uint32_t label_count, uint64_t value)
{
    text_add(text, name, strlen(name));
    for (uint32_t i = 0; i < label_count; i++) {
        text_format(text, "%c%s=\"", i == 0 ? '{' : ',', labels[i].name);
        add_escaped(text, labels[i].value, true);
        text_add(text, "\"", 1);
    }
    text_format(text, "%s %" PRIu64 "\n", label_count > 0 ? "}" : "", value);
}

/* Blocks of one name are merged: no scraper takes two samples with the same labels. */
static bool is_first_of_name(struct counters *const *blocks, uint32_t index)
{
    for (uint32_t i = 0; i < index; i++)
        if (strcmp(blocks[i]->thread_name, blocks[index]->thread_name) == 0)
            return false;
    return true;
}

static uint64_t sum_of_name(struct counters *const *blocks, uint32_t count, uint32_t first,
                            enum counter counter)
{
    uint64_t sum = 0;
    for (uint32_t i = first; i < count; i++)
        if (strcmp(blocks[i]->thread_name, blocks[first]->thread_name) == 0)
            sum += load(&blocks[i]->values[counter]);
    return sum;
}

static void metric_name(char name[METRIC_NAME_BYTES_MAX], const char *counter)
{
    size_t used = 0;
    static const char prefix[] = "gannet_", suffix[] = "_total";
    memcpy(name, prefix, sizeof(prefix) - 1);
    used += sizeof(prefix) - 1;
    for (; *counter && used + sizeof(suffix) < METRIC_NAME_BYTES_MAX; counter++)
        name[used++] = (char)(*counter >= 'A' && *counter <= 'Z' ? *counter - 'A' + 'a' : *counter);
    memcpy(name + used, suffix, sizeof(suffix));
}

static void export_counters(struct text_buffer *text, struct counters *const *blocks,
                            uint32_t count)
{
    for (uint32_t counter = 0; counter < COUNTER_COUNT; counter++) {
        char name[METRIC_NAME_BYTES_MAX];
        metric_name(name, counter_names[counter]);
        add_header(text, name, counter_sentences[counter], "counter");
        for (uint32_t i = 0; i < count; i++) {
            const struct stats_label label = {"thread", blocks[i]->thread_name};
            if (is_first_of_name(blocks, i))
                stats_sample(text, name, &label, 1,
                             sum_of_name(blocks, count, i, (enum counter)counter));
        }
    }
}

static void export_drops(struct text_buffer *text, struct counters *const *blocks, uint32_t count)
{
    static const char name[] = "gannet_drops_total";
    add_header(text, name, "received frames dropped, by reason", "counter");
    for (uint32_t reason = DROP_NONE + 1; reason < DROP_REASON_COUNT; reason++) {
        uint64_t sum = 0;
        for (uint32_t i = 0; i < count; i++)
            sum += load(&blocks[i]->drops[reason]);
        const struct stats_label label = {"reason", drop_reason_names[reason]};
        stats_sample(text, name, &label, 1, sum);
    }
}

/* Pairs of route and status that never occurred are left out: nearly all of them. */
static void export_requests(struct text_buffer *text, struct counters *const *blocks,
                            uint32_t count)
{
    static const char name[] = "gannet_requests_total";
    add_header(text, name, "requests answered, by route and status", "counter");
    for (uint32_t route = 0; route < REQUEST_ROUTE_COUNT; route++) {
        for (uint32_t slot = 0; slot < REQUEST_STATUS_COUNT; slot++) {
            uint64_t sum = 0;
            for (uint32_t i = 0; i < count; i++)
                sum += load(&blocks[i]->requests[route][slot]);
            char status[8] = "other"; /* slot 0 */
            if (request_statuses[slot] != 0)
                snprintf(status, sizeof(status), "%u", request_statuses[slot]);
            const struct stats_label labels[] = {{"route", request_route_names[route]},
                                                 {"status", status}};
            if (sum > 0)
                stats_sample(text, name, labels, 2, sum);
        }
    }
}

static uint64_t sum_buckets(struct counters *const *blocks, uint32_t count, uint32_t histogram,
                            uint32_t first, uint32_t end)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t bucket = first; bucket < end; bucket++)
            sum += load(&blocks[i]->histograms[histogram][bucket]);
    return sum;
}

/* Nanoseconds as seconds, without going through a float. */
static void add_value(struct text_buffer *text, uint64_t value, bool is_bytes)
{
    if (is_bytes)
        text_format(text, "%" PRIu64, value);
    else
        text_format(text, "%" PRIu64 ".%09" PRIu64, value / NS_PER_S, value % NS_PER_S);
}

static void export_histogram(struct text_buffer *text, struct counters *const *blocks,
                             uint32_t count, uint32_t histogram)
{
    const char *name = histogram_texts[histogram].name;
    bool is_bytes = histogram_texts[histogram].is_bytes;
    uint64_t below = 0, sum = 0;
    uint32_t bucket = 0;
    add_header(text, name, histogram_texts[histogram].help, "histogram");
    for (uint32_t exponent = LE_EXPONENT_FIRST; exponent <= LE_EXPONENT_LAST; exponent++) {
        uint64_t bound = UINT64_C(1) << exponent;
        uint32_t end = histogram_bucket(bound); /* the first bucket not below the bound */
        below += sum_buckets(blocks, count, histogram, bucket, end);
        bucket = end;
        text_format(text, "%s_bucket{le=\"", name);
        add_value(text, bound - 1, is_bytes);
        text_format(text, "\"} %" PRIu64 "\n", below);
    }
    below += sum_buckets(blocks, count, histogram, bucket, HISTOGRAM_BUCKETS);
    for (uint32_t i = 0; i < count; i++)
        sum += load(&blocks[i]->histogram_sums[histogram]);
    text_format(text, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, below);
    text_format(text, "%s_sum ", name);
    add_value(text, sum, is_bytes);
    text_format(text, "\n%s_count %" PRIu64 "\n", name, below);
}

void stats_export(struct text_buffer *text, const struct stats_source *sources,
                  uint32_t source_count)
{
    struct counters *const *blocks;
    uint32_t count = counters_blocks(&blocks);
    export_counters(text, blocks, count);
    export_drops(text, blocks, count);
    export_requests(text, blocks, count);
    for (uint32_t histogram = 0; histogram < HISTOGRAM_COUNT; histogram++)
        export_histogram(text, blocks, count, histogram);
    for (uint32_t i = 0; i < source_count; i++) {
        add_header(text, sources[i].name, sources[i].help,
                   sources[i].is_counter ? "counter" : "gauge");
        sources[i].write(sources[i].context, text, sources[i].name);
    }
    const struct stats_label version = {"version", GANNET_VERSION};
    add_header(text, "gannet_build_info", "always 1; the labels say what is running", "gauge");
    stats_sample(text, "gannet_build_info", &version, 1, 1);
}
