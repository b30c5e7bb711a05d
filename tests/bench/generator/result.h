/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * result.h - what one core measured in one interval, and how it is added up and written down.
 *
 * Purpose:   the boundary between the load generator and its reports.
 * Ownership: plain data; a core writes its own, the main thread adds them when the core is done.
 * Threading: progress fields are relaxed atomics that the main thread reads; the rest is read after
 *            the core has stopped.
 * Units:     nanoseconds, bytes, counts.
 * Errors:    none.
 * Source:    histogram: logarithmic-linear buckets as in HdrHistogram, 3 significant digits.
 */
#ifndef GANNET_BENCH_RESULT_H
#define GANNET_BENCH_RESULT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "tests/bench/generator/latency.h"

/* Why a request counts as failed. Each is counted once. */
enum result_error {
    RESULT_BAD_STATUS = 0, /* not the expected one */
    RESULT_BAD_LENGTH,     /* the body is not as long as it should be */
    RESULT_BAD_BODY,       /* the body is not what was written */
    RESULT_MALFORMED,      /* not HTTP; the connection is closed */
    RESULT_RESET,          /* reset or closed with requests in flight */
    RESULT_TIMEOUT,
    RESULT_CONNECT_FAILED,
    RESULT_ERROR_COUNT,
};

struct result {
    uint64_t elapsed_ns;
    uint64_t requests, responses;
    uint64_t gets, puts, deletes; /* responses */
    uint64_t hits;                /* responses whose Cache-Status says hit */
    uint64_t response_bytes;      /* head and body */
    uint64_t errors[RESULT_ERROR_COUNT];
    uint64_t connections_opened, connections_closed;
    uint64_t retransmissions, frames_dropped;
    uint64_t late;    /* open loop: sent more than 1 ms after they were due */
    uint64_t busy_ns; /* in rounds that had work: near elapsed_ns, the client may be the limit */
    uint64_t cpu_ns;  /* that the kernel gave this thread: below 94 % throw the run away */
    uint64_t client_stalls, client_stalled_ns;  /* rounds that came 25 us late or more (gaps.h) */
    uint64_t server_silences, server_silent_ns; /* as long without a frame, with requests waiting */
    /* beside the load (storm.h) */
    uint64_t flood_sent, flood_missed, flood_answers;
    uint64_t newcomers, newcomers_served; /* asked; answered well and in time */
    struct latency latency; /* from when a request was due (open loop) or was sent (closed loop) */
    struct latency calm;    /* of those that no stall and no silence touched */
    /* The newcomers': of the slowest core. */
    uint64_t newcomers_p50_ns, newcomers_p99_ns, newcomers_max_ns;
};

void result_reset(struct result *result);
/* Another core's share of the same interval: counts are summed, elapsed_ns is the longest. */
void result_add(struct result *into, const struct result *from);

/* What a progress line shows while a core runs. */
struct result_progress {
    _Atomic uint64_t responses, errors, connections;
};

#endif
