/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * responder.h - a server without state: shows how fast the generator and the link can be.
 *
 * Purpose:   the ceiling. Every request gets the same ready-made answer; where the connection
 *            stands is read off the request's own acknowledgement: there is nothing to look up.
 * Ownership: the responder owns its answer; network and pool belong to the caller.
 * Threading: one core.
 * Units:     bytes.
 * Errors:    responder_create: -ENOMEM.
 * Source:    not a TCP: it believes every checksum, never retransmits, answers a retransmission as
 *            if it were new, ignores windows. Figures with retransmissions are not a ceiling.
 *            Requests must not be split over segments.
 */
#ifndef GANNET_BENCH_RESPONDER_H
#define GANNET_BENCH_RESPONDER_H

#include <stdint.h>

#include "tests/bench/generator/plan.h"

struct network;
struct responder;
struct rte_mempool;

struct responder_config {
    const struct plan *plan; /* local address, value_bytes, mtu, closes */
    struct network *network;
    struct rte_mempool *packets;
};

int responder_create(const struct responder_config *config, struct responder **out);
void responder_destroy(struct responder *responder);

/* Returns how many frames there were. */
uint32_t responder_run_once(struct responder *responder, uint64_t now_ns);
uint64_t responder_answers(const struct responder *responder); /* so far */

#endif
