/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * capture_export.h - one capture at a time: its filter to the workers, their frames into pcapng.
 *
 * Purpose:   POST and GET /capture of the admin socket.
 * Ownership: filter and rings are the caller's.
 * Threading: one thread, while the workers write.
 * Units:     _ns monotone, but for wall_minus_monotone_ns.
 * Errors:    HTTP's statuses; the text says why.
 * Source:    none.
 *
 * Whoever captures fetches at least every CAPTURE_LEASE_S seconds; else the workers stop.
 */
#ifndef GANNET_CAPTURE_EXPORT_H
#define GANNET_CAPTURE_EXPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "include/capture_ring.h"

struct text_buffer;

#define CAPTURE_LEASE_S 10u
#define CAPTURE_ANSWER_BYTES_MAX (8u << 20)
#define CAPTURE_PORTS_MAX 8u

struct capture_session {
    struct published *filter_published;
    struct capture_ring *const *rings;
    uint32_t ring_count;
    const char *port_names[CAPTURE_PORTS_MAX];
    uint32_t port_count;
    /* of the capture under way */
    uint32_t id; /* the last one's; 0: there was none */
    uint32_t first_version;
    struct capture_filter filter; /* until_ns 0: nothing is under way */
    uint64_t lost_before, taken;
    uint64_t wall_minus_monotone_ns;
    bool has_begun; /* the file: its first blocks are written */
};

struct capture_moment {
    uint64_t now_ns;
    uint64_t wall_ns;
};

/* 200 with "capture ID", 400: not a filter, 409: another capture is under way. */
uint32_t capture_start(struct capture_session *session, const char *filter_text,
                       const struct capture_moment *moment, struct text_buffer *out);

/*
 * 200 with the blocks that came since the last time, 409: `id` is over. With `is_last` it is over
 * then, and the last block is of statistics.
 */
uint32_t capture_fetch(struct capture_session *session, uint32_t id, bool is_last,
                       const struct capture_moment *moment, struct text_buffer *out);

#endif
