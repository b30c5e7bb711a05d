/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/bench/generator/flood.h"

#include <string.h>

#include "dataplane/checksum.h"
#include "dataplane/packet.h"
#include "include/clock.h"

#define IP_OFFSET 14u
#define TCP_OFFSET 34u
#define TCP_BYTES 40u
#define SOURCE_BITS 17u /* 198.18.0.0/15 */
#define PER_ROUND_MAX 256u
#define DEBT_NS                                                                                    \
    (200 * NS_PER_US)  /* more than this behind: given up, so that no burst comes of it */
#define UNSENT_MAX 64u /* more wait only when the port is full (network_unsent) */

static const uint8_t source_network[4] = {198, 18, 0, 0};

/* MSS 1460, SACK, timestamp, window scale 7: a Linux client's */
static const uint8_t syn_options[20] = {2, 4, 5, 180, 4, 2, 8, 10, 1, 2,
                                        3, 4, 0, 0,   0, 0, 1, 3,  3, 7};

void flood_init(struct flood *flood, const struct flood_config *config)
{
    *flood = (struct flood){.network = config->network,
                            .packets = config->packets,
                            .flow = {.ip_version = 4},
                            .remote_port = config->remote_port,
                            .rate_per_s = config->rate_per_s,
                            .due_ns = config->now_ns,
                            .random = {.state = config->seed}};
    memcpy(flood->flow.local, config->local, 4);
    memcpy(flood->flow.remote, config->remote, 4);
}

/* Everything that is the same in every SYN. False: the server's link address is not known yet. */
static bool make_frame(struct flood *flood)
{
    struct network_header header;
    if (network_path(flood->network, &flood->flow, &header) != NETWORK_PATH_READY ||
        header.header_bytes != TCP_OFFSET)
        return false;
    uint8_t *ip = flood->frame + IP_OFFSET, *tcp = flood->frame + TCP_OFFSET;
    memcpy(flood->frame, header.bytes, TCP_OFFSET);
    ip[2] = 0;
    ip[3] = FLOOD_FRAME_BYTES - IP_OFFSET;
    memset(ip + 10, 0, 2);
    memset(tcp, 0, TCP_BYTES);
    tcp[2] = (uint8_t)(flood->remote_port >> 8);
    tcp[3] = (uint8_t)flood->remote_port;
    tcp[12] = TCP_BYTES / 4 << 4;
    tcp[13] = 2; /* SYN */
    tcp[14] = 0xfa;
    memcpy(tcp + 20, syn_options, sizeof(syn_options));
    return true;
}

static void forge(struct flood *flood, uint8_t *frame)
{
    uint8_t *ip = frame + IP_OFFSET, *tcp = frame + TCP_OFFSET;
    uint64_t drawn = random_u64(&flood->random);
    uint16_t port = (uint16_t)(1024 + (drawn >> 48) % 64000);
    memcpy(frame, flood->frame, FLOOD_FRAME_BYTES);
    memcpy(ip + 12, source_network, 4);
    ip[13] |= (uint8_t)(drawn >> 16 & 1);
    memcpy(ip + 14, &drawn, 2);
    memcpy(tcp + 4, (const uint8_t *)&drawn + 3, 4);
    tcp[0] = (uint8_t)(port >> 8);
    tcp[1] = (uint8_t)port;
    uint16_t checksum = checksum_of(ip, 20);
    memcpy(ip + 10, &checksum, 2);
    uint32_t sum = checksum_pseudo_ipv4(ip + 12, ip + 16, 6);
    sum = checksum_add_number(sum, TCP_BYTES);
    checksum = checksum_finish(checksum_add(sum, tcp, TCP_BYTES));
    memcpy(tcp + 16, &checksum, 2);
}

static void send_one(struct flood *flood)
{
    struct packet *packet = NULL;
    if (network_unsent(flood->network, 0) <= UNSENT_MAX)
        packet = packet_alloc(flood->packets);
    if (!packet) {
        flood->missed_count++;
        return;
    }
    forge(flood, packet_append(packet, FLOOD_FRAME_BYTES));
    network_transmit(flood->network, 0, packet, false);
    flood->sent_count++;
}

uint32_t flood_send_due(struct flood *flood, uint64_t now_ns)
{
    if (flood->rate_per_s == 0)
        return 0;
    if (!flood->is_ready) {
        flood->is_ready = make_frame(flood);
        flood->due_ns = now_ns;
    }
    if (!flood->is_ready || now_ns < flood->due_ns)
        return 0;
    if (now_ns - flood->due_ns > DEBT_NS)
        flood->due_ns = now_ns - DEBT_NS;
    uint64_t count = (now_ns - flood->due_ns) * flood->rate_per_s / NS_PER_S;
    if (count > PER_ROUND_MAX)
        count = PER_ROUND_MAX;
    for (uint64_t i = 0; i < count; i++)
        send_one(flood);
    flood->due_ns += count * NS_PER_S / flood->rate_per_s;
    return (uint32_t)count;
}

bool flood_is_answer(const struct packet *frame)
{
    const uint8_t *bytes = packet_data(frame);
    return packet_first_bytes(frame) >= TCP_OFFSET && bytes[12] == 8 && bytes[13] == 0 &&
           bytes[IP_OFFSET + 16] == source_network[0] &&
           (bytes[IP_OFFSET + 17] & 0xfe) == source_network[1];
}
