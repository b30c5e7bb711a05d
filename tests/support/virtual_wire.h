/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * virtual_wire.h - frames between two ends: lost, late, reordered, doubled and damaged, by a seed.
 *
 * Purpose:   everything a network does to frames, in virtual time. What a port does is elsewhere.
 * Ownership: frames are copied in and out.
 * Threading: none.
 * Units:     nanoseconds, permille, bytes.
 * Errors:    none.
 * Source:    none.
 */
#ifndef GANNET_VIRTUAL_WIRE_H
#define GANNET_VIRTUAL_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#define WIRE_FRAME_BYTES_MAX 70000u

struct virtual_wire;

struct virtual_wire_config {
    uint64_t seed;
    uint32_t loss_permille, duplicate_permille, corrupt_permille, reorder_permille;
    uint64_t delay_ns, jitter_ns;
    uint64_t reorder_ns;   /* what a reordered frame is late by, at most */
    uint64_t ns_per_byte;  /* bandwidth */
    uint32_t queue_frames; /* of the bottleneck; more are lost */
    bool is_traced;
};

struct virtual_wire *virtual_wire_create(const struct virtual_wire_config *config);
void virtual_wire_destroy(struct virtual_wire *wire);

/* Side 0 sends to side 1 and the other way round. */
void virtual_wire_send(struct virtual_wire *wire, int from, const uint8_t *bytes, uint32_t length,
                       uint64_t now_ns);
/* A frame that something in between kept back: only the trace says so. */
void virtual_wire_lose(const struct virtual_wire *wire, int from, const uint8_t *bytes,
                       uint32_t length, uint64_t now_ns, const char *why);
/* The next frame in order of time, if it is for `to` and due; `out` has WIRE_FRAME_BYTES_MAX. */
bool virtual_wire_receive(struct virtual_wire *wire, int to, uint64_t now_ns, uint8_t *out,
                          uint32_t *length);
/* When the next frame arrives anywhere; UINT64_MAX: the wire is empty. */
uint64_t virtual_wire_next_ns(const struct virtual_wire *wire);

#endif
