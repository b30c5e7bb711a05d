/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * frame_filter.h - is this frame one of those that a capture asks for?
 *
 * Purpose:   the client's address, a port, a protocol and a direction, of any bytes that may be a
 *            frame.
 * Ownership: none.
 * Threading: any.
 * Units:     bytes.
 * Errors:    none: what cannot be read far enough is not wanted.
 * Source:    RFC 791, 826, 8200, 9293, 768.
 */
#ifndef GANNET_FRAME_FILTER_H
#define GANNET_FRAME_FILTER_H

#include <stdbool.h>
#include <stdint.h>

#include "include/capture_ring.h"

/* Headers of a frame that are enough to decide: Ethernet, VLAN, IPv4 with options, ports. */
#define FRAME_FILTER_BYTES 82u

bool frame_filter_wants(const struct capture_filter *filter, enum capture_direction direction,
                        const uint8_t *bytes, uint32_t byte_count);

#endif
