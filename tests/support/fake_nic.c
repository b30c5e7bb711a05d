/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/fake_nic.h"

#include <stdlib.h>
#include <string.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include "dataplane/packet.h"
#include "include/assert_policy.h"

#define FRAME_BYTES_MAX 65600u

struct fifo {
    uint32_t head, tail, mask;
    struct packet **slots;
};

struct nic_queue {
    struct fake_nic *nic;
    struct fifo received; /* from the wire */
    struct fifo sent;     /* to the wire */
};

struct fake_nic {
    struct fake_nic_config config;
    uint32_t packets_per_transmit;
    struct nic_queue queues[];
};

static bool fifo_push(struct fifo *fifo, struct packet *packet)
{
    if (fifo->tail - fifo->head > fifo->mask)
        return false;
    fifo->slots[fifo->tail++ & fifo->mask] = packet;
    return true;
}

static struct packet *fifo_pop(struct fifo *fifo)
{
    return fifo->head == fifo->tail ? NULL : fifo->slots[fifo->head++ & fifo->mask];
}

static void fifo_init(struct fifo *fifo, uint32_t depth)
{
    ASSERT(depth > 0 && (depth & (depth - 1)) == 0);
    fifo->mask = depth - 1;
    fifo->slots = calloc(depth, sizeof(fifo->slots[0]));
    ASSERT(fifo->slots != NULL);
}

static void fifo_free(struct fifo *fifo)
{
    struct packet *packet;
    while ((packet = fifo_pop(fifo)))
        packet_free(packet);
    free(fifo->slots);
}

struct fake_nic *fake_nic_create(const struct fake_nic_config *config)
{
    struct fake_nic *nic = calloc(1, sizeof(*nic) + config->queue_count * sizeof(struct nic_queue));
    ASSERT(nic != NULL);
    nic->config = *config;
    nic->packets_per_transmit = UINT32_MAX;
    for (uint32_t i = 0; i < config->queue_count; i++) {
        nic->queues[i].nic = nic;
        fifo_init(&nic->queues[i].received, config->depth);
        fifo_init(&nic->queues[i].sent, config->depth);
    }
    return nic;
}

void fake_nic_destroy(struct fake_nic *nic)
{
    for (uint32_t i = 0; i < nic->config.queue_count; i++) {
        fifo_free(&nic->queues[i].received);
        fifo_free(&nic->queues[i].sent);
    }
    free(nic);
}

struct nic_queue *fake_nic_queue(struct fake_nic *nic, uint32_t index)
{
    ASSERT(index < nic->config.queue_count);
    return &nic->queues[index];
}

/* ---- what a card does on the way in ---- */

static uint64_t verdict_of_tcp(const uint8_t *ip, const uint8_t *tcp, uint32_t bytes, bool is_ipv4)
{
    bool is_good = bytes >= sizeof(struct rte_tcp_hdr) &&
                   (is_ipv4 ? rte_ipv4_udptcp_cksum_verify((const void *)ip, tcp)
                            : rte_ipv6_udptcp_cksum_verify((const void *)ip, tcp)) == 0;
    return is_good ? RTE_MBUF_F_RX_L4_CKSUM_GOOD : RTE_MBUF_F_RX_L4_CKSUM_BAD;
}

/* Says about untagged TCP frames without options what a card with NIC_RX_CHECKSUM says. */
static void verify_checksums(struct packet *packet)
{
    const uint8_t *ip = packet_data(packet) + RTE_ETHER_HDR_LEN;
    uint32_t length = packet_first_bytes(packet);
    uint32_t type = length < 34 ? 0 : (uint32_t)ip[-2] << 8 | ip[-1];
    if (type == RTE_ETHER_TYPE_IPV4 && ip[0] == 0x45 && ip[9] == IPPROTO_TCP) {
        uint32_t total = (uint32_t)(ip[2] << 8 | ip[3]);
        bool is_good = rte_raw_cksum(ip, 20) == 0xffff;
        packet->mbuf.ol_flags |= is_good ? RTE_MBUF_F_RX_IP_CKSUM_GOOD : RTE_MBUF_F_RX_IP_CKSUM_BAD;
        if (total >= 20 && total <= length - 14)
            packet->mbuf.ol_flags |= verdict_of_tcp(ip, ip + 20, total - 20, true);
    } else if (type == RTE_ETHER_TYPE_IPV6 && length >= 54 && ip[6] == IPPROTO_TCP) {
        uint32_t payload = (uint32_t)(ip[4] << 8 | ip[5]);
        if (payload <= length - 54)
            packet->mbuf.ol_flags |= verdict_of_tcp(ip, ip + 40, payload, false);
    }
}

bool fake_nic_inject(struct fake_nic *nic, uint32_t queue, struct packet *packet)
{
    if (nic->config.offloads & NIC_RX_CHECKSUM)
        verify_checksums(packet);
    return fifo_push(&nic->queues[queue].received, packet);
}

uint32_t fake_nic_take(struct fake_nic *nic, uint32_t queue, struct packet **out, uint32_t limit)
{
    uint32_t count = 0;
    while (count < limit && (out[count] = fifo_pop(&nic->queues[queue].sent)))
        count++;
    return count;
}

void fake_nic_limit_transmit(struct fake_nic *nic, uint32_t packets_per_call)
{
    nic->packets_per_transmit = packets_per_call;
}

/* ---- nic.h ---- */

uint32_t nic_receive(struct nic_queue *queue, struct packet **out, uint32_t limit)
{
    uint32_t count = 0;
    ASSERT(limit <= NIC_BURST_MAX);
    while (count < limit && (out[count] = fifo_pop(&queue->received)))
        count++;
    return count;
}

uint32_t nic_transmit(struct nic_queue *queue, struct packet **packets, uint32_t packet_count)
{
    uint32_t count = 0;
    ASSERT(packet_count <= NIC_BURST_MAX);
    if (packet_count > queue->nic->packets_per_transmit)
        packet_count = queue->nic->packets_per_transmit;
    while (count < packet_count && fifo_push(&queue->sent, packets[count]))
        count++;
    return count;
}

uint32_t nic_offloads(const struct nic_queue *queue)
{
    return queue->nic->config.offloads;
}

uint16_t nic_mtu(const struct nic_queue *queue)
{
    return queue->nic->config.mtu;
}

const uint8_t *nic_mac(const struct nic_queue *queue)
{
    return queue->nic->config.mac;
}

/* ---- what a card does on the way out ---- */

struct outgoing {
    uint8_t bytes[FRAME_BYTES_MAX];
    uint32_t length;
    uint32_t l2_bytes, l3_bytes, l4_bytes, segment_bytes;
    uint64_t flags;
};

static void read_out(struct outgoing *out, const struct packet *packet)
{
    ASSERT(packet_bytes(packet) <= FRAME_BYTES_MAX);
    out->length = packet_bytes(packet);
    const void *bytes = rte_pktmbuf_read(&packet->mbuf, 0, out->length, out->bytes);
    if (bytes != out->bytes)
        memcpy(out->bytes, bytes, out->length);
    out->l2_bytes = packet->mbuf.l2_len;
    out->l3_bytes = packet->mbuf.l3_len;
    out->l4_bytes = packet->mbuf.l4_len;
    out->segment_bytes = packet->mbuf.tso_segsz;
    out->flags = packet->mbuf.ol_flags;
}

/* Cards go on from the sum of the pseudo header that they find in place of the checksum. */
static void check_pseudo_sum(const struct outgoing *out)
{
    const void *ip = out->bytes + out->l2_bytes;
    const struct rte_tcp_hdr *tcp = (const void *)(out->bytes + out->l2_bytes + out->l3_bytes);
    uint16_t expected = out->flags & RTE_MBUF_F_TX_IPV4 ? rte_ipv4_phdr_cksum(ip, out->flags)
                                                        : rte_ipv6_phdr_cksum(ip, out->flags);
    ASSERT(tcp->cksum == expected);
}

static void check_what_was_asked(const struct fake_nic *nic, const struct outgoing *out,
                                 const struct packet *packet)
{
    uint32_t agreed = nic->config.offloads;
    ASSERT(packet->mbuf.nb_segs == 1 || (agreed & NIC_TX_MULTI_SEGMENT));
    ASSERT(!(out->flags & RTE_MBUF_F_TX_IP_CKSUM) || (agreed & NIC_TX_IPV4_CHECKSUM));
    ASSERT(!(out->flags & RTE_MBUF_F_TX_TCP_SEG) || (agreed & NIC_TX_SEGMENTATION));
    if ((out->flags & RTE_MBUF_F_TX_L4_MASK) != 0) {
        ASSERT((agreed & NIC_TX_TCP_CHECKSUM) && out->l2_bytes >= 14 && out->l3_bytes >= 20);
        check_pseudo_sum(out);
    }
    if (out->flags & RTE_MBUF_F_TX_TCP_SEG)
        ASSERT(out->l4_bytes >= 20 && out->segment_bytes > 0);
}

static void finish_frame(uint8_t *frame, const struct outgoing *out)
{
    void *ip = frame + out->l2_bytes;
    struct rte_tcp_hdr *tcp = (void *)(frame + out->l2_bytes + out->l3_bytes);
    bool wants_tcp = (out->flags & (RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_TCP_CKSUM)) != 0;
    if (wants_tcp) {
        tcp->cksum = 0;
        tcp->cksum = out->flags & RTE_MBUF_F_TX_IPV4 ? rte_ipv4_udptcp_cksum(ip, tcp)
                                                     : rte_ipv6_udptcp_cksum(ip, tcp);
    }
    if (out->flags & RTE_MBUF_F_TX_IP_CKSUM) {
        struct rte_ipv4_hdr *header = ip;
        header->hdr_checksum = 0;
        header->hdr_checksum = rte_ipv4_cksum(header);
    }
}

static struct packet *frame_of(struct rte_mempool *pool, const uint8_t *bytes, uint32_t length)
{
    struct packet *frame = packet_alloc(pool);
    ASSERT(frame != NULL && length <= packet_tail_room(frame));
    memcpy(packet_append(frame, (uint16_t)length), bytes, length);
    return frame;
}

/* One TSO segment: its own lengths and sequence number; FIN and PSH only on the last. */
static void adjust_segment(uint8_t *frame, const struct outgoing *out, uint32_t payload_offset,
                           uint32_t payload_bytes, bool is_last)
{
    uint16_t ip_bytes = (uint16_t)(out->l3_bytes + out->l4_bytes + payload_bytes);
    struct rte_tcp_hdr *tcp = (void *)(frame + out->l2_bytes + out->l3_bytes);
    if (out->flags & RTE_MBUF_F_TX_IPV4)
        ((struct rte_ipv4_hdr *)(frame + out->l2_bytes))->total_length = rte_cpu_to_be_16(ip_bytes);
    else
        ((struct rte_ipv6_hdr *)(frame + out->l2_bytes))->payload_len =
            rte_cpu_to_be_16((uint16_t)(ip_bytes - sizeof(struct rte_ipv6_hdr)));
    tcp->sent_seq = rte_cpu_to_be_32(rte_be_to_cpu_32(tcp->sent_seq) + payload_offset);
    if (!is_last)
        tcp->tcp_flags &= (uint8_t) ~(RTE_TCP_FIN_FLAG | RTE_TCP_PSH_FLAG);
}

uint32_t fake_nic_wire_frames(const struct fake_nic *nic, struct packet *packet,
                              struct rte_mempool *pool, struct packet **out, uint32_t limit)
{
    static struct outgoing whole; /* large; tests are single-threaded here */
    uint32_t count = 0;
    read_out(&whole, packet);
    check_what_was_asked(nic, &whole, packet);
    packet_free(packet);
    if (!(whole.flags & RTE_MBUF_F_TX_TCP_SEG)) {
        finish_frame(whole.bytes, &whole);
        out[0] = frame_of(pool, whole.bytes, whole.length);
        return 1;
    }
    uint32_t headers = whole.l2_bytes + whole.l3_bytes + whole.l4_bytes;
    for (uint32_t at = 0; at < whole.length - headers; at += whole.segment_bytes) {
        uint8_t frame[2048];
        uint32_t payload = whole.length - headers - at;
        if (payload > whole.segment_bytes)
            payload = whole.segment_bytes;
        ASSERT(count < limit && headers + payload <= sizeof(frame));
        memcpy(frame, whole.bytes, headers);
        memcpy(frame + headers, whole.bytes + headers + at, payload);
        adjust_segment(frame, &whole, at, payload, headers + at + payload == whole.length);
        finish_frame(frame, &whole);
        out[count++] = frame_of(pool, frame, headers + payload);
    }
    return count;
}
