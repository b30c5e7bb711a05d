/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/cache_segments.h"

#include <string.h>

#include "include/assert_policy.h"

void cache_segments_init(struct cache_segments *segments, uint8_t *arena,
                         struct cache_segment *records, uint32_t count, uint32_t segment_bytes)
{
    ASSERT(segment_bytes >= SEGMENT_BYTES_MIN && (segment_bytes & (segment_bytes - 1)) == 0);
    memset(segments, 0, sizeof(*segments));
    memset(records, 0, count * sizeof(*records));
    segments->arena = arena;
    segments->segments = records;
    segments->count = count;
    segments->segment_bytes = segment_bytes;
    segments->shift = (uint32_t)__builtin_ctz(segment_bytes);
    segments->free_head = SEGMENT_NONE;
    for (uint32_t segment = count; segment-- > 0;) {
        records[segment].older = segments->free_head;
        segments->free_head = segment;
    }
    segments->free_count = count;
    for (uint32_t queue = 0; queue < CACHE_QUEUE_COUNT; queue++) {
        segments->queues[queue].newest = SEGMENT_NONE;
        segments->queues[queue].oldest = SEGMENT_NONE;
        segments->queues[queue].open_segment = SEGMENT_NONE;
    }
}

static uint32_t open_segment(struct cache_segments *segments, enum cache_queue_name name)
{
    struct cache_queue *queue = &segments->queues[name];
    uint32_t index = segments->free_head;
    struct cache_segment *segment = &segments->segments[index];
    ASSERT(segment->state == SEGMENT_FREE);
    segments->free_head = segment->older;
    segments->free_count--;
    *segment = (struct cache_segment){
        .newer = SEGMENT_NONE,
        .older = queue->newest,
        .queue = (uint8_t)name,
        .state = SEGMENT_OPEN,
    };
    if (queue->newest != SEGMENT_NONE)
        segments->segments[queue->newest].newer = index;
    else
        queue->oldest = index;
    queue->newest = index;
    queue->open_segment = index;
    queue->segment_count++;
    return index;
}

static void leave_queue(struct cache_segments *segments, uint32_t index)
{
    struct cache_segment *segment = &segments->segments[index];
    struct cache_queue *queue = &segments->queues[segment->queue];
    if (segment->newer != SEGMENT_NONE)
        segments->segments[segment->newer].older = segment->older;
    else
        queue->newest = segment->older;
    if (segment->older != SEGMENT_NONE) {
        segments->segments[segment->older].newer = segment->newer;
    } else {
        queue->oldest = segment->newer;
        queue->scan_offset = 0; /* it was the one being scanned */
    }
    queue->segment_count--;
    segment->state = SEGMENT_RETIRED;
    segments->retired_count++;
}

bool cache_segments_seal(struct cache_segments *segments, enum cache_queue_name name,
                         uint32_t *segment)
{
    struct cache_queue *queue = &segments->queues[name];
    uint32_t index = queue->open_segment;
    if (index == SEGMENT_NONE)
        return false;
    queue->open_segment = SEGMENT_NONE;
    segments->segments[index].state = SEGMENT_SEALED;
    *segment = index;
    if (segments->segments[index].live_bytes > 0)
        return false;
    leave_queue(segments, index);
    return true;
}

void *cache_segments_append(struct cache_segments *segments, enum cache_queue_name name,
                            uint32_t bytes, uint32_t reserve)
{
    ASSERT_HOT(bytes % SEGMENT_ALIGNMENT == 0 && bytes <= segments->segment_bytes);
    uint32_t index = segments->queues[name].open_segment;
    if (index != SEGMENT_NONE &&
        segments->segments[index].used_bytes + bytes > segments->segment_bytes)
        return NULL; /* the caller seals it first: that may retire it */
    if (index == SEGMENT_NONE) {
        if (segments->free_count <= reserve)
            return NULL;
        index = open_segment(segments, name);
    }
    struct cache_segment *segment = &segments->segments[index];
    void *address = cache_segments_start(segments, index) + segment->used_bytes;
    segment->used_bytes += bytes;
    segment->live_bytes += bytes;
    return address;
}

bool cache_segments_forget(struct cache_segments *segments, const void *address, uint32_t bytes)
{
    uint32_t index = cache_segments_index(segments, address);
    struct cache_segment *segment = &segments->segments[index];
    ASSERT(segment->live_bytes >= bytes);
    segment->live_bytes -= bytes;
    if (segment->live_bytes > 0 || segment->state != SEGMENT_SEALED)
        return false;
    leave_queue(segments, index);
    return true;
}

void cache_segments_recycle(struct cache_segments *segments, uint32_t index)
{
    struct cache_segment *segment = &segments->segments[index];
    ASSERT(segment->state == SEGMENT_RETIRED && segment->live_bytes == 0);
    segment->state = SEGMENT_FREE;
    segment->older = segments->free_head;
    segments->free_head = index;
    segments->free_count++;
    segments->retired_count--;
}
