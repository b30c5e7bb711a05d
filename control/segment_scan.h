/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * segment_scan.h - reads one segment from its first frame to where it ends, and says how it ends.
 *
 * Purpose:   recovery, `store verify` and fuzzing see the same walk over untrusted bytes.
 * Ownership: the scanner owns its buffers.
 * Threading: the caller's thread, waiting for each read.
 * Units:     bytes; _ms wall.
 * Errors:    0 or a negative errno for I/O; damage is described in struct segment_scan.
 * Source:    the rules are in shard_recovery.h.
 */
#ifndef GANNET_SEGMENT_SCAN_H
#define GANNET_SEGMENT_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#include "control/io_loop.h"
#include "control/segment_table.h"
#include "control/shard_format.h"

#define FRAME_BYTES_LIMIT (4u << 20) /* no frame of this format is larger */

#define SCAN_AHEAD_BYTES_MAX (1u << 20)

typedef void (*segment_scan_record)(void *context, struct segment *segment, uint64_t offset,
                                    const struct record_header *record);

/* The window is in one of the buffers, what comes behind it is being read into the other one. */
struct segment_scanner {
    struct io_loop *loop;
    struct store_uuid uuid;
    segment_scan_record record;
    void *context;
    uint8_t *buffers[2];  /* room for the end of the window before, then for what was read ahead */
    uint8_t *block;       /* BLOCK_BYTES, for whoever needs one */
    uint32_t ahead_bytes; /* read while the bytes before them are looked at */
    uint32_t buffer_index;
    const uint8_t *window;
    uint64_t window_offset;
    uint32_t window_bytes;
    bool is_reading_ahead;
    struct io_operation ahead;
};

struct segment_scan {
    uint64_t generation;
    uint64_t header_epoch; /* in which this generation began, if the header is valid */
    uint64_t frame_count;
    uint64_t end_offset; /* after the last valid frame */
    bool is_sealed;
    /* of the last valid frame */
    uint64_t epoch, first_sequence, last_sequence, last_checksum;
    uint64_t previous_generation, previous_end_offset;
    uint32_t previous_segment_id;
    uint16_t stream;
    uint64_t wall_ms_max;
    uint64_t torn_bytes; /* of an unacknowledged frame at the end, as far as it says */
    bool is_damaged;     /* data that had been synced does not match its checksum */
    uint64_t damage_offset, damage_bytes, salvaged_count, lost_count;
};

/* `segment_bytes`: of a usual segment; small ones are read in small steps. */
int segment_scanner_init(struct segment_scanner *scanner, struct io_loop *loop,
                         const struct store_uuid *uuid, uint64_t segment_bytes,
                         segment_scan_record record, void *context);
void segment_scanner_destroy(struct segment_scanner *scanner);

/*
 * `segment` has id and fd; generation and size are filled in from its header. Calls `record` for
 * every valid record, also for those that can be saved out of damaged frames.
 */
int segment_scan_run(struct segment_scanner *scanner, struct segment *segment,
                     struct segment_scan *scan);

#endif
