/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/mirror_nic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/packet.h"
#include "include/assert_policy.h"
#include "include/byte_order.h"
#include "include/random.h"

#define FIFO_PACKETS 1024u /* a power of two; no more are in flight than there are connections */
#define FRAME_BYTES_MAX 512u
#define ETHERNET_BYTES 14u
#define HEADERS_BYTES (ETHERNET_BYTES + 20u + 20u)
#define FIRST_CLIENT_PORT 20000u
#define KEY_DIGITS 8u
#define FLAG_SYN 0x02u
#define FLAG_PSH 0x08u
#define FLAG_ACK 0x10u

static const uint8_t server_mac[6] = {2, 0, 0, 0, 0, 1}, client_mac[6] = {2, 0, 0, 0, 0, 2};

struct nic_queue {
    struct mirror_nic_config config;
    struct random random;
    uint64_t answers, bad;
    uint32_t head, tail;
    struct packet *waiting[FIFO_PACKETS];
    uint32_t request_bytes; /* of the payload */
    uint32_t key_offset;    /* of the digits, in the frame */
    uint8_t frame[FRAME_BYTES_MAX];
};

static void put16(uint8_t *at, uint32_t value)
{
    be16_t wire = be16_make((uint16_t)value);
    memcpy(at, &wire, sizeof(wire));
}

static void put32(uint8_t *at, uint32_t value)
{
    be32_t wire = be32_make(value);
    memcpy(at, &wire, sizeof(wire));
}

static uint32_t get16(const uint8_t *at)
{
    be16_t wire;
    memcpy(&wire, at, sizeof(wire));
    return be16_load(wire);
}

static uint32_t get32(const uint8_t *at)
{
    be32_t wire;
    memcpy(&wire, at, sizeof(wire));
    return be32_load(wire);
}

/* Headers that are the same in every frame, and the request behind them. */
static void make_template(struct nic_queue *queue)
{
    uint8_t *ip = queue->frame + ETHERNET_BYTES;
    char *request = (char *)queue->frame + HEADERS_BYTES;
    memcpy(queue->frame, server_mac, 6);
    memcpy(queue->frame + 6, client_mac, 6);
    put16(queue->frame + 12, 0x0800);
    ip[0] = 0x45;
    ip[8] = 64;
    ip[9] = 6; /* TCP */
    memcpy(ip + 12, queue->config.client_ip, 4);
    memcpy(ip + 16, queue->config.server_ip, 4);
    put16(ip + 20 + 2, queue->config.server_port);
    ip[20 + 12] = 5 << 4;
    put16(ip + 20 + 14, 65535);
    int length = snprintf(request, FRAME_BYTES_MAX - HEADERS_BYTES,
                          "GET " MIRROR_PATH_PREFIX "00000000 HTTP/1.1\r\nHost: mirror\r\n\r\n");
    queue->request_bytes = (uint32_t)length;
    queue->key_offset = HEADERS_BYTES + (uint32_t)strlen("GET " MIRROR_PATH_PREFIX);
}

struct nic_queue *mirror_nic_create(const struct mirror_nic_config *config)
{
    ASSERT(config->connections <= MIRROR_CONNECTIONS_MAX && config->keys > 0);
    struct nic_queue *queue =
        aligned_alloc(GUARD_BYTES, sizeof(*queue) / GUARD_BYTES * GUARD_BYTES + GUARD_BYTES);
    ASSERT(queue != NULL);
    memset(queue, 0, sizeof(*queue));
    queue->config = *config;
    queue->random = (struct random){config->seed};
    make_template(queue);
    return queue;
}

void mirror_nic_destroy(struct nic_queue *queue)
{
    while (queue->head != queue->tail)
        packet_free(queue->waiting[queue->head++ % FIFO_PACKETS]);
    free(queue);
}

static void arrive(struct nic_queue *queue, struct packet *packet)
{
    ASSERT(queue->tail - queue->head < FIFO_PACKETS);
    packet->mbuf.ol_flags |= RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
    queue->waiting[queue->tail++ % FIFO_PACKETS] = packet;
}

static void write_key(uint8_t *digits, uint32_t key)
{
    for (uint32_t i = KEY_DIGITS; i-- > 0; key /= 10)
        digits[i] = (uint8_t)('0' + key % 10);
}

/* A frame of the client: its handshake, or a request, which acknowledges what came before. */
static void send_frame(struct nic_queue *queue, uint32_t client_port, uint32_t sequence,
                       uint32_t acknowledgement, uint8_t flags)
{
    struct packet *packet = packet_alloc(queue->config.pool);
    ASSERT(packet != NULL);
    uint32_t payload_bytes = flags & FLAG_SYN ? 0 : queue->request_bytes;
    uint8_t *frame = packet_append(packet, (uint16_t)(HEADERS_BYTES + payload_bytes));
    memcpy(frame, queue->frame, HEADERS_BYTES + payload_bytes);
    uint8_t *ip = frame + ETHERNET_BYTES, *tcp = ip + 20;
    put16(ip + 2, 40 + payload_bytes);
    put16(tcp, client_port);
    put32(tcp + 4, sequence);
    put32(tcp + 8, acknowledgement);
    tcp[13] = flags;
    if (payload_bytes > 0 && queue->config.keys > 1)
        write_key(frame + queue->key_offset, random_below(&queue->random, queue->config.keys));
    arrive(queue, packet);
}

void mirror_nic_open(struct nic_queue *queue)
{
    for (uint32_t i = 0; i < queue->config.connections; i++)
        send_frame(queue, FIRST_CLIENT_PORT + i, 1000, 0, FLAG_SYN);
}

static void answer_arp(struct nic_queue *queue, const uint8_t *request)
{
    struct packet *packet = packet_alloc(queue->config.pool);
    ASSERT(packet != NULL);
    uint8_t *frame = packet_append(packet, 60), *arp = frame + ETHERNET_BYTES;
    memset(frame, 0, 60);
    memcpy(frame, server_mac, 6);
    memcpy(frame + 6, client_mac, 6);
    memcpy(frame + 12, request + 12, 2 + 6); /* type, and ARP's own for Ethernet and IPv4 */
    put16(arp + 6, 2);
    memcpy(arp + 8, client_mac, 6);
    memcpy(arp + 14, queue->config.client_ip, 4);
    memcpy(arp + 18, server_mac, 6);
    memcpy(arp + 24, queue->config.server_ip, 4);
    arrive(queue, packet);
}

static void take_answer(struct nic_queue *queue, const struct packet *packet)
{
    const uint8_t *frame = packet_data(packet);
    const uint8_t *ip = frame + ETHERNET_BYTES, *tcp = ip + 20;
    uint32_t header_bytes = 20 + (uint32_t)(tcp[12] >> 4) * 4;
    uint32_t payload_bytes = get16(ip + 2) - header_bytes;
    uint32_t next = get32(tcp + 4) + payload_bytes;
    if (tcp[13] & FLAG_SYN) {
        next++;
    } else if (payload_bytes == 0) {
        return; /* an acknowledgement by itself */
    } else {
        static const char expected[] = "HTTP/1.1 200";
        if (memcmp(ip + header_bytes, expected, sizeof(expected) - 1) == 0)
            queue->answers++;
        else
            queue->bad++;
    }
    send_frame(queue, get16(tcp + 2), get32(tcp + 8), next, FLAG_ACK | FLAG_PSH);
}

/* ---- nic.h ---- */

uint32_t nic_receive(struct nic_queue *queue, struct packet **out, uint32_t limit)
{
    uint32_t count = 0;
    while (count < limit && queue->head != queue->tail)
        out[count++] = queue->waiting[queue->head++ % FIFO_PACKETS];
    return count;
}

uint32_t nic_transmit(struct nic_queue *queue, struct packet **packets, uint32_t packet_count)
{
    for (uint32_t i = 0; i < packet_count; i++) {
        const uint8_t *frame = packet_data(packets[i]);
        uint32_t type = get16(frame + 12);
        if (type == 0x0800 && frame[ETHERNET_BYTES + 9] == 6)
            take_answer(queue, packets[i]);
        else if (type == 0x0806 && get16(frame + ETHERNET_BYTES + 6) == 1 &&
                 memcmp(frame + ETHERNET_BYTES + 24, queue->config.client_ip, 4) == 0)
            answer_arp(queue, frame);
        packet_free(packets[i]);
    }
    return packet_count;
}

uint32_t nic_offloads(const struct nic_queue *queue)
{
    (void)queue;
    return NIC_RX_CHECKSUM | NIC_TX_IPV4_CHECKSUM | NIC_TX_TCP_CHECKSUM | NIC_TX_MULTI_SEGMENT;
}

uint16_t nic_mtu(const struct nic_queue *queue)
{
    (void)queue;
    return 1500;
}

const uint8_t *nic_mac(const struct nic_queue *queue)
{
    (void)queue;
    return server_mac;
}

uint64_t mirror_nic_answers(const struct nic_queue *queue)
{
    return queue->answers;
}

uint64_t mirror_nic_bad(const struct nic_queue *queue)
{
    return queue->bad;
}
