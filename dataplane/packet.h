/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * packet.h - a frame in memory: a DPDK mbuf plus one line of ours; where frame ownership is
 * defined.
 *
 * Purpose:   the only view of mbufs that protocol code has.
 * Ownership: exactly one owner at any line of code. A function that takes a packet by value of its
 *            pointer and is documented to "consume" it frees it or passes it on. `next` may be used
 *            by the current owner for a list of its own.
 * Threading: a packet belongs to the worker whose pool it came from.
 * Units:     bytes.
 * Errors:    packet_alloc returns NULL when the pool is empty; the caller counts it.
 * Source:    rte_mbuf_core.h of DPDK 22.11; the private line is the pool's priv_size.
 */
#ifndef GANNET_PACKET_H
#define GANNET_PACKET_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <rte_mbuf.h>

#include "include/blob.h"
#include "include/compiler.h"

/* What the layers note about a received frame, so that no header is parsed twice. */
struct packet_rx {
    uint32_t flow_hash; /* SipHash of the 4-tuple, seeded per boot: the connection table's */
    uint32_t sequence, acknowledgement;
    uint32_t timestamp_value, timestamp_echo;
    uint16_t window;
    uint16_t network_offset;   /* of the IP header in the frame */
    uint16_t transport_offset; /* of the TCP or ICMP header */
    uint16_t payload_offset;
    uint16_t payload_bytes; /* what IP says, not what the frame has */
    uint8_t tcp_flags;
    uint8_t option_flags; /* TCP's own */
    uint8_t ip_version;   /* 4 or 6 */
    uint8_t port_index;
};

/* What TCP notes about a segment it may have to send again. */
struct packet_tx {
    uint64_t sent_ns;
    uint32_t sequence;
    uint32_t payload_bytes;
    struct blob *blob; /* unsent reference to value bytes; NULL for bytes in the packet */
    uint32_t blob_offset;
    uint16_t flags;        /* TCP's own: sacked, lost, retransmitted, FIN, ... */
    uint16_t header_bytes; /* Ethernet + IP + TCP in front of the payload */
    uint32_t payload_sum;  /* checksum.h, when the flags say so */
};

struct packet {
    struct rte_mbuf mbuf;
    struct packet *next;
    union {
        struct packet_rx rx;
        struct packet_tx tx;
        uint8_t bytes[56];
    };
};

static_assert(sizeof(struct rte_mbuf) == 128, "two lines of DPDK");
static_assert(sizeof(struct packet) == 192, "and one of ours");
static_assert(offsetof(struct packet, next) == 128, "the private area follows the mbuf");

#define PACKET_PRIVATE_BYTES (sizeof(struct packet) - sizeof(struct rte_mbuf))
/* 128: Ethernet 18 + IPv6 40 + TCP 60 = 118 fit */
#define PACKET_HEADROOM_BYTES RTE_PKTMBUF_HEADROOM
#define PACKET_ROOM_BYTES 2048u /* data room after the headroom */

static inline struct packet *packet_of(struct rte_mbuf *mbuf)
{
    return (struct packet *)mbuf;
}

static inline struct packet *packet_alloc(struct rte_mempool *pool)
{
    return packet_of(rte_pktmbuf_alloc(pool));
}

static inline void packet_free(struct packet *packet)
{
    rte_pktmbuf_free(&packet->mbuf);
}

static inline uint8_t *packet_data(const struct packet *packet)
{
    return (uint8_t *)packet->mbuf.buf_addr + packet->mbuf.data_off;
}

/* Bytes in the first segment and in all of them. */
static inline uint16_t packet_first_bytes(const struct packet *packet)
{
    return packet->mbuf.data_len;
}

static inline uint32_t packet_bytes(const struct packet *packet)
{
    return packet->mbuf.pkt_len;
}

static inline uint16_t packet_tail_room(const struct packet *packet)
{
    return rte_pktmbuf_tailroom(&packet->mbuf);
}

/* Single-segment packets only: room at the end, already counted in. */
static inline uint8_t *packet_append(struct packet *packet, uint16_t bytes)
{
    uint8_t *tail = packet_data(packet) + packet->mbuf.data_len;
    packet->mbuf.data_len = (uint16_t)(packet->mbuf.data_len + bytes);
    packet->mbuf.pkt_len += bytes;
    return tail;
}

/* What the port says about a received frame's checksums. */
enum packet_checksum {
    PACKET_CHECKSUM_UNKNOWN = 0, /* verify in software */
    PACKET_CHECKSUM_GOOD,
    PACKET_CHECKSUM_BAD,
};

static inline enum packet_checksum packet_ipv4_checksum(const struct packet *packet)
{
    switch (packet->mbuf.ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) {
    case RTE_MBUF_F_RX_IP_CKSUM_GOOD:
    case RTE_MBUF_F_RX_IP_CKSUM_NONE: /* not correct in the bytes, but the data was verified */
        return PACKET_CHECKSUM_GOOD;
    case RTE_MBUF_F_RX_IP_CKSUM_BAD:
        return PACKET_CHECKSUM_BAD;
    default:
        return PACKET_CHECKSUM_UNKNOWN;
    }
}

static inline enum packet_checksum packet_tcp_checksum(const struct packet *packet)
{
    switch (packet->mbuf.ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) {
    case RTE_MBUF_F_RX_L4_CKSUM_GOOD:
    case RTE_MBUF_F_RX_L4_CKSUM_NONE: /* not correct in the bytes, but the data was verified */
        return PACKET_CHECKSUM_GOOD;
    case RTE_MBUF_F_RX_L4_CKSUM_BAD:
        return PACKET_CHECKSUM_BAD;
    default:
        return PACKET_CHECKSUM_UNKNOWN;
    }
}

/* A received packet whose bytes cannot have changed on the way: nothing to verify in software. */
static inline void packet_trust_checksums(struct packet *packet)
{
    if (packet_ipv4_checksum(packet) == PACKET_CHECKSUM_UNKNOWN)
        packet->mbuf.ol_flags |= RTE_MBUF_F_RX_IP_CKSUM_GOOD;
    if (packet_tcp_checksum(packet) == PACKET_CHECKSUM_UNKNOWN)
        packet->mbuf.ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
}

/* The VLAN the port took off the frame; 0 for none. */
static inline uint16_t packet_stripped_vlan(const struct packet *packet)
{
    return packet->mbuf.ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED ? packet->mbuf.vlan_tci : 0;
}

/* Before a received packet is sent: nothing of what the port said about it applies any more. */
static inline void packet_reset_offloads(struct packet *packet)
{
    packet->mbuf.ol_flags &= RTE_MBUF_F_EXTERNAL | RTE_MBUF_F_INDIRECT;
    packet->mbuf.tx_offload = 0;
}

static inline bool packet_is_chained(const struct packet *packet)
{
    return packet->mbuf.nb_segs > 1;
}

/* Copies a chain into its first buffer; false when it does not fit. */
static inline bool packet_make_linear(struct packet *packet)
{
    return rte_pktmbuf_linearize(&packet->mbuf) == 0;
}

/* The first `bytes` of a chain, which has so many. */
static inline void packet_copy_out(const struct packet *packet, uint8_t *out, uint32_t bytes)
{
    const void *at = rte_pktmbuf_read(&packet->mbuf, 0, bytes, out);
    if (at != out)
        memcpy(out, at, bytes);
}

/* Gives up `bytes` at the front, which the first segment has. */
static inline void packet_skip(struct packet *packet, uint16_t bytes)
{
    packet->mbuf.data_off = (uint16_t)(packet->mbuf.data_off + bytes);
    packet->mbuf.data_len = (uint16_t)(packet->mbuf.data_len - bytes);
    packet->mbuf.pkt_len -= bytes;
}

/* Single-segment packets only: gives up `bytes` at the end (padding). */
static inline void packet_trim(struct packet *packet, uint16_t bytes)
{
    packet->mbuf.data_len = (uint16_t)(packet->mbuf.data_len - bytes);
    packet->mbuf.pkt_len -= bytes;
}

static inline uint8_t *packet_prepend(struct packet *packet, uint16_t bytes)
{
    packet->mbuf.data_off = (uint16_t)(packet->mbuf.data_off - bytes);
    packet->mbuf.data_len = (uint16_t)(packet->mbuf.data_len + bytes);
    packet->mbuf.pkt_len += bytes;
    return packet_data(packet);
}

#endif
