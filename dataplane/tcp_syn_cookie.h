/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp_syn_cookie.h - a SYN-ACK that carries what its acknowledgement must bring back: no state.
 *
 * Purpose:   makes and checks cookies; decides nothing.
 * Ownership: none: pure functions.
 * Threading: any.
 * Units:     now_ns monotone, the same clock for making and checking; sequence numbers in host
 *            order.
 * Errors:    tcp_syn_cookie_check is false for what we did not make, or not lately.
 * Source:    RFC 4987 section 3.6 and appendix A; the layout of the sequence number follows
 *            FreeBSD's tcp_syncache.c, options in the timestamp follow Linux' syncookies.c.
 *
 * The sequence number: 27 bits of SipHash-2-4 over the four-tuple, the peer's sequence number, the
 * MSS class and the period in which the cookie was made; then 5 bits with the class and the two low
 * bits of the period, disguised by bits of the hash. Of 2^32 numbers 16 are good for a four-tuple
 * and a peer's sequence number at any time.
 */
#ifndef GANNET_TCP_SYN_COOKIE_H
#define GANNET_TCP_SYN_COOKIE_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/network.h"
#include "dataplane/tcp_options.h"
#include "include/key_hash.h"

#define TCP_COOKIE_PERIOD_SHIFT 36 /* 2^36 ns: 68.7 s */
/* A cookie is good in the period in which it was made and in the one after it. */
#define TCP_COOKIE_LIFE_NS_MAX (UINT64_C(2) << TCP_COOKIE_PERIOD_SHIFT)

struct tcp_cookie_tuple {
    const struct network_flow *flow;
    uint16_t local_port, remote_port;
    uint32_t peer_sequence; /* of its SYN */
};

/* Our sequence number. peer_mss_bytes: as in the SYN, 0 when it said nothing. */
uint32_t tcp_syn_cookie_make(const struct siphash_key *key, const struct tcp_cookie_tuple *tuple,
                             uint16_t peer_mss_bytes, uint64_t now_ns);
/* What is left of the MSS: the largest of eight that is not above it. */
bool tcp_syn_cookie_check(const struct siphash_key *key, const struct tcp_cookie_tuple *tuple,
                          uint32_t cookie, uint64_t now_ns, uint16_t *peer_mss_bytes);

/*
 * A timestamp, at most 32 ticks before `clock`, that says in its low bits which window scale and
 * whether SACK was offered. The peer echoes it. Nobody signs it: a peer that changes it harms its
 * own connection only.
 */
uint32_t tcp_syn_cookie_timestamp(uint32_t clock, const struct tcp_syn_options *offered);
void tcp_syn_cookie_options(uint32_t timestamp, struct tcp_syn_options *offered);

#endif
