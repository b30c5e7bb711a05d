/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * link_rig.h - one worker's network on a port in memory: frames in, time on, and what it said.
 *
 * Purpose:   tests of what a port says on its link, and believes of what others say.
 * Ownership: the rig owns its network, port and pool; what was sent is a copy, until the next call.
 * Threading: none.
 * Units:     bytes, ns.
 * Errors:    fail the cmocka test; link_rig_down also when a packet was leaked.
 * Source:    none.
 */
#ifndef GANNET_LINK_RIG_H
#define GANNET_LINK_RIG_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/network.h"
#include "tests/support/frames.h"

#define SECOND_NS UINT64_C(1000000000)
#define LINK_RIG_SENT_MAX 64u

static const uint8_t all_nodes[16] = {0xff, 2, [15] = 1};
static const uint8_t router_ip[16] = {0xfe, 0x80, [15] = 1};

struct bulletin_board;
struct counters;
struct fake_nic;
struct rte_mempool;

struct link_rig {
    struct rte_mempool *pool;
    struct fake_nic *nic;
    struct network *network;
    struct counters *counters; /* of all rigs; zero when that of worker 0 comes up */
    uint64_t now_ns;
    struct frame_bytes sent[LINK_RIG_SENT_MAX];
    uint32_t sent_count;
};

struct link_rig_options {
    bool checks_addresses, learns_router6;
    bool forms_address6; /* and has none of its own, of neither version */
    struct bulletin_board *board;
    uint32_t worker;
};

void link_rig_up(struct link_rig *rig, struct link_rig_options options);
void link_rig_down(struct link_rig *rig);
/* A frame from the link; then everything sent since the last call is in rig->sent. */
void link_rig_deliver(struct link_rig *rig, const struct frame_bytes *frame);
/* As much time, and what the news of other workers led to; rig->sent as above. */
void link_rig_pass(struct link_rig *rig, uint64_t ns);

/* What was sent by calls of the network itself. */
void link_rig_gather(struct link_rig *rig);

/* An ICMPv6 message with its checksum, to the group's link address where it goes to one. */
void frame_icmp6(struct frame_bytes *frame, const uint8_t *source, const uint8_t *destination,
                 unsigned hop_limit, struct frame_bytes *message);

#endif
