/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * gaps.h - times in which a core did nothing for us, and which requests they touched.
 *
 * Purpose:   tells a slow server from a machine that takes cores away: a poll loop that comes
 *            round late, or a far end that falls silent with requests before it, shows in every
 *            latency of that time.
 * Ownership: plain data of one generator.
 * Threading: one core.
 * Units:     nanoseconds.
 * Errors:    none.
 * Source:    what waits through a gap is served after it, at half load for as long again.
 */
#ifndef GANNET_BENCH_GAPS_H
#define GANNET_BENCH_GAPS_H

#include <stdint.h>

#include "include/clock.h"
#include "include/compiler.h"
#include "tests/bench/generator/result.h"

#define GAP_NS_MIN (25 * NS_PER_US) /* a round of 64 frames takes half of it */

struct gaps {
    uint64_t round_ns;         /* when the last round began; 0: none yet */
    uint64_t heard_ns;         /* when the far end last sent, or had nothing to answer */
    uint64_t touched_until_ns; /* requests due before are touched */
};

static NO_INLINE UNUSED void gaps_note(struct gaps *gaps, uint64_t now_ns, uint64_t gap_ns,
                                       uint64_t *count, uint64_t *sum_ns)
{
    *count += 1;
    *sum_ns += gap_ns;
    if (gaps->touched_until_ns < now_ns + gap_ns)
        gaps->touched_until_ns = now_ns + gap_ns;
}

/* At the beginning of each round. */
static inline void gaps_round(struct gaps *gaps, struct result *result, uint64_t now_ns)
{
    if (UNLIKELY(gaps->round_ns == 0)) {
        gaps->heard_ns = now_ns;
    } else if (UNLIKELY(now_ns - gaps->round_ns >= GAP_NS_MIN)) {
        gaps_note(gaps, now_ns, now_ns - gaps->round_ns, &result->client_stalls,
                  &result->client_stalled_ns);
        gaps->heard_ns = now_ns; /* nobody listened: that is not the far end's silence */
    }
    gaps->round_ns = now_ns;
}

/* After each look at the port. */
static inline void gaps_heard(struct gaps *gaps, struct result *result, uint32_t frame_count,
                              uint32_t in_flight)
{
    uint64_t now_ns = gaps->round_ns;
    if (UNLIKELY(frame_count > 0 && now_ns - gaps->heard_ns >= GAP_NS_MIN))
        gaps_note(gaps, now_ns, now_ns - gaps->heard_ns, &result->server_silences,
                  &result->server_silent_ns);
    if (frame_count > 0 || in_flight == 0)
        gaps->heard_ns = now_ns;
}

#endif
