/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fragment_frames.h - fragments of IPv4 and IPv6 datagrams, written out byte by byte.
 *
 * Purpose:   what a peer puts on the wire; independent of the code under test.
 * Ownership: the caller's.
 * Threading: any.
 * Units:     bytes.
 * Errors:    none.
 * Source:    RFC 791 section 3.2, RFC 8200 section 4.5.
 */
#ifndef GANNET_FRAGMENT_FRAMES_H
#define GANNET_FRAGMENT_FRAMES_H

#include "tests/support/frames.h"

/* One piece of a datagram's payload. */
struct piece {
    uint32_t offset;
    uint32_t bytes;
    bool has_more;
};

/* `payload` is the whole datagram's. */
static inline void frame_ipv4_fragment(struct frame_bytes *frame, unsigned protocol, unsigned id,
                                       const uint8_t *payload, const struct piece *piece)
{
    frame_ipv4(frame, frames_peer_ipv4, frames_our_ipv4, protocol, payload + piece->offset,
               piece->bytes);
    frame_set16(frame, 18, id);
    frame_set16(frame, 20, piece->offset / 8 | (piece->has_more ? 0x2000u : 0));
    frame_set16(frame, 24, 0);
    frame_set16(frame, 24, slow_fold(slow_sum(0, frame->bytes + 14, 20)));
}

/* `before`: extension headers in front of the fragment header, which they name as next. */
static inline void frame_ipv6_fragment_behind(struct frame_bytes *frame, unsigned first_header,
                                              const uint8_t *before, uint32_t before_bytes,
                                              unsigned next_header, uint32_t id,
                                              const uint8_t *payload, const struct piece *piece)
{
    struct frame_bytes inner = {.length = 0};
    frame_put(&inner, before, before_bytes);
    frame_put16(&inner, next_header << 8);
    frame_put16(&inner, piece->offset | (piece->has_more ? 1u : 0));
    frame_put32(&inner, id);
    frame_put(&inner, payload + piece->offset, piece->bytes);
    frame_ipv6(frame, frames_peer_ipv6, frames_our_ipv6, first_header, 64, inner.bytes,
               inner.length);
}

static inline void frame_ipv6_fragment(struct frame_bytes *frame, unsigned next_header, uint32_t id,
                                       const uint8_t *payload, const struct piece *piece)
{
    frame_ipv6_fragment_behind(frame, 44, payload, 0, next_header, id, payload, piece);
}

/* The piece number `index` of `bytes` cut every `step` bytes. */
static inline struct piece piece_of(uint32_t bytes, uint32_t step, uint32_t index)
{
    uint32_t offset = step * index;
    uint32_t left = bytes - offset;
    return (struct piece){offset, left < step ? left : step, left > step};
}

#endif
