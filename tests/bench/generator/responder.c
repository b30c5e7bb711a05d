/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/bench/generator/responder.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/checksum.h"
#include "dataplane/ethernet.h"
#include "dataplane/ipv4.h"
#include "dataplane/network.h"
#include "dataplane/packet.h"
#include "include/assert_policy.h"
#include "include/byte_order.h"
#include "include/compiler.h"

#define TCP_BYTES 20u
#define HEADERS_BYTES (ETHERNET_HEADER_BYTES + IPV4_HEADER_BYTES + TCP_BYTES)
#define SYN_OPTION_BYTES 4u
#define FIRST_SEQUENCE 0x10000000u
#define WINDOW 65535u
#define HEAD_BYTES_MAX 256u
#define WHOLE_ANSWERS_MAX 64u /* in one segment */

#define FLAG_FIN 0x01u
#define FLAG_SYN 0x02u
#define FLAG_RST 0x04u
#define FLAG_PSH 0x08u
#define FLAG_ACK 0x10u

struct responder {
    struct network *network;
    struct rte_mempool *packets;
    uint8_t local[4];
    bool closes;
    uint32_t answer_bytes;
    uint32_t segment_bytes; /* what an answer's segment may carry */
    uint8_t *stream;        /* answers one after another, segment_bytes longer than one of them */
    uint32_t sums[WHOLE_ANSWERS_MAX + 1]; /* checksum of that many of them */
    uint32_t request_bytes;               /* of the last request seen */
    uint64_t answer_count;
};

int responder_create(const struct responder_config *config, struct responder **out)
{
    const struct plan *plan = config->plan;
    char head[HEAD_BYTES_MAX];
    struct responder *responder = calloc(1, sizeof(*responder));
    *out = NULL;
    if (!responder)
        return -ENOMEM;
    int head_bytes =
        snprintf(head, sizeof(head),
                 "HTTP/1.1 200 OK\r\nServer: gannet-bench\r\nContent-Length: %u\r\n%s\r\n",
                 plan->value_bytes, plan->closes ? "Connection: close\r\n" : "");
    responder->network = config->network;
    responder->packets = config->packets;
    responder->closes = plan->closes;
    memcpy(responder->local, plan->local, 4);
    responder->answer_bytes = (uint32_t)head_bytes + plan->value_bytes;
    responder->segment_bytes = plan->mtu - IPV4_HEADER_BYTES - TCP_BYTES;
    uint32_t stream_bytes = responder->answer_bytes + responder->segment_bytes;
    responder->stream = malloc(stream_bytes);
    if (!responder->stream) {
        free(responder);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < stream_bytes; i++) {
        uint32_t at = i % responder->answer_bytes;
        responder->stream[i] = at < (uint32_t)head_bytes ? (uint8_t)head[at] : 'x';
    }
    for (uint32_t i = 0; i <= WHOLE_ANSWERS_MAX; i++)
        if (i * responder->answer_bytes <= responder->segment_bytes)
            responder->sums[i] = checksum_add(0, responder->stream, i * responder->answer_bytes);
    *out = responder;
    return 0;
}

void responder_destroy(struct responder *responder)
{
    if (!responder)
        return;
    free(responder->stream);
    free(responder);
}

uint64_t responder_answers(const struct responder *responder)
{
    return responder->answer_count;
}

/* ---- segments ---- */

/* What a segment says, and who is to be answered. */
struct request_segment {
    uint8_t local_mac[6], remote_mac[6];
    uint8_t remote[4];
    uint16_t remote_port, local_port; /* as on the wire */
    uint32_t sequence, acknowledgement;
    uint32_t payload_bytes;
    const uint8_t *payload;
    uint8_t flags;
};

static uint32_t load32(const uint8_t *at)
{
    be32_t wire;
    memcpy(&wire, at, 4);
    return be32_load(wire);
}

static void store32(uint8_t *at, uint32_t value)
{
    be32_t wire = be32_make(value);
    memcpy(at, &wire, 4);
}

/* False: not a TCP segment for us; the network layer may know what to do with it. */
static bool parse(const struct responder *responder, const struct packet *packet,
                  struct request_segment *segment)
{
    const uint8_t *frame = packet_data(packet);
    const uint8_t *ip = frame + ETHERNET_HEADER_BYTES, *tcp = ip + IPV4_HEADER_BYTES;
    uint32_t length = packet_bytes(packet);
    if (packet_is_chained(packet) || length < HEADERS_BYTES || frame[12] != 8 || frame[13] != 0 ||
        ip[0] != 0x45 || ip[9] != IP_PROTOCOL_TCP || memcmp(ip + 16, responder->local, 4) != 0)
        return false;
    uint32_t total = (uint32_t)(ip[2] << 8 | ip[3]);
    uint32_t header_bytes = IPV4_HEADER_BYTES + (uint32_t)(tcp[12] >> 4) * 4;
    if (total < header_bytes || total + ETHERNET_HEADER_BYTES > length)
        return false;
    memcpy(segment->local_mac, frame, 6);
    memcpy(segment->remote_mac, frame + 6, 6);
    memcpy(segment->remote, ip + 12, 4);
    memcpy(&segment->remote_port, tcp, 2);
    memcpy(&segment->local_port, tcp + 2, 2);
    segment->sequence = load32(tcp + 4);
    segment->acknowledgement = load32(tcp + 8);
    segment->flags = tcp[13];
    segment->payload = ip + header_bytes;
    segment->payload_bytes = total - header_bytes;
    return true;
}

/* The headers of an answer in front of `body_bytes`, whose checksum is `body_sum`; sends it. */
static void send_segment(struct responder *responder, struct packet *packet,
                         const struct request_segment *to, uint32_t sequence,
                         uint32_t acknowledgement, uint8_t flags, uint32_t body_bytes,
                         uint32_t body_sum)
{
    uint8_t *frame = packet_data(packet), *ip = frame + ETHERNET_HEADER_BYTES;
    uint8_t *tcp = ip + IPV4_HEADER_BYTES;
    uint32_t option_bytes = flags & FLAG_SYN ? SYN_OPTION_BYTES : 0;
    uint16_t tcp_bytes = (uint16_t)(TCP_BYTES + body_bytes);
    memcpy(frame, to->remote_mac, 6);
    memcpy(frame + 6, to->local_mac, 6);
    frame[12] = 8;
    frame[13] = 0;
    ipv4_write(ip, responder->local, to->remote, IP_PROTOCOL_TCP);
    ipv4_finish(ip, (uint16_t)(IPV4_HEADER_BYTES + tcp_bytes));
    memcpy(tcp, &to->local_port, 2);
    memcpy(tcp + 2, &to->remote_port, 2);
    store32(tcp + 4, sequence);
    store32(tcp + 8, acknowledgement);
    tcp[12] = (uint8_t)((TCP_BYTES + option_bytes) / 4 << 4);
    tcp[13] = flags;
    tcp[14] = WINDOW >> 8;
    tcp[15] = WINDOW & 0xff;
    memset(tcp + 16, 0, 4);
    uint32_t sum = checksum_pseudo_ipv4(responder->local, to->remote, IP_PROTOCOL_TCP);
    sum = checksum_add(checksum_add_number(sum, tcp_bytes), tcp, TCP_BYTES);
    uint16_t checksum = checksum_finish(sum + body_sum);
    memcpy(tcp + 16, &checksum, 2);
    packet_reset_offloads(packet);
    uint16_t now_bytes = packet_first_bytes(packet);
    uint16_t frame_bytes = (uint16_t)(HEADERS_BYTES + body_bytes);
    if (frame_bytes > now_bytes)
        packet_append(packet, (uint16_t)(frame_bytes - now_bytes));
    else
        packet_trim(packet, (uint16_t)(now_bytes - frame_bytes));
    network_transmit(responder->network, 0, packet, false);
}

static void answer_syn(struct responder *responder, struct packet *packet,
                       const struct request_segment *segment)
{
    uint8_t *options = packet_data(packet) + HEADERS_BYTES;
    uint32_t mss = responder->segment_bytes;
    options[0] = 2; /* maximum segment size */
    options[1] = 4;
    options[2] = (uint8_t)(mss >> 8);
    options[3] = (uint8_t)mss;
    send_segment(responder, packet, segment, FIRST_SEQUENCE, segment->sequence + 1,
                 FLAG_SYN | FLAG_ACK, SYN_OPTION_BYTES, checksum_add(0, options, SYN_OPTION_BYTES));
}

/* How many requests the segment holds: usually all as long as the last one. */
static uint32_t requests_in(struct responder *responder, const struct request_segment *segment)
{
    const uint8_t *at = segment->payload, *end = at + segment->payload_bytes;
    uint32_t count = 0;
    while (at < end) {
        uint32_t guess = responder->request_bytes;
        if (guess < 4 || guess > (size_t)(end - at) || memcmp(at + guess - 4, "\r\n\r\n", 4) != 0) {
            const uint8_t *found = memmem(at, (size_t)(end - at), "\r\n\r\n", 4);
            if (!found)
                break;
            guess = responder->request_bytes = (uint32_t)(found - at) + 4;
        }
        at += guess;
        count++;
    }
    return count;
}

/* `count` answers in as few segments as there must be; the request's packet is the first. */
static void send_answers(struct responder *responder, struct packet *packet,
                         const struct request_segment *segment, uint32_t count)
{
    uint32_t answer_bytes = responder->answer_bytes;
    uint32_t total = count * answer_bytes, sent = 0;
    uint32_t whole = responder->segment_bytes / answer_bytes; /* answers in a segment */
    if (whole > WHOLE_ANSWERS_MAX)
        whole = WHOLE_ANSWERS_MAX;
    uint32_t most = whole > 0 ? whole * answer_bytes : responder->segment_bytes;
    uint32_t acknowledgement =
        segment->sequence + segment->payload_bytes + (segment->flags & FLAG_FIN);
    while (sent < total) {
        uint32_t part = total - sent < most ? total - sent : most;
        if (sent > 0 && !(packet = packet_alloc(responder->packets)))
            return; /* the client's timer will show that this is no ceiling */
        const uint8_t *body = responder->stream + sent % answer_bytes;
        uint32_t sum =
            whole > 0 ? responder->sums[part / answer_bytes] : checksum_add(0, body, part);
        uint8_t flags = FLAG_ACK | FLAG_PSH;
        if (sent + part == total && responder->closes)
            flags |= FLAG_FIN;
        memcpy(packet_data(packet) + HEADERS_BYTES, body, part);
        send_segment(responder, packet, segment, segment->acknowledgement + sent, acknowledgement,
                     flags, part, sum);
        sent += part;
    }
    responder->answer_count += count;
}

static void answer_segment(struct responder *responder, struct packet *packet,
                           const struct request_segment *segment)
{
    if (LIKELY(segment->payload_bytes > 0 && !(segment->flags & (FLAG_SYN | FLAG_RST)))) {
        uint32_t count = requests_in(responder, segment);
        if (LIKELY(count > 0))
            send_answers(responder, packet, segment, count);
        else
            packet_free(packet);
    } else if (segment->flags & FLAG_RST) {
        packet_free(packet);
    } else if (segment->flags & FLAG_SYN) {
        answer_syn(responder, packet, segment);
    } else if (segment->flags & FLAG_FIN) {
        send_segment(responder, packet, segment, segment->acknowledgement, segment->sequence + 1,
                     responder->closes ? FLAG_ACK : FLAG_ACK | FLAG_FIN, 0, 0);
    } else {
        packet_free(packet); /* an acknowledgement */
    }
}

uint32_t responder_run_once(struct responder *responder, uint64_t now_ns)
{
    struct packet *frames[NIC_BURST_MAX], *segments[NIC_BURST_MAX];
    uint32_t count = network_receive(responder->network, 0, frames, NIC_BURST_MAX), others = 0;
    for (uint32_t i = 0; i < count && i < 8; i++)
        prefetch_read(packet_data(frames[i]));
    for (uint32_t i = 0; i < count; i++) {
        struct request_segment segment;
        if (i + 8 < count)
            prefetch_read(packet_data(frames[i + 8]));
        if (LIKELY(parse(responder, frames[i], &segment)))
            answer_segment(responder, frames[i], &segment);
        else
            frames[others++] = frames[i];
    }
    uint32_t up = network_input(responder->network, 0, frames, others, now_ns, segments);
    for (uint32_t i = 0; i < up; i++)
        packet_free(segments[i]);
    network_timers(responder->network, now_ns);
    network_flush(responder->network);
    return count;
}
