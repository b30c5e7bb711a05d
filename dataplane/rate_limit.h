/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rate_limit.h - so many events per second, with a burst, in two words and no division.
 *
 * Purpose:   bounds what strangers can make us do: echo replies, ICMP errors, address requests.
 * Ownership: none.
 * Threading: one owner.
 * Units:     nanoseconds.
 * Errors:    rate_limit_allows is false above the limit.
 * Source:    the generic cell rate algorithm (ITU-T I.371): a bucket kept as the time at which it
 *            is empty.
 */
#ifndef GANNET_RATE_LIMIT_H
#define GANNET_RATE_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "include/clock.h"

struct rate_limit {
    uint64_t interval_ns; /* one event costs this much */
    uint64_t burst_ns;    /* how far ahead of the steady rate one may be */
    uint64_t paid_until_ns;
};

static inline struct rate_limit rate_limit_make(uint32_t events_per_s, uint32_t burst)
{
    uint64_t interval_ns = NS_PER_S / (events_per_s > 0 ? events_per_s : 1);
    return (struct rate_limit){.interval_ns = interval_ns, .burst_ns = interval_ns * burst};
}

static inline bool rate_limit_allows(struct rate_limit *limit, uint64_t now_ns)
{
    uint64_t from_ns = limit->paid_until_ns > now_ns ? limit->paid_until_ns : now_ns;
    if (from_ns + limit->interval_ns > now_ns + limit->burst_ns)
        return false;
    limit->paid_until_ns = from_ns + limit->interval_ns;
    return true;
}

/* For batches: is one allowed now; and afterwards, so many were taken. May run into debt. */
static inline bool rate_limit_is_open(const struct rate_limit *limit, uint64_t now_ns)
{
    return limit->paid_until_ns + limit->interval_ns <= now_ns + limit->burst_ns;
}

static inline void rate_limit_charge(struct rate_limit *limit, uint64_t now_ns, uint32_t events)
{
    uint64_t from_ns = limit->paid_until_ns > now_ns ? limit->paid_until_ns : now_ns;
    limit->paid_until_ns = from_ns + limit->interval_ns * events;
}

#endif
