/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * counters.h - counters and histograms: one block per thread, written by it alone, read by anyone.
 *
 * Purpose:   everything /metrics shows; names and sentences come from counters.def and
 *            drop_reasons.def.
 * Ownership: a block belongs to one thread; the registry is append-only, filled before threads
 *            start.
 * Threading: one writer per block, relaxed stores; readers may see a value a moment old.
 * Units:     as in counters.def; histograms in nanoseconds or bytes, as their names say.
 * Errors:    none.
 * Source:    log-linear buckets after HdrHistogram: 8 steps per power of two, 6 % resolution.
 */
#ifndef GANNET_COUNTERS_H
#define GANNET_COUNTERS_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>

#include "include/compiler.h"

enum counter {
#define COUNTER(name, unit, sentence) COUNTER_##name,
#include "include/counters.def"
#undef COUNTER
    COUNTER_COUNT,
};

/* Why a received frame was dropped: zero is "not dropped". */
enum drop_reason {
    DROP_NONE = 0,
#define DROP_REASON(name, sentence) DROP_##name,
#include "include/drop_reasons.def"
#undef DROP_REASON
    DROP_REASON_COUNT,
};

enum histogram {
    HISTOGRAM_REQUEST_NS,        /* request complete to answer queued, as the worker sees it */
    HISTOGRAM_STORE_NS,          /* operation sent to control thread until back */
    HISTOGRAM_COMMIT_NS,         /* one group commit, write and sync */
    HISTOGRAM_ROUND_NS,          /* one busy round of a worker */
    HISTOGRAM_TCP_ROUND_TRIP_NS, /* the first measurement of every millisecond */
    HISTOGRAM_TCP_WINDOW_AT_LOSS_BYTES,  /* congestion window when a loss lowers it */
    HISTOGRAM_TCP_WINDOW_AT_CLOSE_BYTES, /* ... when its connection ends */
    HISTOGRAM_COUNT,
};

enum request_route {
#define REQUEST_ROUTE(name) REQUEST_ROUTE_##name,
#include "include/request_routes.def"
#undef REQUEST_ROUTE
    REQUEST_ROUTE_COUNT,
};

/* Status codes that are counted by themselves; slot 0 takes any other. */
#define REQUEST_STATUS_COUNT 32u
extern const uint16_t request_statuses[REQUEST_STATUS_COUNT];
extern const uint8_t request_status_slot[1024]; /* by status code; built by the compiler */

#define RATE_LIMITS_MAX 32u /* rate_limits of the configuration, by their numbers */
enum limit_answer { LIMIT_ANSWER_TAKEN = 0, LIMIT_ANSWER_REFUSED, LIMIT_ANSWER_COUNT };

#define HISTOGRAM_STEPS_PER_OCTAVE 8
#define HISTOGRAM_OCTAVES 36 /* up to about 68 s */
#define HISTOGRAM_BUCKETS (HISTOGRAM_OCTAVES * HISTOGRAM_STEPS_PER_OCTAVE)

struct counters {
    alignas(GUARD_BYTES) char thread_name[16];
    _Atomic uint64_t values[COUNTER_COUNT];
    _Atomic uint64_t drops[DROP_REASON_COUNT];
    _Atomic uint64_t requests[REQUEST_ROUTE_COUNT][REQUEST_STATUS_COUNT];
    _Atomic uint64_t limits[RATE_LIMITS_MAX][LIMIT_ANSWER_COUNT];
    _Atomic uint64_t histograms[HISTOGRAM_COUNT][HISTOGRAM_BUCKETS];
    _Atomic uint64_t histogram_sums[HISTOGRAM_COUNT];
};

static inline void counter_bump(_Atomic uint64_t *counter, uint64_t by)
{
    /* one writer: a plain add, no lock prefix */
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + by,
                          memory_order_relaxed);
}

static inline void count(struct counters *counters, enum counter counter)
{
    counter_bump(&counters->values[counter], 1);
}

static inline void count_many(struct counters *counters, enum counter counter, uint64_t by)
{
    counter_bump(&counters->values[counter], by);
}

static inline void count_drop(struct counters *counters, enum drop_reason why)
{
    counter_bump(&counters->drops[why], 1);
}

static inline void count_requests(struct counters *counters, uint32_t route, uint16_t status,
                                  uint64_t by)
{
    counter_bump(&counters->requests[route][request_status_slot[status & 1023]], by);
}

static inline void count_request(struct counters *counters, uint32_t route, uint16_t status)
{
    count_requests(counters, route, status, 1);
}

static inline uint32_t histogram_bucket(uint64_t value)
{
    if (value < HISTOGRAM_STEPS_PER_OCTAVE)
        return (uint32_t)value;
    uint32_t octave = 63u - (uint32_t)__builtin_clzll(value); /* >= 3 */
    uint32_t step = (uint32_t)(value >> (octave - 3)) & (HISTOGRAM_STEPS_PER_OCTAVE - 1);
    uint32_t bucket = (octave - 2) * HISTOGRAM_STEPS_PER_OCTAVE + step;
    return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

static inline void histogram_record(struct counters *counters, enum histogram histogram,
                                    uint64_t value)
{
    counter_bump(&counters->histograms[histogram][histogram_bucket(value)], 1);
    counter_bump(&counters->histogram_sums[histogram], value);
}

/* The registry: blocks are made before the threads that write them and live as long as the process.
 */
#define COUNTER_BLOCKS_MAX 160
/* NULL when memory or the table is full. */
struct counters *counters_register(const char *thread_name);
uint32_t counters_blocks(struct counters *const **blocks);

extern const char *const counter_names[COUNTER_COUNT];
extern const char *const counter_units[COUNTER_COUNT];
extern const char *const counter_sentences[COUNTER_COUNT];
extern const char *const request_route_names[REQUEST_ROUTE_COUNT];
extern const char *const drop_reason_names[DROP_REASON_COUNT];
extern const char *const drop_reason_sentences[DROP_REASON_COUNT];

#endif
