/* SPDX-License-Identifier: BSD-3-Clause */
/* While somebody captures: frames as they come from a port and as they are handed to it. */
#include <string.h>

#include "dataplane/frame_filter.h"
#include "dataplane/network_state.h"
#include "include/capture_ring.h"
#include "include/counters.h"

/* Those of a worker without a ring: its filter never changes, so it is never on. */
static const struct published nothing;
static struct capture_ring no_ring = {.filter_published = &nothing};

struct capture_ring *network_capture_or_none(struct capture_ring *ring)
{
    return ring ? ring : &no_ring;
}

static void keep(struct network *network, uint8_t port_index, enum capture_direction direction,
                 const struct packet *frame, const struct capture_filter *filter)
{
    uint8_t head[FRAME_FILTER_BYTES];
    uint32_t whole_bytes = packet_bytes(frame);
    uint32_t head_bytes = whole_bytes < sizeof(head) ? whole_bytes : (uint32_t)sizeof(head);
    packet_copy_out(frame, head, head_bytes);
    if (!frame_filter_wants(filter, direction, head, head_bytes))
        return;
    uint32_t kept_bytes = whole_bytes < filter->snap_bytes ? whole_bytes : filter->snap_bytes;
    struct capture_record *record = capture_ring_claim(network->capture, kept_bytes);
    if (!record) {
        count(network->counters, COUNTER_CAPTURE_LOST);
        return;
    }
    count(network->counters, COUNTER_CAPTURE_FRAMES);
    record->time_ns = network->now_ns;
    record->whole_bytes = whole_bytes;
    record->direction = (uint8_t)direction;
    record->port_index = port_index;
    packet_copy_out(frame, record->bytes, kept_bytes);
    capture_ring_commit(network->capture);
}

void network_capture(struct network *network, uint8_t port_index, enum capture_direction direction,
                     struct packet *const *frames, uint32_t frame_count)
{
    const struct capture_filter *filter = capture_ring_filter(network->capture, network->now_ns);
    for (uint32_t i = 0; filter && i < frame_count; i++)
        keep(network, port_index, direction, frames[i], filter);
}
