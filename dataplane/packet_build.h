/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * packet_build.h - what TCP does to mbufs beyond packet.h: sharing, attaching, offloads.
 *
 * Purpose:   keeps rte_ names out of the protocol code.
 * Ownership: a shared packet has one more reference for the port; attached bytes hold one reference
 *            to their blob until the frame is freed.
 * Threading: frames are freed by the thread that owns `stock`.
 * Units:     bytes.
 * Errors:    allocation returns NULL when the pool is empty; the caller counts it.
 * Source:    DPDK 22.11 rte_mbuf.h (external buffers), rte_mbuf_core.h (transmit offloads).
 */
#ifndef GANNET_PACKET_BUILD_H
#define GANNET_PACKET_BUILD_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "dataplane/packet.h"
#include "include/blob.h"

/* In the private line of a packet whose buffer is a piece of a blob. */
struct packet_attachment {
    struct rte_mbuf_ext_shared_info shared;
    struct blob *blob;
    struct blob_stock *stock;
};

static_assert(sizeof(struct packet_attachment) <= sizeof(((struct packet *)0)->bytes),
              "fits the private line");

/* One more reference: for the port, which frees one. */
static inline void packet_share(struct packet *packet)
{
    rte_mbuf_refcnt_update(&packet->mbuf, 1);
}

static inline bool packet_is_shared(const struct packet *packet)
{
    return rte_mbuf_refcnt_read(&packet->mbuf) > 1;
}

static inline struct packet *packet_chain_next(const struct packet *packet)
{
    return packet_of(packet->mbuf.next);
}

/* Cuts a chain behind its first segment; the rest is a packet of its own afterwards. */
static inline struct packet *packet_chain_cut(struct packet *packet)
{
    struct packet *rest = packet_chain_next(packet);
    if (rest) {
        rest->mbuf.pkt_len = packet->mbuf.pkt_len - packet->mbuf.data_len;
        rest->mbuf.nb_segs = (uint16_t)(packet->mbuf.nb_segs - 1);
    }
    packet->mbuf.next = NULL;
    packet->mbuf.nb_segs = 1;
    packet->mbuf.pkt_len = packet->mbuf.data_len;
    return rest;
}

static inline void packet_chain_append(struct packet *head, struct packet *last,
                                       struct packet *segment)
{
    last->mbuf.next = &segment->mbuf;
    head->mbuf.nb_segs++;
    head->mbuf.pkt_len += segment->mbuf.data_len;
}

static inline void packet_attachment_free(void *address, void *opaque)
{
    struct packet_attachment *attachment = opaque;
    (void)address;
    blob_release(attachment->stock, attachment->blob);
}

/* A packet whose bytes are `length` bytes of `blob` at `bytes`; takes a reference. */
static inline struct packet *packet_attach(struct rte_mempool *pool, struct blob_stock *stock,
                                           const struct blob_pool *blobs, struct blob *blob,
                                           uint8_t *bytes, uint16_t length)
{
    struct packet *packet = packet_alloc(pool);
    if (!packet)
        return NULL;
    struct packet_attachment *attachment = (struct packet_attachment *)packet->bytes;
    attachment->shared.free_cb = packet_attachment_free;
    attachment->shared.fcb_opaque = attachment;
    attachment->blob = blob;
    attachment->stock = stock;
    rte_mbuf_ext_refcnt_set(&attachment->shared, 1);
    blob_hold(blob);
    rte_pktmbuf_attach_extbuf(&packet->mbuf, bytes, blob_device_address(blobs, bytes), length,
                              &attachment->shared);
    packet->mbuf.data_len = length;
    packet->mbuf.pkt_len = length;
    return packet;
}

/*
 * Packets of one pool between two uses within a round: freed and taken in bulk, and the one freed
 * last is taken first. Those inside are as fresh ones: one reference, one segment, no next.
 */
#define PACKET_BIN_MAX 64u

struct packet_bin {
    struct rte_mempool *pool;
    uint32_t packet_count;
    struct packet *packets[PACKET_BIN_MAX];
};

/* Back to the pool, all of them. */
static inline void packet_bin_empty(struct packet_bin *bin)
{
    if (bin->packet_count > 0)
        rte_mempool_put_bulk(bin->pool, (void *const *)bin->packets, bin->packet_count);
    bin->packet_count = 0;
}

static NO_INLINE UNUSED void packet_bin_make_room(struct packet_bin *bin)
{
    uint32_t half = PACKET_BIN_MAX / 2;
    rte_mempool_put_bulk(bin->pool, (void *const *)(bin->packets + half), half);
    bin->packet_count = half;
}

/* Instead of packet_free. Looks at the first line of the packet only. */
static inline void packet_bin_free(struct packet_bin *bin, struct packet *packet)
{
    const struct rte_mbuf *mbuf = &packet->mbuf;
    bool is_plain = rte_mbuf_refcnt_read(mbuf) == 1 && mbuf->nb_segs == 1 &&
                    RTE_MBUF_DIRECT(mbuf) && mbuf->pool == bin->pool;
    if (UNLIKELY(!is_plain)) {
        packet_free(packet);
        return;
    }
    if (UNLIKELY(bin->packet_count == PACKET_BIN_MAX))
        packet_bin_make_room(bin);
    bin->packets[bin->packet_count++] = packet;
}

static NO_INLINE UNUSED bool packet_bin_fill(struct packet_bin *bin)
{
    void **objects = (void **)bin->packets;
    if (rte_mempool_get_bulk(bin->pool, objects, PACKET_BIN_MAX / 2) == 0)
        bin->packet_count = PACKET_BIN_MAX / 2;
    else if (rte_mempool_get(bin->pool, objects) == 0) /* the last few */
        bin->packet_count = 1;
    return bin->packet_count > 0;
}

/* Instead of packet_alloc; NULL when the pool is empty. */
static inline struct packet *packet_bin_alloc(struct packet_bin *bin)
{
    if (UNLIKELY(bin->packet_count == 0) && !packet_bin_fill(bin))
        return NULL;
    struct packet *packet = bin->packets[--bin->packet_count];
    struct rte_mbuf *mbuf = &packet->mbuf;
    mbuf->data_off = RTE_PKTMBUF_HEADROOM;
    mbuf->data_len = 0;
    mbuf->pkt_len = 0;
    mbuf->ol_flags = 0; /* without flags nobody reads tx_offload and vlan_tci */
    return packet;
}

/* Leaves the TCP checksum to the port: the header carries the pseudo-header's sum. */
static inline void packet_offload_checksum(struct packet *packet, uint8_t ip_version,
                                           uint8_t link_bytes, uint8_t network_bytes,
                                           uint8_t transport_bytes)
{
    packet->mbuf.tx_offload =
        rte_mbuf_tx_offload(link_bytes, network_bytes, transport_bytes, 0, 0, 0, 0);
    packet->mbuf.ol_flags =
        RTE_MBUF_F_TX_TCP_CKSUM | (ip_version == 4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6);
}

/* Leaves cutting into segments to the port as well. */
static inline void packet_offload_segmentation(struct packet *packet, uint16_t segment_bytes)
{
    packet->mbuf.tso_segsz = segment_bytes;
    packet->mbuf.ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
    if (packet->mbuf.ol_flags & RTE_MBUF_F_TX_IPV4)
        packet->mbuf.ol_flags |= RTE_MBUF_F_TX_IP_CKSUM;
}

static inline void packet_offload_none(struct packet *packet)
{
    packet->mbuf.ol_flags = 0;
}

#endif
