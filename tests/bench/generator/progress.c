/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/bench/generator/progress.h"

#include <inttypes.h>
#include <unistd.h>

#define NS_PER_SECOND 1000000000ull
#define CLEAR_LINE "\r\033[K"

void progress_init(struct progress *progress, const struct plan *plan, FILE *stream,
                   uint64_t now_ns)
{
    bool is_shown = !plan->is_quiet && isatty(fileno(stream));
    *progress = (struct progress){.stream = is_shown ? stream : NULL, .printed_ns = now_ns};
}

void progress_update(struct progress *progress, const char *phase,
                     const struct result_progress *cores, uint32_t core_count, uint64_t now_ns)
{
    uint64_t passed_ns = now_ns - progress->printed_ns;
    if (!progress->stream || passed_ns < NS_PER_SECOND)
        return;
    uint64_t responses = 0, errors = 0, connections = 0;
    for (uint32_t i = 0; i < core_count; i++) {
        responses += atomic_load_explicit(&cores[i].responses, memory_order_relaxed);
        errors += atomic_load_explicit(&cores[i].errors, memory_order_relaxed);
        connections += atomic_load_explicit(&cores[i].connections, memory_order_relaxed);
    }
    /* A run starts its counters again at 0. */
    uint64_t before = responses >= progress->printed_responses ? progress->printed_responses : 0;
    double rate_per_s = (double)(responses - before) * (double)NS_PER_SECOND / (double)passed_ns;
    fprintf(progress->stream,
            CLEAR_LINE "%s: %.0f responses/s, %" PRIu64 " errors, %" PRIu64 " connections", phase,
            rate_per_s, errors, connections);
    fflush(progress->stream);
    progress->printed_ns = now_ns;
    progress->printed_responses = responses;
    progress->has_line = true;
}

void progress_end(struct progress *progress)
{
    if (progress->stream && progress->has_line) {
        fputs(CLEAR_LINE, progress->stream);
        fflush(progress->stream);
    }
    progress->has_line = false;
}
