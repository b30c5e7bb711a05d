/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * flood.h - SYNs of sources that never answer, at a fixed rate, into a port that others use too.
 *
 * Purpose:   what a spoofed flood looks like on the server's cable: every SYN from another address
 *            of 198.18.0.0/15 and another port, with the options of a Linux client. What the server
 *            answers is for nobody here; the caller drops it (flood_is_answer).
 * Ownership: plain memory of the caller; network and pool belong to the caller too.
 * Threading: one core.
 * Units:     SYNs per second; _ns on the caller's monotone clock.
 * Errors:    a SYN for which the port has no room is counted as missed and not sent later, as a
 *            cable has no memory. What falls due while the machine takes this core away is not sent
 *            all at once: the rate that was reached is sent_count over the time.
 * Source:    RFC 4987 (SYN floods); RFC 2544 (the addresses, set aside for such tests).
 */
#ifndef GANNET_BENCH_FLOOD_H
#define GANNET_BENCH_FLOOD_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/network.h"
#include "include/random.h"

#define FLOOD_FRAME_BYTES 74u /* Ethernet, IPv4, TCP with 20 bytes of options */

struct packet;
struct rte_mempool;

struct flood {
    struct network *network;
    struct rte_mempool *packets;
    struct network_flow flow;
    uint16_t remote_port;
    uint64_t rate_per_s;
    uint64_t due_ns; /* of the next SYN */
    struct random random;
    bool is_ready; /* the server's link address is known: `frame` is whole */
    uint8_t frame[FLOOD_FRAME_BYTES];
    uint64_t sent_count, missed_count, answer_count;
};

struct flood_config {
    struct network *network;
    struct rte_mempool *packets;
    uint8_t local[4], remote[4];
    uint16_t remote_port;
    uint64_t rate_per_s; /* 0: none */
    uint64_t seed;
    uint64_t now_ns;
};

void flood_init(struct flood *flood, const struct flood_config *config);
/* Sends what is due. Returns how many SYNs that was. */
uint32_t flood_send_due(struct flood *flood, uint64_t now_ns);
/* A received frame for one of the flood's sources. */
bool flood_is_answer(const struct packet *frame);

#endif
