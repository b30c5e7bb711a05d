/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/virtual_link.h"

#include <stdlib.h>
#include <string.h>

#include "dataplane/checksum.h"
#include "include/assert_policy.h"
#include "include/random.h"
#include "tests/support/virtual_wire.h"

#define TOO_BIG_MAX 64u
#define CUT_PORTS_MAX 16u

struct held_packet {
    uint64_t until_ns;
    struct packet *packet;
};

struct virtual_link {
    struct virtual_wire *wire;
    struct random random;
    uint64_t hold_ns;
    struct held_packet *held;
    uint32_t held_count, held_room;
    uint16_t path_mtu;
    struct virtual_link_too_big too_big[TOO_BIG_MAX];
    uint32_t too_big_head, too_big_tail;
    uint16_t cut_ports[CUT_PORTS_MAX];
    uint32_t cut_count;
};

struct virtual_link *virtual_link_create(const struct virtual_link_config *config)
{
    struct virtual_link *link = calloc(1, sizeof(*link));
    ASSERT(link);
    struct virtual_wire_config wire = {
        .seed = config->seed,
        .loss_permille = config->loss_permille,
        .duplicate_permille = config->duplicate_permille,
        .corrupt_permille = config->corrupt_permille,
        .reorder_permille = config->reorder_permille,
        .delay_ns = config->delay_ns,
        .jitter_ns = config->jitter_ns,
        .reorder_ns = config->reorder_ns,
        .ns_per_byte = config->ns_per_byte,
        .queue_frames = config->queue_frames,
        .is_traced = config->is_traced,
    };
    link->wire = virtual_wire_create(&wire);
    link->random.state = ~config->seed;
    link->hold_ns = config->hold_ns;
    return link;
}

void virtual_link_destroy(struct virtual_link *link)
{
    virtual_wire_destroy(link->wire);
    virtual_link_release(link, UINT64_MAX);
    free(link->held);
    free(link);
}

/* ---- what a router in between does ---- */

void virtual_link_set_path_mtu(struct virtual_link *link, uint16_t mtu)
{
    link->path_mtu = mtu;
}

bool virtual_link_take_too_big(struct virtual_link *link, struct virtual_link_too_big *out)
{
    if (link->too_big_head == link->too_big_tail)
        return false;
    *out = link->too_big[link->too_big_head++ % TOO_BIG_MAX];
    return true;
}

void virtual_link_cut(struct virtual_link *link, uint16_t port)
{
    ASSERT(link->cut_count < CUT_PORTS_MAX);
    link->cut_ports[link->cut_count++] = port;
}

static uint16_t load16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t load32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static bool is_cut(const struct virtual_link *link, uint16_t port)
{
    for (uint32_t i = 0; i < link->cut_count; i++)
        if (link->cut_ports[i] == port)
            return true;
    return false;
}

static void wire_send(struct virtual_link *link, int from, const uint8_t *bytes, uint32_t length,
                      uint32_t ip_at, uint64_t now_ns)
{
    const uint8_t *tcp = bytes + ip_at + (bytes[ip_at] >> 4 == 4 ? 20 : 40);
    if (is_cut(link, load16(from == 0 ? tcp : tcp + 2))) {
        virtual_wire_lose(link->wire, from, bytes, length, now_ns, "CUT");
        return;
    }
    if (link->path_mtu == 0 || length - ip_at <= link->path_mtu) {
        virtual_wire_send(link->wire, from, bytes, length, now_ns);
        return;
    }
    virtual_wire_lose(link->wire, from, bytes, length, now_ns, "TOO BIG");
    if (link->too_big_tail - link->too_big_head == TOO_BIG_MAX)
        return;
    link->too_big[link->too_big_tail++ % TOO_BIG_MAX] =
        (struct virtual_link_too_big){.to = from,
                                      .mtu = link->path_mtu,
                                      .local_port = load16(tcp),
                                      .remote_port = load16(tcp + 2),
                                      .sequence = load32(tcp + 4)};
}

/* ---- what a port does ---- */

static uint32_t linear_copy(const struct packet *packet, uint8_t *out)
{
    uint32_t length = 0;
    for (const struct rte_mbuf *part = &packet->mbuf; part; part = part->next) {
        ASSERT(length + part->data_len <= WIRE_FRAME_BYTES_MAX);
        memcpy(out + length, rte_pktmbuf_mtod(part, uint8_t *), part->data_len);
        length += part->data_len;
    }
    ASSERT(length == packet_bytes(packet));
    return length;
}

static void finish_tcp_checksum(uint8_t *ip, uint8_t *tcp, uint32_t tcp_bytes)
{
    uint32_t sum = ip[0] >> 4 == 4 ? checksum_pseudo_ipv4(ip + 12, ip + 16, 6)
                                   : checksum_pseudo_ipv6(ip + 8, ip + 24, 6);
    sum = checksum_add_number(sum, (uint16_t)tcp_bytes);
    memset(tcp + 16, 0, 2);
    uint16_t checksum = checksum_finish(checksum_add(sum, tcp, tcp_bytes));
    memcpy(tcp + 16, &checksum, 2);
}

/* A port trusts the sum it was given: a wrong one must show. */
static void expect_pseudo_sum(const uint8_t *ip, const uint8_t *tcp, uint32_t tcp_bytes)
{
    uint32_t sum = ip[0] >> 4 == 4 ? checksum_pseudo_ipv4(ip + 12, ip + 16, 6)
                                   : checksum_pseudo_ipv6(ip + 8, ip + 24, 6);
    if (tcp_bytes)
        sum = checksum_add_number(sum, (uint16_t)tcp_bytes);
    uint16_t expected = (uint16_t)~checksum_finish(sum);
    ASSERT(memcmp(tcp + 16, &expected, 2) == 0);
}

static void set_lengths(uint8_t *ip, uint32_t tcp_bytes)
{
    if (ip[0] >> 4 == 4) {
        uint32_t total = tcp_bytes + 20;
        ip[2] = (uint8_t)(total >> 8);
        ip[3] = (uint8_t)total;
        memset(ip + 10, 0, 2);
        uint16_t checksum = checksum_of(ip, 20);
        memcpy(ip + 10, &checksum, 2);
    } else {
        ip[4] = (uint8_t)(tcp_bytes >> 8);
        ip[5] = (uint8_t)tcp_bytes;
    }
}

static void send_cut(struct virtual_link *link, int from, const struct rte_mbuf *mbuf,
                     const uint8_t *bytes, uint32_t length, uint64_t now_ns)
{
    uint32_t ip_at = mbuf->l2_len, tcp_at = ip_at + mbuf->l3_len;
    uint32_t header = tcp_at + mbuf->l4_len;
    static uint8_t segment[WIRE_FRAME_BYTES_MAX];
    uint32_t sequence = load32(bytes + tcp_at + 4);
    expect_pseudo_sum(bytes + ip_at, bytes + tcp_at, 0);
    for (uint32_t at = header; at < length;) {
        uint32_t part = length - at < mbuf->tso_segsz ? length - at : mbuf->tso_segsz;
        memcpy(segment, bytes, header);
        memcpy(segment + header, bytes + at, part);
        uint32_t here = sequence + (at - header);
        uint8_t wire[4] = {(uint8_t)(here >> 24), (uint8_t)(here >> 16), (uint8_t)(here >> 8),
                           (uint8_t)here};
        memcpy(segment + tcp_at + 4, wire, 4);
        at += part;
        if (at < length)
            segment[tcp_at + 13] &= (uint8_t)~0x09; /* FIN and PSH belong to the last */
        set_lengths(segment + ip_at, mbuf->l4_len + part);
        finish_tcp_checksum(segment + ip_at, segment + tcp_at, mbuf->l4_len + part);
        wire_send(link, from, segment, header + part, ip_at, now_ns);
    }
}

static void port_send(struct virtual_link *link, int from, const struct network *network,
                      const struct packet *packet, uint64_t now_ns)
{
    static uint8_t bytes[WIRE_FRAME_BYTES_MAX];
    const struct rte_mbuf *mbuf = &packet->mbuf;
    uint32_t length = linear_copy(packet, bytes);
    if (mbuf->ol_flags & RTE_MBUF_F_TX_TCP_SEG) {
        ASSERT(network->offloads & NIC_TX_SEGMENTATION);
        send_cut(link, from, mbuf, bytes, length, now_ns);
        return;
    }
    ASSERT(mbuf->nb_segs == 1 || (network->offloads & NIC_TX_MULTI_SEGMENT));
    uint32_t link_bytes = network->is_vlan ? 18 : 14;
    ASSERT(length - link_bytes <= network->mtu);
    if (mbuf->ol_flags & RTE_MBUF_F_TX_TCP_CKSUM) {
        ASSERT(network->offloads & NIC_TX_TCP_CHECKSUM);
        uint8_t *ip = bytes + mbuf->l2_len;
        uint8_t *tcp = ip + mbuf->l3_len;
        uint32_t tcp_bytes = (uint32_t)(bytes + length - tcp);
        expect_pseudo_sum(ip, tcp, tcp_bytes);
        finish_tcp_checksum(ip, tcp, tcp_bytes);
    }
    wire_send(link, from, bytes, length, link_bytes, now_ns);
}

static void hold(struct virtual_link *link, struct packet *packet, uint64_t now_ns)
{
    uint64_t hold_ns = link->hold_ns ? random_u64(&link->random) % link->hold_ns : 0;
    if (hold_ns == 0 || random_chance(&link->random, 500)) {
        packet_free(packet);
        return;
    }
    if (link->held_count == link->held_room) {
        link->held_room = link->held_room ? link->held_room * 2 : 256;
        link->held = realloc(link->held, link->held_room * sizeof(*link->held));
        ASSERT(link->held);
    }
    link->held[link->held_count++] = (struct held_packet){now_ns + hold_ns, packet};
}

void virtual_link_release(struct virtual_link *link, uint64_t now_ns)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < link->held_count; i++) {
        if (link->held[i].until_ns <= now_ns)
            packet_free(link->held[i].packet);
        else
            link->held[kept++] = link->held[i];
    }
    link->held_count = kept;
}

void virtual_link_collect(struct virtual_link *link, int side, struct network *network,
                          uint64_t now_ns)
{
    static struct packet *out[TEST_NETWORK_OUT_MAX];
    uint32_t count = test_network_take(network, out, TEST_NETWORK_OUT_MAX);
    for (uint32_t i = 0; i < count; i++) {
        port_send(link, side, network, out[i], now_ns);
        hold(link, out[i], now_ns);
    }
}

uint32_t virtual_link_deliver(struct virtual_link *link, int side, const struct network *network,
                              struct rte_mempool *pool, uint64_t now_ns, struct packet **out,
                              uint32_t limit)
{
    static uint8_t bytes[WIRE_FRAME_BYTES_MAX];
    uint32_t length, count = 0;
    while (count < limit && virtual_wire_receive(link->wire, side, now_ns, bytes, &length)) {
        struct packet *packet = packet_alloc(pool);
        if (packet && length <= packet_tail_room(packet)) {
            memcpy(packet_append(packet, (uint16_t)length), bytes, length);
            if (test_network_accepts(network, packet))
                out[count++] = packet;
            else
                packet_free(packet);
        } else if (packet) {
            packet_free(packet);
        }
    }
    return count;
}

uint64_t virtual_link_next_ns(const struct virtual_link *link)
{
    return virtual_wire_next_ns(link->wire);
}
