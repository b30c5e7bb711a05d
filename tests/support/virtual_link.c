/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/virtual_link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/checksum.h"
#include "include/assert_policy.h"

#define FRAME_BYTES_MAX 70000u

struct link_frame {
    uint64_t due_ns;
    uint64_t order; /* breaks ties, so that equal times stay first in first out */
    uint32_t length;
    int to;
    uint8_t bytes[];
};

struct held_packet {
    uint64_t until_ns;
    struct packet *packet;
};

struct virtual_link {
    struct virtual_link_config config;
    struct random random;
    struct link_frame **heap;
    uint32_t heap_count, heap_room;
    uint32_t frames_to[2];
    uint64_t order;
    uint64_t free_at_ns[2]; /* when the sender's wire is idle again */
    struct held_packet *held;
    uint32_t held_count, held_room;
};

struct virtual_link *virtual_link_create(const struct virtual_link_config *config)
{
    struct virtual_link *link = calloc(1, sizeof(*link));
    ASSERT(link);
    link->config = *config;
    link->random.state = config->seed;
    return link;
}

void virtual_link_destroy(struct virtual_link *link)
{
    for (uint32_t i = 0; i < link->heap_count; i++)
        free(link->heap[i]);
    virtual_link_release(link, UINT64_MAX);
    free(link->heap);
    free(link->held);
    free(link);
}

/* ---- frames on the wire: a heap by time ---- */

static bool is_earlier(const struct link_frame *a, const struct link_frame *b)
{
    return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->order < b->order;
}

static void heap_push(struct virtual_link *link, struct link_frame *frame)
{
    if (link->heap_count == link->heap_room) {
        link->heap_room = link->heap_room ? link->heap_room * 2 : 256;
        link->heap = realloc(link->heap, link->heap_room * sizeof(*link->heap));
        ASSERT(link->heap);
    }
    uint32_t at = link->heap_count++;
    while (at > 0 && is_earlier(frame, link->heap[(at - 1) / 2])) {
        link->heap[at] = link->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    link->heap[at] = frame;
}

static struct link_frame *heap_pop(struct virtual_link *link)
{
    struct link_frame *first = link->heap[0];
    struct link_frame *moved = link->heap[--link->heap_count];
    uint32_t at = 0;
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= link->heap_count)
            break;
        if (child + 1 < link->heap_count && is_earlier(link->heap[child + 1], link->heap[child]))
            child++;
        if (!is_earlier(link->heap[child], moved))
            break;
        link->heap[at] = link->heap[child];
        at = child;
    }
    if (link->heap_count > 0)
        link->heap[at] = moved;
    return first;
}

/* ---- trace ---- */

static uint32_t load32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void trace(const struct virtual_link *link, uint64_t now_ns, int from, const uint8_t *frame,
                  uint32_t length, const char *fate)
{
    if (!link->config.is_traced)
        return;
    uint32_t ip_at = frame[12] == 0x81 ? 18 : 14;
    const uint8_t *ip = frame + ip_at;
    const uint8_t *tcp = ip + (ip[0] >> 4 == 4 ? 20 : 40);
    uint32_t header = (uint32_t)(tcp[12] >> 4) * 4;
    uint32_t payload = (uint32_t)(frame + length - tcp) - header;
    char flags[7] = "......";
    const char names[] = "FSRPAU";
    for (int bit = 0; bit < 6; bit++)
        if (tcp[13] & (1 << bit))
            flags[bit] = names[bit];
    printf("%12.6f %s %u>%u %s seq %u ack %u win %u len %u %s", (double)now_ns / 1e9,
           from == 0 ? "->" : "<-", (uint32_t)(tcp[0] << 8 | tcp[1]),
           (uint32_t)(tcp[2] << 8 | tcp[3]), flags, load32(tcp + 4), load32(tcp + 8),
           (uint32_t)(tcp[14] << 8 | tcp[15]), payload, fate);
    for (uint32_t at = 20; at < header && tcp[at] != 0;) {
        if (tcp[at] == 1) {
            at++;
            continue;
        }
        if (tcp[at] == 5)
            for (uint32_t block = at + 2; block + 8 <= at + tcp[at + 1]; block += 8)
                printf(" sack %u-%u", load32(tcp + block), load32(tcp + block + 4));
        at += tcp[at + 1] ? tcp[at + 1] : 1;
    }
    printf("\n");
}

/* ---- sending ---- */

static void wire_push(struct virtual_link *link, int from, const uint8_t *bytes, uint32_t length,
                      uint64_t now_ns, uint64_t extra_ns, int flip_bit)
{
    struct link_frame *frame = malloc(sizeof(*frame) + length);
    ASSERT(frame);
    frame->length = length;
    frame->to = !from;
    frame->order = link->order++;
    memcpy(frame->bytes, bytes, length);
    if (flip_bit >= 0)
        frame->bytes[flip_bit / 8] ^= (uint8_t)(1 << flip_bit % 8);
    uint64_t start = link->free_at_ns[from] > now_ns ? link->free_at_ns[from] : now_ns;
    uint64_t jitter =
        link->config.jitter_ns ? random_u64(&link->random) % link->config.jitter_ns : 0;
    link->free_at_ns[from] = start + length * link->config.ns_per_byte;
    frame->due_ns = link->free_at_ns[from] + link->config.delay_ns + jitter + extra_ns;
    link->frames_to[frame->to]++;
    heap_push(link, frame);
}

static void wire_send(struct virtual_link *link, int from, const uint8_t *bytes, uint32_t length,
                      uint64_t now_ns)
{
    const struct virtual_link_config *config = &link->config;
    if (random_chance(&link->random, config->loss_permille)) {
        trace(link, now_ns, from, bytes, length, "LOST");
        return;
    }
    if (config->queue_frames != 0 && link->frames_to[!from] >= config->queue_frames) {
        trace(link, now_ns, from, bytes, length, "QUEUE FULL");
        return;
    }
    uint64_t extra_ns = 0;
    int flip_bit = -1;
    const char *fate = "";
    if (config->reorder_ns && random_chance(&link->random, config->reorder_permille)) {
        extra_ns = random_u64(&link->random) % config->reorder_ns;
        fate = "LATE";
    }
    if (random_chance(&link->random, config->corrupt_permille)) {
        flip_bit = (int)random_below(&link->random, length * 8);
        fate = "DAMAGED";
    }
    trace(link, now_ns, from, bytes, length, fate);
    wire_push(link, from, bytes, length, now_ns, extra_ns, flip_bit);
    if (random_chance(&link->random, config->duplicate_permille)) {
        trace(link, now_ns, from, bytes, length, "TWICE");
        wire_push(link, from, bytes, length, now_ns, config->reorder_ns, -1);
    }
}

/* ---- what a port does ---- */

static uint32_t linear_copy(const struct packet *packet, uint8_t *out)
{
    uint32_t length = 0;
    for (const struct rte_mbuf *part = &packet->mbuf; part; part = part->next) {
        ASSERT(length + part->data_len <= FRAME_BYTES_MAX);
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
    static uint8_t segment[FRAME_BYTES_MAX];
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
        wire_send(link, from, segment, header + part, now_ns);
    }
}

static void port_send(struct virtual_link *link, int from, const struct network *network,
                      const struct packet *packet, uint64_t now_ns)
{
    static uint8_t bytes[FRAME_BYTES_MAX];
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
    wire_send(link, from, bytes, length, now_ns);
}

static void hold(struct virtual_link *link, struct packet *packet, uint64_t now_ns)
{
    uint64_t hold_ns = link->config.hold_ns ? random_u64(&link->random) % link->config.hold_ns : 0;
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
    uint32_t count = 0;
    while (count < limit && link->heap_count > 0 && link->heap[0]->due_ns <= now_ns &&
           link->heap[0]->to == side) {
        struct link_frame *frame = heap_pop(link);
        link->frames_to[side]--;
        struct packet *packet = packet_alloc(pool);
        if (packet && frame->length <= packet_tail_room(packet)) {
            memcpy(packet_append(packet, (uint16_t)frame->length), frame->bytes, frame->length);
            if (test_network_accepts(network, packet))
                out[count++] = packet;
            else
                packet_free(packet);
        } else if (packet) {
            packet_free(packet);
        }
        free(frame);
    }
    return count;
}

uint64_t virtual_link_next_ns(const struct virtual_link *link)
{
    return link->heap_count > 0 ? link->heap[0]->due_ns : UINT64_MAX;
}
