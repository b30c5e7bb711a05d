/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/virtual_wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/assert_policy.h"
#include "include/random.h"

#define ETHERNET_BYTES 14u

struct wire_frame {
    uint64_t due_ns;
    uint64_t order; /* breaks ties, so that equal times stay first in first out */
    uint32_t length;
    int to;
    uint8_t bytes[];
};

struct virtual_wire {
    struct virtual_wire_config config;
    struct random random;
    struct wire_frame **heap;
    uint32_t heap_count, heap_room;
    uint32_t frames_to[2];
    uint64_t order;
    uint64_t free_at_ns[2]; /* when the sender's wire is idle again */
};

struct virtual_wire *virtual_wire_create(const struct virtual_wire_config *config)
{
    struct virtual_wire *wire = calloc(1, sizeof(*wire));
    ASSERT(wire);
    wire->config = *config;
    wire->random.state = config->seed;
    return wire;
}

void virtual_wire_destroy(struct virtual_wire *wire)
{
    for (uint32_t i = 0; i < wire->heap_count; i++)
        free(wire->heap[i]);
    free(wire->heap);
    free(wire);
}

/* ---- frames on the wire: a heap by time ---- */

static bool is_earlier(const struct wire_frame *a, const struct wire_frame *b)
{
    return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->order < b->order;
}

static void heap_push(struct virtual_wire *wire, struct wire_frame *frame)
{
    if (wire->heap_count == wire->heap_room) {
        wire->heap_room = wire->heap_room ? wire->heap_room * 2 : 256;
        wire->heap = realloc(wire->heap, wire->heap_room * sizeof(*wire->heap));
        ASSERT(wire->heap);
    }
    uint32_t at = wire->heap_count++;
    while (at > 0 && is_earlier(frame, wire->heap[(at - 1) / 2])) {
        wire->heap[at] = wire->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    wire->heap[at] = frame;
}

static struct wire_frame *heap_pop(struct virtual_wire *wire)
{
    struct wire_frame *first = wire->heap[0];
    struct wire_frame *moved = wire->heap[--wire->heap_count];
    uint32_t at = 0;
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= wire->heap_count)
            break;
        if (child + 1 < wire->heap_count && is_earlier(wire->heap[child + 1], wire->heap[child]))
            child++;
        if (!is_earlier(wire->heap[child], moved))
            break;
        wire->heap[at] = wire->heap[child];
        at = child;
    }
    if (wire->heap_count > 0)
        wire->heap[at] = moved;
    return first;
}

/* ---- trace ---- */

static uint32_t load32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static bool is_tcp(const uint8_t *frame, uint32_t ip_at)
{
    const uint8_t *ip = frame + ip_at;
    return (ip[-2] == 0x08 && ip[-1] == 0x00 && ip[9] == 6) ||
           (ip[-2] == 0x86 && ip[-1] == 0xdd && ip[6] == 6);
}

static bool is_ip(const uint8_t *frame)
{
    return frame[12] != 0x08 || frame[13] != 0x06; /* ARP has no checksum of its own */
}

static void trace(const struct virtual_wire *wire, uint64_t now_ns, int from, const uint8_t *frame,
                  uint32_t length, const char *fate)
{
    if (!wire->config.is_traced)
        return;
    uint32_t ip_at = frame[12] == 0x81 ? 18 : 14;
    const uint8_t *ip = frame + ip_at;
    const uint8_t *tcp = ip + (ip[0] >> 4 == 4 ? 20 : 40);
    if (!is_tcp(frame, ip_at)) {
        printf("%12.6f %s type %02x%02x len %u %s\n", (double)now_ns / 1e9, from == 0 ? "->" : "<-",
               ip[-2], ip[-1], length, fate);
        return;
    }
    uint32_t header = (uint32_t)(tcp[12] >> 4) * 4;
    uint32_t payload = (uint32_t)(frame + length - tcp) - header;
    char flags[7] = "......";
    const char names[] = "FSRPAU";
    for (int bit = 0; bit < 6; bit++)
        if (tcp[13] & (1 << bit))
            flags[bit] = names[bit];
    printf("%12.6f %s %u>%u %s seq %u ack %u win %u len %u %s", (double)now_ns / 1e9,
           from == 0 ? "->" : "<-", (uint32_t)(tcp[0] << 8 | tcp[1]),
           (uint32_t)(tcp[2] << 8 | tcp[3]), flags, load32(tcp + 4), load32(tcp + 8),
           (uint32_t)(tcp[14] << 8 | tcp[15]), payload, fate);
    for (uint32_t at = 20; at < header && tcp[at] != 0;) {
        if (tcp[at] == 1) {
            at++;
            continue;
        }
        if (tcp[at] == 5)
            for (uint32_t block = at + 2; block + 8 <= at + tcp[at + 1]; block += 8)
                printf(" sack %u-%u", load32(tcp + block), load32(tcp + block + 4));
        at += tcp[at + 1] ? tcp[at + 1] : 1;
    }
    printf("\n");
}

/* ---- sending ---- */

static void wire_push(struct virtual_wire *wire, int from, const uint8_t *bytes, uint32_t length,
                      uint64_t now_ns, uint64_t extra_ns, int flip_bit)
{
    struct wire_frame *frame = malloc(sizeof(*frame) + length);
    ASSERT(frame);
    frame->length = length;
    frame->to = !from;
    frame->order = wire->order++;
    memcpy(frame->bytes, bytes, length);
    if (flip_bit >= 0)
        frame->bytes[flip_bit / 8] ^= (uint8_t)(1 << flip_bit % 8);
    uint64_t start = wire->free_at_ns[from] > now_ns ? wire->free_at_ns[from] : now_ns;
    uint64_t jitter =
        wire->config.jitter_ns ? random_u64(&wire->random) % wire->config.jitter_ns : 0;
    wire->free_at_ns[from] = start + length * wire->config.ns_per_byte;
    frame->due_ns = wire->free_at_ns[from] + wire->config.delay_ns + jitter + extra_ns;
    wire->frames_to[frame->to]++;
    heap_push(wire, frame);
}

void virtual_wire_send(struct virtual_wire *wire, int from, const uint8_t *bytes, uint32_t length,
                       uint64_t now_ns)
{
    const struct virtual_wire_config *config = &wire->config;
    if (random_chance(&wire->random, config->loss_permille)) {
        trace(wire, now_ns, from, bytes, length, "LOST");
        return;
    }
    if (config->queue_frames != 0 && wire->frames_to[!from] >= config->queue_frames) {
        trace(wire, now_ns, from, bytes, length, "QUEUE FULL");
        return;
    }
    uint64_t extra_ns = 0;
    int flip_bit = -1;
    const char *fate = "";
    if (config->reorder_ns && random_chance(&wire->random, config->reorder_permille)) {
        extra_ns = random_u64(&wire->random) % config->reorder_ns;
        fate = "LATE";
    }
    if (random_chance(&wire->random, config->corrupt_permille)) {
        if (!is_ip(bytes)) { /* only the frame check of Ethernet would notice */
            trace(wire, now_ns, from, bytes, length, "LOST");
            return;
        }
        flip_bit =
            (int)(ETHERNET_BYTES * 8 + random_below(&wire->random, (length - ETHERNET_BYTES) * 8));
        fate = "DAMAGED";
    }
    trace(wire, now_ns, from, bytes, length, fate);
    wire_push(wire, from, bytes, length, now_ns, extra_ns, flip_bit);
    if (random_chance(&wire->random, config->duplicate_permille)) {
        trace(wire, now_ns, from, bytes, length, "TWICE");
        wire_push(wire, from, bytes, length, now_ns, config->reorder_ns, -1);
    }
}

void virtual_wire_lose(const struct virtual_wire *wire, int from, const uint8_t *bytes,
                       uint32_t length, uint64_t now_ns, const char *why)
{
    trace(wire, now_ns, from, bytes, length, why);
}

bool virtual_wire_receive(struct virtual_wire *wire, int to, uint64_t now_ns, uint8_t *out,
                          uint32_t *length)
{
    if (wire->heap_count == 0 || wire->heap[0]->due_ns > now_ns || wire->heap[0]->to != to)
        return false;
    struct wire_frame *frame = heap_pop(wire);
    wire->frames_to[to]--;
    memcpy(out, frame->bytes, frame->length);
    *length = frame->length;
    free(frame);
    return true;
}

uint64_t virtual_wire_next_ns(const struct virtual_wire *wire)
{
    return wire->heap_count > 0 ? wire->heap[0]->due_ns : UINT64_MAX;
}
