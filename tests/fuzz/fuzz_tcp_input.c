/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bytes to TCP segments into a stack with live connections in several states. The input is a
 * sequence of records: how the segment is made, then its bytes. Addresses, lengths and checksums
 * are put right, since the link layer would have dropped the rest; sequence numbers may be taken
 * relative to what the connection expects, so that the states behind the window check are reached.
 */
#include "tests/fuzz/fuzz_target.h"

#include "dataplane/checksum.h"
#include "dataplane/packet_pool.h"
#include "dataplane/tcp_connection.h"
#include "dataplane/tcp_input.h"
#include "dataplane/tcp_internal.h"
#include "dataplane/tcp_stack.h"
#include "include/counters.h"
#include "tests/support/test_eal.h"
#include "tests/support/test_network.h"

#define PORTS 4u
#define SEGMENT_BYTES_MAX 200u

static struct network network;
static struct rte_mempool *pool;
static struct counters *counters;

/* Where a peer may go on: after our last SYN-ACK, be it of an entry or a cookie. */
struct fuzz_place {
    uint32_t rcv_nxt, snd_una;
};

struct fuzz_stack {
    struct tcp_stack *stack;
    struct tcp_connection *connections[PORTS];
    struct fuzz_place opening[PORTS];
    uint64_t now_ns;
};

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

static void send_segment(struct fuzz_stack *fuzz, uint16_t port, const uint8_t *tcp_bytes,
                         uint32_t length, bool is_relative)
{
    struct packet *packet = packet_alloc(pool);
    ASSERT(packet);
    uint8_t *frame = packet_append(packet, (uint16_t)(34 + length));
    memset(frame, 0, 34);
    frame[12] = 8;
    uint8_t *ip = frame + 14, *tcp = frame + 34;
    ip[0] = 0x45;
    ip[2] = (uint8_t)((length + 20) >> 8);
    ip[3] = (uint8_t)(length + 20);
    ip[9] = 6;
    memcpy(ip + 12, "\xc0\0\2\2", 4);
    memcpy(ip + 16, network.local4, 4);
    uint16_t checksum = checksum_of(ip, 20);
    memcpy(ip + 10, &checksum, 2);
    memcpy(tcp, tcp_bytes, length);
    tcp[0] = 0x80;
    tcp[1] = (uint8_t)(port % PORTS);
    tcp[2] = 0;
    tcp[3] = 80;
    const struct tcp_connection *connection = fuzz->connections[port % PORTS];
    if (is_relative) { /* the bytes are a small distance from what is expected */
        struct fuzz_place place = fuzz->opening[port % PORTS];
        if (connection)
            place = (struct fuzz_place){connection->rcv_nxt, connection->snd_una};
        put32(tcp + 4, place.rcv_nxt + (uint32_t)(int8_t)tcp[7]);
        put32(tcp + 8, place.snd_una + (uint32_t)(int8_t)tcp[11]);
    }
    memset(tcp + 16, 0, 2);
    uint32_t sum = checksum_pseudo_ipv4(ip + 12, ip + 16, 6);
    sum = checksum_add_number(sum, (uint16_t)length);
    checksum = checksum_finish(checksum_add(sum, tcp, length));
    memcpy(tcp + 16, &checksum, 2);
    if (test_network_accepts(&network, packet))
        tcp_input(fuzz->stack, &packet, 1, fuzz->now_ns);
    else
        packet_free(packet);
}

static void free_sent(struct fuzz_stack *fuzz)
{
    for (uint32_t i = 0; i < network.out_count; i++) {
        const uint8_t *tcp = packet_data(network.out[i]) + 34;
        if (tcp[13] == (TCP_FLAG_SYN | TCP_FLAG_ACK))
            fuzz->opening[tcp[3] % PORTS] = (struct fuzz_place){get32(tcp + 8), get32(tcp + 4)};
        packet_free(network.out[i]);
    }
    network.out_count = 0;
}

static void learn(struct fuzz_stack *fuzz)
{
    for (uint32_t i = 0; i < fuzz->stack->config.connections; i++) {
        struct tcp_connection *connection = &fuzz->stack->slots[i].connection;
        if (connection->state != TCP_CLOSED)
            fuzz->connections[connection->remote_port % PORTS] = connection;
    }
}

/* The application answers, reads a little, closes or aborts, as the record says. */
static void run_round(struct fuzz_stack *fuzz, uint8_t behaviour)
{
    struct tcp_connection *ready[8];
    tcp_timers_run(fuzz->stack, fuzz->now_ns);
    uint32_t count = tcp_take_ready(fuzz->stack, ready, 8);
    for (uint32_t i = 0; i < count; i++) {
        struct network_flow flow;
        uint16_t local_port, remote_port;
        tcp_connection_flow(ready[i], &flow, &local_port, &remote_port);
        struct tcp_connection **known = &fuzz->connections[remote_port % PORTS];
        if (tcp_events(ready[i]) & TCP_EVENT_GONE) {
            if (*known == ready[i])
                *known = NULL;
            continue;
        }
        *known = ready[i];
        uint32_t bytes = tcp_receive_bytes(ready[i]);
        if (behaviour & 1)
            tcp_receive_consume(fuzz->stack, ready[i], bytes);
        struct packet *packet = behaviour & 2 ? tcp_packet(fuzz->stack) : NULL;
        if (packet) {
            memset(packet_append(packet, 100), 'a', 100);
            tcp_send_packet(fuzz->stack, ready[i], packet);
        }
        if (behaviour & 4)
            tcp_close(fuzz->stack, ready[i]);
        if (behaviour == 0xf8)
            tcp_abort(fuzz->stack, ready[i]);
    }
    tcp_output(fuzz->stack, fuzz->now_ns);
    free_sent(fuzz);
}

static void start(struct fuzz_stack *fuzz)
{
    static bool is_started;
    if (!is_started) {
        test_eal_start("64");
        pool = packet_pool_create("fuzz", 1023, -1, PACKET_ROOM_BYTES);
        counters = counters_register("fuzz");
        memcpy(network.local4, "\xc0\0\2\1", 4);
        network.mtu = 1500;
        is_started = true;
    }
    memset(fuzz, 0, sizeof(*fuzz));
    fuzz->now_ns = UINT64_C(1) << 40;
    struct tcp_stack_config config = {
        .connections = 8,
        .half_open_max = 2, /* then cookies */
        .receive_window_bytes = 65535,
        .send_budget_bytes = 16384,
        .initial_window_segments = 10,
        .out_of_order_max = 8,
        .packets_held_max = 200,
        .offer_timestamps = true,
        .offer_sack = true,
        .rto_min_ms = 200,
        .delayed_ack_ms = 40,
        .keepalive_ms = 5000,
        .user_timeout_ms = 20000,
        .time_wait_ms = 1000,
        .fin_wait_ms = 3000,
        .reset_rate_per_s = 1000,
        .listen_ports = {80},
        .listen_port_count = 1,
        .key = {1, 2},
        .packets = pool,
        .network = &network,
        .counters = counters,
    };
    ASSERT(tcp_stack_create(&config, fuzz->now_ns, &fuzz->stack) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* run with -max_len=4096 */
{
    struct fuzz_stack fuzz;
    start(&fuzz);
    uint8_t *exact = fuzz_copy(data, size);
    size_t at = 0;
    while (at + 4 <= size) {
        uint8_t how = exact[at], behaviour = exact[at + 1], sleep = exact[at + 2];
        uint32_t length = 20 + exact[at + 3] % (SEGMENT_BYTES_MAX - 20);
        at += 4;
        if (at + length > size)
            break;
        send_segment(&fuzz, how & 3, exact + at, length, how & 4);
        at += length;
        fuzz.now_ns += (uint64_t)sleep << (how & 8 ? 24 : 10);
        run_round(&fuzz, behaviour);
        learn(&fuzz);
    }
    free(exact);
    tcp_stack_destroy(fuzz.stack);
    free_sent(&fuzz);
    ASSERT(packet_pool_used(pool) == 0);
    return 0;
}
