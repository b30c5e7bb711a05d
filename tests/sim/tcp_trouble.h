/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp_trouble.h - what befalls connections beside what the wire does to each frame.
 *
 * Purpose:   forged segments, paths that become narrow, neighbours with new addresses, ports that
 *            take nothing, clocks that jump, ends that abort or vanish: when and which, by seed.
 * Ownership: part of struct simulation.
 * Threading: none.
 * Units:     nanoseconds of virtual time.
 * Errors:    none of its own; what goes wrong shows in the bytes and in what is left at the end.
 * Source:    RFC 5961 (forged segments), RFC 1191 and 8201 (narrow paths).
 */
#ifndef GANNET_TCP_TROUBLE_H
#define GANNET_TCP_TROUBLE_H

#include <stdbool.h>
#include <stdint.h>

struct random;
struct simulation;

enum trouble_kind {
    TROUBLE_FORGED_RESET = 0, /* in the window, but not exact: RFC 5961 3 */
    TROUBLE_FORGED_SYN,       /* RFC 5961 4 */
    TROUBLE_FORGED_ACK,       /* of what was never sent, or long ago: RFC 5961 5 */
    TROUBLE_FORGED_DATA,      /* outside of the window */
    TROUBLE_PATH_MTU,
    TROUBLE_NEW_ADDRESS, /* of the link: the neighbour finds out a little later */
    TROUBLE_NO_PATH,     /* the next hop does not answer for a while */
    TROUBLE_PORT_FULL,
    TROUBLE_CLOCK_JUMP,
    TROUBLE_ABORT,
    TROUBLE_VANISH, /* without a word: nothing of this connection arrives from now on */
    TROUBLE_KINDS,
};

struct tcp_trouble {
    uint32_t kinds; /* a bit for each enum trouble_kind of this seed */
    uint32_t left;  /* events to come */
    uint64_t mean_gap_ns, next_ns;
    uint64_t ends_ns; /* what lasts a while is over then: NO_PATH, PORT_FULL, NEW_ADDRESS */
    uint32_t icmp_loss_permille;
    bool has_jumped;
};

/* Half of the seeds have none. */
void trouble_choose(struct tcp_trouble *trouble, struct random *random, uint64_t now_ns);
/* What is due; before the round's segments arrive. */
void trouble_run(struct simulation *sim);
/* When it wants to be called next; UINT64_MAX: never. */
uint64_t trouble_next_ns(const struct tcp_trouble *trouble);

#endif
