/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cycles of TCP's share of one keep-alive request and response: a data segment in that acknowledges
 * the last response, one response segment out that carries the acknowledgement. No network, no
 * HTTP: prepared frames in, frames freed as a port would. The connections come in random order, so
 * that many of them show what a connection that is not in the cache costs. Then the same for a
 * connection that is opened, asked once and closed by the server, and for a SYN of a flood.
 *
 *   bench_tcp [connections] [rounds]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/checksum.h"
#include "dataplane/packet_pool.h"
#include "dataplane/tcp_connection.h"
#include "dataplane/tcp_input.h"
#include "dataplane/tcp_stack.h"
#include "include/counters.h"
#include "include/random.h"
#include "tests/support/test_eal.h"
#include "tests/support/test_network.h"

#define BATCH 64u
#define REQUEST_BYTES 64u
#define RESPONSE_BYTES 330u
#define HEADERS 66u /* Ethernet, IPv4, TCP with timestamps */

struct client {
    uint32_t seq, ack;
    uint32_t address;
    uint16_t port;
    uint32_t timestamp_echo;
};

static struct network network;
static struct rte_mempool *pool;

static inline uint64_t cycles(void)
{
    return __builtin_ia32_rdtsc();
}

static void put32(uint8_t *at, uint32_t value)
{
    value = __builtin_bswap32(value);
    memcpy(at, &value, 4);
}

static uint32_t get32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, 4);
    return __builtin_bswap32(value);
}

static struct packet *segment(const struct client *client, uint8_t flags, uint32_t payload,
                              bool is_verified)
{
    struct packet *packet = packet_alloc(pool);
    uint8_t *frame = packet_append(packet, (uint16_t)(HEADERS + payload));
    memset(frame, 0, HEADERS);
    frame[12] = 8;
    uint8_t *ip = frame + 14, *tcp = frame + 34;
    ip[0] = 0x45;
    ip[2] = (uint8_t)((payload + 52) >> 8);
    ip[3] = (uint8_t)(payload + 52);
    ip[9] = 6;
    memcpy(ip + 12, &client->address, 4);
    memcpy(ip + 16, network.local4, 4);
    tcp[0] = (uint8_t)(client->port >> 8);
    tcp[1] = (uint8_t)client->port;
    tcp[3] = 80;
    put32(tcp + 4, client->seq);
    put32(tcp + 8, client->ack);
    tcp[12] = 32 << 2;
    tcp[13] = flags;
    tcp[14] = 0xff;
    memcpy(tcp + 20, "\x01\x01\x08\x0a", 4);
    put32(tcp + 24, 1);
    put32(tcp + 28, client->timestamp_echo);
    memset(tcp + 32, 'r', payload);
    if (is_verified) {
        packet->mbuf.ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
    } else {
        uint32_t sum = checksum_pseudo_ipv4(ip + 12, ip + 16, 6);
        sum = checksum_add_number(sum, (uint16_t)(payload + 32));
        uint16_t checksum = checksum_finish(checksum_add(sum, tcp, payload + 32));
        memcpy(tcp + 16, &checksum, 2);
    }
    packet->rx.network_offset = 14;
    packet->rx.transport_offset = 34;
    packet->rx.ip_version = 4;
    packet->rx.payload_bytes = (uint16_t)(32 + payload);
    return packet;
}

static void take_answers(struct client *clients, uint32_t first)
{
    for (uint32_t i = 0; i < network.out_count; i++) {
        const uint8_t *tcp = packet_data(network.out[i]) + 34;
        struct client *client = &clients[first + i];
        uint32_t payload = packet_bytes(network.out[i]) - 34 - (uint32_t)(tcp[12] >> 4) * 4;
        client->ack = get32(tcp + 4) + payload + ((tcp[13] & TCP_FLAG_SYN) != 0);
        client->seq = get32(tcp + 8);
        packet_free(network.out[i]);
    }
    network.out_count = 0;
}

static void open_all(struct tcp_stack *stack, struct client *clients, uint32_t count, uint64_t now)
{
    for (uint32_t i = 0; i < count; i++) {
        struct packet *packet = segment(&clients[i], TCP_FLAG_SYN, 0, true);
        tcp_input(stack, &packet, 1, now);
        take_answers(clients, i);
        packet = segment(&clients[i], TCP_FLAG_ACK, 0, true);
        tcp_input(stack, &packet, 1, now);
        struct tcp_connection *ready[1];
        tcp_take_ready(stack, ready, 1);
        tcp_output(stack, now);
    }
}

/* From here on neighbours in the array are strangers in the table. */
static void shuffle(struct client *clients, uint32_t count)
{
    struct random random = {.state = 1};
    for (uint32_t i = count - 1; i > 0; i--) {
        uint32_t other = (uint32_t)(random_u64(&random) % (i + 1));
        struct client swapped = clients[i];
        clients[i] = clients[other];
        clients[other] = swapped;
    }
}

struct cost {
    uint64_t input, application, output;
};

static void serve_batch(struct tcp_stack *stack, struct client *clients, uint32_t first,
                        uint32_t count, uint64_t now, bool is_verified, struct cost *cost)
{
    struct packet *in[BATCH];
    struct tcp_connection *ready[BATCH];
    for (uint32_t i = 0; i < count; i++)
        in[i] =
            segment(&clients[first + i], TCP_FLAG_ACK | TCP_FLAG_PSH, REQUEST_BYTES, is_verified);
    uint64_t start = cycles();
    tcp_input(stack, in, count, now);
    uint64_t received = cycles();
    tcp_timers_run(stack, now);
    uint32_t readable = tcp_take_ready(stack, ready, BATCH);
    for (uint32_t i = 0; i < readable; i++) {
        tcp_receive_consume(stack, ready[i], tcp_receive_bytes(ready[i]));
        struct packet *answer = tcp_packet(stack);
        packet_append(answer, RESPONSE_BYTES);
        tcp_send_packet(stack, ready[i], answer);
    }
    uint64_t answered = cycles();
    tcp_output(stack, now);
    uint64_t sent = cycles();
    if (readable != count || network.out_count != count) {
        fprintf(stderr, "%u requests, %u readable, %u answers\n", count, readable,
                network.out_count);
        exit(1);
    }
    take_answers(clients, first);
    cost->input += received - start;
    cost->application += answered - received;
    cost->output += sent - answered;
}

static void measure(struct tcp_stack *stack, struct client *clients, uint32_t connections,
                    uint32_t rounds, bool is_offloaded, uint64_t *now)
{
    struct cost cost = {0};
    uint64_t requests = 0;
    network.offloads = is_offloaded ? NIC_TX_TCP_CHECKSUM : 0;
    for (uint32_t round = 0; round < rounds + rounds / 10; round++) {
        if (round == rounds / 10) {
            memset(&cost, 0, sizeof(cost));
            requests = 0;
        }
        for (uint32_t first = 0; first < connections; first += BATCH) {
            uint32_t count = connections - first < BATCH ? connections - first : BATCH;
            *now += 20000;
            serve_batch(stack, clients, first, count, *now, is_offloaded, &cost);
            requests += count;
        }
    }
    printf("%6u connections, checksums %s: input %5.1f, read and queue %5.1f, output %5.1f, "
           "together %5.1f cycles\n",
           connections, is_offloaded ? "by the port" : "in software",
           (double)cost.input / (double)requests, (double)cost.application / (double)requests,
           (double)cost.output / (double)requests,
           (double)(cost.input + cost.application + cost.output) / (double)requests);
}

/* A batch of connections: handshake, a request that the handshake's ACK carries, answer, close,
 * the client's FIN. Three segments in, three out; TIME-WAIT stays behind. */
static uint64_t open_ask_close(struct tcp_stack *stack, struct client *clients, uint64_t now)
{
    struct packet *in[BATCH];
    struct tcp_connection *ready[BATCH];
    uint64_t spent = 0;
    for (uint32_t step = 0; step < 3; step++) {
        static const uint8_t flags[] = {TCP_FLAG_SYN, TCP_FLAG_ACK | TCP_FLAG_PSH,
                                        TCP_FLAG_FIN | TCP_FLAG_ACK};
        for (uint32_t i = 0; i < BATCH; i++)
            in[i] = segment(&clients[i], flags[step], step == 1 ? REQUEST_BYTES : 0, true);
        uint64_t start = cycles();
        tcp_input(stack, in, BATCH, now);
        tcp_timers_run(stack, now);
        uint32_t readable = tcp_take_ready(stack, ready, BATCH);
        for (uint32_t i = 0; step == 1 && i < readable; i++) {
            tcp_receive_consume(stack, ready[i], tcp_receive_bytes(ready[i]));
            struct packet *answer = tcp_packet(stack);
            packet_append(answer, RESPONSE_BYTES);
            tcp_send_packet(stack, ready[i], answer);
            tcp_close(stack, ready[i]);
        }
        tcp_output(stack, now);
        spent += cycles() - start;
        if (network.out_count != BATCH) {
            fprintf(stderr, "step %u: %u segments out\n", step, network.out_count);
            exit(1);
        }
        take_answers(clients, 0);
        for (uint32_t i = 0; i < BATCH; i++)
            clients[i].ack += step == 1; /* its FIN */
    }
    return spent;
}

/* SYNs of sources that never answer, each once, checksums by the port. */
static void measure_flood(const struct tcp_stack_config *config, const char *what, uint64_t now)
{
    struct tcp_stack *stack;
    struct packet *in[BATCH];
    uint64_t spent = 0;
    const uint32_t rounds = 20000;
    if (tcp_stack_create(config, now, &stack) != 0)
        exit(1);
    network.offloads = NIC_TX_TCP_CHECKSUM;
    for (uint32_t round = 0; round < rounds; round++) {
        for (uint32_t i = 0; i < BATCH; i++) {
            uint32_t number = round * BATCH + i + 1;
            struct client source = {.seq = number * 7919,
                                    .address = number * 2654435761u,
                                    .port = (uint16_t)(1024 + number % 60000)};
            in[i] = segment(&source, TCP_FLAG_SYN, 0, true);
        }
        uint64_t start = cycles();
        tcp_input(stack, in, BATCH, now += 64000);
        tcp_timers_run(stack, now);
        tcp_output(stack, now);
        spent += cycles() - start;
        for (uint32_t i = 0; i < network.out_count; i++)
            packet_free(network.out[i]);
        network.out_count = 0;
    }
    printf("SYN flood, %s: %.1f cycles a SYN\n", what, (double)spent / ((double)rounds * BATCH));
    tcp_stack_destroy(stack);
}

static void measure_connections(struct tcp_stack *stack, uint32_t rounds, uint64_t now)
{
    static struct client clients[BATCH];
    uint64_t spent = 0;
    network.offloads = NIC_TX_TCP_CHECKSUM;
    for (uint32_t round = 0; round < rounds; round++) {
        for (uint32_t i = 0; i < BATCH; i++)
            clients[i] = (struct client){.seq = round * 7919,
                                         .address = 0x010010ac + (round / 800) * 0x1000000,
                                         .port = (uint16_t)(1024 + round % 800 * BATCH + i)};
        spent += open_ask_close(stack, clients, now += 60000);
    }
    printf("open, request, answer, close: %.1f cycles a connection\n",
           (double)spent / ((double)rounds * BATCH));
}

int main(int count, char **values)
{
    uint32_t connections = count > 1 ? (uint32_t)strtoull(values[1], NULL, 10) : 256;
    uint32_t rounds = count > 2 ? (uint32_t)strtoull(values[2], NULL, 10) : 2000000 / connections;
    char memory_mib[16];
    snprintf(memory_mib, sizeof(memory_mib), "%u", 256 + connections / 200);
    test_eal_start(memory_mib);
    /* Every connection holds its last answer until the next request acknowledges it. */
    pool = packet_pool_create("bench", connections + 16383, -1, PACKET_ROOM_BYTES);
    struct client *clients = calloc(connections, sizeof(*clients));
    struct tcp_stack *stack;
    uint64_t now = UINT64_C(1) << 40;
    struct tcp_stack_config config = {
        .connections = connections + 1024,
        .half_open_max = connections + 1,
        .receive_window_bytes = 262144,
        .send_budget_bytes = 1 << 20,
        .initial_window_segments = 10,
        .out_of_order_max = 256,
        .packets_held_max = connections + 12000,
        .offer_timestamps = true,
        .offer_sack = true,
        .rto_min_ms = 200,
        .delayed_ack_ms = 40,
        .tlp_ack_delay_ms = 40,
        .user_timeout_ms = 120000,
        .time_wait_ms = 60000,
        .fin_wait_ms = 60000,
        .reset_rate_per_s = 1000,
        .listen_ports = {80},
        .listen_port_count = 1,
        .key = {3, 4},
        .packets = pool,
        .network = &network,
        .counters = counters_register("bench"),
    };
    network.mtu = 1500;
    memcpy(network.local4, "\xc0\0\2\1", 4);
    if (!pool || !clients || tcp_stack_create(&config, now, &stack) != 0)
        return 1;
    for (uint32_t i = 0; i < connections; i++)
        clients[i] = (struct client){.seq = i * 7919,
                                     .address = 0x0100000a + (i / 50000) * 0x1000000,
                                     .port = (uint16_t)(1024 + i % 50000)};
    open_all(stack, clients, connections, now);
    shuffle(clients, connections);
    measure(stack, clients, connections, rounds, true, &now);
    measure(stack, clients, connections, rounds, false, &now);
    tcp_stack_destroy(stack);
    if (tcp_stack_create(&config, now, &stack) != 0)
        return 1;
    measure_connections(stack, 10000, now);
    tcp_stack_destroy(stack);
    config.half_open_max = 4096;
    measure_flood(&config, "cookies", now);
    config.syn_cookies = TCP_SYN_COOKIES_NEVER;
    measure_flood(&config, "the oldest of 4096 gives way", now);
    free(clients);
    return 0;
}
