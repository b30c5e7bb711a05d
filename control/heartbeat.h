/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * heartbeat.h - does a thread go on?
 *
 * Purpose:   a counter that a thread moves, looked at now and then.
 * Ownership: the watcher's.
 * Threading: one watcher.
 * Units:     nanoseconds.
 * Errors:    none.
 * Source:    none.
 */
#ifndef GANNET_HEARTBEAT_H
#define GANNET_HEARTBEAT_H

#include <stdbool.h>
#include <stdint.h>

#include "include/clock.h"

#define HANG_S 5u /* a thread whose heartbeat stands still this long hangs */

struct heartbeat {
    uint64_t last_count;
    uint64_t moved_ns;
};

/* False: the counter has not grown for HANG_S. */
static inline bool heartbeat_goes_on(struct heartbeat *beat, uint64_t now_count, uint64_t now_ns)
{
    if (now_count != beat->last_count || beat->moved_ns == 0) {
        beat->last_count = now_count;
        beat->moved_ns = now_ns;
    }
    return now_ns - beat->moved_ns < HANG_S * NS_PER_S;
}

#endif
