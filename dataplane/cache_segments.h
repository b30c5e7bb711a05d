/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cache_segments.h - the entry memory of one cache part: equal segments, filled front to back.
 *
 * Purpose:   entries of any size without size classes, so without fragmentation: an entry is
 *            appended to its queue's newest segment; memory comes back a whole segment at a time.
 * Ownership: the part's worker; others of its files read the fields, only this one writes them.
 * Threading: one thread. Readers of entries are the caller's concern: it recycles a segment only
 *            when no reader can hold a pointer into it.
 * Units:     bytes.
 * Errors:    append returns NULL when no free segment is left.
 * Source:    log-structured cache memory as in Segcache (Yang, Yue, Vinayak, NSDI 2021), with
 *            the two queues of S3-FIFO (Yang et al., SOSP 2023).
 */
#ifndef GANNET_CACHE_SEGMENTS_H
#define GANNET_CACHE_SEGMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEGMENT_NONE UINT32_MAX
#define SEGMENT_BYTES_MIN 8192u
#define SEGMENT_BYTES_MAX 65536u
#define SEGMENT_ALIGNMENT 8u

enum cache_queue_name {
    CACHE_QUEUE_NEW = 0, /* first seen: leaves soon unless it is asked for again */
    CACHE_QUEUE_KEPT,    /* asked for more than once */
    CACHE_QUEUE_COUNT,
};

enum segment_state { SEGMENT_FREE = 0, SEGMENT_OPEN, SEGMENT_SEALED, SEGMENT_RETIRED };

struct cache_segment {
    uint32_t used_bytes;
    uint32_t live_bytes;   /* of entries that are still published */
    uint32_t newer, older; /* neighbours in the queue; `older` links the free list */
    uint32_t held_blobs;   /* dead entries whose blob goes only with the segment */
    uint8_t queue;         /* enum cache_queue_name */
    uint8_t state;         /* enum segment_state */
    uint8_t reserved[2];
};

struct cache_queue {
    uint32_t newest, oldest;
    uint32_t segment_count;
    uint32_t open_segment; /* the newest, or SEGMENT_NONE */
    uint32_t scan_offset;  /* eviction has dealt with the oldest segment up to here */
    bool is_compacting; /* the oldest segment is mostly dead: its living move on unconditionally */
    uint64_t live_blob_bytes;
};

struct cache_segments {
    uint8_t *arena;
    struct cache_segment *segments;
    uint32_t count;
    uint32_t segment_bytes;
    uint32_t shift; /* log2(segment_bytes) */
    uint32_t free_head, free_count;
    uint32_t retired_count;
    struct cache_queue queues[CACHE_QUEUE_COUNT];
};

/* `arena` has count * segment_bytes bytes; `segments` has `count` records. */
void cache_segments_init(struct cache_segments *segments, uint8_t *arena,
                         struct cache_segment *records, uint32_t count, uint32_t segment_bytes);

/* Room for one entry, counted as live. Leaves at least `reserve` segments free; NULL otherwise. */
void *cache_segments_append(struct cache_segments *segments, enum cache_queue_name queue,
                            uint32_t bytes, uint32_t reserve);

/*
 * The entry at `address` is dead. True when that was the last living one of a sealed segment: the
 * segment has left its queue and is now RETIRED; the caller recycles it after a grace period.
 */
bool cache_segments_forget(struct cache_segments *segments, const void *address, uint32_t bytes);

/* No more appends to the queue's open segment. True when that retired `*segment`. */
bool cache_segments_seal(struct cache_segments *segments, enum cache_queue_name queue,
                         uint32_t *segment);

/* Nobody looks into it any more. */
void cache_segments_recycle(struct cache_segments *segments, uint32_t segment);

static inline uint32_t cache_segments_index(const struct cache_segments *segments,
                                            const void *address)
{
    return (uint32_t)((size_t)((const uint8_t *)address - segments->arena) >> segments->shift);
}

static inline uint8_t *cache_segments_start(const struct cache_segments *segments, uint32_t segment)
{
    return segments->arena + ((size_t)segment << segments->shift);
}

#endif
