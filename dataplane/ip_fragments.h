/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ip_fragments.h - fragments of IPv4 and IPv6 datagrams, collected until they are whole.
 *
 * Purpose:   a thin cover over DPDK's reassembly, with the checks and bounds that it leaves to its
 *            user: what a fragment may be, how many packets may wait, what gives way to others.
 * Ownership: a fragment that is handed in belongs to the table, which frees it or gives it out
 *            again as part of a whole datagram. ip_fragments_destroy frees what is incomplete.
 * Threading: one owner.
 * Units:     packets; _ns monotone, passed in.
 * Errors:    a fragment that cannot be is refused, and with it what came of its datagram before:
 *            overlaps, holes, more than IP_FRAGMENTS_PER_DATAGRAM_MAX pieces. The caller counts.
 * Source:    RFC 791 section 3.2, RFC 8200 section 4.5, RFC 5722 (overlaps end the datagram),
 *            RFC 815; DPDK 22.11 lib/ip_frag.
 */
#ifndef GANNET_IP_FRAGMENTS_H
#define GANNET_IP_FRAGMENTS_H

#include <stdint.h>

#include "include/counters.h"

struct ip_fragments;
struct packet;

#define IP_FRAGMENTS_PER_DATAGRAM_MAX 8u /* RTE_LIBRTE_IP_FRAG_MAX_FRAG, compiled into DPDK */
#define IPV6_FRAGMENT_HEADER_BYTES 8u

/* At most `packets_max` packets wait for the rest of their datagram. NULL when memory is short. */
struct ip_fragments *ip_fragments_create(uint32_t packets_max, uint64_t timeout_ns);
void ip_fragments_destroy(struct ip_fragments *fragments);

/* Where things are in the frame that holds a fragment. */
struct ip_fragment {
    uint16_t network_offset; /* of the IP header */
    uint16_t header_bytes;   /* IPv4: with options. IPv6: 48, the fragment header follows at once */
    uint8_t ip_version;      /* 4 or 6 */
};

struct ip_fragments_result {
    struct packet *whole;   /* complete: one frame without fragments; a chain when it is long */
    enum drop_reason why;   /* of refused_count */
    uint32_t refused_count; /* packets freed because of this fragment, itself among them */
    uint32_t expired_count; /* packets freed because the rest did not come in time */
};

/* Consumes a one-piece packet whose headers were validated. */
struct ip_fragments_result ip_fragments_take(struct ip_fragments *fragments, struct packet *packet,
                                             const struct ip_fragment *where, uint64_t now_ns);

/* Frees what is too old; returns how many packets. For every now and then. */
uint32_t ip_fragments_expire(struct ip_fragments *fragments, uint64_t now_ns);

uint32_t ip_fragments_held(const struct ip_fragments *fragments);

#endif
