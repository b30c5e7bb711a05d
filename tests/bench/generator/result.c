/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/bench/generator/result.h"

#include <string.h>

void result_reset(struct result *result)
{
    memset(result, 0, sizeof(*result));
    latency_reset(&result->latency);
    latency_reset(&result->calm);
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

void result_add(struct result *into, const struct result *from)
{
    if (from->elapsed_ns > into->elapsed_ns)
        into->elapsed_ns = from->elapsed_ns;
    into->requests += from->requests;
    into->responses += from->responses;
    into->gets += from->gets;
    into->puts += from->puts;
    into->deletes += from->deletes;
    into->hits += from->hits;
    into->response_bytes += from->response_bytes;
    for (uint32_t i = 0; i < RESULT_ERROR_COUNT; i++)
        into->errors[i] += from->errors[i];
    into->connections_opened += from->connections_opened;
    into->connections_closed += from->connections_closed;
    into->retransmissions += from->retransmissions;
    into->frames_dropped += from->frames_dropped;
    into->late += from->late;
    into->busy_ns += from->busy_ns;
    into->cpu_ns += from->cpu_ns;
    into->client_stalls += from->client_stalls;
    into->client_stalled_ns += from->client_stalled_ns;
    into->server_silences += from->server_silences;
    into->server_silent_ns += from->server_silent_ns;
    into->flood_sent += from->flood_sent;
    into->flood_missed += from->flood_missed;
    into->flood_answers += from->flood_answers;
    into->newcomers += from->newcomers;
    into->newcomers_served += from->newcomers_served;
    into->newcomers_p50_ns = larger(into->newcomers_p50_ns, from->newcomers_p50_ns);
    into->newcomers_p99_ns = larger(into->newcomers_p99_ns, from->newcomers_p99_ns);
    into->newcomers_max_ns = larger(into->newcomers_max_ns, from->newcomers_max_ns);
    latency_merge(&into->latency, &from->latency);
    latency_merge(&into->calm, &from->calm);
}
